package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// search is how the rate of a run was found.
type search struct {
	rate       float64 // 0: as fast as the engine takes it
	saturation float64
	trials     []trialPoint
	soFar      *nodeResult // what there is if the search comes to nothing: the best try, else the last; nil without a search
	problem    string      // why there is no rate; "" if there is one
}

// unfinished is the result of a search that came to nothing, or was interrupted.
func (f search) unfinished(interrupted bool) *nodeResult {
	r := *f.soFar
	r.Saturation, r.Trials, r.Interrupted = f.saturation, f.trials, interrupted
	if !interrupted {
		r.OK, r.Errors, r.Problems = false, r.Errors+1, append([]string{f.problem}, r.Problems...)
	}
	return &r
}

// trialPoint is one try of --find-max.
type trialPoint struct {
	Rate    float64 `json:"rate_acks_per_s"`
	P99     float64 `json:"p99_ms"`
	Dropped uint64  `json:"sends_dropped"`
	Held    bool    `json:"held"`
}

// Of --find-max.
const (
	findTrial = 3 * time.Second // how long each rate is tried, at most
	findSteps = 7               // halvings: the result is within 1/128 of saturation
)

// findMax searches, by halving, the highest rate at which no send is dropped and the p99 latency is within bound. It
// starts between nothing and what the engine takes when it is always fed. If ctx ends it returns what it has.
func (b *bench) findMax(ctx context.Context, bound time.Duration) (search, error) {
	f, err := b.saturation(ctx)
	if err != nil {
		return f, err
	}
	low, high := 0.0, f.saturation*1.1
	for range findSteps {
		try := (low + high) / 2
		b.screen.note("trying %.0f acks/s", try)
		r, err := b.run(ctx, stageSearch, try, min(findTrial, b.settings.duration))
		if ctx.Err() != nil {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		p := trialPoint{Rate: try, P99: r.LatencyMS.P99, Dropped: r.SendsDropped}
		p.Held = r.Certificates > 0 && p.P99 <= milliseconds(bound) && p.Dropped == 0
		b.screen.note("  p99 %.1f ms, %d dropped: %s", p.P99, p.Dropped, map[bool]string{true: "held", false: "not held"}[p.Held])
		f.trials = append(f.trials, p)
		if p.Held || low == 0 {
			f.soFar = r
		}
		if p.Held {
			low = try
		} else {
			high = try
		}
	}
	if f.rate = low; low == 0 {
		f.problem = fmt.Sprintf("no rate tried keeps p99 within %v: even %.0f acks/s do not; allow more, or give more --workers",
			bound, f.trials[len(f.trials)-1].Rate)
	}
	return f, nil
}

// saturation measures how many acks/s the engine takes when fed as fast as it can.
func (b *bench) saturation(ctx context.Context) (search, error) {
	b.screen.note("measuring saturation")
	r, err := b.run(ctx, stageSaturation, 0, max(min(2*time.Second, b.settings.duration), b.settings.duration/3))
	if err != nil {
		return search{}, err
	}
	if r.AcksPerSecond <= 0 && ctx.Err() == nil {
		return search{}, errors.New("measuring saturation: nothing was taken in")
	}
	return search{saturation: r.AcksPerSecond, soFar: r}, nil
}

// saturations are those measured, by what they depend on: the runs of a sweep over --load share one.
type saturations map[string]search

// partOfSaturation returns the rate that --load asks for.
func (b *bench) partOfSaturation(ctx context.Context, known saturations) (search, error) {
	s := b.settings
	key := fmt.Sprint(s.validators, s.sequencers, s.scheme, s.variant, s.signatures, s.workers, s.batchSize, s.batchDelay,
		s.invalid, s.colluding, s.silent, s.late)
	f, ok := known[key]
	if !ok {
		var err error
		if f, err = b.saturation(ctx); err != nil {
			return f, err
		}
		if ctx.Err() == nil {
			known[key] = f
		}
	}
	f.rate = s.load * f.saturation
	return f, nil
}
