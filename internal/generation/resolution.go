package generation

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/voices"
)

// Resolution is the way of one request to its job. A Request's Resolve method adds inputs and complaints to it.
type Resolution struct {
	// Spec of the job so far.
	Spec jobs.Spec
	Settings

	complaints
	service  *Service
	kind     Kind
	shape    *shape
	in       Input
	manifest *engine.Manifest // nil when no engine was found
	model    string           // the model that the engine loads
	fetched  []*assets.Asset
	spoken   []*voices.Voice // the voices of the request's texts
	unasked  *voices.Voice   // the default voice, for a request that names none; nil otherwise
	// found are the voices that were looked up, by the id or name in the request.
	found map[string]*voices.Voice
	// voiceNames for suggestions; nil until they are needed.
	voiceNames []string
}

// OK says whether nothing is wrong so far.
func (r *Resolution) OK() bool { return r.none() }

// Refuse adds a fault of a field, as in "lines/0/text".
func (r *Resolution) Refuse(field string, say i18n.Sentence) {
	r.add(&FieldError{Field: field, Code: CodeInvalid, Say: say})
}

// Missing refuses a request that lacks a field, in the words of say unless the field came without a value.
func (r *Resolution) Missing(field string, say i18n.Sentence) {
	if r.in.Empty[field] {
		say = Missing(field)
	}
	r.Refuse(field, say)
}

// Warn adds a warning to the job.
func (r *Resolution) Warn(code string, say i18n.Sentence) {
	r.Spec.Warnings = append(r.Spec.Warnings, report.Warning{Code: code, Message: say})
}

// Sent says whether a field came with a value, right or wrong.
func (r *Resolution) Sent(field string) bool {
	if r.told[field] {
		return true
	}
	f := r.shape.named(field)
	if f == nil {
		return false
	}
	_, ok := f.get(r.in.Request)
	return ok
}

// refuseErr is Refuse with the error of another package. One that is not about the request ends the resolution.
func (r *Resolution) refuseErr(field string, err error) {
	var kind *assets.KindError
	switch {
	case r.failure != nil:
	case !refusal(err):
		r.failure = err
	case errors.As(err, &kind):
		r.add(&FieldError{Field: field, Say: WrongKind(field, kind), Err: err})
	default:
		r.add(&FieldError{Field: field, Err: err})
	}
}

// WrongKind says which kind of file a field takes and which it got.
func WrongKind(field string, e *assets.KindError) i18n.Sentence {
	if e.File == "" {
		return i18n.Say("the field %s takes %s files; what it got is of the kind %s", field, e.Want, e.Got)
	}
	return i18n.Say("the field %s takes %s files; %s is of the kind %s", field, e.Want, names.Clip(e.File), e.Got)
}

// File makes the file that a field names an input of the job. It does nothing when the field is empty. The asset is nil
// for a file that a job still makes, and for an unusable one, which is reported. Nothing is fetched for a request that
// will be refused.
func (r *Resolution) File(ctx context.Context, field string) *assets.Asset {
	f := r.shape.named(field)
	value, sent := f.get(r.in.Request)
	if !sent || r.failure != nil {
		return nil
	}
	text := value.String()
	if !r.none() && r.in.Files[field] == nil && fetch.IsRef(text) {
		return nil
	}
	ref := jobs.InputRef{Name: f.input, Kind: f.kind}
	asset := r.findFile(ctx, field, text, &ref)
	if ref.AssetID == nil && ref.JobID == nil {
		return nil
	}
	r.checkSide(field, f.input, asset)
	r.Spec.Inputs = append(r.Spec.Inputs, ref)
	return asset
}

// findFile sets the asset of an input, or the job that makes it: the file that came with the request, a file or a job
// that the text names by its id, or something to fetch now.
func (r *Resolution) findFile(ctx context.Context, field, text string, ref *jobs.InputRef) *assets.Asset {
	if asset := r.in.Files[field]; asset != nil {
		ref.AssetID = &asset.ID
		return asset
	}
	library, owner := r.service.cfg.Library, r.in.Owner
	if fetch.IsRef(text) {
		asset, err := library.Fetch(ctx, owner, text, media.Kind(ref.Kind))
		if err != nil {
			r.refuseErr(field, err)
			return nil
		}
		ref.AssetID = &asset.ID
		r.fetched = append(r.fetched, asset)
		return asset
	}
	id, err := uuid.Parse(text)
	if err != nil {
		r.Refuse(field, notMedia(field, text))
		return nil
	}
	switch asset, err := library.Asset(ctx, owner, id); {
	case err == nil && string(asset.Kind) != ref.Kind:
		r.refuseErr(field, &assets.KindError{Got: asset.Kind, Want: media.Kind(ref.Kind), File: asset.Filename})
		return nil
	case err == nil:
		ref.AssetID = &id
		return asset
	case !errors.Is(err, assets.ErrNotFound):
		r.refuseErr(field, err)
		return nil
	}
	return r.findOutput(ctx, field, id, ref)
}

// findOutput takes the first output of a job that is of the input's kind. A job that has not ended will have it.
func (r *Resolution) findOutput(
	ctx context.Context, field string, id uuid.UUID, ref *jobs.InputRef,
) *assets.Asset {
	library := r.service.cfg.Library
	job, err := library.Job(ctx, r.in.Owner, id)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		say := mistaken(ctx, library, r.in.Owner, field, id)
		if say.Empty() {
			say = i18n.Say("%s names no file and no job of yours", field)
		}
		r.Refuse(field, say)
		return nil
	case err != nil:
		r.refuseErr(field, err)
		return nil
	case job.Status == jobs.Failed || job.Status == jobs.Canceled:
		r.Refuse(field, i18n.Say(
			"the job that %s names has ended as %s and has no output: retry it first", field, job.Status,
		))
		return nil
	}
	if job.Status != jobs.Completed {
		if makes, _ := r.service.Of(job.Type); string(makes.Output) == ref.Kind {
			ref.JobID = &id
			return nil
		}
	} else if outputs, err := library.Outputs(ctx, id); err != nil {
		r.refuseErr(field, err)
		return nil
	} else {
		for _, output := range outputs {
			if string(output.Kind) == ref.Kind {
				ref.AssetID = &output.ID
				return output
			}
		}
	}
	r.Refuse(field, i18n.Say("the job that %s names has no %s output", field, ref.Kind))
	return nil
}

// checkSide refuses a picture that is smaller than the engine's manifest says. One that is still being made is checked
// by the engine, in the same words.
func (r *Resolution) checkSide(field, input string, asset *assets.Asset) {
	port := r.port(input)
	if port == nil || !measured(asset) || min(*asset.Width, *asset.Height) >= port.MinSide {
		return
	}
	r.Refuse(field, i18n.Say("the picture is %d x %d; the smallest side is %d pixels: send a larger one",
		*asset.Width, *asset.Height, port.MinSide))
}

// measured says whether a picture's size is known. One that is still being made has none yet.
func measured(picture *assets.Asset) bool {
	return picture != nil && picture.Width != nil && picture.Height != nil
}

// Voice makes the voice that a field names an input of the job. It does nothing when the field is empty.
func (r *Resolution) Voice(ctx context.Context, field string) {
	f := r.shape.named(field)
	if value, sent := f.get(r.in.Request); sent {
		if _, say := r.voice(ctx, field, f.input, value.String()); !say.Empty() {
			r.Refuse(field, say)
		}
	}
}

// voice makes a voice, named by its id or exact name, an input of the job. The sentence says why it cannot be used.
func (r *Resolution) voice(
	ctx context.Context, field, input, idOrName string,
) (voice *voices.Voice, why i18n.Sentence) {
	if r.failure != nil {
		return nil, why
	}
	voice, err := r.findVoice(ctx, idOrName)
	switch {
	case errors.Is(err, voices.ErrNotFound):
		return nil, r.noVoice(ctx, idOrName)
	case err != nil:
		r.refuseErr(field, err)
		return nil, why
	case voice.Status == voices.Failed:
		return nil, i18n.Say("cloning the voice %q failed: clone it again or choose another", voice.Name)
	}
	r.Spec.Inputs = append(r.Spec.Inputs, jobs.InputRef{Name: input, Kind: jobs.KindVoice, VoiceID: &voice.ID})
	return voice, why
}

// findVoice looks a voice up by its id or exact name, once for each request.
func (r *Resolution) findVoice(ctx context.Context, idOrName string) (*voices.Voice, error) {
	if voice := r.found[idOrName]; voice != nil {
		return voice, nil
	}
	voice, err := r.service.cfg.Library.Voice(ctx, r.in.Owner, idOrName)
	if err != nil {
		return nil, err
	}
	r.keepVoice(idOrName, voice)
	return voice, nil
}

func (r *Resolution) keepVoice(idOrName string, voice *voices.Voice) {
	if r.found == nil {
		r.found = map[string]*voices.Voice{}
	}
	r.found[idOrName] = voice
}

// noVoice says which voice the caller may have meant.
func (r *Resolution) noVoice(ctx context.Context, text string) i18n.Sentence {
	if Unfilled(text) {
		return ExpressionLeft("voice_id", text)
	}
	if id, err := uuid.Parse(text); err == nil {
		if say := mistaken(ctx, r.service.cfg.Library, r.in.Owner, "voice_id", id); !say.Empty() {
			return say
		}
	}
	if r.voiceNames == nil {
		var err error
		if r.voiceNames, err = r.service.cfg.Library.VoiceNames(ctx, r.in.Owner); err != nil {
			r.service.cfg.Log.WarnContext(ctx, "the voices could not be listed for a suggestion", "err", err)
		}
	}
	if near := names.Closest(text, r.voiceNames); near != "" {
		if voice, err := r.findVoice(ctx, near); err == nil {
			near = voice.Name // near may be a name that the voice had before
		}
		return i18n.Say("there is no voice %q; did you mean %q? %s lists the voices", names.Clip(text), near, seeVoices)
	}
	return i18n.Say("there is no voice %q: %s lists the voices", names.Clip(text), seeVoices)
}
