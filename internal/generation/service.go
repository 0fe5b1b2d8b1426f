package generation

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/jobs"
)

// maxSeed is the largest integer that every JSON reader keeps exact.
const maxSeed = 1<<53 - 1

// Config of a Service. Library and Catalogue are needed to resolve requests.
type Config struct {
	// Kinds of requests. Default: Builtin.
	Kinds     []Kind
	Library   Library
	Catalogue *engine.Catalogue
	Settings
	// EngineDefaults are configured parameters of engines, by the engine's id. They come after the request's and
	// before the manifest's.
	EngineDefaults map[engine.ID]map[string]any
	// Fit says whether this machine could run a job at all. It fails with *plan.TooLargeError. Nil lets every job in.
	Fit func(m *engine.Manifest, task, model string, width, height, pictures int) error
	Log *slog.Logger
}

// Settings are limits that requests are checked against.
type Settings struct {
	// MinVoiceSeconds of a voice's sample; a shorter one is refused. Default 3.
	MinVoiceSeconds float64
	// MaxImagePixels of a picture that is made larger. Default 50 million.
	MaxImagePixels int64
	// MaxImageSide of such a picture, in pixels. Default 16384.
	MaxImageSide int64
	// DefaultLanguage of a text whose request names neither a language nor a voice. Default pt-BR.
	DefaultLanguage string
}

func (c *Config) setDefaults() {
	if c.Kinds == nil {
		c.Kinds = Builtin()
	}
	if c.DefaultLanguage == "" {
		c.DefaultLanguage = defaultLanguage
	}
	if c.MinVoiceSeconds == 0 {
		c.MinVoiceSeconds = 3
	}
	if c.MaxImagePixels == 0 {
		c.MaxImagePixels = 50e6
	}
	if c.MaxImageSide == 0 {
		c.MaxImageSide = 16384
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Service makes jobs of requests. Safe for concurrent use.
type Service struct {
	*Kinds
	cfg Config
}

// New makes a Service. It panics when the tags of a request contradict each other.
func New(cfg Config) *Service {
	cfg.setDefaults()
	return &Service{Kinds: NewKinds(cfg.Kinds...), cfg: cfg}
}

// Library returns the library in which the service finds named things.
func (s *Service) Library() Library { return s.cfg.Library }

// With returns a Service that looks in another library, such as a Pending.
func (s *Service) With(library Library) *Service {
	changed := *s
	changed.cfg.Library = library
	return &changed
}

// Input is a request as its transport read it. Its values have been checked one by one.
type Input struct {
	Owner   uuid.UUID
	Request Request
	// Files came with the request, by field.
	Files map[string]*assets.Asset
	// Empty are fields that were sent without a value.
	Empty map[string]bool
	// Refused are the fields whose faults the transport has reported; faults that follow from those are left out.
	Refused map[string]bool
	// Changed says that the request is what a queued job becomes, whose engine and model stay.
	Changed bool
}

// Resolve makes a job of a request. It checks everything before it refuses, so that the caller learns of every fault:
// in Errors, or in ErrRefused when only in.Refused is at fault. The Spec has its ID, so that another request can name
// the job before it is inserted.
//
// fetched are the files that were fetched for the request, also for a refused one. A job that is not submitted leaves
// them to the caller, who deletes them.
func (s *Service) Resolve(ctx context.Context, in Input) (spec jobs.Spec, fetched []*assets.Asset, err error) {
	shape := s.shapes[reflect.TypeOf(in.Request).Elem()]
	if shape == nil {
		return spec, nil, fmt.Errorf("generation: %T is not a registered request", in.Request)
	}
	r := &Resolution{
		Settings: s.cfg.Settings, service: s, kind: s.kindOf(in.Request), shape: shape, in: in,
		complaints: complaints{told: map[string]bool{}},
	}
	for field, refused := range in.Refused {
		r.told[field] = refused
		r.refused = r.refused || refused
	}
	for name, asset := range in.Files {
		if f := shape.named(name); f != nil {
			f.set(in.Request, asset.ID.String())
		}
	}
	err = r.resolve(ctx)
	return r.Spec, r.fetched, err
}

func (s *Service) kindOf(request Request) Kind {
	for _, kind := range s.list {
		if reflect.TypeOf(kind.New()) == reflect.TypeOf(request) {
			return kind
		}
	}
	return Kind{}
}

// resolve fills in Spec.
func (r *Resolution) resolve(ctx context.Context) (err error) {
	if err := r.begin(); err != nil {
		return err
	}
	r.checkPlace(ctx)
	r.chooseVoice(ctx)
	// The engine comes first: a request that no engine can do is refused before anything is fetched for it.
	r.choose(ctx)
	r.tellVoice()
	r.checkFormat()
	if r.Spec.Params, err = r.shape.params(r.in.Request, forEngine); err != nil {
		return err
	}
	if r.manifest != nil {
		r.checkEngine()
	}
	r.in.Request.Resolve(ctx, r)
	if err := r.err(); err != nil {
		return err
	}
	return r.fill(ctx)
}

// begin takes over the fields that all requests share.
func (r *Resolution) begin() error {
	c := r.in.Request.common()
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("generation: new id: %w", err)
	}
	if c.Seed == nil {
		seed, err := rand.Int(rand.Reader, big.NewInt(maxSeed))
		if err != nil {
			return fmt.Errorf("generation: choose a seed: %w", err)
		}
		chosen := seed.Int64()
		c.Seed = &chosen
	}
	r.Spec = jobs.Spec{
		ID: id, Owner: r.in.Owner, Type: r.kind.Type, Model: c.Model, Priority: c.Priority,
		ProjectID: idIn(c.ProjectID), ParentID: idIn(c.ParentID), ClientReference: c.ClientReference,
	}
	return nil
}

// idIn parses an id whose form has been checked.
func idIn(text string) *uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil {
		return nil
	}
	return &id
}

// fill completes the parameters of a request without fault.
func (r *Resolution) fill(ctx context.Context) (err error) {
	if r.Spec.Params, err = r.shape.params(r.in.Request, forEngine); err != nil { // Resolve may have changed some
		return err
	}
	for name, value := range r.kind.Settings {
		r.Spec.Params[name] = value(r.Settings)
	}
	r.complete()
	if err := r.pronounce(ctx); err != nil {
		return err
	}
	if err := r.fit(); err != nil {
		return err
	}
	kept, err := r.shape.params(r.in.Request, forJob)
	for name, value := range kept {
		r.Spec.Params[name] = value
	}
	if voice := r.Spec.NewVoice; err == nil && voice != nil && voice.ID == uuid.Nil {
		voice.ID, err = uuid.NewV7()
	}
	return err
}

// complete writes the configured defaults and then the manifest's into the parameters, so that the job shows the values
// it really ran with.
func (r *Resolution) complete() {
	params, configured := r.Spec.Params, r.service.cfg.EngineDefaults[r.manifest.ID]
	properties, _ := r.manifest.Tasks[string(r.kind.Type)].Parameters["properties"].(map[string]any)
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
