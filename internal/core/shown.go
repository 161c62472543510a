package core

import (
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Shown returns the messages of another identity that this process can show, for docs/protocol.md
// 5.9 and 7.5: the nodes of its lane from the highest one down to the tip, and its highest ack on
// any lane, nil without one. Nodes above the tip wait for their verification: a node that is acked
// after its verification must be in the answer. The parent's certificate of a node is nil if it is
// not held any more. The ack waits for a quorum, and may be invalid. All are copies.
func (c *Core) Shown(identity wire.PublicKey) ([]wire.Node, *wire.Ack) {
	return c.shownNodes(&identity), c.shownAck(identity)
}

func (c *Core) shownNodes(sequencer *wire.PublicKey) (nodes []wire.Node) {
	l := c.lanes.find(sequencer)
	if l == nil {
		d, ok := c.lanes.kept(*sequencer)
		if !ok || !d.hasTip {
			return nil
		}
		return []wire.Node{d.woken(*sequencer).shown()}
	}
	for _, p := range []*pendingNode{l.waiting, l.verifying} { // the one that waits is the higher one
		if p != nil && !p.onlyProposal {
			n := p.node
			n.Parent.Certificate = slices.Clone(n.Parent.Certificate)
			nodes = append(nodes, n)
		}
	}
	t := l.tip
	if t == nil {
		return nodes
	}
	n := t.shown()
	if n.HasParent() {
		held := l.votes.At(n.Chunk.Height - 1)
		if held != nil && (held.Chunk.Payload == t.parent || t.parent == wire.Digest{}) {
			n.Parent = wire.Parent{Payload: held.Chunk.Payload, Epoch: held.Epoch, Certificate: slices.Clone(held.Certificate)}
		}
	}
	return append(nodes, n)
}

// shown returns the tip as a node without its parent's certificate.
func (t *tip) shown() wire.Node {
	return wire.Node{Chunk: *t.chunk(), Signature: t.proposal.Signature, Parent: wire.Parent{Payload: t.parent}}
}

func (c *Core) shownAck(identity wire.PublicKey) (highest *wire.Ack) {
	first, last := c.epochs.bounds()
	for n := first; ; n++ {
		if e := c.epochs.known[n]; e != nil {
			if i, ok := e.scheme.Index(identity); ok {
				highest = c.shownAckOf(i, n, highest)
			}
		}
		if n == last {
			return highest
		}
	}
}

// shownAckOf returns the highest ack of participant i in an epoch, or highest if none is higher.
func (c *Core) shownAckOf(i wire.Participant, epoch uint64, highest *wire.Ack) *wire.Ack {
	for _, l := range c.lanes.all() {
		if l.gone {
			continue
		}
		if a, ok := l.votes.Of(i, epoch); ok && (highest == nil || a.Chunk.Height > highest.Chunk.Height) {
			highest = &a
		}
	}
	return highest
}
