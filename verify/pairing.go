package verify

import (
	"crypto/rand"
	"slices"

	"github.com/lanecast/lanecast/verify/internal/curve"
)

// weightSize is the length of a random coefficient in bytes: 128 bits, so that a wrong batch passes
// with probability at most 2⁻¹²⁸ (M. Bellare, J. Garay, T. Rabin: Fast batch verification for
// modular exponentiation and digital signatures, 1998). That requires only that different bytes
// make different coefficients modulo r. [curve.NewWeight] makes coefficients whose products are
// cheapest.
const weightSize = 16

// weights draws n fresh, private, nonzero coefficients.
func weights(n int) []curve.Scalar {
	b := make([]byte, n*weightSize)
	_, _ = rand.Read(b) // never returns an error: it ends the program instead
	ws := make([]curve.Scalar, n)
	for i := range ws {
		w := (*[weightSize]byte)(b[i*weightSize:])
		for *w == ([weightSize]byte{}) {
			_, _ = rand.Read(w[:])
		}
		ws[i] = curve.NewWeight(*w)
	}
	return ws
}

// pairing holds the arithmetic of one variant: the back end, and the groups of signatures and of
// keys.
type pairing struct {
	curve    *curve.Backend
	variant  Variant
	sigGroup curve.Group
	keyGroup curve.Group
	minusOne curve.Points // −g, g the generator of the keys' group
	costs    costs
}

func newPairing(v Variant) *pairing {
	c := curve.Default()
	return &pairing{
		curve: c, variant: v, sigGroup: v.signatures(), keyGroup: v.keys(),
		minusOne: c.Neg(c.Generator(v.keys())),
		costs:    costsOf(v),
	}
}

// unsound returns the positions of the points that cannot be signatures, ascending: the identity,
// and points outside the subgroup.
func (p *pairing) unsound(points curve.Points) []int {
	positions := p.curve.Outside(points)
	outside := len(positions)
	for i := range points.Len() {
		if p.curve.IsIdentity(points, i) {
			positions = append(positions, i)
		}
	}
	if outside < len(positions) {
		slices.Sort(positions)
	}
	return positions
}

// nameKey returns the name of a key in equations: its encoding.
func (p *pairing) nameKey(key curve.Points) string { return string(p.curve.Append(nil, key, 0, true)) }

// cancel reports whether the product of the pairings of left, in the signatures' group, with right
// is 1.
func (p *pairing) cancel(left, right curve.Points) bool {
	if p.sigGroup == curve.G1 {
		return p.curve.PairingsCancel(left, right)
	}
	return p.curve.PairingsCancel(right, left)
}
