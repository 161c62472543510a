package aggregate

import (
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Set is the validators of one epoch, their weights, and which of them are suspects.
type Set struct {
	scheme   verify.Scheme
	weights  verify.Weights
	quorum   uint64 // weight that certifies
	class    class
	suspects wire.Signers // zero while there are none
	quorums  quorums
}

// Set returns the set of an epoch within bounds, whose scheme is scheme.
func (v *Votes) Set(epoch uint64, scheme verify.Scheme) *Set {
	if s := v.sets[epoch]; s != nil {
		return s
	}
	s := newSet(scheme)
	s.suspects = v.suspects.among(scheme.Participants())
	v.sets[epoch] = s
	return s
}

func newSet(scheme verify.Scheme) *Set {
	f, w := scheme.Format(), scheme.Weights()
	return &Set{
		scheme: scheme, weights: w, quorum: w.Quorum(), class: class{f.Participants, f.AckSignature}, quorums: newQuorums(w),
	}
}

// SetBounds makes the epochs from first to last the ones within bounds. It forgets the sets of
// other epochs and the suspicions that have lapsed. The caller makes each lane close the slots of
// other epochs.
func (v *Votes) SetBounds(first, last uint64) {
	v.first, v.last = first, last
	for epoch := range v.sets {
		if epoch < first || epoch > last {
			delete(v.sets, epoch)
		}
	}
	if v.suspects.expire(first) {
		v.refreshSuspects()
	}
}

// refreshSuspects brings the suspects of all sets up to date.
func (v *Votes) refreshSuspects() {
	for _, s := range v.sets {
		s.suspects = v.suspects.among(s.scheme.Participants())
	}
}

// size returns the number of validators.
func (s *Set) size() int { return s.class.participants }

// Weight returns the weight of a validator's vote.
func (s *Set) Weight(i wire.Participant) uint64 { return s.weights.Of(i) }

// Tolerates returns the weight of the validators that may be faulty: f of 3.1.
func (s *Set) Tolerates() uint64 { return s.weights.Tolerated() }
