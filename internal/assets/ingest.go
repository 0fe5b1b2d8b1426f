package assets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/ctxio"
	"github.com/apibr/studio/internal/fetch"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
)

// Ingest takes a file in: to disk while it is hashed, recognised, measured, cleaned, stored, and made a row. Nothing
// is left behind when it fails, whether by *media.InputError, *media.LimitError, *KindError, ErrNoProject,
// blob.ErrDiskFull, or by an error of the reader (wrapped), such as a client that is gone.
func (s *Service) Ingest(ctx context.Context, req IngestRequest) (*Asset, error) {
	if req.Project != nil {
		var owns bool
		if err := s.cfg.Pool.QueryRow(ctx, ownsProjectSQL, *req.Project, req.Owner).Scan(&owns); err != nil {
			return nil, fmt.Errorf("ingest: %w", err)
		}
		if !owns {
			return nil, ErrNoProject
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	raw, clean := s.temp("upload-"+id.String()), s.temp("clean-"+id.String())
	defer os.Remove(raw)
	defer os.Remove(clean)
	original, err := s.receive(ctx, req, raw)
	if err != nil {
		return nil, err
	}
	info, err := s.cfg.Media.Probe(ctx, raw)
	if err != nil {
		return nil, err
	}
	if req.Want != "" && req.Want != info.Kind {
		return nil, &KindError{Got: info.Kind, Want: req.Want, File: displayName(req.Filename)}
	}
	if err := s.cfg.Media.Clean(ctx, raw, clean); err != nil {
		return nil, err
	}
	ref, err := s.cfg.Blobs.Import(ctx, clean)
	if err != nil {
		return nil, err
	}
	return s.insertIngested(ctx, id, req, info, ref, original)
}

// IngestRef fetches an https URL or data: URI and ingests it with origin remote. Fails with *fetch.Error too.
func (s *Service) IngestRef(ctx context.Context, ref string, req IngestRequest) (*Asset, error) {
	body, err := s.cfg.Fetch.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.ingestBody(ctx, body, req)
}

// IngestData is IngestRef of a data: URI that is not held in memory.
func (s *Service) IngestData(ctx context.Context, uri io.Reader, req IngestRequest) (*Asset, error) {
	body, err := s.cfg.Fetch.OpenData(uri)
	if err != nil {
		return nil, err
	}
	return s.ingestBody(ctx, body, req)
}

func (s *Service) ingestBody(ctx context.Context, body *fetch.Body, req IngestRequest) (*Asset, error) {
	defer body.Close()
	req.Reader, req.Path, req.Origin = body, "", Remote
	if req.Filename == "" {
		req.Filename = body.Filename
	}
	return s.Ingest(ctx, req)
}

// receive streams the upload into path and returns the hash of the bytes as they came. Memory is one buffer, whatever
// the size.
func (s *Service) receive(ctx context.Context, req IngestRequest, path string) (string, error) {
	src := req.Reader
	if src == nil {
		f, err := os.OpenFile(req.Path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			return "", fmt.Errorf("ingest: %w", err)
		}
		defer f.Close()
		src = f
	}
	dst, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", blob.DiskError(fmt.Errorf("ingest: %w", err))
	}
	defer dst.Close()
	sum := sha256.New()
	limited := io.LimitReader(ctxio.NewReader(ctx, src), s.cfg.MaxBytes+1)
	// The structs hide ReadFrom and WriteTo, so that the one buffer is all that is used.
	n, err := io.CopyBuffer(
		struct{ io.Writer }{io.MultiWriter(dst, sum)},
		struct{ io.Reader }{limited},
		make([]byte, 256<<10),
	)
	if err != nil {
		return "", blob.DiskError(fmt.Errorf("receive file: %w", err))
	}
	if n > s.cfg.MaxBytes {
		return "", &media.LimitError{
			Name: i18n.Say("file size"), Value: i18n.Say("more than %s", megabytes(s.cfg.MaxBytes)),
			Limit: megabytes(s.cfg.MaxBytes), ConfigKey: KeyMaxUpload,
		}
	}
	if err := dst.Close(); err != nil {
		return "", blob.DiskError(fmt.Errorf("receive file: %w", err))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (s *Service) insertIngested(
	ctx context.Context,
	id uuid.UUID,
	req IngestRequest,
	info media.Info,
	ref blob.Ref,
	original string,
) (*Asset, error) {
	a := &Asset{
		ID: id, OwnerID: req.Owner, ProjectID: req.Project, Kind: info.Kind, Origin: req.Origin,
		Name: displayName(req.Name),
		Filename: Filename(
			req.Filename,
			info.MIME,
		), MIME: info.MIME, SHA256: ref.SHA256, OriginalSHA256: &original, Size: ref.Size,
		Width: positive(info.Width), Height: positive(info.Height),
	}
	if a.Origin == "" {
		a.Origin = Upload
	}
	if a.Name == "" {
		a.Name = a.Filename
	}
	if info.Duration > 0 {
		sec := float64(info.Duration.Round(time.Millisecond).Milliseconds()) / 1000
		a.DurationSeconds = &sec
	}
	meta := described(info)
	maps.Copy(meta, req.Metadata)
	var out *Asset
	err := pgx.BeginFunc(ctx, s.cfg.Pool, func(tx pgx.Tx) (err error) {
		out, err = insert(ctx, tx, a, meta)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	return out, nil
}

// described are the parts of Info that have no column.
func described(info media.Info) map[string]any {
	m := map[string]any{}
	if info.Kind == media.Video {
		m["fps"], m["has_audio"] = info.FPS, info.HasAudio
	}
	if info.HasAudio {
		m["sample_rate"], m["channels"] = info.SampleRate, info.Channels
	}
	if info.Orientation > 1 {
		m["orientation"] = info.Orientation
	}
	return m
}

func megabytes(n int64) i18n.Sentence { return i18n.Say("%.0f MB", float64(n)/1e6) }
