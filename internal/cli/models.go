package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models"
)

// The commands that look after models: those of the studio that --server names, else those on this computer's disk.
// They need no running studio; if one runs, they take its settings, and it sees what they change. The commands that
// install are in install.go.

func modelsCommand(e *environment) *cobra.Command {
	listing := func(cmd *cobra.Command, _ []string) error { return e.listModels(cmd.Context()) }
	showing := func(cmd *cobra.Command, args []string) error { return e.showModel(cmd.Context(), args[0]) }
	pin := func(s *models.Store, id string) error { return s.Pin(id, true) }
	unpin := func(s *models.Store, id string) error { return s.Pin(id, false) }
	one, some := " "+e.text("MODEL"), " "+e.text("MODEL...")
	cmd := &cobra.Command{
		Use: "models", Short: e.text("List, install, import, check and remove models"), Args: noArguments,
		RunE: listing,
	}
	cmd.AddCommand(
		installCommand(e),
		cancelInstallCommand(e),
		&cobra.Command{Use: "list", Args: noArguments, RunE: listing,
			Short: e.text("List the models of the catalogue and their installed variants")},
		&cobra.Command{Use: "show" + one, Args: arguments(1, 1), RunE: showing,
			Short: e.text("Show a model: its variants, licence, files and memory")},
		&cobra.Command{Use: "import " + e.text("FOLDER"), Args: arguments(1, 1), RunE: e.importModels,
			Short: e.text("Take in models from a folder, without a network")},
		&cobra.Command{Use: "verify " + e.text("[MODEL...]"), RunE: e.verifyModels,
			Short: e.text("Read installed models again and find files that have changed")},
		&cobra.Command{Use: "remove" + some, Args: arguments(1, 0), RunE: e.eachModel(removing, removeModel),
			Short: e.text("Remove models from the disk")},
		&cobra.Command{Use: "pin" + some, Args: arguments(1, 0), RunE: e.eachModel(pinning, pin),
			Short: e.text("Keep models when others need disk space")},
		&cobra.Command{Use: "unpin" + some, Args: arguments(1, 0), RunE: e.eachModel(unpinning, unpin),
			Short: e.text("Let models go when others need disk space")},
		modelsSetupCommand(e),
	)
	return cmd
}

// openModels gives the models directory and the catalogue: those of the studio that runs here, else of the
// configuration.
func (e *environment) openModels() (*models.Store, *engine.Catalogue, error) {
	c, err := e.loadStudioConfig()
	if err != nil {
		return nil, nil, err
	}
	catalogue, err := c.Catalogue()
	if err != nil {
		return nil, nil, err
	}
	store := models.New(c.Models.CacheDir, catalogue).WithBundled(c.BundledModels())
	catalogue.Variants = store.Variants
	return store, catalogue, nil
}

// modelView is a model for `models list` and `models show`.
type modelView struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Engine     string         `json:"engine"`
	Licence    engine.Licence `json:"licence"`
	Gated      bool           `json:"gated"`
	Variants   []string       `json:"variants"`
	Installed  []string       `json:"installed"`
	SizeBytes  int64          `json:"size_bytes"`
	Pinned     bool           `json:"pinned"`
	Source     string         `json:"source,omitempty"`
	Languages  []string       `json:"languages,omitempty"`
	Repository []string       `json:"repositories,omitempty"`

	description i18n.Text
}

func viewModel(store *models.Store, m *engine.Manifest, model *engine.Model) modelView {
	v := modelView{
		ID: model.ID, Name: model.Title(), Engine: string(m.ID), Licence: model.Licence, Gated: model.Gated,
		Variants: []string{}, Installed: []string{}, Languages: model.Languages, Repository: model.Repositories(),
		description: model.Description,
	}
	if model.Adapter != nil {
		v.Installed, v.Variants = store.Variants(model.ID), store.Variants(model.ID)
	}
	for _, variant := range model.Variants {
		v.Variants = append(v.Variants, variant.ID)
	}
	if record, err := store.Get(model.ID); err == nil {
		v.Installed, v.SizeBytes, v.Pinned = record.VariantIDs(), record.Bytes(), record.Pinned
		v.Source = record.Source
	}
	return v
}

// viewModels are the models that have files, of the named studio or of this computer's disk.
func (e *environment) viewModels(ctx context.Context) ([]modelView, error) {
	if e.asksServer() {
		return e.serverModels(ctx)
	}
	store, catalogue, err := e.openModels()
	if err != nil {
		return nil, err
	}
	views := []modelView{}
	for _, m := range catalogue.All() {
		for i := range m.Models {
			if m.Models[i].NeedsFiles() {
				views = append(views, viewModel(store, m, &m.Models[i]))
			}
		}
	}
	return views, nil
}

func (e *environment) listModels(ctx context.Context) error {
	views, err := e.viewModels(ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.encode(map[string]any{"data": views})
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, e.text("MODEL\tENGINE\tINSTALLED\tSIZE\tLICENCE"))
	for _, v := range views {
		installed := "-"
		if len(v.Installed) > 0 {
			installed = strings.Join(v.Installed, ", ")
		}
		if v.Pinned {
			installed += " *"
		}
		if v.Source == bundledSource {
			installed = e.text("%s (came with the studio)", installed)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", v.ID, v.Engine, installed, e.sizeText(v.SizeBytes), v.Licence.ID)
	}
	return table.Flush()
}

func (l locale) sizeText(bytes int64) string {
	switch {
	case bytes == 0:
		return "-"
	case bytes < 1e9:
		return l.text("%.1f MB", float64(bytes)/1e6)
	default:
		return l.text("%.1f GB", float64(bytes)/1e9)
	}
}

// encode prints a value of this program; printJSON prints what the studio answered.
func (e *environment) encode(value any) error {
	encoder := json.NewEncoder(e.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func (e *environment) showModel(ctx context.Context, id string) error {
	views, err := e.viewModels(ctx)
	if err != nil {
		return err
	}
	found := slices.IndexFunc(views, func(v modelView) bool { return v.ID == id })
	if found < 0 {
		return exitWith(ExitUsage, "there is no model %q; see `apibr models list`", id)
	}
	v := views[found]
	if e.json {
		return e.encode(v)
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	row := func(key, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", key, value)
		}
	}
	row(e.text("name"), v.Name)
	row(e.text("engine"), v.Engine)
	row(e.text("about"), v.description.In(e.Language))
	row(e.text("languages"), strings.Join(v.Languages, ", "))
	row(e.text("variants"), strings.Join(v.Variants, ", "))
	row(e.text("installed"), strings.Join(v.Installed, ", "))
	row(e.text("came"), e.word(modelSources, v.Source))
	row(e.text("size on disk"), e.sizeText(v.SizeBytes))
	row(e.text("licence"), strings.TrimSpace(v.Licence.Name+"  "+v.Licence.URL))
	row(e.text("commercial use"), e.yesNo(v.Licence.Commercial))
	row(e.text("needs a hub account"), e.yesNo(v.Gated))
	row(e.text("from"), strings.Join(v.Repository, ", "))
	return table.Flush()
}

func (e *environment) importModels(cmd *cobra.Command, args []string) error {
	store, _, err := e.openModels()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	shown := map[string]display{}
	taken, err := store.Import(ctx, args[0], func(model string, done, total int64) {
		if shown[model] == nil {
			shown[model] = newDisplay(e.stderr, model, e.quiet)
		}
		shown[model].update(progressState{
			status: "processing", text: e.sizeText(done), fraction: float64(done) / float64(max(total, 1)),
		})
	})
	for _, one := range shown {
		one.close()
	}
	if err != nil {
		return modelError(err)
	}
	if e.json {
		return e.encode(map[string]any{"data": taken})
	}
	for _, record := range taken {
		fmt.Fprintf(
			e.stdout,
			"%s  %s  %s\n",
			record.Model,
			strings.Join(record.VariantIDs(), ", "),
			e.sizeText(record.Bytes()),
		)
	}
	return nil
}

// verifyModels reads every file of the named models, or of all, and says which have changed.
func (e *environment) verifyModels(cmd *cobra.Command, args []string) error {
	if e.asksServer() {
		return e.verifyOnServer(cmd.Context(), args)
	}
	store, _, err := e.openModels()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		list, err := store.List()
		if err != nil {
			return err
		}
		for _, record := range list {
			args = append(args, record.Model)
		}
	}
	broken, mend := 0, errBroken
	for _, id := range args {
		faults, err := store.Verify(cmd.Context(), id, nil)
		if err != nil {
			return modelError(err)
		}
		if record, err := store.Get(id); err == nil && record.Bundled() && len(faults) > 0 {
			mend = errBundledBroken
		}
		for _, fault := range faults {
			broken++
			fmt.Fprintf(e.stdout, "✗ %s  %s: %s\n", id, fault.Path, e.word(fileFaults, string(fault.Why)))
		}
		if len(faults) == 0 && !e.quiet {
			fmt.Fprintf(e.stdout, "✓ %s\n", id)
		}
	}
	if broken > 0 {
		return mend
	}
	return nil
}

var (
	errBroken        = exitWith(ExitError, "files have changed since they came: install or import the model again")
	errBundledBroken = exitWith(ExitError,
		"files have changed since they came: type `make setup` in the studio's folder, or install the model again")
)

// bundledSource is how a model came that came with the studio.
const bundledSource = "bundled"

// removeModel also takes away what an unfinished installation left.
func removeModel(s *models.Store, id string) error {
	left := s.Incoming(id) > 0
	if err := s.Forget(id); err != nil {
		return err
	}
	if err := s.Remove(id); err != nil && (!left || !errors.Is(err, models.ErrNotInstalled)) {
		return err
	}
	return nil
}

func (e *environment) eachModel(
	what string, work func(store *models.Store, id string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if e.asksServer() {
			return e.onServer(cmd.Context(), what, args)
		}
		store, _, err := e.openModels()
		if err != nil {
			return err
		}
		for _, id := range args {
			if err := work(store, id); err != nil {
				return modelError(err)
			}
			if !e.quiet {
				fmt.Fprintf(e.stdout, "✓ %s\n", id)
			}
		}
		return nil
	}
}

// modelError gives failures that the user can repair the exit code of wrong usage.
func modelError(err error) error {
	var input *models.InputError
	if errors.As(err, &input) || errors.Is(err, models.ErrNotInstalled) {
		return withCode(ExitUsage, err)
	}
	return err
}
