package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

// from is a request with a key from an address.
func from(address, secret string) *http.Request {
	r := bearer(secret)
	r.RemoteAddr = address
	return r
}

func TestFailedSignInsAreSlowedByAddress(t *testing.T) {
	t.Parallel()
	_, c, pool := setup(t)
	ctx := context.Background()
	counted := map[string]int{}
	var log bytes.Buffer
	s := New(Config{Pool: pool, Now: c.now, Limits: Limits{Burst: 5, PerMinute: 6, LoopbackFactor: 2},
		OnFailed: func(kind, cause string, slowed bool) { counted[fmt.Sprint(kind, " ", cause, " ", slowed)]++ },
		Log:      slog.New(slog.NewTextHandler(&log, nil))})
	good, _, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "good", Scopes: []Scope{Read}})
	require.NoError(t, err)
	wrong := "apibr_" + strings.Repeat("1", 32)
	try := func(address string) error {
		_, err := s.Authenticate(ctx, from(address, wrong))
		return err
	}
	var slowed *SlowedError
	for range 5 {
		require.False(t, errors.As(try("198.51.100.7:1"), &slowed))
	}
	for range 100 {
		require.ErrorAs(t, try("198.51.100.7:2"), &slowed, "another port of the same address")
	}
	require.ErrorIs(t, slowed, ErrUnauthenticated)
	require.Equal(t, CauseUnknown, CauseOf(slowed), "the cause is still told")
	require.Positive(t, slowed.Wait)
	require.LessOrEqual(t, slowed.Wait, 10*time.Second)
	require.False(t, errors.As(try("198.51.100.8:1"), &slowed), "another address is not slowed")
	for range 2 { // looked up, and remembered
		_, err = s.Authenticate(ctx, from("198.51.100.7:3", good))
		require.NoError(t, err, "a good key is not locked out")
	}
	require.Equal(t, 6, counted["key unknown false"])
	require.Equal(t, 100, counted["key unknown true"])
	require.NotContains(t, log.String(), "1111")
	require.Contains(t, log.String(), "198.51.100.7/32")
	require.Contains(t, log.String(), "cause=unknown")
	require.LessOrEqual(t, strings.Count(log.String(), "\n"), 4)

	c.pass(slowed.Wait)
	require.False(t, errors.As(try("198.51.100.7:1"), &slowed), "after the wait it is answered as before")
	require.ErrorAs(t, try("198.51.100.7:1"), &slowed)

	for i := range 5 { // one /64 is one address
		require.False(t, errors.As(try(fmt.Sprintf("[2001:db8::%x]:1", i+1)), &slowed))
	}
	require.ErrorAs(t, try("[2001:db8::ffff:1]:1"), &slowed)
	require.False(t, errors.As(try("[2001:db8:0:1::1]:1"), &slowed))
	for range 10 {
		require.False(t, errors.As(try("127.0.0.1:1"), &slowed), "this computer's own programs have more")
	}
	require.ErrorAs(t, try("127.0.0.1:1"), &slowed)
	require.ErrorAs(t, try("[::ffff:127.0.0.1]:1"), &slowed, "written as IPv6")
}

func TestEveryKindOfCredentialCounts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := storetest.New(t).Pool()
	cookie := &http.Cookie{Name: SessionCookie, Value: "abc"}
	for name, try := range map[string]func(s *Service) error{
		"malformed": func(s *Service) error { _, err := s.Authenticate(ctx, bearer("sk-1")); return err },
		"session":   func(s *Service) error { _, err := s.Authenticate(ctx, cookieRequest(cookie)); return err },
		"ticket": func(s *Service) error {
			r := bearer("")
			r.URL.RawQuery = "ticket=abc"
			_, err := s.AuthenticateSocket(ctx, r)
			return err
		},
		"link": func(s *Service) error {
			_, _, err := s.RedeemLink(ctx, "abc", "")
			return s.Failed(s.From(bearer("")), ViaLink, err)
		},
	} {
		s := New(Config{Pool: pool, Limits: Limits{Burst: 3}})
		var slowed *SlowedError
		for range 3 {
			err := try(s)
			require.Error(t, err, name)
			require.False(t, errors.As(err, &slowed), name)
		}
		require.ErrorAs(t, try(s), &slowed, name)
		for range 10 {
			r := bearer("")
			r.Header.Del("Authorization")
			_, err := s.Authenticate(ctx, r)
			require.False(t, errors.As(err, &slowed), "who sends nothing tries nothing")
		}
	}
}

func TestManyAddressesTakeNoMoreMemoryAndNoMoreLines(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	at := time.Now()
	s := New(
		Config{
			Limits: Limits{Burst: 1, Addresses: 100},
			Now:    func() time.Time { return at },
			Log:    slog.New(slog.NewTextHandler(&log, nil)),
		},
	)
	for i := range 5000 {
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
		for range 2 {
			_ = s.Failed(address, ViaKey, &CredentialError{Kind: ViaKey, Cause: CauseUnknown})
		}
	}
	require.Len(t, s.attempts.byFrom, 100)
	require.Equal(t, 100, s.attempts.recent.Len())
	require.LessOrEqual(t, strings.Count(log.String(), "\n"), mostLogged)
	require.LessOrEqual(t, len(s.notes), mostAudited)
	at = at.Add(2 * time.Minute)
	_ = s.Failed(netip.MustParsePrefix("10.9.9.9/32"), ViaKey, &CredentialError{Kind: ViaKey, Cause: CauseUnknown})
	require.Regexp(t, `unlogged=9\d\d\d`, log.String(), "what no line told of is told later")
}

func TestSlowedAddressIsAuditedOnce(t *testing.T) {
	t.Parallel()
	_, _, pool := setup(t)
	ctx := context.Background()
	s := real(t, pool, time.Hour)
	s.attempts = newAttempts(Limits{Burst: 1})
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	for range 50 {
		_, _ = s.Authenticate(ctx, from("203.0.113.9:1", "apibr_x"))
	}
	require.Eventually(t, func() bool {
		var n int
		return conn.QueryRow(ctx,
			`select count(*) from audit_log where action = 'signin.slowed' and subject = '203.0.113.9/32'`).
			Scan(&n) ==
			nil &&
			n == 1
	}, 20*time.Second, 10*time.Millisecond)
	var all int
	require.NoError(t, conn.QueryRow(ctx, `select count(*) from audit_log`).Scan(&all))
	require.Equal(t, 1, all)
}

func TestAddressBehindAProxy(t *testing.T) {
	t.Parallel()
	r := from("127.0.0.1:1", "x")
	r.Header.Add("X-Forwarded-For", "203.0.113.1")
	r.Header.Add("X-Forwarded-For", "198.51.100.1, 203.0.113.2")
	require.Equal(t, "127.0.0.1/32", New(Config{}).From(r).String(), "not believed")
	require.Equal(t, "203.0.113.2/32", New(Config{TrustForwarded: true}).From(r).String(), "what the proxy itself saw")
	r.Header.Set("X-Forwarded-For", "[2001:db8::1]:44")
	require.Equal(t, "2001:db8::/64", New(Config{TrustForwarded: true}).From(r).String())
	r.Header.Set("X-Forwarded-For", "nonsense")
	require.False(t, New(Config{TrustForwarded: true}).From(r).IsValid())
}
