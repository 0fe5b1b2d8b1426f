package device

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

const gib = 1 << 30

type doctor struct {
	host   *Host
	cfg    DoctorConfig
	checks []Check
}

func (d *doctor) run(ctx context.Context) []Check {
	d.kernel()
	d.memory()
	d.memorySize()
	d.swap()
	d.disk()
	d.modelsDisk()
	d.gpus(ctx)
	d.ffmpeg(ctx)
	d.venvs(ctx)
	d.selfTest(ctx)
	d.caches()
	d.postgres()
	return d.checks
}

func (d *doctor) fine(id string, message i18n.Sentence) {
	d.checks = append(d.checks, Check{ID: id, OK: true, Level: Fine, Message: message})
}

func (d *doctor) bad(id string, level Level, message, fix i18n.Sentence) {
	d.checks = append(d.checks, Check{ID: id, Level: level, Message: message, Fix: fix})
}

func (d *doctor) kernel() {
	release := d.host.Kernel()
	if _, err := d.host.PressureFull(); err != nil {
		d.bad(
			"kernel",
			Warning,
			i18n.Say(
				"Linux %s without memory pressure information: the memory guard has only free memory to go by",
				release,
			),
			i18n.Say("Add psi=1 to the kernel's command line"),
		)
		return
	}
	d.fine("kernel", i18n.Say("Linux %s", release))
}

func (d *doctor) memory() {
	total, available, err := d.host.Memory()
	switch {
	case err != nil:
		d.bad("memory", Failure, i18n.Say("Memory could not be read"),
			i18n.Say("Make /proc/meminfo readable"))
	case available < 2*gib:
		d.bad(
			"memory",
			Warning,
			i18n.Say(
				"%.1f GiB of %.1f GiB are free: jobs would be stopped to protect the computer",
				gibs(available),
				gibs(total),
			),
			i18n.Say("Close other programs"),
		)
	default:
		d.fine("memory", i18n.Say("%.1f GiB of memory, %.1f GiB free", gibs(total), gibs(available)))
	}
}

// enoughMemory is what the final models are planned for, less what the firmware keeps.
const enoughMemory = 15 * gib

func (d *doctor) memorySize() {
	if total, _, err := d.host.Memory(); err == nil && total < enoughMemory {
		d.bad("memory.size", Warning,
			i18n.Say("%.1f GiB of memory: final pictures are planned for 16 GiB and more", gibs(total)),
			i18n.Say("Use draft quality or smaller variants of the models (apibr models list)"))
	}
}

func (d *doctor) swap() {
	total, free, err := d.host.Swap()
	switch {
	case err != nil:
	case total == 0:
		// Without swap a shortage ends in a killed engine at once, which is safe; so this is a remark and not a fault.
		d.fine("swap", i18n.Say("No swap: a shortage of memory ends the engine at once, not the computer"))
	case free < total/2:
		d.bad(
			"swap",
			Warning,
			i18n.Say(
				"%.1f of %.1f GiB of swap are in use: the computer is short of memory",
				gibs(total-free),
				gibs(total),
			),
			i18n.Say("Close other programs"),
		)
	default:
		d.fine("swap", i18n.Say("%.1f GiB of swap", gibs(total)))
	}
}

func (d *doctor) disk() {
	free, ok := freeDisk(d.cfg.DataDir)
	if !ok {
		d.bad("disk", Failure, i18n.Say("The data directory cannot be read"),
			i18n.Say("Choose another one with --data-dir"))
		return
	}
	message := i18n.Say("%.1f GiB free for data", gibs(free))
	if free < 2*gib {
		d.bad("disk", Warning, message,
			i18n.Say("Free some space or move the data with --data-dir"))
		return
	}
	d.fine("disk", message)
}

// enoughForModels is one picture model in its usual variant and a voice model.
const enoughForModels = 20 * gib

func (d *doctor) modelsDisk() {
	if d.cfg.ModelsDir == "" {
		return
	}
	free, ok := freeDisk(d.cfg.ModelsDir)
	if !ok {
		d.bad("disk.models", Warning, i18n.Say("The folder of the models cannot be read"),
			i18n.Say("Choose another one with models.cache_dir"))
		return
	}
	message := i18n.Say("%.1f GiB free for models", gibs(free))
	if free < enoughForModels {
		d.bad(
			"disk.models",
			Warning,
			message,
			i18n.Say("A picture model takes 7 to 24 GiB: free some space or move the models with models.cache_dir"),
		)
		return
	}
	d.fine("disk.models", message)
}

// freeDisk looks at the nearest folder above that exists already.
func freeDisk(dir string) (free int64, ok bool) {
	for dir != "" && dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, err := disk.Free(dir) // an error without a folder
	return free, err == nil
}

func (d *doctor) ffmpeg(ctx context.Context) {
	if d.cfg.FFmpeg == "" {
		d.bad("ffmpeg", Failure, i18n.Say("ffmpeg was not found"), runSetup)
		return
	}
	line, err := firstLine(ctx, d.cfg.FFmpeg, "-version")
	if err != nil {
		d.bad("ffmpeg", Failure, i18n.Say("ffmpeg does not start"), runSetup)
		return
	}
	words := strings.Fields(line)
	d.fine("ffmpeg", i18n.Plain(strings.Join(words[:min(3, len(words))], " ")))
}

var runSetup = i18n.Say("Run make setup")

func (d *doctor) venvs(ctx context.Context) {
	names := make([]string, 0, len(d.cfg.Venvs))
	for name := range d.cfg.Venvs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		python := filepath.Join(d.cfg.Venvs[name], "bin", "python")
		line, err := firstLine(ctx, python, "-V")
		switch {
		case err == nil:
			d.fine("python."+name, i18n.Say("%s in the environment %s", line, name))
		case name == "draft":
			d.bad("python."+name, Failure, i18n.Say("The draft environment is missing"), runSetup)
		case exists(d.cfg.Venvs[name]):
			d.bad(
				"python."+name,
				Failure,
				i18n.Say("The Python of the environment %s does not start: %s", name, cause(err, line)),
				runModelsSetup,
			)
		default:
			d.fine("python."+name, i18n.Say("The environment %s is not installed: draft quality only", name))
		}
	}
}

func (d *doctor) postgres() {
	switch {
	case d.cfg.External:
		d.fine("postgres", i18n.Say("A database outside is used"))
	case d.cfg.Postgres == "":
		d.bad("postgres", Failure, i18n.Say("No Postgres binaries were found"), runSetup)
	default:
		for _, program := range []string{"initdb", "postgres"} {
			if unix.Access(filepath.Join(d.cfg.Postgres, program), unix.X_OK) != nil {
				d.bad("postgres", Failure, i18n.Say("%s of Postgres cannot be run", program), runSetup)
				return
			}
		}
		d.fine("postgres", i18n.Say("Postgres binaries are there"))
	}
}

func firstLine(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	return strings.TrimSpace(string(line)), err
}

// cause is the last words of a failed program in one short line, else how it failed.
func cause(err error, line string) string {
	const longest = 200
	if line == "" {
		line = err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			line = "it is not there"
		}
	}
	if runes := []rune(line); len(runes) > longest {
		line = string(runes[:longest]) + "…"
	}
	return line
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func gibs(n int64) float64 { return float64(n) / gib }
