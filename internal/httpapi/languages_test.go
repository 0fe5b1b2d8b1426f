package httpapi

import (
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
)

// A new language is a folder of translations: the API's texts and its document have it without a change of the code.
func TestTextsHaveEveryLanguageOfTheCatalogue(t *testing.T) {
	c, err := i18n.Load(i18n.Embedded(), fstest.MapFS{"de/http.json": {Data: []byte(`{
		"The input cannot be used": "Die Eingabe ist unbrauchbar"}`)}})
	require.NoError(t, err)
	before := i18n.Default()
	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(before) })

	wire, err := json.Marshal(texts(i18n.Say("The input cannot be used")))
	require.NoError(t, err)
	require.JSONEq(t, `{"en": "The input cannot be used", "pt-BR": "A entrada não pode ser usada",
		"de": "Die Eingabe ist unbrauchbar"}`, string(wire))

	spec, err := Spec()
	require.NoError(t, err)
	var document struct {
		Components struct {
			Schemas struct{ Texts struct{ Required []string } }
		}
	}
	require.NoError(t, json.Unmarshal(spec, &document))
	require.Equal(t, []string{"de", "en", "pt-BR"}, document.Components.Schemas.Texts.Required)
}
