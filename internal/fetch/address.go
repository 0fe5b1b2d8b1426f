package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// errForbidden is what the dialer answers for an address that is refused.
var errForbidden = errors.New("fetch: forbidden address")

// forbidden are ranges that netip's own predicates do not cover: addresses outside the public internet (IANA
// special-purpose registries), and IPv6 addresses that carry an IPv4 one.
var forbidden = prefixes(
	"0.0.0.0/8",
	"100.64.0.0/10", /* carrier NAT */
	"192.0.0.0/24",
	"192.0.2.0/24",
	"192.88.99.0/24",
	"198.18.0.0/15",
	"198.51.100.0/24",
	"203.0.113.0/24",
	"240.0.0.0/4",
	"::/96",
	"64:ff9b::/96", /* NAT64 */
	"64:ff9b:1::/48",
	"100::/64",
	"2001::/23", /* Teredo and others */
	"2001:db8::/32",
	"2002::/16", /* 6to4 */
	"3fff::/20",
	"5f00::/16",
	"fec0::/10",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// public tells whether an address belongs to the internet. Cloud metadata services (169.254.169.254, fd00:ec2::254)
// fall under link-local and unique-local.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() ||
		a.IsMulticast() ||
		!a.IsGlobalUnicast() {
		return false
	}
	for _, p := range forbidden {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// guard refuses a connection to an address that is not public. It is the dialer's Control, which sees the address that
// the connection really goes to: a name that DNS answers differently the second time gains nothing.
func (c *Client) guard(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", errForbidden, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !c.public(ap.Addr()) {
		return errForbidden
	}
	return nil
}

// dial connects, with the guard unless the host that the URL names was allowed by configuration.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: -1, Resolver: c.cfg.Resolver}
	if !c.allowed(address) {
		d.ControlContext = c.guard
	}
	return d.DialContext(ctx, network, address)
}

// allowed tells whether media.allowed_hosts names the host, or the host and port, of an address before DNS.
func (c *Client) allowed(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	host = canonicalHost(host)
	for _, entry := range c.cfg.AllowedHosts {
		h, p, err := net.SplitHostPort(entry)
		if err != nil {
			h, p = entry, ""
		}
		if canonicalHost(h) == host && (p == "" || p == port) {
			return true
		}
	}
	return false
}

func canonicalHost(h string) string {
	h = strings.TrimSuffix(strings.ToLower(strings.Trim(h, "[]")), ".")
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Unmap().String()
	}
	return h
}
