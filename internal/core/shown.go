package core

import (
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Shown returns what we can show of another identity, for docs/protocol.md 5.9 and 7.5: the highest
// node of its lane and its highest ack, whatever the lane, each nil without one. The node is without
// a parent's certificate if that is not held any more: then the certificate is nil. The ack is one
// that waits for a quorum, and may be invalid. Both are copies.
func (c *Core) Shown(identity wire.PublicKey) (*wire.Node, *wire.Ack) {
	return c.shownNode(&identity), c.shownAck(identity)
}

func (c *Core) shownNode(sequencer *wire.PublicKey) *wire.Node {
	l := c.lanes.find(sequencer)
	if l == nil {
		d, ok := c.lanes.kept(*sequencer)
		if !ok || !d.hasTip {
			return nil
		}
		t := d.woken(*sequencer)
		n := wire.Node{Chunk: *t.chunk(), Signature: t.proposal.Signature}
		n.Parent.Payload = t.parent
		return &n
	}
	t := l.tip
	if t == nil {
		return nil
	}
	n := wire.Node{Chunk: *t.chunk(), Signature: t.proposal.Signature}
	if !n.HasParent() {
		return &n
	}
	n.Parent.Payload = t.parent
	held := l.votes.At(n.Chunk.Height - 1)
	if held != nil && (held.Chunk.Payload == t.parent || t.parent == wire.Digest{}) {
		n.Parent = wire.Parent{Payload: held.Chunk.Payload, Epoch: held.Epoch, Certificate: slices.Clone(held.Certificate)}
	}
	return &n
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

// shownAckOf returns the highest ack of participant i in an epoch, or another one that is as high.
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
