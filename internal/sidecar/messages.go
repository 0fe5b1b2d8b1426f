package sidecar

import "github.com/apibr/studio/internal/plan"

// The parameters of the frames that the supervisor sends; sidecar-protocol.md is the authority.

type loadParams struct {
	Engine  string            `json:"engine"`
	Model   string            `json:"model"`
	Variant string            `json:"variant"`
	Files   map[string]string `json:"files"`
	Plan    loadPlan          `json:"plan"`
}

type loadPlan struct {
	Device         string `json:"device"`
	VRAMBytes      int64  `json:"vram_bytes"`
	RAMBytes       int64  `json:"ram_bytes"`
	AttentionBytes int64  `json:"attention_bytes,omitempty"`
	ResidentBlocks *int   `json:"resident_blocks,omitempty"`
	Batch          int    `json:"batch,omitempty"`

	// LoRAStrength goes with the file lora.
	LoRAStrength *float64 `json:"lora_strength,omitempty"`
}

func planSent(device string, p plan.Plan) loadPlan {
	return loadPlan{
		Device:         device,
		VRAMBytes:      p.VRAM,
		RAMBytes:       p.RAM,
		AttentionBytes: p.AttentionBytes,
		ResidentBlocks: p.ResidentBlocks,
		Batch:          p.Batch,
	}
}

// loadSent names the model as its engine knows it: a fine-tune or a LoRA of the user's is one of the engine's models
// with other files.
func loadSent(spec *Spec) loadParams {
	sent := loadParams{
		Engine:  string(spec.Engine.ID),
		Model:   spec.Model,
		Variant: spec.Variant,
		Files:   spec.Files,
		Plan:    planSent(spec.Device, spec.Plan),
	}
	if sent.Files == nil {
		sent.Files = map[string]string{}
	}
	if model, ok := spec.Engine.Model(spec.Model); ok {
		sent.Model = model.Loads()
		if model.Adapter != nil {
			sent.Plan.LoRAStrength = &model.Adapter.Strength
		}
	}
	return sent
}

type runParams struct {
	Job        string         `json:"job"`
	Fence      int64          `json:"fence"`
	Task       string         `json:"task"`
	Params     map[string]any `json:"params"`
	Inputs     []fileSent     `json:"inputs"`
	OutDir     string         `json:"out_dir"`
	ResumeFrom *resumeParams  `json:"resume_from"`
	Plan       *loadPlan      `json:"plan,omitempty"`
}

type resumeParams struct {
	Index    int        `json:"index"`
	Segments []fileSent `json:"segments"`
}

// history is the model's name in the history of phases.
func (r RunRequest) history(model string) string {
	if r.Class == "" {
		return model
	}
	return model + " " + r.Class
}

func (r RunRequest) params(device string) runParams {
	sent := runParams{
		Job: r.Job.String(), Fence: r.Fence, Task: r.Task, Params: r.Params, OutDir: r.OutDir, Inputs: []fileSent{},
	}
	if r.Plan != nil {
		with := planSent(device, *r.Plan)
		sent.Plan = &with
	}
	if sent.Params == nil {
		sent.Params = map[string]any{}
	}
	for _, file := range r.Inputs {
		sent.Inputs = append(sent.Inputs, file.sent())
	}
	if r.ResumeFrom != nil {
		sent.ResumeFrom = &resumeParams{Index: r.ResumeFrom.Index, Segments: []fileSent{}}
		for _, file := range r.ResumeFrom.Segments {
			segment := file.sent()
			segment.Index = &file.Index
			sent.ResumeFrom.Segments = append(sent.ResumeFrom.Segments, segment)
		}
	}
	return sent
}

func (f File) sent() fileSent {
	return fileSent{Name: f.Name, Path: f.Path, MIME: f.MIME, Size: f.Size, SHA256: f.SHA256, Metadata: f.Metadata}
}
