package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/store/storetest"
)

// A full disk fails the job with a sentence and nothing else: the server stays ready, and once space is free the
// next job completes.
func TestDiskFull(t *testing.T) {
	dir := shortTempDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=32m,mode=0700"); err != nil {
		inUserNamespace(t) // runs this test again where mounting is allowed, and ends here
		return
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := startStudio(t, withDir(dir), withEnv("DATABASE_URL="+storetest.DSN(t)))
	voice := builtinVoice(s)
	filler := filepath.Join(dir, "filler")
	fill(t, filler)

	job := s.submit("/audio/generate-speech", object{"text": "Olá, mundo!", "voice": voice, "quality": "draft"}).str(
		"id")
	failed := s.finished(job)
	require.Equal(t, "failed", failed.str("status"))
	require.Contains(t, strings.ToLower(failed.obj("error").str("detail")), "disk")
	require.NotContains(t, failed.obj("error").str("detail"), dir)
	require.Equal(t, 200, s.get("/readyz").status)

	require.NoError(t, os.Remove(filler))
	s.completed(
		s.submit("/audio/generate-speech", object{"text": "Olá, mundo!", "voice": voice, "quality": "draft"}).str("id"),
	)
}

// A start on a full disk says one sentence, waits, and starts when there is space; without patience it ends with an
// exit code.
func TestStartOnAFullDisk(t *testing.T) {
	dir := shortTempDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=160m,mode=0700"); err != nil {
		inUserNamespace(t)
		return
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	const sentence = "the disk of the data directory is full"
	filler := filepath.Join(dir, "filler")

	fill(t, filler) // nothing is there yet
	s := newStudio(t, withDir(dir), withEnv("APIBR_SERVER_START_PATIENCE=0", "APIBR_LANG=en"))
	s.launch()
	<-s.done
	require.Equal(t, 7, s.cmd.ProcessState.ExitCode(), s.log.tail(4<<10))
	require.Contains(t, s.log.String(), sentence)
	require.NotContains(t, s.log.String(), "%!", "the sentence is complete")

	require.NoError(t, os.Remove(filler))
	s = newStudio(t, withDir(dir), withEnv("APIBR_LANG=en"))
	s.start()
	s.stop()
	fill(t, filler) // the database is there and has nothing to write to
	s = newStudio(t, withDir(dir), withEnv("APIBR_LANG=en"))
	s.launch()
	s.eventually("the sentence", func() bool { return strings.Contains(s.log.String(), sentence) })
	require.NoError(t, os.Remove(filler))
	s.awaitReady()
	require.Equal(t, 1, strings.Count(s.log.String(), sentence))
	require.Less(t, strings.Count(s.log.String(), "\n"), 30, s.log.tail(4<<10))
}

// fill writes a file until the disk has no space left.
func fill(t testing.TB, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	chunk := make([]byte, 1<<20)
	for size := len(chunk); size > 0; {
		if _, err := file.Write(chunk[:size]); err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			size /= 2
		}
	}
}

// fakeMachine is a folder that stands for / when the studio reads /proc and /sys.
func fakeMachine(t testing.TB, bootID string) string {
	t.Helper()
	root := t.TempDir()
	setBootID(t, root, bootID)
	meminfo := "MemTotal: 33554432 kB\nMemFree: 25165824 kB\nMemAvailable: 25165824 kB\nSwapTotal: 0 " +
		"kB\nSwapFree: 0 kB\n"
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/meminfo"), []byte(meminfo), 0o600))
	return root
}

func setBootID(t testing.TB, root, bootID string) {
	t.Helper()
	dir := filepath.Join(root, "proc/sys/kernel/random")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "boot_id"), []byte(bootID+"\n"), 0o600))
}

// gpuEngine writes a manifest of an engine that says it uses the GPU, and gives the configuration that runs it with a
// process that takes jobs and never ends them: what becomes of one depends on the machine alone.
func gpuEngine(t testing.TB) string {
	t.Helper()
	source, err := os.ReadFile(
		filepath.Join(os.Getenv("APIBR_PYTHON_WORKERS"), "apibr_worker/engines/draft_avatar/manifest.yaml"),
	)
	require.NoError(t, err)
	manifest := strings.Replace(string(source), "uses_gpu: false", "uses_gpu: true", 1)
	require.NotEqual(t, string(source), manifest)
	dir := filepath.Join(t.TempDir(), "draft_avatar")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.yaml"), []byte(manifest), 0o600))
	script, err := filepath.Abs("testdata/echo.py")
	require.NoError(t, err)
	command, err := json.Marshal([]string{"python3", script, filepath.Join(t.TempDir(), "log"), "draft-avatar", "hold"})
	require.NoError(t, err)
	return fmt.Sprintf(
		"python:\n  manifests: [%q]\nsidecars:\n  draft-avatar:\n    command: %s\n",
		filepath.Dir(dir),
		command,
	)
}

// When the machine itself went down under a job on the GPU, the studio does not run it again by itself: the queue
// starts paused and says why. When it happens a second time without progress, the job fails.
func TestMachineDiedUnderGPUJob(t *testing.T) {
	root := fakeMachine(t, "11111111-1111-4111-8111-111111111111")
	s := startStudio(t, withConfig(gpuEngine(t)), withEnv("APIBR_SYSFS_ROOT="+root))
	job := s.submitAvatar()
	s.awaitJob(job, "runs", func(j object) bool { return j.str("status") == "processing" })
	s.kill()
	setBootID(t, root, "22222222-2222-4222-8222-222222222222")
	s.start()
	waiting := s.job(job)
	require.Equal(t, "queued", waiting.str("status"))
	require.Equal(t, "host_restarted", waiting.str("reason"))
	require.Equal(t, true, s.get("/api/v1/queue").json(t)["paused"])

	s.putQueue(false)
	s.awaitJob(job, "runs again", func(j object) bool { return j.str("status") == "processing" })
	s.kill()
	setBootID(t, root, "33333333-3333-4333-8333-333333333333")
	s.start()
	failed := s.finished(job)
	require.Equal(t, "failed", failed.str("status"))
	require.NotEmpty(t, failed.obj("error").str("detail"))
}
