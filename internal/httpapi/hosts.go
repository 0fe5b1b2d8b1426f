package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// hosts are the names by which the studio can be reached. A request for another name is refused first of all: somebody
// may have made that name resolve to this computer, and for a browser its pages are of the same origin as the studio.
type hosts struct {
	// exact names and addresses, and suffixes of names with their first dot.
	exact    map[string]bool
	suffixes []string
	any      bool
}

// containers use these names for the computer on which they run. Nobody can register them.
var containers = []string{"host.docker.internal", "host.containers.internal", "gateway.docker.internal"}

// newHosts allows this computer's names, the host of publicBase, the host that is listened on, and those of the
// setting.
func newHosts(publicBase, listen string, allowed []string) *hosts {
	h := &hosts{exact: map[string]bool{}}
	add := func(name string) {
		if name, ok := hostName(name); ok {
			h.exact[name] = true
		}
	}
	for _, name := range append(containers, "localhost") {
		add(name)
	}
	if own, err := os.Hostname(); err == nil {
		add(own)
		add(own + ".local")
		short, _, _ := strings.Cut(own, ".")
		add(short)
		add(short + ".local")
	}
	if base, err := url.Parse(publicBase); err == nil {
		add(base.Host)
	}
	add(listen)
	for _, name := range allowed {
		name = strings.TrimSpace(name)
		switch suffix, wild := strings.CutPrefix(name, "*."); {
		case name == "*":
			h.any = true
		case wild:
			h.suffixes = append(h.suffixes, "."+strings.ToLower(suffix))
		default:
			add(name)
		}
	}
	return h
}

// hostName is the name in a Host header: without its port, in lower case, without the dot of a full name. False when
// the header does not hold a name.
func hostName(host string) (string, bool) {
	name := host
	if strings.HasPrefix(host, "[") || strings.Count(host, ":") == 1 {
		if bare, _, err := net.SplitHostPort(host); err == nil {
			name = bare
		} else if strings.HasSuffix(host, "]") {
			name = host[1 : len(host)-1]
		}
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().WithZone("").String(), true
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "" || strings.ContainsAny(name, "/\\@?#%[]: \t") {
		return "", false
	}
	return name, true
}

// allows says whether the studio may be reached as host. An address must be one of this computer's; local is the one at
// which the connection arrived.
func (h *hosts) allows(host string, local net.Addr) bool {
	name, ok := hostName(host)
	switch {
	case h.any:
		return true
	case !ok:
		return false
	case h.exact[name], strings.HasSuffix(name, ".localhost"):
		return true
	}
	for _, suffix := range h.suffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || isOwn(ip, local))
}

// isOwn says whether an address is one of this computer.
func isOwn(ip netip.Addr, local net.Addr) bool {
	if local != nil {
		if arrived, err := netip.ParseAddrPort(local.String()); err == nil &&
			arrived.Addr().Unmap().WithZone("") == ip {
			return true
		}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, address := range interfaces {
		if own, err := netip.ParsePrefix(address.String()); err == nil && own.Addr().Unmap().WithZone("") == ip {
			return true
		}
	}
	return false
}

// checkHost refuses a request for a name that is not the studio's, in its own header or in that of a trusted proxy.
func (s *Server) checkHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		asked := []string{r.Host}
		if forwarded := s.forwardedHost(r); forwarded != "" {
			asked = append(asked, forwarded)
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		for _, host := range asked {
			if !s.hosts.allows(host, local) {
				return newProblem(http.StatusMisdirectedRequest, "unknown_host", i18n.Say("Unknown host"), i18n.Say(
					"the studio is not known as %q: open it by its own address, or add the name to "+
						"server.allowed_hosts", names.Clip(host)))
			}
		}
		return next(c)
	}
}

func (s *Server) forwardedHost(r *http.Request) string {
	if !s.cfg.TrustForwarded {
		return ""
	}
	return firstOf(r.Header.Get("X-Forwarded-Host"))
}

// onThisComputer says whether a request comes from a program on this computer, and not through a proxy on it.
func onThisComputer(r *http.Request) bool {
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback()
}
