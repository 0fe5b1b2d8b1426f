package conformance

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar"
)

func (p Program) run(t *testing.T, task string) {
	c := p.begin(t)
	request := p.request(t, task)
	id := c.ask("run", frame(request))
	second := c.ask("run", frame(p.request(t, task)))
	ping := c.ask("ping", map[string]any{})
	answered := map[string]message{}
	progress := 0
	result := c.answer(id, func(m message) {
		switch m.Method {
		case "":
			answered[string(m.ID)] = m
		case "progress":
			progress++
			p.checkProgress(t, task, request, m)
		}
	})
	require.Nil(t, result.Error, "a right request fails")
	require.Positive(t, progress)
	require.Contains(t, answered, strconv.Itoa(ping), "ping is answered while the engine computes")
	require.NotNil(t, answered[strconv.Itoa(second)].Error, "a run while another is in flight is refused")
	require.EqualValues(t, seed, fields(t, result.Result)["seed"])

	// The same process runs again, and the same job too, as a retry does.
	again := c.answer(c.ask("run", frame(request)), nil)
	require.Nil(t, again.Error)
}

func (p Program) checkProgress(t *testing.T, task string, request sidecar.RunRequest, m message) {
	params := fields(t, m.Params)
	require.Equal(t, request.Job.String(), params["job"])
	require.IsType(t, 0.0, params["step"])
	var known []any
	for _, phase := range p.Engine.Tasks[task].Phases {
		known = append(known, phase.Name)
	}
	require.Contains(t, known, params["phase"], "a phase that the manifest does not have")
	if preview, ok := params["preview"].(string); ok {
		require.True(t, filepath.IsLocal(preview), "a preview outside the run's folder: %s", preview)
	}
}

func (p Program) cancel(t *testing.T, task string) {
	c := p.begin(t)
	request := p.request(t, task)
	began := time.Now()
	id := c.ask("run", frame(request))
	c.notify("cancel", map[string]any{"job": uuid.NewString()}) // of another job: means nothing
	c.notify("cancel", map[string]any{"job": request.Job.String()})
	c.notify("cancel", map[string]any{"job": request.Job.String()})
	end := c.answer(id, nil)
	if end.Error == nil {
		require.Less(t, time.Since(began), p.Engine.Block(), "the flag was not looked at within block_seconds")
	} else {
		require.Equal(t, -32000, end.Error.Code)
		require.Equal(t, "canceled", end.Error.Data.Code)
	}

	// A cancel that comes too late belongs to no later run, not even of the same job.
	c.notify("cancel", map[string]any{"job": request.Job.String()})
	c.must("ping", map[string]any{})
	retried := p.request(t, task)
	retried.Job, retried.Fence = request.Job, 2
	c.must("run", frame(retried))
}

func (p Program) wrongRequests(t *testing.T, task string) {
	c := p.begin(t)
	// The supervisor checks task and parameters before; a program that gets them wrong all the same must only live on.
	unknown := p.request(t, task)
	unknown.Task, unknown.Params = "nothing.of.that.name", map[string]any{}
	c.answer(c.ask("run", frame(unknown)), nil)

	for i, input := range p.request(t, task).Inputs {
		request := p.request(t, task)
		junk := filepath.Join(request.OutDir, "in", "junk")
		require.NoError(t, os.WriteFile(junk, []byte("this is not a media file at all"), 0o600))
		request.Inputs[i].Path, request.Inputs[i].Metadata = junk, nil
		end := c.answer(c.ask("run", frame(request)), nil)
		require.NotNil(t, end.Error, "input %s is junk", input.Name)
		require.Equal(t, "invalid_input", end.Error.Data.Code, "input %s is junk: %s", input.Name, end.Error.Message)
		require.NotContains(t, end.Error.Message, request.OutDir, "an error names a path")
	}
	c.must("run", frame(p.request(t, task)))
}

// supervised runs the task through the real supervisor, which checks every file.
func (p Program) supervised(t *testing.T, task string) {
	pool := sidecar.New(sidecar.Config{
		Commands: map[engine.ID][]string{p.Engine.ID: p.Command}, Env: p.Env, WorkDir: t.TempDir(),
		Log: slog.New(slog.DiscardHandler),
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
	lease, err := pool.Acquire(wait, sidecar.Spec{Engine: p.Engine, Model: p.Model, Variant: p.Variant, Files: p.Files})
	require.NoError(t, err)
	defer lease.Release()
	result, err := lease.Run(wait, p.request(t, task), sidecar.Events{})
	require.NoError(t, err)
	require.EqualValues(t, seed, result.Seed)
	require.NotEmpty(t, result.Outputs)
	require.Positive(t, result.PeakRAM)
	for _, output := range result.Outputs {
		require.True(t, p.declares(task, output), "output %s of %s is not in the manifest", output.Name, output.MIME)
	}
}

// declares: an output has the name and type of a port; ports may be numbered (image_3 where the manifest has image_0).
func (p Program) declares(task string, output sidecar.File) bool {
	stem := func(name string) string { return strings.TrimRight(name, "_0123456789") }
	for _, port := range p.Engine.Tasks[task].Outputs {
		if stem(output.Name) == stem(port.Name) && (port.MIME == "" || port.MIME == output.MIME) {
			return true
		}
	}
	return false
}

// resume gives back the first segment of a whole run and wants the rest only.
func (p Program) resume(t *testing.T, task string) {
	c := p.begin(t)
	whole := p.request(t, task)
	segments := p.segments(c, whole)
	if len(segments) < 2 {
		t.Logf("the suite's request makes %d segments only", len(segments))
	}
	require.NotEmpty(t, segments)
	resumed := p.request(t, task)
	first := segments[0]
	path := filepath.Join(resumed.OutDir, "in", "0000"+filepath.Ext(first.path))
	require.NoError(t, os.Link(filepath.Join(whole.OutDir, first.path), path))
	params := frame(resumed)
	params["resume_from"] = map[string]any{"index": 1, "segments": []map[string]any{
		{"index": 0, "path": path, "mime": first.mime, "size": first.size, "sha256": first.sha256},
	}}
	rest := p.collect(c, params)
	require.Len(t, rest, len(segments)-1)
	for i, segment := range rest {
		require.Equal(t, i+1, segment.index)
	}
}

type segmentSeen struct {
	index              int
	path, mime, sha256 string
	size               float64
}

func (p Program) segments(c *peer, request sidecar.RunRequest) []segmentSeen {
	c.t.Helper()
	segments := p.collect(c, frame(request))
	for i, segment := range segments {
		require.Equal(c.t, i, segment.index, "segments come in order, from 0")
		require.True(c.t, filepath.IsLocal(segment.path))
	}
	return segments
}

func (p Program) collect(c *peer, params map[string]any) []segmentSeen {
	c.t.Helper()
	var seen []segmentSeen
	end := c.answer(c.ask("run", params), func(m message) {
		if m.Method != "segment" {
			return
		}
		params := fields(c.t, m.Params)
		file, ok := params["file"].(map[string]any)
		require.True(c.t, ok)
		index, _ := params["index"].(float64)
		segment := segmentSeen{index: int(index)}
		segment.path, _ = file["path"].(string)
		segment.mime, _ = file["mime"].(string)
		segment.sha256, _ = file["sha256"].(string)
		segment.size, _ = file["size"].(float64)
		seen = append(seen, segment)
	})
	require.Nil(c.t, end.Error)
	return seen
}
