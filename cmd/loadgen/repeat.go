package main

import (
	"cmp"
	"context"
	"slices"
)

// repeats holds the spread of runs with the same parameters.
type repeats struct {
	N  int               `json:"n"`
	Of map[string]spread `json:"of"` // by measure
}

// spread is the spread of one measure over repeated runs.
type spread struct {
	Values []float64 `json:"values"`
	Min    float64   `json:"min"`
	Median float64   `json:"median"`
	Max    float64   `json:"max"`
}

func newSpread(values []float64) spread {
	ordered := slices.Sorted(slices.Values(values))
	return spread{values, ordered[0], ordered[len(ordered)/2], ordered[len(ordered)-1]}
}

// apart reports whether two spreads do not overlap: then they differ by more than the noise.
func (s spread) apart(other spread) bool { return s.Max < other.Min || other.Max < s.Min }

// repeatedly calls once as often as times says, until a run fails or ctx ends, and returns the
// summary. An error means that there is no result.
func repeatedly[T any, R interface {
	*T
	runResult
}](ctx context.Context, times int, sc screen, once func() (R, error)) (R, error) {
	var runs []R
	for i := range times {
		if times > 1 {
			sc.note("run %d of %d", i+1, times)
		}
		r, err := once()
		if err != nil {
			if len(runs) > 0 && ctx.Err() != nil { // stopped while the next was being prepared: what was measured counts
				break
			}
			return nil, err
		}
		if runs = append(runs, r); ctx.Err() != nil {
			break
		}
	}
	r := summarize(runs)
	if len(runs) < times {
		r.basics().Interrupted = true
	}
	return r, nil
}

// summarize returns the median run by certificates, with the spread of all. One bad run makes it
// bad.
func summarize[T any, R interface {
	*T
	runResult
}](runs []R) R {
	order := slices.Clone(runs)
	slices.SortStableFunc(order, func(a, b R) int {
		return cmp.Compare(a.basics().CertificatesPerSecond, b.basics().CertificatesPerSecond)
	})
	median := order[len(order)/2]
	whole := *median
	out := R(&whole)
	if len(runs) == 1 {
		return out
	}
	values := make(map[string][]float64)
	for _, r := range runs {
		for name, v := range r.measures() {
			values[name] = append(values[name], v)
		}
	}
	c := out.basics()
	c.Repeats = &repeats{N: len(runs), Of: make(map[string]spread)}
	for name, v := range values {
		c.Repeats.Of[name] = newSpread(v)
	}
	for _, r := range runs {
		b := r.basics()
		c.Interrupted = c.Interrupted || b.Interrupted
		if r == median || b.OK {
			continue
		}
		c.OK = false
		c.Errors += b.Errors
		c.Conflicts += b.Conflicts
		c.Problems = append(slices.Clone(c.Problems), b.Problems...)
	}
	return out
}
