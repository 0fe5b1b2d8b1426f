package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/disk"
)

// DefaultURL is the hub that is asked when the configuration names none.
const DefaultURL = "https://huggingface.co"

// Config of a Client. The zero value works.
type Config struct {
	// BaseURL of the hub. Default DefaultURL. With an http address here, which is meant for a hub of one's own, files
	// may come over http too; with an https one nothing ever does.
	BaseURL string

	// Token for gated and private repositories; it is sent to the host of BaseURL only. Default none.
	Token string

	// Retries is how often a request is tried again in a row without one new byte. Default 5.
	Retries int

	// MaxWait is the longest that a server's wish to be left alone is granted; a longer one ends the download with
	// RateLimited. Default 10 minutes (the windows of the hub's limits are 5).
	MaxWait time.Duration

	// Stall ends a connection on which nothing arrived for so long; the download goes on with another. Default 60 s.
	Stall time.Duration

	// MaxFile is the largest file, in bytes. Default 200 GB.
	MaxFile int64

	// Reserve stays free on the disk, in bytes. Default 1 GiB.
	Reserve int64

	// UserAgent names this program. Default "apibr-studio".
	UserAgent string

	// Sleep waits between two tries; tests replace it. Default a timer.
	Sleep func(ctx context.Context, d time.Duration) error

	// Free is what the disk of a directory has left, in bytes; tests replace it. Default statfs.
	Free func(dir string) (int64, error)

	// OpenFile opens the part file for writing at its end; tests replace it. Default os.OpenFile.
	OpenFile func(name string) (PartFile, error)
}

// PartFile is where a download is written.
type PartFile interface {
	io.ReadWriteSeeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// Client asks a hub. Safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New makes a Client. Fails unless BaseURL is an http or https address.
func New(cfg Config) (*Client, error) {
	setDefaults(&cfg)
	base, err := url.Parse(strings.TrimSuffix(cfg.BaseURL, "/"))
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" ||
		(base.Scheme != "https" && base.Scheme != "http") {
		return nil, fail(Refused, "models.hub_url is not the address of a hub: write https:// and its host")
	}
	c := &Client{cfg: cfg, base: base}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    30 * time.Second,
			ResponseHeaderTimeout:  cfg.Stall,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 256 << 10,
			DisableCompression:     true, // sizes and ranges count the bytes of the file
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: c.checkRedirect,
	}
	return c, nil
}

func setDefaults(cfg *Config) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultURL
	}
	if cfg.Retries <= 0 {
		cfg.Retries = 5
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = 10 * time.Minute
	}
	if cfg.Stall <= 0 {
		cfg.Stall = time.Minute
	}
	if cfg.MaxFile <= 0 {
		cfg.MaxFile = 200e9
	}
	if cfg.Reserve <= 0 {
		cfg.Reserve = 1 << 30
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "apibr-studio"
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Free == nil {
		cfg.Free = disk.Free
	}
	if cfg.OpenFile == nil {
		cfg.OpenFile = func(name string) (PartFile, error) {
			return os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// own says whether an address is the hub itself, which alone may see the token.
func (c *Client) own(u *url.URL) bool { return u.Scheme == c.base.Scheme && u.Host == c.base.Host }

const maxRedirects = 5

func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fail(
			Refused,
			"%s redirects more than %d times: try again later, or name another source",
			via[0].URL.Host,
			maxRedirects,
		)
	}
	// The client would keep the header for a subdomain of the host.
	if !c.own(req.URL) {
		req.Header.Del("Authorization")
	}
	req.Header.Del("Referer")
	return c.checkURL(req.URL, via[0].URL.Scheme == "http")
}

// checkURL refuses what is not https; http only when the hub is configured with it, and never after https.
func (c *Client) checkURL(u *url.URL, fromHTTP bool) error {
	plain := u.Scheme == "http" && c.base.Scheme == "http" && fromHTTP
	if u.Host == "" || u.User != nil || (u.Scheme != "https" && !plain) {
		return fail(
			Refused,
			"the source of a file is not an https address (%s): models are fetched over https only",
			u.Host,
		)
	}
	return nil
}

// request makes one, with the token when it goes to the hub.
func (c *Client) request(ctx context.Context, method, address string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fail(Refused, "the address of a file cannot be read: check models.hub_url and the catalogue")
	}
	if err := c.checkURL(req.URL, true); err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if c.cfg.Token != "" && c.own(req.URL) {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	return req, nil
}

// do sends and turns every failure, and every status that is not among good, into an *Error.
func (c *Client) do(req *http.Request, good ...int) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(req, err)
	}
	for _, status := range good {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	return nil, c.refusal(req, resp)
}

// explain turns a network error into a sentence. What net/http writes holds the address with its signed query: it is
// left out.
func (c *Client) explain(req *http.Request, err error) error {
	if ctxErr := context.Cause(req.Context()); ctxErr != nil {
		return ctxErr
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	host := req.URL.Hostname()
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if at, parseErr := url.Parse(wrapped.URL); parseErr == nil && at.Hostname() != "" {
			host = at.Hostname()
		}
		err = wrapped.Err
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &invalid) {
		return fail(
			Unreachable,
			"the certificate of %s is not valid: check the clock of this machine and its proxy",
			host,
		).because(err)
	}
	var network net.Error
	if !errors.As(err, &network) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		err = errConnection // some texts of net/http hold an address
	}
	return fail(
		Unreachable,
		"%s cannot be reached: check the network, or import the model from a folder",
		host,
	).because(err).
		retryable(0)
}

var errConnection = errors.New("the connection failed")

// refusal is what a status means. The hub says in X-Error-Code which of several reasons a 401 has.
func (c *Client) refusal(req *http.Request, resp *http.Response) error {
	host, what, code := resp.Request.URL.Host, subject(req.URL, c.base), resp.Header.Get("X-Error-Code")
	page := c.base.String() + "/" + what
	switch status := resp.StatusCode; {
	case code == "GatedRepo" && c.cfg.Token == "":
		return fail(
			Gated,
			"%[1]s is given only to those who accepted its licence: accept it on %[2]s and set models.hub_token",
			what,
			page,
		)
	case code == "GatedRepo", status == http.StatusForbidden && c.own(resp.Request.URL):
		return fail(
			Gated,
			"the hub token may not read %[1]s: accept the licence on %[2]s with the account of the token, "+
				"and give the token the right to read gated repositories",
			what,
			page,
		)
	case status == http.StatusUnauthorized && c.cfg.Token == "":
		return fail(
			Unauthorized,
			"the hub has no %s, or shows it only to those who may read it: check the name, or set models.hub_token",
			what,
		)
	case status == http.StatusUnauthorized:
		return fail(
			Unauthorized,
			"the hub does not take the token for %s: set models.hub_token to a token that is valid",
			what,
		)
	case status == http.StatusNotFound, status == http.StatusGone:
		return fail(
			NotFound,
			"%[1]s is not at %[2]s any more: check the name and the revision, or import the model from a folder",
			what,
			host,
		)
	case status == http.StatusTooManyRequests:
		return fail(
			RateLimited,
			"%s answers no more requests for now: try again later, or set models.hub_token",
			host,
		).retryable(retryAfter(resp.Header))
	case status >= 500 || status == http.StatusRequestTimeout || status == http.StatusForbidden:
		// The signed address of a content network answers 403 once it has run out; the next try gets a fresh one.
		return fail(ServerFault, "%s answers with the error %d: try again later",
			host, status).retryable(retryAfter(resp.Header))
	default:
		return fail(BadAnswer, "%s answers %d where a file was expected: check models.hub_url", host, status)
	}
}

// subject is what a request was for, as people name it: a repository on the hub, else a file's name.
func subject(u, base *url.URL) string {
	rest := strings.TrimPrefix(u.Path, base.Path)
	if after, ok := strings.CutPrefix(rest, "/api/models/"); ok {
		rest = "/" + after
	}
	rest = strings.TrimPrefix(rest, "/")
	for _, mark := range []string{"/resolve/", "/tree/", "/revision/"} {
		if repo, _, ok := strings.Cut(rest, mark); ok && u.Host == base.Host {
			return repo
		}
	}
	return rest[strings.LastIndexByte(rest, '/')+1:]
}

// retryAfter reads Retry-After and, since the hub does not always send that, the seconds of RateLimit.
func retryAfter(header http.Header) time.Duration {
	if value := header.Get("Retry-After"); value != "" {
		if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
			return time.Duration(seconds) * time.Second
		}
		if at, err := http.ParseTime(value); err == nil {
			return max(0, time.Until(at))
		}
	}
	for field := range strings.SplitSeq(header.Get("RateLimit"), ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(field), "t="); ok {
			if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
				return time.Duration(seconds) * time.Second
			}
		}
	}
	return 0
}

// maxTries of one file, however far each of them gets.
const maxTries = 500

// again runs f until it succeeds, fails for good or has failed Retries times in a row. moved says whether the last try
// got anywhere, which starts the count anew.
func (c *Client) again(ctx context.Context, moved func() bool, f func() error) error {
	for tries, all := 0, 0; ; tries, all = tries+1, all+1 {
		err := f()
		var own *Error
		if err == nil || !errors.As(err, &own) || !own.again {
			return err
		}
		if moved() {
			tries = 0
		}
		wait := max(own.RetryAfter, min(time.Second<<min(tries, 5), 30*time.Second))
		if tries >= c.cfg.Retries || all >= maxTries || wait > c.cfg.MaxWait {
			return err
		}
		if err := c.cfg.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}
