package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/sidecar"
)

// stage puts the inputs and the finished segments into the run's folder.
func (a *attempt) stage(ctx context.Context) (sidecar.RunRequest, error) {
	request := sidecar.RunRequest{
		Job:    a.claimed.ID,
		Fence:  a.claimed.Fence,
		Task:   string(a.claimed.Type),
		Params: a.runner.cfg.Kinds.EngineParams(a.claimed.Type, a.claimed.Params),
		OutDir: a.dir,
	}
	if err := os.MkdirAll(filepath.Join(a.dir, "in", "segments"), 0o700); err != nil {
		return request, fmt.Errorf("runner: stage: %w", err)
	}
	for _, input := range a.claimed.Resolved {
		file, err := a.stageInput(ctx, input)
		if err != nil {
			return request, err
		}
		request.Inputs = append(request.Inputs, file)
		if sample, ok, err := a.stageSample(ctx, input); err != nil {
			return request, err
		} else if ok {
			request.Inputs = append(request.Inputs, sample)
		}
	}
	resume, err := a.stageSegments(ctx)
	request.ResumeFrom = resume
	return request, err
}

func (a *attempt) stageInput(ctx context.Context, input jobs.ResolvedInput) (sidecar.File, error) {
	if input.Voice != nil {
		return a.stageVoice(input)
	}
	path := filepath.Join(a.dir, "in", input.Name+media.Extension(input.MIME))
	file := sidecar.File{
		Name:     input.Name,
		Path:     path,
		MIME:     input.MIME,
		Size:     input.Size,
		SHA256:   input.SHA256,
		Metadata: input.Metadata,
	}
	return file, a.place(ctx, input.SHA256, path)
}

// stageVoice writes what this engine needs of a voice.
func (a *attempt) stageVoice(input jobs.ResolvedInput) (sidecar.File, error) {
	conditionals, ok := input.Voice.For(a.manifest.VoiceSources()...)
	if !ok {
		conditionals = json.RawMessage("{}")
	}
	path := filepath.Join(a.dir, "in", input.Name+".json")
	if err := os.WriteFile(path, conditionals, 0o400); err != nil {
		return sidecar.File{}, fmt.Errorf("runner: stage: %w", err)
	}
	return sidecar.File{
		Name:     input.Name,
		Path:     path,
		MIME:     "application/json",
		Size:     int64(len(conditionals)),
		SHA256:   sha256Hex(conditionals),
		Metadata: map[string]any{"name": input.Voice.Name, "language": input.Voice.Language},
	}, nil
}

// stageSample adds the recording of a voice that another engine cloned, for an engine that can make its own of it.
func (a *attempt) stageSample(ctx context.Context, input jobs.ResolvedInput) (file sidecar.File, ok bool, err error) {
	if input.Voice == nil || input.Voice.Sample.SHA256 == "" || !a.takesSample() {
		return file, false, nil
	}
	if _, own := input.Voice.Conditionals[string(a.manifest.ID)]; own {
		return file, false, nil
	}
	sample := input.Voice.Sample
	name := input.Name + "_sample"
	path := filepath.Join(a.dir, "in", name+media.Extension(sample.MIME))
	file = sidecar.File{
		Name: name, Path: path, MIME: sample.MIME, Size: sample.Size, SHA256: sample.SHA256,
	}
	return file, true, a.place(ctx, sample.SHA256, path)
}

func (a *attempt) takesSample() bool {
	inputs := a.manifest.Tasks[string(a.claimed.Type)].Inputs
	return slices.ContainsFunc(inputs, func(port engine.Port) bool { return port.Sample })
}

func (a *attempt) stageSegments(ctx context.Context) (*sidecar.Resume, error) {
	if len(a.claimed.Segments) == 0 {
		return nil, nil
	}
	resume := &sidecar.Resume{Index: len(a.claimed.Segments)}
	for _, segment := range a.claimed.Segments {
		name := fmt.Sprintf("%04d%s", segment.Index, media.Extension(segment.MIME))
		path := filepath.Join(a.dir, "in", "segments", name)
		if err := a.place(ctx, segment.SHA256, path); err != nil {
			return nil, err
		}
		resume.Segments = append(resume.Segments, sidecar.File{
			Index: segment.Index, Path: path, MIME: segment.MIME, Size: segment.Size, SHA256: segment.SHA256,
		})
	}
	return resume, nil
}

// place brings a copy of a blob into the run's folder. It is a copy, and not a link, since an engine may write to its
// inputs; nothing of it is flushed: a run that dies is staged anew.
func (a *attempt) place(ctx context.Context, sha, path string) error {
	if err := a.runner.cfg.Blobs.Stage(ctx, sha, path); err != nil {
		return fmt.Errorf("runner: stage: %w", err)
	}
	return nil
}
