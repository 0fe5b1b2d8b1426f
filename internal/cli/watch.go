package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// longestPause is how long watch waits at most between two tries to reach a studio that does not answer.
const longestPause = 2 * time.Second

// waitingForStudio is shown while a studio that was there does not answer.
const waitingForStudio = "the studio does not answer; waiting for it to come back"

// watch shows how a job goes on until it has ended. A studio that goes away (killed, restarted) is waited for: its jobs
// outlive it. It returns the ended job; ctx ends the watching, never the job.
func (s *studio) watch(ctx context.Context, id string, show display) (*job, error) {
	defer show.close()
	var lastSeq int64
	pause, away := 100*time.Millisecond, false
	for {
		current, err := s.getJob(ctx, id)
		if err == nil {
			if away {
				show.note(s.text("the studio is back"))
			}
			pause, away = 100*time.Millisecond, false
			show.update(s.stateOf(current))
			if current.ended() {
				return current, nil
			}
			before := lastSeq
			err = s.follow(ctx, id, &lastSeq, show)
			if err == nil && lastSeq != before && ctx.Err() == nil {
				continue // the stream brought events and ended: see how the job stands
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && !errors.Is(err, errUnreachable) {
			return nil, err
		}
		if err != nil && !away {
			show.note(s.text(waitingForStudio))
			away = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

func (s *studio) getJob(ctx context.Context, id string) (*job, error) {
	response, err := s.client.GetJob(ctx, id, nil)
	var j job
	if err := s.do(response, err, &j); err != nil {
		return nil, err
	}
	return &j, nil
}

// follow reads the job's event stream until the job or the stream ends.
func (s *studio) follow(ctx context.Context, id string, lastSeq *int64, show display) error {
	resume := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Accept", "text/event-stream")
		if *lastSeq > 0 {
			request.Header.Set("Last-Event-ID", strconv.FormatInt(*lastSeq, 10))
		}
		return nil
	}
	response, err := s.client.JobEvents(ctx, id, nil, resume)
	if err != nil {
		return s.unreachable(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return s.refused(response)
	}
	err = readEvents(response.Body, func(e event) bool {
		if e.id > 0 {
			*lastSeq = e.id
		}
		return s.apply(e, show)
	})
	if err != nil && ctx.Err() == nil {
		return s.unreachable(err)
	}
	return nil
}

// apply shows one event; it says false when the job has ended.
func (s *studio) apply(e event, show display) bool {
	if e.name == "progress" {
		var progress job
		if json.Unmarshal(e.data, &progress) == nil {
			progress.Status = "processing"
			show.update(s.stateOf(&progress))
		}
		return true
	}
	var j job
	if json.Unmarshal(e.data, &j) != nil || j.ID == "" {
		return true
	}
	show.update(s.stateOf(&j))
	return !j.ended()
}

// why says in words why a job waits or ended; with the numbers when it waits for memory.
func (s *studio) why(j *job) string {
	switch {
	case j.Reason == nil || *j.Reason == "":
		return ""
	case *j.Reason == "no_memory" && j.Detail != nil && j.Detail.Message != nil:
		return *j.Detail.Message
	default:
		return s.word(reasons, *j.Reason)
	}
}

// stateOf puts a job's state into words.
func (s *studio) stateOf(j *job) progressState {
	parts := []string{s.word(states, j.Status)}
	if why := s.why(j); why != "" {
		parts = append(parts, why)
	}
	if j.Status == "queued" && j.QueuePosition != nil && *j.QueuePosition > 0 {
		parts = append(parts, s.text("number %d in line", *j.QueuePosition))
	}
	eta := j.ETASeconds
	if j.Status == "processing" && j.Detail != nil {
		if j.Detail.Stage != "" {
			parts[0] = s.word(stages, j.Detail.Stage)
		}
		if j.Detail.ETASeconds != nil {
			eta = j.Detail.ETASeconds
		}
	}
	if !j.ended() && eta != nil && *eta >= 1 {
		parts = append(parts, s.text("about %s left", time.Duration(*eta)*time.Second))
	}
	fraction := j.Progress
	if j.Status == "completed" {
		fraction = 1
	}
	return progressState{status: j.Status, text: strings.Join(parts, ", "), fraction: fraction}
}

// event is one server-sent event.
type event struct {
	id   int64
	name string
	data []byte
}

// readEvents reads server-sent events until handle says false or the stream ends.
func readEvents(body io.Reader, handle func(event) bool) error {
	reader := bufio.NewReader(body)
	var current event
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			if len(current.data) > 0 && !handle(current) {
				return nil
			}
			current = event{}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			current.id, _ = strconv.ParseInt(value, 10, 64)
		case "event":
			current.name = value
		case "data":
			current.data = append(current.data, value...)
		}
	}
}

// waitAsking watches a job; Ctrl-C asks whether to cancel the job or to leave it running.
func (s *studio) waitAsking(ctx context.Context, id string, title string, e *environment) (*job, error) {
	for {
		watching, stop := signal.NotifyContext(ctx, os.Interrupt)
		ended, err := s.watch(watching, id, newDisplay(e.stderr, title, e.quiet))
		interrupted := watching.Err() != nil && ctx.Err() == nil
		stop()
		if !interrupted {
			return ended, err
		}
		if !e.interactive() || !s.asksToCancel(e) {
			return nil, exitWith(ExitInterrupted, "job %s goes on; follow it with: apibr jobs watch %s", id, id)
		}
		fmt.Fprintln(e.stderr, s.text("canceling…"))
		response, err := s.client.CancelJob(ctx, id)
		if err := s.do(response, err, nil); err != nil {
			return nil, err
		}
	}
}

// cancelKey is the answer that cancels a job.
const cancelKey = "c"

// asksToCancel puts the question on the terminal; a second Ctrl-C means: leave it running.
func (s *studio) asksToCancel(e *environment) bool {
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	defer signal.Stop(interrupt)
	fmt.Fprint(
		e.stderr,
		"\n"+s.text(
			"Cancel the job, or leave it running? [%s = cancel, Enter = leave it running]",
			s.text(cancelKey),
		)+" ",
	)
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(e.stdin).ReadString('\n')
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		return strings.HasPrefix(answer, s.text(cancelKey))
	case <-interrupt:
		return false
	}
}
