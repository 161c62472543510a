package engine_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// sendLog is a Sender that only records the messages and their times.
type sendLog struct {
	mu    sync.Mutex
	nodes []time.Time
	gate  chan struct{}
}

func (w *sendLog) SendNode(_ []wire.PublicKey, _ []byte) {
	if w.gate != nil {
		<-w.gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes = append(w.nodes, time.Now())
}

func (w *sendLog) SendAck(_ []wire.PublicKey, _ []byte) {}

func (w *sendLog) SendCertificate(_ []wire.PublicKey, _ []byte) {}

// unusable is a Sender that fails the test when anything is sent.
type unusable struct{ t testing.TB }

func (u unusable) SendNode([]wire.PublicKey, []byte) { u.t.Error("a follower sent a node") }
func (u unusable) SendAck([]wire.PublicKey, []byte)  { u.t.Error("a follower sent an ack") }
func (u unusable) SendCertificate([]wire.PublicKey, []byte) {
	u.t.Error("a follower sent a certificate")
}

// ackTap shows the test every ack that is sent.
type ackTap struct {
	engine.Sender
	saw func(*wire.Ack)
}

func (t *ackTap) SendAck(to []wire.PublicKey, message []byte) {
	var a wire.Ack
	if a.Decode(message) == nil {
		t.saw(&a)
	}
	t.Sender.SendAck(to, message)
}

// nodeTap passes on a copy of every node that is sent.
type nodeTap struct {
	engine.Sender
	nodes chan<- []byte
}

func (n *nodeTap) SendNode(to []wire.PublicKey, message []byte) {
	select {
	case n.nodes <- message:
	default:
	}
	n.Sender.SendNode(to, message)
}

type countingSender struct {
	engine.Sender
	sent atomic.Int64
}

func (s *countingSender) SendAck(to []wire.PublicKey, message []byte) {
	s.sent.Add(1)
	s.Sender.SendAck(to, message)
}

// shownChunks records every chunk that its member sent or acked.
type shownChunks struct {
	engine.Sender
	mu     sync.Mutex
	shown  int
	chunks map[wire.Chunk]bool
}

func (s *shownChunks) SendNode(to []wire.PublicKey, message []byte) {
	var n wire.Node
	if err := n.DecodeStored(message); err != nil {
		panic(err)
	}
	s.note(n.Chunk)
	s.Sender.SendNode(to, message)
}

func (s *shownChunks) SendAck(to []wire.PublicKey, message []byte) {
	var a wire.Ack
	if err := a.Decode(message); err != nil {
		panic(err)
	}
	s.note(a.Chunk)
	s.Sender.SendAck(to, message)
}

func (s *shownChunks) note(c wire.Chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chunks == nil {
		s.chunks = map[wire.Chunk]bool{}
	}
	s.chunks[c] = true
	s.shown++
}

func (s *shownChunks) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// demandHeld checks that every recorded chunk is in the journal, which is too short for any to have
// been removed.
func (s *shownChunks) demandHeld(t *testing.T, dir string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	held := map[wire.Chunk]bool{}
	if _, err := journal.Inspect(dir, nil, func(r journal.RecordInfo) error {
		info, err := core.DescribeRecord(r.Record)
		if err == nil && info.Tip != nil {
			held[*info.Tip] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for c := range s.chunks {
		if !held[c] {
			t.Errorf("height %d of lane %v was shown and is not on disk", c.Height, c.Sequencer)
		}
	}
	if len(s.chunks) == 0 {
		t.Error("nothing was shown")
	}
}

// ackWatch records the lowest height of each lane that a member acks, and the number of nodes that
// it sends.
type ackWatch struct {
	ackTap
	mu     sync.Mutex
	lowest map[wire.PublicKey]uint64
	nodes  int
}

func newAckWatch(s engine.Sender) *ackWatch {
	w := &ackWatch{lowest: map[wire.PublicKey]uint64{}}
	w.ackTap = ackTap{s, func(a *wire.Ack) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if low, ok := w.lowest[a.Chunk.Sequencer]; !ok || a.Chunk.Height < low {
			w.lowest[a.Chunk.Sequencer] = a.Chunk.Height
		}
	}}
	return w
}

func (a *ackWatch) SendNode(to []wire.PublicKey, message []byte) {
	a.mu.Lock()
	a.nodes++
	a.mu.Unlock()
	a.ackTap.SendNode(to, message)
}

func (a *ackWatch) seen() (lanes, nodes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.lowest), a.nodes
}
