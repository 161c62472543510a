package aggregate

import (
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/wire"
)

// memory accounts for and reuses the memory of all slots.
type memory struct {
	limit int
	bytes int // of open slots, and of closed slots that a statement still reads
	ahead int // the part of bytes that was opened ahead of need
	votes int // votes that wait in open slots

	shares map[wire.PublicKey]int // the part of ahead that each validator has opened, if any

	free      map[class][]*slot
	freeBytes int
}

// class identifies slots that can use each other's memory: those of equal class can.
type class struct{ participants, signature int }

func newMemory(limit int) memory {
	return memory{limit: limit, shares: make(map[wire.PublicKey]int), free: make(map[class][]*slot)}
}

// Approximate memory of a slot beside its slab: the slot itself with its entry in its lane and its
// first candidate; for each validator, its entries in voted and choice; for each further candidate.
// A test compares these values with the heap.
const (
	slotOverhead      = 512
	placeOverhead     = 3
	candidateOverhead = 96
)

// SlotBytes returns the charge for one slot of a set: the votes for one height of one lane in one
// epoch, if all are for one payload.
func SlotBytes(f wire.Format) int { return class{f.Participants, f.AckSignature}.bytes() }

func (k class) bytes() int { return slotOverhead + k.participants*(placeOverhead+k.signature) }

// SetMaxBytes changes the limit. Slots that are open already stay.
func (v *Votes) SetMaxBytes(limit int) { v.memory.limit = limit }

// open returns an empty slot for a set, or nil when there is no room for it. Slots ahead of need
// have half the room, and each opener has an equal share of that half.
func (m *memory) open(set *Set, opener wire.Participant, ahead bool) *slot {
	k := set.class
	size := k.bytes()
	if m.bytes+size > m.limit {
		return nil
	}
	var owner wire.PublicKey
	if ahead {
		owner = set.scheme.Participants()[opener]
		half := m.limit / 2
		if m.ahead+size > half || m.shares[owner]+size > max(size, half/k.participants) {
			return nil
		}
		m.ahead += size
		m.shares[owner] += size
	}
	m.bytes += size

	var s *slot
	if list := m.free[k]; len(list) > 0 {
		s = list[len(list)-1]
		m.free[k] = list[:len(list)-1]
		m.freeBytes -= size
	} else {
		s = &slot{
			memory: m,
			slab:   make([]byte, k.participants*k.signature),
			voted:  wire.NewSigners(k.participants),
			choice: make([]uint16, k.participants),
		}
	}
	s.set, s.class, s.size, s.ahead, s.owner, s.closed = set, k, size, ahead, owner, false
	return s
}

// grow makes room for one more candidate of s and reports whether there was any. It is not charged
// to the slot's owner, because other validators' votes make candidates.
func (m *memory) grow(s *slot) bool {
	if m.bytes+candidateOverhead > m.limit {
		return false
	}
	if s.ahead {
		if m.ahead+candidateOverhead > m.limit/2 {
			return false
		}
		m.ahead += candidateOverhead
	}
	m.bytes += candidateOverhead
	s.grown += candidateOverhead
	return true
}

// recycle takes back a slot that is closed and that no statement reads.
func (m *memory) recycle(s *slot) {
	m.bytes -= s.size + s.grown
	if s.ahead {
		m.ahead -= s.size + s.grown
		if m.shares[s.owner] -= s.size; m.shares[s.owner] == 0 {
			delete(m.shares, s.owner)
		}
	}
	if poison.On() {
		poison.Fill(s.slab)
	}
	k := s.class
	s.reset()
	// Memory of the size of a former set is not kept for long: at most a quarter of the limit is
	// kept, the rest is left to the garbage collector.
	if m.freeBytes+s.size <= m.limit/4 {
		m.freeBytes += s.size
		m.free[k] = append(m.free[k], s)
		return
	}
	// Queues may refer to the slot for a while. They must not keep memory that is no longer
	// counted.
	s.slab, s.voted, s.choice, s.candidates, s.spare = nil, wire.Signers{}, nil, nil, nil
}
