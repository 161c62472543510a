package engine_test

import (
	"log/slog"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// 3.1: Sets of validators and of sequencers refuse keys of small order: anybody could make their
// votes, or sign their chunks.
//
// The neutral element is such a key: R = the neutral element and S = 0 is a signature under it that
// verifies, on every chunk.
func TestRule3_1_AKeyOfSmallOrderIsNoSequencer(t *testing.T) {
	net, w, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	neutral := wire.PublicKey{1}
	for e := range w.sequencers {
		w.sequencers[e] = append([]wire.PublicKey{neutral}, w.sequencers[e]...)
	}
	log := new(logged)
	m.config.Logger = slog.New(slog.NewTextHandler(log, nil))
	startAll(t, net, members)
	peer, err := m.engine.Peer(neutral)
	if err != nil {
		t.Fatal(err)
	}
	forged := wire.Node{Chunk: wire.Chunk{Sequencer: neutral, Payload: wire.Digest{7}}, Signature: wire.Signature{1}}
	before := status(t, m.engine).Counters.NodesReceived
	if err := peer.DeliverNodeBytes(forged.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is taken in", func() bool { return status(t, m.engine).Counters.NodesReceived > before })
	eventually(t, "the lane of the other one grows", func() bool { return m.recorder.Height(m.id) >= 3 })
	if lanes := status(t, m.engine).Lanes; len(lanes) != 1 {
		t.Errorf("lanes %+v", lanes)
	}
	haltAll(t, members)
	if !log.has("small order") {
		t.Error("nothing was logged")
	}
}
