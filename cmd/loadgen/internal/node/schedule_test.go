package node

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/wire"
)

func TestAcksOfAScheduleAreDueInOrderAndAtItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{constantRate, stepRate, rampRate}).Draw(t, "kind")
		from := rapid.Float64Range(1, 1e5).Draw(t, "from")
		to := from
		if kind != constantRate {
			to = rapid.Float64Range(1, 1e5).Draw(t, "to")
		}
		s := newSchedule(kind, from, to, rapid.IntRange(2, 9).Draw(t, "steps"), time.Second, 10*time.Second)
		want := from + 10*(from+to)/2
		if total := s.total(); math.Abs(total-want) > 1e-6*want {
			t.Fatalf("%v acks in all, want %v", total, want)
		}
		last := time.Duration(-1)
		for i := range 100 {
			due := s.due(s.total() * float64(i) / 100)
			if due < last || due > s.end() {
				t.Fatalf("ack %d is due at %v, the one before at %v, the end is %v", i, due, last, s.end())
			}
			last = due
		}
		if end := s.due(s.total()); end < s.end()-time.Millisecond || end > s.end()+time.Millisecond {
			t.Fatalf("the last is due at %v of %v", end, s.end())
		}
	})
}

func TestTheWarmUpIsNoPhase(t *testing.T) {
	s := newSchedule(stepRate, 10, 20, 2, time.Second, 2*time.Second)
	if _, ok := s.phaseOf(999 * time.Millisecond); ok {
		t.Error("the warm-up is one")
	}
	if p, ok := s.phaseOf(2500 * time.Millisecond); !ok || p != 1 {
		t.Errorf("phase %d, %v", p, ok)
	}
	if _, ok := s.phaseOf(3 * time.Second); ok {
		t.Error("the end is one")
	}
}

func TestCompletingAckIsTheOneBeforeTheQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := DefaultConfig()
		s.Validators = rapid.IntRange(2, 40).Draw(t, "validators")
		s.Seed = rapid.Uint64().Draw(t, "seed")
		if rapid.Bool().Draw(t, "weighted") {
			s.Voting = rapid.SliceOfN(rapid.Uint64Range(1, 9), s.Validators, s.Validators).Draw(t, "weights")
		}
		s.invalid = rapid.Float64Range(0, 0.33).Draw(t, "invalid")
		s.late = rapid.Float64Range(0, 0.2).Draw(t, "late")
		p, err := newPopulation(s)
		if err != nil {
			t.Skip(err)
		}
		acks, completing := p.round(nil, rand.New(rand.NewPCG(s.Seed, 1)), 3)
		if len(acks) != p.acksPerRound() || len(acks) != s.Validators-1 {
			t.Fatalf("%d acks", len(acks))
		}
		// Without the completing ack there is no quorum of good ones and the engine's own; with it
		// there is.
		good := wire.NewSigners(s.Validators)
		good.Add(self)
		for _, a := range acks[:completing] {
			if a.from == self {
				t.Fatal("the generator plays the subject")
			}
			if !p.faulty[a.from] {
				good.Add(a.from)
			}
		}
		before := p.weights.Sum(good)
		good.Add(acks[completing].from)
		if after, quorum := p.weights.Sum(good), p.weights.Quorum(); before >= quorum || after < quorum || p.faulty[acks[completing].from] {
			t.Fatalf("good acks before the completing one weigh %d, with it %d, and a quorum %d", before, after, quorum)
		}
	})
}

func TestColludersSendEachOthersVotes(t *testing.T) {
	s := DefaultConfig()
	s.invalid, s.colluding = 0.05, true
	p, err := newPopulation(s)
	if err != nil {
		t.Fatal(err)
	}
	swapped, wrong := 0, 0
	for i, place := range p.place {
		switch {
		case place == s.Validators:
			wrong++
		case place != i && p.place[place] == i:
			swapped++
		}
	}
	if swapped != 4 || wrong != 1 {
		t.Errorf("%d swapped, %d wrong", swapped, wrong)
	}
}
