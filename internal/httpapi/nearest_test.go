package httpapi

import (
	"encoding/base64"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A refusal names the field, its value and the nearest valid value.
func TestRefusalsNameTheNearest(t *testing.T) {
	b := newBench(t)
	voice := b.builtin.String()
	portrait, sound := b.upload("retrato.png", picture(32)), b.upload("voz.wav", wav(16))
	project := b.send("POST", "/api/v1/studio/create-project",
		object{"name": "P", "type": "mixed"}).json(t)["id"].(string)
	clone := b.submit(clonePath, object{"name": "Minha Voz", "audio": sound})
	job := clone["id"].(string)
	say := func(name string, value any) object {
		body := object{"text": "a", "voice_id": voice}
		body[name] = value
		return body
	}
	speak := func(name string, value any) object {
		body := object{"image": portrait, "voice_id": voice, "script": "a"}
		body[name] = value
		return body
	}
	refused := []scenario{
		{name: "part of a voice's name", path: speechPath, body: say("voice_id", "Clara"), pointer: "/voice_id",
			detail: `did you mean "Clara (rascunho)"?`},
		{name: "another case", path: speechPath, body: say("voice_id", "minha voz"), pointer: "/voice_id",
			detail: `did you mean "Minha Voz"?`},
		{name: "of a line", path: speechPath, body: object{"lines": []any{object{"text": "a", "voice": "Minha Vos"}}},
			pointer: "/lines/0/voice_id", detail: `did you mean "Minha Voz"?`},
		{name: "the job of a clone for its voice", path: speechPath, body: say("voice_id", job), pointer: "/voice_id",
			detail: clone["voice_id"].(string)},
		{name: "a file for a voice", path: speechPath, body: say("voice_id", sound), pointer: "/voice_id",
			detail: "id of a file"},
		{name: "a voice for an image", path: avatarPath, body: speak("image", voice), pointer: "/image",
			detail: "id of a voice"},
		{name: "a project for an image", path: avatarPath, body: speak("image", project), pointer: "/image",
			detail: "id of a project"},
		{name: "a job for a project", path: speechPath, body: say("project_id", job), pointer: "/project_id",
			detail: "id of a job"},
		{name: "a file for a parent", path: speechPath, body: say("parent_id", sound), pointer: "/parent_id",
			detail: "id of a file; GET /api/v1/jobs"},
		{name: "an expression without a value", path: speechPath, body: say("voice_id", "undefined"),
			pointer: "/voice_id", detail: "n8n"},
		{name: "an expression that is text", path: avatarPath, body: speak("image", "{{ $json.id }}"),
			pointer: "/image", detail: "n8n"},
		{name: "an object as text", path: avatarPath, body: speak("image", "[object Object]"), pointer: "/image",
			detail: "n8n"},
		{name: "a file's name", path: avatarPath, body: speak("image", "retrato.png"), pointer: "/image",
			detail: "the name of a file"},
		{name: "base64 alone", path: avatarPath, body: speak("image", base64.StdEncoding.EncodeToString(picture(32))),
			pointer: "/image", detail: "data:image/png;base64,"},
		{name: "a sound for an image", path: avatarPath, body: speak("image", sound), code: "wrong_kind",
			pointer: "/image", detail: "the field image takes image files; voz.wav is of the kind audio"},
		{name: "a sound sent for an image", path: avatarPath, body: form{texts: map[string]string{"voice_id": voice,
			"script": "a"}, files: map[string]file{"image": {name: "p.png", content: wav(1)}}}, code: "wrong_kind",
			pointer: "/image",
			detail:  "the field image takes image files; p.png is of the kind audio"},
		{name: "a language in words", path: speechPath, body: say("language", "Portuguese"), pointer: "/language",
			detail: "did you mean pt-BR?"},
		{name: "in two words", path: speechPath, body: say("language", "português brasileiro"), pointer: "/language",
			detail: "did you mean pt-BR?"},
		{name: "the country", path: speechPath, body: say("language", "Brazil"), pointer: "/language",
			detail: "did you mean pt-BR?"},
		{name: "a country's letters for a language", path: speechPath, body: say("language", "br"),
			code: "unsupported_language", pointer: "/language", detail: "did you mean pt-BR?"},
		{name: "no language at all", path: speechPath, body: say("language", "xyzzy plugh"), pointer: "/language",
			detail: "pt-BR"},
		{name: "a language that nobody speaks", path: speechPath, body: say("language", "tlh"),
			code: "unsupported_language", pointer: "/language", detail: "GET /api/v1/engines lists the"},
		{name: "a language of a patch", method: "PATCH", path: "/api/v1/audio/voices/" + clone["voice_id"].(string),
			body: object{"language": "English"}, pointer: "/language", detail: "did you mean en?"},
		{name: "a model", path: imagePath, body: object{"prompt": "a", "model": "FLUX"}, code: "unknown_model",
			pointer: "/model", detail: "did you mean flux-dev?"},
		{name: "a format by another name", path: imagePath, body: object{"prompt": "a", "output_format": "jpeg"},
			pointer: "/output_format", detail: "did you mean jpg?"},
		{name: "a format of another kind", path: speechPath, body: say("output_format", "png"),
			pointer: "/output_format", detail: "choose one of wav, mp3, flac, ogg"},
		{name: "a quality", path: imagePath, body: object{"prompt": "a", "quality": "Draft"}, pointer: "/quality",
			detail: "did you mean draft?"},
		{name: "a preset", path: avatarPath, body: speak("preset", "lowvram"), pointer: "/preset",
			detail: "did you mean low_vram?"},
		{name: "an aspect", path: avatarPath, body: speak("aspect", "9x16"), pointer: "/aspect",
			detail: "did you mean 9:16?"},
		{name: "a type of project", path: "/api/v1/studio/create-project", body: object{"name": "P", "type": "Videos"},
			pointer: "/type", detail: "did you mean video?"},
		{name: "a scope", path: "/api/v1/keys", body: object{"name": "k", "scopes": []string{"Read"}},
			code: "bad_scope", pointer: "/scopes", detail: "did you mean read?"},
		{name: "a status", method: "GET", path: "/api/v1/jobs?status=done", pointer: "/status",
			detail: "did you mean completed?"},
		{name: "a type of job", method: "GET", path: "/api/v1/jobs?type=speech", pointer: "/type",
			detail: "did you mean audio.speech?"},
		{name: "a job at the voices", method: "GET", path: "/api/v1/audio/voices/" + job, status: 404,
			code: "not_found", detail: "/api/v1/jobs/" + job},
		{name: "a voice at the jobs", method: "POST", path: "/api/v1/jobs/" + voice + "/cancel", status: 404,
			code: "not_found", detail: "id of a voice"},
		{name: "a file at the jobs", method: "GET", path: "/api/v1/jobs/" + sound, status: 404, code: "not_found",
			detail: "/api/v1/assets/" + sound},
		{name: "a job at the files", method: "GET", path: "/api/v1/files/" + job, status: 404, code: "not_found",
			detail: "id of a job"},
		{name: "a project at the files", method: "DELETE", path: "/api/v1/assets/" + project, status: 404,
			code: "not_found", detail: "id of a project"},
		{name: "a model at its address", method: "GET", path: "/api/v1/models/flux", status: 404, code: "not_found",
			detail: "did you mean flux-dev?"},
		{name: "another owner's", method: "GET", path: "/api/v1/audio/voices/" + job, headers: []string{"Authorization",
			"Bearer " + b.stranger()}, status: 404, code: "not_found", detail: "there is no such voice"},
		{name: "nobody's", method: "GET", path: "/api/v1/jobs/" + uuid.NewString(), status: 404, code: "not_found",
			detail: "there is no such job"},
	}
	for _, s := range refused {
		if s.status == 0 {
			s.status = 422
		}
		if s.code == "" {
			s.code = "invalid_request"
		}
		t.Run(s.name, func(t *testing.T) { s.run(t, b) })
	}
	for _, tag := range []string{"pt_BR", "pt", "PT-br", " en "} {
		require.Equal(t, 202, b.send("POST", speechPath, say("language", tag)).status, tag)
	}
	require.Equal(t, "pt-BR", member(b.submit(speechPath, say("language", "pt_br")), "input.language"))
	require.Empty(t, b.log.String(), "nothing failed inside")
}
