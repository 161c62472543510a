package node

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// underWay is the time for which a due message or chunk does not count as late: at any moment some
// are under way.
const underWay = 50 * time.Millisecond

// leastServed is the part of the offered acks that a good run must have taken, and of the due
// chunks that it must have certified from their acks or certificate messages.
const leastServed = 0.99

// offers counts the outcomes of the chunks offered in the measured time. In an open run each chunk
// that was due counts: as certified here, with its latency; as learned from the certificate in the
// next node of its lane, which a network does not send before that chunk is certified; or as
// unfinished. The last two count with the time until the end of the run: otherwise percentiles
// would fall as the load rises above the engine's capacity.
type offers struct {
	phaseOf func(due time.Duration) (phase int, measured bool)
	whole   *measure.Latencies

	mu     sync.Mutex
	ended  bool
	phases []*phaseOffers
	locks  [][]bool // by lane and height: a lock was reported
	// doubtful are the chunks that were locked after the next node of their lane had been
	// delivered, with the certificate that this node carries, on lanes with acks: a certificate
	// message carries the same. The engine's counters show at the end how many of them it had from
	// that node.
	doubtful []locked
}

// phaseOffers are the offers of one phase.
type phaseOffers struct {
	latencies                      *measure.Latencies
	certified, learned, unfinished uint64
}

func (p *phaseOffers) due() uint64 { return p.certified + p.learned + p.unfinished }

// locked is the time at which a chunk was due and at which it was locked, both since the generator
// began.
type locked struct{ due, at time.Duration }

func (l locked) wait() time.Duration { return l.at - l.due }

// newOffers returns offers on lanes with so many heights.
func newOffers(lanes, heights, phases int, phaseOf func(time.Duration) (int, bool)) *offers {
	o := &offers{phaseOf: phaseOf, whole: measure.NewLatencies(), locks: make([][]bool, lanes)}
	for l := range o.locks {
		o.locks[l] = make([]bool, heights)
	}
	for range phases {
		o.phases = append(o.phases, &phaseOffers{latencies: measure.NewLatencies()})
	}
	return o
}

// lock handles the lock of a chunk.
func (o *offers) lock(lane int, height uint64, l locked, doubtful bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return
	case doubtful:
		o.doubtful = append(o.doubtful, l)
	default:
		o.certified(l)
	}
	o.locks[lane][height] = true
}

// certified counts a chunk that was certified here. o.mu must be held.
func (o *offers) certified(l locked) {
	if p := o.record(l.due, l.wait()); p != nil {
		p.certified++
	}
}

// record records the latency of a chunk, and returns its phase; nil if it was not due in the
// measured time. o.mu must be held.
func (o *offers) record(due, wait time.Duration) *phaseOffers {
	i, ok := o.phaseOf(due)
	if !ok {
		return nil
	}
	o.whole.Record(wait)
	o.phases[i].latencies.Record(wait)
	return o.phases[i]
}

// conclude ends the count. learned is the number of chunks that the engine learned from their
// successors; the chunks that waited longest are counted as these. due returns when a chunk was
// due, and false if it was not.
func (o *offers) conclude(end time.Duration, learned uint64, due func(lane, height int) (time.Duration, bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	slices.SortFunc(o.doubtful, func(a, b locked) int { return cmp.Compare(b.wait(), a.wait()) })
	n := int(min(learned, uint64(len(o.doubtful))))
	for _, l := range o.doubtful[:n] {
		if p := o.record(l.due, end-l.due); p != nil {
			p.learned++
		}
	}
	for _, l := range o.doubtful[n:] {
		o.certified(l)
	}
	for lane, heights := range o.locks {
		for height, reported := range heights {
			if reported {
				continue
			}
			at, ok := due(lane, height)
			if !ok || end-at < underWay {
				continue
			}
			if p := o.record(at, end-at); p != nil {
				p.unfinished++
			}
		}
	}
}

// sum returns the offers of all phases together, without latencies.
func (o *offers) sum() (all phaseOffers) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.phases {
		all.certified += p.certified
		all.learned += p.learned
		all.unfinished += p.unfinished
	}
	return all
}

// laneOffset returns the number of acks by which a lane is behind lane 0: chunks then complete
// evenly, and not all at once.
func laneOffset(lane, lanes, round int) int { return lane * round / lanes }

// offeredAcks returns the number of acks that an open run with so many lanes, and so many acks to a
// chunk, has offered before a time.
func (s *schedule) offeredAcks(t time.Duration, lanes, round int) uint64 {
	due := s.count(t)
	var n uint64
	for l := range lanes {
		if steps := math.Ceil((due-float64(l))/float64(lanes)) - float64(laneOffset(l, lanes, round)); steps > 0 {
			n += uint64(steps)
		}
	}
	return n
}

// chunkDue returns when ack i of the chunk at a height is due.
func (s *schedule) chunkDue(lane, lanes, round, height, i int) time.Duration {
	step := laneOffset(lane, lanes, round) + height*round + i
	return s.due(float64(step)*float64(lanes) + float64(lane))
}

// nominalDue returns when a chunk of an open run is due by the schedule: a chunk of the own lane
// when it may be proposed, any other at about the time of the ack that completes a quorum.
func (g *generator) nominalDue(lane, height int) time.Duration {
	ack := g.quorum
	if lane == 0 {
		ack = 0
	}
	return g.schedule.chunkDue(lane, len(g.lanes), g.population.acksPerRound(), height, ack)
}

// dueAt returns when a chunk was due in an open run: when it was sent, or else by the schedule.
func (g *generator) dueAt(lane, height int) time.Duration {
	if due := g.due[lane][height].Load(); due > 0 {
		return time.Duration(due)
	}
	return g.nominalDue(lane, height)
}
