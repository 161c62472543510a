package merge

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/wire"
)

// source is the record of one member, as far as it was read.
type source struct {
	index  int // of the member, from 0
	name   string
	file   *os.File // nil: not there yet
	reader *record.Reader
	next   *record.Entry // read, and not taken yet
	ahead  int64         // its times less this are those of the first member's clock, ns

	clock     string // see host.Clock
	run       proc.Agreed
	begin     int64 // of the run that is merged, by the member's clock; MaxInt64 as long as it is not known
	inRun     bool  // its first moment of the run was read
	from      proc.Counters
	last      proc.Counters // of the process that ran last
	lastAt    int64         // when that was, by the member's clock
	done      proc.Counters // in the run, of the processes before
	starts    int           // in the run
	problem   proc.Problem  // of the process that ran last, as it was taken in
	ready     int64         // when a process was connected to a quorum last
	ended     *proc.Ended
	latencies *measure.Latencies // of its own lane
	seen      map[wire.PublicKey]uint64
}

func newSource(index int, name string) *source {
	return &source{index: index, name: name, begin: math.MaxInt64, latencies: measure.NewLatencies(), seen: make(map[wire.PublicKey]uint64)}
}

// peek returns the next entry, nil if there is none yet.
func (s *source) peek() (*record.Entry, error) {
	if s.next != nil {
		return s.next, nil
	}
	if s.file == nil {
		f, err := os.Open(s.name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s.file, s.reader = f, record.NewReader(f)
	}
	e, err := s.reader.Next()
	switch {
	case err == nil:
		s.next = &e
		return s.next, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", s.name, err)
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // it was read only
	}
}

// total is what the member has counted in the run.
func (s *source) total() proc.Counters {
	if !s.inRun {
		return proc.Counters{}
	}
	return s.done.Plus(s.last.Minus(s.from))
}

// started takes in that a process has started.
func (s *source) started(e proc.Started) {
	if s.inRun {
		s.done = s.total()
		s.from, s.last = proc.Counters{}, proc.Counters{}
	}
	if s.run.ID != 0 && s.ended == nil {
		s.starts++
	}
	s.clock, s.problem = e.Clock, proc.Problem{}
}

// agreed takes in that a run was agreed on: what was before is of another.
func (s *source) agreed(run proc.Agreed) {
	s.run, s.inRun, s.starts, s.ended = run, false, 1, nil
	s.from, s.last, s.done = proc.Counters{}, proc.Counters{}, proc.Counters{}
}

// moment takes in what a process has counted.
func (s *source) moment(at int64, c proc.Counters) {
	if c.Begins && !s.inRun && s.run.ID != 0 {
		s.inRun, s.from = true, c
	}
	s.last, s.lastAt = c, at
}
