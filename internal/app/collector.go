package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/jobs"
)

// hostCollector reads the machine and the queue when they are asked for.
type hostCollector struct {
	host *device.Host
	jobs *jobs.Service

	memory, gpu, queue *prometheus.Desc
}

func newHostCollector(host *device.Host, service *jobs.Service) *hostCollector {
	return &hostCollector{host: host, jobs: service,
		memory: prometheus.NewDesc(
			"apibr_host_memory_bytes",
			"Memory of the host: total and available.",
			[]string{"kind"},
			nil,
		),
		gpu: prometheus.NewDesc(
			"apibr_gpu_memory_bytes",
			"Memory of the graphics cards: total, used, and host memory mapped for them (gtt).",
			[]string{"device", "name", "kind"},
			nil,
		),
		queue: prometheus.NewDesc("apibr_queue_jobs", "Unfinished jobs by status.", []string{"status"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *hostCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.memory
	descs <- c.gpu
	descs <- c.queue
}

// Collect implements prometheus.Collector.
func (c *hostCollector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value int64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	snapshot := c.host.Snapshot()
	if snapshot.Err == nil {
		gauge(c.memory, snapshot.RAMTotal, "total")
		gauge(c.memory, snapshot.RAMAvailable, "available")
	}
	for _, g := range snapshot.GPUs {
		gauge(c.gpu, g.VRAMTotal, g.Device(), g.Name, "total")
		gauge(c.gpu, g.VRAMUsed, g.Device(), g.Name, "used")
		gauge(c.gpu, g.GTTUsed, g.Device(), g.Name, "gtt")
	}
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if info, err := c.jobs.Counts(ctx, nil); err == nil {
		gauge(c.queue, int64(info.Queued), "queued")
		gauge(c.queue, int64(info.Processing), "processing")
	}
}
