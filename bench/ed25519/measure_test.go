package ed25519bench

import (
	"testing"
	"time"
)

// compare verifies all signatures in turns of all ways: with the function for one if there is one
// signature, otherwise in a batch.
func compare(b *testing.B, all []*Signed) {
	ways := Ways()
	runs, least := make([]func() bool, len(ways)), make([]time.Duration, len(ways))
	for i, w := range ways {
		one, every := w.Prepare(all)
		if least[i] = time.Hour; len(all) == 1 {
			runs[i] = func() bool { return one(0) }
		} else if every != nil {
			runs[i] = func() bool { return every(len(all)) }
		}
	}
	for b.Loop() {
		for i, run := range runs {
			if run == nil {
				continue
			}
			began := time.Now()
			if !run() {
				b.Fatal(ways[i].Name, "refuses valid signatures")
			}
			least[i] = min(least[i], time.Since(began))
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, run := range runs {
		if run != nil {
			b.ReportMetric(float64(least[i].Nanoseconds())/1000/float64(len(all)), "µs/"+ways[i].Name)
		}
	}
}
