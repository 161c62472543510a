package core

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Marks say where a validator whose journal was lost does not ack: docs/protocol.md 5.10 and 7.5. A
// validator that acked a height of a lane held the lock of the height below, whose quorum held the
// lock of the height below that. So an honest validator in a quorum that answers knows a lock at
// most two heights lower.

// mark is the height of a lane up to which we do not ack. The zero value is none.
type mark struct {
	height uint64
	set    bool
	// open: the lane has a lock of an epoch whose sets were not known, so that the height is not
	// known. Nothing is acked until a lock within bounds is held, and then only above that lock's
	// mark.
	open   bool
	unsafe bool // the host took the risk: the mark only says which messages of our own are expected
}

// covers reports whether an ack of ours at a height may have been in the journal that was lost.
func (m mark) covers(height uint64) bool { return m.open || m.set && height <= m.height }

// of returns the mark of a lane.
func (s *loss) of(sequencer wire.PublicKey) mark {
	m, ok := s.marks[sequencer]
	if !ok && s.others {
		m = mark{open: true, unsafe: s.unsafe}
	}
	return m
}

// close sets the height of a lane's open mark.
func (s *loss) close(m laneMark) {
	if s.closed == nil {
		s.closed = make(map[wire.PublicKey]uint64)
	}
	s.closed[m.sequencer] = m.height
	if s.marks != nil {
		s.marks[m.sequencer] = mark{height: m.height, set: true, unsafe: s.unsafe}
	}
}

// abstains reports whether we must not ack at a height.
func (l *lane) abstains(height uint64) bool { return !l.mark.unsafe && l.mark.covers(height) }

// Abstaining returns the number of lanes of current sequencers on which this process does not ack
// yet, and the highest height up to which it does not.
func (c *Core) Abstaining() (lanes int, to uint64) {
	if c.loss.unsafe {
		return 0, 0
	}
	for sequencer, m := range c.loss.marks {
		l := c.lanes.find(&sequencer)
		if l == nil && c.epochs.haveSequencer(sequencer) || l != nil && l.before(m) {
			lanes++
			to = max(to, m.height)
		}
	}
	if c.loss.others {
		for _, l := range c.lanes.all() {
			if _, ok := c.loss.marks[l.sequencer]; !ok && !l.gone {
				lanes++
			}
		}
	}
	return lanes, to
}

// before reports whether the lane has not passed a mark.
func (l *lane) before(m mark) bool {
	highest, certified := l.votes.Highest()
	return m.open || m.covers(l.base()) && !(certified && highest == m.height)
}

// setMarks makes the marks of a recovery known to the lanes.
func (c *Core) setMarks() {
	for _, l := range c.lanes.all() {
		l.mark = c.loss.of(l.sequencer)
	}
}

// closeMark sets the height of the lane's mark if the mark is open and a lock within bounds is
// held.
func (c *Core) closeMark(l *lane) {
	if !l.mark.open || l.gone {
		return
	}
	m, found := laneMark{l.sequencer, l.mark.height}, false
	for _, held := range l.votes.All() {
		if c.epochs.within(held.Epoch) {
			m.height, found = max(m.height, markAbove(held.Chunk.Height)), true
		}
	}
	if found {
		c.records.append(recordMark, &m)
		c.loss.close(m)
		l.mark = c.loss.of(l.sequencer)
	}
}

// closeMarks calls closeMark for all lanes.
func (c *Core) closeMarks() {
	for _, l := range c.lanes.all() {
		c.closeMark(l)
	}
}

// markAbove returns the mark of a lane whose lock is at a height.
func markAbove(height uint64) uint64 {
	if height >= math.MaxUint64-2 {
		return math.MaxUint64
	}
	return height + 2
}

// Recovery holds the locks and chunks that others know, for a process whose journal was lost. The
// caller has verified the locks and the signatures of the proposals.
type Recovery struct {
	// Locks are the highest lock of each lane, and all known locks of our own lane.
	Locks []wire.Lock
	// Unknown are locks of epochs whose sets are not known. They cannot be verified.
	Unknown []wire.Subject
	// Own are chunks with our signature.
	Own []wire.Proposal
	// Resume lets our own lane go on.
	Resume bool
}

// Adopt adopts locks that the caller has verified: docs/protocol.md 4.8. In a process that is
// recovering it ends the recovery, like EndRecovery.
func (c *Core) Adopt(now time.Duration, locks []wire.Lock) error {
	if c.running && c.loss.recovering && c.loss.adopted == 0 {
		return c.EndRecovery(now, &Recovery{Locks: locks})
	}
	if !c.enter(now) {
		return nil
	}
	if err := c.epochsKnown(locks); err != nil {
		return err
	}
	if err := c.hold(locks); err != nil {
		return err
	}
	c.retireLanes()
	return nil
}

// EndRecovery ends the recovery of a process that is recovering, once the records that it journals
// are durable. r must hold all that is known then. After an error nothing has changed, but for
// ErrStaleJournal.
func (c *Core) EndRecovery(now time.Duration, r *Recovery) error {
	if !c.enter(now) {
		return nil
	}
	if !c.loss.recovering || c.loss.adopted != 0 {
		return ErrNotRecovering
	}
	if err := c.epochsKnown(r.Locks); err != nil {
		return err
	}
	end, err := c.endOfRecovery(r)
	if err != nil {
		return err
	}
	own, err := c.planResume(r)
	if err != nil {
		return err
	}
	end.resumes = own.resumes
	// A lock below bounds counts for abstaining only: retired keys may have leaked.
	first, _ := c.epochs.bounds()
	counting := slices.DeleteFunc(slices.Clone(r.Locks), func(l wire.Lock) bool { return l.Epoch < first })
	if own.lock != nil {
		counting = append(counting, *own.lock)
	}
	if err := c.hold(counting); err != nil {
		return err
	}
	c.resume(&own)
	c.loss.adopt(c.records.append(recordRecovered, &end), &end)
	c.setMarks()
	c.closeMarks() // of lanes of which a lock within bounds is held
	c.retireLanes()
	return nil
}

// epochsKnown checks that the sets of the epochs of all locks are known.
func (c *Core) epochsKnown(locks []wire.Lock) error {
	for i := range locks {
		if _, ok := c.epochs.scheme(locks[i].Epoch); !ok {
			return fmt.Errorf("core: lock of epoch %d: %w", locks[i].Epoch, wire.ErrUnknownEpoch)
		}
	}
	return nil
}

// hold stores valid locks. It returns an error if one of them proves the journal stale.
func (c *Core) hold(locks []wire.Lock) error {
	for i := range locks {
		l := c.lane(locks[i].Chunk.Sequencer)
		lock := locks[i]
		lock.Certificate = slices.Clone(lock.Certificate)
		c.certified(l, lock)
		if !c.running {
			return c.halted
		}
	}
	return nil
}

// maxOpenMarks bounds the lanes with an open mark whose sequencers are in no known epoch. If there
// are more, all lanes of such sequencers have an open mark: peers can invent any number of them.
const maxOpenMarks = 4096

// endOfRecovery returns the record that fixes the marks.
func (c *Core) endOfRecovery(r *Recovery) (end recoveredRecord, err error) {
	end.unsafe = c.cfg.RecoverUnsafe
	if len(r.Locks)+len(r.Unknown)+len(r.Own) == 0 {
		return end, ErrNoLocks
	}
	if c.currentEpoch() == nil {
		return end, fmt.Errorf("core: the current epoch %d: %w", c.epochs.current, wire.ErrUnknownEpoch)
	}
	if err := c.dispensable(); err != nil && !end.unsafe {
		return end, err
	}
	first, last := c.epochs.bounds()
	newest := c.epochs.current // the newest epoch that the network is known to have reached
	for i := range r.Locks {
		newest = min(max(newest, r.Locks[i].Epoch), last)
	}
	heights := make(map[wire.PublicKey]uint64)
	for sequencer := range c.epochs.sequencersUpTo(newest) {
		heights[sequencer] = 1 // as without a lock: height −1, and two more
	}
	unknown := slices.Clip(r.Unknown)
	for i := range r.Locks {
		lock := &r.Locks[i]
		if lock.Epoch < first {
			had, known := c.epochs.hadSequencer(lock.Epoch, lock.Chunk.Sequencer)
			if !known {
				unknown = append(unknown, lock.Subject())
			}
			if !had {
				continue // the holders of that epoch's keys can invent lanes without end
			}
		}
		heights[lock.Chunk.Sequencer] = max(heights[lock.Chunk.Sequencer], markAbove(lock.Chunk.Height))
	}
	open := make(map[wire.PublicKey]bool)
	strangers := 0
	for i := range unknown {
		sequencer := unknown[i].Chunk.Sequencer
		if open[sequencer] {
			continue
		}
		if _, known := heights[sequencer]; !known {
			if strangers == maxOpenMarks {
				end.others = true
				continue
			}
			strangers++
		}
		open[sequencer] = true
	}
	for sequencer, height := range heights {
		end.marks = append(end.marks, laneMark{sequencer, height})
	}
	for sequencer := range open {
		end.open = append(end.open, sequencer)
	}
	slices.SortFunc(end.marks, func(a, b laneMark) int { return a.sequencer.Compare(b.sequencer) })
	slices.SortFunc(end.open, wire.PublicKey.Compare)
	return end, nil
}

// dispensable returns an error if the others have no quorum without us, in the current epoch or in
// a known one ahead within bounds: they could never certify the heights at which we abstain.
func (c *Core) dispensable() error {
	_, last := c.epochs.bounds()
	for number := c.epochs.current; ; number++ {
		if e := c.inBounds(number); e != nil && e.member && e.set.Weight(e.me) > e.set.Tolerates() {
			return fmt.Errorf("%w: one that recovers counts among the faulty ones, and the validators of epoch %d tolerate %d "+
				"of a weight of %d, while this one weighs %d; change the validator set, or accept the risk with RecoverUnsafe",
				ErrIndispensable, number, e.set.Tolerates(), e.scheme.Weights().Total(), e.set.Weight(e.me))
		}
		if number == last {
			return nil
		}
	}
}
