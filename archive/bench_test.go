package archive

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// filled returns the configuration of an archive with bodies of 256 KiB on 16 lanes, of 64 MiB
// together or of as many GiB as LANECAST_ARCHIVE_GIB says, and how many bodies those are.
func filled(b *testing.B) (Config, int) {
	b.Helper()
	const size, lanes = 256 << 10, 16
	total := int64(64 << 20)
	if gib, err := strconv.ParseInt(os.Getenv("LANECAST_ARCHIVE_GIB"), 10, 32); err == nil {
		total = gib << 30
	}
	c := Config{Dir: b.TempDir(), Create: true, Quota: 2 * total, Namespace: []byte(testNamespace)}
	a, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(body) // cannot fail
	t := payload.Build(body)
	var last [lanes]wire.Digest
	slots := make(chan error, 64)
	for range cap(slots) {
		slots <- nil
	}
	n := int(total / size)
	for i := range n {
		if err := <-slots; err != nil {
			b.Fatal(err)
		}
		h := payload.Header{Sequencer: sequencer(i % lanes), Height: uint64(i / lanes), Parent: last[i%lanes], BodySize: size, Root: t.Root()}
		last[i%lanes] = payload.Digest(c.Namespace, &h)
		if err := a.Put(ForVote, Body{h, t, body}, func(err error) { slots <- err }); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		b.Fatal(err)
	}
	return c, n
}

// heap returns the bytes of objects that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkOpen reports how long opening takes, and the memory of an open archive.
func BenchmarkOpen(b *testing.B) {
	c, n := filled(b)
	before := heap()
	var took time.Duration
	var memory int64
	for b.Loop() {
		a, err := Open(c)
		if err != nil {
			b.Fatal(err)
		}
		took = a.Recovery().Duration
		b.StopTimer()
		memory = heap() - before
		if r := a.Recovery(); r.Bodies != n || r.Lost != 0 {
			b.Fatalf("%+v", r)
		}
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(took.Milliseconds()), "ms-to-open")
	b.ReportMetric(float64(memory)/(1<<20), "MiB")
	b.ReportMetric(float64(memory)/float64(n), "B/header")
}

// BenchmarkRandomReads reads bodies, and single pieces with their proofs, at random.
func BenchmarkRandomReads(b *testing.B) {
	c, n := filled(b)
	a, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	at := func() (wire.PublicKey, uint64) {
		i := rng.IntN(n)
		return sequencer(i % 16), uint64(i / 16)
	}
	b.Run("bodies", func(b *testing.B) {
		b.SetBytes(256 << 10)
		buf := make([]byte, 300<<10)
		for b.Loop() {
			id, height := at()
			if _, _, err := a.Get(id, height, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pieces", func(b *testing.B) {
		b.SetBytes(payload.PieceSize)
		for b.Loop() {
			id, height := at()
			if _, _, err := a.Pieces(id, height, rng.Uint64N(4), 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
