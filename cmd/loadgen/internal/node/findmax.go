package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// search is the search for the rate of a run.
type search struct {
	rate       float64 // 0: as fast as the engine takes it
	saturation float64
	tried      []rateTried
	soFar      *Result // the result if the search fails: the best rate tried, otherwise the last; nil without a search
	problem    string  // the reason for which no rate was found; "" if one was
}

// unfinished returns the result of a search that failed or was interrupted.
func (f search) unfinished(interrupted bool) *Result {
	r := *f.soFar
	r.Saturation, r.Tried, r.Interrupted = f.saturation, f.tried, interrupted
	if !interrupted {
		r.OK, r.Errors, r.Problems = false, r.Errors+1, append([]string{f.problem}, r.Problems...)
	}
	return &r
}

// rateTried is a rate that --find-max tried.
type rateTried struct {
	Rate    float64 `json:"rate_acks_per_s"`
	P99     float64 `json:"p99_ms"`
	Dropped uint64  `json:"sends_dropped"`
	Held    bool    `json:"held"`
}

// Of --find-max.
const (
	findDuration = 3 * time.Second // how long each rate is tried, at most
	findSteps    = 7               // halvings: the result is within 1/128 of saturation
)

// findMax searches by bisection for the highest rate at which no send is dropped and the p99
// latency is within bound. It starts between 0 and a little above saturation. If ctx ends it
// returns what it has.
func (h *harness) findMax(ctx context.Context, bound time.Duration) (search, error) {
	f, err := h.saturation(ctx)
	if err != nil {
		return f, err
	}
	low, high := 0.0, f.saturation*1.1
	for range findSteps {
		try := (low + high) / 2
		h.Screen.Note("trying %.0f acks/s", try)
		r, err := h.run(ctx, stageSearch, try, min(findDuration, h.config.Duration))
		if ctx.Err() != nil {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		p := rateTried{Rate: try, P99: r.LatencyMS.P99, Dropped: r.SendsDropped}
		p.Held = r.Certificates > 0 && r.Shortfall == "" && p.P99 <= measure.Milliseconds(bound) && p.Dropped == 0
		h.Screen.Note("  p99 %.1f ms, %d dropped: %s", p.P99, p.Dropped, map[bool]string{true: "held", false: "not held"}[p.Held])
		f.tried = append(f.tried, p)
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
			bound, f.tried[len(f.tried)-1].Rate)
	}
	return f, nil
}

// saturation measures the rate, in acks/s, of the chunks that the engine certifies when the
// generator sends as fast as the engine can take.
func (h *harness) saturation(ctx context.Context) (search, error) {
	h.Screen.Note("measuring saturation")
	r, err := h.run(ctx, stageSaturation, 0, max(min(2*time.Second, h.config.Duration), h.config.Duration/3))
	if err != nil {
		return search{}, err
	}
	if r.Certificates == 0 && ctx.Err() == nil {
		return search{}, errors.New("measuring saturation: nothing was certified")
	}
	return search{saturation: r.CertificatesPerSecond * float64(h.population.acksPerRound()), soFar: r}, nil
}

// Saturations caches measured saturations by the parameters on which they depend: the runs of a
// sweep over --load share one.
type Saturations map[string]search

// partOfSaturation returns the rate that --load asks for.
func (h *harness) partOfSaturation(ctx context.Context, known Saturations) (search, error) {
	cfg := h.config
	key := fmt.Sprint(cfg.Validators, cfg.Sequencers, cfg.Scheme, cfg.Variant, cfg.Signatures, cfg.Acks, cfg.Weights, cfg.Workers, cfg.BatchSize, cfg.BatchDelay,
		cfg.invalid, cfg.colluding, cfg.silent, cfg.late)
	f, ok := known[key]
	if !ok {
		var err error
		if f, err = h.saturation(ctx); err != nil {
			return f, err
		}
		if ctx.Err() == nil {
			known[key] = f
		}
	}
	f.rate = cfg.load * f.saturation
	return f, nil
}
