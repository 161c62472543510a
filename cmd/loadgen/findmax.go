package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

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

// findMax searches, by halving, the highest rate at which no send is dropped and the p99 latency is within bound. It starts
// between nothing and what the engine takes when it is always fed.
func (b *bench) findMax(ctx context.Context, bound time.Duration) (rate, saturation float64, trials []trialPoint, err error) {
	if saturation, err = b.saturation(ctx); err != nil {
		return 0, 0, nil, err
	}
	low, high := 0.0, saturation*1.1
	for range findSteps {
		try := (low + high) / 2
		b.screen.note("trying %.0f acks/s", try)
		r, err := b.run(ctx, try, 0, min(findTrial, b.settings.duration))
		if err != nil {
			return 0, 0, nil, err
		}
		if ctx.Err() != nil {
			break
		}
		p := trialPoint{Rate: try, P99: r.LatencyMS.P99, Dropped: r.SendsDropped}
		p.Held = r.Certificates > 0 && p.P99 <= float64(bound)/float64(time.Millisecond) && p.Dropped == 0
		b.screen.note("  p99 %.1f ms, %d dropped: %s", p.P99, p.Dropped, map[bool]string{true: "held", false: "not held"}[p.Held])
		if trials = append(trials, p); p.Held {
			low = try
		} else {
			high = try
		}
	}
	switch {
	case ctx.Err() != nil:
		return 0, 0, nil, errors.New("interrupted while it searched for the highest rate")
	case low == 0:
		return 0, 0, nil, fmt.Errorf("no rate tried keeps p99 within %v: even %.0f acks/s do not; allow more, or give more --workers", bound, trials[len(trials)-1].Rate)
	}
	return low, saturation, trials, nil
}
