package proc

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/wire"
)

// measure proposes and measures from the begin of the run to its end, then waits until the others
// are done as well.
func (p *process) measure(ctx context.Context, a *Agreed, starts int, disk host.Disk, out *output.Output) (*Result, error) {
	begin, end := time.Unix(0, a.Begin), time.Unix(0, a.End)
	p.clocks.parting = end.Add(-end.Sub(begin) / 2)
	for left := time.Until(begin); left > 0; left = time.Until(begin) {
		p.clocks.add(time.Now(), p.net.Peers())
		if err := p.wait(ctx, nil, min(left, interval)); err != nil {
			return nil, err
		}
	}
	before, err := p.moment(true)
	if err != nil {
		return nil, err
	}
	p.note(before, true)
	profile := out.StartProfile()
	p.unit.Open()
	series := p.watch(ctx, before, time.Until(end), out)
	after, err := p.moment(true)
	parts, profileErr := profile.Stop()
	if err = errors.Join(err, profileErr); err != nil {
		return nil, err
	}
	p.note(after, false)
	p.unit.End()
	interrupted := ctx.Err() != nil
	patience := lingerAtMost
	if interrupted { // the others may run much longer
		patience = lingerInterrupted
	}
	p.settle(map[wire.PublicKey]uint64{p.folder.ID(): p.unit.Made()})
	p.schedule.done(p.unit.Made())
	p.linger(isDone, patience)
	p.settle(p.schedule.ends())
	p.schedule.level()
	p.linger(isLevel, patience)
	p.record.JSON(record.End, Ended{Run: a.ID, Interrupted: interrupted, Bodies: p.unit.Bodies()})

	cfg := p.folder.Network.Setup()
	cfg.Workers = p.workers()
	traffic := p.links.Traffic()
	res := &Result{
		Summary: report.NewSummary("member", &cfg, 1, disk, before, after),
		Member:  p.folder.Member.Number, Identity: p.folder.ID(), Network: p.folder.Network, NetworkHash: hex.EncodeToString(p.folder.Hash[:]), Run: *a, Starts: starts,
		Clock: host.Clock(), Clocks: p.clocks.all(len(p.folder.Network.Members)), Record: RecordName,
		Certified: max(p.member.Certified(), p.certified.Load()), Traffic: traffic, NetworkBytes: traffic.Sent,
	}
	if !traffic.Known {
		res.NetworkBytes = after.BytesOut
	}
	res.Series, res.Parts, res.Interrupted = series, parts, interrupted
	res.AddLatencies(p.run.Latencies)
	if n := p.folder.Network.Payload; n != nil {
		res.Bodies = report.NewBodies(report.BodiesOf{
			PayloadBytes: n.Size, Rate: n.Rate, Seconds: res.Duration, CPU: res.CPU,
			Members: measure.Between(before.Members, after.Members), Delivered: p.delivered, Followed: measure.NewLatencies(),
		})
	}
	return res, nil
}

// linger serves the others until told holds for all of them, or most has passed.
func (p *process) linger(told func(status) bool, most time.Duration) {
	for began := time.Now(); ; {
		done, news := p.schedule.others(told)
		left := most - time.Since(began)
		if done || left <= 0 {
			return
		}
		if err := p.wait(context.Background(), news, left); err != nil {
			p.run.Problems.Fault("%v", err)
			return
		}
		p.clocks.add(time.Now(), p.net.Peers())
	}
}

// settleAtMost bounds the wait until everything certified is delivered to this member.
const settleAtMost = 30 * time.Second

// settle waits until everything below these heights, and everything known to be certified, is
// delivered here.
func (p *process) settle(ends map[wire.PublicKey]uint64) {
	for began := time.Now(); !p.unit.Settled(ends) && time.Since(began) < settleAtMost; {
		if err := p.wait(context.Background(), nil, settleInterval); err != nil {
			p.run.Problems.Fault("%v", err)
			return
		}
	}
}

// watch shows and records the run's progress until the run is over.
func (p *process) watch(ctx context.Context, before measure.Moment, left time.Duration, out *output.Output) []measure.Point {
	out.BeginSeries("run")
	progress := measure.NewProgress(before, interval, p.run.Latencies)
	if p.folder.Network.Payload != nil {
		progress.Deliveries = p.delivered
	}
	if left <= 0 {
		return progress.Series
	}
	_, err := measure.Watch(ctx, interval, left, nil, p.failed, func() {
		now, err := p.moment(false)
		if err != nil {
			return // too busy to answer; the next call may succeed
		}
		p.note(now, false)
		p.noteProblems()
		p.clocks.add(now.At, p.net.Peers())
		f := output.NewFrame(progress.Add(now), left, now)
		f.Batch = p.registry.MeanBatch
		f.Conflicts, f.Errors = p.run.Problems.Counts()
		out.Update(f)
	})
	if err != nil {
		p.run.Problems.Fault("%v", err)
	}
	return progress.Series
}

// workers returns the number of workers of the engine; with 0 in the folder, the engine chooses it.
func (p *process) workers() int {
	if p.folder.Member.Workers > 0 {
		return p.folder.Member.Workers
	}
	return defaultWorkers()
}

func (p *process) moment(withMetrics bool) (measure.Moment, error) {
	status, err := p.status()
	m := measure.Moment{
		At: time.Now(), CPU: host.ProcessCPU(), Certificates: p.run.Certificates.Load(), Sent: p.run.Sent.Read(),
		BytesIn: p.run.Received.Load(), BytesOut: p.run.Sent.Bytes(),
		Dropped: status.Counters.InboxDropped + status.Counters.OutboxDropped, Engine: status,
	}
	if b := p.unit.Bodies(); b != nil {
		m.Members = []measure.Bodies{*b}
		m.Count(b)
		if t := p.links.Traffic(); t.Known { // the engine does not count requests and answers
			m.BytesIn, m.BytesOut = t.Received, t.Sent
		}
		m.Bodies = &measure.BodyTotals{Certified: b.CertifiedBytes, Delivered: b.DeliveredBytes}
	}
	if withMetrics && err == nil {
		m.Host = host.ReadUsage()
		m.Metrics, err = p.registry.Read()
	}
	return m, err
}

// note writes a moment to the record.
func (p *process) note(m measure.Moment, begins bool) {
	e := &m.Engine.Counters
	var b *measure.Bodies
	if len(m.Members) > 0 {
		b = &m.Members[0]
	}
	p.record.JSON(record.Moment, Counters{
		Begins: begins, CPU: int64(m.CPU), Generator: int64(m.Generator), Bodies: b, RSS: host.PeakMemory(), Certificates: m.Certificates, Sent: m.Sent,
		BytesIn: m.BytesIn, BytesOut: m.BytesOut, Traffic: p.links.Traffic(),
		AcksReceived: e.AcksReceived, AcksInvalid: e.AcksInvalid, NodesReceived: e.NodesReceived, NodesInvalid: e.NodesInvalid,
		CertificatesReceived: e.CertificatesReceived, CertificatesInvalid: e.CertificatesInvalid, Faults: e.Faults, Dropped: m.Dropped,
		Inbox: m.Engine.Inbox, Statements: m.Engine.Statements, Suspects: m.Engine.Suspects,
	})
}
