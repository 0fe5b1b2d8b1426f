package sidecar

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/plan"
)

func TestALoadNamesTheModelAsItsEngineKnowsIt(t *testing.T) {
	m := &engine.Manifest{ID: "painter", Models: []engine.Model{{ID: "base"}, {ID: "tune", Like: "base"}, {ID: "style", Like: "base", Adapter: &engine.Adapter{File: "/x", Strength: 0.5}}}}
	for model, want := range map[string]string{
		"base":  `{"engine":"painter","model":"base","variant":"Q4","files":{},"plan":{"device":"cpu","vram_bytes":0,"ram_bytes":1}}`,
		"tune":  `{"engine":"painter","model":"base","variant":"Q4","files":{},"plan":{"device":"cpu","vram_bytes":0,"ram_bytes":1}}`,
		"style": `{"engine":"painter","model":"base","variant":"Q4","files":{},"plan":{"device":"cpu","vram_bytes":0,"ram_bytes":1,"lora_strength":0.5}}`,
		"none":  `{"engine":"painter","model":"none","variant":"Q4","files":{},"plan":{"device":"cpu","vram_bytes":0,"ram_bytes":1}}`,
	} {
		sent, err := json.Marshal(loadSent(&Spec{Engine: m, Model: model, Variant: "Q4", Device: "cpu", Plan: plan.Plan{MemoryPlan: engine.MemoryPlan{RAMBytes: 1}}}))
		require.NoError(t, err)
		require.JSONEq(t, want, string(sent), model)
	}
}
