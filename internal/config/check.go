package config

import (
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/torchenv"
)

// InvalidError is a configuration with wrong keys or values; it names all of them.
type InvalidError struct{ Problems []i18n.Sentence }

// Error is the sentence in English.
func (e *InvalidError) Error() string { return e.Sentence().String() }

// Sentence is a line for each problem.
func (e *InvalidError) Sentence() i18n.Sentence {
	all := e.Problems[0]
	for _, problem := range e.Problems[1:] {
		all = i18n.Say("%s\n%s", all, problem)
	}
	return all
}

// problems gathers what is wrong with the values.
type problems []i18n.Sentence

func (p *problems) require(ok bool, format string, args ...any) {
	if !ok {
		*p = append(*p, i18n.Say(format, args...))
	}
}

func (p *problems) oneOf(key, value string, allowed ...string) {
	p.require(slices.Contains(allowed, value), "%s is %q; it must be one of: %s", key, value, i18n.Commas(allowed...))
}

// err is nil when nothing is wrong.
func (p *problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	return &InvalidError{*p}
}

// check finds all wrong values at once.
func (c *Config) check() error {
	p := &problems{}
	c.checkEngines(p)
	if host, port, err := net.SplitHostPort(c.Address()); err != nil || port == "" {
		p.require(false, "listen is %q; it must be HOST:PORT, such as 127.0.0.1:8000", c.Address())
	} else {
		number, err := strconv.Atoi(port)
		p.require(err == nil && number >= 0 && number <= 65535, "the port of %s:%s must be 0 to 65535", host, port)
	}
	p.oneOf("gpu.device", c.GPU.Device, "auto", "rocm", "cuda", "cpu")
	if c.GPU.MemoryFraction != "auto" {
		share, err := strconv.ParseFloat(c.GPU.MemoryFraction, 64)
		p.require(
			err == nil && share > 0 && share <= 1,
			"gpu.memory_fraction is %q; it must be auto or a number above 0 and up to 1",
			c.GPU.MemoryFraction,
		)
	}
	p.require(c.Server.Workers >= 1, "server.workers is %d; it must be 1 or more", c.Server.Workers)
	p.require(
		c.Queue.MaxConcurrentJobs >= 1,
		"queue.max_concurrent_jobs is %d; it must be 1 or more",
		c.Queue.MaxConcurrentJobs,
	)
	weights := c.Queue.PriorityWeights
	for lane, weight := range map[string]int{"audio": weights.Audio, "image": weights.Image, "video": weights.Video} {
		p.require(weight >= 1 && weight <= 100, "queue.priority_weights.%s is %d; it must be 1 to 100", lane, weight)
	}
	p.require(c.Queue.MaxWait > 0, "queue.max_wait must be above 0, such as 10m")
	p.require(c.Queue.MaxQueued >= 0, "queue.max_queued is %d; it must be 0 (no limit) or more", c.Queue.MaxQueued)
	p.require(c.Queue.EventRetention > 0, "queue.event_retention must be above 0, such as 168h")
	p.require(
		c.Supervisor.MaxSpares >= 0,
		"supervisor.max_spares is %d; it must be 0 (none) or more",
		c.Supervisor.MaxSpares,
	)
	for _, path := range c.Supervisor.SandboxPaths {
		p.require(filepath.IsAbs(path), "supervisor.sandbox_paths holds %q; it must be a full path", path)
	}
	c.checkPositive(p)
	p.oneOf("database.pool_mode", c.Database.PoolMode, "auto", "session", "transaction")
	p.oneOf("database.root_mode", c.Database.RootMode, "auto", "userns", "setuid")
	p.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	p.oneOf("log.format", c.Log.Format, "text", "json")
	for id, sidecar := range c.Sidecars {
		p.require(
			len(sidecar.Command) > 0 && sidecar.Command[0] != "",
			"sidecars.%s.command must be a list of strings: the program and its arguments",
			id,
		)
	}
	if c.PublicBaseURL != "" {
		address, err := url.Parse(c.PublicBaseURL)
		p.require(
			err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "",
			"public_base_url must be an http or https URL",
		)
	}
	for id, index := range c.Models.TorchIndexes {
		p.require(
			slices.Contains(torchenv.IDs(), id),
			"models.torch_indexes.%s: there is no such profile; it must be one of: %s",
			id,
			i18n.Commas(torchenv.IDs()...),
		)
		address, err := url.Parse(index)
		p.require(
			err == nil &&
				(filepath.IsAbs(index) || (address.Scheme == "http" || address.Scheme == "https") &&
					address.Host != ""),
			"models.torch_indexes.%s must be an http or https URL, or the full path of a folder",
			id,
		)
	}
	if hub, err := url.Parse(c.Models.HubURL); err != nil || hub.Host == "" ||
		(hub.Scheme != "https" && hub.Scheme != "http") {
		p.require(false, "models.hub_url must be an https address, or an http one of your own network")
	}
	p.require(c.Auth.Recheck > 0, "auth.recheck must be above 0, such as 1m")
	for key, value := range map[string]int{"failed_burst": c.Auth.FailedBurst,
		"failed_per_minute": c.Auth.FailedPerMinute,
		"loopback_factor":   c.Auth.LoopbackFactor, "failed_addresses": c.Auth.FailedAddresses} {
		p.require(value >= 1, "auth.%s is %d; it must be 1 or more", key, value)
	}
	p.require(
		c.Media.MaxProcesses >= 0,
		"media.max_processes is %d; it must be 1 or more, or 0 for the number of cores",
		c.Media.MaxProcesses,
	)
	c.checkVoices(p)
	p.require(
		c.Pronunciations.Limit >= 1 && c.Pronunciations.Limit <= mostPronunciations,
		"pronunciations.limit is %d; it must be 1 to %d", c.Pronunciations.Limit, mostPronunciations,
	)
	p.require(
		c.Guard.MinAvailableFraction >= 0 && c.Guard.MinAvailableFraction < 1,
		"guard.min_available_fraction must be 0 or more and below 1",
	)
	return p.err()
}

// mostPronunciations of a user: a request for speech looks at all of them.
const mostPronunciations = 10_000

// checkVoices refuses a language that is not a tag. Whether the voices exist is known only to the running studio.
func (c *Config) checkVoices(p *problems) {
	p.require(c.Voices.MinSeconds > 0, "voices.min_seconds must be above 0")
	for _, tag := range slices.Sorted(maps.Keys(c.Voices.Default)) {
		p.require(isLanguage(tag), "voices.default.%s is not for a language: write its tag, such as pt-BR or en", tag)
		p.require(c.Voices.Default[tag] != "", "voices.default.%s names no voice", tag)
	}
	p.require(isLanguage(c.Voices.DefaultLanguage),
		"voices.default_language is %q; it must be the tag of a language, such as pt-BR or en",
		c.Voices.DefaultLanguage)
}

// isLanguage says whether a text is a language's tag: pt-BR, pt_BR and en are, Portuguese is not.
func isLanguage(text string) bool {
	tag, err := language.Parse(text)
	return err == nil && !tag.IsRoot()
}

// checkPositive refuses zeros that would silently mean a default.
func (c *Config) checkPositive(p *problems) {
	s, m := c.Supervisor, c.Media
	for key, value := range map[string]float64{
		"supervisor.hang_grace": float64(s.HangGrace), "supervisor.cancel_grace": float64(s.CancelGrace),
		"supervisor.term_grace": float64(s.TermGrace), "supervisor.max_faults": float64(s.MaxFaults),
		"supervisor.soft_stop": float64(s.SoftStop), "supervisor.stop_writes": float64(s.StopWrites),
		"supervisor.max_shortages": float64(s.MaxShortages),
		"database.max_connections": float64(c.Database.MaxConnections),
		"media.max_upload_bytes":   float64(m.MaxUploadBytes), "media.max_image_pixels": float64(m.MaxImagePixels),
		"media.max_image_side": float64(m.MaxImageSide), "media.max_video_pixels": float64(m.MaxVideoPixels),
		"media.max_audio_seconds": m.MaxAudioSeconds, "media.max_video_seconds": m.MaxVideoSeconds,
		"media.max_streams": float64(m.MaxStreams), "media.fetch_timeout": float64(m.FetchTimeout),
		"media.probe_timeout": float64(m.ProbeTimeout), "media.work_timeout": float64(m.WorkTimeout),
		"media.max_wait":      float64(m.MaxWait),
		"http.max_json_bytes": float64(c.HTTP.MaxJSONBytes), "http.max_text_bytes": float64(c.HTTP.MaxTextBytes),
		"http.read_timeout":  float64(c.HTTP.ReadTimeout),
		"http.write_timeout": float64(c.HTTP.WriteTimeout), "http.idle_timeout": float64(c.HTTP.IdleTimeout),
		"http.min_rate": float64(c.HTTP.MinRate), "http.max_streams": float64(c.HTTP.MaxStreams),
		"http.drain_bytes":   float64(c.HTTP.DrainBytes),
		"http.drain_timeout": float64(c.HTTP.DrainTimeout), "server.max_connections": float64(c.Server.MaxConnections),
		"server.max_connections_per_address": float64(c.Server.MaxConnectionsPerAddress),
	} {
		p.require(value > 0, "%s must be above 0", key)
	}
	l := s.Limits
	for key, value := range map[string]int{
		"outputs": l.Outputs, "output_bytes": int(l.OutputBytes), "segments": l.Segments,
		"phase_changes": l.PhaseChanges, "undeclared_phases": l.UndeclaredPhases,
		"log_messages": l.LogMessages, "log_lines": l.LogLines, "text": l.Text, "metadata": int(l.Metadata),
		"values": l.Values, "depth": l.Depth,
		"warnings": l.Warnings,
	} {
		p.require(value > 0, "supervisor.limits.%s must be above 0", key)
	}
	for key, value := range map[string]float64{"models.keep_alive": float64(c.Models.KeepAlive),
		"guard.pressure_full": c.Guard.PressureFull} {
		p.require(value >= 0, "%s must be 0 or more", key)
	}
}
