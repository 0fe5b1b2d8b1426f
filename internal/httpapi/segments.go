package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/jobs"
)

// Segment is a finished part of a job's sound, such as a sentence. It can be played while the rest is made.
type Segment struct {
	Index           int     `json:"index" doc:"From 0, in the order of the whole"`
	URL             string  `json:"url" doc:"Signed: needs no header"`
	MimeType        string  `json:"mime_type"`
	SizeBytes       int64   `json:"size_bytes"`
	DurationSeconds float64 `json:"duration_seconds"`
}

// SegmentList holds the segments that are there, in order and without a gap.
type SegmentList struct {
	Data     []Segment `json:"data"`
	Complete bool      `json:"complete" doc:"The job has ended: no more will come"`
}

type getSegmentInput struct {
	JobPath
	Index     string `path:"index" doc:"Number of the segment, from 0"`
	Expires   string `query:"exp" doc:"Of a signed link"`
	Signature string `query:"sig" doc:"Of a signed link"`
}

// number of the segment. A malformed one gets the same 404 as an unknown one.
func (i *getSegmentInput) number() (int, error) {
	n, err := strconv.ParseInt(i.Index, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != i.Index {
		return 0, jobs.ErrNoSegment
	}
	return int(n), nil
}

func segmentsOf(job uuid.UUID) string { return "/api/v1/jobs/" + job.String() + "/segments" }

func (s *Server) registerSegments(tag []string) {
	const list = "/api/v1/jobs/{id}/segments"
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-job-segments",
			Method:      http.MethodGet,
			Path:        list,
			Summary:     "List the parts of a job's sound that can be played already, while the rest is made",
			Tags:        tag,
			Errors:      []int{401, 404},
		},
		as(s, s.listSegments),
	)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		huma.Register(
			s.api,
			huma.Operation{
				OperationID: "get-job-segment",
				Method:      method,
				Path:        list + "/{index}",
				Summary:     "Download a finished part of a job's sound (Range, HEAD)",
				Tags:        tag,
				Hidden:      method == http.MethodHead,
				Errors:      []int{401, 403, 404},
			},
			s.getSegment,
		)
	}
}

func (s *Server) listSegments(
	ctx context.Context, p auth.Principal, in *JobPath,
) (*struct{ Body SegmentList }, error) {
	id, err := in.uuid()
	if err != nil {
		return nil, err
	}
	// The job first: its segments are all there when it has ended.
	job, err := s.cfg.Jobs.Get(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	segments, err := s.cfg.Jobs.Segments(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body SegmentList }{SegmentList{Data: []Segment{}, Complete: job.Status.Terminal()}}
	for _, segment := range segments {
		if segment.Seconds == nil {
			continue // it is for a later run of the engine only
		}
		link, _ := s.cfg.Signer.SegmentLink(id, segment.Index, s.now())
		out.Body.Data = append(out.Body.Data, Segment{Index: segment.Index, URL: baseOf(ctx) + link,
			MimeType: segment.MIME, SizeBytes: segment.Size, DurationSeconds: millis(*segment.Seconds)})
	}
	return out, nil
}

// getSegment sends a segment to the job's owner, or to whoever has a signed link.
func (s *Server) getSegment(ctx context.Context, in *getSegmentInput) (*huma.StreamResponse, error) {
	if in.Signature == "" {
		return as(s, func(ctx context.Context, p auth.Principal, in *getSegmentInput) (*huma.StreamResponse, error) {
			id, err := in.uuid()
			if err != nil {
				return nil, err
			}
			if _, err := s.cfg.Jobs.Get(ctx, p.Owner, id); err != nil {
				return nil, err
			}
			return s.segment(ctx, id, in, ownOnly)
		})(ctx, in)
	}
	id, err := in.uuid()
	if err != nil {
		return nil, s.answer(ctx, err)
	}
	err = s.cfg.Signer.VerifySegment(id, in.Index, in.Expires, in.Signature, s.now())
	var out *huma.StreamResponse
	if err == nil {
		out, err = s.segment(ctx, id, in, anySite)
	}
	if err != nil {
		return nil, s.answer(ctx, s.countForged(ctx, err))
	}
	return out, nil
}

func (s *Server) segment(
	ctx context.Context, job uuid.UUID, in *getSegmentInput, embeddedBy string,
) (*huma.StreamResponse, error) {
	index, err := in.number()
	if err != nil {
		return nil, err
	}
	segment, err := s.cfg.Jobs.Segment(ctx, job, index)
	if err != nil {
		return nil, err
	}
	if segment.Seconds == nil {
		return nil, jobs.ErrNoSegment
	}
	file := &assets.Asset{SHA256: segment.SHA256, MIME: segment.MIME, Size: segment.Size,
		Filename: fmt.Sprintf("segment-%04d.wav", index)}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		c := humaecho.UnwrapV4(ctx)
		c.Response().Header().Set("Cross-Origin-Resource-Policy", embeddedBy)
		// Another input of the job makes another segment of this number.
		s.serveAsset(c.Response(), c.Request(), file, jobCaching)
	}}, nil
}
