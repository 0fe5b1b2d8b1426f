package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

const (
	// spill is how much host memory a card may map before that is called a spill; a desktop maps some hundreds of MiB.
	spill = 2 * gib
	// crowded is how much of a card others may hold before that is worth a warning; a desktop takes one GiB.
	crowded = 2 * gib
	// alwaysBusy in percent, at both looks, with nobody computing: a card that hangs.
	alwaysBusy = 99
)

func (d *doctor) gpus(ctx context.Context) {
	snapshot := d.host.Snapshot()
	best, found := snapshot.Best()
	d.undriven()
	if found {
		d.fine("gpu", Text{fmt.Sprintf("%s, %.1f GiB (%.1f GiB in use)", best.Name, gibs(best.VRAMTotal), gibs(best.VRAMUsed)),
			fmt.Sprintf("%s, %.1f GiB (%.1f GiB em uso)", best.Name, gibs(best.VRAMTotal), gibs(best.VRAMUsed))})
	} else {
		d.fine("gpu", Text{"No graphics card for computing: drafts run on the processor in seconds; the real models run there too, many times slower than on a card",
			"Nenhuma placa de vídeo para computação: os rascunhos rodam no processador em segundos; os modelos de verdade também, muitas vezes mais devagar que numa placa"})
	}
	for _, gpu := range snapshot.GPUs {
		if gpu.Integrated {
			d.fine("gpu.integrated", Text{gpu.Name + " shares the host's memory and is not used", gpu.Name + " divide a memória do computador e não é usada"})
		}
	}
	if !found {
		return
	}
	if d.cfg.NoGPU {
		d.fine("gpu.unused", Text{"The card is not used, as gpu.device: cpu says", "A placa não é usada, conforme gpu.device: cpu"})
		return
	}
	if d.driver(best) {
		d.renderNode(best)
	}
	d.programs(best)
	d.spilled(best)
	d.power(best)
	d.hang(ctx, best)
}

// undriven tells of cards that are there and cannot be used as they are.
func (d *doctor) undriven() {
	for _, idle := range d.host.Idle() {
		message := Text{idle.Name + " is in this computer, but no driver drives it", idle.Name + " está neste computador, mas nenhum driver a controla"}
		if idle.Driver != "" {
			message = Text{fmt.Sprintf("%s is driven by %s, which cannot compute", idle.Name, idle.Driver), fmt.Sprintf("%s usa o driver %s, que não serve para computação", idle.Name, idle.Driver)}
		}
		fix := Text{"sudo modprobe amdgpu; if that fails, install your distribution's linux-firmware and restart",
			"sudo modprobe amdgpu; se falhar, instale o linux-firmware da sua distribuição e reinicie"}
		if idle.Vendor == "NVIDIA" {
			fix = Text{"Install NVIDIA's driver with your distribution's driver manager and restart", "Instale o driver da NVIDIA pelo gerenciador da sua distribuição e reinicie"}
		}
		d.bad("gpu.driver", Warning, message, fix)
	}
}

// driver says whether the compute driver is there.
func (d *doctor) driver(gpu GPU) bool {
	if gpu.Kind == "hip" && errors.Is(d.host.Access("/dev/kfd"), fs.ErrNotExist) {
		d.bad("gpu.driver", Failure, Text{"/dev/kfd does not exist: the card's compute driver is not loaded", "/dev/kfd não existe: o driver de computação da placa não está carregado"},
			Text{"Load the amdgpu kernel module; in a container pass --device /dev/kfd --device /dev/dri",
				"Carregue o módulo amdgpu; em um contêiner use --device /dev/kfd --device /dev/dri"})
		return false
	}
	version, _ := d.host.Module(gpu.Driver)
	name := strings.TrimSpace(gpu.Driver + " " + version)
	d.fine("gpu.driver", Text{"Driver " + name, "Driver " + name})
	return gpu.Kind == "hip"
}

// renderNode says whether this user may open the card.
func (d *doctor) renderNode(gpu GPU) {
	for _, node := range []string{gpu.RenderNode, "/dev/kfd"} {
		if node == "" {
			continue
		}
		err := d.host.Access(node)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			d.bad("gpu.render_node", Failure, Text{node + " does not exist", node + " não existe"},
				Text{"In a container pass --device /dev/kfd --device /dev/dri; else restart the computer", "Em um contêiner use --device /dev/kfd --device /dev/dri; senão reinicie o computador"})
			return
		default:
			groups := "render,video"
			if owner := d.host.Owner(node); owner != "" && owner != "root" && owner != "render" && owner != "video" {
				groups += "," + owner
			}
			d.bad("gpu.render_node", Failure, Text{node + " may not be opened by this user", "Este usuário não pode abrir " + node},
				Text{"sudo usermod -aG " + groups + " $USER, then log in again", "sudo usermod -aG " + groups + " $USER e entre de novo"})
			return
		}
	}
	d.fine("gpu.render_node", Text{"This user may use the card", "Este usuário pode usar a placa"})
}

// on are the clients of the card, the largest first.
func (d *doctor) on(gpu GPU) []Client {
	clients := slices.DeleteFunc(slices.Clone(d.host.Clients()), func(c Client) bool { return c.PCI != gpu.PCI })
	slices.SortStableFunc(clients, func(a, b Client) int { return int((b.VRAM - a.VRAM) >> 10) })
	return clients
}

// programs tells who else holds memory of the card.
func (d *doctor) programs(gpu GPU) {
	others := gpu.VRAMUsed
	var names []string
	for _, client := range d.on(gpu) {
		if client.Ours {
			others -= client.VRAM
			continue
		}
		const shown, least = 3, 64 << 20
		if len(names) < shown && client.VRAM >= least {
			names = append(names, fmt.Sprintf("%s %.1f GiB", client.Name, gibs(client.VRAM)))
		}
	}
	others = max(others, 0)
	list := ""
	if len(names) > 0 {
		list = ": " + strings.Join(names, ", ")
	}
	message := Text{fmt.Sprintf("Other programs hold %.1f GiB of the card%s", gibs(others), list), fmt.Sprintf("Outros programas ocupam %.1f GiB da placa%s", gibs(others), list)}
	if others > max(crowded, gpu.VRAMTotal/4) {
		d.bad("gpu.programs", Warning, message, Text{"Close what you do not need; models that do not fit beside them are refused", "Feche o que não precisar; modelos que não couberem ao lado deles são recusados"})
		return
	}
	d.fine("gpu.programs", message)
}

// spilled tells of memory of the card that the driver has moved to the host's: slow, and it is charged to nobody.
func (d *doctor) spilled(gpu GPU) {
	if gpu.GTTUsed < spill {
		return
	}
	who := ""
	clients := d.on(gpu)
	slices.SortStableFunc(clients, func(a, b Client) int { return int((b.GTT - a.GTT) >> 10) })
	if len(clients) > 0 && clients[0].GTT > 0 {
		who = fmt.Sprintf(" (%s %.1f GiB)", clients[0].Name, gibs(clients[0].GTT))
	}
	d.bad("gpu.spill", Warning,
		Text{fmt.Sprintf("%.1f GiB of the card's memory have spilled to the host's%s: everything on the card is slow", gibs(gpu.GTTUsed), who),
			fmt.Sprintf("%.1f GiB da memória da placa foram para a memória do computador%s: tudo na placa fica lento", gibs(gpu.GTTUsed), who)},
		Text{"End that program, or give it a smaller model", "Encerre esse programa ou use nele um modelo menor"})
}

func (d *doctor) power(gpu GPU) {
	health := d.host.Health(gpu)
	switch {
	case health.Power == "error":
		d.bad("gpu.power", Failure, Text{"The card did not wake up", "A placa não acordou"}, Text{"Restart the computer", "Reinicie o computador"})
	case health.Level == "low":
		d.bad("gpu.power", Warning, Text{"The card is held at its lowest clocks", "A placa está presa na frequência mais baixa"},
			Text{"echo auto | sudo tee /sys/class/drm/" + gpu.Card + "/device/power_dpm_force_performance_level",
				"echo auto | sudo tee /sys/class/drm/" + gpu.Card + "/device/power_dpm_force_performance_level"})
	case health.Power == "suspended":
		d.fine("gpu.power", Text{"The card sleeps and wakes for the first job", "A placa dorme e acorda no primeiro trabalho"})
	case health.Power != "":
		d.fine("gpu.power", Text{"The card is awake", "A placa está ativa"})
	}
}

// hang finds a card that the driver takes for busy while nobody computes on it. A program with queues of the compute driver is
// somebody, even though no counter shows its work.
func (d *doctor) hang(ctx context.Context, gpu GPU) {
	first := d.host.Health(gpu)
	before := d.on(gpu)
	reset := Text{"Save your work and restart the computer" + resetHint(gpu, " (resets only the card, as root: "), "Salve seu trabalho e reinicie o computador" + resetHint(gpu, " (só a placa, como root: ")}
	if first.Busy >= alwaysBusy && len(first.Compute) == 0 && d.settle(ctx) && d.host.Health(gpu).Busy >= alwaysBusy {
		worked, stuck := progress(before, d.on(gpu))
		switch {
		case stuck != "":
			d.bad("gpu.hang", Failure, Text{stuck + " is stuck in the card's driver: the card hangs", stuck + " está preso no driver: a placa travou"}, reset)
			return
		case !worked && first.Dumped:
			d.bad("gpu.hang", Failure, Text{"The card hangs", "A placa travou"}, reset)
			return
		case !worked:
			d.bad("gpu.hang", Warning, Text{"The card is busy although no program of this user computes: it may hang", "A placa está ocupada sem que um programa deste usuário a use: pode ter travado"}, reset)
			return
		}
	}
	if first.Dumped {
		d.bad("gpu.hang", Warning, Text{"The driver had to reset the card in the last minutes", "O driver precisou reiniciar a placa há poucos minutos"},
			Text{"If it happens again, use smaller sizes, and look at: sudo dmesg | grep amdgpu", "Se acontecer de novo, use tamanhos menores e veja: sudo dmesg | grep amdgpu"})
	}
}

func resetHint(gpu GPU, before string) string {
	number, ok := strings.CutPrefix(gpu.Card, "card")
	if !ok {
		return ""
	}
	return before + "cat /sys/kernel/debug/dri/" + number + "/amdgpu_gpu_recover)"
}

// settle waits between two looks.
func (d *doctor) settle(ctx context.Context) bool {
	wait := d.cfg.Settle
	if wait == 0 {
		wait = time.Second
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// progress says whether the card did anything for anybody between two looks, and names a program that waited inside the driver at both.
func progress(before, after []Client) (worked bool, stuck string) {
	const waiting = 'D'
	for _, now := range after {
		i := slices.IndexFunc(before, func(c Client) bool { return c.PID == now.PID })
		if i < 0 {
			continue
		}
		worked = worked || now.Engine > before[i].Engine
		if now.State == waiting && before[i].State == waiting {
			stuck = now.Name
		}
	}
	if worked {
		return true, ""
	}
	return false, stuck
}
