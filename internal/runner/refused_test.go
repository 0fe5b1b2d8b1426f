package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/store/storetest"
)

// still is a node whose runner is not started: the test makes the attempts.
type still struct {
	*node
	log bytes.Buffer
}

func stillNode(t *testing.T, s *store.Store) *still {
	t.Helper()
	n := &still{node: &node{t: t, store: s}}
	log := slog.New(slog.NewTextHandler(&n.log, nil))
	n.hub = events.NewHub(events.Config{Pool: s.Pool(), Connect: s.Connect, Log: log})
	n.jobs = jobs.New(jobs.Config{Pool: s.Pool(), NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k", Log: log})
	_, err := n.jobs.Recover(context.Background())
	require.NoError(t, err)
	n.runner = New(Config{Jobs: n.jobs, Hub: n.hub, Catalogue: writeCatalogue(t, filepath.Join(t.TempDir(), "engines")),
		Host: device.NewHost(""), WorkDir: t.TempDir(), Log: log})
	return n
}

// attempt claims a new job.
func (n *still) attempt(kind jobs.Type) *attempt {
	n.t.Helper()
	job := n.submit(kind, map[string]any{"text": "x"})
	claimed, err := n.jobs.Claim(context.Background(), job.ID, cpu)
	require.NoError(n.t, err)
	manifest, _ := n.runner.cfg.Catalogue.Get("draft-speech")
	return &attempt{
		runner:   n.runner,
		free:     func() {},
		claimed:  claimed,
		manifest: manifest,
		device:   cpu,
		begun:    time.Now(),
	}
}

func speechOutput(change func(*assets.Output)) jobs.Result {
	out := assets.Output{Name: "speech", Kind: media.Audio, MIME: "audio/wav", SHA256: strings.Repeat("a", 64), Size: 1}
	change(&out)
	return jobs.Result{Outputs: []assets.Output{out}}
}

// Whatever a run ends with, the job ends: what Postgres cannot store fails with words of our own, and the log says so.
func TestResultThatTheDatabaseRefusesFailsTheJob(t *testing.T) {
	n := stillNode(t, storetest.New(t))
	const nul = "a\x00b"
	megabyte := strings.Repeat("x", 1<<20)
	voice := func(text string) jobs.Result {
		return jobs.Result{Voice: &jobs.VoiceResult{Conditionals: json.RawMessage(text)}}
	}
	said := func(message string) error {
		return &sidecar.EngineError{Code: sidecar.Internal, Message: i18n.Plain(message)}
	}
	for name, end := range map[string]struct {
		result jobs.Result
		err    error
		stored bool // stored says that Postgres takes it
	}{
		"NUL in the metadata": {
			result: jobs.Result{Metadata: map[string]any{"a": []any{map[string]any{"b": nul}}}}},
		"NUL in a key of the metadata": {result: jobs.Result{Metadata: map[string]any{nul: 1}}},
		"1e500000 in the metadata":     {result: jobs.Result{Metadata: map[string]any{"n": json.Number("1e500000")}}},
		"1e400 in the metadata": {
			result: jobs.Result{Metadata: map[string]any{"n": []any{json.Number("1e400")}}}},
		"1e400 in an output's metadata": {result: speechOutput(func(o *assets.Output) {
			o.Metadata = map[string]any{
				"x": json.Number("-1e400")}
		})},
		"a lone surrogate": {
			result: jobs.Result{Metadata: map[string]any{"n": json.RawMessage(`"\ud800"`)}}},
		"no number in the metadata": {result: jobs.Result{Metadata: map[string]any{"n": math.NaN()}}},
		"NUL in a warning": {result: jobs.Result{Warnings: []report.Warning{{Code: "x",
			Message: i18n.Plain(nul)}}}},
		"NUL in a phase": {result: jobs.Result{Metrics: jobs.Metrics{Timeline: []jobs.TimelineEntry{
			{Phase: nul}}}}},
		"no number in the metrics": {result: jobs.Result{Metrics: jobs.Metrics{RunSeconds: math.Inf(1)}}},
		"NUL in an output's name":  {result: speechOutput(func(o *assets.Output) { o.Name = nul })},
		"NUL in an output's type":  {result: speechOutput(func(o *assets.Output) { o.MIME = nul })},
		"NUL in an output's metadata": {result: speechOutput(func(o *assets.Output) {
			o.Metadata = map[string]any{
				"x": nul}
		})},
		"a hash that is none":          {result: speechOutput(func(o *assets.Output) { o.SHA256 = "x" })},
		"an output of an unknown kind": {result: speechOutput(func(o *assets.Output) { o.Kind = "smell" })},
		"NUL in the key of a peak": {result: jobs.Result{Peak: &jobs.PeakRecord{PeakKey: jobs.PeakKey{Engine: "x",
			Variant: nul}}}},
		"a variant larger than an index": {result: jobs.Result{Peak: &jobs.PeakRecord{PeakKey: jobs.PeakKey{Engine: "x",
			Variant: noise(1 << 16)}}}},
		"NUL in an engine's message": {err: said(nul)},
		"NUL in a field's name": {err: &sidecar.EngineError{Code: sidecar.InvalidInput,
			Message: i18n.Plain("x"), Field: nul}},
		"NUL in the engine's code": {err: &sidecar.EngineError{Code: nul, Message: i18n.Plain("x")}},
		"NUL in a segment's type":  {err: fmt.Errorf("keep segment: %w", n.refusedSegment())},
		"1 MB in the metadata":     {result: jobs.Result{Metadata: map[string]any{"a": megabyte}}, stored: true},
		"1 MB in a warning": {result: jobs.Result{Warnings: []report.Warning{{Code: "x",
			Message: i18n.Plain(megabyte)}}}, stored: true},
		"1 MB in an engine's message":   {err: said(megabyte), stored: true},
		"a broken character":            {err: said("\xff\xfe"), stored: true},
		"NUL in the voice":              {result: voice(`{"a":"\u0000"}`)},
		"1e500000 in the voice":         {result: voice(`{"a":1e500000}`)},
		"a lone surrogate in the voice": {result: voice(`{"a":"\udc00"}`)},
	} {
		kind := jobs.TypeSpeech
		if end.result.Voice != nil {
			kind = jobs.TypeCloneVoice
		}
		a := n.attempt(kind)
		n.log.Reset()
		a.writeOutcome(context.Background(), end.result, end.err)
		job, err := n.jobs.Get(context.Background(), owner, a.claimed.ID)
		require.NoError(t, err, name)
		require.True(t, job.Status.Terminal(), "%s: the job is %s", name, job.Status)
		require.NotContains(t, n.log.String(), "in other hands", name)
		if !end.stored {
			require.Equal(t, jobs.Failed, job.Status, name)
			require.Equal(t, jobs.Unstorable, *job.Error, name)
			require.Equal(
				t,
				1,
				n.count("select count(*) from events where job_id = $1 and type = 'job.failed'", job.ID),
				name,
			)
		}
		_, err = n.jobs.Cancel(context.Background(), owner, job.ID)
		require.NoError(t, err, name)
		require.NoError(t, n.jobs.Delete(context.Background(), owner, job.ID), name)
	}
	require.Zero(t, n.count("select count(*) from media_assets"))
}

// noise does not compress.
func noise(length int) string {
	var b strings.Builder
	for b.Len() < length {
		b.WriteString(uuid.NewString())
	}
	return b.String()[:length]
}

// refusedSegment is what the database says of a segment with a NUL byte in its type.
func (n *still) refusedSegment() error {
	n.t.Helper()
	a := n.attempt(jobs.TypeAvatar)
	err := n.jobs.AddSegment(
		context.Background(),
		a.claimed.ID,
		a.claimed.Fence,
		jobs.Segment{SHA256: strings.Repeat("a", 64), MIME: "a\x00b"},
	)
	require.Error(n.t, err)
	return err
}

// A crash whose last words cannot be stored is counted like any other, and fails at the last one.
func TestACrashWithUnstorableLastWordsIsCountedAndFails(t *testing.T) {
	n := stillNode(t, storetest.New(t))
	job := n.submit(jobs.TypeSpeech, map[string]any{"text": "x"})
	for attempted := 1; attempted <= 3; attempted++ {
		_, err := n.store.Pool().
			Exec(context.Background(), "update generation_jobs set not_before = '-infinity' where id = $1", job.ID)
		require.NoError(t, err)
		claimed, err := n.jobs.Claim(context.Background(), job.ID, cpu)
		require.NoError(t, err)
		manifest, _ := n.runner.cfg.Catalogue.Get("draft-speech")
		a := &attempt{
			runner:   n.runner,
			free:     func() {},
			claimed:  claimed,
			manifest: manifest,
			device:   cpu,
			begun:    time.Now(),
		}
		a.writeOutcome(
			context.Background(),
			jobs.Result{},
			&sidecar.CrashError{Engine: "draft-speech", Signal: "SIGSEGV", Tail: "boom\x00"},
		)
	}
	got, err := n.jobs.Get(context.Background(), owner, job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Failed, got.Status)
	require.Equal(t, 2, got.Faults)
	require.Equal(t, "result_refused", got.Error.Code)
}

// Only a job that another attempt has is left alone and logged as being in other hands.
func TestLostOwnershipIsLoggedAsSuch(t *testing.T) {
	n := stillNode(t, storetest.New(t))
	a := n.attempt(jobs.TypeSpeech)
	a.claimed.Fence--
	a.writeOutcome(context.Background(), jobs.Result{}, nil)
	require.Contains(t, n.log.String(), "in other hands")
	job, err := n.jobs.Get(context.Background(), owner, a.claimed.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Processing, job.Status)
}

// A job whose end could not be written at all is closed by the next beat, or by its user, whichever is first.
func TestJobWithoutARunIsClosed(t *testing.T) {
	ctx := context.Background()
	n := stillNode(t, storetest.New(t))
	failed, canceled, asked, running := n.attempt(
		jobs.TypeSpeech,
	), n.attempt(
		jobs.TypeSpeech,
	), n.attempt(
		jobs.TypeSpeech,
	), n.attempt(
		jobs.TypeSpeech,
	)
	n.runner.running[running.claimed.ID] = &run{cancel: func(error) {}}
	n.runner.noteUnwritten(failed.claimed.ID, failed.claimed.Fence)
	_, err := n.store.Pool().
		Exec(ctx, "update generation_jobs set cancel_requested_at = now(), reason = 'canceling' where id = $1",
			asked.claimed.ID)
	require.NoError(t, err)

	job, err := n.jobs.Cancel(ctx, owner, canceled.claimed.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Canceled, job.Status, "the user need not wait for a beat")
	job, err = n.jobs.Cancel(ctx, owner, running.claimed.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.Processing, job.Status, "one that runs is asked to")

	closed, err := n.jobs.Reconcile(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, closed)
	closed, err = n.jobs.Reconcile(ctx)
	require.NoError(t, err)
	require.Zero(t, closed)
	for a, want := range map[*attempt]jobs.Status{failed: jobs.Failed, asked: jobs.Canceled, running: jobs.Processing} {
		job, err := n.jobs.Get(ctx, owner, a.claimed.ID)
		require.NoError(t, err)
		require.Equal(t, want, job.Status)
	}
}
