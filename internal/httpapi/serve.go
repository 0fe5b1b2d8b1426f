package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/netlimit"
)

// mostHeaderBytes of a request: its address and all its headers.
const mostHeaderBytes = 64 << 10

// Handler serves all routes.
func (s *Server) Handler() http.Handler { return s.cfg.Limits.Handler(s.echo) }

// Run serves until ctx ends; requests under way get a moment to end.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.cfg.ReadTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    mostHeaderBytes,
		ConnContext:       netlimit.Context,
		ConnState:         netlimit.Watch,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.cfg.Limits.Listen(s.cfg.Listener)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.stop()
	const patience = 5 * time.Second
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return server.Close()
	}
	return nil
}

// refuseCrowd refuses a request on a connection beyond the cap.
func (s *Server) refuseCrowd(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !netlimit.Refused(c.Request().Context()) {
			return next(c)
		}
		c.Response().Header().Set("Connection", "close")
		p := newProblem(
			http.StatusServiceUnavailable,
			"too_many_connections",
			i18n.Say("Too many connections"),
			i18n.Say(
				"the studio has as many connections as server.max_connections and "+
					"server.max_connections_per_address allow: close some, or try again later",
			),
		)
		p.retryAfter = "2"
		return p
	}
}
