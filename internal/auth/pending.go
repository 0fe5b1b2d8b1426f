package auth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"
)

// SessionCookie is the name of the browser's cookie.
const SessionCookie = "apibr_session"

// Config of a Service.
type Config struct {
	Pool *pgxpool.Pool

	// CacheTTL is how long an answer is remembered, and so how long a key that another process revoked still works.
	// Default 5 s. A revocation in this process works at once.
	CacheTTL time.Duration

	// SecureCookie sets the cookie's Secure flag: for a public_base_url of https. Default false.
	SecureCookie bool

	// AllowedOrigins are origins besides the request's own Host that may use the cookie: public_base_url's. Default none.
	AllowedOrigins []string

	// Now is replaced by tests. Default time.Now.
	Now func() time.Time

	Log *slog.Logger
}

// Service checks credentials. Safe for concurrent use.
type Service struct{ cfg Config }

// New makes a Service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Authenticate says who a request is from. ErrUnauthenticated, or ErrOrigin for a cookie on a foreign request.
func (s *Service) Authenticate(ctx context.Context, r *http.Request) (Principal, error) {
	return Principal{}, ErrUnauthenticated
}

// Middleware authenticates and puts the principal into the request's context. onError writes the answer for an error of
// Authenticate; skip lets a request through without a look (health, the page itself, signed links).
func (s *Service) Middleware(skip func(echo.Context) bool, onError func(echo.Context, error) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
}

// CreateKey makes a key and returns its secret, which is shown once. ErrBadScope.
func (s *Service) CreateKey(ctx context.Context, k NewKey) (secret string, key *Key, err error) {
	return "", nil, ErrBadScope
}

// ListKeys returns the owner's keys, newest first, revoked ones too.
func (s *Service) ListKeys(ctx context.Context, owner uuid.UUID) ([]*Key, error) { return nil, nil }

// RevokeKey ends a key at once in this process and within CacheTTL in others. Twice changes nothing. ErrNotFound.
func (s *Service) RevokeKey(ctx context.Context, owner, id uuid.UUID) (*Key, error) {
	return nil, ErrNotFound
}

// CreateLink makes a one-time login token, valid for 10 minutes.
func (s *Service) CreateLink(ctx context.Context, owner uuid.UUID, scopes []Scope) (token string, err error) {
	return "", ErrUsed
}

// RedeemLink spends a login token and returns the cookie of a new session. ErrUsed.
func (s *Service) RedeemLink(ctx context.Context, token string) (*http.Cookie, Principal, error) {
	return nil, Principal{}, ErrUsed
}

// CloseSession ends the session of a request's cookie and returns the cookie that removes it from the browser.
func (s *Service) CloseSession(ctx context.Context, r *http.Request) (*http.Cookie, error) {
	return nil, ErrUnauthenticated
}

// CreateTicket makes a one-time WebSocket ticket for the principal, valid for 30 s.
func (s *Service) CreateTicket(ctx context.Context, p Principal) (token string, expires time.Time, err error) {
	return "", time.Time{}, ErrUsed
}

// RedeemTicket spends a ticket. ErrUnauthenticated.
func (s *Service) RedeemTicket(ctx context.Context, token string) (Principal, error) {
	return Principal{}, ErrUnauthenticated
}

// AuthenticateSocket is Authenticate for a WebSocket request: it also takes ?ticket= and checks the origin of a cookie.
func (s *Service) AuthenticateSocket(ctx context.Context, r *http.Request) (Principal, error) {
	return Principal{}, ErrUnauthenticated
}

// EnsureCLIToken makes sure that path (mode 0600) holds a valid admin key of the local admin, and returns it.
func (s *Service) EnsureCLIToken(ctx context.Context, path string) (string, error) { return "", nil }

// Audit writes an entry; AuditTx does so inside the caller's transaction.
func (s *Service) Audit(ctx context.Context, e Entry) error { return nil }

// AuditTx writes an entry inside the caller's transaction.
func AuditTx(ctx context.Context, tx pgx.Tx, e Entry) error { return nil }

// Prune deletes expired sessions, links and tickets. For a util job.
func (s *Service) Prune(ctx context.Context) (int64, error) { return 0, nil }
