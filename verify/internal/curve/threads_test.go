package curve

import (
	"runtime"
	"runtime/metrics"
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
	for _, b := range backends() {
		for _, g := range groups {
			all := make([]int, 800)
			for i := range all {
				all[i] = i % 5
			}
			points, scalars := b.Select(some(b, g, 5), all), make([]Scalar, 800)
			for i := range scalars {
				scalars[i] = NewScalar([32]byte{byte(i), 31: 1})
			}
			others := b.Select(some(b, g.Other(), 5), all[:20])
			slab, short := encoded(b, points, true), encoded(b, points, false)
			secret := secretOf(1)
			in1, in2 := b.Select(points, all[:20]), others
			if g == G2 {
				in1, in2 = in2, in1
			}
			runtime.GC()
			for name, call := range map[string]func(){
				"Read":           func() { b.Read(g, slab, places(800), true) },
				"Read together":  func() { b.Read(g, short, places(40), false) },
				"Sum":            func() { b.Sum(points) },
				"Mul":            func() { b.Mul(points, scalars) },
				"MulSum":         func() { b.MulSum(points, scalars) },
				"InSubgroup":     func() { b.InSubgroup(points, 0) },
				"Hash":           func() { b.Hash(g, []byte("tag"), []byte("a"), []byte("b")) },
				"Sign":           func() { b.Sign(secret, others) },
				"PairingsCancel": func() { b.PairingsCancel(in1, in2) },
			} {
				before := created()
				call()
				if after := created(); after != before {
					t.Errorf("%s: %s of group %d started %d", b.Name(), name, g, after-before)
				}
			}
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
