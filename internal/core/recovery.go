package core

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// recovered is the content of the journal about a lane.
type recovered struct {
	node     wire.Node
	bytes    []byte // of node; nil if there is none
	position uint64
	rest     restRecord // the newest; none if restAt is 0
	restAt   uint64
	locks    []aggregate.Certificate
	highest  uint64 // of locks
	limit    int    // of locks, at which trim looks again
}

// addLock keeps a lock. Now and then it releases those that Start would drop: a long journal is not
// held in memory.
func (r *recovered) addLock(lock aggregate.Certificate, reported uint64, records *records) {
	r.locks = append(r.locks, lock)
	r.highest = max(r.highest, lock.Chunk.Height)
	if len(r.locks) < r.limit {
		return
	}
	kept := r.locks[:0]
	for _, lock := range r.locks {
		if lock.Position <= reported && r.prunes(lock.Chunk.Height) {
			records.release(lock.Position)
			continue
		}
		kept = append(kept, lock)
	}
	clear(r.locks[len(kept):])
	r.locks = kept
	r.limit = 2*len(kept) + 16
}

// prunes reports whether certificates of a height are not among those that the lane holds:
// [aggregate.Lane.Prune]. Which they are can change only if the record of a tip comes later that
// compaction has moved, and whose lane is certified further up. Of such a tip the certificate is
// dropped here, and nothing misses it: nothing is acked there any more.
func (r *recovered) prunes(height uint64) bool {
	tip, ok := r.tip()
	ofTip := ok && height <= tip && tip-height <= 1
	return height < r.highest && r.highest-height > 1 && !ofTip
}

// tip returns the height of the lane's tip, false if there is none.
func (r *recovered) tip() (height uint64, ok bool) {
	if t := r.rest.tip; t != nil {
		height, ok = t.Chunk.Height, true
	}
	if r.bytes != nil {
		height, ok = max(height, r.node.Chunk.Height), true
	}
	return height, ok
}

// Recover takes one record of the journal, in any order, before Start. The record is copied. The
// effects are releases of records that are dead because of it: a driver that carries them out each
// time keeps only the live records. A dead record may come again.
func (c *Core) Recover(position uint64, rec []byte) error {
	if len(rec) == 0 {
		return fmt.Errorf("%w: empty, at position %d", ErrRecord, position)
	}
	bad := func(what string, err error) error {
		return fmt.Errorf("%w: %s at position %d: %w", ErrRecord, what, position, err)
	}
	body := slices.Clone(rec[1:])
	switch rec[0] {
	case recordNode:
		var n wire.Node
		if err := n.DecodeStored(body); err != nil {
			return bad("node", err)
		}
		dead, err := c.recoveredLane(n.Chunk.Sequencer).addNode(position, n, body)
		if err != nil {
			return err
		}
		c.records.release(dead)
	case recordLock:
		var lock wire.Lock
		if err := lock.DecodeStored(body); err != nil {
			return bad("lock", err)
		}
		held := aggregate.Certificate{Lock: lock, Position: position}
		c.recoveredLane(lock.Chunk.Sequencer).addLock(held, c.reports.through, &c.records)
	case recordOrigin:
		var o originRecord
		if err := o.decode(body); err != nil {
			return bad("first record", err)
		}
		if err := o.check(&c.cfg); err != nil {
			return err
		}
		c.loss.begins(&o)
	case recordProposal:
		var n wire.Node
		if err := n.DecodeStored(body); err != nil {
			return bad("proposal", err)
		}
		dead, err := c.proposer.recovered(position, n)
		if err != nil {
			return err
		}
		c.records.release(dead)
	case recordRecovered:
		var r recoveredRecord
		if err := r.decode(body); err != nil {
			return bad("end of a recovery", err)
		}
		c.loss.adopt(position, &r)
		c.loss.durable(position)
		c.setMarks()
	case recordMark:
		var m laneMark
		if err := m.decode(body); err != nil {
			return bad("mark", err)
		}
		c.loss.close(m)
		c.setMarks()
	case recordRest:
		var rest restRecord
		if err := rest.decode(body); err != nil {
			return bad("dormant lane", err)
		}
		dead, err := c.recoveredLane(rest.sequencer).addRest(position, rest)
		if err != nil {
			return err
		}
		c.records.release(dead)
	case recordReported:
		var through reportedThrough
		if err := through.decode(body); err != nil {
			return bad("reported locks", err)
		}
		c.records.release(c.reports.recovered(position, uint64(through)))
	default:
		return fmt.Errorf("%w: kind %#x at position %d", ErrRecord, rec[0], position)
	}
	return nil
}

// Origin returns whether the journal's first record says that an earlier journal was lost. ok is
// false if there was no such record among those that were recovered.
func (c *Core) Origin() (lost, ok bool) { return c.loss.lost, c.loss.known }

func (c *Core) recoveredLane(sequencer wire.PublicKey) *recovered {
	l := c.lane(sequencer)
	if l.recovered == nil {
		l.recovered = new(recovered)
	}
	return l.recovered
}

// twoTips is the error of a journal that holds two payloads for one height.
func twoTips(chunk *wire.Chunk, a, b uint64) error {
	return fmt.Errorf("%w: two tips at height %d of sequencer %s, at positions %d and %d",
		ErrRecord, chunk.Height, chunk.Sequencer, a, b)
}

// addNode keeps the highest node. It returns the position of the record that is dead because of
// that, 0 if none is.
func (r *recovered) addNode(position uint64, n wire.Node, body []byte) (dead uint64, err error) {
	if t := r.rest.tip; t != nil && t.Chunk.Height == n.Chunk.Height && t.Chunk.Payload != n.Chunk.Payload {
		return 0, twoTips(&n.Chunk, r.restAt, position)
	}
	if r.bytes != nil {
		if n.Chunk.Height == r.node.Chunk.Height && n.Chunk.Payload != r.node.Chunk.Payload {
			return 0, twoTips(&n.Chunk, r.position, position)
		}
		if n.Chunk.Height <= r.node.Chunk.Height {
			return position, nil
		}
	}
	dead = r.position
	r.node, r.bytes, r.position = n, body, position
	return dead, nil
}

// addRest keeps the newest record of a lane that was dormant. It returns the position of the other
// one, if there are two.
func (r *recovered) addRest(position uint64, rest restRecord) (dead uint64, err error) {
	if t := rest.tip; t != nil && r.bytes != nil && t.Chunk.Height == r.node.Chunk.Height && t.Chunk.Payload != r.node.Chunk.Payload {
		return 0, twoTips(&t.Chunk, r.position, position)
	}
	if position < r.restAt {
		return position, nil
	}
	dead = r.restAt
	r.rest, r.restAt = rest, position
	return dead, nil
}

// Start begins operation in the given epoch. next is the position that the first Append is to
// carry. Recovered locks are reported again that have not been reported, or are at the top of their
// lanes. Recovered tips are shown to the application again. Our own tip is broadcast if it lacks
// its certificate, and our next chunk is signed if it was on its way. Of dormant lanes only locks
// that have not been reported are.
func (c *Core) Start(now time.Duration, epoch, next uint64) {
	c.running = true
	c.now = now
	c.epochs.enter(epoch)
	if c.cfg.Sequencer {
		c.own = c.lane(c.cfg.Identity)
	}
	c.learnAll()
	c.records.start(next)
	var locks []restoredLock
	var resting []*lane
	for _, l := range c.lanes.all() {
		r := l.recovered
		if r == nil {
			continue
		}
		l.recovered = nil
		awake := l.sequencer == c.cfg.Identity || c.epochs.haveSequencer(l.sequencer)
		locks = append(locks, c.restore(l, r, awake)...)
		if !awake {
			resting = append(resting, l)
		}
	}
	if c.own != nil {
		c.proposer.restore(c.own)
	}
	slices.SortStableFunc(locks, func(a, b restoredLock) int { return cmp.Compare(a.held.Position, b.held.Position) })
	for i := range locks {
		c.reportRestored(&locks[i])
	}
	for _, l := range resting {
		c.retireLane(l)
	}
	c.lanes.compact()
	for _, l := range c.lanes.all() {
		c.closeMark(l)
		c.askVerify(l)
	}
	c.sendLastCertificate()
	c.restartProposing()
	c.awaitSets()
}

// restoredLock is a recovered lock that is to be reported.
type restoredLock struct {
	lane    *lane
	held    aggregate.Certificate
	dropped bool // the lane does not hold it
}

// restore makes a lane from the content of the journal, and returns the locks to report: those that
// have not been reported, and if the lane is awake all that it holds.
func (c *Core) restore(l *lane, r *recovered, awake bool) (locks []restoredLock) {
	drop := func(lock aggregate.Certificate) {
		if lock.Position > c.reports.through {
			locks = append(locks, restoredLock{l, lock, true})
		} else {
			c.records.release(lock.Position)
		}
	}
	c.restoreTip(l, r)
	// From the lowest height up, so that none is refused as too low; at one height and epoch the
	// one with a record first.
	slices.SortStableFunc(r.locks, func(a, b aggregate.Certificate) int {
		return cmp.Or(cmp.Compare(a.Chunk.Height, b.Chunk.Height), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(b.Position, a.Position))
	})
	for i, lock := range r.locks {
		if i > 0 && r.locks[i-1].Subject() == lock.Subject() {
			c.records.release(lock.Position) // once more
			continue
		}
		switch result, other := l.votes.Certify(lock); result {
		case aggregate.Added:
		case aggregate.Contradicted:
			c.faults.lockConflict(l, other.Lock, lock.Lock)
			c.records.release(lock.Position)
		default:
			drop(lock)
		}
	}
	var tip uint64
	if l.tip != nil {
		tip = l.tip.chunk().Height
	}
	for _, dropped := range l.votes.Prune(tip, l.tip != nil) {
		drop(dropped)
	}
	for _, held := range l.votes.All() {
		if awake || held.Position > c.reports.through {
			locks = append(locks, restoredLock{l, held, false})
		}
	}
	return locks
}

// restoreTip sets the tip to the higher of two chunks: that of the lane's newest node, and the tip
// that the lane had while it was dormant.
func (c *Core) restoreTip(l *lane, r *recovered) {
	if r.restAt != 0 {
		l.resting = r.restAt
		rest := r.rest.dormant(r.restAt)
		if rest.hasCertified {
			l.votes.Resume(rest.certified)
			l.resumed = rest.locked
		}
		if r.rest.lock != nil {
			r.locks = append(r.locks, aggregate.Certificate{Lock: *r.rest.lock})
		}
		if rest.hasTip && (r.bytes == nil || rest.tip >= r.node.Chunk.Height) {
			l.tip = rest.woken(l.sequencer)
			c.records.release(r.position)
			return
		}
	}
	if r.bytes == nil {
		return
	}
	l.tip = newTip(&r.node)
	l.tip.position, l.tip.durable = r.position, true
	if l == c.own {
		l.tip.bytes = r.bytes
	}
	if r.node.HasParent() {
		r.locks = append(r.locks, aggregate.Certificate{Lock: parentLock(&r.node)})
	}
}

// reportRestored reports a lock again.
func (c *Core) reportRestored(lock *restoredLock) {
	held := &lock.held
	if !lock.dropped {
		held = lock.lane.votes.Held(held.Chunk.Height, held.Epoch)
	}
	c.reportLock(lock.lane, held, lock.dropped)
}
