package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/hub/hubtest"
	"github.com/apibr/studio/internal/i18n"
)

func TestRedirectsAreBoundedAndNeverLeaveHTTPS(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 0, hubtest.Redirect(r.URL+"/"+repo+"/"+large))
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.Contains(t, requireKind(t, err, hub.Refused).Detail.String(), "more than 5")
	r.Clear()
	r.Fault(large, 0, hubtest.Redirect("ftp://elsewhere/x?token=secret-of-the-network"))
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.Refused)
	r.Clear()
	r.Fault(large, 0, hubtest.Redirect("http://bad host/%zz?token=secret-of-the-network"))
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.Unreachable)
	r.empty(t)

	// A hub with https hands out no http, and an address of the catalogue is not http either.
	r.cfg.BaseURL = "https://hub.example"
	_, err = r.client(t).Address(t.Context(), r.CDN+"/"+repo+"/"+large)
	requireKind(t, err, hub.Refused)
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.Refused)
	for _, bad := range []string{"ftp://x", "hub", "https://user:pw@hub.example", "://"} {
		_, err = hub.New(hub.Config{BaseURL: bad})
		requireKind(t, err, hub.Refused)
	}
}

func TestAnHTTPSAddressRedirectedToHTTPIsRefusedByATestHubToo(t *testing.T) {
	r := setUp(t)
	secure := httptest.NewTLSServer(http.RedirectHandler(r.CDN+"/"+repo+"/"+large, http.StatusFound))
	defer secure.Close()
	_, err := r.client(t).Address(t.Context(), secure.URL+"/x.pth")
	require.Contains(
		t,
		requireKind(t, err, hub.Unreachable).Detail.String(),
		"certificate",
		"a certificate that nobody signed",
	)
}

func TestAHostileListingIsRefused(t *testing.T) {
	file := func(path string, size int64) string {
		return fmt.Sprintf(`{"type":"file","path":"%s","size":1,"oid":"x","lfs":{"oid":"%s","size":%d}}`,
			path, strings.Repeat("a", 64), size)
	}
	entries := map[string]string{
		"a path that leaves": file("../../x.gguf", 1),
		"an absolute path":   file("/etc/x.gguf", 1),
		"a backslash":        file(`a\\..\\b.gguf`, 1),
		"a negative size":    file("x.gguf", -1),
		"too large":          file("x.gguf", 9_000_000_000_000),
		"no hash":            `{"type":"file","path":"x.gguf","size":1,"oid":"x"}`,
		"no list":            `"`,
	}
	for name, entry := range entries {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/revision/") {
				fmt.Fprintf(w, `{"sha":"%s","gated":false}`, strings.Repeat("b", 40))
				return
			}
			fmt.Fprintf(w, "[%s]", entry)
		}))
		c, err := hub.New(hub.Config{BaseURL: server.URL})
		require.NoError(t, err)
		_, err = c.List(t.Context(), repo, "")
		requireKind(t, err, hub.BadAnswer)
		server.Close()
		require.NotEmpty(t, name)
	}
}

func TestTheNextPageMustBeOnTheHub(t *testing.T) {
	r := setUp(t)
	r.cfg.Token = token
	r.Fault("/tree/"+hubtest.Commit(repo), 1, hubtest.Linked(r.CDN+"/x"))
	_, err := r.client(t).List(t.Context(), repo, "")
	requireKind(t, err, hub.BadAnswer)
	for _, request := range r.Seen() {
		require.False(t, request.CDN)
	}
}

func TestADiskThatIsTooSmallIsRefusedBeforeTheDownload(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.cfg.Reserve = 1000
	r.cfg.Free = func(dir string) (int64, error) {
		require.Equal(t, r.dir, dir)
		return file.Size + 999, nil
	}
	before := len(r.Seen())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.DiskFull)
	require.Len(t, r.Seen(), before, "nothing was asked for")
	r.empty(t)
	r.cfg.Free = func(string) (int64, error) { return file.Size + 1000, nil }
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
}

// small is a disk with space for so many bytes.
type small struct {
	*os.File
	left int
}

func (s *small) Write(data []byte) (int, error) {
	n, err := s.File.Write(data[:min(len(data), s.left)])
	if s.left -= n; err == nil && n < len(data) {
		err = &os.PathError{Op: "write", Path: s.Name(), Err: syscall.ENOSPC}
	}
	return n, err
}

func TestADiskThatFillsUpEndsTheDownload(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.cfg.OpenFile = func(name string) (hub.PartFile, error) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		return &small{f, 2 << 20}, err
	}
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.Contains(t, requireKind(t, err, hub.DiskFull).Detail.String(), "free some space")
	require.Empty(t, r.waits)
	r.empty(t)

	r.cfg.OpenFile = func(name string) (hub.PartFile, error) {
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
	}
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.DiskFull)
}

func TestAPlainAddressGoesOnOnlyIfItsServerCanSayThatItIsTheSame(t *testing.T) {
	r := setUp(t)
	address := r.CDN + "/" + repo + "/" + large
	file, err := r.client(t).Address(t.Context(), address)
	require.NoError(t, err)
	require.Equal(t, "weights.safetensors", file.Path)
	require.EqualValues(t, len(r.weights), file.Size)
	require.Empty(t, file.SHA256)

	file.Size = -1
	r.Fault(large, 1, hubtest.Cut(1<<20))
	got, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	require.Equal(t, sum(r.weights), got.SHA256)
	r.arrived(t, r.weights)
	require.Equal(t, `"`+sum(r.weights)+`"`, r.Seen()[len(r.Seen())-1].IfRange)

	// Without length and validator there is only the whole.
	require.NoError(t, os.Remove(r.dest()))
	r.Fault(large, 1, hubtest.Unmeasured())
	got, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	require.Equal(t, sum(r.weights), got.SHA256)
	r.arrived(t, r.weights)
}

func TestAnAddressWhoseFileChangedMeanwhileBeginsAnew(t *testing.T) {
	r := setUp(t)
	address := r.CDN + "/" + repo + "/" + large
	file := hub.File{Path: "weights.safetensors", Size: -1, URL: address}
	r.cfg.Retries = 1
	r.Fault(large, 1, hubtest.Cut(1<<20))
	r.Fault(large, 0, hubtest.Status(http.StatusBadGateway))
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.ServerFault)
	r.Clear()
	state, err := os.ReadFile(r.dest() + ".part.json")
	require.NoError(t, err)
	require.NoError(
		t,
		os.WriteFile(
			r.dest()+".part.json",
			bytes.ReplaceAll(state, []byte(sum(r.weights)), []byte(strings.Repeat("0", 64))),
			0o600,
		),
	)
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	r.arrived(t, r.weights)
}

func TestErrorsAreComparedByKind(t *testing.T) {
	err := fmt.Errorf("install: %w", &hub.Error{Kind: hub.Gated, Detail: i18n.Plain("x")})
	require.ErrorIs(t, err, &hub.Error{Kind: hub.Gated})
	require.False(t, errors.Is(err, &hub.Error{Kind: hub.NotFound}))
}
