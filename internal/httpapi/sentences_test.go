package httpapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/sidecar"
)

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
