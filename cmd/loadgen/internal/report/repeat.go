package report

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/perf/benchmath"
)

// repeats holds the spread of runs with the same parameters.
type repeats struct {
	N  int               `json:"n"`
	Of map[string]Spread `json:"of"` // by measure
}

// Spread is the spread of one measure over repeated runs.
type Spread struct {
	Values []float64 `json:"values"`
	Min    float64   `json:"min"`
	Median float64   `json:"median"`
	Max    float64   `json:"max"`
}

// NewSpread returns the spread of at least one value. The median of an even number of values is the
// mean of the two in the middle.
func NewSpread(values []float64) Spread {
	s := sample(values)
	return Spread{values, s.Values[0], benchmath.AssumeNothing.Summary(s, 0.95).Center, s.Values[len(s.Values)-1]}
}

func sample(values []float64) *benchmath.Sample {
	// NewSample sorts its argument.
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// LeastRepeats is the least number of runs on each side with which a difference can be
// distinguished from noise.
const LeastRepeats = 4

// Difference is the difference between two spreads of repeated runs.
type Difference struct {
	P      float64 // the probability of such a difference from noise alone
	Enough bool    // there are enough values to tell a difference from noise
	Beyond bool    // the difference is larger than the noise: P is at most 5 %
}

// Compare compares two spreads by the Mann-Whitney U test, which assumes nothing about how values
// are distributed.
func (s Spread) Compare(other Spread) Difference {
	if min(len(s.Values), len(other.Values)) < LeastRepeats {
		return Difference{P: 1}
	}
	c := benchmath.AssumeNothing.Compare(sample(s.Values), sample(other.Values))
	return Difference{P: c.P, Enough: true, Beyond: c.P <= c.Alpha}
}

// Repeat calls once as often as times says, until a run fails or ctx ends, and returns the
// summary. An error means that there is no result.
func Repeat[T any, R interface {
	*T
	Result
}](ctx context.Context, times int, note func(format string, args ...any), once func() (R, error)) (R, error) {
	var runs []R
	for i := range times {
		if times > 1 {
			note("run %d of %d", i+1, times)
		}
		r, err := once()
		if err != nil {
			if len(runs) > 0 && ctx.Err() != nil { // earlier runs count
				break
			}
			return nil, err
		}
		if runs = append(runs, r); ctx.Err() != nil {
			break
		}
	}
	r := Summarize(runs)
	if len(runs) < times {
		r.Basics().Interrupted = true
	}
	return r, nil
}

// Summarize returns the median run by certificates, with the spread of all; its measures are the
// medians of all runs, also where their number is even. One bad run makes it bad.
func Summarize[T any, R interface {
	*T
	Result
}](runs []R) R {
	order := slices.Clone(runs)
	slices.SortStableFunc(order, func(a, b R) int {
		return cmp.Compare(a.Basics().CertificatesPerSecond, b.Basics().CertificatesPerSecond)
	})
	median := order[len(order)/2]
	whole := *median
	out := R(&whole)
	if len(runs) == 1 {
		return out
	}
	values := make(map[string][]float64)
	for _, r := range runs {
		for name, v := range r.Measures() {
			values[name] = append(values[name], v)
		}
	}
	c := out.Basics()
	if c.Bodies != nil {
		b := *c.Bodies // its measures are replaced, and not those of the run
		c.Bodies = &b
	}
	c.Repeats = &repeats{N: len(runs), Of: make(map[string]Spread)}
	for name, v := range values {
		c.Repeats.Of[name] = NewSpread(v)
	}
	medians := make(map[string]float64)
	for name, s := range c.Repeats.Of {
		medians[name] = s.Median
	}
	out.SetMeasures(medians)
	for _, r := range runs {
		b := r.Basics()
		c.Interrupted = c.Interrupted || b.Interrupted
		if r == median || b.OK {
			continue
		}
		c.OK = false
		if c.Shortfall == "" {
			c.Shortfall = b.Shortfall
		}
		c.Errors += b.Errors
		c.Conflicts += b.Conflicts
		c.Problems = append(slices.Clone(c.Problems), b.Problems...)
	}
	return out
}
