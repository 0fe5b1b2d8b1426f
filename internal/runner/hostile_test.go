package runner

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

// hostileValues are JSON texts of what must not go into a database, a log or a page as it is.
var hostileValues = map[string]string{
	"NUL":             `"a\u0000b"`,
	"lone surrogate":  `"a\ud800b"`,
	"invalid UTF-8":   "\"a\xff\xc0b\"",
	"control, bidi":   `"a\u001b[31m\u202eb"`,
	"1 MB":            `"$BIG"`,
	"1e500000":        `1e500000`,
	"1e-500000":       `1e-500000`,
	"1e308":           `1e308`,
	"-2^63":           `-9223372036854775808`,
	"20 digits":       `99999999999999999999`,
	"a negative":      `-1`,
	"an object":       `{"a\u0000b":1}`,
	"a list":          `[1]`,
	"nested too deep": `$DEEP`,
	"60,000 keys":     `$KEYS`,
	"null":            `null`,
}

// hostileFrames are runs in which %[1]s stands wherever a text, %[2]s wherever a number is sent.
var hostileFrames = map[string]sidecartest.RawRun{
	"progress": {Then: "echo", Lines: []string{
		`{"jsonrpc":"2.0","method":"progress","params":{"job":"$JOB","phase":%[1]s,"step":%[2]s,"total":%[2]s,` +
			`"message":%[1]s,"preview":%[1]s}}`}},
	"heartbeat": {Then: "echo", Lines: []string{
		`{"jsonrpc":"2.0","method":"heartbeat","params":{"vram_bytes":%[2]s,"ram_bytes":%[2]s,"phase":%[1]s,` +
			`"steps":%[2]s}}`}},
	"log": {Then: "echo", Lines: []string{
		`{"jsonrpc":"2.0","method":"log","params":{"level":%[1]s,"message":%[1]s,"fields":{"f":%[1]s,"n":%[2]s}}}`,
		`{"jsonrpc":"2.0","method":%[1]s,"params":{"x":%[2]s}}`}},
	"segment": {Then: "echo", Lines: []string{
		`{"jsonrpc":"2.0","method":"segment","params":{"job":"$JOB","index":0,"file":{"path":"out.txt",` +
			`"mime":%[1]s,"size":%[2]s,"sha256":%[1]s}}}`}},
	"file": {Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[{"name":%[1]s,"path":%[1]s,"mime":%[1]s,"size":%[2]s,` +
			`"sha256":%[1]s}],"seed":7}}`}},
	"result": {Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$OUT],"seed":7,"timings":{"t":0.5},` +
			`"metadata":{"v":%[1]s,"n":%[2]s,"a\u0000b":[%[1]s],"warnings":[{"code":%[1]s,"message":%[1]s}],` +
			`"sample_seconds":%[2]s}}}`}},
	"output's metadata": {Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$OUTMETA{"k\u0000":%[1]s,"n":%[2]s}}],"seed":7}}`}},
	"seed and timings": {Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$OUT],"seed":%[2]s,"timings":{"t\u0000":%[2]s}}}`}},
	"error": {Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32000,"message":%[1]s,"data":{"code":"invalid_input",` +
			`"phase":%[1]s,"field":%[1]s}}}`}},
	"error's code": {Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"error":{"code":%[2]s,"message":"x","data":{"code":%[1]s,"phase":null,` +
			`"field":null}}}`}},
	"voice": {Files: map[string]string{"voice.json": `{"v":%[1]s,"n":%[2]s,"a\u0000b":[%[1]s]}`}, Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$FILES],"seed":7,"metadata":{"sample_seconds":%[2]s,` +
			`"transcript":%[1]s}}}`}},
}

func filled(run sidecartest.RawRun, value string) sidecartest.RawRun {
	text, number := value, value
	if strings.HasPrefix(value, `"`) {
		number = "1"
	}
	fill := func(form string) string {
		return strings.NewReplacer("%[1]s", text, "%[2]s", number).Replace(form)
	}
	out := sidecartest.RawRun{Then: run.Then, Files: map[string]string{}}
	for _, line := range run.Lines {
		out.Lines = append(out.Lines, fill(line))
	}
	for name, content := range run.Files {
		out.Files[name] = fill(content)
	}
	return out
}

// patientWithCrashes keeps the breaker shut: these tests crash one model many times on purpose.
func patientWithCrashes(_ *Config, s *sidecar.Config) { s.Breaker.Crashes = 1 << 20 }

// Whatever a process writes into whatever field of whatever frame: the job ends, can be retried and deleted, and the
// next job runs.
func TestHostileFramesDoNotKeepAJobFromEnding(t *testing.T) {
	logged := &logSize{}
	n := startNode(t, storetest.New(t), patientWithCrashes, func(c *Config, s *sidecar.Config) {
		c.Slots = 4
		s.Log = slog.New(slog.NewJSONHandler(logged, nil))
	})
	ctx := context.Background()
	_, err := n.jobs.SetPaused(ctx, true, "user")
	require.NoError(t, err)
	ids := map[uuid.UUID]string{}
	for frame, run := range hostileFrames {
		for name, value := range hostileValues {
			kind := jobs.TypeSpeech
			if frame == "voice" {
				kind = jobs.TypeCloneVoice
			}
			ids[n.submit(kind, filled(run, value).Params()).ID] = frame + ": " + name
		}
	}
	for _, content := range []string{"a\x00b\n", "a\xffb\x1b[31m\u202e", "$BIG", "$BIG\n\x00"} {
		ids[n.submit(jobs.TypeImage, sidecartest.RawRun{Stderr: content, Then: "exit"}.Params()).ID] = "stderr"
	}
	// The last fault that a job may have, so that each runs once.
	_, err = n.store.Pool().Exec(ctx, "update generation_jobs set faults = 2")
	require.NoError(t, err)
	_, err = n.jobs.SetPaused(ctx, false, "user")
	require.NoError(t, err)

	outcomes := map[string]int{}
	for id, what := range ids {
		job, err := n.jobs.Wait(ctx, owner, id, patience)
		require.NoError(t, err, what)
		require.Contains(t, []jobs.Status{jobs.Completed, jobs.Failed}, job.Status, what)
		if job.Error != nil {
			outcomes[job.Error.Code]++
			require.Contains(
				t,
				[]string{"protocol_error", "invalid_input", "internal", "engine_crashed"},
				job.Error.Code,
				what,
			)
			require.NotContains(t, job.Error.Detail.String(), n.work, what)
		} else {
			outcomes["completed"]++
		}
		n.requireCleanRow(id, what)
	}
	require.Greater(t, outcomes["completed"], 40, "texts are cleaned, not refused: %v", outcomes)
	require.Greater(t, outcomes["protocol_error"], 40, "%v", outcomes)
	require.LessOrEqual(
		t,
		n.count("select count(*) from phase_history"),
		4*8,
		"only phases of the manifest have a history",
	)
	require.Less(t, logged.bytes.Load(), int64(4<<20), "the log stays small")
	for id, what := range ids {
		job, err := n.jobs.Get(ctx, owner, id)
		require.NoError(t, err)
		if job.Status == jobs.Failed {
			_, err = n.jobs.Retry(ctx, owner, id)
			require.NoError(t, err, what)
			_, err = n.jobs.Cancel(ctx, owner, id)
			require.NoError(t, err, what)
			_, err = n.jobs.Wait(ctx, owner, id, patience)
			require.NoError(t, err)
		}
		require.NoError(t, n.jobs.Delete(ctx, owner, id), what)
	}
	n.await(n.submit(jobs.TypeSpeech, map[string]any{"text": "hello"}).ID, jobs.Completed)
}

// A hello or an answer to load that is not what it should be fails the job; another engine of the node goes on.
func TestAHostileStartFailsTheJob(t *testing.T) {
	hello := `{"jsonrpc":"2.0","method":"hello","params":{"protocol":%[2]s,"worker":%[1]s,"engines":[%[1]s],` +
		`"python":%[1]s,"device":%[1]s,"pid":%[2]s}}`
	load := `{"jsonrpc":"2.0","id":$ID,"result":{"vram_bytes":%[2]s,"ram_bytes":%[2]s,"seconds":%[2]s}}`
	n := startNode(t, storetest.New(t), patientWithCrashes)
	for _, name := range []string{"NUL", "1 MB", "1e500000", "-2^63", "nested too deep"} {
		for i, form := range []string{hello, load} {
			line := filled(sidecartest.RawRun{Lines: []string{form}}, hostileValues[name]).Lines[0]
			command := sidecartest.CommandRaw(line, "")
			if i == 1 {
				command = sidecartest.CommandRaw("", line)
			}
			n.commands["draft-avatar"] = command
			job := n.submit(jobs.TypeAvatar, map[string]any{"text": "x"})
			_, err := n.store.Pool().
				Exec(context.Background(), "update generation_jobs set faults = 2 where id = $1", job.ID)
			require.NoError(t, err)
			ended, err := n.jobs.Wait(context.Background(), owner, job.ID, patience)
			require.NoError(t, err)
			require.True(t, ended.Status.Terminal(), "%s: %s", name, ended.Status)
			n.requireCleanRow(job.ID, name)
			require.NoError(t, n.pool.Evict(context.Background(), "draft-avatar", ""))
		}
	}
	require.Zero(
		t,
		n.count(
			"select count(*) from memory_peaks where greatest(ram, vram) > 1::bigint << 50 or least(ram, vram) < 0",
		),
	)
	n.await(n.submit(jobs.TypeSpeech, map[string]any{"text": "hello"}).ID, jobs.Completed)
}

// Endless messages of a process are bounded, and the error names the limit.
func TestEndlessFramesAreBounded(t *testing.T) {
	progress := `{"jsonrpc":"2.0","method":"progress","params":{"job":"$JOB","phase":%s,"step":$N,"total":null,` +
		`"message":null,"preview":null}}`
	many := strings.Repeat("$OUT,", 3000) + "$OUT"
	logged := &logSize{}
	n := startNode(
		t,
		storetest.New(t),
		patientWithCrashes,
		func(_ *Config, s *sidecar.Config) { s.Log = slog.New(slog.NewJSONHandler(logged, nil)) },
	)
	for _, c := range []struct {
		name, named string
		run         sidecartest.RawRun
	}{
		{"new phases", `phase \"p16\"`, sidecartest.RawRun{Repeat: 100_000,
			Lines: []string{fmt.Sprintf(progress, `"p$N"`)}}},
		{"phases in turn", "500 times", sidecartest.RawRun{Repeat: 100_000,
			Lines: []string{fmt.Sprintf(progress, `"first"`), fmt.Sprintf(progress, `"second"`)}}},
		{"phases in heartbeats", "16 phases", sidecartest.RawRun{Repeat: 100_000,
			Lines: []string{
				`{"jsonrpc":"2.0","method":"heartbeat","params":{"vram_bytes":0,"ram_bytes":0,"phase":"h$N",` +
					`"steps":$N}}`}}},
		{"outputs", "3001 outputs",
			sidecartest.RawRun{Lines: []string{`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[` + many +
				`],"seed":7}}`}}},
		{"log frames", "log messages", sidecartest.RawRun{Repeat: 24_000,
			Lines: []string{`{"jsonrpc":"2.0","method":"log","params":{"level":"error","message":"again and again"}}`},
			Then:  "echo"}},
		{"no voice", "no voice",
			sidecartest.RawRun{Lines: []string{`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$OUT],"seed":7}}`}}},
		{"a voice that is a list", "not a JSON object",
			sidecartest.RawRun{Files: map[string]string{"voice.json": "[1]"},
				Lines: []string{`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$FILES],"seed":7}}`}}},
		{"no outputs", "no output",
			sidecartest.RawRun{Lines: []string{`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[],"seed":7}}`}}},
	} {
		kind := jobs.TypeSpeech
		if strings.Contains(c.name, "voice") {
			kind = jobs.TypeCloneVoice
		}
		job := n.submit(kind, c.run.Params())
		_, err := n.store.Pool().
			Exec(context.Background(), "update generation_jobs set faults = 2 where id = $1", job.ID)
		require.NoError(t, err)
		failed := n.await(job.ID, jobs.Failed)
		require.Equal(t, "protocol_error", failed.Error.Code, c.name)
		require.Contains(t, fmt.Sprintf("%q", failed.Error.Detail.String()), c.named, c.name)
		n.requireCleanRow(job.ID, c.name)
	}
	require.LessOrEqual(t, n.count("select count(*) from phase_history"), 8)
	require.Less(t, logged.bytes.Load(), int64(1<<20), "24,000 messages do not fill the log")
	n.await(n.submit(jobs.TypeSpeech, map[string]any{"text": "hello"}).ID, jobs.Completed)
}

// requireCleanRow looks at what was written of a job.
func (n *node) requireCleanRow(id uuid.UUID, what string) {
	n.t.Helper()
	var row string
	require.NoError(n.t, n.store.Pool().QueryRow(context.Background(), `
		select jsonb_build_array(j.result, j.error, j.warnings, j.metrics,
			(select jsonb_agg(to_jsonb(a)) from media_assets a where a.job_id = j.id))::text
		from generation_jobs j where j.id = $1`, id).Scan(&row))
	require.Less(n.t, len(row), 600<<10, what)
	for _, r := range row {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) {
			n.t.Fatalf("%s: %q is in the row", what, r)
		}
	}
	require.NotContains(n.t, row, `\u001b`, what)
}

type logSize struct{ bytes atomic.Int64 }

func (l *logSize) Write(p []byte) (int, error) {
	l.bytes.Add(int64(len(p)))
	return len(p), nil
}
