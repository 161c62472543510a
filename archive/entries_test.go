package archive

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// A map is the slow twin of entries.
func TestEntriesAreAMapByHeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var e entries
	twin := make(map[uint64]entry)
	heights := []uint64{0, 1, 6, 7, 8, 9, 15, 16, 1 << 40, 1<<64 - 9, 1<<64 - 8, 1<<64 - 1}
	for step := range 5000 {
		height := heights[rng.IntN(len(heights))]
		switch rng.IntN(4) {
		case 0, 1:
			to := entry{size: rng.Uint32()}
			e.set(height, to)
			twin[height] = to
		case 2:
			e.remove(height)
			delete(twin, height)
		case 3:
			if rng.IntN(10) > 0 {
				continue
			}
			for h := range e.all() { // the visited entry may be removed
				if h%2 == height%2 {
					e.remove(h)
					delete(twin, h)
				}
			}
		}
		got, ok := e.get(height)
		want, there := twin[height]
		if got != want || ok != there || e.len() != len(twin) || !maps.Equal(maps.Collect(e.all()), twin) {
			t.Fatalf("step %d: height %d is %+v, %v, want %+v, %v; %d entries, want %d", step, height, got, ok, want, there, e.len(), len(twin))
		}
	}
	for height := range twin {
		e.remove(height)
	}
	if len(e.blocks) != 0 {
		t.Errorf("%d blocks of no entries are left", len(e.blocks))
	}
}
