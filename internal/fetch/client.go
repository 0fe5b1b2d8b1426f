package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Client fetches. Safe for concurrent use.
type Client struct {
	cfg    Config
	http   *http.Client
	public func(netip.Addr) bool // replaced by tests, which have no address of the internet
}

// New makes a Client. Proxies of the environment are not used.
func New(cfg Config) *Client {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 500 << 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.MaxRedirects <= 0 {
		cfg.MaxRedirects = 3
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	c := &Client{cfg: cfg, public: public}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            c.dial,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  cfg.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a kept connection would skip the check of its address
			DisableCompression:     true, // bytes arrive as they were sent, and no bomb unpacks here
			ForceAttemptHTTP2:      false,
		},
		CheckRedirect: c.checkRedirect,
	}
	return c
}

// IsRef tells whether a media input's string is one that Open understands (an http, https or data URL), and not an id.
func IsRef(s string) bool {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(scheme)) {
	case "http", "https", "data", "ftp", "file":
		return true // also what Open refuses: that sentence is better than "unknown id"
	}
	return false
}

// Open starts reading an https URL or a data: URI. The caller closes the body. Fails with *Error.
func (c *Client) Open(ctx context.Context, ref string) (*Body, error) {
	if len(ref) >= 5 && strings.EqualFold(ref[:5], "data:") {
		if tooLong(ref, c.cfg.MaxBytes) {
			return nil, dataTooLarge(c.cfg.MaxBytes)
		}
		return c.OpenData(strings.NewReader(ref))
	}
	u, err := url.Parse(ref)
	if err != nil {
		return nil, &Error{BadURL, i18n.Say("this is not a URL: send https://... or data:...;base64,...")}
	}
	if err := c.checkURL(u); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	body, err := c.get(ctx, cancel, u)
	if err != nil {
		cancel()
		return nil, err
	}
	return body, nil
}

func (c *Client) get(ctx context.Context, cancel context.CancelFunc, u *url.URL) (*Body, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, &Error{BadURL, i18n.Say("this is not a URL that can be fetched")}
	}
	req.Header.Set("User-Agent", "apibr-studio")
	req.Header.Set("Accept", "audio/*, image/*, video/*, */*;q=0.1")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, u, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &Error{
			BadStatus,
			i18n.Say(
				"%s answered %d instead of the file: check the address, and that it needs no login",
				u.Host,
				resp.StatusCode,
			),
		}
	}
	if resp.ContentLength > c.cfg.MaxBytes {
		resp.Body.Close()
		return nil, c.tooLarge()
	}
	return &Body{
		ReadCloser: &limitedBody{c: c, ctx: ctx, cancel: cancel, url: u, r: resp.Body, left: c.cfg.MaxBytes},
		Filename:   filename(resp),
		Size:       resp.ContentLength,
	}, nil
}

func (c *Client) checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "http" && !c.cfg.AllowHTTP:
		return &Error{
			BadURL,
			i18n.Say("http addresses are not fetched: use https, upload the file, or set media.allow_http"),
		}
	case u.Scheme != "https" && u.Scheme != "http":
		return &Error{BadURL, i18n.Say("only https URLs and data: URIs are fetched")}
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return &Error{BadURL, i18n.Say("this URL names no host")}
	case u.User != nil:
		return &Error{BadURL, i18n.Say("a URL must not hold a user name or password: use a signed link instead")}
	}
	return nil
}

func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > c.cfg.MaxRedirects {
		return &Error{
			Unreachable,
			i18n.Say("the address redirects more than %d times: send the final address", c.cfg.MaxRedirects),
		}
	}
	req.Header.Del("Referer")
	return c.checkURL(req.URL)
}

// explain turns a network error into what a user may read. The cause goes to the log: it could tell what lies behind an
// address. A refused address and one where nothing listens must not be told apart by more than the rule itself.
func (c *Client) explain(ctx context.Context, u *url.URL, err error) error {
	c.cfg.Log.DebugContext(ctx, "fetch failed", "host", u.Host, "error", err)
	var own *Error
	var dns *net.DNSError
	var cert x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, errForbidden):
		return &Error{
			Refused,
			i18n.Say(
				"this address lies in a private or reserved network and is not fetched: upload the file, or name " +
					"the host in media.allowed_hosts",
			),
		}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{
			TimedOut,
			i18n.Say(
				"the file did not arrive within %.0f s: upload it instead, or raise media.fetch_timeout",
				c.cfg.Timeout.Seconds(),
			),
		}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{
			Unreachable,
			i18n.Say("the transfer broke off before the end of the file: try again, or upload the file"),
		}
	case errors.As(err, &dns):
		return &Error{Unreachable, i18n.Say("the host %s was not found: check the address", u.Hostname())}
	case errors.As(err, &cert), errors.As(err, &name), errors.As(err, &invalid):
		return &Error{
			Unreachable,
			i18n.Say("the certificate of %s is not valid: use an address with a good one", u.Hostname()),
		}
	}
	return &Error{Unreachable, i18n.Say("%s could not be reached: check the address, or upload the file", u.Hostname())}
}

func (c *Client) tooLarge() error {
	return &Error{
		TooLarge,
		i18n.Say(
			"the file is larger than %.0f MB: send a smaller one, or raise media.max_upload_bytes",
			float64(c.cfg.MaxBytes)/1e6,
		),
	}
}

// limitedBody ends the transfer at the size limit and at the timeout, and notices a connection that broke off.
type limitedBody struct {
	c      *Client
	ctx    context.Context //nolint:containedctx // it is the transfer's own
	cancel context.CancelFunc
	url    *url.URL
	r      io.ReadCloser
	left   int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.c.tooLarge()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.c.explain(b.ctx, b.url, err)
	}
	return n, err
}

func (b *limitedBody) Close() error {
	b.cancel()
	return b.r.Close()
}

func filename(resp *http.Response) string {
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil &&
		params["filename"] != "" {
		return params["filename"]
	}
	base := path.Base(resp.Request.URL.Path)
	if base == "/" || base == "." {
		return ""
	}
	return base
}
