package sim

import (
	"errors"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// A process whose journal was lost asks the others what they know: docs/protocol.md 7.5. What they
// answer is gathered as a replica does it.

// answer holds the answer of one process to a process that recovers.
type answer struct {
	locks   []wire.Lock    // the highest of each lane, of whatever epoch
	unknown []wire.Subject // locks of epochs that nobody knows
	own     []wire.Node    // the highest node of the asker's lane
}

// settled is after how long nothing that a process sent before it was lost is under way any more, in a
// network without messages that are late. Then all that reached an honest process is shown by it.
func (n *Network) settled() time.Duration {
	return 4*(n.Link.Latency+n.Link.Jitter) + 20*(n.Pace.Verify+n.Pace.Sync)
}

// gather asks other processes, and returns what the process that recovers makes of their answers;
// false if too few are up: validators whose weight is a quorum in the current epoch and every known
// one within bounds or, to resume, all of them. Hostile ones always answer.
func (n *Network) gather(p *process) (r core.Recovery, ok bool) {
	answered := make(map[int]bool)
	enough := func() bool {
		for epoch := p.epoch - min(p.epoch, p.cfg.EpochsBack); epoch <= p.epoch+p.cfg.EpochsAhead; epoch++ {
			e, known := p.view.epoch(epoch)
			switch {
			case !known && epoch == p.epoch:
				return false
			case !known:
				continue
			case p.resumes:
				if slices.ContainsFunc(e.scheme.Participants(), func(id wire.PublicKey) bool { return id != p.id && !answered[n.index[id]] }) {
					return false
				}
			case !e.certifies(func(i wire.Participant) bool { return answered[n.index[e.scheme.Participants()[i]]] }):
				return false
			}
		}
		// Where sets change, a quorum of an epoch that is out of bounds may share nobody with those of today.
		return !n.roster.rotating || len(answered) == len(n.processes)-1
	}
	r.Resume = p.resumes
	for _, i := range n.random.Perm(len(n.processes)) {
		o := n.processes[i]
		switch {
		case enough():
			return r, true
		case o == p:
		case i < n.Byzantine:
			answered[i] = true
			p.hear(&r, n.hostileAnswer(p))
		case !o.down && o.halted == nil:
			answered[i] = true
			p.hear(&r, o.answer(p))
		}
	}
	return r, enough()
}

// answer returns the answer of an honest process.
func (p *process) answer(to *process) (a answer) {
	for _, id := range p.net.roster.ids {
		if l, ok := p.highest(id); ok {
			a.locks = append(a.locks, l)
		}
	}
	a.own, _ = p.c.Shown(to.id)
	return a
}

// hear adds an answer to what is known. Locks and signatures are verified as they come, and what does
// not verify is dropped.
func (p *process) hear(r *core.Recovery, a answer) {
	n := p.net
	for i := range a.own {
		node := &a.own[i]
		if proposal := node.Proposal(); proposal.Chunk.Sequencer == p.id && n.roster.chunkValid(&proposal) {
			r.Own = append(r.Own, proposal)
		}
		if node.HasParent() && node.Parent.Certificate != nil {
			parent := node.ParentSubject()
			a.locks = append(a.locks, wire.Lock{Chunk: parent.Chunk, Epoch: parent.Epoch, Certificate: node.Parent.Certificate})
		}
	}
	for i := range a.locks {
		l := a.locks[i]
		e, known := p.view.epoch(l.Epoch)
		switch {
		case !known:
			r.Unknown = append(r.Unknown, l.Subject())
		case e.independent.certificate(l.Subject(), l.Certificate) == nil:
			r.Locks = append(r.Locks, l)
		}
	}
	r.Unknown = append(r.Unknown, a.unknown...)
}

// hostileAnswer returns the answer of a hostile process: nothing, or lies.
func (n *Network) hostileAnswer(to *process) (a answer) {
	n.Stats.Faults[AnswersHostile]++
	height := func() uint64 { return uint64(n.random.IntN(60)) }
	for _, id := range n.roster.ids {
		at := wire.Subject{Chunk: wire.Chunk{Sequencer: id, Height: height(), Payload: wire.Digest{0xBA, 0xD0}}, Epoch: n.epoch + 1000}
		switch n.random.IntN(8) {
		case 0: // a lock of an epoch that nobody knows
			if id != to.id || n.chance(20) {
				a.unknown = append(a.unknown, at)
			}
		case 1: // one signed by retired keys
			if id != to.id || n.chance(20) {
				if l, ok := n.forgedByRetired(to, at); ok {
					n.Stats.Faults[LocksOfRetiredKeys]++
					a.locks = append(a.locks, l)
				}
			}
		case 2: // one that does not verify
			at.Epoch = to.epoch
			a.locks = append(a.locks, wire.Lock{Chunk: at.Chunk, Epoch: at.Epoch, Certificate: make([]byte, 40)})
		}
	}
	if n.chance(10) { // as many as it likes
		for i := range 100 {
			stranger := wire.PublicKey{0xBA, byte(i), byte(n.random.IntN(256))}
			a.unknown = append(a.unknown, wire.Subject{Chunk: wire.Chunk{Sequencer: stranger, Height: height()}, Epoch: 1000})
		}
	}
	if n.chance(50) { // a chunk that we never signed
		c := wire.Chunk{Sequencer: to.id, Height: height(), Payload: wire.Digest{0xBA, 0xD1}}
		signature := n.roster.signChunk(0, wire.Chunk{})
		a.own = append(a.own, wire.Node{Chunk: c, Signature: signature})
	}
	return a
}

// forgedByRetired returns a lock that all validators of an epoch below bounds have signed; false if
// there is none, or the scheme has no such forger here.
func (n *Network) forgedByRetired(to *process, at wire.Subject) (l wire.Lock, ok bool) {
	if to.epoch < firstEpoch+to.cfg.EpochsBack {
		return l, false
	}
	at.Epoch = firstEpoch - 1 + uint64(n.random.IntN(int(to.epoch-to.cfg.EpochsBack-firstEpoch+1)))
	s, keyed := n.roster.epochs[at.Epoch].scheme.(*model.Scheme)
	if !keyed {
		return l, false
	}
	all := wire.NewSigners(len(s.Participants()))
	for i := range s.Participants() {
		all.Add(wire.Participant(i))
	}
	certificate := s.Certificate(at, all, func(i wire.Participant) []byte { return s.Sign(i, at) })
	return wire.Lock{Chunk: at.Chunk, Epoch: at.Epoch, Certificate: certificate}, true
}

// endRecovery hands a process what it has gathered, and reports whether that ended the recovery.
func (p *process) endRecovery(r *core.Recovery) bool {
	n := p.net
	// The marks are set before the call: the observer checks the core's effects against them.
	p.setMarks(r)
	err := p.c.EndRecovery(n.now, r)
	n.history.line(n.now, p.name, "recovers from %d locks, %d that are unknown and %d chunks of its own, resumes %v: %v", len(r.Locks),
		len(r.Unknown), len(r.Own), r.Resume, err)
	switch {
	case err == nil:
		n.Stats.Faults[Adopted]++
		if r.Resume {
			n.Stats.Faults[LanesResumed]++
			p.ended = false
			n.observer.resumed(p)
		}
		return true
	case errors.Is(err, core.ErrResume):
		// A lie of a hostile one is enough. The operator asks for less in the end.
		n.Stats.Faults[ResumesRefused]++
		unverified := slices.ContainsFunc(r.Unknown, func(s wire.Subject) bool { return s.Chunk.Sequencer == p.id })
		if n.Byzantine == 0 && !unverified && !n.chunkLost(p) {
			n.fail("7.5: %s: cannot go on with its lane: %w", p.name, err)
		}
		p.resumes = !n.chance(30)
	case !errors.Is(err, core.ErrNoLocks) && !errors.Is(err, wire.ErrUnknownEpoch):
		n.fail("5.10: %s: recovering: %w", p.name, err)
	}
	p.marks, p.open = nil, nil
	return false
}

// setMarks notes the heights up to which a process that lost its journal must not ack, by
// docs/protocol.md 5.10 and 7.5: two above the highest lock of a lane, or above −1; and the lanes on
// which it must first hold a lock within bounds.
func (p *process) setMarks(r *core.Recovery) {
	p.marks, p.open = make(map[wire.PublicKey]uint64), make(map[wire.PublicKey]bool)
	p.closed = make(map[wire.PublicKey]uint64)
	for e := uint64(firstEpoch - 1); e <= p.epoch; e++ {
		if list, ok := p.view.Sequencers(e); ok {
			for _, id := range list {
				p.marks[id] = 1
			}
		}
	}
	for i := range r.Unknown {
		p.open[r.Unknown[i].Chunk.Sequencer] = true
	}
	for i := range r.Locks {
		l := &r.Locks[i]
		if list, _ := p.view.Sequencers(l.Epoch); slices.Contains(list, l.Chunk.Sequencer) {
			p.marks[l.Chunk.Sequencer] = max(p.marks[l.Chunk.Sequencer], l.Chunk.Height+2)
		}
		if l.Epoch+p.cfg.EpochsBack >= p.epoch && l.Epoch <= p.epoch+p.cfg.EpochsAhead {
			delete(p.open, l.Chunk.Sequencer)
		}
	}
}

// passed reports whether a process that lost its journal does not abstain any more on any live lane.
func (p *process) passed() bool {
	if !p.lost {
		return true
	}
	if p.down || p.halted != nil || p.marks == nil || p.c.Recovering() {
		return false
	}
	for _, lane := range p.net.honest() {
		if lane.ended || lane.gone {
			continue
		}
		mark, marked := p.marks[lane.id]
		if p.open[lane.id] {
			closed, ok := p.closed[lane.id]
			if !ok {
				return false
			}
			mark, marked = max(mark, closed), true
		}
		if top, ok := p.tops[lane.id]; marked && (!ok || top < mark) {
			return false
		}
	}
	return true
}

// chunkLost reports whether no honest process has shown its application the highest chunk of a
// process, whose certificate may then be missing with it.
func (n *Network) chunkLost(p *process) bool {
	for height, payload := range p.signers.chunks {
		if !n.holdsChunk(p, height, payload) {
			return true
		}
	}
	return false
}

// holdsChunk reports whether an honest process other than p has a chunk of p on its disk, or a lock
// was reported for it.
func (n *Network) holdsChunk(p *process, height uint64, payload wire.Digest) bool {
	at := place{p.id, height}
	if locked, ok := n.observer.chunks[at]; ok && locked == payload {
		return true
	}
	return slices.ContainsFunc(n.honest(), func(o *process) bool {
		seen, ok := o.seen[at]
		return o != p && ok && seen == payload
	})
}

// resumed has the signer of a lane that goes on forget the chunks that no honest process can have
// shown: they reached nobody, or only processes that hide them.
func (o *observer) resumed(p *process) {
	for height, payload := range p.signers.chunks {
		if !o.net.holdsChunk(p, height, payload) {
			delete(p.signers.chunks, height)
			o.net.Stats.Faults[ChunksForgotten]++
			p.forgot = true
		}
	}
}
