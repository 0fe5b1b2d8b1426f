package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// caller holds the facts of a request that its answer needs.
type caller struct {
	// base is the scheme and host by which the caller reached the studio, for absolute links. It has no slash at the
	// end.
	base string
	// method, path and query of the request.
	method, path string
	query        url.Values
	// stray returns the query parameters that the address does not take.
	stray func() []fieldProblem
	// from is the address that failed sign-ins are counted by.
	from netip.Prefix
	// reader of the answer's sentences.
	reader i18n.Reader
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	if c, ok := ctx.Value(callerKey{}).(caller); ok {
		return c
	}
	return caller{reader: i18n.Reader{Language: language.English}}
}

// told is a sentence as the caller reads it.
func told(ctx context.Context, s i18n.Sentence) string { return s.For(callerOf(ctx).reader) }

// readerOf a request: its language and its door. An answer that holds sentences varies with varyByReader.
func readerOf(r *http.Request) i18n.Reader {
	return i18n.Reader{
		Language: i18n.Accepted(r.Header.Get("Accept-Language")),
		Door:     i18n.Door(r.Header.Get(i18n.DoorHeader)),
	}
}

const varyByReader = "Accept-Language, " + i18n.DoorHeader

func baseOf(ctx context.Context) string { return callerOf(ctx).base }

// withCaller puts the caller of a request into its context.
func (s *Server) withCaller(ctx context.Context, r *http.Request) context.Context {
	c := caller{base: s.base(r), method: r.Method, path: r.URL.Path, query: r.URL.Query(),
		reader: readerOf(r)}
	if s.cfg.Auth != nil {
		c.from = s.cfg.Auth.From(r)
	}
	c.stray = func() []fieldProblem { return s.strayParameters(c) }
	return context.WithValue(ctx, callerKey{}, c)
}

func (s *Server) base(r *http.Request) string {
	if s.cfg.PublicBaseURL != "" {
		return strings.TrimSuffix(s.cfg.PublicBaseURL, "/")
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if s.cfg.TrustForwarded {
		if proto := firstOf(r.Header.Get("X-Forwarded-Proto")); proto == "https" || proto == "http" {
			scheme = proto
		}
		if forwarded := s.forwardedHost(r); forwarded != "" {
			host = forwarded
		}
	}
	return scheme + "://" + host
}

// firstOf a header to which proxies append: the first value is the one that the caller used.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}
