package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Admit authenticates a request, as Authenticate does. The returned request has the principal in its context, which
// ends with the credential (see Watch), and its body cannot be read after that. Call done when the request is over.
//
// The cookie of a session that was prolonged is sent again; that of an ended session is taken from the browser.
func (s *Service) Admit(w http.ResponseWriter, r *http.Request) (admitted *http.Request, done func(), err error) {
	p, renewed, err := s.authenticate(r.Context(), r)
	if err != nil {
		var refused *CredentialError
		if errors.As(err, &refused) && refused.Kind == ViaSession {
			http.SetCookie(w, s.cookie("", -1))
		}
		return nil, nil, err
	}
	if renewed {
		if cookie, err := r.Cookie(SessionCookie); err == nil {
			http.SetCookie(w, s.cookie(cookie.Value, int(sessionLife.Seconds())))
		}
	}
	ctx, done := s.Watch(WithPrincipal(r.Context(), p), p)
	admitted = r.WithContext(ctx)
	admitted.Body = &watchedBody{ReadCloser: r.Body, ctx: ctx}
	return admitted, done, nil
}

// AdmitSocket authenticates the request of a WebSocket, as AuthenticateSocket does. The socket outlives its request:
// its handler watches the principal in the context.
func (s *Service) AdmitSocket(r *http.Request) (*http.Request, error) {
	p, err := s.AuthenticateSocket(r.Context(), r)
	if err != nil {
		return nil, err
	}
	return r.WithContext(WithPrincipal(r.Context(), p)), nil
}

// AuthenticateSocket is Authenticate for a WebSocket request: it also takes a one-time ?ticket=, and checks the origin
// of a cookie. ErrUnauthenticated or ErrOrigin.
func (s *Service) AuthenticateSocket(ctx context.Context, r *http.Request) (Principal, error) {
	if t := r.URL.Query().Get("ticket"); t != "" {
		var p Principal
		err := s.checked(ctx, r, ViaTicket, t, func() (err error) {
			p, err = s.RedeemTicket(ctx, t)
			return err
		})
		return p, err
	}
	if _, ok := headerKey(r); !ok {
		if _, err := r.Cookie(SessionCookie); err == nil {
			if err := s.checkOrigin(r); err != nil {
				return Principal{}, err
			}
		}
	}
	return s.Authenticate(ctx, r)
}

// watchedBody reads no further once the credential of its request has ended.
type watchedBody struct {
	io.ReadCloser
	ctx context.Context
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if err := EndedBy(b.ctx); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}
