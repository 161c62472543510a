package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// The network may lose more messages than the engine's defaults are made for (--loss), so both
// intervals are shorter.
const (
	rebroadcastTimeout = time.Second
	ackInterval        = 500 * time.Millisecond
)

// member is one process of the cluster: an engine, and what an embedder provides. It implements
// those interfaces of the engine that application does not.
type member struct {
	index     int
	identity  wire.PublicKey
	sets      *engine.StaticEpochs // with a scheme instance of its own: members share no caches
	sequencer verify.ChunkSigner   // nil: it proposes nothing
	lanes     []wire.PublicKey

	application application
	run         *run
	certified   atomic.Int64 // highest height of its lane certified in this run, −1 for none

	engine   *engine.Engine
	endpoint *simnet.Endpoint
	peers    map[wire.PublicKey]*engine.Peer
}

// start makes the member's engine, over its journal, and joins the network.
func (m *member) start(cfg *Config, kept engine.JournalConfig, peers []wire.PublicKey, network *simnet.Network, metrics *measure.Registry, log *slog.Logger) error {
	c := engine.Config{
		Namespace:          []byte(setup.Namespace),
		Identity:           m.identity,
		Schemes:            m.sets,
		Sequencers:         m.sets,
		Monitor:            m.sets,
		Automaton:          &m.application,
		Reporter:           m,
		Sender:             m,
		Relay:              m,
		Journal:            kept,
		Workers:            cfg.Workers,
		BatchSize:          cfg.BatchSize,
		BatchDelay:         cfg.BatchDelay,
		Acks:               cfg.AcksTo(),
		RebroadcastTimeout: rebroadcastTimeout,
		AckInterval:        ackInterval,
		PeerQuota:          min(64+4*len(m.lanes), engine.DefaultPeerQuota),
		MaxPeers:           max(1, len(peers)),
		MaxOutbox:          max(engine.DefaultMaxOutbox, 8*len(m.lanes)),
		Metrics:            prometheus.WrapRegistererWith(prometheus.Labels{"member": fmt.Sprint(m.index)}, metrics),
		Logger:             log.With("member", m.index),
	}
	if m.sequencer != nil {
		c.Sequencer = m.sequencer
	}
	var err error
	if m.engine, err = engine.New(c); err != nil {
		return fmt.Errorf("member %d: %w", m.index, err)
	}
	m.peers = make(map[wire.PublicKey]*engine.Peer, len(peers))
	for _, id := range peers {
		if m.peers[id], err = m.engine.Peer(id); err != nil {
			return fmt.Errorf("member %d: %w", m.index, err)
		}
	}
	if m.endpoint, err = network.Join(m.identity, m.receive); err != nil {
		return fmt.Errorf("member %d: %w", m.index, err)
	}
	return nil
}

// receive hands a message from the network to the engine, which counts those that it refuses.
func (m *member) receive(msg simnet.Message) {
	peer := m.peers[msg.From]
	m.run.received.Add(uint64(len(msg.Body.Bytes())))
	switch {
	case peer == nil:
		msg.Body.Release()
	case msg.Kind == simnet.Node:
		_ = peer.DeliverNode(msg.Body)
	case msg.Kind == simnet.Certificate:
		_ = peer.DeliverCertificate(msg.Body)
	default:
		_ = peer.DeliverAck(msg.Body)
	}
}

// SendNode implements engine.Sender.
func (m *member) SendNode(to []wire.PublicKey, message []byte) {
	m.run.sent.Node(len(to), message)
	m.endpoint.Send(to, simnet.Node, message, false)
}

// SendAck implements engine.Sender.
func (m *member) SendAck(to []wire.PublicKey, message []byte) {
	m.run.sent.Ack(len(to), message)
	m.endpoint.Send(to, simnet.Ack, message, false)
}

// SendCertificate implements engine.Sender.
func (m *member) SendCertificate(to []wire.PublicKey, message []byte) {
	m.run.sent.Certificate(len(to), message)
	m.endpoint.Send(to, simnet.Certificate, message, false)
}

// Broadcast implements engine.Relay. Members check payloads by their digests alone, so there is
// nothing to send.
func (m *member) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

// Report implements engine.Reporter.
func (m *member) Report(_ context.Context, a wire.Activity) error {
	switch a := a.(type) {
	case *wire.Certified:
		m.lock(&a.Lock)
	case *wire.Tip:
	case *wire.Conflict:
		c := &a.Proposal.Chunk
		m.run.problems.Conflict("member %d saw two payloads signed for lane %v height %d", m.index, c.Sequencer, c.Height)
	case *wire.LockConflict:
		c := &a.First.Chunk
		m.run.problems.Conflict("member %d saw two payloads locked for lane %v height %d", m.index, c.Sequencer, c.Height)
	case *wire.Fork:
		c := &a.Upper.Chunk
		m.run.problems.Conflict("member %d saw a fork of lane %v below height %d", m.index, c.Sequencer, c.Height)
	case *wire.ConflictingAcks:
		c := &a.First.Chunk
		m.run.problems.Conflict("member %d saw validator %d ack two payloads for lane %v height %d", m.index, a.First.Participant, c.Sequencer, c.Height)
	case *wire.InvalidAck:
		m.run.problems.Fault("member %d calls an ack of %v invalid", m.index, a.Peer)
	case *wire.InvalidNode:
		m.run.problems.Fault("member %d calls a node of %v invalid", m.index, a.Peer)
	case *wire.InvalidCertificate:
		m.run.problems.Fault("member %d calls a certificate of %v invalid", m.index, a.Peer)
	case *wire.InconsistentKeys:
		m.run.problems.Fault("member %d finds that the keys of epoch %d do not fit each other", m.index, a.Subject.Epoch)
	default:
		m.run.problems.Fault("member %d reports an unknown activity, tag %v", m.index, a.Tag())
	}
	return nil
}

// lock records a certified chunk.
func (m *member) lock(l *wire.Lock) {
	m.run.audit.Add(*l)
	if m.sequencer == nil || l.Chunk.Sequencer != m.identity {
		return
	}
	took, ok := m.application.clock.certified(l.Chunk.Height)
	if !ok {
		return // recovered, or a tip of an earlier run that was certified only now
	}
	m.certified.Store(int64(l.Chunk.Height))
	m.run.certificates.Add(1)
	m.run.latencies.Record(took)
}
