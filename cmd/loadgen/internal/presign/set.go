package presign

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Config configures a Set.
type Config struct {
	Kind       testkit.Kind
	Variant    verify.Variant
	Acks       verify.AckEncoding
	Validators int
	Weights    []uint64 // by participant; nil: each counts 1
	Namespace  []byte
	Seed       uint64
}

// Set is a validator set with all of its secrets. It is immutable and safe for use by many
// goroutines.
type Set struct {
	options    Config
	identities []ed25519.PrivateKey // by participant
	ids        []wire.PublicKey
	format     wire.Format
	weights    verify.Weights
	ackPrefix  []byte // prefix of the bytes that an ack signs

	first, step *big.Int            // skᵢ = first + i·step, BLS only
	publicKeys  [][]byte            // none for Ed25519
	groupKey    []byte              // threshold only
	secrets     []*ecdsa.PrivateKey // secp256r1 only
	signers     []verify.AckSigner  // likewise
}

// New makes the keys of a set. The same configuration makes the same set.
func New(o Config) (*Set, error) {
	if o.Validators < 2 || o.Validators > verify.MaxValidators {
		return nil, fmt.Errorf("presign: %d validators; there must be 2 to %d", o.Validators, verify.MaxValidators)
	}
	if o.Weights != nil && (len(o.Weights) != o.Validators || o.Kind == testkit.Threshold) {
		return nil, fmt.Errorf("presign: %d weights for %d validators of kind %s", len(o.Weights), o.Validators, o.Kind)
	}
	s := &Set{options: o, identities: testkit.Identities(o.Validators, o.Seed), ackPrefix: ackPrefix(o.Namespace)}
	for _, k := range s.identities {
		s.ids = append(s.ids, testkit.Identity(k))
	}
	switch o.Kind {
	case testkit.Ed25519:
	case testkit.Secp256r1:
		for i := range o.Validators {
			k, err := testkit.Secp256r1Key(o.Seed, uint64(i))
			if err != nil {
				return nil, fmt.Errorf("presign: %w", err)
			}
			public, err := testkit.CompressSecp256r1(&k.PublicKey)
			if err != nil {
				return nil, fmt.Errorf("presign: %w", err)
			}
			s.secrets, s.publicKeys = append(s.secrets, k), append(s.publicKeys, public)
		}
	default:
		s.first, s.step = scalar("first", o.Seed), scalar("step", o.Seed)
		g := keyGenerator(o.Variant)
		keys := g.progression(nil, s.first, s.step, o.Validators, false)
		size := len(keys) / o.Validators
		for i := range o.Validators {
			s.publicKeys = append(s.publicKeys, keys[i*size:(i+1)*size:(i+1)*size])
		}
		s.groupKey = g.times(nil, s.groupSecret())
	}
	scheme, err := s.Scheme()
	if err != nil {
		return nil, err
	}
	s.format, s.weights = scheme.Format(), scheme.Weights()
	for i := range s.secrets {
		signer, err := s.Signer(scheme, wire.Participant(i))
		if err != nil {
			return nil, err
		}
		s.signers = append(s.signers, signer)
	}
	return s, nil
}

// Scheme returns a new instance of the set's scheme, with empty caches that it shares with no
// other.
func (s *Set) Scheme() (verify.Scheme, error) {
	o := verify.Config{Namespace: s.options.Namespace, Variant: s.options.Variant, AckEncoding: s.options.Acks, AllowVariableTimeSigning: true}
	validators := make([]verify.Validator, len(s.ids))
	for i, id := range s.ids {
		validators[i].Identity = id
		if s.options.Weights != nil {
			validators[i].Weight = s.options.Weights[i]
		}
	}
	for i, key := range s.publicKeys {
		validators[i].Key = key
	}
	switch s.options.Kind {
	case testkit.Multisig:
		return verify.NewMultisigFromProvenKeys(o, validators)
	case testkit.Threshold:
		return verify.NewThreshold(o, s.ids, s.groupKey, s.publicKeys)
	case testkit.Ed25519:
		return verify.NewWeightedEd25519(s.options.Namespace, validators)
	case testkit.Secp256r1:
		return verify.NewSecp256r1(s.options.Namespace, validators)
	}
	return nil, fmt.Errorf("presign: unknown kind %q", s.options.Kind)
}

// Signer returns the ack signer of a participant for an instance that Scheme returned.
func (s *Set) Signer(scheme verify.Scheme, i wire.Participant) (verify.AckSigner, error) {
	switch e := scheme.(type) {
	case *verify.Ed25519:
		return e.Signer(s.identities[i])
	case *verify.Secp256r1:
		return e.Signer(s.secrets[i])
	}
	k := new(big.Int).Mul(big.NewInt(int64(i)), s.step)
	var b [fr.Bytes]byte
	secret, err := verify.SecretKeyFromBytes(s.options.Variant, modulo(k.Add(k, s.first)).FillBytes(b[:]))
	if err != nil {
		return nil, err
	}
	switch m := scheme.(type) {
	case *verify.Multisig:
		return m.Signer(secret)
	case *verify.Threshold:
		return m.Signer(secret)
	}
	return nil, fmt.Errorf("presign: no signer for a %T", scheme)
}

// Identity returns the identity key of a participant.
func (s *Set) Identity(i wire.Participant) ed25519.PrivateKey { return s.identities[i] }

// Identities returns the validators' public identities, ascending. It must not be changed.
func (s *Set) Identities() []wire.PublicKey { return s.ids }

// Format describes the set's acks and certificates.
func (s *Set) Format() wire.Format { return s.format }

// Quorum returns a random quorum, without absent unless absent is a participant that the others
// need. It consists of the first validators, in a random order, that have enough weight; where
// weights differ, of the heaviest of these that have enough, as an engine chooses.
func (s *Set) Quorum(random *rand.Rand, absent wire.Participant) wire.Signers {
	order := random.Perm(len(s.ids))
	if int(absent) < len(s.ids) && s.weights.Of(absent) <= s.weights.Tolerated() {
		order = slices.DeleteFunc(order, func(i int) bool { return wire.Participant(i) == absent })
	}
	order = s.enough(order)
	if !s.weights.Equal() {
		slices.SortStableFunc(order, func(i, j int) int {
			return cmp.Compare(s.weights.Of(wire.Participant(j)), s.weights.Of(wire.Participant(i)))
		})
		order = s.enough(order)
	}
	quorum := wire.NewSigners(len(s.ids))
	for _, i := range order {
		quorum.Add(wire.Participant(i))
	}
	return quorum
}

// enough returns the shortest prefix of an order of validators that is a quorum.
func (s *Set) enough(order []int) []int {
	weight := uint64(0)
	for k, i := range order {
		if weight += s.weights.Of(wire.Participant(i)); weight >= s.weights.Quorum() {
			return order[:k+1]
		}
	}
	return order
}

func (s *Set) groupSecret() *big.Int { return modulo(new(big.Int).Sub(s.first, s.step)) }

// scalar returns a number in [1, r) that follows from a seed.
func scalar(use string, seed uint64) *big.Int {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("lanecast presign "+use), seed))
	k := modulo(new(big.Int).SetBytes(sum[:]))
	if k.Sign() == 0 {
		k.SetInt64(1)
	}
	return k
}

func modulo(k *big.Int) *big.Int { return k.Mod(k, fr.Modulus()) }

// ackPrefix is the prefix that union_unique adds to an ack's subject, docs/protocol.md 3.
func ackPrefix(namespace []byte) []byte {
	ns := append(append([]byte(nil), namespace...), "_ACK"...)
	return append(wire.AppendUvarint(nil, uint64(len(ns))), ns...)
}
