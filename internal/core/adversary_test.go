package core

import (
	"encoding/binary"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// adversary is a validator and sequencer that signs whatever may harm. It has its own keys only.
type adversary struct {
	net    *network
	me     wire.PublicKey
	index  wire.Participant
	height uint64
	parent *wire.Lock
	votes  map[wire.Subject]map[wire.Participant][]byte
}

func newAdversary(net *network) *adversary {
	a := &adversary{
		net: net, me: id(simulatedProcesses - 1), index: simulatedProcesses - 1,
		votes: map[wire.Subject]map[wire.Participant][]byte{},
	}
	net.after(0, a.act)
	return a
}

// receiveAck collects acks on its own lane until it can build on one of its chunks.
func (a *adversary) receiveAck(message []byte) {
	var ack wire.Ack
	if err := ack.Decode(message); err != nil {
		a.net.t.Fatal(err)
	}
	if ack.Chunk.Sequencer != a.me || ack.Chunk.Height != a.height {
		return
	}
	subject, s := ack.Subject(), a.net.w.schemes[ack.Epoch]
	if a.votes[subject] == nil {
		a.votes[subject] = map[wire.Participant][]byte{a.index: s.sign(a.index, subject)}
	}
	votes := a.votes[subject]
	votes[ack.Participant] = ack.Signature
	if len(votes) >= verify.Quorum(simulatedProcesses) {
		signers := wire.NewSigners(simulatedProcesses)
		for i := range votes {
			signers.Add(i)
		}
		a.parent = &wire.Lock{Chunk: ack.Chunk, Epoch: ack.Epoch, Certificate: s.certificate(subject, signers,
			func(i wire.Participant) []byte { return votes[i] })}
		a.height++
		clear(a.votes)
	}
}

func (a *adversary) act() {
	net := a.net
	victim := net.nodes[net.random.IntN(len(net.nodes))]
	switch net.random.IntN(6) {
	case 0, 1: // a node, of which each peer gets another
		n := a.node(net.random.IntN(3))
		if net.chance(20) {
			n.Signature[0] ^= 1
		}
		if net.chance(20) && n.HasParent() {
			n.Parent.Certificate = append([]byte(nil), n.Parent.Certificate...)
			n.Parent.Certificate[len(n.Parent.Certificate)-1] ^= 1
		}
		net.deliver(victim, a.me, n.AppendTo(nil), (*simulated).receiveNode)
	case 2, 3, 4: // an ack for what somebody's tip is, or nearly
		lane := net.nodes[net.random.IntN(len(net.nodes))]
		p, ok := lane.c.Tip(lane.cfg.Identity)
		if !ok {
			break
		}
		c := p.Chunk
		c.Height += uint64(net.random.IntN(3))
		if net.chance(30) {
			c.Payload = payload(net.random.IntN(4))
		}
		subject := wire.Subject{Chunk: c, Epoch: net.epoch}
		vote := net.w.schemes[net.epoch].sign(a.index, subject)
		switch net.random.IntN(4) {
		case 0:
			vote[3] ^= 1
		case 1:
			vote[0] = 0xFF
		}
		m := wire.Ack{Chunk: c, Epoch: net.epoch, Participant: a.index, Signature: vote}
		net.deliver(victim, a.me, m.AppendTo(nil), (*simulated).receiveAck)
	default: // garbage
		b := binary.BigEndian.AppendUint64(nil, net.random.Uint64())
		net.deliver(victim, a.me, b, (*simulated).receiveAck)
		net.deliver(victim, a.me, b, (*simulated).receiveNode)
	}
	net.after(net.upTo(4*time.Millisecond), a.act)
}

func (a *adversary) node(variant int) wire.Node {
	p := 1000 + int(a.height)*3 + variant
	if a.parent == nil {
		return genesis(simulatedProcesses-1, p)
	}
	return on(*a.parent, p)
}
