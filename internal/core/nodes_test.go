package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// 4.1.1: The sequencer is in the epoch's sequencers.
func TestRule4_1_1_ANodeWhoseSequencerIsNoneNowIsDropped(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, id(77)))
	expect(t, "outcome", r.node(genesis(77, 1)), NotNow)
	r.epoch(6)
	expect(t, "outcome as sequencer of epoch 6", r.node(genesis(77, 1)), Accepted)
	expect(t, "outcome of the former one", r.node(genesis(1, 1)), NotNow)
}

// 4.1.2: If there is a tip: height at least the tip's; at equal height the payload must equal the
// tip's. In a verified node a difference is a Conflict.
func TestRule4_1_2_ANodeBelowTheTipIsDropped(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 3, 3, 2, 5))
	expect(t, "outcome", r.node(r.w.node(1, 2, 2, 1, 5)), HeightTooLow)
	expect(t, "statements", len(r.verifies), 0)
}

// 4.1.2: If there is a tip: height at least the tip's; at equal height the payload must equal the
// tip's. In a verified node a difference is a Conflict.
func TestRule4_1_2_AVerifiedNodeAtTheTipsHeightWithAnotherPayloadIsAConflict(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	expect(t, "outcome", r.node(genesis(1, 2)), Accepted)
	expect(t, "faults before the verdict", len(r.faults()), 0)
	r.verdicts()
	f := fault[*wire.Conflict](r)
	expect(t, "first", f.Proposal, func() wire.Proposal { n := genesis(1, 1); return n.Proposal() }())
	expect(t, "second", f.Other, func() wire.Proposal { n := genesis(1, 2); return n.Proposal() }())
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk, chunk(1, 0, 1))
	// Exactly once, and not verified again.
	for i := 2; i < 5; i++ {
		expect(t, "outcome of another", r.node(genesis(1, i)), Conflicting)
	}
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "faults", len(r.faults()), 1)
}

// 4.1.2: If there is a tip: height at least the tip's; at equal height the payload must equal the
// tip's. In a verified node a difference is a Conflict.
func TestRule4_1_2_AForgedNodeAtTheTipsHeightIsNoConflict(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	n := genesis(1, 2)
	n.Signature[0] ^= 1
	expect(t, "outcome", r.node(n), Accepted)
	r.verdicts()
	fault[*wire.InvalidNode](r)
}

// 4.1.2: If there is a tip: height at least the tip's; at equal height the payload must equal the
// tip's. In a verified node a difference is a Conflict.
func TestRule4_1_2_AConflictNeedsNoParentCertificate(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	n := r.w.node(1, 1, 2, 0, 5)
	n.Parent.Certificate[len(n.Parent.Certificate)-1] ^= 1
	expect(t, "outcome", r.node(n), Accepted)
	r.verdicts()
	fault[*wire.Conflict](r)
}

// 4.2.1: A node comes from its chunk's sequencer.
func TestRule4_2_1_ANodeFromAnyPeerButItsSequencerIsDropped(t *testing.T) {
	r := newRig(t, 4)
	n := genesis(1, 1)
	expect(t, "outcome", r.nodeBytes(id(2), n.AppendTo(nil)), WrongPeer)
	expect(t, "effects", len(r.verifies)+len(r.reports), 0)
}

// 4.2.2: All lanes have been replayed before the first message.
func TestRule4_2_2_NoMessageIsTakenBeforeTheLanesAreReplayed(t *testing.T) {
	w := newWorld(4, true)
	cfg := defaults(id(0))
	cfg.Sets = &view{world: w, me: id(0)}
	c := New(cfg)
	n := genesis(1, 1)
	expect(t, "node", c.Node(0, NewPeer(id(1)), n.AppendTo(nil)), Stopped)
	expect(t, "ack", c.Ack(0, NewPeer(id(1)), w.ack(1, chunk(1, 0, 1), 5)), Stopped)
	expect(t, "effects", len(c.Effects()), 0)
}

// 4.2.2: All lanes have been replayed before the first message.
func TestRule4_2_2_AnOldNodeThatArrivesFirstAfterARestartIsDropped(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 3, 3, 2, 5))
	r.crash(r.disk.Durable, true)
	expect(t, "outcome", r.node(r.w.node(1, 2, 2, 1, 5)), HeightTooLow)
	expect(t, "outcome of the tip's", r.node(r.w.node(1, 3, 3, 2, 5)), Duplicate)
	expect(t, "outcome of another at its height", r.node(r.w.node(1, 3, 4, 2, 5)), Accepted)
	r.verdicts()
	fault[*wire.Conflict](r)
}

// 4.2.4: 4.1 against the current epoch; every rule that depends on tip or epoch is checked again
// when a verdict arrives.
func TestRule4_2_4_TheRulesAreCheckedAgainWhenTheVerdictArrives(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, ids(1)...))
	expect(t, "outcome", r.node(genesis(1, 1)), Accepted)
	expect(t, "outcome of the next", r.node(r.w.node(1, 1, 1, 1, 5)), Accepted)
	r.epoch(6) // id(1) is no sequencer any more
	r.verdicts()
	r.sync()
	if _, ok := r.c.Tip(id(1)); ok {
		t.Fatal("the node of a former sequencer became the tip")
	}
	expect(t, "questions", len(r.asks), 0)
	expect(t, "records", r.disk.Next, 2) // of the parent of the waiting node
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "stale", r.c.Counts().Nodes[Stale], 2)
}

// 4.2.4: 4.1 against the current epoch; every rule that depends on tip or epoch is checked again
// when a verdict arrives.
func TestRule4_2_4_ANodeThatTheTipOvertookIsDroppedWithItsVerdict(t *testing.T) {
	r := newRig(t, 4)
	expect(t, "outcome", r.node(r.w.node(1, 4, 4, 3, 5)), Accepted)
	expect(t, "outcome of one that is lower, waiting", r.node(r.w.node(1, 2, 2, 1, 5)), Accepted)
	r.verdicts()
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk.Height, 4)
	expect(t, "stale", r.c.Counts().Nodes[Stale], 1)
}

// 4.2.5: At most one node per lane is in verification, and one more waits (the highest).
func TestRule4_2_5_OneNodePerLaneIsInVerificationAndTheHighestWaits(t *testing.T) {
	r := newRig(t, 4)
	expect(t, "first", r.node(r.w.node(1, 1, 1, 0, 5)), Accepted)
	expect(t, "the same", r.node(r.w.node(1, 1, 1, 0, 5)), Duplicate)
	expect(t, "second", r.node(r.w.node(1, 5, 5, 4, 5)), Accepted)
	expect(t, "the same", r.node(r.w.node(1, 5, 5, 4, 5)), Duplicate)
	expect(t, "lower", r.node(r.w.node(1, 3, 3, 2, 5)), Busy)
	expect(t, "as high", r.node(r.w.node(1, 5, 6, 4, 5)), Busy)
	expect(t, "higher", r.node(r.w.node(1, 7, 7, 6, 5)), Accepted)
	expect(t, "another lane's", r.node(r.w.node(2, 1, 1, 0, 5)), Accepted)
	expect(t, "statements, a parent's among them", len(r.verifies), 3)
	r.verdicts()
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk, chunk(1, 7, 7))
	expect(t, "nodes verified", r.c.Counts().NodesVerified, 3)
}

// 4.2.6: Verified: the chunk signature; above height 0 the parent certificate, for the chunk below,
// in the parent's epoch. If a valid certificate for exactly that is held, the parent's need not be.
func TestRule4_2_6_ANodeWithAWrongSignatureIsReportedAndDropped(t *testing.T) {
	w := newWorld(4, true)
	for name, spoil := range map[string]func(*wire.Node){
		"chunk signature":            func(n *wire.Node) { n.Signature[3] ^= 1 },
		"certificate":                func(n *wire.Node) { n.Parent.Certificate[len(n.Parent.Certificate)-1] ^= 1 },
		"parent payload":             func(n *wire.Node) { n.Parent.Payload = payload(99) },
		"parent epoch":               func(n *wire.Node) { n.Parent.Epoch = 4 },
		"too few signers":            func(n *wire.Node) { n.Parent.Certificate = w.lock(chunk(1, 2, 2), 5, 0, 1).Certificate },
		"certificate of other chunk": func(n *wire.Node) { n.Parent.Certificate = w.lock(chunk(1, 1, 2), 5).Certificate },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			n := r.w.node(1, 3, 3, 2, 5)
			spoil(&n)
			expect(t, "outcome", r.node(n), Accepted)
			r.verdicts()
			f := fault[*wire.InvalidNode](r)
			expect(t, "peer", f.Peer, id(1))
			expect(t, "message", string(f.Message), string(n.AppendTo(nil)))
			if _, ok := r.c.Tip(id(1)); ok {
				t.Fatal("it became the tip")
			}
			expect(t, "locks", len(r.locks()), 0)
			expect(t, "invalid", r.c.Counts().Nodes[Invalid], 1)
		})
	}
}

// 4.2.6: Verified: the chunk signature; above height 0 the parent certificate, for the chunk below,
// in the parent's epoch. If a valid certificate for exactly that is held, the parent's need not be.
func TestRule4_2_6_ACertificateHeldWithExactlyTheseBytesIsNotVerifiedAgain(t *testing.T) {
	r := newRig(t, 4, observing)
	r.tip(genesis(1, 0))
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(1, 0, 0), 5)
	}
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
	same := on(r.locks()[0], 1)
	expect(t, "outcome", r.node(same), Accepted)
	if r.verifies[0].Scheme != nil {
		t.Fatal("the certificate that we made is verified again")
	}
	r.verdicts()
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk, chunk(1, 1, 1))

	r = newRig(t, 4, observing)
	r.tip(on(r.w.lock(chunk(1, 0, 0), 5, 0, 1, 2), 1))
	r.node(on(r.w.lock(chunk(1, 1, 1), 5, 1, 2, 3), 2))
	if r.verifies[0].Scheme == nil {
		t.Fatal("a certificate that is not held is not verified")
	}
}

// 4.2.6: Verified: the chunk signature; above height 0 the parent certificate, for the chunk below,
// in the parent's epoch. If a valid certificate for exactly that is held, the parent's need not be.
func TestRule4_2_6_TheBytesOfAHeldCertificateProveNoOtherChunk(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.certify(chunk(1, 0, 0), 5)
	n := on(r.locks()[0], 1)
	n.Parent.Payload = payload(9)
	r.node(n)
	if r.verifies[0].Scheme == nil {
		t.Fatal("the bytes are held for another payload, and yet not verified")
	}
	r.verdicts()
	fault[*wire.InvalidNode](r)
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk, chunk(1, 0, 0))
}

// 4.2.6: If a valid certificate for exactly that (chunk, epoch) is held, the parent's need not be
// verified, whatever its bytes. The held certificate is put into the node when it is submitted, in
// place of the node's own bytes, which are not kept.
func TestRule4_2_6_AHeldCertificateTakesThePlaceOfTheNodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Lock)
	}{
		{"other signers", func(l *wire.Lock) {}},
		{"bytes that are no signature", func(l *wire.Lock) { l.Certificate[len(l.Certificate)-1] ^= 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 4, observing)
			r.tip(genesis(1, 0))
			for i := range 3 {
				r.ack(i, chunk(1, 0, 0), 5)
			}
			r.verdicts()
			held := r.locks()[0].Certificate
			other := r.w.lock(chunk(1, 0, 0), 5, 1, 2, 3)
			c.change(&other)
			n := on(other, 1)
			r.node(n)
			if st := r.verifies[0]; st.Scheme != nil || st.Proposal == nil {
				t.Fatal("the parent certificate is verified although one is held")
			}
			r.verdicts()
			expect(t, "locks", len(r.locks()), 1) // Known
			p, _ := r.c.Tip(id(1))
			expect(t, "tip", p.Chunk, n.Chunk)
			var stored wire.Node
			last := r.disk.Records[len(r.disk.Records)-1]
			if err := stored.DecodeStored(last.Bytes[1:]); err != nil || last.Bytes[0] != recordNode {
				t.Fatalf("the last record: %x, %v", last.Bytes[0], err)
			}
			expect(t, "certificate in the journal", string(stored.Parent.Certificate), string(held))
		})
	}
}

// 4.2.6: … for exactly that (chunk, epoch): another epoch's certificate does not stand in.
func TestRule4_2_6_ACertificateOfAnotherEpochIsVerified(t *testing.T) {
	r := newRig(t, 4, observing)
	r.tip(genesis(1, 0))
	for i := range 3 {
		r.ack(i, chunk(1, 0, 0), 5)
	}
	r.verdicts()
	n := on(r.w.lock(chunk(1, 0, 0), 6, 1, 2, 3), 1)
	r.node(n)
	if r.verifies[0].Scheme == nil {
		t.Fatal("a certificate of an epoch of which none is held is not verified")
	}
	r.verdicts()
	expect(t, "locks", len(r.locks()), 2)
}

// 4.2: The parent certificate of a verified node is handled (4.4).
func TestRule4_2_ANodesParentCertificateIsHandledLikeAnyOther(t *testing.T) {
	r := newRig(t, 4)
	r.node(r.w.node(1, 3, 3, 2, 5))
	expect(t, "locks before the verdict", len(r.locks()), 0)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1) // at once: a lock proves itself
	expect(t, "lock", r.locks()[0].Chunk, chunk(1, 2, 2))
	held, ok := r.c.Certificate(id(1), 2)
	expect(t, "held", ok, true)
	expect(t, "held epoch", held.Epoch, 5)
}

// 4.2.6: Verified: the chunk signature; above height 0 the parent certificate, for the chunk below,
// in the parent's epoch. If a valid certificate for exactly that is held, the parent's need not be.
func TestRule4_2_6_ANodeWithoutAVerdictBlamesNobodyAndTheLaneGoesOn(t *testing.T) {
	for name, next := range map[string]func(*rig) wire.Node{
		"the same again":         func(r *rig) wire.Node { return r.w.node(1, 1, 1, 0, 5) },
		"another certificate":    func(r *rig) wire.Node { return on(r.w.lock(chunk(1, 0, 0), 5, 1, 2, 3), 1) },
		"the next height":        func(r *rig) wire.Node { return r.w.node(1, 2, 2, 1, 5) },
		"one that waits already": nil,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			r.tip(genesis(1, 0))
			r.node(r.w.node(1, 1, 1, 0, 5))
			expect(t, "certificate to be verified", r.verifies[0].Certificate != nil, true)
			last := r.w.node(1, 2, 2, 1, 5)
			if next == nil {
				r.node(last)
			} else {
				last = next(r)
			}
			expect(t, "statements", r.undecided(), 1)
			p, _ := r.c.Tip(id(1))
			expect(t, "tip", p.Chunk, chunk(1, 0, 0))
			expect(t, "locks", len(r.locks()), 0)
			if next != nil {
				r.tip(last) // at once: its sequencer is not limited
			}
			expect(t, "in batches", r.c.lanes.bySequencer[id(1)].bad, false)
			r.verdicts()
			p, _ = r.c.Tip(id(1))
			expect(t, "tip", p.Chunk, last.Chunk)
			expect(t, "faults", len(r.faults()), 0)
		})
	}
}

// 4.2: Verified first, then journaled, then visible: once the record is durable the application is
// asked.
func TestRule4_2_VerifiedFirstThenJournaledThenVisible(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	expect(t, "records before the verdict", r.disk.Next, 1)
	r.verdicts()
	expect(t, "records after it", r.disk.Next, 2)
	expect(t, "questions before it is durable", len(r.asks), 0)
	expect(t, "a duplicate of it", r.node(genesis(1, 1)), Duplicate)
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "questions before it is durable", len(r.asks), 0)
	r.sync()
	expectChunks(t, "questions", r.asks, chunk(1, 0, 1))
}

// 4.2: Once the tip's record is durable the application is asked to verify.
func TestRule4_2_ATipThatWasReplacedBeforeItWasDurableIsNeverShown(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 0))
	r.verdicts()
	r.node(r.w.node(1, 1, 1, 0, 5))
	r.verdicts()
	r.sync()
	expectChunks(t, "questions", r.asks, chunk(1, 1, 1))
	// Its record is dead.
	expect(t, "released", len(r.releases), 1)
	expect(t, "position", r.releases[0], 1)
}

// 4.2: Once the tip's record is durable the application is asked to verify.
func TestRule4_2_TheDurableRecordOfAFormerTipShowsNothingOfItsSuccessor(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 0))
	r.verdicts()
	first := r.disk.Next - 1
	r.node(r.w.node(1, 1, 1, 0, 5))
	r.verdicts()
	r.disk.Durable = first
	r.noteDurable()
	r.c.Durable(r.now, first)
	r.drain()
	expect(t, "questions", len(r.asks), 0)
	r.sync()
	expectChunks(t, "questions", r.asks, chunk(1, 1, 1))
}

// 4.2: Once the tip's record is durable the application is asked to verify.
func TestRule4_2_ADurablePositionBetweenTwoTipsShowsOnlyTheFirst(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	r.node(genesis(2, 2))
	r.verdicts()
	expect(t, "records", r.disk.Next, 3)
	r.disk.Durable = 1
	r.noteDurable()
	r.c.Durable(r.now, 1)
	r.drain()
	expectChunks(t, "questions", r.asks, chunk(1, 0, 1))
	r.c.Durable(r.now, 1)
	r.c.Durable(r.now, 0)
	r.drain()
	expect(t, "questions", len(r.asks), 1)
	r.sync()
	expectChunks(t, "questions", r.asks, chunk(1, 0, 1), chunk(2, 0, 2))
}

// 4.2: If the parent certificate contradicts a tip that we held, the node is accepted and the
// Conflict reported.
func TestRule4_2_AParentCertificateThatContradictsTheTipIsAConflictAndTheNodeIsAccepted(t *testing.T) {
	r := newRig(t, 4)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.tip(r.w.node(1, 2, 3, 9, 5)) // the network locked 9, we saw 1
	f := fault[*wire.Conflict](r)
	expect(t, "the chunk that we saw", f.Proposal.Chunk, chunk(1, 1, 1))
	if f.Lock == nil || f.Lock.Chunk != chunk(1, 1, 9) {
		t.Fatalf("the lock is not in the evidence: %+v", f.Lock)
	}
}

// 4.2: If the parent certificate contradicts a tip that we held, the node is accepted and the
// Conflict reported.
func TestRule4_2_AContradictionIsReportedAlsoWhenTheCertificateItselfIsIgnored(t *testing.T) {
	t.Run("below", func(t *testing.T) {
		r := newRig(t, 4)
		r.tip(r.w.node(1, 1, 1, 0, 5))
		for i := 1; i < 4; i++ {
			expect(t, "ack", r.ack(i, chunk(1, 6, 6), 5), Accepted)
		}
		r.verdicts()
		r.tip(r.w.node(1, 2, 3, 9, 5))
		fault[*wire.Conflict](r)
		expect(t, "locks", len(r.locks()), 3) // of heights 0 and 6, and of height 1, which is not held
	})
	t.Run("contradicted", func(t *testing.T) {
		r := newRig(t, 4)
		r.tip(r.w.node(1, 1, 1, 0, 5))
		for i := 1; i < 4; i++ {
			expect(t, "ack", r.ack(i, chunk(1, 1, 1), 5), Accepted)
		}
		r.verdicts()
		r.tip(r.w.node(1, 2, 3, 9, 5))
		all := r.faults()
		expect(t, "faults", len(all), 2)
		expect(t, "first", all[0].Tag(), wire.TagLockConflict)
		expect(t, "second", all[1].Tag(), wire.TagConflict)
	})
}

// 4.1.3: If a certificate of the lane is held at that height for another payload, a verified node
// is a Conflict and becomes no tip.
func TestRule4_1_3_ANodeThatContradictsALockIsAConflictAndNoTip(t *testing.T) {
	r := newRig(t, 4)
	for i := 1; i < 4; i++ {
		expect(t, "ack", r.ack(i, chunk(1, 0, 9), 5), Accepted)
	}
	r.verdicts()
	expect(t, "outcome", r.node(genesis(1, 1)), Accepted)
	r.verdicts()
	r.sync()
	f := fault[*wire.Conflict](r)
	expect(t, "lock", f.Lock.Chunk, chunk(1, 0, 9))
	expect(t, "node", f.Proposal.Chunk, chunk(1, 0, 1))
	_, ok := r.c.Tip(id(1))
	expect(t, "it is a tip", ok, false)
	expect(t, "questions", len(r.asks), 0)
	expect(t, "second node", r.node(genesis(1, 2)), Conflicting) // reported already
}

// 3.3: A sequencer whose node failed verification has its later nodes verified outside batches, and
// at a limited rate.
func TestRule3_3_ASequencerOfABadNodeIsVerifiedAloneAndAtALimitedRate(t *testing.T) {
	r := newRig(t, 4)
	bad := genesis(1, 1)
	bad.Signature[0] ^= 1
	r.node(bad)
	expect(t, "alone at first", r.verifies[0].Unbatched, false)
	r.verdicts()
	expect(t, "outcome", r.node(bad), Accepted)
	expect(t, "statements within the interval", len(r.verifies), 0)
	r.pass(999 * time.Millisecond)
	expect(t, "statements within the interval", len(r.verifies), 0)
	r.pass(time.Millisecond)
	expect(t, "statements after it", len(r.verifies), 1)
	expect(t, "alone", r.verifies[0].Unbatched, true)
	r.pass(500 * time.Millisecond)
	r.verdicts()
	expect(t, "outcome", r.node(genesis(1, 1)), Accepted)
	r.pass(900 * time.Millisecond)
	expect(t, "statements, counted from the verdict", len(r.verifies), 0)
	r.pass(100 * time.Millisecond)
	r.verdicts()
	p, _ := r.c.Tip(id(1))
	expect(t, "tip", p.Chunk, chunk(1, 0, 1))
	// Other sequencers are not delayed, and the fault that was reported is not ours.
	r.node(genesis(2, 1))
	expect(t, "other lanes' nodes alone", r.verifies[0].Unbatched, false)
	// Two invalid nodes were verified, at least an interval apart: each is reported.
	expect(t, "faults", len(r.faults()), 2)
}

// 4.2: A node is reported when it is proven invalid, and not where no verdict could be reached.
func TestRule4_2_ANodeWhoseVerificationWasCutShortBlamesNobody(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	v := decide(r.verifies[0])
	v.Err, v.ProposalValid = errTest, false
	r.verifies = nil
	r.c.SignaturesVerified(r.now, v)
	r.drain()
	expect(t, "faults", len(r.faults()), 0)
	expect(t, "outcome when sent again", r.node(genesis(1, 1)), Accepted)
	expect(t, "alone", r.verifies[0].Unbatched, false)
}
