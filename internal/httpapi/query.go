package httpapi

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// checkQuery refuses a query that cannot be parsed or holds text that Postgres cannot store.
func checkQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		query, err := url.ParseQuery(c.Request().URL.RawQuery)
		for name, values := range query {
			for _, text := range append(values, name) {
				switch {
				case !utf8.ValidString(text):
					return invalid(names.Clip(name),
						i18n.Say("the address is not valid UTF-8: write it as UTF-8 with percent signs"))
				case !storable(text):
					return invalid(names.Clip(name),
						i18n.Say("the address holds a character that cannot be stored: send UTF-8 without NUL"))
				}
			}
		}
		if err != nil {
			return newProblem(http.StatusUnprocessableEntity, codeInvalid, cannotHonour,
				i18n.Say("the query of the address cannot be read: write special characters with percent signs"))
		}
		return next(c)
	}
}

// parametersOf the operations in the document, by method and path.
func parametersOf(document *huma.OpenAPI) map[string][]string {
	all := map[string][]string{}
	for path, item := range document.Paths {
		for method, operation := range operationsOf(item) {
			names := []string{}
			for _, parameter := range operation.Parameters {
				if parameter.In == "query" {
					names = append(names, parameter.Name)
				}
			}
			slices.Sort(names)
			all[method+" "+path] = names
		}
	}
	return all
}

// parametersAt an address, by method. known is false where the document has no operation.
func (s *Server) parametersAt(method, path string) (names []string, known bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	parts, fewest := partsOf(path), 1<<20
	for _, a := range s.known {
		free := strings.Count(strings.Join(a.parts, "/"), ":")
		if a.method != method || !a.matches(parts) || free >= fewest {
			continue
		}
		if found, ok := s.parameters[a.String()]; ok {
			names, known, fewest = found, true, free
		}
	}
	return names, known
}

// strayParameters of a request are those that its address does not take, even without a value, and those that came
// twice.
func (s *Server) strayParameters(c caller) (wrong []fieldProblem) {
	known, ok := s.parametersAt(c.method, c.path)
	if !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		var detail i18n.Sentence
		near := names.Closest(name, known)
		switch {
		case slices.Contains(known, name) && len(c.query[name]) > 1:
			detail = i18n.Say("%s was sent twice", names.Clip(name))
		case slices.Contains(known, name):
			continue
		case near != "":
			detail = i18n.Say("%s is not a parameter of this address; did you mean %s?", names.Clip(name), near)
		case len(known) > 0:
			detail = i18n.Say("%s is not a parameter of this address; it takes %s", names.Clip(name),
				strings.Join(known, ", "))
		default:
			detail = i18n.Say("%s is not a parameter of this address; it takes none", names.Clip(name))
		}
		wrong = append(wrong, fieldProblem{pointer: "/" + escape(name), detail: detail})
	}
	return wrong
}

// checkParameters refuses a request with stray parameters.
func checkParameters(ctx context.Context) error {
	if c := callerOf(ctx); c.stray != nil {
		if wrong := c.stray(); len(wrong) > 0 {
			return problemOfFields(codeInvalid, cannotHonour, wrong, 0)
		}
	}
	return nil
}
