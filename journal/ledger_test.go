package journal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/internal/segment"
)

// TestTheLedgerIsAMapFromPositionsToSegments compares with a map, in segments of many records.
func TestTheLedgerIsAMapFromPositionsToSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := ledger{moved: map[Position]*segmentInfo{}}
		next := Position(1)
		begin := func() {
			l.segments = append(l.segments, &segmentInfo{head: head{number: uint64(len(l.segments) + 1), first: next}, next: next})
		}
		begin()
		home := map[Position]*segmentInfo{}
		var released []Position
		position := func(t *rapid.T) Position { return Position(rapid.Uint64Range(1, uint64(next)).Draw(t, "position")) }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					l.add(l.tail())
					home[next] = l.tail()
					next++
				}
			},
			"begin": func(*rapid.T) { begin() },
			"release": func(t *rapid.T) {
				p := position(t) // may be released already, or unknown
				l.release(p)
				delete(home, p)
				released = append(released, p)
			},
			"move": func(t *rapid.T) {
				p := position(t)
				if p == next {
					t.Skip("nothing is there to be moved")
				}
				if alive := l.move(p, l.tail()); alive != (home[p] != nil) {
					t.Fatalf("record %d was alive: %v", p, alive)
				}
				home[p] = l.tail()
			},
			"": func(t *rapid.T) {
				live := map[*segmentInfo]int{}
				for p := range next + 1 {
					if l.home(p) != home[p] {
						t.Fatalf("record %d is at the wrong place", p)
					}
					if home[p] != nil {
						live[home[p]]++
					}
				}
				dead, leading := 0, true
				for _, s := range l.segments {
					if s.live != live[s] {
						t.Fatalf("segment %d: %d records live, want %d", s.number, s.live, live[s])
					}
					if leading = leading && live[s] == 0 && s != l.tail(); leading {
						dead++
					}
				}
				if l.dead() != dead {
					t.Fatalf("%d dead segments, want %d", l.dead(), dead)
				}
			},
		})
	})
}

func TestALogIsSparseIfAtMostHalfOfItsBytesLive(t *testing.T) {
	full := &segmentInfo{size: 100, live: 4, kept: 4}
	half := &segmentInfo{size: 100, live: 2, kept: 4}
	empty := &segmentInfo{size: 100, kept: 4}
	none := &segmentInfo{size: segment.HeadSize}
	for _, c := range []struct {
		segments []*segmentInfo
		dead     int
		sparse   bool
	}{
		{[]*segmentInfo{half, half}, 0, true},
		{[]*segmentInfo{half, half, full}, 0, false},
		{[]*segmentInfo{full, empty}, 0, true},
		{[]*segmentInfo{empty, full, full}, 0, false},
		{[]*segmentInfo{empty, empty, full}, 0, true},
		{[]*segmentInfo{empty, empty, full}, 2, false},
		{[]*segmentInfo{half, none}, 0, true},
	} {
		l := ledger{segments: slices.Clone(c.segments)}
		if l.sparse(c.dead) != c.sparse {
			t.Errorf("%+v: want %v", c, c.sparse)
		}
	}
}
