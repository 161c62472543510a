package core

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// 4.5: If true: report Tip; then sign the ack, count it, and send it to the validators of the epoch
// and to the sequencer.
func TestRule4_5_AnApprovedTipIsReportedThenAckedToValidatorsAndSequencer(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1000, 1)) // a sequencer that is no validator
	r.answer(Approved)
	expectChunks(t, "tips", r.tips(), chunk(1000, 0, 1))
	expect(t, "signatures asked for", len(r.signAcks), 1)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	want := []wire.PublicKey{id(1), id(2), id(3), id(1000)}
	if !slices.Equal(r.acks[0].Recipients, want) {
		t.Fatalf("recipients %v", r.acks[0].Recipients)
	}
	expect(t, "bytes", string(r.acks[0].Bytes), string(r.w.ack(0, chunk(1000, 0, 1), 5)))
	expect(t, "votes", r.c.Counts().Votes, 1)

	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(nil)
	if !slices.Equal(r.acks[1].Recipients, want[:3]) {
		t.Fatalf("recipients for a sequencer that is a validator: %v", r.acks[1].Recipients)
	}
}

// 4.5: If we are a validator in the current epoch, sign the ack and count it.
func TestRule4_5_OurOwnAckCounts(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(nil)
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
}

// 4.5: If false: no ack.
func TestRule4_5_ARefusedTipIsNotAcked(t *testing.T) {
	for a, counted := range map[Answer]Status{Refused: Failure, Failed: None} {
		r := newRig(t, 4)
		r.tip(genesis(1, 1))
		r.answer(a)
		r.pass(time.Minute)
		r.epoch(6)
		expect(t, "tips", len(r.tips()), 0)
		expect(t, "signatures", len(r.signAcks), 0)
		expect(t, "questions", len(r.asks), 0)
		want := [numVerdicts]uint64{}
		want[counted] = 1
		expect(t, "counted", r.c.Counts().ApplicationVerdicts, want)
	}
}

// 4.5: A tip is ackable when it is approved. No other ack is signed.
func TestRule4_5_NoAckWithoutTheApplicationsConsent(t *testing.T) {
	// The signed ack of a former tip arrives. Then the core checks the current tip, which the
	// application has refused or not answered yet.
	for name, answers := range map[string][]Answer{"not asked yet": nil, "asked": {}, "refused": {Refused}, "undecided": {Failed}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			r.tip(genesis(1, 0))
			r.answer(Approved)
			r.node(r.w.node(1, 1, 1, 0, 5))
			r.verdicts()
			if answers != nil {
				r.sync()
			}
			for _, a := range answers {
				r.answer(a)
			}
			r.sign(nil)
			r.epoch(6)
			r.node(r.w.node(1, 1, 1, 0, 5))
			r.pass(time.Minute)
			expectChunks(t, "tips", r.tips(), chunk(1, 0, 0))
			expect(t, "signatures asked for", len(r.signAcks), 0)
			expect(t, "acks", len(r.acks), 0)
			if answers == nil {
				r.sync()
			}
			r.pass(time.Second)
			r.node(r.w.node(1, 1, 1, 0, 5))
			r.answer(Approved)
			expect(t, "signatures asked for once it consents", len(r.signAcks), 1)
			expect(t, "chunk", r.signAcks[0].Chunk, chunk(1, 1, 1))
		})
	}
}

// 4.5: When the tip moves on, all calls about older chunks are cancelled. Answers to cancelled
// calls count for nothing.
func TestRule4_5_TheQuestionEndsWhenTheTipMovesOnAndItsAnswerIsDropped(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.tip(r.w.node(1, 1, 1, 0, 5))
	expect(t, "cancelled", len(r.cancelled), 1)
	expect(t, "about", r.cancelled[0].Chunk, chunk(1, 0, 0))
	expectChunks(t, "the question that counts", r.asks, chunk(1, 1, 1))
	r.verified(chunk(1, 0, 0), Approved)
	r.drain()
	expect(t, "tips", len(r.tips()), 0)
	r.answer(Approved)
	expectChunks(t, "tips", r.tips(), chunk(1, 1, 1))
	expect(t, "dropped", r.c.Counts().ApplicationVerdicts[Dropped], 1)
	r.verified(chunk(1, 1, 1), Approved) // no such call
	r.verified(chunk(2, 1, 1), Approved)
	expect(t, "effects", len(r.c.Effects()), 0)
}

// 4.5: At most two calls per lane are outstanding: the newest tip is asked when one returns, and
// once it is durable.
func TestRule4_5_AVerdictThatComesBeforeTheNewTipIsDurableAsksWhenItIs(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.node(r.w.node(1, 1, 1, 0, 5))
	r.verdicts()
	r.answer(Approved)
	expect(t, "questions", len(r.asks), 0)
	r.sync()
	expectChunks(t, "questions", r.asks, chunk(1, 1, 1))
}

// 4.5: A tip is ackable when its sequencer is one of the current epoch.
func TestRule4_5_TheSequencerMustStillBeOneWhenTheVerdictComes(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, ids(1)...))
	r.tip(genesis(1, 1))
	r.epoch(6)
	r.answer(Approved)
	expect(t, "tips", len(r.tips()), 0)
	expect(t, "signatures", len(r.signAcks), 0)
	r.epoch(7) // it is one again
	expectChunks(t, "tips", r.tips(), chunk(1, 0, 1))
	expect(t, "signatures", len(r.signAcks), 1)
	expect(t, "epoch", r.signAcks[0].Epoch, 7)
}

// 4.5: If the epoch's scheme is not known yet, the ack is signed when it is.
func TestRule4_5_AnEpochWhoseSchemeIsNotKnownYetIsTriedAgain(t *testing.T) {
	r := newRig(t, 4, unknownAt(6))
	r.tip(genesis(1, 1))
	r.epoch(6)
	r.answer(Approved)
	r.pass(10 * time.Second)
	expect(t, "signatures", len(r.signAcks), 0)
	delete(r.sets.unknown, 6)
	r.pass(time.Second)
	expectChunks(t, "tips", r.tips(), chunk(1, 0, 1))
	expect(t, "signatures", len(r.signAcks), 1)
	r.sign(nil)
	r.pass(time.Minute)
	expect(t, "acks", len(r.acks), 1)
}

// 4.5: Report Tip; then, if we are a validator in the current epoch, sign the ack.
func TestRule4_5_AProcessThatIsNoValidatorReportsTipsAndAcksNothing(t *testing.T) {
	for name, change := range map[string]func(*rig){
		"not in the set": func(r *rig) { r.cfg.Identity, r.sets.me = id(500), id(500) },
		"without a key":  func(r *rig) { r.sets.noSigner = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, change)
			r.tip(genesis(1, 1))
			r.answer(Approved)
			r.node(genesis(1, 1))
			r.pass(time.Minute)
			expectChunks(t, "tips", r.tips(), chunk(1, 0, 1))
			expect(t, "signatures", len(r.signAcks), 0)
			r.ack(1, chunk(1, 0, 1), 5)
			r.ack(2, chunk(1, 0, 1), 5)
			r.ack(3, chunk(1, 0, 1), 5)
			r.verdicts()
			expect(t, "it follows", len(r.locks()), 1)
		})
	}
}

// 4.5: Sign the ack: a signer that fails is asked again, once per interval.
func TestRule4_5_ASignerThatFailsIsAskedAgainOncePerInterval(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	for range 3 {
		expect(t, "signatures asked for", len(r.signAcks), 1)
		r.sign(errTest)
		for range 10 {
			r.node(genesis(1, 1)) // a peer cannot speed it up, nor put it off
			expect(t, "signatures within the interval", len(r.signAcks), 0)
			r.pass(90 * time.Millisecond)
		}
		r.pass(100 * time.Millisecond)
	}
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	expect(t, "failures", r.c.Counts().OwnAcks[Failure], 3)
	expect(t, "tips", len(r.tips()), 1)
}

// 4.5: Sign the ack: what has another length than the epoch's acks is no signature.
func TestRule4_5_ASignatureOfTheWrongLengthIsAFailure(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	call := r.signAcks[0].Call
	r.signAcks = nil
	r.c.AckSigned(r.now, call, make([]byte, model.VoteSize+1), nil)
	r.drain()
	expect(t, "acks", len(r.acks), 0)
	expect(t, "failures", r.c.Counts().OwnAcks[Failure], 1)
	r.c.AckSigned(r.now, call, make([]byte, model.VoteSize), nil) // the call was cancelled
	r.c.AckSigned(r.now, call+1, nil, nil)
	expect(t, "effects", len(r.c.Effects()), 0)
}

// 4.5: No ack is signed or sent but for the current epoch.
func TestRule4_5_AnAckSignedForAPastEpochIsNotSentAndTheNextIsSigned(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	past := r.signAcks[0]
	r.epoch(6)
	expect(t, "cancelled", r.cancelled[0].Call, past.Call)
	expect(t, "signatures asked for", len(r.signAcks), 1)
	expect(t, "epoch", r.signAcks[0].Epoch, 6)
	r.signed(past)
	expect(t, "acks", len(r.acks), 0)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	expect(t, "dropped", r.c.Counts().OwnAcks[Dropped], 1)
}

// 4.5: If the chunk is still the tip and ackable: no other ack is signed or sent.
func TestRule4_5_AnAckSignedForAFormerTipIsNotSent(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.answer(Approved)
	past := r.signAcks[0]
	r.tip(r.w.node(1, 1, 1, 0, 5))
	expect(t, "cancelled", r.cancelled[0].Call, past.Call)
	r.signed(past)
	expect(t, "acks", len(r.acks), 0)
	r.answer(Approved)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	expect(t, "dropped", r.c.Counts().OwnAcks[Dropped], 1)
}

// 4.5: A tip is ackable when its height is not below the lane's highest certified.
func TestRule4_5_AnAckSignedAfterTheLaneMovedOnIsNotSent(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.answer(Approved)
	past := r.signAcks[0]
	r.certify(chunk(1, 3, 3), 5)
	expect(t, "cancelled", r.cancelled[0].Call, past.Call)
	r.signed(past)
	expect(t, "acks", len(r.acks), 0)
	expect(t, "votes", r.c.Counts().Votes, 0)
	expect(t, "signatures asked for", len(r.signAcks), 0)
}

// 4.5: Sign the ack, count it, and send it: one that found no room is counted when it is sent
// again.
func TestRule4_5_OurAckThatFoundNoRoomIsCountedWhenItIsSentAgain(t *testing.T) {
	r := newRig(t, 100)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	height := uint64(0)
	for full := false; !full; height++ { // every lane's next two heights are needed now, and fill the memory
		for s := 2; s < 100; s++ {
			full = full || r.ack(50, chunk(s, height%2, 1), 5) == NoRoom
			for p := 1; p < 100; p++ {
				full = full || r.ack(p, chunk(s, height%2, p), 5) == NoRoom
			}
		}
	}
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	r.verdicts()
	r.tip(r.w.node(2, 9, 9, 8, 5)) // frees the acks that waited on that lane
	votes := r.c.Counts().Votes
	r.pass(time.Second)
	r.node(genesis(1, 1))
	expect(t, "acks", len(r.acks), 2)
	expect(t, "votes", r.c.Counts().Votes, votes+1)
	r.pass(time.Second)
	r.node(genesis(1, 1))
	expect(t, "acks", len(r.acks), 3)
	expect(t, "votes", r.c.Counts().Votes, votes+1)
}

// 4.5: … report Tip; then, if we are a validator in the current epoch, sign the ack.
//
// This holds also with a signer, which a process has that is a validator in other epochs.
func TestRule4_5_AProcessWithASignerThatIsNoValidatorReportsTheTipAndSignsNothing(t *testing.T) {
	r := newRig(t, 4, observing)
	r.sets.stray = true
	r.tip(genesis(1, 1))
	r.answer(Approved)
	expect(t, "tips reported", len(r.tips()), 1)
	r.pass(time.Minute)
	expect(t, "signatures asked for", len(r.signAcks), 0)
	expect(t, "signers asked for", r.sets.signers, 0)
}

func TestAValidatorAloneSendsItsAcksToNobody(t *testing.T) {
	r := newRig(t, 1, sequencing)
	r.propose(1)
	r.answer(Approved)
	r.sign(nil)
	r.verdicts()
	expect(t, "acks", len(r.acks), 0)
	expect(t, "nodes", len(r.nodes), 0)
	expect(t, "locks", len(r.locks()), 1)
}

// A signer that reuses its buffer must not change the ack that the core counts later.
func TestASignerMayUseItsBufferAgain(t *testing.T) {
	r := newRig(t, 4, func(r *rig) { r.cfg.MaxVoteBytes = 512 + 4*(3+16) })
	r.ack(1, chunk(2, 0, 1), 5) // takes all the memory
	r.tip(genesis(1, 1))
	r.answer(Approved)
	e := r.signAcks[0]
	r.signAcks = nil
	signature, _ := e.Signer.SignAck(t.Context(), wire.Subject{Chunk: e.Chunk, Epoch: e.Epoch})
	r.c.AckSigned(r.now, e.Call, signature, nil)
	r.drain()
	for i := range signature {
		signature[i] = 0
	}
	r.ack(2, chunk(2, 0, 1), 5)
	r.ack(3, chunk(2, 0, 1), 5)
	r.verdicts()
	r.pass(r.cfg.AckInterval)
	r.node(genesis(1, 1)) // the core sends our ack again, and counts it
	r.ack(2, chunk(1, 0, 1), 5)
	r.ack(3, chunk(1, 0, 1), 5)
	r.verdicts()
	expect(t, "invalid acks", r.c.Counts().AcksInvalid, uint64(0))
	expect(t, "suspects", r.c.Counts().Suspects, 0)
	expect(t, "locks", len(r.locks()), 2)
}
