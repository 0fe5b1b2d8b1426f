package jobs

import (
	"context"

	"github.com/google/uuid"
)

// SubmitAll is Submit of several jobs in one transaction: all of them are stored, or none is.
//
// A Spec may name a job or a new voice of a Spec before it as its input, and then waits for it; the ids of such Specs
// must be set (uuid.NewV7). It fails as Submit does; ErrQueueFull when the owner's limit does not allow for all of
// them.
func (s *Service) SubmitAll(ctx context.Context, specs ...Spec) (jobs []*Job, err error) {
	if err := s.checkQuotas(ctx, specs); err != nil {
		return nil, err
	}
	err = s.inTx(ctx, "submit", func(t *txn) error {
		jobs = make([]*Job, len(specs))
		for i := range specs {
			if jobs[i], err = s.submitTx(ctx, t, &specs[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, submitError(err)
	}
	for _, spec := range specs {
		if spec.Idempotency != nil {
			s.held.letGo(*spec.Idempotency)
		}
	}
	return jobs, nil
}

func (s *Service) checkQuotas(ctx context.Context, specs []Spec) error {
	more := map[uuid.UUID]int{}
	for _, spec := range specs {
		more[spec.Owner]++
	}
	for owner, n := range more {
		if err := s.checkQuota(ctx, owner, n); err != nil {
			return err
		}
	}
	return nil
}
