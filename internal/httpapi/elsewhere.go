package httpapi

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

var idInPath = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// elsewhere adds the right address when an id was sent to the address of another kind of thing. Other errors stay as
// they are.
func (s *Server) elsewhere(ctx context.Context, p auth.Principal, err error) error {
	if errors.Is(err, tasks.ErrUnknown) {
		return s.noModel(callerOf(ctx).path, err)
	}
	if !errors.Is(err, jobs.ErrNotFound) && !errors.Is(err, voices.ErrNotFound) &&
		!errors.Is(err, assets.ErrNotFound) && !errors.Is(err, pronunciations.ErrNotFound) &&
		!errors.Is(err, studio.ErrNotFound) &&
		!errors.Is(err, auth.ErrNotFound) {
		return err
	}
	id, parseErr := uuid.Parse(idInPath.FindString(callerOf(ctx).path))
	if parseErr != nil {
		return err
	}
	thing, _ := generation.Identify(ctx, s.generation.Library(), p.Owner, id)
	switch thing {
	case generation.JobThing:
		return notFound(i18n.Say("this is the id of a job: see %s", i18n.See{
			Route: "/api/v1/jobs/" + id.String(), Command: "apibr jobs show " + id.String(),
		}))
	case generation.VoiceThing:
		return notFound(i18n.Say("this is the id of a voice: see %s", i18n.See{
			Route: "/api/v1/audio/voices/" + id.String(), Command: "apibr voices",
		}))
	case generation.FileThing:
		return notFound(i18n.Say("this is the id of a file: see %s", i18n.See{
			Route: "/api/v1/assets/" + id.String(), Command: "apibr assets download " + id.String() + " -o FILE",
		}))
	case generation.ProjectThing:
		return notFound(i18n.Say("this is the id of a project: see %s", i18n.See{
			Route: "/api/v1/studio/projects/" + id.String(), Command: "apibr projects",
		}))
	}
	return err
}

// noModel names the model that was probably meant.
func (s *Server) noModel(path string, err error) error {
	_, rest, _ := strings.Cut(path, "/models/")
	id, _, _ := strings.Cut(rest, "/")
	var known []string
	for _, m := range s.cfg.Catalogue.All() {
		for i := range m.Models {
			known = append(known, m.Models[i].ID)
		}
	}
	if near := names.Closest(id, known); near != "" {
		return notFound(i18n.Say("there is no model %q; did you mean %s?", names.Clip(id), near))
	}
	return err
}
