package runner

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/sidecar"
)

// codeBorrowed is the code of the warning of borrowed files that cannot be used.
const codeBorrowed = "borrowed_files_damaged"

// borrow adds the files of the installed models that the model borrows, each as <model>/<part>. Damaged ones are left
// out and told in a warning: the engine does without them. A process that was loaded with other files than those of
// now is ended by the pool, so that a model which is installed or removed later is seen by the next job.
func (a *attempt) borrow(ctx context.Context, model *engine.Model, spec *sidecar.Spec) {
	files := maps.Clone(spec.Files)
	if files == nil {
		files = map[string]string{}
	}
	a.warnings = nil
	for _, id := range model.Borrows {
		variant, ok := a.runner.borrowed(id)
		if !ok {
			continue
		}
		parts, err := a.runner.cfg.Models.Files(ctx, id, variant)
		if err != nil {
			a.warnBorrowed(ctx, id, err)
			continue
		}
		a.runner.cfg.Models.Used(id)
		for part, path := range parts {
			files[id+"/"+part] = path
		}
	}
	if len(files) > 0 {
		spec.Files = files
	}
}

// borrowed is the variant in which a model is installed: its default one, else the first; false when it is not
// installed.
func (r *Runner) borrowed(id string) (variant string, ok bool) {
	_, model, ok := r.cfg.Catalogue.Model(id)
	if !ok || r.cfg.Models == nil || r.cfg.Catalogue.Variants == nil {
		return "", false
	}
	installed := r.cfg.Catalogue.Variants(id)
	if preferred, ok := model.Variant(""); ok && slices.Contains(installed, preferred.ID) {
		return preferred.ID, true
	}
	if len(installed) == 0 {
		return "", false
	}
	return installed[0], true
}

// warnBorrowed notes why a borrowed model is left out. One that was removed a moment ago is none to warn of.
func (a *attempt) warnBorrowed(ctx context.Context, id string, err error) {
	if ctx.Err() != nil || errors.Is(err, models.ErrNotInstalled) {
		return
	}
	a.runner.cfg.Log.WarnContext(ctx, "a borrowed model's files cannot be used", "engine", a.manifest.ID, "model", id,
		"err", err)
	var file *models.FileError
	why := i18n.Say("the files of the model %s could not be read: run `apibr models verify %s`", id, id)
	if errors.As(err, &file) {
		why = i18n.For(file)
	}
	a.warnings = append(a.warnings, report.Warning{
		Code:    codeBorrowed,
		Message: i18n.Say("made without the model %s: %s", id, why),
	})
}

// weighs says whether a loaded model holds weights, its own or borrowed ones.
func (r *Runner) weighs(model *engine.Model) bool {
	return model.NeedsFiles() || slices.ContainsFunc(model.Borrows, func(id string) bool {
		_, installed := r.borrowed(id)
		return installed
	})
}
