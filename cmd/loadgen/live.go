package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// frame is what a run shows while it goes on.
type frame struct {
	point
	left           time.Duration
	total          uint64 // certificates so far
	low, high, own uint64 // heights of the lanes
	lanes          []int  // how many lanes are certified up to low+i·span/len
	batch          float64
	conflicts      uint64
	faults         int
	suspects       int
	reported       uint64
}

// screen shows frames; a note says what goes on while there are none.
type screen interface {
	note(format string, args ...any)
	update(f frame)
	end()
}

// newScreen returns the view that --live asks for.
func newScreen(kind string, w io.Writer) screen {
	switch {
	case kind == "none":
		return silence{}
	case kind == "screen", kind == "auto" && isTerminal(w):
		return &liveScreen{w: w}
	}
	return &lineScreen{w: w}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

type silence struct{}

func (silence) note(string, ...any) {}
func (silence) update(frame)        {}
func (silence) end()                {}

// lineScreen prints a line a second.
type lineScreen struct {
	w    io.Writer
	last float64 // T of the last line
}

func (s *lineScreen) note(format string, args ...any) {
	say(s.w, format, args...)
	s.last = 0
}

func (s *lineScreen) update(f frame) {
	if f.T-s.last < 0.95 {
		return
	}
	s.last = f.T
	say(s.w, "%4.0fs  %7d certificates  %7.1f/s  %8.0f acks/s  queue %6d  p50 %.1f ms  p99 %.1f ms  %d dropped  %d faults",
		f.T, f.total, f.Certificates, f.Acks, f.Inbox, f.P50, f.P99, f.Dropped, f.faults)
}

func (s *lineScreen) end() {}

// liveScreen rewrites a few lines of a terminal.
type liveScreen struct {
	w     io.Writer
	lines int // that it wrote and will write over
	acks  []float64
}

func (s *liveScreen) note(format string, args ...any) {
	s.draw([]string{fmt.Sprintf(format, args...) + " …"})
}

func (s *liveScreen) update(f frame) {
	s.acks = append(s.acks, f.Acks)
	if len(s.acks) > 60 {
		s.acks = s.acks[1:]
	}
	s.draw([]string{
		fmt.Sprintf("%5.1f s, %.0f s left     engine %.2f cores, generator %.2f", f.T, f.left.Seconds(), f.EngineCPU, f.GeneratorCPU),
		fmt.Sprintf("acks/s          %9.0f  %s", f.Acks, sparkline(s.acks)),
		fmt.Sprintf("certificates/s  %9.1f  %d in all", f.Certificates, f.total),
		fmt.Sprintf("latency         p50 %.1f ms   p99 %.1f ms", f.P50, f.P99),
		fmt.Sprintf("batches of      %9.1f  %d statements waiting", f.batch, f.Statements),
		fmt.Sprintf("queue           %9d  %d sends dropped", f.Inbox, f.Dropped),
		fmt.Sprintf("lanes           height %d to %d, own %d  %s", f.low, f.high, f.own, bars(f.lanes)),
		fmt.Sprintf("faults          %d conflicts, %d errors, %d suspects, %d reported", f.conflicts, f.faults, f.suspects, f.reported),
	})
}

// draw replaces what was drawn last.
func (s *liveScreen) draw(lines []string) {
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	for _, l := range lines {
		b.WriteString("\x1b[2K" + l + "\n")
	}
	for range s.lines - len(lines) {
		b.WriteString("\x1b[2K\n")
	}
	s.lines = max(s.lines, len(lines))
	_, _ = io.WriteString(s.w, b.String())
}

func (s *liveScreen) end() { s.lines = 0 }

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

// bars draws how many lanes there are at each height, from the lowest to the highest.
func bars(counts []int) string {
	values := make([]float64, len(counts))
	for i, n := range counts {
		values[i] = float64(n)
	}
	return sparkline(values)
}

// frame puts together what is shown of a moment.
func (t *trial) frame(p point, now moment) frame {
	f := frame{point: p, left: max(0, t.duration-time.Duration(p.T*float64(time.Second))), suspects: now.engine.Suspects}
	c := &now.engine.Counters
	f.total, f.reported = c.Certificates, c.Faults
	if n := c.Certificates + c.NodesAccepted; n > 0 {
		f.batch = t.registry.meanBatch()
	}
	f.conflicts, f.faults = t.troubles.counts()
	first := true
	for _, l := range now.engine.Lanes {
		if !l.HasCertified {
			continue
		}
		if first || l.Certified < f.low {
			f.low = l.Certified
		}
		if f.high = max(f.high, l.Certified); l.Sequencer == t.subject.identity {
			f.own = l.Certified
		}
		first = false
	}
	f.lanes = make([]int, 10)
	for _, l := range now.engine.Lanes {
		if l.HasCertified {
			f.lanes[int((l.Certified-f.low)*9/max(1, f.high-f.low))]++
		}
	}
	return f
}
