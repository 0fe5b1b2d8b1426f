package httpapi

// examples are the requests that the document shows, by operation, for those that make no job.
var examples = map[string]any{
	"create-project":        map[string]any{"name": "Meu Avatar AI", "type": "mixed"},
	"create-key":            map[string]any{"name": "n8n", "scopes": []string{"read", "generate"}},
	"upload-asset":          map[string]any{"file": "https://example.com/portrait.jpg"},
	"update-job":            map[string]any{"position": 1},
	"update-voice":          map[string]any{"name": "Minha voz de estúdio"},
	"create-pronunciation":  map[string]any{"word": "APIBR", "say": "apê i bê erre", "language": "pt-BR"},
	"update-pronunciation":  map[string]any{"say": "a pê í bê érre"},
	"preview-pronunciation": map[string]any{"word": "APIBR", "say": "apê i bê erre", "language": "pt-BR"},
	"update-queue":          map[string]any{"paused": true},
}
