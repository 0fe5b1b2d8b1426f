package httpapi

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/voices"
)

// natural makes built-in voices of the engine that ships with some, and says whether its model is installed.
func natural(b *bench, installed bool) (dora, heart uuid.UUID) {
	b.t.Helper()
	dora, heart = uuid.New(), uuid.New()
	require.NoError(b.t, b.api.cfg.Voices.EnsureBuiltins(b.ctx, []voices.Builtin{
		{ID: dora, Name: "Dora", Language: "pt-BR", Engine: "kokoro", Sex: "female", Default: true,
			Formerly: []string{"Clara"}, Preview: "voices.yaml"},
		{ID: heart, Name: "Heart", Language: "en", Engine: "kokoro", Sex: "female", Default: true,
			Preview: "../draft_speech/manifest.yaml"},
		{ID: uuid.New(), Name: "Alex", Language: "pt-BR", Engine: "kokoro", Sex: "male"},
	}))
	b.api.cfg.Catalogue.Variants = func(model string) []string {
		if model == "kokoro" && installed {
			return []string{"int8"}
		}
		return nil
	}
	return dora, heart
}

func voiceNamed(t *testing.T, list object, name string) object {
	t.Helper()
	for _, entry := range list["data"].([]any) {
		if v := entry.(object); v["name"] == name {
			return v
		}
	}
	t.Fatalf("no voice %s in %v", name, list)
	return nil
}

func TestVoicesSayWhoSpeaksThemAndHowTheySound(t *testing.T) {
	b := newBench(t)
	natural(b, true)
	clone := b.submit(clonePath, object{"name": "Minha Voz", "audio": b.upload("v.wav", wav(4))})
	const path = "/api/v1/audio/voices"
	dora := voiceNamed(t, b.get(path), "Dora")
	require.Equal(t, []any{"female", true, "kokoro", "final"},
		[]any{dora["sex"], dora["default"], dora["engine"], dora["quality"]})
	alex := voiceNamed(t, b.get(path), "Alex")
	require.Equal(t, []any{"male", false, nil}, []any{alex["sex"], alex["default"], alex["preview_url"]})
	mine := b.get(path + "/" + clone["voice_id"].(string))
	require.Equal(t, []any{nil, false, "draft-speech", "draft"},
		[]any{mine["sex"], mine["default"], mine["engine"], mine["quality"]})
	natural(b, false)
	require.Equal(t, "draft", voiceNamed(t, b.get(path), "Dora")["quality"], "its model is not installed")

	names := func(query string) (found []string) {
		for _, entry := range b.get(path + "?" + query)["data"].([]any) {
			found = append(found, entry.(object)["name"].(string))
		}
		slices.Sort(found)
		return found
	}
	require.Equal(t, []string{"Alex", "Dora", "Minha Voz"}, names("language=pt"))
	require.Equal(t, []string{"Alex", "Dora", "Minha Voz"}, names("language=pt_br"))
	require.Equal(t, []string{"Dora", "Heart"}, names("sex=female"))
	refused := b.send("GET", path+"?language=Portuguese", nil)
	require.Equal(t, 422, refused.status)
	require.Contains(t, string(refused.body), "did you mean pt-BR?")
	require.Equal(t, 422, b.send("GET", path+"?sex=woman", nil).status)
}

func TestPreviewOfAVoiceIsPlayedWithoutAHeader(t *testing.T) {
	b := newBench(t)
	dora, heart := natural(b, true)
	const path = "/api/v1/audio/voices/"
	without := []string{"Authorization", ""}
	link := func(id string) string {
		address, err := url.Parse(b.get(path + id)["preview_url"].(string))
		require.NoError(t, err)
		return address.RequestURI()
	}
	want, err := os.ReadFile("../../pyworkers/apibr_worker/engines/kokoro/voices.yaml")
	require.NoError(t, err)
	signed := link(dora.String())
	got := b.send("GET", signed, nil, without...)
	require.Equal(t, 200, got.status)
	require.Equal(t, want, got.body)
	require.Equal(t, []string{"audio/ogg", "nosniff", "cross-origin"}, []string{got.header.Get("Content-Type"),
		got.header.Get("X-Content-Type-Options"), got.header.Get("Cross-Origin-Resource-Policy")})
	again := b.send("GET", signed, nil, "Authorization", "", "If-None-Match", got.header.Get("ETag"))
	require.Equal(t, 304, again.status)
	require.Equal(t, 206, b.send("GET", signed, nil, "Authorization", "", "Range", "bytes=0-9").status)
	head := b.send("HEAD", signed, nil, without...)
	require.Equal(t, 200, head.status)
	require.Empty(t, head.body)
	require.Equal(t, 403, b.send("GET", signed+"x", nil, without...).status)
	require.Equal(t, 401, b.send("GET", path+dora.String()+"/preview", nil, without...).status)
	other := path + heart.String() + "/preview" + signed[strings.Index(signed, "?"):]
	require.Equal(t, 403, b.send("GET", other, nil, without...).status, "a link is for one voice")

	require.Nil(t, b.get(path + heart.String())["preview_url"], "no file outside the engine's folder is sent")
	require.Equal(t, 404, b.send("GET", path+heart.String()+"/preview", nil).status)

	clone := b.submit(clonePath, object{"name": "Minha Voz", "audio": b.upload("v.wav", wav(4))})["voice_id"].(string)
	sample := b.send("GET", link(clone), nil, without...)
	require.Equal(t, "audio/wav", sample.header.Get("Content-Type"), "a cloned voice sounds as its sample")
	require.Equal(t, 404, b.send("GET", path+clone+"/preview", nil, "Authorization", "Bearer "+b.stranger()).status)
}
