package auth

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// mayChange says whether a request could change something, or opens a channel that a page of another site could read.
func mayChange(r *http.Request) bool {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return true
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// checkOrigin refuses a cookie on a request of another site. SameSite=Strict tells the browser the same, but this does
// not rely on it: for SameSite, a page on another port of this host is the same site; here it is not. A browser always
// sends the origin of such a request. Clients that are not browsers send a key.
func (s *Service) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	site := r.Header.Get("Sec-Fetch-Site")
	if origin == "" {
		if site == "same-origin" || site == "none" {
			return nil
		}
		return ErrOrigin
	}
	for _, allowed := range s.cfg.AllowedOrigins {
		if strings.EqualFold(strings.TrimRight(allowed, "/"), origin) {
			return nil
		}
	}
	if site != "" && site != "same-origin" {
		return ErrOrigin
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ErrOrigin
	}
	if !strings.EqualFold(withPort(u.Host, u.Scheme), withPort(r.Host, u.Scheme)) {
		return ErrOrigin
	}
	return nil
}

func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
