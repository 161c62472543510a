package main

import (
	"slices"
	"sort"
	"time"
)

// percents are the points of the latency distribution: evenly spaced on a logarithmic axis of 1/(1 − p).
var percents = []float64{0, 10, 25, 50, 75, 80, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 100}

// result is what was measured between two moments.
func (t *trial) result(before, after moment) *nodeResult {
	s := t.settings
	a, b := &after.engine.Counters, &before.engine.Counters
	seconds := after.at.Sub(before.at).Seconds()
	gen := (after.gen - before.gen).Seconds()
	r := &nodeResult{
		Mode: "node", Scheme: s.scheme, Variant: s.variant, Signatures: s.signatures, Validators: s.validators, Sequencers: s.sequencers,
		Workers: s.workers, BatchSize: s.batchSize, BatchDelay: float64(s.batchDelay) / float64(time.Millisecond), Seed: s.seed,
		Backend: t.calibration.backend, Schedule: "closed", Load: s.load, InFlight: cap(t.gen.room), Feeders: s.feeders, PeerQuota: t.gen.quota,
		Invalid: s.invalid, Colluding: s.colluding, Silent: s.silent, Late: s.late, Machine: thisMachine(),
		Duration: seconds, Warmup: t.warmup.Seconds(),
		Certificates: a.Certificates - b.Certificates, AcksReceived: a.AcksReceived - b.AcksReceived,
		AcksInvalid: a.AcksInvalid, NodesReceived: a.NodesReceived - b.NodesReceived,
		SendsDropped: after.dropped - before.dropped, Behind: float64(t.gen.behind.Load()) / 1e6,
		CPU: max(0, (after.process-before.process).Seconds()-gen), GeneratorCPU: gen, MaxRSS: peakMemory(),
		Splits: a.Splits, Suspects: after.engine.Suspects, Faults: a.Faults,
		Problems: []string{}, Unmet: []string{},
	}
	if s.scheme == "ed25519" {
		r.Variant = ""
	}
	if t.schedule != nil {
		r.Schedule, r.Rate, r.InFlight = s.schedule, t.schedule.legs[0].from, 0
	}
	r.AcksVerified = uint64(float64(r.Certificates) * t.subject.signersPerCertificate())
	if seconds > 0 {
		r.CertificatesPerSecond = float64(r.Certificates) / seconds
		r.AcksPerSecond = float64(r.AcksReceived) / seconds
		r.VerifiedPerSecond = float64(r.AcksVerified) / seconds
	}
	if r.CPU > 0 && r.Certificates > 0 {
		r.CertificatesPerCore = float64(r.Certificates) / r.CPU
		r.VerifiedPerCore = float64(r.AcksVerified) / r.CPU
		r.CPUPerCertificate = r.CPU * 1e6 / float64(r.Certificates)
	}
	r.BatchSizes, r.MeanBatch = after.metrics.batches(before.metrics)
	r.Unfinished = t.unfinished(after.at.Sub(t.gen.began))
	t.latency(r)
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

func (t *trial) latency(r *nodeResult) {
	r.LatencyMS = t.whole.all()
	t.whole.mu.Lock()
	defer t.whole.mu.Unlock()
	h := t.whole.total
	if h.TotalCount() == 0 {
		return
	}
	r.P999 = float64(h.ValueAtQuantile(99.9)) / 1000
	for _, p := range percents {
		ms := float64(h.ValueAtQuantile(p)) / 1000
		if p == 0 {
			ms = float64(h.Min()) / 1000
		}
		r.Distribution = append(r.Distribution, percentile{p, ms})
	}
}

// phaseResults fills in the phases that a run got to. What the engine took in comes from certificates: it is not counted by phase.
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
	t.troubles.mu.Lock()
	defer t.troubles.mu.Unlock()
	r.Conflicts, r.Errors = t.troubles.conflicts, t.troubles.faults
	r.Problems = append(r.Problems, t.troubles.problems...)
	r.OK = r.Conflicts == 0 && r.Errors == 0
}

// sortedKeys returns the keys of a map, ascending.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// medianBy returns the index of the median run by a measure.
func medianBy(rs []*nodeResult, measure func(*nodeResult) float64) int {
	order := make([]int, len(rs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch x, y := measure(rs[a]), measure(rs[b]); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return order[len(order)/2]
}
