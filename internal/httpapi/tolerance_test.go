package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// JSON and forms take the same spellings of a value, since "using fields below" of n8n sends every value as text.
func TestJSONTakesTheSpellingsThatFormsTake(t *testing.T) {
	b := newBench(t)
	voice := b.builtin.String()
	portrait := b.upload("p.png", picture(64))
	project := b.send("POST", "/api/v1/studio/create-project",
		object{"name": "P", "type": "mixed"}).json(t)["id"].(string)
	for _, s := range []scenario{
		{name: "numbers as text", path: imagePath, body: object{"prompt": "a cat", "width": "512", "height": " 512\n",
			"num_images": "2.0", "priority": "-3", "seed": "7"},
			status: 202, jobs: 1, events: queued, want: object{"input.width": 512.0, "input.height": 512.0,
				"input.num_images": 2.0, "input.seed": 7.0, "priority": -3.0}},
		{name: "a number with an exponent", path: imagePath, body: object{"prompt": "a cat", "width": "5.12e2"},
			status: 202, jobs: 1, events: queued, want: object{"input.width": 512.0}},
		{name: "a decimal as text", path: speechPath, body: object{"text": "Olá", "voice_id": voice, "speed": "1.5"},
			status: 202, jobs: 1, events: queued, want: object{"input.speed": 1.5}},
		{name: "a list as text", path: speechPath, body: object{"voice_id": voice,
			"lines": `[{"text":"Um","pause_ms":"200"},{"text":"Dois","voice_id":""}]`}, status: 202, jobs: 1,
			events: queued,
			want:   object{"input.lines.0.text": "Um", "input.lines.0.pause_ms": 200.0}},
		{name: "entries of a list as text", path: speechPath, body: object{"voice_id": voice,
			"lines": []string{`{"text":"Um"}`}}, status: 202, jobs: 1, events: queued,
			want: object{"input.lines.0.text": "Um"}},
		{name: "a number for a text", path: speechPath, body: object{"text": json.RawMessage("12345678901234567890"),
			"voice_id": voice, "client_reference": 42}, status: 202, jobs: 1, events: queued,
			want: object{"input.text": "12345678901234567890", "client_reference": "42"}},
		{name: "empty is absent", path: speechPath, body: object{"text": "Olá", "voice_id": voice, "project_id": "",
			"parent_id": "", "seed": "", "speed": " ", "webhook_url": "", "webhook_events": nil, "quality": "",
			"model": "", "output_format": "", "priority": "", "client_reference": "", "lines": "", "language": "",
			"template_id": ""}, status: 202, jobs: 1, events: queued,
			want: object{"project_id": nil, "client_reference": nil, "input.speed": 1.0}},
		{name: "empty is absent in a form", path: speechPath, body: form{texts: map[string]string{"text": "Olá",
			"voice_id": voice, "project_id": "", "seed": "", "webhook_url": "", "lines": "", "callback_url": ""}},
			status: 202, jobs: 1, events: queued},
		{name: "the text null of a number or a list is null", path: speechPath, body: object{"text": "Olá",
			"voice_id": voice, "lines": "null", "speed": "null"}, status: 202, jobs: 1, events: queued},
		{name: "an empty media field", path: editPath, body: object{"image": portrait, "instruction": "sepia",
			"mask": ""}, status: 202, jobs: 1, events: queued},
		{name: "an empty media field of a form", path: editPath, body: form{texts: map[string]string{"image": portrait,
			"instruction": "sepia", "mask": "", "scale": ""}}, status: 422, code: "unknown_field", pointer: "/scale"},
		{name: "blanks around an id and a word", path: imagePath, body: object{"prompt": "a cat", "project_id": " " +
			project + "\n", "quality": "draft "}, status: 202, jobs: 1, events: queued, want: object{
			"project_id": project}},
		{name: "a duration", path: avatarPath, body: object{"image": portrait, "voice_id": voice, "script": "Olá",
			"duration": "5", "fps": "12"}, status: 202, jobs: 1, events: queued, want: object{"input.duration": 5.0}},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, b) })
	}
	require.Empty(t, b.log.String(), "nothing failed inside")
}

func TestOtherEndpointsTakeTheSameSpellings(t *testing.T) {
	b := newBench(t)
	key := b.send("POST", "/api/v1/keys", object{"name": 2027, "scopes": `["read"]`, "expires_at": ""}).json(t)
	require.Equal(t, "2027", key["name"])
	require.Equal(t, []any{"read"}, key["scopes"])
	require.Nil(t, key["expires_at"])
	require.Equal(t, "2027", b.send("POST", "/api/v1/studio/create-project",
		object{"name": 2027, "type": "mixed"}).json(t)["name"])

	for _, paused := range []any{"true", "TRUE ", true, "1", 1, form{texts: map[string]string{"paused": "true"}}} {
		require.Equal(t, 200, b.send("PUT", "/api/v1/queue", object{"paused": false}).status)
		body, isForm := paused.(form)
		a := b.send("PUT", "/api/v1/queue", object{"paused": paused})
		if isForm {
			a = b.send("PUT", "/api/v1/queue", body)
		}
		require.Equal(t, 200, a.status, "%v: %s", paused, a.body)
		require.Equal(t, true, a.json(t)["paused"])
	}

	first, second := b.speech()["id"].(string), b.speech()["id"].(string)
	require.Equal(t, 200, b.send("PATCH", "/api/v1/jobs/"+second, object{"position": "1", "priority": ""}).status)
	require.Equal(t, second, b.get("/api/v1/queue")["waiting"].([]any)[0])
	require.Equal(t, 200, b.send("PATCH", "/api/v1/jobs/"+first,
		object{"input": `{"speed":"1.5","text":"Outro"}`}).status)
	require.Equal(t, 1.5, member(b.get("/api/v1/jobs/"+first), "input.speed"))
	require.Equal(t, 200, b.send("PATCH", "/api/v1/jobs/"+first, object{"input": object{"speed": ""}}).status)
	require.Equal(t, 1.0, member(b.get("/api/v1/jobs/"+first), "input.speed"),
		"an empty text takes a field out, as null does")

	clone := b.submit(clonePath, object{"name": "V", "audio": b.upload("v.wav", wav(16))})["voice_id"].(string)
	renamed := b.send("PATCH", "/api/v1/audio/voices/"+clone, object{"name": 7, "language": "", "consent_note": nil})
	require.Equal(t, 200, renamed.status)
	require.Equal(t, "7", renamed.json(t)["name"])
	b.importModel("flux-dev")
	pinned := b.send("PATCH", "/api/v1/models/flux-dev", object{"pinned": "true"})
	require.Equal(t, 200, pinned.status, string(pinned.body))
	require.Equal(t, true, pinned.json(t)["pinned"])
}

func TestUnknownSpellingsAreRefused(t *testing.T) {
	b := newBench(t)
	voice := b.builtin.String()
	for _, s := range []scenario{
		{name: "a decimal comma", body: object{"speed": "0,5"}, pointer: "/speed", detail: "0.5"},
		{name: "thousands", body: object{"seed": "1,024"}, pointer: "/seed", detail: "point"},
		{name: "a unit", body: object{"speed": "1x"}, pointer: "/speed", detail: `"1x"`},
		{name: "not a number", body: object{"speed": "NaN"}, pointer: "/speed", detail: "must be a number"},
		{name: "infinity", body: object{"speed": "Infinity"}, pointer: "/speed", detail: "must be a number"},
		{name: "hexadecimal", body: object{"seed": "0x10"}, pointer: "/seed", detail: "must be a number"},
		{name: "wide digits", body: object{"seed": "５１２"}, pointer: "/seed", detail: "must be a number"},
		{name: "underscores", body: object{"seed": "1_000"}, pointer: "/seed", detail: "must be a number"},
		{name: "too large for a number", body: object{"seed": "1e999"}, pointer: "/seed", detail: "must be a number"},
		{name: "too large for a number, as one", body: `{"text":"a","voice_id":"` + voice + `","seed":1e999}`,
			pointer: "/seed", detail: "must be a number"},
		{name: "beyond the largest seed", body: object{"seed": "9007199254740993"}, pointer: "/seed",
			detail: "the most is"},
		{name: "half a seed", body: object{"seed": "7.5"}, pointer: "/seed", detail: "whole number"},
		{name: "true for a number", body: object{"speed": true}, pointer: "/speed", detail: "must be a number"},
		{name: "true for a text", body: object{"client_reference": true}, pointer: "/client_reference",
			detail: "must be text"},
		{name: "an object for a text", body: object{"client_reference": object{}}, pointer: "/client_reference",
			detail: "must be text"},
		{name: "words for a list", body: object{"text": nil, "lines": "Um, dois"}, pointer: "/lines",
			detail: "must be a list"},
		{name: "an object for a list", body: object{"text": nil, "lines": `{"text":"a"}`}, pointer: "/lines",
			detail: "must be a list"},
		{name: "a list that is cut", body: object{"text": nil, "lines": `[{"text":"a"}`}, pointer: "/lines",
			detail: "must be a list"},
		{name: "a list and more", body: object{"text": nil, "lines": `[{"text":"a"}] x`}, pointer: "/lines",
			detail: "must be a list"},
		{name: "an expression that found no id", body: object{"project_id": "undefined"}, pointer: "/project_id",
			detail: "expression in n8n"},
		{name: "the text null for an id", body: object{"parent_id": " null "}, pointer: "/parent_id",
			detail: "expression in n8n"},
		{name: "an expression that found no number", body: object{"seed": "undefined"}, pointer: "/seed",
			detail: "expression in n8n"},
		{name: "an expression for a number that was not evaluated", body: object{"speed": "{{ $json.speed }}"},
			pointer: "/speed", detail: "expression in n8n"},
		{name: "an object as text for a list", body: object{"text": nil, "lines": "[object Object]"}, pointer: "/lines",
			detail: "expression in n8n"},
		{name: "an expression that found no word", body: object{"quality": "undefined"}, pointer: "/quality",
			detail: "expression in n8n"},
		{name: "an expression that found no language", body: object{"language": "None"}, pointer: "/language",
			detail: "expression in n8n"},
		{name: "a large number as it was sent", body: object{"seed": "9007199254740993"}, pointer: "/seed",
			detail: "seed is 9007199254740993; the most is 9007199254740991"},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.path, s.status, s.code = speechPath, 422, "invalid_request"
			if fields, ok := s.body.(object); ok {
				full := object{"text": "Olá", "voice_id": voice}
				for name, value := range fields {
					full[name] = value
				}
				s.body = full
			}
			s.run(t, b)
		})
	}
	require.Contains(t, b.send("PUT", "/api/v1/queue", object{"paused": "sim"}).json(t)["detail"],
		"paused must be true or false")
	require.Contains(t, b.send("POST", "/api/v1/keys", object{"name": "k", "scopes": "read"}).json(t)["detail"],
		"scopes must be a list")
	require.Equal(t, 404, b.send("PATCH", "/api/v1/jobs/"+uuid.NewString(), object{"position": "1"}).status)
}
