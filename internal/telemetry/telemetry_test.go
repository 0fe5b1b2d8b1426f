package telemetry

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesCarryTheIDsOfTheirContext(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "info", "json")
	require.NoError(t, err)
	ctx := WithJob(WithRequest(context.Background(), "r1"), "j1")
	log.With("part", "x").InfoContext(ctx, "hello")
	require.Contains(t, out.String(), `"request_id":"r1"`)
	require.Contains(t, out.String(), `"job":"j1"`)
	require.Contains(t, out.String(), `"part":"x"`)
	require.Equal(t, "r1", RequestID(ctx))
}

func TestSecretsAreMasked(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "debug", "text")
	require.NoError(t, err)
	log.Info("Bearer is only masked in values", "header", "Bearer abc.def", "url",
		"https://me:hunter2@host/x?ticket=zzz&a=1", "err", errors.New("key apibr_0123456789abcdef refused"))
	for _, secret := range []string{"abc.def", "hunter2", "zzz", "0123456789abcdef"} {
		require.NotContains(t, out.String(), secret)
	}
	require.Contains(t, out.String(), "a=1")
}

func TestMetricsAreServed(t *testing.T) {
	m := NewMetrics()
	m.JobFinished("audio.speech", "completed")
	m.QueueWait("audio.speech", 0.2)
	m.PhaseSeconds("draft-speech", "encode", 0.1)
	m.SidecarRestart("draft-speech", "crash")
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`apibr_jobs_total{status="completed",type="audio.speech"} 1`,
		`apibr_sidecar_restarts_total{engine="draft-speech",why="crash"} 1`,
		"apibr_queue_wait_seconds_bucket", "apibr_phase_seconds_bucket", "process_resident_memory_bytes"} {
		require.Contains(t, recorder.Body.String(), line)
	}
}
