package node

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBisectionComesWithinAPartOfTheHighestRateThatHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		high := rapid.Float64Range(1, 1e6).Draw(t, "high")
		limit := rapid.Float64Range(0, high).Draw(t, "limit")
		tries := 0
		got, err := bisect(high, 7, func(rate float64, lowest bool) (bool, error) {
			tries++
			return rate <= limit, nil
		})
		if err != nil || tries != 7 || got > limit || limit-got > high/128+1e-9 {
			t.Fatalf("found %v in %d tries, %v", got, tries, err)
		}
	})
}

func TestASearchThatFailsKeepsTheRateSoFar(t *testing.T) {
	broken := errors.New("broken")
	got, err := bisect(16, 7, func(rate float64, _ bool) (bool, error) {
		if rate > 8 {
			return false, broken
		}
		return true, nil
	})
	if got != 8 || !errors.Is(err, broken) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSaturationGrowsAsLongAsTheEngineKeepsUp(t *testing.T) {
	got, err := grow(1000, func(rate float64) (bool, error) { return rate < 2000, nil })
	if err != nil || math.Abs(got-1000*growth*growth*growth) > 1 {
		t.Errorf("%v, %v", got, err)
	}
	tries := 0
	if got, _ := grow(1, func(float64) (bool, error) { tries++; return true, nil }); tries != maxGrowth || got > 20 {
		t.Errorf("%v after %d tries", got, tries)
	}
	if got, _ := grow(7, func(float64) (bool, error) { return false, nil }); got != 7 {
		t.Errorf("%v", got)
	}
}

func TestARateIsTriedForAsLongAsItsP99Needs(t *testing.T) {
	cfg := DefaultConfig() // 100 validators, hence 99 acks to a chunk
	p, err := newPopulation(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{config: cfg, population: p}
	for rate, want := range map[float64]time.Duration{
		99_000: 3 * time.Second,      // 1,000 chunks a second
		9_900:  11 * time.Second,     // 100
		99:     5 * 10 * time.Second, // one
	} {
		if got := h.lasting(findDuration, rate); got.Round(time.Millisecond) != want {
			t.Errorf("%v acks/s for %v, want %v", rate, got, want)
		}
	}
}

func TestTheSummaryOfASearchStatesItsAnswerAndItsTrials(t *testing.T) {
	r := &Result{Stage: StageRun, Rate: 1178, FindMax: 50, Saturation: 21500, Tried: []rateTried{
		{Rate: 10750, P99: 77.04, Samples: 3000, Dropped: 3, Shortfall: "certified 2,900 of 3,000 chunks due"}, {Rate: 1178, P99: 41, Samples: 80, Held: true},
	}}
	r.LatencyMS.P99, r.Samples, r.Duration = 61, 80, 10
	var b strings.Builder
	r.Print(&b, 0)
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"found 1,178 acks/s is the highest rate tried with p99 within 50 ms; saturation is 21,500 acks/s",
		"not held for 10.0 s: then p99 was 61.0 ms",
		"tried 10,750 acks/s: p99 77.0 ms of 3000 chunks, 3 sends dropped, certified 2,900 of 3,000 chunks due: not held",
		"tried 1,178 acks/s: p99 41.0 ms of 80 chunks: held",
		"few samples p99 is of 80 chunks",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}
