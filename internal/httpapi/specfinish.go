package httpapi

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// finishSpec adds to the document what struct tags cannot say, such as members that are an object or null.
func finishSpec(document *huma.OpenAPI) {
	showWait(document)
	schemas := document.Components.Schemas.Map()
	for schema, names := range map[string][]string{
		"Job": {"progress_detail", "error"}, "Model": {"task"}, "ModelTask": {"error"},
	} {
		of := schemas[schema]
		if of == nil {
			continue
		}
		for _, name := range names {
			if property := of.Properties[name]; property != nil && property.Ref != "" {
				of.Properties[name] = &huma.Schema{OneOf: []*huma.Schema{{Ref: property.Ref}, {Type: "null"}}}
			}
		}
	}
}

// showWait declares wait a number. The code reads it as text, so that 30s works too.
func showWait(document *huma.OpenAPI) {
	least, most := 0.0, longestWait.Seconds()
	for _, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post} {
			if operation == nil {
				continue
			}
			for _, parameter := range operation.Parameters {
				if parameter.Name == "wait" {
					parameter.Schema = &huma.Schema{
						Type:        huma.TypeInteger,
						Format:      "int64",
						Description: parameter.Description,
						Minimum:     &least,
						Maximum:     &most,
					}
				}
			}
		}
	}
}

// operationsOf a path by their methods.
func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}
	maps.DeleteFunc(all, func(_ string, operation *huma.Operation) bool { return operation == nil })
	return all
}

// route is one line of /api/docs.
type route struct{ method, path, summary string }

func sortedRoutes(document *huma.OpenAPI) []route {
	var routes []route
	for path, item := range document.Paths {
		for method, operation := range operationsOf(item) {
			routes = append(routes, route{method, path, operation.Summary})
		}
	}
	slices.SortFunc(routes,
		func(a, b route) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method)) })
	return routes
}
