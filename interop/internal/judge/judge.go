// Package judge decides whether the processes of a mixed network agreed, from the locks that each
// has written to a file, and from the last report of each.
package judge

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

// Judge collects the locks and reports of the processes of one network.
type Judge struct {
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
	late    int // number of locks reported after Judge.from
}

// New returns a judge of a network with the validators of scheme, each of which has a lane. After
// from each lane must grow at each process.
func New(scheme verify.Scheme, from time.Time) *Judge {
	return &Judge{
		scheme: scheme, lanes: scheme.Participants(), from: from, chunks: map[place]chunk{},
		processes: map[int]*process{}, different: map[string]bool{},
	}
}

// Locks takes the locks from the file of a validator's process, and verifies each certificate that
// no other process had.
func (j *Judge) Locks(validator int, r io.Reader) error {
	p := j.processes[validator]
	if p == nil {
		p = &process{lanes: map[wire.PublicKey]progress{}}
		j.processes[validator] = p
	}
	var fresh []record.Lock
	err := record.ReadLocks(r, func(l record.Lock) {
		j.see(validator, p, &l)
		name := string(l.Lock.AppendTo(nil))
		if !j.different[name] {
			j.different[name] = true
			fresh = append(fresh, l)
		}
	})
	j.verify(validator, fresh)
	return err
}

// see notes a lock, and a problem if it contradicts others.
func (j *Judge) see(validator int, p *process, l *record.Lock) {
	at := place{l.Chunk.Sequencer, l.Chunk.Height}
	known, there := j.chunks[at]
	switch {
	case !there:
		j.chunks[at] = chunk{l.Chunk.Payload, l.At}
	case known.payload != l.Chunk.Payload:
		j.conflicts = append(j.conflicts, fmt.Sprintf("validator %d: height %d of %v is %v, and before it was %v",
			validator, at.height, at.sequencer, l.Chunk.Payload, known.payload))
	case l.At.Before(known.first):
		j.chunks[at] = chunk{known.payload, l.At}
	}
	lane := p.lanes[at.sequencer]
	if lane.heights == nil {
		lane.heights = map[uint64]bool{}
	}
	lane.heights[at.height] = true
	if l.At.After(j.from) {
		lane.late++
	}
	p.lanes[at.sequencer] = lane
}

// verify verifies certificates on all processors.
func (j *Judge) verify(validator int, locks []record.Lock) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for part := range slices.Chunk(locks, max(1, (len(locks)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))) {
		all.Go(func() {
			for i := range part {
				l := &part[i]
				err := verify.VerifyCertificate(j.scheme, l.Subject(), l.Certificate)
				mu.Lock()
				if err == nil {
					j.valid++
				} else {
					j.invalid = append(j.invalid, fmt.Sprintf("validator %d: height %d of %v: %v", validator, l.Chunk.Height, l.Chunk.Sequencer, err))
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// Report takes the last report of a process.
func (j *Judge) Report(r *record.Report) {
	for why, n := range r.Refused {
		j.refusals = append(j.refusals, fmt.Sprintf("validator %d (%s): %d × %s", r.Validator, r.Library, n, why))
	}
	if len(r.Refused) > 0 {
		for _, s := range r.Samples {
			j.refusals = append(j.refusals, "  "+s)
		}
	}
	if r.Ended != "" {
		j.refusals = append(j.refusals, fmt.Sprintf("validator %d (%s): %s", r.Validator, r.Library, r.Ended))
	}
	if r.Conflicts > 0 {
		j.conflicts = append(j.conflicts, fmt.Sprintf("validator %d (%s) counted %d itself", r.Validator, r.Library, r.Conflicts))
	}
}

// Lane sums up one lane.
type Lane struct {
	Top     int64         // the highest height certified; -1 for none
	Missing int           // number of heights below it without a reported lock
	PerS    float64       // chunks per second
	Gap     time.Duration // the longest time without a new chunk
}

// Verdict is the result of the judge.
type Verdict struct {
	Lanes []Lane
	// Holes are the numbers of heights, over all lanes, that each validator's processes did not
	// report between those that they reported.
	Holes map[int]int
	// Certificates is the number of different certificates that verified.
	Certificates int
	// Problems lists all violations. Without any the network is sound.
	Problems []string
}

// Verdict returns the verdict. growing lists the lanes that must grow to the end, and running the
// validators that run then.
func (j *Judge) Verdict(growing func(lane int) bool, running func(validator int) bool) Verdict {
	v := Verdict{Holes: map[int]int{}, Certificates: j.valid}
	problem := func(what string, some []string) {
		const most = 12
		for i, s := range some {
			if i == most {
				v.Problems = append(v.Problems, fmt.Sprintf("%s: and %d more", what, len(some)-most))
				break
			}
			v.Problems = append(v.Problems, what+": "+s)
		}
	}
	problem("conflict", j.conflicts)
	problem("not valid", j.invalid)
	problem("refused", j.refusals)
	for i, id := range j.lanes {
		lane := j.lane(id)
		v.Lanes = append(v.Lanes, lane)
		for validator := range j.lanes {
			if !growing(i) || !running(validator) {
				continue
			}
			p := j.processes[validator]
			if p == nil || p.lanes[id].late == 0 {
				v.Problems = append(v.Problems, fmt.Sprintf("lane %d does not grow to the end at validator %d", i, validator))
			}
		}
	}
	for validator, p := range j.processes {
		v.Holes[validator] = p.holes()
	}
	return v
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

func (j *Judge) lane(id wire.PublicKey) (l Lane) {
	l.Top = -1
	var times []time.Time
	for at, c := range j.chunks {
		if at.sequencer == id {
			l.Top = max(l.Top, int64(at.height))
			times = append(times, c.first)
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
