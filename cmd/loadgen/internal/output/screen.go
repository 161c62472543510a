package output

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// Frame holds the figures shown at one moment of a run.
type Frame struct {
	measure.Point
	left      time.Duration
	total     uint64         // certificates so far
	low, high uint64         // heights of the lanes
	lanes     []int          // number of lanes that are certified up to low+i·span/len
	Batch     func() float64 // mean size; nil if it is not known
	Conflicts uint64
	Errors    int
	suspects  int
	reported  uint64
	Node      *NodeFrame // nil in a cluster
	Bodies    bool       // chunks have bodies
}

// NodeFrame holds the further figures of node mode.
type NodeFrame struct {
	Own     uint64 // height of the engine's own lane
	Dropped uint64 // sends, in all
}

// NewFrame returns the frame of a moment.
func NewFrame(p measure.Point, duration time.Duration, now measure.Moment) Frame {
	f := Frame{
		Point: p, left: max(0, duration-time.Duration(p.T*float64(time.Second))), total: now.Certificates,
		suspects: now.Engine.Suspects, reported: now.Engine.Counters.Faults, lanes: make([]int, 10), Bodies: now.Bodies != nil,
	}
	first := true
	for _, l := range now.Engine.Lanes {
		if !l.HasCertified {
			continue
		}
		if first || l.Certified < f.low {
			f.low = l.Certified
		}
		f.high, first = max(f.high, l.Certified), false
	}
	for _, l := range now.Engine.Lanes {
		if l.HasCertified {
			f.lanes[int((l.Certified-f.low)*9/max(1, f.high-f.low))]++
		}
	}
	return f
}

// Screen shows frames, and notes between them.
type Screen interface {
	Note(format string, args ...any)
	Update(f Frame)
	End()
}

// newScreen returns the screen selected by --live.
func newScreen(kind string, w io.Writer) Screen {
	switch {
	case kind == "none":
		return noScreen{}
	case kind == "screen", kind == "auto" && isTerminal(w):
		return &liveScreen{w: w, width: func() int { return widthOf(w) }}
	}
	return &lineScreen{w: w}
}

// terminal is the part of a terminal's file that a screen uses.
type terminal interface {
	io.Writer
	Stat() (os.FileInfo, error)
	Name() string
	Fd() uintptr
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(terminal)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// widthOf returns the current width of a terminal in columns, or a usual width.
func widthOf(w io.Writer) int {
	if f, ok := w.(terminal); ok {
		if n := terminalWidth(f.Fd()); n > 0 {
			return n
		}
	}
	return cli.Width
}

type noScreen struct{}

func (noScreen) Note(string, ...any) {}
func (noScreen) Update(Frame)        {}
func (noScreen) End()                {}

// lineScreen prints a line a second.
type lineScreen struct {
	w    io.Writer
	last float64 // T of the last line
}

func (s *lineScreen) Note(format string, args ...any) {
	cli.Say(s.w, format, args...)
	s.last = 0
}

func (s *lineScreen) Update(f Frame) {
	if f.T-s.last < 0.95 {
		return
	}
	s.last = f.T
	more := ""
	if f.Node != nil {
		more = fmt.Sprintf("  queue %d  %d dropped", f.Inbox, f.Node.Dropped)
	}
	if f.Bodies {
		cli.Say(s.w, "%4.0fs  %7d certificates  %7.1f/s  %7.1f MB/s everywhere  delivery p50 %.1f ms  p99 %.1f ms  %d behind  %d conflicts  %d errors",
			f.T, f.total, f.Certificates, f.DeliveredMB, f.DeliveryP50, f.DeliveryP99, f.Behind, f.Conflicts, f.Errors)
		return
	}
	cli.Say(s.w, "%4.0fs  %7d certificates  %7.1f/s  %8.0f acks/s  p50 %.1f ms  p99 %.1f ms  %d conflicts  %d errors%s",
		f.T, f.total, f.Certificates, f.Acks, f.P50, f.P99, f.Conflicts, f.Errors, more)
}

func (s *lineScreen) End() {}

// liveScreen rewrites a few lines of a terminal.
type liveScreen struct {
	w     io.Writer
	width func() int // of the terminal, now
	drawn []string   // the lines that it wrote and will overwrite
	acks  []float64

	batch   float64 // as of T = batchAt
	batchAt float64
}

func (s *liveScreen) Note(format string, args ...any) {
	s.draw([]string{fmt.Sprintf(format, args...) + " …"})
	s.acks, s.batchAt = nil, 0
}

func (s *liveScreen) Update(f Frame) {
	s.acks = append(s.acks, f.Acks)
	// As many as fit behind the number.
	if most := max(1, min(48, s.width()-28)); len(s.acks) > most {
		s.acks = s.acks[len(s.acks)-most:]
	}
	if f.Batch != nil && f.T-s.batchAt > 0.95 {
		s.batch, s.batchAt = f.Batch(), f.T
	}
	cores, lost, own := fmt.Sprintf("%.2f cores", f.EngineCPU), "", ""
	if f.Node != nil {
		cores = fmt.Sprintf("engine %.2f cores, generator %.2f", f.EngineCPU, f.GeneratorCPU)
		lost, own = fmt.Sprintf("  %d sends dropped", f.Node.Dropped), fmt.Sprintf(", own %d", f.Node.Own)
	}
	lines := []string{
		fmt.Sprintf("%5.1f s, %.0f s left     %s", f.T, f.left.Seconds(), cores),
		fmt.Sprintf("acks/s          %9.0f  %s", f.Acks, sparkline(s.acks)),
		fmt.Sprintf("certificates/s  %9.1f  %d in all", f.Certificates, f.total),
		fmt.Sprintf("latency         p50 %.1f ms   p99 %.1f ms", f.P50, f.P99),
		fmt.Sprintf("batches of      %9.1f  %d statements waiting", s.batch, f.Statements),
		fmt.Sprintf("queue           %9d%s", f.Inbox, lost),
		fmt.Sprintf("lanes           height %d to %d%s  %s", f.low, f.high, own, bars(f.lanes)),
		fmt.Sprintf("faults          %d conflicts, %d errors, %d suspects, %d reported", f.Conflicts, f.Errors, f.suspects, f.reported),
	}
	if f.Bodies {
		lines = slices.Insert(lines, 4,
			fmt.Sprintf("bodies          %9.1f MB/s certified, %.1f delivered everywhere", f.CertifiedMB, f.DeliveredMB),
			fmt.Sprintf("delivery        p50 %.1f ms   p99 %.1f ms   %d chunks behind", f.DeliveryP50, f.DeliveryP99, f.Behind))
	}
	s.draw(lines)
}

// draw replaces the lines drawn last. Lines are folded to the width of the terminal. If the
// terminal was narrowed since they were drawn, those that are now too long take several rows.
func (s *liveScreen) draw(lines []string) {
	width := max(20, s.width()-1)
	rows := 0
	for _, l := range s.drawn {
		rows += 1 + max(0, utf8.RuneCountInString(l)-1)/(width+1)
	}
	s.drawn = nil
	for _, l := range lines {
		s.drawn = append(s.drawn, cli.Fold(l, width, 16)...)
	}
	up := ""
	if rows > 0 {
		up = fmt.Sprintf("\x1b[%dA\r\x1b[J", rows) // up, and clear all below
	}
	_, _ = io.WriteString(s.w, up+strings.Join(s.drawn, "\n")+"\n")
}

func (s *liveScreen) End() { s.drawn = nil }

var levels = []rune("▁▂▃▄▅▆▇█")

// sparkline draws values against the largest of them.
func sparkline(values []float64) string {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		if most > 0 {
			b.WriteRune(levels[min(len(levels)-1, int(v/most*float64(len(levels))))])
		}
	}
	return b.String()
}

// bars draws the number of lanes at each height, from the lowest to the highest.
func bars(counts []int) string {
	values := make([]float64, len(counts))
	for i, n := range counts {
		values[i] = float64(n)
	}
	return sparkline(values)
}
