package verify

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/lanecast/lanecast/verify/internal/curve"
)

// secretSize is the length of a BLS secret key in bytes, and the minimum length of a seed for one.
const secretSize = 32

// groupOrder is r, the order of both groups, big-endian.
var groupOrder = [secretSize]byte{
	0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05,
	0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
}

// SecretKey is a BLS secret key, or a validator's share of one, with its public key. [Ed25519] uses
// crypto/ed25519's keys instead. It is immutable and safe for use by many goroutines.
//
// Only [SecretKey.Bytes] shows the secret. Printing the key with any verb of fmt, logging it and
// encoding it as text do not.
type SecretKey struct {
	variant Variant
	public  []byte
	// secret returns the scalar, in [1, r), big-endian. The caller must not change it. It is a
	// function because fmt calls no methods of unexported fields and, with some verbs, follows
	// pointers to arrays, but prints only the address of a function.
	secret func() *[secretSize]byte
}

// GenerateSecretKey derives a key from 32 bytes read from random, or from crypto/rand if random is
// nil, by the standard KeyGen; see [SecretKeyFromSeed].
func GenerateSecretKey(v Variant, random io.Reader) (*SecretKey, error) {
	if random == nil {
		random = rand.Reader
	}
	var seed [secretSize]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("verify: generating a secret key: %w", err)
	}
	return SecretKeyFromSeed(v, seed[:])
}

// SecretKeyFromSeed derives a key from at least 32 bytes of secret and uniform seed, after
// draft-irtf-cfrg-bls-signature-05, section 2.3 (KeyGen).
func SecretKeyFromSeed(v Variant, seed []byte) (*SecretKey, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	if len(seed) < secretSize {
		return nil, fmt.Errorf("verify: %w: a seed of %d bytes; it must have at least %d", ErrKey, len(seed), secretSize)
	}
	secret := curve.Default().KeyGen(seed)
	defer clear(secret[:])
	return newSecretKey(v, &secret), nil
}

// SecretKeyFromBytes returns the key whose secret scalar is b, 32 bytes big-endian, in [1, r).
func SecretKeyFromBytes(v Variant, b []byte) (*SecretKey, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	if len(b) != secretSize {
		return nil, fmt.Errorf("verify: %w: a secret key of %d bytes; it must have %d", ErrKey, len(b), secretSize)
	}
	// b − r borrows exactly when b < r. Neither the loop nor its memory accesses depend on b.
	var ones byte
	var borrow uint16
	for i := secretSize - 1; i >= 0; i-- {
		borrow = (uint16(b[i]) - uint16(groupOrder[i]) - borrow) >> 15
		ones |= b[i]
	}
	if ones == 0 || borrow == 0 {
		return nil, fmt.Errorf("verify: %w: a secret key must be in [1, r)", ErrKey)
	}
	secret := [secretSize]byte(b)
	defer clear(secret[:])
	return newSecretKey(v, &secret), nil
}

// newSecretKey copies secret.
func newSecretKey(v Variant, secret *[secretSize]byte) *SecretKey {
	own := *secret
	c := curve.Default()
	public := c.Append(nil, c.PublicKey(&own, v.keys()), 0, false)
	return &SecretKey{variant: v, public: public, secret: func() *[secretSize]byte { return &own }}
}

// Variant returns the variant of the key.
func (k *SecretKey) Variant() Variant { return k.variant }

// Bytes returns the secret scalar, 32 bytes big-endian, in new memory.
func (k *SecretKey) Bytes() []byte { return bytes.Clone(k.secret()[:]) }

// PublicKey returns the public key, compressed: 96 bytes for MinSig, 48 for MinPk, in new memory.
func (k *SecretKey) PublicKey() []byte { return bytes.Clone(k.public) }

// ProofOfPossession returns a proof that the holder of the public key knows its secret, for
// networks of this namespace: a compressed signature on the public key, under a domain tag of its
// own. It is made once per key, where keys are set up. Without cgo it is made in variable time; see
// [Config.AllowVariableTimeSigning].
func (k *SecretKey) ProofOfPossession(namespace []byte) []byte {
	c := curve.Default()
	h := c.Hash(k.variant.signatures(), k.variant.proofTag(), proofMessage(namespace, k.public))
	return c.Append(nil, c.Sign(k.secret(), h), 0, false)
}

// proofMessage returns the bytes that a proof of possession signs: union_unique(namespace,
// compressed public key).
func proofMessage(namespace, public []byte) []byte { return append(prefix(namespace, ""), public...) }

// String names the key by its public key.
func (k *SecretKey) String() string {
	if k == nil {
		return "no secret key"
	}
	return k.variant.String() + " secret key of " + hex.EncodeToString(k.public)
}

// GoString is String.
func (k *SecretKey) GoString() string { return k.String() }

// Format writes String whatever the verb.
func (k *SecretKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String.
func (k *SecretKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText fails: only Bytes returns the secret.
func (k *SecretKey) MarshalText() ([]byte, error) {
	return nil, errors.New("verify: a secret key is not encoded as text; use Bytes")
}

// readKeys reads compressed public keys, in this order. Each must be a point of the subgroup and
// not the identity, and no two may be equal. who returns the name of the holder of key i for
// errors.
func (p *pairing) readKeys(keys [][]byte, who func(i int) string) (curve.Points, error) {
	fault := func(i int, what string) error { return fmt.Errorf("verify: %s: %w: %s", who(i), ErrKey, what) }
	size := p.keyGroup.Compressed()
	slab := make([]byte, 0, len(keys)*size)
	index := make([]int, len(keys))
	seen := make(map[string]int, len(keys))
	for i, k := range keys {
		if len(k) != size {
			return nil, fault(i, fmt.Sprintf("a public key of %d bytes; it must have %d", len(k), size))
		}
		if first, twice := seen[string(k)]; twice { // equal keys have equal encodings
			return nil, fmt.Errorf("verify: %s: %w: the same public key as %s", who(i), ErrValidatorSet, who(first))
		}
		seen[string(k)] = i
		slab = append(slab, k...)
		index[i] = i
	}
	points, malformed := p.curve.Read(p.keyGroup, slab, index, false)
	if len(malformed) > 0 {
		return nil, fault(malformed[0], "its public key is not a point of the curve")
	}
	for i := range keys {
		if p.curve.IsIdentity(points, i) {
			return nil, fault(i, "its public key is the identity")
		}
	}
	if outside := p.curve.Outside(points); len(outside) > 0 {
		return nil, fault(outside[0], "its public key is outside the subgroup")
	}
	return points, nil
}
