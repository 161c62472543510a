package verify

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"

	edwards "github.com/oasisprotocol/curve25519-voi/curve"
	zip215 "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/lanecast/lanecast/wire"
)

// zip215Rules are the rules of ZIP-215. Under them a signature verifies alone exactly when it does
// in a batch: the equation is multiplied by the cofactor, and points need not be canonical. The
// standard library's rules differ.
var zip215Rules = &zip215.Options{Verify: zip215.VerifyOptionsZIP_215}

// Ed25519 is the scheme in which validators sign with their identity keys, and a certificate is a
// bitmap and a quorum of signatures. Signatures verify under the rules of ZIP-215. It implements
// [Scheme] and is attributable.
type Ed25519 struct{ ed25519List }

// ed25519List is not generic, so that the manual of [Ed25519] leaves it out.
type ed25519List struct {
	signatureList[*zip215.ExpandedPublicKey]
}

// CheckIdentity checks the key of a validator in an Ed25519 set or of a sequencer: it must be a
// point of the curve in the sense of ZIP-215, and not of small order, because anybody can sign any
// message for a key of small order without a secret. ZIP-215 accepts such signatures, so a set must
// refuse such keys when it is made. The error wraps [ErrKey].
func CheckIdentity(id wire.PublicKey) error {
	if fault := identityFault(id); fault != "" {
		return fmt.Errorf("verify: %v: %w: %s", id, ErrKey, fault)
	}
	return nil
}

// identityFault names the fault of a key. It is empty if there is none.
func identityFault(id wire.PublicKey) string {
	compressed := edwards.CompressedEdwardsY(id)
	p, err := new(edwards.EdwardsPoint).SetCompressedY(&compressed)
	switch {
	case err != nil:
		return "not a point of the curve"
	case p.IsSmallOrder():
		return smallOrder
	}
	return ""
}

const smallOrder = "a point of small order, for which anybody can sign"

// HasSmallOrder reports whether a key is a point of small order. Anybody can sign chunks and votes
// for such a key.
func HasSmallOrder(id wire.PublicKey) bool { return identityFault(id) == smallOrder }

// NewEd25519 builds a set of 1 to [MaxValidators] validators, given in any order. No two may be
// equal, and each must pass [CheckIdentity]; the errors wrap [ErrValidatorSet] and [ErrKey].
// [Config] and [SecretKey] are for the BLS schemes only: this scheme has no variant and one
// encoding of acks, and its secret keys are those of crypto/ed25519.
func NewEd25519(namespace []byte, identities []wire.PublicKey) (*Ed25519, error) {
	set, order, err := newValidatorSet(identities)
	if err != nil {
		return nil, err
	}
	return newEd25519(namespace, set, order)
}

// NewWeightedEd25519 is [NewEd25519] for validators with weights. Key and Proof of each must be
// empty: the keys of this scheme are the identities.
func NewWeightedEd25519(namespace []byte, validators []Validator) (*Ed25519, error) {
	for i := range validators {
		if v := &validators[i]; len(v.Key) > 0 || len(v.Proof) > 0 {
			return nil, fmt.Errorf("verify: given validator %d, %v: %w: a Key or Proof; "+
				"an Ed25519 set has none, its keys are the identities", i, v.Identity, ErrValidatorSet)
		}
	}
	set, order, err := newWeightedSet(validators)
	if err != nil {
		return nil, err
	}
	return newEd25519(namespace, set, order)
}

func newEd25519(namespace []byte, set validatorSet, order []int) (e *Ed25519, err error) {
	set.digest = setDigest(nameEd25519, &set, func(i int) []byte { return set.identities[i][:] })
	keys := make([]*zip215.ExpandedPublicKey, set.len())
	for i, id := range set.identities {
		if keys[i], err = zip215.NewExpandedPublicKey(id[:]); err != nil {
			return nil, fmt.Errorf("verify: given validator %d, %v: %w: %w", order[i], id, ErrKey, err)
		}
	}
	return &Ed25519{ed25519List{newSignatureList(namespace, set, keys)}}, nil
}

// ed25519Group is the Group of all Ed25519 schemes.
type ed25519Group struct{}

// Group implements [Scheme]: combinations of all Ed25519 schemes may be checked together.
func (e *Ed25519) Group() any { return ed25519Group{} }

// ed25519Combination is a combination of an [Ed25519].
type ed25519Combination = listCombination[*zip215.ExpandedPublicKey]

// addToBatch adds the signatures of c to a batch.
func addToBatch(batch *zip215.BatchVerifier, c *ed25519Combination) {
	for k := range c.who {
		batch.AddExpandedWithOptions(c.key(k), c.message, c.signature(k), zip215Rules)
	}
}

// Check implements [Scheme]: all signatures of all combinations are verified in one batch, under
// random weights and multiplied by the cofactor. A combination that no Ed25519 scheme made is
// wrong.
func (e *Ed25519) Check(cs []Combination) bool {
	total := 0
	for _, c := range cs {
		own, ok := c.(*ed25519Combination)
		if !ok || own == nil {
			return false
		}
		total += len(own.who)
	}
	if total == 0 {
		return len(cs) == 0
	}
	batch := zip215.NewBatchVerifierWithCapacity(total)
	for _, c := range cs {
		addToBatch(batch, c.(*ed25519Combination))
	}
	return batch.VerifyBatchOnly(rand.Reader)
}

// InvalidVotes implements [Scheme]: the votes are verified in a batch first, and one by one if that
// fails.
func (e *Ed25519) InvalidVotes(s *Statement, signers wire.Signers) (invalid []wire.Participant) {
	c, invalid := e.collect(s, signers)
	if len(c.who) == 0 {
		return invalid
	}
	batch := zip215.NewBatchVerifierWithCapacity(len(c.who))
	addToBatch(batch, c)
	if ok, each := batch.Verify(rand.Reader); !ok {
		for k, valid := range each {
			if !valid {
				invalid = append(invalid, wire.Participant(c.who[k]))
			}
		}
		slices.Sort(invalid)
	}
	return invalid
}

// Isolate implements [Scheme]. It is InvalidVotes.
func (e *Ed25519) Isolate(s *Statement, signers wire.Signers) []wire.Participant {
	return e.InvalidVotes(s, signers)
}

// ed25519Signer signs acks with an identity key.
type ed25519Signer struct {
	scheme *Ed25519
	sign   func(message []byte) []byte // not the key itself, which fmt would print
}

// Signer returns the signer of the validator whose identity key is k. The error wraps
// [ErrNotValidator] if there is none, and [ErrKey] if k is malformed.
func (e *Ed25519) Signer(k ed25519.PrivateKey) (AckSigner, error) {
	if len(k) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("verify: %w: an Ed25519 private key of %d bytes; it must have %d",
			ErrKey, len(k), ed25519.PrivateKeySize)
	}
	id := wire.PublicKey(k.Public().(ed25519.PublicKey))
	if _, ok := e.Index(id); !ok {
		return nil, fmt.Errorf("verify: the Ed25519 key of %v: %w", id, ErrNotValidator)
	}
	return &ed25519Signer{e, signWith(k)}, nil
}

// signWith returns the signing function of a copy of key.
func signWith(key ed25519.PrivateKey) func(message []byte) []byte {
	key = slices.Clone(key)
	return func(message []byte) []byte { return ed25519.Sign(key, message) }
}

// SignAck implements [AckSigner].
func (s *ed25519Signer) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("verify: signing an ack: %w", err)
	}
	return s.sign(ackMessage(s.scheme.prefix, &subject)), nil
}
