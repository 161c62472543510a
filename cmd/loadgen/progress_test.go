package main

import (
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
)

// momentAt returns the moment after so many seconds at 100 certificates/s and 1,000 acks/s.
func momentAt(begin time.Time, seconds float64) moment {
	return moment{
		at: begin.Add(time.Duration(seconds * float64(time.Second))), certificates: uint64(100 * seconds),
		engine: engine.Status{Counters: engine.Counters{AcksReceived: uint64(1000 * seconds)}},
	}
}

func TestRatesAreOfTheLastSecond(t *testing.T) {
	begin := time.Now()
	p := newProgress(momentAt(begin, 0), 250*time.Millisecond, newLatencies())
	for i := 1; i <= 8; i++ {
		if at := p.add(momentAt(begin, float64(i)/4)); at.Certificates != 100 || at.Acks != 1000 || at.T != float64(i)/4 {
			t.Errorf("point %d: %+v", i, at)
		}
	}
	still := momentAt(begin, 2)
	still.at = begin.Add(2500 * time.Millisecond) // half a second in which nothing came
	if at := p.add(still); at.Certificates != 50 {
		t.Errorf("after a pause: %+v", at)
	}
}

func TestALongSeriesIsThinnedAndKeepsItsPeaks(t *testing.T) {
	begin := time.Now()
	p := newProgress(momentAt(begin, 0), time.Second, newLatencies())
	const n = 5*seriesAtMost + 3
	for i := 1; i <= n; i++ {
		m := momentAt(begin, float64(i))
		if m.dropped = uint64(i); i == 777 {
			m.engine.Inbox = 4242
		}
		p.add(m)
	}
	peak, dropped := 0, uint64(0)
	for i, at := range p.series {
		peak, dropped = max(peak, at.Inbox), dropped+at.Dropped
		if i > 0 && at.T <= p.series[i-1].T {
			t.Fatalf("point %d is at %v, the one before at %v", i, at.T, p.series[i-1].T)
		}
	}
	if len(p.series) > seriesAtMost || len(p.series) < seriesAtMost/4 || peak != 4242 || dropped != n || p.series[len(p.series)-1].T != n {
		t.Errorf("%d points, peak %d, %d dropped", len(p.series), peak, dropped)
	}
}

func TestALiveScreenIsDrawnOverItself(t *testing.T) {
	var b strings.Builder
	s := newScreen("screen", &b)
	s.note("signing %d chunks", 5)
	s.update(frame{point: point{T: 1, Acks: 10}, lanes: []int{0, 3, 1}, batch: func() float64 { return 12.5 }})
	s.update(frame{point: point{T: 2, Acks: 20}, node: &nodeFrame{own: 77, dropped: 8}})
	s.end()
	for _, want := range []string{"signing 5 chunks …", "\x1b[8A", "acks/s", "faults", "12.5", "own 77", "8 sends dropped"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
}

func TestWhatIsNoTerminalGetsALineASecond(t *testing.T) {
	var b strings.Builder
	s := newScreen("auto", &b)
	for i := range 8 {
		s.update(frame{point: point{T: float64(i+1) / 4}})
	}
	if n := strings.Count(b.String(), "\n"); n != 2 || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%d lines: %q", n, b.String())
	}
}

func TestAFrameShowsWhereLanesStand(t *testing.T) {
	now := moment{certificates: 9, engine: engine.Status{Suspects: 2, Lanes: []engine.Lane{
		{Certified: 7, HasCertified: true}, {Certified: 3, HasCertified: true}, {}, {Certified: 5, HasCertified: true},
	}}}
	f := newFrame(point{T: 4}, 10*time.Second, now)
	if f.low != 3 || f.high != 7 || f.lanes[0] != 1 || f.lanes[9] != 1 || f.left != 6*time.Second || f.total != 9 || f.suspects != 2 {
		t.Errorf("%+v", f)
	}
}
