package models

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// bundle lays the model speaker into a folder as the set-up does, and lets the store read it. Nobody may write there.
func (r *rig) bundle(t *testing.T) (folder string) {
	t.Helper()
	root := t.TempDir()
	folder = filepath.Join(root, "speaker")
	record := Record{
		Model: "speaker", Engine: "painter", Source: "bundled",
		Variants: map[string]map[string]string{
			"int8": {"onnx": "variants/int8/s.onnx", "voices": "variants/int8/voices"},
		},
	}
	for name, content := range map[string][]byte{
		"variants/int8/s.onnx": speaker, "variants/int8/voices/dora.bin": random(7, 5000),
	} {
		full := filepath.Join(folder, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, content, 0o600))
		record.Files = append(record.Files, File{Path: name, Size: int64(len(content)), SHA256: hashOf(content)})
	}
	content, err := json.Marshal(record)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, recordName), content, 0o600))
	r.store.WithBundled(root)
	return folder
}

// contents of a folder by path, with the time of their last change.
func contents(t *testing.T, folder string) map[string]fact {
	t.Helper()
	found := map[string]fact{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		found[path] = factOf(info)
		return nil
	}))
	return found
}

func TestABundledModelIsReadAndNeverWritten(t *testing.T) {
	r := setUp(t)
	folder := r.bundle(t)
	before := contents(t, folder)

	require.True(t, r.store.Has("speaker"))
	require.Equal(t, []string{"int8"}, r.store.Variants("speaker"))
	require.EqualValues(t, len(speaker)+5000, r.store.VariantBytes("speaker", "int8"))
	files, err := r.store.Files(t.Context(), "speaker", "int8")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "variants", "int8", "voices"), files["voices"])
	faults, err := r.store.Verify(t.Context(), "speaker", nil)
	require.NoError(t, err)
	require.Empty(t, faults)
	list, err := r.store.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, list[0].Bundled())
	r.store.Used("speaker")
	requireInput(t, r.store.Pin("speaker", true), "came with the studio")
	requireInput(t, r.store.Remove("speaker"), "set models.bundled to none")

	require.Equal(t, before, contents(t, folder))
}

// The content of a bundled model is read at its first load only, and again when the file was touched.
func TestABundledModelIsTrustedByItsLooks(t *testing.T) {
	r := setUp(t)
	folder := r.bundle(t)
	_, err := r.store.Files(t.Context(), "speaker", "int8")
	require.NoError(t, err)
	record, err := r.store.Get("speaker")
	require.NoError(t, err)
	require.Len(t, readFacts(r.store.factsFile(record)), 2, "what was read is noted, in the directory of the store")

	file := filepath.Join(folder, "variants", "int8", "voices", "dora.bin")
	for why, damage := range map[string]func() error{
		"content": func() error { return os.WriteFile(file, random(9, 5000), 0o600) },
		"size":    func() error { return os.WriteFile(file, []byte("short"), 0o600) },
		"missing": func() error { return os.Remove(file) },
	} {
		require.NoError(t, os.WriteFile(file, random(7, 5000), 0o600))
		require.NoError(t, damage())
		_, err := r.store.Files(t.Context(), "speaker", "int8")
		var fault *FileError
		require.ErrorAs(t, err, &fault, why)
		require.Equal(t, why, fault.Why)
		require.Contains(t, err.Error(), "dora.bin")
		require.Contains(t, err.Error(), "`make setup`")
		require.Contains(t, err.Error(), "`apibr models install speaker`")
		require.NotContains(t, err.Error(), folder)
	}
}

func TestAnInstalledModelComesBeforeTheBundledOne(t *testing.T) {
	r := setUp(t)
	folder := r.bundle(t)
	r.install(t, "speaker", "")
	files, err := r.store.Files(t.Context(), "speaker", "int8")
	require.NoError(t, err)
	require.NotContains(t, files["onnx"], folder)
	list, err := r.store.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.False(t, list[0].Bundled())

	require.NoError(t, r.store.Remove("speaker"))
	files, err = r.store.Files(t.Context(), "speaker", "int8")
	require.NoError(t, err)
	require.Contains(t, files["onnx"], folder, "the bundled one answers again")
}

func TestABundledModelIsNotCountedAsCache(t *testing.T) {
	r := setUp(t)
	folder := r.bundle(t)
	before := contents(t, folder)
	r.cfg.MaxCache = 200_100 // as large as the small model, which is a little larger than its data
	r.installer = NewInstaller(r.cfg)
	r.install(t, "small", "")
	require.Empty(t, r.removed)
	require.Equal(t, before, contents(t, folder))
}

func TestABundledModelThatWasCopiedIsTheUsersOwn(t *testing.T) {
	r := setUp(t)
	folder := r.bundle(t)
	require.NoError(t, os.CopyFS(filepath.Join(r.store.dir, "speaker"), os.DirFS(folder)))
	record, err := r.store.Get("speaker")
	require.NoError(t, err)
	require.False(t, record.Bundled())
	require.NoError(t, r.store.Pin("speaker", true))
	require.NoError(t, r.store.Remove("speaker"))
}
