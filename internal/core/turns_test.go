package core

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// inTurns is a validator, of ten, that has one statement of votes verified at a time.
func inTurns(t *testing.T) *rig {
	return newRig(t, 10, observing, func(r *rig) { r.cfg.VotesInFlight, r.cfg.HeightBound, r.cfg.MaxVoteBytes = 1, 1<<10, 64<<20 })
}

// acksOf delivers the good acks of all listed for a chunk of a lane.
func (r *rig) acksOf(lane int, height uint64, who ...int) {
	for _, i := range who {
		r.ack(i, chunk(lane, height, 1), 5)
	}
}

// verdict has the oldest statement decided.
func (r *rig) verdict() {
	r.t.Helper()
	st := r.verifies[0]
	r.verifies = r.verifies[1:]
	r.c.SignaturesVerified(r.now, judge(st))
	r.drain()
}

func signersIn(s wire.Signers) []wire.Participant { return slices.Collect(s.All()) }

func TestCandidatesThatWaitForTheirTurnGatherVotesAndGetTheSameSigners(t *testing.T) {
	r := inTurns(t)
	r.acksOf(1, 0, 9, 8, 7, 6, 5, 4, 3)
	expect(t, "statements at once", len(r.verifies), 1)
	expect(t, "signers", slices.Equal(signersIn(r.verifies[0].Signers), []wire.Participant{3, 4, 5, 6, 7, 8, 9}), true)
	r.acksOf(2, 0, 1, 2, 3, 4, 5, 6, 7)
	r.acksOf(3, 0, 9, 8, 7, 6, 5, 4, 2)
	r.acksOf(4, 0, 0, 1, 2, 3, 4, 5) // no quorum yet
	expect(t, "statements while one is verified", len(r.verifies), 1)
	r.acksOf(2, 0, 8, 9, 0) // all have voted now
	r.acksOf(3, 0, 0, 1, 3)
	r.acksOf(4, 0, 9)
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
	expect(t, "locks", len(r.locks()), 4)
}

func TestEveryValidatorsTurnToBeLeftOutComes(t *testing.T) {
	r := inTurns(t)
	in := make([]int, 10)
	for h := range uint64(10 * signersKept) {
		r.acksOf(1, h, 0, 1, 2, 3, 4, 5, 6) // keeps the verifier busy
		r.acksOf(2, h, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		r.verdict()
		for i := range r.verifies[0].Signers.All() {
			in[i]++
		}
		r.verdict()
	}
	expect(t, "locks", len(r.locks()), 20*signersKept)
	for i, n := range in {
		if n != 7*signersKept {
			t.Errorf("validator %d is in %d certificates of %d, want %d", i, n, 10*signersKept, 7*signersKept)
		}
	}
}

func TestACandidateWhoseSlotIsGoneLosesItsTurn(t *testing.T) {
	r := inTurns(t)
	r.acksOf(1, 0, 0, 1, 2, 3, 4, 5, 6)
	r.acksOf(2, 0, 0, 1, 2, 3, 4, 5, 6)
	r.acksOf(3, 0, 0, 1, 2, 3, 4, 5, 6)
	r.c.lanes[chunk(2, 0, 1).Sequencer].votes.CloseBelow(5)
	r.verdict()
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "of the next", r.verifies[0].Subject.Chunk, chunk(3, 0, 1))
	r.verdict()
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "locks", len(r.locks()), 2)
}

func TestACandidateThatWaitsDoesWithoutWhoIsExposedMeanwhile(t *testing.T) {
	r := inTurns(t)
	r.acksOf(1, 0, 1, 2, 3, 4, 5, 6)
	r.badAck(9, chunk(1, 0, 1), 5)
	r.acksOf(2, 0, 1, 2, 3, 4, 5, 6)
	r.badAck(9, chunk(2, 0, 1), 5)
	r.acksOf(3, 0, 1, 2, 3, 4, 5, 6, 7)
	r.badAck(9, chunk(3, 0, 1), 5)
	r.verdict() // exposes 9: the second lane has no quorum without
	expect(t, "statements", len(r.verifies), 1)
	expect(t, "of the third", r.verifies[0].Subject.Chunk, chunk(3, 0, 1))
	r.verdict()
	r.acksOf(1, 0, 8)
	r.verdict()
	r.acksOf(2, 0, 8)
	r.verdict()
	expect(t, "locks", len(r.locks()), 3)
	expect(t, "invalid acks", r.c.Counts().AcksInvalid, 1)
}

func TestWaitingForATurnIsForgottenWithTheChunk(t *testing.T) {
	r := inTurns(t)
	r.acksOf(1, 0, 0, 1, 2, 3, 4, 5, 6) // never decided
	for h := range uint64(500) {
		r.acksOf(2, h, 0, 1, 2, 3, 4, 5, 6)
		r.c.lanes[chunk(2, 0, 1).Sequencer].votes.CloseBelow(h + 1)
		r.pass(time.Millisecond)
	}
	expect(t, "statements", len(r.verifies), 1)
	if n := cap(r.c.turns.waiting); n > 8 {
		t.Errorf("room for %d chunks is kept", n)
	}
}
