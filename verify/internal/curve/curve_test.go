package curve

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

var groupOrder, _ = new(big.Int).SetString("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16)

var groups = []Group{G1, G2}

// blstOneByOne is the back end on blst without AVX-512 IFMA, nil without cgo.
var blstOneByOne *Backend

// backends returns the back ends of this build: gnark-crypto and, with cgo, blst with and without
// AVX-512 IFMA.
func backends() []*Backend {
	if blstOneByOne == nil {
		return []*Backend{Gnark()}
	}
	return []*Backend{Gnark(), blstOneByOne, Default()}
}

func nameOf(b *Backend) string {
	if b == blstOneByOne {
		return "blst-one-by-one"
	}
	return b.Name()
}

// onEach runs a test for every back end and group.
func onEach(t *testing.T, test func(t *testing.T, b *Backend, g Group)) {
	for _, b := range backends() {
		for _, g := range groups {
			t.Run(nameOf(b)+map[Group]string{G1: "/G1", G2: "/G2"}[g], func(t *testing.T) { test(t, b, g) })
		}
	}
}

// secretOf returns a secret that depends only on i.
func secretOf(i int) *[32]byte {
	material := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("secret"), uint64(i)))
	secret := Gnark().KeyGen(material[:])
	return &secret
}

// some returns n different points of the subgroup.
func some(b *Backend, g Group, n int) Points {
	parts := []Points{b.Generator(g)}
	if n > 1 {
		parts = append(parts, b.PublicKey(secretOf(0), g))
	}
	for i := 2; i < n; i++ {
		parts = append(parts, b.Sum(b.Join(parts[i-2], parts[i-1])))
	}
	return b.Join(parts...)
}

// outside returns n different points on the curve and outside the subgroup: x is a hash, the
// cofactor (of some 125 or 507 bits) is not cleared.
func outside(b *Backend, g Group, n int) Points {
	var slab []byte
	for found, try := 0, uint64(0); found < n; try++ {
		in := make([]byte, 0, g.Compressed())
		for len(in) < g.Compressed() {
			h := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte{byte(g), byte(len(in))}, try))
			in = append(in, h[:16]...)
		}
		in[0] = 0x80 | in[0]&0x2f
		in[0] &^= 0x10 // below p
		if _, bad := b.Read(g, in, []int{0}, false); bad == nil {
			slab = append(slab, in...)
			found++
		}
	}
	p, _ := b.Read(g, slab, places(n), false)
	return p
}

// cubic returns (0, 2) of G1, a point of order three. No back end reads it, so it is made as the
// sum of two others.
func cubic(b *Backend) Points {
	var two affine[fp.Element]
	two.y.SetUint64(2)
	p := outside(Gnark(), G1, 1)
	rest := Gnark().Sum(Gnark().Join(Gnark().g1.wrap([]affine[fp.Element]{two}), Gnark().Neg(p)))
	read, _ := b.Read(G1, encoded(Gnark(), Gnark().Join(p, rest), false), []int{0, 1}, false)
	return b.Sum(read)
}

func places(n int) []int {
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	return index
}

func identity(b *Backend, g Group) Points { return b.Sum(b.Select(b.Generator(g), nil)) }

func encoded(b *Backend, p Points, uncompressed bool) []byte {
	var out []byte
	for i := range p.Len() {
		out = b.Append(out, p, i, uncompressed)
	}
	return out
}

func same(b *Backend, p, q Points) bool {
	return p.Group() == q.Group() && bytes.Equal(encoded(b, p, true), encoded(b, q, true))
}

// equalAt reports whether point i of p equals point j of q.
func equalAt(b *Backend, p Points, i int, q Points, j int) bool {
	return bytes.Equal(b.Append(nil, p, i, true), b.Append(nil, q, j, true))
}

// naive adds up the points one at a time.
func naive(b *Backend, p Points) Points {
	sum := identity(b, p.Group())
	for i := range p.Len() {
		sum = b.Sum(b.Join(sum, b.Select(p, []int{i})))
	}
	return sum
}

// doubleAndAdd multiplies by the schoolbook method, only with Sum of two points.
func doubleAndAdd(b *Backend, p Points, scalar []byte) Points {
	sum := identity(b, p.Group())
	for bit := 8*len(scalar) - 1; bit >= 0; bit-- {
		sum = b.Sum(b.Join(sum, sum))
		if scalar[bit/8]>>(bit%8)&1 == 1 {
			sum = b.Sum(b.Join(sum, p))
		}
	}
	return sum
}

func littleEndian(k *big.Int, size int) []byte {
	out := k.FillBytes(make([]byte, size))
	slices.Reverse(out)
	return out
}

func randomBytes(r *rand.Rand) (b [32]byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func randomScalars(r *rand.Rand, n int) []Scalar {
	out := make([]Scalar, n)
	for i := range out {
		out[i] = NewScalar(randomBytes(r))
	}
	return out
}

func randomWeights(r *rand.Rand, n int) []Scalar {
	out := make([]Scalar, n)
	for i := range out {
		b := randomBytes(r)
		out[i] = NewWeight([16]byte(b[:16]))
	}
	return out
}

func TestTheDefaultBackendFollowsTheBuild(t *testing.T) {
	if name := Default().Name(); name != "blst" && name != "gnark-crypto" {
		t.Fatal(name)
	}
	if Default().ConstantTime() != (Default().Name() == "blst") || Gnark().ConstantTime() {
		t.Fatal("blst alone is constant-time")
	}
}

func TestTheGeneratorIsTheStandardOne(t *testing.T) {
	// The x of each generator, from draft-irtf-cfrg-pairing-friendly-curves, section 4.2.1.
	want := map[Group]string{
		G1: "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
		G2: "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e" +
			"024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
	}
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		if got := b.Append(nil, b.Generator(g), 0, false); !bytes.Equal(got, unhex(t, want[g])) {
			t.Fatalf("%x", got)
		}
	})
}

func TestTheSubgroupCheckTellsInsideFromOutside(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		in, out := some(b, g, 5), outside(b, g, 5)
		for i := range 5 {
			if !b.InSubgroup(in, i) || b.IsIdentity(in, i) {
				t.Fatal("a point of the subgroup was taken for something else")
			}
			if b.InSubgroup(out, i) || b.IsIdentity(out, i) {
				t.Fatal("a point outside the subgroup was taken for something else")
			}
			if mixed := b.Sum(b.Join(b.Select(in, []int{i}), b.Select(out, []int{i}))); b.InSubgroup(mixed, 0) {
				t.Fatal("inside plus outside is outside")
			}
			// r times any point has an order that divides the cofactor: points of small order
			// reveal a wrong check.
			torsion := doubleAndAdd(b, b.Select(out, []int{i}), littleEndian(groupOrder, 32))
			if b.IsIdentity(torsion, 0) || b.InSubgroup(torsion, 0) {
				t.Fatal("a point of the cofactor's order is outside")
			}
		}
		if o := identity(b, g); !b.IsIdentity(o, 0) || !b.InSubgroup(o, 0) {
			t.Fatal("the identity is in the subgroup")
		}
	})
	for _, b := range backends() {
		if b.InSubgroup(cubic(b), 0) {
			t.Fatal("a point of order three is outside the subgroup")
		}
	}
}

func TestEqualSelectJoinAndNegGoPointByPoint(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		p := some(b, g, 4)
		q := b.Select(p, []int{3, 1, 1})
		if q.Len() != 3 || q.Group() != g || !equalAt(b, q, 0, p, 3) || !equalAt(b, q, 1, q, 2) || equalAt(b, q, 0, q, 1) {
			t.Fatal("Select")
		}
		j := b.Join(q, b.Select(p, nil), p)
		if j.Len() != 7 || !equalAt(b, j, 2, p, 1) || !equalAt(b, j, 6, p, 3) {
			t.Fatal("Join")
		}
		before := encoded(b, j, false)
		n := b.Neg(b.Join(j, identity(b, g), outside(b, g, 1)))
		if equalAt(b, n, 0, j, 0) || !b.IsIdentity(n, 7) || !same(b, b.Select(b.Neg(n), places(7)), j) {
			t.Fatal("Neg")
		}
		if !b.IsIdentity(b.Sum(b.Join(j, b.Select(n, places(7)))), 0) {
			t.Fatal("p − p is the identity")
		}
		if !bytes.Equal(before, encoded(b, j, false)) {
			t.Fatal("points were changed after they were returned")
		}
		// Negation flips only the sign bit of the compressed form.
		flipped := b.Append(nil, n, 0, false)
		flipped[0] ^= 0x20
		if !bytes.Equal(flipped, b.Append(nil, j, 0, false)) {
			t.Fatal("a negated point differs in more than its sign")
		}
	})
}

func TestSumAgreesWithAddingTwoByTwo(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		p := some(b, g, 40)
		one := b.Select(p, []int{7})
		all := make([]int, 1600)
		for i := range all {
			all[i] = i % 39
		}
		cases := map[string]Points{
			"none":                      b.Select(p, nil),
			"one":                       one,
			"two":                       b.Select(p, []int{1, 2}),
			"equal":                     b.Select(p, []int{5, 5}),
			"opposite":                  b.Join(one, b.Neg(one)),
			"identities":                b.Join(identity(b, g), identity(b, g), identity(b, g)),
			"many equal":                b.Select(p, make([]int, 33)),
			"many opposite":             b.Join(p, b.Neg(p)),
			"with identities":           b.Join(p, identity(b, g), p, identity(b, g)),
			"mixed with outside points": b.Join(p, outside(b, g, 9), identity(b, g)),
			"767":                       b.Select(p, all[:767]),
			"768":                       b.Select(p, all[:768]),
			"1600":                      b.Select(p, all),
		}
		for name, points := range cases {
			if got := b.Sum(points); got.Len() != 1 || !same(b, got, naive(b, points)) {
				t.Error(name)
			}
		}
	})
}

func TestSumIsExactForPointsWhoseXIsZero(t *testing.T) {
	// (0, 2) has the same x as the libraries' form of the identity, and has order three.
	for _, b := range backends() {
		p, o, q := cubic(b), identity(b, G1), some(b, G1, 40)
		if !b.IsIdentity(b.Sum(b.Select(p, []int{0, 0, 0})), 0) {
			t.Fatal(b.Name(), "(0, 2) has order three")
		}
		if !same(b, b.Sum(b.Select(p, []int{0, 0})), b.Neg(p)) {
			t.Fatal(b.Name(), "twice (0, 2) is its negative")
		}
		for _, parts := range [][]Points{{p, o}, {o, p}, {o, p, q}, {p, o, q}, {q, o, p}, {q, p, p, o}, {p, b.Neg(p), o, p, q}} {
			if points := b.Join(parts...); !same(b, b.Sum(points), naive(b, points)) {
				t.Error(b.Name(), "wrong sum")
			}
		}
	}
}

func TestPointsOfTheWrongKindPanic(t *testing.T) {
	for _, b := range backends() {
		g1, g2 := b.Generator(G1), b.Generator(G2)
		one := []Scalar{NewScalar([32]byte{1})}
		for name, call := range map[string]func(){
			"joining groups":        func() { b.Join(g1, g2) },
			"pairs of one group":    func() { b.PairingsCancel(g1, g1) },
			"an unpaired point":     func() { b.PairingsCancel(b.Join(g1, g1), g2) },
			"a scalar missing":      func() { b.Mul(g1, nil) },
			"a scalar too many":     func() { b.MulSum(g1, append(one, one...)) },
			"no such group":         func() { b.Generator(3) },
			"an index past the end": func() { b.Read(G1, make([]byte, 48), []int{1}, false) },
			"an empty tag":          func() { b.Hash(G1, nil, nil) },
			"a tag too long":        func() { b.Hash(G1, make([]byte, 256), nil) },
			"the secret zero":       func() { b.Sign(new([32]byte), g1) },
			"a secret past r":       func() { b.PublicKey((*[32]byte)(groupOrder.FillBytes(make([]byte, 32))), G2) },
			"short key material":    func() { b.KeyGen(make([]byte, 31)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error(b.Name(), name, "did not panic")
					}
				}()
				call()
			}()
		}
	}
}
