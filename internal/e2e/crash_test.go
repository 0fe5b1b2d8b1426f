package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

const (
	portrait = "../../samples/portrait.png"
	voice    = "../../samples/voice.wav"
)

// recorded is a configuration that writes the frames sent to an engine's sidecar to log.
func recorded(t testing.TB, engine, log string) string {
	t.Helper()
	script, err := filepath.Abs("testdata/recorder.py")
	require.NoError(t, err)
	command, err := json.Marshal([]string{"env", "PYTHONPATH=" + os.Getenv("APIBR_PYTHON_WORKERS"),
		filepath.Join(os.Getenv("APIBR_PYTHON_DRAFT_VENV"), "bin", "python"), script, log, "--engine", engine})
	require.NoError(t, err)
	return fmt.Sprintf("sidecars:\n  %s:\n    command: %s\n", engine, command)
}

// runFrame is the part of a run request that the tests look at.
type runFrame struct {
	Method string `json:"method"`
	Params struct {
		Job        string `json:"job"`
		Fence      int64  `json:"fence"`
		ResumeFrom *struct {
			Index    int `json:"index"`
			Segments []struct {
				Index  int    `json:"index"`
				SHA256 string `json:"sha256"`
			} `json:"segments"`
		} `json:"resume_from"`
	} `json:"params"`
}

func runFrames(t testing.TB, log, job string) []runFrame {
	t.Helper()
	file, err := os.Open(log)
	require.NoError(t, err)
	defer file.Close()
	var frames []runFrame
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var frame runFrame
		if json.Unmarshal(lines.Bytes(), &frame) == nil && frame.Method == "run" && frame.Params.Job == job {
			frames = append(frames, frame)
		}
	}
	require.NoError(t, lines.Err())
	return frames
}

type segmentRow struct {
	Idx    int
	SHA256 string
	Fence  int64
}

func segments(t testing.TB, db *pgxpool.Pool, job string) []segmentRow {
	t.Helper()
	rows, err := db.Query(
		context.Background(),
		"select idx, sha256, fence from apibr.job_segments where job_id = $1 order by idx",
		job,
	)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[segmentRow])
	require.NoError(t, err)
	return list
}

func count(t testing.TB, db *pgxpool.Pool, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}

// requireOneResult checks that a job has exactly one set of assets and one event of its completion.
func requireOneResult(t testing.TB, db *pgxpool.Pool, job string) {
	t.Helper()
	require.Equal(
		t,
		1,
		count(t, db, "select count(*) from apibr.media_assets where job_id = $1 and type = 'video'", job),
	)
	require.Equal(
		t,
		1,
		count(t, db, "select count(*) from apibr.events where job_id = $1 and type = 'job.completed'", job),
	)
}

// decodedFrames is a hash of every picture of a job's video.
func (s *studio) decodedFrames(job string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "video.mp4")
	content := s.get("/api/v1/jobs/" + job + "/content")
	require.Equal(s.t, 200, content.status)
	require.NoError(s.t, os.WriteFile(path, content.body, 0o600))
	out, err := exec.Command(ffmpegPath(s.t), "-nostdin", "-v", "error", "-i", path, "-map", "0:v", "-f", "framemd5",
		"-").
		Output()
	require.NoError(s.t, err)
	require.Greater(s.t, len(out), 1000)
	return string(out)
}

// ffmpegPath is the program that the draft venv brings.
func ffmpegPath(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob(
		filepath.Join(
			os.Getenv("APIBR_PYTHON_DRAFT_VENV"),
			"lib/python*/site-packages/imageio_ffmpeg/binaries/ffmpeg-*",
		),
	)
	require.NoError(t, err)
	require.NotEmpty(t, found, "no ffmpeg in the draft venv: run make setup")
	return found[0]
}

func (s *studio) submitAvatar() string {
	s.t.Helper()
	return s.accepted(s.postForm("/api/v1/video/create-avatar", map[string]string{
		"image": "@" + portrait, "audio": "@" + voice, "quality": "draft", "seed": "7"})).str("id")
}

// A server that is killed in the middle of a video leaves no process behind, and the next one goes on after the last
// finished segment: the same pictures come out as if nothing had happened.
func TestServerKilledMidJob(t *testing.T) {
	log := filepath.Join(t.TempDir(), "frames.log")
	s := startStudio(t, withConfig(recorded(t, "draft-avatar", log)))
	undisturbed := s.submitAvatar()
	s.completed(undisturbed)
	want := s.decodedFrames(undisturbed)

	job := s.submitAvatar()
	db := s.db()
	s.eventually("two segments are finished", func() bool { return len(segments(t, db, job)) >= 2 })
	sidecars, postgres := s.sidecars(), s.postgres()
	s.kill()
	requireGone(t, "sidecars and their children", sidecars, time.Second)
	requireGone(t, "postgres processes", postgres, 5*time.Second)

	s.start()
	db = s.db()
	s.completed(job)
	frames := runFrames(t, log, job)
	require.Len(t, frames, 2)
	require.Nil(t, frames[0].Params.ResumeFrom)
	resume := frames[1].Params.ResumeFrom
	require.NotNil(t, resume, "the second run starts from nothing")
	require.GreaterOrEqual(t, resume.Index, 2)
	require.Greater(t, frames[1].Params.Fence, frames[0].Params.Fence)
	for _, row := range segments(t, db, job) {
		if row.Idx < resume.Index {
			require.Equal(t, int64(1), row.Fence, "segment %d was made again", row.Idx)
			require.Equal(t, row.SHA256, resume.Segments[row.Idx].SHA256)
		} else {
			require.Equal(t, frames[1].Params.Fence, row.Fence)
		}
	}
	requireOneResult(t, db, job)
	require.Equal(t, want, s.decodedFrames(job))
}

// Postgres that dies in the middle of a job is started again and the job ends as if nothing had happened.
func TestPostgresKilledMidJob(t *testing.T) {
	s := startStudio(t)
	job := s.submitAvatar()
	db := s.db()
	s.eventually("a segment is finished", func() bool { return len(segments(t, db, job)) >= 1 })
	for _, p := range s.postgres() {
		if parent, ok := readProcess(p.parent); !ok || !parent.isPostgres() {
			require.NoError(t, syscall.Kill(p.pid, syscall.SIGKILL))
		}
	}
	s.awaitReadyAgain()
	s.completed(job)
	requireOneResult(t, s.db(), job)
}

// awaitReadyAgain waits until a studio that lost its database takes jobs again.
func (s *studio) awaitReadyAgain() {
	s.t.Helper()
	s.eventually("the studio is ready again", func() bool {
		response, err := s.client.Get("http://" + s.addr + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == 200
	})
}

// A sidecar that is killed costs one attempt, not the job.
func TestSidecarKilledMidJob(t *testing.T) {
	s := startStudio(t)
	job := s.submitAvatar()
	db := s.db()
	s.eventually("a segment is finished", func() bool { return len(segments(t, db, job)) >= 1 })
	killed := 0
	for _, p := range s.sidecars() {
		if syscall.Kill(p.pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	require.Positive(t, killed)
	done := s.completed(job)
	require.EqualValues(t, 2, done["attempt"])
	requireOneResult(t, db, job)
}
