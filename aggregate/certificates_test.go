package aggregate

import (
	"math"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func subject(height, epoch uint64, p int) wire.Subject {
	lock := certificate(height, epoch, payload(p))
	return lock.Subject()
}

func certify(l *Lane, height, epoch uint64, p int) CertifyResult {
	result, _ := l.Certify(Certificate{Lock: certificate(height, epoch, payload(p))})
	return result
}

func TestACertificateIsAddedKnownContradictedOrBelow(t *testing.T) {
	l := lane(newVotes(plenty))
	_, ok := l.Highest()
	expect(t, "anything certified", ok, false)
	expect(t, "the first", certify(l, 5, 1, 5), Added)
	expect(t, "the same", certify(l, 5, 1, 5), Known)
	expect(t, "another epoch's", certify(l, 5, 2, 5), Added)
	expect(t, "one less", certify(l, 4, 1, 4), Added)
	expect(t, "two less", certify(l, 3, 1, 3), Below)
	expect(t, "higher", certify(l, 9, 1, 9), Added)
	highest, _ := l.Highest()
	expect(t, "highest", highest, 9)
	result, held := l.Certify(Certificate{Lock: certificate(9, 3, payload(8))})
	expect(t, "another payload", result, Contradicted)
	expect(t, "the one it contradicts", held.Chunk.Payload, payload(9))
	expect(t, "lower, held still, another payload", certify(l, 5, 1, 6), Contradicted)
	expect(t, "lower, held still, the same payload", certify(l, 5, 3, 5), Known)
	expect(t, "the first stands", l.At(9).Chunk.Payload, payload(9))
	if l.At(7) != nil || l.Held(9, 7) != nil {
		t.Fatal("a certificate that was not added")
	}
}

func remembering(past uint64) *Lane {
	return lane(New(Config{MaxBytes: plenty, Past: past}))
}

func TestACertificateBelowThoseHeldIsLateOnceAndThenRemembered(t *testing.T) {
	l := remembering(4)
	certify(l, 9, 1, 9)
	result, late := l.Certify(Certificate{Lock: certificate(6, 1, payload(6))})
	expect(t, "the lowest that is remembered", result, Late)
	expect(t, "the one remembered", late.Chunk.Height, 6)
	expect(t, "held", len(l.All()), 1)
	expect(t, "one lower", certify(l, 5, 1, 5), Below)
	expect(t, "again", certify(l, 6, 1, 6), Known)
	expect(t, "of another epoch", certify(l, 6, 2, 6), Known)
	result, other := l.Certify(Certificate{Lock: certificate(6, 2, payload(7))})
	expect(t, "another payload", result, Contradicted)
	expect(t, "the one it contradicts", other.Chunk.Payload, payload(6))
	expect(t, "known", l.Knows(subject(6, 3, 6)), true)
	expect(t, "another payload is known", l.Knows(subject(6, 1, 7)), false)
	certify(l, 10, 1, 10)
	certify(l, 7, 1, 7) // 7 remembers the heights before it and forgets the oldest
	expect(t, "what has become too low", certify(l, 6, 1, 7), Below)
}

func TestPrunedCertificatesAreRememberedToo(t *testing.T) {
	l := remembering(4)
	for h := range uint64(8) {
		certify(l, h, 1, int(h))
	}
	l.Prune(0, false)
	expect(t, "held", len(l.All()), 2)
	for h, want := range map[uint64]CertifyResult{3: Below, 4: Known, 5: Known, 6: Known} {
		expect(t, "the same payload", certify(l, h, 1, int(h)), want)
	}
	expect(t, "another payload", certify(l, 5, 1, 1), Contradicted)
}

func TestALaneThatResumesKnowsItsHighestHeight(t *testing.T) {
	l := remembering(4)
	l.Resume(9)
	highest, ok := l.Highest()
	expect(t, "certified", ok, true)
	expect(t, "highest", highest, 9)
	expect(t, "held", l.Top() == nil, true)
	expect(t, "below", certify(l, 2, 1, 2), Below)
	expect(t, "the highest itself", certify(l, 9, 1, 9), Added)
	certify(l, 9, 3, 9)
	certify(l, 9, 2, 9)
	expect(t, "the newest of the highest", l.Top().Epoch, 3)
}

func TestCertificatesAtTheHighestHeights(t *testing.T) {
	const top = math.MaxUint64
	l := lane(newVotes(plenty))
	expect(t, "low", certify(l, 5, 1, 5), Added)
	expect(t, "the last", certify(l, top, 1, 1), Added)
	expect(t, "one less", certify(l, top-1, 1, 1), Added)
	expect(t, "two less", certify(l, top-2, 1, 1), Below)
	expect(t, "the last, in another epoch", certify(l, top, 2, 1), Added)
	expect(t, "genesis", certify(l, 0, 1, 1), Below)
	dropped := l.Prune(0, true)
	expect(t, "dropped", len(dropped), 1)
	expect(t, "dropped", dropped[0].Chunk.Height, 5)
}

func TestACertificateOfAPastEpochIsSuperfluousBesideANewerOne(t *testing.T) {
	v := newVotes(plenty)
	v.SetBounds(4, 8)
	l := lane(v)
	expect(t, "new", certify(l, 5, 6, 5), Added)
	result, _ := l.Certify(Certificate{Lock: certificate(5, 2, payload(5))})
	expect(t, "past", result, Known)
	result, _ = l.Certify(Certificate{Lock: certificate(5, 4, payload(5))})
	expect(t, "in bounds", result, Added)
	result, _ = l.Certify(Certificate{Lock: certificate(4, 2, payload(4))})
	expect(t, "past, but the only one", result, Added)
	expect(t, "newest", l.At(5).Epoch, 6)
}

func TestCertifyReturnsTheAddedCertificateToBeFilledIn(t *testing.T) {
	l := lane(newVotes(plenty))
	_, added := l.Certify(Certificate{Lock: certificate(5, 6, payload(5))})
	added.Position = 77
	expect(t, "position", l.Held(5, 6).Position, 77)
	expect(t, "certificates", len(l.All()), 1)
}

func TestPruningKeepsTheTopTwoTheTipsAndItsParents(t *testing.T) {
	build := func() *Lane {
		l := lane(newVotes(plenty))
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
		expect(t, "dropped", len(l.Prune(test.tip, test.hasTip)), 10-len(test.want))
		for i, c := range l.All() {
			expect(t, "kept", c.Chunk.Height, test.want[i])
		}
	}
}

func TestPruningDropsPastEpochsThatHaveANewerOneBesideThem(t *testing.T) {
	v := newVotes(plenty)
	l := lane(v)
	for _, e := range []uint64{3, 7, 1, 5} { // in arbitrary order
		certify(l, 9, e, 9)
	}
	certify(l, 8, 1, 8)
	v.SetBounds(4, 8)
	dropped := l.Prune(9, true)
	expect(t, "dropped", len(dropped), 2)
	expect(t, "first", dropped[0].Epoch, 3)
	expect(t, "second", dropped[1].Epoch, 1)
	expect(t, "kept", len(l.All()), 3)
	v.SetBounds(100, 108)
	l.Prune(9, true)
	expect(t, "kept when all are past", len(l.All()), 2)
	expect(t, "the newest", l.At(9).Epoch, 7)
	expect(t, "the only one of its height", l.At(8).Epoch, 1)
}
