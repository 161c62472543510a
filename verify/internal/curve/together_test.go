//go:build cgo

package curve

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// oracle reads each point once, alone and with gnark-crypto.
type oracle struct {
	group Group
	known map[string][]byte // by compressed bytes: the uncompressed point, or nil if invalid
}

func newOracle(g Group) *oracle { return &oracle{g, map[string][]byte{}} }

func (o *oracle) read(in []byte) []byte {
	out, known := o.known[string(in)]
	if !known {
		if p, bad := Gnark().Read(o.group, in, []int{0}, false); bad == nil {
			out = Gnark().Append(nil, p, 0, true)
			if o.group == G1 && len(out) != 96 || o.group == G2 && len(out) != 192 {
				panic("not an uncompressed point")
			}
		}
		o.known[string(in)] = out
	}
	return out
}

// check reads the places at index in one call and compares the results with the oracle's.
func (o *oracle) check(t *testing.T, b *Backend, slab []byte, index []int) {
	t.Helper()
	size := o.group.Compressed()
	before, order := bytes.Clone(slab), slices.Clone(index)
	points, bad := b.Read(o.group, slab, index, false)
	if !bytes.Equal(before, slab) || !slices.Equal(order, index) {
		t.Fatal("Read changed its argument")
	}
	n := 0
	var worse []int
	for k, i := range index {
		in := slab[i*size : (i+1)*size]
		want := o.read(in)
		if want == nil {
			worse = append(worse, k)
			continue
		}
		if n < points.Len() && !bytes.Equal(b.Append(nil, points, n, true), want) {
			t.Fatalf("%d of %d: %x is read as %x", k, len(index), in, b.Append(nil, points, n, true))
		}
		n++
	}
	if n != points.Len() || !slices.Equal(bad, worse) {
		t.Fatalf("of %d, %d points are read and not %d, bad are %v and not %v", len(index), points.Len(), n, bad, worse)
	}
}

// randomPlaces returns n places: mostly canonical x, half of them on the curve, and sometimes other
// bytes.
func randomPlaces(r *rand.Rand, g Group, n int) []byte {
	var slab []byte
	for range n {
		var place []byte
		for len(place) < g.Compressed() {
			x := randomBytes(r)
			y := randomBytes(r)
			c := new(big.Int).SetBytes(append(x[:], y[:16]...))
			place = append(place, c.Mod(c, fp.Modulus()).FillBytes(make([]byte, fp.Bytes))...)
		}
		place[0] |= 0x80 | byte(r.IntN(2))<<5
		switch r.IntN(40) {
		case 0:
			clear(place)
			place[0] = 0xc0 // the identity
		case 1:
			place[0] ^= 0x80 >> r.IntN(2)
		case 2:
			place[0] |= 0x1f // above p
		}
		slab = append(slab, place...)
	}
	return slab
}

func TestReadingManyTogetherAgreesWithGnarkOneByOne(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	for _, g := range groups {
		r := rand.New(rand.NewPCG(9, uint64(g)))
		slab, o := randomPlaces(r, g, n), newOracle(g)
		order := r.Perm(n)
		for len(order) > 0 {
			run := min(1+r.IntN(600), len(order))
			o.check(t, Default(), slab, order[:run])
			order = order[run:]
		}
	}
}

func TestRunsOfEveryLengthAreReadAlike(t *testing.T) {
	const n = 60
	for _, g := range groups {
		r := rand.New(rand.NewPCG(10, uint64(g)))
		slab, o := randomPlaces(r, g, n), newOracle(g)
		valid := encoded(Gnark(), Gnark().Join(some(Gnark(), g, 5), outside(Gnark(), g, 5)), false)
		copy(slab, valid)
		for length := range 41 {
			for _, place := range []func(k int) int{
				func(k int) int { return n - length + k },
				func(int) int { return r.IntN(n) },
				func(int) int { return 3 },
				func(int) int { return r.IntN(10) }, // valid ones
			} {
				index := make([]int, length)
				for k := range index {
					index[k] = place(k)
				}
				o.check(t, Default(), slab, index)
			}
		}
		// Numbers around the maximum that is read in one call.
		for _, most := range []int{bytesTogether / g.Compressed(), 2 * bytesTogether / g.Compressed()} {
			for length := most - 1; length <= most+3; length++ {
				index := make([]int, length)
				for k := range index {
					index[k] = r.IntN(n)
				}
				o.check(t, Default(), slab, index)
			}
		}
	}
}

// cubeRoot1 and cubeRoot2 return a cube root of c if c is a ninth power times a cube root of one,
// as one element in nine is: p − 1 and p² − 1 have two factors of three.
func cubeRoot1(c *fp.Element) (root fp.Element, ok bool) {
	root.Exp(*c, thirdModulo(new(big.Int).Sub(fp.Modulus(), big.NewInt(1))))
	var cube fp.Element
	cube.Square(&root).Mul(&cube, &root)
	return root, cube.Equal(c)
}

func cubeRoot2(c *bls12381.E2) (root bls12381.E2, ok bool) {
	all := new(big.Int).Mul(fp.Modulus(), fp.Modulus())
	root.Exp(*c, thirdModulo(all.Sub(all, big.NewInt(1))))
	var cube bls12381.E2
	cube.Square(&root).Mul(&cube, &root)
	return root, cube.Equal(c)
}

func thirdModulo(order *big.Int) *big.Int {
	return new(big.Int).ModInverse(big.NewInt(3), new(big.Int).Div(order, big.NewInt(9)))
}

// coordinates writes x in the compressed form, with the sign bit or without.
func coordinates(sign bool, x ...fp.Element) []byte {
	var out []byte
	for _, c := range x {
		b := c.Bytes()
		out = append(out, b[:]...)
	}
	out[0] |= 0x80
	if sign {
		out[0] |= 0x20
	}
	return out
}

func element(x *big.Int) (e fp.Element) {
	e.SetBigInt(x)
	return e
}

// tooLarge are numbers that are not below p and fit into the bits beside the flags.
var tooLarge = []*big.Int{
	fp.Modulus(),
	new(big.Int).Add(fp.Modulus(), big.NewInt(1)),
	new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 381), big.NewInt(1)),
}

// atTheEnds are numbers next to 0 and next to (p−1)/2 and (p+1)/2, between which the sign changes.
func atTheEnds(k int64) []fp.Element {
	low := new(big.Int).Rsh(fp.Modulus(), 1)
	low.Sub(low, big.NewInt(k))
	return []fp.Element{
		element(big.NewInt(k)), element(big.NewInt(-k)),
		element(low), element(new(big.Int).Sub(fp.Modulus(), low)),
	}
}

// edges1 are special encodings for G1, edges2 for G2.
func edges1() (all [][]byte) {
	for _, sign := range []bool{false, true} {
		for x := range int64(6) { // 0 is refused; some of the others are on the curve
			all = append(all, coordinates(sign, element(big.NewInt(x))), coordinates(sign, element(big.NewInt(-1-x))))
		}
		for _, x := range tooLarge {
			in := x.FillBytes(make([]byte, fp.Bytes))
			in[0] |= 0x80
			if sign {
				in[0] |= 0x20
			}
			all = append(all, in)
		}
	}
	found := 0
	for k := int64(0); found < 8; k++ {
		for _, y := range atTheEnds(k) {
			var c fp.Element
			four := element(big.NewInt(4))
			c.Square(&y).Sub(&c, &four)
			if x, ok := cubeRoot1(&c); ok && !x.IsZero() {
				all = append(all, coordinates(false, x), coordinates(true, x))
				found++
			}
		}
	}
	return all
}

func edges2() (all [][]byte) {
	zero := fp.Element{}
	for _, sign := range []bool{false, true} {
		for x := range int64(6) {
			for _, e := range []fp.Element{element(big.NewInt(x)), element(big.NewInt(-1 - x))} {
				all = append(all, coordinates(sign, e, zero), coordinates(sign, zero, e), coordinates(sign, e, e))
			}
		}
		for _, x := range tooLarge {
			for _, at := range []int{0, fp.Bytes} {
				in := make([]byte, 2*fp.Bytes)
				x.FillBytes(in[at : at+fp.Bytes])
				in[0] |= 0x80
				if sign {
					in[0] |= 0x20
				}
				all = append(all, in)
			}
		}
		high := bytes.Repeat([]byte{0xff}, 2*fp.Bytes) // x₀ = 2³⁸⁴ − 1
		copy(high, coordinates(sign, zero))
		all = append(all, high)
	}
	// Points by their y. Either part of y may be 0, or both may be equal or opposite, so that
	// either part of y² is 0.
	shapes := []func(v, w fp.Element) bls12381.E2{
		func(v, _ fp.Element) bls12381.E2 { return bls12381.E2{A0: v} },
		func(v, _ fp.Element) bls12381.E2 { return bls12381.E2{A1: v} },
		func(v, _ fp.Element) bls12381.E2 { return bls12381.E2{A0: v, A1: v} },
		func(v, _ fp.Element) bls12381.E2 {
			y := bls12381.E2{A0: v, A1: v}
			y.A1.Neg(&y.A1)
			return y
		},
		func(v, w fp.Element) bls12381.E2 { return bls12381.E2{A0: v, A1: w} },
	}
	// Points whose y₁ is next to a change of the sign.
	for _, y1 := range atTheEnds(0)[2:] {
		shapes = append(shapes, func(v, _ fp.Element) bls12381.E2 { return bls12381.E2{A0: v, A1: y1} })
	}
	four := element(big.NewInt(4))
	for _, shape := range shapes {
		found := 0
		for k := int64(0); found < 6; k++ {
			ends, others := atTheEnds(k), atTheEnds(k+1)
			for i := range ends {
				y := shape(ends[i], others[(i+int(k))%len(others)])
				var c bls12381.E2
				c.Square(&y)
				c.A0.Sub(&c.A0, &four)
				c.A1.Sub(&c.A1, &four)
				if x, ok := cubeRoot2(&c); ok {
					all = append(all, coordinates(false, x.A1, x.A0), coordinates(true, x.A1, x.A0))
					found++
				}
			}
		}
	}
	return all
}

func TestEdgeCasesAreReadAlikeAtEveryPosition(t *testing.T) {
	for _, g := range groups {
		all := map[Group]func() [][]byte{G1: edges1, G2: edges2}[g]()
		valid := encoded(Gnark(), Gnark().Join(some(Gnark(), g, 9), outside(Gnark(), g, 10)), false)
		size := g.Compressed()
		for flags := range byte(8) { // flags of a point, and of the identity
			in := bytes.Clone(valid[:size])
			in[0] = in[0]&0x1f | flags<<5
			all = append(all, in, append([]byte{flags << 5}, make([]byte, size-1)...))
		}
		o := newOracle(g)
		points := 0
		for _, in := range all {
			if o.read(in) != nil {
				points++
			}
			readAlike(t, g, in, false)
			for i := range len(valid) / size {
				slab := bytes.Clone(valid)
				copy(slab[i*size:], in)
				o.check(t, Default(), slab, places(len(valid)/size))
			}
		}
		if points < 20 || points > len(all)-15 {
			t.Fatalf("%d of %d edge cases are points", points, len(all))
		}
		// All places together.
		o.check(t, Default(), slices.Concat(all...), places(len(all)))
	}
}

// cancelling returns n pairs whose product is 1, with random factors.
func cancelling(r *rand.Rand, b *Backend, n int) (p, q Points) {
	// Σ aᵢbᵢ = 0; the last term is −(the sum of the others) · 1.
	left, right := make([]Scalar, n), make([]Scalar, n)
	rest := new(big.Int)
	for i := range n {
		a, c := new(big.Int).SetUint64(r.Uint64()), new(big.Int).SetUint64(r.Uint64())
		if i == n-1 {
			a, c = rest.Neg(rest), big.NewInt(1)
		} else {
			rest.Add(rest, new(big.Int).Mul(a, c))
		}
		left[i] = NewScalar([32]byte(littleEndian(a.Mod(a, groupOrder), 32)))
		right[i] = NewScalar([32]byte(littleEndian(c, 32)))
	}
	repeat := make([]int, n)
	return b.Mul(b.Select(b.Generator(G1), repeat), left), b.Mul(b.Select(b.Generator(G2), repeat), right)
}

// replaced returns p with points of other at some places.
func replaced(b *Backend, p, other Points, places ...int) Points {
	index := make([]int, p.Len())
	for i := range index {
		index[i] = i
		if slices.Contains(places, i) {
			index[i] += p.Len()
		}
	}
	return b.Select(b.Join(p, other), index)
}

func TestPairsOfEveryNumberAndAtEveryPositionCancelOrNot(t *testing.T) {
	b := Default()
	r := rand.New(rand.NewPCG(11, 11))
	numbers := []int{31, 32, 33, 35, 39, 40, 41, 43, 63, 64, 65, 66, 73, 80, 127, 128, 129, 130}
	for n := 2; n <= 26; n++ {
		numbers = append(numbers, n)
	}
	for _, n := range numbers {
		p, q := cancelling(r, b, n)
		if !b.PairingsCancel(p, q) {
			t.Fatalf("%d pairs do not cancel", n)
		}
		if k := r.IntN(n); b.PairingsCancel(replaced(b, p, b.Neg(p), k), q) {
			t.Fatalf("%d pairs cancel of which pair %d is inverted", n, k)
		}
	}
	const n = 67 // more than one call takes: eight groups, and one of three
	p, q := cancelling(r, b, n)
	doubled := b.Mul(p, slices.Repeat([]Scalar{NewScalar([32]byte{2})}, n))
	for k := range n {
		if b.PairingsCancel(replaced(b, p, doubled, k), q) {
			t.Fatalf("%d pairs cancel of which pair %d is wrong", n, k)
		}
	}
}

func TestPairsWithTheIdentityAreLeftOutAtEveryPosition(t *testing.T) {
	b := Default()
	r := rand.New(rand.NewPCG(12, 12))
	for n := 2; n <= 20; n++ {
		p, q := cancelling(r, b, n)
		o1, o2 := b.Select(identity(b, G1), make([]int, n)), b.Select(identity(b, G2), make([]int, n))
		mixed := r.Perm(3 * n)
		left := b.Select(b.Join(p, o1, p), mixed)
		right := b.Select(b.Join(q, q, o2), mixed)
		if !b.PairingsCancel(left, right) {
			t.Fatalf("%d pairs do not cancel among identities", n)
		}
		if b.PairingsCancel(replaced(b, left, b.Neg(left), slices.Index(mixed, 0)), right) {
			t.Fatalf("%d pairs of which one is wrong cancel among identities", n)
		}
	}
}

// randomUncompressed returns n places for uncompressed points: valid ones inside and outside the
// subgroup, and ones with a single fault: a bit, a coordinate that is not below p, flags, an empty
// place.
func randomUncompressed(r *rand.Rand, g Group, n int) []byte {
	valid := encoded(Gnark(), Gnark().Join(some(Gnark(), g, 9), outside(Gnark(), g, 9), smallOrders[g]()), true)
	size := 2 * g.Compressed()
	var slab []byte
	for range n {
		place := bytes.Clone(valid[r.IntN(len(valid)/size)*size:][:size])
		coordinate := place[r.IntN(size/fp.Bytes)*fp.Bytes:][:fp.Bytes]
		switch r.IntN(12) {
		case 0:
			place[r.IntN(size)] ^= 1 << r.IntN(8)
		case 1: // the same modulo p
			c := new(big.Int).SetBytes(coordinate)
			c.Add(c, fp.Modulus()).FillBytes(coordinate)
		case 2:
			fp.Modulus().FillBytes(coordinate)
		case 3:
			for i := range coordinate {
				coordinate[i] = 0xff
			}
		case 4:
			clear(coordinate)
		case 5:
			clear(place)
			place[size-1] = byte(r.IntN(4)) // (0, 2) is on the curve of G1
		}
		slab = append(slab, place...)
	}
	return slab
}

func TestUncompressedPointsOfEveryNumberAreReadAlike(t *testing.T) {
	for _, g := range groups {
		r := rand.New(rand.NewPCG(13, uint64(g)))
		size := 2 * g.Compressed()
		for length := range 41 {
			for range 5 {
				slab := randomUncompressed(r, g, 41)
				index := make([]int, length)
				for k := range index {
					index[k] = r.IntN(41)
				}
				got, bad := Default().Read(g, slab, index, true)
				want, worse := Gnark().Read(g, slab, index, true)
				if !slices.Equal(bad, worse) || !bytes.Equal(encoded(Default(), got, true), encoded(Gnark(), want, true)) {
					t.Fatalf("G%d: of %d, bad are %v and not %v", g, length, bad, worse)
				}
				for i := range got.Len() { // canonical inside, too: equal points are equal words
					alone, _ := Default().Read(g, encoded(Default(), got, true)[i*size:], []int{0}, true)
					if !equalAt(Default(), alone, 0, got, i) {
						t.Fatalf("G%d: point %d of %d is another alone", g, i, length)
					}
				}
			}
		}
	}
}

// The numbers of points processed together differ between processors with one port and with two.
// The results must not.
func TestEitherNumberOfPortsGivesTheSame(t *testing.T) {
	needIFMA(t)
	if ports := ifmaPorts(); ports != 1 && ports != 2 {
		t.Fatalf("the processor has %d ports", ports)
	}
	r := rand.New(rand.NewPCG(31, 31))
	tag := []byte("ports")
	for n := 1; n <= 26; n++ {
		messages := make([][]byte, n)
		for i := range messages {
			messages[i] = []byte{byte(i)}
		}
		p, q := cancelling(r, Default(), n)
		for _, g := range groups {
			points, ws := some(Default(), g, n), randomWeights(r, n)
			slab := encoded(Default(), points, false)
			var results [][]byte
			for _, b := range []*Backend{newBlst(1), newBlst(2)} {
				read, bad := b.Read(g, slab, places(n), false)
				if len(bad) > 0 || len(b.Outside(read)) > 0 || !b.PairingsCancel(p, q) {
					t.Fatalf("G%d, %d: valid points or pairs are refused", g, n)
				}
				all := b.Join(read, b.Hash(g, tag, messages...), b.Mul(points, ws), b.MulSum(points, ws), b.Sum(points))
				results = append(results, encoded(b, all, true))
			}
			if !bytes.Equal(results[0], results[1]) {
				t.Errorf("G%d, %d: the results differ", g, n)
			}
		}
	}
}
