package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/pyworkers"
)

// What was filled into an engine's sentence stands in its place in the Portuguese one, whatever other sentence looks alike.
func TestEveryEngineSentenceIsRecognised(t *testing.T) {
	translations := pyworkers.Sentences()
	require.Greater(t, len(translations.Sentences), 100)
	for english, portuguese := range translations.Sentences {
		said, want := english, portuguese
		for i := range strings.Count(english, "{}") {
			value := fmt.Sprintf("<%d>", i)
			said = strings.Replace(said, "{}", value, 1)
			want = strings.Replace(strings.Replace(want, "{}", value, 1), fmt.Sprintf("{%d}", i), value, 1)
		}
		got, known := lookUp(said)
		require.True(t, known, english)
		require.Equal(t, want, got)
	}
}

func TestWordsOfAnEngineInItsSentence(t *testing.T) {
	require.Equal(t, "o arquivo a.gguf do modelo está danificado (termina no cabeçalho): instale o modelo de novo",
		inPortuguese("the model's file a.gguf is damaged (it ends in its header): install the model again"))
	require.Equal(t, "Black Forest Labs: ela não respondeu a tempo; confira a conexão de rede e tente de novo",
		inPortuguese("Black Forest Labs: it did not answer in time; look at the network connection and try again"))
	require.Equal(t, "o arquivo é um adaptador DoRA: escolha um LoRA comum", inPortuguese("the file is a DoRA adapter: choose a plain LoRA"))
	require.Equal(t, "a amostra da voz não pode ser usada: a amostra tem 1.2 s; o mínimo é 3 s: grave 15 s ou mais de fala clara",
		inPortuguese("the voice's sample cannot be used: the sample is 1.2 s long; the shortest is 3 s: record 15 s or more of clear speech"))
	require.Equal(t, "a amostra da voz não pode ser usada: a gravação está vazia: grave de novo",
		inPortuguese("the voice's sample cannot be used: the recording is empty: record again"))
	require.Equal(t, "Ana was sent twice tem mais", strings.Replace(inPortuguese("Ana was sent twice is a draft voice: the model's own voice speaks in its place"),
		"é uma voz de rascunho: a voz própria do modelo fala no lugar dela", "tem mais", 1), "a name is no sentence of ours")
	require.Equal(t, "%[1]s e %[2]s e %s", asFormat("{0} e {1} e {}"))
}

// What the sidecars' keeper says of a process is put together there; each way of it has its Portuguese.
func TestEverySidecarErrorHasItsPortuguese(t *testing.T) {
	for _, err := range []error{
		&sidecar.CrashError{Engine: "flux", Exit: 3, Phase: "load"},
		&sidecar.CrashError{Engine: "flux", Exit: 3, Phase: "load", Tail: "one: two\nMemoryError: x"},
		&sidecar.CrashError{Engine: "flux", Signal: "SIGKILL", Phase: "sample"},
		&sidecar.CrashError{Engine: "flux", Signal: "SIGKILL", Phase: "sample", Tail: "Killed"},
		&sidecar.HangError{Engine: "flux", Phase: "sample", Limit: time.Minute},
		&sidecar.HangError{Engine: "flux", Phase: "sample", Limit: time.Minute, Learned: true},
		&sidecar.HangError{Engine: "flux", Phase: "sample", Limit: time.Minute, Silent: true},
		&sidecar.GuardError{Engine: "flux", Available: 1 << 30, Floor: 2 << 30},
		&sidecar.GuardError{Engine: "flux", Pressure: 40, PressureLimit: 15},
		&sidecar.GuardError{Engine: "flux", GTTGrowth: 2 << 30, GTTLimit: 1 << 30},
	} {
		translated, known := lookUp(err.Error())
		require.True(t, known, err.Error())
		require.Contains(t, translated, "motor flux")
		for _, english := range []string{" of ", " the ", " in ", " was ", " with ", "%!", "%%"} {
			require.NotContains(t, translated, english)
		}
	}
	require.Contains(t, inPortuguese((&sidecar.GuardError{Engine: "flux", Pressure: 40, PressureLimit: 15}).Error()), "chegou a 40.0 %, acima do limite de 15.0 %: feche")
	require.Contains(t, inPortuguese((&sidecar.CrashError{Engine: "flux", Exit: 3, Phase: "load", Tail: "one: two"}).Error()), "código 3 na fase load: one: two")
}
