package httpapi

import (
	"fmt"
	"html"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
)

// registerStaticRoutes adds the routes that are not operations of the API: health, metrics, login, the socket, the
// page.
func (s *Server) registerStaticRoutes() {
	s.echo.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	s.echo.GET("/readyz", s.readyz)
	if s.cfg.Metrics != nil {
		s.echo.GET("/metrics", echo.WrapHandler(s.cfg.Metrics))
	}
	s.echo.GET("/login", s.login)
	s.echo.GET(auth.ProofPath, s.proof)
	s.echo.GET("/api/v1/ws", s.socket)
	s.echo.GET("/api/docs", s.docs)
	if s.cfg.Web != nil {
		s.echo.GET("/*", s.page)
		s.echo.HEAD("/*", s.page)
	}
}

func (s *Server) readyz(c echo.Context) error {
	if err := s.cfg.Ready(c.Request().Context()); err != nil {
		p := newProblem(http.StatusServiceUnavailable, "not_ready", i18n.Say("Not ready"), i18n.For(err))
		p.retryAfter = "1"
		return p
	}
	return c.String(http.StatusOK, "ready\n")
}

// login redeems a one-time link for a session cookie and redirects to the page.
func (s *Server) login(c echo.Context) error {
	cookie, p, err := s.cfg.Auth.RedeemLink(c.Request().Context(), c.QueryParam("token"), c.Request().UserAgent())
	if err != nil {
		return s.loginFailed(c, s.cfg.Auth.Failed(s.cfg.Auth.From(c.Request()), auth.ViaLink, err))
	}
	c.SetCookie(cookie)
	s.audit(c.Request().Context(), p, "session.open", p.SessionID.String())
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, "/")
}

// loginFailed answers a browser with a page and other clients with a problem.
func (s *Server) loginFailed(c echo.Context, err error) error {
	p := problemOf(err).in(c.Request().Context())
	if p.Status >= http.StatusInternalServerError || !wantsPage(c.Request()) {
		return err
	}
	if wait := p.headers.Get("Retry-After"); wait != "" {
		c.Response().Header().Set("Retry-After", wait)
	}
	return c.HTML(p.Status,
		"<!doctype html><meta charset=utf-8><title>APIBR Studio</title><p>"+html.EscapeString(p.Detail))
}

// wantsPage says whether a request comes from a browser. n8n accepts text/html too, but also application/json, which
// browsers do not.
func wantsPage(r *http.Request) bool {
	return accepts(r, "text/html") && !accepts(r, "application/json")
}

// accepts says whether the header Accept names a type, in upper or lower case.
func accepts(r *http.Request, kind string) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), kind)
}

const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves the embedded page. Files with a hash in their name may be cached forever. For an address without a file,
// a browser gets index.html, since the page has addresses of its own.
func (s *Server) page(c echo.Context) error {
	name := strings.TrimPrefix(path.Clean("/"+c.Request().URL.Path), "/")
	if strings.HasPrefix(name, "api/") {
		return echo.ErrNotFound
	}
	if name == "" || name == ".gitkeep" {
		name = "index.html"
	}
	content, err := fs.ReadFile(s.cfg.Web, name)
	if err != nil && wantsPage(c.Request()) {
		name = "index.html"
		content, err = fs.ReadFile(s.cfg.Web, name)
	}
	if err != nil {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if name == "index.html" {
		h.Set("Cache-Control", "no-cache")
	}
	return c.Blob(http.StatusOK, mime.TypeByExtension(path.Ext(name)), content)
}

// docs lists the routes for people. Tools read the document itself; the page loads nothing from other hosts.
func (s *Server) docs(c echo.Context) error {
	var text strings.Builder
	text.WriteString("<!doctype html><meta charset=utf-8><title>APIBR Studio API</title><h1>APIBR Studio API</h1>" +
		"<p><a href=/api/openapi.json>openapi.json</a></p><table>")
	for _, route := range sortedRoutes(s.api.OpenAPI()) {
		fmt.Fprintf(&text, "<tr><td><code>%s</code><td>%s",
			html.EscapeString(route.method+" "+route.path), html.EscapeString(route.summary))
	}
	return c.HTML(http.StatusOK, text.String()+"</table>")
}
