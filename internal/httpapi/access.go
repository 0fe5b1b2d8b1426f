package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
)

// rule says who may use a route. The zero rule lets nobody in.
type rule struct {
	// scope that the caller's key or session needs. Empty: the route is public.
	scope auth.Scope
	// public is the reason why a route needs no sign-in.
	public string
	// except lets a request in without a sign-in; its handler then checks the request itself. Nil lets none in.
	except func(*http.Request) bool
	// socket routes take a one-time ticket too, which is checked here.
	socket bool
}

func needs(scope auth.Scope) rule { return rule{scope: scope} }

func public(reason string) rule { return rule{public: reason} }

// signed is a route whose addresses can be given to others: a signature takes the place of a sign-in.
var signed = rule{scope: auth.Read, except: func(r *http.Request) bool { return r.URL.Query().Get("sig") != "" }}

// describing marks routes that describe the studio itself: its metrics and its API document. Programs on this computer
// read them without a key.
var describing = rule{scope: auth.Read, except: onThisComputer}

const pageRoute = "/*"

// access lists who may use which route. The studio does not start when a route is missing from it. Requests that make a
// job are added when their kinds are registered.
var access = map[string]rule{
	"GET /healthz":              public("it tells only that the process runs"),
	"GET /readyz":               public("it tells only whether jobs can be taken"),
	"GET /login":                public("it checks the one-time link that it is called with"),
	"GET " + auth.ProofPath:     public("it tells only who has the key already that they talk to this studio"),
	"GET " + pageRoute:          public("the page and its parts hold nothing of anybody"),
	"HEAD " + pageRoute:         public("as GET"),
	"GET /metrics":              describing,
	"GET /api/docs":             describing,
	"GET /api/openapi.json":     describing,
	"GET /api/openapi.yaml":     describing,
	"GET /api/openapi-3.0.json": describing,
	"GET /api/openapi-3.0.yaml": describing,

	"GET /api/v1/auth/me":               needs(auth.Read),
	"POST /api/v1/auth/ticket":          needs(auth.Read),
	"POST /api/v1/auth/logout":          needs(auth.Read),
	"POST /api/v1/auth/link":            needs(auth.Admin),
	"GET /api/v1/auth/sessions":         needs(auth.Admin),
	"DELETE /api/v1/auth/sessions/{id}": needs(auth.Admin),
	"GET /api/v1/keys":                  needs(auth.Admin),
	"POST /api/v1/keys":                 needs(auth.Admin),
	"DELETE /api/v1/keys/{id}":          needs(auth.Admin),

	"GET /api/v1/jobs":                        needs(auth.Read),
	"GET /api/v1/jobs/{id}":                   needs(auth.Read),
	"PATCH /api/v1/jobs/{id}":                 needs(auth.Generate),
	"DELETE /api/v1/jobs/{id}":                needs(auth.Generate),
	"POST /api/v1/jobs/{id}/cancel":           needs(auth.Generate),
	"POST /api/v1/jobs/{id}/retry":            needs(auth.Generate),
	"GET /api/v1/jobs/{id}/events":            needs(auth.Read),
	"GET /api/v1/jobs/{id}/content":           needs(auth.Read),
	"HEAD /api/v1/jobs/{id}/content":          needs(auth.Read),
	"GET /api/v1/jobs/{id}/preview":           signed,
	"HEAD /api/v1/jobs/{id}/preview":          signed,
	"GET /api/v1/jobs/{id}/segments":          needs(auth.Read),
	"GET /api/v1/jobs/{id}/segments/{index}":  signed,
	"HEAD /api/v1/jobs/{id}/segments/{index}": signed,
	"GET /api/v1/video/status/{job_id}":       needs(auth.Read),
	"GET /api/v1/ws":                          {scope: auth.Read, socket: true},
	"GET /api/v1/queue":                       needs(auth.Read),
	"PUT /api/v1/queue":                       needs(auth.Admin),

	"GET /api/v1/audio/voices":               needs(auth.Read),
	"GET /api/v1/audio/voices/{id}":          needs(auth.Read),
	"PATCH /api/v1/audio/voices/{id}":        needs(auth.Generate),
	"DELETE /api/v1/audio/voices/{id}":       needs(auth.Generate),
	"GET /api/v1/audio/voices/{id}/preview":  signed,
	"HEAD /api/v1/audio/voices/{id}/preview": signed,

	"GET /api/v1/audio/pronunciations":          needs(auth.Read),
	"POST /api/v1/audio/pronunciations":         needs(auth.Generate),
	"GET /api/v1/audio/pronunciations/{id}":     needs(auth.Read),
	"PATCH /api/v1/audio/pronunciations/{id}":   needs(auth.Generate),
	"DELETE /api/v1/audio/pronunciations/{id}":  needs(auth.Generate),
	"POST /api/v1/audio/pronunciations/preview": needs(auth.Generate),

	"GET /api/v1/assets":         needs(auth.Read),
	"POST /api/v1/assets":        needs(auth.Generate),
	"GET /api/v1/assets/{id}":    needs(auth.Read),
	"DELETE /api/v1/assets/{id}": needs(auth.Generate),
	"GET /api/v1/files/{id}":     signed,
	"HEAD /api/v1/files/{id}":    signed,

	"GET /api/v1/studio/projects":        needs(auth.Read),
	"GET /api/v1/studio/projects/{id}":   needs(auth.Read),
	"POST /api/v1/studio/create-project": needs(auth.Generate),

	"GET /api/v1/engines":              needs(auth.Read),
	"GET /api/v1/models":               needs(auth.Read),
	"GET /api/v1/models/{id}":          needs(auth.Read),
	"GET /api/v1/models/{id}/licence":  needs(auth.Read),
	"PATCH /api/v1/models/{id}":        needs(auth.Admin),
	"DELETE /api/v1/models/{id}":       needs(auth.Admin),
	"POST /api/v1/models/{id}/install": needs(auth.Admin),
	"POST /api/v1/models/{id}/verify":  needs(auth.Admin),
	"POST /api/v1/models/{id}/cancel":  needs(auth.Admin),
	"GET /api/v1/doctor":               needs(auth.Admin), // it names programs and devices of the computer
}

// checkAccess fails for a route that has no rule, and for a rule that lets everybody in without saying why.
func checkAccess(routes []*echo.Route, rules map[string]rule) error {
	for _, route := range routes {
		name := routeName(route.Method, route.Path)
		r, has := rules[name]
		switch {
		case !has:
			return fmt.Errorf("httpapi: nothing says who may use %s: add it to the table in access.go", name)
		case r.scope == "" && r.public == "":
			return fmt.Errorf("httpapi: the rule of %s has neither a scope nor a reason to be public", name)
		}
	}
	return nil
}

// routeName is a route as the document writes it: GET /api/v1/jobs/{id}.
func routeName(method, path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") {
			parts[i] = "{" + part[1:] + "}"
		}
	}
	return method + " " + strings.Join(parts, "/")
}

// errNoRule is a fault of the studio, which has no rule for the route. Callers do not see it.
var errNoRule = errors.New("httpapi: nothing says who may use this route")

// ruleOf the route that a request has reached; a HEAD without a route of its own reaches that of the GET. matched is
// false when it has reached none.
func (s *Server) ruleOf(c echo.Context) (r rule, matched bool, err error) {
	method, path := c.Request().Method, c.Path()
	if _, own := s.rules[routeName(method, path)]; method == http.MethodHead && (!own || path == pageRoute) {
		read := s.echo.NewContext(c.Request(), nil)
		s.echo.Router().Find(http.MethodGet, echo.GetPath(c.Request()), read)
		method, path = http.MethodGet, read.Path()
	}
	if path == pageRoute && strings.HasPrefix(c.Request().URL.Path, "/api/") {
		return rule{}, false, nil // the page has nothing there
	}
	if r, has := s.rules[routeName(method, path)]; has {
		return r, true, nil
	}
	for _, route := range s.echo.Routes() {
		if route.Method == method && route.Path == path {
			return rule{}, true, errNoRule
		}
	}
	return rule{}, false, nil
}

// admit lets a request in that may use its route. Only signed-in callers learn that an address of the API does not
// exist.
func (s *Server) admit(next echo.HandlerFunc) echo.HandlerFunc {
	if s.cfg.Auth == nil {
		return next // only the document is made from this server
	}
	return func(c echo.Context) error {
		request := c.Request()
		if request.Method == http.MethodOptions {
			return next(c) // it says what the document says
		}
		r, matched, err := s.ruleOf(c)
		switch {
		case err != nil:
			return err
		case !matched && !strings.HasPrefix(request.URL.Path, "/api/"),
			r.public != "",
			r.except != nil && r.except(request):
			return next(c)
		}
		done, err := s.signIn(c, r)
		if err != nil {
			return err
		}
		defer done()
		if matched {
			if err := permit(c, r); err != nil {
				return err
			}
		}
		return next(c)
	}
}

// signIn puts the principal into the request's context.
func (s *Server) signIn(c echo.Context, r rule) (done func(), err error) {
	var admitted *http.Request
	if r.socket {
		admitted, err = s.cfg.Auth.AdmitSocket(c.Request())
		done = func() {}
	} else {
		admitted, done, err = s.cfg.Auth.Admit(c.Response(), c.Request())
	}
	if err == nil {
		c.SetRequest(admitted)
	}
	return done, err
}

// permit refuses a principal that lacks the scope of the route.
func permit(c echo.Context, r rule) error {
	p, ok := auth.FromContext(c.Request().Context())
	if !ok {
		return auth.ErrUnauthenticated
	}
	return p.Require(r.scope)
}
