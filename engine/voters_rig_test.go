package engine_test

import (
	"context"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// voterSet is a validator set that can vote quickly, in memory, for any number of chunks. The tests
// make the last third of it hostile, the largest number that may be faulty.
type voterSet interface {
	// scheme makes a scheme without cached state.
	scheme(t testing.TB) verify.Scheme
	// votes returns the valid votes of all validators on s, by participant.
	votes(t testing.TB, s wire.Subject) [][]byte
	// certifies is an independent verifier: it shares no code with the scheme.
	certifies(s wire.Subject, certificate []byte) bool
}

// progression is a MinSig multisig set whose secrets are a, a+1, a+2, …: the votes on one chunk
// take one point of the curve and then an addition each. Every second hostile validator has the
// negative of its predecessor's secret, so that their keys cancel. Votes are made by gnark-crypto
// alone.
type progression struct {
	validators []verify.Validator
	start      fr.Element
	negated    []int // participants whose secret is the negative of the one before
	keys       []bls.G2Affine
	secrets    []fr.Element // of all validators, where they are no progression
}

const messageTag = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"

func faulty(n int) int { return (n - 1) / 3 }

func newProgression(t testing.TB, n int) *progression {
	t.Helper()
	p := &progression{validators: make([]verify.Validator, n), keys: make([]bls.G2Affine, n)}
	p.start.SetBytes([]byte("the secret of the first validator of them"))
	for i := n - faulty(n) + 1; i < n; i += 2 {
		p.negated = append(p.negated, i)
	}
	secret := p.start
	var one fr.Element
	one.SetOne()
	for i := range n {
		own := secret
		if slices.Contains(p.negated, i) {
			own.Sub(&own, &one).Neg(&own)
		}
		p.keys[i].ScalarMultiplicationBase(own.BigInt(new(big.Int)))
		key := p.keys[i].Bytes()
		p.validators[i] = verify.Validator{Identity: wire.PublicKey{byte(i >> 8), byte(i), 1}, Key: key[:]}
		secret.Add(&secret, &one)
	}
	return p
}

func (p *progression) scheme(t testing.TB) verify.Scheme {
	t.Helper()
	s, err := verify.NewMultisigFromProvenKeys(verify.Config{Namespace: namespace}, p.validators)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedMessage spells out union_unique(namespace‖"_ACK", Chunk ‖ varint epoch) for short
// namespaces.
func signedMessage(s wire.Subject) []byte {
	m := append([]byte{byte(len(namespace) + 4)}, namespace...)
	m = append(append(m, "_ACK"...), s.Chunk.Sequencer[:]...)
	m = append(binary.AppendUvarint(m, s.Chunk.Height), s.Chunk.Payload[:]...)
	return binary.AppendUvarint(m, s.Epoch)
}

func hashed(s wire.Subject) bls.G1Affine {
	h, err := bls.HashToG1(signedMessage(s), []byte(messageTag))
	if err != nil {
		panic(err)
	}
	return h
}

// points returns the valid votes on s.
func (p *progression) points(s wire.Subject) []bls.G1Affine {
	h := hashed(s)
	if p.secrets != nil {
		all := make([]bls.G1Affine, len(p.secrets))
		for i := range all {
			all[i].ScalarMultiplication(&h, p.secrets[i].BigInt(new(big.Int)))
		}
		return all
	}
	var at bls.G1Jac
	at.FromAffine(&h)
	at.ScalarMultiplication(&at, p.start.BigInt(new(big.Int)))
	all := make([]bls.G1Jac, len(p.validators))
	for i := range all {
		all[i] = at
		at.AddMixed(&h)
	}
	for _, i := range p.negated {
		all[i].Neg(&all[i-1])
	}
	return bls.BatchJacobianToAffineG1(all)
}

func encoded(points []bls.G1Affine) [][]byte {
	votes := make([][]byte, len(points))
	for i := range points {
		b := points[i].Bytes()
		votes[i] = b[:]
	}
	return votes
}

func (p *progression) votes(_ testing.TB, s wire.Subject) [][]byte { return encoded(p.points(s)) }

func (p *progression) certifies(s wire.Subject, certificate []byte) bool {
	n := len(p.validators)
	if len(certificate) != 8+(n+7)/8+bls.SizeOfG1AffineCompressed || binary.BigEndian.Uint64(certificate) != uint64(n) {
		return false
	}
	var key bls.G2Jac
	signers := 0
	for i := range n {
		if certificate[8+i/8]>>(i%8)&1 == 1 {
			key.AddMixed(&p.keys[i])
			signers++
		}
	}
	var sum bls.G1Affine
	if _, err := sum.SetBytes(certificate[8+(n+7)/8:]); err != nil || sum.IsInfinity() || signers < n-faulty(n) {
		return false
	}
	_, _, _, g := bls.Generators()
	g.Neg(&g)
	ok, err := bls.PairingCheck([]bls.G1Affine{sum, hashed(s)}, []bls.G2Affine{g, *new(bls.G2Affine).FromJacobian(&key)})
	return err == nil && ok
}

// setVoters is any set of package testkit.
type setVoters struct{ set *testkit.Set }

func (f setVoters) scheme(testing.TB) verify.Scheme { return f.set.Scheme }

func (f setVoters) votes(t testing.TB, s wire.Subject) [][]byte {
	t.Helper()
	votes := make([][]byte, len(f.set.Signers))
	for i, signer := range f.set.Signers {
		var err error
		if votes[i], err = signer.SignAck(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	return votes
}

func (f setVoters) certifies(s wire.Subject, certificate []byte) bool {
	return verify.VerifyCertificate(f.set.Scheme, s, certificate) == nil
}

// An attack replaces the votes of the hostile third on s; nil means silence. valid holds the valid
// votes of all.
type attack func(r *rand.Rand, s wire.Subject, valid [][]byte) [][]byte

func noAttack(_ *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte { return valid }

func silence(_ *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte {
	clear(valid[len(valid)-faulty(len(valid)):])
	return valid
}

func point(vote []byte) (p bls.G1Affine) {
	if _, err := p.SetBytes(vote); err != nil {
		panic(err)
	}
	return p
}

func plus(a, b bls.G1Affine) []byte {
	var sum bls.G1Affine
	sum.Add(&a, &b)
	e := sum.Bytes()
	return e[:]
}

// strayPoints are points of the subgroup that are no validator's vote.
var strayPoints = func() []bls.G1Affine {
	_, _, g, _ := bls.Generators()
	all := make([]bls.G1Affine, 64)
	for i := range all {
		all[i].ScalarMultiplication(&g, big.NewInt(int64(1_000_003*i+77)))
	}
	return all
}()

func stray(r *rand.Rand) bls.G1Affine { return strayPoints[r.IntN(len(strayPoints))] }

// outsiders are points of the curve outside the subgroup.
var outsiders = func() (all [][]byte) {
	var x, y, four fp.Element
	four.SetUint64(4)
	for i := uint64(1); len(all) < 16; i++ {
		x.SetUint64(i)
		y.Square(&x).Mul(&y, &x).Add(&y, &four)
		if y.Sqrt(&y) == nil {
			continue
		}
		if p := (bls.G1Affine{X: x, Y: y}); !p.IsInSubGroup() {
			b := p.Bytes()
			all = append(all, b[:])
		}
	}
	return all
}()

// randomPoints is an attack in which every hostile validator sends a point of the subgroup that
// does not depend on the chunk. Only pairings detect it.
func randomPoints(r *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte {
	for i := len(valid) - faulty(len(valid)); i < len(valid); i++ {
		b := stray(r)
		e := b.Bytes()
		valid[i] = e[:]
	}
	return valid
}

// allForms is an attack in which the hostile validators send every form of an invalid vote in turn.
func allForms(r *rand.Rand, s wire.Subject, valid [][]byte) [][]byte {
	size := len(valid[0])
	for i := len(valid) - faulty(len(valid)); i < len(valid); i++ {
		v := make([]byte, size)
		switch (i + int(s.Chunk.Height)) % 6 {
		case 0:
			p := stray(r)
			e := p.Bytes()
			copy(v, e[:])
		case 1:
			copy(v, outsiders[r.IntN(len(outsiders))])
		case 2: // no point
			for k := range v {
				v[k] = 0xFF
			}
		case 3:
			v[0] = 0xC0 // the identity
		case 4: // another validator's
			copy(v, valid[0])
		case 5: // no point, less plainly: x⁠³+4 is no square for x = 3
			v[0], v[size-1] = 0x80, 3
		}
		valid[i] = v
	}
	return valid
}

// replays is an attack in which the hostile validators send their valid votes on another chunk.
func replays(voters *progression) attack {
	return func(_ *rand.Rand, s wire.Subject, valid [][]byte) [][]byte {
		s.Chunk.Payload[0] ^= 1
		other := encoded(voters.points(s))
		first := len(valid) - faulty(len(valid))
		copy(valid[first:], other[first:])
		return valid
	}
}

// cancelling is an attack in which the hostile validators add errors that cancel in pairs whose
// keys cancel too.
func cancelling(r *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte {
	for i := len(valid) - faulty(len(valid)); i+1 < len(valid); i += 2 {
		e := stray(r)
		valid[i] = plus(point(valid[i]), e)
		e.Neg(&e)
		valid[i+1] = plus(point(valid[i+1]), e)
	}
	return valid
}

// cancellingTogether is an attack whose errors cancel only when all of them are there.
func cancellingTogether(r *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte {
	var rest bls.G1Affine
	first := len(valid) - faulty(len(valid))
	for i := first; i < len(valid)-1; i++ {
		e := stray(r)
		valid[i] = plus(point(valid[i]), e)
		rest.Sub(&rest, &e)
	}
	last := len(valid) - 1
	valid[last] = plus(point(valid[last]), rest)
	return valid
}

// sameSum is an attack in which pairs whose keys cancel send votes that cancel too, and are both
// wrong.
func sameSum(r *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte {
	for i := len(valid) - faulty(len(valid)); i+1 < len(valid); i += 2 {
		p := stray(r)
		e := p.Bytes()
		valid[i] = slices.Clone(e[:])
		p.Neg(&p)
		e = p.Bytes()
		valid[i+1] = e[:]
	}
	return valid
}

// replayedBytes is an attack for every scheme: the hostile validators send the vote of an honest
// validator.
func replayedBytes(_ *rand.Rand, _ wire.Subject, valid [][]byte) [][]byte {
	for i := len(valid) - faulty(len(valid)); i < len(valid); i++ {
		valid[i] = valid[0]
	}
	return valid
}
