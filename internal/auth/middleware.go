package auth

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Middleware authenticates and puts the principal into the request's context. onError writes the answer for an error of
// Authenticate; skip (may be nil) lets a request through without a look: health, the page itself, signed links. When a
// session was prolonged, its cookie is sent again.
func (s *Service) Middleware(skip func(echo.Context) bool, onError func(echo.Context, error) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if skip != nil && skip(c) {
				return next(c)
			}
			r := c.Request()
			p, renewed, err := s.authenticate(r.Context(), r)
			if err != nil {
				return onError(c, err)
			}
			if renewed {
				if cookie, err := r.Cookie(SessionCookie); err == nil {
					c.SetCookie(s.cookie(cookie.Value, int(sessionLife.Seconds())))
				}
			}
			c.SetRequest(r.WithContext(WithPrincipal(r.Context(), p)))
			return next(c)
		}
	}
}

// AuthenticateSocket is Authenticate for a WebSocket request: it also takes a one-time ?ticket=, and checks the origin
// of a cookie. ErrUnauthenticated or ErrOrigin.
func (s *Service) AuthenticateSocket(ctx context.Context, r *http.Request) (Principal, error) {
	if t := r.URL.Query().Get("ticket"); t != "" {
		return s.RedeemTicket(ctx, t)
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
