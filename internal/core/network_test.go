package core

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"hash"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// network simulates four processes in virtual time, from one seed: messages are delayed, reordered, doubled and lost, processes
// crash at any effect, disks, signers, applications and verification answer late. With byzantine set, the last process is replaced
// by an adversary that sends what it likes, signed with its own keys.
type network struct {
	t       testing.TB
	w       *world
	random  *rand.Rand
	now     time.Duration
	events  eventHeap
	count   int
	nodes   []*simulated
	enemy   *adversary // nil without
	calm    bool       // no loss, no crashes
	epoch   uint64
	locks   map[place]wire.Digest
	payload int
	digest  hash.Hash // of all effects; nil unless wanted
}

// simulated is one process.
type simulated struct {
	*rig
	net         *network
	run         int // counts its restarts
	down        bool
	failed      bool // its disk did
	epochToldOf uint64
	asked       map[wire.PublicKey]bool // lanes about which the application thinks
}

const simulatedProcesses = 4

func newNetwork(t testing.TB, seed uint64, byzantine, digest bool) *network {
	net := &network{
		t: t, w: newWorld(simulatedProcesses, seed%2 == 0), random: rand.New(rand.NewPCG(seed, 0)), epoch: 5,
		locks: map[place]wire.Digest{},
	}
	if digest {
		net.digest = sha256.New()
	}
	honest := simulatedProcesses
	if byzantine {
		honest--
		net.enemy = newAdversary(net)
	}
	for i := range honest {
		r := &rig{t: t, w: net.w, cfg: defaults(id(i)), disk: newDisk(), seen: history{}}
		if digest {
			r.trace = net.trace
		}
		r.sets = &view{world: net.w, me: id(i), unknown: map[uint64]bool{}}
		r.cfg.Sequencer = true
		r.cfg.RebroadcastTimeout, r.cfg.AckInterval = 100*time.Millisecond, 30*time.Millisecond
		r.cfg.ProposeBackoff, r.cfg.SuspectDelay = 10*time.Millisecond, 20*time.Millisecond
		r.cfg.BadNodeInterval = 50 * time.Millisecond
		net.nodes = append(net.nodes, &simulated{rig: r, net: net, epochToldOf: net.epoch})
	}
	for _, n := range net.nodes {
		n.start(net.epoch)
		n.flush()
	}
	return net
}

func (net *network) after(d time.Duration, do func()) {
	net.count++
	heap.Push(&net.events, event{net.now + d, net.count, do})
}

// upTo returns a random duration below limit.
func (net *network) upTo(limit time.Duration) time.Duration {
	return time.Duration(net.random.Int64N(int64(limit)))
}

func (net *network) chance(percent int) bool { return net.random.IntN(100) < percent }

// runUntil lets virtual time pass.
func (net *network) runUntil(end time.Duration) {
	for {
		at, node := end, -1
		for i, n := range net.nodes {
			if due, ok := n.c.Deadline(); ok && !n.down && due < at {
				at, node = due, i
			}
		}
		switch {
		case len(net.events) > 0 && net.events[0].at <= at:
			e := heap.Pop(&net.events).(event)
			net.now = max(net.now, e.at)
			e.do()
		case node >= 0:
			net.now = max(net.now, at)
			n := net.nodes[node]
			n.rig.now = net.now
			n.c.Tick(net.now)
			n.settle()
		default:
			net.now = end
			return
		}
	}
}

// settle carries out what the core asks for, late, in whatever order, and sometimes never since the process crashes.
func (n *simulated) settle() {
	if n.failed || !n.net.calm && n.net.random.IntN(400) == 0 {
		n.failed = false
		n.die()
		return
	}
	n.drain()
	n.flush()
}

// die is a crash between an event and its effects, or after some of them: appends may have reached the disk.
func (n *simulated) die() {
	if n.net.chance(50) {
		n.drain()
		if n.net.chance(50) {
			n.flush() // messages that are on their way arrive
		}
	}
	n.run++
	n.down = true
	cut := n.disk.durable + uint64(n.net.random.Int64N(int64(n.disk.next-n.disk.durable)))
	compacted := n.net.chance(50)
	n.net.after(n.net.upTo(100*time.Millisecond), func() {
		n.down = false
		n.disk.crash(cut, compacted)
		n.verifies, n.nodes, n.acks, n.relays = nil, nil, nil, nil
		n.rig.now = n.net.now
		n.asked = nil
		n.start(n.epochToldOf)
		n.flush()
	})
}

// later has do done by this process, unless it has crashed by then.
func (n *simulated) later(d time.Duration, do func()) {
	run := n.run
	n.net.after(d, func() {
		if n.run == run && !n.down {
			n.rig.now = n.net.now
			do()
			n.settle()
		}
	})
}

func (n *simulated) flush() {
	net := n.net
	for _, st := range n.verifies {
		n.later(net.upTo(3*time.Millisecond), func() { n.c.Verdict(net.now, judge(st)) })
	}
	for _, e := range n.signAcks {
		subject := wire.Subject{Chunk: e.Chunk, Epoch: e.Epoch}
		signature, _ := e.Signer.SignAck(context.Background(), subject)
		var err error
		if !net.calm && net.chance(5) {
			signature, err = nil, errTest
		}
		n.later(net.upTo(3*time.Millisecond), func() { n.c.AckSigned(net.now, subject, signature, err) })
	}
	for _, c := range n.signChunks {
		n.later(net.upTo(3*time.Millisecond), func() { n.c.ChunkSigned(net.now, c, signToyChunk(c), nil) })
	}
	for _, c := range n.asks {
		if n.asked[c.Sequencer] {
			n.t.Fatal("two questions in flight for one lane")
		}
		if n.asked == nil {
			n.asked = map[wire.PublicKey]bool{}
		}
		n.asked[c.Sequencer] = true
		answer := Approved
		if !net.calm && net.chance(10) {
			answer = Refused
		}
		n.later(net.upTo(5*time.Millisecond), func() {
			delete(n.asked, c.Sequencer)
			n.c.Verified(net.now, c, answer)
		})
	}
	for _, c := range n.proposes {
		net.payload++
		p, ok := payload(net.payload), net.calm || !net.chance(20)
		n.later(net.upTo(5*time.Millisecond), func() { n.c.Proposed(net.now, c.Height, p, ok) })
	}
	for _, e := range n.rig.nodes {
		net.send(n.cfg.Identity, e, (*simulated).receiveNode)
	}
	for _, e := range n.acks {
		net.send(n.cfg.Identity, e, (*simulated).receiveAck)
	}
	n.verifies, n.signAcks, n.signChunks, n.proposes, n.asks = nil, nil, nil, nil, nil
	n.rig.nodes, n.acks, n.relays = nil, nil, nil
	if last := n.disk.next - 1; last > n.disk.durable {
		n.later(net.upTo(5*time.Millisecond), func() {
			if last > n.disk.durable {
				if !n.disk.sync(last) {
					n.failed = true
					return
				}
				n.noteDurable()
				n.c.Durable(net.now, last)
			}
		})
	}
	for _, e := range n.reports {
		net.check(e.Activity)
	}
	n.reports = nil
}

func (n *simulated) receiveNode(from wire.PublicKey, message []byte) {
	n.c.Node(n.net.now, n.peer(from), message)
}

func (n *simulated) receiveAck(from wire.PublicKey, message []byte) {
	n.c.Ack(n.net.now, n.peer(from), message)
}

func (net *network) send(from wire.PublicKey, e Effect, receive func(*simulated, wire.PublicKey, []byte)) {
	for _, to := range e.Recipients {
		if net.enemy != nil && to == net.enemy.me {
			if e.Kind == SendAck {
				net.enemy.receiveAck(e.Bytes)
			}
			continue
		}
		for _, n := range net.nodes {
			if n.cfg.Identity == to {
				net.deliver(n, from, e.Bytes, receive)
			}
		}
	}
}

func (net *network) deliver(n *simulated, from wire.PublicKey, message []byte, receive func(*simulated, wire.PublicKey, []byte)) {
	copies := 1
	if !net.calm {
		switch {
		case net.chance(10):
			copies = 0
		case net.chance(10):
			copies = 2
		}
	}
	for range copies {
		net.after(time.Millisecond+net.upTo(30*time.Millisecond), func() {
			if !n.down {
				n.rig.now = net.now
				receive(n, from, message)
				n.settle()
			}
		})
	}
}

// enter lets every process know of a new epoch, at times of their own.
func (net *network) enter(epoch uint64) {
	net.epoch = epoch
	for _, n := range net.nodes {
		net.after(net.upTo(100*time.Millisecond), func() {
			n.epochToldOf = epoch
			if !n.down {
				n.rig.now = net.now
				n.c.SetEpoch(net.now, epoch)
				n.settle()
			}
		})
	}
}

// heights returns the highest certified height of each process's own lane, as it knows it.
func (net *network) heights() (all []int64) {
	for _, n := range net.nodes {
		h, ok := n.c.own.votes.Highest()
		if !ok {
			h = 1<<64 - 1
		}
		all = append(all, int64(h))
	}
	return all
}

// simulate is a whole run: a storm with two changes of epoch, then a calm in which every honest lane must move on.
func simulate(t testing.TB, seed uint64, byzantine, withDigest bool, change ...func(*network)) (digest [32]byte, certified int) {
	net := newNetwork(t, seed, byzantine, withDigest)
	for _, f := range change {
		f(net)
	}
	net.runUntil(250 * time.Millisecond)
	net.enter(6)
	net.runUntil(500 * time.Millisecond)
	net.enter(8)
	net.runUntil(700 * time.Millisecond)
	net.calm = true
	net.runUntil(900 * time.Millisecond) // everybody is up again
	before := net.heights()
	net.runUntil(1500 * time.Millisecond)
	for i, h := range net.heights() {
		if h < before[i]+2 {
			t.Fatalf("seed %d: lane %d went from height %d to %d in the calm", seed, i, before[i], h)
		}
	}
	for i, n := range net.nodes {
		if bad := n.c.Counts().AcksInvalid; bad > 0 && !byzantine {
			t.Fatalf("seed %d: process %d found %d invalid acks among honest ones", seed, i, bad)
		}
	}
	if withDigest {
		net.digest.Sum(digest[:0])
	}
	return digest, len(net.locks)
}

func simulations() uint64 {
	if testing.Short() || raceEnabled {
		return 10
	}
	return 100
}

func TestRule5_HoldsInASimulatedNetworkOfHonestProcesses(t *testing.T) {
	t.Parallel()
	total := 0
	for seed := range simulations() {
		_, n := simulate(t, seed, false, false)
		total += n
	}
	t.Logf("%d chunks certified", total)
}

func TestRule5_HoldsInASimulatedNetworkWithAnAdversary(t *testing.T) {
	t.Parallel()
	total := 0
	for seed := range simulations() {
		_, n := simulate(t, seed, true, false)
		total += n
	}
	t.Logf("%d chunks certified", total)
}

func TestTheSameEventsGiveTheSameEffects(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		for _, byzantine := range []bool{false, true} {
			first, _ := simulate(t, seed, byzantine, true)
			second, _ := simulate(t, seed, byzantine, true)
			expect(t, "digest", second, first)
		}
	}
	first, _ := simulate(t, 0, false, true)
	other, _ := simulate(t, 1, false, true)
	if first == other {
		t.Fatal("two seeds, one digest: nothing is digested")
	}
}
