package hub

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	maxPage  = 32 << 20 // bytes of one page of a listing
	maxPages = 200
	maxFiles = 50_000
)

// File is one file that can be downloaded.
type File struct {
	Path string // Path in the repository, with slashes.
	Size int64  // Size in bytes; -1 when the source does not say.

	// SHA256 of the content in hexadecimal digits, where the hub states it: for the large files. Else GitSHA1 is the
	// id of the content as git computes it. Both are empty for a plain address.
	SHA256, GitSHA1 string

	URL string
}

// Listing is a repository at one commit.
type Listing struct {
	Repo   string
	Commit string // Commit is the SHA-1 of the commit; what is downloaded by it never changes.
	Gated  bool   // Gated says that files come only to accounts that accepted the licence.
	Files  []File
}

var (
	repoName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$`)
	revName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`)
	commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256ID = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// List names the files of a repository. revision is a branch, tag or commit; "" is main. Fails with *Error.
func (c *Client) List(ctx context.Context, repo, revision string) (*Listing, error) {
	if revision == "" {
		revision = "main"
	}
	if !repoName.MatchString(repo) || !revName.MatchString(revision) || strings.Contains(repo+revision, "..") {
		return nil, fail(NotFound, "%.100q at %.100q is not the name of a repository: write owner/name", repo, revision)
	}
	var about struct {
		SHA   string `json:"sha"`
		Gated any    `json:"gated"` // false, "auto" or "manual"
	}
	api := c.base.String() + "/api/models/" + repo
	if _, err := c.json(ctx, api+"/revision/"+url.PathEscape(revision), &about); err != nil {
		return nil, err
	}
	if !commitID.MatchString(about.SHA) {
		return nil, c.bad(repo)
	}
	listing := &Listing{Repo: repo, Commit: about.SHA, Gated: about.Gated != nil && about.Gated != false}
	next := api + "/tree/" + about.SHA + "?recursive=true"
	for range maxPages {
		var err error
		if next, err = c.page(ctx, listing, next); err != nil || next == "" {
			return listing, err
		}
	}
	return nil, c.bad(repo)
}

// entry of a tree.
type entry struct {
	Type string `json:"type"`
	OID  string `json:"oid"`
	Path string `json:"path"`
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

func (c *Client) page(ctx context.Context, listing *Listing, address string) (next string, err error) {
	var entries []entry
	header, err := c.json(ctx, address, &entries)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Type != "file" {
			continue
		}
		file, ok := c.file(listing, e)
		if !ok || len(listing.Files) >= maxFiles {
			return "", c.bad(listing.Repo)
		}
		listing.Files = append(listing.Files, file)
	}
	return c.nextPage(header, listing.Repo)
}

// file believes nothing of an entry that could lead out of a folder.
func (c *Client) file(listing *Listing, e entry) (File, bool) {
	file := File{Path: e.Path, Size: e.Size}
	if e.LFS != nil {
		file.Size, file.SHA256 = e.LFS.Size, strings.TrimPrefix(e.LFS.OID, "sha256:")
	} else {
		file.GitSHA1 = e.OID
	}
	hashed := sha256ID.MatchString(file.SHA256) || e.LFS == nil && commitID.MatchString(file.GitSHA1)
	if !hashed || file.Size < 0 || file.Size > c.cfg.MaxFile || len(e.Path) > 1000 ||
		!filepath.IsLocal(e.Path) || path.Clean(e.Path) != e.Path || strings.ContainsAny(e.Path, "\\\x00\n\r") {
		return File{}, false
	}
	escaped := (&url.URL{Path: e.Path}).EscapedPath()
	file.URL = c.base.String() + "/" + listing.Repo + "/resolve/" + listing.Commit + "/" + strings.TrimPrefix(
		escaped,
		"./",
	)
	return file, true
}

func (c *Client) bad(what string) *Error {
	return fail(
		BadAnswer,
		"%s answers about %s with something that is not a listing: check models.hub_url",
		c.base.Host,
		what,
	)
}

// nextPage is the address of Link rel="next". It must be the hub's own, since the token goes there.
func (c *Client) nextPage(header http.Header, repo string) (string, error) {
	for link := range strings.SplitSeq(header.Get("Link"), ",") {
		target, params, ok := strings.Cut(link, ";")
		if !ok || !strings.Contains(params, `rel="next"`) {
			continue
		}
		u, err := c.base.Parse(strings.Trim(strings.TrimSpace(target), "<>"))
		if err != nil || !c.own(u) {
			return "", c.bad(repo)
		}
		return u.String(), nil
	}
	return "", nil
}

// json gets and decodes an answer, with the retries of a download.
func (c *Client) json(ctx context.Context, address string, into any) (header http.Header, err error) {
	err = c.again(ctx, func() bool { return false }, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, 2*c.cfg.Stall, errSlow)
		defer cancel()
		req, err := c.request(ctx, http.MethodGet, address)
		if err != nil {
			return err
		}
		resp, err := c.do(req, http.StatusOK)
		if err != nil {
			return c.slow(err, req)
		}
		defer resp.Body.Close()
		header = resp.Header
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
		if err != nil {
			return c.slow(c.explain(req, err), req)
		}
		if len(body) > maxPage || json.Unmarshal(body, into) != nil {
			return c.bad(subject(req.URL, c.base))
		}
		return nil
	})
	return header, err
}

var errSlow = errors.New("nothing arrived for too long")

// slow turns the end of a request that took too long into an error that is tried again.
func (c *Client) slow(err error, req *http.Request) error {
	if !errors.Is(err, errSlow) {
		return err
	}
	return fail(Unreachable, "%s stopped sending: try again later", req.URL.Host).because(errSlow).retryable(0)
}

// Address is the file at a plain address, as on a release page. Its size is asked for; there is no hash that could be
// known.
func (c *Client) Address(ctx context.Context, address string) (File, error) {
	file := File{Size: -1, URL: address}
	err := c.again(ctx, func() bool { return false }, func() error {
		req, err := c.request(ctx, http.MethodHead, address)
		if err != nil {
			return err
		}
		file.Path = path.Base(req.URL.Path)
		resp, err := c.do(req, http.StatusOK, http.StatusMethodNotAllowed, http.StatusNotImplemented)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			file.Size = resp.ContentLength
		}
		return nil
	})
	switch {
	case err != nil:
		return File{}, err
	case file.Size > c.cfg.MaxFile:
		return File{}, tooLarge(file)
	case !filepath.IsLocal(file.Path) || file.Path == ".":
		return File{}, fail(Refused, "an address of the catalogue names no file: it must end in the file's name")
	}
	return file, nil
}

func tooLarge(file File) *Error {
	return fail(WrongSize, "%s is larger than a model's file may be: check the source", file.Path)
}
