package aggregate_test

import (
	"testing"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

var four = scheme{n: 4, size: 16}

func TestAValidatorHasOnePlaceInASlotWhateverItVotesFor(t *testing.T) {
	table := newTable(plenty)
	s := open(t, table.Lane(), aggregate.Key{Height: 1, Epoch: 2}, four)
	first := vote(t, s, 1, 16, 2)
	result, c := s.Vote(2, payload(1), signature(2, 1, 16))
	expect(t, "the same again", result, aggregate.Repeated)
	if c != nil {
		t.Fatal("a candidate for a repeated vote")
	}
	result, c = s.Vote(2, payload(2), signature(2, 2, 16))
	expect(t, "another payload", result, aggregate.Conflicting)
	expect(t, "the candidate of the first", c, first)
	expect(t, "the signature that stands", string(s.Signature(2)), string(signature(2, 1, 16)))
	expect(t, "candidates", len(s.Candidates()), 1)
	expect(t, "votes", table.Votes(), 1)
	if s.Signature(3) != nil {
		t.Fatal("a signature of a validator that has not voted")
	}
}

func TestAVoteProvenInvalidUsesUpItsPlace(t *testing.T) {
	table := newTable(plenty)
	s := open(t, table.Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	st := c.Statement(wire.Signers{}, 0)
	s.Settle(c, []wire.Participant{1, 3}) // 3 has not voted: no harm
	expect(t, "count", c.Count(), 2)
	expect(t, "votes", table.Votes(), 2)
	result, _ := s.Vote(1, payload(1), signature(1, 1, 16))
	expect(t, "its next", result, aggregate.Spoiled)
	result, _ = s.Vote(1, payload(2), signature(1, 2, 16))
	expect(t, "its next, for another payload", result, aggregate.Spoiled)
	expect(t, "the statement is its own", st.Signers.Equal(signers(4, 0, 1, 2)), true)
	vote(t, s, 1, 16, 3)
	if st = c.Statement(wire.Signers{}, 0); st == nil || !st.Signers.Equal(signers(4, 0, 2, 3)) {
		t.Fatalf("next statement: %+v", st)
	}
}

func TestACandidateBecomesAStatementWithItsQuorumAndNotTwice(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 3, 0)
	expect(t, "quorate with two of four", c.Quorate(), false)
	if c.Statement(wire.Signers{}, 0) != nil {
		t.Fatal("a statement of two")
	}
	vote(t, s, 2, 16, 2) // another payload's does not help
	expect(t, "quorate", c.Quorate(), false)
	vote(t, s, 1, 16, 1)
	st := c.Statement(wire.Signers{}, 0)
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 3)) || st.Suspects.Count() != 0 {
		t.Fatalf("statement %+v", st)
	}
	for i := range st.Signers.All() {
		expect(t, "vote", string(st.Vote(i)), string(signature(i, 1, 16)))
	}
	expect(t, "quorate while it flies", c.Quorate(), false)
	if c.Statement(wire.Signers{}, 0) != nil {
		t.Fatal("two statements at once")
	}
	s.Settle(c, nil)
	expect(t, "quorate after it", c.Quorate(), true)
	expect(t, "slot", c.Slot(), s)
	expect(t, "by payload", s.Candidate(payload(1)), c)
	if s.Candidate(payload(9)) != nil {
		t.Fatal("a candidate that nobody voted for")
	}
}

func TestVotesThatArriveDuringAStatementDoNotShowInIt(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	st := c.Statement(wire.Signers{}, 0)
	vote(t, s, 1, 16, 3)
	expect(t, "signers", st.Signers.Count(), 3)
	expect(t, "count", c.Count(), 4)
	s.Settle(c, nil)
}

func TestAfterAFailureACandidateWaitsUntilItIsResumed(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	expect(t, "failed before any statement", c.Failed(), false)
	for try := range 3 {
		if c.Statement(wire.Signers{}, 0) == nil {
			t.Fatalf("no statement at try %d", try)
		}
		expect(t, "the slot's first failure", c.Fail(), try == 0)
		s.Settle(c, nil)
		expect(t, "failed", c.Failed(), true)
		if try == 0 {
			vote(t, s, 1, 16, 3)
		}
		expect(t, "quorate", c.Quorate(), false)
		expect(t, "a statement", c.Statement(wire.Signers{}, 0) == nil && c.Look(nil) == nil, true)
		c.Resume()
		expect(t, "quorate after it is resumed", c.Quorate(), true)
	}
}

// However many keys are wrong, as long as the others make a quorum their turn comes.
func TestAfterFailuresEverySetOfSignersComesUp(t *testing.T) {
	const n = 10
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, scheme{n: n, size: 16})
	c := vote(t, s, 1, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	leftOut := map[[3]wire.Participant]bool{}
	for range 3000 {
		st := c.Statement(wire.Signers{}, 4)
		expect(t, "signers", st.Signers.Count(), 7)
		var out []wire.Participant
		for i := range wire.Participant(n) {
			if !st.Signers.Has(i) {
				out = append(out, i)
			}
		}
		leftOut[[3]wire.Participant(out)] = true
		c.Fail()
		s.Settle(c, nil)
		c.Resume()
	}
	expect(t, "choices", len(leftOut), 120)
	// Nor is a quorum without any surplus left untried.
	s = open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c = vote(t, s, 1, 16, 0, 1, 2)
	for range 3 {
		expect(t, "signers", c.Statement(wire.Signers{}, 0).Signers.Equal(signers(4, 0, 1, 2)), true)
		c.Fail()
		s.Settle(c, nil)
		c.Resume()
	}
}

func TestAfterAFailureOtherSuspectsAreLookedAt(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	for try := range 4 {
		st := c.Look([]wire.Participant{3, 1})
		looked := wire.Participant(3)
		if try%2 == 1 {
			looked = 1
		}
		expect(t, "looked at", st.Suspects.Equal(signers(4, looked)), true)
		expect(t, "signers", st.Signers.Equal(signers(4, 0, 2, looked)), true)
		c.Fail()
		s.Settle(c, nil)
		c.Resume()
	}
}

func TestVotesOfSuspectsAreLeftOutWhereTheOthersSuffice(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	st := c.Statement(signers(4, 2), 0)
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 3)) || st.Suspects.Count() != 0 {
		t.Fatalf("statement %+v", st)
	}
}

func TestVotesOfSuspectsAreAddedOnlyWhenAskedFor(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	suspects := signers(4, 2, 3)
	if c.Statement(suspects, 0) != nil {
		t.Fatal("a statement with suspects that nobody asked for")
	}
	expect(t, "quorate still", c.Quorate(), true)
	st := c.Look([]wire.Participant{2, 3})
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 2)) || !st.Suspects.Equal(signers(4, 2)) {
		t.Fatalf("statement %+v", st)
	}
}

func TestOnlySoManySuspectsAreLookedAtAsAreMissingInTheOrderGiven(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	st := c.Look([]wire.Participant{3, 1})
	if st == nil || !st.Signers.Equal(signers(4, 0, 2, 3)) || !st.Suspects.Equal(signers(4, 3)) {
		t.Fatalf("statement %+v", st)
	}
	// Proven bad, its place is taken by the next.
	s.Settle(c, []wire.Participant{3})
	st = c.Look([]wire.Participant{3, 1})
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 2)) || !st.Suspects.Equal(signers(4, 1)) {
		t.Fatalf("second statement %+v", st)
	}
	s.Settle(c, []wire.Participant{1})
	if c.Look(nil) != nil {
		t.Fatal("a statement without a quorum")
	}
}

func TestNobodyIsLookedAtWhereTheOthersSuffice(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	st := c.Look([]wire.Participant{3})
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 2)) || st.Suspects.Count() != 0 {
		t.Fatalf("statement %+v", st)
	}
}

func TestACandidateStallsOnceUntilItsWaitIsEnded(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	c := vote(t, s, 1, 16, 0)
	expect(t, "first", c.Stall(), true)
	expect(t, "second", c.Stall(), false)
	c.Unstall()
	expect(t, "after the wait", c.Stall(), true)
}

func TestAllHaveVotedWhenOnlyTheExceptedHaveNot(t *testing.T) {
	s := open(t, newTable(plenty).Lane(), aggregate.Key{}, four)
	vote(t, s, 1, 16, 0, 1)
	vote(t, s, 2, 16, 2)
	expect(t, "without exception", s.AllVoted(wire.Signers{}), false)
	expect(t, "except another", s.AllVoted(signers(4, 0)), false)
	expect(t, "except the one missing", s.AllVoted(signers(4, 3)), true)
	vote(t, s, 1, 16, 3)
	expect(t, "without exception", s.AllVoted(wire.Signers{}), true)
}

func TestASlabInFlightIsNotUsedAgainBeforeItsVerdict(t *testing.T) {
	table := newTable(plenty)
	l := table.Lane()
	s := open(t, l, aggregate.Key{Height: 1}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	st := c.Statement(wire.Signers{}, 0)
	used := table.Bytes()
	l.CloseBelow(5)
	expect(t, "closed", s.Closed(), true)
	expect(t, "memory still counted", table.Bytes(), used)
	expect(t, "votes", table.Votes(), 0)
	for h := uint64(5); h < 20; h++ {
		vote(t, open(t, l, aggregate.Key{Height: h}, four), 2, 16, 0, 1, 2, 3)
	}
	for i := range st.Signers.All() {
		expect(t, "vote in flight", string(st.Vote(i)), string(signature(i, 1, 16)))
	}
	s.Settle(c, []wire.Participant{0})
	expect(t, "closed after the verdict", s.Closed(), true)
	expect(t, "poisoned", st.Vote(1)[0], 0xDB)
	if c.Quorate() && !s.Closed() {
		t.Fatal("what is free wants to be verified")
	}
	expect(t, "a closed slot's candidate", c.Statement(wire.Signers{}, 0) == nil, true)
	before := table.Bytes()
	again := open(t, l, aggregate.Key{Height: 30}, four)
	expect(t, "its memory serves again", again, s)
	expect(t, "open", again.Closed(), false)
	expect(t, "nothing of it is left", len(again.Candidates()), 0)
	expect(t, "counted once", table.Bytes(), before+used)
}

func TestASlotClosedInFlightWithoutAnyFaultGivesItsMemoryBack(t *testing.T) {
	table := newTable(plenty)
	l := table.Lane()
	s := open(t, l, aggregate.Key{}, scheme{n: 1, size: 16})
	c := vote(t, s, 1, 16, 0)
	c.Statement(wire.Signers{}, 0)
	l.CloseEpochs(1, 2)
	expect(t, "slots", l.Slots(), 0)
	expect(t, "memory while it flies", table.Bytes() > 0, true)
	s.Settle(c, nil)
	expect(t, "memory", table.Bytes(), 0)
}

func TestReusedSlotsStartEmptyWhateverWasInThem(t *testing.T) {
	table := newTable(plenty)
	l := table.Lane()
	for h := range uint64(19) {
		s := open(t, l, aggregate.Key{Height: h}, four)
		for i := range wire.Participant(4) {
			p := int(i)
			if h%2 == 0 {
				p = 1
			}
			vote(t, s, p, 16, i)
		}
		if h%3 == 0 && s.Candidates()[0].Quorate() {
			c := s.Candidates()[0]
			c.Stall()
			c.Statement(wire.Signers{}, 0)
			c.Fail()
			s.Settle(c, []wire.Participant{0})
		}
		l.CloseBelow(h + 1)
		expect(t, "memory", table.Bytes(), 0)
		expect(t, "votes", table.Votes(), 0)
	}
	s := open(t, l, aggregate.Key{Height: 20}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	expect(t, "first stall", c.Stall(), true)
	expect(t, "quorate", c.Quorate(), true)
	expect(t, "failed", c.Failed(), false)
	expect(t, "all voted", s.AllVoted(wire.Signers{}), false)
	if st := c.Statement(wire.Signers{}, 0); !st.Signers.Equal(signers(4, 0, 1, 2)) {
		t.Fatal("another slot's votes are in the statement")
	}
}
