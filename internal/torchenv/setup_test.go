package torchenv

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/device"
)

func options(t *testing.T, root string, list ...Profile) Options {
	t.Helper()
	return Options{
		Venv:     filepath.Join(root, ".venv-models"),
		Workers:  filepath.Join(root, "pyworkers"),
		DataDir:  t.TempDir(),
		UV:       testUV(t),
		Profiles: list,
		GPUs:     device.NewHost("../device/testdata/igpu-first").GPUs(),
	}
}

// Every way down: no network, no such version, a wrong result, a crash, a test that does not begin; then one that
// works.
func TestProfilesAreTriedUntilOnePasses(t *testing.T) {
	root := checkout(t)
	from := index(
		t,
		torch("1.0", "wrong"),
		torch("2.0", "crashes"),
		torch("3.0", "silent"),
		torch("4.0", "works"),
		torch("5.0", "works"),
	)
	last := profile("last", from, "4.0")
	last.Override = map[string]string{"gfx1031": "10.3.0"}
	o := options(
		t,
		root,
		profile("unreachable", "http://127.0.0.1:1/simple", "1.0"),
		profile("missing", from, "9.9"),
		profile("wrong", from, "1.0"),
		profile("crash", from, "2.0"),
		profile("silent", from, "3.0"),
		last,
		profile("never", from, "5.0"),
	)
	var told steps
	o.Report = told.report
	t.Setenv("HSA_OVERRIDE_GFX_VERSION", "9.9.9")
	result, err := Setup(context.Background(), o)
	require.NoError(t, err)
	require.True(t, result.Changed)
	v := result.Verdict
	require.Equal(t, "last", v.Profile.ID)
	require.Equal(t, "4.0", v.Torch)
	require.Equal(t, "1", v.DeviceName, "the self-test sees the discrete card only, by the number that HIP gives it")
	require.True(t, v.Passed())
	require.Equal(t, "10.3.0", v.Checks[3].Detail, "the profile's override, not the shell's")
	require.Contains(t, v.Checks[2].Detail, "--device cuda:0")

	reasons := map[string]string{}
	for _, attempt := range v.Tried {
		reasons[attempt.Profile] = attempt.Reason["en"]
		require.NotEmpty(t, attempt.Reason["pt-BR"])
		require.NotContains(t, attempt.Reason["en"], root)
	}
	require.Len(t, reasons, 5)
	require.Contains(t, reasons["unreachable"], "cannot be reached")
	require.Contains(t, reasons["missing"], "torch==9.9")
	require.Contains(t, reasons["wrong"], "matmul: differs by 3")
	require.Contains(t, reasons["crash"], "conv3d: the process ended in this check: signal: segmentation fault")
	require.Contains(t, reasons["silent"], "torch has no kernels")
	require.Equal(t, "not run", v.Tried[3].Checks[3].Detail)
	require.NotContains(t, told.String(), "unreachable venv", "nothing is downloaded for an index that does not answer")
	require.Contains(t, told.String(), "last check memory\nlast kept")

	kept, err := ReadVerdict(o.Venv)
	require.NoError(t, err)
	require.Equal(t, v, kept)
	require.DirExists(t, filepath.Join(o.DataDir, "cache/miopen"))
	for _, gone := range []string{".new", ".old"} {
		require.NoDirExists(t, o.Venv+gone)
	}
	site, err := filepath.Glob(filepath.Join(o.Venv, "lib/python3*/site-packages/helperpackage/__pycache__/*.pyc"))
	require.NoError(t, err)
	require.Len(t, site, 1, "installed with compiled bytecode")
}

func TestASecondRunDoesNothingUntilSomethingChanges(t *testing.T) {
	root := checkout(t)
	from := index(t, torch("4.0", "works"), torch("5.0", "works"))
	o := options(t, root, profile("a", from, "4.0"))
	run := func() (*Result, string) {
		var told steps
		o.Report = told.report
		result, err := Setup(context.Background(), o)
		require.NoError(t, err)
		return result, told.String()
	}
	first, _ := run()
	require.True(t, first.Changed)
	second, told := run()
	require.False(t, second.Changed)
	require.Equal(t, first.Verdict, second.Verdict)
	require.Empty(t, told)

	o.Force = true
	third, _ := run()
	require.True(t, third.Changed)
	o.Force = false

	o.Profiles = []Profile{profile("a", from, "5.0")}
	fourth, _ := run()
	require.True(t, fourth.Changed)
	require.Equal(t, "5.0", fourth.Verdict.Torch)

	lock := filepath.Join(root, "requirements.txt")
	content, err := os.ReadFile(lock)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(lock, append(content, "# one more\n"...), 0o600))
	fifth, _ := run()
	require.True(t, fifth.Changed)

	require.NoError(t, os.Remove(filepath.Join(o.Venv, "bin/python")))
	sixth, _ := run()
	require.True(t, sixth.Changed, "an environment that does not start is made anew")
}

func TestTheOldEnvironmentStaysWhenNothingPasses(t *testing.T) {
	root := checkout(t)
	from := index(t, torch("1.0", "wrong"), torch("4.0", "works"))
	target := filepath.Join(root, "elsewhere", "venv")
	require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o700))
	o := options(t, root, profile("good", from, "4.0"))
	require.NoError(t, os.MkdirAll(target, 0o700))
	require.NoError(t, os.Symlink(target, o.Venv))
	_, err := Setup(context.Background(), o)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(target, verdictFile), "a link is followed")
	before, err := ReadVerdict(o.Venv)
	require.NoError(t, err)

	o.Profiles = []Profile{profile("wrong", from, "1.0")}
	_, err = Setup(context.Background(), o)
	var failed *NoProfileError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, []string{"matmul"}, (&Verdict{Checks: failed.Tried[0].Checks}).Failed())
	require.ErrorContains(t, err, "what was there before stays")
	after, err := ReadVerdict(o.Venv)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoDirExists(t, target+".new")
}

// An environment that something else has made, or whose engines are new, is tested as it is.
func TestAnExistingEnvironmentIsTestedAgain(t *testing.T) {
	root := checkout(t)
	from := index(t, torch("4.0", "works"))
	o := options(t, root, profile("a", from, "4.0"))
	_, err := Test(context.Background(), o)
	require.ErrorContains(t, err, "run apibr models setup")
	made, err := Setup(context.Background(), o)
	require.NoError(t, err)

	again, err := Test(context.Background(), o)
	require.NoError(t, err)
	require.True(t, again.Passed())
	require.Equal(t, made.Verdict.Digest, again.Digest)
	unchanged, err := Setup(context.Background(), o)
	require.NoError(t, err)
	require.False(t, unchanged.Changed)

	site, err := filepath.Glob(filepath.Join(o.Venv, "lib/python3*/site-packages/torch/__init__.py"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(site[0]), "uv's cache has the same file: it must stay as it is")
	require.NoError(t, os.WriteFile(site[0], []byte("__version__ = '4.0'\nbehaviour = 'crashes'\n"), 0o600))
	broken, err := Test(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, []string{"conv3d", "memory"}, broken.Failed())
	kept, err := ReadVerdict(o.Venv)
	require.NoError(t, err)
	require.False(t, kept.Passed(), "a verdict that says no is kept, so that the doctor can tell of it")
	repaired, err := Setup(context.Background(), o)
	require.NoError(t, err)
	require.True(t, repaired.Changed)

	require.NoError(t, os.Remove(filepath.Join(o.Venv, verdictFile)))
	foreign, err := Test(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, Unknown, foreign.Profile.ID)
	require.Equal(t, ROCm, foreign.Profile.Device)
}

func TestASetupThatCannotBeginLeavesNothing(t *testing.T) {
	root := checkout(t)
	from := index(t, torch("4.0", "works"))
	o := options(t, root, profile("a", from, "4.0"))

	canceled, cancel := context.WithCancel(context.Background())
	o.Report = func(p Progress) {
		if p.Step == "packages" {
			cancel()
		}
	}
	_, err := Setup(canceled, o)
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, o.Venv+".new")
	require.NoDirExists(t, o.Venv)
	o.Report = nil

	unlock, err := lock(o.Venv + ".lock")
	require.NoError(t, err)
	_, err = Setup(context.Background(), o)
	require.ErrorIs(t, err, ErrBusy)
	unlock()

	o.Profiles[0].Disk = 1 << 60
	_, err = Setup(context.Background(), o)
	require.ErrorContains(t, err, "GB of disk are needed")
	o.Profiles[0].Disk = 0

	require.NoError(
		t,
		os.WriteFile(
			filepath.Join(root, "requirements.txt"),
			[]byte("helperpackage==1.0 --hash=sha256:"+string(make0(64))+"\n"),
			0o600,
		),
	)
	_, err = Setup(context.Background(), o)
	require.ErrorContains(t, err, "ash mismatch", "a wheel that is not the locked one is refused")

	o.Profiles[0].Requirements = []string{"gone.txt"}
	_, err = Setup(context.Background(), o)
	require.ErrorContains(t, err, "gone.txt is missing")

	t.Setenv("PATH", "/nowhere")
	_, err = FindUV(root)
	require.ErrorContains(t, err, "make setup")
	_, err = ReadVerdict(o.Venv)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.MkdirAll(o.Venv, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(o.Venv, verdictFile), []byte("{"), 0o600))
	_, err = ReadVerdict(o.Venv)
	require.Error(t, err)
	require.False(t, errors.Is(err, fs.ErrNotExist))
}

func make0(n int) []byte {
	zeros := make([]byte, n)
	for i := range zeros {
		zeros[i] = '0'
	}
	return zeros
}
