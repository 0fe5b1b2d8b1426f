package generation_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

// wave is a kind of request that the studio does not have: all that adding one takes.
var wave = generation.Kind{
	Type: jobs.TypeAnimate, Name: "wave", Path: "video/wave", Summary: "Make a picture wave", Output: media.Video,
	New: func() generation.Request { return &waveRequest{} },
}

type waveRequest struct {
	Image  string     `json:"image" alias:"flag" input:"picture,image"`
	Motion string     `json:"motion,omitempty" param:"engine" maxLength:"50"`
	Amount *float64   `json:"amount,omitempty" alias:"how_much" param:"engine" minimum:"0" maximum:"1"`
	Poles  []wavePole `json:"poles,omitempty" param:"engine"`
	generation.Common
}

type wavePole struct {
	Wood  string `json:"wood"`
	Image string `json:"image,omitempty" input:"pole_%d,image"`
}

func (w *waveRequest) Resolve(ctx context.Context, r *generation.Resolution) {
	if w.Motion == "none" {
		r.Refuse("motion", i18n.Plain("a flag that does not move is a picture"))
	}
	r.File(ctx, "image")
}

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
      properties:
        motion: {type: string}
        amount: {type: number, default: 0.5}
        poles: {type: array}
        seed: {type: integer}
    inputs: [{name: picture, kind: image, required: true, min_side: 32}]
    outputs: [{name: out, kind: video, mime: video/mp4}]
    phases: [{name: wave, weight: 1}]
`

func waving(t *testing.T, c *generation.Config) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "engines", "draft_wave")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.yaml"), []byte(waveEngine), 0o600))
	c.Kinds, c.Catalogue = append(generation.Builtin(), wave), catalogue(t, filepath.Dir(dir))
}

// A kind that is one struct, one method and one Kind becomes a job like the studio's own.
func TestAKindOfRequestIsAddedByOneFile(t *testing.T) {
	b := newBench(t)
	b.test("a request becomes a job", requestOfAnAddedKind, waving)
	b.test("a job that has not ended tells what it will make", jobOfAnAddedKind, waving)
}

func requestOfAnAddedKind(b *bench) {
	t := b.t
	file, none := b.upload(64), 0.0
	spec := b.resolve(&waveRequest{
		Image: file.ID.String(), Amount: &none, Poles: []wavePole{{Wood: "ash"}},
		Common: generation.Common{OutputFormat: "webm", Priority: 3, ClientReference: "x"},
	})
	require.Equal(t, "draft-wave", spec.Engine)
	require.Equal(t, 3, spec.Priority)
	require.Equal(t, []jobs.InputRef{{Name: "picture", Kind: jobs.KindImage, AssetID: &file.ID}}, spec.Inputs)
	require.IsType(t, int64(0), spec.Params["seed"])
	delete(spec.Params, "seed")
	require.Equal(t, map[string]any{
		"amount": 0.0, "poles": []any{map[string]any{"wood": "ash"}}, "output_format": "webm",
	}, spec.Params, "zero was sent; what was not sent is absent")
	job, err := b.jobs.Submit(b.ctx, spec)
	require.NoError(t, err)

	shown := b.Fields(job)
	require.Equal(t, file.ID.String(), shown["image"])
	require.Equal(t, []string{"image"}, b.Meant("flag"))
	require.Equal(t, []string{"amount"}, b.Meant("how_much"))
	require.Equal(t, "image", b.FieldOf(job.Type, "picture"))
	require.Equal(t, "poles/3/image", b.FieldOf(job.Type, "pole_3"))
	require.True(t, b.IsInput(job.Type, "motion"))
	require.False(t, b.IsInput(job.Type, "priority"))
	require.Equal(t, 0.5, b.resolve(&waveRequest{Image: file.ID.String()}).Params["amount"], "the engine's default")

	require.Equal(t, map[string]string{
		"motion": "a flag that does not move is a picture",
		"image":  "the picture is 16 x 16; the smallest side is 32 pixels: send a larger one",
	}, b.refused(generation.Input{Request: &waveRequest{Image: b.upload(16).ID.String(), Motion: "none"}}))
}

func jobOfAnAddedKind(b *bench) {
	t := b.t
	job, err := b.jobs.Submit(b.ctx, b.resolve(&waveRequest{Image: b.upload(64).ID.String()}))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"image": "the job that image names has no image output"},
		b.refused(generation.Input{Request: &waveRequest{Image: job.ID.String()}}))
}

type twoKinds struct {
	Image string `json:"image" input:"image,video"`
	generation.Common
}

func (*twoKinds) Resolve(context.Context, *generation.Resolution) {}

type unknownUse struct {
	Text string `json:"text" param:"somebody"`
	generation.Common
}

func (*unknownUse) Resolve(context.Context, *generation.Resolution) {}

// Tags that contradict each other are found when the studio starts, not when a request comes.
func TestContradictingTagsStopTheStart(t *testing.T) {
	for name, kind := range map[string]generation.Kind{
		"one field, two kinds of file": {Type: "x", Name: "x", New: func() generation.Request { return &twoKinds{} }},
		"a parameter for nobody":       {Type: "x", Name: "x", New: func() generation.Request { return &unknownUse{} }},
		"a type twice":                 {Type: jobs.TypeImage, Name: "x", New: wave.New},
		"a name twice":                 {Type: "x", Name: "generate-image", New: wave.New},
	} {
		require.Panics(t, func() { generation.NewKinds(append(generation.Builtin(), kind)...) }, name)
	}
}

// Fields that are only kept with the job do not reach its engine; parameters that are not fields of the request do.
func TestEnginesGetOnlyTheirOwnParameters(t *testing.T) {
	kinds := generation.NewKinds(generation.Builtin()...)
	given := kinds.EngineParams(jobs.TypeCloneVoice, map[string]any{
		"language": "pt-BR", "consent_note": "mine", "output_format": "mp3", "min_seconds": 3.0})
	require.Equal(t, map[string]any{"language": "pt-BR", "min_seconds": 3.0}, given)
	require.Equal(t, map[string]any{"x": 1}, kinds.EngineParams("unknown", map[string]any{"x": 1}))
}
