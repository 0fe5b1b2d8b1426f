package httpapi

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A portrait that is too small for the engine is refused before a job is stored, in both languages and however it is
// sent.
func TestTinyPortraitIsRefusedBeforeAJobIsStored(t *testing.T) {
	b := newBench(t)
	script := map[string]string{"script": "Oi", "voice_id": "Clara (rascunho)", "quality": "draft"}
	send := func(side int, language string) answer {
		return b.send("POST", "/api/v1/video/create-avatar",
			form{texts: script, files: map[string]file{"image": {name: "a.png", content: picture(side)}}},
			"Accept-Language", language)
	}
	a := send(40, "en")
	require.Equal(t, http.StatusUnprocessableEntity, a.status, string(a.body))
	require.Equal(t, "the picture is 40 x 40; the smallest side is 64 pixels: send a larger one", a.json(t)["detail"])
	require.Contains(t, string(a.body), `"/image"`)
	require.NotContains(t, send(63, "pt-BR").json(t)["detail"], "picture")
	byID := b.send("POST", "/api/v1/video/create-avatar", object{"image": b.upload("a.png", picture(40)),
		"script": "Oi", "voice_id": "Clara (rascunho)", "quality": "draft"})
	require.Equal(t, http.StatusUnprocessableEntity, byID.status, string(byID.body))
	var jobs int
	require.NoError(t, b.pool.QueryRow(b.ctx, "select count(*) from generation_jobs").Scan(&jobs))
	require.Zero(t, jobs)
	require.Equal(t, http.StatusAccepted, send(64, "en").status)
}
