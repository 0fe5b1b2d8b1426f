package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
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
	v := Asset{
		ID:              a.ID,
		Kind:            string(a.Kind),
		Type:            string(a.Kind),
		Origin:          string(a.Origin),
		Name:            a.Name,
		Filename:        a.Filename,
		URL:             base + a.URL,
		SignedURL:       base + link,
		ExpiresAt:       expires,
		MimeType:        a.MIME,
		SizeBytes:       a.Size,
		SHA256:          a.SHA256,
		OriginalSHA256:  a.OriginalSHA256,
		Width:           a.Width,
		Height:          a.Height,
		DurationSeconds: millisOf(a.DurationSeconds),
		ProjectID:       a.ProjectID,
		JobID:           a.JobID,
		CreatedAt:       a.CreatedAt,
		Metadata:        map[string]any{},
	}
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
	Project  string `query:"project_id" doc:"Project of a file that is sent as the raw body"`
}

// UploadRequest is POST /assets.
type UploadRequest struct {
	File      string `json:"file" doc:"The file"`
	ProjectID string `json:"project_id,omitempty" format:"uuid" doc:"Project that the file belongs to"`
}

func (s *Server) registerAssets() {
	tag := []string{"files"}
	const path = "/api/v1/assets"
	b := s.binderFor(reflect.TypeFor[UploadRequest]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:     "upload-asset",
			Method:          http.MethodPost,
			Path:            path,
			Summary:         "Upload a file: as a form, as the raw body, or by its URL",
			Tags:            tag,
			DefaultStatus:   http.StatusCreated,
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          []int{401, 408, 409, 413, 422, 507},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *uploadInput) (*createdOther, error) {
			return s.upload(ctx, p, in, b)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[path].Post, b)
	s.setAnswer(path, "201", reflect.TypeFor[Asset]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-assets",
			Method:      http.MethodGet,
			Path:        path,
			Summary:     "List files, newest first",
			Tags:        tag,
			Errors:      []int{401, 422},
		},
		as(s, s.listAssets),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-asset",
			Method:      http.MethodGet,
			Path:        path + "/{id}",
			Summary:     "Read what is known of a file",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *AssetPath) (*struct{ Body Asset }, error) {
			asset, err := s.ownAsset(ctx, p, in.ID)
			if err != nil {
				return nil, err
			}
			return &struct{ Body Asset }{s.assetView(ctx, asset)}, nil
		}),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:   "delete-asset",
			Method:        http.MethodDelete,
			Path:          path + "/{id}",
			Summary:       "Delete a file",
			Tags:          tag,
			DefaultStatus: http.StatusNoContent,
			Errors:        []int{401, 404, 409},
		},
		as(s, s.deleteAsset),
	)
	s.registerFiles(tag)
}

// upload takes a form with one file, the file itself as the body, or where to fetch it.
func (s *Server) upload(
	ctx context.Context,
	p auth.Principal,
	in *uploadInput,
	b *binder,
) (out *createdOther, err error) {
	kind, _, _ := strings.Cut(in.echo.Request().Header.Get("Content-Type"), ";")
	var f *fields
	defer func() {
		if f != nil && (err != nil || out.Replayed != "") {
			s.discard(ctx, p, f)
		}
	}()
	if kind == "multipart/form-data" || kind == "application/json" {
		for name, value := range map[string]string{"filename": in.Filename, "project_id": in.Project} {
			if value != "" {
				return nil, invalid(name,
					i18n.Say("%s in the address is for a file that is sent as the raw body: send it as a field", name))
			}
		}
		f, err = b.bind(in.echo, p)
	} else {
		f, err = s.uploadRaw(ctx, p, in, b)
	}
	if err != nil {
		return nil, err
	}
	return s.creating(ctx, &in.CreateInput, p, "upload-asset", f, func() (any, error) {
		asset, err := s.uploaded(ctx, p, f)
		if err != nil {
			return nil, err
		}
		return s.assetView(ctx, asset), nil
	})
}

func (s *Server) uploadRaw(ctx context.Context, p auth.Principal, in *uploadInput, b *binder) (*fields, error) {
	f := newFields()
	check := b.checker()
	f.settle(
		&huma.Schema{
			Type:       huma.TypeObject,
			Properties: map[string]*huma.Schema{"project_id": b.schema.Properties["project_id"]},
		},
		map[string]any{"project_id": in.Project},
		check,
	)
	f.wrong.add(s.generation.CheckProject(ctx, p.Owner, f.uuid("project_id")))
	if err := f.wrong.err(); err != nil {
		return f, err // before the file is read
	}
	source := &source{part: b.body(in.echo)}
	asset, err := s.cfg.Assets.Ingest(ctx, assets.IngestRequest{Owner: p.Owner, Reader: source, Filename: in.Filename})
	if source.broken != nil {
		return f, source.broken
	}
	if err != nil {
		return f, onField(err, "file")
	}
	f.values["filename"], f.files["file"] = in.Filename, asset
	return f, nil
}

// uploaded returns the file that came with the request, or fetches the one that it names.
func (s *Server) uploaded(ctx context.Context, p auth.Principal, f *fields) (*assets.Asset, error) {
	project := f.uuid("project_id")
	if err := s.generation.CheckProject(ctx, p.Owner, project); err != nil {
		return nil, err
	}
	if asset := f.files["file"]; asset != nil && project != nil {
		return s.cfg.Assets.Assign(ctx, p.Owner, asset.ID, *project)
	} else if asset != nil {
		return asset, nil
	}
	value := f.str("file")
	if !fetch.IsRef(value) {
		return nil, invalid("file", i18n.Say(
			"send the file as the form's part file, with a filename, as the raw body, or as an https URL or data: URI"))
	}
	asset, err := s.cfg.Assets.IngestRef(ctx, value, assets.IngestRequest{Owner: p.Owner, Project: project})
	if err != nil {
		return nil, onField(err, "file")
	}
	return asset, nil
}

func (s *Server) listAssets(
	ctx context.Context,
	p auth.Principal,
	in *listAssetsInput,
) (*struct{ Body AssetList }, error) {
	filter := assets.Filter{Kind: media.Kind(in.Kind), Limit: in.Limit, Cursor: in.Cursor}
	if in.Project != "" {
		id, err := uuid.Parse(in.Project)
		if err != nil {
			return nil, invalid("project",
				i18n.Say("project must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057"))
		}
		filter.Project = &id
	}
	page, err := s.cfg.Assets.List(ctx, p.Owner, filter)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body AssetList }{AssetList{Data: []Asset{}}}
	for _, asset := range page.Assets {
		out.Body.Data = append(out.Body.Data, s.assetView(ctx, asset))
	}
	out.Body.NextCursor, out.Body.NextURL = nextOf(ctx, page.Next)
	return out, nil
}

func (s *Server) ownAsset(ctx context.Context, p auth.Principal, text string) (*assets.Asset, error) {
	id, err := pathID(text, assets.ErrNotFound)
	if err != nil {
		return nil, err
	}
	return s.cfg.Assets.Get(ctx, p.Owner, id)
}

func (s *Server) deleteAsset(ctx context.Context, p auth.Principal, in *AssetPath) (*struct{}, error) {
	asset, err := s.ownAsset(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Assets.Delete(ctx, p.Owner, asset.ID); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "asset.delete", asset.ID.String())
	return nil, nil
}
