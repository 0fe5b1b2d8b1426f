package tasks

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// A row keeps what its text is translated from; the rows of earlier versions keep their two texts.
func TestAProblemIsReadInTheReadersLanguage(t *testing.T) {
	stored, err := json.Marshal(
		&Problem{Code: "hub_gated", Detail: i18n.Say("%s needs no files: it can be used as it is", "m")},
	)
	require.NoError(t, err)
	for row, want := range map[string][2]string{
		string(stored): {"m needs no files: it can be used as it is",
			"m não precisa de arquivos: pode ser usado como está"},
		`{"code":"hub_gated","en":"a","pt-BR":"b"}`:    {"a", "b"},
		`{"code":"hub_gated","en":"a"}`:                {"a", "a"},
		`{"code":"hub_gated","en":"a","sentence":[7]}`: {"a", "a"},
	} {
		var read Problem
		require.NoError(t, json.Unmarshal([]byte(row), &read), row)
		require.Equal(t, "hub_gated", read.Code)
		require.Equal(t, want, [2]string{read.Detail.String(), read.Detail.In(language.BrazilianPortuguese)}, row)
	}
}
