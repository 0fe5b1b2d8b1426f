package plan

import (
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/i18n"
)

// TooLargeError says that nothing fits, and what would.
type TooLargeError struct {
	Need device.Memory // Need of the step that needs least.
	Have device.Memory

	// Width and Height are the nearest size of a picture that fits; 0 when none does or the job makes none.
	Width, Height int
}

func (e *TooLargeError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *TooLargeError) Sentence() i18n.Sentence {
	graphics := e.Need.VRAM > e.Have.VRAM
	need, have := gib(e.Need.RAM), gib(e.Have.RAM)
	if graphics {
		need, have = gib(e.Need.VRAM), gib(e.Have.VRAM)
	}
	switch {
	case graphics && e.Width > 0:
		return i18n.Say("the job needs %.1f GiB of graphics memory and this computer can give %.1f GiB: "+
			"ask for %d x %d pixels, which fits", need, have, e.Width, e.Height)
	case graphics:
		return i18n.Say("the job needs %.1f GiB of graphics memory and this computer can give %.1f GiB: "+
			"choose a smaller model or variant, or close other programs", need, have)
	case e.Width > 0:
		return i18n.Say("the job needs %.1f GiB of memory and this computer can give %.1f GiB: "+
			"ask for %d x %d pixels, which fits", need, have, e.Width, e.Height)
	default:
		return i18n.Say("the job needs %.1f GiB of memory and this computer can give %.1f GiB: "+
			"choose a smaller model or variant, or close other programs", need, have)
	}
}

func gib(bytes int64) float64 { return float64(max(bytes, 0)) / (1 << 30) }

// tooLarge names the least that was needed and looks for the largest size of the same shape that fits.
func tooLarge(w Wish, steps []Plan, budget device.Memory) *TooLargeError {
	e := &TooLargeError{Need: steps[0].Memory, Have: budget}
	for _, step := range steps {
		if excess(step.Memory, budget) < excess(e.Need, budget) {
			e.Need = step.Memory
		}
	}
	e.Width, e.Height = nearest(w, budget)
	return e
}

// excess is by how much a plan does not fit.
func excess(m device.Memory, budget device.Memory) int64 {
	return max(m.RAM-budget.RAM, 0) + max(m.VRAM-budget.VRAM, 0)
}

const (
	// grid is what edges are multiples of: what every model of the catalogue takes.
	grid = 64
	// leastEdge of a picture that is worth making.
	leastEdge = 256
)

// nearest is the largest size of the same shape that fits; 0, 0 when there is none.
func nearest(w Wish, budget device.Memory) (width, height int) {
	for longer := max(w.Width, w.Height) - grid; longer >= leastEdge; longer -= grid {
		smaller := w
		scale := float64(longer) / float64(max(w.Width, w.Height))
		smaller.Width, smaller.Height = onGrid(float64(w.Width)*scale), onGrid(float64(w.Height)*scale)
		if min(smaller.Width, smaller.Height) < leastEdge {
			break
		}
		if first(Fallbacks(smaller), budget) >= 0 {
			return smaller.Width, smaller.Height
		}
	}
	return 0, 0
}

func onGrid(pixels float64) int { return int(pixels+grid/2) / grid * grid }
