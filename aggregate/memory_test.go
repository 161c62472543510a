package aggregate

import (
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// slotSize returns the charge for one slot of a set.
func slotSize(t *testing.T, s *Set) int {
	votes := newVotes(1 << 30)
	open(t, lane(votes), key{}, s)
	return votes.memory.bytes
}

func TestSlotsStayBelowTheCap(t *testing.T) {
	size := slotSize(t, four)
	votes := newVotes(10 * size)
	l := lane(votes)
	for h := range uint64(10) {
		open(t, l, key{height: h}, four)
	}
	if l.open(key{height: 10}, four, 0, false) != nil {
		t.Fatal("an eleventh slot")
	}
	expect(t, "an open one", l.open(key{height: 3}, four, 0, false), l.slot(key{height: 3}))
	l.CloseBelow(1)
	open(t, l, key{height: 10}, four)
	expect(t, "memory", votes.memory.bytes, 10*size)
}

func TestASlotIsChargedAtLeastForItsSlab(t *testing.T) {
	for _, s := range []*Set{setOf(1, 48), four, setOf(100, 96), setOf(verify.MaxValidators, 48)} {
		if got := slotSize(t, s); got < s.class.participants*s.class.signature {
			t.Fatalf("n = %d: %d bytes", s.size(), got)
		}
	}
}

func TestSlotsAheadOfNeedHaveHalfAndEachValidatorAnEqualShareOfThat(t *testing.T) {
	size := slotSize(t, four)
	votes := newVotes(80 * size) // 40 ahead of need, 10 for each validator
	l := lane(votes)
	height := uint64(0)
	next := newVotes(plenty).Set(1, scheme{n: 4, size: 16, others: 4}) // validators 4, 5, …
	fill := func(i wire.Participant) (n int) {
		set := four
		if i == 4 {
			set, i = next, 0
		}
		for l.open(key{height: height}, set, i, true) != nil {
			height++
			n++
		}
		return n
	}
	for i := range 4 {
		expect(t, "slots of a validator", fill(wire.Participant(i)), 10)
	}
	expect(t, "slots beyond the half", fill(4), 0)
	for range 40 {
		height++
		open(t, l, key{height: height}, four)
	}
	expect(t, "memory", votes.memory.bytes, 80*size)
	l.CloseBelow(5) // closes five slots of the first validator
	height++
	expect(t, "slots for another", fill(1), 0)
	expect(t, "slots for the first", fill(0), 5)
	l.CloseBelow(1 << 40)
	height = 1 << 40
	expect(t, "memory", votes.memory.bytes, 0)
	expect(t, "slots for the last", fill(4), 10)
}

func TestAValidatorMayOpenOneSlotHoweverSmallItsShare(t *testing.T) {
	s := setOf(100, 48)
	votes := newVotes(4 * slotSize(t, s))
	l := lane(votes)
	if l.open(key{height: 1}, s, 0, true) == nil || l.open(key{height: 2}, s, 1, true) == nil {
		t.Fatal("no slot at all")
	}
	if l.open(key{height: 3}, s, 0, true) != nil || l.open(key{height: 3}, s, 2, true) != nil {
		t.Fatal("more than half is ahead of need")
	}
}

func TestASlotAheadOfNeedInFlightStaysChargedToItsOpener(t *testing.T) {
	size := slotSize(t, four)
	votes := newVotes(8 * size) // one for each validator
	l := lane(votes)
	s := l.open(key{height: 1}, four, 0, true)
	c := vote(t, s, 1, 16, 0, 1, 2)
	statement(c, wire.Signers{}, 0)
	l.CloseBelow(2)
	if l.open(key{height: 2}, four, 0, true) != nil {
		t.Fatal("its opener has another while a statement reads it")
	}
	s.resolve(c, nil)
	if l.open(key{height: 2}, four, 0, true) == nil {
		t.Fatal("its opener has none after the verdict")
	}
}

func TestCandidatesBeyondTheFirstCountAgainstTheCap(t *testing.T) {
	s := setOf(50, 16)
	size := slotSize(t, s)
	votes := newVotes(size + 1000)
	l := lane(votes)
	slot := open(t, l, key{}, s)
	full := 0
	for i := range wire.Participant(50) {
		result, c := slot.add(i, payload(int(i)), signature(i, 1, 16))
		if result == NoRoom {
			full++
			if c != nil {
				t.Fatal("a candidate for a vote that was not counted")
			}
		}
		if votes.memory.bytes > size+1000 {
			t.Fatalf("%d bytes", votes.memory.bytes)
		}
	}
	if full == 0 || full > 45 {
		t.Fatalf("%d of 50 refused", full)
	}
	expect(t, "votes", votes.memory.votes, 50-full)
	// A validator that got no slot may still vote in an open one.
	result, _ := slot.add(49, payload(0), signature(49, 0, 16))
	expect(t, "a vote for what is there", result, Counted)
	l.CloseBelow(1)
	expect(t, "memory", votes.memory.bytes, 0)
}

func TestCandidatesOfSlotsAheadOfNeedStayInTheirHalf(t *testing.T) {
	s := setOf(50, 16)
	size := slotSize(t, s)
	votes := newVotes(4 * size)
	l := lane(votes)
	slot := l.open(key{height: 9}, s, 0, true)
	for i := range wire.Participant(50) {
		slot.add(i, payload(int(i)), signature(i, 1, 16))
	}
	if votes.memory.bytes > 2*size || votes.memory.bytes == size {
		t.Fatalf("%d bytes of %d", votes.memory.bytes, 2*size)
	}
	l.CloseBelow(10)
	expect(t, "memory", votes.memory.bytes, 0)
	if l.open(key{height: 10}, s, 0, true) == nil {
		t.Fatal("the opener is still charged")
	}
	if l.open(key{height: 11}, s, 1, true) == nil {
		t.Fatal("the half for slots ahead of need has not been given back in full")
	}
}

func TestSetsOfDifferentSizesDoNotMixTheirMemory(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	seven := setOf(7, 16)
	for h := range uint64(10) {
		s := four
		if h%2 == 1 {
			s = seven
		}
		slot := open(t, l, key{height: h}, s)
		vote(t, slot, 1, 16, 0, wire.Participant(s.size()-1))
		expect(t, "signature", string(slot.place(wire.Participant(s.size()-1))), string(signature(wire.Participant(s.size()-1), 1, 16)))
		l.CloseBelow(h + 1)
	}
}

func TestMemoryOfAFormerSetsSizeIsNotKeptBeyondAQuarter(t *testing.T) {
	size := slotSize(t, four)
	votes := newVotes(16 * size)
	l := lane(votes)
	seen := map[*slot]bool{}
	for h := range uint64(16) {
		seen[open(t, l, key{height: h}, four)] = true
	}
	l.CloseBelow(16)
	again := 0
	for h := uint64(16); h < 32; h++ {
		if seen[open(t, l, key{height: h}, four)] {
			again++
		}
	}
	expect(t, "slots kept", again, 4)
}

// 5.5: Memory is bounded, however many epochs pass: nothing is kept for a validator that has no
// slot open.
func TestRule5_5_OnlyValidatorsThatHaveSlotsOpenHaveAShareInMemory(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	for e := uint64(5); e < 20; e++ {
		set := votes.Set(e, scheme{n: 4, size: 16, others: int(e)})
		for i := range wire.Participant(3) {
			if l.open(key{height: e + uint64(i), epoch: e}, set, i, true) == nil {
				t.Fatalf("no room in epoch %d", e)
			}
		}
		votes.SetBounds(e, e+1)
		l.CloseOutOfBounds()
		expect(t, "shares", len(votes.memory.shares), 3)
	}
	// A slot is charged to the validator that opened it as long as a statement reads it.
	set := votes.Set(20, scheme{n: 4, size: 16, others: 20})
	s := l.open(key{height: 50, epoch: 20}, set, 0, true)
	c := vote(t, s, 1, 16, 0, 1, 2)
	statement(c, wire.Signers{}, 0)
	votes.SetBounds(30, 31)
	l.CloseOutOfBounds()
	expect(t, "share of whoever opened it", votes.memory.shares[id(20)], s.size)
	s.resolve(c, nil)
	expect(t, "shares", len(votes.memory.shares), 0)
}

// 5.5: Memory is bounded, however many epochs pass: a validator has one share, whatever its
// participant number.
func TestRule5_5_AValidatorThatComesBackHasOneShare(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	first := votes.Set(5, scheme{n: 4, size: 16})
	l.open(key{height: 3, epoch: 5}, first, 2, true)
	size := votes.memory.shares[id(2)]
	votes.SetBounds(6, 8)
	l.CloseOutOfBounds()
	expect(t, "share", votes.memory.shares[id(2)], 0)
	again := votes.Set(8, scheme{n: 4, size: 16, others: 1})
	l.open(key{height: 4, epoch: 8}, again, 1, true) // the same validator in another place
	l.open(key{height: 5, epoch: 8}, again, 1, true)
	expect(t, "share", votes.memory.shares[id(2)], 2*size)
	expect(t, "shares", len(votes.memory.shares), 1)
}

// 5.5: Memory is bounded by configuration, whatever peers send.
//
// A lane that was full of acks far ahead does not keep the memory for as many heights.
func TestALaneDoesNotKeepTheRoomForTheHeightsThatItOnceHad(t *testing.T) {
	const heights = 5000
	for name, closeAll := range map[string]func(*Votes, *Lane){
		"as the lane grows":     func(_ *Votes, l *Lane) { l.CloseBelow(heights) },
		"as its epoch passes":   func(v *Votes, l *Lane) { v.SetBounds(9, 9); l.CloseOutOfBounds() },
		"as it becomes dormant": func(_ *Votes, l *Lane) { l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVotes(1 << 30)
			v.SetBounds(4, 6)
			l := lane(v)
			for h := range uint64(heights) {
				open(t, l, key{h, 5}, four)
			}
			closeAll(v, l)
			if l.Slots() != 0 || v.Counts().Bytes != 0 {
				t.Errorf("%d slots, %d bytes", l.Slots(), v.Counts().Bytes)
			}
			if int(l.peak) > heights/4 {
				t.Errorf("room for %d heights is kept", l.peak)
			}
		})
	}
}
