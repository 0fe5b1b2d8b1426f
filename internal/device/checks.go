package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apibr/studio/internal/disk"
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

func (d *doctor) fine(id string, message Text) {
	d.checks = append(d.checks, Check{ID: id, OK: true, Level: Fine, Message: message})
}

func (d *doctor) bad(id string, level Level, message, fix Text) {
	d.checks = append(d.checks, Check{ID: id, Level: level, Message: message, Fix: fix})
}

func (d *doctor) kernel() {
	release := d.host.Kernel()
	if _, err := d.host.PressureFull(); err != nil {
		d.bad("kernel", Warning,
			Text{"Linux " + release + " without memory pressure information: the memory guard has only free memory to go by",
				"Linux " + release + " sem informação de pressão de memória: a proteção de memória só vê a memória livre"},
			Text{"Add psi=1 to the kernel's command line", "Acrescente psi=1 à linha de comando do kernel"})
		return
	}
	d.fine("kernel", Text{"Linux " + release, "Linux " + release})
}

func (d *doctor) memory() {
	total, available, err := d.host.Memory()
	switch {
	case err != nil:
		d.bad("memory", Failure, Text{"Memory could not be read", "Não foi possível ler a memória"},
			Text{"Make /proc/meminfo readable", "Deixe /proc/meminfo legível"})
	case available < 2*gib:
		d.bad("memory", Warning,
			Text{fmt.Sprintf("%.1f GiB of %.1f GiB are free: jobs would be stopped to protect the computer", gibs(available), gibs(total)),
				fmt.Sprintf("%.1f GiB de %.1f GiB livres: os trabalhos seriam parados para proteger o computador", gibs(available), gibs(total))},
			Text{"Close other programs", "Feche outros programas"})
	default:
		d.fine("memory", Text{fmt.Sprintf("%.1f GiB of memory, %.1f GiB free", gibs(total), gibs(available)),
			fmt.Sprintf("%.1f GiB de memória, %.1f GiB livres", gibs(total), gibs(available))})
	}
}

// enoughMemory is what the final models are planned for, less what the firmware keeps.
const enoughMemory = 15 * gib

func (d *doctor) memorySize() {
	if total, _, err := d.host.Memory(); err == nil && total < enoughMemory {
		d.bad("memory.size", Warning,
			Text{fmt.Sprintf("%.1f GiB of memory: final pictures are planned for 16 GiB and more", gibs(total)),
				fmt.Sprintf("%.1f GiB de memória: as imagens finais são planejadas para 16 GiB ou mais", gibs(total))},
			Text{"Use draft quality or smaller variants of the models (apibr models list)", "Use a qualidade rascunho ou variantes menores dos modelos (apibr models list)"})
	}
}

func (d *doctor) swap() {
	total, free, err := d.host.Swap()
	switch {
	case err != nil:
	case total == 0:
		// Without swap a shortage ends in a killed engine at once, which is safe; so this is a remark and not a fault.
		d.fine("swap", Text{"No swap: a shortage of memory ends the engine at once, not the computer",
			"Sem swap: a falta de memória encerra o motor na hora, não o computador"})
	case free < total/2:
		d.bad("swap", Warning,
			Text{fmt.Sprintf("%.1f of %.1f GiB of swap are in use: the computer is short of memory", gibs(total-free), gibs(total)),
				fmt.Sprintf("%.1f de %.1f GiB de swap em uso: falta memória ao computador", gibs(total-free), gibs(total))},
			Text{"Close other programs", "Feche outros programas"})
	default:
		d.fine("swap", Text{fmt.Sprintf("%.1f GiB of swap", gibs(total)), fmt.Sprintf("%.1f GiB de swap", gibs(total))})
	}
}

func (d *doctor) disk() {
	free, ok := freeDisk(d.cfg.DataDir)
	if !ok {
		d.bad("disk", Failure, Text{"The data directory cannot be read", "Não foi possível ler a pasta de dados"},
			Text{"Choose another one with --data-dir", "Escolha outra com --data-dir"})
		return
	}
	message := Text{fmt.Sprintf("%.1f GiB free for data", gibs(free)), fmt.Sprintf("%.1f GiB livres para os dados", gibs(free))}
	if free < 2*gib {
		d.bad("disk", Warning, message,
			Text{"Free some space or move the data with --data-dir", "Libere espaço ou mude os dados com --data-dir"})
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
		d.bad("disk.models", Warning, Text{"The folder of the models cannot be read", "Não foi possível ler a pasta dos modelos"},
			Text{"Choose another one with models.cache_dir", "Escolha outra em models.cache_dir"})
		return
	}
	message := Text{fmt.Sprintf("%.1f GiB free for models", gibs(free)), fmt.Sprintf("%.1f GiB livres para modelos", gibs(free))}
	if free < enoughForModels {
		d.bad("disk.models", Warning, message, Text{"A picture model takes 7 to 24 GiB: free some space or move the models with models.cache_dir",
			"Um modelo de imagem ocupa de 7 a 24 GiB: libere espaço ou mude os modelos com models.cache_dir"})
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
	free, err := disk.Free(dir) // of no folder an error
	return free, err == nil
}

func (d *doctor) ffmpeg(ctx context.Context) {
	if d.cfg.FFmpeg == "" {
		d.bad("ffmpeg", Failure, Text{"ffmpeg was not found", "O ffmpeg não foi encontrado"}, runSetup)
		return
	}
	line, err := firstLine(ctx, d.cfg.FFmpeg, "-version")
	if err != nil {
		d.bad("ffmpeg", Failure, Text{"ffmpeg does not start", "O ffmpeg não inicia"}, runSetup)
		return
	}
	words := strings.Fields(line)
	d.fine("ffmpeg", Text{strings.Join(words[:min(3, len(words))], " "), strings.Join(words[:min(3, len(words))], " ")})
}

var runSetup = Text{"Run make setup", "Rode make setup"}

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
			d.fine("python."+name, Text{line + " in the environment " + name, line + " no ambiente " + name})
		case name == "draft":
			d.bad("python."+name, Failure, Text{"The draft environment is missing", "Falta o ambiente de rascunho"}, runSetup)
		case exists(d.cfg.Venvs[name]):
			d.bad("python."+name, Failure, Text{"The Python of the environment " + name + " does not start: " + cause(err, line),
				"O Python do ambiente " + name + " não inicia: " + cause(err, line)}, runModelsSetup)
		default:
			d.fine("python."+name, Text{"The environment " + name + " is not installed: draft quality only",
				"O ambiente " + name + " não está instalado: só qualidade rascunho"})
		}
	}
}

func (d *doctor) postgres() {
	switch {
	case d.cfg.External:
		d.fine("postgres", Text{"A database outside is used", "Usa um banco de dados externo"})
	case d.cfg.Postgres == "":
		d.bad("postgres", Failure, Text{"No Postgres binaries were found", "Nenhum binário do Postgres foi encontrado"}, runSetup)
	default:
		for _, program := range []string{"initdb", "postgres"} {
			if unix.Access(filepath.Join(d.cfg.Postgres, program), unix.X_OK) != nil {
				d.bad("postgres", Failure, Text{program + " of Postgres cannot be run", "O " + program + " do Postgres não pode ser executado"}, runSetup)
				return
			}
		}
		d.fine("postgres", Text{"Postgres binaries are there", "Os binários do Postgres estão presentes"})
	}
}

func firstLine(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	return strings.TrimSpace(string(line)), err
}

// cause is what a program that failed said, in one short line, else how it failed.
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
