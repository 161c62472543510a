package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/fixture"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// statusTimeout bounds how long engines that are at their limit may take to answer.
const statusTimeout = 10 * time.Second

// run is one measured run: what members report to, and what is measured.
type run struct {
	audit        *audit
	troubles     troubles
	latencies    *latencies
	certificates atomic.Uint64 // in this run, at their sequencers
}

// sample is where the counters stood at one time.
type sample struct {
	at           time.Time
	cpu          time.Duration // of the process without the audit
	certificates uint64
	engines      engine.Counters
}

// measure runs a cluster for as long as the settings say, or until ctx ends, and returns what came of it. An error says
// that there is no result.
func measure(ctx context.Context, s *settings, dirs *store, human, log io.Writer) (*result, error) {
	set, err := newSet(s)
	if err != nil {
		return nil, err
	}
	r := &run{latencies: newLatencies()}
	r.audit = newAudit(set.Scheme, theEpoch, &r.troubles)
	c, err := newCluster(ctx, s, r)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	served, err := serveMetrics(s.metrics)
	if err != nil {
		return nil, err
	}
	defer served.close()
	if served != nil {
		say(human, "metrics at http://%s/metrics", served.address())
	}

	before, after, recovered, err := r.drive(ctx, s, dirs, c, served, human, log)
	if stopping := c.stop(); err == nil && stopping != nil {
		r.troubles.fault("stopping: %v", stopping)
	}
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	r.audit.finish()
	return r.result(s, c, before, after, recovered, ctx.Err() != nil), nil
}

// drive starts the cluster, lets it work, and takes samples before and after. It leaves the cluster running.
func (r *run) drive(ctx context.Context, s *settings, dirs *store, c *cluster, served *metricsServer, human, log io.Writer) (
	before, after sample, recovered map[wire.PublicKey]int64, err error) {
	if err = c.start(ctx, s, dirs, served.registerer(), log); err != nil {
		return
	}
	if recovered, err = c.recovered(ctx); err != nil {
		err = c.reason(err)
		return
	}
	if before, err = r.sample(c); err != nil {
		return
	}
	close(c.open)

	r.watch(ctx, s, c, before, human)
	after, err = r.sample(c)
	return
}

// watch prints a line a second until the run is over: its time is up, ctx has ended, or an engine has failed.
func (r *run) watch(ctx context.Context, s *settings, c *cluster, before sample, human io.Writer) {
	end := time.NewTimer(s.duration)
	defer end.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	last := before
	for {
		select {
		case <-second.C:
			now, err := r.sample(c)
			if err != nil {
				continue // too busy to answer; the next line will tell
			}
			r.progress(human, before, last, now)
			last = now
			r.audit.relieve()
		case <-end.C:
			return
		case <-ctx.Done():
			return
		case err := <-c.failed:
			r.troubles.fault("%v", err)
			return
		}
	}
}

func (r *run) progress(human io.Writer, before, last, now sample) {
	seconds := now.at.Sub(last.at).Seconds()
	q := r.latencies.turn()
	conflicts, faults := r.troubles.counts()
	say(human, "%4.0fs  %7d certificates  %7.1f/s  %8.0f acks/s  p50 %.1f ms  p99 %.1f ms  %d conflicts  %d errors",
		now.at.Sub(before.at).Seconds(), now.certificates,
		float64(now.certificates-last.certificates)/seconds,
		float64(now.engines.AcksReceived-last.engines.AcksReceived)/seconds,
		q.P50, q.P99, conflicts, faults)
}

func (r *run) sample(c *cluster) (sample, error) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	n, err := c.counters(ctx)
	return sample{
		at:           time.Now(),
		cpu:          processCPU() - r.audit.cpuTime(),
		certificates: r.certificates.Load(),
		engines:      n,
	}, err
}

// interrupted words the error of a run that was stopped before it had begun.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errors.New("interrupted before the run had begun")
	}
	return err
}

// result puts together what the run came to.
func (r *run) result(s *settings, c *cluster, before, after sample, recovered map[wire.PublicKey]int64, interrupted bool) *result {
	seconds := after.at.Sub(before.at).Seconds()
	res := &result{
		Mode: "cluster", Scheme: s.scheme, Variant: s.variant, Signatures: s.signatures,
		Validators: s.validators, Sequencers: s.sequencers,
		Workers: s.workers, BatchSize: s.batchSize, BatchDelay: float64(s.batchDelay) / float64(time.Millisecond),
		Latency: float64(s.latency) / float64(time.Millisecond), Loss: s.loss,
		Seed: s.seed, Backend: verify.BackendName,
		Duration:      seconds,
		Certificates:  after.certificates - before.certificates,
		AcksReceived:  after.engines.AcksReceived - before.engines.AcksReceived,
		AcksInvalid:   after.engines.AcksInvalid,
		NodesReceived: after.engines.NodesReceived - before.engines.NodesReceived,
		Dropped:       after.engines.InboxDropped + after.engines.OutboxDropped,
		LatencyMS:     r.latencies.all(),
		CPU:           (after.cpu - before.cpu).Seconds(),
		MaxRSS:        peakMemory(),
		Verified:      r.audit.verified.Load(),
		Interrupted:   interrupted,
	}
	if s.kind() == fixture.Ed25519 {
		res.Variant = ""
	}
	if seconds > 0 {
		res.CertificatesPerSecond = float64(res.Certificates) / seconds
		res.AcksPerSecond = float64(res.AcksReceived) / seconds
	}
	if res.Certificates > 0 {
		res.CPUPerCertificate = res.CPU * 1e6 / float64(res.Certificates)
	}
	for _, m := range c.members {
		if m.sequencer == nil {
			continue
		}
		lane := laneResult{Sequencer: m.identity.String(), Recovered: recovered[m.identity], Certified: m.certified.Load()}
		res.Lanes = append(res.Lanes, lane)
		if lane.Certified <= lane.Recovered {
			r.troubles.fault("lane %v certified nothing%s", m.identity, above(lane.Recovered))
		}
	}
	if n := after.engines.AcksInvalid; n > 0 {
		r.troubles.fault("%d acks were called invalid, although all members are honest", n)
	}
	if n := after.engines.NodesInvalid; n > 0 {
		r.troubles.fault("%d nodes were called invalid, although all members are honest", n)
	}
	r.troubles.mu.Lock()
	defer r.troubles.mu.Unlock()
	res.Conflicts, res.Errors = r.troubles.conflicts, r.troubles.faults
	res.Problems = append([]string{}, r.troubles.problems...)
	res.OK = res.Conflicts == 0 && res.Errors == 0
	return res
}

func above(height int64) string {
	if height < 0 {
		return ""
	}
	return fmt.Sprintf(" above height %d, where it stood at the start", height)
}
