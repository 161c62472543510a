package core

import (
	"iter"

	"github.com/lanecast/lanecast/wire"
)

// Participation counts the acks of one validator. It is for metrics only. The counts start again at
// 0 when the validator has been in no known epoch within bounds.
type Participation struct {
	// InTime is the number of its acks that were counted towards a quorum, before their chunk had a
	// certificate. Their signatures need not have been verified.
	InTime uint64
	// Late is the number of its acks for chunks that had a certificate. An ack that is sent again
	// counts again.
	Late uint64
}

// participations returns the counts of an epoch's participants, in their order. Epochs share the
// counts of a validator that is in several.
func (s *epochs) participations(participants []wire.PublicKey) []*Participation {
	counts := make([]*Participation, len(participants))
	for i, id := range participants {
		p := s.participants[id]
		if p == nil {
			p = new(Participation)
			s.participants[id] = p
		}
		counts[i] = p
	}
	return counts
}

// forgetParticipants drops the counts of validators of no known epoch within bounds.
func (s *epochs) forgetParticipants() {
	for id := range s.participants {
		if !s.haveValidator(id) {
			delete(s.participants, id)
		}
	}
}

// Participations iterates over the validators of the current epoch, in order of their numbers, with
// their counts. There are none while the validators are not known.
func (c *Core) Participations() iter.Seq2[wire.PublicKey, Participation] {
	return func(yield func(wire.PublicKey, Participation) bool) {
		e := c.epochs.known[c.epochs.current]
		if e == nil {
			return
		}
		for i, id := range e.scheme.Participants() {
			if !yield(id, *e.participation[i]) {
				return
			}
		}
	}
}

// countParent counts whether a certificate made by another sequencer includes an ack of ours. Where
// many validators acked in time, certificates include some of them in turn.
func (c *Core) countParent(n *wire.Node) {
	e := c.epochs.known[n.Parent.Epoch]
	if e == nil || !e.member {
		return
	}
	signers, _, err := e.format.SplitCertificate(n.Parent.Certificate)
	switch {
	case err != nil || signers.Len() == 0: // a threshold certificate does not name its signers
	case int(e.me) < signers.Len() && signers.Has(e.me):
		c.counts.ParentsWithOurs++
	default:
		c.counts.ParentsWithoutOurs++
	}
}
