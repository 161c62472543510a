package core

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var errTest = errors.New("test")

// 4.3.1: An ack's epoch lies within [now − back, now + ahead].
func TestRule4_3_1_AnAckIsTakenFromTheEpochsInBounds(t *testing.T) {
	r := newRig(t, 4, observing, func(r *rig) { r.cfg.EpochsBack, r.cfg.EpochsAhead = 2, 1 })
	for epoch, want := range map[uint64]Outcome{
		0: EpochOutOfBounds, 2: EpochOutOfBounds, 3: Accepted, 4: Accepted, 5: Accepted, 6: Accepted, 7: EpochOutOfBounds,
	} {
		expect(t, "outcome", r.ack(1, chunk(1, 0, 1), epoch), want)
	}
	a := wire.Ack{Chunk: chunk(1, 0, 1), Epoch: math.MaxUint64, Participant: 1, Signature: make([]byte, model.VoteSize)}
	expect(t, "outcome of the last epoch", r.ackBytes(id(1), a.AppendTo(nil)), EpochOutOfBounds)
	expect(t, "faults", len(r.faults()), 0)
}

// 4.3.1: An ack's epoch lies within [now − back, now + ahead].
func TestRule4_3_1_EpochBoundsDoNotWrapAround(t *testing.T) {
	r := newRig(t, 4, observing)
	r.epoch(math.MaxUint64) // whose sets are not known
	expect(t, "outcome", r.ack(1, chunk(1, 0, 1), 5), EpochOutOfBounds)
	a := wire.Ack{Chunk: chunk(1, 0, 1), Epoch: math.MaxUint64, Participant: 1, Signature: make([]byte, model.VoteSize)}
	expect(t, "outcome", r.ackBytes(id(1), a.AppendTo(nil)), UnknownEpoch)
	a.Epoch--
	expect(t, "outcome", r.ackBytes(id(1), a.AppendTo(nil)), UnknownEpoch)
	a.Epoch--
	expect(t, "outcome", r.ackBytes(id(1), a.AppendTo(nil)), EpochOutOfBounds)
	expect(t, "needed", len(r.c.EpochsNeeded()), 1)

	r = newRig(t, 4, observing, func(r *rig) { r.cfg.EpochsBack, r.cfg.EpochsAhead = 10, 1 })
	expect(t, "outcome at epoch 0", r.ack(1, chunk(1, 0, 1), 0), Accepted)
}

// 4.3.2: An ack's height lies within [b, b + HeightBound], b the larger of tip height and highest
// certified height (0 if none).
func TestRule4_3_2_AnAcksHeightIsWithinTheBoundAboveTipAndCertificates(t *testing.T) {
	r := newRig(t, 4, observing)
	expect(t, "top, without tip", r.ack(1, chunk(1, 8, 8), 5), Accepted)
	expect(t, "beyond it", r.ack(1, chunk(1, 9, 9), 5), HeightOutOfBounds)
	r.tip(r.w.node(1, 3, 3, 2, 5))
	expect(t, "below the tip", r.ack(1, chunk(1, 2, 2), 5), HeightOutOfBounds)
	expect(t, "the tip", r.ack(1, chunk(1, 3, 3), 5), Accepted)
	expect(t, "top", r.ack(1, chunk(1, 11, 11), 5), Accepted)
	expect(t, "beyond it", r.ack(1, chunk(1, 12, 12), 5), HeightOutOfBounds)
	for i := range 3 {
		r.ack(i, chunk(1, 7, 7), 5)
	}
	r.verdicts() // certified above the tip
	expect(t, "below the certificate", r.ack(1, chunk(1, 6, 6), 5), HeightOutOfBounds)
	expect(t, "top", r.ack(1, chunk(1, 15, 15), 5), Accepted)
	expect(t, "beyond it", r.ack(1, chunk(1, 16, 16), 5), HeightOutOfBounds)
}

// 4.3.2: An ack's height lies within [b, b + HeightBound], b the larger of tip height and highest
// certified height (0 if none).
func TestRule4_3_2_HeightBoundsDoNotWrapAround(t *testing.T) {
	r := newRig(t, 4, observing)
	const top = math.MaxUint64
	expect(t, "far above", r.ack(1, chunk(1, top, 1), 5), HeightOutOfBounds)
	r.tip(r.w.node(1, top-1, 1, 2, 5))
	expect(t, "the last", r.ack(1, chunk(1, top, 1), 5), Accepted)
	expect(t, "low", r.ack(1, chunk(1, 0, 1), 5), HeightOutOfBounds)
	r.tip(r.w.node(1, top, 1, 1, 5))
	for i := range 3 {
		r.ack(i, chunk(1, top, 1), 5)
	}
	r.verdicts()
	held, ok := r.c.Certificate(id(1), top)
	expect(t, "certified", ok, true)
	expect(t, "chunk", held.Chunk, chunk(1, top, 1))
	expect(t, "low", r.ack(1, chunk(1, 0, 1), 5), HeightOutOfBounds)
	expect(t, "a node that starts over", r.node(genesis(1, 1)), HeightTooLow)
}

// 4.3.3: 4.1 against the ack's epoch: its sequencer is one of it, and another payload than the
// tip's is a mere drop.
func TestRule4_3_3_AnAcksSequencerIsOneInTheAcksEpoch(t *testing.T) {
	r := newRig(t, 4, observing, sequencersIn(6, id(77)))
	expect(t, "in epoch 5", r.ack(1, chunk(77, 0, 1), 5), UnknownSequencer)
	expect(t, "in epoch 6", r.ack(1, chunk(77, 0, 1), 6), Accepted)
	expect(t, "another in epoch 6", r.ack(1, chunk(1, 0, 1), 6), UnknownSequencer)
	expect(t, "lanes", r.c.Counts().Lanes, 1)
}

// 4.3.3: 4.1 against the ack's epoch: its sequencer is one of it, and another payload than the
// tip's is a mere drop.
func TestRule4_3_3_AnAckForAnotherPayloadThanTheTipsIsAMereDrop(t *testing.T) {
	r := newRig(t, 4, observing)
	r.tip(genesis(1, 1))
	expect(t, "outcome", r.ack(1, chunk(1, 0, 2), 5), PayloadMismatch)
	expect(t, "faults", len(r.faults()), 0)
	expect(t, "the validator's place is free", r.ack(1, chunk(1, 0, 1), 5), Accepted)
}

// 4.3.4: The peer is a validator of the ack's epoch, and its participant number is the ack's.
func TestRule4_3_4_AnAckComesFromTheValidatorItNames(t *testing.T) {
	r := newRig(t, 4, observing, func(r *rig) { // a peer has different numbers in different epochs
		r.w.schemes[6] = model.New(model.List, []wire.PublicKey{id(2), id(3)}, 6)
	})
	expect(t, "no validator", r.ackBytes(id(1000), r.w.ack(1, chunk(1, 0, 1), 5)), NotValidator)
	expect(t, "another validator", r.ackBytes(id(2), r.w.ack(1, chunk(1, 0, 1), 5)), WrongPeer)
	a := wire.Ack{Chunk: chunk(1, 0, 1), Epoch: 5, Participant: math.MaxUint32, Signature: make([]byte, model.VoteSize)}
	expect(t, "a number past the set", r.ackBytes(id(2), a.AppendTo(nil)), WrongPeer)
	expect(t, "in epoch 6", r.ackBytes(id(2), r.w.ack(0, chunk(1, 0, 1), 6)), Accepted)
	expect(t, "in epoch 5", r.ackBytes(id(2), r.w.ack(2, chunk(1, 0, 1), 5)), Accepted)
	expect(t, "epoch 5's in epoch 6", r.ackBytes(id(1), r.w.ack(1, chunk(1, 0, 1), 6)), NotValidator)
	expect(t, "votes", r.c.Counts().Votes, 2)
}

// 4.3.5: Not a second ack by that validator for that (sequencer, height, epoch), whatever its
// payload: the first stands.
func TestRule4_3_5_ASecondAckOfAValidatorDoesNotCount(t *testing.T) {
	r := newRig(t, 4, observing)
	expect(t, "first", r.ack(1, chunk(1, 0, 1), 5), Accepted)
	expect(t, "again", r.ack(1, chunk(1, 0, 1), 5), Duplicate)
	expect(t, "another payload", r.ack(1, chunk(1, 0, 2), 5), Conflicting)
	expect(t, "another epoch", r.ack(1, chunk(1, 0, 2), 6), Accepted)
	expect(t, "another height", r.ack(1, chunk(1, 1, 2), 5), Accepted)
	expect(t, "votes", r.c.Counts().Votes, 3)
	r.ack(2, chunk(1, 0, 2), 5)
	r.ack(3, chunk(1, 0, 2), 5)
	expect(t, "certificates with the second counted", r.c.Counts().VoteBatches, 0)
}

// 4.3.6: No certificate for that (sequencer, height, epoch) yet: after it, acks are dropped unread.
func TestRule4_3_6_AfterTheCertificateAcksAreDroppedUnread(t *testing.T) {
	r := newRig(t, 4, observing)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	expect(t, "before the verdict", r.ack(3, chunk(1, 0, 1), 5), Accepted)
	r.verdicts()
	expect(t, "after it", r.ack(3, chunk(1, 0, 1), 5), Certified)
	expect(t, "even a bad one", r.badAck(2, chunk(1, 0, 1), 5), Certified)
	expect(t, "another payload's", r.ack(2, chunk(1, 0, 2), 5), Certified)
	expect(t, "another epoch's", r.ack(3, chunk(1, 0, 1), 6), Accepted)
	expect(t, "votes", r.c.Counts().Votes, 1)
}

// 4.3.7: The signature, possibly optimistically: acks on one (chunk, epoch) may be combined
// unverified, and the combination verified once a quorum could be there.
func TestRule4_3_7_AQuorumIsCombinedUnverifiedAndBecomesALock(t *testing.T) {
	r := newRig(t, 4, observing)
	r.ack(0, chunk(1, 0, 1), 5)
	r.ack(1, chunk(1, 0, 1), 5)
	expect(t, "statements before the quorum", len(r.verifies), 0)
	r.ack(3, chunk(1, 0, 1), 5)
	expect(t, "statements", len(r.verifies), 1)
	st := r.verifies[0]
	expect(t, "subject", st.Subject, wire.Subject{Chunk: chunk(1, 0, 1), Epoch: 5})
	expect(t, "signers", st.Signers.Count(), 3)
	r.ack(2, chunk(1, 0, 1), 5)
	expect(t, "statements while one flies", len(r.verifies), 1)
	expect(t, "signers while it flies", st.Signers.Count(), 3)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "votes left", r.c.Counts().Votes, 0)
	expect(t, "memory left", r.c.Counts().VoteBytes, 0)
}

// 4.3: An invalid ack uses up its validator's place; the others' acks are counted.
func TestRule4_3_ABadAckIsTakenOutAndTheRestCertifies(t *testing.T) {
	for _, attributable := range []bool{true, false} {
		r := newRig(t, 4, observing, func(r *rig) { r.w = newWorld(4, attributable); r.sets.world = r.w })
		r.badAck(3, chunk(1, 0, 1), 5)
		r.ack(1, chunk(1, 0, 1), 5)
		r.ack(2, chunk(1, 0, 1), 5)
		r.verdicts()
		expect(t, "locks", len(r.locks()), 0)
		expect(t, "suspects", r.c.Counts().Suspects, 1)
		f := fault[*wire.InvalidAck](r)
		expect(t, "peer", f.Peer, id(3))
		expect(t, "message", string(f.Message), string(r.w.badAck(3, chunk(1, 0, 1), 5)))
		// The place is used up, and its validator is not reported again.
		expect(t, "a good one after the bad", r.ack(3, chunk(1, 0, 1), 5), Duplicate)
		r.ack(0, chunk(1, 0, 1), 5)
		r.verdicts()
		expect(t, "locks", len(r.locks()), 1)
		expect(t, "faults", len(r.faults()), 1)
		expect(t, "invalid acks", r.c.Counts().AcksInvalid, 1)
	}
}

// 4.3: An invalid ack uses up its validator's place; acks that came meanwhile are counted.
func TestRule4_3_AcksThatArriveMeanwhileMakeUpForTheInvalid(t *testing.T) {
	r := newRig(t, 4, observing)
	r.badAck(0, chunk(1, 0, 1), 5)
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.ack(3, chunk(1, 0, 1), 5) // while the three are verified
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "statements", r.c.Counts().VoteBatches, 2)
}

// 3.3: A suspect's acks wait apart, and are verified only where the others cannot make the quorum.
func TestRule3_3_ASuspectsAcksWaitApart(t *testing.T) {
	r := newRig(t, 4, observing)
	suspect := func(h uint64) {
		r.badAck(0, chunk(1, h, 1), 5)
		r.ack(1, chunk(1, h, 1), 5)
		r.ack(2, chunk(1, h, 1), 5)
		r.verdicts()
	}
	suspect(0)
	// Without the suspect's ack there is a quorum: the ack is left out.
	r.ack(0, chunk(1, 1, 1), 5)
	r.ack(1, chunk(1, 1, 1), 5)
	r.ack(2, chunk(1, 1, 1), 5)
	expect(t, "statements at once", len(r.verifies), 0)
	r.ack(3, chunk(1, 1, 1), 5)
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "holds the suspect's", r.verifies[0].Signers.Has(0), false)
	expect(t, "suspects in it", r.verifies[0].Suspects.Count(), 0)
	r.verdicts()

	// Only with the suspect's ack there is a quorum: it is verified after a wait, alone and first.
	r.ack(0, chunk(2, 0, 1), 5)
	r.ack(1, chunk(2, 0, 1), 5)
	r.ack(2, chunk(2, 0, 1), 5)
	r.pass(249 * time.Millisecond)
	expect(t, "statements before the delay", len(r.verifies), 0)
	r.pass(time.Millisecond)
	expect(t, "statements after it", len(r.verifies), 1)
	expect(t, "suspects in it", r.verifies[0].Suspects.Has(0), true)
	expect(t, "others among them", r.verifies[0].Suspects.Count(), 1)
	r.verdicts()
	lock, ok := r.c.Certificate(id(2), 0)
	expect(t, "certified", ok, true)
	expect(t, "valid", r.w.validLock(&lock), true)
}

// 3.3: A suspect's acks are verified where the others cannot make the quorum: at once if nobody is
// left to wait for.
func TestRule3_3_NobodyLeftToWaitForHasTheSuspectsVerifiedAtOnce(t *testing.T) {
	r := newRig(t, 4, observing)
	r.badAck(0, chunk(1, 0, 1), 5)
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.verdicts()
	r.ack(3, chunk(1, 1, 9), 5) // for any payload
	r.ack(1, chunk(1, 1, 1), 5)
	r.ack(2, chunk(1, 1, 1), 5)
	r.ack(0, chunk(1, 1, 1), 5)
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "suspects in it", r.verifies[0].Suspects.Has(0), true)
}

// 3.3: A faulty validator costs at most (statements in flight) × O(log batch) extra checks, once.
func TestRule3_3_ASuspectsBadAckIsReportedOnceAndCostsOneStatementEach(t *testing.T) {
	r := newRig(t, 4, observing)
	for h := range uint64(6) {
		r.badAck(3, chunk(1, h, 1), 5)
		r.ack(1, chunk(1, h, 1), 5)
		r.ack(2, chunk(1, h, 1), 5)
	}
	r.verdicts()
	r.pass(time.Second)
	r.verdicts()
	expect(t, "faults", len(r.faults()), 1)
	expect(t, "statements", r.c.Counts().VoteBatches, 6)
	expect(t, "locks", len(r.locks()), 0)
	for h := range uint64(6) {
		r.ack(0, chunk(1, h, 1), 5)
		r.verdicts()
	}
	expect(t, "locks", len(r.locks()), 6)
	expect(t, "faults", len(r.faults()), 1)
}

// 3.3: A validator whose ack was proven invalid is suspect for the epochs in bounds.
func TestRule3_3_SuspicionLapsesWithTheEpochsThatWereInBounds(t *testing.T) {
	r := newRig(t, 4, observing)
	r.badAck(0, chunk(1, 0, 1), 5)
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.verdicts()
	r.epoch(6)
	r.epoch(7) // [6, 8]: epoch 6 was in bounds
	expect(t, "suspects", r.c.Counts().Suspects, 1)
	r.ack(0, chunk(1, 1, 1), 6)
	r.ack(1, chunk(1, 1, 1), 6)
	r.ack(2, chunk(1, 1, 1), 6)
	expect(t, "statements", len(r.verifies), 0)
	r.epoch(8)
	expect(t, "suspects", r.c.Counts().Suspects, 0)
	r.ack(0, chunk(1, 1, 1), 8)
	r.ack(1, chunk(1, 1, 1), 8)
	r.ack(2, chunk(1, 1, 1), 8)
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "holds its", r.verifies[0].Signers.Has(0), true)
}

func TestAnEmptyVerdictIsNotTriedAgainAtOnce(t *testing.T) {
	r := newRig(t, 4, observing)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	st := r.verifies[0]
	r.verifies = nil
	r.c.SignaturesVerified(r.now, &verify.Verdict{Statement: st, ProposalValid: true})
	r.drain()
	expect(t, "statements", len(r.verifies), 0)
	r.pass(r.cfg.SuspectDelay)
	expect(t, "statements after a while", len(r.verifies), 1)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
}

// undecided answers all waiting statements without a verdict.
func (r *rig) undecided() (n int) {
	r.t.Helper()
	waiting := r.verifies
	r.verifies = nil
	for _, st := range waiting {
		r.c.SignaturesVerified(r.now, &verify.Verdict{Statement: st, Err: errTest})
		r.drain()
	}
	return len(waiting)
}

// expectNoVotesWait checks that no votes wait for a timer.
func (r *rig) expectNoVotesWait() {
	r.t.Helper()
	_, waits := r.c.votes.Deadline()
	expect(r.t, "still waiting", waits, false)
}

// 4.3.7: The signature, possibly optimistically: acks on one (chunk, epoch) may be combined
// unverified, and the combination verified once a quorum could be there.
func TestRule4_3_7_VotesWithoutAVerdictAreTriedAgainAfterAWhile(t *testing.T) {
	r := newRig(t, 4, observing)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	expect(t, "statements", r.undecided(), 1)
	expect(t, "statements at once", len(r.verifies), 0)
	r.pass(r.cfg.SuspectDelay - 1)
	expect(t, "statements before they are due", len(r.verifies), 0)
	r.pass(1)
	expect(t, "statements", r.undecided(), 1)
	tries := 0
	for end := r.now + time.Minute; r.now < end; r.pass(10 * time.Millisecond) {
		tries += r.undecided()
	}
	if most := int(time.Minute / r.cfg.SuspectDelay); tries == 0 || tries > most {
		t.Errorf("a scheme that always fails was tried %d times in a minute, at most %d wanted", tries, most)
	}
	r.pass(r.cfg.SuspectDelay)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "faults", len(r.faults()), 0)
	expect(t, "suspects", r.c.Counts().Suspects, 0)
	expect(t, "key faults", r.c.Counts().KeyFaults, 0)
	r.pass(time.Minute)
	r.expectNoVotesWait()
}

// 4.3.7: The signature, possibly optimistically: acks on one (chunk, epoch) may be combined
// unverified, and the combination verified once a quorum could be there.
func TestRule4_3_7_AnotherAckHasVotesWithoutAVerdictTriedAtOnce(t *testing.T) {
	r := newRig(t, 4, observing)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	r.undecided()
	r.ack(3, chunk(1, 0, 1), 5)
	expect(t, "statements", len(r.verifies), 1)
	r.pass(time.Minute) // and not a second time while that one is under way
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "without a verdict again", r.undecided(), 1)
	r.pass(r.cfg.SuspectDelay)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
}

// 4.3.7: The signature, possibly optimistically: acks on one (chunk, epoch) may be combined
// unverified, and the combination verified once a quorum could be there.
func TestRule4_3_7_ACheckOfSuspectsWithoutAVerdictIsMadeAgain(t *testing.T) {
	r := suspecting(t)
	r.late(2, 0, 7)
	r.pass(r.cfg.SuspectDelay)
	expect(t, "checks", len(r.verifies), 1)
	expect(t, "without a verdict", r.undecided(), 1)
	r.pass(r.cfg.SuspectDelay)
	expect(t, "checks", len(r.verifies), 1)
	expect(t, "votes checked", r.verifies[0].Suspects.Count(), 1)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
}

// 4.3.7: The signature, possibly optimistically: acks on one (chunk, epoch) may be combined
// unverified, and the combination verified once a quorum could be there.
func TestRule4_3_7_VotesWithoutAVerdictAreForgottenWithTheirSlot(t *testing.T) {
	for name, pass := range map[string]func(*rig){
		"epoch":  func(r *rig) { r.epoch(7) },
		"height": func(r *rig) { r.tip(r.w.node(1, 3, 3, 2, 5)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{false, true} {
				r := newRig(t, 4, observing)
				for i := range 3 {
					r.ack(i, chunk(1, 0, 1), 5)
				}
				votes := r.verifies[0]
				r.verifies = nil
				if first {
					pass(r)
				}
				r.c.SignaturesVerified(r.now, &verify.Verdict{Statement: votes, Err: errTest})
				r.drain()
				if !first {
					pass(r)
				}
				r.pass(time.Minute)
				expect(t, "statements", r.c.Counts().VoteBatches, 1)
				expect(t, "memory", r.c.Counts().VoteBytes, 0)
				r.expectNoVotesWait()
			}
		})
	}
}

// 4.3: Below its height bound, or out of the epoch bounds, an ack is dropped, though its statement
// was in verification.
func TestRule4_3_AStatementWhoseSlotIsClosedMeanwhileIsNotTriedAgain(t *testing.T) {
	// The acks are bad, and when that is known their height or epoch is no longer taken. The slot's
	// memory is free then: none of it may be used any more.
	for name, pass := range map[string]func(*rig){
		"epoch":  func(r *rig) { r.epoch(7) },
		"height": func(r *rig) { r.node(r.w.node(1, 3, 3, 2, 5)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, observing)
			for i := range 3 {
				r.badAck(i, chunk(1, 0, 1), 5)
			}
			votes := r.verifies[0]
			r.verifies = nil
			pass(r)
			r.verdicts()
			expect(t, "memory while the statement flies", r.c.Counts().VoteBytes > 0, true)
			r.c.SignaturesVerified(r.now, decide(votes))
			r.drain()
			expect(t, "statements", r.c.Counts().VoteBatches, 1)
			expect(t, "memory after it", r.c.Counts().VoteBytes, 0)
			expect(t, "jobs", len(r.c.jobs.open), 0)
			// The memory serves the next slot.
			for i := range 4 {
				r.ack(i, chunk(1, 4, 2), r.c.Epoch())
			}
			r.verdicts()
			expect(t, "certificates", r.c.Counts().Certificates, 1)
		})
	}
}

// 4.3: The epoch bounds are for acks: a certificate made of them counts in any epoch.
func TestRule4_3_ACertificateMadeAfterItsEpochLeftTheBoundsStillCounts(t *testing.T) {
	r := newRig(t, 4, observing)
	for i := range 3 {
		r.ack(i, chunk(1, 0, 1), 5)
	}
	r.epoch(9)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
	expect(t, "epoch", r.locks()[0].Epoch, 5)
}

// 4.3: An ack of an epoch whose validators are not known is dropped, and is no fault.
func TestRule4_3_AcksForAnUnknownEpochAreDroppedWithoutBlame(t *testing.T) {
	r := newRig(t, 4, observing, unknownAt(6))
	expect(t, "outcome", r.ack(1, chunk(1, 0, 1), 6), UnknownEpoch)
	expect(t, "faults", len(r.faults()), 0)
	delete(r.sets.unknown, 6)
	expect(t, "outcome once it is known", r.ack(1, chunk(1, 0, 1), 6), Accepted)
}

// 4.3: Memory is bounded by the rules of 4.3 and a total cap; a flooding peer crowds out only
// itself.
func TestRule4_3_AcksAheadOfNeedHaveAShareOfTheMemory(t *testing.T) {
	r := newRig(t, 100, observing, func(r *rig) { r.cfg.HeightBound = 1 << 20 })
	full := 0
	for h := uint64(2); h < 3000; h++ {
		if r.ack(1, chunk(1, h, 1), 5) == NoRoom {
			full++
		}
	}
	if full == 0 {
		t.Fatal("one validator may use all the memory")
	}
	used := r.c.Counts().VoteBytes
	if used > r.cfg.MaxVoteBytes/2/100+4096 {
		t.Fatalf("one of 100 validators used %d bytes", used)
	}
	expect(t, "another validator has room", r.ack(2, chunk(1, 2999, 1), 5), Accepted)
	expect(t, "a slot that is needed now has room", r.ack(1, chunk(1, 0, 1), 5), Accepted)
	expect(t, "and so has the one after", r.ack(1, chunk(1, 1, 1), 5), Accepted)
	expect(t, "an open slot has room for all", r.ack(3, chunk(1, 2, 1), 5), Accepted)
	for _, other := range []uint64{4, 6} {
		expect(t, "a slot of another epoch counts as ahead", r.ack(1, chunk(1, 0, 1), other), NoRoom)
	}
}

// 4.3: Memory is bounded by the rules of 4.3 and a total cap, whatever payloads are voted for.
func TestRule4_3_VotesForManyPayloadsStayWithinTheMemory(t *testing.T) {
	r := newRig(t, 300, observing, func(r *rig) { r.cfg.HeightBound = 1 << 20 })
	refused := 0
	for h := range uint64(100) {
		for i := range 300 {
			if r.ack(i, chunk(int(h%50), h/50, i), 5) == NoRoom { // the rig checks the bound
				refused++
			}
		}
	}
	if refused == 0 {
		t.Fatal("the bound was not reached: the test shows nothing")
	}
}
