package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Sizes of secp256r1, in bytes.
const (
	secp256r1Scalar = 32
	secp256r1Public = 1 + 32 // 0x02 or 0x03 ‖ x
)

// Secp256r1 is the scheme in which validators sign with ECDSA over P-256 and SHA-256, and a
// certificate is a bitmap and a quorum of signatures. A signature is r ‖ s, 32 bytes each,
// big-endian. s must be in the lower half: r ‖ s and r ‖ (n − s) both verify, but only one of them
// is a vote. It implements [Scheme] and is attributable.
//
// It is for validators whose keys are in hardware that supports this curve. Such a signer, an
// [AckSigner] of the embedder's, must return the lower s.
type Secp256r1 struct {
	secp256r1List
	compressed [][]byte // encodings of the keys, by participant
}

// secp256r1List is not generic, so that the manual of [Secp256r1] leaves it out.
type secp256r1List struct {
	signatureList[*ecdsa.PublicKey]
}

// NewSecp256r1 builds a set of 1 to [MaxValidators] validators, given in any order. The Key of each
// is its P-256 key, compressed: 33 bytes. No two validators may have the same identity or key, no
// identity may be of small order ([HasSmallOrder]), and Proof must be empty: this scheme never adds
// up keys. The errors wrap [ErrValidatorSet] and [ErrKey] and name the validator. Weight may be
// given, as in any set.
//
// [Config] and [SecretKey] are for the BLS schemes only: this scheme has no variant and one
// encoding of acks, and its secret keys are those of crypto/ecdsa.
func NewSecp256r1(namespace []byte, validators []Validator) (*Secp256r1, error) {
	set, order, err := newWeightedSet(validators)
	if err != nil {
		return nil, err
	}
	keys, compressed := make([]*ecdsa.PublicKey, set.len()), make([][]byte, set.len())
	holders := make(map[string]wire.PublicKey, set.len())
	for i, from := range order {
		v := &validators[from]
		if len(v.Proof) > 0 {
			return nil, fmt.Errorf("verify: validator %v: %w: a Proof; a secp256r1 set has none", v.Identity, ErrValidatorSet)
		}
		if keys[i], err = secp256r1Key(v.Key); err != nil {
			return nil, fmt.Errorf("verify: validator %v: %w", v.Identity, err)
		}
		if first, twice := holders[string(v.Key)]; twice {
			return nil, fmt.Errorf("verify: validator %v: %w: the same public key as validator %v", v.Identity, ErrValidatorSet, first)
		}
		holders[string(v.Key)] = v.Identity
		compressed[i] = bytes.Clone(v.Key)
	}
	set.digest = setDigest(nameSecp256r1, &set, func(i int) []byte { return compressed[i] })
	list := secp256r1List{newSignatureList(namespace, set, keys)}
	list.readable = isLowSignature
	return &Secp256r1{list, compressed}, nil
}

// secp256r1Key reads a compressed public key. The identity has no compressed encoding, and the
// group is of prime order: every point is a valid key. The error wraps ErrKey.
func secp256r1Key(b []byte) (*ecdsa.PublicKey, error) {
	if len(b) != secp256r1Public {
		return nil, fmt.Errorf("%w: a public key of %d bytes; it must have %d", ErrKey, len(b), secp256r1Public)
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), b)
	if x == nil {
		return nil, fmt.Errorf("%w: its public key is not a compressed point of the curve", ErrKey)
	}
	whole := []byte{4} // uncompressed
	whole = append(whole, x.FillBytes(make([]byte, secp256r1Scalar))...)
	whole = append(whole, y.FillBytes(make([]byte, secp256r1Scalar))...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), whole)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// compress returns the compressed encoding of a key.
func compress(k *ecdsa.PublicKey) ([]byte, error) {
	whole, err := k.Bytes() // 0x04 ‖ x ‖ y
	if err != nil {
		return nil, err
	}
	whole[0] = 2 + whole[len(whole)-1]&1
	return whole[:secp256r1Public], nil
}

// The order n of P-256, and ⌊n/2⌋, the largest allowed s; big-endian.
var (
	secp256r1Order = elliptic.P256().Params().N.FillBytes(make([]byte, secp256r1Scalar))
	secp256r1Half  = new(big.Int).Rsh(elliptic.P256().Params().N, 1).FillBytes(make([]byte, secp256r1Scalar))
	secp256r1Zero  = make([]byte, secp256r1Scalar)
)

// isLowSignature reports whether b, 64 bytes, is r ‖ s with 0 < r < n and 0 < s ≤ ⌊n/2⌋.
func isLowSignature(b []byte) bool {
	r, s := b[:secp256r1Scalar], b[secp256r1Scalar:]
	return bytes.Compare(r, secp256r1Order) < 0 && !bytes.Equal(r, secp256r1Zero) &&
		bytes.Compare(s, secp256r1Half) <= 0 && !bytes.Equal(s, secp256r1Zero)
}

// secp256r1Group is the Group of all secp256r1 schemes.
type secp256r1Group struct{}

// Group implements [Scheme]: combinations of all secp256r1 schemes may be checked in one call.
func (e *Secp256r1) Group() any { return secp256r1Group{} }

// Batchable reports whether checking many combinations in one call costs less than checking each by
// itself: false. Package verify/batch gives such statements to its workers one by one.
func (e *Secp256r1) Batchable() bool { return false }

// secp256r1Combination is a combination of a [Secp256r1].
type secp256r1Combination = listCombination[*ecdsa.PublicKey]

// wrongSignatures calls found with each k for which signature k of c is wrong, ascending, until it
// returns false.
func wrongSignatures(c *secp256r1Combination, found func(k int) bool) {
	digest := sha256.Sum256(c.message)
	var der [maxDER]byte
	for k := range c.who {
		if !ecdsa.VerifyASN1(c.key(k), digest[:], appendDER(der[:0], c.signature(k))) && !found(k) {
			return
		}
	}
}

// Check implements [Scheme]: each signature of each combination is verified by itself, up to the
// first that is wrong. A combination that no secp256r1 scheme made is wrong.
func (e *Secp256r1) Check(cs []Combination) bool {
	for _, c := range cs {
		own, ok := c.(*secp256r1Combination)
		if !ok || own == nil {
			return false
		}
		valid := true
		wrongSignatures(own, func(int) bool {
			valid = false
			return false
		})
		if !valid {
			return false
		}
	}
	return true
}

// InvalidVotes implements [Scheme]: each vote is verified by itself.
func (e *Secp256r1) InvalidVotes(s *Statement, signers wire.Signers) (invalid []wire.Participant) {
	c, invalid := e.collect(s, signers)
	wrongSignatures(c, func(k int) bool {
		invalid = append(invalid, wire.Participant(c.who[k]))
		return true
	})
	slices.Sort(invalid)
	return invalid
}

// Isolate implements [Scheme]. It is InvalidVotes.
func (e *Secp256r1) Isolate(s *Statement, signers wire.Signers) []wire.Participant {
	return e.InvalidVotes(s, signers)
}

// maxDER is the length of the longest signature in DER: a sequence of two integers of up to 33
// bytes.
const maxDER = 2 + 2*(2+1+secp256r1Scalar)

// appendDER appends the DER encoding of r ‖ s, the input of crypto/ecdsa. Neither r nor s may be 0.
func appendDER(dst, signature []byte) []byte {
	dst = append(dst, 0x30, 0)
	body := len(dst)
	for _, part := range [][]byte{signature[:secp256r1Scalar], signature[secp256r1Scalar:]} {
		part = bytes.TrimLeft(part, "\x00")
		sign := int(part[0] >> 7) // a leading 1 would make the integer negative
		dst = append(dst, 0x02, byte(sign+len(part)))
		dst = append(dst, secp256r1Zero[:sign]...)
		dst = append(dst, part...)
	}
	dst[body-1] = byte(len(dst) - body)
	return dst
}

// fromDER returns r ‖ s of a signature that crypto/ecdsa has made, with the lower of the two values
// of s.
func fromDER(der []byte) ([]byte, error) {
	malformed := fmt.Errorf("verify: crypto/ecdsa has made no DER signature: %x", der)
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 {
		return nil, malformed
	}
	rest, out := der[2:], make([]byte, 2*secp256r1Scalar)
	for part := range 2 {
		if len(rest) < 2 || rest[0] != 0x02 || int(rest[1]) > len(rest)-2 {
			return nil, malformed
		}
		value := bytes.TrimLeft(rest[2:2+int(rest[1])], "\x00")
		if len(value) > secp256r1Scalar {
			return nil, malformed
		}
		copy(out[(part+1)*secp256r1Scalar-len(value):], value)
		rest = rest[2+int(rest[1]):]
	}
	if len(rest) > 0 {
		return nil, malformed
	}
	if s := out[secp256r1Scalar:]; bytes.Compare(s, secp256r1Half) > 0 {
		low := new(big.Int).SetBytes(s)
		low.Sub(elliptic.P256().Params().N, low).FillBytes(s)
	}
	return out, nil
}

// secp256r1Signer signs acks with a key of the set.
type secp256r1Signer struct {
	scheme *Secp256r1
	sign   func(message []byte) ([]byte, error) // not the key itself, which fmt would print
}

// Signer returns the signer of the validator whose key is k. Its signatures are deterministic after
// RFC 6979 and made in constant time. The error wraps [ErrNotValidator] if k is not in the set, and
// [ErrKey] if k is no key of P-256.
func (e *Secp256r1) Signer(k *ecdsa.PrivateKey) (AckSigner, error) {
	if k == nil || k.Curve != elliptic.P256() {
		return nil, fmt.Errorf("verify: %w: not an ECDSA private key of P-256", ErrKey)
	}
	scalar, err := k.Bytes()
	if err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrKey, err)
	}
	defer clear(scalar)
	own, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar) // a private copy
	if err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrKey, err)
	}
	public, err := compress(&own.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrKey, err)
	}
	for _, b := range e.compressed {
		if bytes.Equal(b, public) {
			return &secp256r1Signer{e, signWithECDSA(own)}, nil
		}
	}
	return nil, fmt.Errorf("verify: the secp256r1 key %x: %w", public, ErrNotValidator)
}

// signWithECDSA returns the signing function of k.
func signWithECDSA(k *ecdsa.PrivateKey) func(message []byte) ([]byte, error) {
	return func(message []byte) ([]byte, error) {
		digest := sha256.Sum256(message)
		der, err := k.Sign(nil, digest[:], crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("verify: signing an ack: %w", err)
		}
		return fromDER(der)
	}
}

// SignAck implements [AckSigner].
func (s *secp256r1Signer) SignAck(ctx context.Context, subject wire.Subject) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("verify: signing an ack: %w", err)
	}
	return s.sign(ackMessage(s.scheme.prefix, &subject))
}
