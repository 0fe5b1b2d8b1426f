package httpapi

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// address is one method of one route, its path cut at the slashes; a part that begins with : takes any text.
type address struct {
	method string
	parts  []string
}

func (a address) String() string {
	shown := make([]string, len(a.parts))
	for i, part := range a.parts {
		if shown[i] = part; strings.HasPrefix(part, ":") {
			shown[i] = "{" + part[1:] + "}"
		}
	}
	return a.method + " /" + strings.Join(shown, "/")
}

func (a address) matches(parts []string) bool {
	return slices.EqualFunc(a.parts, parts, func(known, part string) bool {
		return known == part || strings.HasPrefix(known, ":") && part != ""
	})
}

// far is the number of letters that differ; near is false when a part is another word.
func (a address) far(parts []string) (cost int, near bool) {
	if len(parts) != len(a.parts) {
		return 0, false
	}
	for i, known := range a.parts {
		switch {
		case known == parts[i]:
		case strings.HasPrefix(known, ":") && idInPath.MatchString(parts[i]):
		case strings.HasPrefix(known, ":") && parts[i] != "":
			cost += 2 // rather a name than an id
		default:
			differ := names.Distance([]rune(known), []rune(names.Cut(parts[i], names.MostFolded)))
			if differ > max(len(known)/3, 1) {
				return 0, false
			}
			cost += differ
		}
	}
	return cost, true
}

// addresses of the API, for the answers to requests that reach none.
func (s *Server) addresses() (list []address) {
	for _, r := range s.echo.Routes() {
		if r.Path != "/*" && r.Method != echo.RouteNotFound && !strings.HasPrefix(r.Path, "/api/openapi-") {
			list = append(list, address{r.Method, partsOf(r.Path)})
		}
	}
	slices.SortFunc(list, func(a, b address) int { return strings.Compare(a.String(), b.String()) })
	return list
}

func partsOf(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// notHead are the ends of addresses that do not take HEAD: their GET changes something or opens a stream.
var notHead = []string{"/login", "/api/v1/ws", "/events"}

// unrouted answers requests that no route takes: HEAD like GET, OPTIONS with the methods of the address, another wrong
// method with the right one, an unknown path with the nearest.
func (s *Server) unrouted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		empty := strings.HasPrefix(r.URL.Path, "/api/") &&
			strings.Contains(r.URL.Path, "//") // the router would take it for an id
		if r.Method != http.MethodOptions && !empty {
			if err := next(c); !errors.Is(err, echo.ErrNotFound) && !errors.Is(err, echo.ErrMethodNotAllowed) {
				return err
			}
		}
		methods := s.methodsAt(r.URL.Path)
		switch {
		case len(methods) == 0:
			c.Response().Header().Del("Allow") // the router's, of the route that serves the page
			return s.nowhere(r)
		case r.Method == http.MethodOptions:
			c.Response().Header().Set("Allow", strings.Join(methods, ", "))
			return c.NoContent(http.StatusNoContent)
		case r.Method == http.MethodHead && slices.Contains(methods, http.MethodHead):
			return s.head(c)
		}
		p := newProblem(http.StatusMethodNotAllowed, "method_not_allowed", i18n.Say("Method not allowed"),
			i18n.Say("this address does not take %s: use %s", names.Clip(r.Method), i18n.Or(useful(methods)...)))
		p.allow = strings.Join(methods, ", ")
		return p
	}
}

// useful are the methods that a sentence names. HEAD and OPTIONS are left out, because no caller wants those.
func useful(methods []string) []string {
	return slices.DeleteFunc(slices.Clone(methods),
		func(m string) bool { return m == http.MethodHead || m == http.MethodOptions })
}

// methodsAt returns the methods of an address, none when the address does not exist. An address that takes GET takes
// HEAD too.
func (s *Server) methodsAt(at string) (methods []string) {
	parts := partsOf(at)
	for _, known := range s.known {
		if known.matches(parts) {
			methods = append(methods, known.method)
		}
	}
	if len(methods) == 0 && s.isPage(at) {
		methods = []string{http.MethodGet}
	}
	if slices.Contains(methods, http.MethodGet) &&
		!slices.ContainsFunc(notHead, func(end string) bool { return strings.HasSuffix(at, end) }) {
		methods = append(methods, http.MethodHead)
	}
	if len(methods) > 0 {
		methods = append(methods, http.MethodOptions)
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

func (s *Server) isPage(at string) bool {
	name := strings.TrimPrefix(path.Clean("/"+at), "/")
	if s.cfg.Web == nil || name == "" {
		return s.cfg.Web != nil
	}
	info, err := fs.Stat(s.cfg.Web, name)
	return err == nil && !info.IsDir()
}

// head answers as GET does; the server leaves the body out.
func (s *Server) head(c echo.Context) error {
	read := c.Request().WithContext(c.Request().Context()) // a copy: the server looks at the original
	read.Method = http.MethodGet
	c.SetRequest(read)
	s.echo.Router().Find(http.MethodGet, echo.GetPath(read), c)
	return c.Handler()(c)
}

// later are the addresses of the contract that this version lacks, by the beginning of their paths.
var later = []struct {
	prefix   string
	sentence i18n.Sentence
}{
	{"/api/v1/video/animate", i18n.Say("this version does not animate pictures and videos yet; " +
		"POST /api/v1/video/create-avatar makes a portrait speak")},
	{"/api/v1/studio/batch", i18n.Say("this version has no batches yet: send one request for each row")},
	{"/api/v1/studio/generate-content", i18n.Say("this version has no chains of steps yet: " +
		"send the steps one by one, each with the job id of the one before")},
	{"/api/v1/studio/templates", noTemplates},
	{"/api/v1/templates", noTemplates},
	{"/api/v1/webhooks", i18n.Say("this version has no webhooks yet: " +
		"wait with ?wait=60, or read the job until it has ended")},
	{"/api/v1/media/export", i18n.Say("this version does not export projects yet: " +
		"GET /api/v1/jobs/{id}/content downloads a result")},
	{"/api/v1/auth/login", noPasswords},
	{"/api/v1/auth/register", noPasswords},
	{"/api/v1/auth/refresh", noPasswords},
	{"/api/v1/scraper", noScraper},
	{"/api/scrape", noScraper},
	{"/api/jobs", i18n.Say("this version has no scraper yet; the jobs of the studio are at GET /api/v1/jobs")},
	{"/v1/models", noOpenAI},
	{"/v1/audio/speech", noOpenAI},
	{"/v1/audio/voices", noOpenAI},
	{"/v1/audio/transcriptions", noOpenAI},
	{"/v1/images", noOpenAI},
	{"/v1/videos", noOpenAI},
	{"/v1/chat", noOpenAI},
	{"/v1/responses", noOpenAI},
	{anyOpenAI, noOpenAI},
}

// anyOpenAI begins the addresses of the OpenAI API, and those of the studio if a caller leaves out /api.
const anyOpenAI = "/v1"

var (
	noTemplates = i18n.Say("this version has no templates yet")
	noScraper   = i18n.Say("this version has no scraper yet")
	noPasswords = i18n.Say("this version has no passwords yet: " +
		"POST /api/v1/auth/link makes a link that signs a browser in")
	noOpenAI = i18n.Say("this version has no addresses of the OpenAI API yet; those of the studio begin with /api/v1")
)

// nowhere answers an unknown path.
func (s *Server) nowhere(r *http.Request) error {
	at := r.URL.Path
	near := s.nearest(r.Method, at)
	for _, feature := range later {
		rest, ok := strings.CutPrefix(strings.ToLower(path.Clean(at)), feature.prefix)
		if ok && (rest == "" || rest[0] == '/' || feature.prefix == "/api/scrape") &&
			(feature.prefix != anyOpenAI || near == "") {
			return notFound(feature.sentence)
		}
	}
	switch {
	case strings.Contains(at, "//") || strings.HasSuffix(at, "/") && at != "/":
		if near != "" {
			return notFound(
				i18n.Say("a part of this address is empty, as when an expression of n8n finds no id; did you mean %s?",
					near),
			)
		}
	case near != "":
		return notFound(i18n.Say("there is nothing at this address; did you mean %s?", near))
	}
	return echo.ErrNotFound
}

// nearest is the address that a caller most likely meant, "" when none is near.
func (s *Server) nearest(method, at string) string {
	at = strings.ToLower(path.Clean("/" + at))
	best, bestCost := address{}, 1<<20
	for _, prefix := range []string{"", "/api", "/api/v1"} {
		parts := partsOf(prefix + at)
		for _, known := range s.known {
			cost, near := known.far(parts)
			if !near {
				continue
			}
			cost *= 4
			if prefix != "" {
				cost += 2
			}
			if known.method != method {
				cost++
			}
			if cost < bestCost {
				best, bestCost = known, cost
			}
		}
	}
	if best.parts == nil {
		best = s.sameEnd(method, at)
	}
	if best.parts == nil {
		return ""
	}
	return best.String()
}

// sameEnd is an address whose last word is, or is near to, that of the path.
func (s *Server) sameEnd(method, at string) (best address) {
	words := map[string]address{}
	var ends []string
	for _, known := range s.known {
		end := known.parts[len(known.parts)-1]
		if strings.HasPrefix(end, ":") || known.parts[0] != "api" {
			continue
		}
		if earlier, there := words[end]; !there || earlier.method != method {
			words[end] = known
		}
		ends = append(ends, end)
	}
	slices.Sort(ends)
	return words[names.Closest(path.Base(at), slices.Compact(ends))]
}
