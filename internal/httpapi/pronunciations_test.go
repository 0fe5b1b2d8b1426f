package httpapi

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// saidIn is what a job or a request says for words: word and pronunciation.
func saidIn(job object) map[string]string {
	said := map[string]string{}
	list, _ := member(job, "input.pronunciations").([]any)
	for _, entry := range list {
		said[entry.(object)["word"].(string)] = entry.(object)["say"].(string)
	}
	return said
}

func (b *bench) word(fields object) object {
	b.t.Helper()
	made := b.send("POST", pronunciationsPath, fields)
	require.Equal(b.t, 201, made.status, string(made.body))
	return made.json(b.t)
}

// A job keeps the words that its text had when it was sent.
func TestAJobKeepsThePronunciationsOfItsText(t *testing.T) {
	b := newBench(t)
	project := b.send("POST", "/api/v1/studio/create-project", object{"name": "P", "type": "mixed"}).json(t)["id"]
	entry := b.word(object{"word": "APIBR", "say": "apê i bê erre", "language": "pt-br"})
	require.Equal(t, "pt-BR", entry["language"])
	b.word(object{"word": "Kokoro", "say": "cocorô", "project_id": project})
	b.word(object{"word": "tape", "say": "teip", "language": "en"})
	voice := b.builtin.String()
	send := func(text string, more object) object {
		more["text"], more["voice_id"] = text, voice
		return b.submit(speechPath, more)
	}
	require.Empty(t, saidIn(send("Kokoro, tape", object{})), "of a project, of another language")
	require.Equal(t, map[string]string{"Kokoro": "cocorô"}, saidIn(send("Kokoro!", object{"project_id": project})))
	require.Equal(t, map[string]string{"tape": "teip"}, saidIn(send("tape, APIBR", object{"language": "en"})))
	lines := b.submit(speechPath, object{"voice_id": voice, "lines": []any{object{"text": "Olá"},
		object{"text": "o apibr"}}})
	require.Equal(t, map[string]string{"APIBR": "apê i bê erre"}, saidIn(lines))
	portrait := b.upload("p.png", picture(64))
	avatar := b.submit(avatarPath,
		object{"image": portrait, "voice_id": voice, "script": "O APIBR", "quality": "draft"})
	require.Equal(t, map[string]string{"APIBR": "apê i bê erre"}, saidIn(avatar))

	job := send("O APIBR fala", object{})
	path := "/api/v1/jobs/" + job["id"].(string)
	one := pronunciationsPath + "/" + entry["id"].(string)
	require.Equal(t, 200, b.send("PATCH", one, object{"say": "outra coisa"}).status)
	require.Equal(t, "outra coisa", b.get(one)["say"])
	require.Equal(t, "apê i bê erre", saidIn(b.get(path))["APIBR"], "a change of the dictionary changes no job")
	changed := b.send("PATCH", path, object{"input": object{"text": "APIBR de novo"}})
	require.Equal(t, 200, changed.status, string(changed.body))
	require.Equal(t, "outra coisa", saidIn(changed.json(t))["APIBR"], "a new text is looked up anew")
	require.Equal(t, 204, b.send("DELETE", one, nil).status)
	claimed := b.claim(idIn(t, job))
	require.Equal(t, []any{object{"word": "APIBR", "say": "outra coisa"}}, claimed.Params["pronunciations"])

	for _, s := range []scenario{
		{name: "a request has no such field", path: speechPath, status: 422, code: "unknown_field",
			body: object{"text": "a", "voice_id": voice, "pronunciations": []any{}}, pointer: "/pronunciations"},
		{name: "a duplicate names its entry", path: pronunciationsPath, status: 409, code: "duplicate_word",
			body: object{"word": "TAPE", "say": "x", "language": "en"}, pointer: "/word", detail: "teip"},
		{name: "a project of somebody else", path: pronunciationsPath, status: 422, code: "invalid_request",
			body: object{"word": "a", "say": "x", "project_id": job["id"]}, pointer: "/project_id"},
		{name: "a word of signs", path: pronunciationsPath, status: 422, code: "invalid_request",
			body: object{"word": "?!", "say": "x"}, pointer: "/word", detail: "no letter"},
		{name: "a list by a language's name", method: "GET", path: pronunciationsPath + "?language=Portuguese",
			status: 422, code: "invalid_request", pointer: "/language", detail: "pt-BR"},
		{name: "a language by its name", path: pronunciationsPath, status: 422, code: "invalid_request",
			body: object{"word": "a", "say": "x", "language": "Portuguese"}, pointer: "/language", detail: "pt-BR"},
		{name: "an entry that is gone", method: "GET", path: one, status: 404, code: "not_found", detail: "dictionary"},
		{name: "a job's id", method: "GET", path: pronunciationsPath + "/" + job["id"].(string), status: 404,
			code: "not_found", detail: "/api/v1/jobs/"},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, b) })
	}
	for i := range 18 {
		b.word(object{"word": "w" + strconv.Itoa(i), "say": "x"})
	}
	scenario{path: pronunciationsPath, status: 422, code: "limit_exceeded", body: object{"word": "z", "say": "x"},
		detail: "pronunciations.limit"}.run(t, b)
	stranger := []string{"Authorization", "Bearer " + b.stranger()}
	require.Empty(t, b.send("GET", pronunciationsPath, nil, stranger...).json(t)["data"])
	other := b.get(pronunciationsPath + "?language=EN")["data"].([]any)
	require.Len(t, other, 1)
	require.Equal(t, 404,
		b.send("DELETE", pronunciationsPath+"/"+other[0].(object)["id"].(string), nil, stranger...).status)
	require.Len(t, b.get(pronunciationsPath + "?project=" + project.(string))["data"], 1)
}

func TestTheSameKeyAddsAWordOnce(t *testing.T) {
	b := newBench(t)
	key := []string{"Idempotency-Key", "k"}
	fields := object{"word": "APIBR", "say": "apê i bê erre"}
	first := b.send("POST", pronunciationsPath, fields, key...)
	require.Equal(t, 201, first.status, string(first.body))
	again := b.send("POST", pronunciationsPath, fields, key...)
	require.Equal(t, 201, again.status)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, first.json(t), again.json(t))
}

// A word is heard by an ordinary job, before it is in the dictionary and after.
func TestAWordIsHeardAsItWouldBeSaid(t *testing.T) {
	b := newBench(t)
	const path = pronunciationsPath + "/preview"
	key := []string{"Idempotency-Key", "k"}
	fields := object{"word": "APIBR", "say": "apê i bê erre", "voice_id": b.builtin.String(), "language": "pt-BR"}
	made := b.send("POST", path, fields, key...)
	require.Equal(t, 202, made.status, string(made.body))
	job := made.json(t)
	require.Equal(t, "/api/v1/jobs/"+job["id"].(string), made.header.Get("Location"))
	require.Equal(t, "audio.speech", job["type"])
	require.Equal(t, "APIBR", member(job, "input.text"))
	require.Equal(t, map[string]string{"APIBR": "apê i bê erre"}, saidIn(job))
	require.Equal(t, job["id"], b.send("POST", path, fields, key...).json(t)["id"])
	require.Empty(t, b.get(pronunciationsPath)["data"], "a trial is not kept")

	b.word(object{"word": "apibr", "say": "do dicionário"})
	require.Equal(t, "apê i bê erre", saidIn(b.submit(path, fields))["APIBR"], "what is tried goes first")
	delete(fields, "say")
	require.Equal(t, "do dicionário", saidIn(b.submit(path, fields))["apibr"])
	scenario{path: path, status: 422, code: "invalid_request", body: object{"word": "!", "say": "x",
		"voice_id": b.builtin.String()}, pointer: "/word", detail: "no letter"}.run(t, b)
	scenario{path: path, status: 422, code: "invalid_request", body: object{"word": "<b>", "say": "x",
		"voice_id": b.builtin.String()}, pointer: "/word"}.run(t, b)
	scenario{path: path, status: 422, code: "invalid_request", body: object{"word": "a", "say": "x",
		"voice_id": "Ninguém"}, pointer: "/voice_id", detail: "Ninguém"}.run(t, b)
}
