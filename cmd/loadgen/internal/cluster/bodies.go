package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/wire"
)

// bodiesRun is one measured run of a cluster whose chunks have bodies.
type bodiesRun struct {
	run
	number    uint64 // number of this run, which its bodies hold
	delivered *measure.Latencies
	followed  *measure.Latencies // latencies of deliveries at followers
	compared  atomic.Uint64      // number of compared deliveries
	away      *absence
	over      chan struct{} // closed when the run has ended
	lag       lag
}

// lag holds samples of how far followers were behind. One goroutine uses it.
type lag struct {
	most, sum uint64
	samples   uint64
}

func (l *lag) add(behind uint64) {
	l.most = max(l.most, behind)
	l.sum += behind
	l.samples++
}

// runBodies is Run for chunks with bodies.
func runBodies(ctx context.Context, cfg *Config, dirs *store, out *output.Output) (*Result, error) {
	set, err := newSet(cfg)
	if err != nil {
		return nil, err
	}
	r := &bodiesRun{
		run:    run{registry: measure.NewRegistry()},
		number: uint64(time.Now().UnixNano()), delivered: measure.NewLatencies(), followed: measure.NewLatencies(), over: make(chan struct{}),
	}
	r.Latencies = measure.NewLatencies()
	r.audit = audit.New(set.Scheme, setup.Epoch, &r.Problems)
	if r.away, err = newAbsence(cfg); err != nil {
		return nil, err
	}
	f, err := newReplicas(ctx, cfg, dirs, r, out.Log)
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	out.Show(r.registry)
	res, recovered, err := r.drive(ctx, cfg, dirs, f, out)
	close(r.over)
	if stopping := f.stop(); err == nil && stopping != nil {
		r.Problems.Fault("stopping: %v", stopping)
	}
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	r.audit.Finish()
	r.conclude(res, f, recovered)
	return res, nil
}

// drive starts the members, runs them for the configured time, and waits until everything that was
// made is delivered. It leaves them running.
func (r *bodiesRun) drive(ctx context.Context, cfg *Config, dirs *store, f *replicas, out *output.Output) (*Result, map[wire.PublicKey]int64, error) {
	if err := f.start(ctx, dirs); err != nil {
		return nil, nil, err
	}
	recovered, err := recoveredBy(ctx, f.lanes, f.engines())
	if err != nil {
		return nil, nil, err
	}
	before, err := r.moment(f, true)
	if err != nil {
		return nil, nil, err
	}
	profile := out.StartProfile()
	began := time.Now()
	for _, m := range f.members {
		m.Open(began)
	}
	r.away.begin(f, &r.Problems)
	series, failed := r.watch(ctx, cfg, f, before, out)
	after, err := r.moment(f, true)
	parts, profileErr := profile.Stop()
	if err = errors.Join(err, profileErr); err != nil {
		r.away.end()
		return nil, nil, err
	}
	interrupted := ctx.Err() != nil
	if failed {
		r.away.end()
	} else {
		r.settle(f, interrupted)
	}
	res := &Result{Summary: report.NewSummary("cluster", &cfg.Config, len(f.members), dirs.disk, before, after), Dropped: after.Dropped}
	res.Series, res.Parts, res.Interrupted = series, parts, interrupted
	res.AddLatencies(r.Latencies)
	res.Bodies = report.NewBodies(report.BodiesOf{
		PayloadBytes: cfg.Bodies.Size, Rate: cfg.Bodies.Rate, Seconds: res.Duration, CPU: res.CPU,
		Members: measure.Between(before.Members, after.Members), Followers: measure.Between(before.Followers, after.Followers),
		Delivered: r.delivered, Followed: r.followed,
	})
	if b := res.Bodies.Followers; b != nil {
		b.MostBehind, b.MeanBehind = r.lag.most, float64(r.lag.sum)/float64(max(1, r.lag.samples))
	}
	res.Bodies.Away = r.away.result()
	res.Shortfall = res.BelowRate(len(f.lanes), res.Duration)
	if n := after.Engine.Counters.NodesInvalid; n > 0 {
		r.Problems.Fault("%d nodes were called invalid, although all members are honest", n)
	}
	return res, recovered, nil
}

// watch shows the run's progress until it is over, or a member has failed.
func (r *bodiesRun) watch(ctx context.Context, cfg *Config, f *replicas, before measure.Moment, out *output.Output) (series []measure.Point, failed bool) {
	out.BeginSeries("run")
	p := measure.NewProgress(before, cfg.Interval(), r.Latencies)
	p.Deliveries = r.delivered
	_, err := measure.Watch(ctx, cfg.Interval(), cfg.Duration, nil, f.failed, func() {
		now, err := r.moment(f, false)
		if err != nil {
			return // an engine is too busy to answer; the next call may succeed
		}
		frame := output.NewFrame(p.Add(now), cfg.Duration, now)
		frame.Batch = r.registry.MeanBatch
		frame.Conflicts, frame.Errors = r.Problems.Counts()
		out.Update(frame)
		r.audit.VerifyBacklog()
	})
	if err != nil {
		r.Problems.Fault("%v", err)
	}
	return p.Series, err != nil
}

// moment reads all counters; with full also those that take longer.
func (r *bodiesRun) moment(f *replicas, full bool) (measure.Moment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), measure.StatusTimeout)
	defer cancel()
	status, err := r.away.status(ctx, f)
	m := measure.Moment{
		At: time.Now(), CPU: host.ProcessCPU() - r.audit.CPUTime(), Certificates: r.Certificates.Load(), Host: host.ReadUsage(),
		Dropped: status.Counters.InboxDropped + status.Counters.OutboxDropped, Engine: status,
	}
	how := (*bodies.Member).Progress
	if full {
		how = (*bodies.Member).Counters
	}
	m.Members, m.Followers = f.read(how)
	m.Bodies = &measure.BodyTotals{Delivered: report.LeastDelivered(m.Members)}
	for i := range m.Members {
		m.Count(&m.Members[i])
		m.Bodies.Certified += m.Members[i].CertifiedBytes
	}
	if n := r.away.member; n >= 0 && r.away.phase.Load() != beforeAway {
		m.Bodies.Behind = m.Members[n].Behind(m.Members)
	}
	for i := range m.Followers {
		m.Count(&m.Followers[i])
		behind := m.Followers[i].Behind(m.Members)
		r.lag.add(behind)
		m.Bodies.Behind = max(m.Bodies.Behind, behind)
	}
	if full && err == nil {
		m.Metrics, err = r.registry.Read()
	}
	return m, err
}

// settleTimeout bounds how long members may take until everything made is delivered to them.
const settleTimeout = time.Minute

// settle stops the making of bodies, and waits until everything made is delivered to all members.
// It waits for a member that was away until it is level, unless the run was interrupted.
func (r *bodiesRun) settle(f *replicas, interrupted bool) {
	for _, m := range f.members {
		m.End()
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout+r.away.length)
	defer cancel()
	if interrupted {
		r.away.end()
	}
	r.away.wait(ctx)
	for {
		var running []measure.Bodies
		for _, m := range f.members {
			if m.Engine() != nil {
				running = append(running, m.Progress())
			}
		}
		if measure.Settled(running) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case err := <-f.failed:
			r.Problems.Fault("%v", err)
			return
		case <-ctx.Done():
			for i := range running {
				if n := running[i].Behind(running); n > 0 {
					r.Problems.Fault("a member still lacked %d chunks %v after the last body was made", n, settleTimeout)
				}
			}
			r.Problems.Fault("not every body that was made was delivered to all members")
			return
		}
	}
}

// conclude fills in the fields that are known only after the audit.
func (r *bodiesRun) conclude(res *Result, f *replicas, recovered map[wire.PublicKey]int64) {
	for _, m := range f.members {
		if m.sequences {
			r.lane(res, m.identity, recovered[m.identity], m.certified.Load())
		}
	}
	res.Bodies.Compared = r.compared.Load()
	r.sum(res)
}
