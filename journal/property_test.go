package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/internal/segment"
)

func fixHead(b []byte) {
	binary.LittleEndian.PutUint32(b[68:], crc32.Checksum(b[:68], segment.Castagnoli))
}

// TestTheJournalIsAMapOfPositions compares the journal with a map.
func TestTheJournalIsAMapOfPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := newMemFS()
		c := Config{
			Dir: "j", FS: fs, manual: true, page: 64,
			SegmentSize:   int64(rapid.IntRange(1<<10, 4<<10).Draw(t, "segment")),
			MaxSegments:   rapid.IntRange(2, 4).Draw(t, "segments"),
			ReplayBuffer:  4 << 10,
			CompressAbove: rapid.SampledFrom([]int{0, 64, 200}).Draw(t, "compress"),
			moveRound:     rapid.IntRange(1, 600).Draw(t, "round"),
		}
		alive, dead := map[Position]string{}, map[Position]string{}
		next := Position(2)
		reopen := func() *Journal {
			found := map[Position]string{}
			c := creating(c)
			releases := rapid.Bool().Draw(t, "releases in the replay")
			gone := map[Position]string{} // released during the replay
			if releases {
				c.Dead = func() []Position {
					p := rapid.SampledFrom(slices.Sorted(maps.Keys(found))).Draw(t, "dead")
					gone[p] = found[p]
					return []Position{p, 1 << 40}
				}
			}
			j, err := Open(c, func(p Position, record []byte) error {
				if _, twice := found[p]; twice && gone[p] != string(record) {
					t.Fatalf("record %d comes twice, as %q", p, record)
				}
				found[p] = string(record)
				delete(gone, p)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			j.Release(1)
			delete(found, 1)
			delete(gone, 1)
			for p, s := range alive {
				if got, ok := found[p]; !ok || got != s {
					t.Fatalf("record %d is %q, want %q", p, got, s)
				}
			}
			for p, s := range found {
				if _, ok := alive[p]; !ok && dead[p] != s {
					t.Fatalf("record %d was never appended", p)
				}
			}
			maps.DeleteFunc(found, func(p Position, _ string) bool { _, ok := gone[p]; return ok })
			alive, dead = found, gone
			return j
		}
		j := reopen()
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(t, "n") {
					s := string(rapid.SliceOfN(rapid.ByteRange(0, 3), 0, 400).Draw(t, "record"))
					p, err := j.Append([]byte(s))
					if err != nil || p != next {
						t.Fatalf("position %d, error %v, want %d", p, err, next)
					}
					alive[p] = s
					next++
				}
			},
			"release": func(t *rapid.T) {
				if len(alive) == 0 {
					t.Skip()
				}
				for _, p := range rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(alive))), 1, 20).Draw(t, "positions") {
					j.Release(p)
					if s, ok := alive[p]; ok {
						delete(alive, p)
						dead[p] = s
					}
				}
			},
			"cycle": func(t *rapid.T) { j.cycle() },
			"reopen": func(t *rapid.T) {
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				j = reopen()
			},
			"": func(t *rapid.T) {
				if j.Err() != nil || j.Next() != next || j.Durable() >= next || j.Pending() < 0 {
					t.Fatalf("err %v, next %d, durable %d, pending %d", j.Err(), j.Next(), j.Durable(), j.Pending())
				}
				live := 0
				for _, s := range j.writer.ledger.segments {
					live += s.live
				}
				written := 0
				for p := range alive {
					if p <= j.Durable() {
						written++
					}
				}
				if live < written {
					t.Fatalf("%d live records are accounted for, want at least %d", live, written)
				}
			},
		})
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzReplay makes a segment of arbitrary bytes, as the only one or as the second. With fix, it
// makes the head good, so that the fuzzer reaches the code behind that check.
func FuzzReplay(f *testing.F) {
	id := segment.Identity{1, 2, 3}
	whole := func(number uint64, kinds ...byte) []byte {
		h := head{identity: id, number: number, first: 1, floor: 1}
		if number > 1 {
			h.prevEnd = segment.HeadSize
		}
		b := h.encode()
		for i, kind := range kinds {
			at := len(b)
			n := 20
			fr := segment.Frame{Kind: kind, Position: uint64(i + 1)}
			if kind <= segment.KindCopy {
				fr.Stored, fr.Raw = uint32(n), uint32(n)
			}
			b = append(b, make([]byte, fr.Size())...)
			fr.Put(b[at:])
			segment.Finish(b[at:], segment.Seed(id, number), int64(at), int64(at))
		}
		return b
	}
	f.Add([]byte{}, false, false)
	f.Add(whole(1), false, false)
	f.Add(whole(1, segment.KindRecord, segment.KindRecord, segment.KindClose), false, false)
	f.Add(whole(1, segment.KindRecord, segment.KindSeal), true, false)
	f.Add(whole(2, segment.KindRecord, segment.KindCopy), true, true)
	torn := whole(2, segment.KindRecord, segment.KindRecord, segment.KindRecord)
	torn[segment.HeadSize+40]++
	f.Add(torn, true, true)
	f.Add(torn[:len(torn)-7], false, true)
	reused := slices.Clone(torn)
	reused[12] = byte(headUsed)
	fixHead(reused)
	f.Add(reused, false, true)
	f.Fuzz(func(t *testing.T, b []byte, fix, second bool) {
		fs := newMemFS()
		number := uint64(1)
		put := func(n uint64, b []byte) {
			fs.Names[filepath.Join("j", segmentName(n))] = &inode{Versions: [][]byte{slices.Clone(b)}}
		}
		mark := watermark{identity: id, segment: 1, offset: segment.HeadSize, next: 1} // minimum
		content := append(mark.encode(), make([]byte, slotSize)...)
		fs.Names[filepath.Join("j", markName)] = &inode{Versions: [][]byte{content}}
		if second {
			number = 2
			put(1, whole(1, segment.KindSeal))
		}
		if fix && len(b) >= segment.HeadSize {
			b = slices.Clone(b)
			copy(b, magic)
			copy(b[16:], id[:])
			binary.LittleEndian.PutUint32(b[8:], formatVersion)
			binary.LittleEndian.PutUint64(b[32:], number)
			fixHead(b)
		}
		put(number, b)
		const bound = 1 << 10
		longest := 0
		j, err := Open(Config{Dir: "j", FS: fs, MaxRecord: bound, ReplayBuffer: 4 << 10, manual: true}, func(p Position, r []byte) error {
			if p == 0 {
				t.Fatal("position 0")
			}
			longest = max(longest, len(r))
			return nil
		})
		if longest > bound {
			t.Fatalf("record of %d bytes", longest)
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if _, err := j.Append([]byte("goes on")); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err := Inspect("j", fs, func(RecordInfo) error { return nil }); err != nil || !r.Clean {
			t.Fatalf("after recovery: %+v, %v", r, err)
		}
	})
}
