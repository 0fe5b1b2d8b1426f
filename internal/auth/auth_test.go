package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time       { return time.UnixMicro(c.at.Load()) }
func (c *clock) pass(d time.Duration) { c.at.Add(d.Microseconds()) }
func newClock() *clock                { c := &clock{}; c.at.Store(time.Now().UnixMicro()); return c }
func bearer(secret string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://studio.test/api/v1/jobs", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	return r
}

func setup(t *testing.T) (*Service, *clock, *pgxpool.Pool) {
	t.Helper()
	pool := storetest.New(t).Pool()
	c := newClock()
	return New(Config{Pool: pool, Now: c.now}), c, pool
}

func addUser(t *testing.T, pool *pgxpool.Pool) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := pool.Exec(context.Background(), `insert into users (id, name) values ($1, $2)`, id, id.String())
	require.NoError(t, err)
	return id
}

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	_, _, pool := setup(t)
	conn, err := pool.Acquire(context.Background())
	require.NoError(t, err)
	defer conn.Release()
	for name, sql := range statements {
		_, err := conn.Conn().Prepare(context.Background(), name, sql)
		require.NoError(t, err, name)
	}
}

func TestKeyIsMadeUsedAndRevoked(t *testing.T) {
	t.Parallel()
	s, c, pool := setup(t)
	ctx := context.Background()
	secret, key, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "n8n", Scopes: []Scope{Generate, Read, Read}})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(secret, "apibr_"))
	require.GreaterOrEqual(t, len(secret), 6+32)
	require.Equal(t, secret[:12], key.Prefix)
	require.Equal(t, []Scope{Read, Generate}, key.Scopes)

	var stored []byte
	require.NoError(t, pool.QueryRow(ctx, `select hash from api_keys where id = $1`, key.ID).Scan(&stored))
	h := hash(secret)
	require.Equal(t, h[:], stored, "only a hash is kept")

	p, err := s.Authenticate(ctx, bearer(secret))
	require.NoError(t, err)
	require.Equal(t, LocalAdmin, p.Owner)
	require.Equal(t, key.ID, *p.KeyID)
	require.True(t, p.Can(Generate))
	require.NoError(t, p.Require(Read))
	var lacks *ScopeError
	require.ErrorAs(t, p.Require(Admin), &lacks)
	require.Contains(t, lacks.Error(), "admin")
	require.ErrorIs(t, p.MayGrant([]Scope{Read, Admin}), ErrBadScope)
	require.NoError(t, p.MayGrant([]Scope{Read}))

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-API-Key", secret)
	_, err = s.Authenticate(ctx, r)
	require.NoError(t, err)

	keys, err := s.ListKeys(ctx, LocalAdmin)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.WithinDuration(t, c.now(), *keys[0].LastUsedAt, time.Second)
	require.True(t, keys[0].Active(c.now()))

	_, err = s.RevokeKey(ctx, addUser(t, pool), key.ID)
	require.ErrorIs(t, err, ErrNotFound, "another's key")
	_, err = s.Authenticate(ctx, bearer(secret))
	require.NoError(t, err)
	_, err = s.RevokeKey(ctx, LocalAdmin, key.ID)
	require.NoError(t, err)
	_, err = s.Authenticate(ctx, bearer(secret))
	require.ErrorIs(t, err, ErrUnauthenticated, "at once, whatever was remembered")
	again, err := s.RevokeKey(ctx, LocalAdmin, key.ID)
	require.NoError(t, err)
	require.False(t, again.Active(c.now()))
}

func TestCachedKeyExpires(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	ctx := context.Background()
	end := c.now().Add(2 * time.Second)
	secret, _, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "short", Scopes: []Scope{Read}, ExpiresAt: &end})
	require.NoError(t, err)
	_, err = s.Authenticate(ctx, bearer(secret))
	require.NoError(t, err)
	c.pass(3 * time.Second) // less than the cache's time
	_, err = s.Authenticate(ctx, bearer(secret))
	require.ErrorIs(t, err, ErrUnauthenticated)
	_, _, err = s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "old", Scopes: []Scope{Read}, ExpiresAt: &end})
	require.ErrorIs(t, err, ErrKeyExpiry)
}

func TestRevocationElsewhereIsSeenWithinTheCacheTime(t *testing.T) {
	t.Parallel()
	s, c, pool := setup(t)
	other := New(Config{Pool: pool, Now: c.now})
	ctx := context.Background()
	secret, key, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "k", Scopes: []Scope{Read}})
	require.NoError(t, err)
	_, err = s.Authenticate(ctx, bearer(secret))
	require.NoError(t, err)
	_, err = other.RevokeKey(ctx, LocalAdmin, key.ID)
	require.NoError(t, err)
	_, err = s.Authenticate(ctx, bearer(secret))
	require.NoError(t, err, "remembered")
	c.pass(5*time.Second + time.Microsecond)
	_, err = s.Authenticate(ctx, bearer(secret))
	require.ErrorIs(t, err, ErrUnauthenticated)
}

func TestCacheAnswersWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	s, _, pool := setup(t)
	ctx := context.Background()
	secret, _, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "k", Scopes: []Scope{Read}})
	require.NoError(t, err)
	_, err = s.Authenticate(ctx, bearer(secret))
	require.NoError(t, err)
	before := pool.Stat().AcquireCount()
	for range 1000 {
		_, err = s.Authenticate(ctx, bearer(secret))
		require.NoError(t, err)
	}
	require.Equal(t, before, pool.Stat().AcquireCount())
}

// TestAnswerReadBeforeARevocationIsNotCached is the race between a slow look-up and a revocation.
func TestAnswerReadBeforeARevocationIsNotCached(t *testing.T) {
	t.Parallel()
	s := New(Config{})
	_, generation, _ := s.remembered([32]byte{1})
	s.forget() // the revocation, between the look-up and its answer
	s.remember([32]byte{1}, Principal{Owner: LocalAdmin}, generation)
	_, _, ok := s.remembered([32]byte{1})
	require.False(t, ok)
}

func TestCredentialsThatAreRefused(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	ctx := context.Background()
	good, _, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "k", Scopes: []Scope{Read}})
	require.NoError(t, err)
	for name, h := range map[string]http.Header{
		"nothing":              {},
		"unknown key":          {"Authorization": {"Bearer apibr_11111111111111111111111111111111"}},
		"one character off":    {"Authorization": {"Bearer " + good[:len(good)-1] + "!"}},
		"basic":                {"Authorization": {"Basic " + good}},
		"no scheme":            {"Authorization": {good}},
		"empty bearer":         {"Authorization": {"Bearer "}},
		"long":                 {"X-Api-Key": {"apibr_" + strings.Repeat("x", 1<<20)}},
		"unknown session":      {"Cookie": {"apibr_session=abc"}, "Origin": {"http://studio.test"}},
		"bad key, good header": {"Authorization": {"Bearer nonsense"}, "X-Api-Key": {good}},
		"sql":                  {"X-Api-Key": {"apibr_' or 1=1 --"}},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://studio.test/", nil)
		r.Header = h
		_, err := s.Authenticate(ctx, r)
		require.ErrorIs(t, err, ErrUnauthenticated, name)
	}
	for name, k := range map[string]NewKey{
		"no scope":      {Owner: LocalAdmin, Name: "x"},
		"unknown scope": {Owner: LocalAdmin, Name: "x", Scopes: []Scope{"root"}},
		"no name":       {Owner: LocalAdmin, Name: "  ", Scopes: []Scope{Read}},
		"long name":     {Owner: LocalAdmin, Name: strings.Repeat("n", 101), Scopes: []Scope{Read}},
	} {
		_, _, err := s.CreateKey(ctx, k)
		require.Error(t, err, name)
	}
}

func TestLinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	s, c, pool := setup(t)
	ctx := context.Background()
	link := newLink(t, s)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, _, err := s.RedeemLink(ctx, link, ""); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	var sessions int
	require.NoError(t, pool.QueryRow(ctx, `select count(*) from auth_tokens where kind = 'session'`).Scan(&sessions))
	require.Equal(t, 1, sessions)

	late := newLink(t, s)
	c.pass(10 * time.Minute)
	_, _, err := s.RedeemLink(ctx, late, "")
	require.ErrorIs(t, err, ErrUsed)
	ticket, _, err := s.CreateTicket(ctx, principal(t, s, Read))
	require.NoError(t, err)
	_, _, err = s.RedeemLink(ctx, ticket, "")
	require.ErrorIs(t, err, ErrUsed, "a ticket is not a link")
}

// principal has a new key with these scopes.
func principal(t *testing.T, s *Service, scopes ...Scope) Principal {
	t.Helper()
	secret, _, err := s.CreateKey(context.Background(), NewKey{Owner: LocalAdmin, Name: "test", Scopes: scopes})
	require.NoError(t, err)
	p, err := s.byKey(context.Background(), secret)
	require.NoError(t, err)
	return p
}

func newLink(t *testing.T, s *Service) string {
	t.Helper()
	link, _, err := s.CreateLink(context.Background(), principal(t, s, Admin))
	require.NoError(t, err)
	return link
}

func session(t *testing.T, s *Service) *http.Cookie {
	t.Helper()
	cookie, p, err := s.RedeemLink(context.Background(), newLink(t, s), "Test\x00 browser")
	require.NoError(t, err)
	require.True(t, p.Admin)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	return cookie
}

func TestSessionSlidesAndCloses(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	ctx := context.Background()
	cookie := session(t, s)
	get := httptest.NewRequest(http.MethodGet, "http://studio.test/", nil)
	get.AddCookie(cookie)
	for range 3 { // used every 20 days, it outlives its first 30
		p, renewed, err := s.authenticate(ctx, get)
		require.NoError(t, err)
		require.Equal(t, ViaSession, p.Via)
		require.True(t, p.Can(ScrapeScript))
		_ = renewed
		c.pass(20 * 24 * time.Hour)
	}
	_, renewed, err := s.authenticate(ctx, get)
	require.NoError(t, err)
	require.True(t, renewed)
	c.pass(31 * 24 * time.Hour)
	_, err = s.Authenticate(ctx, get)
	require.ErrorIs(t, err, ErrUnauthenticated)

	cookie = session(t, s)
	post := httptest.NewRequest(http.MethodPost, "http://studio.test/", nil)
	post.AddCookie(cookie)
	post.Header.Set("Origin", "http://studio.test")
	_, err = s.Authenticate(ctx, post)
	require.NoError(t, err)
	signedIn, err := s.Authenticate(ctx, post)
	require.NoError(t, err)
	gone, err := s.SignOut(ctx, signedIn)
	require.NoError(t, err)
	require.Negative(t, gone.MaxAge)
	_, err = s.Authenticate(ctx, post)
	require.ErrorIs(t, err, ErrUnauthenticated)
}

func TestCookieIsRefusedOnRequestsOfOtherSites(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	s.cfg.AllowedOrigins = []string{"https://studio.example/"}
	cookie := session(t, s)
	for _, c := range []struct {
		name, method, origin, site, host string
		upgrade                          bool
		want                             error
	}{
		{name: "own page", method: "POST", origin: "http://studio.test:8000"},
		{name: "own page says same-origin", method: "DELETE", site: "same-origin"},
		{name: "a typed address", method: "POST", site: "none"},
		{name: "behind a proxy", method: "POST", origin: "https://studio.example", site: "same-origin"},
		{name: "reading", method: "GET", origin: "http://evil.test", site: "cross-site"},
		{name: "other host", method: "POST", origin: "http://evil.test:8000", want: ErrOrigin},
		{name: "other port", method: "POST", origin: "http://studio.test:9000", site: "same-site", want: ErrOrigin},
		{name: "a host that begins alike", method: "POST", origin: "http://studio.test:8000.evil.test",
			want: ErrOrigin},
		{name: "a port that begins alike", method: "POST", origin: "http://studio.test:80001", want: ErrOrigin},
		{name: "sandboxed", method: "POST", origin: "null", want: ErrOrigin},
		{name: "a file", method: "PUT", origin: "file://", want: ErrOrigin},
		{name: "no origin at all", method: "POST", want: ErrOrigin},
		{name: "the browser says cross-site", method: "PATCH",
			origin: "http://studio.test:8000", site: "cross-site", want: ErrOrigin},
		{name: "foreign socket", method: "GET", upgrade: true, origin: "http://evil.test", want: ErrOrigin},
		{name: "own socket", method: "GET", upgrade: true, origin: "http://studio.test:8000"},
		{name: "socket without origin", method: "GET", upgrade: true, want: ErrOrigin},
	} {
		r := httptest.NewRequest(c.method, "http://studio.test:8000/api/v1/ws", nil)
		r.AddCookie(cookie)
		for k, v := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		var err error
		if c.upgrade {
			r.Header.Set("Upgrade", "websocket")
			_, err = s.AuthenticateSocket(context.Background(), r)
		} else {
			_, err = s.Authenticate(context.Background(), r)
		}
		if c.want != nil {
			require.ErrorIs(t, err, c.want, c.name)
		} else {
			require.NoError(t, err, c.name)
		}
	}
}

func TestTicketOpensOneSocket(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	ctx := context.Background()
	owner := principal(t, s, Read)
	ticket, _, err := s.CreateTicket(ctx, owner)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/api/v1/ws?ticket="+ticket, nil)
	r.Header.Set("Origin", "http://anywhere.test") // a ticket is not a cookie: a page does not have it by accident
	p, err := s.AuthenticateSocket(ctx, r)
	require.NoError(t, err)
	require.Equal(t, ViaTicket, p.Via)
	require.False(t, p.Can(Generate))
	_, err = s.AuthenticateSocket(ctx, r)
	require.ErrorIs(t, err, ErrUnauthenticated, "once")

	late, _, err := s.CreateTicket(ctx, owner)
	require.NoError(t, err)
	c.pass(30 * time.Second)
	_, err = s.RedeemTicket(ctx, late)
	require.ErrorIs(t, err, ErrUnauthenticated)
	c.pass(25 * time.Hour)
	n, err := s.Prune(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
}

func TestARequestIsAdmittedWithItsPrincipal(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	secret, _, err := s.CreateKey(context.Background(), NewKey{Owner: LocalAdmin, Name: "k", Scopes: []Scope{Read}})
	require.NoError(t, err)
	admit := func(change func(*http.Request)) (*http.Request, *httptest.ResponseRecorder, error) {
		r := httptest.NewRequest(http.MethodGet, "/me", nil)
		change(r)
		w := httptest.NewRecorder()
		admitted, done, err := s.Admit(w, r)
		if err == nil {
			t.Cleanup(done)
		}
		return admitted, w, err
	}
	_, _, err = admit(func(*http.Request) {})
	require.ErrorIs(t, err, ErrUnauthenticated)
	admitted, _, err := admit(func(r *http.Request) { r.Header.Set("X-API-Key", secret) })
	require.NoError(t, err)
	p, ok := FromContext(admitted.Context())
	require.True(t, ok)
	require.Equal(t, LocalAdmin, p.Owner)

	cookie := session(t, s)
	_, w, err := admit(func(r *http.Request) { r.AddCookie(cookie) })
	require.NoError(t, err)
	require.Empty(t, w.Result().Cookies())
	c.pass(48 * time.Hour)
	_, w, err = admit(func(r *http.Request) { r.AddCookie(cookie) })
	require.NoError(t, err)
	again := w.Result().Cookies()
	require.Len(t, again, 1, "the browser's copy slides too")
	require.Equal(t, cookie.Value, again[0].Value)

	_, w, err = admit(func(r *http.Request) { r.AddCookie(&http.Cookie{Name: SessionCookie, Value: "ended"}) })
	require.ErrorIs(t, err, ErrUnauthenticated)
	require.Negative(t, w.Result().Cookies()[0].MaxAge, "the browser forgets an ended session")
}

func TestCLIToken(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "cli.token")
	one, _, err := s.EnsureCLIToken(ctx, path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	p, err := s.Authenticate(ctx, bearer(one))
	require.NoError(t, err)
	require.True(t, p.Admin)
	require.Equal(t, LocalAdmin, p.Owner)

	require.NoError(t, os.Chmod(path, 0o644))
	again, _, err := s.EnsureCLIToken(ctx, path)
	require.NoError(t, err)
	require.Equal(t, one, again, "a good token stays")
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	_, err = s.RevokeKey(ctx, LocalAdmin, *p.KeyID)
	require.NoError(t, err)
	two, _, err := s.EnsureCLIToken(ctx, path)
	require.NoError(t, err)
	require.NotEqual(t, one, two)

	other, _, _ := setup(t) // another database
	three, _, err := other.EnsureCLIToken(ctx, path)
	require.NoError(t, err)
	require.NotEqual(t, two, three)
	_, err = other.Authenticate(ctx, bearer(three))
	require.NoError(t, err)

	weak, _, err := other.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "weak", Scopes: []Scope{Read}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(weak), 0o600))
	four, _, err := other.EnsureCLIToken(ctx, path)
	require.NoError(t, err)
	require.NotEqual(t, weak, four, "a key without admin is not enough")
}

func TestAudit(t *testing.T) {
	t.Parallel()
	s, _, pool := setup(t)
	ctx := context.Background()
	admin := LocalAdmin
	require.NoError(
		t,
		s.Audit(
			ctx,
			Entry{
				Owner:   &admin,
				Actor:   "session",
				Action:  "key.create",
				Subject: "x",
				Detail:  map[string]any{"name": "n8n"},
			},
		),
	)
	require.ErrorIs(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		require.NoError(t, AuditTx(ctx, tx, Entry{Actor: "cli", Action: "never"}))
		return context.Canceled
	}), context.Canceled)
	var action, name string
	require.NoError(t, pool.QueryRow(ctx, `select action, detail ->> 'name' from audit_log`).Scan(&action, &name))
	require.Equal(t, "key.create n8n", action+" "+name)
}

func TestSecretsAreLongAndDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		s := newSecret(KeyPrefix, keyBytes)
		require.Len(t, s, len(newSecret(KeyPrefix, keyBytes)), "the length tells nothing")
		require.False(t, seen[s])
		seen[s] = true
	}
	require.Equal(t, strings.Repeat("1", 34), base58(make([]byte, 24)))
}
