package member

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A run may lose more messages (--loss) than the engine's defaults are made for, so both intervals
// are shorter.
const (
	rebroadcastTimeout = time.Second
	ackInterval        = 500 * time.Millisecond
)

// Member is one member of a cluster: everything that an embedder provides to its engine except the
// sender. It implements the interfaces of the engine that Application does not.
type Member struct {
	Index     int
	Identity  wire.PublicKey
	Sets      *engine.StaticEpochs // with a scheme instance of its own: members share no caches
	Sequencer verify.ChunkSigner   // nil: the member proposes nothing
	Lanes     []wire.PublicKey

	Application Application
	Run         *Run
	certified   atomic.Int64 // highest height of its lane certified in this run, −1 for none
}

// Run collects the reports of the members of one process during a measured run.
type Run struct {
	Problems     audit.Problems
	Latencies    *measure.Latencies
	Certificates atomic.Uint64 // in this run, at their sequencers
	Received     atomic.Uint64 // bytes that members received
	Sent         measure.Sent  // by all members
	// Locked is called with each lock that a member reports.
	Locked func(*wire.Lock)
}

// New returns a member without an engine; the caller sets the exported fields.
func New(index int, r *Run) *Member {
	m := &Member{Index: index, Run: r}
	m.certified.Store(-1)
	return m
}

// Certified returns the highest height of the member's lane that was certified in this run, −1 for
// none.
func (m *Member) Certified() int64 { return m.certified.Load() }

// Config returns the configuration of the member's engine, without metrics and logger.
func (m *Member) Config(cfg *setup.Config, namespace string, kept engine.JournalConfig, sender engine.Sender, peers int) engine.Config {
	c := engine.Config{
		Namespace:          []byte(namespace),
		Identity:           m.Identity,
		Schemes:            m.Sets,
		Sequencers:         m.Sets,
		Monitor:            m.Sets,
		Automaton:          &m.Application,
		Reporter:           m,
		Sender:             sender,
		Relay:              m,
		Journal:            kept,
		Workers:            cfg.Workers,
		BatchSize:          cfg.BatchSize,
		BatchDelay:         cfg.BatchDelay,
		Acks:               cfg.AcksTo(),
		RebroadcastTimeout: rebroadcastTimeout,
		AckInterval:        ackInterval,
		PeerQuota:          min(64+4*len(m.Lanes), engine.DefaultPeerQuota),
		MaxPeers:           max(1, peers),
		MaxOutbox:          max(engine.DefaultMaxOutbox, 8*len(m.Lanes)),
	}
	if m.Sequencer != nil {
		c.Sequencer = m.Sequencer
	}
	return c
}

// Broadcast implements engine.Relay. Members check payloads by their digests alone, so there is
// nothing to send.
func (m *Member) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

// Report implements engine.Reporter.
func (m *Member) Report(_ context.Context, a wire.Activity) error {
	if c, ok := a.(*wire.Certified); ok {
		m.lock(&c.Lock)
		return nil
	}
	m.Run.Problems.Activity(fmt.Sprintf("member %d", m.Index), a)
	return nil
}

// lock takes in the lock of a certified chunk.
func (m *Member) lock(l *wire.Lock) {
	if m.Run.Locked != nil {
		m.Run.Locked(l)
	}
	if m.Sequencer == nil || l.Chunk.Sequencer != m.Identity {
		return
	}
	took, ok := m.Application.clock.certified(l.Chunk.Height)
	if !ok {
		return // recovered, or a tip of an earlier run that was certified only in this one
	}
	m.certified.Store(int64(l.Chunk.Height))
	m.Run.Certificates.Add(1)
	m.Run.Latencies.Record(took)
}
