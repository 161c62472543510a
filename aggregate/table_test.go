package aggregate_test

import (
	"testing"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// slotSize returns what one slot of a scheme is charged.
func slotSize(t *testing.T, s scheme) int {
	table := newTable(1 << 30)
	open(t, table.Lane(), aggregate.Key{}, s)
	return table.Bytes()
}

func TestSlotsStayBelowTheCap(t *testing.T) {
	size := slotSize(t, four)
	table := newTable(10 * size)
	l := table.Lane()
	for h := range uint64(10) {
		open(t, l, aggregate.Key{Height: h}, four)
	}
	if l.Open(aggregate.Key{Height: 10}, four, false, nil) != nil {
		t.Fatal("an eleventh slot")
	}
	expect(t, "an open one", l.Open(aggregate.Key{Height: 3}, four, false, nil), l.Slot(aggregate.Key{Height: 3}))
	l.CloseBelow(1)
	open(t, l, aggregate.Key{Height: 10}, four)
	expect(t, "memory", table.Bytes(), 10*size)
}

func TestASlotIsChargedAtLeastWhatItsSlabTakes(t *testing.T) {
	for _, s := range []scheme{{n: 1, size: 48}, four, {n: 100, size: 96}, {n: verify.MaxValidators, size: 48}} {
		if got := slotSize(t, s); got < s.n*s.size {
			t.Fatalf("n = %d: %d bytes", s.n, got)
		}
	}
}

func TestSpeculativeSlotsHaveHalfAndEachValidatorAnEqualShareOfThat(t *testing.T) {
	size := slotSize(t, four)
	table := newTable(80 * size) // 40 speculative, 10 each
	l := table.Lane()
	var quotas [5]aggregate.Quota
	height := uint64(0)
	fill := func(q *aggregate.Quota) (n int) {
		for l.Open(aggregate.Key{Height: height}, four, true, q) != nil {
			height++
			n++
		}
		return n
	}
	for i := range 4 {
		expect(t, "slots of a validator", fill(&quotas[i]), 10)
	}
	expect(t, "slots beyond the half", fill(&quotas[4]), 0)
	for range 40 {
		height++
		open(t, l, aggregate.Key{Height: height}, four)
	}
	expect(t, "memory", table.Bytes(), 80*size)
	l.CloseBelow(5) // five of the first validator's
	height++
	expect(t, "slots for another", fill(&quotas[1]), 0)
	expect(t, "slots for the first", fill(&quotas[0]), 5)
	l.CloseBelow(1 << 40)
	height = 1 << 40
	expect(t, "memory", table.Bytes(), 0)
	expect(t, "slots for the last", fill(&quotas[4]), 10)
}

func TestAValidatorMayOpenOneSlotHoweverSmallItsShare(t *testing.T) {
	s := scheme{n: 100, size: 48}
	table := newTable(4 * slotSize(t, s))
	l := table.Lane()
	var a, b, c aggregate.Quota
	if l.Open(aggregate.Key{Height: 1}, s, true, &a) == nil || l.Open(aggregate.Key{Height: 2}, s, true, &b) == nil {
		t.Fatal("no slot at all")
	}
	if l.Open(aggregate.Key{Height: 3}, s, true, &a) != nil || l.Open(aggregate.Key{Height: 3}, s, true, &c) != nil {
		t.Fatal("more than half is speculative")
	}
}

func TestASpeculativeSlotInFlightStaysChargedToItsOpener(t *testing.T) {
	size := slotSize(t, four)
	table := newTable(8 * size) // one each
	l := table.Lane()
	var q aggregate.Quota
	s := l.Open(aggregate.Key{Height: 1}, four, true, &q)
	c := vote(t, s, 1, 16, 0, 1, 2)
	c.Statement(wire.Signers{}, 0)
	l.CloseBelow(2)
	if l.Open(aggregate.Key{Height: 2}, four, true, &q) != nil {
		t.Fatal("its opener has another while a statement reads it")
	}
	s.Settle(c, nil)
	if l.Open(aggregate.Key{Height: 2}, four, true, &q) == nil {
		t.Fatal("its opener has none after the verdict")
	}
}

func TestCandidatesBeyondTheFirstCountAgainstTheCap(t *testing.T) {
	s := scheme{n: 50, size: 16}
	size := slotSize(t, s)
	table := newTable(size + 1000)
	l := table.Lane()
	slot := open(t, l, aggregate.Key{}, s)
	full := 0
	for i := range wire.Participant(50) {
		result, c := slot.Vote(i, payload(int(i)), signature(i, 1, 16))
		if result == aggregate.Full {
			full++
			if c != nil {
				t.Fatal("a candidate for a vote that was not counted")
			}
		}
		if table.Bytes() > size+1000 {
			t.Fatalf("%d bytes", table.Bytes())
		}
	}
	if full == 0 || full > 45 {
		t.Fatalf("%d of 50 refused", full)
	}
	expect(t, "votes", table.Votes(), 50-full)
	// Whom there was no room for may still vote for what is there.
	result, _ := slot.Vote(49, payload(0), signature(49, 0, 16))
	expect(t, "a vote for what is there", result, aggregate.Counted)
	l.CloseBelow(1)
	expect(t, "memory", table.Bytes(), 0)
}

func TestSpeculativeCandidatesStayInTheSpeculativeHalf(t *testing.T) {
	s := scheme{n: 50, size: 16}
	size := slotSize(t, s)
	table := newTable(4 * size)
	l := table.Lane()
	var q aggregate.Quota
	slot := l.Open(aggregate.Key{Height: 9}, s, true, &q)
	for i := range wire.Participant(50) {
		slot.Vote(i, payload(int(i)), signature(i, 1, 16))
	}
	if table.Bytes() > 2*size || table.Bytes() == size {
		t.Fatalf("%d bytes of %d", table.Bytes(), 2*size)
	}
	l.CloseBelow(10)
	expect(t, "memory", table.Bytes(), 0)
	if l.Open(aggregate.Key{Height: 10}, s, true, &q) == nil {
		t.Fatal("the opener is still charged")
	}
	var other aggregate.Quota
	if l.Open(aggregate.Key{Height: 11}, s, true, &other) == nil {
		t.Fatal("the speculative half has not been given back in full")
	}
}

func TestSetsOfDifferentSizesDoNotMixTheirMemory(t *testing.T) {
	table := newTable(plenty)
	l := table.Lane()
	seven := scheme{n: 7, size: 16}
	for h := range uint64(10) {
		s := four
		if h%2 == 1 {
			s = seven
		}
		slot := open(t, l, aggregate.Key{Height: h}, s)
		vote(t, slot, 1, 16, 0, wire.Participant(s.n-1))
		expect(t, "signature", string(slot.Signature(wire.Participant(s.n-1))), string(signature(wire.Participant(s.n-1), 1, 16)))
		l.CloseBelow(h + 1)
	}
}

func TestMemoryOfAFormerSetsSizeIsNotKeptBeyondAQuarter(t *testing.T) {
	size := slotSize(t, four)
	table := newTable(16 * size)
	l := table.Lane()
	seen := map[*aggregate.Slot]bool{}
	for h := range uint64(16) {
		seen[open(t, l, aggregate.Key{Height: h}, four)] = true
	}
	l.CloseBelow(16)
	again := 0
	for h := uint64(16); h < 32; h++ {
		if seen[open(t, l, aggregate.Key{Height: h}, four)] {
			again++
		}
	}
	expect(t, "slots kept", again, 4)
}
