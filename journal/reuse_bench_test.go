package journal

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// BenchmarkJournalReuse measures the gain from reusing the files of old segments: both ways
// interleaved, on the real disk, minimum of all slices. In the load "saturated" a MiB may be
// pending, in "closed" each of 64 lanes waits for its record to be durable before it appends the
// next.
func BenchmarkJournalReuse(b *testing.B) {
	const slices, lanes, size = 16, 64, 300
	record := bytes.Repeat([]byte("0123456789ab"), size/12)
	for _, load := range []struct {
		name    string
		pending int64
		segment int64
		slice   time.Duration
	}{{"saturated", 1 << 20, 16 << 20, 300 * time.Millisecond}, {"closed", lanes * (size + segment.FrameHead), 2 << 20, 200 * time.Millisecond}} {
		b.Run(load.name, func(b *testing.B) {
			for range b.N {
				type way struct {
					name  string
					j     *Journal
					last  [lanes]Position
					moved chan struct{}
					best  float64 // ns per record
					all   float64
				}
				var ways []*way
				for _, c := range []struct {
					name    string
					noReuse bool
				}{{"new", true}, {"reused", false}} {
					w := &way{name: c.name, moved: make(chan struct{}, 1), best: math.Inf(1)}
					var err error
					w.last[0] = 1
					w.j, err = Open(creating(Config{
						Dir: filepath.Join(b.TempDir(), c.name), SegmentSize: load.segment, noReuse: c.noReuse,
						Notify: func() {
							select {
							case w.moved <- struct{}{}:
							default:
							}
						},
					}), nil)
					if err != nil {
						b.Fatal(err)
					}
					ways = append(ways, w)
				}
				for slice := range slices {
					for _, w := range ways {
						began, n := time.Now(), 0
						for ; time.Since(began) < load.slice; n++ {
							p, err := w.j.Append(record)
							if err != nil {
								b.Fatal(err)
							}
							w.j.Release(w.last[n%lanes])
							w.last[n%lanes] = p
							for w.j.Pending() >= load.pending && w.j.Err() == nil {
								<-w.moved
							}
						}
						for w.j.Durable() < w.j.Next()-1 && w.j.Err() == nil {
							<-w.moved
						}
						if ns := float64(time.Since(began)) / float64(n); slice > 0 {
							w.best = min(w.best, ns)
							w.all += ns
						}
					}
				}
				for _, w := range ways {
					if err := w.j.Close(); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(w.best, w.name+"-ns/record")
					b.ReportMetric(w.all/(slices-1), w.name+"-mean-ns/record")
				}
			}
		})
	}
}
