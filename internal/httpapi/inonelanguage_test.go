package httpapi

import (
	"testing"
	"testing/fstest"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
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

// Answers with a text in every language have those that there are, and so has their schema.
func TestTextsHaveEveryLanguage(t *testing.T) {
	before := i18n.Default()
	c, err := i18n.Load(i18n.Embedded(), fstest.MapFS{"es/a.json": {Data: []byte(`{"the disk is full": "lleno"}`)}})
	require.NoError(t, err)
	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(before) })
	require.Equal(t, Texts{"en": "the disk is full", "es": "lleno", "pt-BR": "o disco está cheio"},
		texts(i18n.NewError("the disk is full").Sentence()))
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	require.ElementsMatch(t, []string{"en", "es", "pt-BR"}, registry.SchemaFromRef(Texts{}.Schema(registry).Ref).Required)
}
