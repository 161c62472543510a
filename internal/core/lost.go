package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A journal that was lost is replaced by what others know: docs/protocol.md 5.9 and 5.10. Until it
// is, nothing is signed. Afterwards we ack on a lane only above the height up to which the lost
// journal may have held acks of ours, and our own lane has ended. A journal that is not known to be
// lost, but is shown a message of our own that is not in it, is older than the network: the process
// stops.

var (
	// ErrStaleJournal is a journal that does not hold what this identity has signed.
	ErrStaleJournal = errors.New("core: the journal is older than what this identity has signed")
	// ErrNoLocks is a recovery from no locks.
	ErrNoLocks = errors.New("core: a recovery needs the highest lock of each lane")
	// ErrIndispensable is a recovery of a validator that the others cannot do without.
	ErrIndispensable = errors.New("core: the others have no quorum without this validator, which would have to abstain")
)

// mark is the height of a lane up to which we do not ack. The zero value is none.
type mark struct {
	height uint64
	set    bool
	unsafe bool // the host took the risk: it only tells which messages of our own are no surprise
}

// covers reports whether an ack of ours at a height may have been in the journal that was lost.
func (m mark) covers(height uint64) bool { return m.set && height <= m.height }

// loss is what is known of a journal that was lost before this one.
type loss struct {
	known      bool                    // the journal's first record has been recovered
	lost       bool                    // it says that an earlier journal was lost …
	recovering bool                    // … and nothing has taken its place yet: nothing is signed
	adopted    uint64                  // position of the record that ends recovering; 0 for none
	marks      map[wire.PublicKey]mark // of lanes, from that record
	verifying  bool                    // a message of our own that a peer shows is in verification
}

// begins takes the journal's first record.
func (s *loss) begins(o *originRecord) {
	s.known, s.lost = true, o.recovering
	s.recovering = o.recovering && s.adopted == 0
}

// adopt takes the record that ends recovering once it is durable.
func (s *loss) adopt(position uint64, r *recoveredRecord) {
	s.adopted = position
	s.marks = make(map[wire.PublicKey]mark, len(r.marks))
	for _, m := range r.marks {
		s.marks[m.sequencer] = mark{height: m.height, set: true, unsafe: r.unsafe}
	}
}

// durable ends recovering if what was adopted is on disk with the records up to position, and
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
	m := s.marks[chunk.Sequencer]
	return s.recovering || m.covers(chunk.Height) ||
		s.lost && !m.set && !known // a lane that nobody spoke of in the recovery
}

// abstains reports whether we must not ack at a height.
func (l *lane) abstains(height uint64) bool { return !l.mark.unsafe && l.mark.covers(height) }

// Abstaining returns on how many lanes of sequencers of now we do not ack yet, and the highest
// height up to which.
func (c *Core) Abstaining() (lanes int, to uint64) {
	for sequencer, m := range c.loss.marks {
		l := c.lanes.find(&sequencer)
		if !m.unsafe && (l == nil && c.epochs.haveSequencer(sequencer) || l != nil && l.before(m)) {
			lanes++
			to = max(to, m.height)
		}
	}
	return lanes, to
}

// before reports whether the lane has not passed a mark.
func (l *lane) before(m mark) bool {
	highest, certified := l.votes.Highest()
	return m.covers(l.base()) && !(certified && highest == m.height)
}

// Recovering reports whether the journal was lost and nothing has been adopted in its place.
func (c *Core) Recovering() bool { return c.loss.recovering }

// Adopt takes locks that the caller has verified: docs/protocol.md 4.8. In a process that is
// recovering it ends the recovery, once it is durable. The locks must then be all that is known,
// the highest of each lane at least.
func (c *Core) Adopt(now time.Duration, locks []wire.Lock) error {
	if !c.enter(now) {
		return nil
	}
	for i := range locks {
		if _, ok := c.epochs.scheme(locks[i].Epoch); !ok {
			return fmt.Errorf("core: lock of epoch %d: %w", locks[i].Epoch, wire.ErrUnknownEpoch)
		}
	}
	ends := c.loss.recovering && c.loss.adopted == 0
	var end recoveredRecord
	if ends {
		var err error
		if end, err = c.endOfRecovery(locks); err != nil {
			return err
		}
	}
	for i := range locks {
		l := c.lane(locks[i].Chunk.Sequencer)
		lock := locks[i]
		lock.Certificate = slices.Clone(lock.Certificate)
		c.certified(l, lock)
		if !c.running {
			return c.halted // it has proven that the journal is stale
		}
	}
	if ends {
		c.loss.adopt(c.records.append(recordRecovered, &end), &end)
		c.setMarks()
	}
	c.retireLanes()
	return nil
}

// endOfRecovery fixes the marks. Whoever acked a height of a lane held the lock of the one below,
// whose quorum held the lock of the one below that; so an honest one of a quorum that answers knows
// of a lock at most two heights lower.
func (c *Core) endOfRecovery(locks []wire.Lock) (recoveredRecord, error) {
	r := recoveredRecord{unsafe: c.cfg.RecoverUnsafe}
	if len(locks) == 0 {
		return r, ErrNoLocks
	}
	if c.currentEpoch() == nil {
		return r, fmt.Errorf("core: the current epoch %d: %w", c.epochs.current, wire.ErrUnknownEpoch)
	}
	_, last := c.epochs.bounds()
	newest := c.epochs.current // that the network is known to have reached
	for i := range locks {
		newest = min(max(newest, locks[i].Epoch), last)
	}
	for number := c.epochs.current; ; number++ {
		if e := c.inBounds(number); e != nil && e.member && !r.unsafe {
			if e.set.Weight(e.me) > e.set.Tolerates() {
				return r, fmt.Errorf("%w: one that recovers counts among the faulty ones, and the validators of epoch %d tolerate %d "+
					"of a weight of %d, while this one weighs %d; change the validator set, or accept the risk with RecoverUnsafe",
					ErrIndispensable, number, e.set.Tolerates(), e.scheme.Weights().Total(), e.set.Weight(e.me))
			}
		}
		if number == last {
			break
		}
	}
	heights := make(map[wire.PublicKey]uint64)
	for sequencer := range c.epochs.sequencersUpTo(newest) {
		heights[sequencer] = 1 // as without a lock: height −1, and two more
	}
	for i := range locks {
		chunk := &locks[i].Chunk
		height := uint64(math.MaxUint64)
		if chunk.Height < math.MaxUint64-2 {
			height = chunk.Height + 2
		}
		heights[chunk.Sequencer] = max(heights[chunk.Sequencer], height)
	}
	for sequencer, height := range heights {
		r.marks = append(r.marks, laneMark{sequencer, height})
	}
	slices.SortFunc(r.marks, func(a, b laneMark) int { return a.sequencer.Compare(b.sequencer) })
	return r, nil
}

// setMarks makes the marks of a recovery known to the lanes.
func (c *Core) setMarks() {
	for _, l := range c.lanes.all() {
		l.mark = c.loss.marks[l.sequencer]
	}
}

// unknownToJournal reports whether a message of our own about a chunk is one that the journal
// should hold and does not. l is the chunk's lane and may be nil.
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
		return false // … and been certified since
	}
	return l.tip == nil || chunk.Height > l.tip.chunk().Height
}

// provesLoss stops the process if a valid certificate proves that the journal lacks what we have
// signed: it is one of our own lane above our tip, or names us as a signer above the lane's tip.
func (c *Core) provesLoss(l *lane, lock *wire.Lock) bool {
	if !c.unknownToJournal(l, &lock.Chunk) {
		return false
	}
	if l == c.own && l != nil {
		c.halt(fmt.Errorf("%w: our lane is certified at height %d", ErrStaleJournal, lock.Chunk.Height))
		return true
	}
	// A lane that nothing is known of, and whose sequencer is in no set, was forgotten or is
	// adopted by a joiner.
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

// halt stops the process for a reason that no retry mends.
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

// ownNode takes a node of our own lane from whatever peer. It says nothing new, unless our journal
// lacks it.
func (c *Core) ownNode(from *Peer, n *wire.Node) Outcome {
	if !c.unknownToJournal(c.own, &n.Chunk) {
		return WrongPeer
	}
	proposal := n.Proposal()
	return c.verifyOwn(from, &verify.Statement{Proposal: &proposal, Unbatched: true}, "a node", n.Chunk)
}

// ownAck takes an ack with our participant number of the epoch e, from whatever peer.
func (c *Core) ownAck(from *Peer, l *lane, e *epoch, a *wire.Ack) Outcome {
	if !c.unknownToJournal(l, &a.Chunk) {
		return WrongPeer
	}
	st := aloneStatement(e, a)
	st.Unattributed = true
	return c.verifyOwn(from, st, "an ack", a.Chunk)
}

// verifyOwn has one message of our own verified at a time, and none that a peer shows for a while
// after an invalid one of the same peer.
func (c *Core) verifyOwn(from *Peer, st *verify.Statement, what string, chunk wire.Chunk) Outcome {
	if c.loss.verifying || c.now < from.ownNext {
		return WrongPeer
	}
	c.loss.verifying = true
	c.jobs.submit(st, job{own: &ownMessage{from, what, chunk}})
	return Accepted
}

// ownVerdict takes the verdict on a message of our own. The journal may have come to hold it
// meanwhile.
func (c *Core) ownVerdict(j job, v *verify.Verdict) {
	c.loss.verifying = false
	valid := v.Err == nil && len(v.Invalid) == 0 && (v.Statement.Proposal == nil || v.ProposalValid)
	chunk := &j.own.chunk
	if !valid {
		j.own.from.ownNext = c.now + c.cfg.BadNodeInterval
		return
	}
	if c.unknownToJournal(c.lanes.find(&chunk.Sequencer), chunk) {
		c.halt(fmt.Errorf("%w: a peer showed %s of ours for height %d of sequencer %s",
			ErrStaleJournal, j.own.what, chunk.Height, chunk.Sequencer))
	}
}
