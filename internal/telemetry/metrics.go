package telemetry

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the studio's Prometheus metrics. Names begin with apibr_; units are in the names.
type Metrics struct {
	registry  *prometheus.Registry
	jobs      *prometheus.CounterVec
	queueWait *prometheus.HistogramVec
	phases    *prometheus.HistogramVec
	restarts  *prometheus.CounterVec
	signIns   *prometheus.CounterVec
}

// NewMetrics makes the collectors and registers those of the process and of Go.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apibr_jobs_total", Help: "Runs of jobs that ended, by type and how."}, []string{"type", "status"}),
		queueWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apibr_queue_wait_seconds", Help: "Time from being queued to the start of the run.",
			Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1200, 3600}}, []string{"type"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apibr_phase_seconds", Help: "Time that a phase of an engine took.",
			Buckets: []float64{0.01, 0.1, 0.5, 2, 10, 60, 300, 1200}}, []string{"engine", "phase"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apibr_sidecar_restarts_total", Help: "Sidecar processes that were replaced, by cause.",
		}, []string{"engine", "why"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apibr_failed_signins_total",
			Help: "Sign-ins that were refused, by kind of credential, by cause, and whether the address was slowed.",
		},
			[]string{"kind", "cause", "slowed"}),
	}
	m.registry.MustRegister(m.signIns, m.jobs, m.queueWait, m.phases, m.restarts, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds a collector of another package.
func (m *Metrics) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// JobFinished counts a run that ended.
func (m *Metrics) JobFinished(kind, status string) { m.jobs.WithLabelValues(kind, status).Inc() }

// QueueWait observes how long a job waited.
func (m *Metrics) QueueWait(kind string, seconds float64) {
	m.queueWait.WithLabelValues(kind).Observe(seconds)
}

// PhaseSeconds observes how long a phase took.
func (m *Metrics) PhaseSeconds(engine, phase string, seconds float64) {
	m.phases.WithLabelValues(engine, phase).Observe(seconds)
}

// SignInFailed counts a refused sign-in.
func (m *Metrics) SignInFailed(kind, cause string, slowed bool) {
	m.signIns.WithLabelValues(kind, cause, strconv.FormatBool(slowed)).Inc()
}

// SidecarRestart counts a replaced process.
func (m *Metrics) SidecarRestart(engine, why string) { m.restarts.WithLabelValues(engine, why).Inc() }
