package device

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/i18n"
)

var (
	runModelsSetup = i18n.Say("Run apibr models setup")
	kindOf         = map[string]string{"hip": "rocm", "cuda": "cuda"}
)

// selfTest tells what is known of the models environment, and whether it is for the card that is there.
func (d *doctor) selfTest(ctx context.Context) {
	venv, ok := d.cfg.Venvs["models"]
	if !ok {
		return
	}
	if _, err := firstLine(ctx, filepath.Join(venv, "bin", "python"), "-V"); err != nil {
		return // python.models has told of it
	}
	card, found := d.host.Snapshot().Best()
	found = found && !d.cfg.NoGPU
	const id = "models.selftest"
	t := d.cfg.Tested
	if t == nil {
		d.bad(id, Warning, i18n.Say("The models' environment was never tested on this computer"),
			i18n.Say("Run apibr models setup --test, or apibr models setup to make it for this computer's card"))
		return
	}
	switch {
	case t.Stale:
		d.bad(
			id,
			Warning,
			i18n.Say(
				"The models' environment has changed since its self-test: packages were installed, removed or replaced",
			),
			i18n.Say("Run apibr models setup --test, or apibr models setup to make it anew"),
		)
	case len(t.Failed) > 0:
		list := strings.Join(t.Failed, ", ")
		d.bad(
			id,
			Failure,
			i18n.Say("The self-test of profile %s failed (%s); %s", t.Profile, list, t.Cause),
			runModelsSetup,
		)
	case found && t.Kind == "cpu":
		d.bad(id, Warning, i18n.Say("Profile %s computes on the processor, though %s is there", t.Profile, card.Name),
			i18n.Say("Run apibr models setup --force, and see why the card's profiles fail"))
	case !found && t.Kind != "cpu":
		d.bad(
			id,
			Warning,
			i18n.Say("Profile %s was made for %s, which is not there", t.Profile, t.Device),
			runModelsSetup,
		)
	case found && (t.Kind != kindOf[card.Kind] || t.GFX != "" && t.GFX != card.GFX):
		d.bad(
			id,
			Warning,
			i18n.Say("Profile %s was made for another card than %s", t.Profile, card.Name),
			runModelsSetup,
		)
	default:
		on := i18n.Plain(t.Device)
		if t.Device == "" {
			on = i18n.Say("the processor")
		}
		d.fine(id, i18n.Say("Profile %s, torch %s: passed its self-test on %s (%s)", t.Profile, t.Torch, on,
			t.At.Format("2006-01-02")))
	}
}

// caches tells of the tuned kernels: without them the first picture of each size is slow.
func (d *doctor) caches() {
	card, found := d.host.Snapshot().Best()
	if !found || d.cfg.NoGPU || card.Kind != "hip" || d.cfg.DataDir == "" {
		return
	}
	dir := filepath.Join(d.cfg.DataDir, "cache", "miopen")
	var bytes int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	switch {
	case err == nil && unix.Access(dir, unix.W_OK) != nil:
		d.bad("caches", Warning, i18n.Say("The kernel cache cannot be written: every start tunes the kernels again"),
			i18n.Say("Make the folder cache of the data directory writable for this user"))
	case err != nil || bytes == 0:
		d.fine("caches", i18n.Say("No tuned kernels yet: the first job of each kind takes up to minutes longer"))
	default:
		d.fine("caches", i18n.Say("%.0f MiB of tuned kernels", float64(bytes)/(1<<20)))
	}
}
