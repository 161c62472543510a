package sim

import (
	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// report checks an activity that a process is about to report.
func (o *observer) report(p *process, a wire.Activity) {
	n := o.net
	p.observed.reports++
	if a.Size() != len(a.AppendTo(nil)) {
		n.fail("%s: a %s of a size that it does not have", p.name, a.Tag())
	}
	switch a := a.(type) {
	case *wire.Tip:
		o.visible(p, core.Report, &a.Proposal.Chunk)
		if p.observed.tips[a.Proposal.Chunk] || !n.roster.chunkValid(&a.Proposal) {
			n.fail("4.5: %s: tip %s reported twice, or wrongly signed", p.name, short(&a.Proposal.Chunk))
		}
		p.observed.tips[a.Proposal.Chunk] = true
	case *wire.Certified:
		o.lock(p, &a.Lock)
	case *wire.Conflict:
		if signer, ok := n.index[a.Proposal.Chunk.Sequencer]; !ok || !n.processes[signer].forgot {
			o.blame(p, a.Tag().String(), a.Proposal.Chunk.Sequencer)
		}
		o.conflict(p, a)
	case *wire.LockConflict:
		o.blame(p, a.Tag().String(), a.First.Chunk.Sequencer)
		if a.First.Epoch == a.Second.Epoch {
			n.fail("5.3: %s: two locks at %s in epoch %d", p.name, short(&a.First.Chunk), a.First.Epoch)
		}
		o.certificate(p, a.First.Subject(), a.First.Certificate)
		o.certificate(p, a.Second.Subject(), a.Second.Certificate)
	case *wire.ConflictingAcks:
		s := n.roster.epochs[a.First.Epoch].scheme
		o.blame(p, a.Tag().String(), s.Participants()[a.First.Participant])
		for _, ack := range []*wire.Ack{&a.First, &a.Second} {
			if err := n.roster.epochs[ack.Epoch].independent.vote(ack.Participant, ack.Subject(), ack.Signature); err != nil {
				n.fail("4.6: %s: evidence that proves nothing: %w", p.name, err)
			}
		}
	case *wire.InvalidAck:
		o.blame(p, a.Tag().String(), a.Peer)
	case *wire.InvalidNode:
		o.blame(p, a.Tag().String(), a.Peer)
	case *wire.InvalidCertificate:
		o.blame(p, a.Tag().String(), a.Peer)
	}
}

// lock checks 5.2, 5.3 and 4.4.
func (o *observer) lock(p *process, l *wire.Lock) {
	n := o.net
	o.certificate(p, l.Subject(), l.Certificate)
	lane := l.Chunk.Sequencer
	at := placeInEpoch{place{lane, l.Chunk.Height}, l.Epoch}
	if before, ok := o.locks[at]; ok && before != l.Chunk.Payload {
		n.fail("5.3: %s: locks of %x and of %s in epoch %d", p.name, before[:4], short(&l.Chunk), l.Epoch)
	}
	o.locks[at] = l.Chunk.Payload
	before, ok := o.chunks[at.place]
	if ok && before != l.Chunk.Payload && !n.roster.rotating {
		n.fail("5.3: %s: locks of %x and of %s in different epochs of one set", p.name, before[:4], short(&l.Chunk))
	}
	o.chunks[at.place] = l.Chunk.Payload
	if !ok {
		n.Stats.Locks++
	}
	if shown, ok := o.shown[at.place]; !o.hostile(lane) && (!ok || shown != l.Chunk.Payload) {
		n.fail("5.3: %s: a lock on %s, which its honest sequencer never sent", p.name, short(&l.Chunk))
	}
	if p.observed.locks[at] {
		n.fail("4.4: %s: a lock on %s of epoch %d reported twice in a run", p.name, short(&l.Chunk), l.Epoch)
	}
	o.reported(p, at)
	p.observed.payloads[at.place] = l.Chunk.Payload
	p.observed.highest[lane] = max(p.observed.highest[lane], l.Chunk.Height)
	o.tops[lane] = max(o.tops[lane], l.Chunk.Height)
	p.tops[lane] = max(p.tops[lane], l.Chunk.Height)
	p.locks[at.place] = max(p.locks[at.place], l.Epoch)
	if !p.observed.tips[l.Chunk] {
		p.missed++
	}
}

// reported records a reported lock. At the start of a run it checks 4.4 and 4.8.
func (o *observer) reported(p *process, at placeInEpoch) {
	r := p.observed
	r.locks[at] = true
	r.unreturned = append(r.unreturned, reportedLock{r.reports, at})
	if !r.starting {
		return
	}
	r.atStart++
	if position, ok := r.lockAt[at]; ok && position <= r.through && o.dormant(p, at.sequencer) {
		o.net.fail("4.8: %s: the lock at height %d of lane %d, which is dormant, has been reported and is reported again", p.name, at.height,
			o.net.index[at.sequencer])
	}
}

// conflict checks that the evidence in a conflict proves it.
func (o *observer) conflict(p *process, a *wire.Conflict) {
	n := o.net
	other := a.Other.Chunk
	if a.Lock != nil {
		other = a.Lock.Chunk
		o.certificate(p, a.Lock.Subject(), a.Lock.Certificate)
	} else if !n.roster.chunkValid(&a.Other) {
		n.fail("4.6: %s: a conflict with a proposal that was not signed", p.name)
	}
	mine := a.Proposal.Chunk
	if mine.Sequencer != other.Sequencer || mine.Height != other.Height || mine.Payload == other.Payload || !n.roster.chunkValid(&a.Proposal) {
		n.fail("4.6: %s: a conflict that is none, at %s and %s", p.name, short(&mine), short(&other))
	}
}
