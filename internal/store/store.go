package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// Schema holds our tables; it is first on the search path of every connection.
	Schema = "apibr"
	// RiverSchema holds River's tables; its notification channel is then river.river_insert.
	RiverSchema = "river"
)

// PoolMode is the kind of pooler between the studio and the server.
type PoolMode string

const (
	// PoolAuto takes port 6543 and ?pool_mode=transaction for a transaction pooler. The default.
	PoolAuto PoolMode = "auto"
	// PoolSession is a direct connection or a session pooler.
	PoolSession PoolMode = "session"
	// PoolTransaction is a transaction pooler: no prepared statements across transactions, no LISTEN.
	PoolTransaction PoolMode = "transaction"
)

// Config of a database.
type Config struct {
	// DSN of the database, a postgres:// URL or key=value pairs.
	DSN string

	// ListenDSN is a direct connection for LISTEN and migrations, when DSN goes through a pooler. Default: DSN.
	ListenDSN string

	// MaxConns of the pool. Default 20.
	MaxConns int32

	// PoolMode, default PoolAuto.
	PoolMode PoolMode

	// Log, default discarded.
	Log *slog.Logger
}

// Store is an open database with the schema that this binary was written for.
type Store struct {
	pool      *pgxpool.Pool
	listenDSN string
	canListen bool
}

// Open migrates and connects. It fails with ErrSchemaNewer when the database belongs to a newer binary.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	direct := config.ListenDSN
	if direct == "" {
		direct = config.DSN
	}
	if err := migrate(ctx, direct, config.Log); err != nil {
		return nil, err
	}
	poolConfig, err := poolConfig(config)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s := &Store{pool: pool, listenDSN: direct, canListen: listens(ctx, direct)}
	if !s.canListen {
		config.Log.Warn(
			"the database connection does not pass notifications on (a transaction pooler?); polling instead: " +
				"set database.listen_dsn to a direct connection",
		)
	}
	return s, nil
}

func poolConfig(config Config) (*pgxpool.Config, error) {
	dsn, transaction := poolerOf(config.DSN)
	if config.PoolMode == PoolTransaction {
		transaction = true
	} else if config.PoolMode == PoolSession {
		transaction = false
	}
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New(
			"the database address cannot be read: give a postgres:// URL",
		) // err would hold the password
	}
	parsed.MaxConns = config.MaxConns
	if parsed.MaxConns == 0 {
		parsed.MaxConns = 20
	}
	parsed.ConnConfig.ConnectTimeout = 10 * time.Second
	if transaction {
		parsed.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	} else {
		parsed.AfterConnect = planOnce
	}
	withSearchPath(parsed.ConnConfig)
	return parsed, nil
}

// planOnce makes Postgres plan each prepared statement once for all arguments. Left to itself it plans some anew at
// each execution, which costs more than what such a plan saves: half the time of a submit. No statement depends on a
// plan for its arguments (plans_test.go). It is not a parameter of the connection's start, because poolers refuse
// those that they do not know.
func planOnce(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "set plan_cache_mode = force_generic_plan")
	return err
}

func withSearchPath(config *pgx.ConnConfig) {
	config.DialFunc = marking(config.DialFunc)
	config.RuntimeParams["search_path"] = Schema + ",public"
	config.RuntimeParams["application_name"] = "apibr"
}

// poolerOf finds a transaction pooler in a DSN and takes our own parameter out of it.
func poolerOf(dsn string) (clean string, transaction bool) {
	address, err := url.Parse(dsn)
	if err != nil || !strings.HasPrefix(address.Scheme, "postgres") {
		return dsn, false
	}
	query := address.Query()
	transaction = address.Port() == "6543" || query.Get("pool_mode") == string(PoolTransaction)
	query.Del("pool_mode")
	address.RawQuery = query.Encode()
	return address.String(), transaction
}

// connect makes one connection of its own, outside the pool.
func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	clean, _ := poolerOf(dsn)
	parsed, err := pgx.ParseConfig(clean)
	if err != nil {
		return nil, errors.New("the database address cannot be read: give a postgres:// URL")
	}
	withSearchPath(parsed)
	conn, err := pgx.ConnectConfig(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return conn, nil
}

// listens sends itself a notification: behind a transaction pooler LISTEN succeeds and nothing ever arrives.
func listens(ctx context.Context, dsn string) bool {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := connect(ctx, dsn)
	if err != nil {
		return false
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen apibr_self_test"); err != nil {
		return false
	}
	if _, err := conn.Exec(ctx, "notify apibr_self_test"); err != nil {
		return false
	}
	_, err = conn.WaitForNotification(ctx)
	return err == nil
}

// Pool of connections whose search path starts with our schema.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// ListenDSN is a direct connection's address.
func (s *Store) ListenDSN() string { return s.listenDSN }

// CanListen says whether notifications arrive on ListenDSN; without, everything polls.
func (s *Store) CanListen() bool { return s.canListen }

// Connect makes a connection on ListenDSN outside the pool: a listener must not hold a pooled connection.
func (s *Store) Connect(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, s.listenDSN) }

// InTx runs work in one transaction: committed when it returns nil, rolled back otherwise.
func (s *Store) InTx(ctx context.Context, work func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, work)
}

// Close closes the pool; it waits for connections in use.
func (s *Store) Close() { s.pool.Close() }
