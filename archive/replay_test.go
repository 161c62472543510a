package archive

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// fingerprint returns the whole content of a state as text.
func (s *state) fingerprint() string {
	var lines []string
	for id, l := range s.lanes {
		if l.watermark == 0 && l.wanted.len()+l.pushed.len()+len(l.locks) == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%x watermark %d floor %d top %d lock %d room %d", id[:2], l.watermark, l.floor, l.top, l.lockTop, l.room))
		for what, places := range map[string]*entries{"wanted": &l.wanted, "pushed": &l.pushed} {
			for h, e := range places.all() {
				lines = append(lines, fmt.Sprintf("%x %s %d %+v", id[:2], what, h, e))
			}
		}
		for _, k := range l.locks {
			lines = append(lines, fmt.Sprintf("%x lock %+v", id[:2], k))
		}
	}
	for n, g := range s.segments {
		if g.bodies > 0 {
			lines = append(lines, fmt.Sprintf("segment %d: %d bodies, %d bytes", n, g.bodies, g.live))
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("%d headers, used %d room %d pushed %d retained %d\n%s", s.headers, s.used, s.room, s.pushed, s.retained, strings.Join(lines, "\n"))
}

// The live entries follow from any records that include all live ones, in any order: the journal
// drops released records at any time, and moves others.
func TestTheStateFollowsFromAnyRecordsThatIncludeTheLiveOnesInAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(rng, 1<<10)
		cfg, fs := inMemory()
		// The index is one segment, which keeps the released records.
		cfg.SegmentSize, cfg.MaxPayload, cfg.indexSegments = 8<<10, 1<<10, 1<<20
		cfg.Quota, cfg.room = 64<<10, 1
		a := open(t, cfg)
		released := map[journal.Position]bool{}
		a.mu.Lock()
		release := a.state.release
		a.state.release = func(p journal.Position) {
			released[p] = true
			release(p)
		}
		a.mu.Unlock()
		var next [worldLanes]uint64
		for range 300 {
			n := rng.IntN(worldLanes)
			h := min(next[n]+uint64(rng.IntN(3)), worldHeights-1)
			b := &w.chain[n][h]
			if rng.IntN(5) == 0 {
				b = &w.beside[n][h]
			}
			switch rng.IntN(8) {
			case 0, 1, 2: // errors are as good as any
				_ = a.Put(Use(rng.IntN(2)), *b, nil)
				next[n] = max(next[n], h)
			case 3, 4:
				_ = a.Put(Pushed, *b, nil)
			case 5:
				_ = a.PutHeaders([]payload.Header{b.Header}, nil)
			case 6:
				_ = a.PutLock(lockOf(b, uint64(rng.IntN(3))), nil)
			case 7:
				_ = a.Prune(sequencer(n), h-min(h, uint64(rng.IntN(4))), nil)
			}
			flush(t, a)
		}
		a.mu.Lock()
		want := a.state.fingerprint()
		a.mu.Unlock()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		type kept struct {
			position journal.Position
			record   []byte
		}
		var all []kept
		if _, err := journal.Inspect(filepath.Join("a", indexDir), fs, func(r journal.RecordInfo) error {
			all = append(all, kept{r.Position, bytes.Clone(r.Record)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(released) < 20 || len(all) < len(released) {
			t.Fatalf("seed %d: %d records, %d released", seed, len(all), len(released))
		}
		for range 30 {
			some := rng.IntN(4)
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			r := newReplay([]byte(testNamespace), true)
			dead := maps.Clone(released)
			for _, k := range all {
				if released[k.position] && rng.IntN(3) < some {
					delete(dead, k.position)
					continue
				}
				if err := r.record(k.position, k.record); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.finish(); err != nil {
				t.Fatal(err)
			}
			if got := r.state.fingerprint(); got != want {
				t.Fatalf("seed %d: replayed as\n%s\nwant\n%s", seed, got, want)
			}
			slices.Sort(r.dead)
			if got := slices.Compact(r.dead); !slices.Equal(got, slices.Sorted(maps.Keys(dead))) {
				t.Fatalf("seed %d: %v are released again, want %v", seed, got, slices.Sorted(maps.Keys(dead)))
			}
		}
	}
}

func TestASegmentStaysUntilItIsDurableThatNothingNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		hold := make(chan struct{})
		held := false
		fs.Hold = func(name string) {
			if held && strings.Contains(name, indexDir) {
				<-hold
			}
		}
		a := open(t, cfg)
		c := newChain()
		for range 10 { // more than two segments
			put(t, a, ForVote, c.body(sequencer(0), 15<<10))
		}
		flush(t, a)
		name := func(number uint32) string { return filepath.Join("a", dataDir, segmentName(number)) }
		there := func() bool { // one of the two is kept as the spare
			time.Sleep(time.Second)
			synctest.Wait()
			fs.Mu.Lock()
			defer fs.Mu.Unlock()
			return fs.Names[name(1)] != nil && fs.Names[name(2)] != nil
		}
		held = true
		prune(t, a, 0, 10)
		put(t, a, ForVote, c.body(sequencer(0), 100)) // the writer has something to do
		if !there() {
			t.Fatal("a crash now would bring back records that name it")
		}
		close(hold)
		if there() {
			t.Fatal("it stays")
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzRecord checks that bytes that decode as a record of the index encode to the same bytes.
func FuzzRecord(f *testing.F) {
	h := payload.Header{Height: 3, Parent: wire.Digest{1}, BodySize: 70_000}
	f.Add((&bodyRecord{kind: wantedRecord, room: true, at: location{7, 9}, header: h}).appendTo(nil))
	f.Add((&bodyRecord{kind: pushedRecord, header: h}).appendTo(nil))
	f.Add(encodeLock(&wire.Lock{Epoch: 9, Certificate: []byte{1, 2, 3}}))
	f.Add((&laneState{watermark: 300, floor: 200}).appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r record
		if r.decode(b) != nil {
			return
		}
		var again []byte
		switch r.kind {
		case wantedRecord, pushedRecord:
			again = r.body.appendTo(nil)
		case lockRecord:
			again = encodeLock(&r.lock)
		case laneRecord:
			again = r.lane.appendTo(nil)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, r, again)
		}
	})
}

// FuzzIndexAndData opens an archive whose index or data was changed, and reads all of it: the
// result is errors, and never a body that was not put.
func FuzzIndexAndData(f *testing.F) {
	f.Add(true, uint16(100), byte(1))
	f.Add(false, uint16(300), byte(0x80))
	f.Fuzz(func(t *testing.T, index bool, where uint16, flip byte) {
		cfg, fs := inMemory()
		a := open(t, cfg)
		c := newChain()
		var all []Body
		for range 5 {
			b := c.body(sequencer(0), 200)
			all = append(all, b)
			put(t, a, ForVote, b)
			if err := a.PutLock(lockOf(&b, 1), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("a", dataDir, segmentName(1))
		if index {
			name = filepath.Join("a", indexDir, "0000000000000001.seg")
		}
		data := fs.Names[name].Data()
		data[int(where)%len(data)] ^= flip
		a, err := Open(cfg)
		if err != nil {
			return
		}
		defer a.Close()
		for i, b := range all {
			if _, got, err := a.Get(sequencer(0), uint64(i), nil); err == nil && !bytes.Equal(got, b.Bytes) {
				t.Fatalf("body %d is another", i)
			}
		}
	})
}
