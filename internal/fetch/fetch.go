package fetch

import (
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Config of a Client. The zero value works and is the strictest.
type Config struct {
	// AllowHTTP also takes http URLs. Default false (config media.allow_http).
	AllowHTTP bool

	// AllowedHosts are host names or addresses that may lie in a private network, each with an optional port
	// (config media.allowed_hosts). Default none. A host named here is still bound to AllowHTTP.
	AllowedHosts []string

	// MaxBytes is the largest body. Default 500 MiB (config media.max_upload_bytes).
	MaxBytes int64

	// Timeout bounds the whole transfer. Default 60 s (config media.fetch_timeout).
	Timeout time.Duration

	// MaxRedirects that are followed. Default 3.
	MaxRedirects int

	// Resolver is replaced by tests. Default net.DefaultResolver.
	Resolver *net.Resolver

	Log *slog.Logger
}

// Code says what kind of refusal an *Error is.
type Code string

// The codes of an *Error.
const (
	BadURL      Code = "bad_url"     // not a URL that is taken here
	Refused     Code = "refused"     // a private or otherwise forbidden address
	Unreachable Code = "unreachable" // no answer, or broken off
	BadStatus   Code = "bad_status"  // answered, but not with a file
	TooLarge    Code = "too_large"
	TimedOut    Code = "timed_out"
)

// Error is a refusal or failure whose text may be shown to users: it holds no address, port or reason of the network.
type Error struct {
	Code   Code
	Detail i18n.Sentence
}

func (e *Error) Error() string { return e.Detail.String() }

// Sentence is what to show.
func (e *Error) Sentence() i18n.Sentence { return e.Detail }

// Body is an open remote or inline file. Read fails with *Error{TooLarge}, *Error{TimedOut} or *Error{Unreachable}.
type Body struct {
	io.ReadCloser

	// Filename is a hint from Content-Disposition or the URL's path, not yet sanitised; "" when there is none.
	Filename string

	// Size as announced, -1 when unknown. Read enforces MaxBytes whatever was announced.
	Size int64
}
