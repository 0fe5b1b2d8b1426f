package netlimit

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// body paces the reading of a request's body.
type body struct {
	src     io.ReadCloser
	control *http.ResponseController
	limits  Limits
	// length that the request declares; -1 when it does not.
	length int64

	total int64
	ended bool
	err   error
	// waited and arrived since the rate was last checked.
	waited  time.Duration
	arrived int64
}

// Read fails with ErrSlow when nothing arrives for ReadPause, or less than MinRate over that time.
func (b *body) Read(p []byte) (int, error) { return b.read(p, b.limits.ReadPause) }

func (b *body) Close() error { return b.src.Close() }

func (b *body) read(p []byte, pause time.Duration) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	begin := time.Now()
	_ = b.control.SetReadDeadline(begin.Add(pause)) // a recorder of a test has none
	n, err := b.src.Read(p)
	b.total += int64(n)
	b.arrived += int64(n)
	b.waited += time.Since(begin)
	switch {
	case errors.Is(err, io.EOF) || err == nil && b.total == b.length:
		// From here on net/http watches the connection for its end: that must not time out.
		b.ended = true
		_ = b.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrSlow
	case err == nil && b.waited >= b.limits.ReadPause:
		if !b.limits.enough(b.arrived, b.waited) {
			err = ErrSlow
		}
		b.waited, b.arrived = 0, 0
	}
	b.err = err
	return n, err
}

// started says whether the body was read from: a caller with Expect: 100-continue sends it only then.
func (b *body) started() bool { return b.total > 0 || b.ended || b.err != nil }

// drain reads the rest of the body and throws it away. It returns false when it gave up before the end.
func (b *body) drain(pause time.Duration) bool {
	end, left := time.Now().Add(b.limits.DrainTime), b.limits.DrainBytes
	buffer := make([]byte, 64<<10)
	for !b.ended {
		wait := min(pause, time.Until(end))
		if b.err != nil || left < 0 || wait <= 0 {
			return false
		}
		n, _ := b.read(buffer, wait)
		left -= int64(n)
	}
	return true
}
