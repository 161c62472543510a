package aggregate

import (
	"math"
	"testing"
)

func TestSlotsOfOneHeightAreDistinguishedByEpoch(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	slots := map[uint64]*slot{}
	for e := range uint64(4) {
		slots[e] = open(t, l, key{height: 7, epoch: e}, four)
		vote(t, slots[e], int(e), 16, 0)
	}
	for e, s := range slots {
		expect(t, "slot", l.slot(key{height: 7, epoch: e}), s)
	}
	if l.slot(key{height: 7, epoch: 9}) != nil || l.slot(key{height: 8}) != nil {
		t.Fatal("a slot that was not opened")
	}
	// Close the one in the middle of the list, then the ends.
	for i, e := range []uint64{1, 3, 0} {
		result, _ := l.Certify(Certificate{Lock: certificate(7, e, payload(1))})
		expect(t, "result", result, Added)
		expect(t, "slots", l.Slots(), 3-i)
		expect(t, "closed", slots[e].closed, true)
	}
	expect(t, "the last", l.slot(key{height: 7, epoch: 2}), slots[2])
}

func TestCloseBelowClosesExactlyTheHeightsBelow(t *testing.T) {
	const top = math.MaxUint64
	for _, heights := range [][]uint64{
		{0, 1, 2, 3, 4, 5, 6, 7}, {0, 3, 1 << 40, top - 1, top}, {top, top - 1, top - 2}, {5, 4, 3, 9}, {1 << 63},
	} {
		for _, below := range []uint64{0, 1, 3, 4, 9, 1 << 41, 1<<63 + 1, top - 1, top} {
			votes := newVotes(plenty)
			l := lane(votes)
			want := 0
			for _, h := range heights {
				open(t, l, key{height: h}, four)
				open(t, l, key{height: h, epoch: 1}, four)
				if h >= below {
					want += 2
				}
			}
			l.CloseBelow(below)
			expect(t, "slots left", l.Slots(), want)
			for _, h := range heights {
				expect(t, "open", l.slot(key{height: h}) != nil, h >= below)
			}
			// A slot below the floor, and again.
			open(t, l, key{height: heights[0] / 2, epoch: 5}, four)
			l.CloseBelow(below)
			for _, h := range heights {
				expect(t, "open", l.slot(key{height: h}) != nil, h >= below)
			}
			expect(t, "the one below", l.slot(key{height: heights[0] / 2, epoch: 5}) != nil, heights[0]/2 >= below)
		}
	}
}

func TestCloseOutOfBoundsClosesExactlyThoseOutside(t *testing.T) {
	const top = math.MaxUint64
	epochs := []uint64{0, 1, 5, 6, 7, top - 1, top}
	for _, bounds := range [][2]uint64{{0, 0}, {0, top}, {5, 6}, {6, 6}, {top, top}, {8, 9}} {
		votes := newVotes(plenty)
		l := lane(votes)
		for h := range uint64(3) {
			for _, e := range epochs {
				vote(t, open(t, l, key{height: h, epoch: e}, four), 1, 16, 0)
			}
		}
		votes.SetBounds(bounds[0], bounds[1])
		l.CloseOutOfBounds()
		left := 0
		for h := range uint64(3) {
			for _, e := range epochs {
				inside := e >= bounds[0] && e <= bounds[1]
				expect(t, "open", l.slot(key{height: h, epoch: e}) != nil, inside)
				if inside {
					left++
				}
			}
		}
		expect(t, "slots", l.Slots(), left)
		expect(t, "votes", votes.memory.votes, left)
	}
}

func TestAClosedLaneHasNoSlots(t *testing.T) {
	votes := newVotes(plenty)
	l := lane(votes)
	for h := range uint64(3) {
		vote(t, l.open(key{height: h}, four, 1, true), 1, 16, 0, 2)
	}
	expect(t, "used", l.slot(key{height: 1}).voted.Count(), 2)
	expect(t, "shares", len(votes.memory.shares), 1)
	l.Close()
	expect(t, "slots", l.Slots(), 0)
	expect(t, "votes", votes.memory.votes, 0)
	expect(t, "memory", votes.memory.bytes, 0)
	expect(t, "shares", len(votes.memory.shares), 0)
}

func TestASlotIsNotFoundOnceItIsClosedHoweverLatelyItWasUsed(t *testing.T) {
	votes := newVotes(plenty)
	for name, closing := range map[string]func(*Lane){
		"below":   func(l *Lane) { l.CloseBelow(3) },
		"epochs":  func(l *Lane) { l.votes.SetBounds(8, 9); l.CloseOutOfBounds() },
		"certify": func(l *Lane) { l.Certify(Certificate{Lock: certificate(2, 7, payload(0))}) },
	} {
		l, k := lane(votes), key{height: 2, epoch: 7}
		s := open(t, l, k, four)
		expect(t, "found", l.slot(k) == s, true)
		closing(l)
		other := open(t, lane(votes), k, four) // in the same memory
		expect(t, name+": memory used again", other == s, true)
		expect(t, name+": found", l.slot(k) == nil, true)
		other.add(0, payload(1), signature(0, 1, 16))
		if fresh := open(t, l, k, four); fresh == other || fresh.voted.Has(0) {
			t.Errorf("%s: another lane's slot was opened", name)
		}
		votes = newVotes(plenty)
	}
}
