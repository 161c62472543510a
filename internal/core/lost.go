package core

import (
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// After a journal was lost, the knowledge of other validators takes its place: docs/protocol.md
// 5.9, 5.10 and 7.5. Until then nothing is signed. Afterwards this process acks on a lane only
// above the height up to which the lost journal may have held its acks (marks.go), and its own lane
// has ended, or is resumed (resume.go). If the journal is not known to be lost, and a peer shows a
// message of ours that the journal does not hold, the journal is older than the network: the
// process stops.

var (
	// ErrStaleJournal: the journal does not hold all that this identity has signed.
	ErrStaleJournal = errors.New("core: the journal is older than what this identity has signed")
	// ErrNoLocks: a recovery was given no locks.
	ErrNoLocks = errors.New("core: a recovery needs the highest lock of each lane")
	// ErrIndispensable: the others have no quorum without the validator that recovers.
	ErrIndispensable = errors.New("core: the others have no quorum without this validator, which would have to abstain")
	// ErrNotRecovering: a recovery was to end in a process that is not recovering.
	ErrNotRecovering = errors.New("core: this process is not recovering, or has recovered")
	// ErrResume: our own lane cannot be resumed from the locks and chunks that are known.
	ErrResume = errors.New("core: our own lane cannot be resumed from the known locks and chunks")
)

// loss holds the state that follows from the loss of an earlier journal.
type loss struct {
	known      bool                      // the journal's first record has been recovered
	lost       bool                      // that record says that an earlier journal was lost …
	recovering bool                      // … and no recovery has ended yet: nothing is signed
	adopted    uint64                    // position of the record that ends recovering; 0 for none
	resumes    bool                      // our own lane goes on, from that record
	marks      map[wire.PublicKey]mark   // of lanes, from that record and the marks closed since
	others     bool                      // lanes without a mark have an open one, from that record
	unsafe     bool                      // the process abstains from nothing, from that record
	closed     map[wire.PublicKey]uint64 // marks that were open
	verifying  bool                      // a message of our own is in verification
}

// ended reports whether nothing may be signed for our own lane, nor sent on it.
func (s *loss) ended() bool { return s.recovering || s.lost && !s.resumes }

// begins applies the journal's first record.
func (s *loss) begins(o *originRecord) {
	s.known, s.lost = true, o.recovering
	s.recovering = o.recovering && s.adopted == 0
}

// adopt applies the record that ends the recovery once it is durable.
func (s *loss) adopt(position uint64, r *recoveredRecord) {
	s.adopted, s.resumes, s.others, s.unsafe = position, r.resumes, r.others, r.unsafe
	s.marks = make(map[wire.PublicKey]mark, len(r.marks)+len(r.open))
	for _, m := range r.marks {
		s.marks[m.sequencer] = mark{height: m.height, set: true, unsafe: r.unsafe}
	}
	for _, sequencer := range r.open {
		m := s.marks[sequencer]
		m.open, m.unsafe = true, r.unsafe
		s.marks[sequencer] = m
	}
	for sequencer, height := range s.closed {
		s.marks[sequencer] = mark{height: height, set: true, unsafe: r.unsafe}
	}
}

// durable ends the recovery if the recovery's record is on disk, that is, not above position. It
// reports whether it did.
func (s *loss) durable(position uint64) bool {
	if !s.recovering || s.adopted == 0 || s.adopted > position {
		return false
	}
	s.recovering = false
	return true
}

// mayHaveHeld reports whether a message of our own about a chunk may have been in the journal that
// was lost. known says that the chunk's lane has a tip.
func (s *loss) mayHaveHeld(chunk *wire.Chunk, known bool) bool {
	m := s.of(chunk.Sequencer)
	return s.recovering || m.covers(chunk.Height) ||
		s.lost && !m.set && !known // a lane that no answer in the recovery named
}

// Recovering reports whether the journal was lost and no recovery has ended since.
func (c *Core) Recovering() bool { return c.loss.recovering }

// unknownToJournal reports whether the journal should hold a message of our own about a chunk, and
// does not. l is the chunk's lane and may be nil. For nodes and certificates of our own lane
// lacksOwn reports it.
func (c *Core) unknownToJournal(l *lane, chunk *wire.Chunk) bool {
	if c.loss.mayHaveHeld(chunk, l != nil && l.tip != nil) {
		return false
	}
	// Our next chunk may have been sent before a restart, once its record was durable, …
	if c.proposer.mayHaveSent(chunk) {
		return false
	}
	if l == nil {
		d, ok := c.lanes.kept(chunk.Sequencer)
		return !ok || !d.hasTip || chunk.Height > d.tip
	}
	if highest, certified := l.votes.Highest(); l == c.own && certified && chunk.Height <= highest {
		return false // … and may have been certified since
	}
	return l.tip == nil || chunk.Height > l.tip.chunk().Height
}

// provesLoss stops the process if a valid certificate proves that the journal lacks a message that
// we have signed: the certificate is for a chunk of our own lane above our tip, or it names us as a
// signer above the lane's tip.
func (c *Core) provesLoss(l *lane, lock *wire.Lock) bool {
	if l == c.own && c.lacksOwn(&lock.Chunk, c.epochs.within(lock.Epoch)) {
		c.faults.compareTip(l, *lock)
		c.halt(fmt.Errorf("%w: our lane is certified at height %d", ErrStaleJournal, lock.Chunk.Height))
		return true
	}
	if l == c.own || !c.unknownToJournal(l, &lock.Chunk) {
		return false
	}
	// If nothing is known of a lane, and its sequencer is in no set, the lane was forgotten, or a
	// joining process adopts it.
	if l.tip == nil && !c.epochs.haveSequencer(l.sequencer) {
		return false
	}
	if scheme, ok := c.epochs.scheme(lock.Epoch); ok {
		if me, ok := scheme.Index(c.cfg.Identity); ok {
			format := scheme.Format()
			signers, _, err := format.SplitCertificate(lock.Certificate)
			if err == nil && signers.Len() > 0 && signers.Has(me) {
				c.halt(fmt.Errorf("%w: a certificate of epoch %d for height %d of sequencer %s carries our signature",
					ErrStaleJournal, lock.Epoch, lock.Chunk.Height, lock.Chunk.Sequencer))
				return true
			}
		}
	}
	return false
}

// halt stops the process for a reason that a retry does not remove.
func (c *Core) halt(reason error) {
	c.effects.emit(Halt).Err = reason
	c.halted = reason
	c.running = false
	c.alarm = never
}

// ownMessage is a node or an ack that claims to be ours and that the journal does not hold.
type ownMessage struct {
	from  *Peer
	what  string
	chunk wire.Chunk
}

// ownNode handles a node of our own lane that any peer sent. The node is of use only if our journal
// lacks it.
func (c *Core) ownNode(from *Peer, n *wire.Node) Outcome {
	if !c.lacksOwn(&n.Chunk, true) {
		return WrongPeer
	}
	proposal := n.Proposal()
	return c.verifyOwn(from, &verify.Statement{Proposal: &proposal, Unbatched: true}, "a node", n.Chunk)
}

// ownAck handles an ack with our participant number of the epoch e, which any peer sent.
func (c *Core) ownAck(from *Peer, l *lane, e *epoch, a *wire.Ack) Outcome {
	if !c.unknownToJournal(l, &a.Chunk) {
		return WrongPeer
	}
	st := aloneStatement(e, a)
	st.Unattributed = true
	return c.verifyOwn(from, st, "an ack", a.Chunk)
}

// verifyOwn has messages of our own verified one at a time. After an invalid one it accepts none of
// the same peer for a while.
func (c *Core) verifyOwn(from *Peer, st *verify.Statement, what string, chunk wire.Chunk) Outcome {
	if c.loss.verifying || c.now < from.ownNext {
		return WrongPeer
	}
	c.loss.verifying = true
	c.jobs.submit(st, job{own: &ownMessage{from, what, chunk}})
	return Accepted
}

// ownVerdict handles the verdict on a message of our own. Meanwhile the journal may have come to
// hold the message.
func (c *Core) ownVerdict(j job, v *verify.Verdict) {
	c.loss.verifying = false
	valid := v.Err == nil && len(v.Invalid) == 0 && (v.Statement.Proposal == nil || v.ProposalValid)
	chunk := &j.own.chunk
	if !valid {
		j.own.from.ownNext = c.now + c.cfg.BadNodeInterval
		return
	}
	unknown := false
	if proposal := v.Statement.Proposal; proposal == nil {
		unknown = c.unknownToJournal(c.lanes.find(&chunk.Sequencer), chunk)
	} else if unknown = c.own != nil && c.lacksOwn(chunk, true); unknown {
		if t := c.own.tip; t != nil && t.chunk().Height == chunk.Height {
			c.faults.conflict(c.own, &wire.Conflict{Proposal: t.proposal, Other: *proposal})
		}
	}
	if unknown {
		c.halt(fmt.Errorf("%w: a peer showed %s of ours for height %d of sequencer %s",
			ErrStaleJournal, j.own.what, chunk.Height, chunk.Sequencer))
	}
}
