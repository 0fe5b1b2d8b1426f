package runner

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

// sound is a WAV file of float32 samples at 24 kHz, with a chunk of the engine's own behind them.
func sound(samples int) string {
	size := uint32(4 * samples)
	w := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+size+12)...)
	w = append(w, "WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00"...)
	w = binary.LittleEndian.AppendUint32(w, 24000)
	w = binary.LittleEndian.AppendUint32(w, 96000)
	w = append(w, "\x04\x00\x20\x00data"...)
	w = binary.LittleEndian.AppendUint32(w, size)
	w = append(w, make([]byte, size)...)
	return string(append(w, "apbr\x04\x00\x00\x00{}  "...))
}

// A finished part that is sound is counted in the progress at once, with the seconds that it plays; other parts are
// not.
func TestPartsThatCanBePlayedAreCounted(t *testing.T) {
	n := startNode(t, storetest.New(t))
	run := func(name string) *jobs.Job {
		job := n.submit(jobs.TypeAvatar, sidecartest.RawRun{Files: map[string]string{name: sound(6000)},
			Lines: []string{`{"jsonrpc":"2.0","method":"segment","params":{"job":"$JOB","index":0,"file":$FILES}}`,
				`{"jsonrpc":"2.0","method":"progress","params":{"job":"$JOB","phase":"second","step":1,"total":2,` +
					`"message":null}}`}}.Params())
		n.until(job.ID, func(j *jobs.Job) bool { return j.Progress != nil && j.Progress.Step == 1 })
		job, err := n.jobs.Get(t.Context(), owner, job.ID)
		require.NoError(t, err)
		return job
	}
	heard := run("a.wav")
	require.Equal(t, 1, heard.Progress.Segments)
	segment, err := n.jobs.Segment(t.Context(), heard.ID, 0)
	require.NoError(t, err)
	require.InDelta(t, 0.25, *segment.Seconds, 1e-9)
	_, err = n.jobs.Cancel(t.Context(), owner, heard.ID)
	require.NoError(t, err)
	n.await(heard.ID, jobs.Canceled)

	silent := run("a.json")
	require.Zero(t, silent.Progress.Segments)
	_, err = n.jobs.Cancel(t.Context(), owner, silent.ID)
	require.NoError(t, err)
	n.await(silent.ID, jobs.Canceled)
}
