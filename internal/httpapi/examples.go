package httpapi

// examples of requests, by operation, as the document shows them.
var examples = map[string]any{
	"clone-voice": map[string]any{
		"name":         "Minha Voz",
		"audio":        "https://example.com/minha_voz.mp3",
		"language":     "pt-BR",
		"consent_note": "My own voice, 2026-11-24",
	},
	"generate-speech": map[string]any{"text": "Olá, tudo bem?", "voice_id": "Minha Voz", "output_format": "mp3"},
	"generate-image": map[string]any{
		"prompt": "Professional headshot",
		"model":  "flux-kontext",
		"width":  1024,
		"height": 1024,
	},
	"edit-image": map[string]any{
		"image":       "01890a5d-ac96-774b-bcce-b302099a8057",
		"instruction": "Deixe a foto em preto e branco",
	},
	"upscale-image": map[string]any{"image": "01890a5d-ac96-774b-bcce-b302099a8057", "scale": 2},
	"create-avatar": map[string]any{
		"image":    "01890a5d-ac96-774b-bcce-b302099a8057",
		"voice_id": "Minha Voz",
		"script":   "Olá, sou seu assistente AI!",
		"duration": 5,
		"aspect":   "9:16",
	},
	"create-project": map[string]any{"name": "Meu Avatar AI", "type": "mixed"},
	"create-key":     map[string]any{"name": "n8n", "scopes": []string{"read", "generate"}},
	"upload-asset":   map[string]any{"file": "https://example.com/portrait.jpg"},
	"update-job":     map[string]any{"position": 1},
	"update-voice":   map[string]any{"name": "Minha voz de estúdio"},
	"update-queue":   map[string]any{"paused": true},
}
