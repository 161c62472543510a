package aggregate

import (
	"math"
	"math/rand/v2"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Key names a slot within its lane.
type Key struct{ Height, Epoch uint64 }

// Slot holds the votes for one height of a lane in one epoch: one place per validator.
type Slot struct {
	Key
	table  *Table
	next   *Slot // of the same height, other epoch
	scheme verify.Scheme
	class  class
	size   int
	quorum int
	opener *Quota // charged for the slot when it is speculative

	slab  []byte
	voted wire.Signers // places used up, also by votes found invalid
	// choice says which candidate each place counts for: its index plus one, 0 for none. An index rather than a bitmap per
	// candidate, so that n votes for n payloads, which a sequencer's friends can send, take no n² bits.
	choice []uint16

	candidates []*Candidate // by first vote; usually one
	spare      *Candidate
	grown      int // bytes of candidates beyond the first
	reading    int // statements in flight that read slab
	closed     bool
	failed     bool // votes of a candidate were valid, each, and combined to nothing valid
}

// Candidate is the votes of one slot for one payload.
type Candidate struct {
	Payload  wire.Digest
	slot     *Slot
	index    int    // in slot.candidates
	count    int    // of its votes, those known to be invalid excepted
	flying   bool   // a statement of it is being verified
	paused   bool   // it waits to be tried again after a failure
	failures uint16 // how many statements of it failed although each vote is valid; no more are counted than fit
	stalled  bool   // it waits for votes of validators that are not suspect, or to be tried again after no verdict
	queued   bool   // it waits for its turn to be verified
}

// VoteResult says what became of a vote.
type VoteResult uint8

const (
	// Counted: it is in the slot now.
	Counted VoteResult = iota
	// Repeated: this validator has voted for the same payload there.
	Repeated
	// Conflicting: this validator has voted for another payload there. The first vote stands.
	Conflicting
	// Spoiled: this validator's vote there was proven invalid, and used up its place.
	Spoiled
	// Full: there is no room for another candidate. The validator's place is not used up.
	Full
)

// Vote counts a vote for payload and returns its candidate: the one that it was counted for, or, when it is
// Conflicting, the one of the validator's first vote; nil otherwise. signature is copied; it must have the length that the
// slot's scheme wants.
func (s *Slot) Vote(i wire.Participant, payload wire.Digest, signature []byte) (VoteResult, *Candidate) {
	if s.voted.Has(i) {
		if s.choice[i] == 0 {
			return Spoiled, nil
		}
		if c := s.candidates[s.choice[i]-1]; c.Payload != payload {
			return Conflicting, c
		}
		return Repeated, nil
	}
	c := s.candidate(payload)
	if c == nil {
		return Full, nil
	}
	s.voted.Add(i)
	s.choice[i] = uint16(c.index + 1)
	c.count++
	s.table.votes++
	copy(s.place(i), signature)
	return Counted, c
}

func (s *Slot) place(i wire.Participant) []byte {
	n := s.class.signature
	return s.slab[int(i)*n : (int(i)+1)*n]
}

// candidate returns the candidate for payload, a new one if need be; nil if there is no room for that.
func (s *Slot) candidate(payload wire.Digest) *Candidate {
	if c := s.Candidate(payload); c != nil {
		return c
	}
	// One candidate is what an honest lane needs, and is part of the slot. The rest is somebody's attack.
	if n := len(s.candidates); n == math.MaxUint16 || n > 0 && !s.table.grow(s) {
		return nil
	}
	c := s.spare
	if c == nil {
		c = new(Candidate)
	}
	s.spare = nil
	*c = Candidate{Payload: payload, slot: s, index: len(s.candidates)}
	s.candidates = append(s.candidates, c)
	return c
}

// Candidate returns the candidate for payload, nil if there is none.
func (s *Slot) Candidate(payload wire.Digest) *Candidate {
	for _, c := range s.candidates {
		if c.Payload == payload {
			return c
		}
	}
	return nil
}

// Candidates returns the slot's candidates in order of their first votes. The slice is the slot's own.
func (s *Slot) Candidates() []*Candidate { return s.candidates }

// Signature returns the bytes of participant i's vote, a view that ends when the slot is closed. Nil if it has none.
func (s *Slot) Signature(i wire.Participant) []byte {
	if !s.voted.Has(i) {
		return nil
	}
	return s.place(i)
}

// AllVoted reports whether every validator that is not in except has used its place.
func (s *Slot) AllVoted(except wire.Signers) bool {
	n := s.voted.Count()
	for i := range except.All() {
		if !s.voted.Has(i) {
			n++
		}
	}
	return n == s.class.participants
}

// Used returns how many validators have used their places.
func (s *Slot) Used() int { return s.voted.Count() }

// Count returns the number of votes that are not known to be invalid.
func (c *Candidate) Count() int { return c.count }

// Slot returns the slot that the candidate belongs to.
func (c *Candidate) Slot() *Slot { return c.slot }

// Quorate reports whether the votes, those of suspects among them, could make a quorum and no statement of them is
// being verified. It is the cheap test to make after every vote.
func (c *Candidate) Quorate() bool {
	return c.count >= c.slot.quorum && !c.flying && !c.paused && !c.slot.closed
}

// Fail notes that the keys of a statement of c do not fit each other: its votes are each valid, and
// combine to nothing valid. No further statement comes before Resume, and that one is of other
// signers. It reports whether this is the first failure of any candidate of the slot. It is called
// before Settle.
func (c *Candidate) Fail() (first bool) {
	first = !c.slot.failed
	c.slot.failed, c.paused = true, true
	c.failures += min(1, math.MaxUint16-c.failures)
	return first
}

// Failed reports whether a statement of c has failed.
func (c *Candidate) Failed() bool { return c.failures > 0 }

// Resume lets c be tried again.
func (c *Candidate) Resume() { c.paused = false }

// Stall notes that the candidate waits for votes of validators that are not suspect, or for another try after one
// without a verdict. It reports whether it did not yet.
func (c *Candidate) Stall() bool {
	first := !c.stalled
	c.stalled = true
	return first
}

// Unstall ends the wait.
func (c *Candidate) Unstall() { c.stalled = false }

// Queue notes that the candidate waits for its turn to be verified. It reports whether it did not yet.
func (c *Candidate) Queue() bool {
	first := !c.queued
	c.queued = true
	return first
}

// Queued reports whether the candidate waits for its turn.
func (c *Candidate) Queued() bool { return c.queued }

// Unqueue ends the wait.
func (c *Candidate) Unqueue() { c.queued = false }

// Ready reports whether Statement would return one.
func (c *Candidate) Ready(suspects wire.Signers) bool {
	return c.Quorate() && c.count-c.among(suspects) >= c.slot.quorum
}

// Statement returns a quorum of the candidate's votes as a statement, none of suspects; nil when
// the others cannot make one, or votes are being verified already. Of more votes than that it takes
// those that come first when validators are counted from first on, and around: so candidates that
// more have voted for than need be get the same signers, which are verified together for less.
// After a failure it takes others than before instead, which depend on the number of failures
// alone, so that each choice comes up some time. The zero Signers is no suspects. The caller sets
// Subject and Tag.
func (c *Candidate) Statement(suspects wire.Signers, first wire.Participant) *verify.Statement {
	if !c.Ready(suspects) {
		return nil
	}
	votes := c.votes()
	if suspects.Len() != 0 {
		votes.RemoveAll(suspects)
	}
	n, surplus := votes.Len(), votes.Count()-c.slot.quorum
	leaveOut := func(i int) {
		if p := wire.Participant(i); surplus > 0 && votes.Has(p) {
			votes.Remove(p)
			surplus--
		}
	}
	if c.failures > 0 {
		for _, i := range rand.New(rand.NewPCG(uint64(c.failures), 0)).Perm(n) {
			leaveOut(i)
		}
	}
	for i := int(first)%n + n - 1; surplus > 0; i-- {
		leaveOut(i % n)
	}
	return c.fly(votes)
}

// Look returns all votes of others and as many of suspects as are missing to a quorum, to be proven
// before they are combined. They are taken in the order in which suspects lists the suspects, after
// a failure from one place further on each time. Nil too when there are not enough of them.
func (c *Candidate) Look(suspects []wire.Participant) *verify.Statement {
	if !c.Quorate() {
		return nil
	}
	votes, n := c.votes(), c.count
	for _, i := range suspects {
		if votes.Has(i) {
			votes.Remove(i)
			n--
		}
	}
	var looked wire.Signers
	for k := range suspects {
		if n >= c.slot.quorum {
			break
		}
		i := suspects[(k+int(c.failures))%len(suspects)]
		if int(c.slot.choice[i]) == c.index+1 {
			if looked.Len() == 0 {
				looked = wire.NewSigners(votes.Len())
			}
			looked.Add(i)
			votes.Add(i)
			n++
		}
	}
	if n < c.slot.quorum {
		return nil
	}
	st := c.fly(votes)
	st.Suspects = looked
	return st
}

// fly makes a statement of votes for c.
func (c *Candidate) fly(votes wire.Signers) *verify.Statement {
	c.flying = true
	c.slot.reading++
	return &verify.Statement{Scheme: c.slot.scheme, Slab: c.slot.slab, Signers: votes}
}

// among returns how many of c's votes are of suspects.
func (c *Candidate) among(suspects wire.Signers) (n int) {
	for i := range suspects.All() {
		if int(c.slot.choice[i]) == c.index+1 {
			n++
		}
	}
	return n
}

// votes returns the validators that vote for c, those whose votes are known to be invalid excepted.
func (c *Candidate) votes() wire.Signers {
	all := wire.NewSigners(c.slot.class.participants)
	for i, choice := range c.slot.choice {
		if int(choice) == c.index+1 {
			all.Add(wire.Participant(i))
		}
	}
	return all
}

// Settle takes a statement of c back with its verdict: votes proven invalid are taken out, and keep their places used
// up. It must be called once for every statement, also after the slot was closed.
func (s *Slot) Settle(c *Candidate, invalid []wire.Participant) {
	s.reading--
	c.flying = false
	for _, i := range invalid {
		if int(s.choice[i]) == c.index+1 {
			s.choice[i] = 0
			c.count--
			if !s.closed {
				s.table.votes--
			}
		}
	}
	if s.closed && s.reading == 0 {
		s.table.recycle(s)
	}
}

// Closed reports whether the slot has been pruned or replaced by a certificate. Only Settle may be called then.
func (s *Slot) Closed() bool { return s.closed }

// close ends the slot; its memory goes back once no statement reads it.
func (s *Slot) close() {
	s.closed = true
	for _, c := range s.candidates {
		s.table.votes -= c.count
	}
	if s.reading == 0 {
		s.table.recycle(s)
	}
}

// reset makes the slot as new, with its memory; but closed, until it is opened again.
func (s *Slot) reset() {
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
	*s = Slot{
		slab: s.slab, voted: s.voted, choice: s.choice, candidates: s.candidates, spare: s.spare,
		class: s.class, size: s.size, closed: true,
	}
}
