package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/lifecycle"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/models"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/pgembed"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/queue"
	"github.com/apibr/studio/internal/runner"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
	"github.com/apibr/studio/internal/telemetry"
	"github.com/apibr/studio/internal/voices"
)

// App is one node of the studio.
type App struct {
	config  *config.Config
	log     *slog.Logger
	metrics *telemetry.Metrics
	host    *device.Host

	lock    *os.File
	node    uuid.UUID
	boot    uuid.UUID
	cluster *pgembed.Cluster // nil with a database of the user's
	store   *store.Store

	blobs     blob.Store
	media     *media.Processor
	assets    *assets.Service
	signer    *assets.Signer
	voices    *voices.Service
	words     *pronunciations.Service
	auth      *auth.Service
	local     auth.Principal // who has cli.token: the one-time link is theirs
	token     string         // what is in cli.token
	catalogue *engine.Catalogue
	models    *models.Store
	tasks     *tasks.Service
	hub       *events.Hub
	jobs      *jobs.Service
	history   *runner.History
	pool      *sidecar.Pool
	runner    *runner.Runner
	poker     *queue.Poker
	queue     *queue.Client

	stack *lifecycle.Stack
	ready atomic.Bool
}

// DiskFull says that a start failed because a disk is full: the data directory's, or that of a database elsewhere.
func DiskFull(err error) bool {
	return disk.Full(err) || store.DiskFull(err)
}

// New prepares a node: it takes the data directory, starts or reaches Postgres, migrates and builds every part. Call
// Run next, or Close.
func New(ctx context.Context, c *config.Config, log *slog.Logger) (app *App, err error) {
	a := &App{config: c, log: log, metrics: telemetry.NewMetrics(), host: device.NewHost(""), boot: uuid.New()}
	a.stack = lifecycle.New(log)
	a.limitMemory()
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	if a.lock, err = lockDataDir(c.DataDir); err != nil {
		return nil, err
	}
	if a.node, err = nodeID(c.DataDir); err != nil {
		return nil, err
	}
	if err := a.openDatabase(ctx); err != nil {
		return nil, err
	}
	if err := a.buildFiles(ctx); err != nil {
		return nil, err
	}
	if err := a.buildJobs(); err != nil {
		return nil, err
	}
	return a, nil
}

// Close stops what New started.
func (a *App) Close() {
	a.stack.Stop()
	if a.lock != nil {
		_ = a.lock.Close()
	}
}

// shared says that other nodes may use the database.
func (a *App) shared() bool { return a.cluster == nil }

func (a *App) openDatabase(ctx context.Context) error {
	dsn := a.config.Database.DSN
	if dsn == "" {
		cluster, err := pgembed.New(a.clusterConfig())
		if err != nil {
			return err
		}
		if err := cluster.Start(ctx); err != nil {
			return err
		}
		a.cluster, dsn = cluster, cluster.DSN()
		a.stack.Start("postgres", cluster.Run)
	}
	var err error
	a.store, err = store.Open(ctx, a.storeConfig(dsn))
	if err != nil {
		return err
	}
	a.stack.Start("database connections", func(ctx context.Context) error {
		<-ctx.Done()
		a.store.Close()
		return nil
	})
	return nil
}

func (a *App) kernelBoot() string {
	id, err := a.host.KernelBootID()
	if err != nil {
		a.log.Warn("the kernel's boot id cannot be read: a machine that dies under a job is not noticed", "err", err)
	}
	return id
}

func (a *App) buildFiles(ctx context.Context) error {
	c := a.config
	disk, err := blob.NewDisk(filepath.Join(c.DataDir, "blobs"))
	if err != nil {
		return err
	}
	a.blobs = disk
	if a.shared() {
		a.blobs = &blob.Neighbours{Disk: disk, Pool: a.store.Pool(), Node: a.node, KernelBoot: a.kernelBoot()}
	}
	a.media = media.New(a.mediaConfig())
	a.assets = assets.New(a.assetsConfig())
	if a.signer, err = assets.NewSigner(filepath.Join(c.DataDir, "signing.key")); err != nil {
		return err
	}
	a.auth = auth.New(a.authConfig())
	if a.token, a.local, err = a.auth.EnsureCLIToken(ctx, filepath.Join(c.DataDir, "cli.token")); err != nil {
		return err
	}
	a.words = pronunciations.NewService(a.pronunciationsConfig())
	a.voices = voices.New(a.store.Pool(), a.voiceDefaults())
	return nil
}

// buildJobs builds from the catalogue to the queue: the parts that run jobs.
func (a *App) buildJobs() error {
	c := a.config
	catalogue, err := c.Catalogue()
	if err != nil {
		return err
	}
	a.catalogue = catalogue
	sentences, err := c.Sentences()
	if err != nil {
		return err
	}
	i18n.SetDefault(sentences)
	a.poker = queue.NewPoker(a.store.Pool(), a.log)
	a.hub = events.NewHub(a.hubConfig())
	a.jobs = jobs.New(a.jobsConfig())
	a.history = runner.NewHistory(a.jobs, a.log)
	a.pool = sidecar.New(a.sidecarConfig())
	catalogue.Installed = func(m *engine.Manifest) bool { return a.pool.Installed(m) }
	a.models = models.New(c.Models.CacheDir, catalogue).WithBundled(c.BundledModels())
	catalogue.Variants = a.models.Variants
	a.runner = runner.New(a.runnerConfig())
	if a.tasks, err = a.newModelTasks(); err != nil {
		return err
	}
	a.queue, err = queue.New(a.queueConfig())
	return err
}

// The reasons that /readyz gives while no job can be taken.
var (
	errStarting = i18n.NewError("the studio is starting")
	errDatabase = i18n.NewError("the database does not answer")
)

// Ready says whether jobs can be taken: everything runs and the database answers.
func (a *App) Ready(ctx context.Context) error {
	if !a.ready.Load() {
		return errStarting
	}
	if err := a.store.Pool().Ping(ctx); err != nil {
		return errDatabase
	}
	return nil
}

// Options of Run.
type Options struct {
	// ServeAPI false makes the node a worker of a shared database.
	ServeAPI bool
	// Started is called once jobs can be taken.
	Started func(Started)
}

// Started tells where the studio is.
type Started struct {
	// Address that the API listens on, and a one-time link to the page; empty for a worker.
	Address string
	Link    string
}

// Run works until ctx ends or a part fails, then stops everything in reverse order.
func (a *App) Run(ctx context.Context, options Options) error {
	defer a.Close()
	if err := a.prepare(ctx); err != nil {
		return err
	}
	a.stack.Start("events", a.hub.Run)
	a.stack.Start("keys", a.auth.Run)
	a.stack.Start("node", func(ctx context.Context) error { return a.jobs.RunNode(ctx, a.nodeConfig()) })
	a.stack.Start("sidecars", a.pool.Run)
	if a.shared() {
		a.stack.Start("wake others", a.poker.Run)
	}
	a.stack.Start("queue", a.queue.Run)
	a.stack.Start("runner", a.runner.Run)
	a.stack.Start("models", a.tasks.Run) // after the queue: it ends downloads before the queue waits for them
	var started Started
	if options.ServeAPI {
		var err error
		if started, err = a.startAPI(ctx); err != nil {
			return err
		}
	}
	if err := a.config.WriteRunning(); err != nil {
		a.log.Warn("commands on this computer will go by their own configuration", "err", err)
	}
	a.ready.Store(true)
	a.log.Info("ready", "node", a.node, "listen", started.Address)
	if options.Started != nil {
		options.Started(started)
	}
	return a.stack.Wait(ctx)
}

// prepare does what must be done once before anything claims a job.
func (a *App) prepare(ctx context.Context) error {
	taken, err := a.jobs.Recover(ctx)
	if err != nil {
		return err
	}
	if taken > 0 {
		a.log.Info("took back jobs that an earlier run left", "jobs", taken)
	}
	if shared, ok := a.blobs.(*blob.Neighbours); ok {
		if err := shared.Announce(ctx); err != nil {
			return err
		}
	}
	return a.ensureBuiltinVoices(ctx)
}
