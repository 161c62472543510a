package measure

import (
	"context"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/engine"
)

// StatusTimeout bounds the time in which an overloaded engine must answer.
const StatusTimeout = 10 * time.Second

// Moment holds the values of all counters at one time.
type Moment struct {
	At           time.Time
	CPU          time.Duration // of the engines, as summary.CPU counts it
	Generator    time.Duration // CPU time, in node mode
	Certificates uint64
	Sent         Messages // by the engines
	Dropped      uint64   // sends of the generator, or messages between members
	Taken        int64    // acks that the generator sent and the engine took
	BytesIn      uint64   // of messages that the engines took
	BytesOut     uint64   // of messages that they sent, once for each recipient
	Host         host.Usage
	Engine       engine.Status // of a cluster: sums, and the highest of each lane
	Metrics      *EngineMetrics
	Bodies       *BodyTotals // nil if chunks have none

	Members, Followers []Bodies // likewise, the counts of each
}

// BodyTotals are the members' counts about bodies up to a moment.
type BodyTotals struct {
	Certified uint64 // bytes, each body once
	Delivered uint64 // bytes, at the validator or sequencer that got the fewest
	Behind    uint64 // most chunks that a follower, or the member that is away, lacks
}

// Point is a moment of the run. Rates and latencies are of the second before it, or since the
// beginning.
type Point struct {
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

	// Of bodies; none of these without them. MB are 10^6 bytes.
	CertifiedMB float64 `json:"certified_mb_per_s,omitempty"`
	DeliveredMB float64 `json:"delivered_mb_per_s,omitempty"` // at the member that got the fewest
	DeliveryP50 float64 `json:"delivery_p50_ms,omitempty"`
	DeliveryP99 float64 `json:"delivery_p99_ms,omitempty"`
	Behind      uint64  `json:"chunks_behind,omitempty"` // followers, and the member that is away
}

// seriesAtMost is the largest number of points in a series.
const seriesAtMost = 480

// Progress makes points from moments. The certificates of a batch come at the same time, so rates
// over less than a second would depend on the sampling more than on the engine.
type Progress struct {
	window    []Moment // of the last second; rates are relative to the first
	began     time.Time
	latencies *Latencies
	// Deliveries are the latencies of deliveries, nil if there are none.
	Deliveries *Latencies
	perSecond  int // moments
	Series     []Point
	merged     int // number of moments in a point of the series
	pending    int // of the last point, so far
}

// NewProgress begins a series at a moment; the latencies are those of the run.
func NewProgress(before Moment, interval time.Duration, l *Latencies) *Progress {
	return &Progress{
		window: []Moment{before}, began: before.At, latencies: l, perSecond: max(1, int(time.Second/interval)), merged: 1,
	}
}

// Add adds a moment and returns its point.
func (p *Progress) Add(now Moment) Point {
	last := p.window[len(p.window)-1]
	for len(p.window) > 1 && now.At.Sub(p.window[1].At) >= 950*time.Millisecond {
		p.window = p.window[1:]
	}
	first := p.window[0]
	seconds := max(1e-9, now.At.Sub(first.At).Seconds())
	q := p.latencies.turn(p.perSecond)
	a, b := &now.Engine.Counters, &first.Engine.Counters
	at := Point{
		T: now.At.Sub(p.began).Seconds(), Acks: float64(a.AcksReceived-b.AcksReceived) / seconds,
		Certificates: float64(now.Certificates-first.Certificates) / seconds, Inbox: now.Engine.Inbox,
		Statements: now.Engine.Statements, P50: q.P50, P99: q.P99,
		EngineCPU: max(0, (now.CPU-first.CPU).Seconds()) / seconds, GeneratorCPU: (now.Generator - first.Generator).Seconds() / seconds,
		Dropped: now.Dropped - last.Dropped,
	}
	if now.Bodies != nil && first.Bodies != nil {
		at.CertifiedMB = float64(now.Bodies.Certified-first.Bodies.Certified) / 1e6 / seconds
		at.DeliveredMB = float64(now.Bodies.Delivered-first.Bodies.Delivered) / 1e6 / seconds
		at.Behind = now.Bodies.Behind
		d := p.Deliveries.turn(p.perSecond)
		at.DeliveryP50, at.DeliveryP99 = d.P50, d.P99
	}
	p.window = append(p.window, now)
	p.note(at)
	return at
}

// note adds a point to the series. When the series is full, every two points become one: the later,
// with the larger of both queues and latencies.
func (p *Progress) note(at Point) {
	if p.pending > 0 {
		end := len(p.Series) - 1
		p.Series[end] = merge(p.Series[end], at)
	} else {
		p.Series = append(p.Series, at)
	}
	if p.pending++; p.pending < p.merged {
		return
	}
	p.pending = 0
	if len(p.Series) < seriesAtMost {
		return
	}
	half := p.Series[:0]
	for i := 0; i+1 < len(p.Series); i += 2 {
		half = append(half, merge(p.Series[i], p.Series[i+1]))
	}
	p.Series, p.merged = half, 2*p.merged
}

func merge(a, b Point) Point {
	b.Inbox, b.Statements = max(a.Inbox, b.Inbox), max(a.Statements, b.Statements)
	b.P50, b.P99 = max(a.P50, b.P50), max(a.P99, b.P99)
	b.DeliveryP50, b.DeliveryP99, b.Behind = max(a.DeliveryP50, b.DeliveryP50), max(a.DeliveryP99, b.DeliveryP99), max(a.Behind, b.Behind)
	b.Dropped += a.Dropped
	return b
}

// Watch calls look at intervals until the time of the run is over, ctx ends, all messages have been
// sent or an engine has failed.
func Watch(ctx context.Context, interval, duration time.Duration, dry <-chan struct{}, failed <-chan error, look func()) (ranDry bool, failure error) {
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
