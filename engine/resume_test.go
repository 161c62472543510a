package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// known returns the answers of other members to a member's own chunk request, and the highest lock
// of each lane.
func known(t *testing.T, of *member, others ...*member) engine.Recovery {
	t.Helper()
	r := engine.Recovery{Locks: highest(others[0])}
	for _, m := range others {
		node, _, err := m.engine.OwnChunk(t.Context(), of.id)
		if err != nil {
			t.Fatal(err)
		}
		if node == nil {
			continue
		}
		r.Own = append(r.Own, node.Proposal())
		if node.Parent.Certificate != nil {
			parent := node.ParentSubject()
			r.Locks = append(r.Locks, wire.Lock{Chunk: parent.Chunk, Epoch: parent.Epoch, Certificate: node.Parent.Certificate})
		}
	}
	return r
}

// othersOf returns all members except one.
func othersOf(members []*member, one *member) (others []*member) {
	for _, m := range members {
		if m != one {
			others = append(others, m)
		}
	}
	return others
}

// 7.5: With resume its own lane goes on: the highest chunk with a valid signature of ours is asked
// for, and chunks without one are dropped.
func TestRule7_5_ASequencerWhoseJournalWasLostGoesOnWithItsLane(t *testing.T) {
	t.Parallel()
	net, w, members, v := recoveringMember(t)
	v.open(t, net, members...)
	v.start()
	r := known(t, v, othersOf(members, v)...)
	if len(r.Own) != 3 || r.Own[0].Chunk.Height != 4 {
		t.Fatalf("the others show %+v", r.Own)
	}
	forged := r.Own[0]
	forged.Chunk.Height = 1 << 40
	another := r.Own[0]
	another.Chunk.Sequencer = members[0].id
	r.Own = append(r.Own, forged, another)
	r.Resume = true
	if err := v.engine.Recover(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has recovered", func() bool { return !status(t, v.engine).Recovering })
	if st := status(t, v.engine); st.OwnLane != "free" || st.Counters.OwnChunksRefused != 2 {
		t.Errorf("own lane %s, %d chunks refused", st.OwnLane, st.Counters.OwnChunksRefused)
	}
	if err := v.engine.Recover(t.Context(), r); !errors.Is(err, engine.ErrNotRecovering) {
		t.Errorf("a second time: %v", err)
	}
	for _, m := range members {
		m.app.raised.Store(9)
	}
	eventually(t, "its lane grows", func() bool { return members[0].recorder.Height(v.id) == 9 })
	haltAll(t, members)
	demandSound(t, w.schemes, members)
}

// 7.5: A recovery that is refused says why, and changes nothing.
func TestRule7_5_ARecoveryThatLacksSomethingSaysWhat(t *testing.T) {
	t.Parallel()
	net, _, members, v := recoveringMember(t)
	v.open(t, net, members...)
	v.start()
	for want, spoil := range map[error]func(r *engine.Recovery){
		engine.ErrNoLocks:     func(r *engine.Recovery) { *r = engine.Recovery{} },
		verify.ErrCertificate: func(r *engine.Recovery) { r.Locks[1].Chunk.Payload[0] ^= 1 },
		wire.ErrUnknownEpoch:  func(r *engine.Recovery) { r.Locks[1].Epoch = 77 },
		engine.ErrResume: func(r *engine.Recovery) {
			r.Resume = true
			r.Unknown = []wire.Subject{{Chunk: wire.Chunk{Sequencer: v.id, Height: 50}, Epoch: 77}}
		},
	} {
		r := known(t, v, othersOf(members, v)...)
		spoil(&r)
		if err := v.engine.Recover(t.Context(), r); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if st := status(t, v.engine); !st.Recovering || st.Counters.Locks != 0 {
			t.Errorf("after %v: recovering %v, %d locks", want, st.Recovering, st.Counters.Locks)
		}
	}
	haltAll(t, members)
}

// 7.5: "A node that reached only validators that hide it cannot be found out: then another payload
// at that height is an equivocation that others can prove." The process stops once it is shown the
// first one.
func TestRule7_5_AChunkThatAllHaveHiddenIsAnEquivocationThatOthersCanProve(t *testing.T) {
	t.Parallel()
	net, w, members, v := recoveringMember(t)
	v.app.propose = func(_ context.Context, at engine.Place) (wire.Digest, error) {
		return wire.Digest{99, byte(at.Height)}, nil
	}
	v.open(t, net, members...)
	v.start()
	hidden, _, err := members[0].engine.OwnChunk(t.Context(), v.id)
	if err != nil {
		t.Fatal(err)
	}
	r := engine.Recovery{Resume: true}
	for _, l := range append(highest(members[0]), members[0].recorder.Locks()...) {
		if l.Chunk.Sequencer != v.id || l.Chunk.Height < hidden.Chunk.Height {
			r.Locks = append(r.Locks, l)
		}
	}
	if err := v.engine.Recover(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var conflict *wire.Conflict
	eventually(t, "another validator reports it", func() bool {
		for _, a := range members[0].recorder.Faults() {
			if c, ok := a.(*wire.Conflict); ok {
				conflict = c
			}
		}
		return conflict != nil
	})
	if err := engine.VerifyEvidence(conflict, verify.NewChunkVerifier(namespace), w); err != nil {
		t.Errorf("the evidence: %v", err)
	}
	if conflict.Proposal.Chunk.Height != hidden.Chunk.Height || conflict.Proposal.Chunk.Sequencer != v.id {
		t.Errorf("a conflict about %+v", conflict.Proposal.Chunk)
	}
	err = net.handle(members[0].id, v.id).DeliverNodeBytes(hidden.AppendTo(nil))
	// It may have been shown a certificate before.
	if err != nil && !errors.Is(err, engine.ErrStopped) {
		t.Fatal(err)
	}
	if err := v.ended(t); !errors.Is(err, engine.ErrStaleJournal) {
		t.Errorf("Run returned %v", err)
	}
	for _, m := range othersOf(members, v) {
		if err := m.halt(); err != nil {
			t.Error(err)
		}
	}
}

// 5.9, 8.3: *own chunk* carries the highest node known of the asker's lane, and the highest ack
// known of the asker's. The result is the caller's.
func TestRule5_9_AnEngineShowsWhatItKnowsOfAnother(t *testing.T) {
	t.Parallel()
	net, w, members, v := recoveringMember(t)
	v.open(t, net, members...)
	v.start()
	for range 2 {
		node, ack, err := members[0].engine.OwnChunk(t.Context(), v.id)
		if err != nil || ack != nil { // all that was acked is certified
			t.Fatal(ack, err)
		}
		if node.Chunk.Height != 4 || verify.VerifyNode(verify.NewChunkVerifier(namespace), w.Scheme, node) != nil {
			t.Errorf("it shows %+v", node)
		}
		clear(node.Parent.Certificate)
	}
	var stranger wire.PublicKey
	if node, ack, err := v.engine.OwnChunk(t.Context(), stranger); node != nil || ack != nil || err != nil {
		t.Errorf("of a stranger: %v, %v, %v", node, ack, err)
	}
	haltAll(t, members)
}

// 7.5: The answer must contain all chunks that the asker sent before and that are acked later:
// while its nodes wait to be taken in there is no answer.
func TestRule7_5_NothingIsShownWhileNodesOfTheAskerWait(t *testing.T) {
	t.Parallel()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	slow, asker := members[0], members[1]
	slow.config.MaxPendingReports = 4
	gate := make(chan struct{})
	slow.recorder.Hook = func(ctx context.Context, _ wire.Activity) error {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return nil
	}
	startAll(t, net, members)
	eventually(t, "its intake pauses", func() bool { return status(t, slow.engine).Paused })
	eventually(t, "the others go on without it", func() bool { return members[2].recorder.Height(asker.id) >= 20 })
	if _, _, err := slow.engine.OwnChunk(t.Context(), asker.id); !errors.Is(err, engine.ErrBehind) {
		t.Errorf("it answers %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := slow.engine.OwnChunk(ctx, asker.id); !errors.Is(err, context.Canceled) {
		t.Errorf("to one that does not wait it answers %v", err)
	}
	close(gate)
	eventually(t, "it answers", func() bool {
		node, _, err := slow.engine.OwnChunk(t.Context(), asker.id)
		return err == nil && node != nil && node.Chunk.Height >= 20
	})
	haltAll(t, members)
}
