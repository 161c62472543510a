package curve

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Formulas and library routines have exceptions: equal and opposite points, the identity, points of
// small order, and in G1 (0, ±2), which have the same x as the form of the identity. A hostile
// signer can choose such points, and choose votes so that partial sums become such points. So tests
// compare every operation with slow_test.go on all of them, at every position, up to 300 at once.

// specialDraws is the number of random batches that a test tries. LANECAST_SPECIAL sets another
// number.
func specialDraws(t testing.TB, few int) int {
	s := os.Getenv("LANECAST_SPECIAL")
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("LANECAST_SPECIAL: %v", err)
	}
	return n
}

// specialPoints are the identity; ±kg for some k; ± a point of each small prime order, alone and
// added to g; and a sum of all of these orders.
var specialPoints = map[Group]func() []slowPoint{
	G1: sync.OnceValue(func() []slowPoint { return makeSpecialPoints(G1) }),
	G2: sync.OnceValue(func() []slowPoint { return makeSpecialPoints(G2) }),
}

func makeSpecialPoints(g Group) []slowPoint {
	generator := slowGenerator(g)
	all := []slowPoint{slowIdentity(g)}
	both := func(p slowPoint) { all = append(all, p, p.neg()) }
	for _, k := range []int64{1, 2, 3, 5} {
		both(generator.times(big.NewInt(k)))
	}
	torsion := torsionPoints(g)
	if g == G1 { // the points of order three are (0, ±2)
		torsion[0] = slowPoint{group: G1, x: number(0, 0), y: number(2, 0)}
	}
	sum := slowIdentity(g)
	for _, p := range torsion {
		both(p)
		both(generator.plus(p))
		both(generator.minus(p))
		sum = sum.plus(p)
	}
	both(sum)
	both(generator.plus(sum))
	return all
}

// pointsOf converts points to a back end's form. (0, ±2) cannot be read, so they are made as sums.
func pointsOf(b *Backend, g Group, ps []slowPoint) Points {
	parts, n := []Points{identity(b, g)}, 1
	if g == G1 {
		parts, n = append(parts, cubic(b), b.Neg(cubic(b))), 3
	}
	var slab []byte
	index, readable := make([]int, len(ps)), 0
	for k, p := range ps {
		switch {
		case p.identity:
		case g == G1 && p.x.zero():
			index[k] = 1
			if p.y.a.Cmp(big.NewInt(2)) != 0 {
				index[k] = 2
			}
		default:
			index[k] = n + readable
			readable++
			slab = append(slab, p.bytes(true)...)
		}
	}
	read, bad := b.Read(g, slab, places(readable), true)
	if len(bad) > 0 {
		panic(fmt.Sprintf("%d points of the curve cannot be read", len(bad)))
	}
	return b.Select(b.Join(append(parts, read)...), index)
}

func slowSum(g Group, ps []slowPoint) slowPoint {
	sum := slowIdentity(g)
	for _, p := range ps {
		sum = sum.plus(p)
	}
	return sum
}

// is fails the test unless a back end's point equals that of the slow arithmetic.
func is(t testing.TB, b *Backend, p Points, i int, want slowPoint, format string, args ...any) {
	t.Helper()
	if got := b.Append(nil, p, i, false); !bytes.Equal(got, want.bytes(false)) {
		t.Fatalf("%s: %s: %x, not %x", nameOf(b), fmt.Sprintf(format, args...), got, want.bytes(false))
	}
}

// split appends 2^levels points whose sum is p. On each level the sums of the halves are likely to
// be special points, so that a tree of additions with the same shape meets equal, opposite and
// identity points on all levels. With hidden, no appended point is the identity or has x = 0, which
// a routine could check for; only sums do.
func split(r *rand.Rand, pool []slowPoint, p slowPoint, levels int, hidden bool, to []slowPoint) []slowPoint {
	if levels == 0 {
		return append(to, p)
	}
	left := pool[r.IntN(len(pool))]
	right := p.minus(left)
	for levels == 1 && hidden && (left.shows() || right.shows()) {
		left = left.plus(slowGenerator(p.group))
		right = p.minus(left)
	}
	if r.IntN(2) == 0 {
		left, right = right, left
	}
	return split(r, pool, right, levels-1, hidden, split(r, pool, left, levels-1, hidden, to))
}

// shows reports whether p is represented with x = 0.
func (p slowPoint) shows() bool { return p.identity || p.x.zero() }

// batchOf draws n points from a few special ones: single ones, runs of the same, and splits.
func batchOf(r *rand.Rand, g Group, n int) []slowPoint {
	all := specialPoints[g]()
	pool := []slowPoint{all[0], all[1+r.IntN(len(all)-1)]}
	if g == G1 {
		pool = append(pool, slowPoint{group: G1, x: number(0, 0), y: number(2, 0)}, slowPoint{group: G1, x: number(0, 0), y: number(-2, 0)})
	}
	for range 1 + r.IntN(4) {
		pool = append(pool, all[r.IntN(len(all))])
	}
	hidden := r.IntN(2) == 0
	var ps []slowPoint
	for len(ps) < n {
		p := pool[r.IntN(len(pool))]
		switch kind := r.IntN(6); {
		case kind > 1 || hidden && p.shows():
			ps = split(r, pool, p, 1+r.IntN(4), hidden, ps)
		case kind == 0:
			ps = append(ps, p)
		default:
			ps = append(ps, slices.Repeat([]slowPoint{p}, 1+r.IntN(20))...)
		}
	}
	return ps[:n]
}

// batchSize returns the number of points of draw i: first the numbers at which an implementation
// changes, then random ones.
func batchSize(r *rand.Rand, i int) int {
	edges := []int{1, 2, 3, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65, 67, 127, 128, 129, 300}
	if i < len(edges) {
		return edges[i]
	}
	return 1 + r.IntN(300)
}

func TestSumsOfSpecialPointsAreExact(t *testing.T) {
	for _, g := range groups {
		r := rand.New(rand.NewPCG(20, uint64(g)))
		for i := range specialDraws(t, 50) {
			n := batchSize(r, i)
			ps := batchOf(r, g, n)
			want := slowSum(g, ps)
			for _, b := range backends() {
				is(t, b, b.Sum(pointsOf(b, g, ps)), 0, want, "the sum of %d points of draw %d", n, i)
			}
		}
	}
}

// blst's tree of additions gets four neighbours P, −P, Q, T − Q wrong, whose halves have the sums
// identity and T, from 32 points on.
func TestASumIsExactWhereverPointsCancelBesideATorsionPoint(t *testing.T) {
	for _, g := range groups {
		pool := specialPoints[g]()
		p, q := pool[3], pool[5]
		torsion := torsionPoints(g)[0]
		four := []slowPoint{p, p.neg(), q, torsion.minus(q)}
		for _, n := range []int{4, 31, 32, 33, 47, 64, 67, 100, 128} {
			rest := make([]slowPoint, n-len(four)+1) // (i+1)·generator at i; the rest is last
			sum := slowIdentity(g)
			for i := range rest[:n-len(four)] {
				rest[i] = slowGenerator(g)
				if i > 0 {
					rest[i] = rest[i-1].plus(rest[0])
				}
				sum = sum.plus(rest[i])
			}
			want := sum.plus(torsion)
			for _, b := range backends() {
				others, some := pointsOf(b, g, rest[:n-len(four)]), pointsOf(b, g, four)
				for place := range others.Len() + 1 {
					at := places(others.Len())
					all := b.Join(b.Select(others, at[:place]), some, b.Select(others, at[place:]))
					is(t, b, b.Sum(all), 0, want, "the sum of %d points, the four at %d", n, place)
				}
			}
		}
	}
}

// slowEndomorphism is φ(x, y) = (βx, −y), for the β of Scalar.
func slowEndomorphism(p slowPoint) slowPoint {
	if p.identity {
		return p
	}
	beta := &beta1
	if p.group == G2 {
		beta = &beta2
	}
	p.x = p.x.times(element2{beta.BigInt(new(big.Int)), new(big.Int)})
	return p.neg()
}

func TestProductsOfSpecialPointsAndTheirSumsAreExact(t *testing.T) {
	for _, g := range groups {
		r := rand.New(rand.NewPCG(21, uint64(g)))
		pool := specialPoints[g]()
		scalars := []Scalar{
			NewScalar([32]byte(littleEndian(new(big.Int).Sub(groupOrder, big.NewInt(1)), 32))),
			NewScalar([32]byte{0}), NewScalar([32]byte{1}), NewScalar([32]byte{3}), NewWeight([16]byte{8: 1}), NewWeight([16]byte{11, 8: 13}),
		}
		scalars = append(append(scalars, randomScalars(r, 1)...), randomWeights(r, 2)...)
		known := make(map[[2]int]slowPoint)
		product := func(i, k int) slowPoint {
			p, ok := known[[2]int{i, k}]
			if !ok {
				p = pool[i].times(scalars[k].low.value()).plus(slowEndomorphism(pool[i]).times(scalars[k].high.value()))
				known[[2]int{i, k}] = p
			}
			return p
		}
		converted := make(map[*Backend]Points)
		for _, b := range backends() {
			converted[b] = pointsOf(b, g, pool)
		}
		for i := range specialDraws(t, 40) {
			n := batchSize(r, i)
			few := []int{0, 9, r.IntN(len(pool)), r.IntN(len(pool)), r.IntN(len(pool))}
			index, ks := make([]int, n), make([]int, n)
			some, products := make([]Scalar, n), make([]slowPoint, n)
			one := r.IntN(2) * r.IntN(len(scalars)) // often all scalars are equal: opposites meet
			for j := range n {
				index[j], ks[j] = few[r.IntN(len(few))], one
				if one == 0 {
					ks[j] = r.IntN(len(scalars))
				}
				some[j], products[j] = scalars[ks[j]], product(index[j], ks[j])
			}
			sum := slowSum(g, products)
			for _, b := range backends() {
				points := b.Select(converted[b], index)
				is(t, b, b.MulSum(points, some), 0, sum, "the sum of %d products of draw %d", n, i)
				if i%4 == 0 {
					each := b.Mul(points, some)
					for j, want := range products {
						is(t, b, each, j, want, "product %d of %d of draw %d", j, n, i)
					}
				}
			}
		}
	}
}

func TestSpecialPointsAreInTheSubgroupOnlyWithoutTorsion(t *testing.T) {
	for _, g := range groups {
		generator := slowGenerator(g)
		inside := []slowPoint{slowIdentity(g), generator, generator.neg(), generator.times(big.NewInt(77))}
		torsion := torsionPoints(g)
		// Every sum of points of different small orders is outside the subgroup, and so is its sum
		// with any point of the subgroup.
		for set := range 1 << len(torsion) {
			p := slowIdentity(g)
			for i := range torsion {
				if set>>i&1 == 1 {
					p = p.plus(torsion[i])
				}
			}
			ps := []slowPoint{p, p.neg()}
			for _, q := range inside {
				ps = append(ps, p.plus(q))
			}
			for _, b := range backends() {
				points := pointsOf(b, g, ps)
				for k := range ps {
					if got := b.InSubgroup(points, k); got != (set == 0) {
						t.Fatalf("%s: group %d: %x is in the subgroup: %v", nameOf(b), g, ps[k].bytes(false), got)
					}
					if got := b.IsIdentity(points, k); got != ps[k].identity {
						t.Fatalf("%s: group %d: %x is the identity: %v", nameOf(b), g, ps[k].bytes(false), got)
					}
				}
			}
		}
		// Also a point whose order is the square of a prime, if there is one.
		full := new(big.Int).Mul(cofactor(g), groupOrder)
		candidates := outside(Gnark(), g, 4)
		for _, f := range cofactors[g] {
			rest := new(big.Int).Div(full, new(big.Int).Exp(decimal(f.prime), big.NewInt(int64(f.multiplicity)), nil))
			for i := range candidates.Len() {
				p := slowlyAt(Gnark(), candidates, i).times(rest)
				for _, b := range backends() {
					if points := pointsOf(b, g, []slowPoint{p, p.plus(generator)}); b.InSubgroup(points, 0) != p.identity || b.InSubgroup(points, 1) != p.identity {
						t.Fatalf("%s: group %d: a point of an order that divides %s^%d", nameOf(b), g, f.prime, f.multiplicity)
					}
				}
			}
		}
	}
}

func TestSpecialPointsAreReadAndWrittenInEveryPlace(t *testing.T) {
	for _, g := range groups {
		pool := specialPoints[g]()
		for _, b := range backends() {
			points := pointsOf(b, g, pool)
			negated := b.Neg(points)
			for k, p := range pool {
				is(t, b, points, k, p, "point %d", k)
				is(t, b, negated, k, p.neg(), "the opposite of point %d", k)
				if got := b.Append(nil, points, k, true); !bytes.Equal(got, p.bytes(true)) {
					t.Fatalf("%s: point %d is written as %x, uncompressed", nameOf(b), k, got)
				}
			}
		}
		r := rand.New(rand.NewPCG(22, uint64(g)))
		for i := range specialDraws(t, 60) {
			n := batchSize(r, i)
			uncompressed := i%4 == 0
			var slab []byte
			var want []slowPoint
			var wrong []int
			for k := range n {
				p := pool[r.IntN(len(pool))]
				slab = append(slab, p.bytes(uncompressed)...)
				if !p.identity && p.x.zero() || p.identity && uncompressed { // never read
					wrong = append(wrong, k)
				} else {
					want = append(want, p)
				}
			}
			for _, b := range backends() {
				read, bad := b.Read(g, slab, places(n), uncompressed)
				if !slices.Equal(bad, wrong) || read.Len() != len(want) {
					t.Fatalf("%s: of draw %d, %v are not read, and not %v", nameOf(b), i, bad, wrong)
				}
				for k, p := range want {
					is(t, b, read, k, p, "point %d of draw %d", k, i)
				}
			}
		}
	}
}

// The pairs are of small multiples of the generators, a·g₁ and b·g₂, so that Σ ab decides: repeated
// pairs, opposite ones, and the identity on either side.
func TestPairsOfSpecialPointsOfTheSubgroupCancelIfAndOnlyIfTheirExponentsDo(t *testing.T) {
	multiples := []int64{0, 1, -1, 2, -2, 5, -5}
	sides := make(map[*Backend][2]Points)
	for _, b := range backends() {
		var both [2]Points
		for side, g := range groups {
			var ps []slowPoint
			for _, k := range multiples {
				ps = append(ps, slowGenerator(g).times(big.NewInt(k)))
			}
			both[side] = pointsOf(b, g, ps)
		}
		sides[b] = both
	}
	r := rand.New(rand.NewPCG(23, 23))
	cancelled := 0
	for i := range specialDraws(t, 50) {
		n := batchSize(r, i)
		few := []int{r.IntN(len(multiples)), r.IntN(len(multiples)), r.IntN(len(multiples))}
		first, second := make([]int, n), make([]int, n)
		sum := int64(0)
		for k := range n {
			first[k], second[k] = few[r.IntN(3)], few[r.IntN(3)]
			sum += multiples[first[k]] * multiples[second[k]]
		}
		// If the product is to be 1, one more pair among the others cancels the rest.
		left, right := places(n), places(n)
		place := r.IntN(n + 1)
		mended := i%3 > 0
		if mended {
			left, right = slices.Insert(left, place, n), slices.Insert(right, place, n)
		}
		if mended || sum == 0 {
			cancelled++
		}
		missing := []slowPoint{slowGenerator(G1).times(big.NewInt(-sum))}
		for _, b := range backends() {
			p := b.Join(b.Select(sides[b][0], first), pointsOf(b, G1, missing))
			q := b.Join(b.Select(sides[b][1], second), b.Generator(G2))
			if got := b.PairingsCancel(b.Select(p, left), b.Select(q, right)); got != (mended || sum == 0) {
				t.Fatalf("%s: draw %d: %d pairs cancel: %v", nameOf(b), i, len(left), got)
			}
		}
	}
	if cancelled == 0 {
		t.Error("no pairs cancelled")
	}
}
