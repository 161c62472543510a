package sim

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// independent verifies certificates and single votes without code of package verify. It is slow and
// plain.
type independent interface {
	certificate(s wire.Subject, certificate []byte) error
	vote(i wire.Participant, s wire.Subject, signature []byte) error
}

var errForged = errors.New("it does not verify")

// splitBitmap splits a certificate after its signer bitmap, which must have exactly n bits with a
// quorum set, by weights unless these are nil.
func splitBitmap(n int, weights []uint64, certificate []byte) (signers []int, rest []byte, err error) {
	size := (n + 7) / 8
	if len(certificate) < 8+size || binary.BigEndian.Uint64(certificate) != uint64(n) {
		return nil, nil, errors.New("it has no bitmap over the set")
	}
	bitmap := certificate[8 : 8+size]
	for i := range 8 * size {
		if bitmap[i/8]>>(i%8)&1 == 0 {
			continue
		}
		if i >= n {
			return nil, nil, errors.New("it has bits past the set")
		}
		signers = append(signers, i)
	}
	all, signed := n, len(signers)
	if weights != nil {
		all, signed = 0, 0
		for _, w := range weights {
			all += int(w)
		}
		for _, i := range signers {
			signed += int(weights[i])
		}
	}
	if f := (all - 1) / 3; signed < all-f {
		return nil, nil, fmt.Errorf("it has %d of %d signers", len(signers), n)
	}
	return signers, certificate[8+size:], nil
}

// listed reads the signatures of a certificate that lists them.
func listed(signers []int, rest []byte, size int) ([][]byte, error) {
	count, used := binary.Uvarint(rest)
	if used <= 0 || count != uint64(len(signers)) || len(rest) != used+size*len(signers) {
		return nil, errors.New("it does not list its signers' signatures")
	}
	var all [][]byte
	for k := range signers {
		all = append(all, rest[used+k*size:used+(k+1)*size])
	}
	return all, nil
}

// keyedIndependent verifies certificates of a keyed scheme from its votes, without the scheme's
// code that combines them.
type keyedIndependent struct {
	*model.Scheme
	weights []uint64
}

func (v *keyedIndependent) vote(i wire.Participant, s wire.Subject, signature []byte) error {
	if string(signature) != string(v.Sign(i, s)) {
		return errForged
	}
	return nil
}

func (v *keyedIndependent) certificate(s wire.Subject, certificate []byte) error {
	f := v.Format()
	if f.Kind == wire.SingleSignature {
		// The group's own signature is the combination of no votes.
		if string(certificate) != string(v.Certificate(s, wire.NewSigners(f.Participants), nil)) {
			return errForged
		}
		return nil
	}
	signers, rest, err := splitBitmap(f.Participants, v.weights, certificate)
	if err != nil {
		return err
	}
	if f.Kind == wire.SignersAndList {
		votes, err := listed(signers, rest, model.VoteSize)
		if err != nil {
			return err
		}
		for k, i := range signers {
			if err := v.vote(wire.Participant(i), s, votes[k]); err != nil {
				return err
			}
		}
		return nil
	}
	var z, y uint64
	for _, i := range signers {
		vote := v.Sign(wire.Participant(i), s)
		z += binary.BigEndian.Uint64(vote)
		y += binary.BigEndian.Uint64(vote[8:])
	}
	want := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, z<<8>>8), y)
	if string(rest) != string(want) {
		return errForged
	}
	return nil
}

// realIndependent verifies with gnark-crypto and the standard library, from the public keys as
// bytes.
type realIndependent struct {
	scheme  Scheme
	keys    [][]byte
	group   []byte
	weights []uint64
}

func newRealIndependent(s Scheme, set *testkit.Set, weights []uint64) *realIndependent {
	return &realIndependent{s, set.PublicKeys, set.GroupKey, weights}
}

// message returns union_unique(namespace‖"_ACK", Chunk ‖ varint epoch), written out.
func (v *realIndependent) message(s wire.Subject) []byte {
	m := append([]byte{byte(len(namespace) + 4)}, namespace...)
	m = append(append(m, "_ACK"...), s.Chunk.Sequencer[:]...)
	m = binary.AppendUvarint(m, s.Chunk.Height)
	m = append(m, s.Chunk.Payload[:]...)
	return binary.AppendUvarint(m, s.Epoch)
}

func (v *realIndependent) vote(i wire.Participant, s wire.Subject, signature []byte) error {
	m := v.message(s)
	switch v.scheme {
	case Ed25519:
		if !ed25519.Verify(v.keys[i], m, signature) {
			return errForged
		}
		return nil
	case Secp256r1:
		if !verifyECDSA(v.keys[i], m, signature) {
			return errForged
		}
		return nil
	}
	return v.pairing(m, signature, v.keys[i])
}

// verifyECDSA verifies r ‖ s under a compressed key; s must be the lower one.
func verifyECDSA(key, message, signature []byte) bool {
	curve := elliptic.P256()
	x, y := elliptic.UnmarshalCompressed(curve, key)
	whole := append([]byte{4}, append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)...)
	public, err := ecdsa.ParseUncompressedPublicKey(curve, whole)
	if err != nil || len(signature) != 64 {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	digest := sha256.Sum256(message)
	return new(big.Int).Lsh(s, 1).Cmp(curve.Params().N) < 0 && ecdsa.Verify(public, digest[:], r, s)
}

func (v *realIndependent) certificate(s wire.Subject, certificate []byte) error {
	m := v.message(s)
	if v.scheme == ThresholdMinSig || v.scheme == ThresholdMinPk {
		return v.pairing(m, certificate, v.group)
	}
	signers, rest, err := splitBitmap(len(v.keys), v.weights, certificate)
	if err != nil {
		return err
	}
	if v.scheme == Ed25519 || v.scheme == Secp256r1 {
		votes, err := listed(signers, rest, ed25519.SignatureSize)
		for k, i := range signers {
			if err == nil {
				err = v.vote(wire.Participant(i), s, votes[k])
			}
		}
		return err
	}
	var keys [][]byte
	for _, i := range signers {
		keys = append(keys, v.keys[i])
	}
	return v.pairing(m, rest, keys...)
}

// pairing checks that e(S, g) = e(H(m), Σ keys), and that S is in the subgroup and not the
// identity. SetBytes checks the subgroup.
func (v *realIndependent) pairing(m, signature []byte, keys ...[]byte) error {
	_, _, g1, g2 := bls.Generators()
	if v.scheme == MultisigMinSig || v.scheme == ThresholdMinSig {
		var s bls.G1Affine
		if n, err := s.SetBytes(signature); err != nil || n != len(signature) || s.IsInfinity() {
			return fmt.Errorf("its signature is no point: %w", errForged)
		}
		var sum, k bls.G2Affine
		for _, b := range keys {
			if _, err := k.SetBytes(b); err != nil {
				return err
			}
			sum.Add(&sum, &k)
		}
		h, err := bls.HashToG1(m, []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"))
		if err != nil {
			return err
		}
		return paired(bls.PairingCheck([]bls.G1Affine{*s.Neg(&s), h}, []bls.G2Affine{g2, sum}))
	}
	var s bls.G2Affine
	if n, err := s.SetBytes(signature); err != nil || n != len(signature) || s.IsInfinity() {
		return fmt.Errorf("its signature is no point: %w", errForged)
	}
	var sum, k bls.G1Affine
	for _, b := range keys {
		if _, err := k.SetBytes(b); err != nil {
			return err
		}
		sum.Add(&sum, &k)
	}
	h, err := bls.HashToG2(m, []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"))
	if err != nil {
		return err
	}
	return paired(bls.PairingCheck([]bls.G1Affine{g1, sum}, []bls.G2Affine{*s.Neg(&s), h}))
}

func paired(ok bool, err error) error {
	if err == nil && !ok {
		return errForged
	}
	return err
}
