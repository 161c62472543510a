package sim

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// place is one height of one lane.
type place struct {
	sequencer wire.PublicKey
	height    uint64
}

type placeInEpoch struct {
	place
	epoch uint64
}

// observer checks the effects of processes against the rules of docs/protocol.md. It is not part of
// a process, so its state survives crashes.
type observer struct {
	net     *Network
	tops    map[wire.PublicKey]uint64 // highest locks
	locks   map[placeInEpoch]wire.Digest
	chunks  map[place]wire.Digest // the last one locked, in any epoch
	shown   map[place]wire.Digest
	checked map[string]bool // certificates by subject and bytes
}

func (o *observer) init(n *Network) {
	*o = observer{
		net: n, tops: make(map[wire.PublicKey]uint64), locks: make(map[placeInEpoch]wire.Digest), chunks: make(map[place]wire.Digest),
		shown: make(map[place]wire.Digest), checked: make(map[string]bool),
	}
}

// visible checks rule 5.1 for a chunk that others or the application are about to see.
func (o *observer) visible(p *process, e core.EffectKind, c *wire.Chunk) {
	at := place{c.Sequencer, c.Height}
	if onDisk, ok := p.observed.onDisk[at]; !ok || onDisk != c.Payload {
		o.net.fail("5.1: %s: %v of %s before it is durable; on disk, up to %d: %x", p.name, e, short(c), p.disk.Durable, onDisk[:4])
	}
	if before, ok := p.seen[at]; ok && before != c.Payload {
		o.net.fail("5.1: %s: %v of %s, and of %x before: equivocation", p.name, e, short(c), before[:4])
	}
	p.seen[at] = c.Payload
	if c.Sequencer == p.id {
		o.shown[at] = c.Payload
	}
}

// ack checks an ack that a process is about to sign or to send, by 4.5, 5.1 and 5.10.
func (o *observer) ack(p *process, e core.EffectKind, c *wire.Chunk) {
	n, r := o.net, p.observed
	o.visible(p, e, c)
	if r.approved[c.Sequencer] != *c {
		n.fail("4.5: %s: %v of %s, of which the application has not approved", p.name, e, short(c))
	}
	at := place{c.Sequencer, c.Height}
	if before, ok := p.acked[at]; ok && before != c.Payload {
		n.fail("5.1: %s: %v of %s, and of %x before its journal was lost: equivocation", p.name, e, short(c), before[:4])
	}
	p.acked[at] = c.Payload
	if highest, ok := r.highest[c.Sequencer]; ok && c.Height < highest {
		n.fail("4.5: %s: %v of %s, below the lock at height %d that it has reported", p.name, e, short(c), highest)
	}
	if payload, ok := r.payloads[at]; ok && payload != c.Payload {
		n.fail("4.5: %s: %v of %s, against a lock on %x that it has reported", p.name, e, short(c), payload[:4])
	}
	if !p.lost {
		return
	}
	if mark, ok := p.marks[c.Sequencer]; p.marks == nil || ok && c.Height <= mark {
		n.fail("5.10: %s: %v of %s, after the loss of its journal and up to its mark %d", p.name, e, short(c), mark)
	}
	if low := p.lowest[c.Sequencer]; p.open[c.Sequencer] && (low == 0 || c.Height <= low+1) {
		n.fail("7.5: %s: %v of %s, whose lane had a lock of an unknown epoch, up to two above the first one that counts", p.name, e, short(c))
	}
}

// effect checks an effect of a core before it is carried out.
func (o *observer) effect(p *process, e *core.Effect) {
	n, r := o.net, p.observed
	if p.failed {
		n.fail("5.1: %s: %v after a failed sync", p.name, e.Kind)
	}
	switch e.Kind {
	case core.Verify:
		st := e.Statement
		if st.Scheme == nil && st.Proposal == nil {
			n.fail("%s: a statement about nothing", p.name)
		}
		if now, most := r.submitted(p, st); now > most {
			n.fail("4.2.5, 4.9.3: %s: %d statements of one lane's nodes, or certificates, in verification", p.name, now)
		}
		for i := range st.Suspects.All() {
			o.blame(p, "look", st.Scheme.Participants()[i])
		}
		if st.MayDefer {
			if most := p.cfg.VotesInFlight; most > 0 && r.votes > most && st.Suspects.Count() == 0 {
				n.fail("%s: %d statements of votes at once, at most %d wanted", p.name, r.votes, most)
			}
		}
	case core.SignChunk:
		o.call(p, e)
		at := place{p.id, e.Chunk.Height}
		if onDisk, ok := r.onDisk[at]; !ok || onDisk != e.Chunk.Payload {
			n.fail("4.7: %s: has %s signed before it is durable", p.name, short(&e.Chunk))
		}
		if before, ok := p.seen[at]; ok && before != e.Chunk.Payload {
			n.fail("5.4: %s: signs a chunk at height %d, of which it has shown %x", p.name, e.Chunk.Height, before[:4])
		}
	case core.AskPropose:
		o.call(p, e)
		at := place{p.id, e.Chunk.Height}
		_, shown := p.seen[at]
		if _, onDisk := r.onDisk[at]; (shown || onDisk) && !p.stale {
			n.fail("5.4: %s: asks for a payload at height %d, of which it has one", p.name, e.Chunk.Height)
		}
		if p.intake.paused {
			n.fail("5.7: %s: asks for a payload while its reporter or disk is behind", p.name)
		}
	case core.Cancel:
		if c := p.calls[e.Call]; c != nil {
			r.calls[callsOf{c.kind, c.chunk.Sequencer}].current = 0
		}
	case core.Halt:
		if !p.stale && !p.forgot {
			n.fail("5.9: %s: stops, and its journal is its own: %w", p.name, e.Err)
		}
	case core.SignAck:
		o.call(p, e)
		o.ack(p, e.Kind, &e.Chunk)
	case core.SendNode:
		o.node(p, e)
	case core.SendAck:
		var a wire.Ack
		if err := a.Decode(e.Bytes); err != nil {
			n.fail("%s: sends an ack: %w", p.name, err)
			return
		}
		o.ack(p, e.Kind, &a.Chunk)
		if a.Epoch != p.epoch {
			n.fail("4.5: %s: sends an ack of epoch %d in epoch %d", p.name, a.Epoch, p.epoch)
		}
		if p.cfg.AcksToSequencer && (len(e.Recipients) != 1 || e.Recipients[0] != a.Chunk.Sequencer) {
			n.fail("4.5: %s: sends an ack to %d processes", p.name, len(e.Recipients))
		}
	case core.SendCertificate:
		o.sentCertificate(p, e)
	case core.Broadcast:
		o.visible(p, e.Kind, &e.Chunk)
	case core.AskVerify:
		o.call(p, e)
		o.visible(p, e.Kind, &e.Chunk)
	case core.Report:
		o.report(p, e.Activity)
	}
}

// call checks 4.5 and 4.7: a lane has at most two outstanding calls of each kind, and the context
// of the older one has ended.
func (o *observer) call(p *process, e *core.Effect) {
	of := p.observed.called(e)
	if of.out > 2 || of.current != 0 {
		o.net.fail("4.5: %s: %v of %s is the %d. call of the lane, and the one before has not ended: %v", p.name, e.Kind, short(&e.Chunk),
			of.out, of.current != 0)
	}
	of.current = e.Call
}

// node checks a node that a process sends: it must be its own, signed, and its parent certificate
// valid.
func (o *observer) node(p *process, e *core.Effect) {
	n := o.net
	var m wire.Node
	if err := m.Decode(e.Bytes, formats{n.roster}); err != nil {
		n.fail("%s: sends a node: %w", p.name, err)
		return
	}
	o.visible(p, e.Kind, &m.Chunk)
	proposal := m.Proposal()
	if m.Chunk.Sequencer != p.id || !n.roster.chunkValid(&proposal) {
		n.fail("4.7: %s: sends a node that is not its own, or wrongly signed", p.name)
	}
	if m.HasParent() {
		o.certificate(p, m.ParentSubject(), m.Parent.Certificate)
	}
	for _, to := range e.Recipients {
		if to == p.id {
			n.fail("%s: sends a node to itself", p.name)
		}
	}
}

// sentCertificate checks a certificate message that a process sends.
func (o *observer) sentCertificate(p *process, e *core.Effect) {
	var l wire.Lock
	if err := l.Decode(e.Bytes, formats{o.net.roster}); err != nil {
		o.net.fail("%s: sends a certificate: %w", p.name, err)
		return
	}
	o.certificate(p, l.Subject(), l.Certificate)
	if l.Chunk.Sequencer != p.id || !p.cfg.SendCertificates || slices.Contains(e.Recipients, p.id) {
		o.net.fail("4.9: %s: sends a certificate of %s to %d processes", p.name, short(&l.Chunk), len(e.Recipients))
	}
}

// formats are the certificate formats of every epoch, for decoding.
type formats struct{ *Roster }

func (f formats) Format(epoch uint64) (wire.Format, bool) {
	if e := f.epochs[epoch]; e != nil {
		return e.scheme.Format(), true
	}
	return wire.Format{}, false
}

// certificate checks 5.2.
func (o *observer) certificate(p *process, s wire.Subject, certificate []byte) {
	name := string(append(s.AppendTo(nil), certificate...))
	if o.checked[name] {
		return
	}
	e := o.net.roster.epochs[s.Epoch]
	if e == nil {
		o.net.fail("5.2: %s: a certificate of epoch %d, which does not exist", p.name, s.Epoch)
		return
	}
	if err := e.independent.certificate(s, certificate); err != nil {
		o.net.fail("5.2: %s: certificate for %s in epoch %d: %w", p.name, short(&s.Chunk), s.Epoch, err)
		return
	}
	o.checked[name] = true
	o.net.Stats.Certificates++
}

func (o *observer) hostile(id wire.PublicKey) bool { return o.net.index[id] < o.net.Byzantine }

// blame checks 5.6: only hostile peers are blamed.
func (o *observer) blame(p *process, what string, who wire.PublicKey) {
	if !o.hostile(who) {
		o.net.fail("5.6: %s: a %s blames process %d, which is honest", p.name, what, o.net.index[who])
	}
}

// verdict checks a verdict before a core gets it. Each vote in Invalid must be invalid, and votes
// may be undecided only if 3.3 allows it.
func (o *observer) verdict(p *process, v *verify.Verdict) {
	n, st := o.net, v.Statement
	if v.Err != nil {
		return
	}
	if st.Proposal != nil && v.ProposalValid != n.roster.chunkValid(st.Proposal) {
		n.fail("4.2.6: %s: chunk signature on %s valid %v", p.name, short(&st.Proposal.Chunk), v.ProposalValid)
	}
	if v.CertificateValid && st.Certificate != nil {
		o.certificate(p, st.Subject, st.Certificate)
	}
	for _, i := range v.Invalid {
		if !st.Unattributed {
			o.blame(p, "verdict", st.Scheme.Participants()[i])
		}
		if n.roster.epochs[st.Subject.Epoch].independent.vote(i, st.Subject, st.Vote(i)) == nil {
			n.fail("3.3: %s: a valid vote of participant %d is called invalid", p.name, i)
		}
	}
	if len(v.Deferred) == 0 {
		return
	}
	for _, i := range v.Deferred {
		o.blame(p, "hint", st.Scheme.Participants()[i])
		if !st.Signers.Has(i) || st.Suspects.Has(i) || !p.verifier.offenders.Has(st.Scheme, st.Subject.Epoch, i) {
			n.fail("3.3: %s: votes deferred for participant %d, who is not exposed in epoch %d, or proven there", p.name, i, st.Subject.Epoch)
		}
	}
	e := n.roster.epochs[st.Subject.Epoch]
	valid := func(i wire.Participant) bool { return st.Signers.Has(i) && !slices.Contains(v.Invalid, i) }
	rest := func(i wire.Participant) bool { return valid(i) && !slices.Contains(v.Deferred, i) }
	if !st.MayDefer || v.Certificate != nil || v.CertificateValid || !e.certifies(valid) || e.certifies(rest) {
		n.fail("3.3: %s: %d votes, %d of them invalid, deferred for %d", p.name, st.Signers.Count(), len(v.Invalid), len(v.Deferred))
	}
}

// arrived checks a core's answer to a message: no message of an honest process is invalid, whatever
// that process has missed. A process with an old disk is exempt, because it does not know which
// chunks it has signed.
func (o *observer) arrived(p *process, e *event, outcome core.Outcome) {
	if from, ok := o.net.index[e.from]; ok && outcome.Invalid() && !o.hostile(e.from) && !o.net.processes[from].stale && !o.net.processes[from].forgot {
		o.net.fail("4.2, 4.3: %s: a message of process %d, which is honest, is called %v", p.name, from, outcome)
	}
}

// afterEvent checks the bounds of 5.5 and 5.7 on a core after an event.
func (o *observer) afterEvent(p *process) {
	n, counts := o.net, p.c.Counts()
	if counts.VoteBytes > p.cfg.MaxVoteBytes {
		n.fail("5.5: %s: %d bytes of votes, %d allowed", p.name, counts.VoteBytes, p.cfg.MaxVoteBytes)
	}
	if counts.Lanes > len(n.processes) || counts.Suspects > n.Byzantine {
		n.fail("5.5: %s: %d lanes and %d suspects of %d processes, %d of them hostile", p.name, counts.Lanes, counts.Suspects,
			len(n.processes), n.Byzantine)
	}
	if counts.KeyFaults > 0 {
		n.fail("3.3: %s: a fault in keys that fit", p.name)
	}
	r := p.observed
	lanes := counts.Lanes + counts.Dormant
	if r.starting {
		return
	}
	// Work in progress can add only a few reports: one lock for each statement of votes and for
	// each waiting parent.
	if most := n.MaxPending + r.atStart + 64 + 24*lanes; int(p.reporter.pending()) > most {
		n.fail("5.7: %s: %d reports wait, at most %d should", p.name, p.reporter.pending(), most)
	}
	r.events++
	if r.events%64 != 0 {
		return
	}
	if !p.failed && p.reporter.pending() == 0 && p.c.Unreported() != 0 {
		n.fail("4.4: %s: %d locks wait for their reports, and all have returned", p.name, p.c.Unreported())
	}
	if live, most := p.disk.Live(), p.c.Unreported()+lanes*(2+4*int(p.cfg.EpochsBack+p.cfg.EpochsAhead+2))+4; live > most {
		n.fail("5.5: %s: %d live records for %d lanes and %d locks that are not reported", p.name, live, lanes, p.c.Unreported())
	}
	for _, l := range p.c.Lanes() {
		if limit := int(p.cfg.HeightBound+1) * int(p.cfg.EpochsBack+p.cfg.EpochsAhead+1); l.Slots > limit {
			n.fail("5.5: %s: %d slots of one lane, at most %d by the rules", p.name, l.Slots, limit)
		}
	}
	if counts.Votes < 0 || counts.VoteBytes < 0 {
		n.fail("5.5: %s: %d votes in %d bytes", p.name, counts.Votes, counts.VoteBytes)
	}
}

// Contiguous returns an error unless every height of a lane up to its top is locked.
func (n *Network) Contiguous(process int) error {
	id := n.roster.ids[process]
	for h := range uint64(n.Height(process) + 1) {
		if _, ok := n.observer.chunks[place{id, h}]; !ok {
			return fmt.Errorf("lane %d has a lock at height %d, and none at %d", process, n.Height(process), h)
		}
	}
	return nil
}
