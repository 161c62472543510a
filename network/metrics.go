package network

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The reasons for dropping a message, and for refusing a connection.
const (
	dropFull = iota
	dropDisconnected
	dropTooLong
	dropType
	dropReasons
)

const (
	failDial = iota
	failTLS
	failTimeout
	failFull
	failIdentity
	failSettings
	failRefused
	failBusy
	failProtocol
	failOther
	failReasons
)

var (
	dropNames = [dropReasons]string{"queue_full", "not_connected", "too_long", "no_such_type"}
	failNames = [failReasons]string{"dial", "tls", "timeout", "too_many", "other_identity", "settings", "refused", "busy", "protocol", "other"}
)

// typeCounts counts messages and bytes by type, in one direction.
type typeCounts struct {
	messages, bytes [256]atomic.Uint64 // by index of the type
}

func (t *typeCounts) add(info *typeInfo, bytes int) {
	t.messages[info.index].Add(1)
	t.bytes[info.index].Add(uint64(bytes))
}

// counts is a prometheus.Collector. Nothing in it is per peer.
type counts struct {
	n              *Network
	sent, received typeCounts
	drops          [dropReasons]atomic.Uint64
	fails          [failReasons]atomic.Uint64
	differences    [3]atomic.Uint64 // by softSettings
	skipped        atomic.Uint64
	late, busy     atomic.Uint64
	dials, pauses  atomic.Uint64
	roundTrip      prometheus.Histogram
}

func newCounts(n *Network) *counts {
	return &counts{n: n, roundTrip: prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "lanecast", Subsystem: "network", Name: "round_trip_seconds",
		Help: "Round-trip times of pings.", Buckets: prometheus.ExponentialBuckets(100e-6, 2.5, 13),
	})}
}

func (c *counts) drop(reason, messages int)       { c.drops[reason].Add(uint64(messages)) }
func (c *counts) fail(reason int)                 { c.fails[reason].Add(1) }
func (c *counts) observe(roundTrip time.Duration) { c.roundTrip.Observe(roundTrip.Seconds()) }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("lanecast", "network", name), help, labels, nil)
}

var (
	descPeers      = describe("peers", "Connected peers.", "role")
	descConns      = describe("connections", "Live connections.", "class")
	descQueue      = describe("queue_messages", "Messages that wait to be sent.", "class")
	descQueueBytes = describe("queue_bytes", "Bytes that wait to be sent.", "class")
	descSent       = describe("sent_messages_total", "Messages sent.", "type")
	descSentBytes  = describe("sent_bytes_total", "Bytes of messages sent.", "type")
	descReceived   = describe("received_messages_total", "Messages received.", "type")
	descRecvBytes  = describe("received_bytes_total", "Bytes of messages received.", "type")
	descDropped    = describe("dropped_messages_total", "Messages that were not sent.", "reason")
	descSkipped    = describe("skipped_frames_total", "Frames of unknown types from 0x80 on.")
	descPauses     = describe("read_pauses_total", "Pauses before a read, so that it brings more.")
	descDials      = describe("dials_total", "Attempts to connect, the first to a peer and all later ones.")
	descFails      = describe("connections_failed_total", "Connections that failed before the peer was connected, or for a protocol error.", "reason")
	descDiffer     = describe("settings_differ_total", "Connections to peers that have another setting.", "setting")
	descServing    = describe("requests_serving", "Requests that are being served.")
	descBusy       = describe("requests_refused_total", "Requests refused because too many were being served.")
	descLate       = describe("answers_late_total", "Answers that came after their request had ended.")
)

// Describe implements prometheus.Collector.
func (c *counts) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descPeers, descConns, descQueue, descQueueBytes, descSent, descSentBytes, descReceived, descRecvBytes, descDropped,
		descSkipped, descPauses, descDials, descFails, descDiffer, descServing, descBusy, descLate,
	} {
		ch <- d
	}
	c.roundTrip.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *counts) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	var roles [Follower + 1]int
	var live, messages, bytes [classes]int
	c.n.mu.RLock()
	for _, p := range c.n.peers {
		roles[p.role]++
		for class := range p.links {
			l := &p.links[class]
			if l.live != nil {
				live[class]++
			}
			m, b := l.queue.waiting()
			messages[class] += m
			bytes[class] += b
		}
	}
	c.n.mu.RUnlock()
	for _, r := range []Role{Member, Follower} {
		gauge(descPeers, roles[r], r.String())
	}
	for class := range Class(classes) {
		gauge(descConns, live[class], class.String())
		gauge(descQueue, messages[class], class.String())
		gauge(descQueueBytes, bytes[class], class.String())
	}
	for t := range c.n.types {
		if info := &c.n.types[t]; info.known {
			counter(descSent, c.sent.messages[info.index].Load(), info.Name)
			counter(descSentBytes, c.sent.bytes[info.index].Load(), info.Name)
			counter(descReceived, c.received.messages[info.index].Load(), info.Name)
			counter(descRecvBytes, c.received.bytes[info.index].Load(), info.Name)
		}
	}
	for i, name := range dropNames {
		counter(descDropped, c.drops[i].Load(), name)
	}
	for i, name := range failNames {
		counter(descFails, c.fails[i].Load(), name)
	}
	for i, name := range softSettings {
		counter(descDiffer, c.differences[i].Load(), name)
	}
	counter(descSkipped, c.skipped.Load())
	counter(descPauses, c.pauses.Load())
	counter(descDials, c.dials.Load())
	gauge(descServing, int(c.n.serving.Load()+c.n.servingFollowers.Load()))
	counter(descBusy, c.busy.Load())
	counter(descLate, c.late.Load())
	c.roundTrip.Collect(ch)
}
