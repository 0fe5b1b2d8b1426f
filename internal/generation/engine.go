package generation

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/plan"
)

// choose finds the engine. The job's model stays what was asked for.
func (r *Resolution) choose(ctx context.Context) {
	c := r.in.Request.common()
	params, err := r.shape.params(r.in.Request, forEngine)
	if err != nil {
		r.failure = err
		return
	}
	r.spoken = r.speakers(ctx)
	wanted := engine.Choice{
		Task: string(r.kind.Type), Quality: c.Quality, Model: c.Model, Language: r.language(r.spoken), Params: params,
		Voices: known(r.spoken),
	}
	for _, f := range r.shape.fields {
		if _, sent := f.get(r.in.Request); sent && f.input != "" {
			wanted.Inputs = append(wanted.Inputs, f.input)
		}
	}
	selection, err := r.service.cfg.Catalogue.Choose(wanted)
	if err != nil {
		r.add(r.unchosen(err))
		return
	}
	r.manifest, r.model = selection.Manifest, selection.Model
	r.Spec.Quality, r.Spec.Engine = r.manifest.Quality, string(r.manifest.ID)
	r.Spec.UsesGPU = r.manifest.UsesGPU
	if r.Spec.Model == "" {
		r.Spec.Model = selection.Model
	}
	r.Spec.Warnings = append(r.Spec.Warnings, selection.Warnings...)
}

// unchosen says which field keeps an engine from being found.
func (r *Resolution) unchosen(err error) *FieldError {
	var missing *engine.NotInstalledError
	var unknown *engine.UnknownModelError
	var needs *engine.NeedsInputError
	var idle *engine.IdleParameterError
	var language *engine.LanguageError
	var voice *engine.VoiceError
	refused := &FieldError{Err: err}
	switch {
	case errors.As(err, &missing):
		refused.Field = "quality"
	case errors.As(err, &language):
		refused.Field = "language"
		if r.in.Changed {
			language.Others = nil
		}
	case errors.As(err, &voice):
		refused.Field = r.fieldOfVoice(voice.Voice)
		if r.in.Changed {
			refused.Say = i18n.Say("the model of this job, %s, speaks only its own voices: choose one of them, "+
				"or cancel the job and send a new request", voice.Model)
		}
	case errors.As(err, &needs):
		refused.Field = r.shape.fieldOf(needs.Inputs[0])
	case errors.As(err, &idle):
		refused.Field = idle.Parameter
	case errors.As(err, &unknown):
		refused.Field = "model"
		if near := names.Closest(unknown.Model, unknown.Known); near != "" {
			refused.Say = i18n.Say("model %q is not known for %s; did you mean %s? Known: %s",
				names.Clip(unknown.Model), unknown.Task, near, i18n.Commas(unknown.Known...))
		}
	}
	return refused
}

// checkEngine refuses the inputs that the engine does not honour: a language, a parameter, a file.
func (r *Resolution) checkEngine() {
	if speaker, ok := r.in.Request.(Speaker); ok {
		language := speaker.Speaks()
		if say := unspoken(r.manifest, language); !say.Empty() {
			r.add(&FieldError{Field: "language", Code: CodeUnsupportedLanguage, Say: say})
		}
	}
	wrong := paramErrors(r.manifest.ValidateParams(string(r.kind.Type), r.Spec.Params))
	for _, e := range wrong {
		r.honoured(e)
	}
	r.add(wrong...)
	for _, f := range r.shape.fields {
		if _, sent := f.get(r.in.Request); sent && f.input != "" && r.port(f.input) == nil {
			r.add(&FieldError{
				Field: f.name, Code: CodeUnsupportedField,
				Say: i18n.Say(
					"engine %s does not honour %s: leave it out or choose another model", r.manifest.ID, f.name,
				),
			})
		}
	}
}

// paramErrors are the parameters that the engine refuses, each sentence with the name of its parameter.
func paramErrors(refused []engine.FieldError) []*FieldError {
	code := CodeInvalid
	if slices.ContainsFunc(refused, func(e engine.FieldError) bool { return e.Kind == engine.Unsupported }) {
		code = CodeUnsupportedField
	}
	list := make([]*FieldError, len(refused))
	for i, e := range refused {
		name, say := strings.TrimPrefix(e.Pointer, "/"), e.Detail
		if !strings.Contains(say.String(), name) {
			say = i18n.Say("%s: %s", name, say)
		}
		list[i] = &FieldError{Field: name, Code: code, Say: say, Err: e}
	}
	return list
}

// port returns the engine's input of a name, nil when it has none.
func (r *Resolution) port(input string) *engine.Port {
	if r.manifest == nil {
		return nil
	}
	ports := r.manifest.Tasks[string(r.kind.Type)].Inputs
	for i := range ports {
		if ports[i].Name == input {
			return &ports[i]
		}
	}
	return nil
}

// fit refuses requests that no plan of this machine can run. A picture whose size was left to the studio gets the
// nearest that fits.
func (r *Resolution) fit() error {
	if r.service.cfg.Fit == nil {
		return nil
	}
	sized, ok := r.in.Request.(Sized)
	var width, height, pictures int
	var free bool
	if ok {
		width, height, pictures, free = sized.Size()
	}
	if free = free && r.manifest.Quality == engine.Final; free {
		width = r.manifest.Tasks[string(r.kind.Type)].DefaultEdge
		height = width
	}
	err := r.service.cfg.Fit(r.manifest, string(r.kind.Type), r.model, width, height, pictures)
	var refused *plan.TooLargeError
	switch {
	case !errors.As(err, &refused):
		return err
	case !free || refused.Width == 0:
		return Errors{{Err: err}}
	}
	sized.Resize(refused.Width, refused.Height)
	r.Spec.Params["width"], r.Spec.Params["height"] = refused.Width, refused.Height
	r.Warn("smaller_size", i18n.Say(
		"made with %d x %d pixels, the most that fits this computer's memory", refused.Width, refused.Height,
	))
	return nil
}

// OutputFormat is the field for the format of a job's main result.
const OutputFormat = "output_format"

// outputFormats in the order of the contract.
var outputFormats = []string{"wav", "mp3", "flac", "ogg", "png", "jpg", "webp", "mp4", "webm"}

// checkFormat refuses a file format of another kind than the result.
func (r *Resolution) checkFormat() {
	format := r.in.Request.common().OutputFormat
	switch {
	case format == "":
	case r.kind.Output == "":
		r.Refuse(OutputFormat, i18n.Say("this request makes no media file: leave output_format out"))
	case media.FormatKind(format) != r.kind.Output:
		fitting := slices.DeleteFunc(slices.Clone(outputFormats), func(other string) bool {
			return media.FormatKind(other) != r.kind.Output
		})
		r.Refuse(OutputFormat, i18n.Say(
			"%s is not a format for %s; choose one of %s", format, r.kind.Output, i18n.Commas(fitting...),
		))
	}
}
