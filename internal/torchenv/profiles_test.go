package torchenv

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
)

func gpus(t *testing.T, tree string) []device.GPU {
	t.Helper()
	found := device.NewHost("../device/testdata/" + tree).GPUs()
	require.NotEmpty(t, found)
	return found
}

func ids(list []Profile) []string {
	var names []string
	for _, p := range list {
		names = append(names, p.ID)
	}
	return names
}

func TestEveryProfileIsComplete(t *testing.T) {
	decoder := yaml.NewDecoder(bytes.NewReader(profilesYAML))
	decoder.KnownFields(true)
	var b book
	require.NoError(t, decoder.Decode(&b))
	matched := map[string][]string{
		"2.11.0":        {"0.26.0", "2.11.0"},
		"2.8.0":         {"0.23.0", "2.8.0"},
		"2.5.1+rocm6.2": {"0.20.1+rocm6.2", "2.5.1+rocm6.2"},
	}
	for _, p := range b.Profiles {
		require.Contains(t, []string{ROCm, CUDA, CPU, anyDevice}, p.Device, p.ID)
		require.NotContains(t, p.ID, ".", "an id is a key of the configuration")
		require.Positive(t, p.Disk, p.ID)
		require.NotEmpty(t, p.Python, p.ID)
		for _, file := range p.Requirements {
			require.FileExists(t, filepath.Join("../..", file))
		}
		require.Equal(t, p.Index == "", len(p.Packages) == 0, p.ID)
		var versions []string
		for _, name := range p.Packages {
			_, version, _ := strings.Cut(name, "==")
			versions = append(versions, version)
		}
		if len(versions) > 0 {
			require.Equal(
				t,
				matched[versions[0]],
				versions[1:],
				"%s: torch, torchvision and torchaudio belong together",
				p.ID,
			)
		}
	}
	for kind, list := range b.Order {
		for _, id := range list {
			p, ok := byID(id)
			require.True(t, ok, id)
			require.Contains(t, []string{kind, anyDevice}, p.Device)
		}
	}
}

// The pinned torch of PyPI is the one that the profiles ask of other indexes.
func TestTheLocksAgreeWithTheProfiles(t *testing.T) {
	for file, pins := range map[string][]string{
		"requirements-torch-pypi.txt":   {"torch==2.11.0 ", "torchaudio==2.11.0 ", "torchvision==0.26.0 "},
		"requirements-torch25-pypi.txt": {"torch==2.5.1 ", "torchaudio==2.5.1 ", "torchvision==0.20.1 "},
		"requirements-torch25.txt": {"transformers==5.2.0 ", "diffusers==0.40.0 ",
			"huggingface-hub==1.33.0 ", "numpy==2.2.6 "},
	} {
		content, err := os.ReadFile(filepath.Join("../../pyworkers", file))
		require.NoError(t, err)
		for _, pin := range pins {
			require.Contains(t, string(content), "\n"+pin, file)
		}
	}
}

func TestProfilesOfTheUsersCard(t *testing.T) {
	list, err := Profiles(Request{GPUs: gpus(t, "igpu-first")})
	require.NoError(t, err)
	require.Equal(
		t,
		[]string{"rocm-amd", "rocm-pytorch", "rocm-pytorch28", "rocm-torch25", "cpu-pytorch", "pypi"},
		ids(list),
	)
	require.Equal(
		t,
		[]string{"torch[device-gfx1031]==2.11.0", "torchvision[device-gfx1031]==0.26.0", "torchaudio==2.11.0"},
		list[0].Packages,
	)
	require.Empty(t, list[0].Override, "native kernels need no override")
	for _, p := range list[1:4] {
		require.Equal(t, map[string]string{"gfx1031": "10.3.0"}, p.Override, p.ID)
	}
	require.Equal(t, CPU, list[5].Device)

	list, err = Profiles(
		Request{
			Device:  ROCm,
			GPUs:    gpus(t, "igpu-first"),
			Indexes: map[string]string{"rocm-torch25": "http://mirror/x"},
		},
	)
	require.NoError(t, err)
	require.Len(t, list, 4, "a device that was asked for is never replaced")
	require.Equal(t, "http://mirror/x", list[3].Index)
	original, _ := byID("rocm-torch25")
	require.Contains(t, original.Index, "pytorch.org")
	original, _ = byID("rocm-amd")
	require.Contains(t, original.Packages[0], "{gfx}", "the data stays as it is")
}

func TestProfilesOfOtherCards(t *testing.T) {
	for name, test := range map[string]struct {
		want Request
		ids  []string
	}{
		"nvidia": {Request{Device: Auto, GPUs: gpus(t, "nvidia")},
			[]string{"cuda-pytorch", "pypi"}},
		"nvidia on the processor": {Request{Device: CPU, GPUs: gpus(t, "nvidia")},
			[]string{"cpu-pytorch", "pypi"}},
		"none": {Request{}, []string{"cpu-pytorch", "pypi"}},
		"integrated only": {Request{GPUs: []device.GPU{{Kind: "hip", Integrated: true, GFX: "gfx1036"}}},
			[]string{"cpu-pytorch", "pypi"}},
		"a card that nobody knows": {Request{Device: ROCm, GPUs: []device.GPU{{Kind: "hip"}}},
			[]string{"rocm-pytorch", "rocm-pytorch28", "rocm-torch25"}},
		"the smaller one, asked by name": {
			Request{Device: ROCm, GPUs: append(gpus(t, "nvidia"), gpus(t, "igpu-first")...)},
			[]string{"rocm-amd", "rocm-pytorch", "rocm-pytorch28", "rocm-torch25"}},
		"one profile": {Request{Profile: "pypi-torch25"}, []string{"pypi-torch25"}},
	} {
		list, err := Profiles(test.want)
		require.NoError(t, err, name)
		require.Equal(t, test.ids, ids(list), name)
	}
	list, err := Profiles(Request{Profile: "pypi", GPUs: gpus(t, "nvidia")})
	require.NoError(t, err)
	require.Equal(t, CUDA, list[0].Device)

	for want, text := range map[*Request]string{
		{Device: ROCm, GPUs: gpus(t, "nvidia")}: "no graphics card for rocm",
		{Device: "amd"}:                         "not known",
		{Profile: "rocm-torch26"}:               "try rocm-torch25",
		{Profile: "x"}:                          "try rocm-amd, ",
		{Profile: "rocm-amd"}:                   "no wheels for this computer's card",
	} {
		_, err := Profiles(*want)
		require.ErrorContains(t, err, text)
		require.NotEqual(t, err.Error(), i18n.For(err).In(language.BrazilianPortuguese))
	}
}

func TestTheEnvironmentHidesTheIntegratedCard(t *testing.T) {
	cards := gpus(t, "igpu-first")
	list, err := Profiles(Request{Device: ROCm, GPUs: cards})
	require.NoError(t, err)
	inherited := []string{
		"HOME=/home/me",
		"HSA_OVERRIDE_GFX_VERSION=10.3.0",
		"HIP_VISIBLE_DEVICES=0",
		"ROCR_VISIBLE_DEVICES=0",
		"MIOPEN_FIND_ENFORCE=3",
	}
	native := Environment(list[0], cards, "/data").Apply(inherited)
	require.Contains(t, native, "HIP_VISIBLE_DEVICES=1", "the integrated card is HIP's device 0")
	require.Contains(t, native, "MIOPEN_USER_DB_PATH=/data/cache/miopen")
	require.Contains(t, native, "MIOPEN_FIND_MODE=FAST")
	require.Contains(t, native, "TORCH_BLAS_PREFER_HIPBLASLT=0")
	require.Contains(t, native, "HF_HUB_OFFLINE=1")
	require.Contains(t, native, "HOME=/home/me")
	for _, entry := range native {
		require.NotContains(t, entry, "HSA_OVERRIDE")
		require.NotContains(t, entry, "ROCR_VISIBLE")
		require.NotContains(t, entry, "FIND_ENFORCE")
		require.NotContains(t, entry, "{")
	}
	require.Contains(t, Environment(list[3], cards, "/data").Apply(inherited), "HSA_OVERRIDE_GFX_VERSION=10.3.0")

	two := slices.Clone(cards)
	two = append(two, device.GPU{Kind: "hip", Index: 1, Ordinal: 2})
	require.Contains(t, Environment(list[0], two, "/data").Apply(nil), "HIP_VISIBLE_DEVICES=1,2")
	only := Environment(list[0], []device.GPU{{Kind: "hip", Integrated: true}}, "/data").Apply(nil)
	require.Contains(t, only, "HIP_VISIBLE_DEVICES=-1")
	nvidia := Environment(Profile{Device: CUDA}, gpus(t, "nvidia"), "/data").Apply(nil)
	require.Contains(t, nvidia, "CUDA_VISIBLE_DEVICES=0,1")
	require.Contains(t, nvidia, "CUDA_DEVICE_ORDER=PCI_BUS_ID")
	require.Contains(t, Environment(Profile{Device: CPU}, cards, "/data").Apply(nil), "HIP_VISIBLE_DEVICES=-1")
	require.Equal(t, 2, threads(2))
	require.Equal(t, 12, threads(24))
}

func TestAnUntestedEnvironmentHasAnUnknownProfile(t *testing.T) {
	require.Equal(t, ROCm, Current("/nowhere", gpus(t, "igpu-first")).Device)
	require.Equal(t, CPU, Current("/nowhere", nil).Device)
}
