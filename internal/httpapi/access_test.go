package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/doctor"
	"github.com/apibr/studio/internal/store/storetest"
)

// anyone is a kind of caller: what it sends, and what it has a right to.
type anyone struct {
	name string
	// send gives the headers and the query of one request.
	send func() (headers []string, query string)
	// scopes that its credential has; nil: the credential is none.
	scopes []auth.Scope
	// onlyAt are the routes that take the credential; nil: all.
	onlyAt func(rule) bool
	// foreign callers send their requests from a page of another site.
	foreign bool
	// forged: its link is signed by somebody else.
	forged bool
}

// may says how a route answers the caller: 0 when it lets the caller in, else the status.
func (a anyone) may(method string, r rule) int {
	known := a.scopes != nil && (a.onlyAt == nil || a.onlyAt(r))
	switch {
	case r.public != "":
		return 0
	case a.forged && r.except != nil && a.onlyAt(r):
		return http.StatusForbidden
	case !known:
		return http.StatusUnauthorized
	case a.foreign && (r.socket || method != http.MethodGet && method != http.MethodHead):
		return http.StatusForbidden
	case !slices.Contains(a.scopes, r.scope) && !slices.Contains(a.scopes, auth.Admin):
		return http.StatusForbidden
	}
	return 0
}

// Every route answers every kind of caller as the table in access.go says.
func TestEveryRouteFollowsTheAccessTable(t *testing.T) {
	store := storetest.New(t)
	b := newBenchOn(t, store, func(c *Config) {
		c.Auth = auth.New(auth.Config{Pool: store.Pool(), Log: slog.New(slog.DiscardHandler),
			Limits: auth.Limits{Burst: 100_000}})
		c.Doctor = func(context.Context) doctor.Report { return doctor.Report{} }
	})
	callers := b.everyone()
	tried := map[int]int{}
	for _, route := range b.api.echo.Routes() {
		r, has := b.api.rules[routeName(route.Method, route.Path)]
		require.True(t, has, route)
		for _, caller := range callers {
			headers, query := caller.send()
			path := b.pathOf(route, query)
			// A proxy passes the request on, so that it is not one of this computer's own programs.
			a := b.send(route.Method, path, nil, append(headers, "X-Forwarded-For", "192.0.2.1")...)
			want, got := caller.may(route.Method, r), 0
			if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
				got = a.status
			}
			require.Equal(t, want, got, "%s asks for %s %s: %d %s", caller.name, route.Method, path, a.status, a.body)
			require.NotEqual(t, http.StatusInternalServerError, a.status, "%s: %s", path, a.body)
			tried[got]++
		}
	}
	require.Greater(t, min(tried[0], tried[401], tried[403]), 50, tried)
	for name := range b.api.rules {
		require.True(t, slices.ContainsFunc(b.api.echo.Routes(), func(r *echo.Route) bool {
			return routeName(r.Method, r.Path) == name
		}), "the table names %s, which is not a route", name)
	}
}

// everyone lists each kind of caller.
func (b *bench) everyone() []anyone {
	with := func(query string, headers ...string) func() ([]string, string) {
		return func() ([]string, string) { return append([]string{"Authorization", ""}, headers...), query }
	}
	key := func(scopes ...auth.Scope) anyone {
		secret := b.newKey(auth.LocalAdmin, scopes...)
		return anyone{name: fmt.Sprintf("a key with %v", scopes), scopes: scopes, send: with("", "X-API-Key", secret)}
	}
	ended := func(change string) func() ([]string, string) {
		secret := b.newKey(auth.LocalAdmin, auth.Admin)
		_, err := b.pool.Exec(b.ctx, `update api_keys set `+change+` where prefix = $1`, secret[:len("apibr_")+6])
		require.NoError(b.t, err)
		return with("", "X-API-Key", secret)
	}
	session := func(origin string) func() ([]string, string) {
		cookie := b.login()
		return func() ([]string, string) {
			if b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "Cookie", cookie).status != http.StatusOK {
				cookie = b.login() // one of the routes ends it
			}
			return []string{"Authorization", "", "Cookie", cookie, "Origin", origin}, ""
		}
	}
	ticket := func() ([]string, string) {
		made := b.send("POST", "/api/v1/auth/ticket", nil).json(b.t)["ticket"].(string)
		return []string{"Authorization", ""}, "ticket=" + made
	}
	all := auth.AllScopes
	isSocket := func(r rule) bool { return r.socket }
	isSigned := func(r rule) bool { return r.except != nil && r.except(signedRequest) }
	return []anyone{
		{name: "nobody", send: with("")},
		{name: "an unknown key", send: with("", "X-API-Key", "apibr_"+strings.Repeat("2", 34))},
		{name: "another service's key", send: with("", "Authorization", "Bearer sk-1234")},
		{name: "a key in the address", send: with("api_key=" + b.key)},
		{name: "an expired key", send: ended(`expires_at = now() - interval '1 hour'`)},
		{name: "a revoked key", send: ended(`revoked_at = now()`)},
		key(auth.Read), key(auth.Generate), key(auth.Read, auth.Generate), key(auth.ScrapeScript), key(auth.Admin),
		{name: "another user", scopes: []auth.Scope{auth.Read, auth.Generate}, send: with("", "X-API-Key",
			b.stranger())},
		{name: "a browser", scopes: all, send: session(b.http.URL)},
		{name: "a browser on another site's page", scopes: all, foreign: true, send: session("https://evil.example")},
		{name: "an ended session", send: with("", "Cookie", auth.SessionCookie+"=ended", "Origin", b.http.URL)},
		{name: "a ticket", scopes: all, onlyAt: isSocket, send: ticket},
		{name: "a used ticket", send: with("ticket=used")},
		{name: "a forged link", onlyAt: isSigned, forged: true, send: with("exp=99999999999&sig=forged")},
	}
}

var signedRequest, _ = http.NewRequest(http.MethodGet, "/api/v1/files/x?exp=1&sig=2", nil)

// pathOf a route, with ids of nothing.
func (b *bench) pathOf(route *echo.Route, query string) string {
	parts := strings.Split(route.Path, "/")
	for i, part := range parts {
		switch {
		case strings.HasPrefix(part, ":"):
			parts[i] = uuid.NewString()
		case part == "*":
			parts[i] = "index.html"
		}
	}
	path := strings.Join(parts, "/")
	if path == "/login" {
		link := b.send("POST", "/api/v1/auth/link", nil).json(b.t)["url"].(string)
		_, token, _ := strings.Cut(link, "?")
		query = strings.Trim(token+"&"+query, "&")
	}
	if query == "" {
		return path
	}
	return path + "?" + query
}

// A valid signature lets anybody read its file, and nothing else.
func TestASignedLinkOpensOneFile(t *testing.T) {
	b := newBench(t)
	one, other := b.upload("a.png", picture(16)), b.upload("b.png", picture(16))
	link := strings.TrimPrefix(b.get("/api/v1/assets/" + one)["signed_url"].(string), b.http.URL)
	none := []string{"Authorization", ""}
	require.Equal(t, 200, b.send("GET", link, nil, none...).status)
	require.Equal(t, 200, b.send("HEAD", link, nil, none...).status)
	require.Equal(t, 403, b.send("GET", strings.Replace(link, one, other, 1), nil, none...).status)
	_, query, _ := strings.Cut(link, "?")
	require.Equal(t, 401, b.send("GET", "/api/v1/assets/"+one+"?"+query, nil, none...).status)
	require.Equal(t, 401, b.send("DELETE", "/api/v1/files/"+one+"?"+query, nil, none...).status)
}

// A route without a rule keeps the studio from starting. Added after the start, it is refused to everybody.
func TestARouteWithoutARuleIsRefused(t *testing.T) {
	b := newBench(t)
	reached := 0
	handler := func(c echo.Context) error { reached++; return c.NoContent(http.StatusOK) }
	b.api.echo.GET("/api/v1/new/:id", handler)
	b.api.echo.POST("/unguarded", handler)
	for _, headers := range [][]string{nil, {"Authorization", ""}} {
		require.Equal(t, 500, b.send("GET", "/api/v1/new/1", nil, headers...).status)
		require.Equal(t, 500, b.send("HEAD", "/api/v1/new/1", nil, headers...).status)
		require.Equal(t, 500, b.send("POST", "/unguarded", nil, headers...).status)
	}
	require.Zero(t, reached)
	require.Contains(t, b.log.String(), "nothing says who may use this route")

	b.api.rules["POST /unguarded"] = public("a test says so")
	require.ErrorContains(t, checkAccess(b.api.echo.Routes(), b.api.rules), "GET /api/v1/new/{id}")
	b.api.rules["GET /api/v1/new/{id}"] = rule{}
	require.ErrorContains(t, checkAccess(b.api.echo.Routes(), b.api.rules), "neither a scope nor a reason")
	b.api.rules["GET /api/v1/new/{id}"] = needs(auth.Read)
	require.NoError(t, checkAccess(b.api.echo.Routes(), b.api.rules))
	require.Equal(t, 401, b.send("GET", "/api/v1/new/1", nil, "Authorization", "").status)
	require.Equal(t, 200, b.send("GET", "/api/v1/new/1", nil).status)
	require.Equal(t, 1, reached)
}

// A key that may only read changes nothing but its own sign-in, and every public route says why it is public.
func TestAccessTableGrantsReadersNoWrites(t *testing.T) {
	ownSignIn := []string{"POST /api/v1/auth/ticket", "POST /api/v1/auth/logout"}
	for name, r := range access {
		method, path, _ := strings.Cut(name, " ")
		reads := method == http.MethodGet || method == http.MethodHead
		require.NotEqual(t, r.scope == "", r.public == "", "%s has a scope or a reason", name)
		switch {
		case r.public != "":
			require.True(t, reads, name)
			require.True(t, path == auth.ProofPath || !strings.HasPrefix(path, "/api/"), name)
		case r.scope == auth.Read:
			require.True(t, reads || slices.Contains(ownSignIn, name), name)
		}
		for _, admin := range []string{"/api/v1/keys", "/api/v1/auth/sessions", "/api/v1/auth/link", "/api/v1/doctor"} {
			if strings.HasPrefix(path, admin) {
				require.Equal(t, auth.Admin, r.scope, name)
			}
		}
	}
}
