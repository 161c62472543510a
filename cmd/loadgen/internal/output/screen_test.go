package output

import (
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/engine"
)

func TestALiveScreenIsDrawnOverItself(t *testing.T) {
	var b strings.Builder
	s := newScreen("screen", &b)
	s.Note("signing %d chunks", 5)
	s.Update(Frame{Point: measure.Point{T: 1, Acks: 10}, lanes: []int{0, 3, 1}, Batch: func() float64 { return 12.5 }})
	s.Update(Frame{Point: measure.Point{T: 2, Acks: 20}, Node: &NodeFrame{Own: 77, Dropped: 8}})
	s.End()
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
		s.Update(Frame{Point: measure.Point{T: float64(i+1) / 4}})
	}
	if n := strings.Count(b.String(), "\n"); n != 2 || strings.Contains(b.String(), "\x1b") {
		t.Errorf("%d lines: %q", n, b.String())
	}
}

func TestAFrameShowsWhereLanesStand(t *testing.T) {
	now := measure.Moment{Certificates: 9, Engine: engine.Status{Suspects: 2, Lanes: []engine.Lane{
		{Certified: 7, HasCertified: true}, {Certified: 3, HasCertified: true}, {}, {Certified: 5, HasCertified: true},
	}}}
	f := NewFrame(measure.Point{T: 4}, 10*time.Second, now)
	if f.low != 3 || f.high != 7 || f.lanes[0] != 1 || f.lanes[9] != 1 || f.left != 6*time.Second || f.total != 9 || f.suspects != 2 {
		t.Errorf("%+v", f)
	}
}
