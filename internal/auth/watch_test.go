package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// real is a Service on the clock of the machine.
func real(t *testing.T, pool *pgxpool.Pool, recheck time.Duration) *Service {
	t.Helper()
	s := New(Config{Pool: pool, Recheck: recheck})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

func requireEnds(t *testing.T, ctx context.Context, want Cause) {
	t.Helper()
	select {
	case <-ctx.Done():
		require.Equal(t, want, CauseOf(EndedBy(ctx)))
	case <-time.After(20 * time.Second):
		t.Fatal("the watched context goes on")
	}
}

func cookieRequest(cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://studio.test/", nil)
	r.AddCookie(cookie)
	return r
}

func TestRefusalNamesItsCause(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	ctx := context.Background()
	revoked, key, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "revoked", Scopes: []Scope{Admin}})
	require.NoError(t, err)
	p, err := s.byKey(ctx, revoked)
	require.NoError(t, err)
	link, _, err := s.CreateLink(ctx, p)
	require.NoError(t, err)
	cookie, _, err := s.RedeemLink(ctx, link, "")
	require.NoError(t, err)
	_, err = s.RevokeKey(ctx, LocalAdmin, key.ID)
	require.NoError(t, err)
	end := c.now().Add(time.Second)
	expired, _, err := s.CreateKey(ctx,
		NewKey{Owner: LocalAdmin, Name: "expired", Scopes: []Scope{Admin}, ExpiresAt: &end})
	require.NoError(t, err)
	c.pass(2 * time.Second)
	for want, r := range map[Cause]*http.Request{
		CauseMissing:   httptest.NewRequest(http.MethodGet, "/", nil),
		CauseMalformed: bearer("sk-123"), CauseUnknown: bearer("apibr_111"),
		CauseExpired: bearer(expired), CauseRevoked: bearer(revoked),
	} {
		_, err := s.Authenticate(ctx, r)
		require.ErrorIs(t, err, ErrUnauthenticated, want)
		require.Equal(t, want, CauseOf(err))
	}
	_, err = s.Authenticate(ctx, cookieRequest(cookie))
	require.Equal(t, CauseRevoked, CauseOf(err), "the session of a revoked key")
}

func TestTokensEndWithTheirKey(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	ctx := context.Background()
	end := c.now().Add(48 * time.Hour)
	secret, _, err := s.CreateKey(ctx,
		NewKey{Owner: LocalAdmin, Name: "short", Scopes: []Scope{Read, Admin}, ExpiresAt: &end})
	require.NoError(t, err)
	p, err := s.byKey(ctx, secret)
	require.NoError(t, err)
	link, _, err := s.CreateLink(ctx, p)
	require.NoError(t, err)
	cookie, signedIn, err := s.RedeemLink(ctx, link, "")
	require.NoError(t, err)
	require.WithinDuration(t, end, *signedIn.ExpiresAt, time.Millisecond, "no later than the key")
	c.pass(47 * time.Hour)
	again, err := s.Authenticate(ctx, cookieRequest(cookie))
	require.NoError(t, err)
	require.WithinDuration(t, end, *again.ExpiresAt, time.Millisecond, "nor is it prolonged")
	late, _, err := s.CreateLink(ctx, again)
	require.NoError(t, err)
	ticket, _, err := s.CreateTicket(ctx, again)
	require.NoError(t, err)

	later := end.Add(time.Hour)
	_, _, err = s.CreateKey(ctx,
		NewKey{Owner: LocalAdmin, Name: "later", Scopes: []Scope{Read}, ExpiresAt: &later, By: &again})
	require.ErrorIs(t, err, ErrKeyOutlives)
	_, made, err := s.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "never", Scopes: []Scope{Read}, By: &again})
	require.NoError(t, err)
	require.WithinDuration(t, end, *made.ExpiresAt, time.Millisecond)
	require.Equal(t, *p.KeyID, *made.MadeBy)

	c.pass(time.Hour)
	_, err = s.Authenticate(ctx, cookieRequest(cookie))
	require.Equal(t, CauseExpired, CauseOf(err))
	_, _, err = s.RedeemLink(ctx, late, "")
	require.ErrorIs(t, err, ErrUsed)
	_, err = s.RedeemTicket(ctx, ticket)
	require.ErrorIs(t, err, ErrUnauthenticated)
	require.ErrorIs(t, err, ErrUnauthenticated, "by who was let in before the end")
}

func TestSessionHasNoScopeThatItsKeyHasLost(t *testing.T) {
	t.Parallel()
	s, c, pool := setup(t)
	ctx := context.Background()
	p := principal(t, s, Admin)
	link, _, err := s.CreateLink(ctx, p)
	require.NoError(t, err)
	cookie, _, err := s.RedeemLink(ctx, link, "")
	require.NoError(t, err)
	unspent, _, err := s.CreateLink(ctx, p)
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `update api_keys set scopes = '{read}' where id = $1`, p.KeyID)
	require.NoError(t, err)
	c.pass(time.Minute)
	left, err := s.Authenticate(ctx, cookieRequest(cookie))
	require.NoError(t, err)
	require.False(t, left.Can(Admin))
	require.Empty(t, left.Scopes)
	_, _, err = s.RedeemLink(ctx, unspent, "")
	require.ErrorIs(t, err, ErrUsed)
}

func TestEndedSessionEndsItsLinksAndSessions(t *testing.T) {
	t.Parallel()
	s, _, pool := setup(t)
	ctx := context.Background()
	cookie := session(t, s)
	p, err := s.Authenticate(ctx, cookieRequest(cookie))
	require.NoError(t, err)
	link, _, err := s.CreateLink(ctx, p)
	require.NoError(t, err)
	phone, child, err := s.RedeemLink(ctx, link, "phone")
	require.NoError(t, err)
	ticket, _, err := s.CreateTicket(ctx, child)
	require.NoError(t, err)
	other := session(t, s)
	watched, stop := s.Watch(ctx, child)
	defer stop()

	listed, err := s.ListSessions(ctx, LocalAdmin)
	require.NoError(t, err)
	require.Len(t, listed, 3)
	require.Equal(t, *p.SessionID, *listed[1].ParentID)
	require.Equal(t, "phone", *listed[1].UserAgent)
	require.Equal(t, "Test browser", *listed[2].UserAgent)

	require.ErrorIs(t, s.EndSession(ctx, addUser(t, pool), *p.SessionID), ErrNoSession, "another's session")
	require.NoError(t, s.EndSession(ctx, LocalAdmin, *p.SessionID))
	requireEnds(t, watched, CauseRevoked)
	for _, gone := range []*http.Cookie{cookie, phone} {
		_, err = s.Authenticate(ctx, cookieRequest(gone))
		require.ErrorIs(t, err, ErrUnauthenticated)
	}
	_, err = s.RedeemTicket(ctx, ticket)
	require.ErrorIs(t, err, ErrUnauthenticated)
	_, err = s.Authenticate(ctx, cookieRequest(other))
	require.NoError(t, err)
	require.ErrorIs(t, s.EndSession(ctx, LocalAdmin, *p.SessionID), ErrNoSession)
}

// A session whose parent was not used for a month is still in use itself.
func TestChildrenOutliveAnExpiredSession(t *testing.T) {
	t.Parallel()
	s, c, _ := setup(t)
	ctx := context.Background()
	cookie := session(t, s)
	p, err := s.Authenticate(ctx, cookieRequest(cookie))
	require.NoError(t, err)
	link, _, err := s.CreateLink(ctx, p)
	require.NoError(t, err)
	phone, _, err := s.RedeemLink(ctx, link, "")
	require.NoError(t, err)
	for range 3 {
		c.pass(20 * 24 * time.Hour)
		_, err = s.Authenticate(ctx, cookieRequest(phone))
		require.NoError(t, err)
		_, err = s.Prune(ctx)
		require.NoError(t, err)
	}
	_, err = s.Authenticate(ctx, cookieRequest(cookie))
	require.ErrorIs(t, err, ErrUnauthenticated)
}

func TestWatchEndsWithItsKey(t *testing.T) {
	t.Parallel()
	_, _, pool := setup(t)
	ctx := context.Background()
	s := real(t, pool, 20*time.Millisecond)
	for name, change := range map[string]string{
		"revoked by hand": `update api_keys set revoked_at = now() where id = $1`,
		"scopes narrowed": `update api_keys set scopes = '{scrape_script}' where id = $1`,
		"deleted":         `delete from api_keys where id = $1`,
	} {
		p := principal(t, s, Read)
		watched, stop := s.Watch(ctx, p)
		defer stop()
		_, err := pool.Exec(ctx, change, p.KeyID)
		require.NoError(t, err)
		requireEnds(t, watched, CauseRevoked)
		require.Equal(t, CauseRevoked, CauseOf(EndedBy(watched)), name)
	}
	p := principal(t, s, Read)
	watched, stop := s.Watch(ctx, p)
	end := time.Now().Add(50 * time.Millisecond)
	_, err := pool.Exec(ctx, `update api_keys set expires_at = $2 where id = $1`, p.KeyID, end)
	require.NoError(t, err)
	requireEnds(t, watched, CauseExpired)
	stop()
	require.NotContains(t, s.watches, watched.Value(watchKey{}), "what is over is forgotten")
}

func TestOtherNodesLearnOfARevocation(t *testing.T) {
	t.Parallel()
	here, _, pool := setup(t)
	ctx := context.Background()
	there := real(t, pool, time.Hour)
	secret, key, err := here.CreateKey(ctx, NewKey{Owner: LocalAdmin, Name: "k", Scopes: []Scope{Admin}})
	require.NoError(t, err)
	p, err := there.byKey(ctx, secret)
	require.NoError(t, err)
	watched, stop := there.Watch(ctx, p)
	defer stop()
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(ctx, "listen "+Channel)
	require.NoError(t, err)
	_, err = here.RevokeKey(ctx, LocalAdmin, key.ID)
	require.NoError(t, err)
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err = conn.Conn().WaitForNotification(waiting)
	require.NoError(t, err)
	there.Changed() // the hub's reaction to it
	requireEnds(t, watched, CauseRevoked)
	_, err = there.byKey(ctx, secret)
	require.Equal(t, CauseRevoked, CauseOf(err), "what was remembered is forgotten")
}

// A key that is revoked while a request with it is let in is not overlooked.
func TestRevocationBetweenCheckAndWatchIsSeen(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	ctx := context.Background()
	p := principal(t, s, Admin)
	_, err := s.RevokeKey(ctx, LocalAdmin, *p.KeyID)
	require.NoError(t, err)
	watched, stop := s.Watch(ctx, p)
	defer stop()
	requireEnds(t, watched, CauseRevoked)

	innocent := principal(t, s, Admin)
	innocent.asOf--
	watched, stop = s.Watch(ctx, innocent)
	defer stop()
	require.NoError(t, watched.Err())
}

func TestAuditNamesTheKeyBehindASession(t *testing.T) {
	t.Parallel()
	key, session := uuid.New(), uuid.New()
	require.Equal(t, "key:"+key.String(), Principal{Via: ViaKey, KeyID: &key}.Actor())
	require.Equal(t, "session:"+session.String(), Principal{Via: ViaSession, KeyID: &key, SessionID: &session}.Actor())
}
