package sim

import (
	"encoding/binary"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Attack is a kind of behavior of hostile processes.
type Attack int

// The attacks.
const (
	// BehaveWell acks a chunk, or sends a node, as an honest process does: otherwise hostile lanes
	// would not grow.
	BehaveWell Attack = iota
	// Withhold does nothing.
	Withhold
	// Equivocate sends different chunks of one height to each half of the network, and others again
	// later, as if after a restart.
	Equivocate
	// AckSomebody sends a valid ack only to a random part of the network.
	AckSomebody
	// AckWrongly sends an ack with an invalid signature.
	AckWrongly
	// CancelOut makes two hostile processes send acks whose errors cancel in the sum, in the
	// subgroup or outside of it.
	CancelOut
	// AckEverything acks random payloads, at heights and epochs within bounds and just outside.
	AckEverything
	// AckTwice acks two payloads at one height.
	AckTwice
	// Replay sends captured messages again.
	Replay
	// Mutate sends captured messages with bits changed.
	Mutate
	// SwapBits sends a node whose parent certificate has bits changed, or is another's.
	SwapBits
	// MisSign sends a node with a wrong signature.
	MisSign
	// Flood sends hundreds of messages at once.
	Flood
	// Garbage sends random bytes.
	Garbage
	// Impersonate sends a process nodes and acks under that process's own identity, or another's,
	// at heights that it does not know.
	Impersonate
	// SendCertificates sends the certificate of the last chunk of a hostile lane to all processes,
	// to some, or to none.
	SendCertificates
	// SendOthersCertificates sends certificates of lanes of others, old and new.
	SendOthersCertificates
	// ForgeCertificates floods a process with certificates that do not verify, of any lane.
	ForgeCertificates
	numAttacks
)

var attackNames = [numAttacks]string{
	"behave well", "withhold", "equivocate", "ack somebody", "ack wrongly", "cancel out", "ack everything", "ack twice",
	"replay", "mutate", "swap bits", "mis-sign", "flood", "garbage", "impersonate",
	"send certificates", "send others' certificates", "forge certificates",
}

func (a Attack) String() string { return attackNames[a] }

var allAttacks = func() (all []Attack) {
	for a := range numAttacks {
		all = append(all, a)
	}
	return all
}()

func (a Attack) do(c *colluders, m *colluder) {
	n := c.net
	switch a {
	case BehaveWell:
		c.behaveWell(m)
	case Equivocate:
		c.equivocate(m)
	case AckSomebody:
		if chunk, ok := c.target(); ok {
			c.ack(m, chunk, n.epoch, func(vote []byte) []byte { return vote }, func() bool { return n.chance(50) })
		}
	case AckWrongly:
		c.ackWrongly(m)
	case CancelOut:
		c.cancelOut(m)
	case AckEverything:
		c.ackEverything(m)
	case AckTwice:
		if chunk, ok := c.target(); ok {
			other := chunk
			other.Payload[9] ^= 1
			chunk.Height++
			other.Height++
			c.ack(m, chunk, n.epoch, nil, nil)
			c.ack(m, other, n.epoch, nil, nil)
		}
	case Replay, Mutate:
		c.replay(m, a == Mutate)
	case SwapBits:
		c.swapBits(m)
	case MisSign:
		node := c.node(m, 0)
		node.Signature[n.random.IntN(len(node.Signature))] ^= 1 << n.random.IntN(8)
		c.send(m, c.victim(), nodeMessage, node.AppendTo(nil))
	case Flood:
		c.flood(m)
	case Impersonate:
		c.impersonate(m)
	case SendCertificates:
		c.sendCertificates(m)
	case SendOthersCertificates:
		if l, ok := c.lockOf(c.victim().id); ok {
			c.send(m, c.victim(), certificateMessage, l.AppendTo(nil))
		}
	case ForgeCertificates:
		c.forgeCertificates(m)
	case Garbage:
		b := make([]byte, n.random.IntN(200))
		for i := range b {
			b[i] = byte(n.random.Uint32())
		}
		c.send(m, c.victim(), messageKind(n.random.IntN(int(numMessageKinds))), b)
	}
}

func (c *colluders) behaveWell(m *colluder) {
	if c.net.chance(50) {
		node := c.node(m, 0)
		c.broadcast(m, nodeMessage, node.AppendTo(nil))
		return
	}
	if chunk, ok := c.target(); ok {
		c.ack(m, chunk, c.net.epoch, nil, nil)
	}
}

func (c *colluders) equivocate(m *colluder) {
	n := c.net
	first, second := n.random.IntN(variants), n.random.IntN(variants)
	a, b := c.node(m, first), c.node(m, second)
	messages := [2][]byte{a.AppendTo(nil), b.AppendTo(nil)}
	for _, p := range n.honest() {
		c.send(m, p, nodeMessage, messages[p.index%2])
	}
}

// ack sends a colluder's ack to the honest processes for which some returns true, to all if some is
// nil. change may alter the signature.
func (c *colluders) ack(m *colluder, chunk wire.Chunk, epoch uint64, change func([]byte) []byte, some func() bool) {
	i, vote := c.vote(m, wire.Subject{Chunk: chunk, Epoch: epoch})
	if vote == nil {
		return
	}
	if change != nil {
		vote = change(vote)
	}
	a := wire.Ack{Chunk: chunk, Epoch: epoch, Participant: i, Signature: vote}
	message := a.AppendTo(nil)
	for _, p := range c.net.honest() {
		if some == nil || some() {
			c.send(m, p, ackMessage, message)
		}
	}
}

func (c *colluders) ackWrongly(m *colluder) {
	n := c.net
	chunk, ok := c.target()
	if !ok {
		return
	}
	chunk.Height += uint64(n.random.IntN(2))
	how := forgery(n.random.IntN(int(numForgeries)))
	c.ack(m, chunk, n.epoch, func(vote []byte) []byte { return n.roster.forge(vote, how, n.random.IntN(1<<16)) }, nil)
}

// cancelOut needs two colluders: the next one sends the ack with the opposite error.
func (c *colluders) cancelOut(m *colluder) {
	n := c.net
	chunk, ok := c.target()
	if !ok {
		return
	}
	other := c.members[(m.index+1)%len(c.members)]
	there, back := shifted, shiftedBack
	if n.chance(50) {
		there, back = twisted, twistedBack
	}
	c.ack(m, chunk, n.epoch, func(vote []byte) []byte { return n.roster.forge(vote, there, 0) }, nil)
	if other != m {
		c.ack(other, chunk, n.epoch, func(vote []byte) []byte { return n.roster.forge(vote, back, 0) }, nil)
	}
}

func (c *colluders) ackEverything(m *colluder) {
	n := c.net
	chunk, ok := c.target()
	if !ok {
		return
	}
	from := chunk.Height
	for range 12 {
		chunk.Height = from + uint64(n.random.IntN(10)) - min(from, 1)
		if n.chance(70) {
			binary.BigEndian.PutUint32(chunk.Payload[:], n.random.Uint32N(8))
		}
		c.ack(m, chunk, n.epoch-2+uint64(n.random.IntN(4)), nil, nil)
	}
}

func (c *colluders) replay(m *colluder, mutate bool) {
	if len(c.seen) == 0 {
		return
	}
	message := c.seen[c.net.random.IntN(len(c.seen))]
	if mutate {
		message.message = c.net.garble(message.message)
	}
	c.broadcast(m, message.kind, message.message)
}

func (c *colluders) swapBits(m *colluder) {
	n := c.net
	node := c.node(m, n.random.IntN(variants))
	if !node.HasParent() {
		return
	}
	b := node.Parent.Certificate
	switch old := m.lane.old; {
	case len(old) > 0 && n.chance(30): // the certificate of another height
		node.Parent.Certificate = old[n.random.IntN(len(old))].Certificate
	case len(b) > 9 && n.chance(60): // a bit of the bitmap
		b[8+n.random.IntN(min(2, len(b)-8))] ^= 1 << n.random.IntN(8)
	case n.chance(20):
		node.Parent.Epoch++
	default:
		b[n.random.IntN(len(b))] ^= 1 << n.random.IntN(8)
	}
	c.send(m, c.victim(), nodeMessage, node.AppendTo(nil))
}

// sendCertificates sends the highest certificate of a colluder's own lane.
func (c *colluders) sendCertificates(m *colluder) {
	if m.lane.parent == nil {
		return
	}
	message := m.lane.parent.AppendTo(nil)
	percent := []int{0, 50, 100}[c.net.random.IntN(3)]
	for _, p := range c.net.honest() {
		if c.net.chance(percent) {
			c.send(m, p, certificateMessage, message)
		}
	}
}

// lockOf returns a lock of a lane that an honest process holds: certificates are public.
func (c *colluders) lockOf(lane wire.PublicKey) (wire.Lock, bool) {
	from := c.victim()
	if from.c == nil {
		return wire.Lock{}, false
	}
	l, ok := from.highest(lane)
	if ok && l.Chunk.Height > 0 && c.net.chance(30) {
		if below, held := from.c.Certificate(lane, l.Chunk.Height-1); held {
			return below, true
		}
	}
	return l, ok
}

// forgeCertificates sends certificates that are nearly right: of another height, epoch or payload,
// or with bits changed.
func (c *colluders) forgeCertificates(m *colluder) {
	n := c.net
	victim := c.victim()
	for range 1 + n.random.IntN(40) {
		lane := n.roster.ids[n.random.IntN(len(n.roster.ids))]
		l, ok := c.lockOf(lane)
		if !ok {
			continue
		}
		l.Certificate = slices.Clone(l.Certificate)
		switch n.random.IntN(4) {
		case 0:
			l.Chunk.Height += 1 + uint64(n.random.IntN(3))
		case 1:
			l.Epoch++
		case 2:
			l.Chunk.Payload[7] ^= 1
		default:
			l.Certificate[n.random.IntN(len(l.Certificate))] ^= 1 << n.random.IntN(8)
		}
		c.send(m, victim, certificateMessage, l.AppendTo(nil))
	}
}

func (c *colluders) impersonate(m *colluder) {
	n := c.net
	victim := c.victim()
	name := victim
	if n.chance(20) {
		name = c.victim()
	}
	if n.chance(50) {
		node := c.node(m, 0)
		node.Chunk.Sequencer = name.id
		node.Chunk.Height += uint64(n.random.IntN(3))
		c.send(m, victim, nodeMessage, node.AppendTo(nil))
		return
	}
	chunk, _ := c.target()
	chunk.Height += uint64(n.random.IntN(3))
	if i, ok := n.roster.epochs[n.epoch].scheme.Index(name.id); ok {
		if _, vote := c.vote(m, wire.Subject{Chunk: chunk, Epoch: n.epoch}); vote != nil {
			a := wire.Ack{Chunk: chunk, Epoch: n.epoch, Participant: i, Signature: vote}
			c.send(m, victim, ackMessage, a.AppendTo(nil))
		}
	}
}

func (c *colluders) flood(m *colluder) {
	n := c.net
	chunk, _ := c.target()
	victim := c.victim()
	node := c.node(m, 0)
	for i := range 100 {
		chunk.Height = uint64(n.random.IntN(1 << 20))
		ack := wire.Ack{Chunk: chunk, Epoch: n.epoch, Participant: wire.Participant(m.index), Signature: make([]byte, 16)}
		c.send(m, victim, ackMessage, ack.AppendTo(nil))
		if i%10 == 0 {
			c.send(m, victim, nodeMessage, node.AppendTo(nil))
		}
	}
}
