package engine_test

import (
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestAFullInboxRefusesTheNewestMessageOfThatPeerOnly(t *testing.T) {
	m, s, _ := quiet(t)
	flooder, err := m.engine.Peer(s.Scheme.Participants()[1])
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.engine.Peer(s.Scheme.Participants()[2])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if err := flooder.DeliverAckBytes([]byte{byte(i)}); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	refused := wire.CopyBuffer([]byte("one too many"))
	if err := flooder.DeliverAck(refused); !errors.Is(err, engine.ErrPeerFull) {
		t.Errorf("over quota Deliver returned %v", err)
	}
	demandReleased(t, refused)
	if err := other.DeliverAckBytes([]byte{0}); err != nil {
		t.Errorf("another peer was refused: %v", err)
	}
	if flooder.Waiting() != 8 || flooder.Identity() != s.Scheme.Participants()[1] {
		t.Errorf("%d messages of %v wait", flooder.Waiting(), flooder.Identity())
	}
	m.start()
	eventually(t, "the inbox is empty", func() bool { return status(t, m.engine).Counters.AcksReceived == 9 })
	if got := status(t, m.engine).Counters; got.InboxDropped != 1 || got.AcksInvalid != 9 {
		t.Errorf("counted %+v", got)
	}
	if err := flooder.DeliverAckBytes([]byte{0}); err != nil {
		t.Errorf("after the inbox was emptied Deliver returned %v", err)
	}
}

func TestAMessageTooLargeIsRefused(t *testing.T) {
	m, s, _ := quiet(t)
	p, err := m.engine.Peer(s.Scheme.Participants()[1])
	if err != nil {
		t.Fatal(err)
	}
	large := wire.CopyBuffer(make([]byte, 1025))
	if err := p.DeliverNode(large); !errors.Is(err, engine.ErrMessageTooLarge) {
		t.Errorf("DeliverNode returned %v", err)
	}
	demandReleased(t, large)
	if err := p.DeliverAckBytes(make([]byte, 1025)); !errors.Is(err, engine.ErrMessageTooLarge) {
		t.Errorf("DeliverAckBytes returned %v", err)
	}
	m.start()
	if got := status(t, m.engine).Counters.InboxDropped; got != 2 {
		t.Errorf("%d drops were counted", got)
	}
}

func TestMessagesThatAreLeftAtTheEndAreTold(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, _, members := newCluster(t, s)
	m := members[0]
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	m.open(t, net)
	p, err := m.engine.Peer(s.Scheme.Participants()[1])
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.DeliverAckBytes([]byte{0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if !log.hasLine("stopped with messages not taken in", "messages=3") {
		t.Error("nothing was logged")
	}
}

func TestAnIdentityHasOneHandleForAllCallers(t *testing.T) {
	t.Parallel()
	m, _, _ := quiet(t)
	m.start()
	id := wire.PublicKey{1}
	handles := make([]*engine.Peer, 8)
	var wg sync.WaitGroup
	for i := range handles {
		wg.Go(func() {
			p, err := m.engine.Peer(id)
			if err != nil {
				t.Error(err)
				return
			}
			handles[i] = p
			for range 50 { // more than the quota of 8 from all of them together
				if err := p.DeliverAckBytes([]byte{1}); err != nil && !errors.Is(err, engine.ErrPeerFull) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, p := range handles {
		if p != handles[0] {
			t.Error("two handles for one identity")
		}
	}
	if got := status(t, m.engine).Peers; got != 1 {
		t.Errorf("there are %d handles", got)
	}
}

// All connections of an identity share one quota.
func TestAnotherConnectionOfAPeerBringsItNoMoreQuota(t *testing.T) {
	t.Parallel()
	m, _, _ := quiet(t)
	delivered := 0
	for range 3 {
		p, err := m.engine.Peer(wire.PublicKey{1})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			if p.DeliverAckBytes([]byte{1}) == nil {
				delivered++
			}
		}
	}
	if delivered != 8 {
		t.Errorf("%d messages wait, the quota is 8", delivered)
	}
}

func TestHandlesAreLimitedUntilTheyAreClosed(t *testing.T) {
	t.Parallel()
	m, _, _ := quiet(t)
	var handles []*engine.Peer
	for i := range 4 {
		p, err := m.engine.Peer(wire.PublicKey{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, p)
	}
	if p, err := m.engine.Peer(wire.PublicKey{0}); p != handles[0] || err != nil {
		t.Errorf("a peer that has a handle: %v", err)
	}
	if _, err := m.engine.Peer(wire.PublicKey{9}); !errors.Is(err, engine.ErrTooManyPeers) {
		t.Errorf("a fifth peer: %v", err)
	}
	// A message that a closed handle delivered still waits, and uses room until it has been read.
	if err := handles[0].DeliverAckBytes([]byte{1}); err != nil {
		t.Fatal(err)
	}
	handles[0].Close()
	handles[0].Close()
	if err := handles[0].DeliverAckBytes([]byte{1}); !errors.Is(err, engine.ErrPeerClosed) {
		t.Errorf("a closed handle: %v", err)
	}
	if _, err := m.engine.Peer(wire.PublicKey{9}); !errors.Is(err, engine.ErrTooManyPeers) {
		t.Errorf("another peer while its messages wait: %v", err)
	}
	m.start()
	eventually(t, "the room is given back", func() bool {
		p, err := m.engine.Peer(wire.PublicKey{9})
		if err == nil {
			handles[0].Close() // must not close the new handle
			err = p.DeliverAckBytes([]byte{1})
		}
		return err == nil
	})
	if got := status(t, m.engine).Peers; got != 4 {
		t.Errorf("there are %d handles", got)
	}
}

func TestGarbageOnTheWireIsCountedAndReported(t *testing.T) {
	m, s, _ := quiet(t)
	m.start()
	ids := s.Scheme.Participants()
	p, err := m.engine.Peer(ids[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.DeliverAckBytes([]byte("garbage")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the garbage is reported", func() bool {
		f := m.recorder.Faults()
		return len(f) == 1 && f[0].Tag() == wire.TagInvalidAck && f[0].(*wire.InvalidAck).Peer == ids[1] &&
			string(f[0].(*wire.InvalidAck).Message) == "garbage"
	})
	q, err := m.engine.Peer(ids[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := q.DeliverNodeBytes(nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the garbage is reported", func() bool {
		f := m.recorder.Faults()
		return len(f) == 2 && f[1].Tag() == wire.TagInvalidNode
	})
	if got := status(t, m.engine).Counters; got.AcksInvalid != 1 || got.NodesInvalid != 1 || got.Faults != 2 {
		t.Errorf("counted %+v", got)
	}
}

func TestAnUnknownEpochIsCountedAndBlamesNobody(t *testing.T) {
	m, s, w := quiet(t)
	delete(w.schemes, 1) // within bounds, but not known
	m.start()
	ids := s.Scheme.Participants()
	p, err := m.engine.Peer(ids[1])
	if err != nil {
		t.Fatal(err)
	}
	ack := wire.Ack{Chunk: wire.Chunk{Sequencer: ids[2]}, Epoch: 1, Participant: 1, Signature: make([]byte, 64)}
	if err := p.DeliverAckBytes(ack.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	format := s.Scheme.Format()
	signers := wire.NewSigners(format.Participants)
	signers.Add(0)
	node := wire.Node{Chunk: wire.Chunk{Sequencer: ids[1], Height: 1}, Parent: wire.Parent{Epoch: 77,
		Certificate: wire.AppendSignersAndList(nil, signers, func(wire.Participant) []byte { return make([]byte, 64) })}}
	if err := p.DeliverNodeBytes(node.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are taken in", func() bool {
		c := status(t, m.engine).Counters
		return c.AcksReceived == 1 && c.NodesReceived == 1
	})
	if got := status(t, m.engine).Counters; got.AcksAccepted != 0 || got.AcksInvalid != 0 || got.NodesInvalid != 0 {
		t.Errorf("counted %+v", got)
	}
	if f := m.recorder.Faults(); len(f) != 0 {
		t.Errorf("the fault %v was reported", f[0].Tag())
	}
}

func TestEveryBufferIsReleasedOnceAlsoThroughAShutdown(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Ed25519, 4, 1)
	net, w, members := newCluster(t, s)
	m := members[0]
	m.config.Sequencer, m.config.Relay = nil, nil
	m.open(t, net)
	m.start()
	var mu sync.Mutex
	var given []wire.Buffer
	var producers sync.WaitGroup
	sequencer := testkit.Identity(s.Identities[0])
	for i := 1; i < 4; i++ {
		p, err := m.engine.Peer(s.Scheme.Participants()[i])
		if err != nil {
			t.Fatal(err)
		}
		producers.Go(func() {
			for height := uint64(0); ; height++ {
				ack := wire.Ack{Chunk: wire.Chunk{Sequencer: sequencer, Height: height % 16}, Participant: wire.Participant(i)}
				signature, err := s.Signers[i].SignAck(t.Context(), ack.Subject())
				if err != nil {
					t.Error(err)
					return
				}
				ack.Signature = signature
				b := wire.NewBuffer()
				b.Set(ack.AppendTo)
				mu.Lock()
				given = append(given, b)
				mu.Unlock()
				if err := p.DeliverAck(b); errors.Is(err, engine.ErrStopped) {
					return
				}
			}
		})
	}
	eventually(t, "certificates are made", func() bool { return status(t, m.engine).Counters.Certificates >= 10 })
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	producers.Wait()
	for _, b := range given {
		demandReleased(t, b)
	}
	fresh := map[uint64]verify.Scheme{0: w.schemes[0]}
	demandSound(t, fresh, []*member{m}) // nothing was read from a released buffer
}

// message returns n bytes that are no valid message.
func message(kind engine.Kind, n int) engine.Message {
	return engine.Message{Kind: kind, Buffer: wire.CopyBuffer(make([]byte, n))}
}

func TestABatchIsTakenExceptForRefusedMessages(t *testing.T) {
	t.Parallel()
	m, s, _ := quiet(t)
	p, err := m.engine.Peer(s.Scheme.Participants()[1])
	if err != nil {
		t.Fatal(err)
	}
	if refused, err := p.Deliver(nil); refused != 0 || err != nil {
		t.Errorf("nothing: %d refused, %v", refused, err)
	}
	batch := []engine.Message{
		message(engine.KindAck, 1), message(engine.KindNode, 1025), message(engine.KindNode, 2),
		message(99, 1), message(0, 1), message(engine.KindNode, 3),
	}
	if refused, err := p.Deliver(batch); refused != 3 || !errors.Is(err, engine.ErrMessageTooLarge) {
		t.Errorf("%d refused, %v", refused, err)
	}
	for _, i := range []int{1, 3, 4} {
		demandReleased(t, batch[i].Buffer)
	}
	if refused, err := p.Deliver([]engine.Message{message(99, 1)}); refused != 1 || !errors.Is(err, engine.ErrMessageKind) {
		t.Errorf("%d refused, %v", refused, err)
	}
	var more []engine.Message
	for range 8 { // 3 wait, the quota is 8
		more = append(more, message(engine.KindAck, 1))
	}
	if refused, err := p.Deliver(more); refused != 3 || !errors.Is(err, engine.ErrPeerFull) || p.Waiting() != 8 {
		t.Errorf("%d refused, %v, %d wait", refused, err, p.Waiting())
	}
	for _, m := range more[5:] {
		demandReleased(t, m.Buffer)
	}
	m.start()
	eventually(t, "all is taken in", func() bool {
		c := status(t, m.engine).Counters
		return c.AcksReceived == 6 && c.NodesReceived == 2
	})
	if got := status(t, m.engine).Counters.InboxDropped; got != 4 {
		t.Errorf("%d drops were counted", got)
	}
	for _, m := range append(batch, more...) {
		demandReleased(t, m.Buffer)
	}
}

func TestABatchForAClosedHandleOrAStoppedEngineIsReleased(t *testing.T) {
	t.Parallel()
	m, s, _ := quiet(t)
	closed, err := m.engine.Peer(s.Scheme.Participants()[1])
	if err != nil {
		t.Fatal(err)
	}
	open, err := m.engine.Peer(s.Scheme.Participants()[2])
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(p *engine.Peer, want error) {
		t.Helper()
		batch := []engine.Message{message(engine.KindAck, 1), message(engine.KindNode, 1)}
		if refused, err := p.Deliver(batch); refused != 2 || !errors.Is(err, want) {
			t.Errorf("%d refused, %v", refused, err)
		}
		for _, m := range batch {
			demandReleased(t, m.Buffer)
		}
	}
	closed.Close()
	deliver(closed, engine.ErrPeerClosed)
	waiting := []engine.Message{message(engine.KindAck, 1), message(engine.KindNode, 1)}
	if refused, err := open.Deliver(waiting); refused != 0 || err != nil {
		t.Errorf("%d refused, %v", refused, err)
	}
	if err := m.halt(); err != nil { // it never ran
		t.Fatal(err)
	}
	for _, m := range waiting {
		demandReleased(t, m.Buffer)
	}
	deliver(open, engine.ErrStopped)
}
