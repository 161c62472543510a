package curve

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkBackend measures every operation of each back end on one thread; per point for
// operations that take a batch.
func BenchmarkBackend(b *testing.B) {
	for _, c := range backends() {
		b.Run(nameOf(c), func(b *testing.B) {
			b.Run("G1", func(b *testing.B) { benchmarkGroup(b, c, G1) })
			b.Run("G2", func(b *testing.B) { benchmarkGroup(b, c, G2) })
			b.Run("pairings", func(b *testing.B) { benchmarkPairings(b, c) })
		})
	}
}

func benchmarkGroup(b *testing.B, c *Backend, g Group) {
	const n = 67
	points := some(c, g, n)
	r := rand.New(rand.NewPCG(4, 4))
	short, long := randomWeights(r, n), randomScalars(r, n)
	secret := secretOf(1)
	tag := []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_")
	each := func(name string, count int, run func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/float64(b.N*count), "µs/point")
		})
	}
	for _, form := range []struct {
		name         string
		uncompressed bool
	}{{"compressed", false}, {"uncompressed", true}} {
		slab, index := encoded(c, points, form.uncompressed), places(n)
		each("Read/"+form.name, n, func() { c.Read(g, slab, index, form.uncompressed) })
		var out []byte
		each("Append/"+form.name, 1, func() { out = c.Append(out[:0], points, 1, form.uncompressed) })
	}
	each("InSubgroup", 1, func() { c.InSubgroup(points, 3) })
	each("Sum", n, func() { c.Sum(points) })
	each("Neg", n, func() { c.Neg(points) })
	each("Mul/weights", n, func() { c.Mul(points, short) })
	each("Mul/scalars", n, func() { c.Mul(points, long) })
	each("MulSum/weights", n, func() { c.MulSum(points, short) })
	few := c.Select(points, places(8))
	each("MulSum/weights/n=8", 8, func() { c.MulSum(few, short[:8]) })
	each("MulSum/scalars", n, func() { c.MulSum(points, long) })
	message := make([]byte, 100)
	each("Hash", 1, func() {
		binary.LittleEndian.PutUint64(message, r.Uint64())
		c.Hash(g, tag, message)
	})
	h := c.Select(points, []int{5})
	each("Sign", 1, func() { c.Sign(secret, h) })
	each("PublicKey", 1, func() { c.PublicKey(secret, g) })
}

// BenchmarkTogether measures operations on many points on the default back end and on blst one by
// one, in turns, and reports the speed-up. The fastest turn of each counts.
func BenchmarkTogether(b *testing.B) {
	if blstOneByOne == nil {
		b.Skip("there is one back end only")
	}
	operations := []struct {
		name    string
		prepare func(c *Backend, points Points) func()
	}{
		{"Read", func(c *Backend, points Points) func() {
			slab, index := encoded(c, points, false), places(points.Len())
			return func() { c.Read(points.Group(), slab, index, false) }
		}},
		{"ReadUncompressed", func(c *Backend, points Points) func() {
			slab, index := encoded(c, points, true), places(points.Len())
			return func() { c.Read(points.Group(), slab, index, true) }
		}},
		{"Mul", func(c *Backend, points Points) func() {
			ws := randomWeights(rand.New(rand.NewPCG(4, 4)), points.Len())
			return func() { c.Mul(points, ws) }
		}},
		{"MulSum", func(c *Backend, points Points) func() {
			ws := randomWeights(rand.New(rand.NewPCG(4, 4)), points.Len())
			return func() { c.MulSum(points, ws) }
		}},
		{"Hash", func(c *Backend, points Points) func() {
			messages := make([][]byte, points.Len())
			for i := range messages {
				messages[i] = binary.LittleEndian.AppendUint64(make([]byte, 92), uint64(i))
			}
			tag := []byte("BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_")
			return func() { c.Hash(points.Group(), tag, messages...) }
		}},
		{"Sums", func(c *Backend, points Points) func() { // µs per point, in sets of 67 points
			sets := make([]Points, points.Len())
			index := make([]int, 67)
			for i := range sets {
				for k := range index {
					index[k] = (i + k) % points.Len()
				}
				sets[i] = c.Select(points, index)
			}
			return func() { c.Sums(sets...) }
		}},
		{"Outside", func(c *Backend, points Points) func() { return func() { c.Outside(points) } }},
	}
	for _, o := range operations {
		for _, g := range groups {
			for _, n := range []int{1, 2, 3, 4, 8, 9, 10, 16, 32, 67, 256} {
				b.Run(fmt.Sprintf("%s/G%d/n=%d", o.name, g, n), func(b *testing.B) {
					points := some(Default(), g, n)
					run := map[*Backend]func(){}
					least := map[*Backend]time.Duration{}
					backends := []*Backend{Default(), blstOneByOne}
					for _, c := range backends {
						run[c], least[c] = o.prepare(c, points), time.Hour
					}
					for b.Loop() {
						for _, c := range backends {
							start := time.Now()
							run[c]()
							least[c] = min(least[c], time.Since(start))
						}
					}
					perPoint := func(c *Backend) float64 { return float64(least[c].Nanoseconds()) / 1e3 / float64(n) }
					b.ReportMetric(perPoint(Default()), "µs/point")
					b.ReportMetric(perPoint(blstOneByOne), "µs/point-one-by-one")
					b.ReportMetric(float64(least[blstOneByOne])/float64(least[Default()]), "×one-by-one")
				})
			}
		}
	}
}

func benchmarkPairings(b *testing.B, c *Backend) {
	for _, n := range []int{1, 2, 33, 64} {
		p, q := some(c, G1, n), some(c, G2, n)
		b.Run(map[int]string{1: "1", 2: "2", 33: "33", 64: "64"}[n], func(b *testing.B) {
			for b.Loop() {
				c.PairingsCancel(p, q)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/float64(b.N*n), "µs/pair")
		})
	}
}
