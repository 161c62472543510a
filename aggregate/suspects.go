package aggregate

import (
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Suspects are validators that have been proven to send invalid acks. Suspicion is of an identity, whatever the
// epoch, and lapses with the epochs that were in bounds when it arose.
type Suspects struct {
	known map[wire.PublicKey]suspicion
}

type suspicion struct {
	until    uint64 // last epoch of it
	offences int    // acks proven invalid that have been counted
}

// Mark counts an invalid ack of id, which is a suspect up to and including epoch until. It reports whether this is the
// first one counted.
func (s *Suspects) Mark(id wire.PublicKey, until uint64) bool {
	if s.known == nil {
		s.known = make(map[wire.PublicKey]suspicion)
	}
	before := s.known[id]
	s.known[id] = suspicion{max(before.until, until), before.offences + 1}
	return before.offences == 0
}

// Expose makes id a suspect up to and including epoch until, with an invalid ack that is still to be counted. It reports
// whether it was none before.
func (s *Suspects) Expose(id wire.PublicKey, until uint64) bool {
	if _, known := s.known[id]; known {
		return false
	}
	if s.known == nil {
		s.known = make(map[wire.PublicKey]suspicion)
	}
	s.known[id] = suspicion{until: until}
	return true
}

// Expire forgets the suspects whose last epoch is below first and reports whether there were any.
func (s *Suspects) Expire(first uint64) bool {
	n := len(s.known)
	for id, suspicion := range s.known {
		if suspicion.until < first {
			delete(s.known, id)
		}
	}
	return len(s.known) != n
}

// Len returns how many there are.
func (s *Suspects) Len() int { return len(s.known) }

// Among returns the suspects among participants as a bitmap over them; the zero value if there are none.
func (s *Suspects) Among(participants []wire.PublicKey) wire.Signers {
	var found wire.Signers
	if len(s.known) == 0 {
		return found
	}
	for i, id := range participants {
		if _, ok := s.known[id]; ok {
			if found.Len() == 0 {
				found = wire.NewSigners(len(participants))
			}
			found.Add(wire.Participant(i))
		}
	}
	return found
}

// ByOffences returns the suspects among participants, those with the fewest invalid acks first: whoever sent one by an
// accident that is over comes before whoever does nothing else.
func (s *Suspects) ByOffences(participants []wire.PublicKey) []wire.Participant {
	var found []wire.Participant
	for i := range s.Among(participants).All() {
		found = append(found, i)
	}
	slices.SortStableFunc(found, func(a, b wire.Participant) int {
		return s.known[participants[a]].offences - s.known[participants[b]].offences
	})
	return found
}
