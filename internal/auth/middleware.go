package auth

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Middleware authenticates and puts the principal into the request's context, which ends with the credential (see Watch). onError
// writes the answer for an error of Authenticate; skip (may be nil) lets a request through without a look: health, the page itself,
// signed links. When a session was prolonged, its cookie is sent again; that of an ended session is taken from the browser.
func (s *Service) Middleware(skip func(echo.Context) bool, onError func(echo.Context, error) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if skip != nil && skip(c) {
				return next(c)
			}
			r := c.Request()
			p, renewed, err := s.authenticate(r.Context(), r)
			if err != nil {
				var refused *CredentialError
				if errors.As(err, &refused) && refused.Kind == ViaSession {
					c.SetCookie(s.cookie("", -1))
				}
				return onError(c, err)
			}
			if renewed {
				if cookie, err := r.Cookie(SessionCookie); err == nil {
					c.SetCookie(s.cookie(cookie.Value, int(sessionLife.Seconds())))
				}
			}
			ctx, stop := s.Watch(WithPrincipal(r.Context(), p), p)
			defer stop()
			r = r.WithContext(ctx)
			r.Body = &watchedBody{ReadCloser: r.Body, ctx: ctx}
			c.SetRequest(r)
			return next(c)
		}
	}
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
