package e2e

import (
	"fmt"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/tinytest"
)

// startWithModels starts a studio that has the tiny checkpoints, imported as a user imports them.
func startWithModels(t testing.TB, options ...option) *studio {
	t.Helper()
	s := startStudio(t, append([]option{withEnv("OMP_NUM_THREADS=1")}, options...)...)
	s.run("models", "import", tinytest.Dir(t))
	return s
}

// The main things that the product makes, in final quality, from the command line to a file.
func TestFinalQualityOnTinyModels(t *testing.T) {
	s := startWithModels(t)
	dir := t.TempDir()
	require.Contains(t, s.run("models", "verify"), "✓ flux-dev")
	in := func(name string) string { return filepath.Join(dir, name) }

	s.run(
		"image",
		"a red house",
		"--model",
		"flux-dev",
		"--quality",
		"final",
		"--size",
		"256x256",
		"--steps",
		"2",
		"-o",
		in("house.png"),
	)
	requirePicture(t, in("house.png"), 256, 256)
	s.run(
		"image",
		"a blue house",
		"--model",
		"sd3.5-large",
		"--quality",
		"final",
		"--size",
		"256x256",
		"--steps",
		"2",
		"--negative",
		"red",
		"-n",
		"2",
		"-o",
		in("two.png"),
	)
	s.run(
		"edit",
		in("house.png"),
		"make it night",
		"--model",
		"flux-kontext",
		"--quality",
		"final",
		"--steps",
		"2",
		"-o",
		in("night.png"),
	)
	requirePicture(t, in("night.png"), 256, 256)
	s.run("upscale", in("house.png"), "--scale", "4", "--quality", "final", "-o", in("large.png"))
	requirePicture(t, in("large.png"), 1024, 1024)

	s.run("clone", voice, "--name", "Minha Voz", "--language", "pt-BR", "--quality", "final")
	s.run("speech", "Olá! São 14h30.", "--voice", "Minha Voz", "--quality", "final", "-o", in("hello.wav"))
	info, err := os.Stat(in("hello.wav"))
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(10_000))

	ran := map[string]int{}
	for _, job := range s.get("/api/v1/jobs").json(t).list("data") {
		require.Equal(t, "completed", job.str("status"), job.str("type"))
		require.Equal(t, "final", job.str("quality"))
		ran[job.str("engine")]++
	}
	require.Equal(t, map[string]int{"flux": 2, "sd35": 1, "upscale": 1, "chatterbox": 2}, ran)
}

func requirePicture(t testing.TB, path string, width, height int) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	picture, err := png.Decode(file)
	require.NoError(t, err)
	require.Equal(t, [2]int{width, height}, [2]int{picture.Bounds().Dx(), picture.Bounds().Dy()})
}

// A model's process that is killed while it loads, and again in the middle of a step, costs the job two attempts and
// nothing else.
func TestModelKilledMidLoadAndMidStep(t *testing.T) {
	s := startWithModels(t, withConfig("supervisor: {spare: false}\n"))
	job := s.submit("/image/generate", house("flux-dev", object{"num_inference_steps": 10, "seed": 7})).
		str("id")
	s.awaitJob(job, "loads its model", func(j object) bool { return j.obj("progress_detail").str("stage") == "load" })
	s.killEngine("flux")
	s.awaitJob(job, "is in its steps again", func(j object) bool {
		detail := j.obj("progress_detail")
		step, _ := detail["step"].(float64)
		return j["attempt"] == 2.0 && detail.str("stage") == "sample" && step >= 2
	})
	s.killEngine("flux")
	done := s.completed(job)
	require.Equal(t, 3.0, done["attempt"])
	require.Len(t, done.list("outputs"), 1)

	undisturbed := s.completed(
		s.submit("/image/generate", house("flux-dev", object{"num_inference_steps": 10, "seed": 7})).
			str("id"),
	)
	require.Equal(
		t,
		undisturbed.list("outputs")[0].str("sha256"),
		done.list("outputs")[0].str("sha256"),
		"the same seed makes the same file",
	)
}

// killEngine kills the engine's process as the kernel would.
func (s *studio) killEngine(engine string) {
	s.t.Helper()
	s.eventually("the process of "+engine+" is there", func() bool { return len(s.engineProcesses(engine)) > 0 })
	for _, p := range s.engineProcesses(engine) {
		if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
			require.ErrorIs(s.t, err, syscall.ESRCH)
		}
	}
}

// engineProcesses are the sidecars of one engine.
func (s *studio) engineProcesses(engine string) (found []process) {
	for _, p := range s.sidecars() {
		if strings.HasSuffix(p.command, "--engine "+engine) {
			found = append(found, p)
		}
	}
	return found
}

// Files that are not what they were: the job fails with a sentence that says what to do, and verify names the file.
func TestDamagedModelFiles(t *testing.T) {
	s := startWithModels(t)
	base := filepath.Join(s.dir, "models", "sd3.5-large")
	weights, err := filepath.Glob(filepath.Join(base, "transformer-*", "*.gguf"))
	require.NoError(t, err)
	require.NotEmpty(t, weights)
	for _, file := range weights {
		require.NoError(t, os.Truncate(file, 1<<20))
	}
	job := s.finished(
		s.submit("/image/generate", house("sd3.5-large", nil)).str("id"),
	)
	require.Equal(t, "failed", job.str("status"))
	detail := job.obj("error").str("detail")
	require.Contains(t, detail, "the transformer of the model sd3.5-large, has another size")
	require.Contains(t, detail, "`apibr models install sd3.5-large`")
	require.NotContains(t, detail, s.dir, "no path of the server")

	var stdout, stderr logBuffer
	require.Error(t, s.command(&stdout, &stderr, "models", "verify", "sd3.5-large").Wait())
	require.Contains(t, stdout.String(), filepath.Base(weights[0]))

	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "models", "flux-dev", "base", "vae")))
	job = s.finished(
		s.submit("/image/generate", house("flux-dev", nil)).str("id"),
	)
	require.Equal(t, "failed", job.str("status"))
	require.Contains(t, job.obj("error").str("detail"), "the base of the model flux-dev, is gone")

	// One byte that changed after the installation, its time set back, is not computed with.
	weights, err = filepath.Glob(filepath.Join(s.dir, "models", "realesrgan-x2", "*.pth"))
	require.NoError(t, err)
	require.Len(t, weights, 1)
	content, err := os.ReadFile(weights[0])
	require.NoError(t, err)
	info, err := os.Stat(weights[0])
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(weights[0], content, 0o600))
	require.NoError(t, os.Chtimes(weights[0], info.ModTime(), info.ModTime()))
	job = s.finished(
		s.accepted(s.postForm("/api/v1/image/upscale",
			map[string]string{"scale": "2", "quality": "final", "image": "@" + portrait})).
			str("id"),
	)
	require.Equal(t, "failed", job.str("status"))
	require.Contains(t, job.obj("error").str("detail"), "has changed since it was installed")
}

// The commands that look after models work on those of the studio that runs, however it was configured.
func TestModelsAreAskedOfTheRunningStudio(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	s := startStudio(t, withConfig("models: {cache_dir: "+elsewhere+"}\n"))
	tiny := filepath.Join(tinytest.Dir(t), "realesrgan-x2")
	local := func(args ...string) string { // knows the data directory only
		cmd := exec.Command(apibr, args...)
		cmd.Env = append(os.Environ(), "APIBR_DATA_DIR="+s.dir, "APIBR_LANG=en")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	local("models", "import", tiny)
	require.DirExists(t, filepath.Join(elsewhere, "realesrgan-x2"))
	require.NoDirExists(t, filepath.Join(s.dir, "models", "realesrgan-x2"))
	require.Contains(t, local("models", "verify"), "✓ realesrgan-x2")

	// A studio that is named answers for itself.
	foreign := func(args ...string) string {
		cmd := exec.Command(apibr, args...)
		cmd.Env = append(
			os.Environ(),
			"APIBR_DATA_DIR="+t.TempDir(),
			"APIBR_LANG=en",
			"APIBR_SERVER=http://"+s.addr,
			"APIBR_TOKEN="+s.token,
		)
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	require.Regexp(t, `realesrgan-x2 +upscale +\S`, foreign("models", "list"))
	require.Contains(t, foreign("models", "verify"), "✓ realesrgan-x2")
	foreign("models", "pin", "realesrgan-x2")
	require.Regexp(t, `realesrgan-x2 +upscale +\S+ \*`, local("models", "list"))
	require.Contains(t, foreign("models", "show", "realesrgan-x2"), "BSD")
	foreign("models", "remove", "realesrgan-x2")
	require.NoDirExists(t, filepath.Join(elsewhere, "realesrgan-x2"))
}

// Two models that do not fit together are wanted in turns: each is evicted for the other, its memory comes back, and
// the studio does not grow. APIBR_E2E_TURNS sets how often (make soak: 20).
func TestTwoModelsInTurns(t *testing.T) {
	turns := 2
	if n, err := strconv.Atoi(os.Getenv("APIBR_E2E_TURNS")); err == nil {
		turns = n
	}
	// First the machine can hold both, as far as the studio can see, so that it learns what they take; then for
	// one and a third.
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc"), 0o755))
	sees := func(bytes int64) {
		const kept = 2 << 30
		kilobytes := (bytes + kept) >> 10
		meminfo := fmt.Sprintf(
			"MemTotal: %d kB\nMemAvailable: %d kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
			kilobytes,
			kilobytes-1,
		)
		require.NoError(t, os.WriteFile(filepath.Join(root, "proc", "meminfo"), []byte(meminfo), 0o600))
	}
	sees(4 << 30)
	s := startWithModels(t, withConfig("supervisor: {spare: false}\n"), withEnv("APIBR_SYSFS_ROOT="+root))
	paint := func(model string) {
		s.completed(
			s.submit("/image/generate", house(model, object{"num_inference_steps": 1})).str("id"),
		)
	}
	paint("flux-dev")
	paint("sd3.5-large")
	require.Len(t, append(s.engineProcesses("flux"), s.engineProcesses("sd35")...), 2, "both fit")
	peak := int64(count(t, s.db(), "select max(ram) from apibr.memory_peaks"))
	s.stop()
	sees(peak * 4 / 3)
	s.start()
	var resident int64
	for turn := range turns {
		for i, model := range []string{"flux-dev", "sd3.5-large"} {
			paint(model)
			other := []string{"sd35", "flux"}[i]
			require.Empty(t, s.engineProcesses(other), "%s was there before %s was loaded and had to go", other, model)
		}
		switch now := residentBytes(t, s.cmd.Process.Pid); turn {
		case 0:
			resident = now
		default:
			require.Less(t, now, resident+64<<20, "the server grows with each turn")
		}
	}
}

func residentBytes(t testing.TB, pid int) int64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	var kilobytes int64
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, err := fmt.Sscan(value, &kilobytes)
			require.NoError(t, err)
		}
	}
	return kilobytes << 10
}

// house is a small picture of a house in final quality, with more fields.
func house(model string, more object) object {
	fields := object{"prompt": "a house", "model": model, "quality": "final", "width": 256, "height": 256}
	maps.Copy(fields, more)
	return fields
}
