package aggregate

import (
	"math"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// key names a slot within its lane.
type key struct{ height, epoch uint64 }

// slot holds the votes for one height of a lane in one epoch: one place per validator.
type slot struct {
	key
	lane *Lane
	set  *Set
	next *slot  // of the same height, other epoch
	use  uint64 // number of times that its memory has been given back

	memory *memory
	class  class
	size   int
	ahead  bool           // it was opened ahead of need …
	owner  wire.PublicKey // … by this validator, whose share it takes

	slab  []byte
	voted wire.Signers // places that are used up, including those of votes found invalid
	// choice has for each place the index plus one of the candidate that its vote counts for, 0 for
	// none. It is an index rather than a bitmap per candidate, so that n votes for n payloads,
	// which colluding validators can send, do not take n² bits.
	choice []uint16

	candidates []*candidate // in the order of their first votes; usually one
	spare      *candidate
	grown      int // bytes of candidates beyond the first
	reading    int // statements in verification that read slab
	closed     bool
	failed     bool // the votes of a candidate were each valid, but their combination was not
}

// Result is the result of [Lane.Add].
type Result uint8

const (
	// Counted: the vote is in its slot now.
	Counted Result = iota
	// Quorate: the vote is in its slot, and its candidate may have a quorum.
	Quorate
	// Repeated: this validator has voted for the same payload in this slot.
	Repeated
	// Conflicting: this validator has voted for another payload in this slot. The first vote stays.
	Conflicting
	// Spoiled: this validator's vote in this slot was proven invalid, and used up its place.
	Spoiled
	// NoRoom: there is no memory for the vote. The validator's place is not used up.
	NoRoom
)

// Add counts the vote of an ack that has passed the rules up to 4.3.6. set is the set of the ack's
// epoch. Add copies the signature, which must have the length that the set's scheme demands. ahead
// means that the slot is not needed yet: there is less room for such slots, and the ack's validator
// has a share of it. After Quorate, the caller calls Next.
func (l *Lane) Add(a *wire.Ack, set *Set, ahead bool) Result {
	s := l.open(key{a.Chunk.Height, a.Epoch}, set, a.Participant, ahead)
	if s == nil {
		return NoRoom
	}
	result, c := s.add(a.Participant, a.Chunk.Payload, a.Signature)
	if result == Counted && c.quorate() {
		l.votes.touched = append(l.votes.touched, waitingOf(c, 0))
		return Quorate
	}
	return result
}

// First returns a copy of the ack that was counted at the place of a, whose result was Conflicting.
func (l *Lane) First(a *wire.Ack) wire.Ack {
	s := l.slot(key{a.Chunk.Height, a.Epoch})
	first := *a
	first.Chunk.Payload = s.candidates[s.choice[a.Participant]-1].payload
	first.Signature = slices.Clone(s.place(a.Participant))
	return first
}

// add counts a vote for payload and returns its candidate, nil if the vote was not counted.
func (s *slot) add(i wire.Participant, payload wire.Digest, signature []byte) (Result, *candidate) {
	if s.voted.Has(i) {
		if s.choice[i] == 0 {
			return Spoiled, nil
		}
		if s.candidates[s.choice[i]-1].payload != payload {
			return Conflicting, nil
		}
		return Repeated, nil
	}
	c := s.candidateFor(payload)
	if c == nil {
		return NoRoom, nil
	}
	s.voted.Add(i)
	s.choice[i] = uint16(c.index + 1)
	c.votes++
	c.weight += s.set.Weight(i)
	s.memory.votes++
	copy(s.place(i), signature)
	return Counted, c
}

// place returns the bytes of participant i's signature.
func (s *slot) place(i wire.Participant) []byte {
	n := s.class.signature
	return s.slab[int(i)*n : (int(i)+1)*n]
}

// find returns the candidate for payload, nil if there is none.
func (s *slot) find(payload wire.Digest) *candidate {
	for _, c := range s.candidates {
		if c.payload == payload {
			return c
		}
	}
	return nil
}

// candidateFor returns the candidate for payload and makes one if necessary; nil if there is no
// room for it.
func (s *slot) candidateFor(payload wire.Digest) *candidate {
	if c := s.find(payload); c != nil {
		return c
	}
	// An honest lane needs one candidate, which is part of the slot. Further ones come from an
	// attack.
	if n := len(s.candidates); n == math.MaxUint16 || n > 0 && !s.memory.grow(s) {
		return nil
	}
	c := s.spare
	if c == nil {
		c = new(candidate)
	}
	s.spare = nil
	*c = candidate{payload: payload, slot: s, index: len(s.candidates)}
	s.candidates = append(s.candidates, c)
	return c
}

// allVoted reports whether every validator that is not in except has used its place.
func (s *slot) allVoted(except wire.Signers) bool {
	n := s.voted.Count()
	for i := range except.All() {
		if !s.voted.Has(i) {
			n++
		}
	}
	return n == s.class.participants
}

// resolve ends a statement of c with its verdict. It takes out the votes proven invalid, whose
// places stay used up. It is called once for every statement, also after the slot was closed.
func (s *slot) resolve(c *candidate, invalid []wire.Participant) {
	s.reading--
	c.verifying = false
	for _, i := range invalid {
		if c.has(i) {
			s.choice[i] = 0
			c.votes--
			c.weight -= s.set.Weight(i)
			if !s.closed {
				s.memory.votes--
			}
		}
	}
	if s.closed && s.reading == 0 {
		s.memory.recycle(s)
	}
}

// close closes the slot. Its memory is given back once no statement reads it.
func (s *slot) close() {
	s.closed = true
	for _, c := range s.candidates {
		s.memory.votes -= c.votes
	}
	if s.reading == 0 {
		s.memory.recycle(s)
	}
}

// reset empties the slot and keeps its memory. The slot stays closed until it is opened again.
func (s *slot) reset() {
	s.voted.Clear()
	clear(s.choice)
	if len(s.candidates) > 0 {
		s.spare = s.candidates[0]
	}
	if len(s.candidates) == 1 {
		clear(s.candidates)
		s.candidates = s.candidates[:0]
	} else {
		s.candidates = nil // so many come from an attack: not kept
	}
	*s = slot{
		slab: s.slab, voted: s.voted, choice: s.choice, candidates: s.candidates, spare: s.spare,
		memory: s.memory, class: s.class, size: s.size, use: s.use + 1, closed: true,
	}
}
