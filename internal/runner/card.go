package runner

import (
	"context"
	"sync"

	"github.com/apibr/studio/internal/i18n"
)

// CardError says why no job can run on the card.
type CardError struct{ Detail i18n.Sentence }

func (e *CardError) Error() string { return e.Detail.String() }

// Sentence is the Detail.
func (e *CardError) Sentence() i18n.Sentence { return e.Detail }

// cardLook remembers that the card was found in order; one that was not is looked at again.
type cardLook struct {
	mu sync.Mutex
	ok bool
}

func (r *Runner) lookAtCard(ctx context.Context, device string) error {
	if device == cpu || r.cfg.BeforeGPU == nil {
		return nil
	}
	r.card.mu.Lock()
	defer r.card.mu.Unlock()
	if r.card.ok {
		return nil
	}
	err := r.cfg.BeforeGPU(ctx)
	r.card.ok = err == nil
	return err
}
