package node

import (
	"fmt"
	"strings"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/engine"
)

// result returns the measurements between two moments.
func (m *measurement) result(before, after measure.Moment) *Result {
	s := m.config
	c := &after.Engine.Counters
	r := &Result{
		Summary: report.NewSummary("node", &s.Config, 1, m.disk, before, after),
		Stage:   StageRun, Schedule: "closed", Load: s.load, FindMax: measure.Milliseconds(s.findMax), RateTo: s.rateTo, InFlight: cap(m.gen.room),
		Feeders: s.feeders, PeerQuota: m.gen.quota, Invalid: s.invalid, Colluding: s.colluding, Silent: s.silent, Late: s.late,
		Warmup: m.warmup.Seconds(), SendsDropped: after.Dropped - before.Dropped, Behind: float64(m.gen.behind.Load()) / 1e6,
		GeneratorCPU: (after.Generator - before.Generator).Seconds(), Splits: c.Splits, Suspects: after.Engine.Suspects, Faults: c.Faults,
	}
	r.Assembled = r.Certificates - r.CertificatesReceived
	if m.schedule != nil {
		r.Schedule, r.Rate, r.InFlight = s.schedule, m.schedule.legs[0].from, 0
	}
	r.AcksVerified = uint64(float64(r.Certificates) * m.node.signersPerCertificate())
	if r.Duration > 0 {
		r.VerifiedPerSecond = float64(r.AcksVerified) / r.Duration
	}
	if r.CPU > 0 && r.Certificates > 0 {
		r.VerifiedPerCore = float64(r.AcksVerified) / r.CPU
	}
	m.offers.conclude(after.At.Sub(m.gen.began), learned(c), func(lane, height int) (time.Duration, bool) {
		if m.schedule == nil {
			return 0, false // a closed run ends with a chunk of every lane under way
		}
		return m.gen.dueAt(lane, height), true
	})
	r.AddLatencies(m.offers.whole)
	m.served(r, before, after)
	m.phaseResults(r, after.At.Sub(before.At))
	return r
}

// learned returns the number of locks that came with nodes, as certificates of their parents.
func learned(c *engine.Counters) uint64 {
	return c.Locks - min(c.Locks, c.Certificates+c.CertificatesReceived)
}

// served fills in the offered chunks and their outcomes.
func (m *measurement) served(r *Result, before, after measure.Moment) {
	if r.Duration <= 0 {
		return
	}
	if m.schedule == nil { // the offered acks are those that it took
		r.Due, r.CertifiedHere = r.Certificates, r.Certificates
		r.Offered, r.Served = r.CertificatesPerSecond, r.CertificatesPerSecond
		r.OfferedAcks, r.TakenAcks = r.AcksPerSecond, r.AcksPerSecond
		return
	}
	all := m.offers.sum()
	r.Due, r.CertifiedHere, r.Learned, r.Unfinished = all.due(), all.certified, all.learned, all.unfinished
	r.Offered, r.Served = float64(r.Due)/r.Duration, r.CertificatesPerSecond
	from, to := before.At.Sub(m.gen.began), after.At.Sub(m.gen.began)
	acks := func(from, to time.Duration) uint64 {
		lanes, round := len(m.gen.lanes), m.population.acksPerRound()
		a, b := m.schedule.offeredAcks(from, lanes, round), m.schedule.offeredAcks(to, lanes, round)
		return b - min(a, b)
	}
	r.OfferedAcks = float64(acks(from, to)) / r.Duration
	r.TakenAcks = float64(max(0, after.Taken-before.Taken)) / r.Duration
	r.Shortfall = shortfall(r, float64(acks(from, to-underWay))/r.Duration)
}

// shortfall returns a text if an open run stayed below its offered load, or "". owed is the number
// of acks per second that the engine must have taken by the end.
func shortfall(r *Result, owed float64) string {
	var texts []string
	if r.TakenAcks < leastServed*owed {
		texts = append(texts, fmt.Sprintf("reached %s of %s acks/s taken in", cli.Thousands(r.TakenAcks), cli.Thousands(r.OfferedAcks)))
	}
	if float64(r.CertifiedHere) < leastServed*float64(r.Due) {
		texts = append(texts, fmt.Sprintf("certified %s of %s chunks due", cli.Thousands(float64(r.CertifiedHere)), cli.Thousands(float64(r.Due))))
	}
	return strings.Join(texts, ", ")
}

// phaseResults fills in the phases that a run reached. The acks of a phase follow from its
// certificates: the engine does not count acks by phase.
func (m *measurement) phaseResults(r *Result, ran time.Duration) {
	if m.schedule == nil {
		return
	}
	for i, g := range m.schedule.legs[1:] {
		length := min(g.length, ran-(g.begin-m.warmup))
		if length <= 0 {
			break
		}
		o := m.offers.phases[i]
		p := phase{Offered: (g.from + g.to) / 2, Due: o.due(), Finished: o.certified, LatencyMS: o.latencies.All(), Seconds: length.Seconds()}
		p.Acks = float64(p.Finished) * float64(m.population.acksPerRound()) / p.Seconds
		r.Phases = append(r.Phases, p)
	}
}

// conclude fills in the fields that are known only after the audit and the second calibration.
func (m *measurement) conclude(r *Result) {
	c := m.calibration
	r.Crypto = crypto{PerAck: c.perAck() / 1000, PerChunk: c.perChunk() / 1000}
	if r.CPU > 0 {
		r.Crypto.AcksShare = float64(r.Assembled) * m.node.signersPerCertificate() * c.perAck() / 1e9 / r.CPU
		r.Crypto.Share = float64(r.Certificates) * c.perChunk() / 1e9 / r.CPU
	}
	r.Verified = m.node.audit.Verified.Load()
	if r.Certificates == 0 {
		m.problems.Fault("nothing was certified")
	}
	if n := r.AcksInvalid; n > 0 && m.config.invalid == 0 {
		m.problems.Fault("%d acks were called invalid, although none was", n)
	}
	if n := r.CertificatesInvalid; n > 0 && m.config.invalid == 0 {
		m.problems.Fault("%d certificates were called invalid, although none was", n)
	}
	r.AddProblems(&m.problems)
}
