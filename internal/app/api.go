package app

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/doctor"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/httpapi"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/netlimit"
	"github.com/apibr/studio/internal/runner"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/version"
	"github.com/apibr/studio/web"
)

// startAPI listens, serves and makes the one-time link of the local admin.
func (a *App) startAPI(ctx context.Context) (Started, error) {
	listener, err := net.Listen("tcp", a.config.Address())
	if err != nil {
		return Started{}, cannotListen(a.config.Address(), err)
	}
	a.metrics.Register(newHostCollector(a.host, a.jobs))
	server := httpapi.New(a.apiConfig(listener))
	a.stack.Start("http", server.Run)
	token, _, err := a.auth.CreateLink(ctx, a.local)
	if err != nil {
		return Started{}, err
	}
	address := listener.Addr().String()
	a.tellAddress(address)
	return Started{Address: address, Link: a.linkBase(address) + "/login?token=" + token}, nil
}

func cannotListen(address string, err error) error {
	why := i18n.For(err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = i18n.Say("another program listens there")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = i18n.Say("this computer does not have the address")
	case errors.Is(err, syscall.EACCES):
		why = i18n.Say("this user may not use the port")
	}
	return i18n.Wrap(err, i18n.Say("the studio cannot listen on %s (%s): choose another address with --listen",
		address, why))
}

// tellAddress leaves the address for the command line of this data directory, as long as this studio runs.
func (a *App) tellAddress(address string) {
	path := filepath.Join(a.config.DataDir, datadir.AddressFile)
	if err := datadir.WriteSecret(path, []byte(address+"\n")); err != nil {
		a.log.Warn("the address could not be written down: the command line needs --server", "err", err)
		return
	}
	a.stack.Start("address", func(ctx context.Context) error {
		<-ctx.Done()
		return os.Remove(path)
	})
}

func (a *App) apiConfig(listener net.Listener) httpapi.Config {
	c := a.config
	return httpapi.Config{
		Jobs: a.jobs, Voices: a.voices, Assets: a.assets, Signer: a.signer, Auth: a.auth,
		Projects: studio.NewProjects(a.store.Pool()), Words: a.words,
		Catalogue: a.catalogue, Models: a.tasks, Hub: a.hub,
		LocalToken: a.token, Listener: listener, Ready: a.Ready, Metrics: a.metrics.Handler(), Web: web.Files(),
		PublicBaseURL: c.PublicBaseURL, TrustForwarded: c.HTTP.TrustForwarded,
		ListenHost: c.ListenHost(), AllowedHosts: c.Server.AllowedHosts, MaxStreams: c.HTTP.MaxStreams,
		MaxJSONBytes: int64(c.HTTP.MaxJSONBytes), MaxTextBytes: int64(c.HTTP.MaxTextBytes),
		ReadTimeout: c.HTTP.ReadTimeout, IdleTimeout: c.HTTP.IdleTimeout, Limits: a.connectionLimits(),
		Generation: generation.New(a.generationConfig()), Doctor: a.examine, Version: version.Version, Log: a.log,
	}
}

func (a *App) generationConfig() generation.Config {
	c := a.config
	return generation.Config{
		Library: &generation.Stored{
			Assets: a.assets, Jobs: a.jobs, Voices: a.voices, Projects: studio.NewProjects(a.store.Pool()),
			Words: a.words,
		},
		Catalogue: a.catalogue, EngineDefaults: a.engineDefaults(), Fit: a.fit, Log: a.log,
		Settings: generation.Settings{
			MinVoiceSeconds: c.Voices.MinSeconds, MaxImagePixels: c.Media.MaxImagePixels,
			MaxImageSide: int64(c.Media.MaxImageSide), DefaultLanguage: a.voiceDefaults().Language,
		},
	}
}

// connectionLimits are what the API's connections may cost. There are never more than the process's open files allow.
func (a *App) connectionLimits() netlimit.Limits {
	c := a.config
	connections, files := netlimit.Affordable(c.Server.MaxConnections)
	if connections < c.Server.MaxConnections {
		a.log.Warn("the limit of open files allows fewer connections than server.max_connections", "open_files", files,
			"connections", connections)
	}
	return netlimit.Limits{WritePause: c.HTTP.WriteTimeout, MinRate: int64(c.HTTP.MinRate),
		DrainBytes: int64(c.HTTP.DrainBytes), DrainTime: c.HTTP.DrainTimeout,
		MaxConnections: connections, MaxPerAddress: c.Server.MaxConnectionsPerAddress}
}

// engineDefaults are the configured parameters of engines that a request may leave out.
func (a *App) engineDefaults() map[engine.ID]map[string]any {
	all := map[engine.ID]map[string]any{}
	for _, m := range a.catalogue.All() {
		all[m.ID] = map[string]any{}
		for task := range m.Tasks {
			maps.Copy(all[m.ID], a.catalogue.ParameterDefaults(m, task))
		}
	}
	return all
}

func (a *App) fit(m *engine.Manifest, task, model string, width, height, pictures int) error {
	return a.runner.Fit(m, task, model, runner.Size{Width: width, Height: height, Pictures: pictures})
}

// examine looks at this computer anew: what it finds changes while the studio runs.
func (a *App) examine(ctx context.Context) doctor.Report {
	return doctor.Examine(ctx, a.config, device.NewHost(""))
}

// linkBase is how a browser on this computer reaches the studio.
func (a *App) linkBase(address string) string {
	if a.config.PublicBaseURL != "" {
		return a.config.PublicBaseURL
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "::" || host == "0.0.0.0") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + address
}
