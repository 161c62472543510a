package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// statusTimeout bounds the time in which an overloaded engine must answer.
const statusTimeout = 10 * time.Second

// run is one measured run of a cluster. Members report to it.
type run struct {
	audit        *audit
	problems     problems
	latencies    *latencies
	certificates atomic.Uint64 // in this run, at their sequencers
	sent         sent          // by all members
	registry     *registry     // of all members
}

// measure runs a cluster for the configured time, or until ctx ends, and returns the result. An
// error means that there is no result.
func measure(ctx context.Context, cfg *config, dirs *store, out *output) (*result, error) {
	set, err := newSet(cfg)
	if err != nil {
		return nil, err
	}
	r := &run{latencies: newLatencies(), registry: newRegistry()}
	r.audit = newAudit(set.Scheme, theEpoch, &r.problems)
	c, err := newCluster(ctx, cfg, r)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	out.serving.show(r.registry)
	res, recovered, err := r.drive(ctx, cfg, dirs, c, out)
	if stopping := c.stop(); err == nil && stopping != nil {
		r.problems.fault("stopping: %v", stopping)
	}
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	r.audit.finish()
	r.conclude(res, c, recovered)
	return res, nil
}

// drive starts the cluster, runs it for the configured time, and returns the result so far and the
// heights of the lanes at the start. It leaves the cluster running.
func (r *run) drive(ctx context.Context, cfg *config, dirs *store, c *cluster, out *output) (*result, map[wire.PublicKey]int64, error) {
	if err := c.start(ctx, cfg, dirs, r.registry, out.log); err != nil {
		return nil, nil, err
	}
	recovered, err := c.recovered(ctx)
	if err != nil {
		return nil, nil, c.reason(err)
	}
	before, err := r.moment(c, true)
	if err != nil {
		return nil, nil, err
	}
	profile := out.serving.startProfile()
	close(c.open)
	series := r.watch(ctx, cfg, c, before, out.screen)
	after, err := r.moment(c, true)
	parts, profileErr := profile.stop()
	if err = errors.Join(err, profileErr); err != nil {
		return nil, nil, err
	}
	res := &result{
		summary: newSummary("cluster", cfg, before, after), Latency: milliseconds(cfg.latency), Loss: cfg.loss, Dropped: after.dropped,
	}
	res.Series, res.Parts, res.Interrupted = series, parts, ctx.Err() != nil
	r.latencies.fill(&res.summary)
	if n := after.engine.Counters.NodesInvalid; n > 0 {
		r.problems.fault("%d nodes were called invalid, although all members are honest", n)
	}
	return res, recovered, nil
}

// interval returns the time between two moments of a cluster: many members take long to answer.
func (cfg *config) interval() time.Duration {
	if cfg.validators+cfg.sequencers > 64 {
		return time.Second
	}
	return 250 * time.Millisecond
}

// watch shows the run's progress until it is over.
func (r *run) watch(ctx context.Context, cfg *config, c *cluster, before moment, sc screen) []point {
	p := newProgress(before, cfg.interval(), r.latencies)
	_, err := watch(ctx, cfg.interval(), cfg.duration, nil, c.failed, func() {
		now, err := r.moment(c, false)
		if err != nil {
			return // an engine is too busy to answer; the next call may succeed
		}
		f := newFrame(p.add(now), cfg.duration, now)
		f.batch = r.registry.meanBatch
		f.conflicts, f.errors = r.problems.counts()
		sc.update(f)
		r.audit.verifyBacklog()
	})
	if err != nil {
		r.problems.fault("%v", err)
	}
	return p.series
}

func (r *run) moment(c *cluster, withMetrics bool) (moment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := c.status(ctx)
	m := moment{
		at: time.Now(), cpu: processCPU() - r.audit.cpuTime(), certificates: r.certificates.Load(), sent: r.sent.read(),
		dropped: status.Counters.InboxDropped + status.Counters.OutboxDropped, engine: status,
	}
	if withMetrics && err == nil {
		m.metrics, err = r.registry.read()
	}
	return m, err
}

// interrupted replaces the error of a run that was stopped before it had begun.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errors.New("interrupted before the run had begun")
	}
	return err
}

// conclude fills in what is known only after the audit.
func (r *run) conclude(res *result, c *cluster, recovered map[wire.PublicKey]int64) {
	for _, m := range c.members {
		if m.sequencer == nil {
			continue
		}
		lane := laneResult{Sequencer: m.identity.String(), Recovered: recovered[m.identity], Certified: m.certified.Load()}
		res.Lanes = append(res.Lanes, lane)
		if lane.Certified <= lane.Recovered {
			r.problems.fault("lane %v certified nothing%s", m.identity, above(lane.Recovered))
		}
	}
	if n := res.AcksInvalid; n > 0 {
		r.problems.fault("%d acks were called invalid, although all members are honest", n)
	}
	if n := res.CertificatesInvalid; n > 0 {
		r.problems.fault("%d certificates were called invalid, although all members are honest", n)
	}
	res.Verified = r.audit.verified.Load()
	res.addProblems(&r.problems)
}

func above(height int64) string {
	if height < 0 {
		return ""
	}
	return fmt.Sprintf(" above height %d, where it stood at the start", height)
}
