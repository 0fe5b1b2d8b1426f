package sidecar

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
)

func TestALoadNamesTheModelAsItsEngineKnowsIt(t *testing.T) {
	m := &engine.Manifest{
		ID: "painter",
		Models: []engine.Model{
			{ID: "base"},
			{ID: "tune", Like: "base"},
			{ID: "style", Like: "base", Adapter: &engine.Adapter{File: "/x", Strength: 0.5}},
		},
	}
	for model, want := range map[string]string{
		"base": `{"engine":"painter","model":"base","variant":"Q4","files":{},"plan":{"device":"cpu",` +
			`"vram_bytes":0,"ram_bytes":1}}`,
		"tune": `{"engine":"painter","model":"base","variant":"Q4","files":{},"plan":{"device":"cpu",` +
			`"vram_bytes":0,"ram_bytes":1}}`,
		"style": `{"engine":"painter","model":"base","variant":"Q4","files":{},"plan":{"device":"cpu",` +
			`"vram_bytes":0,"ram_bytes":1,"lora_strength":0.5}}`,
		"none": `{"engine":"painter","model":"none","variant":"Q4","files":{},"plan":{"device":"cpu",` +
			`"vram_bytes":0,"ram_bytes":1}}`,
	} {
		sent, err := json.Marshal(
			loadSent(
				&Spec{
					Engine:  m,
					Model:   model,
					Variant: "Q4",
					Device:  "cpu",
					Plan:    plan.Plan{Memory: device.Memory{RAM: 1}},
				},
			),
		)
		require.NoError(t, err)
		require.JSONEq(t, want, string(sent), model)
	}
}

// A model that was installed again while a process holds it: that one reads no more from a folder that has gone.
func TestFilesThatWereReplacedAreLoadedAnew(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	home := filepath.Join(t.TempDir(), "model")
	acquire := func() *Lease {
		lease, err := b.Acquire(
			b.ctx(),
			Spec{Engine: b.manifest, Model: "fault", Files: map[string]string{"base": home}},
		)
		require.NoError(t, err)
		lease.Release()
		return lease
	}
	require.NoError(t, os.Mkdir(home, 0o700))
	first := acquire()
	require.Equal(t, first.PID(), acquire().PID(), "nothing has changed")
	require.NoError(t, os.Mkdir(home+".new", 0o700))
	require.NoError(t, os.Rename(home, home+".old"))
	require.NoError(t, os.Rename(home+".new", home))
	second := acquire()
	require.NotEqual(t, first.PID(), second.PID())
	until(t, patience, "the old process has gone", func() bool { return !alive(first.PID()) })
	require.Equal(t, second.PID(), acquire().PID())
}
