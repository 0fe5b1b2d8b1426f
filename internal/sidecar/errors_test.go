package sidecar

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// Causes of death and breaches of the protocol are whole sentences in each language.
func TestFailuresAreShownInTheReadersLanguage(t *testing.T) {
	for _, c := range []struct {
		err                 error
		english, portuguese string
	}{
		{&CrashError{Engine: "flux", Exit: 3, Phase: "load", Tail: "one\ntwo"},
			"the process of engine flux ended with exit code 3 in phase load: two",
			"o processo do motor flux terminou com o código 3 na fase load: two"},
		{&CrashError{Engine: "flux", Signal: "SIGKILL", Phase: "sample"},
			"the process of engine flux was ended by signal SIGKILL in phase sample",
			"o processo do motor flux foi encerrado pelo sinal SIGKILL na fase sample"},
		{&HangError{Engine: "flux", Phase: "sample", Limit: time.Minute, Silent: true},
			"the process of engine flux showed no sign of life for 1m0s in phase sample",
			"o processo do motor flux não deu sinal de vida por 1m0s na fase sample"},
		{&GuardError{Engine: "flux", Pressure: 40, PressureLimit: 15},
			"engine flux was stopped to protect the computer: memory pressure reached 40.0 %, above the limit " +
				"of 15.0 %: " +
				"close other programs, or choose a smaller size",
			"o motor flux foi parado para proteger o computador: a pressão de memória chegou a 40,0 %, acima do " +
				"limite de 15,0 %: " +
				"feche outros programas, ou escolha um tamanho menor"},
		{decode(json.RawMessage(`7`), i18n.Say("a heartbeat"), &heartbeatParams{}, &Limits{}),
			"the engine's program does not keep to its protocol (a heartbeat is not understood): try again, or " +
				"install the engine again",
			"o programa do motor não segue o protocolo (não é possível entender um sinal de vida): tente de novo, ou " +
				"instale o motor de novo"},
	} {
		sentence, ok := i18n.Of(c.err)
		require.True(t, ok)
		require.Equal(t, c.english, sentence.String())
		require.Equal(t, c.portuguese, sentence.In(language.BrazilianPortuguese))
	}
}
