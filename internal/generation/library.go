package generation

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

// Library finds the things that a request may name, of one owner only.
type Library interface {
	// Asset fails with assets.ErrNotFound.
	Asset(ctx context.Context, owner, id uuid.UUID) (*assets.Asset, error)
	// Fetch brings the file behind an https URL or a data: URI into the library. It fails with *fetch.Error,
	// *media.InputError, *media.LimitError, *assets.KindError.
	Fetch(ctx context.Context, owner uuid.UUID, ref string, want media.Kind) (*assets.Asset, error)
	// Job fails with jobs.ErrNotFound.
	Job(ctx context.Context, owner, id uuid.UUID) (*jobs.Job, error)
	// Outputs of a finished job, in order.
	Outputs(ctx context.Context, job uuid.UUID) ([]*assets.Asset, error)
	// Voice takes an id or an exact name. It fails with voices.ErrNotFound.
	Voice(ctx context.Context, owner uuid.UUID, idOrName string) (*voices.Voice, error)
	// DefaultVoice speaks a language where the request names no voice; "" is the studio's own language. It fails with
	// voices.ErrNotFound when the language has none.
	DefaultVoice(ctx context.Context, owner uuid.UUID, language string) (*voices.Voice, error)
	// VoiceNames lists the names of all voices that the owner may use, and those that they had before.
	VoiceNames(ctx context.Context, owner uuid.UUID) ([]string, error)
	// Project fails with studio.ErrNotFound.
	Project(ctx context.Context, owner, id uuid.UUID) error
	// Pronunciations of a request of the owner: those of all requests, and those of the project.
	Pronunciations(ctx context.Context, owner uuid.UUID, project *uuid.UUID) ([]*pronunciations.Entry, error)
}

// Stored is the Library of the database.
type Stored struct {
	Assets   *assets.Service
	Jobs     *jobs.Service
	Voices   *voices.Service
	Projects *studio.Projects
	// Words are the dictionaries of pronunciations.
	Words *pronunciations.Service
}

// Asset implements Library.
func (s *Stored) Asset(ctx context.Context, owner, id uuid.UUID) (*assets.Asset, error) {
	return s.Assets.Get(ctx, owner, id)
}

// Fetch implements Library.
func (s *Stored) Fetch(
	ctx context.Context, owner uuid.UUID, ref string, want media.Kind,
) (*assets.Asset, error) {
	return s.Assets.IngestRef(ctx, ref, assets.IngestRequest{Owner: owner, Want: want})
}

// Job implements Library.
func (s *Stored) Job(ctx context.Context, owner, id uuid.UUID) (*jobs.Job, error) {
	return s.Jobs.Get(ctx, owner, id)
}

// Outputs implements Library.
func (s *Stored) Outputs(ctx context.Context, job uuid.UUID) ([]*assets.Asset, error) {
	outputs, err := s.Assets.ByJobs(ctx, []uuid.UUID{job})
	return outputs[job], err
}

// Voice implements Library.
func (s *Stored) Voice(ctx context.Context, owner uuid.UUID, idOrName string) (*voices.Voice, error) {
	return s.Voices.Find(ctx, owner, idOrName)
}

// DefaultVoice implements Library.
func (s *Stored) DefaultVoice(ctx context.Context, owner uuid.UUID, language string) (*voices.Voice, error) {
	return s.Voices.Default(ctx, owner, language)
}

// VoiceNames implements Library.
func (s *Stored) VoiceNames(ctx context.Context, owner uuid.UUID) ([]string, error) {
	list, err := s.Voices.List(ctx, owner, voices.Filter{})
	found := make([]string, 0, len(list))
	for _, voice := range list {
		found = append(append(found, voice.Name), voice.Formerly...)
	}
	return found, err
}

// Project implements Library.
func (s *Stored) Project(ctx context.Context, owner, id uuid.UUID) error {
	_, err := s.Projects.Get(ctx, owner, id)
	return err
}

// Pronunciations implements Library.
func (s *Stored) Pronunciations(
	ctx context.Context, owner uuid.UUID, project *uuid.UUID,
) ([]*pronunciations.Entry, error) {
	return s.Words.Usable(ctx, owner, project)
}

// Pending is a Library to which the jobs of Specs belong that have not been inserted yet, with the voices that they
// make. Requests name them by the ids of the Specs. All Specs must be inserted in one transaction, in their order.
type Pending struct {
	Library
	Specs []jobs.Spec
}

// Job implements Library.
func (p *Pending) Job(ctx context.Context, owner, id uuid.UUID) (*jobs.Job, error) {
	for _, spec := range p.Specs {
		if spec.ID != id || spec.Owner != owner {
			continue
		}
		job := &jobs.Job{ID: id, OwnerID: owner, Type: spec.Type, Status: jobs.Queued}
		if spec.NewVoice != nil {
			job.VoiceID = &spec.NewVoice.ID
		}
		return job, nil
	}
	return p.Library.Job(ctx, owner, id)
}

// Voice implements Library.
func (p *Pending) Voice(ctx context.Context, owner uuid.UUID, idOrName string) (*voices.Voice, error) {
	for _, spec := range p.Specs {
		voice := spec.NewVoice
		if voice == nil || spec.Owner != owner {
			continue
		}
		if voice.ID.String() == idOrName || voice.Name == names.Clean(idOrName) {
			return &voices.Voice{
				ID: voice.ID, OwnerID: &owner, Name: voice.Name, Language: voice.Language,
				Status: voices.Pending, JobID: &spec.ID,
			}, nil
		}
	}
	return p.Library.Voice(ctx, owner, idOrName)
}

// VoiceNames implements Library.
func (p *Pending) VoiceNames(ctx context.Context, owner uuid.UUID) ([]string, error) {
	list, err := p.Library.VoiceNames(ctx, owner)
	list = slices.Clone(list)
	for _, spec := range p.Specs {
		if spec.NewVoice != nil && spec.Owner == owner {
			list = append(list, spec.NewVoice.Name)
		}
	}
	return list, err
}

// Thing is the kind of thing that an id belongs to.
type Thing string

// The things that have ids.
const (
	Nothing      Thing = ""
	JobThing     Thing = "job"
	VoiceThing   Thing = "voice"
	FileThing    Thing = "file"
	ProjectThing Thing = "project"
)

// Identify finds the thing that an id of the owner's belongs to. All ids look the same, so people confuse them. A
// lookup that fails finds nothing. The job comes with JobThing.
func Identify(ctx context.Context, library Library, owner, id uuid.UUID) (Thing, *jobs.Job) {
	if job, err := library.Job(ctx, owner, id); err == nil {
		return JobThing, job
	}
	if _, err := library.Voice(ctx, owner, id.String()); err == nil {
		return VoiceThing, nil
	}
	if _, err := library.Asset(ctx, owner, id); err == nil {
		return FileThing, nil
	}
	if library.Project(ctx, owner, id) == nil {
		return ProjectThing, nil
	}
	return Nothing, nil
}
