package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/text/language"
)

// caller is what an answer needs to know of the request that it is for.
type caller struct {
	// base is how the caller reached us, for absolute links: no slash at its end.
	base string
	// method, path and query of the request.
	method, path string
	query        url.Values
	// stray tells which parameters of the query mean nothing to the address.
	stray func() []FieldProblem
	// from is the address that failed sign-ins are counted by.
	from netip.Prefix
	// lang of sentences: English or portuguese.
	lang string
}

// The languages of sentences.
const (
	english    = "en"
	portuguese = "pt-BR"
)

type callerKey struct{}

func callerOf(ctx context.Context) caller { c, _ := ctx.Value(callerKey{}).(caller); return c }

func baseOf(ctx context.Context) string { return callerOf(ctx).base }

// withCaller keeps what the request says of its caller.
func (s *Server) withCaller(ctx context.Context, r *http.Request) context.Context {
	c := caller{base: s.base(r), method: r.Method, path: r.URL.Path, query: r.URL.Query(), lang: preferred(r.Header.Get("Accept-Language"))}
	if s.cfg.Auth != nil {
		c.from = s.cfg.Auth.From(r)
	}
	c.stray = func() []FieldProblem { return s.strayParameters(c) }
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

// firstOf a list that proxies append to: the one that the caller used.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}

// preferred is the first language of Accept-Language that there are sentences in; English when there is none.
func preferred(header string) string {
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil {
		return english
	}
	for _, tag := range tags {
		switch base, _ := tag.Base(); base.String() {
		case "en":
			return english
		case "pt":
			return portuguese
		}
	}
	return english
}
