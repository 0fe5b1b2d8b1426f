package netlimit

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// overflow is how many connections beyond the cap are accepted at once, to refuse them with an answer.
const overflow = 32

// Listener caps the connections of another listener. A connection beyond the cap takes the place of the oldest one that
// serves no request, or whose peer does not read its answer. Without such a one it is refused: its first request must
// be answered with a refusal (see Refused).
type Listener struct {
	net.Listener
	limits Limits

	mu        sync.Mutex
	conns     map[*conn]struct{}
	addresses map[string]int
	refused   int

	closed    chan struct{}
	closing   sync.Once
	complaint occasional
}

// Listen wraps a listener.
func (l Limits) Listen(inner net.Listener) *Listener {
	return &Listener{
		Listener:  inner,
		limits:    l.withDefaults(),
		conns:     map[*conn]struct{}{},
		addresses: map[string]int{},
		closed:    make(chan struct{}),
	}
}

// Accept fails only when the listener is closed or broken. A failure that may pass, such as too few descriptors, is
// logged and tried again; a connection that serves nothing is closed for it.
func (l *Listener) Accept() (net.Conn, error) {
	const shortest, longest = 5 * time.Millisecond, time.Second
	for wait := shortest; ; {
		inner, err := l.Listener.Accept()
		if err == nil {
			wait = shortest
			if c := l.admit(inner); c != nil {
				return c, nil
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) || !passing(err) {
			return nil, err
		}
		l.complaint.log(l.limits.Log, slog.LevelError, "a connection could not be accepted", "err", err)
		l.evict("")
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(wait):
		}
		wait = min(2*wait, longest)
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// passing says whether a failure of accept ends by itself; else the listener is broken.
func passing(err error) bool {
	for _, code := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
		syscall.ECONNRESET, syscall.EPERM, syscall.EPROTO, syscall.EINTR, syscall.EAGAIN,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// admit takes a connection in. It returns nil when even a refusal would cost too much.
func (l *Listener) admit(inner net.Conn) *conn {
	c := &conn{Conn: inner, owner: l}
	c.address, c.local = group(inner.RemoteAddr())
	if tcp, ok := inner.(syscall.Conn); ok {
		c.raw, _ = tcp.SyscallConn()
	}
	c.become(fresh)
	if l.crowded() && !l.evict("") || l.greedy(c) && !l.evict(c.address) {
		c.refused = true
		l.complaint.log(l.limits.Log, slog.LevelWarn, "there are too many connections: one more is refused", "address",
			c.address, "server.max_connections", l.limits.MaxConnections, "server.max_connections_per_address",
			l.limits.MaxPerAddress)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.refused {
		if l.refused >= overflow {
			_ = inner.Close()
			return nil
		}
		l.refused++
	}
	l.conns[c] = struct{}{}
	l.addresses[c.address]++
	return c
}

func (l *Listener) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)-l.refused >= l.limits.MaxConnections
}

// greedy says whether an address has too many connections; this computer itself may have all.
func (l *Listener) greedy(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !c.local && l.addresses[c.address] >= l.limits.MaxPerAddress
}

// evict closes the connection that has been idle for longest, of one address only unless that is "".
func (l *Listener) evict(address string) bool {
	l.mu.Lock()
	var oldest *conn
	for c := range l.conns {
		if c.refused || c.state.Load() == active || address != "" && c.address != address {
			continue
		}
		if oldest == nil || c.since.Load() < oldest.since.Load() {
			oldest = c
		}
	}
	l.mu.Unlock()
	if oldest == nil {
		return false
	}
	if oldest.state.Load() != idle {
		oldest.abort() // one that is idle ends as after any answer
	}
	_ = oldest.Close()
	return true
}

func (l *Listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.conns[c]; !known {
		return
	}
	delete(l.conns, c)
	if c.refused {
		l.refused--
	}
	if l.addresses[c.address]--; l.addresses[c.address] == 0 {
		delete(l.addresses, c.address)
	}
}

// group is the key by which connections are counted: an IPv4 address, or the /64 network of an IPv6 one.
func group(remote net.Addr) (address string, local bool) {
	port, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return remote.Network(), true // a socket of this computer
	}
	ip := port.Addr().Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		const network = 64
		if prefix, err := ip.Prefix(network); err == nil {
			return prefix.String(), false
		}
	}
	return ip.String(), ip.IsLoopback()
}

// occasional logs the first of many similar events, and then their number, at most every ten seconds.
type occasional struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (o *occasional) log(to *slog.Logger, level slog.Level, message string, args ...any) {
	const every = 10 * time.Second
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.last) < every {
		o.skipped++
		return
	}
	to.Log(context.Background(), level, message, append(args, "skipped", o.skipped)...)
	o.last, o.skipped = time.Now(), 0
}
