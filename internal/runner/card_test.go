package runner

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
)

func TestFaultyCardIsCheckedAgain(t *testing.T) {
	looks, wrong := 0, error(&CardError{i18n.Plain("the driver is missing: install it")})
	r := &Runner{cfg: Config{BeforeGPU: func(context.Context) error { looks++; return wrong }}}
	require.NoError(t, r.lookAtCard(t.Context(), cpu))
	require.Zero(t, looks, "a job on the CPU needs no card")
	require.ErrorContains(t, r.lookAtCard(t.Context(), "hip:0"), "install it")
	wrong = nil
	require.NoError(t, r.lookAtCard(t.Context(), "hip:0"))
	require.NoError(t, r.lookAtCard(t.Context(), "hip:0"))
	require.Equal(t, 2, looks, "one that is in order is not looked at for each job")
}
