package sim

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// colluders are the hostile processes. They share all messages that they receive, and each signs
// only with its own keys.
type colluders struct {
	net     *Network
	members []*colluder
	tips    map[wire.PublicKey]wire.Chunk // of the lanes of others, from their nodes
	seen    []captured                    // messages to send again
	lanes   map[wire.PublicKey]*ownLane
}

// colluder is one hostile process.
type colluder struct {
	index int
	id    wire.PublicKey
	lane  *ownLane
}

// ownLane is the lane of a hostile sequencer. It may have several chunks at each height.
type ownLane struct {
	parent *wire.Lock // the highest chunk for which they got a certificate
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

func newColluders(n *Network, size int) *colluders {
	c := &colluders{net: n, tips: make(map[wire.PublicKey]wire.Chunk), lanes: make(map[wire.PublicKey]*ownLane)}
	for i := range size {
		m := &colluder{index: i, id: n.roster.ids[i], lane: &ownLane{votes: make(map[wire.Subject]map[wire.Participant][]byte)}}
		c.members = append(c.members, m)
		c.lanes[m.id] = m.lane
		n.after(n.upTo(n.AttackPause), func() { c.act(m) })
	}
	return c
}

// act runs one random attack of a colluder, and the next one after a pause.
func (c *colluders) act(m *colluder) {
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

// receive stores a message that was sent to a colluder. Nothing is sent in response.
func (c *colluders) receive(_ int, e *event) {
	if len(c.seen) < capturedMessages {
		c.seen = append(c.seen, captured{e.kind, e.message})
	} else {
		c.seen[c.net.random.IntN(capturedMessages)] = captured{e.kind, e.message}
	}
	if e.kind == nodeMessage {
		var node wire.Node
		if node.Decode(e.message, formats{c.net.roster}) == nil && node.Chunk.Height >= c.tips[node.Chunk.Sequencer].Height {
			c.tips[node.Chunk.Sequencer] = node.Chunk
		}
		return
	}
	if e.kind == certificateMessage {
		return
	}
	var ack wire.Ack
	if ack.Decode(e.message) == nil {
		if l := c.lanes[ack.Chunk.Sequencer]; l != nil {
			c.count(l, &ack)
		}
	}
}

// count collects an ack on a colluder's lane, until the acks make a certificate for the next node.
func (c *colluders) count(l *ownLane, ack *wire.Ack) {
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
		for _, m := range c.members { // every colluder votes for every chunk
			if i, vote := c.vote(m, subject); vote != nil {
				votes[i] = vote
			}
		}
		l.votes[subject] = votes
	}
	votes[ack.Participant] = ack.Signature
	e := c.net.roster.epochs[ack.Epoch]
	f := e.scheme.Format()
	if !e.certifies(func(i wire.Participant) bool { return votes[i] != nil }) {
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
	v := model.Decide(st, c.net.roster.chunkValid)
	if v.Certificate == nil {
		return
	}
	if l.parent != nil {
		l.old = append(l.old, *l.parent)
	}
	l.parent = &wire.Lock{Chunk: ack.Chunk, Epoch: ack.Epoch, Certificate: v.Certificate}
	clear(l.votes)
}

// vote returns a colluder's valid vote, nil if it is no validator in that epoch.
func (c *colluders) vote(m *colluder, s wire.Subject) (wire.Participant, []byte) {
	e := c.net.roster.epochs[s.Epoch]
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

// node returns one variant of a colluder's next node.
func (c *colluders) node(m *colluder, variant int) wire.Node {
	chunk := wire.Chunk{Sequencer: m.id}
	var node wire.Node
	if p := m.lane.parent; p != nil {
		chunk.Height = p.Chunk.Height + 1
		node.Parent = wire.Parent{Payload: p.Chunk.Payload, Epoch: p.Epoch, Certificate: slices.Clone(p.Certificate)}
	}
	binary.BigEndian.PutUint64(chunk.Payload[:], 1<<40+chunk.Height*variants+uint64(variant))
	node.Chunk, node.Signature = chunk, c.net.roster.signChunk(m.index, chunk)
	return node
}

func (c *colluders) send(m *colluder, to *process, kind messageKind, message []byte) {
	c.net.Stats.Faults[HostileMessages]++
	c.net.send(m.id, to.id, kind, message)
}

// broadcast sends to all honest processes.
func (c *colluders) broadcast(m *colluder, kind messageKind, message []byte) {
	for _, p := range c.net.honest() {
		c.send(m, p, kind, message)
	}
}

func (c *colluders) victim() *process {
	honest := c.net.honest()
	return honest[c.net.random.IntN(len(honest))]
}

// target returns the tip of a random lane of an honest process, or the zero chunk if none is known
// yet.
func (c *colluders) target() (wire.Chunk, bool) {
	// Do not iterate over the map: the seed does not determine its order.
	lanes := c.net.processes
	first := c.net.random.IntN(len(lanes))
	for i := range lanes {
		if chunk, ok := c.tips[lanes[(first+i)%len(lanes)].id]; ok {
			return chunk, true
		}
	}
	return wire.Chunk{}, false
}
