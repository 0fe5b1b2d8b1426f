package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/sidecar"
)

const (
	mimeJSON = "application/json"
	// voiceOutput is the output of a clone job that becomes the voice instead of an asset.
	voiceOutput = "voice"
	// longestVoice bounds what is stored of a voice in the database.
	longestVoice = 1 << 20
	// longestSample bounds what an engine says of a sample's length, in seconds.
	longestSample = 24 * 3600
	// longestTranscript bounds what is kept of what a voice's sample says, in characters.
	longestTranscript = 2000
	// conversionTries is how often one run tries to convert an output, within about two seconds; the job's next run
	// tries again.
	conversionTries = 5
)

// keep copies a file of the run into the blob store. It is a copy, since the engine may still have the file open.
func (a *attempt) keep(ctx context.Context, file sidecar.File) (blob.Ref, error) {
	f, err := sidecar.Open(a.dir, file.Path)
	if err != nil {
		return blob.Ref{}, err
	}
	defer f.Close()
	ref, err := a.runner.cfg.Blobs.Put(ctx, f, 0)
	if err == nil && ref.SHA256 != file.SHA256 {
		err = sidecar.Broken("a file was changed after it had been handed over")
	}
	return ref, err
}

// keepSegment copies a finished segment into the blob store and notes it; the engine goes on using its own file.
func (a *attempt) keepSegment(ctx context.Context, segment sidecar.Segment) error {
	ref, err := a.keep(ctx, segment.File)
	if err != nil {
		return err
	}
	kept := jobs.Segment{Index: segment.Index, SHA256: ref.SHA256, MIME: segment.File.MIME, Size: ref.Size,
		Fence: a.claimed.Fence, Seconds: a.playTime(segment.File)}
	err = a.persist(ctx, "keep segment", func(ctx context.Context) error {
		return a.runner.cfg.Jobs.AddSegment(ctx, a.claimed.ID, a.claimed.Fence, kept)
	})
	if err == nil && kept.Seconds != nil {
		a.progress.segment(segment.Index)
	}
	return err
}

// playTime is how many seconds of sound a segment holds; nil for one that is not sound which browsers play.
func (a *attempt) playTime(file sidecar.File) *float64 {
	if file.MIME != "audio/wav" {
		return nil
	}
	f, err := sidecar.Open(a.dir, file.Path)
	if err != nil {
		return nil
	}
	defer f.Close()
	length, err := media.WAVDuration(f)
	if err != nil {
		return nil
	}
	seconds := length.Seconds()
	return &seconds
}

// finishFiles labels and converts what the engine made and takes it into the blob store.
func (a *attempt) finishFiles(ctx context.Context) (jobs.Result, error) {
	a.phaseBegan("store", time.Now())
	if len(a.result.Outputs) == 0 && len(a.manifest.Tasks[string(a.claimed.Type)].Outputs) > 0 {
		return jobs.Result{}, sidecar.Broken("the run ended with no output")
	}
	result := jobs.Result{
		Metadata:  a.result.Metadata,
		Warnings:  slices.Concat(a.warnings, a.result.Warnings),
		Metrics:   a.metrics(),
		Peak:      a.peak(),
		NoHistory: len(a.claimed.Segments) > 0,
	}
	for i, file := range a.result.Outputs {
		if a.claimed.Type == jobs.TypeCloneVoice && file.Name == voiceOutput {
			voice, err := a.voiceResult(file)
			if err != nil {
				return jobs.Result{}, err
			}
			result.Voice = voice
			continue
		}
		output, err := a.finishFile(ctx, i, file)
		if err != nil {
			return jobs.Result{}, err
		}
		result.Outputs = append(result.Outputs, output)
	}
	if a.claimed.Type == jobs.TypeCloneVoice && result.Voice == nil {
		return jobs.Result{}, sidecar.Broken("the run made no voice")
	}
	return result, nil
}

func (a *attempt) finishFile(ctx context.Context, index int, file sidecar.File) (assets.Output, error) {
	output := assets.Output{
		Name:     file.Name,
		MIME:     file.MIME,
		Kind:     media.Kind(jobs.KindData),
		Metadata: a.outputMetadata(file),
	}
	kind := kindOf(file.MIME)
	if kind == jobs.KindData {
		ref, err := a.keep(ctx, file)
		output.SHA256, output.Size = ref.SHA256, ref.Size
		return output, err
	}
	if err := os.MkdirAll(a.finished(), 0o700); err != nil {
		return output, fmt.Errorf("runner: finish %s: %w", file.Name, err)
	}
	finished := filepath.Join(a.finished(), strconv.Itoa(index)+media.Extension(file.MIME))
	format := ""
	wanted, ok := a.claimed.Params[generation.OutputFormat].(string)
	if ok && media.FormatKind(wanted) == media.Kind(kind) {
		format = wanted
	}
	info, err := a.finishMedia(ctx, media.FinishRequest{Src: file.Path, Dst: finished, Format: format,
		Mark: media.MarkFor(media.Quality(a.claimed.Quality), media.Kind(kind))})
	if err != nil {
		return output, fmt.Errorf("runner: finish %s: %w", file.Name, err)
	}
	output.Kind, output.MIME, output.Width, output.Height, output.Duration = info.Kind, info.MIME, info.Width,
		info.Height, info.Duration
	ref, err := a.runner.cfg.Blobs.Import(ctx, finished)
	if err != nil {
		return output, err
	}
	output.SHA256, output.Size = ref.SHA256, ref.Size
	return output, nil
}

// finishMedia converts and labels a file. The engine's work must not be lost to a busy computer, so it tries for some
// seconds.
func (a *attempt) finishMedia(ctx context.Context, req media.FinishRequest) (media.Info, error) {
	pause := firstPause
	for tries := 1; ; tries++ {
		info, err := a.runner.cfg.Media.Finish(ctx, req)
		if !errors.Is(err, media.ErrUnavailable) || tries == conversionTries {
			return info, err
		}
		select {
		case <-ctx.Done():
			return media.Info{}, ctx.Err()
		case <-time.After(pause):
			pause = min(2*pause, mostPause)
		}
	}
}

func kindOf(mime string) jobs.Kind {
	switch kind, _, _ := strings.Cut(mime, "/"); kind {
	case "audio", "image", "video":
		return kind
	default:
		return jobs.KindData
	}
}

// outputMetadata is what the engine says of the file, and what everybody must be able to see: who made it, and that it
// is a draft.
func (a *attempt) outputMetadata(file sidecar.File) map[string]any {
	metadata := map[string]any{"seed": a.result.Seed}
	maps.Copy(metadata, file.Metadata)
	// Last: an engine has no say in these.
	maps.Copy(
		metadata,
		map[string]any{"quality": a.claimed.Quality, "engine": string(a.manifest.ID), "ai_generated": true},
	)
	return metadata
}

func (a *attempt) voiceResult(file sidecar.File) (*jobs.VoiceResult, error) {
	if file.MIME != mimeJSON || file.Size > longestVoice {
		return nil, sidecar.Broken("the voice is not JSON of at most 1 MiB")
	}
	content, err := a.read(file.Path, longestVoice)
	if err != nil {
		return nil, fmt.Errorf("runner: read the voice: %w", err)
	}
	limits := a.runner.cfg.Pool.Limits()
	if content, err = limits.JSON(content, longestVoice); err != nil {
		return nil, sidecar.Broken("the voice cannot be kept: %s", err)
	}
	if !bytes.HasPrefix(content, []byte("{")) {
		return nil, sidecar.Broken("the voice is not a JSON object")
	}
	seconds, _ := a.result.Metadata["sample_seconds"].(float64)
	transcript, _ := a.result.Metadata["transcript"].(string)
	if said := []rune(transcript); len(said) > longestTranscript {
		transcript = string(said[:longestTranscript])
	}
	return &jobs.VoiceResult{Conditionals: content, SampleSeconds: min(max(seconds, 0), longestSample),
		Transcript: transcript}, nil
}

// read reads a file that the run made, at most most bytes of it.
func (a *attempt) read(path string, most int64) ([]byte, error) {
	f, err := sidecar.Open(a.dir, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// metrics so far; the jobs service adds what only it knows.
func (a *attempt) metrics() jobs.Metrics {
	now := time.Now()
	if n := len(a.timeline); n > 0 {
		a.timeline[n-1].End = &now
	}
	return jobs.Metrics{
		RunSeconds:       now.Sub(a.begun).Seconds() - a.result.LoadSeconds,
		ModelLoadSeconds: a.result.LoadSeconds,
		PeakRAMBytes:     a.result.PeakRAM,
		PeakVRAMBytes:    a.result.PeakVRAM,
		Device:           a.device,
		Timeline:         a.timeline,
	}
}

func sha256Hex(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
