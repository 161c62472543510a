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

// LoseDisk crashes a process now. It comes back without its journal, as recovering, and asks the
// others what they know, until enough of them are up. With resume its lane goes on, unless it has ended
// with a disk before: the others have not passed their marks on it.
func (n *Network) LoseDisk(process int, away time.Duration, resume bool) {
	p := n.processes[process]
	p.crash(forever)
	if !p.down || n.err != nil {
		return
	}
	n.Stats.Faults[DiskLost]++
	n.history.line(n.now, p.name, "disk lost")
	p.resumes = resume && (!p.lost || p.resumes)
	p.lost, p.ended, p.lostAt = true, true, n.now
	p.newDisk(true)
	p.seen, p.marks, p.open = make(map[place]wire.Digest), nil, nil
	p.lowest = make(map[wire.PublicKey]uint64)
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

// recoverLater makes a process that is recovering ask what others know. It tries again until it
// succeeds.
func (p *process) recoverLater() {
	p.later(20*time.Millisecond, func() {
		if !p.c.Recovering() || p.marks != nil {
			return
		}
		if p.resumes && p.net.now < p.lostAt+p.net.settled() {
			p.recoverLater()
			return
		}
		if r, ok := p.net.gather(p); !ok || !p.endRecovery(&r) {
			p.recoverLater()
		}
	})
}

// adopt hands locks to a process that has its journal.
func (p *process) adopt(locks []wire.Lock) {
	n := p.net
	err := p.c.Adopt(n.now, locks)
	n.history.line(n.now, p.name, "adopts %d locks: %v", len(locks), err)
	switch {
	case err == nil, errors.Is(err, core.ErrStaleJournal): // the observer checks whether it may stop
		n.Stats.Faults[Adopted]++
	case !errors.Is(err, wire.ErrUnknownEpoch):
		n.fail("4.8: %s: adopt: %w", p.name, err)
	}
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
		p.tell(func() { p.adopt(locks) })
	}
}
