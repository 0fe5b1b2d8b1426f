package e2e

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

// A paused process must not finish a job that another has taken over meanwhile: one result, one set of assets, one
// event, and nothing of the loser's left on disk.
func TestPausedServerLosesItsJob(t *testing.T) {
	dsn := storetest.DSN(t)
	first := startStudio(t, withEnv("DATABASE_URL="+dsn))
	job := first.submitAvatar()
	db := first.db()
	first.eventually("a segment is finished", func() bool { return len(segments(t, db, job)) >= 1 })
	second := newStudio(t, withEnv("DATABASE_URL="+dsn))
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGSTOP))
	second.start()

	done := second.completed(job)
	require.GreaterOrEqual(t, done["attempt"], 2.0)
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGCONT))
	first.awaitReadyAgain()
	// The first server has noticed its loss when it has taken and finished another job.
	fields := object{"text": "Olá", "voice": builtinVoice(first), "quality": "draft"}
	other := first.submit("/audio/generate-speech", fields).str("id")
	first.completed(other)

	requireOneResult(t, db, job)
	require.Equal(
		t,
		1,
		count(t, db, "select count(*) from apibr.generation_jobs where id = $1 and status = 'completed'", job),
	)
	first.eventually(
		"no work file is left over",
		func() bool { return len(workFiles(t, first.dir)) == 0 && len(workFiles(t, second.dir)) == 0 },
	)
}

// builtinVoice is the name of a voice that every studio has.
func builtinVoice(s *studio) string {
	s.t.Helper()
	for _, v := range s.get("/api/v1/audio/voices").json(s.t).list("data") {
		if builtin, _ := v["builtin"].(bool); builtin && strings.HasPrefix(v.str("language"), "pt") {
			return v.str("name")
		}
	}
	s.t.Fatal("the studio has no built-in Portuguese voice")
	return ""
}

// workFiles are the regular files of runs below a data directory's work folder; beside the runs' folders, which are
// named by their job, the supervisor keeps what it knows of its living processes there.
func workFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	runs, err := filepath.Glob(filepath.Join(dir, "work", "*-*-*-*-*"))
	require.NoError(t, err)
	for _, run := range runs {
		err := filepath.WalkDir(run, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				files = append(files, path)
			}
			return nil // what vanishes while we look is not left over
		})
		require.NoError(t, err)
	}
	return files
}
