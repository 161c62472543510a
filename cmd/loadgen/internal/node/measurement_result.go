package node

import (
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// result returns what was measured between two moments.
func (m *measurement) result(before, after measure.Moment) *Result {
	s := m.config
	c := &after.Engine.Counters
	r := &Result{
		Summary: report.NewSummary("node", &s.Config, before, after),
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
		r.CertificatesPerCore = float64(r.Certificates) / r.CPU
		r.VerifiedPerCore = float64(r.AcksVerified) / r.CPU
	}
	r.Unfinished = m.unfinished(after.At.Sub(m.gen.began))
	r.AddLatencies(m.whole)
	m.phaseResults(r, after.At.Sub(before.At))
	return r
}

// unfinished counts the chunks that were due in the measured time and have no certificate, and
// records the time that they have waited: without them, the longest latencies would be missing.
func (m *measurement) unfinished(now time.Duration) uint64 {
	if m.schedule == nil {
		return 0 // a closed run ends with a chunk of every lane under way
	}
	var n uint64
	for l := range m.gen.due {
		for h := range m.gen.due[l] {
			due := time.Duration(m.gen.due[l][h].Load())
			if due == 0 || m.node.certifiedAt(l, h) {
				continue
			}
			phase, ok := m.schedule.phaseOf(due)
			if !ok || now-due < 50*time.Millisecond { // under way, as some always are
				continue
			}
			n++
			m.whole.Record(now - due)
			m.phases[phase].Record(now - due)
		}
	}
	return n
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
		m.mu.Lock() // the engine still reports
		finished := m.finished[i]
		m.mu.Unlock()
		p := phase{Offered: (g.from + g.to) / 2, Finished: finished, LatencyMS: m.phases[i].All(), Seconds: length.Seconds()}
		p.Acks = float64(p.Finished) * float64(m.population.acksPerRound()) / p.Seconds
		r.Phases = append(r.Phases, p)
	}
}

// conclude fills in what is known only after the audit and the second calibration.
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
