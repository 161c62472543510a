package curve

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"pgregory.net/rapid"
)

// value is the half as an integer.
func (h half) value() *big.Int {
	v := new(big.Int).SetUint64(h.words[1])
	v.Lsh(v, 64).Add(v, new(big.Int).SetUint64(h.words[0]))
	if h.negative {
		v.Neg(v)
	}
	return v
}

// value is the scalar modulo r.
func (s Scalar) value() *big.Int {
	v := new(big.Int).Mul(s.high.value(), zSquared)
	return v.Add(v, s.low.value()).Mod(v, groupOrder)
}

// phi computes φ, point by point, from encodings and with whole numbers.
func phi(t rapid.TB, b *Backend, p Points) Points {
	g := p.Group()
	beta := map[Group]*fp.Element{G1: &beta1, G2: &beta2}[g].BigInt(new(big.Int))
	prime := fp.Modulus()
	parts := []Points{b.Select(p, nil)}
	for i := range p.Len() {
		if b.IsIdentity(p, i) {
			parts = append(parts, identity(b, g))
			continue
		}
		raw := b.Append(nil, p, i, true)
		if g == G1 && zeroPast(raw[:fp.Bytes]) { // (0, ±2), which cannot be read
			parts = append(parts, b.Neg(b.Select(p, []int{i})))
			continue
		}
		for k := 0; k < len(raw); k += fp.Bytes {
			c := new(big.Int).SetBytes(raw[k : k+fp.Bytes])
			if k < len(raw)/2 {
				c.Mul(c, beta)
			} else {
				c.Neg(c)
			}
			c.Mod(c, prime).FillBytes(raw[k : k+fp.Bytes])
		}
		q, bad := b.Read(g, raw, []int{0}, true)
		if len(bad) > 0 {
			t.Fatalf("φ of point %d is not on the curve", i)
		}
		parts = append(parts, q)
	}
	return b.Join(parts...)
}

// slowly returns low·P + high·φ(P), by doubling and adding.
func slowly(t rapid.TB, b *Backend, p Points, s Scalar) Points {
	times := func(p Points, h half) Points {
		if h.negative {
			p = b.Neg(p)
		}
		k := binary.LittleEndian.AppendUint64(nil, h.words[0])
		return doubleAndAdd(b, p, binary.LittleEndian.AppendUint64(k, h.words[1]))
	}
	return b.Sum(b.Join(times(p, s.low), times(phi(t, b, p), s.high)))
}

// edges are scalars at the ends of the ranges.
func edges() []Scalar {
	ff := [16]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	out := []Scalar{NewWeight([16]byte{}), NewWeight([16]byte{1}), NewWeight([16]byte{8: 1}), NewWeight(ff)}
	for _, k := range []*big.Int{
		big.NewInt(0), big.NewInt(1), big.NewInt(7), middle, new(big.Int).Add(middle, big.NewInt(1)), zSquared,
		new(big.Int).Sub(zSquared, big.NewInt(1)), new(big.Int).Sub(groupOrder, big.NewInt(1)), groupOrder,
		new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)),
	} {
		out = append(out, NewScalar([32]byte(littleEndian(k, 32))))
	}
	return out
}

func TestAScalarIsTheIntegerModuloTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "scalar")
		k := [32]byte(bytes)
		want := new(big.Int).SetBytes([]byte(littleEndian(new(big.Int).SetBytes(bytes), 32)))
		s := NewScalar(k)
		if want.Mod(want, groupOrder); s.value().Cmp(want) != 0 {
			t.Fatalf("%x became %x", want, s.value())
		}
		if s.bits() > 128 {
			t.Fatalf("%d bits", s.bits())
		}
		w := NewWeight([16]byte(bytes[:16]))
		low, high := new(big.Int).SetUint64(binary.LittleEndian.Uint64(bytes)), new(big.Int).SetUint64(binary.LittleEndian.Uint64(bytes[8:]))
		if want.Add(low, want.Mul(high, zSquared)); w.value().Cmp(want) != 0 {
			t.Fatalf("weight %x became %x", want, w.value())
		}
	})
}

func TestSmallScalarsOfEitherSignStaySmall(t *testing.T) {
	for _, k := range []int64{0, 1, -1, 1000, -1000} {
		s := NewScalar([32]byte(littleEndian(new(big.Int).Mod(big.NewInt(k), groupOrder), 32)))
		if s.bits() > 10 || s.low.value().Int64() != k {
			t.Errorf("%d became %v", k, s)
		}
	}
}

func TestTheEndomorphismMultipliesPointsOfTheSubgroupByZSquared(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		p := some(b, g, 3)
		for i := range p.Len() {
			one := b.Select(p, []int{i})
			if !same(b, phi(t, b, one), doubleAndAdd(b, one, littleEndian(zSquared, 16))) {
				t.Errorf("point %d: φ is not z²", i)
			}
		}
	})
}

func TestTheNonAdjacentFormIsTheScalar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := half{negative: rapid.Bool().Draw(t, "negative")}
		h.words[0], h.words[1] = rapid.Uint64().Draw(t, "low"), rapid.Uint64().Draw(t, "high")
		if rapid.Bool().Draw(t, "short") {
			h.words[1] = 0
		}
		for width := uint(2); width <= 6; width++ {
			digits := make([]int8, h.bits()+1)
			h.digits(digits, width)
			value, last := new(big.Int), -int(width)
			for j, d := range digits {
				value.Add(value, new(big.Int).Lsh(big.NewInt(int64(d)), uint(j)))
				if d == 0 {
					continue
				}
				if d%2 == 0 || int(d) >= 1<<(width-1) || -int(d) >= 1<<(width-1) || j-last < int(width) {
					t.Fatalf("width %d: digit %d at %d after one at %d", width, d, j, last)
				}
				last = j
			}
			if value.Cmp(h.value()) != 0 {
				t.Fatalf("width %d: %x became %x", width, h.value(), value)
			}
		}
	})
}

func TestProductsAreTheScalarTimesThePointInTheSubgroup(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		r := rand.New(rand.NewPCG(1, uint64(g)))
		scalars := append(edges(), append(randomScalars(r, 2), randomWeights(r, 2)...)...)
		index := make([]int, len(scalars))
		for i := range index {
			index[i] = i % 4
		}
		points := b.Select(b.Join(some(b, g, 3), identity(b, g)), index)
		products := b.Mul(points, scalars)
		for i, s := range scalars {
			if want := doubleAndAdd(b, b.Select(points, []int{i}), littleEndian(s.value(), 32)); !equalAt(b, products, i, want, 0) {
				t.Errorf("product by %x", s.value())
			}
		}
	})
}

// TestProductsAgreeWithTheSlowWayOnAnyPoints compares Mul and MulSum with doubling and adding, for
// any number of points: repeated and opposite ones, the identity, points outside the subgroup and
// of small order, with equal and extreme scalars.
func TestProductsAgreeWithTheSlowWayOnAnyPoints(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		inside, out := some(b, g, 4), outside(b, g, 3)
		pool := b.Join(inside, b.Neg(b.Select(inside, []int{0, 1})), identity(b, g), out, b.Neg(b.Select(out, []int{0})))
		if g == G1 {
			pool = b.Join(pool, cubic(b), b.Neg(cubic(b)))
		}
		r := rand.New(rand.NewPCG(2, uint64(g)))
		scalars := append(edges(), append(randomScalars(r, 3), randomWeights(r, 3)...)...)
		table := make(map[[2]int]Points) // results of the slow way, computed once
		product := func(t rapid.TB, i, k int) Points {
			p, ok := table[[2]int{i, k}]
			if !ok {
				p = slowly(t, b, b.Select(pool, []int{i}), scalars[k])
				table[[2]int{i, k}] = p
			}
			return p
		}
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(0, 70)).Draw(t, "n")
			index, some := make([]int, n), make([]Scalar, n)
			want := []Points{b.Select(pool, nil)}
			for i := range n {
				index[i] = rapid.IntRange(0, pool.Len()-1).Draw(t, "point")
				k := rapid.IntRange(0, len(scalars)-1).Draw(t, "scalar")
				some[i] = scalars[k]
				want = append(want, product(t, index[i], k))
			}
			points := b.Select(pool, index)
			if !same(b, b.Mul(points, some), b.Join(want...)) {
				t.Fatal("products")
			}
			if !same(b, b.MulSum(points, some), naive(b, b.Join(want...))) {
				t.Fatal("sum of products")
			}
		})
	})
}

func TestAdditionsTogetherAgreeWithAdditionsOneByOne(t *testing.T) {
	b := Gnark()
	p := b.Join(some(b, G1, 5), outside(b, G1, 2), cubic(b), identity(b, G1))
	p = b.Join(p, b.Neg(p))
	n := p.Len()
	points := append(slices.Clip(b.g1.of(p)), make([]affine[fp.Element], n*n)...)
	var additions []addition
	for i := range n {
		for j := range n {
			additions = append(additions, addition{int32(i), int32(j), int32(n + i*n + j)})
		}
	}
	newProducts1(func(x *fp.Element) { x.Inverse(x) }).addPairs(points, additions, make([]fp.Element, len(additions)))
	got := b.g1.wrap(points)
	for _, a := range additions {
		if !equalAt(b, got, int(a.to), naive(b, b.Select(p, []int{int(a.a), int(a.b)})), 0) {
			t.Errorf("%d + %d", a.a, a.b)
		}
	}
}

func TestASumOfManyProductsIsTheSumOfAllProducts(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		r := rand.New(rand.NewPCG(8, uint64(g)))
		for _, n := range []int{summedInGo, summedInGo + 1, 2*summedInGo + 7} {
			index, scalars := make([]int, n), make([]Scalar, n)
			for i := range index {
				index[i], scalars[i] = r.IntN(6), NewScalar([32]byte{byte(r.IntN(256)), byte(r.IntN(256)), 31: byte(r.IntN(64))})
			}
			points := b.Select(b.Join(some(b, g, 5), b.Sum(b.Select(some(b, g, 1), nil))), index)
			got, want := b.MulSum(points, scalars), b.Sum(b.Mul(points, scalars))
			if !bytes.Equal(encoded(b, got, false), encoded(b, want, false)) {
				t.Errorf("%d products", n)
			}
			// The first part is opposite to the rest.
			if n > summedInGo {
				opposite := b.Join(b.Select(points, places(summedInGo)), b.Neg(b.MulSum(b.Select(points, places(summedInGo)), scalars[:summedInGo])))
				if sum := b.MulSum(opposite, append(slices.Clone(scalars[:summedInGo]), NewScalar([32]byte{1}))); !b.IsIdentity(sum, 0) {
					t.Errorf("%d products and the opposite of their sum do not cancel", summedInGo)
				}
			}
		}
	})
}
