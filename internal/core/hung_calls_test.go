package core

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// comesAndGoes makes id(1) and id(2) sequencers in three epochs of six.
func comesAndGoes(r *rig) {
	for e := uint64(0); e <= 20; e++ {
		if e/3%2 == 0 {
			r.w.sequencers[e] = []wire.PublicKey{id(0), id(3)}
		}
	}
}

// outstanding returns the number of calls of a kind about a lane that have not returned.
func (r *rig) outstanding(kind EffectKind, lane wire.PublicKey) (n int) {
	for _, about := range r.c.calls.open {
		if about.kind == kind && about.chunk.Sequencer == lane {
			n++
		}
	}
	return n
}

// 4.8: At most two calls per lane are outstanding, however often its sequencer leaves the sets and
// comes back: a lane whose calls have not returned is not dormant yet. It is once they have.
func TestRule4_8_CallsThatNeverReturnDoNotAddUpWhileALaneSleepsAndWakes(t *testing.T) {
	for name, kind := range map[string]EffectKind{"the application hangs": AskVerify, "the signer hangs": SignAck} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, comesAndGoes)
			r.hang = true
			r.tip(genesis(1, 1))
			most := 0
			for e := uint64(6); e <= 20; e++ {
				if kind == SignAck {
					r.answer(Approved)
				}
				r.epoch(e)
				r.sync()
				most = max(most, r.outstanding(kind, id(1)))
				expect(t, "awake", r.c.Counts().Lanes, 1)
				expect(t, "dormant", r.c.Counts().Dormant, 0)
			}
			expect(t, "calls of one lane", most, 2)
			expect(t, "cancelled", len(r.cancelled) >= 2, true)
			expect(t, "leaving", r.c.lanes.bySequencer[id(1)].leaving, true)
			r.hang = false
			r.returnLeaving()
			expect(t, "dormant once they have returned", r.c.Counts().Dormant, 1)
			expect(t, "lanes", r.c.Counts().Lanes, 0)
			expect(t, "calls", len(r.c.calls.open), 0)
		})
	}
}

// 4.8: One call that returns is not enough, whichever it is; and neither its answer nor the other
// one's counts.
func TestRule4_8_ALaneIsDormantOnceTheLastOfItsCallsHasReturned(t *testing.T) {
	for _, first := range []int{0, 1} {
		r := newRig(t, 4, absent(7, 20))
		r.hang = true
		r.tip(genesis(1, 0))
		r.tip(r.w.node(1, 1, 1, 0, 5))
		r.epoch(8)
		expect(t, "cancelled", len(r.cancelled), 2)
		for i, call := range []Effect{r.cancelled[first], r.cancelled[1-first]} {
			expect(t, "dormant", r.c.Counts().Dormant, 0)
			r.c.ApplicationVerified(r.now, call.Call, Approved)
			r.drain()
			expect(t, "dormant", r.c.Counts().Dormant, i)
		}
		expect(t, "tips", len(r.tips()), 0)
		expect(t, "questions", len(r.asks), 0)
	}
}
