package cluster

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/simnet"
	"github.com/lanecast/lanecast/wire"
)

// simulated is a member with its engine, on a simulated network. It is the engine's Sender.
type simulated struct {
	*member.Member
	engine   *engine.Engine
	endpoint *simnet.Endpoint
	peers    map[wire.PublicKey]*engine.Peer
}

// start makes the member's engine, over its journal, and joins the network.
func (m *simulated) start(cfg *Config, kept engine.JournalConfig, peers []wire.PublicKey, net *simnet.Network, metrics *measure.Registry, log *slog.Logger) error {
	c := m.Config(&cfg.Config, setup.Namespace, kept, m, len(peers))
	c.Metrics = prometheus.WrapRegistererWith(prometheus.Labels{"member": fmt.Sprint(m.Index)}, metrics)
	c.Logger = log.With("member", m.Index)
	var err error
	if m.engine, err = engine.New(c); err != nil {
		return fmt.Errorf("member %d: %w", m.Index, err)
	}
	m.peers = make(map[wire.PublicKey]*engine.Peer, len(peers))
	for _, id := range peers {
		if m.peers[id], err = m.engine.Peer(id); err != nil {
			return fmt.Errorf("member %d: %w", m.Index, err)
		}
	}
	if m.endpoint, err = net.Join(m.Identity, m.receive); err != nil {
		return fmt.Errorf("member %d: %w", m.Index, err)
	}
	return nil
}

// receive hands a message from the network to the engine. The engine counts the messages that it
// refuses.
func (m *simulated) receive(msg simnet.Message) {
	peer := m.peers[msg.From]
	m.Run.Received.Add(uint64(len(msg.Body.Bytes())))
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
func (m *simulated) SendNode(to []wire.PublicKey, message []byte) {
	m.Run.Sent.Node(len(to), message)
	m.endpoint.Send(to, simnet.Node, message, false)
}

// SendAck implements engine.Sender.
func (m *simulated) SendAck(to []wire.PublicKey, message []byte) {
	m.Run.Sent.Ack(len(to), message)
	m.endpoint.Send(to, simnet.Ack, message, false)
}

// SendCertificate implements engine.Sender.
func (m *simulated) SendCertificate(to []wire.PublicKey, message []byte) {
	m.Run.Sent.Certificate(len(to), message)
	m.endpoint.Send(to, simnet.Certificate, message, false)
}
