package core

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// propose answers the question for our next payload, and lets the node come all the way to where it is durable.
func (r *rig) propose(p int) wire.Chunk {
	r.t.Helper()
	c := r.proposeVolatile(p)
	r.sync()
	return c
}

func (r *rig) proposeVolatile(p int) wire.Chunk {
	r.t.Helper()
	if len(r.proposes) != 1 {
		r.t.Fatalf("%d questions for a payload", len(r.proposes))
	}
	at := r.proposes[0]
	r.proposes = nil
	r.c.Proposed(r.now, at.Height, payload(p), true)
	r.drain()
	if len(r.signChunks) != 1 {
		r.t.Fatalf("%d chunks to sign", len(r.signChunks))
	}
	c := r.signChunks[0]
	r.signChunks = nil
	r.c.ChunkSigned(r.now, c, model.SignChunk(c), nil)
	r.drain()
	r.verdicts()
	return c
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

func TestRule4_7_TheFirstProposalIsAskedForAtOnceAndBroadcastWhenDurable(t *testing.T) {
	r := newRig(t, 4, sequencing)
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0)})
	c := r.proposeVolatile(1)
	expect(t, "chunk", c, chunk(0, 0, 1))
	r.pass(time.Minute)
	expect(t, "seen before it is durable", len(r.nodes)+len(r.relays)+len(r.asks), 0)
	r.sync()
	expectChunks(t, "relayed", r.relays, c)
	expect(t, "nodes", len(r.nodes), 1)
	if !slices.Equal(r.nodes[0].Recipients, []wire.PublicKey{id(1), id(2), id(3)}) {
		t.Fatalf("recipients %v", r.nodes[0].Recipients)
	}
	n := genesis(0, 1)
	expect(t, "node", string(r.nodes[0].Bytes), string(n.AppendTo(nil)))
	expectChunks(t, "handled as if received", r.asks, c)
	expect(t, "next question", len(r.proposes), 0)
}

func TestRule4_7_TheNextProposalComesWithTheTipsCertificateAsParent(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.now += 70 * time.Millisecond
	r.certifyOwn(c, 5)
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
	expect(t, "elapsed", r.reports[len(r.reports)-1].Elapsed, 70*time.Millisecond)
	c = r.propose(2)
	var n wire.Node
	if err := n.Decode(r.nodes[1].Bytes, r.c); err != nil {
		t.Fatal(err)
	}
	expect(t, "chunk", n.Chunk, chunk(0, 1, 2))
	expect(t, "parent", n.Parent.Payload, payload(1))
	expect(t, "successes", r.c.Counts().Proposals[Success], 2)
	// Others take it.
	other := newRig(t, 4, func(r *rig) { r.cfg.Identity, r.sets.me = id(1), id(1) })
	other.tip(n)
	expect(t, "chunk at another", c, n.Chunk)
}

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
	r.propose(1)
	r.verdicts()
	fault[*wire.Conflict](r)
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
}

func TestRule4_7_ThereIsNoProposalOnATipThatIsNotDurable(t *testing.T) {
	r := newRig(t, 4, sequencing)
	for i := 1; i < 4; i++ { // somehow it is certified already
		r.ack(i, chunk(0, 0, 1), 5)
	}
	r.proposeVolatile(1)
	r.verdicts()
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	r.sync()
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
}

func TestRule4_7_ThereIsNoProposalWhileWeAreNoSequencer(t *testing.T) {
	r := newRig(t, 4, sequencing, func(r *rig) { r.w.sequencers[5] = []wire.PublicKey{id(1)} })
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	r.epoch(6)
	expect(t, "questions once we are one", len(r.proposes), 1)
}

func TestRule4_7_WithoutASequencerKeyNothingIsProposed(t *testing.T) {
	r := newRig(t, 4)
	r.pass(time.Minute)
	r.epoch(6)
	r.c.Proposed(r.now, 0, payload(1), true)
	r.c.ChunkSigned(r.now, wire.Chunk{}, wire.Signature{}, nil)
	r.drain()
	expect(t, "questions", len(r.proposes)+len(r.signChunks), 0)
}

func TestRule4_7_NodeAndPayloadAreRepeatedUntilTheCertificateComes(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.answer(Refused)
	r.pass(4999 * time.Millisecond)
	expect(t, "nodes", len(r.nodes), 1)
	r.pass(time.Millisecond)
	expect(t, "nodes", len(r.nodes), 2)
	expect(t, "relays", len(r.relays), 2)
	expect(t, "our own application is asked again", len(r.asks), 1)
	r.pass(10 * time.Second)
	expect(t, "nodes", len(r.nodes), 4)
	r.certifyOwn(c, 5)
	r.proposes = nil
	r.pass(time.Minute)
	expect(t, "nodes after the certificate", len(r.nodes), 4)
	expect(t, "rebroadcasts", r.c.Counts().Rebroadcasts[Success], 3)
}

func TestRule4_7_TheTimerOfAFormerTipDoesNotShowItsSuccessorEarly(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 5)
	r.proposeVolatile(2)
	r.pass(time.Minute)
	expect(t, "nodes", len(r.nodes), 1)
	r.sync()
	expect(t, "nodes once it is durable", len(r.nodes), 2)
	r.pass(5 * time.Second)
	expect(t, "nodes repeated", len(r.nodes), 3)
}

func TestRule4_7_RebroadcastPausesWhileWeAreNoSequencerAndResumesAtOnce(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	r.w.sequencers[6] = []wire.PublicKey{id(1)}
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "nodes", len(r.nodes), 1)
	r.epoch(7)
	expect(t, "nodes with the new epoch", len(r.nodes), 2)
	r.pass(5 * time.Second)
	expect(t, "the timer lives", len(r.nodes), 3)
}

func TestRule4_7_RebroadcastOutlivesAnEpochWhoseSetsComeLate(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	r.sets.unknown[6] = true
	r.epoch(6)
	r.pass(20 * time.Second)
	expect(t, "nodes", len(r.nodes), 1)
	delete(r.sets.unknown, 6)
	r.pass(time.Second)
	expect(t, "nodes", len(r.nodes), 2)
}

func TestRule4_7_ProposingOutlivesAnEpochWhoseSetsComeLate(t *testing.T) {
	// Nothing else is due: our tip is certified, and no timer runs but the one that this needs.
	r := newRig(t, 4, sequencing, func(r *rig) { r.w.sequencers[5] = []wire.PublicKey{id(1)} })
	r.sets.unknown[6] = true
	r.pass(time.Minute)
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "questions", len(r.proposes), 0)
	delete(r.sets.unknown, 6)
	r.pass(time.Second)
	expect(t, "questions once they are known", len(r.proposes), 1)
}

func TestRule4_7_ADeclinedProposalIsAskedForAgainAfterABackoff(t *testing.T) {
	r := newRig(t, 4, sequencing)
	for range 3 {
		expect(t, "questions", len(r.proposes), 1)
		r.proposes = nil
		r.c.Proposed(r.now, 0, wire.Digest{}, false)
		r.drain()
		r.pass(99 * time.Millisecond)
		expect(t, "questions within the backoff", len(r.proposes), 0)
		r.pass(time.Millisecond)
	}
	expect(t, "dropped", r.c.Counts().Proposals[Dropped], 3)
}

func TestRule4_7_AnAnswerForAHeightThatIsNoLongerNextIsDropped(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.c.Proposed(r.now, 7, payload(1), true) // not what was asked
	r.drain()
	expect(t, "chunks to sign", len(r.signChunks), 0)
	r.proposes = nil
	r.pass(time.Second)

	r.w.sequencers[6] = []wire.PublicKey{id(1)}
	r.epoch(6) // we are none any more
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	expect(t, "chunks to sign", len(r.signChunks), 0)
}

func TestRule4_7_AChunkSignedForAnEpochInWhichWeAreNoSequencerIsDropped(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.proposes = nil
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	r.w.sequencers[6] = []wire.PublicKey{id(1)}
	r.epoch(6)
	r.c.ChunkSigned(r.now, chunk(0, 0, 1), model.SignChunk(chunk(0, 0, 1)), nil)
	r.drain()
	expect(t, "statements", len(r.verifies), 0)
	r.epoch(7)
	r.pass(time.Second)
	expect(t, "questions", len(r.proposes), 1)
}

func TestRule4_7_ASignerThatFailsIsTriedAgainAfterABackoff(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.proposes = nil
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	r.c.ChunkSigned(r.now, chunk(0, 0, 2), wire.Signature{}, nil) // not what was asked
	r.drain()
	expect(t, "statements", len(r.verifies), 0)
	r.c.ChunkSigned(r.now, chunk(0, 0, 1), wire.Signature{}, errTest)
	r.drain()
	expect(t, "failures", r.c.Counts().Proposals[Failure], 1)
	r.pass(100 * time.Millisecond)
	expect(t, "questions", len(r.proposes), 1)
}

func TestRule4_7_WhatOurSignerSignedWronglyIsNeverSent(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.proposes = nil
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	r.signChunks = nil
	r.c.ChunkSigned(r.now, chunk(0, 0, 1), wire.Signature{}, nil)
	r.drain()
	r.verdicts()
	r.sync()
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "faults", len(r.faults()), 0)
	r.pass(100 * time.Millisecond)
	expect(t, "questions", len(r.proposes), 1)
	r.propose(1)
	expect(t, "nodes", len(r.nodes), 1)
}

func TestRule4_7_OurNodeWithoutAVerdictIsProposedAnewAfterABackoff(t *testing.T) {
	r := newRig(t, 4, sequencing)
	for range 3 {
		r.pass(r.cfg.ProposeBackoff)
		expect(t, "questions", len(r.proposes), 1)
		r.proposes = nil
		r.c.Proposed(r.now, 0, payload(1), true)
		r.drain()
		r.c.ChunkSigned(r.now, chunk(0, 0, 1), model.SignChunk(chunk(0, 0, 1)), nil)
		r.drain()
		r.signChunks = nil
		expect(t, "statements", r.undecided(), 1)
		expect(t, "questions at once", len(r.proposes), 0)
	}
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "faults", len(r.faults()), 0)
	r.pass(r.cfg.ProposeBackoff)
	r.propose(1)
	expect(t, "nodes", len(r.nodes), 1)
}

func TestRule4_7_OurNodeIsDroppedWhenTheEpochMovedWhileItWasVerified(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.proposes = nil
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	r.signChunks = nil
	r.c.ChunkSigned(r.now, chunk(0, 0, 1), model.SignChunk(chunk(0, 0, 1)), nil)
	r.drain()
	r.w.sequencers[6] = []wire.PublicKey{id(1)}
	r.epoch(6)
	r.verdicts()
	r.sync()
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "records", r.disk.Next, 1)
	r.epoch(7)
	r.pass(time.Second)
	expect(t, "questions", len(r.proposes), 1)
}

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
	r.c.Proposed(r.now, 1, payload(2), true)
	r.drain()
	n := r.signChunks[0]
	r.signChunks = nil
	r.c.ChunkSigned(r.now, n, model.SignChunk(n), nil)
	r.drain()
	r.verdicts()
	r.sync()
	var node wire.Node
	if err := node.Decode(r.nodes[3].Bytes, r.c); err != nil {
		t.Fatal(err)
	}
	expect(t, "parent's epoch", node.Parent.Epoch, 7)
}

func TestRule4_7_AtStartUpAnUncertifiedTipIsRebroadcastAtOnce(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	bytes := r.nodes[0].Bytes
	r.nodes = nil
	r.crash(r.disk.Durable, true)
	expect(t, "nodes", len(r.nodes), 1)
	expect(t, "the same bytes", string(r.nodes[0].Bytes), string(bytes))
	expect(t, "questions for a payload", len(r.proposes), 0)
}

func TestRule4_7_AnotherProcessWithOurKeyMovesOurLaneOn(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.tip(r.w.node(0, 4, 4, 3, 5)) // while the application thinks about height 0
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	expect(t, "chunks to sign", len(r.signChunks), 0)
	expect(t, "rebroadcast", len(r.nodes), 1)
}

func TestRule4_7_NothingIsProposedBelowWhatIsCertifiedOnOurLane(t *testing.T) {
	// Our journal is lost, or somebody has our key: a proposal would contradict what the network has.
	r := newRig(t, 4, sequencing)
	r.certifyOwn(chunk(0, 3, 3), 5)
	r.c.Proposed(r.now, 0, payload(1), true)
	r.drain()
	r.proposes = nil
	r.pass(time.Minute)
	expect(t, "chunks to sign", len(r.signChunks), 0)
	expect(t, "questions", len(r.proposes), 0)
	r.tip(r.w.node(0, 3, 3, 2, 5)) // somebody sends us our chunk
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 4})
}

func TestRule4_7_ATipWithHigherCertificatesAboveItIsNotBuiltOn(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 5)
	expect(t, "questions", len(r.proposes), 1)
	r.certifyOwn(chunk(0, 2, 2), 5)
	r.c.Proposed(r.now, 1, payload(3), true)
	r.drain()
	r.proposes = nil
	r.pass(time.Minute)
	expect(t, "chunks to sign", len(r.signChunks), 0)
	expect(t, "questions", len(r.proposes), 0)
}
