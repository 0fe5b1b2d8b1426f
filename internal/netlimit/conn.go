package netlimit

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The states of a connection. All but active may be closed when another connection needs the place.
const (
	fresh    = int32(iota) // no request has come yet
	active                 // a request is served
	idle                   // between two requests
	draining               // the request was answered; the rest of its body is thrown away
	stuck                  // the peer has taken nothing of an answer for a moment
)

// conn is one accepted connection. A write may take as long as the peer keeps reading.
type conn struct {
	net.Conn
	raw   syscall.RawConn
	owner *Listener
	// address is the key under which connections are counted.
	address string
	local   bool
	// refused: the connection is beyond the cap, and its request is answered with a refusal.
	refused bool

	state   atomic.Int32
	since   atomic.Int64
	closing sync.Once

	mu       sync.Mutex
	deadline time.Time // of writes, as set by the connection's user
}

type connKey struct{}

// Context is for http.Server.ConnContext.
func Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn { c, _ := ctx.Value(connKey{}).(*conn); return c }

// Refused says whether the connection of a request is beyond the cap; the request must be refused then.
func Refused(ctx context.Context) bool {
	c := connOf(ctx)
	return c != nil && c.refused
}

func mark(ctx context.Context, state int32) {
	if c := connOf(ctx); c != nil {
		c.become(state)
	}
}

func (c *conn) become(state int32) {
	c.state.Store(state)
	c.since.Store(time.Now().UnixNano())
}

// Watch is for http.Server.ConnState.
func Watch(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive, http.StateHijacked:
		c.become(active)
	case http.StateIdle:
		c.become(idle)
	}
}

// SetWriteDeadline sets a deadline in addition to the one that progress moves.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// moment is how long a peer may read nothing before its connection may be closed for another.
const moment = time.Second

// Write continues while the peer acknowledges at least MinRate on average over WritePause.
func (c *conn) Write(p []byte) (total int, err error) {
	defer c.swap(stuck, active)
	pause := c.owner.limits.WritePause
	for {
		begin, acknowledged := time.Now(), 0
		for time.Since(begin) < pause {
			before, known := c.queued()
			own, err := c.arm(min(moment, pause-time.Since(begin)))
			if err != nil {
				return total, err
			}
			n, err := c.Conn.Write(p[total:])
			total += n
			if err == nil || own || !errors.Is(err, os.ErrDeadlineExceeded) {
				return total, err
			}
			after, _ := c.queued()
			if taken := before + n - after; known && taken > 0 {
				acknowledged += taken
				c.swap(stuck, active)
			} else {
				c.swap(active, stuck)
			}
		}
		if !c.owner.limits.enough(int64(acknowledged), pause) {
			c.abort()
			return total, os.ErrDeadlineExceeded
		}
	}
}

// arm sets the deadline of the next write; own says that the user of the connection has set it.
func (c *conn) arm(wait time.Duration) (own bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := time.Now().Add(wait)
	if !c.deadline.IsZero() && c.deadline.Before(end) {
		end, own = c.deadline, true
	}
	return own, c.Conn.SetWriteDeadline(end)
}

// swap changes the state if it is from.
func (c *conn) swap(from, to int32) {
	if c.state.CompareAndSwap(from, to) {
		c.since.Store(time.Now().UnixNano())
	}
}

// queued is how many bytes the peer has not acknowledged yet.
func (c *conn) queued() (bytes int, known bool) {
	if c.raw == nil {
		return 0, false
	}
	var err error
	if c.raw.Control(func(fd uintptr) { bytes, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) }) != nil || err != nil {
		return 0, false
	}
	return bytes, true
}

// abort makes the coming Close discard the bytes that the peer did not take, instead of keeping it in the kernel for
// minutes.
func (c *conn) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// CloseWrite is called by net/http before it closes a connection with unread data.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close gives the place of the connection back.
func (c *conn) Close() error {
	c.closing.Do(func() { c.owner.forget(c) })
	return c.Conn.Close()
}
