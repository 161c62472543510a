package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/wire"
)

// Reasons for which a push is dropped.
const (
	pushInvalid = iota
	pushUnwanted
	pushBroken
	pushRoom
	pushReasons
)

var pushReasonNames = [pushReasons]string{"invalid", "unwanted", "broken", "no_room"}

// counts are the replica's metrics, as a prometheus.Collector.
type counts struct {
	replica *Replica

	delivered, deliveredBytes     atomic.Uint64
	fetched, headersFetched       atomic.Uint64
	requestsFailed, wrongAnswers  atomic.Uint64
	pushes, pushesReceived        atomic.Uint64
	pushesDropped                 [pushReasons]atomic.Uint64
	headersServed, piecesServed   atomic.Uint64
	stoppedLanes                  atomic.Uint64
	descriptions                  []*prometheus.Desc
	droppedDesc, waitingDesc      *prometheus.Desc
	bufferedDesc, fullDesc, heldD *prometheus.Desc
}

func newCounts(r *Replica) *counts {
	c := &counts{replica: r}
	for _, m := range c.counters() {
		c.descriptions = append(c.descriptions, prometheus.NewDesc("lanecast_replica_"+m.name, m.help, nil, nil))
	}
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("lanecast_replica_"+name, help, labels, nil)
	}
	c.droppedDesc = describe("pushes_dropped_total", "Bodies pushed to us that were dropped.", "reason")
	c.waitingDesc = describe("undelivered_chunks", "Certified chunks that the host has not taken, of all lanes.")
	c.bufferedDesc = describe("cached_bytes", "Bodies cached in memory for later requests.")
	c.fullDesc = describe("archive_full", "1 while a body finds no room in the archive.")
	c.heldD = describe("proposals_held", "1 while our lane waits for the host to take certified chunks.")
	return c
}

type counter struct {
	name, help string
	value      *atomic.Uint64
}

func (c *counts) counters() []counter {
	return []counter{
		{"delivered_chunks_total", "Chunks handed over to the host.", &c.delivered},
		{"delivered_bytes_total", "Bytes of bodies handed over.", &c.deliveredBytes},
		{"fetched_bodies_total", "Bodies fetched from peers.", &c.fetched},
		{"fetched_headers_total", "Headers fetched from peers.", &c.headersFetched},
		{"requests_failed_total", "Requests of ours without an answer.", &c.requestsFailed},
		{"wrong_answers_total", "Answers that no honest peer gives.", &c.wrongAnswers},
		{"pushes_total", "Bodies of ours sent to the validators.", &c.pushes},
		{"pushes_received_total", "Bodies pushed to us, whole.", &c.pushesReceived},
		{"headers_served_total", "Headers sent to peers that asked.", &c.headersServed},
		{"pieces_served_total", "Pieces sent to peers that asked.", &c.piecesServed},
		{"stopped_lanes_total", "Lanes that have stopped, since their certified chunks contradict each other.", &c.stoppedLanes},
	}
}

// Describe implements prometheus.Collector.
func (c *counts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descriptions {
		out <- d
	}
	for _, d := range []*prometheus.Desc{c.droppedDesc, c.waitingDesc, c.bufferedDesc, c.fullDesc, c.heldD} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *counts) Collect(out chan<- prometheus.Metric) {
	for i, m := range c.counters() {
		out <- prometheus.MustNewConstMetric(c.descriptions[i], prometheus.CounterValue, float64(m.value.Load()))
	}
	for i := range c.pushesDropped {
		out <- prometheus.MustNewConstMetric(c.droppedDesc, prometheus.CounterValue, float64(c.pushesDropped[i].Load()), pushReasonNames[i])
	}
	waiting := uint64(0)
	for _, l := range c.replica.allLanes() {
		l.mu.Lock()
		if l.locked && l.lock.Chunk.Height >= l.next {
			waiting += l.lock.Chunk.Height - l.next + 1
		}
		l.mu.Unlock()
	}
	s := c.replica.store
	s.mu.Lock()
	cached := s.bytes
	s.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	gauge(c.waitingDesc, float64(waiting))
	gauge(c.bufferedDesc, float64(cached))
	gauge(c.fullDesc, zeroOrOne(s.full.Load()))
	gauge(c.heldD, zeroOrOne(c.replica.held.Load()))
}

func zeroOrOne(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// limiter passes one log line per peer and interval.
type limiter struct {
	mu   *sync.Mutex
	last map[wire.PublicKey]time.Time // at most maxLimited
}

const (
	logInterval = 10 * time.Second
	maxLimited  = 1 << 12
)

func newLimiter() limiter { return limiter{new(sync.Mutex), make(map[wire.PublicKey]time.Time)} }

func (l limiter) log(about wire.PublicKey, line func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, ok := l.last[about]; ok && now.Sub(last) < logInterval {
		return
	}
	if len(l.last) >= maxLimited {
		clear(l.last)
	}
	l.last[about] = now
	line()
}
