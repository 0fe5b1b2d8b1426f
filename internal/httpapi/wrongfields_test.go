package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Some clients show only the detail, so it names every fault.
func TestDetailNamesEveryWrongField(t *testing.T) {
	b := newBench(t)
	voice := b.builtin.String()
	for _, s := range []struct {
		name     string
		path     string
		method   string
		body     any
		pointers []string
		says     []string
	}{
		{name: "values", path: imagePath, body: object{"prompt": "a", "width": 1, "priority": 99, "quality": "best"},
			pointers: []string{"/priority", "/quality", "/width"},
			says:     []string{"priority is 99", "quality is", "width is 1; the least is 16"}},
		{name: "a name, a value and what is missing", path: imagePath, body: object{"widht": 512, "priority": "high"},
			pointers: []string{"/widht", "/priority", "/prompt"}, says: []string{"did you mean width?",
				"priority must be a number", "prompt is missing"}},
		{name: "a value and a voice that is not there", path: speechPath, body: object{"text": "a",
			"voice_id": "Ninguém", "speed": 9, "output_format": "png"}, pointers: []string{"/speed", "/output_format",
			"/voice_id"},
			says: []string{"speed is 9", "png is", "Ninguém"}},
		{name: "a language, a project and a parameter", path: speechPath, body: object{"text": "a", "voice_id": voice,
			"language": "tlh", "cfg": 0.5, "project_id": uuid.NewString()}, pointers: []string{"/project_id",
			"/language", "/cfg_weight"},
			says: []string{"project", "tlh", "cfg_weight"}},
		{name: "two lines", path: speechPath, body: object{"lines": []any{object{"text": "a", "voice_id": "X"},
			object{"text": "b", "voice_id": "Y"}}}, pointers: []string{"/lines/0/voice_id", "/lines/1/voice_id"},
			says: []string{`"X"`, `"Y"`}},
		{name: "two ids of nothing", path: avatarPath, body: object{"image": uuid.NewString(), "audio": "foto",
			"speed": 1}, pointers: []string{"/speed", "/image", "/audio"}, says: []string{"speed is for a script",
			"image names no file", "audio must be"}},
		{name: "a file and a value of a form", path: clonePath, body: form{texts: map[string]string{"quality": "best"},
			files: map[string]file{"audio": {name: "p.png", content: picture(20)}}},
			pointers: []string{"/audio", "/quality", "/name"}, says: []string{"takes audio", "quality is",
				"name is missing"}},
		{name: "a project", path: "/api/v1/studio/create-project", body: object{"type": "film"},
			pointers: []string{"/type", "/name"}, says: []string{"type is", "name is missing"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			if s.method == "" {
				s.method = "POST"
			}
			a := b.send(s.method, s.path, s.body)
			require.Equal(t, 422, a.status, string(a.body))
			p := a.json(t)
			var pointers []string
			for _, field := range p["errors"].([]any) {
				pointers = append(pointers, field.(object)["pointer"].(string))
				require.Contains(t, p["detail"], field.(object)["detail"])
			}
			require.ElementsMatch(t, s.pointers, pointers, p["detail"])
			for _, words := range s.says {
				require.Contains(t, p["detail"], words)
			}
			require.Equal(t, p["detail"], member(p, "error.message"))
			said := b.send(s.method, s.path, s.body, "Accept-Language", "pt-BR").json(t)
			require.True(t, strings.HasPrefix(said["detail"].(string), fmt.Sprintf("%d coisas a mudar: (1) ",
				len(pointers))), said["detail"])
			for i, field := range said["errors"].([]any) {
				require.Contains(t, said["detail"], field.(object)["detail"])
				require.NotEqual(t, p["errors"].([]any)[i].(object)["detail"], field.(object)["detail"])
			}
		})
	}
	require.Zero(t, b.count(`select count(*) from generation_jobs`))
	require.Zero(t, b.count(`select count(*) from media_assets`))
	require.Empty(t, b.log.String(), "nothing failed inside")
}

func TestTheDetailStaysShort(t *testing.T) {
	b := newBench(t)
	body := object{"prompt": "a"}
	for i := range 30 {
		body[fmt.Sprintf("nonsense%02d", i)] = i
	}
	p := b.send("POST", imagePath, body).json(t)
	require.Len(t, p["errors"], mostTold)
	require.Contains(t, p["detail"], "30 things to change: (1) ")
	require.Contains(t, p["detail"], "(and 20 more)")
	require.Less(t, len(p["detail"].(string)), 4000)
	require.Equal(t, 1, strings.Count(p["detail"].(string), "its fields are"), "the list of fields is told once")
	require.Contains(t, p["detail"], "(2) nonsense01 is not a field of this request; (3) ")
	require.Contains(t, b.send("POST", imagePath, body, "Accept-Language", "pt-BR").json(t)["detail"], "(e mais 20)")
}

// Of a change of a queued job too, and nothing is fetched for a request that is refused.
func TestDetailOfAChangedJobNamesItsField(t *testing.T) {
	b := newBench(t)
	job := b.speech()["id"].(string)
	p := b.send("PATCH", "/api/v1/jobs/"+job, object{"input": object{"speed": "9", "voice": "Ninguém", "priority": 3,
		"textt": "a"}}).json(t)
	for _, words := range []string{"speed is 9", "Ninguém", "priority of a queued job", "did you mean text?"} {
		require.Contains(t, p["detail"], words)
	}
	require.Equal(t, "input/textt", member(p, "error.param"))
	require.Equal(t, "/input/textt", member(p, "errors.0.pointer"))
}

// n8n sends an empty text for an expression that finds nothing: the default voice speaks, and the job says so.
func TestEmptyVoiceIsTheDefaultVoice(t *testing.T) {
	b := newBench(t)
	dora, _ := natural(b, true)
	for _, voice := range []any{"", " ", nil} {
		job := b.submit(speechPath, object{"voice": voice, "text": "a"})
		require.Equal(t, dora.String(), member(job, "input.voice_id"))
		require.Equal(t, "default_voice", member(job, "warnings.0.code"))
	}
	queued := b.submit(speechPath, object{"voice_id": "Heart", "text": "a"})
	patched := b.send("PATCH", "/api/v1/jobs/"+queued["id"].(string), object{"input": object{"voice_id": nil}})
	require.Equal(t, 200, patched.status, string(patched.body))
	require.Equal(t, dora.String(), member(patched.json(t), "input.voice_id"), "a voice that is taken out")
}

func TestEmptyExpressionIsReportedAsMissing(t *testing.T) {
	b := newBench(t)
	for _, s := range []scenario{
		{name: "audio", path: clonePath, body: object{"name": "V", "audio": ""}, pointer: "/audio",
			detail: "audio is missing: it was sent without a value"},
		{name: "null", path: clonePath, body: object{"name": "V", "audio_file": nil}, pointer: "/audio", detail: "n8n"},
		{name: "blanks", path: clonePath, body: form{texts: map[string]string{"name": "V", "audio": " "}},
			pointer: "/audio", detail: "audio is missing: it was sent"},
		{name: "text", path: speechPath, body: object{"voice_id": b.builtin.String(), "text": ""}, pointer: "/text",
			detail: "text is missing: it was sent"},
		{name: "text of a line", path: speechPath, body: object{"voice_id": b.builtin.String(),
			"lines": []any{object{"text": ""}}}, pointer: "/lines/0/text", detail: "text is missing: it was sent"},
		{name: "not sent at all", path: clonePath, body: object{"name": "V"}, pointer: "/audio",
			detail: "audio is missing"},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.status, s.code = 422, "invalid_request"
			s.run(t, b)
		})
	}
}

// A list of jobs with several wrong parameters reports each: known ones with a wrong value, and unknown ones.
func TestDetailNamesEveryWrongParameter(t *testing.T) {
	b := newBench(t)
	a := b.send("GET", "/api/v1/jobs?limt=1&status=done&type=speech&project=x&parent=y", nil)
	require.Equal(t, 422, a.status)
	for _, words := range []string{"limt is not a parameter", "did you mean completed?", "did you mean audio.speech?",
		"project must be an id", "parent must be an id", "5 things to change"} {
		require.Contains(t, a.json(t)["detail"], words)
	}
	require.Len(t, a.json(t)["errors"], 5)
}

// A broken form is reported as such, and not as a missing field that was in the unread rest.
func TestFormsThatCannotBeRead(t *testing.T) {
	b := newBench(t)
	part := "--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nOlá\r\n"
	for name, c := range map[string]struct {
		kind, body, words, palavras string
		status                      int
	}{
		"without a boundary": {"multipart/form-data", part, "boundary", "boundary", 415},
		"with another boundary": {"multipart/form-data; boundary=C", part + "--B--\r\n", "broken or ends early",
			"termina antes", 422},
		"that ends before its end": {"multipart/form-data; boundary=B", part, "broken or ends early",
			"termina antes", 422},
		"that ends in a part's head": {"multipart/form-data; boundary=B", part + "--B\r\nContent-Dispo",
			"broken or ends early", "termina antes", 422},
		"that ends inside a boundary": {"multipart/form-data; boundary=B", part + "--", "broken or ends early",
			"termina antes", 422},
	} {
		a := b.send("POST", speechPath, c.body, "Content-Type", c.kind)
		require.Equal(t, c.status, a.status, "%s: %s", name, a.body)
		require.Contains(t, a.json(t)["detail"], c.words, name)
		require.Contains(t, b.send("POST", speechPath, c.body, "Content-Type", c.kind, "Accept-Language",
			"pt-BR").json(t)["detail"], c.palavras, name)
	}
}

func TestAcceptedFileTypesAreListedInPortuguese(t *testing.T) {
	b := newBench(t)
	a := b.send("POST", editPath, form{texts: map[string]string{"instruction": "a"},
		files: map[string]file{"image": {name: "a.png", content: []byte("no picture")}}}, "Accept-Language", "pt-BR")
	require.Equal(t, 422, a.status)
	require.Contains(t, a.json(t)["detail"], "são aceitos")
	require.NotContains(t, a.json(t)["detail"], "accepted")
}
