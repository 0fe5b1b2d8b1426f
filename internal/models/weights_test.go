package models

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/models/modelstest"
)

func checked(t *testing.T, name string, content []byte) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return checkWeights(file, name)
}

func TestDamagedWeightsAreFoundByTheirHeader(t *testing.T) {
	data := random(1, 1000)
	gguf, safe := modelstest.GGUF(data), modelstest.Safetensors(data)
	require.NoError(t, checked(t, "w.gguf", gguf))
	require.NoError(t, checked(t, "W.GGUF", gguf))
	require.NoError(t, checked(t, "w.safetensors", safe))
	with := func(from []byte, at int, value ...byte) []byte {
		changed := bytes.Clone(from)
		copy(changed[at:], value)
		return changed
	}
	header := func(text string, data int) []byte {
		return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), make([]byte, data)...)
	}
	one := `"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`
	for name, content := range map[string][]byte{
		"empty.gguf":           {},
		"a page.gguf":          []byte("<html>not found</html>"),
		"other.gguf":           safe,
		"cut.gguf":             gguf[:len(gguf)-1],
		"cut in head.gguf":     gguf[:60],
		"version.gguf":         with(gguf, 4, 9),
		"tensors.gguf":         with(gguf, 8, 255, 255, 255, 255),
		"no tensors.gguf":      with(gguf, 8, 0),
		"fields.gguf":          with(gguf, 16, 255, 255, 255, 255),
		"long name.gguf":       with(gguf, 24, 255, 255, 255, 255, 255),
		"kind of a field.gguf": with(gguf, 24+8+12, 99),
		"empty.safetensors":    {},
		"a page.safetensors":   []byte("<html>not found</html>"),
		"other.safetensors":    gguf,
		"cut.safetensors":      safe[:len(safe)-1],
		"more.safetensors":     append(bytes.Clone(safe), 0),
		"length.safetensors":   with(safe, 0, 255, 255, 255, 255, 255),
		"twice.safetensors":    header(`{`+one+`,`+one+`}`, 1),
		"outside.safetensors":  header(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 1),
		"negative.safetensors": header(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[-1,0]}}`, 1),
		"shape.safetensors":    header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1]}}`, 1),
		"huge.safetensors": header(
			`{"a":{"dtype":"U8","shape":[1099511627775,1099511627775,4],"data_offsets":[0,1]}}`, 1),
		"kind.safetensors":      header(`{"a":{"dtype":"OBJECT","shape":[1],"data_offsets":[0,1]}}`, 1),
		"no tensor.safetensors": header(`{"__metadata__":{"a":"b"}}`, 0),
		"a list.safetensors":    header(`[]`, 0),
	} {
		err := checked(t, name, content)
		var input *InputError
		require.ErrorAs(t, err, &input, name)
		require.Contains(t, input.Detail.String(), name+" is damaged")
	}
	require.NoError(
		t,
		checked(
			t,
			"meta.safetensors",
			header(`{"__metadata__":{"a":"b"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}  `, 2),
		),
	)
}

// A model that works is not given up for a file that does not.
func TestABrokenFileDoesNotReplaceAWorkingModel(t *testing.T) {
	r := setUp(t)
	describe := func(content []byte) string {
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, "w.safetensors"), content, 0o600))
		require.NoError(
			t,
			os.WriteFile(
				filepath.Join(folder, "model.yaml"),
				[]byte("id: small\nvariants: {bf16: {weights: w.safetensors}}\n"),
				0o600,
			),
		)
		return folder
	}
	works := modelstest.Safetensors(random(7, 4000))
	_, err := r.store.Import(t.Context(), describe(works), nil)
	require.NoError(t, err)
	_, err = r.store.Import(t.Context(), describe(works[:2000]), nil)
	requireInput(t, err, "w.safetensors is damaged")
	files, err := r.store.Files(t.Context(), "small", "bf16")
	require.NoError(t, err)
	content, err := os.ReadFile(files["weights"])
	require.NoError(t, err)
	require.Equal(t, works, content)
	requireNoLeftovers(t, r.store)
}

// archive writes a zip file with these entries, stored, as torch does.
func archive(t *testing.T, entries ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, entry := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: entry[0], Method: zip.Store})
		require.NoError(t, err)
		_, err = f.Write([]byte(entry[1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestAnArchiveHoldsOnePickleAndNothingAround(t *testing.T) {
	const harmless, evil = "\x80\x02ccollections\nOrderedDict\n)R.", "\x80\x02cposix\nsystem\n."
	good := archive(t, [2]string{"m/data.pkl", harmless}, [2]string{"m/version", "3\n"})
	require.NoError(t, checked(t, "w.pth", good))
	comment := bytes.Clone(good)
	comment[len(comment)-2] = 3
	for name, content := range map[string][]byte{
		"another case beside": archive(t, [2]string{"m/data.pkl", harmless}, [2]string{"m/DATA.PKL", evil}),
		"another case before": archive(t, [2]string{"m/DATA.PKL", evil}, [2]string{"m/data.pkl", harmless}),
		"another folder":      archive(t, [2]string{"m/data.pkl", harmless}, [2]string{"n/Data.pkl", evil}),
		"another case alone":  archive(t, [2]string{"m/DATA.PKL", evil}),
		"another pickle":      archive(t, [2]string{"m/data.pkl", harmless}, [2]string{"m/more.PKL", harmless}),
		"a program": archive(t, [2]string{"m/data.pkl", harmless},
			[2]string{"m/constants.pkl", harmless}),
		"twice":           archive(t, [2]string{"m/data.pkl", harmless}, [2]string{"m/data.pkl", evil}),
		"none":            archive(t, [2]string{"m/version", "3\n"}),
		"a pickle before": append([]byte(evil), good...),
		"a harmless pickle before": append([]byte(strings.Repeat(harmless, 5)),
			archive(t, [2]string{"m/data.pkl", evil})...)[1:],
		"an archive before": append(archive(t, [2]string{"m/data.pkl", evil}), good...),
		"something behind":  append(bytes.Clone(good), "more"...),
		"a comment":         append(comment, "abc"...),
		"a backslash":       archive(t, [2]string{`m\data.pkl`, evil}, [2]string{"m/data.pkl", harmless}),
	} {
		require.Error(t, checked(t, "w.pth", content), name)
	}
}

// A file that was touched after its installation is read again before it is computed with.
func TestAFileThatChangedIsNotLoaded(t *testing.T) {
	r := setUp(t)
	r.install(t, "big", "")
	files, err := r.store.Files(t.Context(), "big", "Q4")
	require.NoError(t, err)
	transformer, config := files["transformer"], filepath.Join(files["base"], "vae", "config.json")
	before, err := os.Stat(transformer)
	require.NoError(t, err)
	right, err := os.ReadFile(transformer)
	require.NoError(t, err)

	wrong := bytes.Clone(right)
	wrong[len(wrong)/2] ^= 1
	require.NoError(t, os.WriteFile(transformer, wrong, 0o600))
	require.NoError(
		t,
		os.Chtimes(transformer, before.ModTime(), before.ModTime()),
	) // size, time and inode are as they were
	_, err = r.store.Files(t.Context(), "big", "Q4")
	requireFileError(t, err, "transformer", "content", "big-Q4.gguf, the transformer of the model big, has changed")

	require.NoError(t, os.WriteFile(transformer, right, 0o600))
	_, err = r.store.Files(t.Context(), "big", "Q4")
	require.NoError(t, err, "the content is what counts")
	facts := readFacts(filepath.Join(r.store.dir, "big", factsName))
	info, err := os.Stat(transformer)
	require.NoError(t, err)
	require.Equal(
		t,
		factOf(info),
		facts["variants/Q4/transformer/big-Q4.gguf"],
		"it is not read a second time: %v",
		facts,
	)

	require.NoError(t, os.WriteFile(config, []byte("{}}"), 0o600))
	_, err = r.store.Files(t.Context(), "big", "Q4")
	requireFileError(t, err, "base", "size", "config.json")
	require.NoError(t, os.Remove(config))
	_, err = r.store.Files(t.Context(), "big", "Q4")
	requireFileError(t, err, "base", "missing", "is gone")
	require.NoError(t, os.Mkdir(config, 0o700))
	_, err = r.store.Files(t.Context(), "big", "Q4")
	requireFileError(t, err, "base", "unreadable", "cannot be read")
}

func requireFileError(t *testing.T, err error, part, why, contains string) {
	t.Helper()
	var file *FileError
	require.ErrorAs(t, err, &file)
	require.Equal(t, part, file.Part)
	require.Equal(t, why, file.Why)
	require.Contains(t, err.Error(), contains)
	require.NotContains(t, err.Error(), string(filepath.Separator)+"models")
}

// An installation of another variant does not vouch for the files that were there.
func TestAnInstallationTrustsOnlyTheFilesItDownloaded(t *testing.T) {
	r := setUp(t)
	r.install(t, "big", "Q4")
	files, err := r.store.Files(t.Context(), "big", "Q4")
	require.NoError(t, err)
	content, err := os.ReadFile(files["transformer"])
	require.NoError(t, err)
	content[1000] ^= 1
	require.NoError(t, os.WriteFile(files["transformer"], content, 0o600))
	_, err = r.try(t, "big", "Q8")
	require.NoError(t, err)
	_, err = r.store.Files(t.Context(), "big", "Q8")
	require.NoError(t, err)
	_, err = r.store.Files(t.Context(), "big", "Q4")
	requireFileError(t, err, "transformer", "content", "big-Q4.gguf")
}
