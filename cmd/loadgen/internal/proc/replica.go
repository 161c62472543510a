package proc

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/wire"
)

// replicaUnit runs a replica, for chunks with bodies.
type replicaUnit struct {
	*bodies.Member
	config    bodies.Config
	opened    *atomic.Bool
	transport network.Transport
	admit     admission
}

// newReplica makes a member's replica in its folder; Create is set if the member starts for the
// first time.
func (p *process) newReplica(admit admission, log *slog.Logger) (unit, error) {
	f, n := p.folder, p.folder.Network
	room, err := bodies.Room(host.FreeSpace(f.Dir), n.Payload.MembersPerDisk, n.Payload.Size)
	if err != nil {
		return nil, err
	}
	cfg := n.Setup()
	return &replicaUnit{transport: p.net, opened: &p.opened, admit: admit, config: bodies.Config{
		Name: fmt.Sprintf("member %d", f.Member.Number), Namespace: []byte(n.Namespace), Key: f.Identity, Sets: p.member.Sets,
		Lanes: n.Lanes(), Followers: n.Followers(), Dir: f.JournalDir(), Create: p.first,
		Size: n.Payload.Size, Rate: n.Payload.Rate, Seed: n.Seed, Run: uint64(time.Now().UnixNano()), Transport: p.net,
		Engine:  engine.Config{Workers: f.Member.Workers, BatchSize: cfg.BatchSize, BatchDelay: cfg.BatchDelay, Acks: cfg.AcksTo()},
		Archive: room, Keep: time.Duration(n.Payload.Keep), WatchHeap: true, Recorder: (*recorder)(p), Problems: &p.run.Problems,
		Metrics: p.registry, Logger: log,
	}}, nil
}

// Start implements unit.
func (u *replicaUnit) Start(begun func() error) (err error) {
	u.config.Begun = begun
	if u.Member, err = bodies.New(u.config); err != nil {
		return err
	}
	return u.Member.Start()
}

// Run implements unit.
func (u *replicaUnit) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return u.Stop()
	case err := <-u.Failed():
		_ = u.Stop() // it returns the same error
		return err
	}
}

// Status implements unit.
func (u *replicaUnit) Status(ctx context.Context) (engine.Status, error) {
	e := u.Engine()
	if e == nil {
		return engine.Status{}, engine.ErrStopped
	}
	return e.Status(ctx)
}

// Epochs implements unit.
func (u *replicaUnit) Epochs() []network.Epoch {
	if u.Member == nil {
		return nil
	}
	e := u.Engine()
	if e == nil {
		return nil
	}
	b := bridge.New(u.transport, bridge.Config{Admit: u.admit})
	b.Attach(e)
	return b.Epochs()
}

// Open implements unit. Bodies made before the call do not count in the latencies of this process.
func (u *replicaUnit) Open() {
	u.Member.Open(time.Now())
	u.opened.Store(true)
}

// Bodies implements unit.
func (u *replicaUnit) Bodies() *measure.Bodies {
	b := u.Counters()
	return &b
}

// Made implements unit.
func (u *replicaUnit) Made() (height uint64) {
	for _, l := range u.Progress().Lanes {
		height = max(height, l.Made) // of our own lane only
	}
	return height
}

// Settled implements unit.
func (u *replicaUnit) Settled(ends map[wire.PublicKey]uint64) bool {
	for lane, end := range ends {
		if u.Next(lane) < end {
			return false
		}
	}
	for _, lock := range u.Heads() {
		if u.Next(lock.Chunk.Sequencer) <= lock.Chunk.Height {
			return false
		}
	}
	return true
}

// Close implements unit.
func (u *replicaUnit) Close() error {
	if u.Member == nil {
		return nil
	}
	return u.Stop()
}

// recorder is the process as the Recorder of its replica's host.
type recorder process

// Certified implements bodies.Recorder.
func (r *recorder) Certified(c bodies.Certification) {
	r.record.Lock(c.Lock)
	if !c.Own {
		return
	}
	r.record.Timed(record.Own, &c.Lock.Chunk, c.Took)
	r.certified.Store(int64(c.Lock.Chunk.Height))
	r.run.Certificates.Add(1)
	r.run.Latencies.Record(c.Took)
}

// Delivered implements bodies.Recorder.
func (r *recorder) Delivered(d bodies.Delivery) {
	took := d.Took
	if !d.Timed || !r.opened.Load() { // the process catches up until it is open
		took = record.Unknown
	} else {
		r.delivered.Record(took)
	}
	r.record.Timed(record.Delivery, &d.Chunk, took)
}
