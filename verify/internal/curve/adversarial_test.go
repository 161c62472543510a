package curve

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// cofactorPrimes are the prime factors of a group's cofactor, with their multiplicities.
func cofactorPrimes(g Group) (all []string) {
	for _, f := range cofactors[g] {
		for range f.multiplicity {
			all = append(all, f.prime)
		}
	}
	return all
}

// The subgroup check of G2 is exact because the cofactors have no factor in common.
func TestTheCofactorsAreThoseOfTheCurves(t *testing.T) {
	for g, want := range map[Group]string{
		G1: "396c8c005555e1568c00aaab0000aaab",
		G2: "5d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddfa628f1cb4d9e82ef21537e293a6691ae1" +
			"616ec6e786f0c70cf1c38e31c7238e5",
	} {
		if cofactor(g).Text(16) != want {
			t.Errorf("G%d: %x", g, cofactor(g))
		}
	}
	if common := new(big.Int).GCD(nil, nil, cofactor(G1), cofactor(G2)); common.Cmp(big.NewInt(1)) != 0 {
		t.Error("the cofactors have a common factor")
	}
}

// smallOrders returns a point of every order that is a small prime. All of them are outside the
// subgroup.
var smallOrders = map[Group]func() Points{
	G1: sync.OnceValue(func() Points { return makeSmallOrders(G1) }),
	G2: sync.OnceValue(func() Points { return makeSmallOrders(G2) }),
}

func makeSmallOrders(g Group) Points {
	b := Gnark()
	var found []Points
	all := new(big.Int).Mul(cofactor(g), groupOrder)
	out := outside(b, g, 4)
	primes := cofactorPrimes(g)
	if g == G2 {
		primes = primes[:len(primes)-1]
	}
	primes = slices.Compact(primes)
	for _, f := range primes {
		p, _ := new(big.Int).SetString(f, 10)
		k := new(big.Int).Set(all)
		for new(big.Int).Mod(k, p).Sign() == 0 {
			k.Div(k, p)
		}
		for i := range out.Len() {
			q := doubleAndAdd(b, b.Select(out, []int{i}), littleEndian(k, 96))
			if b.IsIdentity(q, 0) {
				continue
			}
			for { // until its order is p or p²
				next := doubleAndAdd(b, q, littleEndian(p, 8))
				if b.IsIdentity(next, 0) {
					break
				}
				q = next
			}
			found = append(found, q)
			break
		}
	}
	if len(found) != len(primes) {
		panic(fmt.Sprintf("G%d: %d small orders", g, len(found)))
	}
	return b.Join(found...)
}

// hostile are points that an attacker may try: inside and outside the subgroup, equal and opposite
// ones, the identity, points of every small order, (0, ±2), and the sums of these with a point of
// the subgroup.
func hostile(b *Backend, g Group) Points {
	own := Gnark()
	inside, out, small := some(own, g, 4), outside(own, g, 3), smallOrders[g]()
	if g == G1 {
		small = own.Join(small, cubic(own))
	}
	parts := []Points{inside, out, small, own.Neg(own.Select(inside, []int{0, 1})), own.Neg(small)}
	for i := range small.Len() {
		parts = append(parts, own.Sum(own.Join(own.Select(inside, []int{i % 4}), own.Select(small, []int{i}))))
	}
	parts = append(parts, identity(own, g))
	return moved(b, own.Join(parts...))
}

// moved converts points to those of another back end. A point that cannot be read is made as a sum.
func moved(b *Backend, p Points) Points {
	own := Gnark()
	parts := make([]Points, p.Len())
	shift := outside(own, p.Group(), 1)
	for i := range parts {
		one := own.Select(p, []int{i})
		read, bad := b.Read(p.Group(), own.Append(nil, one, 0, false), []int{0}, false)
		if len(bad) > 0 {
			apart := own.Join(shift, own.Sum(own.Join(one, own.Neg(shift))))
			read, _ = b.Read(p.Group(), encoded(own, apart, false), []int{0, 1}, false)
			read = b.Sum(read)
		}
		parts[i] = read
	}
	return b.Join(parts...)
}

func TestOutsideNamesThePointsThatAreNotInTheSubgroup(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		pool := hostile(b, g)
		inside := make([]bool, pool.Len())
		for i := range inside {
			inside[i] = b.IsIdentity(doubleAndAdd(b, b.Select(pool, []int{i}), littleEndian(groupOrder, 32)), 0)
			if b.InSubgroup(pool, i) != inside[i] {
				t.Fatalf("point %d", i)
			}
		}
		r := rand.New(rand.NewPCG(20, uint64(g)))
		check := func(index []int) {
			var want []int
			for k, i := range index {
				if !inside[i] {
					want = append(want, k)
				}
			}
			if got := b.Outside(b.Select(pool, index)); !slices.Equal(got, want) {
				t.Fatalf("of %v, %v are outside and not %v", index, got, want)
			}
		}
		for n := range 41 {
			for range 3 {
				index := make([]int, n)
				for k := range index {
					index[k] = r.IntN(pool.Len())
				}
				check(index)
			}
			check(make([]int, n)) // the generator
		}
		for _, n := range []int{127, 128, 129, 300} {
			index := make([]int, n)
			for k := range index {
				index[k] = r.IntN(pool.Len())
			}
			check(index)
		}
		for i := range pool.Len() { // every point at every position
			for position := range 8 {
				index := make([]int, 8)
				index[position] = i
				check(index)
			}
		}
	})
}

// mixedScalars returns scalars of all kinds: weights, scalars of full length, extreme ones, and
// small ones.
func mixedScalars(r *rand.Rand, n int) []Scalar {
	out, ends := make([]Scalar, n), edges()
	for i := range out {
		switch r.IntN(4) {
		case 0:
			out[i] = randomWeights(r, 1)[0]
		case 1:
			out[i] = randomScalars(r, 1)[0]
		case 2:
			out[i] = ends[r.IntN(len(ends))]
		default:
			k := new(big.Int).Mod(big.NewInt(r.Int64N(64)-32), groupOrder)
			out[i] = NewScalar([32]byte(littleEndian(k, 32)))
		}
	}
	return out
}

func TestFixedDigitsAreTheScalar(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 21))
	for n := 1; n <= 40; n++ {
		scalars := mixedScalars(r, n)
		digits, places := fixedDigits(scalars)
		for i, s := range scalars {
			for k, h := range []half{s.low, s.high} {
				value := new(big.Int)
				for place := places - 1; place >= 0; place-- {
					d := digits[(2*place+k)*n+i]
					if d < -8 || d > 8 {
						t.Fatalf("digit %d", d)
					}
					value.Lsh(value, digitBits).Add(value, big.NewInt(int64(d)))
				}
				if value.Cmp(h.value()) != 0 {
					t.Fatalf("half %d of scalar %d of %d, %x, became %x", k, i, n, h.value(), value)
				}
			}
		}
	}
}

// alike fails the test unless all back ends have the same results for points and scalars. index
// lists positions in a pool.
func alike(t testing.TB, pools map[*Backend]Points, index []int, scalars []Scalar) {
	t.Helper()
	var first []byte
	for _, b := range backends() {
		points := b.Select(pools[b], index)
		first31, rest := index[:min(31, len(index))], index[min(31, len(index)):]
		sums := b.Sums(b.Select(pools[b], first31), b.Select(pools[b], rest[:min(31, len(rest))]), b.Select(pools[b], nil))
		all := encoded(b, b.Join(b.Mul(points, scalars), b.MulSum(points, scalars), sums), true)
		for _, i := range b.Outside(points) {
			all = append(all, byte(i))
		}
		if first == nil {
			first = all
		} else if !slices.Equal(first, all) {
			t.Fatalf("%s differs on points %v and scalars %v", nameOf(b), index, scalars)
		}
	}
}

func hostilePools(g Group) map[*Backend]Points {
	pools := make(map[*Backend]Points)
	for _, b := range backends() {
		pools[b] = hostile(b, g)
	}
	return pools
}

func TestProductsOfEveryNumberOfHostilePointsAgree(t *testing.T) {
	for _, g := range groups {
		pools := hostilePools(g)
		r := rand.New(rand.NewPCG(22, uint64(g)))
		size := pools[Gnark()].Len()
		for n := 1; n <= 40; n++ {
			for kind := range 3 {
				index := make([]int, n)
				for k := range index {
					switch kind {
					case 0:
						index[k] = r.IntN(size)
					case 1:
						index[k] = r.IntN(2) * (size - 1) // the generator and the identity
					default:
						index[k] = 7 + r.IntN(size-7) // only the identity is in the subgroup
					}
				}
				scalars := mixedScalars(r, n)
				if kind == 1 {
					for k := range scalars {
						scalars[k] = scalars[k%2]
					}
				}
				alike(t, pools, index, scalars)
			}
		}
		for _, n := range []int{63, 64, 65, 72, 129} {
			index := make([]int, n)
			for k := range index {
				index[k] = r.IntN(size)
			}
			alike(t, pools, index, mixedScalars(r, n))
		}
	}
}

// TestSumsOfManySetsOfHostilePointsAreExact adds up sets of every number and length, against
// gnark-crypto, which adds points one by one. Among them are sets with partial sums that are the
// identity or (0, ±2), next to such a point.
func TestSumsOfManySetsOfHostilePointsAreExact(t *testing.T) {
	for _, g := range groups {
		b, own := Default(), Gnark()
		pool, same := hostile(b, g), hostile(own, g)
		r := rand.New(rand.NewPCG(26, uint64(g)))
		most := 40
		if testing.Short() {
			most = 12
		}
		for n := 1; n <= most; n++ {
			var sets, want []Points
			for i := range n {
				index := make([]int, r.IntN(60))
				if i%5 == 0 {
					index = make([]int, n) // sets of every length
				}
				few := 1 + r.IntN(pool.Len()) // with few points, most sums are special
				for k := range index {
					index[k] = r.IntN(few)
					if i%2 == 0 {
						index[k] = pool.Len() - 1 - index[k]
					}
				}
				sets, want = append(sets, b.Select(pool, index)), append(want, own.Sum(own.Select(same, index)))
			}
			if got := b.Sums(sets...); !slices.Equal(encoded(b, got, true), encoded(own, own.Join(want...), true)) {
				t.Fatalf("G%d: %d sets", g, n)
			}
		}
		for _, length := range []int{longest - 1, longest, longest + 1, 2*longest + 5} {
			index := make([]int, length)
			for k := range index {
				index[k] = r.IntN(pool.Len())
			}
			got := b.Sums(b.Select(pool, index[:9]), b.Select(pool, index), b.Select(pool, index[:longest-1]))
			want := own.Join(own.Sum(own.Select(same, index[:9])), own.Sum(own.Select(same, index)), own.Sum(own.Select(same, index[:longest-1])))
			if !slices.Equal(encoded(b, got, true), encoded(own, want, true)) {
				t.Fatalf("G%d: %d points", g, length)
			}
		}
	}
}

// longest is the number of points that ifma_points.go adds up in one part.
const longest = 2048

// FuzzPoints gives every back end the same points of the hostile pool, by two bytes each, and
// scalars, by 32.
func FuzzPoints(f *testing.F) {
	f.Add([]byte{1})
	f.Add(make([]byte, 1+9*34))
	r := rand.New(rand.NewPCG(23, 23))
	for n := range 20 {
		data := []byte{byte(n)}
		for range n * 34 {
			data = append(data, byte(r.Uint32()))
		}
		f.Add(data)
	}
	pools := map[Group]map[*Backend]Points{G1: hostilePools(G1), G2: hostilePools(G2)}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 1+70*34 {
			return
		}
		g := groups[data[0]&1]
		var index []int
		var scalars []Scalar
		for rest := data[1:]; len(rest) >= 34; rest = rest[34:] {
			index = append(index, (int(rest[0])<<8|int(rest[1]))%pools[g][Gnark()].Len())
			if rest[2]&1 == 0 {
				scalars = append(scalars, NewScalar([32]byte(rest[2:])))
			} else {
				scalars = append(scalars, NewWeight([16]byte(rest[2:])))
			}
		}
		alike(t, pools[g], index, scalars)
	})
}

// uniformBytes encodes field elements, or numbers up to 2⁵¹², as the uniform bytes of an expanded
// message.
func uniformBytes(elements ...*big.Int) []byte {
	var out []byte
	for _, e := range elements {
		out = append(out, e.FillBytes(make([]byte, elementBytes))...)
	}
	return out
}

func TestHashingEveryNumberOfMessagesAgrees(t *testing.T) {
	random := 500
	if testing.Short() {
		random = 100
	}
	for _, g := range groups {
		r := rand.New(rand.NewPCG(24, uint64(g)))
		messages := make([][]byte, random)
		for i := range messages {
			messages[i] = make([]byte, r.IntN(200))
			for k := range messages[i] {
				messages[i][k] = byte(r.Uint32())
			}
		}
		for i, tag := range []string{"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_", "t", string(make([]byte, 255))} {
			sets := [][][]byte{messages[:20]}
			if i == 0 {
				sets[0] = messages
				for n := range 41 {
					sets = append(sets, messages[n:2*n])
				}
			}
			for _, set := range sets {
				var first []byte
				for _, b := range backends() {
					if b == Gnark() && len(set) > 40 {
						continue
					}
					p := b.Hash(g, []byte(tag), set...)
					if len(b.Outside(p)) > 0 || p.Len() != len(set) {
						t.Fatalf("%s: %d of %d points are outside", nameOf(b), len(b.Outside(p)), p.Len())
					}
					if all := encoded(b, p, true); first == nil {
						first = all
					} else if !slices.Equal(first, all) {
						t.Fatalf("%s hashes %d messages otherwise", nameOf(b), len(set))
					}
				}
			}
		}
	}
}

// FuzzHash gives every back end the same tag and message, among other messages.
func FuzzHash(f *testing.F) {
	f.Add([]byte("tag"), []byte{}, uint8(0))
	f.Add(make([]byte, 255), make([]byte, 300), uint8(9))
	f.Fuzz(func(t *testing.T, tag, message []byte, n uint8) {
		if len(tag) == 0 || len(tag) > 255 {
			return
		}
		messages := make([][]byte, 1+int(n%20))
		for i := range messages {
			messages[i] = message[:len(message)*i/len(messages)]
		}
		messages[int(n)%len(messages)] = message
		for _, g := range groups {
			var first []byte
			for _, b := range backends() {
				if all := encoded(b, b.Hash(g, tag, messages...), true); first == nil {
					first = all
				} else if !slices.Equal(first, all) {
					t.Fatalf("%s hashes otherwise", nameOf(b))
				}
			}
		}
	})
}
