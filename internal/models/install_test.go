package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/hub/hubtest"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models/modelstest"
)

const manifestText = `
id: painter
quality: final
module: x
venv: models
licence: MIT
tasks: {image.generate: {parameters: {type: object}, phases: [{name: draw, weight: 1}]}}
models:
  - id: big
    lora: true
    licence: {id: nc, name: Non-Commercial, url: "https://example.org/licence", accept: true}
    gated: true
    parts: {base: {repo: maker/big, patterns: [model_index.json, vae/*, "text_encoder/*"]}}
    variants:
      - {id: Q4, parts: {transformer: {repo: packer/big-gguf, patterns: ["big-Q4.gguf"]}}}
      - id: Q8
        parts:
          transformer: {repo: packer/big-gguf, patterns: ["big-Q8.gguf"]}
          extra: {repo: maker/big, patterns: ["vae/config.json"]}
    default_variant: Q4
  - {id: small, parts: {weights: {repo: maker/small, patterns: ["*.safetensors"]}}}
  - {id: small-too, parts: {weights: {repo: maker/small, patterns: ["*.safetensors"]}}}
  - {id: torchy, parts: {weights: {repo: maker/torchy, patterns: ["*.pth"], torch: true}}}
  - {id: torchy-refused, parts: {weights: {repo: maker/torchy, patterns: ["*.pth"]}}}
  - {id: pickled, parts: {weights: {repo: maker/pickled, patterns: ["*"]}}}
  - {id: gone, parts: {weights: {repo: maker/small, patterns: ["nothing-*"]}}}
  - {id: released, parts: {weights: {urls: ["URL/maker/small/w.safetensors?sig=1"]}}}
  - id: speaker
    variants:
      - id: int8
        parts:
          onnx: {urls: ["URL/maker/speaker/s.onnx"], sha256: {s.onnx: SPEAKER}}
          voices:
            repo: maker/voices
            patterns: [voices/*.bin]
            numbers: true
            sha256: {voices/dora.bin: DORA}
  - {id: built-in}
`

// rig is a store and an installer over a hub of this machine.
type rig struct {
	*hubtest.Hub
	folder    string
	store     *Store
	hub       *hub.Client
	installer *Installer
	cfg       InstallerConfig
	removed   []string
}

// speaker looks like an ONNX file from outside.
var speaker = append([]byte{8, 9}, random(6, 50_000)...)

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func random(seed byte, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func setUp(t *testing.T) *rig {
	t.Helper()
	r := &rig{folder: t.TempDir()}
	weights, err := os.ReadFile(filepath.Join("testdata", "torch", "weights.pt"))
	require.NoError(t, err)
	evil, err := os.ReadFile(filepath.Join("testdata", "torch", "runs.pt"))
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"maker/big/model_index.json":         []byte(`{"_class_name": "X"}`),
		"maker/big/vae/config.json":          []byte("{}"),
		"maker/big/vae/v.safetensors":        modelstest.Safetensors(random(1, 300_000)),
		"maker/big/text_encoder/config.json": []byte("{ }"),
		"maker/big/README.md":                []byte("hello"),
		"maker/big/LICENSE.md":               []byte("Do as you like, não?"),
		"maker/big/docs/LICENSE":             []byte("not this one"),
		"maker/big/not-wanted.safetensors":   modelstest.Safetensors(random(2, 10)),
		"packer/big-gguf/big-Q4.gguf":        modelstest.GGUF(random(3, 400_000)),
		"packer/big-gguf/big-Q8.gguf":        modelstest.GGUF(random(4, 500_000)),
		"maker/small/w.safetensors":          modelstest.Safetensors(random(5, 200_000)),
		"maker/torchy/w.pth":                 weights,
		"maker/pickled/pytorch_model.bin":    evil,
		"maker/speaker/s.onnx":               speaker,
		"maker/voices/voices/dora.bin":       random(7, 5000),
		"maker/voices/voices/alex.bin":       random(8, 5000),
	} {
		r.put(t, name, content)
	}
	r.Hub = hubtest.New(t, r.folder)
	manifests := t.TempDir()
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(manifests, "painter.yaml"),
			[]byte(strings.NewReplacer("URL", r.CDN, "SPEAKER", hashOf(speaker), "DORA", hashOf(random(7, 5000))).
				Replace(manifestText)),
			0o600,
		),
	)
	catalogue, err := engine.Load(manifests)
	require.NoError(t, err)
	r.store = New(filepath.Join(t.TempDir(), "models"), catalogue)
	r.hub, err = hub.New(
		hub.Config{
			BaseURL: r.URL,
			Retries: 2,
			Sleep:   func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		},
	)
	require.NoError(t, err)
	t.Cleanup(r.hub.Close)
	r.cfg = InstallerConfig{
		Store:   r.store,
		Hub:     r.hub,
		Removed: func(model string) { r.removed = append(r.removed, model) },
	}
	r.installer = NewInstaller(r.cfg)
	return r
}

func (r *rig) put(t *testing.T, name string, content []byte) {
	t.Helper()
	full := filepath.Join(r.folder, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(t, os.WriteFile(full, content, 0o600))
}

func TestTheTextOfALicenceIsTheMakers(t *testing.T) {
	r := setUp(t)
	_, model, ok := r.store.catalogue.Model("big")
	require.True(t, ok)
	text, err := r.installer.LicenceText(t.Context(), model)
	require.NoError(t, err)
	require.Equal(t, "Do as you like, não?", text)
	_, model, ok = r.store.catalogue.Model("small")
	require.True(t, ok)
	text, err = r.installer.LicenceText(t.Context(), model)
	require.NoError(t, err)
	require.Empty(t, text, "its repository has none")
}

func (r *rig) install(t *testing.T, model, variant string) *Record {
	t.Helper()
	record, err := r.try(t, model, variant)
	require.NoError(t, err)
	faults, err := r.store.Verify(t.Context(), model, nil)
	require.NoError(t, err)
	require.Empty(t, faults)
	return record
}

func (r *rig) try(t *testing.T, model, variant string) (*Record, error) {
	now := time.Now()
	return r.installer.Install(t.Context(), Request{Model: model, Variant: variant, LicenceAcceptedAt: &now})
}

func (r *rig) lastUsed(t *testing.T, model string) time.Time {
	t.Helper()
	record, err := r.store.Get(model)
	require.NoError(t, err)
	return r.store.LastUsed(record)
}

// fetched are the large files that were downloaded, by their names.
func (r *rig) fetched() (names []string) {
	for _, request := range r.Seen() {
		if request.CDN && request.Method == http.MethodGet {
			names = append(names, filepath.Base(request.Path))
		}
	}
	slices.Sort(names)
	return names
}

func requireInput(t *testing.T, err error, contains string) {
	t.Helper()
	var input *InputError
	require.ErrorAs(t, err, &input)
	require.Contains(t, input.Detail.String(), contains)
	require.NotContains(t, input.Detail.String(), os.TempDir())
	require.NotContains(t, input.Detail.String(), "%!")
}

func TestAModelIsInstalledAsItsEngineWantsIt(t *testing.T) {
	r := setUp(t)
	var last, all int64
	now := time.Now().UTC()
	record, err := r.installer.Install(
		t.Context(),
		Request{Model: "big", LicenceAcceptedAt: &now, Progress: func(done, total int64) {
			require.GreaterOrEqual(t, done, last)
			last, all = done, total
		}},
	)
	require.NoError(t, err)
	require.Equal(t, all, last)
	require.EqualValues(t, record.Bytes(), all)
	require.Equal(t, "hub", record.Source)
	require.Equal(
		t,
		map[string]string{
			"maker/big":       hubtest.Commit("maker/big"),
			"packer/big-gguf": hubtest.Commit("packer/big-gguf"),
		},
		record.Revisions,
	)
	require.WithinDuration(t, now, *record.LicenceAcceptedAt, 0)
	require.Len(t, record.Files, 5, "what no pattern names stays at the hub")

	files, err := r.store.Files(t.Context(), "big", "Q4")
	require.NoError(t, err)
	content, err := os.ReadFile(files["transformer"])
	require.NoError(t, err)
	require.True(t, bytes.Equal(modelstest.GGUF(random(3, 400_000)), content), "a part of one file is that file")
	require.FileExists(t, filepath.Join(files["base"], "vae", "v.safetensors"), "a part of several is their folder")
	require.FileExists(t, filepath.Join(files["base"], "model_index.json"))
	requireNoLeftovers(t, r.store)

	small := r.install(t, "small", "")
	require.Equal(t, []string{"default"}, small.VariantIDs())
}

// requireNoLeftovers: nothing of an installation lies about.
func requireNoLeftovers(t *testing.T, s *Store) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	for _, entry := range entries {
		require.False(t, entry.IsDir() && strings.HasPrefix(entry.Name(), "."), entry.Name())
	}
}

func TestPartsThatVariantsShareAreDownloadedOnce(t *testing.T) {
	r := setUp(t)
	r.install(t, "big", "Q4")
	require.NoError(t, r.store.Pin("big", true))
	record := r.install(t, "big", "Q8")
	require.Equal(t, []string{"Q4", "Q8"}, record.VariantIDs())
	require.True(t, record.Pinned, "what was set stays")
	require.Equal(t, []string{"big-Q4.gguf", "big-Q8.gguf", "v.safetensors"}, r.fetched())
	for _, variant := range []string{"Q4", "Q8"} {
		files, err := r.store.Files(t.Context(), "big", variant)
		require.NoError(t, err)
		require.Contains(t, files["transformer"], "big-"+variant+".gguf")
	}
	asked := 0
	for _, request := range r.Seen() {
		if strings.HasSuffix(request.Path, "/vae/config.json") {
			asked++
		}
	}
	require.Equal(t, 1, asked, "the same file under another part's name is not fetched either")
}

func TestFilesThatModelsShareAreDownloadedOnce(t *testing.T) {
	r := setUp(t)
	r.install(t, "small", "")
	r.install(t, "small-too", "")
	require.Equal(t, []string{"w.safetensors"}, r.fetched())
	require.NoError(t, r.store.Remove("small"))
	faults, err := r.store.Verify(t.Context(), "small-too", nil)
	require.NoError(t, err)
	require.Empty(t, faults, "it does not need the other")

	// A damaged one is not shared.
	files, err := r.store.Files(t.Context(), "small-too", "default")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files["weights"], random(77, 200_000), 0o600))
	r.install(t, "small", "")
	require.Equal(t, []string{"w.safetensors", "w.safetensors"}, r.fetched())
}

func TestTheLicenceIsAcceptedFirst(t *testing.T) {
	r := setUp(t)
	_, err := r.installer.Install(t.Context(), Request{Model: "big"})
	var licence *LicenceError
	require.ErrorAs(t, err, &licence)
	require.Contains(t, licence.Error(), "https://example.org/licence")
	require.Empty(t, r.Seen(), "nothing was asked for")
	r.install(t, "big", "")
	_, err = r.installer.Install(t.Context(), Request{Model: "big", Variant: "Q8"})
	require.NoError(t, err, "once is enough")
}

func TestAnInstallationThatEndedEarlyGoesOn(t *testing.T) {
	r := setUp(t)
	r.Fault("big-Q4.gguf", 1, hubtest.Cut(100_000).OnCDN())
	r.Fault("big-Q4.gguf", 0, hubtest.Status(http.StatusBadGateway).OnCDN())
	_, err := r.try(t, "big", "")
	require.True(t, hub.IsKind(err, hub.ServerFault), err)
	require.False(t, r.store.Has("big"))
	require.Positive(t, r.store.Incoming("big"))
	r.Clear()
	before := len(r.fetched())
	r.install(t, "big", "")
	require.Equal(t, []string{"big-Q4.gguf"}, r.fetched()[:len(r.fetched())-before], "only the rest")
	seen := r.Seen()
	require.Equal(t, "bytes=100000-", seen[len(seen)-1].Range)
	require.Zero(t, r.store.Incoming("big"))
	requireNoLeftovers(t, r.store)
}

func TestAnUnfinishedInstallationCanBeRemoved(t *testing.T) {
	r := setUp(t)
	r.Fault("big-Q4.gguf", 0, hubtest.Status(http.StatusNotFound, "X-Error-Code", "EntryNotFound"))
	_, err := r.try(t, "big", "")
	require.True(t, hub.IsKind(err, hub.NotFound), err)
	require.Positive(t, r.store.Incoming("big"))
	require.NoError(t, r.store.Forget("big"))
	requireNoLeftovers(t, r.store)
	require.NoError(t, r.store.Forget("big"))
}

func TestAModelThatIsNotInstalledIsSaidInEachLanguage(t *testing.T) {
	err := setUp(t).store.Remove("big")
	require.ErrorIs(t, err, ErrNotInstalled)
	require.EqualError(t, err, "the model big is not installed")
	require.Equal(t, "o modelo big não está instalado", i18n.For(err).In(language.BrazilianPortuguese))
}

func TestADamagedModelIsRepairedByInstallingItAgain(t *testing.T) {
	r := setUp(t)
	r.install(t, "big", "")
	files, err := r.store.Files(t.Context(), "big", "Q4")
	require.NoError(t, err)
	content, err := os.ReadFile(files["transformer"])
	require.NoError(t, err)
	content[1000] ^= 1
	require.NoError(t, os.WriteFile(files["transformer"], content, 0o600))
	require.NoError(t, os.Remove(filepath.Join(files["base"], "model_index.json")))
	faults, err := r.store.Verify(t.Context(), "big", nil)
	require.NoError(t, err)
	require.Len(t, faults, 2)
	r.install(t, "big", "")
	require.Equal(t, []string{"big-Q4.gguf", "big-Q4.gguf", "v.safetensors"}, r.fetched())
}

func TestASourceThatHandsOutAnotherFileLaterIsNoticed(t *testing.T) {
	r := setUp(t)
	r.install(t, "small", "")
	r.install(t, "released", "")
	pins, err := os.ReadFile(filepath.Join(r.store.dir, pinsName))
	require.NoError(t, err)
	require.NotContains(t, string(pins), "sig=1")
	require.NoError(t, r.store.Remove("small"))
	require.NoError(t, r.store.Remove("released"))
	r.put(t, "maker/small/w.safetensors", random(9, 200_000)) // under the same commit
	before := len(r.fetched())
	_, err = r.try(t, "small", "")
	requireInput(t, err, "pins.json")
	require.Len(t, r.fetched(), before, "the hub's own list told: nothing was fetched")
	_, err = r.try(t, "released", "")
	requireInput(t, err, "pins.json")
	require.False(t, r.store.Has("released"))
	require.Zero(t, r.store.Incoming("released"), "what came was thrown away")
}

func TestFilesThatCouldRunCodeAreRefused(t *testing.T) {
	r := setUp(t)
	_, err := r.try(t, "pickled", "")
	requireInput(t, err, "pytorch_model.bin")
	_, err = r.try(t, "torchy-refused", "")
	requireInput(t, err, "w.pth")
	r.install(t, "torchy", "")
	require.NoError(t, r.store.Remove("torchy"))
	evil, err := os.ReadFile(filepath.Join("testdata", "torch", "runs.pt"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(r.store.dir, pinsName)))
	r.put(t, "maker/torchy/w.pth", evil)
	_, err = r.try(t, "torchy", "")
	requireInput(t, err, "posix.system")
	require.False(t, r.store.Has("torchy"))
	require.Zero(t, r.store.Incoming("torchy"))

	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "w.pth"), evil, 0o600))
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(folder, "model.yaml"),
			[]byte("id: torchy\nvariants: {default: {weights: w.pth}}\n"),
			0o600,
		),
	)
	_, err = r.store.Import(t.Context(), folder, nil)
	requireInput(t, err, "posix.system")
}

func TestTheCacheIsKeptByLeastRecentUse(t *testing.T) {
	r := setUp(t)
	r.install(t, "small", "")
	r.install(t, "released", "")
	require.NoError(t, os.WriteFile(filepath.Join(r.store.dir, "small", usedName), nil, 0o600))
	future := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(r.store.dir, "small", usedName), future, future))
	require.True(t, r.lastUsed(t, "small").After(r.lastUsed(t, "released")))

	need := int64(700_000 + 50) // the models take 200 kB each, big takes 700
	r.cfg.MaxCache = need + 200_000
	r.installer = NewInstaller(r.cfg)
	r.install(t, "big", "")
	require.Equal(t, []string{"released"}, r.removed)
	require.True(t, r.store.Has("small"))

	// Nothing goes when it would not help, nor what is pinned or loaded.
	r.cfg.MaxCache = 1_000_000
	for name, keep := range map[string]func(){
		"pinned": func() { require.NoError(t, r.store.Pin("small", true)) },
		"loaded": func() {
			require.NoError(t, r.store.Pin("small", false))
			r.cfg.InUse = func() []string { return []string{"small"} }
		},
	} {
		if name == "loaded" {
			require.NoError(t, r.store.Pin("small", false))
		}
		keep()
		r.installer = NewInstaller(r.cfg)
		_, err := r.try(t, "big", "Q8")
		requireInput(t, err, "models.max_cache_size")
		require.True(t, r.store.Has("small"), name)
		require.NoError(t, r.store.Forget("big"))
	}
}

func TestAnInstallationThatDoesNotFitOnTheDiskDownloadsNothing(t *testing.T) {
	r := setUp(t)
	r.store.free = func(string) (int64, error) { return diskReserve + 199_999, nil }
	_, err := r.try(t, "small", "")
	requireInput(t, err, "the disk of models.cache_dir has")
	require.Empty(t, r.fetched())
	r.store.free = func(string) (int64, error) { return diskReserve + 200_000, nil }
	r.install(t, "small", "")
}

func TestUsedIsNotedWithoutTouchingTheRecord(t *testing.T) {
	r := setUp(t)
	r.install(t, "small", "")
	before := r.lastUsed(t, "small")
	r.store.Used("small")
	require.False(t, r.lastUsed(t, "small").Before(before.Truncate(time.Second)))
	r.store.Used("small")
	r.store.Used("nothing")
	r.store.Used("../../etc")
	require.NoDirExists(t, filepath.Join(r.store.dir, "nothing"))
}

func TestImpossibleRequestsAreRefused(t *testing.T) {
	r := setUp(t)
	for _, wrong := range [][3]string{{"unknown", "", "known are"}, {"../x", "", "not a model's id"},
		{"big", "Q9", "it has Q4, Q8"}, {"small", "Q4", "no variants"},
		{"built-in", "", "needs no files"}, {"gone", "", "no file for the part weights"}} {
		_, err := r.try(t, wrong[0], wrong[1])
		requireInput(t, err, wrong[2])
	}
}

func TestTwoInstallationsOfOneModelDoNotMix(t *testing.T) {
	r := setUp(t)
	stall, reached, release := hubtest.Stall(1000)
	r.Fault("w.safetensors", 1, stall.OnCDN())
	ended := make(chan error, 1)
	go func() {
		_, err := r.try(t, "small", "")
		ended <- err
	}()
	<-reached
	_, err := r.try(t, "small", "")
	requireInput(t, err, "being installed already")
	requireInput(t, r.store.Forget("small"), "being installed already")
	release()
	require.NoError(t, <-ended)
	require.True(t, r.store.Has("small"))
}

func TestAnImportedModelIsReplaced(t *testing.T) {
	r := setUp(t)
	folder := t.TempDir()
	require.NoError(
		t,
		os.WriteFile(filepath.Join(folder, "tiny.safetensors"), modelstest.Safetensors([]byte("tiny")), 0o600),
	)
	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(folder, "model.yaml"),
			[]byte("id: small\nvariants: {bf16: {weights: tiny.safetensors}}\n"),
			0o600,
		),
	)
	_, err := r.store.Import(t.Context(), folder, nil)
	require.NoError(t, err)
	record := r.install(t, "small", "")
	require.Equal(t, []string{"default"}, record.VariantIDs())
	require.NoFileExists(t, filepath.Join(r.store.dir, "small", "tiny.safetensors"))
}
