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
	d.swap()
	d.disk()
	d.gpus()
	d.ffmpeg(ctx)
	d.venvs(ctx)
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
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return
	}
	release := unix.ByteSliceToString(name.Release[:])
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

func (d *doctor) swap() {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return
	}
	if total, ok := meminfo(raw, "SwapTotal"); ok && total > 0 {
		d.fine("swap", Text{fmt.Sprintf("%.1f GiB of swap", gibs(total)), fmt.Sprintf("%.1f GiB de swap", gibs(total))})
		return
	}
	// Without swap a shortage ends in a killed engine at once, which is safe; so this is a remark and not a fault.
	d.fine("swap", Text{"No swap: a shortage of memory ends the engine at once, not the computer",
		"Sem swap: a falta de memória encerra o motor na hora, não o computador"})
}

func (d *doctor) disk() {
	dir := d.cfg.DataDir
	for dir != "" && dir != "/" {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	var fsStat unix.Statfs_t
	if dir == "" || unix.Statfs(dir, &fsStat) != nil {
		d.bad("disk", Failure, Text{"The data directory cannot be read", "Não foi possível ler a pasta de dados"},
			Text{"Choose another one with --data-dir", "Escolha outra com --data-dir"})
		return
	}
	free := int64(fsStat.Bavail) * fsStat.Bsize
	message := Text{fmt.Sprintf("%.1f GiB free for data", gibs(free)), fmt.Sprintf("%.1f GiB livres para os dados", gibs(free))}
	if free < 2*gib {
		d.bad("disk", Warning, message,
			Text{"Free some space or move the data with --data-dir", "Libere espaço ou mude os dados com --data-dir"})
		return
	}
	d.fine("disk", message)
}

func (d *doctor) gpus() {
	snapshot := d.host.Snapshot()
	best, found := snapshot.Best()
	if !found {
		d.fine("gpu", Text{"No graphics card for computing: draft quality runs on the processor",
			"Nenhuma placa de vídeo para computação: a qualidade rascunho roda no processador"})
		return
	}
	d.fine("gpu", Text{fmt.Sprintf("%s, %.1f GiB (%.1f GiB in use)", best.Name, gibs(best.VRAMTotal), gibs(best.VRAMUsed)),
		fmt.Sprintf("%s, %.1f GiB (%.1f GiB em uso)", best.Name, gibs(best.VRAMTotal), gibs(best.VRAMUsed))})
	for _, gpu := range snapshot.GPUs {
		if gpu.Integrated {
			d.fine("gpu.integrated", Text{gpu.Name + " shares the host's memory and is not used",
				gpu.Name + " divide a memória do computador e não é usada"})
		}
	}
	if best.Kind == "hip" {
		d.renderNode(best)
	}
}

func (d *doctor) renderNode(gpu GPU) {
	for _, node := range []string{gpu.RenderNode, "/dev/kfd"} {
		if node == "" {
			continue
		}
		err := unix.Access(node, unix.R_OK|unix.W_OK)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			d.bad("gpu.driver", Failure, Text{node + " does not exist: the card's compute driver is not loaded",
				node + " não existe: o driver de computação da placa não está carregado"},
				Text{"Load the amdgpu kernel module; in a container pass --device /dev/kfd --device /dev/dri",
					"Carregue o módulo amdgpu; em um contêiner use --device /dev/kfd --device /dev/dri"})
			return
		default:
			d.bad("gpu.render_node", Failure, Text{node + " may not be opened by this user", "Este usuário não pode abrir " + node},
				Text{"sudo usermod -aG render,video $USER, then log in again", "sudo usermod -aG render,video $USER e entre de novo"})
			return
		}
	}
	d.fine("gpu.render_node", Text{"This user may use the card", "Este usuário pode usar a placa"})
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
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return strings.TrimSpace(string(line)), nil
}

func gibs(n int64) float64 { return float64(n) / gib }
