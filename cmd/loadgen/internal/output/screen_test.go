package output

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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

func TestAFileThatIsNoTerminalGetsALineASecond(t *testing.T) {
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

func TestFramesOfBodiesShowTheirThroughputAndDelivery(t *testing.T) {
	now := measure.Moment{Bodies: &measure.BodyTotals{}}
	f := NewFrame(measure.Point{T: 4, CertifiedMB: 81.5, DeliveredMB: 79.25, DeliveryP50: 12, DeliveryP99: 34.5, Behind: 6}, 10*time.Second, now)
	for kind, wants := range map[string][]string{
		"lines":  {"79.2 MB/s everywhere", "delivery p50 12.0 ms  p99 34.5 ms", "6 behind"},
		"screen": {"81.5 MB/s certified, 79.2 delivered everywhere", "p50 12.0 ms   p99 34.5 ms   6 chunks behind"},
	} {
		var b strings.Builder
		newScreen(kind, &b).Update(f)
		for _, want := range wants {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in %q", want, b.String())
			}
		}
	}
}

// display is a terminal that interprets the output of a screen. It breaks lines that are too long
// and, like most terminals, breaks them again when it is resized.
type display struct {
	width int
	lines []string // as written, without the last line feed
}

func (d *display) Write(b []byte) (int, error) {
	text := string(b)
	var up int
	if n, err := fmt.Sscanf(text, "\x1b[%dA\r\x1b[J", &up); n == 1 && err == nil {
		rows := 0
		for rows < up && len(d.lines) > 0 {
			rows += d.rows(d.lines[len(d.lines)-1])
			d.lines = d.lines[:len(d.lines)-1]
		}
		if rows != up {
			return 0, fmt.Errorf("the cursor went up %d rows, into a line of %d", up, rows)
		}
		text = text[strings.Index(text, "J")+1:]
	}
	if strings.Contains(text, "\x1b") || !strings.HasSuffix(text, "\n") {
		return 0, fmt.Errorf("not understood: %q", text)
	}
	d.lines = append(d.lines, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	return len(b), nil
}

func (d *display) rows(line string) int {
	return 1 + max(0, utf8.RuneCountInString(line)-1)/d.width
}

// full is a frame with a large number everywhere.
func full(seconds float64) Frame {
	return Frame{
		Point: measure.Point{T: seconds, Acks: 1234567 + seconds*1000, Certificates: 98765.4, Inbox: 4000000, Statements: 100000, P50: 12345.6, P99: 60000.1, EngineCPU: 63.99, GeneratorCPU: 31.5},
		left:  100 * time.Minute, total: 123456789, low: 1234567, high: 1234599, lanes: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		Batch: func() float64 { return 61.5 }, Conflicts: 3, Errors: 12, suspects: 30, reported: 4321, Node: &NodeFrame{Own: 1234570, Dropped: 99999999},
	}
}

func TestALiveScreenFitsItsTerminalAlsoWhenThatIsNarrowed(t *testing.T) {
	for _, widths := range [][]int{{60}, {80}, {100}, {100, 60}, {120, 40, 100}, {30}} {
		d := &display{width: widths[0]}
		s := &liveScreen{w: d, width: func() int { return d.width }}
		d.lines = []string{"a line of before"}
		s.Note("signing %d chunks with %d acks each", 123456, 99)
		for i := range 60 * len(widths) {
			d.width = widths[i/60]
			s.Update(full(float64(i)))
		}
		if got, want := strings.Join(d.lines[1:], "\n"), strings.Join(s.drawn, "\n"); got != want || d.lines[0] != "a line of before" {
			t.Errorf("at %v columns there is:\n%s\nwant:\n%s", widths, strings.Join(d.lines, "\n"), want)
		}
		for _, l := range s.drawn {
			if n := utf8.RuneCountInString(l); n >= d.width {
				t.Errorf("%d columns of %d: %q", n, d.width, l)
			}
		}
		t.Logf("at %v columns:\n%s", widths, strings.Join(d.lines, "\n"))
	}
}

func TestANoteAfterAFrameLeavesNoBlankLines(t *testing.T) {
	d := &display{width: 80}
	s := &liveScreen{w: d, width: func() int { return d.width }}
	s.Update(full(1))
	s.Note("verifying a sample of the certificates, and calibrating again")
	s.End()
	if len(d.lines) != 1 || strings.TrimSpace(d.lines[0]) == "" {
		t.Errorf("%q", d.lines)
	}
}
