package auth

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Secrets here are too long to be guessed, so many failed sign-ins are not dangerous. But attempts should show up in
// the log and must not keep the database busy. A good credential is never refused because of bad ones from the same
// address.

const (
	// slowLookups is how many credentials from slowed addresses are looked up at once.
	slowLookups = 4
	// logInterval is the least time between two log lines about one address, mostLogged the most lines about all
	// addresses in that time.
	logInterval = time.Minute
	mostLogged  = 30
	// mostAudited is how many slowed addresses the audit log names in an hour.
	mostAudited = 60
)

// Limits of failed sign-ins. Zero values take the defaults.
type Limits struct {
	// Burst is how many sign-ins of one address may fail before it is slowed. IPv6 addresses count by their /64.
	// Default 20.
	Burst int
	// PerMinute is how many more may fail each minute after that. Default 20.
	PerMinute int
	// LoopbackFactor multiplies both for this computer's own programs. Default 10.
	LoopbackFactor int
	// Addresses is how many addresses are remembered. Default 4096.
	Addresses int
}

func (l *Limits) setDefaults() {
	for _, value := range []struct {
		at       *int
		standard int
	}{{&l.Burst, 20}, {&l.PerMinute, 20}, {&l.LoopbackFactor, 10}, {&l.Addresses, 4096}} {
		if *value.at <= 0 {
			*value.at = value.standard
		}
	}
}

// SlowedError refuses a credential that is wrong and came after too many others from its address.
type SlowedError struct {
	// Refused is the fault of the credential.
	Refused error
	// Wait is until the next wrong one is answered as such.
	Wait time.Duration
}

func (e *SlowedError) Error() string { return e.Sentence().String() }

// Sentence names the fault of the credential, and how long its address has to wait.
func (e *SlowedError) Sentence() i18n.Sentence {
	return i18n.Say("%s (too many sign-ins from this address have failed: wait %d s)", e.Refused, e.Seconds())
}

// Seconds to wait, at least 1.
func (e *SlowedError) Seconds() int { return max(1, int(math.Ceil(e.Wait.Seconds()))) }

// Unwrap returns the fault of the credential.
func (e *SlowedError) Unwrap() error { return e.Refused }

// attempts counts failed sign-ins by address. It remembers the addresses that failed last.
type attempts struct {
	limits Limits

	mu     sync.Mutex
	byFrom map[netip.Prefix]*list.Element
	recent *list.List // of *tally, the last failure first

	logged, audited budget
	unlogged        int // failures that no line told of
}

// tally is one address's failures.
type tally struct {
	from   netip.Prefix
	left   float64 // failures that it may still have
	at     time.Time
	slowed bool
	told   time.Time // when the log told of it
	untold int       // failures since then
	noted  time.Time // in the audit log
}

// budget allows a number of things in a span of time.
type budget struct {
	most  int
	span  time.Duration
	since time.Time
	spent int
}

func (b *budget) take(now time.Time) bool {
	if now.Sub(b.since) >= b.span {
		b.since, b.spent = now, 0
	}
	b.spent++
	return b.spent <= b.most
}

func newAttempts(l Limits) *attempts {
	l.setDefaults()
	return &attempts{limits: l, byFrom: map[netip.Prefix]*list.Element{}, recent: list.New(),
		logged: budget{most: mostLogged, span: logInterval}, audited: budget{most: mostAudited, span: time.Hour}}
}

// report counts one failure and says whether to slow, audit or log it.
type report struct {
	wait     time.Duration // 0: not slowed
	log      bool
	failures int // since the last line about this address
	others   int // that no line told of
	begins   bool
	audit    bool
}

func (a *attempts) factor(from netip.Prefix) float64 {
	if from.Addr().IsLoopback() {
		return float64(a.limits.LoopbackFactor)
	}
	return 1
}

// refill adds the failures that an address may have again since the last time. The caller holds the lock.
func (a *attempts) refill(t *tally, now time.Time) {
	factor := a.factor(t.from)
	t.left = min(t.left+now.Sub(t.at).Minutes()*float64(a.limits.PerMinute)*factor, float64(a.limits.Burst)*factor)
	t.at = now
	if t.left >= float64(a.limits.Burst)*factor/2 {
		t.slowed = false
	}
}

// isSlow says whether an address has used up its failures.
func (a *attempts) isSlow(from netip.Prefix, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	element := a.byFrom[from]
	if element == nil {
		return false
	}
	t := element.Value.(*tally) //nolint:errcheck,forcetypeassert // the list holds nothing else
	a.refill(t, now)
	return t.left < 1
}

func (a *attempts) fail(from netip.Prefix, now time.Time) report {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tallyOf(from, now)
	a.refill(t, now)
	t.untold++
	var r report
	if t.left < 1 {
		perSecond := float64(a.limits.PerMinute) * a.factor(from) / time.Minute.Seconds()
		r.wait = time.Duration((1 - t.left) / perSecond * float64(time.Second))
		r.begins = !t.slowed
		t.slowed = true
	} else {
		t.left--
	}
	if r.begins && now.Sub(t.noted) >= time.Hour && a.audited.take(now) {
		t.noted, r.audit = now, true
	}
	if (r.begins || now.Sub(t.told) >= logInterval) && a.logged.take(now) {
		r.log, r.failures, r.others = true, t.untold, a.unlogged
		t.told, t.untold, a.unlogged = now, 0, 0
	}
	return r
}

// tallyOf finds an address, or forgets the one that has not failed for longest to remember it. The caller holds the
// lock.
func (a *attempts) tallyOf(from netip.Prefix, now time.Time) *tally {
	if element := a.byFrom[from]; element != nil {
		a.recent.MoveToFront(element)
		return element.Value.(*tally) //nolint:errcheck,forcetypeassert // the list holds nothing else
	}
	for a.recent.Len() >= a.limits.Addresses {
		oldest := a.recent.Remove(a.recent.Back()).(*tally) //nolint:errcheck,forcetypeassert // see above
		delete(a.byFrom, oldest.from)
		a.unlogged += oldest.untold
	}
	t := &tally{from: from, left: float64(a.limits.Burst) * a.factor(from), at: now}
	a.byFrom[from] = a.recent.PushFront(t)
	return t
}

// From is the address by which the failed sign-ins of a request are counted: an IPv4 address, or the /64 of an IPv6
// one.
func (s *Service) From(r *http.Request) netip.Prefix {
	text := r.RemoteAddr
	if s.cfg.TrustForwarded {
		// The proxy in front wrote the last entry; its clients may have written those before it.
		if list := r.Header.Values("X-Forwarded-For"); len(list) > 0 {
			entries := strings.Split(list[len(list)-1], ",")
			if last := strings.TrimSpace(entries[len(entries)-1]); last != "" {
				text = last
			}
		}
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Prefix{}
		}
		address = with.Addr()
	}
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() && !address.IsLoopback() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // as long as the address is
	return prefix
}

// Failed counts a sign-in that failed with err: a *CredentialError, or ErrUsed of a link. It returns err, or a
// *SlowedError around it when too many from that address have failed. Other errors, and requests without a credential,
// are not counted.
func (s *Service) Failed(from netip.Prefix, kind Via, err error) error {
	cause := CauseOf(err)
	if cause == "" {
		return err
	}
	if cause == CauseMissing {
		s.cfg.OnFailed("none", string(cause), false)
		return err
	}
	r := s.attempts.fail(from, s.cfg.Now())
	s.cfg.OnFailed(string(kind), string(cause), r.wait > 0)
	if r.log {
		level, text := slog.LevelInfo, "a sign-in failed"
		if r.wait > 0 {
			level, text = slog.LevelWarn, "sign-ins from one address go on failing; it is slowed"
		}
		s.cfg.Log.Log(context.Background(), level, text, "from", from.String(), "kind", kind, "cause", cause,
			"failures", r.failures, "unlogged", r.others)
	}
	if r.audit {
		select {
		case s.notes <- Entry{
			Actor: "system", Action: "signin.slowed", Subject: from.String(),
			Detail: map[string]any{"kind": kind, "cause": cause},
		}:
		default: // the log has it
		}
	}
	if r.wait > 0 {
		return &SlowedError{Refused: err, Wait: r.wait}
	}
	return err
}

// checked looks a credential up and counts a failure. Only a few credentials from slowed addresses are looked up at
// once.
func (s *Service) checked(ctx context.Context, r *http.Request, kind Via, secret string, look func() error) error {
	from := s.From(r)
	if _, _, known := s.remembered(hash(secret)); !known && s.attempts.isSlow(from, s.cfg.Now()) {
		select {
		case s.slow <- struct{}{}:
			defer func() { <-s.slow }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Failed(from, kind, look())
}

// note writes an entry that Failed has queued for the audit log.
func (s *Service) note(ctx context.Context, e Entry) {
	if err := s.Audit(ctx, e); err != nil && !errors.Is(err, context.Canceled) {
		s.cfg.Log.Warn("the audit log was not written", "action", e.Action, "err", err)
	}
}
