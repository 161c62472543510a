package core

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// propose answers the request for our next payload, and continues until the node is sent.
func (r *rig) propose(p int) wire.Chunk {
	r.t.Helper()
	c := r.proposeVolatile(p)
	r.sync()
	r.signChunk()
	return c
}

// proposeVolatile answers the request for our next payload. Nothing of it is durable yet.
func (r *rig) proposeVolatile(p int) wire.Chunk {
	r.t.Helper()
	if len(r.proposes) != 1 {
		r.t.Fatalf("%d questions for a payload", len(r.proposes))
	}
	at := r.proposes[0]
	r.proposes = nil
	r.proposed(at.Height, payload(p), nil)
	r.drain()
	at.Payload = payload(p)
	return at
}

// signChunk signs and verifies our next chunk, which is durable.
func (r *rig) signChunk() {
	r.t.Helper()
	if len(r.signChunks) != 1 {
		r.t.Fatalf("%d chunks to sign", len(r.signChunks))
	}
	c := r.signChunks[0]
	r.signChunks = nil
	r.chunkSigned(c, model.SignChunk(c), nil)
	r.drain()
	r.verdicts()
}

// certifyOwn certifies our tip with the acks of the others.
func (r *rig) certifyOwn(c wire.Chunk, epoch uint64) {
	r.t.Helper()
	for i := 1; i < 4; i++ {
		if o := r.ack(i, c, epoch); o != Accepted {
			r.t.Fatalf("ack %d: %v", i, o)
		}
	}
	r.verdicts()
}

// 4.7: On an answer, chunk and parent are made durable, then signed, verified and handled as if
// received; then the relay is told to spread the payload and the node goes to the validators of the
// current epoch.
func TestRule4_7_TheFirstProposalIsAskedForAtOnceAndSignedWhenDurableThenBroadcastAtOnce(t *testing.T) {
	r := newRig(t, 4, sequencing)
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0)})
	c := r.proposeVolatile(1)
	expect(t, "chunk", c, chunk(0, 0, 1))
	r.pass(time.Minute)
	expect(t, "seen before it is durable", len(r.nodes)+len(r.broadcasts)+len(r.asks)+len(r.signChunks), 0)
	r.sync()
	expectChunks(t, "to be signed", r.signChunks, c)
	durable := r.disk.Durable
	r.signChunk()
	expectChunks(t, "payloads spread", r.broadcasts, c)
	expect(t, "nodes", len(r.nodes), 1)
	if !slices.Equal(r.nodes[0].Recipients, []wire.PublicKey{id(1), id(2), id(3)}) {
		t.Fatalf("recipients %v", r.nodes[0].Recipients)
	}
	n := genesis(0, 1)
	expect(t, "node", string(r.nodes[0].Bytes), string(n.AppendTo(nil)))
	expectChunks(t, "handled as if received", r.asks, c)
	expect(t, "next question", len(r.proposes), 0)
	expect(t, "the node's own record waits", r.disk.Next-1 > durable, true) // no second sync
	expect(t, "released, once the tip has its own", len(r.releases), 1)
}

// 4.7: Our next height is one above the higher of our tip and our lane's highest certificate; when
// the chunk below is certified: ask the application for a payload.
func TestRule4_7_TheNextProposalComesWithTheTipsCertificateAsParent(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.now += 70 * time.Millisecond
	r.certifyOwn(c, 5)
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
	expect(t, "elapsed", r.reports[len(r.reports)-1].Elapsed, 70*time.Millisecond)
	c = r.propose(2)
	var n wire.Node
	if err := n.Decode(r.nodes[1].Bytes, &r.c.epochs); err != nil {
		t.Fatal(err)
	}
	expect(t, "chunk", n.Chunk, chunk(0, 1, 2))
	expect(t, "parent", n.Parent.Payload, payload(1))
	expect(t, "successes", r.c.Counts().Proposals[Success], 2)
	// Other processes accept it.
	other := newRig(t, 4, observing)
	other.tip(n)
	expect(t, "chunk at another", c, n.Chunk)
}

// A question about a chunk, and a broadcast of its payload, name the payload below it, also after a
// restart.
func TestQuestionsAndBroadcastsNameTheParentAndTheRecipients(t *testing.T) {
	var seen []Effect
	r := newRig(t, 4, sequencing, func(r *rig) {
		r.trace = func(e *Effect) {
			if e.Kind == AskPropose || e.Kind == AskVerify || e.Kind == Broadcast {
				seen = append(seen, *e)
			}
		}
	})
	expectParent := func(kind EffectKind, height uint64, parent wire.Digest) {
		t.Helper()
		for i, e := range seen {
			if e.Kind != kind {
				continue
			}
			seen = slices.Delete(seen, i, i+1)
			expect(t, "height", e.Chunk.Height, height)
			expect(t, "parent", e.Parent, parent)
			if kind == Broadcast && !slices.Equal(e.Recipients, []wire.PublicKey{id(1), id(2), id(3)}) {
				t.Fatalf("recipients %v", e.Recipients)
			}
			return
		}
		t.Fatalf("no %v", kind)
	}
	expectParent(AskPropose, 0, wire.Digest{})
	c := r.propose(1)
	expectParent(AskVerify, 0, wire.Digest{})
	expectParent(Broadcast, 0, wire.Digest{})
	r.certifyOwn(c, 5)
	expectParent(AskPropose, 1, payload(1))
	r.propose(2)
	expectParent(AskVerify, 1, payload(1))
	expectParent(Broadcast, 1, payload(1))
	r.pass(r.cfg.RebroadcastTimeout)
	expectParent(Broadcast, 1, payload(1))
	r.sync()
	r.crash(r.disk.Next, false)
	expectParent(AskVerify, 1, payload(1))
	expectParent(Broadcast, 1, payload(1))
	expect(t, "others", len(seen), 0)
}

// 4.7: The chunk below is certified: if it is the tip, for its payload.
func TestRule4_7_ThereIsNoProposalWhileTheTipHasNoCertificateForItsPayload(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	// A certificate for another payload at its height is none.
	r = newRig(t, 4, sequencing)
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(0, 0, 9), 5)
	}
	acks := r.verifies
	r.verifies = nil
	r.propose(1)
	r.verifies = append(r.verifies, acks...)
	r.verdicts()
	fault[*wire.Conflict](r)
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	state, _ := r.c.OwnLane()
	expect(t, "own lane", state, OwnLaneContradicted)
}

// 4.7: Ask the application for a payload for (me, height), once.
func TestRule4_7_ThereIsNoQuestionWhileTheNextChunkIsOnItsWay(t *testing.T) {
	r := newRig(t, 4, sequencing)
	idle := func(when string) {
		t.Helper()
		r.epoch(r.c.Epoch() + 1)
		r.pass(time.Minute)
		expect(t, "questions "+when, len(r.proposes), 0)
	}
	c := r.proposeVolatile(1)
	idle("while it is written")
	r.sync()
	idle("while it is signed")
	r.signChunks = nil
	r.chunkSigned(c, model.SignChunk(c), nil)
	r.drain()
	idle("while it is verified")
	r.verdicts()
	idle("while it is not certified")
	r.certifyOwn(c, r.c.Epoch())
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
}

// 4.7: When we hold a sequencer key and are a sequencer now: ask the application for a payload.
func TestRule4_7_ThereIsNoProposalWhileWeAreNoSequencer(t *testing.T) {
	r := newRig(t, 4, sequencing, func(r *rig) { r.w.sequencers[5] = []wire.PublicKey{id(1)} })
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	r.epoch(6)
	expect(t, "questions once we are one", len(r.proposes), 1)
}

// 4.7: When we hold a sequencer key and are a sequencer now: ask the application for a payload.
func TestRule4_7_WithoutASequencerKeyNothingIsProposed(t *testing.T) {
	r := newRig(t, 4)
	r.pass(time.Minute)
	r.epoch(6)
	r.proposed(0, payload(1), nil)
	r.chunkSigned(wire.Chunk{}, wire.Signature{}, nil)
	r.drain()
	expect(t, "questions", len(r.proposes)+len(r.signChunks), 0)
}

// 4.7: While no certificate comes, payload and node are repeated every RebroadcastTimeout.
func TestRule4_7_NodeAndPayloadAreRepeatedUntilTheCertificateComes(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.answer(Refused)
	r.pass(4999 * time.Millisecond)
	expect(t, "nodes", len(r.nodes), 1)
	r.pass(time.Millisecond)
	expect(t, "nodes", len(r.nodes), 2)
	expect(t, "payloads spread", len(r.broadcasts), 2)
	expect(t, "our own application is asked again", len(r.asks), 1)
	r.pass(10 * time.Second)
	expect(t, "nodes", len(r.nodes), 4)
	r.certifyOwn(c, 5)
	r.proposes = nil
	r.pass(time.Minute)
	expect(t, "nodes after the certificate", len(r.nodes), 4)
	expect(t, "rebroadcasts", r.c.Counts().Rebroadcasts[Success], 3)
}

// 4.7: Chunk and parent are made durable, then signed, then the node goes to the validators.
func TestRule4_7_TheTimerOfAFormerTipDoesNotShowItsSuccessorEarly(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 5)
	r.proposeVolatile(2)
	r.pass(time.Minute)
	expect(t, "nodes", len(r.nodes), 1)
	r.sync()
	r.pass(time.Minute)
	expect(t, "nodes once it is durable", len(r.nodes), 1)
	r.signChunk()
	expect(t, "nodes once it is signed", len(r.nodes), 2)
	r.pass(5 * time.Second)
	expect(t, "nodes repeated", len(r.nodes), 3)
}

// 4.7: Payload and node are repeated; paused while we are not a sequencer, and at once on a change
// of epoch.
func TestRule4_7_RebroadcastPausesWhileWeAreNoSequencerAndResumesAtOnce(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	r.propose(1)
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "nodes", len(r.nodes), 1)
	r.epoch(7)
	expect(t, "nodes with the new epoch", len(r.nodes), 2)
	r.pass(5 * time.Second)
	expect(t, "the timer lives", len(r.nodes), 3)
}

// 4.7: Payload and node are repeated on a change of epoch, whenever its sets become known.
func TestRule4_7_RebroadcastOutlivesAnEpochWhoseSetsComeLate(t *testing.T) {
	r := newRig(t, 4, sequencing, unknownAt(6))
	r.propose(1)
	r.epoch(6)
	r.pass(20 * time.Second)
	expect(t, "nodes", len(r.nodes), 1)
	delete(r.sets.unknown, 6)
	r.pass(time.Second)
	expect(t, "nodes", len(r.nodes), 2)
}

// 4.7: When we are a sequencer now, whenever the epoch's sets become known: ask the application for
// a payload.
func TestRule4_7_ProposingOutlivesAnEpochWhoseSetsComeLate(t *testing.T) {
	// Nothing else is due: our tip is certified, and no timer runs but the one that this needs.
	r := newRig(t, 4, sequencing, sequencersIn(5, id(1)), unknownAt(6))
	r.pass(time.Minute)
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	delete(r.sets.unknown, 6)
	r.pass(time.Second)
	expect(t, "questions once they are known", len(r.proposes), 1)
}

// 4.7: After a declined proposal the next question waits a backoff.
func TestRule4_7_ADeclinedProposalIsAskedForAgainAfterABackoff(t *testing.T) {
	r := newRig(t, 4, sequencing)
	for range 3 {
		expect(t, "questions", len(r.proposes), 1)
		r.proposes = nil
		r.proposed(0, wire.Digest{}, ErrDeclined)
		r.drain()
		r.pass(99 * time.Millisecond)
		expect(t, "questions within the backoff", len(r.proposes), 0)
		r.pass(time.Millisecond)
	}
	expect(t, "declined", r.c.Counts().Declined, 3)
	expect(t, "attempts", r.c.Counts().Proposals, [numStatuses]uint64{})
	expect(t, "warnings", len(r.warnings), 0)
}

// 4.7: An answer for a height no longer next is dropped, and a question about one ends.
func TestRule4_7_AnAnswerForAHeightThatIsNoLongerNextIsDropped(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	r.proposed(7, payload(1), nil) // not the requested one
	r.drain()
	expect(t, "records", r.disk.Next, 1)

	r.epoch(6) // we are none any more
	expect(t, "questions", len(r.proposes), 0)
	expect(t, "cancelled", r.cancelled[0].Kind, AskPropose)
	r.proposed(0, payload(1), nil)
	r.drain()
	expect(t, "records", r.disk.Next, 1)
	r.epoch(7)
	expectChunks(t, "questions once we are one again", r.proposes, wire.Chunk{Sequencer: id(0)})
}

// 4.7: When the process was not a sequencer for a while, the same chunk is signed again.
func TestRule4_7_AChunkSignedForAnEpochInWhichWeAreNoSequencerIsSignedAgainLater(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	c := r.proposeVolatile(1)
	r.sync()
	r.epoch(6)
	expect(t, "cancelled", r.cancelled[0].Kind, SignChunk)
	r.chunkSigned(c, model.SignChunk(c), nil)
	r.drain()
	r.pass(time.Minute)
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "chunks to sign while we are none", len(r.signChunks), 0)
	r.epoch(7)
	expectChunks(t, "chunks to sign", r.signChunks, c)
	expect(t, "questions", len(r.proposes), 0)
	r.signChunk()
	expect(t, "nodes", len(r.nodes), 1)
}

// 4.7: When the signer fails, the same chunk is signed again: a signer that guards against double
// signing never sees two.
func TestRule4_7_ASignerThatFailsIsAskedForTheSameChunkAfterABackoff(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.proposeVolatile(1)
	r.sync()
	for n := range uint64(3) {
		expectChunks(t, "chunks to sign", r.signChunks, c)
		r.chunkSigned(chunk(0, 0, 2), wire.Signature{}, nil) // not the requested one
		r.drain()
		expect(t, "statements", len(r.verifies), 0)
		r.signChunks = nil
		r.chunkSigned(c, wire.Signature{}, errTest)
		r.drain()
		expect(t, "failures", r.c.Counts().Proposals[Failure], n+1)
		r.pass(99 * time.Millisecond)
		expect(t, "chunks to sign within the backoff", len(r.signChunks), 0)
		r.pass(time.Millisecond)
	}
	r.signChunk()
	expect(t, "nodes", len(r.nodes), 1)
	expect(t, "questions asked in all", len(r.calls[AskPropose]), 1)
}

// 4.7: The chunk is signed, verified and handled as if received.
func TestRule4_7_AnInvalidSignatureOfOurSignerIsNeverSent(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.proposeVolatile(1)
	r.sync()
	r.signChunks = nil
	r.chunkSigned(c, wire.Signature{}, nil)
	r.drain()
	r.verdicts()
	r.sync()
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "faults", len(r.faults()), 0)
	r.pass(100 * time.Millisecond)
	expectChunks(t, "to be signed again", r.signChunks, c)
	r.signChunk()
	expect(t, "nodes", len(r.nodes), 1)
}

// 4.7: The chunk is signed, verified and handled as if received; after a failure the same chunk is
// signed again.
func TestRule4_7_OurNodeWithoutAVerdictIsSignedAgainAfterABackoff(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.proposeVolatile(1)
	r.sync()
	for range 3 {
		expectChunks(t, "to be signed", r.signChunks, c)
		r.signChunks = nil
		r.chunkSigned(c, model.SignChunk(c), nil)
		r.drain()
		expect(t, "statements", r.undecided(), 1)
		expect(t, "to be signed at once", len(r.signChunks), 0)
		r.pass(r.cfg.ProposeBackoff)
	}
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "faults", len(r.faults()), 0)
	r.signChunk()
	expect(t, "nodes", len(r.nodes), 1)
}

// 4.7: When the process was not a sequencer for a while, the same chunk is signed again.
func TestRule4_7_OurNodeIsNotSentWhenTheEpochMovedWhileItWasVerifiedAndSignedAgainLater(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	c := r.proposeVolatile(1)
	r.sync()
	r.signChunks = nil
	r.chunkSigned(c, model.SignChunk(c), nil)
	r.drain()
	r.epoch(6)
	r.verdicts()
	r.sync()
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "records", r.disk.Next, 2) // of the proposal
	r.epoch(7)
	r.pass(time.Second)
	expectChunks(t, "to be signed again", r.signChunks, c)
	expect(t, "questions", len(r.proposes), 0)
}

// 4.7: If our tip's certificate is of an epoch that leaves the bounds, the tip is rebroadcast until
// certified anew.
func TestRule4_7_ATipWhoseCertificateLeavesTheBoundsIsRebroadcastUntilCertifiedAnew(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	r.proposes = nil // the application has nothing to say
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "nodes while it is in bounds", len(r.nodes), 1)
	r.epoch(7)
	expect(t, "nodes", len(r.nodes), 2)
	r.pass(5 * time.Second)
	expect(t, "nodes", len(r.nodes), 3)
	r.certifyOwn(c, 7)
	r.pass(time.Minute)
	expect(t, "nodes", len(r.nodes), 3)
	// Of the two certificates the newest is used.
	r.proposed(1, payload(2), nil)
	r.drain()
	r.sync()
	r.signChunk()
	var node wire.Node
	if err := node.Decode(r.nodes[3].Bytes, &r.c.epochs); err != nil {
		t.Fatal(err)
	}
	expect(t, "parent's epoch", node.Parent.Epoch, 7)
}

// 4.7: While no certificate comes, payload and node are repeated: at start-up and on a change of
// epoch, at once.
func TestRule4_7_AtStartUpAnUncertifiedTipIsRebroadcastAtOnce(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	r.sync()
	bytes := r.nodes[0].Bytes
	r.nodes = nil
	r.crash(r.disk.Durable, true)
	expect(t, "nodes", len(r.nodes), 1)
	expect(t, "the same bytes", string(r.nodes[0].Bytes), string(bytes))
	expect(t, "questions for a payload", len(r.proposes), 0)
}

// 5.9: A process that is not recovering and is shown a valid node of its own above its tip stops
// with that as the reason.
func TestRule5_9_ANodeOfAnotherProcessWithOurKeyStopsUs(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.mayHalt = true
	n := r.w.node(0, 4, 4, 3, 5) // while the application thinks about height 0
	expect(t, "outcome", r.nodeBytes(id(2), n.AppendTo(nil)), Accepted)
	r.verdicts()
	expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
	r.proposed(0, payload(1), nil)
	r.drain()
	r.sync()
	expect(t, "chunks to sign", len(r.signChunks), 0)
	expect(t, "records", r.disk.Next, 1)
}

// 5.9: A process that is not recovering and is shown a certificate of its lane above its tip stops
// with that as the reason.
func TestRule5_9_ACertificateOfOurLaneAboveOurTipStopsUs(t *testing.T) {
	for name, height := range map[string]uint64{"above none": 0, "above height 0": 2} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing)
			if height > 0 {
				r.certifyOwn(r.propose(1), 5)
			}
			r.mayHalt = true
			r.certifyOwn(chunk(0, height, 7), 5)
			expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
			r.proposed(height, payload(3), nil)
			r.drain()
			r.sync()
			r.pass(time.Minute)
			expect(t, "chunks to sign", len(r.signChunks), 0)
			expect(t, "locks of it", len(r.locks()), int(height)/2)
		})
	}
}
