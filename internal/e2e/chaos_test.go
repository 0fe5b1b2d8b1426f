package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// What a chaos run may be told by the environment. A seed repeats the order of kills and requests, not their moments.
const (
	chaosRounds  = "APIBR_CHAOS_ROUNDS" // default 2
	chaosSeed    = "APIBR_CHAOS_SEED"   // default 1
	chaosClients = 4
	chaosSubmits = 3 // of each client in each round
)

// chaos is a studio under load whose processes are killed, and what its clients know of their jobs.
type chaos struct {
	t     testing.TB
	s     *studio
	token string
	voice string

	mu       sync.Mutex
	accepted map[string]string // id by Idempotency-Key
	canceled map[string]bool   // by id: somebody asked for it
	doubled  []string          // keys that were answered with two jobs
	answers  map[string]int    // by status, and "no answer"
	kills    map[string]int
}

func number(t testing.TB, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// Whatever is killed whenever: each accepted job ends, once, and nothing else is left. `make chaos` runs a hundred
// rounds.
func TestChaos(t *testing.T) {
	rounds, seed := number(t, chaosRounds, 2), number(t, chaosSeed, 1)
	s := startStudio(t)
	c := &chaos{
		t:        t,
		s:        s,
		token:    s.token,
		voice:    builtinVoice(s),
		accepted: map[string]string{},
		canceled: map[string]bool{},
		answers:  map[string]int{},
		kills:    map[string]int{},
	}
	dice := rand.New(rand.NewPCG(uint64(seed), 0))
	started := time.Now()
	for round := range rounds {
		c.round(dice)
		t.Logf(
			"round %d of %d: %d jobs accepted, kills %v, answers %v",
			round+1,
			rounds,
			len(c.accepted),
			c.kills,
			c.answers,
		)
	}
	c.requireAllEnded(rounds, time.Since(started))
}

// round lets all clients send, kills something meanwhile, and brings back what was killed.
func (c *chaos) round(dice *rand.Rand) {
	var clients sync.WaitGroup
	for range chaosClients {
		own := rand.New(rand.NewPCG(dice.Uint64(), 1))
		clients.Go(func() {
			for range chaosSubmits {
				c.pause(own.IntN(500))
				c.act(own)
			}
		})
	}
	c.pause(dice.IntN(1500))
	switch victim := []string{"server", "engine", "postgres", "postgres backend"}[dice.IntN(4)]; victim {
	case "server":
		c.s.kill()
		c.kills[victim]++
		c.s.start()
	case "engine":
		c.killOne(dice, victim, c.s.sidecars())
	default:
		c.killOne(dice, victim, c.postgres(victim == "postgres"))
		c.s.awaitReadyAgain()
	}
	clients.Wait()
}

// pause spreads what happens over a round.
func (c *chaos) pause(milliseconds int) {
	over := time.NewTimer(time.Duration(milliseconds) * time.Millisecond)
	<-over.C
}

// postgres are the cluster's first process, or those that it started.
func (c *chaos) postgres(first bool) (found []process) {
	for _, p := range c.s.postgres() {
		parent, ok := readProcess(p.parent)
		if first == (!ok || !parent.isPostgres()) {
			found = append(found, p)
		}
	}
	return found
}

func (c *chaos) killOne(dice *rand.Rand, victim string, candidates []process) {
	if len(candidates) > 0 && syscall.Kill(candidates[dice.IntN(len(candidates))].pid, syscall.SIGKILL) == nil {
		c.kills[victim]++
	}
}

// act is what one client does: a job, and often a change of mind about one.
func (c *chaos) act(dice *rand.Rand) {
	key := uuid.NewString()
	text := fmt.Sprintf("Olá, mundo número %d.", dice.IntN(1000))
	var id string
	switch dice.IntN(8) {
	case 0:
		id = c.submit(
			key,
			"/api/v1/video/create-avatar",
			map[string]string{"image": "@" + portrait, "script": text, "voice": c.voice, "quality": "draft"},
		)
	case 1, 2, 3:
		id = c.submit(
			key,
			"/api/v1/image/generate",
			map[string]string{"prompt": text, "width": "256", "height": "256", "quality": "draft"},
		)
	default:
		id = c.submit(
			key,
			"/api/v1/audio/generate-speech",
			map[string]string{"text": text, "voice": c.voice, "quality": "draft"},
		)
	}
	if dice.IntN(4) == 0 && id != "" {
		c.mu.Lock()
		c.canceled[id] = true
		c.mu.Unlock()
		c.insist("POST", "/api/v1/jobs/"+id+"/cancel", "", nil)
		if dice.IntN(2) == 0 {
			c.insist("POST", "/api/v1/jobs/"+id+"/retry", "", nil)
		}
	}
}

// submit sends a form until it is accepted, as a client with a key may; "" when it never was.
func (c *chaos) submit(key, path string, fields map[string]string) string {
	first := c.insist("POST", path, key, fields)
	if first.status != http.StatusAccepted {
		return ""
	}
	id := c.idOf(first)
	if again := c.insist("POST", path, key, fields); again.status != http.StatusAccepted || c.idOf(again) != id {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.doubled = append(c.doubled, fmt.Sprintf("%s: %s, then %d %s", key, id, again.status, again.body))
		return id
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted[key] = id
	return id
}

func (c *chaos) idOf(a answer) string {
	var job object
	if err := json.Unmarshal(a.body, &job); err != nil {
		c.t.Errorf("an accepted job that cannot be read: %s", a.body)
	}
	return job.str("id")
}

// insist repeats a request while the studio is away or works on it already, and returns the first other answer.
func (c *chaos) insist(method, path, key string, fields map[string]string) answer {
	deadline := time.Now().Add(patience)
	for {
		a, err := c.send(method, path, key, fields)
		c.note(a, err)
		busy := a.status == http.StatusConflict && bytes.Contains(a.body, []byte("idempotency_in_flight"))
		switch {
		case err == nil && a.status != http.StatusServiceUnavailable && !busy:
			if a.status >= 500 {
				c.t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
			}
			return a
		case time.Now().After(deadline):
			c.t.Errorf("%s %s was never answered: %v, last %d %s", method, path, err, a.status, a.body)
			return a
		}
		c.pause(50)
	}
}

func (c *chaos) note(a answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.answers["no answer"]++
		return
	}
	c.answers[strconv.Itoa(a.status)]++
}

func (c *chaos) send(method, path, key string, fields map[string]string) (answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if value[0] != '@' {
			_ = form.WriteField(name, value) // a buffer takes everything
			continue
		}
		content, err := os.ReadFile(value[1:])
		if err != nil {
			return answer{}, err
		}
		part, _ := form.CreateFormFile(name, name+".png")
		_, _ = part.Write(content)
	}
	_ = form.Close()
	request, err := http.NewRequest(method, "http://"+c.s.addr+path, &body)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if fields != nil {
		request.Header.Set("Content-Type", form.FormDataContentType())
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, content}, err
}

// ended is a job as the database has it in the end.
type ended struct {
	ID, Status, Code            string
	Faults, Completions, Assets int
	Outputs                     int
}

const endedSQL = `
	select j.id::text, j.status, coalesce(j.error ->> 'code', ''), j.faults,
	       (select count(*) from apibr.events e where e.job_id = j.id and e.type = 'job.completed'),
	       (select count(*) from apibr.media_assets a where a.job_id = j.id),
	       coalesce(jsonb_array_length(j.result -> 'outputs'), 0)
	  from apibr.generation_jobs j`

// requireAllEnded waits for the last job and compares what the clients know with what the database has.
func (c *chaos) requireAllEnded(rounds int, loaded time.Duration) {
	c.s.eventually("the database answers after the last kill", func() bool {
		a, err := c.send("GET", "/api/v1/jobs", "", nil)
		return err == nil && a.status == http.StatusOK
	})
	t, db := c.t, c.s.db()
	const open = "select count(*) from apibr.generation_jobs where status in ('queued', 'processing')"
	draining := time.Now()
	for last, since := -1, time.Now(); ; {
		left := count(t, db, open)
		if left != last {
			last, since = left, time.Now()
		}
		if left == 0 || time.Since(since) > patience {
			break // nothing has ended for so long: what is left is stuck
		}
		c.pause(100)
	}
	found := c.found(db)
	table, wrong := c.table(found)
	holes := count(
		t,
		db,
		"select (select seq from apibr.event_counter) - count(*) + abs(max(seq) - count(*)) from apibr.events",
	)
	keys := count(t, db, "select count(*) from apibr.idempotency where status_code is null")
	fmt.Fprintf(
		&table,
		"holes in the event numbers\t%d\nkeys without an answer\t%d\nrounds\t%d\nkills\t%v\nanswers\t%v\n"+
			"seconds under load, until the last job ended\t%.0f, %.0f\n",
		holes,
		keys,
		rounds,
		c.kills,
		c.answers,
		loaded.Seconds(),
		time.Since(draining).Seconds(),
	)
	var aligned bytes.Buffer
	columns := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	_, _ = columns.Write(table.Bytes())
	_ = columns.Flush()
	t.Logf("\n%s", aligned.String())
	require.Empty(t, wrong)
	require.Empty(t, c.doubled)
	require.Zero(t, holes)
	require.Zero(t, keys)
	c.s.eventually("no work file is left over", func() bool { return len(workFiles(t, c.s.dir)) == 0 })
}

func (c *chaos) found(db *pgxpool.Pool) map[string]ended {
	rows, err := db.Query(context.Background(), endedSQL)
	require.NoError(c.t, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ended])
	require.NoError(c.t, err)
	found := map[string]ended{}
	for _, job := range list {
		found[job.ID] = job
	}
	return found
}

// table counts the jobs by what became of them, and lists the wrong ones.
func (c *chaos) table(found map[string]ended) (table bytes.Buffer, wrong []string) {
	counts := map[string]int{}
	blame := func(what string, job ended) {
		counts[what]++
		wrong = append(wrong, fmt.Sprintf("%s: %+v", what, job))
	}
	known := map[string]bool{}
	for key, id := range c.accepted {
		known[id] = true
		job, there := found[id]
		switch {
		case !there:
			blame("lost", ended{ID: id, Code: "key " + key})
		case job.Status == "queued" || job.Status == "processing":
			blame("stuck", job)
		case job.Status == "completed" && (job.Completions != 1 || job.Assets == 0 || job.Assets != job.Outputs):
			blame("doubled", job)
		case job.Status != "completed" && job.Completions+job.Assets > 0:
			blame("doubled", job)
		case job.Status == "canceled" && !c.canceled[id], job.Status == "failed" && job.Faults == 0:
			blame("ended otherwise", job)
		default:
			counts[job.Status]++
		}
	}
	for id, job := range found {
		if !known[id] {
			blame("doubled", job) // no client was told of it
		}
	}
	fmt.Fprintf(&table, "accepted\t%d\n", len(c.accepted))
	for _, what := range []string{"completed", "canceled", "failed", "lost", "doubled", "stuck", "ended otherwise"} {
		fmt.Fprintf(&table, "%s\t%d\n", what, counts[what])
	}
	return table, wrong
}
