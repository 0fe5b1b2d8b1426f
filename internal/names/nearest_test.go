package names

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A word finds the value that its writer meant, and an unrelated word finds none.
func TestClosestFindsTheMeantWord(t *testing.T) {
	voices := []string{"Clara (rascunho)", "João", "Rafael - narrador"}
	formats := []string{"wav", "mp3", "flac", "ogg", "png", "jpg", "webp", "mp4", "webm"}
	statuses := []string{"queued", "processing", "completed", "failed", "canceled"}
	types := []string{"audio.speech", "audio.clone_voice", "image.generate"}
	for _, c := range []struct {
		text  string
		known []string
		want  string
	}{
		{"Clara", voices, "Clara (rascunho)"},
		{"clara (RASCUNHO)", voices, "Clara (rascunho)"},
		{"Joao", voices, "João"},
		{"jo\u0061\u0303o", voices, "João"},
		{"Rafel", voices, ""},
		{"Rafael narador", voices, "Rafael - narrador"},
		{"Ninguém", voices, ""},
		{"Dra", []string{"Emma (draft)", "Dora", "Alex"}, "Dora"},
		{"", voices, ""},
		{"...", voices, ""},
		{"jpeg", formats, "jpg"},
		{"MP3", formats, "mp3"},
		{"opus", formats, "ogg"},
		{"wave", formats, "wav"},
		{"gif", formats, ""},
		{"m4a", formats, ""},
		{"done", statuses, "completed"},
		{"cancelled", statuses, "canceled"},
		{"in progress", statuses, "processing"},
		{"speech", types, "audio.speech"},
		{"clone", types, "audio.clone_voice"},
		{"flux", []string{"flux-dev", "flux-kontext"}, "flux-dev"},
		{"FLUX.1 Kontext", []string{"flux-dev", "flux-kontext"}, "flux-kontext"},
		{"sd3.5", []string{"flux-dev", "sd3.5-large"}, "sd3.5-large"},
	} {
		require.Equal(t, c.want, Closest(c.text, c.known), c.text)
	}
}
