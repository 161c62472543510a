package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/lanecast/lanecast/internal/segment"
)

// failAt makes the nth operation from now on fail, and all later ones too if forGood is set. The
// result returns the failed operation, if one failed.
func failAt(fs *memFS, n int, forGood bool) (failed *string) {
	failed = new(string)
	count := 0
	fs.Fault = func(op, name string) error {
		if count++; count < n || count > n && !forGood {
			return nil
		}
		if *failed == "" {
			*failed = op + " " + name
		}
		return syscall.EIO
	}
	return failed
}

// opened are file systems that require all kinds of work in Open, with segments longer than the
// replay buffer and records longer than both.
func opened(t *testing.T) map[string]*memFS {
	t.Helper()
	c := Config{SegmentSize: 16 << 10, MaxRecord: 20 << 10, ReplayBuffer: 4 << 10, CompressAbove: 9 << 10}
	fs := newMemFS()
	j, _ := manualJournal(t, fs, c)
	for i := range 40 {
		s := strings.Repeat(string(rune('a'+i%26)), 300+i%3*4000)
		if p := mustAppend(t, j, s); i > 30 && i%3 == 0 {
			j.Release(p)
		}
		if i%2 == 1 {
			cycleAll(t, j)
		}
	}
	mustAppend(t, j, strings.Repeat("z", 8000)) // a group of two
	mustAppend(t, j, strings.Repeat("z", 100))
	cycleAll(t, j)
	torn := fs.Crash(nil, 1)
	mustClose(t, j)
	n := segmentFile(torn, tailNumber(torn))
	offsets := frameOffsets(n.Data())
	n.Data()[offsets[len(offsets)-3]+100] ^= 1 // whole frames of the same group follow
	torn.Names[filepath.Join("j", tempName)] = &inode{Versions: [][]byte{nil}}

	unsealed := fs.Crash(nil, 1)
	tail, before := segmentFile(unsealed, tailNumber(unsealed)), segmentFile(unsealed, tailNumber(unsealed)-1)
	tail.Versions = [][]byte{append(slices.Clone(tail.Data()[:segment.HeadSize]), make([]byte, 9000)...)}
	before.Versions = [][]byte{before.Data()[:len(before.Data())-5]}
	mark := mustReadMark(t, unsealed)
	var h head
	if _, err := h.decode(tail.Data()); err != nil {
		t.Fatal(err)
	}
	mark.segment, mark.offset, mark.next = h.number, segment.HeadSize, h.first
	file := append(mark.encode(), make([]byte, slotSize)...)
	copy(file[slotSize:], mark.encode())
	unsealed.Names[filepath.Join("j", markName)] = &inode{Versions: [][]byte{file}}

	reused, _, _, _ := reusedTail(t)
	return map[string]*memFS{"none": newMemFS(), "closed": fs, "torn": torn, "unsealed": unsealed, "reused": reused}
}

func TestAnyFailedOperationOfOpenIsReportedAndHarmless(t *testing.T) {
	kinds := map[string]int{}
	for what, good := range opened(t) {
		for _, maxRecord := range []int{20 << 10, 5 << 10} { // too small for some
			open := func(fs *memFS) (map[Position]string, error) {
				j, found, err := open(Config{
					Dir: "j", FS: fs, SegmentSize: 16 << 10, MaxRecord: maxRecord, ReplayBuffer: 4 << 10, manual: true,
				})
				if err == nil {
					fs.Fault = nil
					mustClose(t, j)
				}
				return found, err
			}
			want, wantErr := open(good.Crash(nil, 1))
			if wantErr != nil && !errors.Is(wantErr, ErrTooLarge) {
				t.Fatalf("%s: %v", what, wantErr)
			}
			for n := 1; ; n++ {
				fs := good.Crash(nil, 1)
				failed := failAt(fs, n, false)
				_, err := open(fs)
				if *failed == "" {
					break
				}
				op, _, _ := strings.Cut(*failed, " ")
				kinds[op]++
				first := op == "close" && wantErr != nil && errors.Is(err, ErrTooLarge) // known
				if !errors.Is(err, syscall.EIO) && !first || errors.Is(err, ErrCorrupt) {
					t.Errorf("%s, operation %d (%s): error %v", what, n, *failed, err)
				}
				if len(fs.Locked) != 0 || fs.Handles != 0 {
					t.Errorf("%s, operation %d (%s): locks %v, %d open files", what, n, *failed, fs.Locked, fs.Handles)
				}
				fs.Fault = nil
				if found, err := open(fs); fmt.Sprint(err) != fmt.Sprint(wantErr) || len(found) != len(want) {
					t.Errorf("%s, operation %d (%s), then opened: %d records, want %d; error %v, want %v",
						what, n, *failed, len(found), len(want), err, wantErr)
				}
			}
		}
	}
	for _, op := range []string{
		"lock", "readdir", "openread", "open", "read", "size", "close", "create", "write", "sync", "syncdir", "rename", "remove", "truncate",
	} {
		if kinds[op] == 0 {
			t.Errorf("%s never failed", op)
		}
	}
}

// Histories of appends, releases, rotations and compactions: the nth operation fails, once or for
// good.
func TestAfterAnyFailedOperationARunningJournalStopsAndKeepsItsDurableRecords(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(4) {
		for _, forGood := range []bool{false, true} {
			for n, over := 1, false; !over; n++ {
				fs, m := newMemFS(), newModel()
				j, err := m.reopen(fs, seed)
				if err != nil {
					t.Fatal(err)
				}
				failed := failAt(fs, n, forGood)
				m.drive(j, rand.New(rand.NewPCG(seed, 2)), 90)
				closed := j.Close()
				fs.Fault = nil
				what := fmt.Sprintf("seed %d, operation %d (%s), for good: %v", seed, n, *failed, forGood)
				if *failed == "" {
					over = true
				} else if !errors.Is(closed, syscall.EIO) || errors.Is(closed, ErrCorrupt) {
					t.Fatalf("%s: Close says %v", what, closed)
				}
				if fs.Handles != 0 || len(fs.Locked) != 0 {
					t.Fatalf("%s: %d open files, locks %v", what, fs.Handles, fs.Locked)
				}
				op, _, _ := strings.Cut(*failed, " ")
				kinds[op]++
				rng := rand.New(rand.NewPCG(seed, uint64(n)))
				for mode := range 4 {
					after := fs.Crash(rng, mode)
					if mode == 3 {
						after = fs.Kill()
					}
					next := *m // reopen changes the model
					j, err := next.reopen(after, seed)
					if err != nil {
						t.Fatalf("%s, outcome %d: %v", what, mode, err)
					}
					mustClose(t, j)
				}
			}
		}
	}
	for _, op := range []string{
		"openread", "open", "read", "size", "close", "create", "write", "sync", "syncdir", "rename", "truncate",
	} {
		if kinds[op] == 0 {
			t.Errorf("%s never failed: %v", op, kinds)
		}
	}
}

func TestASegmentThatCannotBeRemovedIsAFailureAndIsRemovedByTheNextOpen(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 12 {
		mustAppend(t, j, strings.Repeat("x", 400))
	}
	cycleAll(t, j)
	for p := Position(2); p < 12; p++ { // several segments die at once; one is kept for reuse
		j.Release(p)
	}
	fs.Fault = func(op, _ string) error {
		if op == "remove" {
			return syscall.EIO
		}
		return nil
	}
	for more := true; more && j.Err() == nil; {
		more = j.cycle()
	}
	if err := j.Err(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "removing "+segmentName(2)) {
		t.Errorf("error %v", err)
	}
	if err := j.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v", err)
	}
	fs.Fault = nil
	j, found := manualJournal(t, fs, Config{})
	if found[12] == "" || found[13] == "" || segmentFile(fs, 2) != nil {
		t.Errorf("%d records, segment 2: %v", len(found), segmentFile(fs, 2) != nil)
	}
	mustClose(t, j)
}
