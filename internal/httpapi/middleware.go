package httpapi

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/telemetry"
)

func (s *Server) useMiddleware() {
	s.echo.Use(s.identify, s.logRequest, s.recover, s.adaptProblems, s.refuseCrowd, s.checkHost, checkQuery)
	s.echo.Use(s.admit, s.unrouted)
}

// identify gives the request an id and its caller. A proxy's id is kept if it looks like one.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		id := r.Header.Get("X-Request-ID")
		if !looksLikeID(id) {
			id = uuid.NewString()
		}
		ctx := s.withCaller(telemetry.WithRequest(r.Context(), id), r)
		c.SetRequest(r.WithContext(ctx))
		h := c.Response().Header()
		h.Set("X-Request-ID", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if strings.HasPrefix(r.URL.Path, "/api/") {
			// Only if the answer has no Cache-Control of its own: there would be two.
			c.Response().Before(func() {
				if h.Get("Cache-Control") == "" {
					h.Set("Cache-Control", "no-store")
				}
			})
		}
		return next(c)
	}
}

func looksLikeID(id string) bool {
	const longest = 64
	if id == "" || len(id) > longest {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// logRequest logs each request once it has been answered.
func (s *Server) logRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := time.Now()
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		r, status := c.Request(), c.Response().Status
		level := slog.LevelDebug
		if status >= http.StatusInternalServerError && r.URL.Path != "/readyz" {
			level = slog.LevelError // a server that is not ready yet has not failed
		} else if r.Method != http.MethodGet && r.Method != http.MethodHead {
			level = slog.LevelInfo
		}
		s.cfg.Log.LogAttrs(r.Context(), level, "request", slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", status), slog.Int64("bytes", c.Response().Size),
			slog.Duration("took", time.Since(begin)), errorAttr(err, status))
		return nil
	}
}

// errorAttr is the cause of a failure of ours; refusals explain themselves.
func errorAttr(err error, status int) slog.Attr {
	if err == nil || status < http.StatusInternalServerError {
		return slog.Attr{}
	}
	return slog.Any("err", err)
}

// recover turns a panic into a 500 and a logged stack.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				if errors.Is(asError(p), http.ErrAbortHandler) {
					panic(p)
				}
				s.cfg.Log.ErrorContext(c.Request().Context(), "panic", "panic", p, "stack", string(debug.Stack()))
				err = errors.New("panic")
			}
		}()
		return next(c)
	}
}

func asError(p any) error { err, _ := p.(error); return err }

// adaptProblems sends problems as application/json to callers that accept that and do not name
// application/problem+json: the n8n HTTP Request node hands problem+json to its user as an unparsed string.
func (s *Server) adaptProblems(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !accepts(c.Request(), mimeProblem) && accepts(c.Request(), "application/json") {
			c.Response().Writer = &jsonProblems{ResponseWriter: c.Response().Writer}
		}
		return next(c)
	}
}

type jsonProblems struct{ http.ResponseWriter }

func (w *jsonProblems) WriteHeader(status int) {
	if h := w.Header(); h.Get("Content-Type") == mimeProblem {
		h.Set("Content-Type", "application/json")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *jsonProblems) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for event streams.
func (w *jsonProblems) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack is for WebSockets.
func (w *jsonProblems) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// audit writes down who did what; a failure is logged and does not undo what was done.
func (s *Server) audit(ctx context.Context, p auth.Principal, action, subject string) {
	entry := auth.Entry{
		Owner:     &p.Owner,
		Actor:     p.Actor(),
		Action:    action,
		Subject:   subject,
		RequestID: telemetry.RequestID(ctx),
	}
	if p.Via != auth.ViaKey && p.KeyID != nil {
		entry.Detail = map[string]any{"key_id": p.KeyID} // the key that the session comes from
	}
	if err := s.cfg.Auth.Audit(ctx, entry); err != nil {
		s.cfg.Log.WarnContext(ctx, "the audit log was not written", "action", action, "err", err)
	}
}
