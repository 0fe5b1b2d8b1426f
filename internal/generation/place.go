package generation

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/studio"
)

// checkPlace refuses a project or a parent that is not the owner's.
func (r *Resolution) checkPlace(ctx context.Context) {
	for _, err := range []error{
		r.service.CheckProject(ctx, r.in.Owner, r.Spec.ProjectID), r.checkParent(ctx, r.Spec.ParentID),
	} {
		var refused *FieldError
		switch {
		case errors.As(err, &refused):
			r.add(refused)
		case err != nil:
			r.failure = err
		}
	}
}

// CheckProject refuses a project that is not the owner's, with *FieldError. Nil is right: the request names none.
func (s *Service) CheckProject(ctx context.Context, owner uuid.UUID, id *uuid.UUID) error {
	const field = "project_id"
	if id == nil {
		return nil
	}
	err := s.cfg.Library.Project(ctx, owner, *id)
	if !errors.Is(err, studio.ErrNotFound) {
		return err
	}
	say := mistaken(ctx, s.cfg.Library, owner, field, *id)
	if say.Empty() {
		say = i18n.Say("there is no such project of yours")
	}
	return &FieldError{Field: field, Code: CodeInvalid, Say: say}
}

func (r *Resolution) checkParent(ctx context.Context, id *uuid.UUID) error {
	const field = "parent_id"
	if id == nil {
		return nil
	}
	_, err := r.service.cfg.Library.Job(ctx, r.in.Owner, *id)
	if !errors.Is(err, jobs.ErrNotFound) {
		return err
	}
	say := mistaken(ctx, r.service.cfg.Library, r.in.Owner, field, *id)
	if say.Empty() {
		say = i18n.Say("no job of yours has this id")
	}
	return &FieldError{Field: field, Code: CodeInvalid, Say: say}
}

// listed points at the list of the ids that a field takes; other fields get seeFiles.
var listed = map[string]i18n.See{
	"voice_id":   seeVoices,
	"project_id": seeProjects,
	"parent_id":  seeJobs,
}

// mistaken says that an id which a field does not take belongs to something else of the owner's. It is empty for an
// id that is unknown.
func mistaken(ctx context.Context, library Library, owner uuid.UUID, field string, id uuid.UUID) i18n.Sentence {
	list, ok := listed[field]
	if !ok {
		list = seeFiles
	}
	var place any = field
	if field == voiceField {
		place = sayVoice
	}
	switch thing, job := Identify(ctx, library, owner, id); {
	case thing == JobThing && field == voiceField && job.VoiceID != nil:
		return i18n.Say("%s holds the id of the job that cloned a voice: send the voice_id that the job shows, %s",
			place, job.VoiceID)
	case thing == JobThing:
		return i18n.Say("%s holds the id of a job; %s lists the ids that it takes", place, list)
	case thing == VoiceThing:
		return i18n.Say("%s holds the id of a voice; %s lists the ids that it takes", place, list)
	case thing == FileThing:
		return i18n.Say("%s holds the id of a file; %s lists the ids that it takes", place, list)
	case thing == ProjectThing:
		return i18n.Say("%s holds the id of a project; %s lists the ids that it takes", place, list)
	}
	return i18n.Sentence{}
}
