package main

import (
	"maps"
	"slices"
)

// repeats say how far runs of the same settings differ.
type repeats struct {
	N  int               `json:"n"`
	Of map[string]spread `json:"of"` // by measure; see measures
}

// spread is of one measure over repeated runs.
type spread struct {
	Values []float64 `json:"values"`
	Min    float64   `json:"min"`
	Median float64   `json:"median"`
	Max    float64   `json:"max"`
}

// summarize returns the median run by verified acks, with the spread of all. One bad run makes it bad.
func summarize(runs []*nodeResult) *nodeResult {
	middle := medianBy(runs, func(r *nodeResult) float64 { return r.VerifiedPerSecond })
	out := *runs[middle]
	if len(runs) == 1 {
		return &out
	}
	out.Repeats = &repeats{N: len(runs), Of: make(map[string]spread)}
	for _, name := range slices.Sorted(maps.Keys(measures)) {
		var values []float64
		for _, r := range runs {
			values = append(values, measures[name](r))
		}
		ordered := slices.Sorted(slices.Values(values))
		out.Repeats.Of[name] = spread{values, ordered[0], ordered[len(ordered)/2], ordered[len(ordered)-1]}
	}
	for i, r := range runs {
		if i == middle || r.OK {
			continue
		}
		out.OK = false
		out.Errors += r.Errors
		out.Conflicts += r.Conflicts
		out.Problems = append(slices.Clone(out.Problems), r.Problems...)
	}
	return &out
}
