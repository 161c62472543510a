package engine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/verify/batch"
)

// scrapeTimeout bounds how long a scrape waits for the loop, which answers between messages.
const scrapeTimeout = time.Second

// metrics is a prometheus.Collector. Counters are read from the loop when they are scraped, so they
// cost nothing per message. Durations are observed where they occur: once per batch, sync, verdict
// or lock of our own.
type metrics struct {
	engine *Engine

	verifyDuration prometheus.Histogram
	endToEnd       prometheus.Histogram
	batchSize      prometheus.Histogram
	batchDuration  prometheus.Histogram
	syncDuration   prometheus.Histogram
	syncRecords    prometheus.Histogram
}

func newMetrics(e *Engine) *metrics {
	fine, long := durations(-4, 1), durations(-3, 2) // 100 µs to 63 s, 1 ms to 630 s
	sizes := prometheus.ExponentialBuckets(1, 2, 12) // 1 to 2048
	return &metrics{
		engine:         e,
		verifyDuration: histogram("application_verdict_seconds", "Time the application took for a verdict.", long),
		endToEnd:       histogram("e2e_duration_seconds", "Time from a proposal of ours to its certificate.", long),
		batchSize:      histogram("batch_statements", "Statements verified together.", sizes),
		batchDuration:  histogram("batch_duration_seconds", "Time it took to verify a batch.", fine),
		syncDuration:   histogram("journal_sync_duration_seconds", "Time of a write and sync of the journal.", fine),
		syncRecords:    histogram("journal_sync_records", "Records made durable by one sync.", sizes),
	}
}

// durations returns five bounds for each power of ten of seconds from 10^first to 10^last. Each
// bound is at most 1.6 times the one before, so a quantile is off by less than that factor. They
// are the preferred numbers R5 of ISO 3.
func durations(first, last int) (bounds []float64) {
	for power := first; power <= last; power++ {
		for _, digits := range []string{"1", "1.6", "2.5", "4", "6.3"} {
			bound, err := strconv.ParseFloat(fmt.Sprintf("%se%d", digits, power), 64)
			if err != nil {
				panic(err) // the text is a constant of this package
			}
			bounds = append(bounds, bound)
		}
	}
	return bounds
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "lanecast", Name: name, Help: help, Buckets: buckets,
	})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("lanecast", "", name), help, labels, nil)
}

var (
	descHeight       = describe("sequencer_height", "Height of the lane's tip.", "sequencer")
	descCertified    = describe("sequencer_certified_height", "Highest certified height of the lane.", "sequencer")
	descAcks         = describe("acks_total", "Acks received, by outcome.", "status", "reason")
	descAcksInvalid  = describe("acks_proven_invalid_total", "Acks whose signature was proven wrong.")
	descNodes        = describe("nodes_total", "Nodes received, by outcome; again if invalid or stale.", "status", "reason")
	descNodesValid   = describe("nodes_verified_total", "Nodes that verified.")
	descCertMessages = describe("certificate_messages_total",
		"Certificate messages received, by outcome; again if invalid or stale.", "status", "reason")
	descCertReceived = describe("certificates_received_total", "Certificate messages that verified.")
	descVerify       = describe("application_verdicts_total", "The application's verdicts: success: true, failure: false, none: an error, dropped: too late.", "status")
	descCertificates = describe("certificates_total", "Certificates assembled here.")
	descLocks        = describe("locks_total", "New certificates, assembled or received.")
	descPropose      = describe("propose_total", "Attempts to make a chunk of ours, from the application's payload on.", "status")
	descDeclined     = describe("propose_declined_total", "Questions for a payload that the application declined.")
	descBroadcast    = describe("broadcast_total", "Broadcasts of our own chunks, first and repeated ones.", "status")
	descRebroadcast  = describe("rebroadcast_total", "Repeated broadcasts of our own chunks.", "status")
	descOwnAcks      = describe("own_acks_total", "Acks of our own: signed, failed, obsolete.", "status")
	descFaults       = describe("faults_total", "Faults reported.")
	descKeyFaults    = describe("key_faults_total", "Verifications that failed because keys of a set do not fit each other.")
	descEpoch        = describe("epoch", "The current epoch.")
	descPeers        = describe("peers", "Peer handles.")
	descInbox        = describe("inbox_messages", "Messages that wait in the inbox.")
	descDropped      = describe("inbox_dropped_total", "Messages dropped at the inbox.", "reason")
	descNeeded       = describe("limit_needed_ratio", "Need of the known sets, as a part of a limit of the configuration.", "field")
	descPauses       = describe("intake_pauses_total", "Times that the intake paused because the reporter or the disk was behind.")
	descStatements   = describe("statements_total", "Statements verified.")
	descWaiting      = describe("statements_waiting", "Statements that wait for a worker.")
	descSplits       = describe("splits_total", "Batch checks that failed and were split.")
	descParents      = describe("parents_dropped_total", "Parent certificates of replaced nodes that were not verified.")
	descUnreported   = describe("locks_unreported", "Locks whose records wait in the journal for the reporter.")
	descDormant      = describe("dormant_lanes", "Lanes of sequencers that are in no known epoch within bounds.")
	descRecovering   = describe("recovering", "1 while a lost journal has not been replaced, and nothing is signed.")
	descAbstaining   = describe("abstaining_lanes", "Lanes on which nothing is acked yet, since the journal was lost.")
	descAbstainingTo = describe("abstaining_height", "The highest height up to which nothing is acked on such a lane.")
	descOwnLane      = describe("own_lane_blocked", "1 for the reason that blocks our own lane, apart from the application.", "reason")
	descOwnChunks    = describe("own_chunks_refused_total", "Chunks that peers showed in a recovery as ours, without our signature.")
	descSuspects     = describe("suspects", "Validators under suspicion.")
	descVoteBytes    = describe("vote_bytes", "Memory of acks that wait for their quorum.")
	descVolatile     = describe("journal_volatile_bytes", "Bytes that wait to become durable.")
	descReports      = describe("reports_pending", "Activities that wait for the reporter.")
	descOutbox       = describe("outbox_messages", "Messages that wait for the sender.")
	descOutboxDrops  = describe("outbox_dropped_total", "Messages dropped because the sender was behind.")

	descBuild      = describe("build_info", "1, with the version of this module and of Go.", "version", "go")
	descWorkers    = describe("workers", "Goroutines that verify signatures: Config.Workers.")
	descValidators = describe("validators", "Validators of the current epoch.")
	descWeight     = describe("weight", "Weight of all validators of the current epoch.")
	descQuorum     = describe("quorum", "Weight of a quorum of the current epoch.")
	descSequencers = describe("sequencers", "Sequencers of the current epoch.")
	descValidator  = describe("validator", "1 if this process is a validator of the current epoch.")
	descTimely     = describe("validator_acks_total", "Acks of a validator of the current epoch: in time, or after the certificate.", "signer", "timing")
	descParentAcks = describe("parents_total", "Parent certificates in nodes of others, by whether they include an ack of ours.", "own_ack")
	descJournal    = describe("journal_bytes", "Bytes of the journal's segments.")
	descSegments   = describe("journal_segments", "Segments of the journal.")
)

func (m *metrics) register() error {
	if m.engine.cfg.Metrics == nil {
		return nil
	}
	if err := m.engine.cfg.Metrics.Register(m); err != nil {
		return fmt.Errorf("%w: %w", ErrMetrics, err)
	}
	return nil
}

func (m *metrics) unregister() {
	if m.engine.cfg.Metrics != nil {
		m.engine.cfg.Metrics.Unregister(m)
	}
}

func (m *metrics) histograms() []prometheus.Histogram {
	return []prometheus.Histogram{m.verifyDuration, m.endToEnd, m.batchSize, m.batchDuration, m.syncDuration, m.syncRecords}
}

// observeBatch observes a batch. Verification workers call it.
func (m *metrics) observeBatch(b batch.Info) {
	m.batchSize.Observe(float64(b.Statements))
	m.batchDuration.Observe(b.Duration.Seconds())
}

// observeSync observes a sync. The journal's goroutine calls it.
func (m *metrics) observeSync(s journal.SyncInfo) {
	m.syncDuration.Observe(s.Duration.Seconds())
	m.syncRecords.Observe(float64(s.Records))
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descHeight, descCertified, descAcks, descAcksInvalid, descNodes, descNodesValid, descVerify, descCertificates, descLocks,
		descPropose, descDeclined, descBroadcast, descRebroadcast, descOwnAcks, descFaults, descKeyFaults, descEpoch, descPeers,
		descInbox, descDropped, descPauses, descStatements, descWaiting, descSplits, descSuspects, descVoteBytes, descVolatile, descReports,
		descOutbox, descOutboxDrops, descParents, descUnreported, descDormant, descRecovering, descAbstaining, descAbstainingTo,
		descOwnLane, descOwnChunks, descNeeded, descCertMessages, descCertReceived, descBuild, descWorkers, descValidators, descWeight,
		descQuorum, descSequencers, descValidator, descTimely, descParentAcks, descJournal, descSegments,
	} {
		ch <- d
	}
	for _, h := range m.histograms() {
		h.Describe(ch)
	}
}

// Collect implements prometheus.Collector. While the engine does not run, it collects only the
// histograms and values known without the loop.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, h := range m.histograms() {
		h.Collect(ch)
	}
	e := m.engine
	version, goVersion := build()
	ch <- prometheus.MustNewConstMetric(descBuild, prometheus.GaugeValue, 1, version, goVersion)
	ch <- prometheus.MustNewConstMetric(descWorkers, prometheus.GaugeValue, float64(e.cfg.Workers))
	select {
	case <-e.started:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	type answer struct {
		Status
		set setState
	}
	s, err := ask(ctx, e, func() answer { return answer{e.status(), e.setState()} })
	if err != nil {
		return
	}
	c := collection{ch}
	c.lanes(s.Lanes)
	c.counts(&s.counts)
	c.state(e, &s.Status)
	segments, bytes := e.journal.Size()
	c.gauge(descSegments, float64(segments))
	c.gauge(descJournal, float64(bytes))
	if s.set.known {
		c.set(&s.set)
	}
}

// collection is one call of Collect.
type collection struct{ ch chan<- prometheus.Metric }

func (c collection) gauge(d *prometheus.Desc, v float64, labels ...string) {
	c.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c collection) counter(d *prometheus.Desc, v uint64, labels ...string) {
	c.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// statuses collects a counter for each core.Status.
func (c collection) statuses(d *prometheus.Desc, counts []uint64) {
	for i, n := range counts {
		c.counter(d, n, core.Status(i).String())
	}
}

// lanes collects the heights of the lanes.
func (c collection) lanes(lanes []Lane) {
	for _, l := range lanes {
		if l.HasTip {
			c.gauge(descHeight, float64(l.Tip), l.Sequencer.String())
		}
		if l.HasCertified {
			c.gauge(descCertified, float64(l.Certified), l.Sequencer.String())
		}
	}
}

// counts collects what the core has counted.
func (c collection) counts(n *core.Counts) {
	for _, o := range core.Outcomes() {
		c.counter(descAcks, n.Acks[o], outcomeStatus(o), o.String())
		c.counter(descNodes, n.Nodes[o], outcomeStatus(o), o.String())
		c.counter(descCertMessages, n.CertificateMessages[o], outcomeStatus(o), o.String())
	}
	c.statuses(descVerify, n.ApplicationVerdicts[:])
	c.statuses(descPropose, n.Proposals[:])
	c.counter(descDeclined, n.Declined)
	c.statuses(descBroadcast, n.Broadcasts[:])
	c.statuses(descRebroadcast, n.Rebroadcasts[:])
	c.statuses(descOwnAcks, n.OwnAcks[:])
	c.counter(descAcksInvalid, n.AcksInvalid)
	c.counter(descNodesValid, n.NodesVerified)
	c.counter(descCertReceived, n.CertificatesReceived)
	c.counter(descCertificates, n.Certificates)
	c.counter(descLocks, n.Locks)
	c.counter(descFaults, n.Faults)
	c.counter(descKeyFaults, n.KeyFaults)
	c.counter(descParents, n.ParentsDropped)
	for _, reason := range core.OwnLaneBlocks() {
		c.gauge(descOwnLane, oneIf(n.OwnLane == reason), reason.String())
	}
	c.counter(descParentAcks, n.ParentsWithOurs, "included")
	c.counter(descParentAcks, n.ParentsWithoutOurs, "missing")
}

// state collects the state of the engine, and its counts beside those of the core.
func (c collection) state(e *Engine, s *Status) {
	c.gauge(descEpoch, float64(s.Epoch))
	c.gauge(descPeers, float64(s.Peers))
	c.gauge(descInbox, float64(s.Inbox))
	c.counter(descDropped, e.drops.peerFull.Load(), "peer_full")
	c.counter(descDropped, e.drops.tooLarge.Load(), "too_large")
	for f, ratio := range s.ratios {
		c.gauge(descNeeded, ratio, limitField(f).String())
	}
	c.counter(descPauses, e.drops.pauses.Load())
	c.counter(descStatements, s.Counters.Statements)
	c.gauge(descWaiting, float64(s.Statements))
	c.counter(descSplits, s.Counters.Splits)
	c.gauge(descSuspects, float64(s.Suspects))
	c.gauge(descVoteBytes, float64(s.VoteBytes))
	c.gauge(descVolatile, float64(s.VolatileBytes))
	c.gauge(descReports, float64(s.PendingReports))
	c.gauge(descOutbox, float64(s.Outbox))
	c.counter(descOutboxDrops, s.Counters.OutboxDropped)
	c.gauge(descUnreported, float64(s.Unreported))
	c.gauge(descDormant, float64(s.Dormant))
	c.gauge(descRecovering, oneIf(s.Recovering))
	c.gauge(descAbstaining, float64(s.Abstaining))
	c.gauge(descAbstainingTo, float64(s.AbstainingTo))
	c.counter(descOwnChunks, s.Counters.OwnChunksRefused)
}

// set collects the sets of the current epoch.
func (c collection) set(s *setState) {
	c.gauge(descValidators, float64(s.validators))
	c.gauge(descWeight, float64(s.weight))
	c.gauge(descQuorum, float64(s.quorum))
	c.gauge(descSequencers, float64(s.sequencers))
	c.gauge(descValidator, oneIf(s.member))
	for _, p := range s.participation {
		c.counter(descTimely, p.InTime, p.id.String(), "in_time")
		c.counter(descTimely, p.Late, p.id.String(), "late")
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// outcomeStatus returns upstream's word for an outcome: see "Metrics" in the package comment.
func outcomeStatus(o core.Outcome) string {
	switch {
	case o == core.Accepted:
		return "success"
	case o.Invalid():
		return "invalid"
	}
	return "dropped"
}
