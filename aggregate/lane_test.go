package aggregate_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

func TestSlotsOfOneHeightAreToldApartByEpoch(t *testing.T) {
	table := newTable(plenty)
	l := table.Lane()
	slots := map[uint64]*aggregate.Slot{}
	for e := range uint64(4) {
		slots[e] = open(t, l, aggregate.Key{Height: 7, Epoch: e}, four)
		vote(t, slots[e], int(e), 16, 0)
	}
	for e, s := range slots {
		expect(t, "slot", l.Slot(aggregate.Key{Height: 7, Epoch: e}), s)
	}
	if l.Slot(aggregate.Key{Height: 7, Epoch: 9}) != nil || l.Slot(aggregate.Key{Height: 8}) != nil {
		t.Fatal("a slot that nobody opened")
	}
	// Close the one in the middle of the list, then the ends.
	for i, e := range []uint64{1, 3, 0} {
		result, _ := l.Certify(aggregate.Certificate{Height: 7, Epoch: e, Payload: payload(1)}, 0)
		expect(t, "result", result, aggregate.Added)
		expect(t, "slots", l.Slots(), 3-i)
		expect(t, "closed", slots[e].Closed(), true)
	}
	expect(t, "the last", l.Slot(aggregate.Key{Height: 7, Epoch: 2}), slots[2])
}

func TestCloseBelowClosesExactlyTheHeightsBelow(t *testing.T) {
	const top = math.MaxUint64
	for _, heights := range [][]uint64{
		{0, 1, 2, 3, 4, 5, 6, 7}, {0, 3, 1 << 40, top - 1, top}, {top, top - 1, top - 2}, {5, 4, 3, 9}, {1 << 63},
	} {
		for _, below := range []uint64{0, 1, 3, 4, 9, 1 << 41, 1<<63 + 1, top - 1, top} {
			table := newTable(plenty)
			l := table.Lane()
			want := 0
			for _, h := range heights {
				open(t, l, aggregate.Key{Height: h}, four)
				open(t, l, aggregate.Key{Height: h, Epoch: 1}, four)
				if h >= below {
					want += 2
				}
			}
			l.CloseBelow(below)
			expect(t, "slots left", l.Slots(), want)
			for _, h := range heights {
				expect(t, "open", l.Slot(aggregate.Key{Height: h}) != nil, h >= below)
			}
			// A slot below the floor, and again.
			open(t, l, aggregate.Key{Height: heights[0] / 2, Epoch: 5}, four)
			l.CloseBelow(below)
			for _, h := range heights {
				expect(t, "open", l.Slot(aggregate.Key{Height: h}) != nil, h >= below)
			}
			expect(t, "the one below", l.Slot(aggregate.Key{Height: heights[0] / 2, Epoch: 5}) != nil, heights[0]/2 >= below)
		}
	}
}

func TestCloseEpochsClosesExactlyThoseOutside(t *testing.T) {
	const top = math.MaxUint64
	epochs := []uint64{0, 1, 5, 6, 7, top - 1, top}
	for _, bounds := range [][2]uint64{{0, 0}, {0, top}, {5, 6}, {6, 6}, {top, top}, {8, 9}} {
		table := newTable(plenty)
		l := table.Lane()
		for h := range uint64(3) {
			for _, e := range epochs {
				vote(t, open(t, l, aggregate.Key{Height: h, Epoch: e}, four), 1, 16, 0)
			}
		}
		l.CloseEpochs(bounds[0], bounds[1])
		left := 0
		for h := range uint64(3) {
			for _, e := range epochs {
				inside := e >= bounds[0] && e <= bounds[1]
				expect(t, "open", l.Slot(aggregate.Key{Height: h, Epoch: e}) != nil, inside)
				if inside {
					left++
				}
			}
		}
		expect(t, "slots", l.Slots(), left)
		expect(t, "votes", table.Votes(), left)
	}
}

func certify(l *aggregate.Lane, height, epoch uint64, p int) aggregate.CertifyResult {
	result, _ := l.Certify(aggregate.Certificate{Height: height, Epoch: epoch, Payload: payload(p)}, 0)
	return result
}

func TestACertificateIsAddedKnownContradictedOrBelow(t *testing.T) {
	l := newTable(plenty).Lane()
	_, ok := l.Highest()
	expect(t, "anything certified", ok, false)
	expect(t, "the first", certify(l, 5, 1, 5), aggregate.Added)
	expect(t, "the same", certify(l, 5, 1, 5), aggregate.Known)
	expect(t, "another epoch's", certify(l, 5, 2, 5), aggregate.Added)
	expect(t, "one less", certify(l, 4, 1, 4), aggregate.Added)
	expect(t, "two less", certify(l, 3, 1, 3), aggregate.Below)
	expect(t, "higher", certify(l, 9, 1, 9), aggregate.Added)
	highest, _ := l.Highest()
	expect(t, "highest", highest, 9)
	result, held := l.Certify(aggregate.Certificate{Height: 9, Epoch: 3, Payload: payload(8)}, 0)
	expect(t, "another payload", result, aggregate.Contradicted)
	expect(t, "the one it contradicts", held.Payload, payload(9))
	expect(t, "lower, held still, another payload", certify(l, 5, 1, 6), aggregate.Contradicted)
	expect(t, "lower, held still, the same payload", certify(l, 5, 3, 5), aggregate.Known)
	expect(t, "the first stands", l.At(9).Payload, payload(9))
	if l.At(7) != nil || l.Newest(9, payload(8)) != nil || l.Held(aggregate.Key{Height: 9, Epoch: 7}) != nil {
		t.Fatal("a certificate that nobody gave")
	}
}

func remembering(past uint64) *aggregate.Lane {
	return aggregate.NewTable(aggregate.Config{MaxBytes: plenty, Past: past}).Lane()
}

func TestACertificateBelowThoseHeldIsLateOnceAndThenRemembered(t *testing.T) {
	l := remembering(4)
	certify(l, 9, 1, 9)
	result, late := l.Certify(aggregate.Certificate{Height: 6, Epoch: 1, Payload: payload(6)}, 0)
	expect(t, "the lowest that is remembered", result, aggregate.Late)
	expect(t, "the one remembered", late.Height, 6)
	expect(t, "held", len(l.Certificates()), 1)
	expect(t, "one lower", certify(l, 5, 1, 5), aggregate.Below)
	expect(t, "again", certify(l, 6, 1, 6), aggregate.Known)
	expect(t, "of another epoch", certify(l, 6, 2, 6), aggregate.Known)
	result, other := l.Certify(aggregate.Certificate{Height: 6, Epoch: 2, Payload: payload(7)}, 0)
	expect(t, "another payload", result, aggregate.Contradicted)
	expect(t, "the one it contradicts", other.Payload, payload(6))
	expect(t, "known", l.Knows(aggregate.Key{Height: 6, Epoch: 3}, payload(6)), true)
	expect(t, "another payload is known", l.Knows(aggregate.Key{Height: 6, Epoch: 1}, payload(7)), false)
	certify(l, 10, 1, 10)
	certify(l, 7, 1, 7) // who remembers, forgets
	expect(t, "what has become too low", certify(l, 6, 1, 7), aggregate.Below)
}

func TestWhatIsPrunedIsRememberedToo(t *testing.T) {
	l := remembering(4)
	for h := range uint64(8) {
		certify(l, h, 1, int(h))
	}
	l.PruneCertificates(0, false, 0, func(aggregate.Certificate) {})
	expect(t, "held", len(l.Certificates()), 2)
	for h, want := range map[uint64]aggregate.CertifyResult{3: aggregate.Below, 4: aggregate.Known, 5: aggregate.Known, 6: aggregate.Known} {
		expect(t, "the same payload", certify(l, h, 1, int(h)), want)
	}
	expect(t, "another payload", certify(l, 5, 1, 1), aggregate.Contradicted)
}

func TestALaneThatResumesKnowsItsHighestHeight(t *testing.T) {
	l := remembering(4)
	l.Resume(9)
	highest, ok := l.Highest()
	expect(t, "certified", ok, true)
	expect(t, "highest", highest, 9)
	expect(t, "held", l.Top() == nil, true)
	expect(t, "below", certify(l, 2, 1, 2), aggregate.Below)
	expect(t, "the highest itself", certify(l, 9, 1, 9), aggregate.Added)
	certify(l, 9, 3, 9)
	certify(l, 9, 2, 9)
	expect(t, "the newest of the highest", l.Top().Epoch, 3)
}

func TestAClosedLaneHasNoSlots(t *testing.T) {
	table := newTable(plenty)
	l, q := table.Lane(), new(aggregate.Quota)
	expect(t, "quota empty", q.Empty(), true)
	for h := range uint64(3) {
		vote(t, l.Open(aggregate.Key{Height: h}, four, true, q), 1, 16, 0, 2)
	}
	expect(t, "used", l.Slot(aggregate.Key{Height: 1}).Used(), 2)
	expect(t, "quota empty", q.Empty(), false)
	l.Close()
	expect(t, "slots", l.Slots(), 0)
	expect(t, "votes", table.Votes(), 0)
	expect(t, "memory", table.Bytes(), 0)
	expect(t, "quota empty", q.Empty(), true)
}

func TestCertificatesAtTheHighestHeights(t *testing.T) {
	const top = math.MaxUint64
	l := newTable(plenty).Lane()
	expect(t, "low", certify(l, 5, 1, 5), aggregate.Added)
	expect(t, "the last", certify(l, top, 1, 1), aggregate.Added)
	expect(t, "one less", certify(l, top-1, 1, 1), aggregate.Added)
	expect(t, "two less", certify(l, top-2, 1, 1), aggregate.Below)
	expect(t, "the last, in another epoch", certify(l, top, 2, 1), aggregate.Added)
	expect(t, "genesis", certify(l, 0, 1, 1), aggregate.Below)
	dropped := 0
	l.PruneCertificates(0, true, 0, func(c aggregate.Certificate) {
		dropped++
		expect(t, "dropped", c.Height, 5)
	})
	expect(t, "dropped", dropped, 1)
}

func TestACertificateOfAPastEpochIsNotWantedBesideANewerOne(t *testing.T) {
	l := newTable(plenty).Lane()
	expect(t, "new", certify(l, 5, 6, 5), aggregate.Added)
	result, _ := l.Certify(aggregate.Certificate{Height: 5, Epoch: 2, Payload: payload(5)}, 4)
	expect(t, "past", result, aggregate.Known)
	result, _ = l.Certify(aggregate.Certificate{Height: 5, Epoch: 4, Payload: payload(5)}, 4)
	expect(t, "in bounds", result, aggregate.Added)
	result, _ = l.Certify(aggregate.Certificate{Height: 4, Epoch: 2, Payload: payload(4)}, 4)
	expect(t, "past, but the only one", result, aggregate.Added)
	expect(t, "newest", l.Newest(5, payload(5)).Epoch, 6)
}

func TestCertifyReturnsWhatItAddedToBeFilledIn(t *testing.T) {
	l := newTable(plenty).Lane()
	_, added := l.Certify(aggregate.Certificate{Height: 5, Epoch: 6, Payload: payload(5), Bytes: []byte{1}}, 0)
	added.Position = 77
	expect(t, "position", l.Held(aggregate.Key{Height: 5, Epoch: 6}).Position, 77)
	expect(t, "certificates", len(l.Certificates()), 1)
}

func TestPruningKeepsTheTopTwoTheTipsAndItsParents(t *testing.T) {
	build := func() *aggregate.Lane {
		l := newTable(plenty).Lane()
		for h := range uint64(10) {
			certify(l, h, 5, int(h))
		}
		return l
	}
	for _, test := range []struct {
		tip    uint64
		hasTip bool
		want   []uint64
	}{
		{0, false, []uint64{8, 9}},
		{0, true, []uint64{0, 8, 9}},
		{1, true, []uint64{0, 1, 8, 9}},
		{5, true, []uint64{4, 5, 8, 9}},
		{9, true, []uint64{8, 9}},
		{20, true, []uint64{8, 9}},
		{math.MaxUint64, true, []uint64{8, 9}},
	} {
		l := build()
		dropped := 0
		l.PruneCertificates(test.tip, test.hasTip, 0, func(aggregate.Certificate) { dropped++ })
		expect(t, "dropped", dropped, 10-len(test.want))
		for i, c := range l.Certificates() {
			expect(t, "kept", c.Height, test.want[i])
		}
	}
}

func TestPruningDropsPastEpochsThatHaveANewerOneBesideThem(t *testing.T) {
	l := newTable(plenty).Lane()
	for _, e := range []uint64{3, 7, 1, 5} { // in no order
		certify(l, 9, e, 9)
	}
	certify(l, 8, 1, 8)
	var dropped []uint64
	l.PruneCertificates(9, true, 4, func(c aggregate.Certificate) { dropped = append(dropped, c.Epoch) })
	expect(t, "dropped", len(dropped), 2)
	expect(t, "first", dropped[0], 3)
	expect(t, "second", dropped[1], 1)
	expect(t, "kept", len(l.Certificates()), 3)
	l.PruneCertificates(9, true, 100, func(aggregate.Certificate) {})
	expect(t, "kept when all are past", len(l.Certificates()), 2)
	expect(t, "the newest", l.At(9).Epoch, 7)
	expect(t, "the only one of its height", l.At(8).Epoch, 1)
}

func TestSuspectsLapseWithTheirLastEpoch(t *testing.T) {
	var s aggregate.Suspects
	a, b, c := wire.PublicKey{1}, wire.PublicKey{2}, wire.PublicKey{3}
	expect(t, "among nobody", s.Among([]wire.PublicKey{a}).Len(), 0)
	expect(t, "expired of none", s.Expire(9), false)
	expect(t, "new", s.Mark(b, 5), true)
	expect(t, "known", s.Mark(b, 7), false)
	expect(t, "known, with an earlier epoch", s.Mark(b, 3), false)
	s.Mark(c, 5)
	expect(t, "both", s.Among([]wire.PublicKey{a, b, c}).Equal(signers(3, 1, 2)), true)
	expect(t, "none of these", s.Among([]wire.PublicKey{a}).Len(), 0)
	expect(t, "expired", s.Expire(5), false)
	expect(t, "expired", s.Expire(6), true)
	expect(t, "left", s.Among([]wire.PublicKey{a, b, c}).Equal(signers(3, 1)), true)
	expect(t, "expired", s.Expire(8), true)
	expect(t, "left", s.Len(), 0)
}

func TestWhoeverIsExposedIsASuspectWhoseFirstInvalidAckIsStillToCome(t *testing.T) {
	var s aggregate.Suspects
	a, b := wire.PublicKey{1}, wire.PublicKey{2}
	expect(t, "exposed", s.Expose(a, 5), true)
	expect(t, "exposed again", s.Expose(a, 9), false)
	expect(t, "suspects", s.Len(), 1)
	expect(t, "the first invalid ack", s.Mark(a, 5), true)
	expect(t, "the second", s.Mark(a, 5), false)
	s.Mark(b, 5)
	expect(t, "exposed, a suspect before", s.Expose(b, 9), false)
	expect(t, "lapsed", s.Expire(6), true)
	expect(t, "left", s.Len(), 0)
}

func TestSuspectsAreListedByTheirOffences(t *testing.T) {
	all := []wire.PublicKey{{1}, {2}, {3}, {4}}
	var s aggregate.Suspects
	expect(t, "nobody", len(s.ByOffences(all)), 0)
	for _, i := range []int{1, 3, 1, 0, 1, 0} {
		s.Mark(all[i], 7)
	}
	if got := s.ByOffences(all); !slices.Equal(got, []wire.Participant{3, 0, 1}) {
		t.Errorf("listed %v", got)
	}
}

func TestASlotIsNotFoundOnceItIsClosedHoweverLatelyItWasUsed(t *testing.T) {
	table := newTable(plenty)
	for name, closing := range map[string]func(*aggregate.Lane){
		"below":   func(l *aggregate.Lane) { l.CloseBelow(3) },
		"epochs":  func(l *aggregate.Lane) { l.CloseEpochs(8, 9) },
		"certify": func(l *aggregate.Lane) { l.Certify(aggregate.Certificate{Height: 2, Epoch: 7}, 0) },
	} {
		l, k := table.Lane(), aggregate.Key{Height: 2, Epoch: 7}
		s := open(t, l, k, four)
		expect(t, "found", l.Slot(k) == s, true)
		closing(l)
		other := open(t, table.Lane(), k, four) // in the same memory
		expect(t, name+": memory used again", other == s, true)
		expect(t, name+": found", l.Slot(k) == nil, true)
		other.Vote(0, payload(1), signature(0, 1, 16))
		if fresh := open(t, l, k, four); fresh == other || fresh.Signature(0) != nil {
			t.Errorf("%s: another lane's slot was opened", name)
		}
		table = newTable(plenty)
	}
}
