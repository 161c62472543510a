package ed25519bench

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"

	"filippo.io/edwards25519"
	"github.com/hdevalence/ed25519consensus"
	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// namespace is the namespace of the chunks.
var namespace = []byte("bench")

// Signed is a chunk of a sequencer with its signature, and the bytes that were signed.
type Signed struct {
	wire.Proposal
	Message []byte
}

// Key returns the sequencer's key.
func (s *Signed) Key() []byte { return s.Chunk.Sequencer[:] }

// message returns union_unique(namespace‖"_CHUNK", Chunk), written out.
func message(c *wire.Chunk) []byte {
	domain := string(namespace) + "_CHUNK"
	return c.AppendTo(append(wire.AppendUvarint(nil, uint64(len(domain))), domain...))
}

// Sign returns n signed chunks of n sequencers.
func Sign(n int) []*Signed {
	all := make([]*Signed, n)
	for i := range all {
		seed := make([]byte, ed25519.SeedSize)
		seed[0], seed[1] = byte(i), byte(i>>8)
		key := ed25519.NewKeyFromSeed(seed)
		s := &Signed{}
		s.Chunk = wire.Chunk{Sequencer: wire.PublicKey(key.Public().(ed25519.PublicKey)), Height: uint64(i), Payload: wire.Digest{1}}
		s.Message = message(&s.Chunk)
		s.Signature = wire.Signature(ed25519.Sign(key, s.Message))
		all[i] = s
	}
	return all
}

// Way is a way to verify signatures.
type Way struct {
	Name   string
	ZIP215 bool // whether its rules are those of ZIP-215
	// Prepare does the work that can be done once for all signatures of these keys. one reports
	// whether signature i is valid, and every whether the first n are; every is nil if the way has
	// no batches.
	Prepare func(all []*Signed) (one func(i int) bool, every func(n int) bool)
}

// Ways returns all ways.
func Ways() []Way {
	return []Way{
		{"lanecast", true, lanecast},
		{"curve25519-voi", true, withVoi},
		{"edwards25519", true, withEdwards},
		{"ed25519consensus", true, withConsensus},
		{"crypto/ed25519", false, func(all []*Signed) (func(i int) bool, func(n int) bool) {
			return func(i int) bool { return ed25519.Verify(all[i].Key(), all[i].Message, all[i].Signature[:]) }, nil
		}},
	}
}

func lanecast(all []*Signed) (func(i int) bool, func(n int) bool) {
	v := verify.NewChunkVerifier(namespace)
	proposals := make([]*wire.Proposal, len(all))
	for i := range all {
		proposals[i] = &all[i].Proposal
		v.Verify(proposals[i]) // remembers the key
	}
	one := func(i int) bool { return v.Verify(proposals[i]) }
	return one, func(n int) bool {
		valid := make([]bool, n)
		v.VerifyBatch(proposals[:n], valid)
		for _, ok := range valid {
			if !ok {
				return false
			}
		}
		return true
	}
}

func withVoi(all []*Signed) (func(i int) bool, func(n int) bool) {
	rules := &voi.Options{Verify: voi.VerifyOptionsZIP_215}
	one := func(i int) bool {
		return voi.VerifyWithOptions(all[i].Key(), all[i].Message, all[i].Signature[:], rules)
	}
	return one, func(n int) bool {
		batch := voi.NewBatchVerifierWithCapacity(n)
		for _, s := range all[:n] {
			batch.AddWithOptions(s.Key(), s.Message, s.Signature[:], rules)
		}
		return batch.VerifyBatchOnly(rand.Reader)
	}
}

func withConsensus(all []*Signed) (func(i int) bool, func(n int) bool) {
	one := func(i int) bool {
		return ed25519consensus.Verify(all[i].Key(), all[i].Message, all[i].Signature[:])
	}
	return one, func(n int) bool {
		batch := ed25519consensus.NewPreallocatedBatchVerifier(n)
		for _, s := range all[:n] {
			batch.Add(s.Key(), s.Message, s.Signature[:])
		}
		return batch.Verify()
	}
}

// withEdwards is ZIP-215 as specified: points are decompressed leniently, s is canonical, and the
// equation is multiplied by the cofactor.
func withEdwards(all []*Signed) (func(i int) bool, func(n int) bool) {
	keys := make([]*edwards25519.Point, len(all))
	for i, s := range all {
		if key, err := new(edwards25519.Point).SetBytes(s.Key()); err == nil {
			keys[i] = key.Negate(key)
		}
	}
	identity := edwards25519.NewIdentityPoint()
	// open reads R and s and computes the challenge k.
	open := func(x *Signed) (r *edwards25519.Point, s, k *edwards25519.Scalar) {
		r, err := new(edwards25519.Point).SetBytes(x.Signature[:32])
		if err != nil {
			return nil, nil, nil
		}
		if s, err = new(edwards25519.Scalar).SetCanonicalBytes(x.Signature[32:]); err != nil {
			return nil, nil, nil
		}
		h := sha512.New()
		h.Write(x.Signature[:32])
		h.Write(x.Key())
		h.Write(x.Message)
		k, _ = new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
		return r, s, k
	}
	one := func(i int) bool {
		r, s, k := open(all[i])
		if r == nil || keys[i] == nil {
			return false
		}
		p := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(k, keys[i], s)
		return p.Subtract(p, r).MultByCofactor(p).Equal(identity) == 1
	}
	return one, func(n int) bool {
		points := make([]*edwards25519.Point, 1, 2*n+1)
		scalars := make([]*edwards25519.Scalar, 1, 2*n+1)
		sum := new(edwards25519.Scalar)
		weights := make([]byte, 16*n)
		_, _ = rand.Read(weights)
		for i, x := range all[:n] {
			r, s, k := open(x)
			if r == nil || keys[i] == nil {
				return false
			}
			var w [32]byte
			copy(w[:], weights[16*i:16*i+16])
			z, _ := new(edwards25519.Scalar).SetCanonicalBytes(w[:])
			sum.MultiplyAdd(z, s, sum)
			points = append(points, r.Negate(r), keys[i])
			scalars = append(scalars, z, k.Multiply(z, k))
		}
		points[0], scalars[0] = edwards25519.NewGeneratorPoint(), sum
		p := new(edwards25519.Point).VarTimeMultiScalarMult(scalars, points)
		return p.MultByCofactor(p).Equal(identity) == 1
	}
}
