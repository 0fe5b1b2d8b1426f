package doctor

import (
	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/models"
)

// voices says whether the models of the built-in voices are there. It reads no file of a model: each is checked before
// it is loaded.
func voices(c *config.Config) (checks []device.Check) {
	catalogue, err := c.Catalogue()
	if err != nil {
		return nil // the studio itself says what is wrong with a manifest
	}
	store := models.New(c.Models.CacheDir, catalogue).WithBundled(c.BundledModels())
	for _, m := range catalogue.All() {
		model, ok := m.Model(m.DefaultModel())
		if m.BuiltinVoices == "" || !ok || !model.NeedsFiles() {
			continue
		}
		checks = append(checks, builtin(model, len(store.Variants(model.ID)) > 0))
	}
	return checks
}

func builtin(model *engine.Model, there bool) device.Check {
	const id = "models.voices"
	if there {
		return device.Check{ID: id, OK: true, Level: device.Fine,
			Message: i18n.Say("%s speaks in the built-in voices", model.Title())}
	}
	return device.Check{ID: id, Level: device.Warning,
		Message: i18n.Say("The model of the built-in voices, %s, is not there: a synthesiser speaks in its place",
			model.Title()),
		Fix: i18n.Say("Run make setup, or `apibr models install %s`", model.ID)}
}
