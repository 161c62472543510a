package verify

import (
	"fmt"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// The cache of interpolation coefficients holds those of quorumsRemembered quorums, or fewer if
// theirs are more than coefficientsRemembered coefficients in total, which take 12 MiB.
const (
	quorumsRemembered      = 64
	coefficientsRemembered = 1 << 18
)

// Threshold is the BLS scheme in which participant i holds the share f(i+1) of a secret f(0), with
// f of degree quorum − 1. Any quorum of votes interpolates to the same certificate, one signature
// that the group's key verifies. It implements [Scheme]. It is not attributable: a quorum can make
// the vote of any other validator.
type Threshold struct {
	blsScheme
	group         namedKey
	interpolation *interpolation
	coefficients  *cache[string, []curve.Scalar] // by encoded bitmap of the interpolated quorum
}

// NewThreshold builds a set of 1 to [MaxValidators] validators from the outcome of a distributed
// key generation: the identities in any order, the compressed group key, and the compressed public
// keys of the shares in the order of ascending identity. Every key must be in the subgroup and not
// the identity, no two identities and no two shares may be equal, and no identity may be of small
// order ([HasSmallOrder]). All keys together must be the values of one polynomial of degree quorum
// − 1 at 0, 1, …, n: if they are not, the error wraps [ErrInconsistentKeys].
//
// Time and memory are proportional to n, some 20 to 200 µs a validator. The work is done in parts,
// and the scheduler can interrupt it about every millisecond.
func NewThreshold(c Config, identities []wire.PublicKey, groupKey []byte, shareKeys [][]byte) (*Threshold, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	set, _, err := newValidatorSet(identities)
	if err != nil {
		return nil, err
	}
	if len(shareKeys) != set.len() {
		return nil, fmt.Errorf("verify: %w: %d share keys for %d validators", ErrValidatorSet, len(shareKeys), set.len())
	}
	set.digest = setDigest(nameThreshold+c.Variant.String(), &set, func(i int) []byte { return shareKeys[i] })
	b := newBLSScheme(c, set, wire.SingleSignature)
	group, err := b.readKeys([][]byte{groupKey}, func(int) string { return "the group" })
	if err != nil {
		return nil, err
	}
	if b.keys, err = b.readKeys(shareKeys, func(i int) string { return "validator " + set.identities[i].String() }); err != nil {
		return nil, err
	}
	values := b.curve.Join(group, b.keys)
	if !b.curve.IsIdentity(b.curve.MulSum(values, scalars(degreeTest(set.len(), set.quorum()))), 0) {
		return nil, fmt.Errorf("verify: %w: group key and share keys are not of one polynomial of degree %d",
			ErrInconsistentKeys, set.quorum()-1)
	}
	return &Threshold{
		blsScheme:     b,
		group:         b.newNamedKey(group),
		interpolation: newInterpolation(set.len()),
		coefficients:  newCache[string, []curve.Scalar](min(quorumsRemembered, 1+coefficientsRemembered/set.quorum())),
	}, nil
}

// Attributable implements [Scheme]: false.
func (e *Threshold) Attributable() bool { return false }

// GroupKey returns the compressed key that verifies certificates.
func (e *Threshold) GroupKey() []byte { return e.curve.Append(nil, e.group.point, 0, false) }

// Combine implements [Scheme]: the votes of the lowest quorum of signers are interpolated at 0.
// Votes beyond a quorum are not read. For fewer signers than a quorum the combination is nil, and
// unreadable is empty.
//
// The sum of products uses the curve's endomorphism, which is correct for votes in the subgroup.
// With other votes the result is some point of the curve, but not that of plain multiplication.
// That is safe: the result is checked for the subgroup and verified, and only one signature of the
// group verifies.
func (e *Threshold) Combine(s *Statement, signers wire.Signers) (Combination, []wire.Participant) {
	return combineAlone(e, s, signers)
}

// Open implements [Scheme].
func (e *Threshold) Open(s *Statement) (Combination, error) { return openAlone(e, s) }

// draft implements blsSpecific.
func (e *Threshold) draft(s *Statement, signers wire.Signers) (d *draft, unreadable []wire.Participant) {
	present, absent := e.votes(s, signers, e.format.AckSignature)
	if len(absent) > 0 {
		return nil, absent
	}
	if len(present) < e.quorum() {
		return nil, nil
	}
	v, unreadable := e.readVotes(s, present[:e.quorum()], nil)
	if len(unreadable) > 0 {
		return nil, unreadable
	}
	quorum := e.bitmap(v.participants)
	coefficients := e.coefficients.get(string(quorum.AppendTo(nil)), func() []curve.Scalar { return scalars(e.interpolation.atZero(v.participants)) })
	return &draft{signature: e.curve.MulSum(v.points, coefficients)}, nil
}

// knownKey implements blsSpecific. The group's key is always known.
func (e *Threshold) knownKey(wire.Signers) (namedKey, bool) { return e.group, true }

// Isolate implements [Scheme]. It is InvalidVotes: a plain partial sum decides nothing, since
// errors that cancel in it need not cancel when votes are interpolated.
func (e *Threshold) Isolate(s *Statement, signers wire.Signers) []wire.Participant {
	return e.InvalidVotes(s, signers)
}
