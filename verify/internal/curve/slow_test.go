package curve

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// This is the textbook arithmetic of both curves: affine coordinates, whole numbers modulo p, one
// point at a time, and every case of an addition by itself. It is slow and shares no code with any
// back end. Tests compare the back ends with it.

// element2 is a + bi with i² = −1, both parts in [0, p). A coordinate of G1 has b = 0.
type element2 struct{ a, b *big.Int }

var fieldPrime = fp.Modulus()

func reduced(a, b *big.Int) element2 {
	return element2{a.Mod(a, fieldPrime), b.Mod(b, fieldPrime)}
}

func number(a, b int64) element2 { return reduced(big.NewInt(a), big.NewInt(b)) }

func (x element2) zero() bool            { return x.a.Sign() == 0 && x.b.Sign() == 0 }
func (x element2) equal(y element2) bool { return x.a.Cmp(y.a) == 0 && x.b.Cmp(y.b) == 0 }

func (x element2) plus(y element2) element2 {
	return reduced(new(big.Int).Add(x.a, y.a), new(big.Int).Add(x.b, y.b))
}

func (x element2) minus(y element2) element2 {
	return reduced(new(big.Int).Sub(x.a, y.a), new(big.Int).Sub(x.b, y.b))
}

func (x element2) times(y element2) element2 {
	a := new(big.Int).Mul(x.a, y.a)
	b := new(big.Int).Mul(x.a, y.b)
	return reduced(a.Sub(a, new(big.Int).Mul(x.b, y.b)), b.Add(b, new(big.Int).Mul(x.b, y.a)))
}

// over returns x/y: 1/(a + bi) = (a − bi)/(a² + b²).
func (x element2) over(y element2) element2 {
	norm := new(big.Int).Mul(y.a, y.a)
	norm.Add(norm, new(big.Int).Mul(y.b, y.b))
	inverse := norm.ModInverse(norm, fieldPrime)
	conjugate := reduced(new(big.Int).Set(y.a), new(big.Int).Neg(y.b))
	return x.times(conjugate).times(element2{inverse, new(big.Int)})
}

// slowPoint is a point of the curve y² = x³ + 4 over the base field, or of the twist y² = x³ + 4(1
// + i).
type slowPoint struct {
	group    Group
	identity bool
	x, y     element2
}

func slowIdentity(g Group) slowPoint { return slowPoint{group: g, identity: true} }

// curveConstant returns y² − x³, which is the same for all points.
func curveConstant(g Group) element2 {
	if g == G1 {
		return number(4, 0)
	}
	return number(4, 4)
}

func (p slowPoint) onCurve() bool {
	return p.identity || p.y.times(p.y).equal(p.x.times(p.x).times(p.x).plus(curveConstant(p.group)))
}

func (p slowPoint) equal(q slowPoint) bool {
	if p.identity || q.identity {
		return p.identity == q.identity
	}
	return p.x.equal(q.x) && p.y.equal(q.y)
}

func (p slowPoint) neg() slowPoint {
	if !p.identity {
		p.y = number(0, 0).minus(p.y)
	}
	return p
}

func (p slowPoint) plus(q slowPoint) slowPoint {
	var slope element2
	switch {
	case p.identity:
		return q
	case q.identity:
		return p
	case p.equal(q.neg()):
		return slowIdentity(p.group)
	case p.equal(q):
		slope = number(3, 0).times(p.x).times(p.x).over(p.y.plus(p.y))
	default:
		slope = q.y.minus(p.y).over(q.x.minus(p.x))
	}
	x := slope.times(slope).minus(p.x).minus(q.x)
	return slowPoint{group: p.group, x: x, y: slope.times(p.x.minus(x)).minus(p.y)}
}

func (p slowPoint) minus(q slowPoint) slowPoint { return p.plus(q.neg()) }

// times returns k·p, for any k.
func (p slowPoint) times(k *big.Int) slowPoint {
	if k.Sign() < 0 {
		return p.neg().times(new(big.Int).Neg(k))
	}
	sum := slowIdentity(p.group)
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.plus(sum)
		if k.Bit(i) == 1 {
			sum = sum.plus(p)
		}
	}
	return sum
}

// bytes returns the standard encoding: x, and y if uncompressed; in G2 the part of i comes first.
// The top bits are: compressed, identity, and whether y is the larger of ±y. In G2 the part of i
// decides that unless it is 0.
func (p slowPoint) bytes(uncompressed bool) []byte {
	size := p.group.Compressed()
	if uncompressed {
		size *= 2
	}
	out := make([]byte, 0, size)
	write := func(e element2) {
		if p.group == G2 {
			out = append(out, e.b.FillBytes(make([]byte, fp.Bytes))...)
		}
		out = append(out, e.a.FillBytes(make([]byte, fp.Bytes))...)
	}
	if p.identity {
		out = out[:size]
		out[0] = 0x40
		if !uncompressed {
			out[0] = 0xc0
		}
		return out
	}
	write(p.x)
	if uncompressed {
		write(p.y)
		return out
	}
	out[0] |= 0x80
	deciding := p.y.b
	if deciding.Sign() == 0 {
		deciding = p.y.a
	}
	if deciding.Cmp(new(big.Int).Rsh(fieldPrime, 1)) > 0 {
		out[0] |= 0x20
	}
	return out
}

// slowlyAt returns point i of p.
func slowlyAt(b *Backend, p Points, i int) slowPoint {
	if b.IsIdentity(p, i) {
		return slowIdentity(p.Group())
	}
	raw := b.Append(nil, p, i, true)
	next := func() *big.Int {
		c := new(big.Int).SetBytes(raw[:fp.Bytes])
		raw = raw[fp.Bytes:]
		return c
	}
	coordinate := func() element2 {
		if p.Group() == G1 {
			return element2{next(), new(big.Int)}
		}
		imaginary := next()
		return element2{next(), imaginary}
	}
	q := slowPoint{group: p.Group(), x: coordinate()}
	q.y = coordinate()
	return q
}

// slowGenerator is the standard generator. TestTheGeneratorIsTheStandardOne checks its encodings.
func slowGenerator(g Group) slowPoint { return slowlyAt(Gnark(), Gnark().Generator(g), 0) }

// cofactors are the prime factors of both cofactors, by group, with their multiplicities. The last
// one of G2 has 448 bits; all others are small.
var cofactors = map[Group][]struct {
	prime        string
	multiplicity int
}{
	G1: {{"3", 1}, {"11", 2}, {"10177", 2}, {"859267", 2}, {"52437899", 2}},
	G2: {{"13", 2}, {"23", 2}, {"2713", 1}, {"11953", 1}, {"262069", 1},
		{"402096035359507321594726366720466575392706800671181159425656785868777272553337714697862511267018014931937703598282857976535744623203249", 1}},
}

func decimal(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

// cofactor is the number of points of the curve, divided by r.
func cofactor(g Group) *big.Int {
	h := big.NewInt(1)
	for _, f := range cofactors[g] {
		for range f.multiplicity {
			h.Mul(h, decimal(f.prime))
		}
	}
	return h
}

// torsionPoints are one point of each prime order that divides the cofactor, in the order of
// cofactors.
func torsionPoints(g Group) []slowPoint {
	full := new(big.Int).Mul(cofactor(g), groupOrder)
	candidates := outside(Gnark(), g, 12)
	var all []slowPoint
	for _, f := range cofactors[g] {
		prime := decimal(f.prime)
		rest := new(big.Int).Set(full)
		for range f.multiplicity {
			rest.Div(rest, prime)
		}
		p := slowIdentity(g)
		for i := 0; p.identity; i++ {
			p = slowlyAt(Gnark(), candidates, i).times(rest)
		}
		for q := p.times(prime); !q.identity; q = p.times(prime) {
			p = q
		}
		all = append(all, p)
	}
	return all
}

func TestTheCurvesHaveTheNumbersOfPointsThatTheTestsAssume(t *testing.T) {
	for _, g := range groups {
		// Multiplication by the number of points maps every point to the identity, and it is the
		// only multiple of r within Hasse's bound of p + 1 or p² + 1.
		n := new(big.Int).Mul(cofactor(g), groupOrder)
		size := new(big.Int).Set(fieldPrime)
		if g == G2 {
			size.Mul(size, size)
		}
		trace := new(big.Int).Sub(size, n)
		trace.Add(trace, big.NewInt(1))
		if four := big.NewInt(4); new(big.Int).Mul(trace, trace).Cmp(four.Mul(four, size)) > 0 {
			t.Errorf("group %d: %v points are too many or too few", g, n)
		}
		out := outside(Gnark(), g, 3)
		for i := range out.Len() {
			if p := slowlyAt(Gnark(), out, i); !p.onCurve() || p.times(groupOrder).identity || !p.times(n).identity {
				t.Errorf("group %d: point %d has another order", g, i)
			}
		}
		for i, p := range torsionPoints(g) {
			if prime := decimal(cofactors[g][i].prime); !p.onCurve() || p.identity || !p.times(prime).identity || !prime.ProbablyPrime(20) {
				t.Errorf("group %d: point %d is not of order %v", g, i, prime)
			}
		}
		if p := slowGenerator(g); !p.onCurve() || !p.times(groupOrder).identity {
			t.Errorf("group %d: the generator is not of order r", g)
		}
	}
}

// (0, 0) represents the identity. No point of either curve has y = 0, and in G2 none has x = 0.
func TestWhichCoordinatesCanBeZero(t *testing.T) {
	for _, g := range groups {
		if new(big.Int).Mul(cofactor(g), groupOrder).Bit(0) == 0 {
			t.Errorf("group %d has points of order two, whose y is 0", g)
		}
	}
	if p := (slowPoint{group: G1, x: number(0, 0), y: number(2, 0)}); !p.onCurve() || !p.times(big.NewInt(3)).identity {
		t.Error("(0, 2) is not of order three")
	}
	// 4(1 + i) is a square if and only if its power to (p² − 1)/2 is 1.
	exponent := new(big.Int).Mul(fieldPrime, fieldPrime)
	exponent.Rsh(exponent.Sub(exponent, big.NewInt(1)), 1)
	power := number(1, 0)
	for i := exponent.BitLen() - 1; i >= 0; i-- {
		power = power.times(power)
		if exponent.Bit(i) == 1 {
			power = power.times(curveConstant(G2))
		}
	}
	if !power.equal(number(-1, 0)) {
		t.Errorf("a point of the twist has x = 0: %v", fmt.Sprint(power))
	}
}
