package runner

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store/storetest"
)

// killedFFmpeg is the real ffmpeg, but for the first so many starts, which are killed.
func killedFFmpeg(t *testing.T, starts int) nodeOption {
	found, err := media.FindFFmpeg(os.Getenv("APIBR_FFMPEG"), "../../.venv-draft")
	require.NoError(t, err)
	dir := t.TempDir()
	program := filepath.Join(dir, "ffmpeg")
	script := fmt.Sprintf(
		"#!/bin/sh\necho >>%[1]s/starts\n[ $(wc -l <%[1]s/starts) -le %[2]d ] && kill -KILL $$\nexec %[3]s \"$@\"\n",
		dir,
		starts,
		found,
	)
	require.NoError(t, os.WriteFile(program, []byte(script), 0o700))
	return func(c *Config, _ *sidecar.Config) {
		c.Media = media.New(media.Config{FFmpeg: program, Log: slog.New(slog.DiscardHandler)})
	}
}

// A result that the computer could not convert is converted a moment later, and the engine is not blamed.
func TestAResultSurvivesAKilledFFmpeg(t *testing.T) {
	sound, err := os.ReadFile("../../samples/voice.wav")
	require.NoError(t, err)
	params := func() map[string]any {
		return map[string]any{
			"mime":          "audio/wav",
			"content":       base64.StdEncoding.EncodeToString(sound),
			"output_format": "mp3",
		}
	}
	for _, c := range []struct{ kills, attempts int }{{2, 1}, {conversionTries + 1, 2}} {
		n := startNode(t, storetest.New(t), killedFFmpeg(t, c.kills))
		done := n.await(n.submit(jobs.TypeSpeech, params()).ID, jobs.Completed)
		require.Equal(t, c.attempts, done.Attempt)
		require.Equal(
			t,
			1,
			n.count("select count(*) from media_assets where job_id = $1 and mime_type = 'audio/mpeg'", done.ID),
		)
		n.requireNoWorkFiles()
		n.stop()
	}
}

func TestAJobThatCannotBeConvertedSaysThatTheComputerIsBusy(t *testing.T) {
	a := &attempt{runner: &Runner{cfg: Config{WorkDir: t.TempDir()}}}
	p := a.problemOf(fmt.Errorf("runner: finish speech: %w", &media.UnavailableError{Detail: i18n.Plain("try again")}))
	require.Equal(t, "busy", p.Code)
	require.True(t, p.Retryable)
	require.Equal(t, "no_ffmpeg", a.problemOf(media.ErrNoFFmpeg).Code)
}
