package node

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
	"github.com/lanecast/lanecast/engine"
)

// generator plays all validators and sequencers except the node under test: it delivers their nodes
// and acks, in one of two ways.
//
// Closed: the next chunk of a lane begins when the node has certified the last chunk and sent its
// own ack for it. So the node is always busy and never flooded, and its throughput is the number of
// messages that it takes. (Without the condition on its ack, a lane would often go on before the
// node could sign one, at a rate that no network of such nodes could keep up.) Open: the schedule
// fixes beforehand when each ack is due. The ack is sent then or as soon as possible, whatever the
// node does; a message whose peer has used up its quota is dropped and counted. Latency runs from
// when an ack was due, not from when it was sent: otherwise a stall would delay its own measurement
// (coordinated omission).
//
// On the node's own lane, chunks are acked when the node sends them. In an open run it may propose
// a chunk no earlier than the schedule, and the chunk is due at that time whether it was proposed
// or not: a proposal that is late, because the previous chunk was certified late, delays its chunk
// by the same time.
//
// With acks to the sequencer the node gets acks on its own lane only. On each other lane it gets
// the certificate, in an open run when the ack that completes a quorum would have been due: so a
// rate means the same chunks per second for any recipients of acks. Validators that play attackers
// send an invalid certificate of each such chunk before the valid one. The valid certificates of an
// attacker's own lane come from another validator: the engine takes few from the attacker, which
// would slow down only the attacker's lane.
type generator struct {
	node       *nodeUnderTest
	population *population
	lanes      []*presign.Lane
	peers      []*engine.Peer // of the validators, by participant; nil for the node under test
	sequencers []*engine.Peer // by lane
	carriers   []*engine.Peer // by lane: the peer that sends the certificates; nil if acks go to all
	quota      int
	seed       uint64

	began    time.Time
	schedule *schedule // nil: closed
	done     chan struct{}
	stopOnce sync.Once
	group    sync.WaitGroup

	// due[l][h] is the time at which a quorum could first exist for a chunk, in ns since began; 0
	// until then. Written by the lane's feeder before it sends the completing ack or the
	// certificate, read by the reporter.
	due       [][]atomic.Int64
	ready     chan int       // lanes whose next chunk may begin, closed runs only
	missing   []atomic.Int32 // by lane: how many of lock and ack the node must still produce for that
	acked     []int64        // by lane: one above the height last acked; used by the goroutine that sends
	room      chan struct{}
	next      []atomic.Int64 // by lane: the next height, or the one under way
	own       chan int64     // heights of the own lane that the node sent
	ownLate   atomic.Int64   // delay of the proposal of the own lane's chunk, in ns, open runs only
	delivered []atomic.Int64 // by lane: the highest height whose node was delivered, −1 for none
	dry       chan struct{}  // closed when a lane has nothing left to send
	dryOnce   sync.Once
	certified func(lane int, height uint64, l locked, doubtful bool)

	feeders []*feeder
	dropped atomic.Uint64
	bytes   atomic.Uint64 // bytes that the engine took
	taken   atomic.Int64  // acks that the engine took; with certificates instead, the acks that these stand for
	quorum  int           // approximate index of the ack of a chunk that completes a quorum
	behind  atomic.Int64  // the longest time between an ack's due time and its sending, in ns
}

// feeder is one goroutine that delivers messages. It has a thread of its own, whose CPU time can be
// measured.
type feeder struct {
	*generator
	random  *rand.Rand
	message []byte
	acks    []sending
	before  time.Duration // CPU time that its thread had used for other work when it began
	cpu     atomic.Int64  // ns since then
}

func newGenerator(cfg *Config, set *presign.Set, u *nodeUnderTest, p *population, sched *schedule) *generator {
	g := &generator{
		node: u, population: p, lanes: u.lanes, quota: cfg.quota(len(u.peers)), seed: cfg.Seed, schedule: sched,
		done: make(chan struct{}), own: make(chan int64, 1), dry: make(chan struct{}),
		ready: make(chan int, len(u.lanes)), missing: make([]atomic.Int32, len(u.lanes)),
		acked: make([]int64, len(u.lanes)), next: make([]atomic.Int64, len(u.lanes)),
	}
	g.delivered = make([]atomic.Int64, len(u.lanes))
	for l := range g.delivered {
		g.delivered[l].Store(-1)
	}
	_, g.quorum = p.round(nil, rand.New(rand.NewPCG(cfg.Seed, 0x71756f)), 1)
	inFlight := cfg.inFlight
	if inFlight == 0 {
		inFlight = len(u.lanes)
	}
	g.room = make(chan struct{}, inFlight)
	for _, id := range set.Identities() {
		g.peers = append(g.peers, u.peers[id])
	}
	for _, l := range u.lanes {
		g.sequencers = append(g.sequencers, u.peers[l.Sequencer])
		g.due = append(g.due, make([]atomic.Int64, l.Heights()))
	}
	if cfg.AcksToSequencer() {
		g.carriers = p.carriers(g.peers, g.sequencers)
	}
	u.proposal, u.broadcasted, u.acked, u.locked = g.mayPropose, g.answer, g.ack, g.lock
	feeders := max(1, min(cfg.feeders, len(u.lanes)-1))
	for i := range feeders + 1 { // the last is for the own lane
		f := &feeder{generator: g, random: rand.New(rand.NewPCG(cfg.Seed, uint64(i)))}
		g.feeders = append(g.feeders, f)
	}
	return g
}

// start begins to deliver.
func (g *generator) start() {
	g.began = time.Now()
	close(g.node.open)
	last := len(g.feeders) - 1
	for i, f := range g.feeders {
		work := f.feedClosed
		switch {
		case i == last:
			work = f.feedOwn
		case g.schedule != nil:
			work = func() { f.feedOpen(i, last) }
		}
		g.group.Go(func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			f.before = host.ThreadCPU()
			profile.Labelled("generator", work)
			f.account()
		})
	}
	if g.schedule == nil {
		for l := 1; l < len(g.lanes); l++ {
			g.ready <- l
		}
	}
}

// stop ends delivery and waits for the feeders.
func (g *generator) stop() {
	g.stopOnce.Do(func() { close(g.done) })
	g.group.Wait()
}

// cpu returns the CPU time of all feeders, as each last stored it.
func (g *generator) cpu() (total time.Duration) {
	for _, f := range g.feeders {
		total += time.Duration(f.cpu.Load())
	}
	return total
}

func (f *feeder) account() { f.cpu.Store(int64(host.ThreadCPU() - f.before)) }

// pause sleeps. It returns false when the feeder should end.
func (f *feeder) pause(d time.Duration) bool {
	f.account()
	select {
	case <-f.done:
		return false
	default:
	}
	if d > 0 {
		time.Sleep(min(d, 20*time.Millisecond))
	}
	return true
}

func (g *generator) runDry() { g.dryOnce.Do(func() { close(g.dry) }) }

// mayPropose returns at once in a closed run, and at the time that the schedule gives in an open
// one.
func (g *generator) mayPropose(ctx context.Context, height uint64) error {
	if g.schedule == nil {
		return nil
	}
	ahead := g.nominalDue(0, int(height)) - time.Since(g.began)
	g.ownLate.Store(max(0, -int64(ahead)))
	select {
	case <-time.After(ahead):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer is called when the node has sent its chunk of a height.
func (g *generator) answer(height int64) {
	select {
	case g.own <- height:
	case <-g.done:
	}
}

// ack is called when the node has sent its ack for a chunk, perhaps again.
func (g *generator) ack(lane int, height uint64) {
	if h := int64(height); h >= g.acked[lane] {
		g.acked[lane] = h + 1
		g.goOn(lane)
	}
}

// lock is called when a chunk was certified.
func (g *generator) lock(lane int, height uint64, certificate []byte) {
	if due := time.Duration(g.due[lane][height].Load()); g.certified != nil && due > 0 {
		doubtful := !g.certifies(lane) && g.delivered[lane].Load() > int64(height) && bytes.Equal(certificate, g.lanes[lane].Certificate(height))
		g.certified(lane, height, locked{due, time.Duration(since(g.began))}, doubtful)
	}
	g.goOn(lane)
}

// goOn begins the next chunk of a lane in a closed run, if the node has certified and acked the
// last one.
func (g *generator) goOn(lane int) {
	if g.schedule != nil || lane == 0 || g.missing[lane].Add(-1) > 0 {
		return
	}
	select {
	case <-g.room:
	default:
	}
	if next := g.next[lane].Add(1); next < int64(g.lanes[lane].Heights()) {
		g.ready <- lane
		return
	}
	g.runDry()
}

// feedClosed delivers whole chunks, one after another, as lanes become ready and there is room.
func (f *feeder) feedClosed() {
	for {
		f.account()
		select {
		case f.room <- struct{}{}:
		case <-f.done:
			return
		}
		select {
		case l := <-f.ready:
			if !f.chunk(l, int(f.next[l].Load())) {
				return
			}
		case <-f.done:
			return
		}
	}
}

// feedOwn acks the node's own chunks.
func (f *feeder) feedOwn() {
	for {
		f.account()
		select {
		case h := <-f.own:
			if !f.chunk(0, int(h)) {
				return
			}
			if int(h) == f.lanes[0].Heights()-1 && f.schedule == nil && len(f.lanes) == 1 {
				f.runDry()
			}
		case <-f.done:
			return
		}
	}
}

// chunk delivers the node and the acks or the certificate of one height of a lane at once, but
// waits where a full quota would refuse a message. It returns false when the feeder must end.
func (f *feeder) chunk(l, height int) bool {
	if l > 0 {
		f.missing[l].Store(2)
		if !f.hold(f.sequencers[l]) {
			return false
		}
		f.node(l, height)
	}
	if f.certifies(l) {
		return f.certificate(l, height, 0)
	}
	var completing int
	f.acks, completing = f.population.round(f.acks, f.random, height)
	for i, a := range f.acks {
		if !f.hold(f.peers[a.from]) {
			return false
		}
		if i == completing {
			due := since(f.began)
			if l == 0 {
				due -= f.ownLate.Load()
			}
			f.due[l][height].Store(max(1, due))
		}
		f.ackFrom(l, a)
	}
	return true
}

// hold waits until a peer has room for a message.
func (f *feeder) hold(p *engine.Peer) bool {
	for p.Waiting() >= f.quota-len(f.feeders) {
		if !f.pause(200 * time.Microsecond) {
			return false
		}
	}
	return true
}

// certifies reports whether the generator sends a lane's certificates in place of acks.
func (g *generator) certifies(l int) bool { return l > 0 && g.carriers != nil }

// certificate delivers the certificate of a chunk of another sequencer's lane, after the invalid
// ones of attackers. It is due at a time since began, in ns, or in a closed run when it is sent. It
// returns false when the feeder must end.
func (f *feeder) certificate(l, height int, due int64) bool {
	lane, h := f.lanes[l], uint64(height)
	if len(f.population.bad) > 0 {
		another := h + 1
		if h > 0 {
			another = h - 1
		}
		f.message = lane.AppendCertificate(f.message[:0], h, another)
		for _, v := range f.population.bad {
			if !f.certificateFrom(f.peers[v]) {
				return false
			}
		}
	}
	if f.schedule == nil {
		due = since(f.began)
	}
	f.due[l][height].Store(due)
	f.message = lane.AppendCertificate(f.message[:0], h, h)
	if f.schedule == nil && !f.hold(f.carriers[l]) {
		return false
	}
	if !f.count(f.carriers[l].DeliverCertificateBytes(f.message), f.message) {
		f.taken.Add(-int64(f.population.acksPerRound())) // the acks that it stands for were not taken either
	}
	return true
}

// certificateFrom delivers f.message. In a closed run it waits where a full quota would refuse it.
func (f *feeder) certificateFrom(p *engine.Peer) bool {
	if f.schedule == nil && !f.hold(p) {
		return false
	}
	f.count(p.DeliverCertificateBytes(f.message), f.message)
	return true
}

// node delivers the node of a lane's chunk.
func (f *feeder) node(l, height int) {
	f.delivered[l].Store(int64(height)) // stored first: a lock that comes at once may result from it
	node := f.lanes[l].Node(uint64(height))
	f.count(f.sequencers[l].DeliverNodeBytes(node), node)
}

func (f *feeder) ackFrom(l int, a sending) {
	if a.height < 0 {
		f.taken.Add(1) // it is scheduled, but does not exist
		return
	}
	f.message = f.lanes[l].AppendAck(f.message[:0], uint64(a.height), a.from, f.population.place[a.from])
	if f.count(f.peers[a.from].DeliverAckBytes(f.message), f.message) {
		f.taken.Add(1)
	}
}

// count counts a failed delivery, and reports whether the delivery succeeded.
func (f *feeder) count(err error, message []byte) (taken bool) {
	switch {
	case err == nil:
		f.bytes.Add(uint64(len(message)))
		return true
	case errors.Is(err, engine.ErrStopped), errors.Is(err, engine.ErrPeerClosed): // the run ends
	default:
		f.dropped.Add(1)
	}
	return false
}
