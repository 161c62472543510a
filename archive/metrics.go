package archive

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// collector is a prometheus.Collector. It reads all when it is scraped.
type collector struct{ a *Archive }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("lanecast", "archive", name), help, labels, nil)
}

var (
	descBodies   = describe("body_bytes", "Bytes of bodies with their framing: wanted ones within the quota and beyond it, pushed ones.", "use")
	descRetained = describe("retained_bytes", "Bytes of wanted bodies that the watermark has passed.")
	descPending  = describe("pending_bytes", "Bytes of bodies that wait to become durable.")
	descQuota    = describe("quota_bytes", "Bytes of bodies that are kept: Config.Quota.")
	descHeaders  = describe("headers", "Headers held, with bodies and without.")
	descDisk     = describe("disk_bytes", "Bytes of files: data segments, and the index.", "part")
	descSegments = describe("segments", "Data segments.")
	descDamaged  = describe("damaged_bodies_total", "Bodies found damaged since the archive was opened.")
	descFailed   = describe("failed", "1 after a failure: nothing becomes durable any more.")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descBodies, descRetained, descPending, descQuota, descHeaders, descDisk, descSegments, descDamaged, descFailed,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		send(d, prometheus.GaugeValue, float64(v), labels...)
	}
	u := c.a.Usage()
	gauge(descBodies, u.Used, "quota")
	gauge(descBodies, u.Room, "room")
	gauge(descBodies, u.Pushed, "pushed")
	gauge(descRetained, u.Retained)
	gauge(descPending, u.Pending)
	gauge(descQuota, c.a.cfg.Quota)
	gauge(descHeaders, int64(u.Headers))
	_, index := c.a.index.Size()
	gauge(descDisk, u.Disk, "data")
	gauge(descDisk, index, "index")
	gauge(descSegments, int64(u.Segments))
	send(descDamaged, prometheus.CounterValue, float64(u.Damaged))
	failed := 0.0
	if c.a.Err() != nil {
		failed = 1
	}
	send(descFailed, prometheus.GaugeValue, failed)
}

// register registers the metrics, if they are wanted.
func (a *Archive) register() error {
	if a.cfg.Metrics == nil {
		return nil
	}
	if err := a.cfg.Metrics.Register(&collector{a}); err != nil {
		return fmt.Errorf("archive: registering metrics: %w; archives that share Config.Metrics need a label, "+
			"see prometheus.WrapRegistererWith", err)
	}
	return nil
}

func (a *Archive) unregister() {
	if a.cfg.Metrics != nil {
		a.cfg.Metrics.Unregister(&collector{a})
	}
}
