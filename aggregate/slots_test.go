package aggregate

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func TestAValidatorHasOnePlaceInASlotWhateverItVotesFor(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	s := open(t, l, key{height: 1, epoch: 2}, four)
	first := vote(t, s, 1, 16, 2)
	result, c := s.add(2, payload(1), signature(2, 1, 16))
	expect(t, "the same again", result, Repeated)
	if c != nil {
		t.Fatal("a candidate for a repeated vote")
	}
	result, c = s.add(2, payload(2), signature(2, 2, 16))
	expect(t, "another payload", result, Conflicting)
	expect(t, "a candidate for it", c == nil, true)
	stands := l.First(&wire.Ack{Chunk: wire.Chunk{Sequencer: id(900), Height: 1, Payload: payload(2)}, Epoch: 2, Participant: 2})
	expect(t, "the payload of the first", stands.Chunk.Payload, first.payload)
	expect(t, "its signature", string(stands.Signature), string(signature(2, 1, 16)))
	expect(t, "the signature that stands", string(s.place(2)), string(signature(2, 1, 16)))
	expect(t, "candidates", len(s.candidates), 1)
	expect(t, "votes", votes.memory.votes, 1)
	expect(t, "a vote of a validator that has sent none", s.voted.Has(3), false)
}

func TestAVoteProvenInvalidUsesUpItsPlace(t *testing.T) {
	votes := newVotes(plenty)
	s := open(t, lane(votes), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	st := statement(c, wire.Signers{}, 0)
	s.resolve(c, []wire.Participant{1, 3}) // 3 has not voted: no harm
	expect(t, "count", c.votes, 2)
	expect(t, "votes", votes.memory.votes, 2)
	result, _ := s.add(1, payload(1), signature(1, 1, 16))
	expect(t, "its next", result, Spoiled)
	result, _ = s.add(1, payload(2), signature(1, 2, 16))
	expect(t, "its next, for another payload", result, Spoiled)
	expect(t, "the statement is its own", st.Signers.Equal(signers(4, 0, 1, 2)), true)
	vote(t, s, 1, 16, 3)
	if st = statement(c, wire.Signers{}, 0); st == nil || !st.Signers.Equal(signers(4, 0, 2, 3)) {
		t.Fatalf("next statement: %+v", st)
	}
}

func TestVotesThatArriveDuringAStatementDoNotShowInIt(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	st := statement(c, wire.Signers{}, 0)
	vote(t, s, 1, 16, 3)
	expect(t, "signers", st.Signers.Count(), 3)
	expect(t, "count", c.votes, 4)
	s.resolve(c, nil)
}

func TestNoSuspectIsCheckedIfTheOthersSuffice(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	c := vote(t, s, 1, 16, 0, 1, 2, 3)
	st := check(c, []wire.Participant{3})
	if st == nil || !st.Signers.Equal(signers(4, 0, 1, 2)) || st.Suspects.Count() != 0 {
		t.Fatalf("statement %+v", st)
	}
}

func TestAllHaveVotedWhenOnlyTheExceptedHaveNot(t *testing.T) {
	s := open(t, lane(newVotes(plenty)), key{}, four)
	vote(t, s, 1, 16, 0, 1)
	vote(t, s, 2, 16, 2)
	expect(t, "without exception", s.allVoted(wire.Signers{}), false)
	expect(t, "except another", s.allVoted(signers(4, 0)), false)
	expect(t, "except the one missing", s.allVoted(signers(4, 3)), true)
	vote(t, s, 1, 16, 3)
	expect(t, "without exception", s.allVoted(wire.Signers{}), true)
}

func TestASlabInFlightIsNotUsedAgainBeforeItsVerdict(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	s := open(t, l, key{height: 1}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	st := statement(c, wire.Signers{}, 0)
	used := votes.memory.bytes
	l.CloseBelow(5)
	expect(t, "closed", s.closed, true)
	expect(t, "memory still counted", votes.memory.bytes, used)
	expect(t, "votes", votes.memory.votes, 0)
	for h := uint64(5); h < 20; h++ {
		vote(t, open(t, l, key{height: h}, four), 2, 16, 0, 1, 2, 3)
	}
	for i := range st.Signers.All() {
		expect(t, "vote in flight", string(st.Vote(i)), string(signature(i, 1, 16)))
	}
	s.resolve(c, []wire.Participant{0})
	expect(t, "closed after the verdict", s.closed, true)
	expect(t, "poisoned", st.Vote(1)[0], 0xDB)
	if c.quorate() && !s.closed {
		t.Fatal("a candidate of a freed slot is quorate")
	}
	expect(t, "a closed slot's candidate", statement(c, wire.Signers{}, 0) == nil, true)
	before := votes.memory.bytes
	again := open(t, l, key{height: 30}, four)
	expect(t, "its memory serves again", again, s)
	expect(t, "open", again.closed, false)
	expect(t, "nothing of it is left", len(again.candidates), 0)
	expect(t, "counted once", votes.memory.bytes, before+used)
}

func TestASlotClosedInFlightWithoutAnyFaultGivesItsMemoryBack(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	s := open(t, l, key{}, setOf(1, 16))
	c := vote(t, s, 1, 16, 0)
	statement(c, wire.Signers{}, 0)
	votes.SetBounds(1, 2)
	l.CloseOutOfBounds()
	expect(t, "slots", l.Slots(), 0)
	expect(t, "memory while it flies", votes.memory.bytes > 0, true)
	s.resolve(c, nil)
	expect(t, "memory", votes.memory.bytes, 0)
}

func TestReusedSlotsStartEmptyWhateverWasInThem(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	for h := range uint64(19) {
		s := open(t, l, key{height: h}, four)
		for i := range wire.Participant(4) {
			p := int(i)
			if h%2 == 0 {
				p = 1
			}
			vote(t, s, p, 16, i)
		}
		if h%3 == 0 && s.candidates[0].quorate() {
			c := s.candidates[0]
			votes.delay(0, c)
			statement(c, wire.Signers{}, 0)
			c.fail()
			s.resolve(c, []wire.Participant{0})
		}
		l.CloseBelow(h + 1)
		expect(t, "memory", votes.memory.bytes, 0)
		expect(t, "votes", votes.memory.votes, 0)
	}
	s := open(t, l, key{height: 20}, four)
	c := vote(t, s, 1, 16, 0, 1, 2)
	expect(t, "delayed", c.delayed, false)
	expect(t, "quorate", c.quorate(), true)
	expect(t, "failed", c.failures > 0, false)
	expect(t, "all voted", s.allVoted(wire.Signers{}), false)
	if st := statement(c, wire.Signers{}, 0); !st.Signers.Equal(signers(4, 0, 1, 2)) {
		t.Fatal("another slot's votes are in the statement")
	}
}
