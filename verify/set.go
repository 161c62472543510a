package verify

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// MaxValidators is the largest number of validators in one epoch.
const MaxValidators = 65535

// validatorSet holds the identities of an epoch in ascending order.
//
// Schemes embed it, blsScheme and signatureList as values, and all receivers have one name, so that
// go doc shows the methods of these parts like those of the scheme.
type validatorSet struct {
	identities []wire.PublicKey
	index      map[wire.PublicKey]wire.Participant
	weights    Weights
	digest     [32]byte
}

// newValidatorSet sorts identities. It returns the set, in which all weights are 1, and the order
// of the sort: participant i is identities[order[i]]. It refuses keys of small order under every
// scheme: anybody could impersonate their holder.
func newValidatorSet(identities []wire.PublicKey) (set validatorSet, order []int, err error) {
	n := len(identities)
	if n < 1 || n > MaxValidators {
		return set, nil, fmt.Errorf("verify: %w: %d validators; there must be 1 to %d", ErrValidatorSet, n, MaxValidators)
	}
	order = make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return identities[a].Compare(identities[b]) })
	set.identities = make([]wire.PublicKey, n)
	set.index = make(map[wire.PublicKey]wire.Participant, n)
	for i, from := range order {
		id := identities[from]
		if _, twice := set.index[id]; twice {
			return set, nil, fmt.Errorf("verify: %w: identity %v occurs twice", ErrValidatorSet, id)
		}
		if HasSmallOrder(id) {
			return set, nil, fmt.Errorf("verify: given validator %d, %v: %w: %s", from, id, ErrKey, smallOrder)
		}
		set.identities[i] = id
		set.index[id] = wire.Participant(i)
	}
	set.weights = EqualWeights(n)
	return set, order, nil
}

// newWeightedSet is newValidatorSet for validators with weights.
func newWeightedSet(validators []Validator) (set validatorSet, order []int, err error) {
	identities := make([]wire.PublicKey, len(validators))
	for i := range validators {
		identities[i] = validators[i].Identity
	}
	if set, order, err = newValidatorSet(identities); err != nil {
		return set, nil, err
	}
	each := make([]uint64, len(order))
	for i, from := range order {
		each[i] = validators[from].Weight
	}
	set.weights, err = newWeights(each, func(i int) string { return "validator " + set.identities[i].String() })
	return set, order, err
}

// Participants returns the identity keys in ascending order. The caller must not change them.
func (e *validatorSet) Participants() []wire.PublicKey { return e.identities }

// Index returns the participant number of an identity.
func (e *validatorSet) Index(identity wire.PublicKey) (wire.Participant, bool) {
	i, ok := e.index[identity]
	return i, ok
}

// Weights returns the voting power of the participants.
func (e *validatorSet) Weights() Weights { return e.weights }

func (e *validatorSet) len() int { return len(e.identities) }

// quorum returns the number of validators that certify if each counts 1, as under [Threshold].
func (e *validatorSet) quorum() int { return Quorum(e.len()) }

// isQuorum reports whether participants, which must be in the set, certify.
func (e *validatorSet) isQuorum(participants []int) bool {
	return e.weights.sumOf(participants) >= e.weights.quorum
}

// votes returns in present the signers whose votes are in the slab, ascending. absent are the
// others: participants outside the set, and those whose place is beyond the slab.
func (e *validatorSet) votes(s *Statement, signers wire.Signers, size int) (present []int, absent []wire.Participant) {
	present = make([]int, 0, signers.Count())
	for p := range signers.All() {
		if i := int(p); i < e.len() && (i+1)*size <= len(s.Slab) {
			present = append(present, i)
		} else {
			absent = append(absent, p)
		}
	}
	return present, absent
}

// bitmap returns the signer bitmap over the whole set that holds the participants listed.
func (e *validatorSet) bitmap(participants []int) wire.Signers {
	s := wire.NewSigners(e.len())
	for _, i := range participants {
		s.Add(wire.Participant(i))
	}
	return s
}

// checkBitmap checks the bitmap of a certificate.
func (e *validatorSet) checkBitmap(signers wire.Signers) error {
	if signers.Len() != e.len() {
		return fmt.Errorf("%w: signer bitmap over %d validators, not %d", ErrCertificate, signers.Len(), e.len())
	}
	if weight := e.weights.Sum(signers); weight < e.weights.quorum {
		return fmt.Errorf("%w: %d signers of weight %d, below the quorum of %d",
			ErrCertificate, signers.Count(), weight, e.weights.quorum)
	}
	return nil
}
