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
	use  uint64 // how often its memory has been given back

	memory *memory
	class  class
	size   int
	ahead  bool           // it was opened ahead of need …
	owner  wire.PublicKey // … by this validator, whose share it takes

	slab  []byte
	voted wire.Signers // places used up, also by votes found invalid
	// choice says which candidate each place counts for: its index plus one, 0 for none. An index
	// rather than a bitmap per candidate, so that n votes for n payloads, which a sequencer's
	// friends can send, take no n² bits.
	choice []uint16

	candidates []*candidate // by first vote; usually one
	spare      *candidate
	grown      int // bytes of candidates beyond the first
	reading    int // statements in verification that read slab
	closed     bool
	failed     bool // votes of a candidate were valid, each, and combined to nothing valid
}

// Result says what became of a vote.
type Result uint8

const (
	// Counted: it is in its slot now.
	Counted Result = iota
	// Quorate: it is, and its candidate may have a quorum.
	Quorate
	// Repeated: this validator has voted for the same payload there.
	Repeated
	// Conflicting: this validator has voted for another payload there. The first vote stands.
	Conflicting
	// Spoiled: this validator's vote there was proven invalid, and used up its place.
	Spoiled
	// NoRoom: there is no memory for it. The validator's place is not used up.
	NoRoom
)

// Add counts the vote of an ack that has passed the rules up to 4.3.6, of an epoch whose set is
// set. The signature is copied; it must have the length that the set's scheme wants. ahead says
// that the slot is not needed yet: there is less room for such, and the ack's validator has a share
// of it. After Quorate, Next has something to do.
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

// First returns the ack that was counted in the place of a, which is Conflicting, with its bytes
// copied.
func (l *Lane) First(a *wire.Ack) wire.Ack {
	s := l.slot(key{a.Chunk.Height, a.Epoch})
	first := *a
	first.Chunk.Payload = s.candidates[s.choice[a.Participant]-1].payload
	first.Signature = slices.Clone(s.place(a.Participant))
	return first
}

// add counts a vote for payload and returns the candidate that it was counted for, nil if it was
// not.
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

// candidateFor returns the candidate for payload, a new one if need be; nil if there is no room for
// that.
func (s *slot) candidateFor(payload wire.Digest) *candidate {
	if c := s.find(payload); c != nil {
		return c
	}
	// One candidate is what an honest lane needs, and is part of the slot. The rest is somebody's
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

// resolve takes a statement of c back with its verdict: votes proven invalid are taken out, and
// keep their places used up. It is called once for every statement, also after the slot was closed.
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

// close ends the slot; its memory goes back once no statement reads it.
func (s *slot) close() {
	s.closed = true
	for _, c := range s.candidates {
		s.memory.votes -= c.votes
	}
	if s.reading == 0 {
		s.memory.recycle(s)
	}
}

// reset makes the slot as new, with its memory; but closed, until it is opened again.
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
		s.candidates = nil // an attack's size
	}
	*s = slot{
		slab: s.slab, voted: s.voted, choice: s.choice, candidates: s.candidates, spare: s.spare,
		memory: s.memory, class: s.class, size: s.size, use: s.use + 1, closed: true,
	}
}
