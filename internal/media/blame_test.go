package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// faulty writes a program that stands in for ffmpeg and fails as the script says; $FFMPEG is the real one.
func faulty(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	text := fmt.Sprintf("#!/bin/sh\nFFMPEG=%s\n%s\n", testFFmpeg(t), script)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
	return path
}

// Whatever the computer does to ffmpeg says nothing of the file.
func TestOnlyAnExitStatusOfFFmpegIsTheFilesFault(t *testing.T) {
	t.Parallel()
	sound := fixture(t, "a.flac")
	for name, script := range map[string]string{
		"killed, as when memory is short": `kill -KILL $$`,
		"a crash":                         `kill -SEGV $$`,
		"an abort":                        `kill -ABRT $$`,
		"asked to end":                    `kill -TERM $$`,
		"the loader could not start it": `echo 'error while loading shared libraries: libx.so: cannot open ` +
			`shared object file' >&2; exit 127`,
		"a wrapper could not start it":   `exit 126`,
		"ffmpeg's own end after SIGTERM": `exit 255`,
		"ffmpeg's own end after many":    `exit 123`,
		"no more open files":             `echo 'a.wav: Too many open files' >&2; exit 232`,
		"no more threads": `echo 'pthread_create failed: Resource temporarily unavailable' ` +
			`>&2; exit 245`,
		"the real one, ended while it worked":   `"$FFMPEG" "$@" & kill -TERM $!; wait $!`,
		"its words do not come to an end":       `sleep 100 & exec "$FFMPEG" "$@"`,
		"killed after it had said all it knows": `"$FFMPEG" "$@"; kill -KILL $$`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := New(Config{FFmpeg: faulty(t, script)})
			p.pipeDelay = 50 * time.Millisecond
			dst := filepath.Join(t.TempDir(), "x.wav")
			_, err := p.Probe(context.Background(), sound)
			requireUnavailable(t, err)
			requireUnavailable(t, p.Clean(context.Background(), sound, dst))
			require.NoFileExists(t, dst, "it can be made later")
		})
	}
	for name, script := range map[string]string{"an exit status": `exit 1`,
		"invalid data": `echo 'Invalid data found' >&2; exit 183`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(Config{FFmpeg: faulty(t, script)}).Probe(context.Background(), sound)
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, ErrUnavailable)
	var said *UnavailableError
	require.ErrorAs(t, err, &said)
	require.Contains(t, said.Error(), "again")
}

func TestMissingFFmpegIsLookedUpAgain(t *testing.T) {
	t.Parallel()
	sound := fixture(t, "a.flac")
	program := faulty(t, `exec "$FFMPEG" "$@"`)
	p := New(Config{FFmpeg: program})
	_, err := p.Probe(context.Background(), sound)
	require.NoError(t, err)
	away := program + ".away"
	require.NoError(t, os.Rename(program, away))
	_, err = p.Probe(context.Background(), sound)
	requireUnavailable(t, err)
	_, err = p.Probe(context.Background(), sound)
	require.ErrorIs(t, err, ErrNoFFmpeg, "by now it is known to be missing")
	require.NoError(t, os.Rename(away, program))
	_, err = p.Probe(context.Background(), sound)
	require.NoError(t, err)
}

// TestTimeLimitCountsProcessorTime: a file is to blame for the work that it
// makes, and the computer for a program that gets no processor time.
func TestTimeLimitCountsProcessorTime(t *testing.T) {
	t.Parallel()
	sound := fixture(t, "a.flac")
	limited := func(script string, slowest int) *Processor {
		p := New(
			Config{ProbeTimeout: 10 * time.Millisecond, WorkTimeout: 10 * time.Millisecond, FFmpeg: faulty(t, script)},
		)
		p.slowest = slowest
		return p
	}
	dst := filepath.Join(t.TempDir(), "x.wav")
	busy := limited(`while :; do :; done`, 10_000)
	_, err := busy.Probe(context.Background(), sound)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, KeyProbeTimeout)
	err = busy.Clean(context.Background(), sound, dst)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, KeyWorkTimeout)
	require.NoFileExists(t, dst)

	idle := limited(`kill -STOP $$`, 10)
	_, err = idle.Probe(context.Background(), sound)
	requireUnavailable(t, err)
	requireUnavailable(t, idle.Clean(context.Background(), sound, dst))
	require.NoFileExists(t, dst)
}

// TestProcessesStayWithinTheLimit lets each stand-in count the others that run at the same time.
func TestProcessesStayWithinTheLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := New(Config{MaxProcesses: 2, FFmpeg: faulty(t, fmt.Sprintf(
		`mkdir %[1]s/$$; ls -d %[1]s/*/ | wc -l >>%[1]s/seen; "$FFMPEG" "$@"; s=$?; rmdir %[1]s/$$; exit $s`, dir))})
	results := make(chan error)
	for range 12 {
		go func() { _, err := p.Probe(context.Background(), fixture(t, "a.wav")); results <- err }()
	}
	for range 12 {
		require.NoError(t, <-results)
	}
	seen := string(read(t, filepath.Join(dir, "seen")))
	require.Contains(t, seen, "2", "two work side by side")
	require.NotRegexp(t, `[3-9]|1\d`, seen)
	require.Equal(t, max(2, runtime.NumCPU()), New(Config{}).cfg.MaxProcesses)
}

// TestUploadsWaitForASlotWithALimitAndResultsWithoutOne holds the only slot.
func TestUploadsWaitForASlotWithALimitAndResultsWithoutOne(t *testing.T) {
	t.Parallel()
	p := New(Config{FFmpeg: testFFmpeg(t), MaxProcesses: 1, MaxWait: 50 * time.Millisecond})
	require.NoError(t, p.slots.Acquire(context.Background(), 1))
	_, err := p.Probe(context.Background(), fixture(t, "a.wav"))
	requireUnavailable(t, err)
	require.ErrorContains(t, err, KeyMaxWait)
	require.ErrorContains(t, err, KeyMaxProcesses)

	ctx, cancel := context.WithCancel(context.Background())
	finish := func() error {
		_, err := p.Finish(
			ctx,
			FinishRequest{
				Src:    fixture(t, "a.wav"),
				Dst:    filepath.Join(t.TempDir(), "x.mp3"),
				Format: "mp3",
				Mark:   Mark{Quality: Draft},
			},
		)
		return err
	}
	canceled, waited := make(chan error), make(chan error)
	go func() { canceled <- finish() }()
	_, err = p.Probe(context.Background(), fixture(t, "a.wav")) // the whole of MaxWait goes by
	requireUnavailable(t, err)
	cancel()
	require.ErrorIs(t, <-canceled, context.Canceled)
	ctx = context.Background()
	go func() { waited <- finish() }()
	_, err = p.Probe(context.Background(), fixture(t, "a.wav"))
	require.True(t, errors.Is(err, ErrUnavailable))
	p.slots.Release(1)
	require.NoError(t, <-waited)
}
