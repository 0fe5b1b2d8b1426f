package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/apibr/studio/internal/i18n"
)

const (
	stateChannel    = "apibr_events"
	progressChannel = "apibr_progress"

	// batch is how many rows one read takes.
	batch = 500
	// remoteInterval is the least time between two notifications of one job's progress.
	remoteInterval = 500 * time.Millisecond
	// longestNotification is Postgres's limit less a margin.
	longestNotification = 7900
)

// Config of a Hub. Pool is needed.
type Config struct {
	Pool *pgxpool.Pool

	// Connect makes the connection for LISTEN, which must not be of the pool. Default: poll only.
	Connect func(ctx context.Context) (*pgx.Conn, error)

	// Poll is the time between two looks when no notification comes. Default 1 s.
	Poll time.Duration

	// Shared says that other nodes use the database: progress is then passed on to them.
	Shared bool

	// OnState is called for every state event, also other nodes', in order. It must not block. Default: nothing.
	OnState func(Event)

	// Notifications are further channels to listen on, by name; the handlers must not block.
	Notifications map[string]func(payload string)

	Log *slog.Logger
}

// Hub reads state events in order and hands them, with progress and previews, to its subscribers.
type Hub struct {
	cfg    Config
	origin string // marks our own progress notifications
	kick   chan struct{}
	remote chan JobProgress
	ready  chan struct{}

	mu          sync.Mutex
	last        int64 // highest number handed out
	subscribers map[*Subscription]struct{}
	sent        map[uuid.UUID]time.Time // last remote progress by job
	previews    map[uuid.UUID][]byte    // newest picture by job that runs here
}

// NewHub makes a Hub; Run works it.
func NewHub(cfg Config) *Hub {
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.OnState == nil {
		cfg.OnState = func(Event) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Hub{
		cfg:         cfg,
		origin:      uuid.NewString(),
		kick:        make(chan struct{}, 1),
		remote:      make(chan JobProgress, 64),
		ready:       make(chan struct{}),
		subscribers: map[*Subscription]struct{}{},
		sent:        map[uuid.UUID]time.Time{},
		previews:    map[uuid.UUID][]byte{},
	}
}

// Ready is closed when the hub knows the newest event and hands out those that follow.
func (h *Hub) Ready() <-chan struct{} { return h.ready }

// Run hands out events until ctx ends. The database may go away and come back meanwhile.
func (h *Hub) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	if err := h.begin(ctx); err != nil {
		return err
	}
	close(h.ready)
	if h.cfg.Connect != nil {
		group.Go(func() { h.listen(ctx) })
	}
	group.Go(func() { h.passOn(ctx) })
	tick := time.NewTicker(h.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			h.closeAll()
			return nil
		case <-h.kick:
		case <-tick.C:
		}
		if err := h.drain(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.Warn("events could not be read; trying again", "err", err)
		}
	}
}

// begin finds the number to start from. Subscribers that need earlier events read those themselves.
func (h *Hub) begin(ctx context.Context) error {
	for {
		var oldest, newest int64
		err := h.cfg.Pool.QueryRow(ctx, boundsSQL).Scan(&oldest, &newest)
		if err == nil {
			h.mu.Lock()
			h.last = newest
			h.mu.Unlock()
			return nil
		}
		h.cfg.Log.Warn("the event counter could not be read; trying again", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(h.cfg.Poll):
		}
	}
}

// drain hands out everything that is committed and not yet handed out.
func (h *Hub) drain(ctx context.Context) error {
	for {
		h.mu.Lock()
		last := h.last
		h.mu.Unlock()
		rows, err := h.cfg.Pool.Query(ctx, allSinceSQL, last, batch)
		if err != nil {
			return fmt.Errorf("events: read: %w", err)
		}
		events, err := pgx.CollectRows(rows, pgx.RowToStructByName[Event])
		if err != nil {
			return fmt.Errorf("events: read: %w", err)
		}
		for _, event := range events {
			h.cfg.OnState(event)
			h.publish(event)
		}
		if len(events) < batch {
			return nil
		}
	}
}

func (h *Hub) publish(event Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = event.Seq
	for s := range h.subscribers {
		if s.filter.wants(event.Owner, event.Job) {
			s.pushState(event)
		}
	}
}

// Notify tells this node's subscribers and the other nodes that events up to seq are committed.
func (h *Hub) Notify(ctx context.Context, seq int64) {
	h.wake()
	if !h.cfg.Shared || seq == 0 {
		return
	}
	if _, err := h.cfg.Pool.Exec(ctx, "select pg_notify($1, $2)", stateChannel, h.origin); err != nil {
		h.cfg.Log.Debug("other nodes were not told of an event; they poll", "err", err)
	}
}

func (h *Hub) wake() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// listen wakes the reader on notifications until ctx ends; a broken connection is made again.
func (h *Hub) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		h.cfg.Log.Warn("the connection for notifications broke; polling until it is back", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(h.cfg.Poll):
		}
	}
}

func (h *Hub) listenOnce(ctx context.Context) error {
	conn, err := h.cfg.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	channels := []string{stateChannel, progressChannel}
	for name := range h.cfg.Notifications {
		channels = append(channels, name)
	}
	for _, name := range channels {
		if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{name}.Sanitize()); err != nil {
			return fmt.Errorf("events: listen: %w", err)
		}
	}
	h.wake()
	for {
		notification, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("events: listen: %w", err)
		}
		h.received(notification.Channel, notification.Payload)
	}
}

func (h *Hub) received(channel, payload string) {
	switch channel {
	case stateChannel:
		if payload != h.origin {
			h.wake()
		}
	case progressChannel:
		var message remoteProgress
		if json.Unmarshal([]byte(payload), &message) == nil && message.Origin != h.origin {
			h.spread(message.JobProgress)
		}
	default:
		if handle := h.cfg.Notifications[channel]; handle != nil {
			handle(payload)
		}
	}
}

type remoteProgress struct {
	Origin string `json:"s"`
	JobProgress
}

// Progress hands a running job's progress to the subscribers here and, twice a second at most, to the other nodes. It
// never blocks.
func (h *Hub) Progress(p JobProgress) {
	h.spread(p)
	if !h.cfg.Shared {
		return
	}
	h.mu.Lock()
	due := time.Since(h.sent[p.Job]) >= remoteInterval
	if due {
		h.sent[p.Job] = time.Now()
	}
	h.mu.Unlock()
	if due {
		select {
		case h.remote <- p:
		default: // the database is slow: the next one replaces it anyway
		}
	}
}

// Forget drops a job's progress and preview; it is called when the job's run has ended.
func (h *Hub) Forget(job uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sent, job)
	delete(h.previews, job)
}

func (h *Hub) passOn(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-h.remote:
			payload, err := json.Marshal(remoteProgress{h.origin, p})
			if err == nil && len(payload) > longestNotification {
				p.Progress.Message = i18n.Sentence{} // the fraction is worth more than the words
				payload, err = json.Marshal(remoteProgress{h.origin, p})
			}
			if err != nil || len(payload) > longestNotification {
				continue
			}
			_, err = h.cfg.Pool.Exec(ctx, "select pg_notify($1, $2)", progressChannel, string(payload))
			if err != nil && ctx.Err() == nil {
				h.cfg.Log.Debug("progress was not passed on", "err", err)
			}
		}
	}
}

func (h *Hub) spread(p JobProgress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subscribers {
		if s.filter.wants(&p.Owner, &p.Job) {
			s.pushProgress(p)
		}
	}
}

// LatestPreview is the newest picture of a job that runs on this node, until Forget. It must not be changed.
func (h *Hub) LatestPreview(job uuid.UUID) (jpeg []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	jpeg, ok = h.previews[job]
	return jpeg, ok
}

// Preview keeps a picture until the next one of the job or Forget, and hands it to the subscribers of this node. It
// never blocks.
func (h *Hub) Preview(p Preview) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.previews[p.Job] = p.JPEG
	for s := range h.subscribers {
		if s.filter.wants(&p.Owner, &p.Job) {
			s.pushPreview(p)
		}
	}
}

// Since returns the events after seq that the filter wants, oldest first. reset says that some of them are gone
// already: the caller needs a snapshot. more says that events are left to read.
func (h *Hub) Since(ctx context.Context, filter Filter, seq int64) (found []Event, reset, more bool, err error) {
	var oldest, newest int64
	if err := h.cfg.Pool.QueryRow(ctx, boundsSQL).Scan(&oldest, &newest); err != nil {
		return nil, false, false, fmt.Errorf("events: %w", err)
	}
	// A number from the future belongs to another database.
	if seq+1 < oldest || seq > newest {
		return nil, true, false, nil
	}
	sql, args := sinceSQL(filter)
	rows, err := h.cfg.Pool.Query(ctx, sql, append([]any{seq}, args...)...)
	if err != nil {
		return nil, false, false, fmt.Errorf("events: %w", err)
	}
	found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Event])
	if err != nil {
		return nil, false, false, fmt.Errorf("events: %w", err)
	}
	return found, false, len(found) == batch, nil
}

// Newest is the number of the last committed event.
func (h *Hub) Newest(ctx context.Context) (int64, error) {
	var oldest, newest int64
	if err := h.cfg.Pool.QueryRow(ctx, boundsSQL).Scan(&oldest, &newest); err != nil {
		return 0, fmt.Errorf("events: %w", err)
	}
	return newest, nil
}

func (h *Hub) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subscribers {
		s.end(errors.New("events: the studio stops"))
		delete(h.subscribers, s)
	}
}
