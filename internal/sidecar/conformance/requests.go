package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/sidecar"
)

const seed = 7

// request makes a small right request of the task, in a folder of its own.
func (p Program) request(t *testing.T, task string) sidecar.RunRequest {
	t.Helper()
	job := uuid.New()
	dir := filepath.Join(t.TempDir(), job.String(), "1")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "in"), 0o700))
	spec := p.Engine.Tasks[task]
	request := sidecar.RunRequest{Job: job, Fence: 1, Task: task, OutDir: dir, Params: p.params(spec)}
	for name, value := range p.Params[task] {
		request.Params[name] = value
	}
	require.Empty(t, p.Engine.ValidateParams(task, request.Params), "the suite's own request must be right")
	for _, port := range spec.Inputs {
		if port.Required || needed(task, port) {
			require.NotNil(t, p.Input, "the engine needs an input of kind %s", port.Kind)
			file := p.Input(t, port.Kind, filepath.Join(dir, "in"))
			file.Name = port.Name
			request.Inputs = append(request.Inputs, file)
		}
	}
	return request
}

// needed: a video speaks either a script in a voice or an audio file, and what is written down is in an audio file or a
// video; the suite gives the audio file.
func needed(task string, port engine.Port) bool {
	return port.Kind == "audio" && (strings.HasPrefix(task, "video.") || task == "audio.transcribe")
}

// usual are the values of parameters that tasks take or leave; script is not among them (see needed).
var usual = map[string]any{
	"text": "Olá. Isto é um teste.", "prompt": "Professional headshot", "name": "Teste", "language": "pt-BR",
	"seed":  seed,
	"width": 256, "height": 256, "num_images": 1,
}

func (p Program) params(spec engine.Task) map[string]any {
	properties, _ := spec.Parameters["properties"].(map[string]any)
	var required []string
	if list, ok := spec.Parameters["required"].([]any); ok {
		for _, name := range list {
			if name, ok := name.(string); ok {
				required = append(required, name)
			}
		}
	}
	params := map[string]any{}
	for name, schema := range properties {
		if value, ok := usual[name]; ok {
			params[name] = value
		} else if slices.Contains(required, name) {
			params[name] = valueOf(schema)
		}
	}
	return params
}

// valueOf is some value that the schema allows.
func valueOf(schema any) any {
	s, _ := schema.(map[string]any)
	if value, ok := s["default"]; ok {
		return value
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		return values[0]
	}
	if least, ok := s["minimum"]; ok {
		return least
	}
	switch s["type"] {
	case "string":
		return "teste"
	case "boolean":
		return false
	case "array":
		return []any{valueOf(s["items"])}
	case "object":
		return map[string]any{}
	default:
		return 1
	}
}

// frame is the request as the run frame carries it.
func frame(r sidecar.RunRequest) map[string]any {
	inputs := []map[string]any{}
	for _, file := range r.Inputs {
		inputs = append(inputs, sent(file))
	}
	params := map[string]any{
		"job": r.Job.String(), "fence": r.Fence, "task": r.Task, "params": r.Params, "inputs": inputs,
		"out_dir": r.OutDir, "resume_from": nil,
	}
	return params
}

func sent(file sidecar.File) map[string]any {
	return map[string]any{
		"name": file.Name, "path": file.Path, "mime": file.MIME, "size": file.Size, "sha256": file.SHA256,
		"metadata": file.Metadata,
	}
}
