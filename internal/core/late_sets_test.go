package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// 4.8: A node that arrives between the beginning of an epoch and the moment at which its sets
// become known waits for them: otherwise a lane stands still for RebroadcastTimeout each time that
// a host is 10 ms late.
func TestRule4_8_ANodeWaitsForTheSetsOfTheEpochThatCameBeforeThem(t *testing.T) {
	next := func(r *rig) wire.Node { return r.w.node(1, 1, 1, 0, 5) }
	for name, show := range map[string]func(r *rig){
		"in verification when the epoch begins": func(r *rig) {
			expect(r.t, "node", r.node(next(r)), Accepted)
			r.epoch(6)
			r.verdicts()
		},
		"in verification until they are known": func(r *rig) {
			expect(r.t, "node", r.node(next(r)), Accepted)
			r.epoch(6)
		},
		"waiting behind one in verification": func(r *rig) {
			expect(r.t, "another node at the tip's height", r.node(genesis(1, 7)), Accepted)
			expect(r.t, "node", r.node(next(r)), Accepted)
			r.epoch(6)
			r.verdicts()
		},
		"after the epoch has begun": func(r *rig) {
			r.epoch(6)
			expect(r.t, "node", r.node(next(r)), Accepted)
			expect(r.t, "once more", r.node(next(r)), Duplicate)
			expect(r.t, "in verification", len(r.verifies), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, message := range []bool{false, true} {
				r := newRig(t, 4, unknownAt(6))
				r.tip(genesis(1, 0))
				show(r)
				tip, _ := r.c.Tip(id(1))
				expect(t, "tip before they are known", tip.Chunk.Height, 0)
				r.pass(10 * time.Millisecond)
				delete(r.sets.unknown, 6)
				if message { // a message of another lane makes them known
					r.ack(1, chunk(3, 0, 1), 6)
					r.pass(0)
				} else {
					r.pass(r.cfg.ProposeBackoff)
				}
				r.verdicts()
				tip, _ = r.c.Tip(id(1))
				expect(t, "tip", tip.Chunk, chunk(1, 1, 1))
			}
		})
	}
}

// 4.8: … be it the first one of its lane.
func TestRule4_8_ALanesFirstNodeThatIsVerifiedTooEarlyWaitsForTheSetsAsWell(t *testing.T) {
	r := newRig(t, 4, unknownAt(6))
	expect(t, "node", r.node(genesis(1, 1)), Accepted)
	r.epoch(6)
	r.verdicts()
	_, ok := r.c.Tip(id(1))
	expect(t, "tip before they are known", ok, false)
	delete(r.sets.unknown, 6)
	r.pass(r.cfg.ProposeBackoff)
	r.verdicts()
	_, ok = r.c.Tip(id(1))
	expect(t, "tip", ok, true)
}

// 4.8: … and is stale if it turns out that its sequencer is none any more.
func TestRule4_8_ANodeThatWaitedForSetsWithoutItsSequencerIsStale(t *testing.T) {
	for name, verified := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, unknownAt(6), absent(6, 6))
			r.tip(genesis(1, 0))
			if verified {
				r.node(r.w.node(1, 1, 1, 0, 5))
				r.epoch(6)
				r.verdicts()
			} else {
				r.epoch(6)
				r.node(r.w.node(1, 1, 1, 0, 5))
			}
			delete(r.sets.unknown, 6)
			r.pass(r.cfg.ProposeBackoff)
			r.verdicts() // of its parent's certificate, which is still news
			tip, _ := r.c.Tip(id(1))
			expect(t, "tip", tip.Chunk.Height, 0)
			expect(t, "locks", len(r.locks()), 1)
			expect(t, "stale", r.c.Counts().Nodes[Stale], 1)
		})
	}
}

// 4.5: If the epoch's scheme is not known yet, the ack is sent when it is: as soon as it is looked
// for again, not an AckInterval later.
func TestRule4_5_AnAckIsSentAsSoonAsTheSetsOfItsEpochAreKnown(t *testing.T) {
	for name, learn := range map[string]func(r *rig){
		"by themselves": func(r *rig) { r.pass(r.cfg.ProposeBackoff) },
		"with a message": func(r *rig) {
			expect(r.t, "another one's ack", r.ack(1, chunk(1, 0, 1), 6), Accepted)
			r.pass(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, unknownAt(6), func(r *rig) { r.cfg.AckInterval = time.Hour })
			r.tip(genesis(1, 1))
			r.answer(Approved)
			r.sign(nil)
			r.epoch(6)
			r.pass(10 * r.cfg.ProposeBackoff)
			expect(t, "signatures asked for before they are known", len(r.signAcks), 0)
			delete(r.sets.unknown, 6)
			learn(r)
			expect(t, "signatures asked for", len(r.signAcks), 1)
			expect(t, "epoch", r.signAcks[0].Epoch, 6)
		})
	}
}

// 4.8: A lane wakes when an epoch that has its sequencer becomes known, if it is by the ack of
// another one: that ack is then held against the lane's tip like any other.
func TestRule4_8_TheAckThatWakesALaneIsHeldAgainstItsTip(t *testing.T) {
	for name, test := range map[string]struct {
		acked wire.Chunk
		want  Outcome
	}{
		"of another payload": {chunk(1, 7, 99), PayloadMismatch},
		"below the tip":      {chunk(1, 6, 6), HeightOutOfBounds},
		"too high":           {chunk(1, 7+8+1, 1), HeightOutOfBounds},
		"of the tip":         {chunk(1, 7, 7), Accepted},
		"above the tip":      {chunk(1, 7+8, 1), Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, absent(6, 10), unknownAt(11))
			r.tip(r.w.node(1, 7, 7, 6, 5))
			r.epoch(8)
			r.epoch(10)
			expect(t, "dormant", r.c.Counts().Dormant, 1)
			delete(r.sets.unknown, 11)
			if test.acked.Height > r.cfg.HeightBound { // an ack that is too high for a new lane makes nothing known
				r.c.inBounds(11)
			}
			expect(t, "ack", r.ack(1, test.acked, 11), test.want)
		})
	}
}
