package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
)

type getPreviewInput struct {
	JobPath
	Expires   string `query:"exp" doc:"Of a signed link"`
	Signature string `query:"sig" doc:"Of a signed link"`
}

func (s *Server) registerPreview(tag []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		huma.Register(
			s.api,
			huma.Operation{OperationID: "get-job-preview", Method: method, Path: "/api/v1/jobs/{id}/preview",
				Summary: "Download the newest picture of what a running job makes (JPEG, HEAD)", Tags: tag,
				Hidden: method == http.MethodHead,
				Errors: []int{401, 403, 404}},
			s.getPreview,
		)
	}
}

// getPreview sends the picture to the job's owner, or to whoever has a signed link.
func (s *Server) getPreview(ctx context.Context, in *getPreviewInput) (*huma.StreamResponse, error) {
	if in.Signature == "" {
		return as(s, func(ctx context.Context, p auth.Principal, in *getPreviewInput) (*huma.StreamResponse, error) {
			id, err := in.uuid()
			if err != nil {
				return nil, err
			}
			if _, err := s.cfg.Jobs.Get(ctx, p.Owner, id); err != nil {
				return nil, err
			}
			return s.preview(id, ownOnly)
		})(ctx, in)
	}
	id, err := pathID(in.ID, jobs.ErrNotFound)
	if err == nil {
		err = s.cfg.Signer.VerifyPreview(id, in.Expires, in.Signature, s.now())
	}
	var out *huma.StreamResponse
	if err == nil {
		out, err = s.preview(id, anySite)
	}
	if err != nil {
		return nil, s.answer(ctx, s.countForged(ctx, err))
	}
	return out, nil
}

func (s *Server) preview(id uuid.UUID, embeddedBy string) (*huma.StreamResponse, error) {
	picture, ok := s.cfg.Hub.LatestPreview(id)
	if !ok {
		return nil, notFound(
			i18n.Say(
				"the job has no preview: there is one only while it runs, and only of engines that show what they make",
			),
		)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		c := humaecho.UnwrapV4(ctx)
		h := c.Response().Header()
		h.Set("Cross-Origin-Resource-Policy", embeddedBy)
		h.Set("Content-Type", "image/jpeg")
		h.Set("Content-Length", strconv.Itoa(len(picture)))
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if c.Request().Method != http.MethodHead {
			_, _ = c.Response().Write(picture)
		}
	}}, nil
}

// previewLink is the address of a running job's preview, "" while it has none.
func (s *Server) previewLink(ctx context.Context, job uuid.UUID) string {
	if _, ok := s.cfg.Hub.LatestPreview(job); !ok {
		return ""
	}
	link, _ := s.cfg.Signer.PreviewLink(job, s.now())
	return baseOf(ctx) + link
}
