package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/panjf2000/ants/v2"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

type driverCounts struct {
	driverEvents
	virtual time.Duration
}

type driverEvents struct{ locks, shutdowns, powerLost, disksFailed, epochs int }

func (c *driverCounts) add(o *driverCounts) {
	c.virtual += o.virtual
	c.locks += o.locks
	c.shutdowns += o.shutdowns
	c.powerLost += o.powerLost
	c.disksFailed += o.disksFailed
	c.epochs += o.epochs
}

// chances is a random source for many goroutines.
type chances struct {
	mu     sync.Mutex
	random *rand.Rand
}

func (c *chances) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

func (c *chances) upTo(d time.Duration) time.Duration { return time.Duration(c.below(int(d))) }

// faultRun is one run.
type faultRun struct {
	t         *testing.T
	seed      uint64
	chances   chances
	net       *network
	world     *world
	members   []*faultMember
	epoch     uint64
	pool      *ants.Pool // nil if each engine has its own
	faultless atomic.Bool
	payload   atomic.Uint32
	counts    driverCounts
}

// faultMember is a member whose disk, and the record of its messages that others have seen, outlive
// its crashes.
type faultMember struct {
	*member
	run   *faultRun
	disk  *crashfs.FS[journal.File]
	power *power

	mu   sync.Mutex
	seen map[engine.Place]wire.Digest
}

// power is true until a run of a member loses it. After that the run sends nothing, though its
// goroutines continue for a moment.
type power struct {
	mu  sync.Mutex
	off bool
}

func newFaultRun(t *testing.T, seed uint64, sets map[int]*testkit.Set) *faultRun {
	s := &faultRun{t: t, seed: seed, chances: chances{random: rand.New(rand.NewPCG(seed, 0xD21))}}
	set := sets[4]
	if s.chances.below(8) == 0 {
		set = sets[1]
	}
	var keyed *model.Scheme
	if seed%2 == 0 {
		kinds := []model.Kind{model.List, model.Sum, model.Group}
		weights := []uint64{2, 2, 2, 1} // of 7, 5 certify: any one may be missing
		w, err := verify.NewWeights(weights)
		if err != nil {
			t.Fatal(err)
		}
		if kind := kinds[seed/2%3]; kind == model.Group || seed%4 == 0 || len(set.Identities) != len(weights) {
			keyed = model.New(kind, set.Scheme.Participants(), seed)
		} else {
			keyed = model.NewWeighted(kind, set.Scheme.Participants(), seed, w)
		}
	}
	settings := []func(*engine.Config){
		acksSettings["to all"], acksSettings["to all, certificates sent"], acksSettings["to the sequencer"], nil,
	}
	net, w, members := newCluster(t, set)
	s.net, s.world = net, w
	if seed%4 > 0 { // a pool of workers that outlives its engines; else each engine has its own
		pool, err := ants.NewPool(3*len(members), ants.WithNonblocking(true), ants.WithDisablePurge(true))
		if err != nil {
			t.Fatal(err)
		}
		s.pool = pool
	}
	for i, m := range members {
		sm := &faultMember{member: m, run: s, seen: map[engine.Place]wire.Digest{}}
		setAcks(settings[seed/2%4], i, &m.config)
		if keyed != nil {
			signers := map[uint64]verify.AckSigner{}
			for e := range w.schemes {
				w.schemes[e] = keyed
				signers[e] = model.Signer{Scheme: keyed, Index: wire.Participant(i)}
			}
			m.config.Schemes = provider{w, signers}
		}
		sm.disk = crashfs.New(func(f crashfs.File) journal.File { return f }, journal.ErrLocked)
		m.config.Journal = engine.JournalConfig{Dir: "journal", Create: true, Storage: journal.Config{SegmentSize: 1 << 14, MaxSegments: 2}}
		m.config.Workers, m.config.Pool = 1+s.chances.below(3), s.pool
		m.config.SuspectDelay = 50 * time.Millisecond
		m.app.propose, m.app.verify = sm.propose, sm.verify
		m.recorder.Hook = func(context.Context, wire.Activity) error {
			s.pause(2 * time.Millisecond)
			return nil
		}
		s.members = append(s.members, sm)
	}
	return s
}

// pause sleeps for a random time below limit, sometimes for a long one.
func (s *faultRun) pause(limit time.Duration) {
	if s.chances.below(20) == 0 {
		limit *= 20
	}
	time.Sleep(s.chances.upTo(limit))
}

// propose returns a new payload for every call, so that a forgotten chunk shows up as equivocation.
func (m *faultMember) propose(context.Context, engine.Place) (wire.Digest, error) {
	m.run.pause(2 * time.Millisecond)
	if !m.run.faultless.Load() && m.run.chances.below(10) == 0 {
		return wire.Digest{}, engine.ErrDeclined
	}
	var d wire.Digest
	binary.BigEndian.PutUint32(d[:], m.run.payload.Add(1))
	return d, nil
}

func (m *faultMember) verify(context.Context, engine.Place, wire.Digest) (bool, error) {
	m.run.pause(2 * time.Millisecond)
	return m.run.faultless.Load() || m.run.chances.below(20) > 0, nil
}

// faultSender is a member's Sender in one run.
type faultSender struct {
	m     *faultMember
	power *power
}

func (s *faultSender) SendNode(to []wire.PublicKey, message []byte) {
	var n wire.Node
	if err := n.DecodeStored(message); err != nil {
		s.m.run.t.Errorf("it sent %x as a node", message)
		return
	}
	s.send(to, n.Chunk, func(p *engine.Peer) { _ = p.DeliverNodeBytes(message) })
}

func (s *faultSender) SendAck(to []wire.PublicKey, message []byte) {
	var a wire.Ack
	if err := a.Decode(message); err != nil {
		s.m.run.t.Errorf("it sent %x as an ack", message)
		return
	}
	s.send(to, a.Chunk, func(p *engine.Peer) { _ = p.DeliverAckBytes(message) })
}

func (s *faultSender) SendCertificate(to []wire.PublicKey, message []byte) {
	var l wire.Lock
	if err := l.DecodeStored(message); err != nil {
		s.m.run.t.Errorf("it sent %x as a certificate", message)
		return
	}
	s.send(to, l.Chunk, func(p *engine.Peer) { _ = p.DeliverCertificateBytes(message) })
}

// send checks messages that leave before the power is lost against docs/protocol.md 5.1, from the
// view of others.
func (s *faultSender) send(to []wire.PublicKey, c wire.Chunk, deliver func(*engine.Peer)) {
	s.power.mu.Lock()
	defer s.power.mu.Unlock()
	if s.power.off {
		return
	}
	run, at := s.m.run, engine.Place{Sequencer: c.Sequencer, Height: c.Height}
	s.m.mu.Lock()
	if before, ok := s.m.seen[at]; ok && before != c.Payload {
		run.t.Errorf("it showed %x and %x at height %d", before[:4], c.Payload[:4], c.Height)
	}
	s.m.seen[at] = c.Payload
	s.m.mu.Unlock()
	for _, id := range to {
		if !run.faultless.Load() && run.chances.below(10) == 0 {
			continue
		}
		time.AfterFunc(time.Millisecond+run.chances.upTo(15*time.Millisecond), func() {
			if p := run.net.handle(s.m.id, id); p != nil {
				deliver(p)
			}
		})
	}
}

// up starts a member on its disk.
func (m *faultMember) up() {
	m.disk.Hold = func(string) { m.run.pause(3 * time.Millisecond) }
	m.power = &power{}
	m.config.Journal.Storage.FS, m.config.Sender = m.disk, &faultSender{m, m.power}
	m.monitor.now, m.monitor.updates = m.run.epoch, make(chan uint64, 8)
	var others []*member
	for _, o := range m.run.members {
		others = append(others, o.member)
	}
	m.open(m.run.t, m.run.net, others...)
	m.start()
	for _, o := range others {
		if o.engine == nil || o == m.member {
			continue
		}
		for _, err := range []error{o.engine.PeerConnected(m.id), m.engine.PeerConnected(o.id)} {
			if err != nil {
				m.run.t.Errorf("PeerConnected: %v", err)
			}
		}
	}
}

// down shuts a member down in an orderly way.
func (m *faultMember) down() {
	if m.engine == nil {
		return
	}
	m.run.counts.shutdowns++
	if err := m.halt(); err != nil {
		m.run.t.Errorf("Run returned %v", err)
	}
}

// cutPower cuts the power of a member: from now on nothing that it sends arrives, and its disk
// becomes one of the states that a power failure may leave.
func (m *faultMember) cutPower() {
	if m.engine == nil {
		return
	}
	m.run.counts.powerLost++
	m.power.mu.Lock()
	m.power.off = true
	m.power.mu.Unlock()
	left := m.afterPowerFailure()
	if err := m.halt(); err != nil {
		m.run.t.Errorf("Run returned %v", err)
	}
	m.disk = left
}

// fault makes the disk of a member fail at one of its next operations, and cuts the power at the
// same moment.
func (m *faultMember) fault() {
	if m.engine == nil {
		return
	}
	m.disk.Mu.Lock()
	m.disk.CrashAt = m.disk.Ops + 1 + m.run.chances.below(20)
	m.disk.Mu.Unlock()
	var err error
	select {
	case err = <-m.result:
		m.run.counts.disksFailed++
		m.stop()
		m.engine, m.stop = nil, nil
	case <-time.After(500 * time.Millisecond): // it has nothing to write: its lanes wait for others
		err = m.halt()
	}
	if err != nil && !errors.Is(err, engine.ErrJournal) {
		m.run.t.Errorf("Run returned %v", err)
	}
	m.disk = m.afterPowerFailure()
}

func (m *faultMember) afterPowerFailure() *crashfs.FS[journal.File] {
	c := &m.run.chances
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.disk.Crash(c.random, c.random.IntN(4))
}

func (s *faultRun) run() {
	began := time.Now()
	for _, m := range s.members {
		m.up()
	}
	for range 5 {
		time.Sleep(s.chances.upTo(120 * time.Millisecond))
		m := s.members[s.chances.below(len(s.members))]
		switch s.chances.below(6) {
		case 0:
			m.down()
		case 1:
			m.cutPower()
		case 2:
			m.fault()
		case 3:
			for _, m := range s.members {
				m.cutPower()
			}
		case 4:
			s.epoch++
			s.counts.epochs++
			for _, m := range s.members {
				if m.engine != nil {
					m.monitor.updates <- s.epoch
				}
			}
		}
		time.Sleep(s.chances.upTo(30 * time.Millisecond))
		for _, m := range s.members {
			if m.engine == nil {
				m.up()
			}
		}
	}
	if s.chances.below(2) == 0 {
		s.grow()
	}
	for _, i := range s.chances.order(len(s.members)) { // at any moment of its work
		s.members[i].down()
	}
	if s.pool != nil {
		if err := s.pool.ReleaseTimeout(patience); err != nil {
			s.t.Error(err)
		}
	}
	s.counts.virtual = time.Since(began)
	var members []*member
	locked := map[engine.Place]bool{}
	for _, m := range s.members {
		members = append(members, m.member)
		for _, l := range m.recorder.Locks() {
			locked[engine.Place{Sequencer: l.Chunk.Sequencer, Height: l.Chunk.Height}] = true
		}
	}
	s.counts.locks = len(locked)
	demandSound(s.t, s.world.schemes, members)
}

func (c *chances) order(n int) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.Perm(n)
}

// grow checks that all lanes grow once the faults have ended.
func (s *faultRun) grow() {
	s.faultless.Store(true)
	heights := func() (all []uint64) {
		for _, lane := range s.members {
			var top uint64
			for _, m := range s.members {
				top = max(top, m.recorder.Height(lane.id))
			}
			all = append(all, top)
		}
		return all
	}
	goal := heights()
	for i := range goal {
		goal[i] += 2
	}
	eventually(s.t, fmt.Sprintf("all lanes are at %d, seed %d", goal, s.seed), func() bool {
		for i, h := range heights() {
			if h < goal[i] {
				return false
			}
		}
		return !slices.Contains(goal, 0)
	})
}
