package httpapi

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
)

// registerDownload adds a route that sends a file, for GET and HEAD.
func (s *Server) registerDownload(
	operation huma.Operation,
	find func(ctx context.Context, p auth.Principal, in *JobPath) (*assets.Asset, error),
) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		op := operation
		op.Method, op.Hidden = method, method == http.MethodHead
		huma.Register(
			s.api,
			op,
			as(s, func(ctx context.Context, p auth.Principal, in *JobPath) (*huma.StreamResponse, error) {
				asset, err := find(ctx, p, in)
				if err != nil {
					return nil, err
				}
				return s.stream(asset, ownOnly), nil
			}),
		)
	}
}

type getFileInput struct {
	AssetPath
	Expires   string `query:"exp" doc:"Of a signed link"`
	Signature string `query:"sig" doc:"Of a signed link"`
}

func (s *Server) registerFiles(tag []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		huma.Register(
			s.api,
			huma.Operation{
				OperationID: "get-file",
				Method:      method,
				Path:        "/api/v1/files/{id}",
				Summary:     "Download a file (Range, HEAD)",
				Tags:        tag,
				Hidden:      method == http.MethodHead,
				Errors:      []int{401, 403, 404},
			},
			s.getFile,
		)
	}
}

// getFile sends a file to its owner, or to whoever has a signed link.
func (s *Server) getFile(ctx context.Context, in *getFileInput) (*huma.StreamResponse, error) {
	if in.Signature == "" {
		return as(s, func(ctx context.Context, p auth.Principal, in *getFileInput) (*huma.StreamResponse, error) {
			asset, err := s.ownAsset(ctx, p, in.ID)
			if err != nil {
				return nil, err
			}
			return s.stream(asset, ownOnly), nil
		})(ctx, in)
	}
	if err := checkParameters(ctx); err != nil {
		return nil, s.answer(ctx, err)
	}
	id, err := pathID(in.ID, assets.ErrNotFound)
	if err == nil {
		err = s.cfg.Signer.Verify(id, in.Expires, in.Signature, s.now())
	}
	if err != nil {
		return nil, s.answer(ctx, s.countForged(ctx, err))
	}
	asset, err := s.cfg.Assets.Lookup(ctx, id)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	return s.stream(asset, anySite), nil
}

// countForged counts a link with a wrong signature as a failed sign-in. A link that has expired is not counted.
func (s *Server) countForged(ctx context.Context, err error) error {
	if !errors.Is(err, assets.ErrForgedLink) {
		return err
	}
	var slowed *auth.SlowedError
	if errors.As(
		s.cfg.Auth.Failed(callerOf(ctx).from, auth.ViaLink,
			&auth.CredentialError{Kind: auth.ViaLink, Cause: auth.CauseUnknown}),
		&slowed,
	) {
		return &auth.SlowedError{Refused: err, Wait: slowed.Wait}
	}
	return err
}

// The values of Cross-Origin-Resource-Policy: the studio's own pages may embed a file; any page may embed a signed
// link.
const (
	ownOnly = "same-origin"
	anySite = "cross-origin"
)

// unchanging is how clients may keep a file: its address never leads to other bytes.
const unchanging = "private, max-age=3600, immutable"

// stream sends a file with ranges and its name, and forbids that anything in it runs.
func (s *Server) stream(asset *assets.Asset, embeddedBy string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		c := humaecho.UnwrapV4(ctx)
		c.Response().Header().Set("Cross-Origin-Resource-Policy", embeddedBy)
		s.serveAsset(c.Response(), c.Request(), asset, unchanging)
	}}
}

// inline says whether a browser may show a type in place. All other types are downloads.
func inline(mimeType string) bool {
	switch mimeType {
	case "image/png", "image/jpeg", "image/webp", "application/json":
		return true
	default:
		return strings.HasPrefix(mimeType, "audio/") || strings.HasPrefix(mimeType, "video/")
	}
}

// serveAsset sends the bytes. http.ServeContent answers Range, HEAD and If-None-Match.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request, asset *assets.Asset, caching string) {
	content, _, err := s.cfg.Assets.Open(r.Context(), asset)
	if err != nil {
		s.writeProblem(w, r, err)
		return
	}
	defer content.Close()
	// A download under a key or session that has ended breaks off.
	defer context.AfterFunc(r.Context(), func() {
		if auth.EndedBy(r.Context()) != nil {
			content.Close()
		}
	})()
	h := w.Header()
	h.Set("Content-Type", asset.MIME)
	h.Set("Content-Disposition", disposition(inline(asset.MIME), asset.Filename))
	h.Set("Content-Security-Policy",
		"sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", caching)
	h.Set("ETag", `"`+asset.SHA256+`"`)
	http.ServeContent(w, r, "", asset.CreatedAt, content)
}

// disposition names the file in both spellings of RFC 6266.
func disposition(inline bool, filename string) string {
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, filename)
	plain := mime.FormatMediaType(kind, map[string]string{"filename": ascii})
	if ascii == filename {
		return plain
	}
	return fmt.Sprintf("%s; filename*=UTF-8''%s", plain, strings.ReplaceAll(url.QueryEscape(filename), "+", "%20"))
}
