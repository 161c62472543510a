package report

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTheMedianOfAnEvenNumberOfValuesIsBetweenTheMiddleTwo(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{2135, 1840}, 1987.5}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{9, 7, 8}, 8}, {[]float64{5}, 5}} {
		if s := NewSpread(c.values); s.Median != c.want || s.Min != slices.Min(c.values) || s.Max != slices.Max(c.values) {
			t.Errorf("%v: %+v", c.values, s)
		}
	}
}

func TestASpreadKeepsTheOrderOfItsValues(t *testing.T) {
	values := []float64{3, 1, 2}
	s := NewSpread(values)
	s.Compare(NewSpread(values))
	if !slices.Equal(s.Values, []float64{3, 1, 2}) {
		t.Errorf("%v", s.Values)
	}
}

func TestSpreadsThatDoNotTouchDifferByMoreThanTheNoiseFromFourRunsOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "n")
		low := rapid.SliceOfNDistinct(rapid.Float64Range(1, 2), n, n, rapid.ID).Draw(t, "low")
		high := rapid.SliceOfNDistinct(rapid.Float64Range(3, 4), n, n, rapid.ID).Draw(t, "high")
		d := NewSpread(low).Compare(NewSpread(high))
		if d.Enough != (n >= LeastRepeats) || d.Beyond != d.Enough {
			t.Fatalf("%d values each: %+v", n, d)
		}
		if same := NewSpread(low).Compare(NewSpread(low)); same.Beyond {
			t.Fatalf("a spread differs from itself: %+v", same)
		}
	})
}
