package aggregate

import (
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Config bound a Table.
type Config struct {
	// MaxBytes caps the memory of slots.
	MaxBytes int
	// Past is for how many heights, from the highest certified one down, a lane remembers a certificate when it holds it
	// no longer.
	Past uint64
	// Poison overwrites slabs that are no longer used, so that a late reader shows up. For tests.
	Poison bool
}

// Table is the memory of all lanes' votes.
type Table struct {
	options     Config
	bytes       int // of open slots, and of closed ones that a statement still reads
	speculative int // the part of bytes that is speculative
	votes       int // signatures that wait in open slots

	free      map[class][]*Slot
	freeBytes int
}

// class is what slots must share to use each other's memory.
type class struct{ participants, signature int }

// NewTable returns an empty table.
func NewTable(o Config) *Table {
	return &Table{options: o, free: make(map[class][]*Slot)}
}

// Bytes returns the memory that slots occupy, Votes how many signatures wait in them.
func (t *Table) Bytes() int { return t.bytes }

// Votes returns the number of votes that wait in open slots.
func (t *Table) Votes() int { return t.votes }

// Lane returns a new, empty lane of the table.
func (t *Table) Lane() *Lane { return &Lane{table: t, slots: make(map[uint64]*Slot)} }

// Quota is what one validator has opened ahead of need. The zero value is ready; one belongs to each validator.
type Quota struct{ bytes int }

// Empty reports whether nothing that its validator opened is open.
func (q *Quota) Empty() bool { return q.bytes == 0 }

// Memory of a slot beside its slab, approximately: of the slot and its first candidate, for each validator in voted and choice,
// and for each further candidate.
const (
	slotOverhead      = 512
	placeOverhead     = 3
	candidateOverhead = 96
)

// open returns an empty slot, or nil when there is no room for it.
func (t *Table) open(scheme verify.Scheme, speculative bool, opener *Quota) *Slot {
	f := scheme.Format()
	k := class{f.Participants, f.AckSignature}
	size := slotOverhead + k.participants*(placeOverhead+k.signature)
	if t.bytes+size > t.options.MaxBytes {
		return nil
	}
	if speculative {
		half := t.options.MaxBytes / 2
		if t.speculative+size > half || opener.bytes+size > max(size, half/k.participants) {
			return nil
		}
		t.speculative += size
		opener.bytes += size
	} else {
		opener = nil
	}
	t.bytes += size

	var s *Slot
	if list := t.free[k]; len(list) > 0 {
		s = list[len(list)-1]
		t.free[k] = list[:len(list)-1]
		t.freeBytes -= size
	} else {
		s = &Slot{
			slab:   make([]byte, k.participants*k.signature),
			voted:  wire.NewSigners(k.participants),
			choice: make([]uint16, k.participants),
		}
	}
	s.table, s.class, s.size, s.opener, s.closed = t, k, size, opener, false
	s.scheme, s.quorum = scheme, verify.Quorum(k.participants)
	return s
}

// grow makes room for one more candidate of s and reports whether there was any. It is not charged to the opener: others
// make candidates.
func (t *Table) grow(s *Slot) bool {
	if t.bytes+candidateOverhead > t.options.MaxBytes {
		return false
	}
	if s.opener != nil {
		if t.speculative+candidateOverhead > t.options.MaxBytes/2 {
			return false
		}
		t.speculative += candidateOverhead
	}
	t.bytes += candidateOverhead
	s.grown += candidateOverhead
	return true
}

// recycle takes back a slot that is closed and that no statement reads.
func (t *Table) recycle(s *Slot) {
	t.bytes -= s.size + s.grown
	if s.opener != nil {
		t.speculative -= s.size + s.grown
		s.opener.bytes -= s.size
	}
	if t.options.Poison {
		for i := range s.slab {
			s.slab[i] = 0xDB
		}
	}
	k := s.class
	s.reset()
	// Memory of a former set's size is not kept for long: a quarter of the cap, then the garbage collector has it.
	if t.freeBytes+s.size <= t.options.MaxBytes/4 {
		t.freeBytes += s.size
		t.free[k] = append(t.free[k], s)
	}
}
