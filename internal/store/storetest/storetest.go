// Package storetest gives each test a database of its own on a real Postgres.
//
// One private cluster serves a whole test binary (fsync off: its data is worth nothing), one template database holds
// the migrated schema, and each test gets a copy of it. The cluster ends with the test process, however that ends.
package storetest

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/pgembed"
	"github.com/apibr/studio/internal/store"
)

const template = "template_apibr"

// cluster is started by the first test that asks and shared by the rest.
var cluster = sync.OnceValues(start)

// New opens a database with the migrated schema and only the rows that migrations insert. It is dropped at the test's
// end.
func New(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{DSN: DSN(t), MaxConns: 12})
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// DSN makes a database for the test and gives its address, for tests that start processes on it.
func DSN(t testing.TB) string {
	t.Helper()
	admin, err := cluster()
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	execute(t, admin, fmt.Sprintf("create database %s template %s strategy file_copy", name, template))
	t.Cleanup(func() { execute(t, admin, fmt.Sprintf("drop database if exists %s with (force)", name)) })
	return withDatabase(admin, name)
}

// EmptyDSN is like DSN but without any schema.
func EmptyDSN(t testing.TB) string {
	t.Helper()
	admin, err := cluster()
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	execute(t, admin, "create database "+name)
	t.Cleanup(func() { execute(t, admin, fmt.Sprintf("drop database if exists %s with (force)", name)) })
	return withDatabase(admin, name)
}

func execute(t testing.TB, dsn, sql string) {
	t.Helper()
	if err := tryExecute(dsn, sql); err != nil {
		t.Fatalf("storetest: %v", err)
	}
}

func tryExecute(dsn, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(dsn, name string) string {
	address, err := url.Parse(dsn)
	if err != nil {
		panic(err) // pgembed made it
	}
	address.Path = "/" + name
	return address.String()
}

// start runs the cluster and migrates the template; it returns the address of database postgres.
func start() (string, error) {
	dir, err := os.MkdirTemp("", "apibr-pg-")
	if err != nil {
		return "", err
	}
	if err := removeWhenWeEnd(dir); err != nil {
		return "", err
	}
	c, err := pgembed.New(pgembed.Config{DataDir: dir, FastUnsafe: true, MaxConnections: 300, SearchVenvs: venvs()})
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		return "", err
	}
	admin := withDatabase(c.DSN(), "postgres")
	if err := tryExecute(admin, "create database "+template); err != nil {
		return "", err
	}
	s, err := store.Open(ctx, store.Config{DSN: withDatabase(admin, template)})
	if err != nil {
		return "", err
	}
	s.Close()
	return admin, nil
}

// removeWhenWeEnd leaves the folder to a process that waits for our end and then for Postgres's.
func removeWhenWeEnd(dir string) error {
	const script = `cat; for i in $(seq 100); do [ -e "$1"/pg/*/postmaster.pid ] || break; sleep 0.1; done; rm -rf "$1"`
	cmd := exec.Command("sh", "-c", script, "sh", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	untilWeEnd.Store(&stdin)
	return nil
}

// untilWeEnd is never written to and closes when this process ends. It is kept here because the garbage collector
// closes unreferenced files, which removed the cluster under tests that were still running.
var untilWeEnd atomic.Pointer[io.WriteCloser]

// venvs of the checkout, where the wheel is when the system has no Postgres.
func venvs() []string {
	_, self, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(self), "..", "..", "..")
	return []string{filepath.Join(root, ".venv-draft")}
}
