package device

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

const (
	// spill is how much host memory a card may map before that is called a spill; a desktop maps some hundreds of MiB.
	spill = 2 * gib
	// crowded is how much of a card others may hold before that is worth a warning; a desktop takes one GiB.
	crowded = 2 * gib
	// alwaysBusy in percent, in both samples, with no program computing: a card that hangs.
	alwaysBusy = 99
)

func (d *doctor) gpus(ctx context.Context) {
	snapshot := d.host.Snapshot()
	best, found := snapshot.Best()
	d.undriven()
	if found {
		d.fine("gpu", i18n.Say("%s, %.1f GiB (%.1f GiB in use)", best.Name, gibs(best.VRAMTotal), gibs(best.VRAMUsed)))
	} else {
		d.fine("gpu", i18n.Say("No graphics card for computing: drafts run on the processor in seconds; the real "+
			"models run there too, many times slower than on a card"))
	}
	for _, gpu := range snapshot.GPUs {
		if gpu.Integrated {
			d.fine("gpu.integrated", i18n.Say("%s shares the host's memory and is not used", gpu.Name))
		}
	}
	if !found {
		return
	}
	if d.cfg.NoGPU {
		d.fine("gpu.unused", i18n.Say("The card is not used, as gpu.device: cpu says"))
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
		message := i18n.Say("%s is in this computer, but no driver drives it", idle.Name)
		if idle.Driver != "" {
			message = i18n.Say("%s is driven by %s, which cannot compute", idle.Name, idle.Driver)
		}
		fix := i18n.Say("sudo modprobe amdgpu; if that fails, install your distribution's linux-firmware and restart")
		if idle.Vendor == "NVIDIA" {
			fix = i18n.Say("Install NVIDIA's driver with your distribution's driver manager and restart")
		}
		d.bad("gpu.driver", Warning, message, fix)
	}
}

// driver says whether the compute driver is there.
func (d *doctor) driver(gpu GPU) bool {
	if gpu.Kind == "hip" && errors.Is(d.host.Access("/dev/kfd"), fs.ErrNotExist) {
		d.bad("gpu.driver", Failure, i18n.Say("/dev/kfd does not exist: the card's compute driver is not loaded"),
			i18n.Say("Load the amdgpu kernel module; in a container pass --device /dev/kfd --device /dev/dri"))
		return false
	}
	version, _ := d.host.Module(gpu.Driver)
	name := strings.TrimSpace(gpu.Driver + " " + version)
	d.fine("gpu.driver", i18n.Say("Driver %s", name))
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
			d.bad("gpu.render_node", Failure, i18n.Say("%s does not exist", node),
				i18n.Say("In a container pass --device /dev/kfd --device /dev/dri; else restart the computer"))
			return
		default:
			groups := "render,video"
			if owner := d.host.Owner(node); owner != "" && owner != "root" && owner != "render" && owner != "video" {
				groups += "," + owner
			}
			d.bad("gpu.render_node", Failure, i18n.Say("%s may not be opened by this user", node),
				i18n.Say("sudo usermod -aG %s $USER, then log in again", groups))
			return
		}
	}
	d.fine("gpu.render_node", i18n.Say("This user may use the card"))
}

// on are the clients of the card, the largest first.
func (d *doctor) on(gpu GPU) []Client {
	clients := slices.DeleteFunc(slices.Clone(d.host.Clients()), func(c Client) bool { return c.PCI != gpu.PCI })
	slices.SortStableFunc(clients, func(a, b Client) int { return int((b.VRAM - a.VRAM) >> 10) })
	return clients
}

// programs lists the other programs that hold memory of the card.
func (d *doctor) programs(gpu GPU) {
	others := gpu.VRAMUsed
	var names []i18n.Sentence
	for _, client := range d.on(gpu) {
		if client.Ours {
			others -= client.VRAM
			continue
		}
		const shown, least = 3, 64 << 20
		if len(names) < shown && client.VRAM >= least {
			names = append(names, holds(client.Name, client.VRAM))
		}
	}
	others = max(others, 0)
	message := i18n.Say("Other programs hold %.1f GiB of the card", gibs(others))
	if len(names) > 0 {
		message = i18n.Say("Other programs hold %.1f GiB of the card: %s", gibs(others), i18n.Commas(names...))
	}
	if others > max(crowded, gpu.VRAMTotal/4) {
		d.bad(
			"gpu.programs",
			Warning,
			message,
			i18n.Say("Close what you do not need; models that do not fit beside them are refused"),
		)
		return
	}
	d.fine("gpu.programs", message)
}

// spilled tells of memory of the card that the driver has moved to the host's: slow, and it is charged to no process.
func (d *doctor) spilled(gpu GPU) {
	if gpu.GTTUsed < spill {
		return
	}
	clients := d.on(gpu)
	slices.SortStableFunc(clients, func(a, b Client) int { return int((b.GTT - a.GTT) >> 10) })
	message := i18n.Say("%.1f GiB of the card's memory have spilled to the host's: everything on the card is slow",
		gibs(gpu.GTTUsed))
	if len(clients) > 0 && clients[0].GTT > 0 {
		message = i18n.Say(
			"%.1f GiB of the card's memory have spilled to the host's (%s): everything on the card is slow",
			gibs(gpu.GTTUsed),
			holds(clients[0].Name, clients[0].GTT),
		)
	}
	d.bad("gpu.spill", Warning, message, i18n.Say("End that program, or give it a smaller model"))
}

// holds says how much memory a program holds.
func holds(program string, bytes int64) i18n.Sentence {
	return i18n.Say("%s %.1f GiB", program, gibs(bytes))
}

func (d *doctor) power(gpu GPU) {
	health := d.host.Health(gpu)
	switch {
	case health.Power == "error":
		d.bad("gpu.power", Failure, i18n.Say("The card did not wake up"), i18n.Say("Restart the computer"))
	case health.Level == "low":
		d.bad("gpu.power", Warning, i18n.Say("The card is held at its lowest clocks"),
			i18n.Say("echo auto | sudo tee /sys/class/drm/%s/device/power_dpm_force_performance_level", gpu.Card))
	case health.Power == "suspended":
		d.fine("gpu.power", i18n.Say("The card sleeps and wakes for the first job"))
	case health.Power != "":
		d.fine("gpu.power", i18n.Say("The card is awake"))
	}
}

// hang finds a card that the driver takes for busy while no program computes on it. A program with queues of the
// compute driver counts, even though no counter shows its work.
func (d *doctor) hang(ctx context.Context, gpu GPU) {
	first := d.host.Health(gpu)
	before := d.on(gpu)
	reset := restart(gpu)
	if first.Busy >= alwaysBusy && len(first.Compute) == 0 && d.settle(ctx) && d.host.Health(gpu).Busy >= alwaysBusy {
		worked, stuck := progress(before, d.on(gpu))
		switch {
		case stuck != "":
			d.bad("gpu.hang", Failure, i18n.Say("%s is stuck in the card's driver: the card hangs", stuck), reset)
			return
		case !worked && first.Dumped:
			d.bad("gpu.hang", Failure, i18n.Say("The card hangs"), reset)
			return
		case !worked:
			d.bad(
				"gpu.hang",
				Warning,
				i18n.Say("The card is busy although no program of this user computes: it may hang"),
				reset,
			)
			return
		}
	}
	if first.Dumped {
		d.bad("gpu.hang", Warning, i18n.Say("The driver had to reset the card in the last minutes"),
			i18n.Say("If it happens again, use smaller sizes, and look at: sudo dmesg | grep amdgpu"))
	}
}

// restart is what ends a hang.
func restart(gpu GPU) i18n.Sentence {
	number, ok := strings.CutPrefix(gpu.Card, "card")
	if !ok {
		return i18n.Say("Save your work and restart the computer")
	}
	return i18n.Say("Save your work and restart the computer (resets only the card, as root: "+
		"cat /sys/kernel/debug/dri/%s/amdgpu_gpu_recover)", number)
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

// progress says whether the card did any work between two samples, and names a program that waited inside
// the driver at both.
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
