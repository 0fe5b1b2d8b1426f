package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/queue"
)

const lockNodeSQL = `select kernel_boot_id from nodes where id = $1 for update`

const registerNodeSQL = `
	insert into nodes (id, boot_id, kernel_boot_id, hostname) values ($1, $2, $3, $4)
	on conflict (id) do update
	   set boot_id = excluded.boot_id, kernel_boot_id = excluded.kernel_boot_id, hostname = excluded.hostname,
	       started_at = now(), seen_at = now()`

const beatSQL = `update nodes set seen_at = now() where id = $1 and boot_id = $2`

const aloneSQL = `select not exists (select from nodes where id <> $1 and seen_at > now() - make_interval(secs => $2))`

const leaveSQL = `update nodes set seen_at = '-infinity' where id = $1 and boot_id = $2`

const ownEarlierSQL = `
	select ` + jobCols + ` from generation_jobs j
	 where j.status = 'processing' and j.node_id = $1 and j.boot_id <> $2 order by j.id for update`

// A node is dead when its last beat is too old; one that started anew is recovering its jobs itself, so that an older
// boot's jobs are only taken when that node is silent too. Nobody is dead just after the start of the database: no
// node could beat.
const orphansSQL = `
	select ` + jobCols + ` from generation_jobs j
	 where j.status = 'processing'
	   and pg_postmaster_start_time() < now() - make_interval(secs => $2)
	   and not exists (select from nodes n where n.id = j.node_id and n.seen_at > now() - make_interval(secs => $1))
	 order by j.id for update of j skip locked`

const takeBackSQL = `
	update generation_jobs j
	   set status = 'queued', reason = $3, host_restarts = $4, attempt = greatest(attempt - $5, 0), node_id = null,
	       boot_id = null, not_before = '-infinity', row_version = row_version + 1
	 where id = $1 and fence = $2 and status = 'processing'
	returning ` + jobCols

const newSegmentsSQL = `select exists (select from job_segments where job_id = $1 and fence = $2)`

// Looked at every second by every node: one statement, no lock.
const anythingDeadSQL = `
	select pg_postmaster_start_time() < now() - make_interval(secs => $2) and (
	       exists (select from generation_jobs j
	                where j.status = 'processing'
	                  and not exists (select from nodes n where n.id = j.node_id
	                                   and n.seen_at > now() - make_interval(secs => $1)))
	    or exists (select from river.river_job r
	                where r.state = 'running'
	                  and not exists (select from nodes n
	                                   where n.id || '.' || n.boot_id = r.attempted_by[array_upper(r.attempted_by, 1)]
	                                     and n.seen_at > now() - make_interval(secs => $1))))`

// NodeConfig of RunNode.
type NodeConfig struct {
	// Shared says that other nodes may use the database: a node that cannot beat for LostAfter calls OnLost.
	Shared bool
	// OnLost must kill this node's sidecars: another node may be about to take its jobs.
	OnLost func()
	// Beat is the time between two beats. Default 1 s.
	Beat time.Duration
	// DeadAfter is the age of the last beat at which a node is taken for dead. Default 15 s.
	DeadAfter time.Duration
	// Grace after the start of the database in which nobody is. Default 15 s; below 0 none.
	Grace time.Duration
	// LostAfter is how long beats may fail. Default 10 s, less than DeadAfter.
	LostAfter time.Duration
}

func (c *NodeConfig) setDefaults() {
	if c.OnLost == nil {
		c.OnLost = func() {}
	}
	if c.Beat == 0 {
		c.Beat = time.Second
	}
	if c.DeadAfter == 0 {
		c.DeadAfter = 15 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 15 * time.Second
	}
	if c.LostAfter == 0 {
		c.LostAfter = 10 * time.Second
	}
}

// Recover registers this node's boot and takes back the jobs of its earlier ones. Call it once, before anything claims,
// under the lock of the data directory. It returns how many jobs it took back.
//
// When the kernel's boot id has changed since, the machine itself went down. A job that was on the GPU then may be
// what froze it: it is queued with reason host_restarted and the queue is paused until the user says go; if the same
// happens again without a new segment in between, the job fails.
func (s *Service) Recover(ctx context.Context) (int, error) {
	taken := 0
	err := s.inTx(ctx, "recover", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		var before string
		err := t.QueryRow(ctx, lockNodeSQL, s.cfg.NodeID).Scan(&before)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("lock node: %w", err)
		}
		rebooted := err == nil && before != s.cfg.KernelBootID
		_, err = t.Exec(ctx, registerNodeSQL, s.cfg.NodeID, s.cfg.BootID, s.cfg.KernelBootID, s.cfg.Hostname)
		if err != nil {
			return fmt.Errorf("register: %w", err)
		}
		own, err := many(ctx, t, ownEarlierSQL, s.cfg.NodeID, s.cfg.BootID)
		if err != nil {
			return fmt.Errorf("find jobs: %w", err)
		}
		for _, j := range own {
			if err := s.takeBack(ctx, t, j, rebooted); err != nil {
				return err
			}
		}
		taken = len(own)
		return queue.CloseEarlier(ctx, t, s.cfg.NodeID, s.cfg.BootID)
	})
	return taken, err
}

// takeBack ends the run of a node that is gone.
func (s *Service) takeBack(ctx context.Context, t *txn, j *Job, rebooted bool) error {
	if j.CancelRequestedAt != nil {
		return s.end(ctx, t, j.ID, j.Fence, Canceled, nil, false)
	}
	if !rebooted || !j.UsesGPU {
		return s.takeBackAs(ctx, t, j, ReasonNone, j.HostRestarts, 0)
	}
	var advanced bool
	if err := t.QueryRow(ctx, newSegmentsSQL, j.ID, j.Fence).Scan(&advanced); err != nil {
		return fmt.Errorf("look for segments: %w", err)
	}
	restarts := j.HostRestarts + 1
	if advanced {
		restarts = 1
	}
	if restarts >= 2 {
		return s.end(ctx, t, j.ID, j.Fence, Failed, &Problem{
			Type: "host_restarted", Title: i18n.Say("The machine went down twice"), Status: 500, Code: "host_restarted",
			Retryable: true,
			Detail: i18n.Say("the machine restarted twice while this job was on the GPU, and the job did not get any " +
				"further in between: choose a smaller size or draft quality, or check power supply and driver before " +
				"you retry it"),
		}, false)
	}
	if err := s.takeBackAs(ctx, t, j, ReasonHostRestarted, restarts, 0); err != nil {
		return err
	}
	message := i18n.Say(
		"The machine restarted while the %s job %s was on the GPU, so the queue waits: resume it to try "+
			"that job once more, or cancel the job first.",
		j.Type,
		j.ID,
	)
	return setPausedTx(ctx, t, true, "host_restarted", message)
}

// takeBackAs queues the job again; unmade is 1 when its last attempt was never made.
func (s *Service) takeBackAs(ctx context.Context, t *txn, j *Job, reason Reason, restarts, unmade int) error {
	back, err := one(ctx, t, takeBackSQL, j.ID, j.Fence, nullable(reason), restarts, unmade)
	if err != nil {
		return fmt.Errorf("take back %s: %w", j.ID, err)
	}
	if _, err := t.Exec(ctx, dropProgressSQL, j.ID); err != nil {
		return fmt.Errorf("progress: %w", err)
	}
	t.ticket(back, time.Time{})
	t.emit(EventRequeued, back)
	return nil
}

// Reap takes back the jobs of dead nodes and closes their River rows, in one transaction; RunNode calls it at each
// beat. It returns how many jobs it took back.
func (s *Service) Reap(ctx context.Context, cfg NodeConfig) (int, error) {
	cfg.setDefaults()
	var dead bool
	err := s.cfg.Pool.QueryRow(ctx, anythingDeadSQL, cfg.DeadAfter.Seconds(), cfg.Grace.Seconds()).Scan(&dead)
	if err != nil {
		return 0, fmt.Errorf("jobs: reap: %w", err)
	}
	if !dead {
		return 0, nil
	}
	taken := 0
	err = s.inTx(ctx, "reap", func(t *txn) error {
		if err := t.lockGraph(ctx); err != nil {
			return err
		}
		orphans, err := many(ctx, t, orphansSQL, cfg.DeadAfter.Seconds(), cfg.Grace.Seconds())
		if err != nil {
			return fmt.Errorf("find orphans: %w", err)
		}
		for _, j := range orphans {
			s.cfg.Log.WarnContext(ctx, "node is dead, taking its job back", "job", j.ID, "node", j.NodeID, "fence",
				j.Fence)
			// Whether that machine's kernel went down is not known here; when it comes back its jobs are elsewhere.
			if err := s.takeBack(ctx, t, j, false); err != nil {
				return err
			}
		}
		taken = len(orphans)
		return queue.CloseDead(ctx, t, cfg.DeadAfter)
	})
	return taken, err
}

// ErrReplaced: another process took over this node's id.
var ErrReplaced = errors.New("jobs: another process uses this node's id: is the data directory shared?")

// Beat records that this node lives. Fails with ErrReplaced.
func (s *Service) Beat(ctx context.Context) error {
	tag, err := s.cfg.Pool.Exec(ctx, beatSQL, s.cfg.NodeID, s.cfg.BootID)
	if err != nil {
		return fmt.Errorf("jobs: beat: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrReplaced
	}
	return nil
}

// Leave records that this node has ended, so that nobody waits for its beats: the last thing of a clean stop.
func (s *Service) Leave(ctx context.Context) error {
	if _, err := s.cfg.Pool.Exec(ctx, leaveSQL, s.cfg.NodeID, s.cfg.BootID); err != nil {
		return fmt.Errorf("jobs: leave: %w", err)
	}
	return nil
}

// Alone says that no other node has beaten lately.
func (s *Service) Alone(ctx context.Context) (alone bool, err error) {
	var cfg NodeConfig
	cfg.setDefaults()
	if err := s.cfg.Pool.QueryRow(ctx, aloneSQL, s.cfg.NodeID, cfg.DeadAfter.Seconds()).Scan(&alone); err != nil {
		return false, fmt.Errorf("jobs: look for other nodes: %w", err)
	}
	return alone, nil
}

// RunNode beats and reaps until ctx ends, then leaves: a service. Call Recover first. On ErrReplaced it calls OnLost
// and fails.
func (s *Service) RunNode(ctx context.Context, cfg NodeConfig) error {
	cfg.setDefaults()
	ticker := time.NewTicker(cfg.Beat)
	defer ticker.Stop()
	watch := beatWatch{after: cfg.LostAfter, since: time.Now()}
	for {
		if err := s.beatOnce(ctx, cfg); ctx.Err() == nil {
			if errors.Is(err, ErrReplaced) {
				cfg.OnLost()
				return err
			}
			if watch.note(err, time.Now()) && cfg.Shared {
				s.cfg.Log.ErrorContext(ctx, "no beat reached the database: stopping this node's sidecars", "for",
					cfg.LostAfter, "err", err)
				cfg.OnLost()
			}
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := s.Leave(last); err != nil {
				s.cfg.Log.DebugContext(ctx, "leaving failed", "err", err)
			}
			return nil
		case <-ticker.C:
		}
	}
}

// beatOnce does not wait for a hung database longer than the silence that may be.
func (s *Service) beatOnce(ctx context.Context, cfg NodeConfig) error {
	ctx, cancel := context.WithTimeout(ctx, cfg.LostAfter/4)
	defer cancel()
	if err := s.Beat(ctx); err != nil {
		return err
	}
	if _, err := s.Reap(ctx, cfg); err != nil {
		s.cfg.Log.WarnContext(ctx, "looking for dead nodes failed", "err", err)
	}
	if _, err := s.Reconcile(ctx); err != nil {
		s.cfg.Log.WarnContext(ctx, "comparing this node's jobs with its runs failed", "err", err)
	}
	return nil
}

// beatWatch says once per silence that it is too long.
type beatWatch struct {
	after time.Duration
	since time.Time // the last beat that arrived
	told  bool
}

func (w *beatWatch) note(err error, now time.Time) bool {
	if err == nil {
		w.since, w.told = now, false
		return false
	}
	if w.told || now.Sub(w.since) < w.after {
		return false
	}
	w.told = true
	return true
}
