package jobs

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// historyFor is how long run times read from the table are good for; a run that ends on this node is added at once.
	historyFor = 10 * time.Second
	// recentRuns is how many runs of a kind an estimate is made of.
	recentRuns = 40
)

// The last 40 runs of each kind of job on this machine. The kinds are found by going from one to the next along the
// index.
const runsSQL = `
	with recursive kinds (type, engine, model) as (
	    (select type, engine, model from run_history where node_id = $1 order by type, engine, model limit 1)
	    union all
	    select n.* from kinds k,
	         lateral (select h.type, h.engine, h.model from run_history h
	                   where h.node_id = $1 and (h.type, h.engine, h.model) > (k.type, k.engine, k.model)
	                   order by h.type, h.engine, h.model limit 1) n)
	select k.type, k.engine, k.model, r.units, r.run_seconds, r.load_seconds
	  from kinds k,
	       lateral (select h.units, h.run_seconds, h.load_seconds from run_history h
	                 where h.node_id = $1 and h.type = k.type and h.engine = k.engine and h.model = k.model
	                   and h.at > now() - interval '90 days'
	                 order by h.at desc limit 40) r`

// The longest step of the last 20 runs, of those that are not too old.
const phaseCols = `engine, model, phase,
	coalesce((select max(u.step) from unnest(steps, times) u (step, at)
	           where u.at > now() - make_interval(secs => $1)), 0)::float8, runs`

const phasesSQL = `select ` + phaseCols + ` from phase_history order by updated_at desc limit 5000`

// The newest first. A row that an earlier version wrote counts as one run.
const recordPhaseSQL = `
	insert into phase_history as p (engine, model, phase, max_step_seconds, runs, steps, times)
	values ($2, $3, $4, $5, 1, array[$5::float8], array[now()])
	on conflict (engine, model, phase) do update
	   set max_step_seconds = (select max(s) from unnest((excluded.steps || p.steps)[1:20]) s),
	       steps = (excluded.steps || p.steps)[1:20], times = (excluded.times || p.times)[1:20],
	       runs = p.runs + 1, updated_at = now()
	returning ` + phaseCols

type runKey struct {
	kind          Type
	engine, model string
}

type run struct{ Units, Seconds, Load float64 }

// history keeps the recent runs of each type, engine and model.
type history struct {
	mu   sync.Mutex
	at   time.Time
	runs map[runKey][]run
}

// ran takes in a run that has just ended here, so that the next forecast counts it without reading the table again.
func (h *history) ran(kind runKey, last run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.runs == nil {
		return // the first forecast reads the table
	}
	runs := slices.Insert(slices.Clone(h.runs[kind]), 0, last)
	next := maps.Clone(h.runs)
	next[kind] = runs[:min(len(runs), recentRuns)]
	h.runs = next
}

// runOf is a finished job as the history keeps it.
func runOf(j *Job) (runKey, run) {
	return runKey{
			j.Type,
			j.Engine,
			j.Model,
		}, run{
			Units(j.Type, j.Params),
			j.Metrics.RunSeconds,
			j.Metrics.ModelLoadSeconds,
		}
}

func (s *Service) runs(ctx context.Context) (map[runKey][]run, error) {
	h := &s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.runs != nil && time.Since(h.at) < historyFor {
		return h.runs, nil
	}
	rows, err := s.cfg.Pool.Query(ctx, runsSQL, s.cfg.NodeID)
	if err != nil {
		return nil, fmt.Errorf("jobs: run history: %w", err)
	}
	found := map[runKey][]run{}
	var k runKey
	var r run
	if _, err := pgx.ForEachRow(rows, []any{&k.kind, &k.engine, &k.model, &r.Units, &r.Seconds, &r.Load}, func() error {
		found[k] = append(found[k], r)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("jobs: run history: %w", err)
	}
	h.runs, h.at = found, time.Now()
	return found, nil
}

// estimate is how long a run of these units takes, from the runs of its kind; without any it is a guess from a table.
func estimate(runs []run, kind Type, quality string, units float64) (seconds float64, guess bool) {
	if len(runs) == 0 {
		c := coldStart(kind, quality)
		return c.base + c.perUnit*units, true
	}
	base, perUnit := fit(runs)
	return math.Max(base+perUnit*units, 0.1), false
}

// fit is a line through the runs. A slope or a base below zero, or runs that are all of one length, make it a
// proportion or a constant instead: a line through noise must not promise a negative time for a long job.
func fit(runs []run) (base, perUnit float64) {
	var sumU, sumT float64
	for _, r := range runs {
		sumU += r.Units
		sumT += r.Seconds
	}
	n := float64(len(runs))
	meanU, meanT := sumU/n, sumT/n
	var cov, varU float64
	for _, r := range runs {
		cov += (r.Units - meanU) * (r.Seconds - meanT)
		varU += (r.Units - meanU) * (r.Units - meanU)
	}
	if len(runs) >= 3 && varU > 1e-9*meanU*meanU && varU > 0 {
		slope := cov / varU
		if base := meanT - slope*meanU; slope >= 0 && base >= 0 {
			return base, slope
		}
	}
	times := make([]float64, 0, len(runs))
	rates := make([]float64, 0, len(runs))
	for _, r := range runs {
		times = append(times, r.Seconds)
		if r.Units > 0 {
			rates = append(rates, r.Seconds/r.Units)
		}
	}
	if len(rates) == len(runs) {
		return 0, median(rates)
	}
	return median(times), 0
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

type cold struct{ base, perUnit float64 }

// coldStart holds the estimates of a machine without history; they are marked as guesses. Draft numbers are of two
// laptop cores, final ones of a 12 GB card.
func coldStart(kind Type, quality string) cold {
	if quality == "draft" {
		switch kind {
		case TypeSpeech:
			return cold{0.5, 0.005}
		case TypeCloneVoice:
			return cold{2, 0}
		case TypeImage, TypeImageEdit, TypeUpscale:
			return cold{0.5, 0.7}
		case TypeAvatar, TypeAnimate:
			return cold{2, 0.1}
		default:
			return cold{5, 0}
		}
	}
	switch kind {
	case TypeSpeech:
		return cold{6, 0.12}
	case TypeCloneVoice, TypeTranscribe:
		return cold{15, 0}
	case TypeImage, TypeImageEdit:
		return cold{30, 90}
	case TypeUpscale:
		return cold{10, 10}
	case TypeAvatar, TypeAnimate:
		return cold{120, 15}
	default:
		return cold{30, 0}
	}
}

// size holds the numbers on which the length and the memory of a run depend. They are 0 when the parameters do not have
// them.
type size struct {
	units                   float64
	width, height, pictures int
}

func sizeOf(t Type, params map[string]any) size {
	const most = 1e6 // more than any engine takes, and little enough for the columns
	whole := func(name string) int { return int(min(max(number(params, name, 0), 0), most)) }
	return size{units: Units(t, params), width: whole("width"), height: whole("height"), pictures: whole("num_images")}
}

// Units is the number on which the length of a run depends: characters for speech, megapixels for pictures, megapixels
// times frames for video. It is 1 when the parameters do not have it.
func Units(t Type, params map[string]any) float64 {
	switch t {
	case TypeSpeech:
		return math.Max(textLength(params), 1)
	case TypeImage, TypeImageEdit, TypeUpscale:
		return megapixels(params) * number(params, "num_images", 1)
	case TypeAvatar, TypeAnimate:
		// Speech is about 15 characters a second; a duration is a minimum.
		seconds := math.Max(number(params, "duration", 0), textLength(params)/15)
		if seconds == 0 {
			seconds = 5
		}
		return megapixels(params) * seconds * number(params, "fps", 25)
	default:
		return 1
	}
}

func megapixels(params map[string]any) float64 {
	return number(params, "width", 512) * number(params, "height", 512) / 1e6
}

func textLength(params map[string]any) float64 {
	n := 0
	for _, name := range []string{"text", "script"} {
		if v, ok := params[name].(string); ok {
			n += len([]rune(v))
		}
	}
	lines, _ := params["lines"].([]any)
	for _, l := range lines {
		if m, ok := l.(map[string]any); ok {
			if v, ok := m["text"].(string); ok {
				n += len([]rune(v))
			}
		}
	}
	return float64(n)
}

func number(params map[string]any, name string, def float64) float64 {
	switch v := params[name].(type) {
	case float64:
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	default:
		return def
	}
}

// RecordPhase stores the longest step of a phase of a run, and returns the phase's history. Its commit does not wait
// for the disk, so that the end of the run does not wait for it. A crash of the machine may lose the last records,
// which nobody has been told of.
func (s *Service) RecordPhase(
	ctx context.Context, engine, model string, p PhaseRecord,
) (known PhaseHistory, err error) {
	var b pgx.Batch
	b.Queue(notFlushedSQL)
	record := b.Queue(recordPhaseSQL, learnedFor.Seconds(), engine, model, p.Phase, p.MaxStepSeconds)
	record.Query(func(rows pgx.Rows) (err error) {
		known, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[PhaseHistory])
		return err
	})
	if err := s.cfg.Pool.SendBatch(ctx, &b).Close(); err != nil {
		return PhaseHistory{}, fmt.Errorf("jobs: record phase: %w", err)
	}
	return known, nil
}

// notFlushedSQL makes the commit of this one transaction return before it is on the disk.
const notFlushedSQL = `select set_config('synchronous_commit', 'off', true)`

// Phases is the longest gap between two steps that each phase had in its last runs, and in how many runs it was ever
// seen. Of a long history the newest.
func (s *Service) Phases(ctx context.Context) ([]PhaseHistory, error) {
	rows, err := s.cfg.Pool.Query(ctx, phasesSQL, learnedFor.Seconds())
	if err != nil {
		return nil, fmt.Errorf("jobs: phase history: %w", err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowToStructByPos[PhaseHistory])
	if err != nil {
		return nil, fmt.Errorf("jobs: phase history: %w", err)
	}
	return slices.DeleteFunc(known, func(p PhaseHistory) bool { return p.MaxStepSeconds == 0 }), nil
}
