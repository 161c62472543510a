package curve

import (
	"reflect"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
)

func TestNoOperationStartsAGoroutine(t *testing.T) {
	created := func() uint64 {
		sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindUint64 {
			t.Skip("this Go does not count goroutines")
		}
		return sample[0].Value.Uint64()
	}
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one thread proves nothing")
	}
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		operations := everyOperation(b, g)
		runtime.GC()
		for name, call := range operations {
			before := created()
			call()
			if after := created(); after != before {
				t.Errorf("%s started %d", name, after-before)
			}
		}
	})
}

// everyOperation returns calls of all operations on a group. Operations that depend on the number
// of points are called with one, with few, and with so many that they are processed in parts. A
// call's name is its method, and after a space its variant.
func everyOperation(b *Backend, g Group) map[string]func() {
	const many = 800
	all := make([]int, many)
	for i := range all {
		all[i] = i % 5
	}
	points := b.Select(some(b, g, 5), all)
	others := b.Select(some(b, g.Other(), 5), all)
	scalars := make([]Scalar, many)
	for i := range scalars {
		scalars[i] = NewScalar([32]byte{byte(i), 31: 1})
	}
	messages := make([][]byte, 20)
	slab, short := encoded(b, points, true), encoded(b, points, false)
	secret := secretOf(1)
	pairs := func(n int) func() {
		in1, in2 := b.Select(points, all[:n]), b.Select(others, all[:n])
		if g == G2 {
			in1, in2 = in2, in1
		}
		return func() { b.PairingsCancel(in1, in2) }
	}
	calls := map[string]func(){
		"Append":              func() { b.Append(nil, points, 0, false) },
		"Append uncompressed": func() { b.Append(nil, points, 0, true) },
		"ConstantTime":        func() { b.ConstantTime() },
		"Generator":           func() { b.Generator(g) },
		"Hash":                func() { b.Hash(g, []byte("tag"), messages[:1]...) },
		"Hash many":           func() { b.Hash(g, []byte("tag"), messages...) },
		"InSubgroup":          func() { b.InSubgroup(points, 0) },
		"IsIdentity":          func() { b.IsIdentity(points, 0) },
		"Join":                func() { b.Join(points, points) },
		"KeyGen":              func() { b.KeyGen(secret[:]) },
		"Name":                func() { b.Name() },
		"Neg":                 func() { b.Neg(points) },
		"PairingsCancel":      pairs(1),
		"PairingsCancel few":  pairs(9),
		"PairingsCancel many": pairs(70),
		"PublicKey":           func() { b.PublicKey(secret, g) },
		"Select":              func() { b.Select(points, all) },
		"Sign":                func() { b.Sign(secret, b.Select(points, all[:1])) },
		"Sums":                func() { b.Sums(points, points, points) },
	}
	for what, n := range map[string]int{"": 1, " few": 20, " many": many} {
		p := b.Select(points, all[:n])
		calls["Read"+what] = func() { b.Read(g, short, places(n), false) }
		calls["Read uncompressed"+what] = func() { b.Read(g, slab, places(n), true) }
		calls["Sum"+what] = func() { b.Sum(p) }
		calls["Mul"+what] = func() { b.Mul(p, scalars[:n]) }
		calls["MulSum"+what] = func() { b.MulSum(p, scalars[:n]) }
		calls["Outside"+what] = func() { b.Outside(p) }
	}
	return calls
}

func TestEveryOperationIsAmongThoseThatAreTested(t *testing.T) {
	called := make(map[string]bool)
	for name := range everyOperation(Default(), G1) {
		method, _, _ := strings.Cut(name, " ")
		called[method] = true
	}
	backend := reflect.TypeFor[*Backend]()
	for i := range backend.NumMethod() {
		if name := backend.Method(i).Name; !called[name] {
			t.Errorf("%s is not called", name)
		}
	}
}

func TestPointsAndBackendsAreSharedSafely(t *testing.T) {
	onEach(t, func(t *testing.T, b *Backend, g Group) {
		points := some(b, g, 20)
		want := encoded(b, b.Sum(points), false)
		var done sync.WaitGroup
		for range 4 {
			done.Add(1)
			go func() {
				defer done.Done()
				slab := encoded(b, points, true)
				again, _ := b.Read(g, slab, places(20), true)
				b.Neg(points)
				if string(encoded(b, b.Sum(again), false)) != string(want) {
					t.Error("another sum")
				}
			}()
		}
		done.Wait()
	})
}
