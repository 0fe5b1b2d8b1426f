package jobs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A forecast of a long queue is made anew at most so often that it takes a twentieth of the time; of a short one at
// each change.
const (
	forecastShare = 20
	longForecast  = 100 // jobs
	// Past so many jobs the scheduler is not asked: simulating its picks costs more than their exact places are worth.
	orderedJobs = 1000
)

const forecastSQL = `
	select ` + waitingCols + `, j.not_before <= now(), j.quality, j.units, j.status, j.blocked_by, j.started_at,
	       p.progress,
	       (p.detail ->> 'eta_seconds')::float8
	  from generation_jobs j
	  left join job_progress p on p.job_id = j.id and p.fence = j.fence
	 where j.status in ('queued', 'processing') and j.lane is not null
	 order by j.created_at`

// forecast holds the expected order and times of the queue.
type forecast struct {
	order []uuid.UUID
	of    map[uuid.UUID]ETA
	// byOwner is order, of each owner.
	byOwner map[uuid.UUID][]uuid.UUID
}

// etaIndex keeps the last forecast.
type etaIndex struct {
	making sync.Mutex // held while a forecast is made; taken before mu

	mu    sync.Mutex
	dirty bool
	last  *forecast
	next  time.Time // not before
	at    time.Time
}

// fresh is the last forecast if it still serves.
func (o *etaIndex) fresh() *forecast {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.last != nil && (now.Before(o.next) || !o.dirty && now.Sub(o.at) < time.Second) {
		return o.last
	}
	return nil
}

// long is the last forecast if it is of a long queue and not too old: it serves while a newer one is made.
func (o *etaIndex) long() *forecast {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last != nil && len(o.last.of) > longForecast && time.Since(o.next) < o.next.Sub(o.at)+time.Second {
		return o.last
	}
	return nil
}

func (o *etaIndex) invalidate() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dirty = true
}

// ETAs returns positions and ETAs of these jobs. A job submitted since the last forecast of a long queue is put behind
// it.
func (s *Service) ETAs(ctx context.Context, jobs ...*Job) (map[uuid.UUID]ETA, error) {
	found := make(map[uuid.UUID]ETA, len(jobs))
	var f *forecast
	for _, j := range jobs {
		if j.Status.Terminal() || j.Lane == LaneNone {
			continue
		}
		if f == nil {
			var err error
			if f, err = s.forecast(ctx); err != nil {
				return nil, err
			}
		}
		o, ok := f.of[j.ID]
		switch {
		case j.Status == Processing:
			o.Position = 0
		case !ok || o.Position == 0:
			o.Position = len(f.order) + 1
		}
		found[j.ID] = o
	}
	return found, nil
}

// forecast is at most a second old, and as new as the last change on this node unless it is expensive: the forecast of
// a long queue is made in the background, and callers get the last one meanwhile.
func (s *Service) forecast(ctx context.Context) (*forecast, error) {
	o := &s.etas
	if f := o.fresh(); f != nil {
		return f, nil
	}
	if f := o.long(); f != nil {
		if o.making.TryLock() {
			go func() {
				defer o.making.Unlock()
				const patience = time.Minute
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
				defer cancel()
				if _, err := s.remakeForecast(ctx); err != nil {
					s.cfg.Log.DebugContext(ctx, "the queue's forecast could not be made; the last one serves", "err",
						err)
				}
			}()
		}
		return f, nil
	}
	o.making.Lock()
	defer o.making.Unlock()
	if f := o.fresh(); f != nil { // somebody has just made it
		return f, nil
	}
	return s.remakeForecast(ctx)
}

// remakeForecast makes the forecast anew and keeps it, under etaIndex.making.
func (s *Service) remakeForecast(ctx context.Context) (*forecast, error) {
	o := &s.etas
	o.mu.Lock()
	o.dirty = false // before the read: a change that comes during it counts as one after
	o.mu.Unlock()
	begin := time.Now()
	f, err := s.makeForecast(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.dirty = true
		return nil, err
	}
	o.last, o.at = f, time.Now()
	o.next = o.at
	if len(f.of) > longForecast {
		o.next = o.at.Add(forecastShare * o.at.Sub(begin))
	}
	return f, nil
}

// unfinishedJob is one unfinished job as a forecast sees it.
type unfinishedJob struct {
	Waiting
	seconds float64
	load    float64 // seconds to load its model
	guess   bool
	blocked bool
	due     bool
	running bool
}

func (s *Service) makeForecast(ctx context.Context) (*forecast, error) {
	history, err := s.runs(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.unfinished(ctx, history)
	if err != nil {
		return nil, err
	}
	f := &forecast{of: make(map[uuid.UUID]ETA, len(all)), byOwner: map[uuid.UUID][]uuid.UUID{}}
	warm := s.loadedModels()
	slots := make([]float64, s.cfg.Slots)
	byID := make(map[uuid.UUID]*unfinishedJob, len(all))
	var ready []Waiting
	var later []uuid.UUID
	for i := range all {
		a := &all[i]
		byID[a.ID] = a
		switch {
		case a.running:
			take(slots, a.seconds)
			warm.ran(a)
			seconds := a.seconds
			f.of[a.ID] = ETA{Seconds: &seconds, Guess: a.guess}
		case a.blocked || !a.due:
			later = append(later, a.ID)
		default:
			ready = append(ready, a.Waiting)
		}
	}
	head := ready[:min(len(ready), orderedJobs)]
	f.order = s.ordered(ctx, head)
	for _, w := range ready[len(head):] {
		f.order = append(f.order, w.ID)
	}
	f.order = append(f.order, later...)
	for i, id := range f.order {
		a := byID[id]
		if a == nil {
			continue
		}
		end := take(slots, a.seconds+warm.cost(a))
		warm.ran(a)
		f.of[id] = ETA{Position: i + 1, Seconds: &end, Guess: a.guess}
		f.byOwner[a.Owner] = append(f.byOwner[a.Owner], id)
	}
	return f, nil
}

// take puts a job on the slot that is free first and returns when it ends.
func take(slots []float64, seconds float64) float64 {
	first := 0
	for i, at := range slots {
		if at < slots[first] {
			first = i
		}
	}
	slots[first] += seconds
	return math.Round(slots[first]*10) / 10
}

func (s *Service) unfinished(ctx context.Context, history map[runKey][]run) ([]unfinishedJob, error) {
	rows, err := s.cfg.Pool.Query(ctx, forecastSQL)
	if err != nil {
		return nil, fmt.Errorf("jobs: forecast: %w", err)
	}
	now := time.Now()
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a unfinishedJob, err error) {
		var (
			quality   string
			units     float64
			status    Status
			blockedBy int
			started   *time.Time
			progress  *float64
			told      *float64
		)
		err = row.Scan(&a.ID, &a.Owner, &a.Type, &a.Lane, &a.Priority, &a.Rank, &a.QueuedAt, &a.Engine, &a.Model,
			&a.UsesGPU, &a.Reason, &a.Device, &a.Width, &a.Height, &a.Pictures, &a.due, &quality, &units, &status,
			&blockedBy, &started, &progress, &told)
		if err != nil {
			return a, err
		}
		a.blocked, a.running = blockedBy > 0, status == Processing
		a.load = loadCost(history[runKey{a.Type, a.Engine, a.Model}])
		a.seconds, a.guess = estimate(history[runKey{a.Type, a.Engine, a.Model}], a.Type, quality, units)
		if a.running {
			a.seconds = remaining(a.seconds, progress, told, started, now)
		}
		return a, nil
	})
	if err != nil {
		return nil, fmt.Errorf("jobs: forecast: %w", err)
	}
	slices.SortFunc(all, func(a, b unfinishedJob) int { return inOrder(&a.Waiting, &b.Waiting) })
	return all, nil
}

// remaining returns the seconds left of a running job: its engine's own estimate, else the part that its progress
// leaves, else the time that the clock leaves.
func remaining(total float64, progress, told *float64, started *time.Time, now time.Time) float64 {
	switch {
	case told != nil:
		return math.Max(*told, 0)
	case progress != nil && *progress > 0:
		return total * (1 - *progress)
	case started != nil:
		return math.Max(total-now.Sub(*started).Seconds(), total/10)
	default:
		return total
	}
}
