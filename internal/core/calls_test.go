package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// 4.5: At most two calls per lane are outstanding: the newest tip is asked at once if fewer are,
// else when one returns.
func TestRule4_5_TheNewestTipIsAskedAboutAtOnceUnlessTwoCallsAreOutstanding(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.tip(r.w.node(1, 1, 1, 0, 5))
	expectChunks(t, "questions", r.asks, chunk(1, 1, 1))
	r.tip(r.w.node(1, 2, 2, 1, 5))
	r.tip(r.w.node(1, 3, 3, 2, 5))
	r.pass(time.Minute)
	expect(t, "cancelled", len(r.cancelled), 2)
	expect(t, "questions while two calls are outstanding", len(r.asks), 0)
	r.tip(genesis(2, 0)) // each lane has its own
	expectChunks(t, "questions", r.asks, chunk(2, 0, 0))
	r.verified(chunk(1, 1, 1), Approved) // the second returns, the first never does
	r.drain()
	expectChunks(t, "questions once one returned", r.asks, chunk(2, 0, 0), chunk(1, 3, 3))
	expect(t, "tips", len(r.tips()), 0)
}

// 4.5: Else one payload lost on its way to a validator silences it on that lane for good.
func TestRule4_5_AnApplicationThatNeverAnswersAnOldQuestionDoesNotSilenceTheLane(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0)) // its payload never comes
	for h := uint64(1); h < 20; h++ {
		r.tip(r.w.node(1, h, int(h), int(h-1), 5))
		r.answer(Approved)
		r.sign(nil)
		expect(t, "acks", len(r.acks), int(h))
	}
}

// 4.5: When the tip moves on, or the sequencer leaves the sets, all calls about older chunks are
// cancelled. Answers to cancelled calls count for nothing.
func TestRule4_5_TheAnswerToACancelledCallIsNoAnswerToALaterOneAboutTheSameChunk(t *testing.T) {
	r := newRig(t, 4, func(r *rig) {
		for e := uint64(6); e < 9; e++ {
			r.w.sequencers[e] = ids(1)
		}
	})
	r.tip(genesis(1, 1))
	r.hang = true
	r.epoch(6)
	r.epoch(7)
	expect(t, "cancelled", len(r.cancelled), 1)
	r.epoch(9) // 10 has it again
	expectChunks(t, "asked again", r.asks, chunk(1, 0, 1))
	r.c.ApplicationVerified(r.now, r.cancelled[0].Call, Approved)
	r.drain()
	expect(t, "tips", len(r.tips()), 0)
	expect(t, "dropped", r.c.Counts().ApplicationVerdicts[Dropped], 1)
	r.answer(Approved)
	expect(t, "tips", len(r.tips()), 1)
	r.c.ApplicationVerified(r.now, 999, Approved) // no such call
	r.c.AckSigned(r.now, r.signAcks[0].Call+1, nil, errTest)
	r.c.ApplicationVerified(r.now, r.signAcks[0].Call, Refused) // a call of another kind
	expect(t, "effects", len(r.c.Effects()), 0)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
}

// 4.7: The contexts of signatures no longer wanted end: a signer that hangs for a past epoch does
// not silence the validator.
func TestRule4_7_ASignerThatHangsForAPastEpochSilencesNobody(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.answer(Approved)
	hangs := r.signAcks[0]
	r.epoch(6)
	expect(t, "cancelled", r.cancelled[0].Call, hangs.Call)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	for h := uint64(1); h < 10; h++ {
		r.tip(r.w.node(1, h, int(h), int(h-1), 6))
		r.answer(Approved)
		r.sign(nil)
	}
	expect(t, "acks", len(r.acks), 10)
}

// 4.5: No other ack is signed: once the chunk is certified above, its signature is no longer
// wanted.
func TestRule4_5_TheSignatureOfAnAckEndsWhenTheLaneIsCertifiedAboveIt(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.answer(Approved)
	r.certify(chunk(1, 0, 0), 5)
	expect(t, "cancelled, certified itself", len(r.cancelled), 0)
	r.certify(chunk(1, 1, 1), 5)
	expect(t, "cancelled, certified above", len(r.cancelled), 1)
	r.signed(r.cancelled[0].of(r))
	expect(t, "acks", len(r.acks), 0)
}

// of turns the effect of a cancelled signature into a signature request.
func (e Effect) of(r *rig) Effect {
	e.Epoch, e.Signer = 5, r.sets.AckSigner(5)
	return e
}

// 4.5: An ack of an epoch that is over is not signed, although the tip needs none in the new one.
func TestRule4_5_TheSignatureOfAnAckEndsWithItsEpochAlsoWhereNoneFollows(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.answer(Approved)
	r.certify(chunk(1, 0, 0), 6)
	r.epoch(6)
	expect(t, "cancelled", len(r.cancelled), 1)
	r.signed(r.cancelled[0].of(r))
	expect(t, "acks", len(r.acks), 0)
}

// 4.7: The same holds for proposals: a question about a height no longer next ends, and at most two
// are outstanding.
func TestRule4_7_QuestionsForPayloadsEndAndTwoAtMostAreOutstanding(t *testing.T) {
	r := newRig(t, 4, sequencing, func(r *rig) {
		for e := uint64(6); e < 14; e += 2 {
			r.w.sequencers[e] = []wire.PublicKey{id(1)}
		}
	})
	first := r.calls[AskPropose][wire.Chunk{Sequencer: id(0)}]
	for e := uint64(6); e < 14; e++ {
		r.epoch(e)
	}
	expect(t, "questions in all", r.c.calls.last, first+1)
	expect(t, "cancelled", len(r.cancelled), 2)
	expect(t, "questions", len(r.proposes), 0)
	r.c.ApplicationProposed(r.now, first, payload(1), nil) // it counts for nothing
	r.drain()
	expect(t, "records", r.disk.Next, 1)
	expect(t, "questions once one returned", len(r.proposes), 1)
	r.propose(2)
	expectChunks(t, "payloads spread", r.broadcasts, chunk(0, 0, 2))
}

// 4.7: The chunk's signature is asked for once more when we are a sequencer again; two requests at
// most are outstanding.
func TestRule4_7_ASignerThatHangsOnAChunkThatWasWithdrawnDoesNotEndTheLane(t *testing.T) {
	r := newRig(t, 4, sequencing, sequencersIn(6, id(1)))
	c := r.proposeVolatile(1)
	r.sync()
	r.signChunks = nil
	r.epoch(6)
	r.epoch(7)
	expectChunks(t, "to be signed", r.signChunks, c)
	r.signChunk()
	expectChunks(t, "payloads spread", r.broadcasts, c)
	r.c.ChunkSigned(r.now, r.cancelled[0].Call, model.SignChunk(c), nil)
	r.drain()
	expect(t, "statements", len(r.verifies), 0)
}

// 5.7: When the reporter's queue or the bytes not yet durable reach their limit, the loop asks for
// no proposal, while verdicts and timers go on.
func TestRule5_7_PauseHoldsBackQuestionsForPayloadsAndNothingElse(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.proposeVolatile(1)
	r.c.Pause(r.now, true)
	r.drain()
	r.sync()
	r.signChunk()
	r.answer(Approved)
	r.sign(nil)
	expect(t, "acks", len(r.acks), 1)
	r.pass(5 * time.Second)
	expect(t, "nodes", len(r.nodes), 2)
	r.certifyOwn(c, 5)
	expect(t, "locks", len(r.locks()), 1)
	r.epoch(6)
	r.pass(time.Minute)
	expect(t, "questions while it lasts", len(r.proposes), 0)
	r.c.Pause(r.now, false)
	r.drain()
	expectChunks(t, "questions after it", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
	r.c.Pause(r.now, true)
	r.drain()
	expect(t, "a question that has been asked stays", len(r.proposes), 1)
	r.propose(2)
	expect(t, "payloads spread", r.broadcasts[len(r.broadcasts)-1], chunk(0, 1, 2))
}
