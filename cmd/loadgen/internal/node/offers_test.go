package node

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/engine"
)

func TestTheAcksDueUntilATimeAreThoseWhoseDueTimeIsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{constantRate, stepRate, rampRate}).Draw(t, "kind")
		from := rapid.Float64Range(1, 1e5).Draw(t, "from")
		to := from
		if kind != constantRate {
			to = rapid.Float64Range(1, 1e5).Draw(t, "to")
		}
		s := newSchedule(kind, from, to, 4, time.Second, 10*time.Second)
		k := rapid.Float64Range(0, s.total()).Draw(t, "ack")
		if n := s.count(s.due(k)); math.Abs(n-k) > 1e-3 { // a time is of whole nanoseconds
			t.Fatalf("ack %v is due when %v are", k, n)
		}
		if n := s.count(time.Hour); math.Abs(n-s.total()) > 1e-6*n {
			t.Fatalf("%v in all, want %v", n, s.total())
		}
	})
}

// The slow twin of offeredAcks: every ack of every lane by itself.
func TestOfferedAcksAreThoseOfEveryLaneFromItsOffsetOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes, round := rapid.IntRange(1, 9).Draw(t, "lanes"), rapid.IntRange(1, 9).Draw(t, "round")
		s := newSchedule(constantRate, 1000, 1000, 0, time.Duration(rapid.IntRange(0, 1).Draw(t, "warm-up"))*100*time.Millisecond, time.Second)
		until := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "until"))
		var want uint64
		for l := range lanes {
			for h := 0; ; h++ {
				due := 0
				for i := range round {
					if s.chunkDue(l, lanes, round, h, i) < until {
						due++
					}
				}
				if want += uint64(due); due < round {
					break
				}
			}
		}
		if got := s.offeredAcks(until, lanes, round); got > want+uint64(lanes) || got+uint64(lanes) < want { // but for rounding
			t.Fatalf("%d offered, want %d", got, want)
		}
	})
}

// offersOf returns the offers of one lane with so many heights, all of the measured time.
func offersOf(heights int) *offers {
	return newOffers(1, heights, 1, func(time.Duration) (int, bool) { return 0, true })
}

// dueEvery returns a function by which chunks are due at intervals of d, from 1 ms on.
func dueEvery(d time.Duration) func(int, int) (time.Duration, bool) {
	return func(_, height int) (time.Duration, bool) { return time.Duration(height)*d + time.Millisecond, true }
}

func TestAChunkLearnedFromItsSuccessorCountsUntilTheEndOfTheRun(t *testing.T) {
	o := offersOf(10)
	due := dueEvery(10 * time.Millisecond)
	for h := range 10 {
		at, _ := due(0, h)
		o.lock(0, uint64(h), locked{at, at + 5*time.Millisecond + time.Duration(h)*time.Microsecond}, h >= 4)
	}
	o.conclude(2*time.Second, 3, due) // three of the six that may have been learned were
	sum := o.sum()
	if sum.certified != 7 || sum.learned != 3 || sum.unfinished != 0 {
		t.Errorf("%+v", sum)
	}
	if q := o.whole.All(); q.Max < 1900 || q.P50 > 6 {
		t.Errorf("%+v", q)
	}
}

func TestAChunkThatWasNeverSentOrNeverCertifiedCountsUntilTheEndOfTheRun(t *testing.T) {
	o := offersOf(10)
	due := dueEvery(100 * time.Millisecond)
	o.lock(0, 0, locked{time.Millisecond, 2 * time.Millisecond}, false)
	o.conclude(930*time.Millisecond, 0, due) // that at 901 ms is under way
	if sum := o.sum(); sum.certified != 1 || sum.unfinished != 8 || sum.due() != 9 {
		t.Errorf("%+v", sum)
	}
	if q := o.whole.All(); q.Max < 800 || q.P50 < 300 {
		t.Errorf("%+v", q)
	}
	o.lock(0, 9, locked{901 * time.Millisecond, 950 * time.Millisecond}, false)
	if sum := o.sum(); sum.due() != 9 {
		t.Errorf("a lock after the end counts: %+v", sum)
	}
}

func TestLocksThatWereNeitherAssembledNorReceivedAreLearned(t *testing.T) {
	for want, c := range map[uint64]engine.Counters{
		0: {Locks: 7, Certificates: 5, CertificatesReceived: 2},
		3: {Locks: 10, Certificates: 7},
	} {
		if got := learned(&c); got != want {
			t.Errorf("%d learned, want %d", got, want)
		}
	}
	if n := learned(&engine.Counters{Locks: 1, Certificates: 2}); n != 0 { // one of them was known
		t.Errorf("%d learned", n)
	}
}

func TestARunBelow99PercentOfTheOfferedLoadIsOverload(t *testing.T) {
	for _, c := range []struct {
		offered, owed, taken float64
		due, certified       uint64
		want                 string
	}{
		{20000, 19800, 19700, 1000, 1000, ""},
		{20000, 19800, 2905, 1000, 1000, "reached 2,905 of 20,000 acks/s taken in"},
		{20000, 19800, 20000, 1000, 991, ""},
		{20000, 19800, 20000, 22783, 5669, "certified 5,669 of 22,783 chunks due"},
		{20000, 19800, 100, 1000, 10, "reached 100 of 20,000 acks/s taken in, certified 10 of 1,000 chunks due"},
		{0, 0, 0, 0, 0, ""},
	} {
		r := &Result{OfferedAcks: c.offered, TakenAcks: c.taken, Due: c.due, CertifiedHere: c.certified}
		if got := shortfall(r, c.owed); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
