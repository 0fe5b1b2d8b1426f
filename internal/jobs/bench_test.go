package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/store/storetest"
)

var localAdmin = uuid.MustParse("00000000-0000-7000-8000-000000000001")

// bench is a database with one registered node.
type bench struct {
	*Service
	t    *testing.T
	ctx  context.Context
	pool *pgxpool.Pool
	hub  *heard
}

// heard counts the events that a hub receives.
type heard struct {
	mu   sync.Mutex
	last int64
}

func (h *heard) Notify(_ context.Context, seq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = max(h.last, seq)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	st := storetest.New(t)
	b := &bench{t: t, ctx: ctx, pool: st.Pool(), hub: &heard{}}
	b.Service = b.node(uuid.New(), "kernel-1")
	return b
}

// node registers another node, or another boot of one, on the same database.
func (b *bench) node(id uuid.UUID, kernel string) *Service {
	s := New(Config{Pool: b.pool, Hub: b.hub, NodeID: id, BootID: uuid.New(), KernelBootID: kernel, Hostname: "test"})
	_, err := s.Recover(b.ctx)
	require.NoError(b.t, err)
	return s
}

func speech() Spec {
	return Spec{
		Owner: localAdmin, Type: TypeSpeech, Quality: "draft", Engine: "draft-speech",
		Params: map[string]any{"text": "Olá, mundo", "seed": 7},
	}
}

func avatar(inputs ...InputRef) Spec {
	return Spec{
		Owner: localAdmin, Type: TypeAvatar, Quality: "draft", Engine: "draft-avatar",
		Params: map[string]any{"duration": 5.0, "seed": 7}, Inputs: inputs,
	}
}

func clone(name string) Spec {
	return Spec{
		Owner: localAdmin, Type: TypeCloneVoice, Quality: "draft", Engine: "draft-voice",
		Params: map[string]any{"language": "pt-BR"}, NewVoice: &NewVoice{Name: name, Language: "pt-BR"},
	}
}

func (b *bench) submit(spec Spec) *Job {
	b.t.Helper()
	j, err := b.Submit(b.ctx, spec)
	require.NoError(b.t, err)
	return j
}

func (b *bench) claim(id uuid.UUID) *Claimed {
	b.t.Helper()
	c, err := b.Claim(b.ctx, id, "cpu")
	require.NoError(b.t, err)
	return c
}

func (b *bench) job(id uuid.UUID) *Job {
	b.t.Helper()
	j, err := b.Get(b.ctx, localAdmin, id)
	require.NoError(b.t, err)
	return j
}

// output is a file of that kind; the n makes its hash.
func output(kind media.Kind, n int) assets.Output {
	return assets.Output{Name: string(kind), Kind: kind, MIME: map[media.Kind]string{
		media.Audio: "audio/wav", media.Image: "image/png", media.Video: "video/mp4"}[kind], SHA256: hash(n), Size: 10}
}

func hash(n int) string { return strings.Repeat("0", 56) + fmt.Sprintf("%08x", n) }

func (b *bench) blob(n int) {
	b.t.Helper()
	_, err := b.pool.Exec(
		b.ctx,
		`insert into blobs (sha256, size_bytes, mime_type) values ($1, 10, 'x/y') on conflict do nothing`,
		hash(n),
	)
	require.NoError(b.t, err)
}

var boom = Problem{
	Type:      "internal",
	Title:     i18n.Plain("It broke"),
	Status:    500,
	Detail:    i18n.Plain("the engine stopped"),
	Code:      "internal",
	Retryable: true,
}

// kinds are the events of a job in order ("" = all), after checking that the numbers of all events have no hole.
func (b *bench) kinds(id uuid.UUID) []string {
	b.t.Helper()
	rows, err := b.pool.Query(b.ctx, `select seq, job_id, type, data from events order by seq`)
	require.NoError(b.t, err)
	var (
		found []string
		want  int64 = 1
		seq   int64
		job   *uuid.UUID
		kind  string
		data  map[string]any
	)
	_, err = pgx.ForEachRow(rows, []any{&seq, &job, &kind, &data}, func() error {
		require.Equal(b.t, want, seq, "event numbers have no hole")
		want++
		if strings.HasPrefix(kind, "job.") {
			require.Contains(b.t, data, "status")
			require.Contains(b.t, data, "reason")
			require.Contains(b.t, data, "row_version")
		}
		if id == uuid.Nil || job != nil && *job == id {
			found = append(found, kind)
		}
		return nil
	})
	require.NoError(b.t, err)
	var counter int64
	require.NoError(b.t, b.pool.QueryRow(b.ctx, `select seq from event_counter`).Scan(&counter))
	require.Equal(b.t, want-1, counter)
	return found
}

func (b *bench) count(sql string, args ...any) int {
	b.t.Helper()
	var n int
	require.NoError(b.t, b.pool.QueryRow(b.ctx, sql, args...).Scan(&n))
	return n
}

func (b *bench) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.ctx, sql, args...)
	require.NoError(b.t, err)
}

const openTickets = `select count(*) from river.river_job where kind = 'generate' and state = 'available'`

// invariant: there is a ticket for every runnable job.
func (b *bench) ticketsSuffice() {
	b.t.Helper()
	runnable := b.count(
		`select count(*) from generation_jobs where status = 'queued' and blocked_by = 0 and lane is not null`,
	)
	require.GreaterOrEqual(b.t, b.count(openTickets), runnable)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

var _ Notifier = (*events.Hub)(nil)
