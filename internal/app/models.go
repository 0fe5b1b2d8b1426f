package app

import (
	"context"

	"github.com/apibr/studio/internal/hub"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/version"
)

// newModelTasks builds what installs models and looks after them.
func (a *App) newModelTasks() (*tasks.Service, error) {
	m := a.config.Models
	client, err := hub.New(hub.Config{BaseURL: m.HubURL, Token: m.HubToken, UserAgent: "apibr-studio/" + version.Version})
	if err != nil {
		return nil, err
	}
	installer := models.NewInstaller(models.InstallerConfig{Store: a.models, Hub: client, MaxCache: int64(m.MaxCacheSize), InUse: a.loadedModels,
		Removed: func(model string) {
			a.log.Info("a model was removed to make room", "model", model)
			a.tasks.Changed(context.Background(), model)
		}})
	return tasks.New(tasks.Config{Pool: a.store.Pool(), Catalogue: a.catalogue, Store: a.models, Installer: installer, Node: a.node, Hub: a.hub, InUse: a.loadedModels, Log: a.log}), nil
}

// loadedModels are those that a process holds now.
func (a *App) loadedModels() (list []string) {
	for _, loaded := range a.pool.Loaded() {
		list = append(list, loaded.Model)
	}
	return list
}
