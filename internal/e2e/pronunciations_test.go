package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// heard is what a finished speech job said: its phonemes, the written words of its timings, and its captions.
type heard struct {
	phonemes, words, captions string
}

func (s *studio) heard(job object) (h heard) {
	s.t.Helper()
	for _, output := range job.list("outputs") {
		file := s.get("/api/v1/files/" + output.str("id"))
		require.Equal(s.t, 200, file.status)
		switch output.str("mime_type") {
		case "application/json":
			var times struct {
				Words    []struct{ Text string }
				Phonemes []struct{ IPA string }
			}
			require.NoError(s.t, json.Unmarshal(file.body, &times))
			for _, phoneme := range times.Phonemes {
				h.phonemes += phoneme.IPA
			}
			for _, word := range times.Words {
				h.words += word.Text + " "
			}
		case "application/x-subrip":
			h.captions = string(file.body)
		}
	}
	return h
}

// A word of the dictionary is said its own way, while timings and captions show it as it is written. Its sentence can
// be listened to alone, too.
func TestAWordIsSaidAsTheDictionarySays(t *testing.T) {
	s := startStudio(t)
	var speaker string
	for _, voice := range s.get("/api/v1/audio/voices").json(t).list("data") {
		if voice.str("language") == "pt-BR" && speaker == "" {
			speaker = voice.str("id")
		}
	}
	speak := func() (object, heard) {
		job := s.completed(s.submit("/audio/generate-speech",
			object{"text": "O Xpto fala.", "voice_id": speaker, "seed": 7}).str("id"))
		return job, s.heard(job)
	}
	_, before := speak()
	id := strings.TrimSpace(s.run("words", "add", "XPTO", "banana da terra", "--language", "pt_BR"))
	require.Contains(t, s.run("words"), "banana da terra")
	job, after := speak()

	require.NotEmpty(t, before.phonemes)
	require.NotEqual(t, before.phonemes, after.phonemes, "it is said in another way")
	require.Greater(t, strings.Count(after.phonemes, "n"), strings.Count(before.phonemes, "n"))
	require.Equal(t, "O Xpto fala. ", after.words, "and written as before")
	require.Equal(t, before.words, after.words)
	require.Contains(t, after.captions, "O Xpto fala.")
	said := job["input"].(map[string]any)["pronunciations"].([]any)[0].(map[string]any)
	require.Equal(t, map[string]any{"word": "XPTO", "say": "banana da terra"}, said)

	list := s.get("/api/v1/jobs/" + job.str("id") + "/segments").json(t)
	require.Equal(t, true, list["complete"])
	require.Len(t, list.list("data"), 1)
	segment := list.list("data")[0]
	require.Greater(t, segment["duration_seconds"], 0.5)
	sound := s.get("/api/v1/jobs/" + job.str("id") + "/segments/0")
	require.Equal(t, 200, sound.status)
	require.True(t, strings.HasPrefix(string(sound.body), "RIFF"))

	file := filepath.Join(t.TempDir(), "word.wav")
	s.run("words", "say", "Xpto", "--as", "um", "--voice", speaker, "-o", file)
	sample, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(sample), "RIFF"))
	s.run("words", "remove", "xpto")
	require.Equal(t, 404, s.get("/api/v1/audio/pronunciations/"+id).status)
}
