package core

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// With resume, a sequencer whose journal was lost continues its lane: docs/protocol.md 7.5. The
// highest of its chunks that others have shown becomes its tip again. A chunk that no peer has
// shown is unknown to it: another chunk at that height is an equivocation that others can prove,
// and the process stops when a peer shows it the first one.

// resumption is the state of our own lane when a recovery ends.
type resumption struct {
	resumes bool
	tip     *wire.Proposal // nil: the lane goes on above its highest lock, or at height 0
	parent  *wire.Lock     // of the tip; nil at height 0
	lock    *wire.Lock     // of an epoch below bounds, proven by our signature; nil for none
	ended   error          // why the lane has ended although it was to go on
	proof   *wire.Conflict // of the reason in ended, if it can be proven
}

// planResume returns how our own lane goes on. It changes nothing.
func (c *Core) planResume(r *Recovery) (p resumption, err error) {
	if !r.Resume {
		return p, nil
	}
	if !c.cfg.Sequencer {
		return p, fmt.Errorf("%w: this process has no sequencer key", ErrResume)
	}
	// The records of an attempt before a crash, and the messages that arrived while recovering,
	// count too.
	own, locks := ours(c.cfg.Identity, r)
	if t := c.own.tip; t != nil {
		own = append(own, t.proposal)
	}
	for _, held := range c.own.votes.All() {
		locks = append(locks, held.Lock)
	}
	first, _ := c.epochs.bounds()
	counts := func(l *wire.Lock) bool { return l.Epoch >= first }
	top := highestOf(own)
	if p.proof = contradiction(own, locks, counts); p.proof != nil {
		p.ended = fmt.Errorf("two payloads with our signature at height %d: somebody else signs with our key", p.proof.Proposal.Chunk.Height)
		return p, nil
	}
	lock := highestLock(locks, counts)
	if err := unproven(top, lock, locks, r.Unknown, c.cfg.Identity); err != nil {
		return p, err
	}
	switch {
	case top == nil || lock != nil && lock.Chunk.Height >= top.Chunk.Height:
		// above the lock, or at height 0
	case top.Chunk.Height == 0 && !slices.ContainsFunc(locks, isOf(top)):
		p.tip = top
	case lock != nil && lock.Chunk.Height == top.Chunk.Height-1:
		p.tip, p.parent = top, lock
	default:
		if err := p.belowBounds(top, locks); err != nil {
			return resumption{}, err
		}
	}
	p.resumes = true
	return p, nil
}

// isOf returns a function that reports whether a lock is of a proposal's chunk.
func isOf(p *wire.Proposal) func(wire.Lock) bool {
	return func(l wire.Lock) bool { return l.Chunk == p.Chunk }
}

// belowBounds handles a lane that has not grown for so long that its locks are below bounds. A lock
// of the highest chunk with our signature, or else of its parent, suffices: validators hold it and
// go on from there.
func (p *resumption) belowBounds(top *wire.Proposal, locks []wire.Lock) error {
	if at := slices.IndexFunc(locks, isOf(top)); at >= 0 {
		p.lock = &locks[at]
		return nil
	}
	for i := range locks {
		l := &locks[i]
		switch {
		case l.Chunk.Height != top.Chunk.Height-1:
		case p.lock != nil && p.lock.Chunk != l.Chunk:
			return fmt.Errorf("%w: two locks of epochs below bounds contradict each other at height %d", ErrResume, l.Chunk.Height)
		case p.lock == nil || l.Epoch > p.lock.Epoch:
			p.lock = l
		}
	}
	if p.lock == nil {
		return fmt.Errorf("%w: the certificate of height %d is missing, which the chunk above it needs, the highest with our signature",
			ErrResume, top.Chunk.Height-1)
	}
	p.tip, p.parent = top, p.lock
	return nil
}

// ours returns the proposals and locks that a recovery knows of an identity's lane.
func ours(identity wire.PublicKey, r *Recovery) (own []wire.Proposal, locks []wire.Lock) {
	for i := range r.Own {
		if r.Own[i].Chunk.Sequencer == identity {
			own = append(own, r.Own[i])
		}
	}
	for i := range r.Locks {
		if r.Locks[i].Chunk.Sequencer == identity {
			locks = append(locks, r.Locks[i])
		}
	}
	return own, locks
}

// highestOf returns the proposal of the highest chunk, nil without any.
func highestOf(own []wire.Proposal) (top *wire.Proposal) {
	for i := range own {
		if top == nil || own[i].Chunk.Height > top.Chunk.Height {
			top = &own[i]
		}
	}
	return top
}

// highestLock returns the highest lock that counts, nil without any.
func highestLock(locks []wire.Lock, counts func(*wire.Lock) bool) (top *wire.Lock) {
	for i := range locks {
		if l := &locks[i]; counts(l) && (top == nil || l.Chunk.Height > top.Chunk.Height) {
			top = l
		}
	}
	return top
}

// contradiction returns two payloads of ours at one height, nil if there are none. A lock for which
// counts returns true proves that the validators have seen our signature.
func contradiction(own []wire.Proposal, locks []wire.Lock, counts func(*wire.Lock) bool) *wire.Conflict {
	at := make(map[uint64]*wire.Proposal, len(own))
	for i := range own {
		other := &own[i]
		if p := at[other.Chunk.Height]; p != nil && p.Chunk.Payload != other.Chunk.Payload {
			return &wire.Conflict{Proposal: *p, Other: *other}
		}
		at[other.Chunk.Height] = other
	}
	for i := range locks {
		lock := &locks[i]
		if p := at[lock.Chunk.Height]; p != nil && counts(lock) && p.Chunk.Payload != lock.Chunk.Payload {
			return &wire.Conflict{Proposal: *p, Lock: lock}
		}
	}
	return nil
}

// unproven returns an error if locks show our lane higher than it is proven, and these locks are of
// epochs below bounds, whose keys may have leaked, or of unknown epochs. If they are right, chunks
// with our signature are missing.
func unproven(top *wire.Proposal, lock *wire.Lock, locks []wire.Lock, unknown []wire.Subject, identity wire.PublicKey) error {
	proven := func(height uint64) bool {
		return top != nil && height <= top.Chunk.Height || lock != nil && height <= lock.Chunk.Height
	}
	for i := range locks {
		if l := &locks[i]; !proven(l.Chunk.Height) {
			return fmt.Errorf("%w: a lock of epoch %d, which is below bounds, is at height %d, and no chunk of that height with our "+
				"signature was shown", ErrResume, l.Epoch, l.Chunk.Height)
		}
	}
	for i := range unknown {
		if s := &unknown[i]; s.Chunk.Sequencer == identity && !proven(s.Chunk.Height) {
			return fmt.Errorf("%w: a lock of epoch %d, whose sets are not known, is said to be at height %d, and no chunk of that "+
				"height with our signature was shown", ErrResume, s.Epoch, s.Chunk.Height)
		}
	}
	return nil
}

// resume carries out the plan, once the locks are held. Nothing is sent before the record of the
// recovery's end is durable.
func (c *Core) resume(p *resumption) {
	l := c.own
	if p.ended != nil {
		c.warn(&p.proof.Proposal.Chunk, fmt.Errorf("our own lane has ended: %w", p.ended))
		c.faults.conflict(l, p.proof)
	}
	if p.tip == nil || l.tip != nil && *l.tip.chunk() == p.tip.Chunk {
		return
	}
	n := wire.Node{Chunk: p.tip.Chunk, Signature: p.tip.Signature}
	if n.HasParent() {
		n.Parent = wire.Parent{Payload: p.parent.Chunk.Payload, Epoch: p.parent.Epoch, Certificate: p.parent.Certificate}
	}
	c.setTip(l, &pendingNode{node: n, message: n.AppendTo(make([]byte, 0, n.Size())), resumed: true})
}

// lacksOwn reports whether the journal should hold a chunk with our signature, and does not. On a
// lane that was resumed, marks excuse no such chunk, since no peer showed it in the recovery. On
// such a lane, if proof is set, another payload at the height of our tip or of a certified chunk
// counts too.
func (c *Core) lacksOwn(chunk *wire.Chunk, proof bool) bool {
	if c.own == nil || c.loss.ended() || !c.loss.resumes {
		return c.unknownToJournal(c.own, chunk)
	}
	if c.proposer.mayHaveSent(chunk) {
		return false
	}
	if t := c.own.tip; t != nil && chunk.Height <= t.chunk().Height {
		return proof && chunk.Height == t.chunk().Height && chunk.Payload != t.chunk().Payload
	}
	if highest, certified := c.own.votes.Highest(); certified && chunk.Height <= highest {
		locked, known := c.own.lockedAt(chunk.Height)
		return proof && known && locked != chunk.Payload
	}
	return true
}
