package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

var errSignature = errors.New("sim: the signer failed")

// process is a core with its journal, and with all that a driver would do for it.
type process struct {
	net   *Network
	index int
	id    wire.PublicKey
	name  string
	cfg   core.Config
	view  *view
	disk  *model.Disk
	// journal is what the disk is a model of, nil if the model is all there is.
	journal *realJournal
	epoch   uint64 // that it has been told of, which outlives crashes

	// Of this run; all of it is lost in a crash.
	run     int
	down    bool
	failed  bool // a sync has failed
	c       *core.Core
	peers   map[wire.PublicKey]*core.Peer
	syncing bool
	tickAt  time.Duration // of the tick scheduled next
	watch   *watch

	verifier *verifier

	tops map[wire.PublicKey]uint64 // highest locks ever reported
	seen map[place]wire.Digest     // what it ever let others see
}

func newProcess(n *Network, index int, id wire.PublicKey) *process {
	p := &process{
		net: n, index: index, id: id, name: fmt.Sprintf("p%d", index), disk: model.NewDisk(), epoch: n.epoch,
		tops: make(map[wire.PublicKey]uint64), seen: make(map[place]wire.Digest),
	}
	p.view = &view{world: n.world, me: id, now: &n.now, knownAt: make(map[uint64]time.Duration)}
	way := n.Link.Latency + n.Link.Jitter
	p.cfg = core.Config{
		Identity: id, Sequencer: true, Sets: p.view, EpochsBack: 1, EpochsAhead: 1, HeightBound: 8,
		MaxVoteBytes: max(1<<20, 1<<14*n.Validators), PoisonVotes: true, VotesInFlight: n.VotesInFlight,
		RebroadcastTimeout: n.Rebroadcast, AckInterval: n.Rebroadcast / 3, ProposeBackoff: 10 * time.Millisecond,
		SuspectDelay: 2 * way, BadNodeInterval: 5 * way,
	}
	if n.Journal {
		p.disk.KeepReleased = true
		p.journal = newRealJournal(p)
	}
	return p
}

// start makes a core of what is on disk.
func (p *process) start() {
	n := p.net
	c, err := core.New(p.cfg)
	if err != nil {
		n.fail("%s: %w", p.name, err)
		return
	}
	p.c, p.peers = c, make(map[wire.PublicKey]*core.Peer)
	p.down, p.failed, p.syncing, p.tickAt = false, false, false, 0
	p.watch = newWatch()
	p.verifier = newVerifier(p)
	for _, rec := range p.disk.Records {
		n.observer.stored(p, rec.Position, rec.Bytes)
		if err := c.Recover(rec.Position, rec.Bytes); err != nil {
			n.fail("%s: recover %d: %w", p.name, rec.Position, err)
			return
		}
	}
	n.observer.durable(p)
	n.history.line(n.now, p.name, "start in epoch %d with %d records", p.epoch, len(p.disk.Records))
	c.Start(n.now, p.epoch, p.disk.Next)
	p.settle()
}

// tell lets the core know of something, and has its effects carried out.
func (p *process) tell(event func()) {
	p.net.Stats.Events++
	event()
	p.settle()
}

// later has something told to this process after a random time below limit, unless it has crashed by then.
func (p *process) later(limit time.Duration, event func()) {
	run := p.run
	p.net.after(p.net.upTo(limit), func() {
		if p.run == run && !p.down {
			p.tell(event)
		}
	})
}

// settle carries out what the core asks for, in order. The process may crash on the way.
func (p *process) settle() {
	n := p.net
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
	n.observer.settled(p)
	p.sync()
	p.schedule()
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
		n.observer.stored(p, e.Position, e.Bytes)
	case core.Release:
		if !p.disk.Release(e.Position) {
			n.fail("%s: release of %d, which is no live record", p.name, e.Position)
		}
		if p.journal != nil {
			p.journal.journal.Release(journal.Position(e.Position))
		}
	case core.SignChunk:
		chunk := e.Chunk
		if n.hit(n.Faults.SignFailure, SignatureFailed) {
			p.later(n.Pace.Sign, func() { p.c.ChunkSigned(n.now, chunk, wire.Signature{}, errSignature) })
			return
		}
		signature := n.world.signChunk(p.index, chunk)
		p.later(n.Pace.Sign, func() { p.c.ChunkSigned(n.now, chunk, signature, nil) })
	case core.SignAck:
		subject := wire.Subject{Chunk: e.Chunk, Epoch: e.Epoch}
		signature, err := e.Signer.SignAck(context.Background(), subject)
		if n.hit(n.Faults.SignFailure, SignatureFailed) {
			signature, err = nil, errSignature
		}
		p.later(n.Pace.Sign, func() { p.c.AckSigned(n.now, subject, signature, err) })
	case core.SendNode, core.SendAck:
		kind := nodeMessage
		if e.Kind == core.SendAck {
			kind = ackMessage
		}
		for _, to := range e.Recipients {
			n.send(p.id, to, kind, e.Bytes)
		}
	case core.AskVerify:
		p.askVerify(e.Chunk)
	case core.AskPropose:
		p.askPropose(e.Chunk.Height)
	case core.Relay, core.Report:
	default:
		n.fail("%s: effect of kind %v", p.name, e.Kind)
	}
}

func (p *process) answerTime() time.Duration {
	if p.net.hit(p.net.Faults.SlowAnswer, AnswerSlow) {
		return 20 * p.net.Pace.Application
	}
	return p.net.Pace.Application
}

func (p *process) askVerify(chunk wire.Chunk) {
	n := p.net
	answer := core.Approved
	switch {
	case n.hit(n.Faults.Refuse, Refused):
		answer = core.Refused
	case n.hit(n.Faults.Doubt, Doubted):
		answer = core.Failed
	}
	p.later(p.answerTime(), func() {
		n.history.line(n.now, p.name, "application on %s: %d", short(&chunk), answer)
		p.watch.answered(chunk, answer)
		p.c.Verified(n.now, chunk, answer)
	})
}

func (p *process) askPropose(height uint64) {
	n := p.net
	n.payloads++
	var payload wire.Digest
	binary.BigEndian.PutUint32(payload[:], n.payloads)
	ok := !n.hit(n.Faults.Decline, Declined)
	p.later(p.answerTime(), func() {
		n.history.line(n.now, p.name, "application proposes for height %d: %v", height, ok)
		p.c.Proposed(n.now, height, payload, ok)
	})
}

// sync starts to make durable what is not, one sync at a time, as group commit does.
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

// schedule sees to it that Tick is called in time.
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

// crash loses all but a prefix of the journal, and starts anew after a while.
func (p *process) crash(away time.Duration) {
	if p.down {
		return
	}
	n := p.net
	p.run++
	p.down = true
	p.verifier.close()
	n.Stats.Faults[Crashed]++
	written := p.disk.Next - 1
	cut := p.disk.Durable + uint64(n.random.Int64N(int64(written-p.disk.Durable+1)))
	compacted := n.hit(n.Faults.Compact, Compacted)
	if p.journal == nil {
		p.disk.Crash(cut, compacted)
	} else {
		p.journal.crash(p.disk)
	}
	left := min(p.disk.Next-1, written)
	n.Stats.Faults[RecordsLost] += int(written - left)
	n.history.line(n.now, p.name, "crash: %d of %d records left, compacted %v, away for %v", left, written, compacted, away)
	n.after(away, func() {
		n.Stats.Restarts++
		p.start()
	})
}

// Crash has a process crash now, to come back after away.
func (n *Network) Crash(process int, away time.Duration) { n.processes[process].crash(away) }

// enter is the news of an epoch. A process that is down hears of it when it is up.
func (p *process) enter(epoch uint64) {
	p.epoch = max(p.epoch, epoch)
	if !p.down {
		p.net.history.line(p.net.now, p.name, "epoch %d", epoch)
		p.tell(func() { p.c.SetEpoch(p.net.now, epoch) })
	}
}

func (p *process) receive(e *event) {
	n := p.net
	if p.c == nil && p.index < n.Byzantine {
		n.cabal.receive(p.index, e)
		return
	}
	if p.down {
		return
	}
	n.Stats.Messages++
	n.Stats.Events++
	peer := p.peers[e.from]
	if peer == nil {
		peer = core.NewPeer(e.from)
		p.peers[e.from] = peer
	}
	// The core must copy what it keeps: what it was given does not last.
	passing := slices.Clone(e.message)
	var o core.Outcome
	if e.kind == nodeMessage {
		o = p.c.Node(n.now, peer, passing)
	} else {
		o = p.c.Ack(n.now, peer, passing)
	}
	for i := range passing {
		passing[i] = 0xDB
	}
	if n.history != nil {
		n.history.line(n.now, p.name, "%v from %x: %v", e.kind, e.from[:2], o)
	}
	p.settle()
}
