// Package agreement checks whether the processes of a mixed network agree: it compares the locks
// that each has written to a file, verifies their certificates, and reads the last report of each.
package agreement

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// place is one height of a lane.
type place struct {
	sequencer wire.PublicKey
	height    uint64
}

// Checker collects the locks and reports of the processes of one network.
type Checker struct {
	scheme verify.Scheme
	lanes  []wire.PublicKey
	from   time.Time // the time after which lanes must grow

	chunks    map[place]chunk
	conflicts []string
	invalid   []string
	refusals  []string
	processes map[int]*process // by validator

	different map[string]bool // certificates seen, with their subjects
	valid     int
}

// chunk is the data about a certified chunk.
type chunk struct {
	payload wire.Digest
	first   time.Time // when the first process reported it
}

// process holds the reports of one validator's processes, one after the other.
type process struct {
	lanes map[wire.PublicKey]progress
}

// progress is the growth of a lane at a process.
type progress struct {
	heights map[uint64]bool
	late    int // number of locks reported after Checker.from
}

// New returns a Checker of a network with the validators of scheme, each of which has a lane. After
// from each lane must grow at each process.
func New(scheme verify.Scheme, from time.Time) *Checker {
	return &Checker{
		scheme: scheme, lanes: scheme.Participants(), from: from, chunks: map[place]chunk{},
		processes: map[int]*process{}, different: map[string]bool{},
	}
}

// Locks takes the locks from the file of a validator's process, and verifies each certificate that
// no other process had.
func (c *Checker) Locks(validator int, r io.Reader) error {
	p := c.processes[validator]
	if p == nil {
		p = &process{lanes: map[wire.PublicKey]progress{}}
		c.processes[validator] = p
	}
	var fresh []record.Lock
	err := record.ReadLocks(r, func(l record.Lock) {
		c.see(validator, p, &l)
		name := string(l.Lock.AppendTo(nil))
		if !c.different[name] {
			c.different[name] = true
			fresh = append(fresh, l)
		}
	})
	c.verify(validator, fresh)
	return err
}

// see notes a lock, and a problem if it contradicts others.
func (c *Checker) see(validator int, p *process, l *record.Lock) {
	at := place{l.Chunk.Sequencer, l.Chunk.Height}
	known, there := c.chunks[at]
	switch {
	case !there:
		c.chunks[at] = chunk{l.Chunk.Payload, l.At}
	case known.payload != l.Chunk.Payload:
		c.conflicts = append(c.conflicts, fmt.Sprintf("validator %d: height %d of %v is %v, and before it was %v",
			validator, at.height, at.sequencer, l.Chunk.Payload, known.payload))
	case l.At.Before(known.first):
		c.chunks[at] = chunk{known.payload, l.At}
	}
	lane := p.lanes[at.sequencer]
	if lane.heights == nil {
		lane.heights = map[uint64]bool{}
	}
	lane.heights[at.height] = true
	if l.At.After(c.from) {
		lane.late++
	}
	p.lanes[at.sequencer] = lane
}

// verify verifies certificates on all processors.
func (c *Checker) verify(validator int, locks []record.Lock) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for part := range slices.Chunk(locks, max(1, (len(locks)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))) {
		all.Go(func() {
			for i := range part {
				l := &part[i]
				err := verify.VerifyCertificate(c.scheme, l.Subject(), l.Certificate)
				mu.Lock()
				if err == nil {
					c.valid++
				} else {
					c.invalid = append(c.invalid, fmt.Sprintf("validator %d: height %d of %v: %v", validator, l.Chunk.Height, l.Chunk.Sequencer, err))
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// Report takes the last report of a process.
func (c *Checker) Report(r *record.Report) {
	for why, n := range r.Refused {
		c.refusals = append(c.refusals, fmt.Sprintf("validator %d (%s): %d × %s", r.Validator, r.Library, n, why))
	}
	if len(r.Refused) > 0 {
		for _, s := range r.Samples {
			c.refusals = append(c.refusals, "  "+s)
		}
	}
	if r.Ended != "" {
		c.refusals = append(c.refusals, fmt.Sprintf("validator %d (%s): %s", r.Validator, r.Library, r.Ended))
	}
	if r.Conflicts > 0 {
		c.conflicts = append(c.conflicts, fmt.Sprintf("validator %d (%s) counted %d itself", r.Validator, r.Library, r.Conflicts))
	}
}

// Lane sums up one lane.
type Lane struct {
	Top     int64         // the highest height certified; -1 for none
	Missing int           // number of heights below it without a reported lock
	PerS    float64       // chunks per second
	Gap     time.Duration // the longest time without a new chunk
}

// Result is the result of a check.
type Result struct {
	Lanes []Lane
	// Holes are the numbers of heights, over all lanes, that each validator's processes did not
	// report between those that they reported.
	Holes map[int]int
	// Certificates is the number of different certificates that verified.
	Certificates int
	// Problems lists all violations. Without any the network is sound.
	Problems []string
}

// Result returns the result. growing lists the lanes that must grow to the end, and running the
// validators that run then.
func (c *Checker) Result(growing func(lane int) bool, running func(validator int) bool) Result {
	r := Result{Holes: map[int]int{}, Certificates: c.valid}
	problem := func(what string, some []string) {
		const most = 12
		for i, s := range some {
			if i == most {
				r.Problems = append(r.Problems, fmt.Sprintf("%s: and %d more", what, len(some)-most))
				break
			}
			r.Problems = append(r.Problems, what+": "+s)
		}
	}
	problem("conflict", c.conflicts)
	problem("not valid", c.invalid)
	problem("refused", c.refusals)
	for i, id := range c.lanes {
		lane := c.lane(id)
		r.Lanes = append(r.Lanes, lane)
		for validator := range c.lanes {
			if !growing(i) || !running(validator) {
				continue
			}
			p := c.processes[validator]
			if p == nil || p.lanes[id].late == 0 {
				r.Problems = append(r.Problems, fmt.Sprintf("lane %d does not grow to the end at validator %d", i, validator))
			}
		}
	}
	for validator, p := range c.processes {
		r.Holes[validator] = p.holes()
	}
	return r
}

// holes counts the missing heights between those reported.
func (p *process) holes() (n int) {
	for _, lane := range p.lanes {
		least, most := uint64(1<<63), uint64(0)
		for h := range lane.heights {
			least, most = min(least, h), max(most, h)
		}
		n += int(most-least) + 1 - len(lane.heights)
	}
	return n
}

func (c *Checker) lane(id wire.PublicKey) (l Lane) {
	l.Top = -1
	var times []time.Time
	for at, chunk := range c.chunks {
		if at.sequencer == id {
			l.Top = max(l.Top, int64(at.height))
			times = append(times, chunk.first)
		}
	}
	if len(times) == 0 {
		return l
	}
	l.Missing = int(l.Top) + 1 - len(times)
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		l.Gap = max(l.Gap, times[i].Sub(times[i-1]))
	}
	if whole := times[len(times)-1].Sub(times[0]).Seconds(); whole > 0 {
		l.PerS = float64(len(times)-1) / whole
	}
	return l
}
