package plan

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
)

const gb = 1_000_000_000

// flux has two variants on cards, of which the larger is meant for those of 11 GB, and one for everything on the CPU.
var flux = &engine.Manifest{
	ID:     "flux",
	Models: []engine.Model{{ID: "flux-dev", DefaultVariant: "Q5", Variants: []engine.Variant{{ID: "Q5"}, {ID: "Q4"}}}},
	Memory: []engine.MemoryPlan{
		{Device: "cpu", Memory: device.Memory{RAM: 11 * gb}},
		{
			Device:         "gpu",
			Variant:        "Q5",
			MinVRAMBytes:   11 * gb,
			AttentionBytes: 256 << 20,
			Blocks:         engine.Blocks{Count: 57, Bytes: gb / 10},
			Phases: map[string]engine.PhasePlan{
				"encode": {Memory: device.Memory{RAM: 11 * gb}},
				"sample": {Memory: device.Memory{RAM: 9 * gb, VRAM: 9 * gb}, PerMegapixel: device.Memory{VRAM: gb}},
			},
		},
		{
			Device:  "gpu",
			Variant: "Q4",
			Blocks:  engine.Blocks{Count: 57, Bytes: gb / 12},
			Phases: map[string]engine.PhasePlan{
				"encode": {Memory: device.Memory{RAM: 11 * gb}},
				"sample": {Memory: device.Memory{RAM: 8 * gb, VRAM: 8 * gb}, PerMegapixel: device.Memory{VRAM: gb}},
			},
		},
	},
}

func wish() Wish {
	return Wish{Engine: flux, Model: "flux-dev", Device: "hip:0", VRAMTotal: 12 * gb, Width: 1024, Height: 1024}
}

func TestAPlanThatFitsIsTheManifests(t *testing.T) {
	got, err := Choose(wish(), device.Memory{RAM: 20 * gb, VRAM: 10 * gb})
	require.NoError(t, err)
	require.Equal(
		t,
		Plan{Variant: "Q5", Memory: device.Memory{RAM: 11 * gb, VRAM: 9 * gb}, AttentionBytes: 256 << 20, Batch: 1},
		got,
	)
}

func TestFallbacksComeInTheirOrder(t *testing.T) {
	for _, c := range []struct {
		name             string
		vram             int64
		pictures         int
		variant          string
		attention        int64
		resident, inOnce int
	}{
		{"a smaller attention slice", 9*gb - 1, 1, "Q5", 128 << 20, -1, 1},
		{"streamed blocks", 8500 * gb / 1000, 1, "Q5", 64 << 20, 42, 1},
		{"almost all streamed", 3500 * gb / 1000, 1, "Q5", 64 << 20, 2, 1},
		{"a smaller variant", 3450 * gb / 1000, 1, "Q4", 0, 2, 1},
		{"all pictures at once", 11 * gb, 3, "Q5", 256 << 20, -1, 3},
		{"two pictures at once", 10 * gb, 3, "Q5", 256 << 20, -1, 2},
		{"one by one", 9 * gb, 3, "Q5", 256 << 20, -1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := wish()
			w.Pictures = c.pictures
			if c.variant == "Q4" {
				w.Variants = []string{"Q4"}
			}
			got, err := Choose(w, device.Memory{RAM: 20 * gb, VRAM: c.vram})
			require.NoError(t, err)
			require.Equal(t, c.variant, got.Variant)
			require.Equal(t, c.attention, got.AttentionBytes)
			require.LessOrEqual(t, got.VRAM, c.vram)
			require.Equal(t, c.inOnce, got.Batch)
			if c.resident < 0 {
				require.Nil(t, got.ResidentBlocks)
			} else {
				require.Equal(t, c.resident, *got.ResidentBlocks)
			}
		})
	}
}

func TestLowerQuantisationComesAfterStreaming(t *testing.T) {
	variants := []string{}
	for _, step := range Fallbacks(wish()) {
		if len(variants) == 0 || variants[len(variants)-1] != step.Variant {
			variants = append(variants, step.Variant)
		}
	}
	require.Equal(t, []string{"Q5", "Q4"}, variants)
}

func TestARequestThatDoesNotFitIsRefusedWithTheNearestSize(t *testing.T) {
	w := wish()
	w.Width, w.Height = 2048, 1024
	w.Variants = []string{"Q4"}
	var refused *TooLargeError
	_, err := Choose(w, device.Memory{RAM: 20 * gb, VRAM: 4 * gb})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 1792, refused.Width, "3.4 GB for the first megapixel and 1 GB for each further one")
	require.Equal(t, 896, refused.Height)
	require.Equal(t, int64(4416666685), refused.Need.VRAM)
	require.ErrorContains(
		t,
		err,
		"needs 4.1 GiB of graphics memory and this computer can give 3.7 GiB: ask for 1792 x 896 pixels",
	)
	_, err = Choose(w, device.Memory{RAM: 2 * gb, VRAM: 12 * gb})
	require.ErrorAs(t, err, &refused)
	require.Zero(t, refused.Width, "no size makes the text encoder smaller")
	require.ErrorContains(t, err, "10.2 GiB of memory")
}

func TestPeaksSeenHereCorrectThePlan(t *testing.T) {
	w := wish()
	w.Peaks = func(variant string, megapixels float64) (device.Memory, bool) {
		return device.Memory{RAM: 6 * gb, VRAM: 10 * gb}, variant == "Q5" && megapixels == 1
	}
	got := Fallbacks(w)[0]
	require.Equal(t, device.Memory{RAM: 6.3 * gb, VRAM: 10.5*gb + cardContext}, got.Memory)
	w.Width = 2048
	require.Equal(t, int64(11*gb), Fallbacks(w)[0].RAM, "another size has its own")
}

func TestTheUsersOwnFigureWins(t *testing.T) {
	w := wish()
	w.VRAMRequired = 5 * gb
	require.Equal(t, int64(5*gb), Fallbacks(w)[0].VRAM)
}

func TestTheCPUAndEnginesWithoutAPlan(t *testing.T) {
	w := wish()
	w.Device, w.VRAMTotal = "cpu", 0
	require.Equal(t, []Plan{{Variant: "Q5", Memory: device.Memory{RAM: 11 * gb}, Batch: 1}}, Fallbacks(w))
	w.Variants = []string{"Q4", "bf16"}
	require.Equal(t, "Q4", Fallbacks(w)[0].Variant)
	require.Equal(
		t,
		[]Plan{{Variant: "default", Batch: 2}},
		Fallbacks(Wish{Engine: &engine.Manifest{ID: "x"}, Model: "x", Device: "cpu", Pictures: 2}),
	)
}

func TestSizesAreQuarters(t *testing.T) {
	require.Equal(t, []int{0, 1, 4, 5, 8}, []int{Size(0), Size(0.2), Size(1), Size(1.01), Size(2)})
}

func TestInstalledFilesOfAnotherSizeMoveThePlan(t *testing.T) {
	w := wish()
	sized := *flux
	sized.Models = []engine.Model{
		{ID: "flux-dev", Variants: []engine.Variant{{ID: "Q5", DiskBytes: 18 * gb}, {ID: "Q4"}}},
	}
	w.Engine, w.Variants = &sized, []string{"Q5"}
	for installed, want := range map[int64]device.Memory{
		0:       {RAM: 11 * gb, VRAM: 9 * gb}, // not known
		18 * gb: {RAM: 11 * gb, VRAM: 9 * gb},
		19 * gb: {RAM: 12 * gb, VRAM: 10 * gb},
		gb / 50: {RAM: leastRAM, VRAM: leastVRAM}, // a tiny one
	} {
		w.Bytes = func(string) int64 { return installed }
		require.Equal(t, want, Fallbacks(w)[0].Memory)
	}
}

// A variant that is meant for a larger card, or that the manifest does not know, is never taken for one that needs
// nothing.
func TestAVariantBeyondTheCardIsStreamedOrRefused(t *testing.T) {
	big := *flux
	big.Memory = append(
		[]engine.MemoryPlan{
			{
				Device:       "gpu",
				Variant:      "bf16",
				MinVRAMBytes: 30 * gb,
				Blocks:       engine.Blocks{Count: 57, Bytes: gb / 2},
				Phases: map[string]engine.PhasePlan{
					"sample": {Memory: device.Memory{RAM: 27 * gb, VRAM: 30 * gb}},
					"decode": {Memory: device.Memory{RAM: 4 * gb, VRAM: 4 * gb}},
				},
			},
		},
		flux.Memory...)
	w := wish()
	w.Engine, w.Variants = &big, []string{"bf16"}
	got, err := Choose(w, device.Memory{RAM: 30 * gb, VRAM: 10 * gb})
	require.NoError(t, err)
	require.Equal(t, "bf16", got.Variant)
	require.Equal(t, 14, *got.ResidentBlocks, "30 GB less 43 blocks of half a GB")
	got, err = Choose(w, device.Memory{RAM: 30 * gb, VRAM: 4 * gb})
	require.NoError(t, err)
	require.Equal(t, int64(4*gb), got.VRAM, "decoding needs what it needs, however much is streamed")
	_, err = Choose(w, device.Memory{RAM: 20 * gb, VRAM: 10 * gb})
	require.ErrorContains(t, err, "of memory")

	w.Variants = []string{"my-own"}
	got = Fallbacks(w)[0]
	require.Equal(t, "my-own", got.Variant)
	require.Equal(t, int64(30*gb), got.VRAM, "as if it were the most demanding")
}

func TestLoweredStepsSaySo(t *testing.T) {
	for i, step := range Fallbacks(wish()) {
		full := step.ResidentBlocks == nil && (step.AttentionBytes == 256<<20 || step.Variant == "Q4")
		require.Equal(t, !full, step.Lowered, "step %d", i)
	}
}
