//go:build cgo

package curve

import (
	"math/big"
	"math/rand/v2"
	"testing"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

func init() { blstOneByOne = newBlst(0) }

// needIFMA skips a test on processors without AVX-512 IFMA.
func needIFMA(t *testing.T) {
	t.Helper()
	if !hasIFMA() {
		t.Skip("no AVX-512 IFMA here")
	}
}

var (
	prime = fp.Modulus()
	// ifmaRadix is R of ifma_field.h.
	ifmaRadix = new(big.Int).Lsh(big.NewInt(1), 416)
)

// number returns element i.
func (e *fe8) number(i int) *big.Int {
	x := new(big.Int)
	for j := 7; j >= 0; j-- {
		x.Lsh(x, 52).Add(x, new(big.Int).SetUint64(e[j][i]))
	}
	return x
}

// carried reports whether all limbs of element i but the last have 52 bits at most.
func (e *fe8) carried(i int) bool {
	for j := range 7 {
		if e[j][i]>>52 != 0 {
			return false
		}
	}
	return true
}

// set makes x the element i; x must be below R.
func (e *fe8) set(i int, x *big.Int) {
	x, mask := new(big.Int).Set(x), big.NewInt(1<<52-1)
	for j := range 8 {
		e[j][i] = new(big.Int).And(x, mask).Uint64()
		x.Rsh(x, 52)
	}
}

func times(k int64, x *big.Int) *big.Int { return new(big.Int).Mul(big.NewInt(k), x) }

// extremes are the smallest and largest operands of an operation, and numbers whose limbs are 0 or
// all ones.
func extremes() []*big.Int {
	one := big.NewInt(1)
	all := []*big.Int{new(big.Int), one, new(big.Int).Sub(ifmaRadix, one), new(big.Int).Lsh(one, 384)}
	for _, k := range []int64{1, 2, 4, 256, 512, 1024} {
		x := times(k, prime)
		all = append(all, new(big.Int).Sub(x, one), x, new(big.Int).Add(x, one))
	}
	for j := range uint(8) {
		limb := new(big.Int).Lsh(big.NewInt(1<<52-1), 52*j)
		below := new(big.Int).Sub(new(big.Int).Lsh(one, 52*j), one)
		all = append(all, limb, below)
	}
	// 0, 1 and −1 in Montgomery's form.
	return append(all, new(big.Int).Mod(ifmaRadix, prime), new(big.Int).Sub(prime, new(big.Int).Mod(ifmaRadix, prime)))
}

// onOperands calls check for all pairs of extremes, each at every position, and for random
// operands, with each part of the result; both parts are equal for operations of Fp.
func onOperands(t *testing.T, operation ifmaOperation, check func(part int, a, b, out *big.Int, carried bool)) {
	r := rand.New(rand.NewPCG(1, uint64(operation)))
	try := func(operands [8][2]*big.Int) {
		var a, b fe8
		for i := range operands {
			a.set(i, operands[i][0])
			b.set(i, operands[i][1])
		}
		out := operation.of2(&a, &b)
		for i := range operands {
			for part := range out {
				check(part, operands[i][0], operands[i][1], out[part].number(i), out[part].carried(i))
				if t.Failed() {
					t.Fatalf("operation %d of %x and %x at position %d, part %d", operation, operands[i][0], operands[i][1], i, part)
				}
			}
		}
	}
	all := extremes()
	for first := range all {
		for second := range all {
			var operands [8][2]*big.Int
			for i := range operands {
				operands[i] = [2]*big.Int{all[(first+i)%len(all)], all[(second+3*i)%len(all)]}
			}
			try(operands)
		}
	}
	for range 2000 {
		var operands [8][2]*big.Int
		for i := range operands {
			for k := range 2 {
				x := new(big.Int)
				for range 7 {
					x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(r.Uint64()))
				}
				operands[i][k] = x.Mod(x, times(1+r.Int64N(1024), prime))
			}
		}
		try(operands)
	}
}

// small reports whether all x are below 2¹⁰·p, as operands are.
func small(x ...*big.Int) bool {
	for _, x := range x {
		if x.Cmp(times(1024, prime)) >= 0 {
			return false
		}
	}
	return true
}

// timesRadix reports whether out·R ≡ want.
func timesRadix(out, want *big.Int) bool {
	d := new(big.Int).Mul(out, ifmaRadix)
	return d.Sub(d, want).Mod(d, prime).Sign() == 0
}

// Operands may be as large as their limbs allow; the result is then as large, but correct.
func TestProductsOfEightAgreeWithWholeNumbers(t *testing.T) {
	needIFMA(t)
	for operation, product := range map[ifmaOperation]func(a, b *big.Int) *big.Int{
		ifmaProduct:     func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) },
		ifmaSquare:      func(a, _ *big.Int) *big.Int { return new(big.Int).Mul(a, a) },
		ifmaTwoProducts: func(a, b *big.Int) *big.Int { return new(big.Int).Mul(b, new(big.Int).Add(a, b)) },
	} {
		onOperands(t, operation, func(_ int, a, b, out *big.Int, carried bool) {
			if !carried || !timesRadix(out, product(a, b)) {
				t.Errorf("it is %x", out)
			}
			if small(a, b) && out.Cmp(times(2, prime)) >= 0 {
				t.Errorf("%x is 2p or more", out)
			}
		})
	}
}

func TestProductsInFp2OfEightAgreeWithWholeNumbers(t *testing.T) {
	needIFMA(t)
	mul := func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
	// The parts of (a + bi)(c + di).
	product := func(a, b, c, d *big.Int) [2]*big.Int {
		real, imaginary := mul(a, c), mul(a, d)
		return [2]*big.Int{real.Sub(real, mul(b, d)), imaginary.Add(imaginary, mul(b, c))}
	}
	for operation, parts := range map[ifmaOperation]func(a, b *big.Int) [2]*big.Int{
		ifmaSquare2:  func(a, b *big.Int) [2]*big.Int { return product(a, b, a, b) },
		ifmaProduct2: func(a, b *big.Int) [2]*big.Int { return product(a, b, b, b) },
		ifmaTwoProducts2: func(a, b *big.Int) [2]*big.Int {
			first, second := product(a, b, b, b), product(b, a, a, a)
			return [2]*big.Int{first[0].Add(first[0], second[0]), first[1].Add(first[1], second[1])}
		},
	} {
		most := times(512, prime)
		if operation == ifmaSquare2 {
			most = times(256, prime)
		}
		onOperands(t, operation, func(part int, a, b, out *big.Int, carried bool) {
			if a.Cmp(most) > 0 || b.Cmp(most) > 0 {
				return
			}
			if !carried || !timesRadix(out, parts(a, b)[part]) || out.Cmp(times(2, prime)) >= 0 {
				t.Errorf("it is %x", out)
			}
		})
	}
}

func TestSumsAndDifferencesOfEightAgreeWithWholeNumbers(t *testing.T) {
	needIFMA(t)
	onOperands(t, ifmaSum, func(_ int, a, b, out *big.Int, carried bool) {
		if small(a, b) && (!carried || out.Cmp(new(big.Int).Add(a, b)) != 0) {
			t.Errorf("the sum is %x", out)
		}
	})
	fourPrimes := times(4, prime)
	onOperands(t, ifmaDifference, func(_ int, a, b, out *big.Int, carried bool) {
		want := new(big.Int).Sub(a, b)
		if small(a) && b.Cmp(fourPrimes) <= 0 && (!carried || out.Cmp(want.Add(want, fourPrimes)) != 0) {
			t.Errorf("the difference is %x", out)
		}
	})
}

func TestTheCanonicalOfEightIsBelowTheModulus(t *testing.T) {
	needIFMA(t)
	onOperands(t, ifmaCanonical, func(_ int, a, _, out *big.Int, carried bool) {
		if !carried || out.Cmp(prime) >= 0 || !timesRadix(out, a) {
			t.Errorf("the canonical number is %x", out)
		}
	})
}

func TestThePowerForRootsOfEightAgreesWithWholeNumbers(t *testing.T) {
	needIFMA(t)
	exponent := times(3, prime)
	exponent.Sub(exponent, big.NewInt(5)).Rsh(exponent, 2)
	back := new(big.Int).ModInverse(ifmaRadix, prime)
	r := rand.New(rand.NewPCG(2, 2))
	all := extremes()
	for range 200 {
		x := new(big.Int)
		for range 6 {
			x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(r.Uint64()))
		}
		all = append(all, x.Mod(x, prime))
	}
	for start := 0; start+8 <= len(all); start++ {
		var a fe8
		for i := range 8 {
			x := all[start+i]
			if !small(x) {
				x = big.NewInt(2)
			}
			a.set(i, x)
		}
		out := ifmaPower.of(&a, &a)
		for i := range 8 {
			want := new(big.Int).Mul(a.number(i), back)
			want.Exp(want.Mod(want, prime), exponent, prime)
			if got := out.number(i); !out.carried(i) || !timesRadix(want, got) {
				t.Fatalf("the power of %x at position %d is %x", a.number(i), i, got)
			}
		}
	}
}

// specialElements returns the special elements to map: those for which the map's first formula
// divides by 0, small ones, ends, numbers that are not reduced, and limbs that are all ones or
// zeroes.
func specialElements() []*big.Int {
	var minusInverse fp.Element // u² = −1/Z
	minusInverse.SetInt64(-11)
	minusInverse.Inverse(&minusInverse)
	root := new(fp.Element).Sqrt(&minusInverse)
	if root == nil {
		panic("−1/Z is no square")
	}
	all := []*big.Int{root.BigInt(new(big.Int)), new(big.Int).Lsh(big.NewInt(1), 384), new(big.Int).Lsh(big.NewInt(1), 256)}
	all = append(all, extremes()...)
	for _, x := range all[:8:8] {
		all = append(all, new(big.Int).Sub(times(1<<40, prime), x))
	}
	top := new(big.Int).Lsh(big.NewInt(1), 512)
	return append(all, top.Sub(top, big.NewInt(1)), new(big.Int).Sub(top, prime))
}

func TestTheMapsOfEightAgreeWithGnarkOnSpecialElements(t *testing.T) {
	needIFMA(t)
	all := specialElements()
	r := rand.New(rand.NewPCG(25, 25))
	pick := func() *big.Int {
		switch r.IntN(4) {
		case 0:
			b := randomBytes(r)
			return new(big.Int).SetBytes(append(b[:], b[:16]...))
		default:
			return all[r.IntN(len(all))]
		}
	}
	opposite := func(x *big.Int) *big.Int {
		minus := new(big.Int).Neg(x)
		return minus.Mod(minus, prime).Add(minus, times(r.Int64N(5), prime))
	}
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for round := range rounds {
		n := 1 + round%17
		var in1, in2 []byte
		var want1 []bls12381.G1Affine
		var want2 []bls12381.G2Affine
		for range n {
			a, b := pick(), pick()
			c, d := pick(), pick()
			switch r.IntN(3) { // the two points are equal or opposite
			case 0:
				c, d = a, b
			case 1:
				c, d = opposite(a), opposite(b)
			}
			in1 = append(in1, uniformBytes(a, c)...)
			in2 = append(in2, uniformBytes(a, b, c, d)...)
			p, q := bls12381.MapToG1(element(a)), bls12381.MapToG1(element(c))
			want1 = append(want1, *p.Add(&p, &q))
			v := bls12381.MapToG2(bls12381.E2{A0: element(a), A1: element(b)})
			w := bls12381.MapToG2(bls12381.E2{A0: element(c), A1: element(d)})
			want2 = append(want2, *v.Add(&v, &w))
		}
		got1 := asAll[bls12381.G1Affine](fromProjective[fp.Element](ifmaMap1(in1, n), blstInvert1))
		got2 := asAll[bls12381.G2Affine](fromProjective[bls12381.E2](ifmaMap2(in2, n), blstInvert2))
		for i := range n {
			if got1[i] != want1[i] {
				t.Fatalf("G1: %x gives %v and not %v", in1[i*128:][:128], got1[i], want1[i])
			}
			if got2[i] != want2[i] {
				t.Fatalf("G2: %x gives %v and not %v", in2[i*256:][:256], got2[i], want2[i])
			}
		}
	}
}
