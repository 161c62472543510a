package curve

import (
	"slices"
	"sync"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
)

// products computes sums of points of one group, their multiples, and sums of these, for both back
// ends. It works on gnark-crypto's field elements, since neither library's own operations are
// suitable: blst's sum of many is not exact (see total), the libraries' sums of products start
// goroutines, and blst's products of single points use a table of Jacobian points, and a cgo call
// for every shared step.
type products[E any, P coordinate[E]] struct {
	double    func(sum *jacobian[E])
	addAffine func(sum *jacobian[E], p *affine[E])
	// timesBeta multiplies a coordinate by β.
	timesBeta func(x *E)
	// invert replaces x, which is not 0, by 1/x.
	invert func(x *E)
	// memory holds *totalMemory[E], for total.
	memory sync.Pool
}

// totalMemory holds the intermediate sums of total.
type totalMemory[E any] struct {
	terms   []affine[E]
	pairs   []addition
	scratch []E
}

// beta1 and beta2 are the β for which φ(x, y) = (βx, −y) multiplies points of order r by z², in G1
// and G2.
var (
	beta1 = fieldElement("0x5f19672fdf76ce51ba69c6076a0f77eaddb3a93be6f89688de17d813620a00022e01fffffffefffe")
	beta2 = fieldElement("0x1a0111ea397fe699ec02408663d4de85aa0d857d89759ad4897d29650fb85f9b409427eb4f49fffd8bfd00000000aaac")
)

func fieldElement(hex string) (x fp.Element) {
	if _, err := x.SetString(hex); err != nil {
		panic("curve: " + err.Error())
	}
	return x
}

func newProducts1(invert func(x *fp.Element)) *products[fp.Element, *fp.Element] {
	return &products[fp.Element, *fp.Element]{
		double: func(sum *jacobian[fp.Element]) { as[bls12381.G1Jac](sum).DoubleAssign() },
		addAffine: func(sum *jacobian[fp.Element], p *affine[fp.Element]) {
			as[bls12381.G1Jac](sum).AddMixed(as[bls12381.G1Affine](p))
		},
		timesBeta: func(x *fp.Element) { x.Mul(x, &beta1) },
		invert:    invert,
	}
}

func newProducts2(invert func(x *bls12381.E2)) *products[bls12381.E2, *bls12381.E2] {
	return &products[bls12381.E2, *bls12381.E2]{
		double: func(sum *jacobian[bls12381.E2]) { as[bls12381.G2Jac](sum).DoubleAssign() },
		addAffine: func(sum *jacobian[bls12381.E2], p *affine[bls12381.E2]) {
			as[bls12381.G2Jac](sum).AddMixed(as[bls12381.G2Affine](p))
		},
		timesBeta: func(x *bls12381.E2) { x.MulByElement(x, &beta2) },
		invert:    invert,
	}
}

// table holds the odd multiples of some points P, and those of φ(P): entry k of point i, at
// [k·n+i], is (2k+1)·P.
type table[E any] struct {
	n, entries int
	multiples  []affine[E]
	betaX      []E // βx of multiples: φ of (x, y) is (βx, −y)
}

// windowFor returns the window size w for scalars of that many bits. It balances 2^(w−2) table
// entries against two digits in every w+1 bits.
func windowFor(bits int) uint {
	switch {
	case bits <= 12:
		return 2
	case bits <= 32:
		return 3
	case bits <= 80:
		return 4
	}
	return 5
}

// prepare makes the table of odd multiples up to 2^(window−1), for all points at once.
func (m *products[E, P]) prepare(points []affine[E], window uint) *table[E] {
	n, entries := len(points), 1<<(window-2)
	t := &table[E]{n: n, entries: entries, multiples: make([]affine[E], (entries+1)*n)}
	copy(t.multiples, points)
	if entries > 1 {
		scratch, steps := make([]E, n), make([]addition, n)
		step := func(a, b, to int) { // adds two entries of every point
			for i := range steps {
				steps[i] = addition{int32(a*n + i), int32(b*n + i), int32(to*n + i)}
			}
			m.addPairs(t.multiples, steps, scratch)
		}
		step(0, 0, entries) // 2P, beyond the entries
		for k := 1; k < entries; k++ {
			step(k-1, entries, k)
		}
	}
	t.multiples = t.multiples[:entries*n]
	t.betaX = make([]E, len(t.multiples))
	for i := range t.betaX {
		t.betaX[i] = t.multiples[i].x
		m.timesBeta(&t.betaX[i])
	}
	return t
}

// term writes d·P, or d·φ(P), for a nonzero digit d.
func (m *products[E, P]) term(to *affine[E], t *table[E], i int, d int8, endomorphism bool) {
	negative := d < 0
	if negative {
		d = -d
	}
	at := int(d/2)*t.n + i
	*to = t.multiples[at]
	if endomorphism {
		to.x = t.betaX[at]
		negative = !negative
	}
	if negative {
		P(&to.y).Neg(&to.y)
	}
}

// expand returns the digits of all scalars. Those of scalar i's low half are in row 2i, those of
// its high half in row 2i+1; row is the length of each.
func expand(scalars []Scalar) (digits []int8, window uint, row int) {
	bits := 0
	for i := range scalars {
		bits = max(bits, scalars[i].bits())
	}
	window, row = windowFor(bits), bits+1
	digits = make([]int8, 2*len(scalars)*row)
	for i := range scalars {
		scalars[i].low.digits(digits[2*i*row:][:row], window)
		scalars[i].high.digits(digits[(2*i+1)*row:][:row], window)
	}
	return digits, window, row
}

// each returns scalars[i]·points[i], point by point (E. G. Straus, "Addition chains of vectors",
// 1964, for the two halves of each scalar).
func (m *products[E, P]) each(points []affine[E], scalars []Scalar) []affine[E] {
	digits, window, row := expand(scalars)
	t := m.prepare(points, window)
	out := make([]jacobian[E], len(points))
	var term affine[E]
	for i := range out {
		low, high := digits[2*i*row:][:row], digits[(2*i+1)*row:][:row]
		started := false
		for bit := row - 1; bit >= 0; bit-- {
			if started {
				m.double(&out[i])
			}
			if d := low[bit]; d != 0 {
				m.term(&term, t, i, d, false)
				m.addAffine(&out[i], &term)
				started = true
			}
			if d := high[bit]; d != 0 {
				m.term(&term, t, i, d, true)
				m.addAffine(&out[i], &term)
				started = true
			}
		}
	}
	return m.toAffine(out)
}

// total returns the sum of at least one point. The sum is exact for all points of the curve.
// Certificates are sums of unproven points, so an attacker could exploit a wrong exceptional case.
//
// blst's blst_p1s_add has such a case, so it is not used. It treats two points with x = 0 as equal
// or opposite, even if one is the identity and the other (0, ±2), and an attacker can make these
// occur among its intermediate sums. Here relate handles every kind of pair, and the few points at
// the end are added by a mixed addition that recognizes the identity by z = 0 or by x = y = 0, and
// equal and opposite points.
func (m *products[E, P]) total(points []affine[E]) affine[E] {
	n := len(points)
	var sum jacobian[E]
	if n/2 >= fewestPairsOfTotal {
		memory, ok := m.memory.Get().(*totalMemory[E])
		if !ok {
			memory = new(totalMemory[E])
		}
		defer m.memory.Put(memory)
		memory.terms = append(memory.terms[:0], points...)
		memory.scratch = slices.Grow(memory.scratch[:0], n/2)[:n/2]
		for k := len(memory.pairs); k < n/2; k++ { // the write index never passes the read index
			memory.pairs = append(memory.pairs, addition{int32(2 * k), int32(2*k + 1), int32(k)})
		}
		terms := memory.terms
		for n/2 >= fewestPairsOfTotal {
			m.addPairs(terms, memory.pairs[:n/2], memory.scratch)
			if n%2 == 1 {
				terms[n/2] = terms[n-1]
			}
			n = (n + 1) / 2
		}
		points = terms[:n]
	}
	for i := range points {
		m.addAffine(&sum, &points[i])
	}
	return m.toAffine([]jacobian[E]{sum})[0]
}

const (
	// fewestPairs is the minimum number of additions in sum for which an inversion pays off.
	fewestPairs = 24
	// fewestPairsOfTotal is the same for total.
	fewestPairsOfTotal = 12
)

// summedInGo is the maximum number of products that are added up at once. Each takes about 14 KiB
// in G2.
const summedInGo = 512

// sum returns Σ scalars[i]·points[i].
func (m *products[E, P]) sum(points []affine[E], scalars []Scalar) affine[E] {
	if len(points) <= summedInGo {
		return m.sumOfSome(points, scalars)
	}
	var sum jacobian[E]
	for start := 0; start < len(points); start += summedInGo {
		end := min(start+summedInGo, len(points))
		part := m.sumOfSome(points[start:end], scalars[start:end])
		m.addAffine(&sum, &part)
	}
	return m.toAffine([]jacobian[E]{sum})[0]
}

// sumOfSome is sum for at least one point. The terms of one bit, from all points, are added up in
// pairs, for all bits at once, so that each round of additions takes one inversion. The remaining
// terms are added in one run of doublings. Up to some hundreds of points this takes no more
// additions than Pippenger's buckets, and its additions are cheaper.
func (m *products[E, P]) sumOfSome(points []affine[E], scalars []Scalar) affine[E] {
	digits, window, row := expand(scalars)
	t := m.prepare(points, window)

	// terms[begin[b]:][:count[b]] are those of bit b.
	count, begin := make([]int, row), make([]int, row+1)
	for i := 0; i < len(digits); i += row {
		for bit, d := range digits[i : i+row] {
			if d != 0 {
				count[bit]++
			}
		}
	}
	for bit := range row {
		begin[bit+1] = begin[bit] + count[bit]
	}
	terms := make([]affine[E], begin[row])
	clear(count)
	for half := range 2 * len(points) {
		for bit, d := range digits[half*row : (half+1)*row] {
			if d != 0 {
				m.term(&terms[begin[bit]+count[bit]], t, half/2, d, half%2 == 1)
				count[bit]++
			}
		}
	}

	pairs := make([]addition, 0, len(terms)/2)
	scratch := make([]E, len(terms)/2)
	for {
		pairs = pairs[:0]
		for bit := range row {
			for k := range count[bit] / 2 { // the write index never passes the read index
				at := begin[bit]
				pairs = append(pairs, addition{int32(at + 2*k), int32(at + 2*k + 1), int32(at + k)})
			}
		}
		if len(pairs) < fewestPairs {
			break
		}
		m.addPairs(terms, pairs, scratch)
		for bit, n := range count {
			if n%2 == 1 {
				terms[begin[bit]+n/2] = terms[begin[bit]+n-1]
			}
			count[bit] = (n + 1) / 2
		}
	}

	var sum jacobian[E]
	started := false
	for bit := row - 1; bit >= 0; bit-- {
		if started {
			m.double(&sum)
		}
		for k := range count[bit] {
			m.addAffine(&sum, &terms[begin[bit]+k])
			started = true
		}
	}
	return m.toAffine([]jacobian[E]{sum})[0]
}
