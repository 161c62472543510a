package main

import (
	"context"
	"time"

	"github.com/lanecast/lanecast/engine"
)

// moment holds the values of all counters at one time.
type moment struct {
	at           time.Time
	cpu          time.Duration // the engines', as summary.CPU counts it
	generator    time.Duration // CPU, in node mode
	certificates uint64
	sent         messages      // by the engines
	dropped      uint64        // sends of the generator, or messages between members
	engine       engine.Status // of a cluster: sums, and the highest of each lane
	metrics      *engineMetrics
}

// point is a moment of the run. Rates and latencies are of the second before it, or since the
// begin.
type point struct {
	T            float64 `json:"t_s"`
	Acks         float64 `json:"acks_per_s"`
	Certificates float64 `json:"certificates_per_s"`
	Inbox        int     `json:"inbox"`
	Statements   int     `json:"statements_waiting"`
	P50          float64 `json:"p50_ms"`
	P99          float64 `json:"p99_ms"`
	EngineCPU    float64 `json:"engine_cores"`
	GeneratorCPU float64 `json:"generator_cores"`
	Dropped      uint64  `json:"sends_dropped"` // since the last point
}

// seriesAtMost is the largest number of points in a series.
const seriesAtMost = 480

// progress makes points from moments. A batch of certificates comes all at once, so rates over less
// than a second would depend on the sampling more than on the engine.
type progress struct {
	window    []moment // of the last second; rates are relative to the first
	began     time.Time
	latencies *latencies
	perSecond int // moments
	series    []point
	merged    int // moments that a point of the series stands for
	pending   int // of the last point, so far
}

func newProgress(before moment, interval time.Duration, l *latencies) *progress {
	return &progress{
		window: []moment{before}, began: before.at, latencies: l, perSecond: max(1, int(time.Second/interval)), merged: 1,
	}
}

func (p *progress) add(now moment) point {
	last := p.window[len(p.window)-1]
	for len(p.window) > 1 && now.at.Sub(p.window[1].at) >= 950*time.Millisecond {
		p.window = p.window[1:]
	}
	first := p.window[0]
	seconds := max(1e-9, now.at.Sub(first.at).Seconds())
	q := p.latencies.turn(p.perSecond)
	a, b := &now.engine.Counters, &first.engine.Counters
	at := point{
		T: now.at.Sub(p.began).Seconds(), Acks: float64(a.AcksReceived-b.AcksReceived) / seconds,
		Certificates: float64(now.certificates-first.certificates) / seconds, Inbox: now.engine.Inbox,
		Statements: now.engine.Statements, P50: q.P50, P99: q.P99,
		EngineCPU: max(0, (now.cpu-first.cpu).Seconds()) / seconds, GeneratorCPU: (now.generator - first.generator).Seconds() / seconds,
		Dropped: now.dropped - last.dropped,
	}
	p.window = append(p.window, now)
	p.note(at)
	return at
}

// note adds a point to the series. When the series is full, every two points become one: the later,
// with the larger of both queues and latencies.
func (p *progress) note(at point) {
	if p.pending > 0 {
		end := len(p.series) - 1
		p.series[end] = merge(p.series[end], at)
	} else {
		p.series = append(p.series, at)
	}
	if p.pending++; p.pending < p.merged {
		return
	}
	p.pending = 0
	if len(p.series) < seriesAtMost {
		return
	}
	half := p.series[:0]
	for i := 0; i+1 < len(p.series); i += 2 {
		half = append(half, merge(p.series[i], p.series[i+1]))
	}
	p.series, p.merged = half, 2*p.merged
}

func merge(a, b point) point {
	b.Inbox, b.Statements = max(a.Inbox, b.Inbox), max(a.Statements, b.Statements)
	b.P50, b.P99 = max(a.P50, b.P50), max(a.P99, b.P99)
	b.Dropped += a.Dropped
	return b
}

// watch calls look at intervals until the run's time is over, ctx ends, all messages have been sent
// or an engine has failed.
func watch(ctx context.Context, interval, duration time.Duration, dry <-chan struct{}, failed <-chan error, look func()) (ranDry bool, failure error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	end := time.NewTimer(duration)
	defer end.Stop()
	for {
		select {
		case <-ticker.C:
			look()
		case <-end.C:
			return false, nil
		case <-dry:
			return true, nil
		case <-ctx.Done():
			return false, nil
		case err := <-failed:
			return false, err
		}
	}
}
