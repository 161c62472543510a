package sim

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// cabal is the hostile processes: they share what they see, and each signs with its own keys only.
type cabal struct {
	net     *Network
	members []*member
	tips    map[wire.PublicKey]wire.Chunk // of lanes of others, as their nodes told
	seen    []captured                    // messages, to be sent again
	lanes   map[wire.PublicKey]*ownLane
}

// member is one hostile process.
type member struct {
	index int
	id    wire.PublicKey
	lane  *ownLane
}

// ownLane is the lane of a hostile sequencer, which may have several chunks at each height.
type ownLane struct {
	parent *wire.Lock // the highest that they got a certificate for
	votes  map[wire.Subject]map[wire.Participant][]byte
	old    []wire.Lock
}

type captured struct {
	kind    messageKind
	message []byte
}

const (
	capturedMessages = 64
	variants         = 3 // of a chunk, at one height
)

func newCabal(n *Network, size int) *cabal {
	c := &cabal{net: n, tips: make(map[wire.PublicKey]wire.Chunk), lanes: make(map[wire.PublicKey]*ownLane)}
	for i := range size {
		m := &member{index: i, id: n.world.ids[i], lane: &ownLane{votes: make(map[wire.Subject]map[wire.Participant][]byte)}}
		c.members = append(c.members, m)
		c.lanes[m.id] = m.lane
		n.after(n.upTo(n.AttackPause), func() { c.act(m) })
	}
	return c
}

// act has a member do one thing, and the next after a pause.
func (c *cabal) act(m *member) {
	n := c.net
	all := n.Attacks
	if len(all) == 0 {
		all = allAttacks
	}
	a := all[n.random.IntN(len(all))]
	n.Stats.Attacks[a]++
	n.history.line(n.now, "hostile", "p%d: %v", m.index, a)
	a.do(c, m)
	n.after(n.upTo(n.AttackPause), func() { c.act(m) })
}

// receive is all that a hostile process does with a message: take it in. It acknowledges nothing by itself.
func (c *cabal) receive(_ int, e *event) {
	if len(c.seen) < capturedMessages {
		c.seen = append(c.seen, captured{e.kind, e.message})
	} else {
		c.seen[c.net.random.IntN(capturedMessages)] = captured{e.kind, e.message}
	}
	if e.kind == nodeMessage {
		var node wire.Node
		if node.Decode(e.message, formats{c.net.world}) == nil && node.Chunk.Height >= c.tips[node.Chunk.Sequencer].Height {
			c.tips[node.Chunk.Sequencer] = node.Chunk
		}
		return
	}
	var ack wire.Ack
	if ack.Decode(e.message) == nil {
		if l := c.lanes[ack.Chunk.Sequencer]; l != nil {
			c.count(l, &ack)
		}
	}
}

// count collects an ack on a lane of theirs, until there is a certificate to build upon.
func (c *cabal) count(l *ownLane, ack *wire.Ack) {
	next := uint64(0)
	if l.parent != nil {
		next = l.parent.Chunk.Height + 1
	}
	if ack.Chunk.Height != next {
		return
	}
	subject := ack.Subject()
	votes := l.votes[subject]
	if votes == nil {
		votes = make(map[wire.Participant][]byte)
		for _, m := range c.members { // all of them vote for all of it
			if i, vote := c.vote(m, subject); vote != nil {
				votes[i] = vote
			}
		}
		l.votes[subject] = votes
	}
	votes[ack.Participant] = ack.Signature
	e := c.net.world.epochs[ack.Epoch]
	f := e.scheme.Format()
	if len(votes) < verify.Quorum(f.Participants) {
		return
	}
	st := &verify.Statement{
		Scheme: e.scheme, Subject: subject,
		Signers: wire.NewSigners(f.Participants), Slab: make([]byte, f.Participants*f.AckSignature),
	}
	for i, vote := range votes {
		st.Signers.Add(i)
		copy(st.Vote(i), vote)
	}
	v := model.Judge(st, c.net.world.chunkValid)
	if v.Certificate == nil {
		return
	}
	if l.parent != nil {
		l.old = append(l.old, *l.parent)
	}
	l.parent = &wire.Lock{Chunk: ack.Chunk, Epoch: ack.Epoch, Certificate: v.Certificate}
	clear(l.votes)
}

// vote is a member's good vote, nil if it has none in that epoch.
func (c *cabal) vote(m *member, s wire.Subject) (wire.Participant, []byte) {
	e := c.net.world.epochs[s.Epoch]
	if e == nil {
		return 0, nil
	}
	i, ok := e.scheme.Index(m.id)
	if !ok {
		return 0, nil
	}
	vote, err := e.signers[i].SignAck(context.Background(), s)
	if err != nil {
		return 0, nil
	}
	return i, vote
}

// node is one variant of a member's next chunk.
func (c *cabal) node(m *member, variant int) wire.Node {
	chunk := wire.Chunk{Sequencer: m.id}
	var node wire.Node
	if p := m.lane.parent; p != nil {
		chunk.Height = p.Chunk.Height + 1
		node.Parent = wire.Parent{Payload: p.Chunk.Payload, Epoch: p.Epoch, Certificate: slices.Clone(p.Certificate)}
	}
	binary.BigEndian.PutUint64(chunk.Payload[:], 1<<40+chunk.Height*variants+uint64(variant))
	node.Chunk, node.Signature = chunk, c.net.world.signChunk(m.index, chunk)
	return node
}

func (c *cabal) send(m *member, to *process, kind messageKind, message []byte) {
	c.net.Stats.Faults[HostileMessages]++
	c.net.send(m.id, to.id, kind, message)
}

// broadcast sends to all honest processes.
func (c *cabal) broadcast(m *member, kind messageKind, message []byte) {
	for _, p := range c.net.honest() {
		c.send(m, p, kind, message)
	}
}

func (c *cabal) victim() *process {
	honest := c.net.honest()
	return honest[c.net.random.IntN(len(honest))]
}

// target is a chunk that honest processes are at, or the zero chunk when none is known yet.
func (c *cabal) target() (wire.Chunk, bool) {
	// Not a walk over the map: its order would not be the seed's.
	lanes := c.net.processes
	first := c.net.random.IntN(len(lanes))
	for i := range lanes {
		if chunk, ok := c.tips[lanes[(first+i)%len(lanes)].id]; ok {
			return chunk, true
		}
	}
	return wire.Chunk{}, false
}
