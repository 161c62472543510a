package core

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// 5.9: A copy of the folder from the past is behind by more than HeightBound as a rule: a process
// that is shown a valid ack of its own above its tip stops, however far above.
func TestRule5_9_AnAckOfOursFarAboveTheTipStopsUs(t *testing.T) {
	for _, height := range []uint64{1, 8, 9, 10, 100, 1 << 60} {
		t.Run(fmt.Sprint(height), func(t *testing.T) {
			r := newRig(t, 4)
			r.mayHalt = true
			r.tip(genesis(1, 1))
			r.ackBytes(id(3), r.w.badAck(0, chunk(1, height, 5), 5))
			r.verdicts()
			expect(t, "forged: halted", r.halted == nil, true)
			r.ackBytes(id(2), r.w.ack(0, chunk(1, height, 5), 5))
			r.verdicts()
			expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
		})
	}
}

// 4.3: Acks that are too high to be counted are looked at for 5.9 alone, and read as far as others
// first.
func TestRule5_9_FarAcksThatNobodyCanHaveSentAreNotLookedAt(t *testing.T) {
	r := newRig(t, 4, sequencing, unknownAt(6), sequencersIn(4, id(1)))
	r.propose(0)
	short := func(message []byte) []byte { return message[:len(message)-1] }
	for name, message := range map[string][]byte{
		"of an unknown epoch":                r.w.ack(1, chunk(0, 100, 5), 6),
		"ours, of an unknown epoch":          r.w.ack(0, chunk(1, 100, 5), 6),
		"cut short":                          short(r.w.ack(1, chunk(0, 100, 5), 5)),
		"ours, cut short":                    short(r.w.ack(0, chunk(1, 100, 5), 5)),
		"of an epoch without the sequencer":  r.w.ack(1, chunk(0, 100, 5), 4),
		"ours, of one without the sequencer": r.w.ack(0, chunk(2, 100, 5), 4),
		"for a sequencer of no epoch at all": r.w.ack(1, chunk(700, 100, 5), 5),
		"ours, for a sequencer of no epoch":  r.w.ack(0, chunk(700, 100, 5), 5),
		"too long":                           append(r.w.ack(1, chunk(0, 100, 5), 5), 0),
	} {
		expect(t, name, r.ackBytes(id(1), message), HeightOutOfBounds)
		expect(t, name+": statements", len(r.verifies), 0)
		expect(t, name+": claims", len(r.c.claims.chunks), 0)
	}
}

// 5.9: … a valid ack of its own: who is no validator has none, whoever is the first of the set.
func TestRule5_9_AProcessThatIsNoValidatorTakesNoAckForItsOwn(t *testing.T) {
	for _, height := range []uint64{1, 8, 9, 10, 1 << 60} {
		r := newRig(t, 4, observing, func(r *rig) { // the position of its key in the set would be the first
			r.cfg.Identity = wire.PublicKey{}
			r.sets.me = r.cfg.Identity
		})
		r.tip(genesis(1, 1))
		r.ack(0, chunk(1, height, 5), 5) // the rig checks that it does not halt
		expect(t, "statements", len(r.verifies), 0)
		stranger := wire.PublicKey{0, 0, 1} // the position of its key would be the first, too
		expect(t, "the same of a stranger", r.ackBytes(stranger, r.w.ack(0, chunk(1, 0, 1), 5)), NotValidator)
	}
}

// 5.9: … and so does one that is shown a node of its own whose parent is of an epoch that it knows
// nothing of.
func TestRule5_9_ANodeOfOursOnAParentOfAnUnknownEpochStopsUs(t *testing.T) {
	r := newRig(t, 4, sequencing, unknownAt(9))
	r.mayHalt = true
	n := r.w.node(0, 3, 3, 2, 9)
	n.Signature[0] ^= 1
	expect(t, "forged", r.nodeBytes(id(2), n.AppendTo(nil)), Accepted)
	r.verdicts()
	expect(t, "forged: halted", r.halted == nil, true)
	n.Signature[0] ^= 1
	expect(t, "node", r.nodeBytes(id(1), n.AppendTo(nil)), Accepted)
	r.verdicts()
	expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
}

// 5.9: A blocked own lane has a metric: more validators than may be faulty hold a higher tip than
// ours, however much higher, and each of them another one.
func TestRule5_9_OurOwnLaneIsBehindHoweverFarAboveOurTipOthersAck(t *testing.T) {
	for _, heights := range [][2]uint64{{1, 1}, {8, 8}, {9, 9}, {100, 100}, {3, 100}, {100, 3}, {50, 1 << 60}} {
		t.Run(fmt.Sprint(heights), func(t *testing.T) {
			r := newRig(t, 4, sequencing)
			c := r.propose(0)
			behind := func(what string, want OwnLane) {
				t.Helper()
				state, _ := r.c.OwnLane()
				expect(t, what, state, want)
			}
			r.ack(1, chunk(0, heights[0], 5), 5)
			r.ack(1, chunk(0, heights[0], 5), 6)
			r.ack(1, chunk(0, 200, 5), 5) // one validator, with any claim
			behind("after one validator", OwnLaneFree)
			r.ackBytes(id(1), r.w.ack(2, chunk(0, 200, 5), 5)) // in the name of another one
			r.ackBytes(id(1000), r.w.ack(3, chunk(0, 200, 5), 5))
			behind("after one validator and those that it pretends to be", OwnLaneFree)
			expect(t, "claims", len(r.c.claims.chunks), 1)
			r.ack(2, chunk(0, heights[1], 6), 5)
			behind("after two", OwnLaneBehind)
			_, claimed := r.c.OwnLane()
			expect(t, "at", claimed, max(200, heights[1]))
			r.certifyOwn(c, 6)
			behind("our tip certified", OwnLaneBehind)
		})
	}
}

// 5.9: One that lies and an honest one that has acked our next chunk, which was sent before a
// crash, are no two that hold more than we do.
func TestRule5_9_AcksOfOurNextChunkDoNotMakeOurLaneBehind(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.crash(r.disk.Durable, true) // the node's own record is lost
	expectChunks(t, "to be signed again", r.signChunks, c)
	r.ack(1, c, 5)
	r.ack(2, chunk(0, 0, 9), 5)
	r.ack(2, chunk(0, 1, 9), 5)
	state, _ := r.c.OwnLane()
	expect(t, "own lane", state, OwnLaneFree)
	// A second one is.
	r.ack(3, chunk(0, 1, 9), 5)
	state, height := r.c.OwnLane()
	expect(t, "own lane", state, OwnLaneBehind)
	expect(t, "at", height, 1)
}

// 5.9: A claim that our tip has reached does not count any more.
func TestRule5_9_OurLaneIsNotBehindClaimsThatItHasReached(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(0)
	r.ack(1, chunk(0, 1, 1), 5) // one that guesses
	r.certifyOwn(c, 5)
	r.propose(1)
	r.ack(2, chunk(0, 2, 9), 5)
	state, _ := r.c.OwnLane()
	expect(t, "own lane", state, OwnLaneFree)
	expect(t, "claims", len(r.c.claims.chunks), 1)
}

// 5.9: One peer that shows forged messages of ours does not hide what another one shows, however it
// times them.
func TestRule5_9_ForgedMessagesOfOursHideNothingThatAnotherPeerShows(t *testing.T) {
	for name, show := range map[string]func(r *rig) Outcome{
		"an ack": func(r *rig) Outcome { return r.ackBytes(id(1), r.w.ack(0, chunk(1, 1, 1), 5)) },
		"a node": func(r *rig) Outcome {
			n := r.w.node(0, 1, 1, 0, 5)
			return r.nodeBytes(id(1), n.AppendTo(nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing)
			r.mayHalt = true
			for range 10 {
				expect(t, "forged", r.ackBytes(id(2), r.w.badAck(0, chunk(1, 1, 1), 5)), Accepted)
				r.verdicts()
				r.pass(r.cfg.BadNodeInterval / 2)
				expect(t, "forged again, too early", r.ackBytes(id(2), r.w.badAck(0, chunk(1, 1, 1), 5)), WrongPeer)
				r.pass(r.cfg.BadNodeInterval / 2)
			}
			expect(t, "forged", r.ackBytes(id(2), r.w.badAck(0, chunk(1, 1, 1), 5)), Accepted)
			r.verdicts()
			r.pass(time.Millisecond)
			expect(t, "a good one", show(r), Accepted)
			r.verdicts()
			expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
		})
	}
}

// 4.8: The host can have a lane forgotten for good. Messages of others about it prove nothing then.
func TestRule4_8_TheLockOfAForgottenLaneIsAdoptedEvenIfItNamesUs(t *testing.T) {
	r := newRig(t, 4, absent(6, 20))
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.answer(Approved)
	r.sign(nil)
	lock := r.w.lock(chunk(1, 1, 1), 5, 0, 1, 2)
	r.epoch(8)
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	if err := r.adopt(lock); err != nil {
		t.Fatalf("while it is dormant: %v", err)
	}
	expect(t, "forgotten", r.c.Forget(id(1)), true)
	r.drain()
	if err := r.adopt(lock); err != nil {
		t.Fatalf("once it is forgotten: %v", err)
	}
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	r.sync()
	r.crash(r.disk.Durable, true)
	if err := r.adopt(lock); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
}

// 5.10: Lanes of sequencers in no known epoch up to that of the recovery, of which no answer spoke,
// have no mark. The journal that was lost may have held acks there: a lock that names us proves
// nothing.
func TestRule5_10_TheOldLockOfALaneWithoutAMarkStopsNobody(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(2, 3, 3), 5)} }, absent(0, 7))
	for restart := range 2 {
		expect(t, "mark", r.c.loss.marks[id(1)], mark{})
		r.epoch(8 + uint64(restart)) // id(1) is back
		if err := r.adopt(r.w.lock(chunk(1, 4, 4), 3, 0, 1, 2)); err != nil {
			t.Fatal(err)
		}
		r.ackBytes(id(2), r.w.ack(0, chunk(1, 4, 4), 8))
		r.verdicts()
		r.sync()
		r.crash(r.disk.Durable, true)
	}
	// Once the lane has a tip, the journal holds our signatures.
	r.tip(r.w.node(1, 5, 5, 4, 8))
	r.mayHalt = true
	err := r.adopt(r.w.lock(chunk(1, 6, 6), 8, 0, 1, 2))
	expect(t, "stale", errors.Is(err, ErrStaleJournal), true)
}

// 5.9: Adopt returns the error that stops the process.
func TestRule5_9_AdoptReturnsTheErrorThatStoppedTheProcess(t *testing.T) {
	r := newRig(t, 4)
	r.mayHalt = true
	r.tip(genesis(1, 1))
	err := r.adopt(r.w.lock(chunk(2, 0, 1), 5), r.w.lock(chunk(1, 3, 3), 5, 0, 1, 2), r.w.lock(chunk(3, 0, 1), 5))
	expect(t, "stale", errors.Is(err, ErrStaleJournal), true)
	expect(t, "the same", errors.Is(r.halted, err), true)
	expect(t, "locks", len(r.locks()), 1)
}

// 5.10: Where its weight is more than f of an epoch the others can never certify H+2, be it one
// that is known and lies ahead: recovery is refused.
func TestRule5_10_ARecoveryIsRefusedIfAnEpochAheadCannotDoWithoutUs(t *testing.T) {
	of := func(n int, now []wire.PublicKey) func(*rig) {
		return func(r *rig) {
			for e := uint64(6); e <= 20; e++ {
				r.w.schemes[e] = model.New(model.List, ids(n), e)
			}
			r.w.schemes[5] = model.New(model.List, now, 5)
		}
	}
	withUs, without := ids(4), ids(5)[1:]
	for name, test := range map[string]struct {
		change func(*rig)
		want   error
	}{
		"a validator of four, then of three":        {of(3, withUs), ErrIndispensable},
		"no validator, then one of three":           {of(3, without), ErrIndispensable},
		"no validator, then one of four":            {of(4, without), nil},
		"of three in an epoch that is not in sight": {func(r *rig) { r.w.schemes[7] = model.New(model.List, ids(3), 7) }, nil},
		"of three, at our own risk": {func(r *rig) {
			of(3, without)(r)
			r.cfg.RecoverUnsafe = true
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, recovering, test.change)
			err := r.adopt(r.w.lock(chunk(1, 4, 4), 4))
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Fatalf("got %v", err)
			}
			r.sync()
			expect(t, "recovering", r.c.Recovering(), test.want != nil)
		})
	}
}

// 5.10: The network may have reached the epoch of an adopted lock before us: its sequencers have
// marks, too.
func TestRule5_10_SequencersOfTheEpochOfAnAdoptedLockHaveMarks(t *testing.T) {
	for _, epoch := range []uint64{5, 6} {
		r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(2, 3, 3), epoch)} }, absent(0, 5))
		expect(t, "mark", r.c.loss.marks[id(1)], mark{height: 1, set: epoch == 6}.orNone())
		r.epoch(6)
		for h := range uint64(3) {
			if h == 0 {
				r.tip(genesis(1, 0))
			} else {
				r.tip(r.w.node(1, h, int(h), int(h-1), 6))
			}
			r.answer(Approved)
			expect(t, "signatures asked for", len(r.signAcks) > 0, epoch == 5 || h == 2)
			r.sign(nil)
		}
	}
}

// orNone is the mark if it is set, and no mark otherwise.
func (m mark) orNone() mark {
	if !m.set {
		return mark{}
	}
	return m
}
