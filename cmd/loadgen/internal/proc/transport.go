package proc

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/wire"
)

// statusType is the type of the messages in which members agree on a run.
const statusType network.Type = 0x70

// statusLimit is the length limit of these messages, in bytes.
const statusLimit = 512

var statusMessage = network.MessageType{
	Type: statusType, Name: "loadgen_status", Class: network.Control, Limit: statusLimit, Urgent: true,
}

// transport is the network of a member. It records and counts the messages sent and received, drops
// some of them (Loss), and takes out the status messages between members.
type transport struct {
	*network.Network
	run      *member.Run
	record   *record.Writer
	loss     float64
	schedule *schedule

	mu     sync.Mutex
	random *rand.Rand
	node   wire.Chunk                    // the last one sent
	acks   map[wire.PublicKey]wire.Chunk // the last one acked, by lane
}

var _ network.Transport = (*transport)(nil)

// Run implements network.Transport.
func (t *transport) Run(ctx context.Context, h network.Handler) error {
	return t.Network.Run(ctx, &handler{h, t})
}

// Send implements network.Transport.
func (t *transport) Send(to []wire.PublicKey, kind network.Type, message []byte) {
	switch kind {
	case bridge.Node:
		t.run.Sent.Node(len(to), message)
		var n wire.Node
		if err := n.DecodeStored(message); err != nil {
			t.run.Problems.Fault("a node of our own cannot be read: %v", err)
			break
		}
		t.note(record.Node, &n.Chunk)
	case bridge.Ack:
		t.run.Sent.Ack(len(to), message)
		var a wire.Ack
		if err := a.Decode(message); err != nil {
			t.run.Problems.Fault("an ack of our own cannot be read: %v", err)
			break
		}
		t.note(record.Ack, &a.Chunk)
	case bridge.Certificate:
		t.run.Sent.Certificate(len(to), message)
	}
	t.Network.Send(t.survivors(to), kind, message)
}

// note writes a chunk to the record, unless it was the last on its lane.
func (t *transport) note(kind record.Kind, c *wire.Chunk) {
	t.mu.Lock()
	known := kind == record.Node && t.node == *c || kind == record.Ack && t.acks[c.Sequencer] == *c
	if kind == record.Node {
		t.node = *c
	} else {
		t.acks[c.Sequencer] = *c
	}
	t.mu.Unlock()
	if !known {
		t.record.Chunk(kind, c)
	}
}

// survivors returns the recipients that the message is not lost for.
func (t *transport) survivors(to []wire.PublicKey) []wire.PublicKey {
	if t.loss == 0 {
		return to
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make([]wire.PublicKey, 0, len(to))
	for _, id := range to {
		if t.random.Float64() >= t.loss {
			kept = append(kept, id)
		}
	}
	return kept
}

// handler takes out the status messages, and passes the others on.
type handler struct {
	network.Handler
	t *transport
}

// Connected implements network.Handler.
func (h *handler) Connected(id wire.PublicKey, r network.Role) {
	h.Handler.Connected(id, r)
	h.t.schedule.connected(id)
}

// Disconnected implements network.Handler.
func (h *handler) Disconnected(id wire.PublicKey, why error) {
	h.t.schedule.disconnected(id)
	h.Handler.Disconnected(id, why)
}

// Messages implements network.Handler.
func (h *handler) Messages(from wire.PublicKey, batch []network.Message) {
	bytes, others := 0, batch[:0]
	for _, m := range batch {
		if m.Type == statusType {
			h.t.schedule.received(from, m.Buffer.Bytes())
			m.Buffer.Release()
			continue
		}
		bytes += len(m.Buffer.Bytes())
		others = append(others, m)
	}
	h.t.run.Received.Add(uint64(bytes))
	if len(others) > 0 {
		h.Handler.Messages(from, others)
	}
}
