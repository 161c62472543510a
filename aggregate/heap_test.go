package aggregate

import (
	"runtime"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// heap returns the bytes of reachable memory.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// MaxBytes limits a computed charge, not measured memory: the charge must be close to the memory
// used.
func TestSlotsTakeTheMemoryThatTheyAreChargedFor(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector takes memory of its own")
	}
	for _, c := range []struct{ n, signature, lanes, heights int }{
		{1, 64, 1000, 2}, // Ed25519
		{4, 48, 1000, 2}, // MinSig
		{4, 48, 1, 2000},
		{4, 48, 100, 17},
		{10, 96, 1000, 2},  // MinPk, or MinSig uncompressed
		{31, 192, 300, 2},  // MinPk uncompressed
		{100, 48, 300, 2},  // MinSig
		{1600, 64, 40, 2},  // Ed25519
		{1600, 64, 5, 17},  // the same, far ahead
		{10000, 48, 10, 2}, // MinSig
	} {
		set := setOf(c.n, c.signature)
		for _, payloads := range []int{1, min(c.n, 9)} {
			votes := newVotes(1 << 30)
			lanes := make([]*Lane, c.lanes)
			for i := range lanes {
				lanes[i] = votes.Lane(id(i))
			}
			vote := make([]byte, c.signature)
			before := heap()
			for _, l := range lanes {
				for h := range uint64(c.heights) {
					for i := range c.n {
						a := wire.Ack{
							Chunk:       wire.Chunk{Sequencer: l.sequencer, Height: h, Payload: payload(i % payloads)},
							Participant: wire.Participant(i), Signature: vote,
						}
						if r := l.Add(&a, set, false); r != Counted && r != Quorate {
							t.Fatalf("vote %d: %v", i, r)
						}
					}
					votes.touched = votes.touched[:0] // as after Next
				}
			}
			used, charged := heap()-before, votes.memory.bytes
			if payloads == 1 {
				expect(t, "charged", charged, c.lanes*c.heights*SlotBytes(set.scheme.Format()))
			}
			if ratio := float64(used) / float64(charged); ratio < 0.6 || ratio > 1.15 {
				t.Errorf("n = %d, %d bytes a signature, %d lanes, %d heights, %d payloads: %d bytes are in use, %d charged: %.2f",
					c.n, c.signature, c.lanes, c.heights, payloads, used, charged, ratio)
			}
			runtime.KeepAlive(lanes)
		}
	}
}
