package aggregate

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// oneAtATime returns a rig with a set of ten that verifies one statement of votes at a time.
func oneAtATime(t *testing.T) *rig {
	r := newRig(t, 10, model.List)
	r.v.cfg.InFlight = 1
	return r
}

func signersIn(s wire.Signers) []wire.Participant { return slices.Collect(s.All()) }

func TestCandidatesThatWaitForAPlaceGatherVotesAndGetTheSameSigners(t *testing.T) {
	r := oneAtATime(t)
	r.acks(1, 0, 9, 8, 7, 6, 5, 4, 3)
	expect(t, "statements at once", len(r.verifies), 1)
	expect(t, "signers", slices.Equal(signersIn(r.verifies[0].Signers), []wire.Participant{3, 4, 5, 6, 7, 8, 9}), true)
	r.acks(2, 0, 1, 2, 3, 4, 5, 6, 7)
	r.acks(3, 0, 9, 8, 7, 6, 5, 4, 2)
	r.acks(4, 0, 0, 1, 2, 3, 4, 5) // no quorum yet
	expect(t, "statements while one is verified", len(r.verifies), 1)
	r.acks(2, 0, 8, 9, 0) // all have voted now
	r.acks(3, 0, 0, 1, 3)
	r.acks(4, 0, 9)
	expect(t, "statements while one is verified", len(r.verifies), 1)
	for lane, want := range [][]wire.Participant{{0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5, 9}} {
		r.verdict()
		expect(t, "statements after a verdict", len(r.verifies), 1)
		if got := signersIn(r.verifies[0].Signers); !slices.Equal(got, want) {
			t.Errorf("lane %d: signers %v, want %v", lane+2, got, want)
		}
		expect(t, "in order", r.verifies[0].Subject.Chunk, chunk(lane+2, 0, 1))
	}
	r.verdict()
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "locks", len(r.locks), 4)
}

func TestAllValidatorsAreLeftOutEquallyOften(t *testing.T) {
	r := oneAtATime(t)
	in := make([]int, 10)
	for h := range uint64(10 * signersKept) {
		r.acks(1, h, 0, 1, 2, 3, 4, 5, 6) // keeps the verifier busy
		r.acks(2, h, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		r.verdict()
		for i := range r.verifies[0].Signers.All() {
			in[i]++
		}
		r.verdict()
	}
	expect(t, "locks", len(r.locks), 20*signersKept)
	for i, n := range in {
		if n != 7*signersKept {
			t.Errorf("validator %d is in %d certificates of %d, want %d", i, n, 10*signersKept, 7*signersKept)
		}
	}
}

func TestACandidateWhoseSlotIsClosedLosesItsPlace(t *testing.T) {
	r := oneAtATime(t)
	r.acks(1, 0, 0, 1, 2, 3, 4, 5, 6)
	r.acks(2, 0, 0, 1, 2, 3, 4, 5, 6)
	r.acks(3, 0, 0, 1, 2, 3, 4, 5, 6)
	r.lane(2).CloseBelow(5)
	r.verdict()
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "of the next", r.verifies[0].Subject.Chunk, chunk(3, 0, 1))
	r.verdict()
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "locks", len(r.locks), 2)
}

func TestACandidateThatWaitsDoesWithoutNewSuspects(t *testing.T) {
	r := oneAtATime(t)
	r.acks(1, 0, 1, 2, 3, 4, 5, 6)
	r.badAck(9, chunk(1, 0, 1))
	r.acks(2, 0, 1, 2, 3, 4, 5, 6)
	r.badAck(9, chunk(2, 0, 1))
	r.acks(3, 0, 1, 2, 3, 4, 5, 6, 7)
	r.badAck(9, chunk(3, 0, 1))
	r.verdict() // makes 9 a suspect: the second lane has no quorum without
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "of the third", r.verifies[0].Subject.Chunk, chunk(3, 0, 1))
	r.verdict()
	r.acks(1, 0, 8)
	r.verdict()
	r.acks(2, 0, 8)
	r.verdict()
	expect(t, "locks", len(r.locks), 3)
	expect(t, "invalid acks", r.v.Counts().Invalid, uint64(1))
}

func TestWaitingForAPlaceIsForgottenWithTheChunk(t *testing.T) {
	r := oneAtATime(t)
	r.acks(1, 0, 0, 1, 2, 3, 4, 5, 6) // never decided
	for h := range uint64(500) {
		r.acks(2, h, 0, 1, 2, 3, 4, 5, 6)
		r.lane(2).CloseBelow(h + 1)
		r.pass(time.Millisecond)
	}
	expect(t, "statements", len(r.verifies), 1)
	if n := cap(r.v.ready.list); n > 8 {
		t.Errorf("room for %d chunks is kept", n)
	}
}

// Slots that are closed while their candidates wait in a queue are no longer counted, so the queue
// must not keep their memory.
func TestMemoryThatQueuesReferToStaysWithinTheLimitToo(t *testing.T) {
	r := newRig(t, 10, model.Sum)
	r.cfg.MaxBytes = 1 << 20
	r.v = New(r.cfg)
	r.v.SetBounds(4, 6)
	for i := 7; i < 10; i++ {
		r.v.suspects.offend(id(i), 6)
	}
	r.v.refreshSuspects()
	reachable := func() int {
		seen := map[*slot]bool{}
		for _, q := range []*queue{&r.v.ready, &r.v.delayed, &r.v.faults.waiting} {
			for _, w := range q.list {
				if w.candidate != nil {
					seen[w.candidate.slot] = true
				}
			}
		}
		for _, l := range r.lanes {
			for _, s := range l.slots {
				seen[s] = true
			}
		}
		for _, list := range r.v.memory.free {
			for _, s := range list {
				seen[s] = true
			}
		}
		n := 0
		for s := range seen {
			n += len(s.slab) + placeOverhead*len(s.choice)
			if s.slab != nil {
				n += slotOverhead
			}
		}
		return n
	}
	most := 0
	height := uint64(0)
	for _, i := range []int{0, 1, 2, 3, 4, 5, 8} { // the candidate in front stays
		r.ack(i, chunk(2, 0, 1))
	}
	for range 12 {
		for {
			c := chunk(1, height, 1)
			if r.ack(0, c) == NoRoom {
				break
			}
			for _, i := range []int{1, 2, 3, 4, 5, 8} { // with a suspect's vote: delayed
				r.ack(i, c)
			}
			height++
			if height%20 == 0 {
				most = max(most, reachable())
			}
		}
		most = max(most, reachable())
		r.lane(1).CloseBelow(height)
		r.now += 10 * time.Millisecond
	}
	if most > r.cfg.MaxBytes+r.cfg.MaxBytes/4 {
		t.Errorf("%d bytes of slots are reachable, %d allowed with the free ones", most, r.cfg.MaxBytes*5/4)
	}
}
