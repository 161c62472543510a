package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencies collects how long chunks took, in microseconds with three significant digits, up to ten minutes.
type latencies struct {
	mu     sync.Mutex
	recent *hdrhistogram.Histogram // since the last turn
	total  *hdrhistogram.Histogram // before that
}

func newLatencies() *latencies {
	return &latencies{recent: newHistogram(), total: newHistogram()}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
}

func (l *latencies) record(d time.Duration) {
	us := min(max(d.Microseconds(), 1), l.recent.HighestTrackableValue())
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.recent.RecordValue(us) // within the range
}

// turn ends a period and returns its quantiles.
func (l *latencies) turn() quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := quantilesOf(l.recent)
	l.total.Merge(l.recent)
	l.recent.Reset()
	return q
}

// all returns the quantiles of everything recorded.
func (l *latencies) all() quantiles {
	l.turn()
	l.mu.Lock()
	defer l.mu.Unlock()
	return quantilesOf(l.total)
}

// quantiles are in milliseconds; all 0 when nothing was recorded.
type quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantilesOf(h *hdrhistogram.Histogram) quantiles {
	if h.TotalCount() == 0 {
		return quantiles{}
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return quantiles{
		P50: ms(h.ValueAtQuantile(50)),
		P90: ms(h.ValueAtQuantile(90)),
		P99: ms(h.ValueAtQuantile(99)),
		Max: ms(h.Max()),
	}
}
