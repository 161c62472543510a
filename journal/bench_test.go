package journal

import (
	"bytes"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// BenchmarkJournalAppend appends records of 300 bytes to the real disk. There are 64 lanes, each of
// which releases its previous record; the benchmark waits whenever a MiB is pending. The last
// record is durable before the clock stops.
func BenchmarkJournalAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		pending int64 // number of pending bytes at which the owner waits
	}{{"group-commit", 1 << 20}, {"one-sync-per-record", 1}} {
		b.Run(c.name, func(b *testing.B) {
			moved := make(chan struct{}, 1)
			syncs := 0
			j, err := Open(creating(Config{
				Dir: b.TempDir(),
				Notify: func() {
					select {
					case moved <- struct{}{}:
					default:
					}
				},
				Observe: func(SyncInfo) { syncs++ },
			}), nil)
			if err != nil {
				b.Fatal(err)
			}
			record := bytes.Repeat([]byte("0123456789ab"), 25)
			lanes := [64]Position{1} // the first record is released like any other
			b.ReportAllocs()
			b.SetBytes(int64(len(record)))
			b.ResetTimer()
			began := time.Now()
			for i := range b.N {
				p, err := j.Append(record)
				if err != nil {
					b.Fatal(err)
				}
				j.Release(lanes[i%64])
				lanes[i%64] = p
				for j.Pending() >= c.pending && j.Err() == nil {
					<-moved
				}
			}
			for j.Durable() < j.Next()-1 && j.Err() == nil {
				<-moved
			}
			took := time.Since(began)
			b.StopTimer()
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/took.Seconds(), "records/s")
			b.ReportMetric(float64(b.N)/float64(syncs), "records/sync")
		})
	}
}

// BenchmarkJournalReplay opens a log of 64 MiB.
func BenchmarkJournalReplay(b *testing.B) {
	c := Config{Dir: b.TempDir(), SegmentSize: 16 << 20}
	j, err := Open(creating(c), nil)
	if err != nil {
		b.Fatal(err)
	}
	record := bytes.Repeat([]byte("0123456789ab"), 25)
	for range 64 << 20 / segment.FrameSize(len(record)) {
		if _, err := j.Append(record); err != nil {
			b.Fatal(err)
		}
		for j.Pending() > 8<<20 && j.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		j, err := Open(c, func(Position, []byte) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(j.Recovery().Bytes)
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
