package verify_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// smallEdwards are the encodings of the eight points of Ed25519's curve whose order divides 8,
// including those that are not canonical: y at or above p = 2²⁵⁵ − 19, and the sign bit where x is
// 0.
func smallEdwards() (all []wire.PublicKey) {
	// r·P for the prime order r of the subgroup, as the sum of powers of two times P, since scalars
	// are modulo r. For some P it has order 8.
	order := []byte("\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10")
	var eighth *edwards25519.Point
	for y := byte(2); eighth == nil; y++ {
		p, err := new(edwards25519.Point).SetBytes(append([]byte{y}, make([]byte, 31)...))
		if err != nil {
			continue
		}
		sum := edwards25519.NewIdentityPoint()
		for bit := 8*len(order) - 1; bit >= 0; bit-- {
			sum.Add(sum, sum)
			if order[bit/8]>>(bit%8)&1 == 1 {
				sum.Add(sum, p)
			}
		}
		four := new(edwards25519.Point).Add(sum, sum)
		if four.Add(four, four).Equal(edwards25519.NewIdentityPoint()) == 0 {
			eighth = sum
		}
	}
	p := edwards25519.NewIdentityPoint()
	for range 8 {
		all = append(all, wire.PublicKey(p.Bytes()))
		p.Add(p, eighth)
	}
	high := wire.PublicKey(bytes.Repeat([]byte{0xff}, 32))
	for _, low := range []byte{0xec, 0xed, 0xee} { // y = −1, y = p, y = p + 1
		high[0] = low
		for _, top := range []byte{0x7f, 0xff} {
			high[31] = top
			all = append(all, high)
		}
	}
	one := wire.PublicKey{0: 1, 31: 0x80}
	return append(all, one)
}

// edwardsKey is an Ed25519 key to which its holder may have added a point of small order.
type edwardsKey struct {
	secret *edwards25519.Scalar
	public wire.PublicKey
}

func edwardsScalar(r *rand.Rand) *edwards25519.Scalar {
	var b [64]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return must(new(edwards25519.Scalar).SetUniformBytes(b[:]))
}

func edwardsPoint(encoded wire.PublicKey) *edwards25519.Point {
	return must(new(edwards25519.Point).SetBytes(encoded[:]))
}

// sign signs with R = r·B + small.
func (k *edwardsKey) sign(r *rand.Rand, m []byte, small wire.PublicKey) (signature wire.Signature) {
	nonce := edwardsScalar(r)
	R := new(edwards25519.Point).ScalarBaseMult(nonce)
	copy(signature[:], R.Add(R, edwardsPoint(small)).Bytes())
	digest := sha512.Sum512(slices.Concat(signature[:32], k.public[:], m))
	challenge := must(new(edwards25519.Scalar).SetUniformBytes(digest[:]))
	copy(signature[32:], challenge.MultiplyAdd(challenge, k.secret, nonce).Bytes())
	return signature
}

// Points of small order in keys and in R, alone and beside honest ones, repeated, and opposite;
// from one signature to 300, beyond the size at which the library changes its method of addition.
func TestChunksVerifyInBatchesAsTheyDoAloneWithSpecialPoints(t *testing.T) {
	small := smallEdwards()
	r := rand.New(rand.NewPCG(30, 30))
	var keys []edwardsKey
	for i := range 12 {
		secret := edwardsScalar(r)
		if i%3 == 2 {
			secret.Negate(keys[i-1].secret)
		}
		p := new(edwards25519.Point).ScalarBaseMult(secret)
		if i >= 3 {
			p.Add(p, edwardsPoint(small[i%8]))
		}
		keys = append(keys, edwardsKey{secret, wire.PublicKey(p.Bytes())})
	}
	var pool []*wire.Proposal
	var want []bool
	slow := func(p *wire.Proposal) bool { return zip215(p.Chunk.Sequencer[:], chunkBytes(p.Chunk), p.Signature[:]) }
	add := func(p *wire.Proposal) { pool, want = append(pool, p), append(want, slow(p)) }
	for i := range keys {
		for j := range small {
			p := &wire.Proposal{Chunk: wire.Chunk{Sequencer: keys[i].public, Height: uint64(j)}}
			p.Signature = keys[i].sign(r, chunkBytes(p.Chunk), small[j])
			add(p)
			if !want[len(want)-1] {
				t.Fatalf("key %d does not verify with R plus %v", i, small[j])
			}
			negated := *p
			negated.Signature[31] ^= 0x80 // −R, or an encoding of no point
			add(&negated)
		}
	}
	for i := range small {
		for j := range small { // made without any secret
			p := &wire.Proposal{Chunk: wire.Chunk{Sequencer: small[i], Height: uint64(j)}}
			copy(p.Signature[:], small[j][:])
			add(p)
		}
	}
	if n := len(want); !slices.Contains(want, false) || !slices.Contains(want, true) {
		t.Fatalf("%d proposals are all alike", n)
	}
	draws := 60
	if testing.Short() {
		draws = 30
	}
	v := verify.NewChunkVerifier(namespace)
	for draw := range draws {
		n := 1 + r.IntN(300)
		if sizes := []int{1, 2, 93, 94, 95, 96, 189, 190, 191, 300}; draw < len(sizes) {
			n = sizes[draw]
		}
		index := make([]int, n)
		few := []int{r.IntN(len(pool)), r.IntN(len(pool)), r.IntN(len(pool))}
		for k := range index {
			index[k] = r.IntN(len(pool))
			if draw%3 == 0 {
				index[k] = few[r.IntN(len(few))]
			}
			for draw%2 == 0 && !want[index[k]] { // all are valid, so that the batch decides
				index[k] = r.IntN(len(pool))
			}
		}
		ps, got := make([]*wire.Proposal, n), make([]bool, n)
		for k, i := range index {
			ps[k] = pool[i]
		}
		v.VerifyBatch(ps, got)
		for k, i := range index {
			if got[k] != want[i] {
				t.Fatalf("draw %d, %d of %d: %v", draw, k, n, got[k])
			}
			if draw == 0 && v.Verify(ps[k]) != want[i] {
				t.Fatalf("draw %d, %d of %d, alone", draw, k, n)
			}
		}
	}
	for i, p := range pool {
		if v.Verify(p) != want[i] {
			t.Fatalf("proposal %d alone: %v", i, !want[i])
		}
	}
}

// One wrong signature makes a certificate of any size invalid, wherever it is; one that contains
// points of small order does not.
func TestOneWrongSignatureSpoilsACertificateInEveryPlace(t *testing.T) {
	const n = 140 // a quorum is 94
	k := schemeCase{kind: testkit.Ed25519}
	set := newSet(t, k, n, 1)
	s := statement(t, set, subject(5), upTo(verify.Quorum(n))...)
	certify(t, s)
	check := func(s *verify.Statement) bool {
		c, unreadable := set.Scheme.Combine(s, s.Signers)
		if c == nil || len(unreadable) > 0 {
			t.Fatalf("combination %v, unreadable %v", c, unreadable)
		}
		return set.Scheme.Check([]verify.Combination{c})
	}
	small := smallEdwards()
	for i := 0; i < verify.Quorum(n); i += 1 + i%5 {
		good := bytes.Clone(s.Vote(wire.Participant(i)))
		for j := 1; j < 8; j += 3 {
			r := edwardsPoint(wire.PublicKey(good[:32]))
			bad := append(r.Add(r, edwardsPoint(small[j])).Bytes(), good[32:]...) // new challenge
			place(s, i, bad)
			if check(s) {
				t.Errorf("signature %d with %d added to R passes", i, j)
			}
			if got := set.Scheme.InvalidVotes(s, s.Signers); !slices.Equal(got, []wire.Participant{wire.Participant(i)}) {
				t.Errorf("signature %d with %d added to R: proven invalid %v", i, j, got)
			}
		}
		place(s, i, good)
	}
	if !check(s) {
		t.Error("the restored signatures do not pass")
	}
}

// chunkBytes returns union_unique(namespace‖"_CHUNK", Chunk), written out for short namespaces.
func chunkBytes(c wire.Chunk) []byte {
	m := append([]byte{byte(len(namespace) + 6)}, namespace...)
	m = append(m, "_CHUNK"...)
	m = append(m, c.Sequencer[:]...)
	m = binary.AppendUvarint(m, c.Height)
	return append(m, c.Payload[:]...)
}
