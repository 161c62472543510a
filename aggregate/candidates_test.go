package aggregate

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func TestACandidateBecomesAStatementWithItsQuorumAndNotTwice(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 3, 0)
	expect(t, "quorate with two of four", c.quorate(), false)
	if statement(c, wire.Signers{}, 0) != nil {
		t.Fatal("a statement of two")
	}
	vote(t, s, 2, 16, 2) // a vote for another payload does not count
	expect(t, "quorate", c.quorate(), false)
	vote(t, s, 1, 16, 1)
	st := statement(c, wire.Signers{}, 0)
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 3)) || st.Suspects.Count() != 0 {
		t.Fatalf("statement %+v", st)
	}
	for i := range st.Signers.All() {
		expect(t, "vote", string(st.Vote(i)), string(signature(i, 1, 16)))
	}
	expect(t, "quorate while it flies", c.quorate(), false)
	if statement(c, wire.Signers{}, 0) != nil {
		t.Fatal("two statements at once")
	}
	s.resolve(c, nil)
	expect(t, "quorate after it", c.quorate(), true)
	expect(t, "slot", c.slot, s)
	expect(t, "by payload", s.find(payload(1)), c)
	if s.find(payload(9)) != nil {
		t.Fatal("a candidate without votes")
	}
}

func TestAfterAFailureACandidateWaitsUntilItIsResumed(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	expect(t, "failed before any statement", c.failures > 0, false)
	for try := range 3 {
		if statement(c, wire.Signers{}, 0) == nil {
			t.Fatalf("no statement at try %d", try)
		}
		expect(t, "the slot's first failure", c.fail(), try == 0)
		s.resolve(c, nil)
		expect(t, "failed", c.failures > 0, true)
		if try == 0 {
			vote(t, s, 1, 16, 3)
		}
		expect(t, "quorate", c.quorate(), false)
		expect(t, "a statement", statement(c, wire.Signers{}, 0) == nil && check(c, nil) == nil, true)
		c.paused = false
		expect(t, "quorate after it is resumed", c.quorate(), true)
	}
}

// However many keys are wrong: as long as the others make a quorum, that quorum is tried.
func TestAfterFailuresEverySetOfSignersComesUp(t *testing.T) {
	const n = 10
	s := open(t, lane(newVotes(plenty)), key{}, setOf(n, 16))
	c := vote(t, s, 1, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	leftOut := map[[3]wire.Participant]bool{}
	for range 3000 {
		st := statement(c, wire.Signers{}, 4)
		expect(t, "signers", st.Signers.Count(), 7)
		var out []wire.Participant
		for i := range wire.Participant(n) {
			if !st.Signers.Has(i) {
				out = append(out, i)
			}
		}
		leftOut[[3]wire.Participant(out)] = true
		c.fail()
		s.resolve(c, nil)
		c.paused = false
	}
	expect(t, "choices", len(leftOut), 120)
	// A quorum without any surplus is tried too.
	s = open(t, lane(newVotes(plenty)), key{}, four)
	c = vote(t, s, 1, 16, 0, 1, 2)
	for range 3 {
		expect(t, "signers", statement(c, wire.Signers{}, 0).Signers.Equal(signers(4, 0, 1, 2)), true)
		c.fail()
		s.resolve(c, nil)
		c.paused = false
	}
}

func TestAfterAFailureEveryQuorumOfSuspectsAndOthersIsChecked(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	tried := make(map[wire.Participant]bool) // by the validator left out
	for try := range 40 {
		st := check(c, []wire.Participant{3, 1})
		expect(t, "signers", st.Signers.Count(), 3)
		for i := range wire.Participant(4) {
			expect(t, "to be proven", st.Suspects.Has(i), (i == 1 || i == 3) && st.Signers.Has(i))
			if !st.Signers.Has(i) {
				tried[i] = true
			}
		}
		if try == 0 {
			expect(t, "the first suspect is taken", st.Suspects.Equal(signers(4, 3)), true)
		}
		c.fail()
		s.resolve(c, nil)
		c.paused = false
	}
	expect(t, "quorums", len(tried), 4)
}

func TestVotesOfSuspectsAreLeftOutWhereTheOthersSuffice(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	st := statement(c, signers(4, 2), 0)
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 3)) || st.Suspects.Count() != 0 {
		t.Fatalf("statement %+v", st)
	}
}

func TestVotesOfSuspectsAreAddedOnlyWhenAskedFor(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	suspects := signers(4, 2, 3)
	if statement(c, suspects, 0) != nil {
		t.Fatal("a statement with suspects without need")
	}
	expect(t, "quorate still", c.quorate(), true)
	st := check(c, []wire.Participant{2, 3})
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 2)) || !st.Suspects.Equal(signers(4, 2)) {
		t.Fatalf("statement %+v", st)
	}
}

func TestOnlyAsManySuspectsAreCheckedAsAreMissingInTheGivenOrder(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	st := check(c, []wire.Participant{3, 1})
	if st == nil || !st.Signers.Equal(signers(4, 0, 2, 3)) || !st.Suspects.Equal(signers(4, 3)) {
		t.Fatalf("statement %+v", st)
	}
	// After a suspect's vote is proven invalid, the next suspect takes its place.
	s.resolve(c, []wire.Participant{3})
	st = check(c, []wire.Participant{3, 1})
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 2)) || !st.Suspects.Equal(signers(4, 1)) {
		t.Fatalf("second statement %+v", st)
	}
	s.resolve(c, []wire.Participant{1})
	if check(c, nil) != nil {
		t.Fatal("a statement without a quorum")
	}
}

func TestACandidateIsDelayedOnceUntilItsWaitIsOver(t *testing.T) {
	v := newVotes(plenty)
	c := vote(t, open(t, lane(v), key{}, four), 1, 16, 0)
	v.delay(0, c)
	v.delay(0, c)
	expect(t, "delayed", v.delayed.len(), 1)
	v.Next(v.cfg.SuspectDelay)
	expect(t, "after the wait", v.delayed.len(), 0)
	v.delay(0, c)
	expect(t, "delayed again", v.delayed.len(), 1)
}
