package conformance

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/sidecar"
)

// What an engine raises in Python is read in Portuguese, values included.
func TestAnEnginesErrorIsReadInPortuguese(t *testing.T) {
	before := i18n.Default()
	t.Cleanup(func() { i18n.SetDefault(before) })
	sentences, err := i18n.Load(i18n.Embedded(), i18n.Beside(filepath.Join(root, "pyworkers", "apibr_worker")))
	require.NoError(t, err)
	i18n.SetDefault(sentences)
	m, ok := load(t).Get("draft-voice")
	require.True(t, ok)
	short := func(t *testing.T, _, dir string) sidecar.File {
		t.Helper()
		const header, second = 44, 2 * 24000
		sample := read(t, filepath.Join(root, "samples", "voice.wav"))[:header+second]
		return place(t, dir, "audio.wav", "audio/wav", sample)
	}
	p := Program{Command: command(requireVenv(t), m), Env: environment(t), Engine: m, Input: short}
	pool := sidecar.New(sidecar.Config{
		Commands: map[engine.ID][]string{m.ID: p.Command}, Env: p.Env, WorkDir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	wait, done := context.WithTimeout(ctx, patience)
	defer done()
	lease, err := pool.Acquire(wait, sidecar.Spec{Engine: m})
	require.NoError(t, err)
	defer lease.Release()
	_, err = lease.Run(wait, p.request(t, "audio.clone_voice"), sidecar.Events{})
	var said *sidecar.EngineError
	require.ErrorAs(t, err, &said)
	require.Regexp(t, `^the sample is \d\.\d s long; the shortest is 3 s: `, said.Message.String())
	require.Regexp(t, `^a amostra tem \d,\d s; o mínimo é 3 s: grave \d+ s ou mais de fala clara$`,
		said.Message.In(language.BrazilianPortuguese))
}
