package models

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileOfNumbersIsTakenWhereItsPartSaysSo(t *testing.T) {
	r := setUp(t)
	r.install(t, "speaker", "")
	files, err := r.store.Files(t.Context(), "speaker", "int8")
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(files["voices"], "dora.bin"))
	require.NoError(t, err)
	require.Equal(t, random(7, 5000), content)
	require.Equal(t, "s.onnx", filepath.Base(files["onnx"]))

	pickled, err := os.ReadFile(filepath.Join("testdata", "torch", "runs.pt"))
	require.NoError(t, err)
	r.put(t, "maker/voices/voices/alex.bin", pickled)
	_, err = setUpWith(t, r).try(t, "speaker", "")
	requireInput(t, err, "voices/alex.bin may hold a pickle")
}

// setUpWith is another, empty store with the same sources.
func setUpWith(t *testing.T, r *rig) *rig {
	t.Helper()
	other := *r
	other.store = New(filepath.Join(t.TempDir(), "models"), r.store.catalogue)
	other.cfg.Store = other.store
	other.installer = NewInstaller(other.cfg)
	return &other
}

func TestAFileWithAnotherHashThanThePinnedOneIsRefused(t *testing.T) {
	for name, file := range map[string]string{
		"a release": "maker/speaker/s.onnx", "a repository": "maker/voices/voices/dora.bin",
	} {
		t.Run(name, func(t *testing.T) {
			r := setUp(t)
			r.put(t, file, append([]byte{8, 9}, random(9, 50_000)...))
			_, err := r.try(t, "speaker", "")
			require.Error(t, err)
			require.Contains(t, err.Error(), filepath.Base(file)+" is not the file that")
			require.False(t, r.store.Has("speaker"))
		})
	}
}

func TestFilesOfNumbersAreImported(t *testing.T) {
	r := setUp(t)
	folder := t.TempDir()
	write := func(name string, content []byte) {
		full := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, content, 0o600))
	}
	write("s.onnx", speaker)
	write("voices/dora.bin", random(7, 5000))
	write("model.yaml", []byte("{id: speaker, variants: {int8: {onnx: s.onnx, voices: voices}}}"))
	taken, err := r.store.Import(t.Context(), folder, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"int8"}, taken[0].VariantIDs())

	write("other.bin", random(7, 5000))
	_, err = r.store.Import(t.Context(), folder, nil)
	requireInput(t, err, "other.bin may hold a pickle")
	require.NoError(t, os.Remove(filepath.Join(folder, "other.bin")))
	write("s.onnx", []byte("<html>not found</html>"))
	_, err = r.store.Import(t.Context(), folder, nil)
	requireInput(t, err, "it is not in the ONNX format")
}
