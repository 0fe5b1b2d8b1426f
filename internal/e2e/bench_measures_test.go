package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/store/storetest"
)

func measureStart(b *testing.B, r *report) {
	s := startStudio(b)
	server := memory(b, s.cmd.Process.Pid, "Rss")
	var cluster int64
	for _, p := range s.postgres() {
		cluster += memory(b, p.pid, "Pss")
	}
	r.add("idle memory of the server", "", "Rss of smaps_rollup, just ready", "%s", mib(server))
	r.add("idle memory of the cluster", "", "sum of Pss of all Postgres processes", "%s", mib(cluster))
	const rounds = 5
	var times []time.Duration
	for range rounds {
		s.stop()
		begin := time.Now()
		s.launch()
		for {
			response, err := http.Get("http://" + s.addr + "/readyz")
			if err == nil {
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					break
				}
			}
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Since(begin))
	}
	r.add(
		"start to ready on warm data",
		"1.5 s",
		"exec of `apibr serve` to the first 200 of /readyz, median of 5",
		"%s",
		ms(percentile(times, 50)),
	)
	s.stop()
}

// measureParts times what a job's way is made of, against the cluster and in the data directory of a studio that rests.
func measureParts(b *testing.B, r *report) {
	s := startStudio(b)
	defer s.stop()
	ctx := b.Context()
	conn, err := s.db().Acquire(ctx)
	require.NoError(b, err)
	defer conn.Release()
	exec := func(sql string) func() {
		return func() { _, err := conn.Exec(ctx, sql); require.NoError(b, err) }
	}
	each := func(do func()) time.Duration {
		var times []time.Duration
		const rounds = 300
		for range rounds {
			begin := time.Now()
			do()
			times = append(times, time.Since(begin))
		}
		return percentile(times, 50)
	}
	exec("create temporary table part_of_bench (n int)")()
	exec("create table apibr.part_of_bench (n int)")()
	trip := each(exec("select 1"))
	volatile := each(exec("insert into part_of_bench values (1)"))
	durable := each(exec("insert into apibr.part_of_bench values (1)"))
	exec("drop table apibr.part_of_bench")()
	r.add("part: a round trip to the database", "", "`select 1` on an open connection, p50 of 300", "%s", ms(trip))
	r.add(
		"part: the fsync of a commit",
		"",
		"an insert into a table less one into a temporary table, p50 of 300",
		"%s",
		ms(durable-volatile),
	)

	store, err := blob.NewDisk(filepath.Join(s.dir, "part_of_bench"))
	require.NoError(b, err)
	content, n := make([]byte, 3244), uint32(0)
	keep := each(func() {
		n++
		binary.LittleEndian.PutUint32(content, n)
		_, err := store.Put(ctx, bytes.NewReader(content), 0)
		require.NoError(b, err)
	})
	hash := each(func() { _ = sha256.Sum256(content) })
	r.add(
		"part: keeping a file of 3 kB",
		"",
		"written, hashed, and flushed with its name into the blob store, p50 of 300",
		"%s",
		ms(keep),
	)
	r.add("part: hashing it once", "", "SHA-256, p50 of 300", "%.3f ms", float64(hash.Nanoseconds())/1e6)
	frame := map[string]any{
		"jsonrpc": "2.0",
		"id":      1,
		"method":  "run",
		"params": map[string]any{"job": uuid.NewString(),
			"task": "audio.speech", "params": map[string]any{"text": "Olá", "seed": 7}, "out_dir": s.dir},
	}
	r.add("part: a frame as JSON", "", "encoded and decoded, p50 of 300", "%.3f ms", float64(each(func() {
		line, err := json.Marshal(frame)
		require.NoError(b, err)
		require.NoError(b, json.Unmarshal(line, &map[string]any{}))
	}).Nanoseconds())/1e6)
}

// speak submits a one-word speech and gives the job's id and the moment before the request left.
func (s *studio) speak(voice string) (id string, sent time.Time) {
	s.t.Helper()
	sent = time.Now()
	return s.accepted(s.post("/api/v1/audio/generate-speech", object{"text": "Olá", "voice_id": voice,
			"quality": "draft"})).
			str("id"),
		sent
}

// bed is the data directory that a measure runs in: a new one when it is empty.
type bed struct{ dir, of string }

// start starts a studio in the directory and gives the log of its echo program.
func (d bed) start(b *testing.B, more string) (s *studio, log string) {
	b.Helper()
	yaml, log := echoConfig(b, more)
	options := []option{withConfig(yaml)}
	if d.dir != "" {
		options = append(options, withDir(d.dir))
	}
	return startStudio(b, options...), log
}

// longHistory is a data directory with a million finished jobs.
func longHistory(b *testing.B) bed {
	b.Helper()
	s := startStudio(b)
	conn, err := s.db().Acquire(b.Context())
	require.NoError(b, err)
	_, err = conn.Exec(b.Context(), "set search_path = apibr, public")
	require.NoError(b, err)
	storetest.FillHistory(b, conn.Conn(), 0)
	_, err = conn.Exec(b.Context(), "checkpoint") // else it would be written during the measures
	require.NoError(b, err)
	conn.Conn().Close(b.Context())
	conn.Release()
	s.stop()
	return bed{dir: s.dir, of: ", a million finished jobs"}
}

// measureHistory repeats the measures that a long history could slow down.
func measureHistory(b *testing.B, r *report) {
	history := longHistory(b)
	latency(b, r, history)
	bursts(b, r, history)
	submissions(b, r, history)
}

func measureLatency(b *testing.B, r *report)     { latency(b, r, bed{}) }
func measureBursts(b *testing.B, r *report)      { bursts(b, r, bed{}) }
func measureSubmissions(b *testing.B, r *report) { submissions(b, r, bed{}) }

func latency(b *testing.B, r *report, in bed) {
	s, log := in.start(b, "")
	defer s.stop()
	voice := builtinVoice(s)
	const warmUp, rounds = 5, 200
	sent := map[string]time.Time{}
	for i := range warmUp + rounds {
		id, at := s.speak(voice)
		s.completed(id)
		if i >= warmUp {
			sent[id] = at
		}
	}
	var waits []time.Duration
	runs := echoRuns(b, log)
	for id, at := range sent {
		waits = append(waits, runs[id].came.Sub(at))
	}
	r.add(
		"submit to run frame, idle"+in.of,
		"2 / 8 ms",
		"client sends POST until the loaded sidecar has read the run frame, 200 jobs one after another, p50 / p99",
		"%s / %s",
		ms(percentile(waits, 50)),
		ms(percentile(waits, 99)),
	)
}

func bursts(b *testing.B, r *report, in bed) {
	s, log := in.start(b, "queue:\n  max_concurrent_jobs: 1\n")
	defer s.stop()
	voice := builtinVoice(s)
	first, _ := s.speak(voice)
	s.completed(first)
	var gaps []time.Duration
	const bursts, size = 4, 50
	for range bursts {
		s.putQueue(true)
		var ids []string
		for range size {
			id, _ := s.speak(voice)
			ids = append(ids, id)
		}
		s.putQueue(false)
		for _, id := range ids {
			s.completed(id)
		}
		gaps = append(gaps, gapsOf(echoRuns(b, log), ids)...)
	}
	r.add(
		"slot free to next run frame, bursts of 50"+in.of,
		"5 / 15 ms",
		"one slot; the sidecar's answer leaves until it has read the next run frame, so verifying and storing the "+
			"file and committing "+
			"the result are in it, p50 / p99",
		"%s / %s",
		ms(percentile(gaps, 50)),
		ms(percentile(gaps, 99)),
	)
}

// gapsOf are the pauses of one sidecar between its answer and the next run, within one burst.
func gapsOf(runs map[string]echoRun, ids []string) []time.Duration {
	var own []echoRun
	for _, id := range ids {
		own = append(own, runs[id])
	}
	var gaps []time.Duration
	for _, run := range own {
		next := time.Duration(-1)
		for _, other := range own {
			if gap := other.came.Sub(run.left); gap > 0 && (next < 0 || gap < next) {
				next = gap
			}
		}
		if next >= 0 {
			gaps = append(gaps, next)
		}
	}
	return gaps
}

func submissions(b *testing.B, r *report, in bed) {
	s, _ := in.start(b, "")
	defer s.stop()
	voice := builtinVoice(s)
	s.putQueue(true)
	const clients, window = 8, 10 * time.Second
	var made atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(window)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	for range clients {
		group.Go(func() {
			client := http.Client{Transport: transport}
			body := fmt.Appendf(nil, `{"text":"Olá","voice_id":%q,"quality":"draft"}`, voice)
			for time.Now().Before(end) {
				request, _ := http.NewRequest(
					"POST",
					"http://"+s.addr+"/api/v1/audio/generate-speech",
					bytes.NewReader(body),
				)
				request.Header.Set("Authorization", "Bearer "+s.token)
				request.Header.Set("Content-Type", "application/json")
				response, err := client.Do(request)
				if err != nil {
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode == http.StatusAccepted {
					made.Add(1)
				}
			}
		})
	}
	group.Wait()
	r.add("submissions a second, 8 clients"+in.of, "1,000",
		"JSON speech requests over keep-alive connections for 10 s, queue paused, the clients on the same machine",
		"%.0f", float64(made.Load())/window.Seconds())
}

// measureOverhead compares a job with the run alone: what the studio adds to the same engine called bare.
func measureOverhead(b *testing.B, r *report) {
	log := filepath.Join(b.TempDir(), "frames.log")
	s := startStudio(b, withConfig(recorded(b, "draft-speech", log)))
	voice := builtinVoice(s)
	const text = "A fila guarda cada trabalho, e nada se perde quando o computador reinicia no meio da noite."
	var whole, engine []time.Duration
	const warmUp, rounds = 2, 20
	for i := range warmUp + rounds {
		begin := time.Now()
		id := s.accepted(s.post("/api/v1/audio/generate-speech", object{"text": text, "voice_id": voice,
			"quality": "draft", "seed": i})).
			str("id")
		job := s.completed(id)
		if i < warmUp {
			continue
		}
		whole = append(whole, time.Since(begin))
		run, _ := job.obj("metrics")["run_seconds"].(float64)
		engine = append(engine, time.Duration(run*float64(time.Second)))
	}
	w, e := percentile(whole, 50), percentile(engine, 50)
	r.add(
		"overhead over the engine alone",
		"",
		"draft speech of 90 characters: POST to the finished job as the client sees it, less the engine's own run, "+
			"medians of 20",
		"%s of %s",
		ms(w-e),
		ms(w),
	)
}

func measureSockets(b *testing.B, r *report) {
	const sockets = 1000
	s, _ := bed{}.start(
		b,
		fmt.Sprintf("server:\n  max_connections: %d\nhttp:\n  max_streams: %d\n", 2*sockets, sockets),
	)
	defer s.stop()
	voice := builtinVoice(s)
	arrivals := make(chan time.Time, sockets)
	var ready sync.WaitGroup
	for range sockets {
		socket, _, err := websocket.DefaultDialer.Dial(
			"ws://"+s.addr+"/api/v1/ws",
			http.Header{"Authorization": {"Bearer " + s.token}},
		)
		require.NoError(b, err)
		defer socket.Close()
		require.NoError(
			b,
			socket.WriteJSON(map[string]any{"op": "subscribe", "topics": []string{"jobs"}, "since": nil}),
		)
		ready.Add(1)
		go func() {
			seen := false
			for {
				var message struct{ Type, Event string }
				if socket.ReadJSON(&message) != nil {
					return
				}
				if message.Type == "snapshot" && !seen {
					seen = true
					ready.Done()
				}
				if message.Event == "job.completed" {
					arrivals <- time.Now()
				}
			}
		}()
	}
	ready.Wait()
	id, _ := s.speak(voice)
	done := s.completed(id)
	committed, err := time.Parse(time.RFC3339Nano, done.str("completed_at"))
	require.NoError(b, err)
	var waits []time.Duration
	for range sockets {
		waits = append(waits, (<-arrivals).Sub(committed))
	}
	r.add(
		"an event to 1,000 sockets",
		"",
		"the job's completed_at until the client has read the event, p50 / last of 1,000 sockets; all clients on the "+
			"same machine",
		"%s / %s",
		ms(percentile(waits, 50)),
		ms(percentile(waits, 100)),
	)
}

func measureUpload(b *testing.B, r *report) {
	const size = 500 << 20
	s := startStudio(b, withConfig("media:\n  max_upload_bytes: 600MB\n  max_audio_seconds: 86400\n"))
	before := memory(b, s.cmd.Process.Pid, "Rss")
	var highest atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				highest.Store(max(highest.Load(), memory(b, s.cmd.Process.Pid, "Rss")))
			}
		}
	}()
	begin := time.Now()
	a := s.do("POST", "/api/v1/assets?filename=long.wav", "audio/wav", io.LimitReader(longWAV(size), size), nil)
	took := time.Since(begin)
	close(stop)
	<-stopped
	require.Less(b, a.status, 300, "%s", a.body)
	r.add(
		"memory growth during a 500 MB upload",
		"under 40 MB",
		"Rss of the server every 20 ms, highest less the value before",
		"%s in %.1f s",
		mib(highest.Load()-before),
		took.Seconds(),
	)
}

// longWAV is a WAV file of size bytes of silence that is never held in memory.
func longWAV(size int64) io.Reader {
	header := &bytes.Buffer{}
	header.WriteString("RIFF")
	for _, field := range []any{uint32(size - 8), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(2), uint32(48000),
		uint32(192000), uint16(4), uint16(16), []byte("data"), uint32(size - 44)} {
		_ = binary.Write(header, binary.LittleEndian, field)
	}
	zero, err := os.Open("/dev/zero")
	if err != nil {
		panic(err)
	}
	return io.MultiReader(header, zero)
}
