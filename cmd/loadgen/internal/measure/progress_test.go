package measure

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
)

// momentAt returns the moment after so many seconds at 100 certificates/s and 1,000 acks/s.
func momentAt(begin time.Time, seconds float64) Moment {
	return Moment{
		At: begin.Add(time.Duration(seconds * float64(time.Second))), Certificates: uint64(100 * seconds),
		Engine: engine.Status{Counters: engine.Counters{AcksReceived: uint64(1000 * seconds)}},
	}
}

func TestRatesAreOfTheLastSecond(t *testing.T) {
	begin := time.Now()
	p := NewProgress(momentAt(begin, 0), 250*time.Millisecond, NewLatencies())
	for i := 1; i <= 8; i++ {
		if at := p.Add(momentAt(begin, float64(i)/4)); at.Certificates != 100 || at.Acks != 1000 || at.T != float64(i)/4 {
			t.Errorf("point %d: %+v", i, at)
		}
	}
	still := momentAt(begin, 2)
	still.At = begin.Add(2500 * time.Millisecond) // half a second in which nothing came
	if at := p.Add(still); at.Certificates != 50 {
		t.Errorf("after a pause: %+v", at)
	}
}

func TestALongSeriesIsThinnedAndKeepsItsPeaks(t *testing.T) {
	begin := time.Now()
	p := NewProgress(momentAt(begin, 0), time.Second, NewLatencies())
	const n = 5*seriesAtMost + 3
	for i := 1; i <= n; i++ {
		m := momentAt(begin, float64(i))
		if m.Dropped = uint64(i); i == 777 {
			m.Engine.Inbox = 4242
		}
		p.Add(m)
	}
	peak, dropped := 0, uint64(0)
	for i, at := range p.Series {
		peak, dropped = max(peak, at.Inbox), dropped+at.Dropped
		if i > 0 && at.T <= p.Series[i-1].T {
			t.Fatalf("point %d is at %v, the one before at %v", i, at.T, p.Series[i-1].T)
		}
	}
	if len(p.Series) > seriesAtMost || len(p.Series) < seriesAtMost/4 || peak != 4242 || dropped != n || p.Series[len(p.Series)-1].T != n {
		t.Errorf("%d points, peak %d, %d dropped", len(p.Series), peak, dropped)
	}
}
