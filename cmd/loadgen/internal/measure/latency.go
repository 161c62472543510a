package measure

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies collects the latencies of chunks, in microseconds with three significant digits, up to
// ten minutes.
type Latencies struct {
	mu     sync.Mutex
	recent *hdrhistogram.Histogram   // since the last turn
	past   []*hdrhistogram.Histogram // of the periods before that, the last few
	total  *hdrhistogram.Histogram   // of all periods
}

// NewLatencies returns an empty collection.
func NewLatencies() *Latencies {
	return &Latencies{recent: newHistogram(), total: newHistogram()}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)
}

// Record adds a latency.
func (l *Latencies) Record(d time.Duration) {
	us := min(max(d.Microseconds(), 1), l.total.HighestTrackableValue())
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.recent.RecordValue(us) // within the range
}

// turn ends a period and returns the quantiles of the last few, this one among them.
func (l *Latencies) turn(periods int) Quantiles {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Merge(l.recent)
	l.past = append(l.past, l.recent)
	if surplus := len(l.past) - periods; surplus > 0 {
		l.past = l.past[surplus:]
	}
	l.recent = newHistogram()
	sum := newHistogram()
	for _, h := range l.past {
		sum.Merge(h)
	}
	return quantilesOf(sum)
}

// All returns the quantiles of everything recorded.
func (l *Latencies) All() Quantiles {
	l.turn(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	return quantilesOf(l.total)
}

// Count returns the number of latencies recorded.
func (l *Latencies) Count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total.TotalCount() + l.recent.TotalCount()
}

// percents are the points of the latency distribution: evenly spaced on a logarithmic axis of 1/(1
// − p).
var percents = []float64{0, 10, 25, 50, 75, 80, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 100}

// Percentile is a point of the latency distribution.
type Percentile struct {
	Percent float64 `json:"percent"`
	MS      float64 `json:"ms"`
}

// Distribution returns p99.9 in milliseconds and the points of the distribution of everything
// recorded.
func (l *Latencies) Distribution() (p999 float64, points []Percentile) {
	l.turn(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total.TotalCount() == 0 {
		return 0, nil
	}
	for _, p := range percents {
		ms := float64(l.total.ValueAtQuantile(p)) / 1000
		if p == 0 {
			ms = float64(l.total.Min()) / 1000
		}
		points = append(points, Percentile{p, ms})
	}
	return float64(l.total.ValueAtQuantile(99.9)) / 1000, points
}

// Quantiles are in milliseconds; all 0 when nothing was recorded.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func quantilesOf(h *hdrhistogram.Histogram) Quantiles {
	if h.TotalCount() == 0 {
		return Quantiles{}
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Quantiles{
		P50: ms(h.ValueAtQuantile(50)),
		P90: ms(h.ValueAtQuantile(90)),
		P99: ms(h.ValueAtQuantile(99)),
		Max: ms(h.Max()),
	}
}

// Milliseconds returns a duration in milliseconds, as results have it.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
