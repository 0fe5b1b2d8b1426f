package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/media"
)

// TestNoFieldIsAcceptedAndIgnored walks every field of every request body in the document: changing it changes the
// answer, or the request is a 422 that names the engine or the missing feature. A field without a value here fails the
// test.
func TestNoFieldIsAcceptedAndIgnored(t *testing.T) {
	b := newBench(t)
	w := newWalk(b)
	raw, err := Spec()
	require.NoError(t, err)
	var document struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]walkSchema }
	}
	require.NoError(t, json.Unmarshal(raw, &document))
	walked := 0
	for path, methods := range document.Paths {
		for method, encoded := range methods {
			var operation struct {
				OperationID string `json:"operationId"`
				RequestBody struct {
					Content map[string]struct{ Schema walkSchema }
				} `json:"requestBody"`
			}
			require.NoError(t, json.Unmarshal(encoded, &operation))
			body, has := operation.RequestBody.Content["application/json"]
			if !has {
				continue
			}
			require.Contains(t, w.bases, operation.OperationID, "a request that this walk knows how to send")
			schema := document.Components.Schemas[strings.TrimPrefix(body.Schema.Ref, "#/components/schemas/")]
			for name := range schema.Properties {
				walked++
				t.Run(operation.OperationID+"/"+name, func(t *testing.T) {
					w.step(t, strings.ToUpper(method), path,
						operation.OperationID, name)
				})
			}
		}
	}
	require.Greater(t, walked, 60)
	t.Run("a field of a line", func(t *testing.T) {
		for field, value := range map[string]any{"voice_id": w.otherVoice, "text": "Outra", "pause_ms": 700} {
			line := object{"text": "Um", "voice_id": b.builtin.String(), "pause_ms": 100}
			base := b.submit(speechPath, object{"lines": []any{line}, "seed": 7})
			line[field] = value
			require.NotEqual(t, essence(base), essence(b.submit(speechPath, object{"lines": []any{line}, "seed": 7})),
				field)
		}
	})
	t.Run("features to come", func(t *testing.T) {
		for field, feature := range absent {
			if field == "box" {
				continue // only inside speakers
			}
			a := b.send("POST", avatarPath, object{"image": w.image, "voice_id": b.builtin.String(), "script": "Olá",
				field: "x"})
			require.Equal(t, 422, a.status)
			require.Contains(t, a.json(t)["detail"], feature.String())
		}
	})
}

type walkSchema struct {
	Ref        string `json:"$ref"`
	Properties map[string]any
}

// walk holds a valid request for each operation and another value for each field.
type walk struct {
	*bench
	bases      map[string]object
	others     map[string]any
	image      string
	otherVoice string
}

func newWalk(b *bench) *walk {
	w := &walk{bench: b, image: b.upload("a.png", picture(64)), otherVoice: uuid.NewString()}
	_, err := b.pool.Exec(b.ctx,
		`insert into voices (id, name, language, builtin, status) values ($1, 'Outra', 'pt-BR', true, 'ready')`,
		w.otherVoice)
	require.NoError(b.t, err)
	otherImage, audio, otherAudio := b.upload("b.png", picture(72)), b.upload("a.wav", wav(16)), b.upload("b.wav",
		wav(17))
	mask, video := b.upload("mask.png", picture(64)), b.upload("v.mp4", film(b.t))
	b.api.cfg.Catalogue.Variants = func(model string) []string {
		if model == "whisper-base" { // the one that writes down what is said has no draft in its place
			return []string{"int8"}
		}
		return nil
	}
	project := b.send("POST", "/api/v1/studio/create-project", object{"name": "P", "type": "mixed"}).json(b.t)["id"]
	parent := b.speech()["id"]
	voice := b.builtin.String()
	w.bases = map[string]object{
		"generate-speech":       {"text": "Olá", "voice_id": voice, "seed": 7},
		"clone-voice":           {"name": "V", "audio": audio, "seed": 7},
		"transcribe":            {"audio": audio, "seed": 7},
		"generate-image":        {"prompt": "a cat", "seed": 7},
		"edit-image":            {"image": w.image, "instruction": "preto e branco", "seed": 7},
		"upscale-image":         {"image": w.image, "scale": 2, "seed": 7},
		"create-avatar":         {"image": w.image, "voice_id": voice, "script": "Olá", "seed": 7},
		"create-project":        {"name": "P", "type": "mixed"},
		"create-key":            {"name": "k", "scopes": []string{"read"}},
		"upload-asset":          {"file": "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(40))},
		"update-voice":          {},
		"update-job":            {},
		"update-queue":          {},
		"create-pronunciation":  {"word": "APIBR", "say": "apê i bê erre"},
		"update-pronunciation":  {},
		"preview-pronunciation": {"word": "APIBR", "say": "apê i bê erre", "voice_id": voice},
		"install-model":         {"accept_licence": true},
		"update-model":          {"pinned": false},
	}
	w.others = map[string]any{
		"text": "Outra", "voice_id": w.otherVoice, "language": "en", "speed": 1.5, "lines": []any{object{"text": "Um"}},
		"cfg_weight": 0.3, "temperature": 0.5, "exaggeration": 0.5, "video": video,
		"name": "W", "audio": otherAudio, "consent_note": "eu", "prompt": "a dog", "negative_prompt": "rain",
		"width": 512, "height": 512, "num_images": 2, "num_inference_steps": 9,
		"guidance_scale": 3, "instruction": "sepia", "mask": mask, "scale": 4, "image": otherImage, "strength": 0.5,
		"script": "Outra", "duration": 5, "fps": 12, "preset": "full", "aspect": "1:1", "project_id": project,
		"parent_id": parent,
		"quality":   "draft", "model": nil, "seed": 8, "output_format": nil, "priority": 3, "client_reference": "mine",
		"type": "video", "scopes": []string{"generate"},
		"expires_at": "2099-01-31T12:00:00Z", "file": "data:image/png;base64," +
			base64.StdEncoding.EncodeToString(picture(48)), "position": 1, "input": object{
			"text": "Outro"}, "paused": true,
		"word": "APIs", "say": "apis", "variant": "Q8_0", "accept_licence": false, "pinned": true,
	}
	return w
}

// change the field in the operation's request. Some fields exclude others or mean another thing elsewhere.
func (w *walk) change(t *testing.T, id, name string) object {
	require.Contains(t, w.others, name, "another value for the field")
	changed := maps.Clone(w.bases[id])
	changed[name] = w.others[name]
	switch {
	case name == "lines":
		delete(changed, "text")
	case name == "video":
		delete(changed, "audio")
	case name == "audio" && id == "create-avatar":
		delete(changed, "voice_id")
		delete(changed, "script")
	case name == "model":
		changed[name] = map[string]string{"generate-speech": "chatterbox", "clone-voice": "chatterbox",
			"generate-image": "sd3.5-large", "edit-image": "flux-kontext", "upscale-image": "draft-image",
			"create-avatar": "multitalk", "transcribe": "whisper-small"}[id]
	case name == "output_format":
		changed[name] = map[string]string{"generate-speech": "mp3", "clone-voice": "mp3", "generate-image": "webp",
			"edit-image": "webp", "upscale-image": "webp", "create-avatar": "webm", "transcribe": "mp3"}[id]
	}
	return changed
}

// film is a second of a black picture with a tone.
func film(t testing.TB) []byte {
	t.Helper()
	ffmpeg, err := media.FindFFmpeg(os.Getenv("APIBR_FFMPEG"), "../../.venv-draft")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "v.mp4")
	made, err := exec.Command(ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=size=64x64:duration=1", "-f", "lavfi",
		"-i", "sine=duration=1", path).CombinedOutput()
	require.NoError(t, err, string(made))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

func (w *walk) step(t *testing.T, method, path, id, name string) {
	changed := w.change(t, id, name)
	var before object
	if method == http.MethodPost {
		if strings.Contains(path, "{id}") {
			path = w.at(id, path)
		}
		base := w.try(method, path, w.bases[id])
		require.Less(t, base.status, 300, string(base.body))
		before = base.json(t)
	} else {
		path = w.at(id, path)
		before = w.get(path)
	}
	after := w.try(method, path, changed)
	if after.status == 422 {
		detail := after.json(t)["detail"].(string)
		named := strings.Contains(detail, "engine ") || strings.Contains(detail, "this version has no") ||
			strings.Contains(detail, "makes no media file") ||
			name == "accept_licence" && strings.Contains(detail, "licence")
		require.True(t, named, "a refusal names the engine or the feature: %s", detail)
		return
	}
	require.Less(t, after.status, 300, string(after.body))
	if method != http.MethodPost && before["queue_position"] != after.json(t)["queue_position"] {
		return // that is what a new position changes
	}
	require.NotEqual(t, essence(before), essence(after.json(t)), "changing %s changes nothing", name)
}

// at puts the id of something to change into a path: the second of two queued jobs, an own voice.
func (w *walk) at(id, path string) string {
	switch id {
	case "install-model":
		return strings.Replace(path, "{id}", "flux-dev", 1)
	case "update-model":
		w.importModel("flux-dev")
		return strings.Replace(path, "{id}", "flux-dev", 1)
	case "update-job":
		w.speech()
		return strings.Replace(path, "{id}", w.speech()["id"].(string), 1)
	case "update-pronunciation":
		made := w.send("POST", pronunciationsPath, object{"word": "APIBR", "say": "apê i bê erre"})
		require.Equal(w.t, 201, made.status, string(made.body))
		return strings.Replace(path, "{id}", made.json(w.t)["id"].(string), 1)
	case "update-voice":
		clone := w.submit(clonePath, object{"name": uuid.NewString(), "audio": w.bases["clone-voice"]["audio"]})
		return strings.Replace(path, "{id}", clone["voice_id"].(string), 1)
	default:
		return path
	}
}

// try sends a request and then frees the voice's name for the next one.
func (w *walk) try(method, path string, body object) answer {
	a := w.send(method, path, body)
	_, err := w.pool.Exec(w.ctx, `update voices set name = id::text where not builtin`)
	require.NoError(w.t, err)
	_, err = w.pool.Exec(w.ctx, `with t as (delete from model_tasks),
		w as (delete from pronunciations) delete from model_licences`)
	require.NoError(w.t, err)
	return a
}

// essence is an answer without its ids, secrets, times and place in the queue, which differ between any two.
func essence(o object) object {
	kept := maps.Clone(o)
	for _, name := range []string{"id", "job_id", "voice_id", "urls", "created_at", "updated_at", "eta_seconds",
		"queue_position", "prefix", "key", "url", "signed_url"} {
		delete(kept, name)
	}
	return kept
}
