package httpapi

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

// An id looks the same whatever it is of, so ids are mistaken for each other. Where one is not found, the answer says what it is.

// found is a thing of the caller's that an id is of.
type found struct {
	kind string // job, voice, file or project; "" for none
	job  *jobs.Job
}

// what an id of the caller's is of. A failure to look is no answer.
func (s *Server) what(ctx context.Context, owner, id uuid.UUID) found {
	if job, err := s.cfg.Jobs.Get(ctx, owner, id); err == nil {
		return found{"job", job}
	}
	if _, err := s.cfg.Voices.Get(ctx, owner, id); err == nil {
		return found{kind: "voice"}
	}
	if _, err := s.cfg.Assets.Get(ctx, owner, id); err == nil {
		return found{kind: "file"}
	}
	if _, err := s.cfg.Projects.Get(ctx, owner, id); err == nil {
		return found{kind: "project"}
	}
	return found{}
}

// listed says where the ids stand that a field takes.
var listed = map[string]string{"voice_id": "GET /api/v1/audio/voices", "project_id": "GET /api/v1/studio/projects", "parent_id": "GET /api/v1/jobs"}

// mistaken refuses an id in a body that was not found: in other words when it is the id of something else, else with sentence.
func (s *Server) mistaken(ctx context.Context, owner uuid.UUID, text, field, member string, sentence i18n.Sentence) *problem {
	id, err := uuid.Parse(text)
	if err != nil {
		return invalid(member, sentence)
	}
	list, isListed := listed[field]
	if !isListed {
		list = "GET /api/v1/assets"
	}
	switch thing := s.what(ctx, owner, id); {
	case thing.kind == "job" && field == "voice_id" && thing.job.VoiceID != nil:
		return invalid(member, i18n.Say("%s holds the id of the job that cloned a voice: send the voice_id that the job shows, %s", field, thing.job.VoiceID))
	case thing.kind == "job":
		return invalid(member, i18n.Say("%s holds the id of a job; %s lists the ids that it takes", field, list))
	case thing.kind == "voice":
		return invalid(member, i18n.Say("%s holds the id of a voice; %s lists the ids that it takes", field, list))
	case thing.kind == "file":
		return invalid(member, i18n.Say("%s holds the id of a file; %s lists the ids that it takes", field, list))
	case thing.kind == "project":
		return invalid(member, i18n.Say("%s holds the id of a project; %s lists the ids that it takes", field, list))
	}
	return invalid(member, sentence)
}

var idInPath = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// elsewhere tells where the id of an address belongs that names nothing there. Other errors stay as they are.
func (s *Server) elsewhere(ctx context.Context, p auth.Principal, err error) error {
	if errors.Is(err, tasks.ErrUnknown) {
		return s.noModel(callerOf(ctx).path, err)
	}
	if !errors.Is(err, jobs.ErrNotFound) && !errors.Is(err, voices.ErrNotFound) && !errors.Is(err, assets.ErrNotFound) && !errors.Is(err, studio.ErrNotFound) && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	id, parseErr := uuid.Parse(idInPath.FindString(callerOf(ctx).path))
	if parseErr != nil {
		return err
	}
	switch thing := s.what(ctx, p.Owner, id); thing.kind {
	case "job":
		return notFound(i18n.Say("this is the id of a job: its address is /api/v1/jobs/%s", id))
	case "voice":
		return notFound(i18n.Say("this is the id of a voice: its address is /api/v1/audio/voices/%s", id))
	case "file":
		return notFound(i18n.Say("this is the id of a file: its address is /api/v1/assets/%s", id))
	case "project":
		return notFound(i18n.Say("this is the id of a project: its address is /api/v1/studio/projects/%s", id))
	}
	return err
}

// noModel names the model that an address may have meant.
func (s *Server) noModel(path string, err error) error {
	_, rest, _ := strings.Cut(path, "/models/")
	id, _, _ := strings.Cut(rest, "/")
	var known []string
	for _, m := range s.cfg.Catalogue.All() {
		for i := range m.Models {
			known = append(known, m.Models[i].ID)
		}
	}
	if near := closest(id, known); near != "" {
		return notFound(i18n.Say("there is no model %q; did you mean %s?", clip(id), near))
	}
	return err
}
