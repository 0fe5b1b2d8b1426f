package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/media"
)

// longestUpload is how long a client waits for one answer while many upload.
const longestUpload = 5 * time.Minute

// TestParallelUploadsOfGoodFilesAreNeverRefused counts the answers of rounds of parallel uploads of good sounds of one
// megabyte. Each is 201; a machine that cannot keep up may answer 503, and nothing else. `make bench-uploads` asks for
// more rounds and more uploads.
func TestParallelUploadsOfGoodFilesAreNeverRefused(t *testing.T) {
	b := newBench(t)
	rounds, parallel := number(t, "ROUNDS", 1), number(t, "PARALLEL", 40)
	for round := range rounds {
		begun := time.Now()
		counted := b.uploadAtOnce(parallel, round)
		t.Logf("round %d: 201 x %d, 503 x %d, 422 x %d, in %.1f s", round+1, counted[201], counted[503], counted[422],
			time.Since(begun).Seconds())
		require.Equal(t, parallel, counted[http.StatusCreated]+counted[http.StatusServiceUnavailable],
			"answers by status: %v", counted)
		require.Positive(t, counted[http.StatusCreated])
	}
}

// number is a setting of the bench.
func number(t *testing.T, name string, preset int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return preset
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// uploadAtOnce sends so many good files at the same moment and counts the answers by status. Every answer that is not
// 201 must say when to come again.
func (b *bench) uploadAtOnce(parallel, round int) map[int]int {
	b.t.Helper()
	client := &http.Client{Timeout: longestUpload, Transport: &http.Transport{MaxIdleConnsPerHost: parallel}}
	defer client.CloseIdleConnections()
	counted, start := map[int]int{}, make(chan struct{})
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range parallel {
		content := megabyte(uint32(round*parallel + i))
		all.Go(func() {
			<-start
			status, body := b.uploadOnce(client, content)
			mu.Lock()
			defer mu.Unlock()
			counted[status]++
			if status != http.StatusCreated && counted[status] == 1 {
				b.t.Logf("%d: %s", status, body)
			}
		})
	}
	close(start)
	all.Wait()
	return counted
}

// uploadOnce returns status 0 when no answer came, or one of 503 without Retry-After.
func (b *bench) uploadOnce(client *http.Client, content []byte) (status int, body string) {
	r, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.http.URL+"/api/v1/assets?filename=sound.wav",
		bytes.NewReader(content))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+b.key)
	r.Header.Set("Content-Type", "application/octet-stream")
	response, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "" {
		return 0, fmt.Sprintf("a 503 without Retry-After: %s", said)
	}
	return response.StatusCode, string(said)
}

// megabyte is a good sound of one megabyte that differs by seed.
func megabyte(seed uint32) []byte {
	sound := wav(64)
	for i := 44; i+1 < len(sound); i += 2 {
		seed = seed*1664525 + 1013904223
		sound[i], sound[i+1] = byte(seed>>16), byte(seed>>28)
	}
	return sound
}

// faultyFFmpeg makes the next bench use a program that stands in for ffmpeg; $FFMPEG is the real one.
func faultyFFmpeg(t *testing.T, script string) {
	t.Helper()
	found, err := media.FindFFmpeg(os.Getenv("APIBR_FFMPEG"), "../../.venv-draft")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "ffmpeg")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nFFMPEG="+found+"\n"+script+"\n"), 0o700))
	t.Setenv("APIBR_FFMPEG", program)
}

// TestUploadsWhileFFmpegIsKilled: an upload whose ffmpeg is killed for lack of memory is answered 503, the others 201.
func TestUploadsWhileFFmpegIsKilled(t *testing.T) {
	faultyFFmpeg(t, `[ $(($$ % 3)) = 0 ] && kill -KILL $$; exec "$FFMPEG" "$@"`)
	b := newBench(t)
	counted := b.uploadAtOnce(40, 0)
	t.Logf("201 x %d, 503 x %d", counted[201], counted[503])
	require.Equal(t, 40, counted[http.StatusCreated]+counted[http.StatusServiceUnavailable],
		"answers by status: %v", counted)
	require.Positive(t, counted[http.StatusServiceUnavailable])
	var rows int
	require.NoError(t, b.pool.QueryRow(b.ctx, "select count(*) from media_assets").Scan(&rows))
	require.Equal(t, counted[http.StatusCreated], rows)
}

// TestTemporaryReadFailureAsksForARetry in both languages, of an upload and of a request's file. Nothing is stored.
func TestTemporaryReadFailureAsksForARetry(t *testing.T) {
	faultyFFmpeg(t, `kill -KILL $$`)
	b := newBench(t)
	clone := form{texts: map[string]string{"name": "Ana"},
		files: map[string]file{"audio": {name: "a.wav", content: wav(4)}}}
	for range 2 { // the key of a request that was not honoured stays free
		a := b.send("POST", "/api/v1/audio/clone-voice", clone, "Accept-Language", "pt-BR", "Idempotency-Key", "once")
		require.Equal(t, http.StatusServiceUnavailable, a.status, string(a.body))
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.Contains(t, member(a.json(t), "detail"), "tente de novo em alguns segundos")
	}
	var rows int
	require.NoError(t, b.pool.QueryRow(b.ctx,
		"select (select count(*) from media_assets) + (select count(*) from generation_jobs)").Scan(&rows))
	require.Zero(t, rows)
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, media.ErrNoFFmpeg} {
		p := problemOf(fmt.Errorf("ingest: %w", &os.PathError{Op: "open", Path: "/secret", Err: cause}))
		require.Equal(t, http.StatusServiceUnavailable, p.status, cause)
		require.NotEmpty(t, p.retryAfter)
		require.NotContains(t, p.Error(), "secret")
		require.NotEqual(t, p.Error(), p.detail.In(language.BrazilianPortuguese))
	}
}
