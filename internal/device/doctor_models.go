package device

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	runModelsSetup = Text{"Run apibr models setup", "Rode apibr models setup"}
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
		d.bad(id, Warning, Text{"The models' environment was never tested on this computer", "O ambiente dos modelos nunca foi testado neste computador"},
			Text{"Run apibr models setup --test, or apibr models setup to make it for this computer's card", "Rode apibr models setup --test, ou apibr models setup para fazê-lo para a placa deste computador"})
		return
	}
	switch {
	case t.Stale:
		d.bad(id, Warning, Text{"The models' environment has changed since its self-test: packages were installed, removed or replaced",
			"O ambiente dos modelos mudou desde o autoteste: pacotes foram instalados, removidos ou trocados"},
			Text{"Run apibr models setup --test, or apibr models setup to make it anew", "Rode apibr models setup --test, ou apibr models setup para refazê-lo"})
	case len(t.Failed) > 0:
		list := strings.Join(t.Failed, ", ")
		d.bad(id, Failure, Text{fmt.Sprintf("The self-test of profile %s failed (%s); %s", t.Profile, list, t.Cause),
			fmt.Sprintf("O autoteste do perfil %s falhou (%s); %s", t.Profile, list, t.Cause)}, runModelsSetup)
	case found && t.Kind == "cpu":
		d.bad(id, Warning, Text{fmt.Sprintf("Profile %s computes on the processor, though %s is there", t.Profile, card.Name), fmt.Sprintf("O perfil %s usa o processador, embora exista %s", t.Profile, card.Name)},
			Text{"Run apibr models setup --force, and see why the card's profiles fail", "Rode apibr models setup --force e veja por que os perfis da placa falham"})
	case !found && t.Kind != "cpu":
		d.bad(id, Warning, Text{fmt.Sprintf("Profile %s was made for %s, which is not there", t.Profile, t.Device), fmt.Sprintf("O perfil %s foi feito para %s, que não está disponível", t.Profile, t.Device)}, runModelsSetup)
	case found && (t.Kind != kindOf[card.Kind] || t.GFX != "" && t.GFX != card.GFX):
		d.bad(id, Warning, Text{fmt.Sprintf("Profile %s was made for another card than %s", t.Profile, card.Name), fmt.Sprintf("O perfil %s foi feito para outra placa, não para %s", t.Profile, card.Name)}, runModelsSetup)
	default:
		on := Text{t.Device, t.Device}
		if t.Device == "" {
			on = Text{"the processor", "o processador"}
		}
		day := t.At.Format("2006-01-02")
		d.fine(id, Text{fmt.Sprintf("Profile %s, torch %s: passed its self-test on %s (%s)", t.Profile, t.Torch, on.En, day),
			fmt.Sprintf("Perfil %s, torch %s: passou no autoteste com %s (%s)", t.Profile, t.Torch, on.PtBR, day)})
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
		d.bad("caches", Warning, Text{"The kernel cache cannot be written: every start tunes the kernels again", "Não é possível gravar o cache de kernels: cada início os ajusta de novo"},
			Text{"Make the folder cache of the data directory writable for this user", "Dê a este usuário permissão de escrita na pasta cache da pasta de dados"})
	case err != nil || bytes == 0:
		d.fine("caches", Text{"No tuned kernels yet: the first job of each kind takes up to minutes longer", "Ainda não há kernels ajustados: o primeiro trabalho de cada tipo leva até minutos a mais"})
	default:
		d.fine("caches", Text{fmt.Sprintf("%.0f MiB of tuned kernels", float64(bytes)/(1<<20)), fmt.Sprintf("%.0f MiB de kernels ajustados", float64(bytes)/(1<<20))})
	}
}
