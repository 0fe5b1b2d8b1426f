package httpapi

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

type waveRequest struct {
	Image  string   `json:"image" alias:"flag" input:"picture,image" doc:"What waves"`
	Amount *float64 `json:"amount,omitempty" alias:"how_much" param:"engine" minimum:"0" maximum:"1"`
	generation.Common
}

func (*waveRequest) Resolve(ctx context.Context, r *generation.Resolution) { r.File(ctx, "image") }

const waveEngine = `
id: draft-wave
version: 1
quality: draft
module: none
venv: draft
licence: test
uses_gpu: false
description: {en: x, pt-BR: x}
install: {en: x, pt-BR: x}
models: [{id: draft-wave, default: true}]
block_seconds: 1
memory: [{device: cpu, variant: default, ram_bytes: 50000000, vram_bytes: 0}]
tasks:
  video.animate:
    priority: 99
    parameters:
      type: object
      additionalProperties: false
      properties: {amount: {type: number}, seed: {type: integer}}
    inputs: [{name: picture, kind: image, required: true}]
    outputs: [{name: out, kind: video, mime: video/mp4}]
    phases: [{name: wave, weight: 1}]
`

// waving adds a kind of request and its engine.
func waving(t *testing.T) func(*Config) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "engines")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "draft_wave"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "draft_wave", "manifest.yaml"), []byte(waveEngine), 0o600))
	catalogue, err := engine.Load("../../pyworkers", dir)
	require.NoError(t, err)
	catalogue.Installed = func(m *engine.Manifest) bool { return m.Quality == engine.Draft }
	return func(c *Config) {
		c.Catalogue = catalogue
		kinds := generationConfig(*c)
		kinds.Kinds = append(generation.Builtin(), generation.Kind{
			Type: jobs.TypeAnimate, Name: "wave", Path: "video/wave", Summary: "Make a picture wave",
			Output: media.Video, New: func() generation.Request { return &waveRequest{} },
			Example: map[string]any{"image": "01890a5d-ac96-774b-bcce-b302099a8057"},
		})
		c.Generation = generation.New(kinds)
	}
}

// A kind of request that is registered has its route, its place in the document, its aliases, its files, its access
// rule, its patch and its job, without a line of this package.
func TestAddedKindOfRequestHasARoute(t *testing.T) {
	b := newBench(t, waving(t))
	const path = "/api/v1/video/wave"
	operation := member(b.get("/api/openapi.json")["paths"].(object)[path], "post").(object)
	require.Equal(t, "wave", operation["operationId"])
	content := member(operation, "requestBody.content").(object)
	require.Contains(t, content, "multipart/form-data")
	require.NotNil(t, member(content["application/json"], "example"))

	sent := form{
		texts: map[string]string{"how_much": "0", "clientReference": "x"},
		files: map[string]file{"flag": {name: "a.png", content: picture(64)}},
	}
	job := b.submit(path, sent)
	require.Equal(t, "video.animate", job["type"])
	require.Equal(t, "draft-wave", job["engine"])
	require.Zero(t, member(job, "input.amount"), "zero was sent, and is not taken for absent")
	_, err := uuid.Parse(member(job, "input.image").(string))
	require.NoError(t, err)

	patched := b.send("PATCH", "/api/v1/jobs/"+job["id"].(string), object{"input": object{"amount": 1}})
	require.Equal(t, 200, patched.status, string(patched.body))
	require.InDelta(t, 1, member(patched.json(t), "input.amount"), 0)
	require.Equal(t, member(job, "input.image"), member(patched.json(t), "input.image"))

	for name, body := range map[string]object{
		"/amount": {"image": job["id"], "amount": 2}, "/imag": {"imag": "x", "image": member(job, "input.image")},
	} {
		refused := b.send("POST", path, body)
		require.Equal(t, 422, refused.status)
		require.Equal(t, name, member(refused.json(t), "errors").([]any)[0].(object)["pointer"])
	}
	reader := b.newKey(auth.LocalAdmin, auth.Read)
	require.Equal(t, 403, b.send("POST", path, sent, "Authorization", "Bearer "+reader).status)
}
