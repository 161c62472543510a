package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/wire"
)

// run is one measured run of a cluster. Members report to it.
type run struct {
	member.Run
	audit    *audit.Audit
	registry *measure.Registry // metrics of all members
}

// Run runs a cluster for the configured time, or until ctx ends, and returns the result. An
// error means that there is no result.
func Run(ctx context.Context, cfg *Config, dirs *store, out *output.Output) (*Result, error) {
	if cfg.Bodies.On() {
		return runBodies(ctx, cfg, dirs, out)
	}
	set, err := newSet(cfg)
	if err != nil {
		return nil, err
	}
	r := &run{registry: measure.NewRegistry()}
	r.Latencies = measure.NewLatencies()
	r.audit = audit.New(set.Scheme, setup.Epoch, &r.Problems)
	r.Locked = func(l *wire.Lock) { r.audit.Add(*l) }
	c, err := newCluster(ctx, cfg, r)
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	out.Show(r.registry)
	res, recovered, err := r.drive(ctx, cfg, dirs, c, out)
	if stopping := c.stop(); err == nil && stopping != nil {
		r.Problems.Fault("stopping: %v", stopping)
	}
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	r.audit.Finish()
	r.conclude(res, c, recovered)
	return res, nil
}

// drive starts the cluster, runs it for the configured time, and returns the result so far and the
// heights of the lanes at the start. It leaves the cluster running.
func (r *run) drive(ctx context.Context, cfg *Config, dirs *store, c *cluster, out *output.Output) (*Result, map[wire.PublicKey]int64, error) {
	if err := c.start(ctx, cfg, dirs, r.registry, out.Log); err != nil {
		return nil, nil, err
	}
	recovered, err := recoveredBy(ctx, c.members[0].Lanes, c.engines())
	if err != nil {
		return nil, nil, c.reason(err)
	}
	before, err := r.moment(c, true)
	if err != nil {
		return nil, nil, err
	}
	profile := out.StartProfile()
	close(c.open)
	series := r.watch(ctx, cfg, c, before, out)
	after, err := r.moment(c, true)
	parts, profileErr := profile.Stop()
	if err = errors.Join(err, profileErr); err != nil {
		return nil, nil, err
	}
	res := &Result{
		Summary: report.NewSummary("cluster", &cfg.Config, len(c.members), dirs.disk, before, after), Latency: measure.Milliseconds(cfg.Latency), Loss: cfg.Loss, Dropped: after.Dropped,
	}
	res.Series, res.Parts, res.Interrupted = series, parts, ctx.Err() != nil
	res.AddLatencies(r.Latencies)
	if n := after.Engine.Counters.NodesInvalid; n > 0 {
		r.Problems.Fault("%d nodes were called invalid, although all members are honest", n)
	}
	return res, recovered, nil
}

// watch shows the run's progress until it is over.
func (r *run) watch(ctx context.Context, cfg *Config, c *cluster, before measure.Moment, out *output.Output) []measure.Point {
	out.BeginSeries("run")
	p := measure.NewProgress(before, cfg.Interval(), r.Latencies)
	_, err := measure.Watch(ctx, cfg.Interval(), cfg.Duration, nil, c.failed, func() {
		now, err := r.moment(c, false)
		if err != nil {
			return // an engine is too busy to answer; the next call may succeed
		}
		f := output.NewFrame(p.Add(now), cfg.Duration, now)
		f.Batch = r.registry.MeanBatch
		f.Conflicts, f.Errors = r.Problems.Counts()
		out.Update(f)
		r.audit.VerifyBacklog()
	})
	if err != nil {
		r.Problems.Fault("%v", err)
	}
	return p.Series
}

func (r *run) moment(c *cluster, withMetrics bool) (measure.Moment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), measure.StatusTimeout)
	defer cancel()
	status, err := statusOf(ctx, c.engines())
	m := measure.Moment{
		At: time.Now(), CPU: host.ProcessCPU() - r.audit.CPUTime(), Certificates: r.Certificates.Load(), Sent: r.Sent.Read(),
		BytesIn: r.Received.Load(), BytesOut: r.Sent.Bytes(), Host: host.ReadUsage(),
		Dropped: status.Counters.InboxDropped + status.Counters.OutboxDropped, Engine: status,
	}
	if withMetrics && err == nil {
		m.Metrics, err = r.registry.Read()
	}
	return m, err
}

// leastSeconds is the length of an interrupted run from which a lane without a certificate counts
// as a fault.
const leastSeconds = 1.0

// conclude fills in the fields that are known only after the audit.
func (r *run) conclude(res *Result, c *cluster, recovered map[wire.PublicKey]int64) {
	for _, m := range c.members {
		if m.Sequencer != nil {
			r.lane(res, m.Identity, recovered[m.Identity], m.Certified())
		}
	}
	r.sum(res)
}

// lane adds a lane to the result. The lane must have grown.
func (r *run) lane(res *Result, id wire.PublicKey, recovered, certified int64) {
	res.Lanes = append(res.Lanes, LaneResult{Sequencer: id.String(), Recovered: recovered, Certified: certified})
	if certified <= recovered && !(res.Interrupted && res.Duration < leastSeconds) {
		r.Problems.Fault("lane %v certified nothing%s", id, above(recovered))
	}
}

// sum adds the counts of all members and of the audit.
func (r *run) sum(res *Result) {
	if n := res.AcksInvalid; n > 0 {
		r.Problems.Fault("%d acks were called invalid, although all members are honest", n)
	}
	if n := res.CertificatesInvalid; n > 0 {
		r.Problems.Fault("%d certificates were called invalid, although all members are honest", n)
	}
	res.Verified = r.audit.Verified.Load()
	res.AddProblems(&r.Problems)
}

func above(height int64) string {
	if height < 0 {
		return ""
	}
	return fmt.Sprintf(" above height %d, where it stood at the start", height)
}
