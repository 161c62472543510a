package journalbench_test

import (
	"fmt"
	"testing"
	"time"

	journalbench "github.com/lanecast/lanecast/bench/journal"
)

// BenchmarkDurableRecords reports the cost of a durable record. The first benchmark of a load
// measures all ways, alternately.
func BenchmarkDurableRecords(b *testing.B) {
	for _, load := range journalbench.Loads() {
		b.Run(load.Name, func(b *testing.B) {
			var results []journalbench.Result
			for i, w := range journalbench.Ways() {
				b.Run(w.Name, func(b *testing.B) {
					if results == nil {
						var err error
						if results, err = journalbench.Compare(b.TempDir(), load, 24, 300*time.Millisecond); err != nil {
							b.Fatal(err)
						}
					}
					r := results[i]
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(r.Best, "ns/record")
					b.ReportMetric(r.Median, "median-ns/record")
					b.ReportMetric(1e9/r.Best, "records/s")
					b.ReportMetric(results[0].Best/r.Best, "x-one-fsync")
					b.ReportMetric(results[1].Best/r.Best, "x-journal")
					b.ReportMetric(results[1].Median/r.Median, "x-journal-by-median")
					if r.RecordsPerSync > 0 {
						b.ReportMetric(r.RecordsPerSync, "records/sync")
					}
				})
			}
		})
	}
}

// BenchmarkAppendToDurable reports the time until records that are appended at a fixed rate become
// durable.
func BenchmarkAppendToDurable(b *testing.B) {
	for _, rate := range []int{1_000, 10_000, 100_000} {
		for _, w := range journalbench.Ways() {
			b.Run(fmt.Sprintf("rate=%d/%s", rate, w.Name), func(b *testing.B) {
				if w.Name == "one-fsync-per-record" && rate > 1000 {
					b.Skip("far above its maximum rate")
				}
				l, err := journalbench.OpenLoop(w, b.TempDir(), rate, 4*time.Second)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(l.P50.Microseconds()), "p50-µs")
				b.ReportMetric(float64(l.P99.Microseconds()), "p99-µs")
				b.ReportMetric(float64(l.Max.Microseconds()), "max-µs")
				b.ReportMetric(l.Reached, "records/s")
				if l.RecordsPerSync > 0 {
					b.ReportMetric(l.RecordsPerSync, "records/sync")
				}
			})
		}
	}
}

func TestEveryWayMakesAllRecordsDurable(t *testing.T) {
	for _, w := range journalbench.Ways() {
		t.Run(w.Name, func(t *testing.T) {
			l, err := journalbench.OpenLoop(w, t.TempDir(), 1000, 300*time.Millisecond)
			if err != nil || l.P50 <= 0 || l.Reached <= 0 {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
}

// BenchmarkDurableBodies reports the rate at which bodies become durable, in groups of several
// sizes. The first benchmark of a size measures all ways, alternately.
func BenchmarkDurableBodies(b *testing.B) {
	for _, group := range journalbench.BodyGroups() {
		var results []journalbench.BodyResult
		for i, w := range journalbench.BodyWays() {
			b.Run(fmt.Sprintf("group=%d/%s", group, w.Name), func(b *testing.B) {
				if results == nil {
					var err error
					if results, err = journalbench.CompareBodies(b.TempDir(), group, 40, 300*time.Millisecond); err != nil {
						b.Fatal(err)
					}
				}
				r := results[i]
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(r.Best, "MB/s")
				b.ReportMetric(r.Median, "median-MB/s")
				b.ReportMetric(r.ByBest, "x-file")
				b.ReportMetric(r.ByMedian, "x-file-by-median")
				b.ReportMetric(r.ByQuotient, "x-file-by-quotient")
			})
		}
	}
}
