package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/datadir"
)

const ownKey = "apibr_11111111111111111111111111111111"

// server is something that answers at an address and remembers which keys it was sent.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string
}

func (s *server) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

func serve(t *testing.T, prove http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		for _, header := range []string{"Authorization", "X-Api-Key"} {
			if key := r.Header.Get(header); key != "" {
				s.keys = append(s.keys, key)
			}
		}
		s.mu.Unlock()
		if r.URL.Path == auth.ProofPath && prove != nil {
			prove(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[]}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// proves is what a studio with the key does.
func proves(w http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	address, _ := auth.AddressOf(local)
	_, _ = io.WriteString(w, auth.Proof(ownKey, r.URL.Query().Get("nonce"), address))
}

func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, cliTokenFile), []byte(ownKey+"\n"), 0o600))
	t.Setenv("APIBR_LANG", "en")
	t.Setenv("APIBR_TOKEN", "")
	t.Setenv("APIBR_SERVER", "")
	return dir
}

func command(args ...string) (code int, stderr string) {
	var out, problems bytes.Buffer
	code = Main(args, strings.NewReader(""), &out, &problems)
	return code, problems.String()
}

func TestOwnKeyGoesToTheStudioOfTheDataDirectory(t *testing.T) {
	dir := dataDir(t)
	studio := serve(t, proves)
	code, stderr := command("voices", "--data-dir", dir, "--server", studio.URL)
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"Bearer " + ownKey}, studio.sent())

	address := strings.TrimPrefix(studio.URL, "http://")
	require.NoError(t, datadir.WriteSecret(filepath.Join(dir, datadir.AddressFile), []byte(address+"\n")))
	code, stderr = command("voices", "--data-dir", dir)
	require.Zero(t, code, "the running studio is found without --server: %s", stderr)
	require.Len(t, studio.sent(), 2)
}

func TestOwnKeyGoesNowhereElse(t *testing.T) {
	dir := dataDir(t)
	studio := serve(t, proves)
	relay := func(w http.ResponseWriter, r *http.Request) { // asks the real studio what it was asked
		response, err := http.Get(studio.URL + r.URL.RequestURI())
		if err != nil {
			return
		}
		defer response.Body.Close()
		_, _ = io.Copy(w, response.Body)
	}
	for name, thief := range map[string]http.HandlerFunc{
		"knows no proof": nil,
		"invents one": func(w http.ResponseWriter, _ *http.Request) {
			_,
				_ = io.WriteString(w, strings.Repeat("0", 64))
		},
		"has another key": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, auth.Proof("apibr_2", r.URL.Query().Get("nonce"), addressOf(r)))
		},
		"passes the question on": relay,
		"sends on to the studio": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, studio.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		},
		"proves nothing, at once": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
	} {
		t.Run(name, func(t *testing.T) {
			other := serve(t, thief)
			code, stderr := command("voices", "--data-dir", dir, "--server", other.URL)
			require.Equal(t, ExitUsage, code, stderr)
			require.Contains(t, stderr, "--token")
			require.Empty(t, other.sent())
			t.Setenv("APIBR_LANG", "pt-BR")
			t.Setenv("APIBR_SERVER", other.URL)
			_, stderr = command("voices", "--data-dir", dir)
			require.Contains(t, stderr, "não é o estúdio deste diretório de dados")
			require.Empty(t, other.sent())
		})
	}
	code, stderr := command("voices", "--data-dir", dir, "--server", "https://studio.example")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--token")
	require.Empty(t, studio.sent())
}

func addressOf(r *http.Request) (end netip.AddrPort) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	end, _ = auth.AddressOf(local)
	return end
}

func TestNamedKeyGoesWhereItsUserSends(t *testing.T) {
	dir := dataDir(t)
	remote := serve(t, nil)
	code, stderr := command("voices", "--data-dir", dir, "--server", remote.URL, "--token", "apibr_named")
	require.Zero(t, code, stderr)
	t.Setenv("APIBR_TOKEN", "apibr_environment")
	code, stderr = command("voices", "--data-dir", dir, "--server", remote.URL)
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"Bearer apibr_named", "Bearer apibr_environment"}, remote.sent())
}

func TestNoKeyFollowsARedirection(t *testing.T) {
	dir := dataDir(t)
	other := serve(t, proves)
	for _, status := range []int{301, 302, 307, 308} {
		first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == auth.ProofPath {
				proves(w, r)
				return
			}
			http.Redirect(w, r, other.URL+r.URL.Path, status)
		}))
		t.Cleanup(first.Close)
		for _, token := range []string{"", "apibr_named"} {
			code, stderr := command("voices", "--data-dir", dir, "--server", first.URL, "--token", token)
			require.Equal(t, ExitUsage, code, stderr)
			require.Contains(t, stderr, other.URL)
		}
	}
	require.Empty(t, other.sent())
}

// A studio that ends may leave its port to somebody else: each connection is asked anew.
func TestProofHoldsForOneConnection(t *testing.T) {
	dir := dataDir(t)
	honest := true
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if honest {
			proves(w, r)
		}
	})
	studio, err := connect(connection{Server: s.URL, DataDir: dir}, inLanguage(language.English))
	require.NoError(t, err)
	response, err := studio.client.ListVoices(context.Background(), nil)
	require.NoError(t, studio.do(response, err, nil))
	honest = false
	s.CloseClientConnections()
	response, err = studio.client.ListVoices(context.Background(), nil)
	err = studio.do(response, err, nil)
	require.Error(t, err)
	require.Equal(t, ExitUsage, exitCode(err))
	require.Len(t, s.sent(), 1)
}

func TestOwnKeyOfAnotherUserOrLinkIsNotUsed(t *testing.T) {
	dir := dataDir(t)
	studio := serve(t, proves)
	token := filepath.Join(dir, cliTokenFile)
	require.NoError(t, os.Rename(token, filepath.Join(dir, "elsewhere")))
	require.NoError(t, os.Symlink("elsewhere", token))
	code, stderr := command("voices", "--data-dir", dir, "--server", studio.URL)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "symbolic link")
	require.Empty(t, studio.sent())
}
