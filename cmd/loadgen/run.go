package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// statusTimeout bounds how long engines that are at their limit may take to answer.
const statusTimeout = 10 * time.Second

// run is one measured run of a cluster: what members report to, and what is measured.
type run struct {
	audit        *audit
	troubles     troubles
	latencies    *latencies
	certificates atomic.Uint64 // in this run, at their sequencers
	registry     *registry     // of all members
}

// measure runs a cluster for as long as the settings say, or until ctx ends, and returns what came of it. An error says
// that there is no result.
func measure(ctx context.Context, s *settings, dirs *store, d *desk) (*result, error) {
	set, err := newSet(s)
	if err != nil {
		return nil, err
	}
	r := &run{latencies: newLatencies(), registry: newRegistry()}
	r.audit = newAudit(set.Scheme, theEpoch, &r.troubles)
	c, err := newCluster(ctx, s, r)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	d.serving.show(r.registry)
	res, recovered, err := r.drive(ctx, s, dirs, c, d)
	if stopping := c.stop(); err == nil && stopping != nil {
		r.troubles.fault("stopping: %v", stopping)
	}
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	r.audit.finish()
	r.conclude(res, c, recovered)
	return res, nil
}

// drive starts the cluster, lets it work, and returns what it measured so far, with the heights where lanes stood at
// the start. It leaves the cluster running.
func (r *run) drive(ctx context.Context, s *settings, dirs *store, c *cluster, d *desk) (*result, map[wire.PublicKey]int64, error) {
	if err := c.start(ctx, s, dirs, r.registry, d.log); err != nil {
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
	profile := d.serving.startProfile()
	close(c.open)
	series := r.watch(ctx, s, c, before, d.screen)
	after, err := r.moment(c, true)
	parts, profileErr := profile.stop()
	if err = errors.Join(err, profileErr); err != nil {
		return nil, nil, err
	}
	res := &result{
		common: newCommon("cluster", s, before, after), Latency: milliseconds(s.latency), Loss: s.loss, Dropped: after.dropped,
	}
	res.Series, res.Parts, res.Interrupted = series, parts, ctx.Err() != nil
	r.latencies.fill(&res.common)
	if n := after.engine.Counters.NodesInvalid; n > 0 {
		r.troubles.fault("%d nodes were called invalid, although all members are honest", n)
	}
	return res, recovered, nil
}

// interval is how often a cluster is looked at: asking many members takes time.
func (s *settings) interval() time.Duration {
	if s.validators+s.sequencers > 64 {
		return time.Second
	}
	return 250 * time.Millisecond
}

// watch shows how the run goes until it is over.
func (r *run) watch(ctx context.Context, s *settings, c *cluster, before moment, sc screen) []point {
	p := newProgress(before, s.interval(), r.latencies)
	_, err := watch(ctx, s.interval(), s.duration, nil, c.failed, func() {
		now, err := r.moment(c, false)
		if err != nil {
			return // too busy to answer; the next time will tell
		}
		f := newFrame(p.add(now), s.duration, now)
		f.batch = r.registry.meanBatch
		f.conflicts, f.errors = r.troubles.counts()
		sc.update(f)
		r.audit.relieve()
	})
	if err != nil {
		r.troubles.fault("%v", err)
	}
	return p.series
}

func (r *run) moment(c *cluster, withMetrics bool) (moment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := c.status(ctx)
	m := moment{
		at: time.Now(), cpu: processCPU() - r.audit.cpuTime(), certificates: r.certificates.Load(),
		dropped: status.Counters.InboxDropped + status.Counters.OutboxDropped, engine: status,
	}
	if withMetrics && err == nil {
		m.metrics, err = r.registry.read()
	}
	return m, err
}

// interrupted words the error of a run that was stopped before it had begun.
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
			r.troubles.fault("lane %v certified nothing%s", m.identity, above(lane.Recovered))
		}
	}
	if n := res.AcksInvalid; n > 0 {
		r.troubles.fault("%d acks were called invalid, although all members are honest", n)
	}
	res.Verified = r.audit.verified.Load()
	res.judge(&r.troubles)
}

func above(height int64) string {
	if height < 0 {
		return ""
	}
	return fmt.Sprintf(" above height %d, where it stood at the start", height)
}
