package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/studio"
)

// maxSeed is the largest integer that every JSON reader keeps exact.
const maxSeed = 1<<53 - 1

// generation is one kind of request that makes a job.
type generation struct {
	kind jobs.Type
	// output is the kind of its main result: what output_format must fit. "" takes none.
	output media.Kind
	// params are the fields handed to the engine under their own names.
	params []string
	// inputs are the fields that become files of the engine, with the engine's name for each.
	inputs map[string]string
	// resolve checks what belongs together and turns media and voices into inputs.
	// It tells f.wrong of all that is wrong.
	resolve func(s *Server, ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec)
}

var speech = generation{kind: jobs.TypeSpeech, output: media.Audio, resolve: (*Server).resolveSpeech,
	params: []string{"text", "lines", "language", "speed", "cfg_weight", "temperature", "exaggeration"}, inputs: map[string]string{"voice_id": "voice"}}

var cloning = generation{kind: jobs.TypeCloneVoice, resolve: (*Server).resolveClone, params: []string{"name", "language"}, inputs: map[string]string{"audio": "sample"}}

var imaging = generation{kind: jobs.TypeImage, output: media.Image, resolve: (*Server).resolveImage,
	params: []string{"prompt", "negative_prompt", "width", "height", "num_images", "num_inference_steps", "guidance_scale", "strength"},
	inputs: map[string]string{"image": "image"}}

var editing = generation{kind: jobs.TypeImageEdit, output: media.Image, resolve: (*Server).resolveEdit,
	params: []string{"instruction", "negative_prompt", "num_images", "num_inference_steps", "guidance_scale", "strength"}, inputs: map[string]string{"image": "image", "mask": "mask"}}

var upscaling = generation{kind: jobs.TypeUpscale, output: media.Image, resolve: (*Server).resolveUpscale, params: []string{"scale"}, inputs: map[string]string{"image": "image"}}

var avatar = generation{kind: jobs.TypeAvatar, output: media.Video, resolve: (*Server).resolveAvatar,
	params: []string{"script", "language", "duration", "prompt", "fps", "preset", "aspect", "speed"},
	inputs: map[string]string{"image": "image", "audio": "audio", "voice_id": "voice"}}

// spec turns a bound request into a job. It looks at everything before it refuses, so that the caller is told of all that is wrong; what
// binding found in f.wrong is told with it.
func (s *Server) spec(ctx context.Context, p auth.Principal, g generation, f *fields) (jobs.Spec, error) {
	spec := jobs.Spec{Owner: p.Owner, Type: g.kind, Model: f.str("model"), Params: map[string]any{}, ProjectID: f.uuid("project_id"), ParentID: f.uuid("parent_id"),
		Priority: int(f.number("priority")), ClientReference: f.str("client_reference")}
	f.wrong.add(s.checkProject(ctx, p, spec.ProjectID))
	f.wrong.add(s.checkParent(ctx, p, spec.ParentID))
	// The engine first: what no engine can do is refused before anything is fetched for it.
	selection, unanswered := s.choose(ctx, p, g, f, &spec)
	f.wrong.add(unanswered)
	f.wrong.add(checkFormat(g, f))
	for _, name := range g.params {
		if value, ok := f.values[name]; ok {
			spec.Params[name] = value
		}
	}
	if err := setSeed(f, &spec); err != nil {
		return spec, err
	}
	if unanswered == nil {
		f.wrong.add(checkEngine(selection.Manifest, g, f, spec.Params))
	}
	g.resolve(s, ctx, p, f, &spec)
	if err := f.wrong.err(); err != nil {
		return spec, err
	}
	setDefaults(selection.Manifest, string(g.kind), spec.Params, s.cfg.EngineDefaults[selection.Manifest.ID])
	if err := s.fit(selection, g, f, &spec); err != nil {
		return spec, err
	}
	for _, name := range ours {
		if value, ok := f.values[name]; ok {
			spec.Params[name] = value
		}
	}
	return spec, nil
}

// checkEngine refuses what the engine does not honour: a language, a parameter, a file.
func checkEngine(m *engine.Manifest, g generation, f *fields, params map[string]any) error {
	var wrong complaints
	wrong.add(checkLanguage(m, g, f))
	if problems := m.ValidateParams(string(g.kind), params); len(problems) > 0 {
		wrong.add(paramProblem(problems))
	}
	checkPorts(m, g, f, &wrong)
	return wrong.err()
}

// ours are kept with the engine's parameters, so that the job shows them; the runner keeps them to itself.
var ours = []string{"output_format", "consent_note"}

func (s *Server) checkProject(ctx context.Context, p auth.Principal, id *uuid.UUID) error {
	if id == nil {
		return nil
	}
	if _, err := s.cfg.Projects.Get(ctx, p.Owner, *id); errors.Is(err, studio.ErrNotFound) {
		return s.mistaken(ctx, p.Owner, id.String(), "project_id", "project_id", i18n.Say("there is no such project of yours"))
	} else if err != nil {
		return err
	}
	return nil
}

func (s *Server) checkParent(ctx context.Context, p auth.Principal, id *uuid.UUID) error {
	if id == nil {
		return nil
	}
	if _, err := s.cfg.Jobs.Get(ctx, p.Owner, *id); errors.Is(err, jobs.ErrNotFound) {
		return s.mistaken(ctx, p.Owner, id.String(), "parent_id", "parent_id", i18n.Say("no job of yours has this id"))
	} else if err != nil {
		return err
	}
	return nil
}

// choose finds the engine; the model stays what was asked for.
func (s *Server) choose(ctx context.Context, p auth.Principal, g generation, f *fields, spec *jobs.Spec) (engine.Selection, error) {
	wanted := engine.Choice{Task: string(g.kind), Quality: f.str("quality"), Model: f.str("model"), Language: s.languageOf(ctx, p, f), Params: f.values}
	for field, input := range g.inputs {
		if f.has(field) {
			wanted.Inputs = append(wanted.Inputs, input)
		}
	}
	selection, err := s.cfg.Catalogue.Choose(wanted)
	if err != nil {
		return selection, err
	}
	spec.Quality, spec.Engine, spec.UsesGPU = selection.Manifest.Quality, string(selection.Manifest.ID), selection.Manifest.UsesGPU
	if spec.Model == "" {
		spec.Model = selection.Model
	}
	spec.Warnings = append(spec.Warnings, selection.Warnings...)
	return selection, nil
}

// languageOf the request: its own, else its voice's. A voice that is not there is refused later, with its pointer.
func (s *Server) languageOf(ctx context.Context, p auth.Principal, f *fields) string {
	if language := f.str("language"); language != "" || f.str("voice_id") == "" {
		return language
	}
	voice, err := s.cfg.Voices.Find(ctx, p.Owner, f.str("voice_id"))
	if err != nil {
		return ""
	}
	return voice.Language
}

// usualEdge of a picture for which no size was asked, in pixels.
const usualEdge = 1024

// fit refuses what no plan of this machine has room for. A picture for which no size was asked gets the nearest that fits.
func (s *Server) fit(selection engine.Selection, g generation, f *fields, spec *jobs.Spec) error {
	if s.cfg.Fit == nil {
		return nil
	}
	size := func(name string) int { return int(f.number(name)) }
	width, height := size("width"), size("height")
	free := g.kind == jobs.TypeImage && width == 0 && height == 0 && !f.has("image") && selection.Manifest.Quality == engine.Final
	if free {
		width, height = usualEdge, usualEdge
	}
	err := s.cfg.Fit(selection.Manifest, string(g.kind), selection.Model, width, height, size("num_images"))
	var refused *plan.TooLargeError
	if !free || !errors.As(err, &refused) || refused.Width == 0 {
		return err
	}
	spec.Params["width"], spec.Params["height"] = refused.Width, refused.Height
	spec.Warnings = append(spec.Warnings, report.Warning{Code: "smaller_size",
		Message: i18n.Say("made with %d x %d pixels, the most that fits this computer's memory", refused.Width, refused.Height)})
	return nil
}

func setSeed(f *fields, spec *jobs.Spec) error {
	if f.has("seed") {
		spec.Params["seed"] = int64(f.number("seed"))
		return nil
	}
	seed, err := rand.Int(rand.Reader, big.NewInt(maxSeed))
	if err != nil {
		return fmt.Errorf("choose a seed: %w", err)
	}
	spec.Params["seed"] = seed.Int64()
	return nil
}

// setDefaults writes the configured defaults and then the manifest's into the parameters, so that the job tells what it really ran
// with.
func setDefaults(m *engine.Manifest, task string, params, configured map[string]any) {
	properties, _ := m.Tasks[task].Parameters["properties"].(map[string]any)
	for name, schema := range properties {
		if value, has := configured[name]; has && params[name] == nil {
			params[name] = value
		}
		if fields, ok := schema.(map[string]any); ok {
			if value, has := fields["default"]; has && params[name] == nil {
				params[name] = value
			}
		}
	}
}

// checkPorts refuses a file or voice that the engine has no input for.
func checkPorts(m *engine.Manifest, g generation, f *fields, wrong *complaints) {
	for _, field := range slices.Sorted(maps.Keys(g.inputs)) {
		known := slices.ContainsFunc(m.Tasks[string(g.kind)].Inputs, func(port engine.Port) bool { return port.Name == g.inputs[field] })
		if f.has(field) && !known {
			wrong.add(unsupported(m, field))
		}
	}
}

// unsupported refuses a field that the engine does not honour.
func unsupported(m *engine.Manifest, field string) *problem {
	detail := i18n.Say("engine %s does not honour %s: leave it out or choose another model", m.ID, field)
	return newProblem(422, "unsupported_field", i18n.Say("The engine does not honour a field"), detail, fieldProblem{pointer: "/" + field, detail: detail})
}

func paramProblem(problems []engine.FieldError) *problem {
	var list []fieldProblem
	code, title := codeInvalid, cannotHonour
	for _, p := range problems {
		detail := recognised(p.Detail)
		if name := strings.TrimPrefix(p.Pointer, "/"); !strings.Contains(p.Detail, name) {
			detail = i18n.Say("%s: %s", name, detail)
		}
		list = append(list, fieldProblem{pointer: p.Pointer, detail: detail})
		if p.Kind == engine.Unsupported {
			code, title = "unsupported_field", i18n.Say("The engine does not honour a field")
		}
	}
	return problemOfFields(code, title, list, 0)
}

// checkFormat refuses a file format of another kind than the result.
func checkFormat(g generation, f *fields) error {
	format := f.str("output_format")
	switch {
	case format == "":
		return nil
	case g.output == "":
		return invalid("output_format", i18n.Say("this request makes no media file: leave output_format out"))
	case media.FormatKind(format) != g.output:
		return invalid("output_format", i18n.Say("%s is no format for %s; choose one of %s", format, g.output, strings.Join(formatsOf(g.output), ", ")))
	default:
		return nil
	}
}

// formatsOf a kind of result.
func formatsOf(kind media.Kind) (formats []string) {
	for _, format := range outputFormats {
		if media.FormatKind(format) == kind {
			formats = append(formats, format)
		}
	}
	return formats
}

// outputFormats in the order of the contract.
var outputFormats = []string{"wav", "mp3", "flac", "ogg", "png", "jpg", "webp", "mp4", "webm"}

func (s *Server) resolveSpeech(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	switch {
	case f.has("text") && f.has("lines"):
		f.wrong.add(invalid("lines", i18n.Say("send text or lines, not both")))
	case !f.sent("text") && !f.sent("lines"):
		f.wrong.add(f.missing("text", i18n.Say("text is missing: send what to say, or lines")))
	}
	f.wrong.add(speakable("text", f.str("text")))
	if f.has("voice_id") {
		s.addVoice(ctx, p, f, spec)
	} else if f.sent("text") {
		f.wrong.add(f.missing("voice_id", i18n.Say("voice_id is missing: GET /api/v1/audio/voices lists the voices")))
	}
	s.resolveLines(ctx, p, f, spec)
}

// addVoice makes the voice of the request an input.
func (s *Server) addVoice(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	ref, _, err := s.voiceInput(ctx, p.Owner, f, f.str("voice_id"), "voice_id", "voice")
	f.wrong.add(err)
	spec.Inputs = append(spec.Inputs, ref)
}

// addMedia makes a media field an input. Nothing is fetched for a request that will be refused.
func (s *Server) addMedia(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec, field, input string) *assets.Asset {
	if !f.has(field) {
		return nil // that it is missing was said
	}
	if !f.wrong.none() && f.files[field] == nil && fetch.IsRef(f.str(field)) {
		return nil
	}
	ref, asset, err := s.mediaInput(ctx, p.Owner, f, field, input)
	f.wrong.add(err)
	f.wrong.add(s.checkSide(spec, field, input, asset))
	spec.Inputs = append(spec.Inputs, ref)
	return asset
}

// checkSide refuses a picture that is smaller than the engine's manifest says. One that is still being made is checked by the engine,
// in the same words.
func (s *Server) checkSide(spec *jobs.Spec, field, input string, asset *assets.Asset) error {
	manifest, ok := s.cfg.Catalogue.Get(engine.ID(spec.Engine))
	if !ok || asset == nil || asset.Width == nil || asset.Height == nil {
		return nil
	}
	for _, port := range manifest.Tasks[string(spec.Type)].Inputs {
		if port.Name == input && min(*asset.Width, *asset.Height) < port.MinSide {
			return invalid(field, i18n.Say("the picture is %d x %d; the smallest side is %d pixels: send a larger one", *asset.Width, *asset.Height, port.MinSide))
		}
	}
	return nil
}

// resolveLines gives each line's voice an input of its own.
func (s *Server) resolveLines(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	list, _ := f.values["lines"].([]any)
	var lines []any
	var wrong []fieldProblem
	for i, entry := range list {
		line := maps.Clone(entry.(map[string]any)) // its shape has been checked
		field := fmt.Sprintf("lines/%d/voice_id", i)
		name, _ := line["voice_id"].(string)
		text, _ := line["text"].(string)
		if p := speakable(fmt.Sprintf("lines/%d/text", i), text); p != nil {
			wrong = append(wrong, p.(*problem).fields...)
		}
		if name == "" && !f.has("voice_id") {
			wrong = append(wrong, invalid(field, i18n.Say("line %d has no voice: give it a voice_id, or send one for all lines", i+1)).fields...)
		}
		if name != "" {
			ref, voice, err := s.voiceInput(ctx, p.Owner, f, name, field, fmt.Sprintf("voice_%d", i))
			switch {
			case err != nil && problemOf(err).status == http.StatusUnprocessableEntity:
				wrong = append(wrong, problemOf(err).fields...)
			case err != nil:
				f.wrong.add(err)
				return
			default:
				line["voice_id"] = voice.ID.String()
				spec.Inputs = append(spec.Inputs, ref)
			}
		}
		lines = append(lines, line)
	}
	if len(wrong) > 0 {
		f.wrong.add(problemOfFields(codeInvalid, cannotHonour, wrong, 0))
	}
	if lines != nil {
		spec.Params["lines"] = lines
	}
}

func (s *Server) resolveClone(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	sample := s.addMedia(ctx, p, f, spec, "audio", "sample")
	f.wrong.add(s.checkSample(sample))
	if !f.wrong.none() {
		return
	}
	spec.Params["min_seconds"], spec.Params["recommended_seconds"] = s.cfg.MinVoiceSeconds, max(s.cfg.RecommendedVoiceSeconds, leastSample)
	language := f.str("language")
	if language == "" {
		language = defaultLanguage
	}
	spec.NewVoice = &jobs.NewVoice{Name: f.str("name"), Language: language, SampleAssetID: spec.Inputs[0].AssetID, ConsentNote: f.str("consent_note")}
}

// leastSample in seconds is the least that engines take as recommended: shorter samples are refused anyway.
const leastSample = 0.5

// defaultLanguage of a voice whose request names none.
const defaultLanguage = "pt-BR"

func (s *Server) resolveImage(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	s.addMedia(ctx, p, f, spec, "image", "image")
}

func (s *Server) resolveEdit(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	picture := s.addMedia(ctx, p, f, spec, "image", "image")
	mask := s.addMedia(ctx, p, f, spec, "mask", "mask")
	if known(picture) && known(mask) && (*picture.Width != *mask.Width || *picture.Height != *mask.Height) {
		f.wrong.add(invalid("mask", i18n.Say("the mask is %d x %d pixels and the image %d x %d: send a mask of the image's size, white where it shall change",
			*mask.Width, *mask.Height, *picture.Width, *picture.Height)))
	}
}

// known says whether a picture's size is known: one that is still being made has none yet.
func known(picture *assets.Asset) bool {
	return picture != nil && picture.Width != nil && picture.Height != nil
}

func (s *Server) resolveUpscale(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	picture := s.addMedia(ctx, p, f, spec, "image", "image")
	if !known(picture) {
		return
	}
	scale := int64(f.number("scale"))
	width, height := int64(*picture.Width)*scale, int64(*picture.Height)*scale
	if width*height > s.cfg.MaxImagePixels || max(width, height) > s.cfg.MaxImageSide {
		f.wrong.add(invalid("scale", i18n.Say("the result would have %d x %d pixels; the most are %d pixels (media.max_image_pixels) and edges of %d (media.max_image_side): send a smaller image or scale 2",
			width, height, s.cfg.MaxImagePixels, s.cfg.MaxImageSide)))
	}
}

func (s *Server) resolveAvatar(ctx context.Context, p auth.Principal, f *fields, spec *jobs.Spec) {
	switch {
	case f.has("audio") && (f.has("script") || f.has("voice_id")):
		f.wrong.add(invalid("audio", i18n.Say("send audio, or voice_id and script, not both")))
	case !f.sent("audio") && !f.sent("script"):
		f.wrong.add(f.missing("script", i18n.Say("script is missing: send voice_id and script, or audio")))
	case !f.sent("audio") && !f.sent("voice_id"):
		f.wrong.add(f.missing("voice_id", i18n.Say("voice_id is missing: GET /api/v1/audio/voices lists the voices")))
	}
	for _, name := range []string{"language", "speed"} {
		if f.has("audio") && f.has(name) {
			f.wrong.add(invalid(name, i18n.Say("%s is for a script: leave it out when you send audio", name)))
		}
	}
	f.wrong.add(speakable("script", f.str("script")))
	s.addMedia(ctx, p, f, spec, "image", "image")
	if f.has("audio") {
		s.addMedia(ctx, p, f, spec, "audio", "audio")
	} else if f.has("voice_id") {
		s.addVoice(ctx, p, f, spec)
	}
}
