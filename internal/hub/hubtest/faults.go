package hubtest

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// Fault is what goes wrong with a request.
type Fault struct {
	path  string
	cdn   *bool
	times int
	do    func(h *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)
}

// Fault switches one on for the next times requests whose path ends in path; times 0 is every one. Earlier faults go
// first.
func (h *Hub) Fault(path string, times int, fault *Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fault.path, fault.times = path, times
	h.faults = append(h.faults, fault)
}

// Clear switches all faults off.
func (h *Hub) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

func (h *Hub) take(cdn bool, path string) *Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, fault := range h.faults {
		if !strings.HasSuffix(path, fault.path) || fault.cdn != nil && *fault.cdn != cdn {
			continue
		}
		if fault.times--; fault.times == 0 {
			h.faults = append(h.faults[:i:i], h.faults[i+1:]...)
		}
		return fault
	}
	return nil
}

// OnCDN lets the fault happen at the content network only.
func (f *Fault) OnCDN() *Fault { on := true; f.cdn = &on; return f }

// Status answers with that status and headers, given as name and value in turns.
func Status(status int, headers ...string) *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		http.Error(w, "no", status)
	}}
}

// RateLimit answers 429 and asks to be left alone for so many seconds.
func RateLimit(seconds int) *Fault {
	return Status(http.StatusTooManyRequests, "Retry-After", strconv.Itoa(seconds))
}

// Redirect sends elsewhere.
func Redirect(to string) *Fault { return Status(http.StatusFound, "Location", to) }

// Cut ends the connection after so many bytes of the body.
func Cut(after int) *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		head, body := record(r, serve)
		answer(w, head, body[:min(after, len(body))], len(body))
		panic(http.ErrAbortHandler)
	}}
}

// Short sends fewer bytes than the file has and says that this is all.
func Short(bytes int) *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		head, body := record(r, serve)
		body = body[:min(bytes, len(body))]
		answer(w, head, body, len(body))
	}}
}

// Flip sends the file with one byte that is another.
func Flip(at int) *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		head, body := record(r, serve)
		if at < len(body) {
			body[at] ^= 1
		}
		answer(w, head, body, len(body))
	}}
}

// NoRange answers with the whole file whatever was asked for.
func NoRange() *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		r.Header.Del("Range")
		serve(w, r)
	}}
}

// Unmeasured sends the file without a Content-Length and without an ETag.
func Unmeasured() *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		_, body := record(r, serve)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
	}}
}

// Stall sends so many bytes of the body and then nothing. reached is closed when it holds; it lets go when the client
// does, or when release is called, which sends the rest.
func Stall(after int) (fault *Fault, reached <-chan struct{}, release func()) {
	held, let := make(chan struct{}), make(chan struct{})
	var once, onceLet sync.Once
	fault = &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		head, body := record(r, serve)
		after := min(after, len(body))
		answer(w, head, body[:after], len(body))
		once.Do(func() { close(held) })
		select {
		case <-let:
			_, _ = w.Write(body[after:])
		case <-r.Context().Done():
		}
	}}
	return fault, held, func() { onceLet.Do(func() { close(let) }) }
}

// record lets the handler answer into memory.
func record(r *http.Request, serve http.HandlerFunc) (*httptest.ResponseRecorder, []byte) {
	kept := httptest.NewRecorder()
	serve(kept, r)
	return kept, kept.Body.Bytes()
}

// answer sends the head with a Content-Length of its own, and a body.
func answer(w http.ResponseWriter, head *httptest.ResponseRecorder, body []byte, length int) {
	for name, values := range head.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(head.Code)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
}

// Linked answers as it should, with that address as the next page.
func Linked(next string) *Fault {
	return &Fault{do: func(_ *Hub, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		head, body := record(r, serve)
		head.Header().Set("Link", "<"+next+`>; rel="next"`)
		answer(w, head, body, len(body))
	}}
}
