package httpapi

import (
	"context"
	"errors"
	"math"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/voices"
)

// mediaInput resolves a media field to an input: the file that came with the request, an asset, a job's output (finished or not), or
// something to fetch now. asset is nil when the input is a job that still runs.
func (s *Server) mediaInput(ctx context.Context, owner uuid.UUID, f *fields, field, input string) (ref jobs.InputRef, asset *assets.Asset, err error) {
	kind := mediaFields[field]
	ref = jobs.InputRef{Name: input, Kind: kind}
	if asset := f.files[field]; asset != nil {
		ref.AssetID = &asset.ID
		return ref, asset, nil
	}
	value := f.str(field)
	if fetch.IsRef(value) {
		asset, err := s.cfg.Assets.IngestRef(ctx, value, assets.IngestRequest{Owner: owner, Want: media.Kind(kind)})
		if err != nil {
			return ref, nil, onField(err, field)
		}
		ref.AssetID = &asset.ID
		f.files[field] = asset // its hash counts for idempotency, and its content is what was asked for
		return ref, asset, nil
	}
	id, err := uuid.Parse(value)
	if err != nil {
		return ref, nil, notMedia(field, value)
	}
	return s.mediaByID(ctx, owner, id, ref, field)
}

func (s *Server) mediaByID(ctx context.Context, owner, id uuid.UUID, ref jobs.InputRef, field string) (jobs.InputRef, *assets.Asset, error) {
	asset, err := s.cfg.Assets.Get(ctx, owner, id)
	if err == nil {
		if string(asset.Kind) != ref.Kind {
			return ref, nil, onField(&assets.KindError{Got: asset.Kind, Want: media.Kind(ref.Kind), File: asset.Filename}, field)
		}
		ref.AssetID = &id
		return ref, asset, nil
	}
	if !errors.Is(err, assets.ErrNotFound) {
		return ref, nil, err
	}
	job, err := s.cfg.Jobs.Get(ctx, owner, id)
	if errors.Is(err, jobs.ErrNotFound) {
		return ref, nil, s.mistaken(ctx, owner, id.String(), field, field, i18n.Say("%s names no file and no job of yours", field))
	}
	if err != nil {
		return ref, nil, err
	}
	if job.Status == jobs.Failed || job.Status == jobs.Canceled {
		return ref, nil, invalid(field, i18n.Say("the job that %s names has ended as %s and has no output: retry it first", field, job.Status))
	}
	if job.Status == jobs.Completed {
		return s.outputOf(ctx, job, ref, field)
	}
	if kindOf(job.Type) != ref.Kind {
		return ref, nil, noOutput(field, ref.Kind)
	}
	ref.JobID = &id
	return ref, nil, nil
}

// kindOf what a job of a type makes, for one that still runs.
func kindOf(t jobs.Type) jobs.Kind {
	switch t {
	case jobs.TypeSpeech:
		return jobs.KindAudio
	case jobs.TypeImage, jobs.TypeImageEdit, jobs.TypeUpscale:
		return jobs.KindImage
	case jobs.TypeAvatar, jobs.TypeAnimate:
		return jobs.KindVideo
	default:
		return ""
	}
}

func noOutput(field string, kind jobs.Kind) *problem {
	return invalid(field, i18n.Say("the job that %s names has no %s output", field, kind))
}

// outputOf is a finished job's first output of the kind.
func (s *Server) outputOf(ctx context.Context, job *jobs.Job, ref jobs.InputRef, field string) (jobs.InputRef, *assets.Asset, error) {
	outputs, err := s.cfg.Assets.ByJobs(ctx, []uuid.UUID{job.ID})
	if err != nil {
		return ref, nil, err
	}
	for _, output := range outputs[job.ID] {
		if string(output.Kind) == ref.Kind {
			ref.AssetID = &output.ID
			return ref, output, nil
		}
	}
	return ref, nil, noOutput(field, ref.Kind)
}

// notMedia says what a text that names no media may be.
func notMedia(field, text string) *problem {
	text = strings.TrimSpace(text)
	switch {
	case unfilled(text):
		return invalid(field, i18n.Say(expressionLeft, field, clip(text)))
	case looksLikeBase64(text):
		return invalid(field, i18n.Say("%s looks like base64: put data: and the type before it, such as data:image/png;base64,", field))
	case fileName.MatchString(text):
		return invalid(field, i18n.Say("%s is %q, the name of a file: send the file itself in a multipart form, or upload it with POST /api/v1/assets and send its id", field, clip(text)))
	default:
		return invalid(field, i18n.Say("%s must be a file, an asset id, a job id, an https URL or a data: URI", field))
	}
}

// expressionLeft is said of a text that an expression of n8n left.
const expressionLeft = "%s is %q, which an expression leaves when it is not evaluated or finds no value: look at the expression in n8n"

// unfilled says whether a text is what a client writes for a value that it does not have.
func unfilled(text string) bool {
	switch text {
	case "undefined", "null", "NaN", "None", "[object Object]":
		return true
	}
	return strings.Contains(text, "{{") && strings.Contains(text, "}}")
}

var (
	fileName = regexp.MustCompile(`(?i)^[^?#]{1,250}\.(png|jpe?g|webp|gif|heic|wav|mp3|ogg|opus|flac|m4a|aac|mp4|webm|mov|mkv)$`)
	base64s  = regexp.MustCompile(`^[A-Za-z0-9+/\r\n_-]+={0,2}$`)
)

// looksLikeBase64: longer than any id and in that alphabet.
func looksLikeBase64(text string) bool {
	const leastBase64 = 64
	return len(text) >= leastBase64 && base64s.MatchString(text)
}

// voiceInput resolves a voice by id or exact name.
func (s *Server) voiceInput(ctx context.Context, owner uuid.UUID, f *fields, value, field, input string) (jobs.InputRef, *voices.Voice, error) {
	ref := jobs.InputRef{Name: input, Kind: jobs.KindVoice}
	voice, err := s.cfg.Voices.Find(ctx, owner, value)
	if errors.Is(err, voices.ErrNotFound) {
		return ref, nil, s.noVoice(ctx, owner, f, value, field)
	}
	if err != nil {
		return ref, nil, err
	}
	if voice.Status == voices.Failed {
		return ref, nil, invalid(field, i18n.Say("cloning the voice %q failed: clone it again or choose another", voice.Name))
	}
	ref.VoiceID = &voice.ID
	return ref, voice, nil
}

// noVoice says which voice the caller may have meant.
func (s *Server) noVoice(ctx context.Context, owner uuid.UUID, f *fields, value, field string) *problem {
	if unfilled(value) {
		return invalid(field, i18n.Say(expressionLeft, "voice_id", clip(value)))
	}
	if f.voices == nil {
		list, err := s.cfg.Voices.List(ctx, owner, voices.Filter{})
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "the voices could not be listed for a suggestion", "err", err)
		}
		f.voices = []string{}
		for _, voice := range list {
			f.voices = append(f.voices, voice.Name)
		}
	}
	sentence := i18n.Say("there is no voice %q: GET /api/v1/audio/voices lists the voices", clip(value))
	if near := closest(value, f.voices); near != "" {
		sentence = i18n.Say("there is no voice %q; did you mean %q? GET /api/v1/audio/voices lists the voices", clip(value), near)
	}
	return s.mistaken(ctx, owner, value, "voice_id", field, sentence)
}

// checkSample refuses a voice sample that is too short before any work starts. A sample that is still being made is checked by the engine.
func (s *Server) checkSample(sample *assets.Asset) error {
	if sample == nil || sample.DurationSeconds == nil {
		return nil
	}
	if got := *sample.DurationSeconds; got < s.cfg.MinVoiceSeconds && asTold(got) < s.cfg.MinVoiceSeconds {
		return invalid("audio", i18n.Say("the sample is %.1f s long; the shortest is %g s (voices.min_seconds): record 15 s or more of clear speech", got, s.cfg.MinVoiceSeconds))
	}
	return nil
}

// asTold is a length as our sentences tell it, in tenths of a second. Containers say a few milliseconds more or less than what plays.
func asTold(seconds float64) float64 { return math.Round(seconds*10) / 10 }
