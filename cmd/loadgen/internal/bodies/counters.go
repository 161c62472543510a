package bodies

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// Counters returns the counts of the member so far, those from its metrics included.
func (m *Member) Counters() measure.Bodies {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return m.withApplication(m.past)
	}
	return m.withApplication(m.read(m.run))
}

// Progress returns the counts of the member so far without those from its metrics, which makes it
// cheap.
func (m *Member) Progress() measure.Bodies { return m.application.counters() }

// withApplication adds the application's counters to those of replicas.
func (m *Member) withApplication(of measure.Bodies) measure.Bodies {
	b := m.application.counters()
	b.Fetched, b.PushesDropped, b.BytesIn, b.BytesOut = of.Fetched, of.PushesDropped, of.BytesIn, of.BytesOut
	b.Nodes, b.Acks, b.Certificates = of.Nodes, of.Acks, of.Certificates
	b.Disk, b.Archived, b.HeapPeak = of.Disk, of.Archived, of.HeapPeak
	return b
}

// read returns the counts of the member's replicas, from their metrics. m.mu is held.
func (m *Member) read(n *running) measure.Bodies {
	b := m.past
	families, err := n.registry.Gather()
	if err != nil {
		m.cfg.Problems.Fault("%s: reading the metrics: %v", m.cfg.Name, err)
		return b
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			label := ""
			if l := metric.GetLabel(); len(l) == 1 {
				label = l[0].GetValue()
			}
			v := uint64(metric.GetCounter().GetValue())
			switch f.GetName() {
			case "lanecast_replica_fetched_bodies_total":
				b.Fetched += v
			case "lanecast_replica_pushes_dropped_total":
				b.PushesDropped += v
			case "lanecast_network_received_bytes_total":
				b.BytesIn += v
			case "lanecast_network_sent_bytes_total":
				b.BytesOut += v
			case "lanecast_network_sent_messages_total":
				switch label {
				case "node":
					b.Nodes += v
				case "ack":
					b.Acks += v
				case "certificate":
					b.Certificates += v
				}
			}
		}
	}
	u := n.replica.Usage()
	b.Disk, b.Archived = u.Disk, u.Used+u.Room+u.Pushed
	return b
}

// Peers returns how many peers are connected.
func (m *Member) Peers() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		return 0
	}
	families, err := m.run.registry.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		if f.GetName() != "lanecast_network_peers" {
			continue
		}
		for _, metric := range f.GetMetric() {
			n += int(metric.GetGauge().GetValue())
		}
	}
	return n
}

// collector collects the metrics of a member's replica while it runs. They are not known in
// advance.
type collector struct{ *Member }

// Describe implements prometheus.Collector.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	n := c.run
	c.mu.Unlock()
	if n != nil {
		n.registry.Collect(out)
	}
}
