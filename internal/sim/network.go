package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/wire"
)

// Network is a set of processes on virtual time.
type Network struct {
	Config
	// Stats are the counts so far.
	Stats Stats

	roster      *Roster
	random      *rand.Rand
	now         time.Duration
	queue       queue
	order       uint64 // number of events scheduled
	processes   []*process
	index       map[wire.PublicKey]int // of processes
	colluders   *colluders
	faultsEnded bool
	sides       []int // sides of a partition, by process; nil for none
	arrivals    map[way]time.Duration
	epoch       uint64
	payloads    uint32
	// holds reports whether the application of a process leaves a question about a chunk unanswered
	// until returnWaiting; nil for never. onSend is called for every message that is sent.
	// Scenarios set both.
	holds  func(process int, chunk *wire.Chunk) bool
	onSend func(from wire.PublicKey, kind messageKind, message []byte)

	observer observer
	history  *history
	err      error // the reason for which the run ended
}

// New returns a network whose processes have started. The functions in sets define epochs first.
func New(s Config, sets ...func(*Roster)) (*Network, error) {
	s.fill()
	poison.Switch(true) // a slab that is reused while a statement still reads it causes bad acks
	if s.Validators <= s.Strangers || s.Validators > s.Processes || s.Byzantine >= s.Processes || s.Strangers > s.Byzantine {
		return nil, fmt.Errorf("sim: %d processes, %d validators, %d byzantine, %d of them strangers",
			s.Processes, s.Validators, s.Byzantine, s.Strangers)
	}
	roster, err := newRoster(&s)
	if err != nil {
		return nil, err
	}
	for _, define := range sets {
		define(roster)
	}
	n := &Network{
		Config: s, roster: roster, random: rand.New(rand.NewPCG(s.Seed, 0x1A2EC457)), epoch: firstEpoch,
		index: make(map[wire.PublicKey]int), arrivals: make(map[way]time.Duration), history: newHistory(&s),
	}
	n.observer.init(n)
	n.colluders = newColluders(n, s.Byzantine)
	for i, id := range roster.ids {
		n.index[id] = i
		n.processes = append(n.processes, newProcess(n, i, id))
	}
	for _, p := range n.honest() {
		p.start()
	}
	return n, n.err
}

// honest returns the processes that run a core.
func (n *Network) honest() []*process { return n.processes[n.Byzantine:] }

// Now returns the virtual time.
func (n *Network) Now() time.Duration { return n.now }

// Close ends all background work and returns the digest of the history; zero without Config.Digest.
func (n *Network) Close() [32]byte {
	for _, p := range n.honest() {
		p.verifier.close()
		p.journal.close()
	}
	return n.history.sum()
}

// fail ends the run.
func (n *Network) fail(format string, args ...any) {
	if n.err == nil {
		n.err = fmt.Errorf("at %v: %w", n.now, fmt.Errorf(format, args...))
		n.history.line(n.now, "observer", "%v", n.err)
	}
}

// after calls do once d has passed.
func (n *Network) after(d time.Duration, do func()) {
	n.order++
	n.queue.push(event{at: n.now + d, order: n.order, do: do})
}

// upTo returns a random duration below limit.
func (n *Network) upTo(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(n.random.Int64N(int64(limit)))
}

func (n *Network) chance(percent int) bool { return percent > 0 && n.random.IntN(100) < percent }

func (n *Network) oneIn(count int) bool { return count > 0 && n.random.IntN(count) == 0 }

// hit returns chance, and counts a fault if it is true.
func (n *Network) hit(percent int, f Fault) bool {
	if n.chance(percent) {
		n.Stats.Faults[f]++
		return true
	}
	return false
}

// Run lets d pass.
func (n *Network) Run(d time.Duration) error {
	n.RunUntil(d, func() bool { return false })
	return n.err
}

// RunUntil lets time pass until done returns true, which it calls after every event, or until limit
// has passed. It reports whether done returned true; it returns false if the run has failed.
func (n *Network) RunUntil(limit time.Duration, done func() bool) bool {
	end := n.now + limit
	for n.err == nil {
		if done() {
			return true
		}
		if len(n.queue) == 0 || n.queue[0].at > end {
			n.now = end
			return false
		}
		e := n.queue.pop()
		n.now = e.at
		if e.do != nil {
			e.do()
		} else {
			n.processes[e.to].receive(&e)
		}
	}
	return false
}

// Err returns the error that ended the run, nil if none did.
func (n *Network) Err() error { return n.err }

// send sends a message from one process to another.
func (n *Network) send(from wire.PublicKey, to wire.PublicKey, kind messageKind, message []byte) {
	if n.onSend != nil {
		n.onSend(from, kind, message)
	}
	target, known := n.index[to]
	if !known {
		return
	}
	if n.sides != nil && n.sides[n.index[from]] != n.sides[target] {
		n.Stats.Faults[CutOff]++
		return
	}
	copies := 1
	switch {
	case n.hit(n.Faults.Loss, Lost):
		return
	case n.hit(n.Faults.Duplicate, Duplicated):
		copies = 2
	}
	for range copies {
		n.order++
		at := n.arrival(way{n.index[from], target})
		n.queue.push(event{at: at, order: n.order, to: target, from: from, kind: kind, message: message})
	}
}

// way is a link in one direction.
type way struct{ from, to int }

// arrival returns the arrival time of a message that is sent now.
func (n *Network) arrival(w way) time.Duration {
	var d time.Duration
	if n.Link.Normal {
		d = n.Link.Latency + time.Duration(n.random.NormFloat64()*float64(n.Link.Jitter))
		d = max(d, 0).Truncate(time.Millisecond)
	} else {
		d = n.Link.Latency - n.Link.Jitter + n.upTo(2*n.Link.Jitter+1)
	}
	if n.hit(n.Faults.Late, Delayed) {
		d += n.upTo(9 * n.Link.Latency)
	}
	at := n.now + d
	if n.Link.Normal {
		at = max(at, n.arrivals[w])
		n.arrivals[w] = at
	}
	return at
}

// Partition cuts all links between processes of different sides; side returns the side of a
// process. A nil side ends a partition.
func (n *Network) Partition(side func(process int) int) {
	n.sides = nil
	if side == nil {
		n.history.line(n.now, "network", "healed")
		n.connect(n.honest()...)
		return
	}
	n.Stats.Faults[Partitioned]++
	for i := range n.processes {
		n.sides = append(n.sides, side(i))
	}
	n.history.line(n.now, "network", "parted %v", n.sides)
}

// Enter informs every process of a new epoch, each after a random time within spread. Each learns
// the epoch's sets after a random time within late.
func (n *Network) Enter(epoch uint64, spread, late time.Duration) {
	n.epoch = epoch
	n.Stats.Faults[EpochChanged]++
	for _, p := range n.honest() {
		if d := n.upTo(late); d > 0 {
			n.Stats.Faults[SetsLate]++
			p.view.knownAt[epoch] = n.now + d
		}
		n.after(n.upTo(spread), func() { p.enter(epoch) })
	}
}

// EndFaults ends all faults except the attacks of hostile peers: links work, and no process crashes
// any more. As many validators as the others can do without still lack payloads and have signers
// that hang; all payloads of the others arrive.
func (n *Network) EndFaults() {
	n.faultsEnded, n.Faults = true, Faults{}
	n.Partition(nil)
	var blind []*process
	for _, i := range n.random.Perm(len(n.honest())) {
		p := n.honest()[i]
		if !p.lost && !p.gone && n.isValidator(p) && n.canSpare(append(blind, p)...) {
			p.blind = true
			blind = append(blind, p)
		}
	}
	for _, p := range n.honest() {
		if !p.blind && !p.down && p.halted == nil {
			p.returnWaiting()
		}
	}
}

// Height returns the highest height of a process's lane at which any process reported a lock; −1
// for none.
func (n *Network) Height(process int) int64 {
	if h, ok := n.observer.tops[n.roster.ids[process]]; ok {
		return int64(h)
	}
	return -1
}

// Known returns the highest height of a lane at which process at has reported a lock; −1 for none.
func (n *Network) Known(at, lane int) int64 {
	if h, ok := n.processes[at].tops[n.roster.ids[lane]]; ok {
		return int64(h)
	}
	return -1
}

// Lanes returns the honest processes that are sequencers in the current epoch and whose lanes have
// not ended.
func (n *Network) Lanes() (lanes []int) {
	list, _ := n.roster.epochs[n.epoch].sequencers, 0
	for _, id := range list {
		if i := n.index[id]; i >= n.Byzantine && !n.processes[i].ended && !n.processes[i].gone {
			lanes = append(lanes, i)
		}
	}
	return lanes
}

// Grow lets time pass until every honest lane of the epoch has grown by heights, and fails the run
// if limit passes before.
func (n *Network) Grow(heights int64, limit time.Duration) error {
	lanes := n.Lanes()
	want := make([]int64, len(lanes))
	for i, lane := range lanes {
		want[i] = n.Height(lane) + heights
	}
	next := 0
	grown := func() bool {
		for next < len(lanes) && n.Height(lanes[next]) >= want[next] {
			next++
		}
		return next == len(lanes)
	}
	if !n.RunUntil(limit, grown) && n.err == nil {
		n.fail("liveness: lane %d is at height %d after %v, %d wanted", lanes[next], n.Height(lanes[next]), limit, want[next])
	}
	return n.err
}
