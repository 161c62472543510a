package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
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
	Rate      float64 `json:"rate_acks_per_s"`
	P99       float64 `json:"p99_ms"`
	Samples   int64   `json:"latency_samples"`
	Dropped   uint64  `json:"sends_dropped"`
	Shortfall string  `json:"shortfall"`
	Held      bool    `json:"held"`
}

// outcome returns text about whether the rate held, and the reason if not.
func (p rateTried) outcome() string {
	text := fmt.Sprintf("p99 %.1f ms of %s", p.P99, cli.Counted(int(p.Samples), "chunk"))
	if p.Dropped > 0 {
		text += fmt.Sprintf(", %s dropped", cli.Counted(int(p.Dropped), "send"))
	}
	if p.Shortfall != "" {
		text += ", " + p.Shortfall
	}
	if p.Held {
		return text + ": held"
	}
	return text + ": not held"
}

// Limits of --find-max.
const (
	findDuration = 3 * time.Second // how long each rate is tried, unless p99 needs longer
	findSteps    = 7               // halvings: the result is within 1/128 of saturation
	// maxExtension is the largest factor by which a run may be longer than --duration to get enough
	// samples for its p99.
	maxExtension = 5
)

// findMax searches by bisection for the highest rate at which the node keeps up and its p99 latency
// is within bound. It starts between 0 and a little above saturation. If ctx ends it returns the
// result so far.
func (h *harness) findMax(ctx context.Context, bound time.Duration) (search, error) {
	f, err := h.saturation(ctx)
	if err != nil || ctx.Err() != nil {
		return f, err
	}
	f.rate, err = bisect(f.saturation*1.1, findSteps, func(rate float64, lowest bool) (bool, error) {
		h.Screen.Note("trying %.0f acks/s", rate)
		r, err := h.run(ctx, stageSearch, rate, h.lasting(min(findDuration, h.config.Duration), rate))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		p := rateTried{Rate: rate, P99: r.LatencyMS.P99, Samples: r.Samples, Dropped: r.SendsDropped, Shortfall: r.Shortfall}
		p.Held = r.Certificates > 0 && p.Shortfall == "" && p.P99 <= measure.Milliseconds(bound) && p.Dropped == 0
		h.Screen.Note("  %s", p.outcome())
		f.tried = append(f.tried, p)
		if p.Held || lowest {
			f.soFar = r
		}
		return p.Held, nil
	})
	switch {
	case ctx.Err() != nil:
		return f, nil
	case err != nil:
		return f, err
	case f.rate == 0:
		f.problem = fmt.Sprintf("no rate tried keeps p99 within %v: even %.0f acks/s do not; allow more, or give more --workers",
			bound, f.tried[len(f.tried)-1].Rate)
	}
	return f, nil
}

// bisect returns the highest rate that try accepts, of those tried in a number of halvings between
// 0 and high; 0 for none. try is told whether it has accepted none so far.
func bisect(high float64, halvings int, try func(rate float64, lowest bool) (bool, error)) (float64, error) {
	low := 0.0
	for range halvings {
		rate := (low + high) / 2
		held, err := try(rate, low == 0)
		if err != nil {
			return low, err
		}
		if held {
			low = rate
		} else {
			high = rate
		}
	}
	return low, nil
}

// lasting returns the length of a run that has enough chunks for its p99 at a rate: at least d and
// at most maxExtension times --duration.
func (h *harness) lasting(d time.Duration, rate float64) time.Duration {
	need := report.LeastSamples * float64(h.population.acksPerRound()) / rate * 1.1
	return max(d, min(time.Duration(need*float64(time.Second)), maxExtension*h.config.Duration))
}

// Limits of the search for saturation.
const (
	growth    = 1.25
	maxGrowth = 12 // steps, altogether a factor of 14
)

// saturation measures the rate, in acks/s, up to which the engine certifies everything that it is
// sent. First the generator sends as fast as the engine takes messages, with one chunk of each lane
// under way: with few lanes that does not keep the verification busy, and the throughput depends on
// its latency. Then it tries higher fixed rates, for which lanes do not wait, as long as the engine
// keeps up.
func (h *harness) saturation(ctx context.Context) (search, error) {
	h.Screen.Note("measuring saturation")
	long := max(min(2*time.Second, h.config.Duration), h.config.Duration/3)
	r, err := h.run(ctx, stageSaturation, 0, long)
	if err != nil {
		return search{}, err
	}
	if r.Certificates == 0 && ctx.Err() == nil {
		return search{}, errors.New("measuring saturation: nothing was certified")
	}
	f := search{saturation: r.CertificatesPerSecond * float64(h.population.acksPerRound()), soFar: r}
	if h.config.Sequencers >= h.config.Workers*h.config.BatchSize {
		return f, nil
	}
	f.saturation, err = grow(f.saturation, func(rate float64) (bool, error) {
		h.Screen.Note("measuring saturation: with more in flight, at %.0f acks/s", rate)
		r, err := h.run(ctx, stageSaturation, rate, long)
		if err == nil {
			err = ctx.Err()
		}
		return err == nil && r.Shortfall == "" && r.SendsDropped == 0, err
	})
	if ctx.Err() != nil {
		err = nil
	}
	return f, err
}

// grow returns the highest of a growing sequence of rates, as long as held accepts them.
func grow(rate float64, held func(rate float64) (bool, error)) (float64, error) {
	for range maxGrowth {
		if ok, err := held(rate * growth); !ok || err != nil {
			return rate, err
		}
		rate *= growth
	}
	return rate, nil
}

// Saturations caches measured saturations by the parameters on which they depend: the runs of a
// sweep over --load share one.
type Saturations map[string]search

// partOfSaturation returns the rate for --load.
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
