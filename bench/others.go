//go:build cgo

package bench

import (
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/lanecast/lanecast/verify"
)

var otherWays = []string{"one-by-one", "one-by-one-hash-kept", "weighted", "blst-multi"}

// Sizes of slices: enough acks that work done once per slice has the same share as in production,
// and no more, so that the ways alternate often.
const (
	singleAcks   = 16
	weightedAcks = 64
	multiAcks    = 128
)

// weightBits is the size of upstream's random weights, ethereumBits that of Ethereum clients'.
const (
	weightBits   = 128
	ethereumBits = 64
)

var errInvalid = errors.New("valid acks do not verify")

// library holds the functions of blst's bindings whose names differ between the two variants. S is
// an affine point of the signatures' group and K of the keys'.
type library[S, K any] struct {
	tag []byte
	// read reads a compressed point, and checks that it is in the subgroup and not the identity.
	read func(vote []byte) *S
	hash func(message, tag []byte) *S
	// pairs reports whether e(hash, key)·e(signature, −g) = 1.
	pairs func(hash, signature *S, key *K) bool
	// sums returns Σ weights·signatures and Σ weights·keys.
	sums func(signatures []S, keys []K, weights []byte) (*S, *K)
	// add returns the sum of keys.
	add func(keys []K) *K
	// readAll reads compressed points without a subgroup check.
	readAll func(votes [][]byte) []*S
	// multi is the library's own verification of many signatures on many messages, including
	// subgroup checks.
	multi func(signatures []*S, keys []*K, messages [][]byte, tag []byte) bool
	keys  []K
}

// others returns the ways of others. Each has the validators' keys beforehand, as points.
func others(w *workload) ([]way, error) {
	return withLibrary(w, func(l *library[blst.P1Affine, blst.P2Affine]) []way { return l.ways(w) },
		func(l *library[blst.P2Affine, blst.P1Affine]) []way { return l.ways(w) })
}

// othersReceived returns the ways of others for received certificates. Certificate k is signed by
// quorum k.
func othersReceived(w *workload, quorums [][]int, certificates [][]byte) ([]way, error) {
	return withLibrary(w, func(l *library[blst.P1Affine, blst.P2Affine]) []way { return l.received(w, quorums, certificates) },
		func(l *library[blst.P2Affine, blst.P1Affine]) []way { return l.received(w, quorums, certificates) })
}

func withLibrary(w *workload, ofMinSig func(*library[blst.P1Affine, blst.P2Affine]) []way, ofMinPk func(*library[blst.P2Affine, blst.P1Affine]) []way) ([]way, error) {
	encoded := make([][]byte, w.n)
	for i := range encoded {
		encoded[i] = w.validators[i].Key
	}
	if w.variant == verify.MinSig {
		keys, err := points(new(blst.P2Affine).BatchUncompress(encoded))
		if err != nil {
			return nil, err
		}
		return ofMinSig(minSig(keys)), nil
	}
	keys, err := points(new(blst.P1Affine).BatchUncompress(encoded))
	if err != nil {
		return nil, err
	}
	return ofMinPk(minPk(keys)), nil
}

func points[P any](read []*P) ([]P, error) {
	out := make([]P, len(read))
	for i, p := range read {
		if p == nil {
			return nil, errors.New("a key is no point")
		}
		out[i] = *p
	}
	return out, nil
}

func minSig(keys []blst.P2Affine) *library[blst.P1Affine, blst.P2Affine] {
	minusOne := new(blst.P2).SubAssign(blst.P2Generator()).ToAffine()
	return &library[blst.P1Affine, blst.P2Affine]{
		tag:  []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"),
		keys: keys,
		read: func(vote []byte) *blst.P1Affine {
			if p := new(blst.P1Affine); p.Uncompress(vote) != nil && p.SigValidate(true) {
				return p
			}
			return nil
		},
		hash: func(message, tag []byte) *blst.P1Affine { return blst.HashToG1(message, tag).ToAffine() },
		pairs: func(hash, signature *blst.P1Affine, key *blst.P2Affine) bool {
			ctx := blst.PairingCtx(true, nil)
			blst.PairingRawAggregate(ctx, key, hash)
			blst.PairingRawAggregate(ctx, minusOne, signature)
			blst.PairingCommit(ctx)
			return blst.PairingFinalVerify(ctx)
		},
		sums: func(signatures []blst.P1Affine, keys []blst.P2Affine, weights []byte) (*blst.P1Affine, *blst.P2Affine) {
			return blst.P1Affines(signatures).Mult(weights, weightBits).ToAffine(),
				blst.P2Affines(keys).Mult(weights, weightBits).ToAffine()
		},
		add:     func(keys []blst.P2Affine) *blst.P2Affine { return blst.P2Affines(keys).Add().ToAffine() },
		readAll: new(blst.P1Affine).BatchUncompress,
		multi: func(signatures []*blst.P1Affine, keys []*blst.P2Affine, messages [][]byte, tag []byte) bool {
			return new(blst.P1Affine).MultipleAggregateVerify(signatures, true, keys, false, messages, tag, drawScalar, ethereumBits)
		},
	}
}

func minPk(keys []blst.P1Affine) *library[blst.P2Affine, blst.P1Affine] {
	minusOne := new(blst.P1).SubAssign(blst.P1Generator()).ToAffine()
	return &library[blst.P2Affine, blst.P1Affine]{
		tag:  []byte("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"),
		keys: keys,
		read: func(vote []byte) *blst.P2Affine {
			if p := new(blst.P2Affine); p.Uncompress(vote) != nil && p.SigValidate(true) {
				return p
			}
			return nil
		},
		hash: func(message, tag []byte) *blst.P2Affine { return blst.HashToG2(message, tag).ToAffine() },
		pairs: func(hash, signature *blst.P2Affine, key *blst.P1Affine) bool {
			ctx := blst.PairingCtx(true, nil)
			blst.PairingRawAggregate(ctx, hash, key)
			blst.PairingRawAggregate(ctx, signature, minusOne)
			blst.PairingCommit(ctx)
			return blst.PairingFinalVerify(ctx)
		},
		sums: func(signatures []blst.P2Affine, keys []blst.P1Affine, weights []byte) (*blst.P2Affine, *blst.P1Affine) {
			return blst.P2Affines(signatures).Mult(weights, weightBits).ToAffine(),
				blst.P1Affines(keys).Mult(weights, weightBits).ToAffine()
		},
		add:     func(keys []blst.P1Affine) *blst.P1Affine { return blst.P1Affines(keys).Add().ToAffine() },
		readAll: new(blst.P2Affine).BatchUncompress,
		multi: func(signatures []*blst.P2Affine, keys []*blst.P1Affine, messages [][]byte, tag []byte) bool {
			return new(blst.P2Affine).MultipleAggregateVerify(signatures, true, keys, false, messages, tag, drawScalar, ethereumBits)
		},
	}
}

// drawScalar draws a weight as Go clients of Ethereum do: 64 random bits that are not all zero.
func drawScalar(s *blst.Scalar) {
	var b [32]byte
	for [8]byte(b[:8]) == [8]byte{} {
		_, _ = rand.Read(b[:8])
	}
	s.FromLEndian(b[:])
}

func (l *library[S, K]) ways(w *workload) []way {
	prepared := []prepare{l.oneByOne(w, true), l.oneByOne(w, false), l.weighted(w), l.multiple(w)}
	ways := make([]way, len(prepared))
	for i := range ways {
		ways[i] = way{name: otherWays[i], prepare: prepared[i]}
	}
	return ways
}

// oneByOne is upstream's way: it decodes each ack, with subgroup check, hashes its message and
// checks its pairing equation. With hashEach false the hash is known beforehand, which upstream
// does not do.
func (l *library[S, K]) oneByOne(w *workload, hashEach bool) prepare {
	return func(r *mathrand.Rand) (func() error, int, error) {
		k := r.IntN(w.chunks)
		who := r.Perm(w.n)
		known := l.hash(w.messages[k], l.tag)
		return func() error {
			for j := range singleAcks {
				i := who[j%w.n]
				signature, h := l.read(w.vote(k, i)), known
				if hashEach {
					h = l.hash(w.messages[k], l.tag)
				}
				if signature == nil || !l.pairs(h, signature, &l.keys[i]) {
					return errInvalid
				}
			}
			return nil
		}, singleAcks, nil
	}
}

// weighted is the way of upstream's PR 3214: it decodes the acks of one chunk, each with its
// subgroup check, and verifies them together under random weights of 128 bits, with blst's own sums
// of products (Pippenger's).
func (l *library[S, K]) weighted(w *workload) prepare {
	return func(r *mathrand.Rand) (func() error, int, error) {
		quorums := w.quorums(r, false)[:min(w.chunks, (weightedAcks+w.quorum-1)/w.quorum)]
		return func() error {
			for k, who := range quorums {
				signatures, keys := make([]S, len(who)), make([]K, len(who))
				for j, i := range who {
					signature := l.read(w.vote(k, i))
					if signature == nil {
						return errInvalid
					}
					signatures[j], keys[j] = *signature, l.keys[i]
				}
				weights := make([]byte, len(who)*weightBits/8)
				_, _ = rand.Read(weights)
				signature, key := l.sums(signatures, keys, weights)
				if !l.pairs(l.hash(w.messages[k], l.tag), signature, key) {
					return errInvalid
				}
			}
			return nil
		}, len(quorums) * w.quorum, nil
	}
}

// multiple calls blst's MultipleAggregateVerify over the acks of several chunks, as Go clients of
// Ethereum do: signatures are read without subgroup check, which the call itself makes; keys are
// known and trusted; weights have 64 bits.
func (l *library[S, K]) multiple(w *workload) prepare {
	return func(r *mathrand.Rand) (func() error, int, error) {
		quorums := w.quorums(r, false)[:min(w.chunks, (multiAcks+w.quorum-1)/w.quorum)]
		return func() error {
			var votes, messages [][]byte
			var keys []*K
			for k, who := range quorums {
				for _, i := range who {
					votes, messages, keys = append(votes, w.vote(k, i)), append(messages, w.messages[k]), append(keys, &l.keys[i])
				}
			}
			signatures := l.readAll(votes)
			if signatures == nil || !l.multi(signatures, keys, messages, l.tag) {
				return errInvalid
			}
			return nil
		}, len(quorums) * w.quorum, nil
	}
}

// received verifies one certificate after the other: it decodes the signature, with subgroup check,
// hashes the message, adds up the signers' keys and checks the pairing equation.
func (l *library[S, K]) received(w *workload, quorums [][]int, certificates [][]byte) []way {
	return []way{{name: "blst-one-by-one", prepare: func(*mathrand.Rand) (func() error, int, error) {
		const count = 8
		return func() error {
			for k := range count {
				keys := make([]K, len(quorums[k]))
				for j, i := range quorums[k] {
					keys[j] = l.keys[i]
				}
				signature := l.read(certificates[k][len(certificates[k])-w.size:])
				if signature == nil || !l.pairs(l.hash(w.messages[k], l.tag), signature, l.add(keys)) {
					return errInvalid
				}
			}
			return nil
		}, count, nil
	}}}
}
