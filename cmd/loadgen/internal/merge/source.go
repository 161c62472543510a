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

// source is the record of one member, up to the entries read so far.
type source struct {
	index  int // index of the member, from 0
	name   string
	file   *os.File // nil: not there yet
	reader *record.Reader
	next   *record.Entry // read but not taken in yet
	ahead  int64         // its clock minus the first member's clock, ns

	clock     string // see host.Clock
	run       proc.Agreed
	begin     int64 // begin of the merged run, by the member's clock; MaxInt64: not known
	inRun     bool  // the first moment of the run was read
	from      proc.Counters
	last      proc.Counters // counters of the latest process
	lastAt    int64         // time of last, by the member's clock
	done      proc.Counters // counts in the run of the earlier processes
	starts    int           // number of processes started in the run
	problem   proc.Problem  // faults of the latest process taken in so far
	ready     int64         // time at which a process was last connected to a quorum
	ended     *proc.Ended
	latencies *measure.Latencies // latencies of its own lane
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
		_ = s.file.Close() // the file was only read
	}
}

// total returns the counts of the member in the run.
func (s *source) total() proc.Counters {
	if !s.inRun {
		return proc.Counters{}
	}
	return s.done.Plus(s.last.Minus(s.from))
}

// started takes in the start of a process.
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

// agreed takes in the agreement on a run: earlier entries belong to another run.
func (s *source) agreed(run proc.Agreed) {
	s.run, s.inRun, s.starts, s.ended = run, false, 1, nil
	s.from, s.last, s.done = proc.Counters{}, proc.Counters{}, proc.Counters{}
}

// moment takes in the counters of a process.
func (s *source) moment(at int64, c proc.Counters) {
	if c.Begins && !s.inRun && s.run.ID != 0 {
		s.inRun, s.from = true, c
	}
	s.last, s.lastAt = c, at
}
