package pgembed

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/disk"
)

// What initdb prints last is that it tidies up; why it did stands before, and is often said by the Postgres that it
// started.
func TestTheCauseOfAFailedInitdbIsFoundInItsOutput(t *testing.T) {
	exit := errors.New("exit status 1")
	printed := func(cause string) string {
		return "creating configuration files ... ok\nrunning bootstrap script ... 2026-01-02 03:04:05.678 UTC [99] " +
			cause +
			"\nchild process exited with exit code 1\ninitdb: removing data directory \"/data/pg/15.making\"\n"
	}
	full := initdbFailure(
		exit,
		printed(`FATAL:  could not write to file "pg_wal/xlogtemp.99": No space left on device`),
	)
	require.True(t, disk.Full(full), full)
	other := initdbFailure(exit, printed("FATAL:  could not map anonymous shared memory"))
	require.False(t, disk.Full(other))
	require.ErrorContains(t, other, "could not map anonymous shared memory")
}

// A start that fails may be tried again by the same program, as on a full disk, before anything has been collected as
// garbage.
func TestAFailedStartLeavesTheDataDirectoryFree(t *testing.T) {
	dir := t.TempDir()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	first, second := newCluster(t, dir), newCluster(t, dir)
	require.ErrorContains(t, first.Start(over), "initdb")
	err := second.Start(over)
	require.ErrorContains(t, err, "initdb")
	require.NotErrorIs(t, err, ErrLocked)
	runtime.KeepAlive(first)
}
