package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
)

// TestProblemsForN8n: n8n's HTTP Request node parses only answers of the type application/json.
func TestProblemsForN8n(t *testing.T) {
	b := newBench(t)
	for accept, want := range map[string]string{
		"": "application/problem+json", "*/*": "application/problem+json", "text/html": "application/problem+json",
		"application/json":                           "application/json",
		"application/json, application/problem+json": "application/problem+json",
		"application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, " +
			"*/*;q=0.7": "application/json",
	} {
		for _, path := range []string{"/api/v1/jobs/x", "/api/v1/nothing", "/api/v1/jobs?limit=0",
			"/api/v1/files/x?sig=y"} {
			a := b.send("GET", path, nil, "Accept", accept)
			require.Equal(t, want, a.header.Get("Content-Type"), "%s with Accept: %s", path, accept)
			require.NotEmpty(t, a.json(t)["detail"])
			require.Contains(t, a.header.Get("Vary"), "Accept")
		}
		a := b.send("POST", imagePath, object{}, "Accept", accept)
		require.Equal(t, want, a.header.Get("Content-Type"))
	}
	require.Equal(t, "application/json", b.send("GET", "/api/v1/jobs", nil, "Accept",
		"text/html").header.Get("Content-Type"), "JSON is what there is")
}

func TestAPanicIsA500WithAnID(t *testing.T) {
	b := newBench(t)
	b.api.echo.GET("/api/v1/panic", func(echo.Context) error { panic("secret /etc/passwd") })
	b.api.echo.GET("/api/v1/broken", func(echo.Context) error { return errors.New("dial /run/pg.sock: secret") })
	for _, path := range []string{"/api/v1/panic", "/api/v1/broken"} {
		b.api.rules["GET "+path] = needs(auth.Read)
		a := b.send("GET", path, nil, "X-Request-ID", "my-id_1")
		require.Equal(t, 500, a.status)
		require.Equal(t, "my-id_1", a.json(t)["request_id"])
		require.NotContains(t, string(a.body), "secret")
	}
	require.Contains(t, b.log.String(), "secret", "the log has it")
	require.NotEqual(t, "a b", b.send("GET", "/api/v1/broken", nil, "X-Request-ID", "a b").json(t)["request_id"])
}

func TestOpenRoutesAndHeaders(t *testing.T) {
	ready := errors.New("the database is starting")
	b := newBench(t, func(c *Config) { c.Ready = func(context.Context) error { return ready } })
	none := []string{"Authorization", ""}
	require.Equal(t, 200, b.send("GET", "/healthz", nil, none...).status)
	a := b.send("GET", "/readyz", nil, none...)
	require.Equal(t, 503, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	ready = nil
	require.Equal(t, 200, b.send("GET", "/readyz", nil, none...).status)
	require.Contains(t, string(b.send("GET", "/metrics", nil, none...).body), "apibr 1")

	page := b.send("GET", "/", nil, none...)
	require.Equal(t, "<!doctype html>studio", string(page.body))
	require.Equal(t, pagePolicy, page.header.Get("Content-Security-Policy"))
	require.Equal(t, "no-cache", page.header.Get("Cache-Control"))
	require.Contains(t, b.send("GET", "/app-1234.js", nil, none...).header.Get("Cache-Control"), "immutable")
	require.Equal(t, string(page.body), string(b.send("GET", "/jobs/1", nil, "Authorization", "", "Accept",
		"text/html").body), "an address of the page's own")
	require.Equal(t, 404, b.send("GET", "/missing.js", nil, none...).status)
	require.Equal(t, 404, b.send("GET", "/../../etc/passwd", nil, none...).status)
	docs := b.send("GET", "/api/docs", nil, none...)
	require.Contains(t, string(docs.body), "/api/v1/video/create-avatar")
	require.NotContains(t, string(docs.body), "https://", "no foreign host")

	a = b.send("GET", "/api/v1/jobs", nil)
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, b.send("GET", "/api/v1/jobs", nil, none...).header.Get("WWW-Authenticate"), "Bearer")
}

func TestSignIn(t *testing.T) {
	b := newBench(t)
	cookie := b.login()
	me := b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "Cookie", cookie)
	require.Equal(t, 200, me.status)
	require.Equal(t, "session", me.json(t)["via"])
	require.Equal(t, true, me.json(t)["admin"])
	forged := []string{"Authorization", "", "Cookie", cookie, "Origin", "https://evil.example"}
	require.Equal(t, 403, b.send("PUT", "/api/v1/queue", object{"paused": true}, forged...).status)
	require.Equal(t, 200, b.send("PUT", "/api/v1/queue", object{"paused": true}, "Authorization", "", "Cookie", cookie,
		"Origin", b.http.URL).status)
	used := b.send("GET", "/login?token=x", nil, "Authorization", "", "Accept", "text/html", "Accept-Language", "pt-BR")
	require.Equal(t, 401, used.status)
	require.Contains(t, string(used.body), "este link já foi usado")

	key := b.send("POST", "/api/v1/keys", object{"name": "n8n", "scopes": []string{"read"}}).json(t)
	secret := key["key"].(string)
	require.True(t, strings.HasPrefix(secret, "apibr_"))
	require.Equal(t, 200, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "X-API-Key", secret).status)
	require.NotContains(t, string(b.send("GET", "/api/v1/keys", nil).body), secret, "shown once")
	require.Equal(t, 200, b.send("DELETE", "/api/v1/keys/"+key["id"].(string), nil).status)
	require.Equal(t, 401, b.send("GET", "/api/v1/auth/me", nil, "Authorization", "", "X-API-Key", secret).status)
}

func TestEngines(t *testing.T) {
	b := newBench(t)
	list := b.get("/api/v1/engines")["data"].([]any)
	var ids []string
	for _, e := range list {
		ids = append(ids, e.(object)["id"].(string))
	}
	require.Subset(t, ids, []string{"draft-speech", "draft-voice", "draft-image", "draft-avatar"})
}

func TestRunStops(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := New(Config{Listener: listener})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	response, err := http.Get("http://" + listener.Addr().String() + "/healthz")
	require.NoError(t, err)
	response.Body.Close()
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the server did not stop")
	}
}

// TestTheDocumentAndItsClientAreCurrent generates both again and compares them.
func TestTheDocumentAndItsClientAreCurrent(t *testing.T) {
	spec, err := Spec()
	require.NoError(t, err)
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, spec, "", "  "))
	indented.WriteByte('\n')
	committed, err := os.ReadFile("../apiclient/openapi.json")
	require.NoError(t, err)
	require.True(t, bytes.Equal(committed, indented.Bytes()),
		"internal/apiclient/openapi.json is stale: run `make generate`")

	made := filepath.Join(t.TempDir(), "client.gen.go")
	out, err := exec.Command("go", "tool", "oapi-codegen", "-config", "../apiclient/oapi-codegen.yaml", "-o", made,
		"../apiclient/openapi.json").CombinedOutput()
	require.NoError(t, err, string(out))
	fresh, err := os.ReadFile(made)
	require.NoError(t, err)
	client, err := os.ReadFile("../apiclient/client.gen.go")
	require.NoError(t, err)
	require.True(t, bytes.Equal(client, fresh), "internal/apiclient/client.gen.go is stale: run `make generate`")
}

func TestTheDocument(t *testing.T) {
	b := newBench(t)
	document := b.send("GET", "/api/openapi.json", nil, "Authorization", "").json(t)
	require.Equal(t, "3.1.0", document["openapi"])
	require.NotContains(t, string(b.send("GET", "/api/v1/jobs", nil).body), "$schema")
	paths := document["paths"].(object)
	for _, path := range []string{clonePath, speechPath, imagePath, editPath, upscalePath, avatarPath} {
		body := member(paths[path], "post.requestBody.content").(object)
		require.Contains(t, body, "multipart/form-data")
		require.NotNil(t, member(body["application/json"], "example"), path)
	}
	require.Contains(t, paths, "/api/v1/video/status/{job_id}")
	for path := range paths {
		for _, later := range []string{"animate", "generate-content", "export", "webhook", "scrape", "/v1/images"} {
			require.False(t, strings.HasSuffix(path, "/"+later), "%s is for later", path)
		}
	}
}

func TestDatabaseOutageIsA503(t *testing.T) {
	_, err := pgx.Connect(context.Background(), "host="+t.TempDir()+" user=nobody")
	p := problemOf(fmt.Errorf("jobs: get: %w", err))
	require.Equal(t, 503, p.status)
	require.Equal(t, "2", p.header().Get("Retry-After"))
	require.NotContains(t, p.Error(), "nobody")
}

// The command line asks for a proof before it sends its key. A server that passes the question on gets a proof for
// another address than its own.
func TestServerProvesThatItHasTheLocalKey(t *testing.T) {
	b := newBench(t, func(c *Config) { c.LocalToken = "apibr_local" })
	address, err := netip.ParseAddrPort(strings.TrimPrefix(b.http.URL, "http://"))
	require.NoError(t, err)
	a := b.send("GET", auth.ProofPath+"?nonce=n1", nil, "Authorization", "")
	require.Equal(t, 200, a.status)
	require.True(t, auth.ProofHolds(string(a.body), "apibr_local", "n1", address))
	require.False(t, auth.ProofHolds(string(a.body), "apibr_local", "n2", address))
	require.False(t, auth.ProofHolds(string(a.body), "apibr_other", "n1", address))
	require.False(t, auth.ProofHolds(string(a.body), "apibr_local", "n1", netip.AddrPortFrom(address.Addr(), 1)))
	for _, wrong := range []string{"", "?nonce=", "?nonce=" + strings.Repeat("n", 201)} {
		require.Equal(t, 422, b.send("GET", auth.ProofPath+wrong, nil, "Authorization", "").status)
	}
	require.Equal(t, 404, newBench(t).send("GET", auth.ProofPath+"?nonce=n", nil).status,
		"without a local key there is nothing to prove")
}

// A database whose disk is full says so with a code of its own: the caller reads the sentence about free space, and
// not that something is wrong.
func TestFullDatabaseDiskIsReportedAsAFullDisk(t *testing.T) {
	p := problemOf(fmt.Errorf("jobs: submit: %w", &pgconn.PgError{Code: "53100", Message: "could not extend file"}))
	require.Equal(t, 507, p.status)
	require.Equal(t, "disk_full", p.code)
}
