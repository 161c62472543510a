package sim

import (
	"encoding/binary"
	"math/big"
	"slices"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/internal/sim/model"
)

// forgery is a change that a hostile validator makes to its own valid vote.
type forgery int

const (
	flipped      forgery = iota // some bit
	unreadable                  // no point
	shifted                     // by an error; shiftedBack cancels it in a plain sum
	shiftedBack                 // by the negative of that error
	twisted                     // out of the subgroup
	twistedBack                 // out of the subgroup, by the inverse
	numForgeries                // number of kinds
)

// forge returns a changed copy of a vote. If a scheme does not add up votes, every forgery except
// unreadable flips a bit.
func (r *Roster) forge(vote []byte, how forgery, bit int) []byte {
	vote = slices.Clone(vote)
	switch {
	case how == unreadable:
		for i := range vote {
			vote[i] = 0xFF
		}
	case how == flipped || r.config.Scheme == Ed25519 || r.config.Scheme == Secp256r1 || r.config.Scheme == KeyedList:
		// Never flip a bit of the first byte, which might make the vote unreadable or change
		// nothing; in an ECDSA vote, no bit of s either.
		end := len(vote)
		if r.config.Scheme == Secp256r1 {
			end /= 2
		}
		at := 8 + bit%(8*end-8)
		vote[at/8] ^= 1 << (at % 8)
	case r.keyed():
		e, _ := model.ParseVote(vote)
		by := map[forgery]model.Element{
			shifted: {Y: 7, Z: 3}, shiftedBack: {Y: 1<<64 - 7, Z: 1<<56 - 3}, twisted: {Torsion: 5}, twistedBack: {Torsion: 128 - 5},
		}[how]
		return e.Plus(by, 1).AppendTo(nil)
	case len(vote) == bls.SizeOfG1AffineCompressed:
		var p, by bls.G1Affine
		_, _, by, _ = bls.Generators()
		if how == twisted || how == twistedBack {
			by.X.SetZero() // (0, 2) has order 3
			by.Y.SetUint64(2)
		}
		if how == shiftedBack || how == twistedBack {
			by.Neg(&by)
		}
		if _, err := p.SetBytes(vote); err != nil {
			r.err = err
			return vote
		}
		p.Add(&p, &by)
		b := p.Bytes()
		return b[:]
	default:
		var p, by bls.G2Affine
		_, _, _, by = bls.Generators()
		if how == twisted || how == twistedBack {
			by = smallOrder()
		}
		if how == shiftedBack || how == twistedBack {
			by.Neg(&by)
		}
		if _, err := p.SetBytes(vote); err != nil {
			r.err = err
			return vote
		}
		p.Add(&p, &by)
		b := p.Bytes()
		return b[:]
	}
	return vote
}

// smallOrder returns a point of G2's curve whose order divides the cofactor: r times a point of the
// curve.
func smallOrder() bls.G2Affine {
	var p bls.G2Affine
	for x := uint64(1); ; x++ {
		p.X.A0.SetUint64(x)
		var y2, b bls.E2
		b.A0.SetUint64(4)
		b.A1.SetUint64(4)
		y2.Square(&p.X).Mul(&y2, &p.X).Add(&y2, &b)
		if y2.Legendre() != 1 {
			continue
		}
		p.Y.Sqrt(&y2)
		var sum, step bls.G2Jac // by doubling and adding, which is correct outside the subgroup too
		step.FromAffine(&p)
		sum.FromAffine(new(bls.G2Affine))
		order := new(big.Int).Set(fr.Modulus())
		for i := order.BitLen() - 1; i >= 0; i-- {
			sum.DoubleAssign()
			if order.Bit(i) == 1 {
				sum.AddAssign(&step)
			}
		}
		var t bls.G2Affine
		t.FromJacobian(&sum)
		if !t.IsInfinity() {
			return t
		}
	}
}

// garble flips some bits of a message, or cuts or lengthens it.
func (n *Network) garble(message []byte) []byte {
	b := slices.Clone(message)
	for range 1 + n.random.IntN(3) {
		switch n.random.IntN(8) {
		case 0:
			b = b[:n.random.IntN(len(b)+1)]
		case 1:
			b = binary.BigEndian.AppendUint32(b, n.random.Uint32())
		default:
			if len(b) > 0 {
				b[n.random.IntN(len(b))] ^= 1 << n.random.IntN(8)
			}
		}
	}
	return b
}
