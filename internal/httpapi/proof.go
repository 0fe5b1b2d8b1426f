package httpapi

import (
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
)

// longestNonce of a question for proof.
const longestNonce = 200

// proof shows the command line of this data directory that it talks to the right studio, before it sends its key (see
// auth.Proof).
func (s *Server) proof(c echo.Context) error {
	nonce := c.QueryParam("nonce")
	address, known := c.Request().Context().Value(http.LocalAddrContextKey).(net.Addr)
	if s.cfg.LocalToken == "" || !known {
		return notFound(i18n.Say("there is no such key"))
	}
	if nonce == "" || len(nonce) > longestNonce {
		return invalid("nonce", i18n.Say("nonce must be 1 to 200 characters that were never sent before"))
	}
	end, ok := auth.AddressOf(address)
	if !ok {
		return notFound(i18n.Say("there is no such key"))
	}
	return c.String(http.StatusOK, auth.Proof(s.cfg.LocalToken, nonce, end))
}
