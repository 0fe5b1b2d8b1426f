package netlimit

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Handler paces the bodies of requests. A request that is answered before its body was read is answered at once; then
// the rest of the body is read, within limits, and only then may the connection end. net/http alone would read at most
// 256 KiB of the rest, without a deadline, and then reset the connection: a sender that is still writing would never
// see the answer.
func (l Limits) Handler(next http.Handler) http.Handler {
	l = l.withDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		control := http.NewResponseController(w)
		b := &body{src: r.Body, control: control, limits: l, length: r.ContentLength}
		a := &answer{ResponseWriter: w, control: control, body: b, request: r}
		// A copy, since net/http reads the body of its own request at the end.
		paced := *r
		paced.Body = b
		next.ServeHTTP(a, &paced)
		a.finish()
		if b.ended {
			return
		}
		mark(r.Context(), draining)
		defer mark(r.Context(), active)
		if a.dry() || !b.drain(a.patience()) {
			_ = control.SetReadDeadline(time.Now())
			panic(http.ErrAbortHandler) // the answer is out; the rest on the connection cannot be a request
		}
	})
}

// mostHeld is how much of an answer is held back until its length is known.
const mostHeld = 256 << 10

// answer holds an answer that is given before the body was read, so that it goes out whole, with its length, before the
// rest of the body is read.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	body    *body
	request *http.Request

	status  int
	passing bool
	wrote   bool
	held    bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	switch {
	case a.status != 0:
		return
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.status = status
	if a.body.ended {
		a.passing = true
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if !a.passing && a.held.Len()+len(p) <= mostHeld {
		return a.held.Write(p)
	}
	if err := a.release(); err != nil {
		return 0, err
	}
	return a.write(p)
}

func (a *answer) write(p []byte) (int, error) {
	a.wrote = a.wrote || len(p) > 0
	return a.ResponseWriter.Write(p)
}

// FlushError is called by http.ResponseController.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if err := a.release(); err != nil {
		return err
	}
	return a.control.Flush()
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// release sends the held-back bytes, and passes on from here.
func (a *answer) release() error {
	if a.passing {
		return nil
	}
	a.passing = true
	if !a.body.ended {
		_ = a.control.EnableFullDuplex() // or net/http reads from the body before it writes
		if a.closes() {
			a.Header().Set("Connection", "close")
		}
	}
	a.ResponseWriter.WriteHeader(a.status)
	if a.held.Len() == 0 {
		return nil
	}
	_, err := a.write(a.held.Bytes())
	return err
}

// finish sends an answer that was held back.
func (a *answer) finish() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.passing {
		return
	}
	bodiless := a.status == http.StatusNoContent || a.status == http.StatusNotModified ||
		a.request.Method == http.MethodHead
	if a.Header().Get("Content-Length") == "" && !bodiless {
		a.Header().Set("Content-Length", strconv.Itoa(a.held.Len()))
	}
	if a.release() == nil {
		_ = a.control.Flush()
	}
}

// closes says whether the rest of the body will not be read: it is broken, too large, or the caller waits to send it.
func (a *answer) closes() bool {
	return a.body.err != nil || a.body.length-a.body.total > a.body.limits.DrainBytes || a.unasked()
}

// unasked says whether the caller still waits for 100 Continue: as a rule it then sends no body.
func (a *answer) unasked() bool {
	return !a.body.started() && strings.EqualFold(a.request.Header.Get("Expect"), "100-continue")
}

// dry is a body that must not be read: net/http would send 100 Continue at the first read, after the answer.
func (a *answer) dry() bool { return a.unasked() && !a.wrote }

// patience with the rest of the body.
func (a *answer) patience() time.Duration {
	pause := min(drainPause, a.body.limits.ReadPause)
	if a.unasked() {
		const moment = time.Second
		return min(moment, pause)
	}
	return pause
}
