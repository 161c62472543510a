package bench_test

import (
	"fmt"
	"testing"

	"github.com/lanecast/lanecast/bench"
	"github.com/lanecast/lanecast/verify"
)

var variants = []verify.Variant{verify.MinSig, verify.MinPk}

// BenchmarkVerifyAcks reports the cost of verifying an ack, by each way that README.md explains.
// The first benchmark of a variant and n measures all of its ways, interleaved.
func BenchmarkVerifyAcks(b *testing.B) {
	for _, variant := range variants {
		b.Run(variant.String(), func(b *testing.B) {
			for _, n := range []int{4, 32, 100, 300} {
				b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
					var results []bench.Result
					for _, way := range bench.Ways() {
						b.Run(way, func(b *testing.B) {
							if results == nil {
								var err error
								if results, err = bench.Measure(bench.Case{Variant: variant, Validators: n}, bench.MinSlices); err != nil {
									b.Fatal(err)
								}
							}
							report(b, results, way)
						})
					}
				})
			}
		})
	}
}

// report reports the measured cost instead of b.N and its time, which have no meaning here.
func report(b *testing.B, results []bench.Result, way string) {
	b.Helper()
	r, ok := bench.Find(results, way)
	if !ok {
		b.Fatalf("%s was not measured", way)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(r.PerAck, "ns/ack")
}

// BenchmarkVerifyCertificates reports the cost of verifying 100 received threshold certificates of
// one epoch in one batch, and its ratio to the cost of one.
func BenchmarkVerifyCertificates(b *testing.B) {
	for _, variant := range variants {
		b.Run(fmt.Sprintf("threshold/%v/n=100/count=100", variant), func(b *testing.B) {
			c, err := bench.MeasureCertificates(bench.Case{Variant: variant, Validators: 100}, 100, bench.MinSlices)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(c.Many/float64(c.Count), "ns/certificate")
			b.ReportMetric(c.Many/c.One, "×one")
		})
	}
}

// BenchmarkEngineVerifiesAcks reports the cost of an ack in a whole engine, from DeliverAck to the
// report of the lock, and the ratio of the engine's throughput to the verifier's on the same acks.
func BenchmarkEngineVerifiesAcks(b *testing.B) {
	for _, variant := range variants {
		b.Run(variant.String()+"/n=100", func(b *testing.B) {
			var results []bench.Result
			for _, way := range []string{"compressed", "compressed-equal-sets", "uncompressed", "uncompressed-equal-sets"} {
				b.Run(way, func(b *testing.B) {
					if results == nil {
						var err error
						if results, err = bench.MeasureEngine(bench.Case{Variant: variant, Validators: 100}, bench.MinSlices); err != nil {
							b.Fatal(err)
						}
					}
					report(b, results, "engine-"+way)
					alone, _ := bench.Find(results, way)
					whole, _ := bench.Find(results, "engine-"+way)
					b.ReportMetric(alone.PerAck/whole.PerAck, "of-verifier")
				})
			}
		})
	}
}
