package generation

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
)

// Kind is one kind of request that makes a job.
type Kind struct {
	Type jobs.Type
	// Name of the operation, as in "generate-speech". Names are unique.
	Name string
	// Path below the root of the API, as in "audio/generate-speech".
	Path string
	// Summary says in a few words what the job makes.
	Summary string
	// Example is a request as the document shows it.
	Example map[string]any
	// Output is the kind of the job's main result: output_format must fit it. "" for a job that makes no file.
	Output media.Kind
	// New makes an empty request.
	New func() Request
	// Settings are parameters that come from the configuration. They are not fields of the request.
	Settings map[string]func(Settings) any
}

// Builtin returns the kinds of requests that the studio takes.
func Builtin() []Kind { return []Kind{cloneVoice, speech, transcribe, image, edit, upscale, avatar} }

// Kinds are kinds of requests with what their tags say.
type Kinds struct {
	list    []Kind
	shapes  map[reflect.Type]*shape
	aliases map[string][]string
	files   map[string]jobs.Kind
}

// NewKinds reads the tags of the kinds. It panics when tags cannot be read or contradict each other.
func NewKinds(list ...Kind) *Kinds {
	k := &Kinds{
		list: list, shapes: map[reflect.Type]*shape{},
		aliases: map[string][]string{}, files: map[string]jobs.Kind{},
	}
	for i, kind := range list {
		if slices.ContainsFunc(list[:i], func(o Kind) bool { return o.Type == kind.Type || o.Name == kind.Name }) {
			panic(fmt.Sprintf("generation: two kinds of the type %s or the name %s", kind.Type, kind.Name))
		}
		of := reflect.TypeOf(kind.New()).Elem()
		k.shapes[of] = shapeOf(of)
		k.learn(k.shapes[of])
	}
	return k
}

// learn takes in the aliases and the files of a shape.
func (k *Kinds) learn(s *shape) {
	for _, f := range s.fields {
		for _, alias := range f.aliases {
			if !slices.Contains(k.aliases[alias], f.name) {
				k.aliases[alias] = append(k.aliases[alias], f.name)
			}
		}
		if f.isFile() {
			if known, ok := k.files[f.name]; ok && known != f.kind {
				panic(
					fmt.Sprintf("generation: the field %s takes %s in one request and %s in another", f.name, known,
						f.kind),
				)
			}
			k.files[f.name] = f.kind
		}
		if f.entries != nil {
			k.learn(f.entries)
		}
	}
}

// All lists the kinds in their order.
func (k *Kinds) All() []Kind { return slices.Clone(k.list) }

// Of returns the kind whose jobs are of a type.
func (k *Kinds) Of(t jobs.Type) (Kind, bool) {
	i := slices.IndexFunc(k.list, func(kind Kind) bool { return kind.Type == t })
	if i < 0 {
		return Kind{}, false
	}
	return k.list[i], true
}

// Meant returns the fields that an alias may stand for. A request has one of them, or none.
func (k *Kinds) Meant(alias string) []string { return k.aliases[alias] }

// FileKind returns the kind of file that a field takes. It is not ok for a field that takes a value.
func (k *Kinds) FileKind(field string) (kind jobs.Kind, ok bool) {
	kind, ok = k.files[field]
	return kind, ok
}

// FieldOf returns the request's name for an input of an engine, as in "lines/3/voice_id" for voice_3. A name that is
// not an input is returned as it is.
func (k *Kinds) FieldOf(t jobs.Type, input string) string {
	if kind, ok := k.Of(t); ok {
		return k.shape(kind).fieldOf(input)
	}
	return input
}

// EngineParams returns the parameters that a job's engine gets: all but the fields that are only kept with the job.
func (k *Kinds) EngineParams(t jobs.Type, params map[string]any) map[string]any {
	kind, known := k.Of(t)
	if !known {
		return maps.Clone(params)
	}
	given := map[string]any{}
	for name, value := range params {
		if f := k.shape(kind).named(name); f == nil || f.param != forJob {
			given[name] = value
		}
	}
	return given
}

// Fields returns the request that a job stands for, by the names of its fields: the parameters, with the seed really
// used, and the ids of its files and voices. Parameters that are not fields of the request are left out.
func (k *Kinds) Fields(job *jobs.Job) map[string]any {
	kind, known := k.Of(job.Type)
	fields := map[string]any{}
	for name, value := range job.Params {
		if !known || k.shape(kind).named(name) != nil {
			fields[name] = value
		}
	}
	for _, ref := range job.Inputs {
		if name := k.FieldOf(job.Type, ref.Name); !strings.Contains(name,
			"/") { // the voices of lines stand in the lines
			fields[name] = idOf(ref)
		}
	}
	return fields
}

// Shown is Fields with what the studio chose for the job.
func (k *Kinds) Shown(job *jobs.Job) map[string]any {
	fields := k.Fields(job)
	if chosen, has := job.Params[Pronunciations]; has {
		fields[Pronunciations] = chosen
	}
	return fields
}

func idOf(ref jobs.InputRef) string {
	switch {
	case ref.AssetID != nil:
		return ref.AssetID.String()
	case ref.JobID != nil:
		return ref.JobID.String()
	case ref.VoiceID != nil:
		return ref.VoiceID.String()
	default:
		return ""
	}
}

func (k *Kinds) shape(kind Kind) *shape { return k.shapes[reflect.TypeOf(kind.New()).Elem()] }

// IsInput says whether a job of the type makes its result from the field. The other fields place the job or choose its
// engine.
func (k *Kinds) IsInput(t jobs.Type, field string) bool {
	kind, ok := k.Of(t)
	if !ok {
		return false
	}
	f := k.shape(kind).named(field)
	return f != nil && (f.param != "" || f.input != "")
}
