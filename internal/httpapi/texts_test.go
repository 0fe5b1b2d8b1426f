package httpapi

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawForm is a form of one part whose header and content are sent as they are.
func rawForm(disposition string, content []byte) (body []byte, contentType string) {
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
	_, _ = part.Write(content)
	_ = w.Close()
	return buffer.Bytes(), w.FormDataContentType()
}

// A text in another encoding is refused: read as UTF-8 it would silently lose its accents.
func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	b := newBench(t)
	latin1, err := os.ReadFile("testdata/texts/latin1.json")
	require.NoError(t, err)
	fine := b.send("POST", speechPath, `{"text":"A ação \ud83d\ude00 \\ud800","voice_id":"Clara (rascunho)"}`)
	require.Equal(t, 202, fine.status, string(fine.body))
	before := b.count(`select count(*) from generation_jobs`)
	refused := func(name string, method, path string, body []byte, contentType string) {
		t.Run(name, func(t *testing.T) {
			a := b.send(method, path, body, "Content-Type", contentType)
			require.Equal(t, 422, a.status, string(a.body))
			detail := a.json(t)["detail"].(string)
			require.True(t, strings.Contains(detail, "not valid UTF-8") || strings.Contains(detail, "surrogate") ||
				strings.Contains(detail, "percent"), detail)
			require.NotEqual(t, detail, b.send(method, path, body, "Content-Type", contentType, "Accept-Language",
				"pt-BR").json(t)["detail"])
		})
	}
	const asJSON = "application/json"
	refused("JSON in Latin-1", "POST", speechPath, latin1, asJSON)
	refused("one byte", "POST", speechPath, []byte("{\"text\":\"caf\xe9\",\"voice_id\":\"Clara (rascunho)\"}"), asJSON)
	refused("a name of a field", "POST", speechPath, []byte("{\"t\xe9xt\":\"a\"}"), asJSON)
	refused("UTF-16", "POST", speechPath, []byte("\xff\xfe{\x00}\x00"), asJSON)
	refused("a patch", "PUT", "/api/v1/queue", []byte("{\"paused\":\"\xe9\"}"), asJSON)
	refused("half a character", "POST", speechPath, []byte(`{"text":"a \ud83d b"}`), asJSON)
	refused("the other half", "POST", speechPath, []byte(`{"text":"a \ude00"}`), asJSON)
	refused("two first halves", "POST", speechPath, []byte(`{"text":"\ud83d\ud83d\ude00"}`), asJSON)
	for name, disposition := range map[string]string{"a text of a form": `form-data; name="text"`,
		"a number of a form": `form-data; name="speed"`, "an unknown field of a form": `form-data; name="nonsense"`} {
		body, kind := rawForm(disposition, []byte("caf\xe9"))
		refused(name, "POST", speechPath, body, kind)
	}
	body, kind := rawForm("form-data; name=\"t\xe9xt\"", []byte("a"))
	refused("the name of a form's field", "POST", speechPath, body, kind)
	body, kind = rawForm("form-data; name=\"audio\"; filename=\"caf\xe9.wav\"", wav(4))
	refused("the name of a file", "POST", clonePath, body, kind)
	refused("the address", "GET", "/api/v1/audio/voices?language=%e9", nil, "")
	refused("the name of an upload", "POST", "/api/v1/assets?filename=caf%e9.png", picture(16), "image/png")
	refused("a broken escape", "GET", "/api/v1/jobs?cursor=%zz", nil, "")
	require.Equal(t, before, b.count(`select count(*) from generation_jobs`))
	require.Zero(t, b.count(`select count(*) from media_assets`))
	require.Empty(t, b.log.String(), "nothing failed inside")
}

func TestNamesAreOneVisibleLineInNFC(t *testing.T) {
	b := newBench(t)
	nfc, nfd := "João", "Joa\u0303o"
	sound := b.upload("Joa\u0303o\u202egpj.wav", wav(16))
	require.Equal(t, "Joãogpj.wav", b.get("/api/v1/assets/" + sound)["filename"])
	clone := b.submit(clonePath, object{"name": nfd, "audio": sound, "client_reference": "a\r\nb\u202e",
		"consent_note": "eu,\r\nhoje\u2066"})
	require.Equal(t, nfc, member(clone, "input.name"))
	require.Equal(t, "a b", clone["client_reference"])
	voice := b.get("/api/v1/audio/voices/" + clone["voice_id"].(string))
	require.Equal(t, nfc, voice["name"])
	require.Equal(t, "eu, hoje", voice["consent_note"])
	for _, name := range []string{nfc, nfd, " João\u200b "} {
		require.Equal(t, voice["id"], member(b.submit(speechPath, object{"text": "a", "voice_id": name}),
			"input.voice_id"), "%q", name)
	}
	require.Equal(t, "name_taken",
		member(b.send("POST", clonePath, object{"name": nfc + "\u200d", "audio": sound}).json(t), "error.code"))
	require.Equal(t, "é dois", b.send("PATCH", "/api/v1/audio/voices/"+voice["id"].(string),
		object{"name": "e\u0301\n dois\u202e"}).json(t)["name"])
	require.Equal(t, "Projeto é", b.send("POST", "/api/v1/studio/create-project",
		object{"name": "Projeto\r\n e\u0301\u202e", "type": "mixed"}).json(t)["name"])
	require.Equal(t, "n8n é", b.send("POST", "/api/v1/keys", object{"name": "n8n\te\u0301\x1b",
		"scopes": []string{"read"}}).json(t)["name"])
	for path, body := range map[string]object{clonePath: {"audio": sound},
		"/api/v1/studio/create-project": {"type": "mixed"}, "/api/v1/keys": {"scopes": []string{"read"}}} {
		body["name"] = "\u202e\u200b"
		a := b.send("POST", path, body)
		require.Equal(t, 422, a.status, path)
		require.Contains(t, a.json(t)["detail"], "name is empty")
	}
}

// Unspeakable texts are refused before a job is stored.
func TestATextWithoutWordsIsRefused(t *testing.T) {
	b := newBench(t)
	portrait, voice := b.upload("p.png", picture(32)), b.builtin.String()
	for _, text := range []string{"😀", "...", "…", "?!", "— — —", "<break time='1s'/>", "👩\u200d💻 🎉", "\u200b", "***",
		"<speak> </speak>", "&nbsp;", "&#8203;&mdash;", "&lt;br&gt;", "[](https://a.com/b)", "![](https://a.com/b.png)",
		"<!-- nota -->", "[^1]", "[^1]: ", "[a]: https://b.c",
		"<script>alert(1)</script>", "<STYLE>a{}</style>"} {
		for path, body := range map[string]object{speechPath: {"text": text, "voice_id": voice},
			avatarPath: {"script": text, "voice_id": voice, "image": portrait}} {
			a := b.send("POST", path, body)
			require.Equal(t, http.StatusUnprocessableEntity, a.status, "%q", text)
			require.Contains(t, a.json(t)["detail"], "nothing in the text that can be spoken: write words")
			require.Contains(t, b.send("POST", path, body, "Accept-Language", "pt-BR").json(t)["detail"],
				"escreva palavras")
		}
	}
	p := b.send("POST", speechPath, object{"voice_id": voice, "lines": []any{object{"text": "Olá"},
		object{"text": "😀"}}}).json(t)
	require.Equal(t, "/lines/1/text", member(p, "errors.0.pointer"))
	for _, text := range []string{"😀 Olá", "5", "李", "Ω!", "<b>Oi</b>", "½", "1️⃣", "&eacute;", "[link](https://a.com)",
		"https://a.com", "<https://a.com>", "a &lt; b",
		"Ⓞⓛⓐ", "🅞🅛🅐", "🄾🄻🄰", "<sub alias='Oi'>*</sub>", "Oi[^1]"} {
		require.Equal(t, 202, b.send("POST", speechPath, object{"text": text, "voice_id": voice}).status, "%q", text)
	}
}

// A length is compared after rounding to the shown tenths, because containers are a few milliseconds off.
func TestSampleLengthIsComparedAsItIsShown(t *testing.T) {
	b := newBench(t)
	for seconds, status := range map[float64]int{2.987: http.StatusAccepted, 2.94: http.StatusUnprocessableEntity} {
		a := b.send("POST", clonePath, object{"name": fmt.Sprint(seconds), "audio": b.upload("v.wav", wav(seconds))})
		require.Equal(t, status, a.status, "%g s: %s", seconds, a.body)
	}
}

// A word that stands in a sentence is in the reader's language too.
func TestTheWordsInsideARefusalAreTranslated(t *testing.T) {
	b := newBench(t)
	said := func(body string) any {
		a := b.send("POST", speechPath, body, "Content-Type", "application/json", "Accept-Language", "pt-BR")
		require.Equal(t, 422, a.status)
		return a.json(t)["detail"]
	}
	require.Contains(t, said(`{"lines":["x"]}`), "item 1 de lines")
	require.Contains(t, said(`{"text":"x","template_id":"y"}`), "não tem modelos de projeto")
}
