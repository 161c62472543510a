package core

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// Journal records are one byte for the kind and the encoding of PROTOCOL.md 2:
//
//	0x01 ‖ Node    a tip
//	0x02 ‖ Lock    a certificate
//
// A lane lives on its newest tip and the certificates that aggregate.Lane holds; records of all others are released.
// They may come back in any order, released ones among them.
const (
	recordNode byte = 0x01
	recordLock byte = 0x02
	// RecordFirst is the kind of the record that a journal begins with. It says nothing more.
	RecordFirst byte = 0x03
)

// ErrRecord is a journal record that this version did not write.
var ErrRecord = errors.New("core: not a record of this journal")

type record interface {
	AppendTo(dst []byte) []byte
}

// appendRecord journals a record and returns its position.
func (c *Core) appendRecord(kind byte, r record) uint64 {
	start := len(c.scratch)
	c.scratch = r.AppendTo(append(c.scratch, kind))
	a := c.emit(Append)
	a.Position, a.Bytes = c.next, c.scratch[start:len(c.scratch):len(c.scratch)]
	c.next++
	return a.Position
}

// release lets go of a record, if position is one.
func (c *Core) release(position uint64) {
	if position != 0 {
		c.emit(Release).Position = position
	}
}

// recovered is what the journal held of a lane.
type recovered struct {
	node     wire.Node
	bytes    []byte // of node; nil if there is none
	position uint64
	locks    []aggregate.Certificate
	highest  uint64   // of locks
	dead     []uint64 // positions of records that higher ones replaced
	limit    int      // of locks, at which trim looks again
}

// trim drops locks that cannot matter whatever record comes next, so that a long journal is not held in memory: those
// below both the highest lock less one and the parent of the highest node.
func (r *recovered) trim() {
	last := &r.locks[len(r.locks)-1]
	r.highest = max(r.highest, last.Height)
	if len(r.locks) < r.limit {
		return
	}
	below := func(c aggregate.Certificate, height uint64) bool { return c.Height < height && c.Height+1 < height }
	kept := r.locks[:0]
	for _, lock := range r.locks {
		if below(lock, r.highest) && r.bytes != nil && below(lock, r.node.Chunk.Height) {
			r.dead = append(r.dead, lock.Position)
			continue
		}
		kept = append(kept, lock)
	}
	clear(r.locks[len(kept):])
	r.locks = kept
	r.limit = 2*len(kept) + 16
}

// Recover takes one record of the journal, in any order, before Start. The record is copied.
func (c *Core) Recover(position uint64, rec []byte) error {
	if len(rec) == 0 {
		return fmt.Errorf("%w: empty, at position %d", ErrRecord, position)
	}
	body := slices.Clone(rec[1:])
	switch rec[0] {
	case recordNode:
		var n wire.Node
		if err := n.DecodeStored(body); err != nil {
			return fmt.Errorf("%w: node at position %d: %w", ErrRecord, position, err)
		}
		return c.recoverNode(position, n, body)
	case recordLock:
		var lock wire.Lock
		if err := lock.DecodeStored(body); err != nil {
			return fmt.Errorf("%w: lock at position %d: %w", ErrRecord, position, err)
		}
		r := c.recovering(lock.Chunk.Sequencer)
		r.locks = append(r.locks, aggregate.Certificate{
			Height: lock.Chunk.Height, Epoch: lock.Epoch, Payload: lock.Chunk.Payload,
			Bytes: lock.Certificate, Position: position,
		})
		r.trim()
		return nil
	case RecordFirst:
		return nil
	}
	return fmt.Errorf("%w: kind %#x at position %d", ErrRecord, rec[0], position)
}

func (c *Core) recovering(sequencer wire.PublicKey) *recovered {
	l := c.lane(sequencer)
	if l.recovered == nil {
		l.recovered = new(recovered)
	}
	return l.recovered
}

func (c *Core) recoverNode(position uint64, n wire.Node, body []byte) error {
	r := c.recovering(n.Chunk.Sequencer)
	if r.bytes != nil {
		if n.Chunk.Height == r.node.Chunk.Height && n.Chunk.Payload != r.node.Chunk.Payload {
			return fmt.Errorf("%w: two tips at height %d of sequencer %s, at positions %d and %d",
				ErrRecord, n.Chunk.Height, n.Chunk.Sequencer, r.position, position)
		}
		if n.Chunk.Height <= r.node.Chunk.Height {
			r.dead = append(r.dead, position)
			return nil
		}
		r.dead = append(r.dead, r.position)
	}
	r.node, r.bytes, r.position = n, body, position
	return nil
}

// Start begins operation in the given epoch. next is the position that the first Append is to carry. Recovered locks
// are reported again, recovered tips shown to the application again, our own tip broadcast if it lacks its certificate.
func (c *Core) Start(now time.Duration, epoch, next uint64) {
	c.running = true
	c.now, c.epoch, c.next = now, epoch, next
	c.durable = next - 1
	if c.cfg.Sequencer {
		c.own = c.lane(c.cfg.Identity)
	}
	for _, l := range c.order {
		if l.recovered != nil {
			c.restore(l, l.recovered)
			l.recovered = nil
		}
	}
	c.restartProposing()
}

// restore makes a lane of what the journal held of it.
func (c *Core) restore(l *lane, r *recovered) {
	if r.bytes != nil {
		l.tip = &tip{
			proposal: r.node.Proposal(), parentEpoch: r.node.Parent.Epoch,
			position: r.position, durable: true,
		}
		if l == c.own {
			l.tip.bytes = r.bytes
		}
		if r.node.HasParent() {
			s := r.node.ParentSubject()
			r.locks = append(r.locks, aggregate.Certificate{
				Height: s.Chunk.Height, Epoch: s.Epoch, Payload: s.Chunk.Payload, Bytes: r.node.Parent.Certificate,
			})
		}
	}
	for _, position := range r.dead {
		c.release(position)
	}
	// From the lowest height up, so that none is refused as too low; at one height and epoch the one with a record first.
	slices.SortStableFunc(r.locks, func(a, b aggregate.Certificate) int {
		return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(b.Position, a.Position))
	})
	for _, lock := range r.locks {
		result, held := l.votes.Certify(lock, 0)
		if result != aggregate.Added {
			if result == aggregate.Contradicted {
				c.reportLockConflict(l, l.lock(held), l.lock(&lock))
			}
			c.release(lock.Position)
		}
	}
	c.pruneCertificates(l)
	for i := range l.votes.Certificates() {
		c.reportLock(l, l.lock(&l.votes.Certificates()[i]))
	}
	if l.tip != nil {
		c.askVerify(l)
	}
}
