package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The short way for WAV files says and writes what the long way would.
func TestFinishedWAVMatchesFFmpegsProbe(t *testing.T) {
	p := New(Config{Venvs: []string{"../../.venv-draft"}})
	ctx := context.Background()
	src, dst := "../../samples/voice.wav", filepath.Join(t.TempDir(), "out.wav")
	mark := MarkFor(Quality("draft"), Audio)
	info, err := p.Finish(ctx, FinishRequest{Src: src, Dst: dst, Mark: mark})
	require.NoError(t, err)
	probed, err := p.Probe(ctx, dst)
	require.NoError(t, err)
	require.InDelta(t, probed.Duration.Seconds(), info.Duration.Seconds(), 0.001)
	probed.Duration = info.Duration
	require.Equal(t, probed, info)
	read, err := p.ReadMark(ctx, dst)
	require.NoError(t, err)
	require.Equal(t, mark, read)
	again := filepath.Join(t.TempDir(), "again.wav")
	_, err = p.Finish(ctx, FinishRequest{Src: src, Dst: again, Mark: mark})
	require.NoError(t, err)
	first, err := os.ReadFile(dst)
	require.NoError(t, err)
	second, err := os.ReadFile(again)
	require.NoError(t, err)
	require.Equal(t, first, second)
	original, err := os.ReadFile(src)
	require.NoError(t, err)
	require.True(t, bytes.HasSuffix(first, original[len(original)-100_000:]), "the samples are the same")
}

// Files that are not just header and samples are left to ffmpeg, and nothing is written for them.
func TestOddWAVIsLeftToFFmpeg(t *testing.T) {
	whole, err := os.ReadFile("../../samples/voice.wav")
	require.NoError(t, err)
	unknownLength := bytes.Clone(whole)
	at := bytes.Index(unknownLength, []byte("data"))
	binary.LittleEndian.PutUint32(unknownLength[at+4:], 0xFFFFFFFF)
	for name, content := range map[string][]byte{"cut": whole[:len(whole)/2], "unknown length": unknownLength,
		"header only": whole[:20], "empty": nil} {
		t.Run(name, func(t *testing.T) {
			src, dst := filepath.Join(t.TempDir(), "in.wav"), filepath.Join(t.TempDir(), "out.wav")
			require.NoError(t, os.WriteFile(src, content, 0o600))
			_, err := finishWAV(src, dst, Mark{})
			require.ErrorIs(t, err, errNotPlainWAV)
			require.NoFileExists(t, dst)
		})
	}
}
