package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/voices"
)

// mostPreview is the largest preview of a built-in voice that is sent, in bytes: a few spoken sentences.
const mostPreview = 2 << 20

type voicePreviewInput struct {
	VoicePath
	Expires   string `query:"exp" doc:"Of a signed link"`
	Signature string `query:"sig" doc:"Of a signed link"`
}

func (s *Server) registerVoicePreview(tag []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		huma.Register(
			s.api,
			huma.Operation{
				OperationID: "get-voice-preview",
				Method:      method,
				Path:        "/api/v1/audio/voices/{id}/preview",
				Summary:     "Download a recording of a voice (Range, HEAD)",
				Tags:        tag,
				Hidden:      method == http.MethodHead,
				Errors:      []int{401, 403, 404},
			},
			s.getVoicePreview,
		)
	}
}

// getVoicePreview sends the recording to whoever may use the voice, or has a signed link.
func (s *Server) getVoicePreview(ctx context.Context, in *voicePreviewInput) (*huma.StreamResponse, error) {
	if in.Signature == "" {
		return as(s, func(ctx context.Context, p auth.Principal, in *voicePreviewInput) (*huma.StreamResponse, error) {
			id, err := pathID(in.ID, voices.ErrNotFound)
			if err != nil {
				return nil, err
			}
			v, err := s.cfg.Voices.Get(ctx, p.Owner, id)
			if err != nil {
				return nil, err
			}
			return s.voicePreview(ctx, v, ownOnly)
		})(ctx, in)
	}
	out, err := s.signedVoicePreview(ctx, in)
	if err != nil {
		return nil, s.answer(ctx, s.countForged(ctx, err))
	}
	return out, nil
}

func (s *Server) signedVoicePreview(ctx context.Context, in *voicePreviewInput) (*huma.StreamResponse, error) {
	if err := checkParameters(ctx); err != nil {
		return nil, err
	}
	id, err := pathID(in.ID, voices.ErrNotFound)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Signer.VerifyVoice(id, in.Expires, in.Signature, s.now()); err != nil {
		return nil, err
	}
	v, err := s.cfg.Voices.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.voicePreview(ctx, v, anySite)
}

// voicePreview is the recording that ships with a built-in voice, and the sample of a cloned one.
func (s *Server) voicePreview(ctx context.Context, v *voices.Voice, embeddedBy string) (*huma.StreamResponse, error) {
	if v.SampleAssetID != nil {
		sample, err := s.cfg.Assets.Lookup(ctx, *v.SampleAssetID)
		if err != nil {
			return nil, err
		}
		return s.stream(sample, embeddedBy), nil
	}
	file, info, err := s.shipped(v)
	if err != nil {
		return nil, notFound(i18n.Say("there is no recording of this voice"))
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer file.Close()
		c := humaecho.UnwrapV4(ctx)
		h := c.Response().Header()
		h.Set("Cross-Origin-Resource-Policy", embeddedBy)
		h.Set("Content-Type", "audio/ogg")
		h.Set("Content-Disposition", disposition(true, v.Name+".ogg"))
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'; media-src 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "private, max-age=3600")
		h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
		http.ServeContent(c.Response(), c.Request(), "", info.ModTime(), file)
	}}, nil
}

// shipped opens the preview of a built-in voice. It lies below the folder of its engine: a link that leads out of there
// is not followed.
func (s *Server) shipped(v *voices.Voice) (file *os.File, info os.FileInfo, err error) {
	m, ok := s.cfg.Catalogue.Get(engine.ID(v.Owner()))
	if !ok || v.Preview == nil {
		return nil, nil, os.ErrNotExist
	}
	root, err := os.OpenRoot(m.Beside(""))
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	if file, err = root.Open(*v.Preview); err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil && (!info.Mode().IsRegular() || info.Size() > mostPreview) {
		err = os.ErrInvalid
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// voiceLink is the signed address of a voice's recording, "" when there is none.
func (s *Server) voiceLink(ctx context.Context, v *voices.Voice) string {
	if v.SampleAssetID == nil {
		file, _, err := s.shipped(v)
		if err != nil {
			return ""
		}
		file.Close()
	}
	link, _ := s.cfg.Signer.VoiceLink(v.ID, s.now())
	return baseOf(ctx) + link
}
