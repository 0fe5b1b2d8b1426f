package httpapi

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
)

// TestOnlyTheStudiosOwnNamesAreServed: a page under another name that resolves to this computer gets
// nothing.
func TestOnlyTheStudiosOwnNamesAreServed(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.PublicBaseURL, c.ListenHost = "https://Studio.Example:8443/", "192.0.2.7"
		c.AllowedHosts = []string{"nas.lan", "*.team.example", " Outra.Example. "}
	})
	address := b.serve()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	own, err := os.Hostname()
	require.NoError(t, err)
	try := func(request string) answer {
		w := dialWire(t, address)
		_, err := io.WriteString(w, request)
		require.NoError(t, err)
		return w.answer()
	}
	for _, host := range []string{
		"localhost", "LocalHost:" + port, "localhost.", "app.localhost", "127.0.0.1", address, "127.9.9.9:1", "[::1]",
		"[::1]:" + port, "[::ffff:127.0.0.1]",
		own, strings.ToUpper(own) + ".local", "host.docker.internal:8000", "studio.example", "studio.example:1",
		"192.0.2.7", "nas.lan:80", "a.team.example", "a.b.team.example",
		"outra.example",
	} {
		require.Equal(t, 200, try("GET /healthz HTTP/1.1\r\nHost: "+host+"\r\n\r\n").status, host)
	}
	foreign := []string{
		"evil.example", "evil.example:" + port, "localhost.evil.example", "127.0.0.1.evil.example", "team.example",
		"xteam.example", "nas.lan.evil.example",
		"8.8.8.8", "[2001:db8::1]", "[2001:db8::1]:" + port, "0.0.0.0", "2130706433", "0x7f.1", "localhost:80:80",
		"user@localhost", "local\thost", "[localhost", "%6cocalhost",
	}
	for _, host := range foreign {
		for _, path := range []string{"/healthz", "/", "/login?token=x", "/metrics", "/api/openapi.json",
			"/api/v1/jobs", "/nowhere"} {
			a := try("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nX-API-Key: " + b.key +
				"\r\nAccept-Language: pt-BR\r\n\r\n")
			if a.status == http.StatusBadRequest {
				continue // net/http takes it for no host at all
			}
			require.Equal(t, http.StatusMisdirectedRequest, a.status, "%s of %s", path, host)
			require.Contains(t, a.json(t)["detail"], "server.allowed_hosts")
			require.Contains(t, a.json(t)["detail"], "o estúdio não é conhecido")
		}
	}
	require.Equal(t, 421, try("GET /healthz HTTP/1.0\r\n\r\n").status, "no name at all")
	require.Equal(t, 400, try("GET /healthz HTTP/1.1\r\n\r\n").status)
	require.Equal(t, 421, try("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status,
		"the address's own name counts")
	require.Equal(t, 200, try("GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n").status)
	require.Equal(t, 421, try("POST "+speechPath+" HTTP/1.1\r\nHost: evil.example\r\nContent-Length: "+
		"2\r\n\r\n{}").status, "before the key is looked at")
	socket := "GET /api/v1/ws HTTP/1.1\r\nHost: evil.example\r\nX-API-Key: " + b.key +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	require.Equal(t, 421, try(socket).status)

	every := newBench(t, func(c *Config) { c.AllowedHosts = []string{"*"} })
	r, err := http.NewRequest("GET", every.http.URL+"/healthz", nil)
	require.NoError(t, err)
	r.Host = "whatever.example"
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, 200, response.StatusCode)
}

func TestALoginLinkCarriesNoForeignHost(t *testing.T) {
	link := func(b *bench, headers ...string) (int, string) {
		a := b.send("POST", "/api/v1/auth/link", nil, headers...)
		url, _ := a.json(t)["url"].(string)
		return a.status, url
	}
	b := newBench(t)
	_, url := link(b, "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example", "Origin",
		"https://evil.example")
	require.True(t, strings.HasPrefix(url, b.http.URL+"/login?token="), url)

	trusting := newBench(t, func(c *Config) { c.TrustForwarded = true; c.AllowedHosts = []string{"studio.example"} })
	status, _ := link(trusting, "X-Forwarded-Host", "evil.example")
	require.Equal(t, 421, status)
	status, _ = link(trusting, "X-Forwarded-Host", "evil.example, studio.example")
	require.Equal(t, 421, status)
	_, url = link(trusting, "X-Forwarded-Host", "studio.example", "X-Forwarded-Proto", "https")
	require.True(t, strings.HasPrefix(url, "https://studio.example/login?token="), url)

	public := newBench(t, func(c *Config) { c.PublicBaseURL = "https://studio.example" })
	_, url = link(public)
	require.True(t, strings.HasPrefix(url, "https://studio.example/login?token="), url)
}

func TestRemoteCallersNeedAKeyToReadAboutTheStudio(t *testing.T) {
	b := newBench(t)
	paths := []string{"/metrics", "/api/openapi.json", "/api/openapi.yaml", "/api/openapi-3.0.json", "/api/docs"}
	for _, path := range paths {
		require.Equal(t, 200, b.send("GET", path, nil, "Authorization", "").status, path)
		for _, header := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"} {
			require.Equal(t, 401, b.send("GET", path, nil, "Authorization", "", header, "127.0.0.1").status,
				"%s through a proxy on this computer (%s)", path, header)
		}
	}
	blind := b.newKey(auth.LocalAdmin, auth.Generate)
	var remote atomic.Value
	inner := b.http.Config.Handler
	b.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = remote.Load().(string)
		inner.ServeHTTP(w, r)
	})
	for _, address := range []string{"192.168.1.20:5000", "[2001:db8::7]:5000", "172.17.0.2:5000"} {
		remote.Store(address)
		for _, path := range paths {
			require.Equal(t, 401, b.send("GET", path, nil, "Authorization", "", "X-Forwarded-For", "127.0.0.1").status,
				path)
			require.Equal(t, 401, b.send("GET", path, nil, "Authorization", "Bearer apibr_wrong").status, path)
			require.Equal(t, 200, b.send("GET", path, nil).status, path)
			require.Equal(t, 403, b.send("GET", path, nil, "Authorization", "Bearer "+blind).status, path)
		}
		require.Equal(t, 200, b.send("GET", "/healthz", nil, "Authorization", "").status)
		require.Equal(t, 200, b.send("GET", "/", nil, "Authorization", "").status)
	}
	remote.Store("[::ffff:127.0.0.1]:5000")
	require.Equal(t, 200, b.send("GET", "/metrics", nil, "Authorization", "").status)
}

func TestStreamsOfOneOwnerAreCounted(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxStreams = 2 })
	job := b.speech()
	first := b.connect()
	stream := b.listen(job)
	require.Equal(t, "job.snapshot", stream.next().event)
	_, response, err := b.dial(http.Header{"X-Api-Key": {b.key}}, "")
	require.Error(t, err)
	require.Equal(t, 429, response.StatusCode)
	require.Equal(t, "2", response.Header.Get("Retry-After"))
	a := b.send("GET", "/api/v1/jobs/"+job["id"].(string)+"/events", nil)
	require.Equal(t, 429, a.status)
	require.Contains(t, a.json(t)["detail"], "http.max_streams")
	_, _, err = b.dial(http.Header{"X-Api-Key": {b.stranger()}}, "")
	require.NoError(t, err, "another owner has their own")

	require.NoError(t, first.conn.Close())
	require.Eventually(t, func() bool {
		_, _, err := b.dial(http.Header{"X-Api-Key": {b.key}}, "")
		return err == nil
	}, patience, patience/1000, "the place of a socket that ended is free")
}
