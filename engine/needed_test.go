package engine_test

import (
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// nodeOn returns a sequencer's node on a parent that a quorum of a set has certified in an epoch.
func nodeOn(t testing.TB, s *testkit.Set, sequencer int, height, epoch uint64) []byte {
	t.Helper()
	id := testkit.Identity(s.Identities[sequencer])
	parent := wire.Chunk{Sequencer: id, Height: height - 1, Payload: payloadAt(engine.Place{Sequencer: id, Height: height - 1})}
	lock := certify(t, s, parent, epoch)
	n := wire.Node{
		Chunk:  wire.Chunk{Sequencer: id, Height: height, Payload: payloadAt(engine.Place{Sequencer: id, Height: height})},
		Parent: wire.Parent{Payload: parent.Payload, Epoch: epoch, Certificate: lock.Certificate},
	}
	signature, err := s.ChunkSigners[sequencer].SignChunk(t.Context(), n.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	n.Signature = signature
	return n.AppendTo(nil)
}

// 4.8: Providers keep each epoch's sets while a live lane's tip or certificate refers to it, and
// the engine says which they are; also for a node that a sequencer shows.
//
// A validator joins in epoch 5, and a lane stands still since epoch 1.
func TestRule4_8_AJoinerIsToldWhichOldEpochALaneNeedsAndCanGetIt(t *testing.T) {
	t.Parallel()
	s := newSet(t, testkit.Multisig, 4, 1)
	net, w, members := newCluster(t, s)
	m := members[3] // the certificate does not name this member
	m.config.Sequencer, m.config.Relay = nil, nil
	sequencers := w.sequencers[0]
	epochs := engine.NewEpochs(5)
	add := func(epoch uint64) {
		t.Helper()
		if err := epochs.Add(epoch, s.Scheme, s.Signers[3], sequencers); err != nil {
			t.Fatal(err)
		}
	}
	add(5)
	add(6)
	var log logged
	m.config.Schemes, m.config.Sequencers, m.config.Monitor = epochs, epochs, epochs
	m.config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	m.open(t, net)
	m.start()
	p, err := m.engine.Peer(testkit.Identity(s.Identities[1]))
	if err != nil {
		t.Fatal(err)
	}
	node := nodeOn(t, s, 1, 7, 1)
	deliver := func() {
		t.Helper()
		if err := p.DeliverNodeBytes(node); err != nil {
			t.Fatal(err)
		}
	}
	needed := func() []uint64 {
		t.Helper()
		needed, err := m.engine.EpochsNeeded(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return needed
	}
	if got := needed(); !slices.Equal(got, []uint64{5, 6}) {
		t.Errorf("at first %v are needed", got)
	}
	deliver()
	eventually(t, "epoch 1 is named", func() bool { return slices.Equal(needed(), []uint64{1, 5, 6}) })
	eventually(t, "the log says so", func() bool { return log.has("epoch 1") && log.has("height=7") })
	add(1)
	if dropped := epochs.Retain(needed()); len(dropped) != 0 {
		t.Errorf("dropped %v", dropped)
	}
	deliver()
	eventually(t, "the node is acked", func() bool { return net.acks.Load() > 0 })
	if got := needed(); !slices.Equal(got, []uint64{1, 5, 6}) {
		t.Errorf("with the tip %v are needed", got)
	}
	haltAll(t, []*member{m})
}

// 2: Anybody can write any epoch: looked up are those within bounds and, in a node that its own
// sequencer sent, those that the lane refers to and one other per lane and `BadNodeInterval`.
func TestRule2_NoStrangerHasTheProviderAskedForEpochsOfItsChoice(t *testing.T) {
	t.Parallel()
	m, s, _ := quiet(t)
	var mu sync.Mutex
	asked := map[uint64]int{}
	schemes := m.config.Schemes
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	m.config.Schemes = watched{schemes, func(epoch uint64) {
		mu.Lock()
		defer mu.Unlock()
		asked[epoch]++
	}}
	m.config.PeerQuota = 1024
	m.open(t, &network{handles: map[[2]wire.PublicKey]*engine.Peer{}})
	m.start()
	ids := s.Scheme.Participants()
	stranger := testkit.Identity(testkit.Identities(1, 99)[0])
	const each = 100
	for _, from := range []wire.PublicKey{stranger, ids[1], ids[2]} {
		p, err := m.engine.Peer(from)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(each) {
			n := wire.Node{Chunk: wire.Chunk{Sequencer: ids[2], Height: 1}, Parent: wire.Parent{Epoch: 1<<40 + i}}
			a := wire.Ack{Chunk: n.Chunk, Epoch: 1<<40 + i, Participant: 2, Signature: make([]byte, 64)}
			if err := p.DeliverNodeBytes(n.AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
			if err := p.DeliverAckBytes(a.AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := status(t, m.engine)
	eventually(t, "all are taken in", func() bool { return status(t, m.engine).Counters.NodesReceived == 3*each })
	if began.Counters.Faults != 0 {
		t.Errorf("%d faults", began.Counters.Faults)
	}
	haltAll(t, []*member{m})
	far := 0
	for epoch := range asked {
		if epoch >= 1<<40 {
			far++
		}
	}
	if far > 3 { // one per second from the sequencer itself
		t.Errorf("the provider was asked for %d epochs that peers made up", far)
	}
}
