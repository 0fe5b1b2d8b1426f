package httpapi

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/doctor"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/names"
	"github.com/apibr/studio/internal/netlimit"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

// Config of a Server. The services are needed; the rest has defaults.
type Config struct {
	Jobs *jobs.Service
	// Generation makes jobs of requests. Default: one that knows the kinds of requests and can make none.
	Generation *generation.Service
	Voices     *voices.Service
	Assets     *assets.Service
	Signer     *assets.Signer
	Auth       *auth.Service
	Projects   *studio.Projects
	Words      *pronunciations.Service
	Catalogue  *engine.Catalogue
	Models     *tasks.Service
	Hub        *events.Hub
	// Doctor examines this computer. It changes nothing and may take some seconds.
	Doctor func(ctx context.Context) doctor.Report

	// LocalToken is the key of this data directory's command line: the server proves to it that it has the same key.
	// Empty: the server proves nothing.
	LocalToken string

	// Listener to serve on.
	Listener net.Listener
	// Ready says why jobs cannot be taken; nil when they can.
	Ready func(ctx context.Context) error
	// Metrics serves /metrics.
	Metrics http.Handler
	// Web is the built page; nil serves none.
	Web fs.FS

	// PublicBaseURL of links; default: the request's Host.
	PublicBaseURL string
	// TrustForwarded believes X-Forwarded-Host and -Proto.
	TrustForwarded bool
	// ListenHost is the host on which the server listens, AllowedHosts are further names of the studio:
	// *.example.org is each name below example.org, * is any. Its own addresses, localhost and the host of
	// PublicBaseURL are always allowed.
	ListenHost   string
	AllowedHosts []string
	// MaxStreams is how many sockets and event streams one owner may have open. Default 64.
	MaxStreams int
	// MaxJSONBytes of a JSON body. Default 64 MiB.
	MaxJSONBytes int64
	// MaxTextBytes of a body without its files and data: URIs. Default 1 MiB.
	MaxTextBytes int64
	// ReadTimeout of headers, and of a pause in a body. Default 30 s.
	ReadTimeout time.Duration
	// IdleTimeout is how long a connection without a request stays open. Default 2 minutes.
	IdleTimeout time.Duration
	// Limits of connections and bodies; ReadTimeout is their ReadPause.
	Limits netlimit.Limits

	Version string
	Log     *slog.Logger
}

func (c *Config) setDefaults() {
	if c.MaxJSONBytes == 0 {
		c.MaxJSONBytes = 64 << 20
	}
	if c.MaxTextBytes == 0 {
		c.MaxTextBytes = 1 << 20
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 64
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = 30 * time.Second
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 2 * time.Minute
	}
	c.Limits.ReadPause = c.ReadTimeout
	if c.Generation == nil {
		c.Generation = generation.New(generation.Config{})
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits.Log = c.Log
}

// Server is the HTTP side of one node.
type Server struct {
	cfg        Config
	echo       *echo.Echo
	api        huma.API
	now        func() time.Time
	generation *generation.Service
	// makers of jobs by type; filled while routes are registered.
	makers map[jobs.Type]maker
	// rules say who may use which route.
	rules map[string]rule
	// known are the addresses of the API.
	known []address
	// parameters that they take in the query, by method and path.
	parameters map[string][]string
	// events caches the jobs of recent events for all their listeners.
	events eventCache
	// hosts are the names by which the studio can be reached.
	hosts *hosts
	// streams are the sockets and event streams that are open.
	streams streams
	// stopping ends sockets and streams before the listener waits for them.
	stopping context.Context
	stop     context.CancelFunc
}

// New builds the routes.
func New(cfg Config) *Server {
	cfg.setDefaults()
	s := &Server{cfg: cfg, generation: cfg.Generation, echo: echo.New(), now: time.Now, makers: map[jobs.Type]maker{},
		rules: maps.Clone(access)}
	s.hosts = newHosts(cfg.PublicBaseURL, cfg.ListenHost, cfg.AllowedHosts)
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) {
		if !c.Response().Committed {
			s.writeProblem(c.Response(), c.Request(), err)
		}
	}
	s.useMiddleware()
	s.api = humaecho.NewV4(s.echo, humaConfig(cfg.Version))
	s.registerAll()
	s.registerStaticRoutes()
	if err := checkAccess(s.echo.Routes(), s.rules); err != nil {
		panic(err) // a route was added without saying who may use it
	}
	s.known, s.parameters = s.addresses(), parametersOf(s.api.OpenAPI())
	return s
}

// humaConfig removes huma's own additions: $schema links and a docs page that loads scripts from another host.
func humaConfig(version string) huma.Config {
	if version == "" {
		version = "dev"
	}
	config := huma.DefaultConfig("APIBR Studio", version)
	config.DocsPath, config.SchemasPath = "", ""
	config.OpenAPIPath = "/api/openapi"
	config.CreateHooks, config.Transformers = nil, nil
	config.Info.Description = "Voices, pictures and talking avatars, made on your own PC by durable jobs."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "API key"},
		"apiKey": {Type: "apiKey", In: "header", Name: "X-API-Key"},
	}
	config.Security = []map[string][]string{{"bearer": {}}, {"apiKey": {}}}
	return config
}

func (s *Server) registerAll() {
	s.registerGenerations()
	s.registerJobs()
	s.registerVoices()
	s.registerPronunciations()
	s.registerProjects()
	s.registerAssets()
	s.registerQueue()
	s.registerAuth()
	s.registerEngines()
	s.registerModels()
	s.registerDoctor()
	finishSpec(s.api.OpenAPI())
}

// huma makes its own refusals by functions in variables of its package. They are set once, before any server is made.
func init() { //nolint:gochecknoinits // these variables can only be set for the whole package
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return refusal(status, message, errs).in(context.Background())
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		p := refusal(status, message, append(errs, checkParameters(ctx.Context()))).in(ctx.Context())
		for name, values := range p.GetHeaders() { // huma asks only the errors of handlers for theirs
			ctx.SetHeader(name, values[0])
		}
		return p
	}
}

// refusal turns a refusal by huma (of a path, query or header value) into a problem.
func refusal(status int, message string, errs []error) *problem {
	var wrong complaints
	for _, err := range errs {
		var detail *huma.ErrorDetail
		var p *problem
		switch {
		case errors.As(err, &p):
			wrong.add(p)
		case errors.As(err, &detail):
			field := parameterProblem(detail)
			wrong.add(newProblem(status, codeInvalid, cannotHonour, field.detail, field))
		}
	}
	if !wrong.none() {
		return problemOf(wrong.err())
	}
	if p := ofStatus(status); p.code != codeHTTP {
		return p
	}
	return newProblem(status, codeInvalid, cannotHonour, i18n.Plain(message))
}

// parameterProblem turns huma's finding about a parameter or a header into a sentence of the studio. huma gives only an
// English text, so the faults are told apart by that.
func parameterProblem(d *huma.ErrorDetail) fieldProblem {
	_, name, _ := strings.Cut(d.Location, ".")
	shown := names.Clip(name)
	told := func(detail i18n.Sentence) fieldProblem {
		return fieldProblem{pointer: "/" + escape(name), detail: detail}
	}
	if least, ok := strings.CutPrefix(d.Message, "expected number >= "); ok {
		return told(i18n.Say("%s is out of range; the least is %s", shown, least))
	}
	if most, ok := strings.CutPrefix(d.Message, "expected number <= "); ok {
		return told(i18n.Say("%s is out of range; the most is %s", shown, most))
	}
	if words, ok := strings.CutPrefix(d.Message, "expected value to be one of "); ok {
		return told(i18n.Say("%s is not known; choose one of %s", shown, strings.Trim(words, `"`)))
	}
	if most, ok := strings.CutPrefix(d.Message, "expected length <= "); ok {
		return told(i18n.Say("%s is too long; the most is %s characters", shown, most))
	}
	if strings.HasPrefix(d.Message, "invalid integer") {
		return told(i18n.Say("%s must be a whole number", shown))
	}
	return told(i18n.Say("%s is not valid: %s", shown, d.Message))
}

// Spec is the OpenAPI 3.1 document, made without any service.
func Spec() ([]byte, error) {
	s := New(Config{})
	return s.api.OpenAPI().MarshalJSON()
}
