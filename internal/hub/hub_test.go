package hub_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/hub/hubtest"
)

const (
	repo  = "maker/model"
	token = "hf_veryverysecret"
	large = "transformer/weights.safetensors"
)

// rig is a hub with one repository, a client of it and a folder to download to.
type rig struct {
	*hubtest.Hub
	cfg     hub.Config
	dir     string
	weights []byte
	waits   []time.Duration
}

func setUp(t *testing.T) *rig {
	t.Helper()
	folder := t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	r := &rig{dir: t.TempDir(), weights: make([]byte, 3<<20+17)}
	_, _ = random.Read(r.weights)
	for name, content := range map[string][]byte{large: r.weights, "config.json": []byte(`{"a": 1}`),
		"empty.txt": nil, "README.md": []byte("licence"), "vae/a b.json": []byte("{}")} {
		full := filepath.Join(folder, filepath.FromSlash(repo), filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, content, 0o600))
	}
	r.Hub = hubtest.New(t, folder)
	r.cfg = hub.Config{
		BaseURL: r.URL,
		Retries: 3,
		Stall:   10 * time.Second,
		Sleep: func(ctx context.Context, d time.Duration) error {
			r.waits = append(r.waits, d)
			return ctx.Err()
		},
	}
	return r
}

func (r *rig) client(t *testing.T) *hub.Client {
	t.Helper()
	c, err := hub.New(r.cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (r *rig) file(t *testing.T, name string) hub.File {
	t.Helper()
	listing, err := r.client(t).List(t.Context(), repo, "")
	require.NoError(t, err)
	for _, file := range listing.Files {
		if file.Path == name {
			return file
		}
	}
	t.Fatalf("%s is not listed", name)
	return hub.File{}
}

func (r *rig) dest() string { return filepath.Join(r.dir, "file") }

// empty says that nothing is left of a download.
func (r *rig) empty(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func (r *rig) arrived(t *testing.T, want []byte) {
	t.Helper()
	content, err := os.ReadFile(r.dest())
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, content), "the content is the hub's")
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no part is left")
}

func requireKind(t *testing.T, err error, kind hub.Kind) *hub.Error {
	t.Helper()
	var own *hub.Error
	require.ErrorAs(t, err, &own)
	require.Equal(t, kind, own.Kind, err)
	require.NotContains(
		t,
		own.Detail.String()+own.Detail.In(language.BrazilianPortuguese),
		"%!",
		"every verb has its argument",
	)
	require.NotContains(t, err.Error(), token)
	require.NotContains(t, err.Error(), "secret-of-the-network")
	require.NotContains(t, err.Error(), os.TempDir())
	return own
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func (r *rig) ranges() (got []string) {
	for _, request := range r.Seen() {
		if request.CDN {
			got = append(got, request.Range)
		}
	}
	return got
}

func TestAListingNamesEveryFileWithTheHubsHashes(t *testing.T) {
	r := setUp(t)
	listing, err := r.client(t).List(t.Context(), repo, "main")
	require.NoError(t, err)
	require.Equal(t, hubtest.Commit(repo), listing.Commit)
	require.False(t, listing.Gated)
	require.Len(t, listing.Files, 5, "over several pages, without the folders")
	file := r.file(t, large)
	require.Equal(t, sum(r.weights), file.SHA256)
	require.EqualValues(t, len(r.weights), file.Size)
	require.NotEmpty(t, r.file(t, "config.json").GitSHA1)
}

func TestADownloadArrivesWhole(t *testing.T) {
	for name, want := range map[string][]byte{large: nil, "config.json": []byte(`{"a": 1}`), "empty.txt": {},
		"vae/a b.json": []byte("{}")} {
		r := setUp(t)
		if want == nil {
			want = r.weights
		}
		var last int64
		got, err := r.client(t).Download(t.Context(), r.file(t, name), r.dest(), func(done int64) { last = done })
		require.NoError(t, err, name)
		require.Equal(t, sum(want), got.SHA256)
		require.EqualValues(t, len(want), last)
		r.arrived(t, want)
	}
}

func TestTheTokenGoesToTheHubOnly(t *testing.T) {
	r := setUp(t)
	r.cfg.Token = token
	r.Gate(repo, token)
	file := r.file(t, large)
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	r.arrived(t, r.weights)
	atCDN := 0
	for _, request := range r.Seen() {
		if request.CDN {
			atCDN++
			require.Empty(t, request.Authorization)
		} else {
			require.Equal(t, "Bearer "+token, request.Authorization)
		}
	}
	require.Equal(t, 1, atCDN)

	// Nor does it go to an address of the catalogue on another host.
	_, err = r.client(t).Address(t.Context(), r.CDN+"/"+repo+"/"+large)
	require.NoError(t, err)
	seen := r.Seen()
	require.Empty(t, seen[len(seen)-1].Authorization)
}

func TestACutConnectionGoesOnWhereItStopped(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 2, hubtest.Cut(1<<20).OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	r.arrived(t, r.weights)
	require.Equal(t, []string{"", "bytes=1048576-", "bytes=2097152-"}, r.ranges())
	require.Equal(t, []time.Duration{time.Second, time.Second}, r.waits, "progress starts the count anew")
}

func TestARestartOfTheProgramGoesOnToo(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	stall, reached, _ := hubtest.Stall(2 << 20)
	r.Fault(large, 1, stall.OnCDN())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	got := make(chan int64, 1024)
	go func() {
		_, err := r.client(t).Download(ctx, file, r.dest(), func(done int64) { got <- done })
		ended <- err
	}()
	<-reached
	for done := range got {
		if done == 2<<20 {
			break
		}
	}
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)

	first := int64(-1)
	_, err := r.client(t).Download(t.Context(), file, r.dest(), func(done int64) {
		if first < 0 {
			first = done
		}
	})
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, first, "what was there counts at once")
	r.arrived(t, r.weights)
	require.Equal(t, []string{"", "bytes=2097152-"}, r.ranges())
	for _, request := range r.Seen() {
		if request.CDN && request.Range != "" {
			require.Equal(t, `"`+file.SHA256+`"`, request.IfRange)
		}
	}
}

func TestADamagedPartIsFetchedAnew(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 2, hubtest.Cut(1<<20).OnCDN())
	r.cfg.Retries = 1
	r.Fault(large, 0, hubtest.Status(http.StatusBadGateway).OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.ServerFault)
	r.Clear()
	part := r.dest() + ".part"
	content, err := os.ReadFile(part)
	require.NoError(t, err)
	require.NotEmpty(t, content)
	content[1000] ^= 4
	require.NoError(t, os.WriteFile(part, content, 0o600))
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	r.arrived(t, r.weights)
}

func TestAServerWithoutRangesBeginsAnew(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 1, hubtest.Cut(1<<20).OnCDN())
	r.Fault(large, 1, hubtest.NoRange().OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	r.arrived(t, r.weights)
	require.Len(t, r.ranges(), 2)
}

func TestAFlippedByteIsFoundAndTheFileThrownAway(t *testing.T) {
	for name, at := range map[string]int{large: 2_000_000, "config.json": 3} {
		r := setUp(t)
		file := r.file(t, name)
		r.Fault(name, 0, hubtest.Flip(at))
		r.Fault(name, 0, hubtest.Flip(at).OnCDN())
		if name == large {
			r.Clear()
			r.Fault(name, 0, hubtest.Flip(at).OnCDN())
		}
		_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
		own := requireKind(t, err, hub.WrongHash)
		require.Contains(t, own.Detail.String(), name)
		r.empty(t)
	}
}

func TestAShortFileIsRefused(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 0, hubtest.Short(100).OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.WrongSize)
	r.empty(t)
}

func TestALongFileIsRefused(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	file.Size -= 5
	r.Fault(large, 0, hubtest.Unmeasured().OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.WrongSize)
	r.empty(t)
}

func TestAConnectionThatIsCutEachTimeEndsAndKeepsWhatCame(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 1, hubtest.Cut(1000).OnCDN())
	r.Fault(large, 0, hubtest.Cut(0).OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.Truncated)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, r.waits)
	info, err := os.Stat(r.dest() + ".part")
	require.NoError(t, err)
	require.EqualValues(t, 1000, info.Size())
	hub.Discard(r.dest())
	r.empty(t)
}

func TestAConnectionOnWhichNothingComesIsReplaced(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.cfg.Stall = time.Second
	stall, _, _ := hubtest.Stall(500)
	r.Fault(large, 1, stall.OnCDN())
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	r.arrived(t, r.weights)
	require.Equal(t, []string{"", "bytes=500-"}, r.ranges())
}

func TestALimitIsWaitedFor(t *testing.T) {
	r := setUp(t)
	file := r.file(t, "config.json")
	r.Fault("config.json", 1, hubtest.RateLimit(55))
	r.Fault("config.json", 1, hubtest.Status(http.StatusTooManyRequests, "RateLimit", `"resolvers";r=0;t=123`))
	r.Fault("/revision/main", 1, hubtest.RateLimit(7))
	c := r.client(t)
	_, err := c.List(t.Context(), repo, "main")
	require.NoError(t, err)
	_, err = c.Download(t.Context(), file, r.dest(), nil)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{7 * time.Second, 55 * time.Second, 123 * time.Second}, r.waits)
}

func TestALimitThatIsTooLongOrNeverEndsIsTold(t *testing.T) {
	r := setUp(t)
	file := r.file(t, "config.json")
	r.Fault("config.json", 1, hubtest.RateLimit(7200))
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	require.Equal(t, 2*time.Hour, requireKind(t, err, hub.RateLimited).RetryAfter)
	require.Empty(t, r.waits)

	r.Fault("config.json", 0, hubtest.RateLimit(3))
	_, err = r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.RateLimited)
	require.Len(t, r.waits, 3)
	r.empty(t)
}

func TestARefusedRepositoryNamesTheRemedy(t *testing.T) {
	r := setUp(t)
	c := r.client(t)
	_, err := c.List(t.Context(), "maker/unknown", "")
	require.Contains(t, requireKind(t, err, hub.Unauthorized).Detail.String(), "maker/unknown")
	_, err = c.List(t.Context(), repo, "nowhere")
	requireKind(t, err, hub.NotFound)

	r.Gate(repo, "hf_accepted")
	listing, err := c.List(t.Context(), repo, "")
	require.NoError(t, err)
	require.True(t, listing.Gated)
	_, err = c.Download(t.Context(), listing.Files[0], r.dest(), nil)
	own := requireKind(t, err, hub.Gated)
	require.Contains(t, own.Detail.String(), r.URL+"/"+repo)
	require.Contains(t, own.Detail.String(), "models.hub_token")

	r.cfg.Token = token // an account that has not accepted
	_, err = r.client(t).Download(t.Context(), listing.Files[0], r.dest(), nil)
	own = requireKind(t, err, hub.Gated)
	require.Contains(t, own.Detail.String(), r.URL+"/"+repo)
	require.Contains(t, own.Detail.String(), "account of the token")

	r.Fault("/revision/main", 1, hubtest.Status(http.StatusUnauthorized))
	_, err = r.client(t).List(t.Context(), repo, "")
	require.Contains(t, requireKind(t, err, hub.Unauthorized).Detail.String(), "does not take the token")
	require.Empty(t, r.waits, "none of these is tried again")
	r.empty(t)
}

func TestAFileThatHasGoneIsNotTriedAgain(t *testing.T) {
	r := setUp(t)
	file := r.file(t, large)
	r.Fault(large, 0, hubtest.Status(http.StatusNotFound, "X-Error-Code", "EntryNotFound"))
	_, err := r.client(t).Download(t.Context(), file, r.dest(), nil)
	requireKind(t, err, hub.NotFound)
	require.Empty(t, r.waits)
	r.empty(t)
}

func TestWithoutANetworkTheHubIsUnreachable(t *testing.T) {
	r := setUp(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	r.cfg.BaseURL = gone.URL
	gone.Close()
	_, err := r.client(t).List(t.Context(), repo, "")
	own := requireKind(t, err, hub.Unreachable)
	require.Contains(t, own.Detail.String(), "127.0.0.1")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Len(t, r.waits, 3)
}
