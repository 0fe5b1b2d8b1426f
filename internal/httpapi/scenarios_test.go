package httpapi

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// scenario is a request and everything that must, and must not, come of it.
type scenario struct {
	name    string
	method  string // POST when empty
	path    string
	body    any
	headers []string

	status  int
	code    string // of a problem
	pointer string // of its first field
	detail  string // a part of it
	want    object // members of the answer, by dotted path

	jobs   int
	events []string
	assets int
	// english: the detail holds another package's words that have no Portuguese.
	english bool
}

func (s scenario) run(t *testing.T, b *bench) {
	if s.method == "" {
		s.method = "POST"
	}
	jobsBefore, eventsBefore, assetsBefore := b.count(`select count(*) from generation_jobs`), b.count(
		`select seq from event_counter`), b.count(`select count(*) from media_assets`)
	got := b.send(s.method, s.path, s.body, s.headers...)
	require.Equal(t, s.status, got.status, string(got.body))
	require.Equal(t, s.jobs, b.count(`select count(*) from generation_jobs`)-jobsBefore, "new jobs")
	require.Equal(t, s.assets, b.count(`select count(*) from media_assets`)-assetsBefore, "new files")
	require.Equal(t, s.events, b.eventsAfter(eventsBefore), "new events")
	for path, value := range s.want {
		require.Equal(t, value, member(got.json(t), path), "%s of %s", path, got.body)
	}
	if s.status < 400 {
		return
	}
	s.checkProblem(t, got)
	if s.english {
		return
	}
	spoken := b.send(s.method, s.path, s.body, append(slices.Clone(s.headers), "Accept-Language",
		"pt-BR,pt;q=0.9,en;q=0.5")...)
	require.Equal(t, s.status, spoken.status)
	require.NotEqual(t, got.json(t)["detail"], spoken.json(t)["detail"], "the Portuguese of: %s", got.json(t)["detail"])
	require.NotEqual(t, got.json(t)["title"], spoken.json(t)["title"], "the Portuguese of: %s", got.json(t)["title"])
}

func (s scenario) checkProblem(t *testing.T, got answer) {
	t.Helper()
	p := got.json(t)
	require.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
	require.EqualValues(t, s.status, p["status"])
	require.Equal(t, "/problems/"+s.code, p["type"], string(got.body))
	require.Equal(t, s.code, member(p, "error.code"))
	require.Equal(t, p["detail"], member(p, "error.message"))
	require.NotEmpty(t, p["request_id"])
	require.Equal(t, got.header.Get("X-Request-Id"), p["request_id"])
	require.Equal(t, strings.Split(s.path, "?")[0], p["instance"])
	require.Contains(t, p["detail"], s.detail)
	if s.pointer != "" {
		fields := p["errors"].([]any)
		require.Equal(t, s.pointer, fields[0].(object)["pointer"], string(got.body))
		require.Equal(t, strings.TrimPrefix(s.pointer, "/"), member(p, "error.param"))
	}
	require.NotContains(t, string(got.body), "/tmp", "no path of this machine")
}

func (b *bench) eventsAfter(seq int) []string {
	rows, err := b.pool.Query(b.ctx, `select type from events where seq > $1 order by seq`, seq)
	require.NoError(b.t, err)
	var kinds []string
	for rows.Next() {
		var kind string
		require.NoError(b.t, rows.Scan(&kind))
		kinds = append(kinds, kind)
	}
	return kinds
}

// member of an answer by a dotted path; numbers index lists.
func member(o any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch v := o.(type) {
		case object:
			o = v[step]
		case []any:
			if len(v) == 0 {
				return nil
			}
			o = v[0]
		default:
			return nil
		}
	}
	return o
}

const (
	speechPath  = "/api/v1/audio/generate-speech"
	clonePath   = "/api/v1/audio/clone-voice"
	imagePath   = "/api/v1/image/generate"
	editPath    = "/api/v1/image/edit"
	upscalePath = "/api/v1/image/upscale"
	avatarPath  = "/api/v1/video/create-avatar"
)

var queued = []string{"job.queued"}

func TestRequestsThatAreTaken(t *testing.T) {
	b := newBench(t)
	portrait, sample := b.upload("retrato.png", picture(64)), b.upload("voz.wav", wav(4))
	voice := b.builtin.String()
	running := b.speech()["id"].(string)
	project := b.send("POST", "/api/v1/studio/create-project", object{"name": "Meu Avatar AI", "type": "mixed"}).json(
		t)["id"].(string)
	data := "data:audio/wav;base64," + base64.StdEncoding.EncodeToString(wav(4))
	for _, s := range []scenario{
		{name: "speech by JSON", path: speechPath, body: object{"text": "Olá", "voice_id": voice, "seed": 7},
			status: 202, jobs: 1, events: queued,
			want: object{"object": "job", "type": "audio.speech", "status": "queued", "quality": "draft",
				"engine": "draft-speech", "input.text": "Olá", "input.seed": 7.0, "input.speed": 1.0,
				"input.voice_id": voice, "warnings.0.code": "draft_quality", "error": nil, "output_url": nil,
				"progress": 0.0, "version": 1.0}},
		{name: "speech by form, its numbers as text", path: speechPath,
			body:   form{texts: map[string]string{"text": "Olá", "voice_id": voice, "speed": "1.5", "priority": "-3"}},
			status: 202, jobs: 1, events: queued,
			want: object{"input.speed": 1.5, "priority": -3.0}},
		{name: "a voice by its name, aliases and camelCase", path: speechPath, body: object{"script": "Olá",
			"voice": "Clara (rascunho)", "clientReference": "x", "outputFormat": "mp3", "projectId": project},
			status: 202, jobs: 1, events: queued, want: object{"input.text": "Olá", "input.voice_id": voice,
				"client_reference": "x", "input.output_format": "mp3", "project_id": project}},
		{name: "lines with a voice for all", path: speechPath, body: object{"voice_id": voice,
			"lines": []any{object{"text": "Um", "pauseMs": 200}, object{"script": "Dois",
				"voice": "Clara (rascunho)"}}},
			status: 202, jobs: 1, events: queued, want: object{"input.lines.0.pause_ms": 200.0}},
		{name: "lines in a form are JSON", path: speechPath, body: form{texts: map[string]string{"voice_id": voice,
			"lines": `[{"text":"Um"}]`}}, status: 202, jobs: 1, events: queued},
		{name: "null is absent", path: speechPath, body: object{"text": "Olá", "voice_id": voice, "speed": nil,
			"webhook": nil}, status: 422, code: "unknown_field", pointer: "/webhook"},
		{name: "a seed of zero is a seed", path: imagePath, body: object{"prompt": "a cat", "seed": 0}, status: 202,
			jobs: 1, events: queued, want: object{"input.seed": 0.0}},
		{name: "the model stays what was asked for", path: imagePath, body: object{"prompt": "a cat",
			"model": "flux-kontext"}, status: 202, jobs: 1, events: queued,
			want: object{"model": "flux-kontext", "engine": "draft-image", "warnings.0.code": "draft_quality"}},
		{name: "a draft that was asked for brings no warning", path: imagePath,
			body:   object{"prompt": "a cat", "quality": "draft"},
			status: 202, jobs: 1, events: queued, want: object{"warnings": []any{}}},
		{name: "a clone from a file", path: clonePath, body: form{texts: map[string]string{"name": "Minha Voz",
			"consent_note": "eu"}, files: map[string]file{"audio": {name: "voz.wav", content: wav(4)}}},
			status: 202, jobs: 1, assets: 1, events: queued, want: object{"type": "audio.clone_voice",
				"input.name": "Minha Voz", "input.consent_note": "eu"}},
		{name: "a part that only says what it is", path: clonePath, body: form{texts: map[string]string{"name": "B"},
			files: map[string]file{"reference_audio": {content: wav(4), kind: "audio/wav"}}}, status: 202, jobs: 1,
			assets: 1, events: queued},
		{name: "a clone from an asset", path: clonePath, body: object{"name": "C", "audio_file": sample}, status: 202,
			jobs: 1, events: queued, want: object{"input.audio": sample}},
		{name: "a clone from a data: URI", path: clonePath, body: object{"name": "D", "audio": data}, status: 202,
			jobs: 1, assets: 1, events: queued},
		{name: "a clone from a job that still runs", path: clonePath, body: object{"name": "E", "audio": running},
			status: 202, jobs: 1, events: queued,
			want: object{"reason": "waiting_for_input", "input.audio": running}},
		{name: "speech in a voice that is being made", path: speechPath, body: object{"text": "Olá", "voice_id": "C"},
			status: 202, jobs: 1, events: queued, want: object{"reason": "waiting_for_input"}},
		{name: "an avatar from voice and script is one job", path: avatarPath, body: object{"image_id": portrait,
			"voice_id": voice, "text": "Olá", "duration": 5}, status: 202, jobs: 1, events: queued,
			want: object{"type": "video.avatar", "input.script": "Olá", "input.image": portrait,
				"input.voice_id": voice, "input.duration": 5.0}},
		{name: "an avatar from a picture file and audio", path: avatarPath,
			body: form{texts: map[string]string{"audio": sample}, files: map[string]file{"imageFile": {name: "p.png",
				content: picture(64)}}},
			status: 202, jobs: 1, assets: 1, events: queued},
		{name: "a language with a region that the engine lacks", path: speechPath, body: object{"text": "Hi",
			"voice_id": voice, "language": "en-AU"}, status: 202, jobs: 1, events: queued},
		{name: "a project", path: "/api/v1/studio/create-project", body: object{"name": "P", "type": "video"},
			status: 201, want: object{"status": "draft", "type": "video"}},
		{name: "an upload by data: URI", path: "/api/v1/assets", body: object{"file": data}, status: 201, assets: 1,
			want: object{"kind": "audio", "origin": "remote"}},
		{name: "an upload as the body", path: "/api/v1/assets?filename=retrato%20%C3%A9.png", body: picture(16),
			status: 201, assets: 1, want: object{"kind": "image", "filename": "retrato é.png", "width": 16.0}},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, b) })
	}
	require.Empty(t, b.log.String(), "nothing failed inside")
}

func TestRequestsThatAreRefused(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxJSONBytes = 100 << 10 })
	voice, unknown := b.builtin.String(), uuid.NewString()
	portrait, short := b.upload("p.png", picture(32)), b.upload("s.wav", wav(2))
	running := b.speech()["id"].(string)
	reader, foreign := b.newKey(uuid.MustParse("00000000-0000-7000-8000-000000000001"), "read"), b.stranger()
	for _, s := range []scenario{
		{name: "an unknown field names the nearest", path: speechPath, body: object{"text": "a", "voice_id": voice,
			"speeed": 1}, status: 422, code: "unknown_field", pointer: "/speeed", detail: "did you mean speed?"},
		{name: "inside a line too", path: speechPath, body: object{"voice_id": voice,
			"lines": []any{object{"text": "a", "pause": 1, "voicee_id": "x"}}}, status: 422, code: "unknown_field",
			pointer: "/lines/0/pause"},
		{name: "in a form too", path: clonePath, body: form{texts: map[string]string{"nome": "a"}}, status: 422,
			code: "unknown_field", pointer: "/nome", detail: "did you mean name?"},
		{name: "the same field twice", path: speechPath, body: object{"text": "a", "script": "b", "voice_id": voice},
			status: 422, code: "invalid_request", pointer: "/text", detail: "the same field"},
		{name: "camelCase beside snake_case", path: speechPath, body: object{"text": "a", "voice_id": voice,
			"voiceId": voice}, status: 422, code: "invalid_request", detail: "the same field"},
		{name: "webhooks are not there yet", path: speechPath, body: object{"text": "a", "voice_id": voice,
			"callback_url": "https://x"}, status: 422, code: "feature_missing", pointer: "/callback_url",
			detail: "webhooks"},
		{name: "two speakers are not there yet", path: avatarPath, body: object{"image": portrait, "speakers": []any{}},
			status: 422, code: "feature_missing", pointer: "/speakers", detail: "two speakers"},
		{name: "what the engine does not honour names it", path: speechPath, body: object{"text": "a",
			"voice_id": voice, "cfg": 0.5}, status: 422, code: "unsupported_field", pointer: "/cfg_weight",
			detail: "draft-speech"},
		{name: "a picture where the engine takes none", path: imagePath, body: object{"prompt": "a", "image": portrait},
			status: 422, code: "unsupported_field", pointer: "/image", detail: "draft-image"},
		{name: "a language that the engine does not speak", path: speechPath, body: object{"text": "a",
			"voice_id": voice, "language": "tlh"}, status: 422, code: "unsupported_language", pointer: "/language",
			detail: "draft-speech does not speak tlh"},
		{name: "final without the engine says what to install", path: speechPath, body: object{"text": "a",
			"voice_id": voice, "quality": "final"}, status: 422, code: "engine_not_installed", pointer: "/quality",
			detail: "install"},
		{name: "an unknown model lists the known", path: imagePath, body: object{"prompt": "a", "model": "sdxl"},
			status: 422, code: "unknown_model", pointer: "/model", detail: "flux-dev"},
		{name: "a voice that is not there", path: speechPath, body: object{"text": "a", "voice_id": "Ninguém"},
			status: 422, code: "invalid_request", pointer: "/voice_id", detail: "Ninguém"},
		{name: "a voice of a line", path: speechPath,
			body: object{"lines": []any{object{"text": "a", "voice_id": unknown}}}, status: 422,
			code: "invalid_request", pointer: "/lines/0/voice_id"},
		{name: "neither text nor lines", path: speechPath, body: object{"voice_id": voice}, status: 422,
			code: "invalid_request", pointer: "/text", detail: "text is missing"},
		{name: "text of blanks", path: speechPath, body: object{"text": "  \n", "voice_id": voice}, status: 422,
			code: "invalid_request", pointer: "/text", detail: "text is empty"},
		{name: "NUL in a text", path: speechPath, body: object{"text": "a\x00b", "voice_id": voice}, status: 422,
			code: "invalid_request", pointer: "/text", detail: "cannot be stored"},
		{name: "too fast", path: speechPath, body: object{"text": "a", "voice_id": voice, "speed": 3}, status: 422,
			code: "invalid_request", pointer: "/speed", detail: "speed is 3; the most is 2"},
		{name: "half a picture", path: imagePath, body: object{"prompt": "a", "num_images": 1.5}, status: 422,
			code: "invalid_request", pointer: "/num_images", detail: "whole number"},
		{name: "the engine's own bounds", path: imagePath, body: object{"prompt": "a", "width": 16000}, status: 422,
			code: "invalid_request", pointer: "/width", detail: "the most is"},
		{name: "a number that is text", path: imagePath, body: object{"prompt": "a", "width": "wide"}, status: 422,
			code: "invalid_request", pointer: "/width", detail: "must be a number"},
		{name: "a word that is none of the enum", path: avatarPath, body: object{"image": portrait, "voice_id": voice,
			"script": "a", "aspect": "4:3"}, status: 422, code: "invalid_request", pointer: "/aspect", detail: "9:16"},
		{name: "a format of another kind", path: speechPath, body: object{"text": "a", "voice_id": voice,
			"output_format": "png"}, status: 422, code: "invalid_request", pointer: "/output_format",
			detail: "png is not a format for audio"},
		{name: "everything that is wrong is said", path: imagePath, body: object{"width": 1, "priority": 99},
			status: 422, code: "invalid_request", pointer: "/priority", want: object{"errors.0.pointer": "/priority"}},
		{name: "a missing picture", path: avatarPath, body: object{"voice_id": voice, "script": "a"}, status: 422,
			code: "invalid_request", pointer: "/image", detail: "image is missing"},
		{name: "voice without script", path: avatarPath, body: object{"image": portrait, "voice_id": voice},
			status: 422, code: "invalid_request", pointer: "/script"},
		{name: "both audio and script", path: avatarPath, body: object{"image": portrait, "audio": short,
			"script": "a"}, status: 422, code: "invalid_request", pointer: "/audio"},
		{name: "speed of audio", path: avatarPath, body: object{"image": portrait, "audio": short, "speed": 1.5},
			status: 422, code: "invalid_request", pointer: "/speed"},
		{name: "a running job that makes something else", path: avatarPath, body: object{"image": running,
			"voice_id": voice, "script": "a"}, status: 422, code: "invalid_request", pointer: "/image",
			detail: "no image output"},
		{name: "an id of nothing", path: avatarPath, body: object{"image": unknown, "voice_id": voice, "script": "a"},
			status: 422, code: "invalid_request", pointer: "/image", detail: "no file and no job of yours"},
		{name: "another owner's file is an id of nothing", path: avatarPath, body: object{"image": portrait,
			"voice_id": voice, "script": "a"}, headers: []string{"Authorization", "Bearer " + foreign}, status: 422,
			code: "invalid_request", pointer: "/image", detail: "no file and no job of yours"},
		{name: "a file of another kind", path: avatarPath, body: object{"image": short, "voice_id": voice,
			"script": "a"}, status: 422, code: "wrong_kind", pointer: "/image", detail: "takes image"},
		{name: "an uploaded file of another kind leaves nothing", path: avatarPath,
			body: form{texts: map[string]string{"voice_id": voice, "script": "a"},
				files: map[string]file{"image": {name: "p.png", content: wav(1)}}}, status: 422, code: "wrong_kind",
			pointer: "/image"},
		{name: "a file beside a bad field leaves nothing", path: clonePath,
			body: form{texts: map[string]string{"name": "x", "nonsense": "1"},
				files: map[string]file{"audio": {name: "v.wav", content: wav(4)}}}, status: 422, code: "unknown_field"},
		{name: "a voice under three seconds is refused", path: clonePath,
			body: form{texts: map[string]string{"name": "x"}, files: map[string]file{"audio": {name: "v.wav",
				content: wav(2)}}}, status: 422, code: "invalid_request", pointer: "/audio", detail: "2.0 s"},
		{name: "and from an asset", path: clonePath, body: object{"name": "x", "audio": short}, status: 422,
			code: "invalid_request", pointer: "/audio", detail: "voices.min_seconds"},
		{name: "a file for a value", path: clonePath,
			body: form{files: map[string]file{"name": {name: "n.txt", content: []byte("x")}}}, status: 422,
			code: "invalid_request", pointer: "/name"},
		{name: "a file and a value", path: clonePath, body: form{texts: map[string]string{"name": "x",
			"audio_file": short}, files: map[string]file{"audio": {name: "v.wav", content: wav(4)}}}, status: 422,
			code: "invalid_request", pointer: "/audio"},
		{name: "a damaged file", path: clonePath, body: form{texts: map[string]string{"name": "x"},
			files: map[string]file{"audio": {name: "v.wav", content: wav(4)[:2000]}}}, status: 422, code: "bad_file",
			pointer: "/audio"},
		{name: "an empty file", path: clonePath, body: form{texts: map[string]string{"name": "x"},
			files: map[string]file{"audio": {name: "v.wav"}}}, status: 422, code: "bad_file", pointer: "/audio",
			detail: "empty"},
		{name: "plain http", path: clonePath, body: object{"name": "x", "audio": "http://example.com/a.wav"},
			status: 422, code: "fetch_failed", pointer: "/audio", detail: "https"},
		{name: "a private address", path: clonePath, body: object{"name": "x",
			"audio": "https://169.254.169.254/latest"}, status: 422, code: "fetch_failed", pointer: "/audio",
			detail: "private"},
		{name: "a damaged data: URI", path: clonePath, body: object{"name": "x", "audio": "data:audio/wav;base64,@@"},
			status: 422, code: "fetch_failed", pointer: "/audio", detail: "base64"},
		{name: "an unknown project", path: imagePath, body: object{"prompt": "a", "project_id": unknown}, status: 422,
			code: "invalid_request", pointer: "/project_id"},
		{name: "an unknown parent", path: imagePath, body: object{"prompt": "a", "parent_id": unknown}, status: 422,
			code: "invalid_request", pointer: "/parent_id"},
		{name: "an id that is none", path: imagePath, body: object{"prompt": "a", "project_id": "x"}, status: 422,
			code: "invalid_request", pointer: "/project_id"},
		{name: "no JSON", path: imagePath, body: `{"prompt":`, status: 422, code: "bad_json"},
		{name: "a list", path: imagePath, body: `[1]`, status: 422, code: "bad_json"},
		{name: "null for a body", path: imagePath, body: `null`, status: 422, code: "bad_json"},
		{name: "two objects", path: imagePath, body: `{"prompt":"a"}{}`, status: 422, code: "bad_json"},
		{name: "a huge JSON body names the setting", path: imagePath,
			body: object{"prompt": strings.Repeat("a", 200<<10)}, status: 413, code: "too_large",
			detail: "http.max_json_bytes"},
		{name: "a form-encoded body", path: imagePath, body: "prompt=a", headers: []string{"Content-Type",
			"application/x-www-form-urlencoded"}, status: 415, code: "unsupported_media_type"},
		{name: "a form that ends early", path: imagePath,
			body: "--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na", headers: []string{"Content-Type",
				"multipart/form-data; boundary=x"}, status: 422, code: "bad_form"},
		{name: "an edit without an image", path: editPath, body: object{"instruction": "sepia"}, status: 422,
			code: "invalid_request", pointer: "/image"},
		{name: "a mask of another size", path: editPath, body: object{"instruction": "sepia", "image": b.upload("p.png",
			picture(40)), "mask": b.upload("m.png", picture(48))}, status: 422,
			code: "invalid_request", pointer: "/mask", detail: "48 x 48 pixels and the image 40 x 40"},
		{name: "an edit by a model that is not there", path: editPath, body: object{"instruction": "sepia",
			"image": b.upload("p.png", picture(40)), "model": "flux-kontext", "quality": "final"}, status: 422,
			code: "engine_not_installed", detail: "apibr models install flux-kontext"},
		{name: "a scale that is none", path: upscalePath, body: object{"image": b.upload("p.png", picture(40)),
			"scale": 3}, status: 422, code: "invalid_request", pointer: "/scale", detail: "2, 4"},
		{name: "waiting for too long", path: imagePath + "?wait=61", body: object{"prompt": "a"}, status: 422,
			code: "invalid_request", pointer: "/wait", detail: "60"},
		{name: "an unknown parameter", method: "GET", path: "/api/v1/jobs?state=queued", status: 422,
			code: "invalid_request", pointer: "/state"},
		{name: "an unknown status", method: "GET", path: "/api/v1/jobs?status=done", status: 422,
			code: "invalid_request", pointer: "/status", detail: "completed"},
		{name: "an unknown type", method: "GET", path: "/api/v1/jobs?type=speech", status: 422, code: "invalid_request",
			pointer: "/type", detail: "audio.speech"},
		{name: "NUL in the address", method: "GET", path: "/api/v1/audio/voices?language=a%00", status: 422,
			code: "invalid_request", pointer: "/language"},
		{name: "a foreign cursor", method: "GET", path: "/api/v1/jobs?cursor=x", status: 422, code: "bad_cursor"},
		{name: "an unknown job", method: "GET", path: "/api/v1/jobs/" + unknown, status: 404, code: "not_found"},
		{name: "a job id that is none", method: "GET", path: "/api/v1/video/status/nonsense", status: 404,
			code: "not_found"},
		{name: "an unknown voice", method: "DELETE", path: "/api/v1/audio/voices/" + unknown, status: 404,
			code: "not_found"},
		{name: "a built-in voice stays", method: "DELETE", path: "/api/v1/audio/voices/" + voice, status: 409,
			code: "builtin"},
		{name: "no such address", method: "GET", path: "/api/v1/nothing", status: 404, code: "not_found"},
		{name: "no such method", method: "PATCH", path: imagePath, body: object{}, status: 405,
			code: "method_not_allowed"},
		{name: "no key", path: imagePath, body: object{"prompt": "a"}, headers: []string{"Authorization", ""},
			status: 401, code: "unauthenticated", detail: "X-API-Key"},
		{name: "a wrong key", path: imagePath, body: object{"prompt": "a"}, headers: []string{"Authorization",
			"Bearer apibr_x"}, status: 401, code: "unauthenticated"},
		{name: "a key that may only read", path: imagePath, body: object{"prompt": "a"},
			headers: []string{"Authorization", "Bearer " + reader}, status: 403, code: "missing_scope",
			detail: "generate"},
		{name: "pausing needs admin", method: "PUT", path: "/api/v1/queue", body: object{"paused": true},
			headers: []string{"Authorization", "Bearer " + foreign}, status: 403, code: "missing_scope"},
		{name: "a key with a scope that it may not give", path: "/api/v1/keys", body: object{"name": "x",
			"scopes": []string{"root"}}, status: 422, code: "bad_scope", pointer: "/scopes"},
		{name: "an unknown field of a patch", method: "PATCH", path: "/api/v1/audio/voices/" + voice,
			body: object{"nam": "x"}, status: 422, code: "unknown_field", detail: "did you mean name?"},
		{name: "a project type that is none", path: "/api/v1/studio/create-project", body: object{"name": "x",
			"type": "film"}, status: 422, code: "invalid_request", pointer: "/type", detail: "mixed"},
		{name: "an upload without a file", path: "/api/v1/assets", body: form{texts: map[string]string{"file": "x"}},
			status: 422, code: "invalid_request", pointer: "/file"},
		{name: "an upload of nothing known", path: "/api/v1/assets", body: []byte("MZ nothing"), status: 422,
			code: "bad_file", pointer: "/file"},
		{name: "a chain is not there yet", path: "/api/v1/studio/generate-content", body: object{}, status: 404,
			code: "not_found"},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, b) })
	}
	require.Empty(t, b.log.String(), "nothing failed inside")
}
