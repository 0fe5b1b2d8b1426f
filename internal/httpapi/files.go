package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/media"
)

// Asset is a file: uploaded, fetched or made.
type Asset struct {
	ID              uuid.UUID      `json:"id"`
	Kind            string         `json:"kind" enum:"audio,image,video,data"`
	Type            string         `json:"type" enum:"audio,image,video,data" doc:"The same as kind"`
	Origin          string         `json:"origin" enum:"upload,generated,remote"`
	Name            string         `json:"name"`
	Filename        string         `json:"filename"`
	URL             string         `json:"url" doc:"Stable; needs authorisation"`
	SignedURL       string         `json:"signed_url" doc:"Needs no header, until expires_at"`
	ExpiresAt       time.Time      `json:"expires_at"`
	MimeType        string         `json:"mime_type"`
	SizeBytes       int64          `json:"size_bytes"`
	SHA256          string         `json:"sha256"`
	OriginalSHA256  *string        `json:"original_sha256" nullable:"true" doc:"Of the bytes as sent, before what can track a person was removed"`
	Width           *int           `json:"width" nullable:"true"`
	Height          *int           `json:"height" nullable:"true"`
	DurationSeconds *float64       `json:"duration_seconds" nullable:"true"`
	Metadata        map[string]any `json:"metadata"`
	ProjectID       *uuid.UUID     `json:"project_id" nullable:"true"`
	JobID           *uuid.UUID     `json:"job_id" nullable:"true"`
	CreatedAt       time.Time      `json:"created_at"`
}

// AssetList is a page of files, newest first.
type AssetList list[Asset]

func (s *Server) assetView(ctx context.Context, a *assets.Asset) Asset {
	base := baseOf(ctx)
	link, expires := s.cfg.Signer.Link(a.ID, s.now())
	v := Asset{ID: a.ID, Kind: string(a.Kind), Type: string(a.Kind), Origin: string(a.Origin), Name: a.Name, Filename: a.Filename, URL: base + a.URL, SignedURL: base + link, ExpiresAt: expires,
		MimeType: a.MIME, SizeBytes: a.Size, SHA256: a.SHA256, OriginalSHA256: a.OriginalSHA256, Width: a.Width, Height: a.Height, DurationSeconds: a.DurationSeconds,
		ProjectID: a.ProjectID, JobID: a.JobID, CreatedAt: a.CreatedAt, Metadata: map[string]any{}}
	_ = json.Unmarshal(a.Metadata, &v.Metadata)
	return v
}

// AssetPath holds the id in an address; exported, since huma fills only exported members.
type AssetPath struct {
	ID string `path:"id" doc:"Asset id"`
}

type listAssetsInput struct {
	PageInput
	Kind    string `query:"kind" enum:"audio,image,video,data"`
	Project string `query:"project" doc:"Project id"`
}

type uploadInput struct {
	CreateInput
	Filename string `query:"filename" maxLength:"255" doc:"Name of a file that is sent as the raw body"`
}

func (s *Server) registerAssets() {
	tag := []string{"files"}
	const path = "/api/v1/assets"
	b := s.binderFor(reflect.TypeFor[UploadRequest]())
	huma.Register(s.api, huma.Operation{OperationID: "upload-asset", Method: http.MethodPost, Path: path, Summary: "Upload a file, as a form or as the raw body", Tags: tag, DefaultStatus: http.StatusCreated,
		MaxBodyBytes: -1, BodyReadTimeout: -1, Errors: []int{413, 422, 507}}, func(ctx context.Context, in *uploadInput) (*createdOther, error) {
		made, replayed, err := s.upload(ctx, in, b)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return createdAnswer(made, replayed)
	})
	s.setBody(path, b)
	s.setAnswer(path, "201", reflect.TypeFor[Asset]())
	huma.Register(s.api, huma.Operation{OperationID: "list-assets", Method: http.MethodGet, Path: path, Summary: "List files, newest first", Tags: tag}, s.listAssets)
	huma.Register(s.api, huma.Operation{OperationID: "get-asset", Method: http.MethodGet, Path: path + "/{id}", Summary: "Read what is known of a file", Tags: tag, Errors: []int{404}}, s.getAsset)
	huma.Register(s.api, huma.Operation{OperationID: "delete-asset", Method: http.MethodDelete, Path: path + "/{id}", Summary: "Delete a file", Tags: tag, DefaultStatus: http.StatusNoContent, Errors: []int{404, 409}}, s.deleteAsset)
	huma.Register(s.api, huma.Operation{OperationID: "get-file", Method: http.MethodGet, Path: "/api/v1/files/{id}", Summary: "Download a file (Range, HEAD)", Tags: tag, Errors: []int{403, 404}}, s.getFile)
}

// upload takes a form with one file, or the file itself as the body.
func (s *Server) upload(ctx context.Context, in *uploadInput, b *binder) (any, bool, error) {
	if strings.HasPrefix(in.request.Header.Get("Content-Type"), "multipart/form-data") {
		return s.creating(ctx, &in.CreateInput, "upload-asset", b, auth.Generate, func(p auth.Principal, f *fields) (any, error) {
			asset := f.files["file"]
			if asset == nil {
				return nil, invalid("file", "send the file as the form's part file, with a filename")
			}
			return s.assetView(ctx, asset), nil
		})
	}
	p, err := s.principal(ctx, auth.Generate)
	if err != nil {
		return nil, false, err
	}
	if in.IdempotencyKey != "" {
		return nil, false, invalid("Idempotency-Key", "a raw upload takes no Idempotency-Key: send the file as multipart/form-data")
	}
	asset, err := s.cfg.Assets.Ingest(ctx, assets.IngestRequest{Owner: p.Owner, Reader: in.request.Body, Filename: in.Filename})
	if err != nil {
		return nil, false, err
	}
	return s.assetView(ctx, asset), false, nil
}

func (s *Server) listAssets(ctx context.Context, in *listAssetsInput) (*struct{ Body AssetList }, error) {
	p, err := s.principal(ctx, auth.Read)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	filter := assets.Filter{Kind: media.Kind(in.Kind), Limit: in.Limit, Cursor: in.Cursor}
	if in.Project != "" {
		id, err := uuid.Parse(in.Project)
		if err != nil {
			return nil, invalid("project", "project must be an id")
		}
		filter.Project = &id
	}
	page, err := s.cfg.Assets.List(ctx, p.Owner, filter)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	out := &struct{ Body AssetList }{AssetList{Data: []Asset{}}}
	for _, asset := range page.Assets {
		out.Body.Data = append(out.Body.Data, s.assetView(ctx, asset))
	}
	out.Body.NextCursor, out.Body.NextURL = nextOf(ctx, "/api/v1/assets", page.Next)
	return out, nil
}

func (s *Server) ownAsset(ctx context.Context, text string, scope auth.Scope) (*assets.Asset, auth.Principal, error) {
	p, err := s.principal(ctx, scope)
	if err != nil {
		return nil, p, err
	}
	id, err := pathID(text, assets.ErrNotFound)
	if err != nil {
		return nil, p, err
	}
	asset, err := s.cfg.Assets.Get(ctx, p.Owner, id)
	return asset, p, err
}

func (s *Server) getAsset(ctx context.Context, in *AssetPath) (*struct{ Body Asset }, error) {
	asset, _, err := s.ownAsset(ctx, in.ID, auth.Read)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	return &struct{ Body Asset }{s.assetView(ctx, asset)}, nil
}

func (s *Server) deleteAsset(ctx context.Context, in *AssetPath) (*struct{}, error) {
	asset, p, err := s.ownAsset(ctx, in.ID, auth.Generate)
	if err == nil {
		err = s.cfg.Assets.Delete(ctx, p.Owner, asset.ID)
	}
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	s.audit(ctx, p, "asset.delete", asset.ID.String())
	return nil, nil
}

type getFileInput struct {
	AssetPath
	Expires   string `query:"exp" doc:"Of a signed link"`
	Signature string `query:"sig" doc:"Of a signed link"`
}

// getFile sends a file to its owner, or to whoever has a signed link.
func (s *Server) getFile(ctx context.Context, in *getFileInput) (*huma.StreamResponse, error) {
	if in.Signature == "" {
		asset, _, err := s.ownAsset(ctx, in.ID, auth.Read)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return s.stream(asset), nil
	}
	id, err := pathID(in.ID, assets.ErrNotFound)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	if err := s.cfg.Signer.Verify(id, in.Expires, in.Signature, s.now()); err != nil {
		return nil, s.answer(ctx, err)
	}
	asset, err := s.cfg.Assets.Lookup(ctx, id)
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	return s.stream(asset), nil
}

// inline are the types that a browser may show in place; everything else is a download, whatever it calls itself.
func inline(mimeType string) bool {
	switch mimeType {
	case "image/png", "image/jpeg", "image/webp", "application/json":
		return true
	default:
		return strings.HasPrefix(mimeType, "audio/") || strings.HasPrefix(mimeType, "video/")
	}
}

// serveAsset sends the bytes. http.ServeContent answers Range, HEAD and If-None-Match.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request, asset *assets.Asset) {
	content, _, err := s.cfg.Assets.Open(r.Context(), asset)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", asset.MIME)
	h.Set("Content-Disposition", disposition(inline(asset.MIME), asset.Filename))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, max-age=3600, immutable")
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
