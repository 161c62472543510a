package core

import (
	"errors"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// 4.7: After a declined proposal the next question waits for a backoff.
//
// That is no failure; any other error of the application is one.
func TestAnApplicationThatFailsToProposeIsCountedAndToldOf(t *testing.T) {
	r := newRig(t, 4, sequencing)
	for range 9 {
		r.proposes = nil
		r.proposed(0, wire.Digest{}, errTest)
		r.drain()
		r.pass(100 * time.Millisecond)
	}
	expect(t, "failures", r.c.Counts().Proposals[Failure], 9)
	expect(t, "declined", r.c.Counts().Declined, 0)
	expect(t, "warnings, of the first, second, fourth and eighth", len(r.warnings), 4)
	for _, w := range r.warnings {
		expect(t, "reason", errors.Is(w.Err, errTest), true)
		expect(t, "chunk", w.Chunk, wire.Chunk{Sequencer: id(0)})
	}
	r.certifyOwn(r.propose(1), 5)
	r.proposes = nil
	r.proposed(1, wire.Digest{}, errTest)
	r.drain()
	expect(t, "warnings, with the first failure of the next chunk", len(r.warnings), 5)
}

// 4.7: The chunk is signed, verified and handled as if it had been received.
//
// The operator is told of a node of ours that does not verify, and of the reason.
func TestOurOwnNodeThatDoesNotVerifyIsToldOf(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.proposeVolatile(1)
	r.sync()
	r.signChunks = nil
	r.chunkSigned(c, wire.Signature{}, nil)
	r.drain()
	r.verdicts()
	expect(t, "failures", r.c.Counts().Proposals[Failure], 1)
	expect(t, "warnings", len(r.warnings), 1)
	expect(t, "reason", errors.Is(r.warnings[0].Err, errOurSignature), true)
	expect(t, "chunk", r.warnings[0].Chunk, c)
}

// 4.7: An answer for a height that is no longer next is dropped.
//
// An attempt that became obsolete is no failure.
func TestAProposalThatIsOvertakenIsNoFailure(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	r.proposeVolatile(1)
	r.sync()
	c := r.signChunks[0]
	r.signChunks = nil
	r.chunkSigned(c, model.SignChunk(c), nil)
	r.drain()
	r.epoch(6) // this process is no sequencer in it
	r.verdicts()
	expect(t, "failures", r.c.Counts().Proposals[Failure], 0)
	expect(t, "dropped", r.c.Counts().Proposals[Dropped], 1)
	expect(t, "warnings", len(r.warnings), 0)
}

// 4.7: Point 3 is repeated every `RebroadcastTimeout`; it is paused while we are not a sequencer.
//
// A pause counts once, however often the core checks whether it is over. Where the sets are not
// known, it is a failure that the operator is told of.
func TestAPausedRebroadcastCountsOnce(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)), unknownAt(8))
	r.propose(1)
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "dropped", r.c.Counts().Rebroadcasts[Dropped], 1)
	expect(t, "warnings", len(r.warnings), 0)
	r.epoch(7)
	r.epoch(8)
	r.pass(time.Minute)
	expect(t, "failures", r.c.Counts().Rebroadcasts[Failure], 1)
	expect(t, "warnings", len(r.warnings), 1)
	expect(t, "reason", errors.Is(r.warnings[0].Err, ErrEpochLacking), true)
	again := r.c.Counts().Rebroadcasts[Success]
	delete(r.sets.unknown, 8)
	r.pass(time.Second)
	expect(t, "rebroadcasts, once they are known", r.c.Counts().Rebroadcasts[Success], again+1)
	expect(t, "broadcasts", r.c.Counts().Broadcasts[Success], again+2)
	r.epoch(9)
	expect(t, "failures in all", r.c.Counts().Rebroadcasts[Failure], 1)
}

// 4.3, 4.2: A message of an honest peer that has missed messages, or that is late or early, is
// dropped and not called invalid.
func TestLateAndEarlyMessagesOfHonestPeersAreNotInvalid(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, id(0), id(2)), unknownAt(6))
	late := func(what string, got, want Outcome) {
		t.Helper()
		expect(t, what, got, want)
		expect(t, what+": invalid", got.Invalid(), false)
	}
	r.tip(r.w.node(1, 9, 1, 0, 5))
	late("an ack", r.ack(1, chunk(1, 9, 1), 5), Accepted)
	late("an ack once more", r.ack(1, chunk(1, 9, 1), 5), Duplicate)
	late("an ack of an epoch that is over", r.ack(1, chunk(1, 9, 1), 3), EpochOutOfBounds)
	late("an ack of an epoch that has not come here", r.ack(1, chunk(1, 9, 1), 7), EpochOutOfBounds)
	late("an ack below the tip", r.ack(1, chunk(1, 8, 1), 5), HeightOutOfBounds)
	late("an ack far above it", r.ack(1, chunk(1, 99, 1), 5), HeightOutOfBounds)
	late("an ack for the sequencer's other chunk", r.ack(2, chunk(1, 9, 2), 5), PayloadMismatch)
	late("a node below the tip", r.node(r.w.node(1, 8, 1, 0, 5)), HeightTooLow)
	late("the tip's node", r.node(r.w.node(1, 9, 1, 0, 5)), Duplicate)
	r.ack(2, chunk(1, 9, 1), 5)
	r.ack(3, chunk(1, 9, 1), 5)
	r.verdicts()
	late("an ack after the certificate", r.ack(3, chunk(1, 9, 1), 5), Certified)
	late("an ack of an epoch whose sets we lack", r.ack(1, chunk(2, 0, 1), 6), UnknownEpoch)
	late("a node on a parent of an epoch that we lack", r.node(r.w.node(2, 3, 1, 0, 6)), UnknownEpoch)
	delete(r.sets.unknown, 6)
	r.epoch(6)
	late("a node of a sequencer that has left", r.node(r.w.node(1, 10, 1, 1, 5)), NotNow)
	late("an ack of the epoch in which it was one", r.ack(1, chunk(1, 10, 1), 5), Accepted)

	wrong := func(what string, got, want Outcome) {
		t.Helper()
		expect(t, what, got, want)
		expect(t, what+": invalid", got.Invalid(), true)
	}
	wrong("an ack for an identity that is no sequencer", r.ack(1, chunk(1, 10, 1), 6), UnknownSequencer)
	wrong("an ack of an identity that is no validator", r.ackBytes(id(77), r.w.ack(1, chunk(2, 0, 1), 6)), NotValidator)
	wrong("an ack in another's name", r.ackBytes(id(2), r.w.ack(1, chunk(2, 0, 1), 6)), WrongPeer)
	wrong("another's node", r.nodeBytes(id(1), genesisBytes(2)), WrongPeer)
	wrong("no ack", r.ackBytes(id(1), []byte{1}), Malformed)
	r.ack(1, chunk(2, 0, 1), 6)
	wrong("a second ack", r.ack(1, chunk(2, 0, 2), 6), Conflicting)
}

func genesisBytes(sequencer int) []byte {
	n := genesis(sequencer, 1)
	return n.AppendTo(nil)
}
