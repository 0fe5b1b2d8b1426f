package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The parts of a sentence are in its language too: states, kinds of values, entries of lists, words between items.
func TestTheWholeSentenceIsInTheLanguage(t *testing.T) {
	b := newBench(t)
	queued := b.submit(speechPath, object{"text": "a", "voice_id": "Clara (rascunho)"})["id"].(string)
	canceled := b.submit(speechPath, object{"text": "a", "voice_id": "Clara (rascunho)"})["id"].(string)
	require.Equal(t, 200, b.send("POST", "/api/v1/jobs/"+canceled+"/cancel", nil).status)
	speech := func(more object) object {
		body := object{"text": "a", "voice_id": "Clara (rascunho)"}
		for name, value := range more {
			body[name] = value
		}
		return body
	}
	for _, c := range []struct {
		method, path string
		body         any
		want         string
	}{
		{"POST", "/api/v1/jobs/" + queued + "/retry", nil,
			"só um trabalho que falhou ou foi cancelado pode ser repetido; o estado deste é na fila"},
		{"GET", "/api/v1/jobs/" + queued + "/content", nil,
			"o estado do trabalho é na fila: pergunte mais tarde, ou espere com ?wait= no trabalho"},
		{"GET", "/api/v1/jobs/" + canceled + "/content", nil,
			"o trabalho terminou, e seu estado é cancelado: repita-o"},
		{"PATCH", "/api/v1/jobs/" + canceled, object{"input": object{"text": "x"}},
			"só um trabalho na fila pode ser mudado; o estado deste é cancelado"},
		{"DELETE", "/api/v1/keys", nil, "este endereço não aceita DELETE: use GET ou POST"},
		{"POST", speechPath, speech(object{"speed": []any{}}), "speed deve ser um número; veio uma lista"},
		{"POST", speechPath, speech(object{"speed": object{}}), "speed deve ser um número; veio um objeto"},
		{"POST", speechPath, speech(object{"speed": "x"}), `speed deve ser um número; veio "x"`},
		{"POST", speechPath, object{"lines": []any{object{"text": "a"}, 5}, "voice_id": "Clara (rascunho)"},
			"item 2 de lines deve ser um objeto"},
		{"POST", speechPath, speech(object{"speakers": 2}),
			"speakers: esta versão não tem dois falantes; deixe o campo de fora"},
		{"POST", speechPath, speech(object{"captions": true}),
			"captions: esta versão não tem legendas; deixe o campo de fora"},
	} {
		a := b.send(c.method, c.path, c.body, "Accept-Language", "pt-BR").json(t)
		require.Equal(t, c.want, a["detail"], "%s %s", c.method, c.path)
	}
}
