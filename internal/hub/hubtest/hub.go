// Package hubtest is a hub on this machine for tests: the part of the Hugging Face HTTP API that internal/hub asks
// for, over the files of a folder, with the faults of real hubs and networks to be switched on one by one.
//
// Below the folder a repository is owner/name. Large files (safetensors, gguf, pt, pth) are listed with a SHA-256 and
// come by a redirect from a second server, as from a content network; the others come from the hub itself and are
// listed with git's SHA-1.
package hubtest

import (
	"crypto/sha1" //nolint:gosec // what git uses
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Request is one that a server got.
type Request struct {
	CDN           bool // CDN says that the content network got it, not the hub.
	Method, Path  string
	Authorization string
	Range         string
	IfRange       string
}

// Hub is a running hub. Its fields may be changed until the first request.
type Hub struct {
	URL string // URL of the hub, for models.hub_url.
	CDN string // CDN is the address of the content network.

	// PageSize is how many entries a page of a listing has. Default 2, so that every listing has several.
	PageSize int

	// Requests gets every request; what does not fit is dropped.
	Requests chan Request

	folder string
	mu     sync.Mutex
	token  string
	gated  map[string]bool
	faults []*Fault
	seen   []Request
}

// New starts a hub over the folder; the test's end stops it.
func New(t testing.TB, folder string) *Hub {
	t.Helper()
	h := &Hub{PageSize: 2, folder: folder, gated: map[string]bool{}, Requests: make(chan Request, 4096)}
	cdn := httptest.NewServer(h.watched(true, h.serveCDN))
	front := httptest.NewServer(h.watched(false, h.serveHub))
	h.URL, h.CDN = front.URL, cdn.URL
	t.Cleanup(func() {
		h.Clear()
		front.CloseClientConnections()
		cdn.CloseClientConnections()
		front.Close()
		cdn.Close()
	})
	return h
}

// Gate lets a repository's files out only to the accepted token; accepted "" is a licence that nobody has accepted.
func (h *Hub) Gate(repo, accepted string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gated[repo], h.token = true, accepted
}

// Seen are the requests so far.
func (h *Hub) Seen() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seen)
}

func (h *Hub) watched(cdn bool, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got := Request{cdn, r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Range"),
			r.Header.Get("If-Range")}
		h.mu.Lock()
		h.seen = append(h.seen, got)
		h.mu.Unlock()
		select {
		case h.Requests <- got:
		default:
		}
		if fault := h.take(cdn, r.URL.Path); fault != nil {
			fault.do(h, w, r, serve)
			return
		}
		serve(w, r)
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", message)
	http.Error(w, `{"error":"`+message+`"}`, status)
}

func (h *Hub) serveHub(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		h.serveAPI(w, r, rest)
		return
	}
	repo, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/")
	commit, file, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || !h.has(repo) {
		fail(w, http.StatusUnauthorized, "RepoNotFound", "Repository not found")
		return
	}
	if status := h.refused(repo, r); status != 0 {
		fail(w, status, "GatedRepo", "Access to model "+repo+" is restricted.")
		return
	}
	full := filepath.Join(h.folder, filepath.FromSlash(repo), filepath.FromSlash(path.Clean("/"+file)))
	info, err := os.Stat(full)
	switch {
	case commit != Commit(repo):
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id")
	case err != nil || info.IsDir():
		fail(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case large(file):
		w.Header().Set("X-Linked-Size", strconv.FormatInt(info.Size(), 10))
		http.Redirect(w, r, h.CDN+"/"+repo+"/"+file+"?X-Signature=secret-of-the-network", http.StatusFound)
	default:
		h.content(w, r, full)
	}
}

// refused is the status for who may not have a gated repository's files, 0 for who may.
func (h *Hub) refused(repo string, r *http.Request) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch given := r.Header.Get("Authorization"); {
	case !h.gated[repo], h.token != "" && given == "Bearer "+h.token:
		return 0
	case given == "":
		return http.StatusUnauthorized
	default:
		return http.StatusForbidden
	}
}

func (h *Hub) has(repo string) bool {
	info, err := os.Stat(filepath.Join(h.folder, filepath.FromSlash(path.Clean("/"+repo))))
	return err == nil && info.IsDir()
}

// serveCDN wants no token: whoever has the signed address may read.
func (h *Hub) serveCDN(w http.ResponseWriter, r *http.Request) {
	h.content(w, r, filepath.Join(h.folder, filepath.FromSlash(path.Clean("/"+r.URL.Path))))
}

// content serves a file with ranges and If-Range.
func (h *Hub) content(w http.ResponseWriter, r *http.Request, full string) {
	content, err := os.ReadFile(full)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(content)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}

func large(name string) bool {
	return slices.Contains([]string{".safetensors", ".gguf", ".pt", ".pth", ".bin"}, path.Ext(name))
}

// Commit is the one commit that a repository here has.
func Commit(repo string) string {
	sum := sha1.Sum([]byte(repo)) //nolint:gosec // what git uses
	return hex.EncodeToString(sum[:])
}

func (h *Hub) serveAPI(w http.ResponseWriter, r *http.Request, rest string) {
	repo, what, ok := strings.Cut(rest, "/revision/")
	if !ok {
		repo, what, ok = strings.Cut(rest, "/tree/")
	}
	switch {
	case !ok || !h.has(repo):
		fail(w, http.StatusUnauthorized, "RepoNotFound", "Repository not found")
	case what != "main" && what != Commit(repo):
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id")
	case strings.Contains(rest, "/revision/"):
		h.mu.Lock()
		gated := any(false)
		if h.gated[repo] {
			gated = "auto"
		}
		h.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"id": repo, "sha": Commit(repo), "gated": gated})
	default:
		h.tree(w, r, repo)
	}
}

func (h *Hub) tree(w http.ResponseWriter, r *http.Request, repo string) {
	entries, err := h.entries(repo)
	if err != nil {
		http.Error(w, "the folder cannot be read", http.StatusInternalServerError)
		return
	}
	at, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	end := min(at+h.PageSize, len(entries))
	if end < len(entries) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, h.URL, r.URL.Path, end))
	}
	_ = json.NewEncoder(w).Encode(entries[min(at, end):end])
}

func (h *Hub) entries(repo string) ([]map[string]any, error) {
	root := filepath.Join(h.folder, filepath.FromSlash(repo))
	entries := []map[string]any{}
	err := filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		relative, relErr := filepath.Rel(root, full)
		if err != nil || relErr != nil || relative == "." {
			return err
		}
		name := filepath.ToSlash(relative)
		if entry.IsDir() {
			entries = append(entries, map[string]any{"type": "directory", "path": name, "size": 0, "oid": Commit(name)})
			return nil
		}
		content, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		id := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)) //nolint:gosec // what git uses
		described := map[string]any{"type": "file", "path": name, "size": len(content),
			"oid": hex.EncodeToString(id[:])}
		if large(name) {
			sum := sha256.Sum256(content)
			described["oid"] = Commit(name)
			described["lfs"] = map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(content),
				"pointerSize": 134}
		}
		entries = append(entries, described)
		return nil
	})
	return entries, err
}
