package runner

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/sidecar"
)

// Each cause is told as what it is, never as "not installed" when it is something else.
func TestFaultsOfModelFilesAreReported(t *testing.T) {
	changed := &models.FileError{Model: "flux-dev", Part: "transformer", File: "a/w.gguf", Why: "content"}
	for want, err := range map[string]error{
		"w.gguf, the transformer of the model flux-dev, has changed since it was installed: type `apibr models " +
			"install flux-dev`, or import the model again": fmt.Errorf("load: %w", changed),
		"the files of the model flux-dev are not installed: run `apibr models install " +
			"flux-dev`": fmt.Errorf("%w: flux-dev",
			models.ErrNotInstalled),
		"the files of the model flux-dev could not be read: run `apibr models verify " +
			"flux-dev`": errors.New(
			"open /secret/path: input/output error"),
	} {
		var told *sidecar.EngineError
		require.ErrorAs(t, filesMissing(t.Context(), "flux-dev", err), &told)
		require.Equal(t, sidecar.ModelMissing, told.Code)
		require.Equal(t, want, told.Message.String())
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, filesMissing(canceled, "flux-dev", context.Canceled), context.Canceled)
}
