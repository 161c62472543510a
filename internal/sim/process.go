package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// process is a core with its journal and with the work of a driver.
type process struct {
	net   *Network
	index int
	id    wire.PublicKey
	name  string
	cfg   core.Config
	view  *view
	disk  *model.Disk
	// journal is the journal that disk models, nil if the process has only the model.
	journal *realJournal
	epoch   uint64 // the last epoch that it was informed of; it survives crashes
	signers signers

	// State of this run, lost in a crash.
	run      int
	down     bool
	failed   bool  // a sync has failed
	halted   error // the reason for which the core has stopped the process
	c        *core.Core
	peers    map[wire.PublicKey]*core.Peer
	syncing  bool
	tickAt   time.Duration // time of the next tick
	calls    map[uint64]*call
	reporter reporter
	intake   intake
	observed *observed

	verifier *verifier

	blind bool // some payloads never reach it, also in a network without other faults
	lost  bool // its disk has been lost once …
	ended bool // … and its lane has ended, or has not been resumed yet
	stale bool // its disk is an old copy
	gone  bool // it never comes back

	lostAt  time.Duration
	resumes bool // it asks to resume its lane
	forgot  bool // its lane went on without a chunk that no honest process could show

	// The observer's state about it.
	tops  map[wire.PublicKey]uint64 // highest locks ever reported
	locks map[place]uint64          // newest epochs of the locks ever reported
	// missed counts the locks that were reported, in this run or an earlier one, before their
	// chunks were reported as tips.
	missed int
	seen   map[place]wire.Digest     // chunks shown to others or the application with this disk
	acked  map[place]wire.Digest     // chunks that it has ever acked
	marks  map[wire.PublicKey]uint64 // marks after the loss of its disk; nil before it has adopted
	open   map[wire.PublicKey]bool   // lanes on which it must first hold a lock within bounds
	lowest map[wire.PublicKey]uint64 // of such locks since it has its disk, by lane: height plus one
	closed map[wire.PublicKey]uint64 // marks as it tells them itself
	owed   map[placeInEpoch]bool     // locks that the next run has to report
	told   map[placeInEpoch]bool     // locks for which its reporter has returned, in any run
}

func newProcess(n *Network, index int, id wire.PublicKey) *process {
	p := &process{
		net: n, index: index, id: id, name: fmt.Sprintf("p%d", index), disk: model.NewDisk(), epoch: n.epoch,
		signers: newSigners(), tops: make(map[wire.PublicKey]uint64), locks: make(map[place]uint64), seen: make(map[place]wire.Digest),
		acked: make(map[place]wire.Digest), owed: make(map[placeInEpoch]bool),
		told: make(map[placeInEpoch]bool), lowest: make(map[wire.PublicKey]uint64),
	}
	p.view = &view{roster: n.roster, me: id, now: &n.now, knownAt: make(map[uint64]time.Duration)}
	way := n.Link.Latency + n.Link.Jitter
	p.cfg = core.Config{
		Identity: id, Namespace: namespace, Sequencer: true, Sets: p.view,
		EpochsBack: n.Bounds.Back, EpochsAhead: n.Bounds.Ahead, HeightBound: n.HeightBound,
		MaxVoteBytes: max(1<<20, 1<<14*n.Validators), VotesInFlight: n.VotesInFlight,
		RebroadcastTimeout: n.Rebroadcast, AckInterval: n.AckInterval, ProposeBackoff: 10 * time.Millisecond,
		SuspectDelay: 2 * way, BadNodeInterval: 5 * way,
	}
	p.newDisk(false)
	return p
}

// start makes a core from the records on disk.
func (p *process) start() {
	n := p.net
	p.setAcks()
	c := core.New(p.cfg)
	p.c, p.peers = c, make(map[wire.PublicKey]*core.Peer)
	p.down, p.failed, p.syncing, p.tickAt, p.halted = false, false, false, 0, nil
	p.calls, p.reporter, p.intake = make(map[uint64]*call), reporter{}, newIntake()
	p.observed = newObserved()
	p.verifier = newVerifier(p)
	for _, rec := range p.disk.Records {
		n.observer.stored(p, rec.Position, rec.Bytes, false)
		if err := c.Recover(rec.Position, rec.Bytes); err != nil {
			n.fail("%s: recover %d: %w", p.name, rec.Position, err)
			return
		}
		for i := range c.Effects() { // releases
			p.carryOut(&c.Effects()[i])
		}
		c.Done()
	}
	n.observer.durable(p)
	n.history.line(n.now, p.name, "start in epoch %d with %d records", p.epoch, len(p.disk.Records))
	p.observed.starting = true
	c.Start(n.now, p.epoch, p.disk.Next)
	p.carryOutEffects()
	if p.down || n.err != nil {
		return
	}
	n.observer.started(p)
	n.connect(p)
	if c.Recovering() {
		p.marks, p.open, p.ended = nil, nil, true // if it has recovered before, that was lost
		p.recoverLater()
	}
}

// tell calls event, which calls the core, and then carries out the core's effects.
func (p *process) tell(event func()) {
	p.net.Stats.Events++
	event()
	p.carryOutEffects()
}

// later calls tell with event after a random time below limit, unless the process has crashed by
// then.
func (p *process) later(limit time.Duration, event func()) {
	run := p.run
	p.net.after(p.net.upTo(limit), func() {
		if p.run == run && !p.down && p.halted == nil {
			p.tell(event)
		}
	})
}

// carryOutEffects carries out the core's effects, in order. The process may crash between two of
// them.
func (p *process) carryOutEffects() {
	n := p.net
	if p.halted != nil {
		return
	}
	effects := p.c.Effects()
	last := -1
	if n.oneIn(n.Faults.CrashOneIn) {
		last = n.random.IntN(len(effects) + 1)
	}
	for i := range effects {
		if i == last {
			n.Stats.Faults[CrashedBetweenEffects]++
			break
		}
		n.history.effect(n.now, p.name, &effects[i])
		n.observer.effect(p, &effects[i])
		if n.err != nil {
			return
		}
		p.carryOut(&effects[i])
	}
	if last >= 0 {
		p.crash(n.upTo(100 * time.Millisecond))
		return
	}
	p.c.Done()
	n.observer.afterEvent(p)
	if p.halted != nil {
		n.history.line(n.now, p.name, "halted: %v", p.halted)
		p.gone = true
		return
	}
	p.sync()
	p.schedule()
	p.report()
	p.checkPace()
}

func (p *process) carryOut(e *core.Effect) {
	n := p.net
	switch e.Kind {
	case core.Verify:
		p.verifier.submit(e.Statement)
	case core.Append:
		if at := p.disk.Append(e.Bytes); at != e.Position {
			n.fail("%s: append carries position %d, the journal is at %d", p.name, e.Position, at)
		}
		if p.journal != nil {
			p.journal.append(e.Bytes, e.Position)
		}
		n.observer.stored(p, e.Position, e.Bytes, true)
	case core.Release:
		if !p.disk.Release(e.Position) {
			n.fail("%s: release of %d, which is no live record", p.name, e.Position)
		}
		if p.journal != nil {
			p.journal.journal.Release(journal.Position(e.Position))
		}
	case core.SignChunk:
		p.signChunk(e)
	case core.SignAck:
		p.signAck(e)
	case core.SendNode, core.SendAck, core.SendCertificate:
		kind := map[core.EffectKind]messageKind{
			core.SendNode: nodeMessage, core.SendAck: ackMessage, core.SendCertificate: certificateMessage,
		}[e.Kind]
		for _, to := range e.Recipients {
			n.send(p.id, to, kind, e.Bytes)
		}
	case core.AskVerify:
		p.askVerify(e)
	case core.AskPropose:
		p.askPropose(e)
	case core.Cancel:
		p.endCall(e.Call)
	case core.Report:
		p.reporter.made++
	case core.Broadcast, core.Warn:
	case core.Halt:
		p.halted = e.Err
	default:
		n.fail("%s: effect of kind %v", p.name, e.Kind)
	}
}

// sync starts a sync of the records that are not durable, one at a time, as group commit does.
func (p *process) sync() {
	n := p.net
	last := p.disk.Next - 1
	if p.syncing || p.failed || last == p.disk.Durable {
		return
	}
	p.syncing = true
	limit := n.Pace.Sync
	if n.hit(n.Faults.SlowSync, SyncSlow) {
		limit *= 50
	}
	fails := n.oneIn(n.Faults.FailOneIn)
	p.later(limit, func() {
		p.syncing = false
		if fails || p.journal != nil && !p.journal.wait(last) {
			n.Stats.Faults[SyncFailed]++
			n.history.line(n.now, p.name, "sync failed")
			p.failed = true
			p.c.Fail()
			n.after(n.upTo(100*time.Millisecond), func() { p.crash(n.upTo(50 * time.Millisecond)) })
			return
		}
		p.disk.Durable = last
		n.history.line(n.now, p.name, "durable %d", last)
		n.observer.durable(p)
		p.c.Durable(n.now, last)
	})
}

// schedule arranges the next call of Tick.
func (p *process) schedule() {
	n := p.net
	due, ok := p.c.Deadline()
	if !ok || p.tickAt != 0 && p.tickAt <= due {
		return
	}
	due = max(due, n.now)
	p.tickAt = due
	run := p.run
	n.after(due-n.now, func() {
		if p.run != run || p.down || p.tickAt != due {
			return
		}
		p.tickAt = 0
		p.tell(func() { p.c.Tick(n.now) })
	})
}

// crash stops a process, which keeps a prefix of its journal and starts again after away.
func (p *process) crash(away time.Duration) {
	if p.down || p.halted != nil {
		return
	}
	n := p.net
	p.run++
	p.down = true
	p.verifier.close()
	n.Stats.Faults[Crashed]++
	n.Stats.Faults[ReportsLost] += int(p.reporter.pending())
	written := p.disk.Next - 1
	cut := p.disk.Durable + uint64(n.random.Int64N(int64(written-p.disk.Durable+1)))
	compacted := n.hit(n.Faults.Compact, Compacted)
	if p.journal == nil {
		p.disk.Crash(cut, compacted)
	} else {
		cut = p.journal.crash(p.disk)
	}
	left := min(p.disk.Next-1, written)
	n.observer.crashed(p, cut)
	n.Stats.Faults[RecordsLost] += int(written - left)
	n.history.line(n.now, p.name, "crash: %d of %d records left, compacted %v, away for %v", left, written, compacted, away)
	p.comeBack(away)
}

// comeBack starts a process that is down after the time away. It replaces any start planned before.
func (p *process) comeBack(away time.Duration) {
	p.run++
	run := p.run
	if p.gone = away == forever; p.gone {
		return
	}
	p.net.after(away, func() {
		if p.run == run {
			p.net.Stats.Restarts++
			p.start()
		}
	})
}

// forever is the value of away for a process that never comes back.
const forever = time.Duration(math.MaxInt64)

// Crash crashes a process now. It comes back after the time away.
func (n *Network) Crash(process int, away time.Duration) { n.processes[process].crash(away) }

// enter informs a process of an epoch. A process that is down learns of it when it starts.
func (p *process) enter(epoch uint64) {
	p.epoch = max(p.epoch, epoch)
	if !p.down && p.halted == nil {
		p.net.history.line(p.net.now, p.name, "epoch %d", epoch)
		p.net.observer.entered(p)
		p.tell(func() { p.c.SetEpoch(p.net.now, epoch) })
	}
}

func (p *process) receive(e *event) {
	n := p.net
	if p.c == nil && p.index < n.Byzantine {
		n.colluders.receive(p.index, e)
		return
	}
	if p.down || p.halted != nil {
		return
	}
	if !p.intake.open() {
		p.hold(e)
		return
	}
	p.take(e)
}

// peer returns the core's state about a peer in this run.
func (p *process) peer(id wire.PublicKey) *core.Peer {
	if p.peers[id] == nil {
		p.peers[id] = core.NewPeer(id)
	}
	return p.peers[id]
}

// take hands a message to the core.
func (p *process) take(e *event) {
	n := p.net
	n.Stats.Messages++
	n.Stats.Events++
	peer := p.peer(e.from)
	// The core must copy all bytes that it keeps: the message is overwritten below.
	passing := slices.Clone(e.message)
	var o core.Outcome
	switch e.kind {
	case nodeMessage:
		o = p.c.Node(n.now, peer, passing)
	case ackMessage:
		o = p.c.Ack(n.now, peer, passing)
	case certificateMessage:
		o = p.c.CertificateMessage(n.now, peer, passing)
	}
	for i := range passing {
		passing[i] = 0xDB
	}
	n.observer.arrived(p, e, o)
	if n.history != nil {
		n.history.line(n.now, p.name, "%v from %x: %v", e.kind, e.from[:2], o)
	}
	p.carryOutEffects()
}
