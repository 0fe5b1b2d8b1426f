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
	client, err := hub.New(a.modelHubConfig())
	if err != nil {
		return nil, err
	}
	installer := models.NewInstaller(a.installerConfig(client))
	return tasks.New(tasks.Config{Pool: a.store.Pool(), Catalogue: a.catalogue, Store: a.models, Installer: installer,
		Node: a.node, Hub: a.hub, InUse: a.loadedModels, Log: a.log}), nil
}

func (a *App) modelHubConfig() hub.Config {
	m := a.config.Models
	return hub.Config{BaseURL: m.HubURL, Token: m.HubToken, UserAgent: "apibr-studio/" + version.Version}
}

func (a *App) installerConfig(client *hub.Client) models.InstallerConfig {
	return models.InstallerConfig{Store: a.models, Hub: client, MaxCache: int64(a.config.Models.MaxCacheSize),
		InUse: a.loadedModels,
		Removed: func(model string) {
			a.log.Info("a model was removed to free disk space", "model", model)
			a.tasks.Changed(context.Background(), model)
		}}
}

// loadedModels are those that a process holds now.
func (a *App) loadedModels() (list []string) {
	for _, loaded := range a.pool.Loaded() {
		list = append(list, loaded.Model)
	}
	return list
}
