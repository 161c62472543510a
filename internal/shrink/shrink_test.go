package shrink

import (
	"maps"
	"runtime"
	"testing"
)

func TestAMapThatWasLargeReleasesItsMemoryAndKeepsItsEntries(t *testing.T) {
	const most = 100_000
	heap := func() int64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	m, peak, twin := map[int]int{}, Peak(0), map[int]int{}
	for i := range most {
		m[i] = 2 * i
	}
	full := heap()
	for i := range most {
		if i%1000 == 0 {
			twin[i] = 2 * i
			continue
		}
		delete(m, i)
		m = Map(m, &peak)
	}
	if !maps.Equal(m, twin) {
		t.Errorf("it holds %d entries, want %d", len(m), len(twin))
	}
	if back := full - heap(); back < most*16 { // a key and a value each
		t.Errorf("%d bytes of a map with %d entries were given back", back, most)
	}
	runtime.KeepAlive(m)
}

func TestAMapIsCopiedRarely(t *testing.T) {
	const most = 1 << 16
	m, peak, copies := map[int]int{}, Peak(0), 0
	for round := range 3 {
		for i := range most {
			m[i] = round
		}
		for i := range most {
			before := peak
			delete(m, i)
			if m = Map(m, &peak); peak < before {
				copies++
			}
		}
	}
	if copies != 3*3 { // from 65536 elements: at 16384, 4096 and 1024
		t.Errorf("copied %d times", copies)
	}
}

func TestASliceThatIsTooLargeIsNotKept(t *testing.T) {
	s := make([]*int, 0, 100)
	s = append(s, new(int))
	if kept := Slice(s, 100); cap(kept) != 100 || len(kept) != 0 || kept[:1][0] != nil {
		t.Errorf("of a slice that may stay, %d of room %d", len(kept), cap(kept))
	}
	if kept := Slice(s, 99); kept != nil {
		t.Errorf("a slice of room %d is kept", cap(kept))
	}
}
