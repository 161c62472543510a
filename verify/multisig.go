package verify

import (
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// keySumsRemembered bounds the cache of the key sums of signer sets. Certificates by the same
// quorum have the same key sum, and so have repeated certificates.
const keySumsRemembered = 64

// Validator is one member of a set.
type Validator struct {
	// Identity is the Ed25519 key that identifies the validator to peers. The order of these keys
	// determines the participant numbers.
	Identity wire.PublicKey
	// Weight is its voting power. Either all weights of a set are 0, and each validator counts 1,
	// or each is at least 1 and their sum is at most [MaxWeight]. All processes of a network must
	// have the same weights.
	Weight uint64

	// Key and Proof are for multisig sets.

	// Key is its BLS public key, compressed: 96 bytes for MinSig, 48 for MinPk.
	Key []byte
	// Proof is its proof that it possesses the key's secret; see [SecretKey.ProofOfPossession].
	Proof []byte
}

// Multisig is the BLS scheme in which a certificate is a bitmap of signers and the sum of their
// signatures, verified against the sum of their keys. It implements [Scheme] and is attributable.
type Multisig struct {
	blsScheme
	set  *keySet
	sums *cache[string, namedKey] // by encoded bitmap
}

// NewMultisig builds a set of 1 to [MaxValidators] validators, given in any order. Every key must
// be in the subgroup and not the identity, no two validators may have the same identity or key, no
// identity may be of small order ([HasSmallOrder]), and every proof of possession must verify.
// Without proofs, a validator could choose x·g minus the sum of the other keys as its key and sign
// for all of them alone (T. Ristenpart, S. Yilek: The power of proofs-of-possession, 2007). The
// errors wrap [ErrConfig], [ErrValidatorSet] or [ErrKey] and name the field or the validator.
func NewMultisig(c Config, validators []Validator) (*Multisig, error) {
	m, sorted, err := newMultisig(c, validators)
	if err != nil {
		return nil, err
	}
	if err := m.verifyProofs(sorted); err != nil {
		return nil, err
	}
	return m, nil
}

// NewMultisigFromProvenKeys is [NewMultisig] for keys of which possession has been proven
// elsewhere, for example on chain. It does not use Proof. If the set contains a key that was not
// proven, certificates prove nothing.
func NewMultisigFromProvenKeys(c Config, validators []Validator) (*Multisig, error) {
	m, _, err := newMultisig(c, validators)
	return m, err
}

func newMultisig(c Config, validators []Validator) (m *Multisig, sorted []Validator, err error) {
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	set, order, err := newWeightedSet(validators)
	if err != nil {
		return nil, nil, err
	}
	sorted = make([]Validator, len(order))
	keys := make([][]byte, len(order))
	for i, from := range order {
		sorted[i] = validators[from]
		keys[i] = validators[from].Key
	}
	set.digest = setDigest(nameMultisig+c.Variant.String(), &set, func(i int) []byte { return keys[i] })
	b := newBLSScheme(c, set, wire.SignersAndAggregate)
	if b.keys, err = b.readKeys(keys, func(i int) string { return "validator " + set.identities[i].String() }); err != nil {
		return nil, nil, err
	}
	return &Multisig{
		blsScheme: b,
		set:       &keySet{set.len(), b.curve.Join(b.curve.Neg(b.keys), b.curve.Sum(b.keys))},
		sums:      newCache[string, namedKey](keySumsRemembered),
	}, sorted, nil
}

// proofsAtOnce bounds the memory that verifying proofs of possession takes.
const proofsAtOnce = 256

func (e *Multisig) verifyProofs(validators []Validator) error {
	fault := func(i int, what string) error {
		return fmt.Errorf("verify: validator %v: %w: its proof of possession %s", validators[i].Identity, ErrKey, what)
	}
	size := e.format.Signature
	for start := 0; start < len(validators); start += proofsAtOnce {
		batch := validators[start:min(start+proofsAtOnce, len(validators))]
		slab := make([]byte, 0, len(batch)*size)
		index, messages := make([]int, len(batch)), make([][]byte, len(batch))
		for i, v := range batch {
			if len(v.Proof) != size {
				return fault(start+i, fmt.Sprintf("has %d bytes; it must have %d", len(v.Proof), size))
			}
			slab = append(slab, v.Proof...)
			index[i], messages[i] = i, proofMessage(e.config.Namespace, v.Key)
		}
		proofs, malformed := e.curve.Read(e.sigGroup, slab, index, false)
		if len(malformed) > 0 {
			return fault(start+malformed[0], "is not a point of the curve")
		}
		hashes := e.curve.Hash(e.sigGroup, e.variant.proofTag(), messages...)
		if unsound := e.unsound(proofs); len(unsound) > 0 {
			return fault(start+unsound[0], "is the identity or outside the subgroup")
		}
		equations := make([]equation, len(batch))
		for i := range batch {
			key := e.curve.Select(e.keys, []int{start + i})
			one := []int{i}
			equations[i] = equation{
				signature: e.curve.Select(proofs, one), hash: e.curve.Select(hashes, one), key: key, keyName: string(batch[i].Key),
			}
		}
		wrong := bisect(index, untested, func(part []int) outcome {
			some := make([]equation, len(part))
			for k, i := range part {
				some[k] = equations[i]
			}
			if e.allHold(some) {
				return good
			}
			return bad
		})
		if len(wrong) > 0 {
			return fault(start+wrong[0], "does not verify")
		}
	}
	return nil
}

// Attributable implements [Scheme]: true.
func (e *Multisig) Attributable() bool { return true }

// Combine implements [Scheme]: the votes are added up, and so are their keys. If the sum verifies,
// it is a valid certificate by definition, whatever each vote was. For signers below the quorum the
// combination is nil.
func (e *Multisig) Combine(s *Statement, signers wire.Signers) (Combination, []wire.Participant) {
	return combineAlone(e, s, signers)
}

// Open implements [Scheme].
func (e *Multisig) Open(s *Statement) (Combination, error) { return openAlone(e, s) }

// draft implements blsSpecific.
func (e *Multisig) draft(s *Statement, signers wire.Signers) (d *draft, unreadable []wire.Participant) {
	v, unreadable := e.read(s, signers)
	if len(unreadable) > 0 || !e.isQuorum(v.participants) {
		return nil, unreadable
	}
	all := e.bitmap(v.participants)
	return &draft{votes: v.points, signers: all}, nil
}

// Isolate implements [Scheme]: bisection finds the invalid votes, with the plain sum of a part as
// the test.
func (e *Multisig) Isolate(s *Statement, signers wire.Signers) (invalid []wire.Participant) {
	v, invalid := e.read(s, signers)
	if len(v.participants) == 0 {
		return invalid
	}
	known := bad
	if len(invalid) > 0 { // the failure was not in these votes
		known = untested
	}
	all := make([]int, len(v.participants))
	for i := range all {
		all[i] = i
	}
	h := e.hash(s.Subject)
	wrong := bisect(all, known, func(part []int) outcome { return e.sumVerifies(v, part, h) })
	for _, i := range wrong {
		invalid = append(invalid, wire.Participant(v.participants[i]))
	}
	slices.Sort(invalid)
	return invalid
}

// sumVerifies tests the plain sum S of the votes at the positions in part against the sum K of
// their keys. Colluders may have chosen keys that make K the identity. Then no pairing is needed
// for the equation e(S, g) = e(H, K): it holds if and only if S is the identity too, which decides
// nothing about the votes.
func (e *Multisig) sumVerifies(v votePoints, part []int, h curve.Points) outcome {
	who := make([]int, len(part))
	for k, i := range part {
		who[k] = v.participants[i]
	}
	sum, key := e.curve.Sum(e.curve.Select(v.points, part)), e.sumKeys(who)
	noSum, noKey := e.curve.IsIdentity(sum, 0), e.curve.IsIdentity(key, 0)
	switch {
	case noSum && noKey:
		return undecided
	case noSum || noKey || !e.curve.InSubgroup(sum, 0):
		return bad
	case e.cancel(e.curve.Join(sum, h), e.curve.Join(e.minusOne, key)):
		return good
	}
	return bad
}

// knownKey implements blsSpecific. The key is the sum of the keys of signers, a bitmap over the
// set. It is known after rememberKey.
func (e *Multisig) knownKey(signers wire.Signers) (namedKey, bool) {
	return e.sums.find(string(signers.AppendTo(nil)))
}

// keyTerms returns points whose sum is the key of signers.
func (e *Multisig) keyTerms(signers wire.Signers) curve.Points {
	who := make([]int, 0, e.len())
	for p := range signers.All() {
		who = append(who, int(p))
	}
	return e.termsOf(who)
}

// rememberKey stores sum as the key of signers.
func (e *Multisig) rememberKey(signers wire.Signers, sum curve.Points) namedKey {
	key := e.newNamedKey(sum)
	key.set = e.set
	e.sums.add(string(signers.AppendTo(nil)), key)
	return key
}

// sumKeys adds up the keys of the participants in who, which is ascending.
func (e *Multisig) sumKeys(who []int) curve.Points { return e.curve.Sum(e.termsOf(who)) }

// termsOf returns points whose sum is that of the keys of the participants in who, which is
// ascending. The points are these keys, or, if the other keys are fewer, the negatives of the other
// keys and the sum of all.
func (e *Multisig) termsOf(who []int) curve.Points {
	n := e.len()
	if 2*len(who) <= n {
		return e.curve.Select(e.keys, who)
	}
	terms := make([]int, 0, n-len(who)+1)
	next := 0
	for i := range n {
		if next < len(who) && who[next] == i {
			next++
		} else {
			terms = append(terms, i)
		}
	}
	return e.curve.Select(e.set.terms, append(terms, n))
}
