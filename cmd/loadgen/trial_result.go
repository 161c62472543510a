package main

import (
	"maps"
	"slices"
	"time"
)

// result is what was measured between two moments.
func (t *trial) result(before, after moment) *nodeResult {
	s := t.settings
	c := &after.engine.Counters
	r := &nodeResult{
		common: newCommon("node", &s.settings, before, after),
		Stage:  stageRun, Schedule: "closed", Load: s.load, FindMax: milliseconds(s.findMax), RateTo: s.rateTo, InFlight: cap(t.gen.room),
		Feeders: s.feeders, PeerQuota: t.gen.quota, Invalid: s.invalid, Colluding: s.colluding, Silent: s.silent, Late: s.late,
		Warmup: t.warmup.Seconds(), SendsDropped: after.dropped - before.dropped, Behind: float64(t.gen.behind.Load()) / 1e6,
		GeneratorCPU: (after.generator - before.generator).Seconds(), Splits: c.Splits, Suspects: after.engine.Suspects, Faults: c.Faults,
	}
	if t.schedule != nil {
		r.Schedule, r.Rate, r.InFlight = s.schedule, t.schedule.legs[0].from, 0
	}
	r.AcksVerified = uint64(float64(r.Certificates) * t.subject.signersPerCertificate())
	if r.Duration > 0 {
		r.VerifiedPerSecond = float64(r.AcksVerified) / r.Duration
	}
	if r.CPU > 0 && r.Certificates > 0 {
		r.CertificatesPerCore = float64(r.Certificates) / r.CPU
		r.VerifiedPerCore = float64(r.AcksVerified) / r.CPU
	}
	r.Unfinished = t.unfinished(after.at.Sub(t.gen.began))
	t.whole.fill(&r.common)
	t.phaseResults(r, after.at.Sub(before.at))
	return r
}

// unfinished counts chunks that were due while it was measured and that have no certificate, and records the time that
// they have waited: leaving them out would make the worst the best.
func (t *trial) unfinished(now time.Duration) uint64 {
	if t.schedule == nil {
		return 0 // a closed run ends with a chunk of every lane under way
	}
	var n uint64
	for l := range t.gen.due {
		for h := range t.gen.due[l] {
			due := time.Duration(t.gen.due[l][h].Load())
			if due == 0 || t.subject.certifiedAt(l, h) {
				continue
			}
			phase, ok := t.schedule.phaseOf(due)
			if !ok || now-due < 50*time.Millisecond { // under way, as some always are
				continue
			}
			n++
			t.whole.record(now - due)
			t.phases[phase].record(now - due)
		}
	}
	return n
}

// phaseResults fills in the phases that a run got to. What the engine took in comes from certificates: it is not
// counted by phase.
func (t *trial) phaseResults(r *nodeResult, ran time.Duration) {
	if t.schedule == nil {
		return
	}
	for i, g := range t.schedule.legs[1:] {
		length := min(g.length, ran-(g.begin-t.warmup))
		if length <= 0 {
			break
		}
		p := phase{Offered: (g.from + g.to) / 2, Finished: t.finished[i], LatencyMS: t.phases[i].all(), Seconds: length.Seconds()}
		p.Acks = float64(p.Finished) * float64(t.population.acksPerRound()) / p.Seconds
		r.Phases = append(r.Phases, p)
	}
}

// conclude fills in what is known only after the audit and the second calibration.
func (t *trial) conclude(r *nodeResult) {
	c := t.calibration
	r.Crypto = crypto{PerAck: c.perAck() / 1000, PerChunk: c.perChunk() / 1000}
	if r.CPU > 0 {
		r.Crypto.AcksShare = float64(r.AcksVerified) * c.perAck() / 1e9 / r.CPU
		r.Crypto.Share = float64(r.Certificates) * c.perChunk() / 1e9 / r.CPU
	}
	r.Verified = t.subject.audit.verified.Load()
	if r.Certificates == 0 {
		t.troubles.fault("nothing was certified")
	}
	if n := r.AcksInvalid; n > 0 && t.settings.invalid == 0 {
		t.troubles.fault("%d acks were called invalid, although none was", n)
	}
	r.judge(&t.troubles)
}

// sortedKeys returns the keys of a map, ascending.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
