package sim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// newDisk gives a process an empty disk whose first record is durable. recovering says that another
// disk was lost.
func (p *process) newDisk(recovering bool) {
	n := p.net
	p.disk = model.NewDisk()
	first := core.FirstRecord(p.id, namespace, recovering)
	if !n.Journal {
		p.disk.Durable = p.disk.Append(first)
		return
	}
	p.disk.KeepReleased = true
	p.journal.close()
	p.journal = newRealJournal(p, first)
}

// LoseDisk crashes a process now. It comes back without its journal, as recovering, and adopts what
// a quorum of others knows as soon as enough of them are up.
func (n *Network) LoseDisk(process int, away time.Duration) {
	p := n.processes[process]
	p.crash(forever)
	if !p.down || n.err != nil {
		return
	}
	n.Stats.Faults[DiskLost]++
	n.history.line(n.now, p.name, "disk lost")
	p.lost = true
	p.newDisk(true)
	p.seen, p.marks = make(map[place]wire.Digest), nil
	clear(p.owed)
	p.comeBack(away)
}

// RestoreDisk crashes a process now. It comes back with an old copy of its disk, and does not know
// that it is old.
func (n *Network) RestoreDisk(process int, old *model.Disk, away time.Duration) {
	p := n.processes[process]
	p.crash(forever)
	p.disk, p.stale = old, true
	clear(p.owed)
	p.comeBack(away)
}

// mayLose reports whether a process may lose its disk. One in a run may, and it counts among the
// faulty ones: until every lane has passed its mark, the others must certify without it.
func (n *Network) mayLose(p *process) bool {
	for _, other := range n.honest() {
		if other.lost && other != p {
			return false
		}
	}
	return p.lost || n.canSpare(p)
}

// recoverLater makes a process that is recovering adopt what others know. It tries again until it
// succeeds.
func (p *process) recoverLater() {
	p.later(20*time.Millisecond, func() {
		if !p.c.Recovering() || p.marks != nil {
			return
		}
		locks, ok := p.net.known(p)
		if !ok || !p.adopt(locks, true) {
			p.recoverLater()
		}
	})
}

// adopt hands locks to a process, and reports whether the process took them. With ends they end its
// recovery.
func (p *process) adopt(locks []wire.Lock, ends bool) bool {
	n := p.net
	if ends {
		// The marks are set before the call: the observer checks the core's effects against them.
		p.marks = n.marks(p, locks)
	}
	err := p.c.Adopt(n.now, locks)
	n.history.line(n.now, p.name, "adopts %d locks, recovering %v: %v", len(locks), ends, err)
	switch {
	case err == nil, errors.Is(err, core.ErrStaleJournal): // the observer checks whether it may stop
		n.Stats.Faults[Adopted]++
		return true
	case !errors.Is(err, core.ErrNoLocks) && !errors.Is(err, wire.ErrUnknownEpoch):
		n.fail("5.10: %s: adopt: %w", p.name, err)
	}
	if ends {
		p.marks = nil
	}
	return false
}

// marks are the heights up to which a process that lost its journal must not ack, by
// docs/protocol.md 5.10: two above the lock adopted for a lane, or above −1.
func (n *Network) marks(p *process, locks []wire.Lock) map[wire.PublicKey]uint64 {
	marks := make(map[wire.PublicKey]uint64)
	for e := uint64(firstEpoch - 1); e <= p.epoch; e++ {
		if list, ok := p.view.Sequencers(e); ok {
			for _, id := range list {
				marks[id] = 1
			}
		}
	}
	for i := range locks {
		c := &locks[i].Chunk
		marks[c.Sequencer] = max(marks[c.Sequencer], c.Height+2)
	}
	return marks
}

// known returns the highest lock of each lane that a random quorum of processes other than p knows;
// false if too few are up. Hostile processes are in the quorum, and tell nothing. Where sets
// change, all other processes are asked, since a quorum of each epoch is needed.
func (n *Network) known(p *process) ([]wire.Lock, bool) {
	var others []*process
	for _, o := range n.honest() {
		if o != p && !o.down && o.halted == nil && (n.roster.rotating || o.index < n.Validators) {
			others = append(others, o)
		}
	}
	n.random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	need := len(n.honest()) - 1
	if !n.roster.rotating {
		e := n.roster.epochs[n.epoch]
		answer := func(k int) bool { // with the hostile ones
			return e.certifies(func(i wire.Participant) bool {
				index := n.index[e.scheme.Participants()[i]]
				return index < n.Byzantine || slices.ContainsFunc(others[:k], func(o *process) bool { return o.index == index })
			})
		}
		for need = 0; need < len(others) && !answer(need); need++ {
		}
		if !answer(need) {
			return nil, false
		}
	}
	if len(others) < need {
		return nil, false
	}
	var locks []wire.Lock
	for _, id := range n.roster.ids {
		var best wire.Lock
		found := false
		for _, o := range others[:need] {
			if l, ok := o.highest(id); ok && (!found || l.Chunk.Height > best.Chunk.Height) {
				best, found = l, true
			}
		}
		if found {
			locks = append(locks, best)
		}
	}
	return locks, true
}

// highest returns the highest lock of a lane that a process holds, in its core or, while the lane
// is dormant, on disk.
func (p *process) highest(lane wire.PublicKey) (lock wire.Lock, ok bool) {
	for _, l := range p.c.Lanes() {
		if l.Sequencer == lane && l.HasCertified {
			lock, ok = p.c.Certificate(lane, l.Certified)
		}
	}
	if ok {
		return lock, true
	}
	for _, rec := range slices.Backward(p.disk.Records) {
		if rec.Bytes[0] == byte(core.DormantRecord) && bytes.Equal(rec.Bytes[1:1+len(lane)], lane[:]) {
			return dormantLock(rec.Bytes[1+len(lane):])
		}
	}
	return wire.Lock{}, false
}

// dormantLock reads the lock in the record of a dormant lane, which begins with flags.
func dormantLock(b []byte) (lock wire.Lock, ok bool) {
	flags := b[0]
	b = b[1:]
	if flags&1 != 0 {
		_, used := binary.Uvarint(b)
		b = b[used+len(wire.Digest{}):]
	}
	if flags&2 != 0 {
		b = b[1+int(b[0]):]
	}
	if flags&4 == 0 {
		return lock, false
	}
	return lock, lock.DecodeStored(b) == nil
}

// adoptFrom hands a running process the highest locks that another one holds, as a joining
// validator gets them.
func (p *process) adoptFrom(o *process) {
	var locks []wire.Lock
	for _, id := range p.net.roster.ids {
		if l, ok := o.highest(id); ok {
			locks = append(locks, l)
		}
	}
	if !p.down && p.halted == nil && !p.c.Recovering() {
		p.tell(func() { p.adopt(locks, false) })
	}
}
