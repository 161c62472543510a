package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/internal/crashfs"
	"github.com/lanecast/lanecast/internal/segment"
)

// closedAndCrashed makes logs of all shapes, with small segments. It returns their file systems
// after a clean Close and after a crash that lost nothing.
func closedAndCrashed(t *testing.T) (closed, crashed map[string]*memFS) {
	closed, crashed = map[string]*memFS{}, map[string]*memFS{}
	for name, work := range map[string]func(j *Journal){
		"only the first record": func(*Journal) {},
		"one segment": func(j *Journal) {
			for i := range 6 {
				mustAppend(t, j, strings.Repeat("x", 30+i))
				cycleAll(t, j)
			}
		},
		"several segments": func(j *Journal) {
			for i := range 30 {
				mustAppend(t, j, strings.Repeat("x", 50+i))
				mustAppend(t, j, "and a second one in the group")
				cycleAll(t, j)
			}
		},
		"a tail in a file used before": func(j *Journal) {
			for j.Next() < 12 || !j.writer.ledger.tail().used || j.writer.ledger.tail().size < 600 {
				j.Release(mustAppend(t, j, strings.Repeat("x", 150)))
				cycleAll(t, j)
			}
		},
		"a tail without frames": func(j *Journal) {
			for range 20 {
				j.Release(mustAppend(t, j, strings.Repeat("x", 400)))
			}
			cycleAll(t, j)
			if tail := j.writer.ledger.tail(); tail.size != segment.HeadSize {
				t.Fatalf("the tail has %d bytes", tail.size)
			}
		},
	} {
		fs := newMemFS()
		j, _ := manualJournal(t, fs, Config{markBytes: 400})
		work(j)
		crashed[name] = fs.Crash(nil, 1)
		mustClose(t, j)
		closed[name] = fs.Crash(nil, 1)
	}
	return closed, crashed
}

func mustReadMark(t *testing.T, fs *memFS) foundMark {
	t.Helper()
	m, err := readMark(fs, "j")
	if err != nil || !m.sound {
		t.Fatalf("watermark %+v, error %v", m, err)
	}
	return m
}

// cut returns the file system with a segment cut to size bytes, or zeroed from there on.
func cut(fs *memFS, segment uint64, size int, zeroed bool) *memFS {
	bad := fs.Crash(nil, 1)
	n := segmentFile(bad, segment)
	if zeroed {
		clear(n.Data()[size:])
	} else {
		n.Versions = [][]byte{n.Data()[:size]}
	}
	return bad
}

// demandRefused fails the test unless the error contains the watermark's content and advice, and
// the folder is unchanged.
func demandRefused(t *testing.T, what string, bad *memFS, sentinel error, file string) {
	t.Helper()
	before := map[string]string{}
	for name, n := range bad.Names {
		before[name] = string(n.Data())
	}
	j, _, err := tryOpen(bad)
	var c *CorruptError
	if err == nil {
		_ = j.Close()
		t.Fatalf("%s: no error", what)
	}
	if !errors.Is(err, sentinel) || !errors.As(err, &c) || c.File != file || !strings.Contains(err.Error(), "restore all of them") {
		t.Fatalf("%s: error %v", what, err)
	}
	if errors.Is(err, ErrTruncated) && !strings.Contains(err.Error(), markName+" shows that it was durable up to byte") {
		t.Fatalf("%s: error %v", what, err)
	}
	after := map[string]string{}
	for name, n := range bad.Names {
		after[name] = string(n.Data())
	}
	if !maps.Equal(before, after) || len(bad.Locked) != 0 {
		t.Fatalf("%s: the folder was changed, or is locked", what)
	}
	if _, inspected := Inspect("j", bad, func(RecordInfo) error { return nil }); inspected == nil || inspected.Error() != err.Error() {
		t.Fatalf("%s: Inspect says %v", what, inspected)
	}
}

func TestAfterACleanCloseEveryCutOfTheNewestSegmentIsRefused(t *testing.T) {
	closed, _ := closedAndCrashed(t)
	for name, fs := range closed {
		n := tailNumber(fs)
		whole := segmentFile(fs, n).Data()
		if m := mustReadMark(t, fs); m.segment != n || m.offset != int64(len(whole)) {
			t.Fatalf("%s: watermark %+v, segment %d of %d bytes", name, m.watermark, n, len(whole))
		}
		for size := range len(whole) {
			for _, zeroed := range []bool{false, true} {
				if zeroed && !anySet(whole[size:]) {
					continue
				}
				sentinel := ErrTruncated
				if zeroed && size < segment.HeadSize {
					sentinel = ErrCorrupt // the file is as long, but no segment
				}
				demandRefused(t, fmt.Sprintf("%s, %d of %d bytes", name, size, len(whole)), cut(fs, n, size, zeroed), sentinel, segmentName(n))
			}
		}
	}
}

func TestAfterACrashACutIsRefusedBelowTheWatermarkAndATornTailAboveIt(t *testing.T) {
	_, crashed := closedAndCrashed(t)
	below, above := 0, 0
	for name, fs := range crashed {
		n, m := tailNumber(fs), mustReadMark(t, fs)
		whole := segmentFile(fs, n).Data()
		_, all, err := tryOpen(fs.Crash(nil, 1))
		if err != nil {
			t.Fatal(err)
		}
		for size := range len(whole) {
			what := fmt.Sprintf("%s, %d of %d bytes", name, size, len(whole))
			if size < segment.HeadSize {
				demandRefused(t, what, cut(fs, n, size, false), ErrCorrupt, segmentName(n))
				continue
			}
			if m.segment == n && int64(size) < m.offset {
				below++
				demandRefused(t, what, cut(fs, n, size, false), ErrTruncated, segmentName(n))
				continue
			}
			above++
			short := cut(fs, n, size, false)
			j, found, err := tryOpen(short)
			if err != nil {
				t.Fatalf("%s, watermark at %d: %v", what, m.offset, err)
			}
			for p, record := range all {
				if p < m.next && found[p] != record {
					t.Fatalf("%s: record %d is lost", what, p)
				}
			}
			if r := j.Recovery(); r.Mark != m.public() {
				t.Fatalf("%s: recovery %+v", what, r)
			}
			mustClose(t, j)
		}
	}
	if below < 300 || above < 300 {
		t.Errorf("%d cuts below a watermark, %d above", below, above)
	}
}

func TestAZeroedSectorBelowTheWatermarkIsRefused(t *testing.T) {
	_, crashed := closedAndCrashed(t)
	for name, fs := range crashed {
		n, m := tailNumber(fs), mustReadMark(t, fs)
		if m.segment != n {
			continue
		}
		whole := segmentFile(fs, n).Data()
		for at := segment.HeadSize; int64(at) < m.offset; at += 8 {
			end := min(at+512, len(whole))
			if !anySet(whole[at:min(end, int(m.offset))]) {
				continue
			}
			bad := fs.Crash(nil, 1)
			clear(segmentFile(bad, n).Data()[at:end])
			demandRefused(t, fmt.Sprintf("%s, sector at %d", name, at), bad, ErrCorrupt, segmentName(n))
		}
	}
}

func TestALostOrForeignWatermarkOrSegmentIsRefused(t *testing.T) {
	closed, crashed := closedAndCrashed(t)
	foreign, _ := history(t, 20)
	mark := filepath.Join("j", markName)
	for name, fs := range crashed {
		for _, fs := range []*memFS{fs, closed[name]} {
			n, m := tailNumber(fs), mustReadMark(t, fs)
			check := func(what string, change func(bad *memFS), sentinel error, file string) {
				t.Helper()
				bad := fs.Crash(nil, 1)
				change(bad)
				demandRefused(t, name+": "+what, bad, sentinel, file)
			}
			check("the watermark file is missing", func(bad *memFS) { delete(bad.Names, mark) }, ErrCorrupt, markName)
			check("it is empty", func(bad *memFS) { bad.Names[mark] = &inode{Versions: [][]byte{nil}} }, ErrCorrupt, markName)
			check("both slots are damaged", func(bad *memFS) {
				data := bad.Names[mark].Data()
				data[40] ^= 1
				data[slotSize+70] ^= 1
			}, ErrCorrupt, markName)
			check("it is of another journal", func(bad *memFS) { bad.Names[mark] = foreign.Names[mark] }, ErrCorrupt, markName)
			check("all segments are gone", func(bad *memFS) {
				for file := range bad.Names {
					if segmentNumber(filepath.Base(file)) != 0 {
						delete(bad.Names, file)
					}
				}
			}, ErrTruncated, segmentName(m.segment))
			if m.segment == n {
				check("the newest segment is gone", func(bad *memFS) {
					delete(bad.Names, filepath.Join("j", segmentName(n)))
				}, ErrTruncated, segmentName(n))
			}
			if m.next > 2 {
				check("the watermark is that of the creation", func(bad *memFS) {
					first := watermark{
						identity: m.identity, generation: 1, creating: true,
						segment: 1, offset: int64(segment.HeadSize + segment.FrameSize(len(firstRecord))), next: 2,
					}
					bad.Names[mark] = &inode{Versions: [][]byte{append(first.encode(), make([]byte, slotSize)...)}}
				}, ErrCorrupt, markName)
			}
		}
	}
}

func TestOneDamagedSlotOfTheWatermarkIsHarmless(t *testing.T) {
	closed, crashed := closedAndCrashed(t)
	for _, all := range []map[string]*memFS{closed, crashed} {
		for name, fs := range all {
			for slot := range 2 {
				for at := range markSize {
					bad := fs.Crash(nil, 1)
					bad.Names[filepath.Join("j", markName)].Data()[slot*slotSize+at] ^= 0x10
					for range 2 { // writes the slot again
						j, _, err := tryOpen(bad)
						if err != nil {
							t.Fatalf("%s, slot %d, byte %d: %v", name, slot, at, err)
						}
						if n := soundSlots(t, bad); n != 2 {
							t.Fatalf("%s, slot %d, byte %d: %d sound slots", name, slot, at, n)
						}
						mustClose(t, j)
					}
				}
			}
		}
	}
	// After a clean Close one slot suffices to detect a cut.
	fs := closed["one segment"]
	size := len(segmentFile(fs, 1).Data()) - 1
	for slot := range 2 {
		bad := cut(fs, 1, size, false)
		clear(bad.Names[filepath.Join("j", markName)].Data()[slot*slotSize:][:markSize])
		demandRefused(t, fmt.Sprintf("slot %d lost", slot), bad, ErrTruncated, segmentName(1))
	}
}

// A process is killed at any point, so that its last writes are only in the system's cache, and the
// power fails at any point of the next Open.
func TestNoSequenceOfKillsAndPowerFailuresCostsBothSlots(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{markBytes: 100})
	begun := fs.Ops
	mustClose(t, j)
	open := func(fs *memFS) (*Journal, error) {
		return Open(creating(Config{Dir: "j", FS: fs, markBytes: 100, page: 64, manual: true}), nil)
	}
	for killAt, over := begun+1, false; !over; killAt++ {
		for failAt, opened := 1, false; !opened; failAt++ {
			for mode := range 16 {
				fs := newMemFS()
				j, err := open(fs)
				if err != nil {
					t.Fatal(err)
				}
				fs.CrashAt = killAt
				for range 4 {
					if _, err := j.Append(make([]byte, 80)); err != nil {
						break
					}
					j.cycle()
				}
				over = j.Close() == nil
				fs = fs.Kill()
				fs.CrashAt = failAt
				rng := rand.New(rand.NewPCG(uint64(killAt*1000+failAt), uint64(mode)))
				j, err = open(fs)
				opened = err == nil
				if err == nil {
					_ = j.Close()
				} else if !errors.Is(err, crashfs.ErrCrashed) {
					t.Fatalf("killed at %d: %v", killAt, err)
				}
				fs = fs.Crash(rng, 2+mode)
				j, err = open(fs)
				if err != nil {
					t.Fatalf("killed at %d, power failure at %d, outcome %d: %v", killAt, failAt, mode, err)
				}
				mustClose(t, j)
			}
		}
	}
}

func TestAWatermarkFollowsWithin100msAndIsWrittenOnlyAfterRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j, _ := mustOpen(t, Config{Dir: "j", FS: fs})
		marked := func() Position {
			synctest.Wait()
			return mustReadMark(t, fs).next
		}
		mustAppend(t, j, "a")
		if p := marked(); p != 2 || j.Durable() != 2 {
			t.Errorf("at once: watermark before %d, durable %d", p, j.Durable())
		}
		time.Sleep(markInterval - time.Millisecond)
		if p := marked(); p != 2 {
			t.Errorf("too early: watermark before %d", p)
		}
		time.Sleep(time.Millisecond)
		if p := marked(); p != 3 {
			t.Errorf("after 100 ms: watermark before %d", p)
		}
		writes := fs.Calls["write"]
		time.Sleep(time.Hour)
		if p := marked(); p != 3 || fs.Calls["write"] != writes {
			t.Errorf("while nothing was written: watermark before %d, %d writes", p, fs.Calls["write"]-writes)
		}
		// While records are appended without a pause, the watermark is never further behind.
		var durable []Position // one entry per ms
		for range 1000 {
			mustAppend(t, j, "b")
			p := marked()
			if n := len(durable); n > 100 && p <= durable[n-101] {
				t.Fatalf("after %d ms: watermark before %d, and %d was durable 100 ms ago", n, p, durable[n-101])
			}
			durable = append(durable, j.Durable())
			time.Sleep(time.Millisecond)
		}
		mustClose(t, j)

		// Nor after Close and Open, which write no records.
		for range 3 {
			j, _ = mustOpen(t, Config{Dir: "j", FS: fs})
			p := mustAppend(t, j, "c")
			time.Sleep(markInterval)
			synctest.Wait()
			if m := mustReadMark(t, fs); m.next != p+1 {
				t.Errorf("opened again: watermark before %d, want %d", m.next, p+1)
			}
			mustClose(t, j)
		}
	})
}

func TestAWatermarkFollowsAfterAMiBAtTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j, _ := mustOpen(t, Config{Dir: "j", FS: fs})
		record := strings.Repeat("x", 64<<10)
		for range 100 { // without time passing
			before := mustReadMark(t, fs)
			mustAppend(t, j, record)
			synctest.Wait()
			tail := j.writer.ledger.tail()
			if m := mustReadMark(t, fs); tail.number == m.segment && tail.size-m.offset >= markBytes {
				t.Fatalf("the log ends at %d, watermark at %d", tail.size, m.offset)
			} else if m.offset > before.offset && tail.size-before.offset < markBytes {
				t.Fatalf("the log ends at %d, watermark went from %d to %d", tail.size, before.offset, m.offset)
			}
		}
		mustClose(t, j)
	})
}

func TestATimerWithNothingToMarkWritesNothingAndTheNextOneWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j, _ := mustOpen(t, Config{Dir: "j", FS: fs})
		mustAppend(t, j, "starts the timer")
		time.Sleep(markInterval / 2)
		for range 2 {
			mustAppend(t, j, strings.Repeat("x", markBytes/2)) // makes a watermark due
		}
		synctest.Wait()
		if m := mustReadMark(t, fs); m.next != 5 {
			t.Errorf("after a MiB: watermark before %d", m.next)
		}
		writes := fs.Calls["write"]
		time.Sleep(markInterval)
		synctest.Wait()
		if n := fs.Calls["write"] - writes; n != 0 {
			t.Errorf("%d writes for nothing", n)
		}
		mustAppend(t, j, "a")
		time.Sleep(markInterval)
		synctest.Wait()
		if m := mustReadMark(t, fs); m.next != 6 {
			t.Errorf("later on: watermark before %d", m.next)
		}
		mustClose(t, j)
	})
}

func TestNoGroupWaitsForAWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		j, _ := mustOpen(t, Config{Dir: "j", FS: fs, SegmentSize: 4 << 10})
		release := make(chan struct{})
		fs.Mu.Lock()
		fs.Hold = func(name string) {
			if filepath.Base(name) == markName {
				<-release
			}
		}
		fs.Mu.Unlock()
		for range 50 { // in several segments
			p := mustAppend(t, j, strings.Repeat("x", 1000))
			time.Sleep(markInterval) // the sync of the watermark begins and does not end
			synctest.Wait()
			if j.Durable() != p {
				t.Fatalf("durable %d, want %d", j.Durable(), p)
			}
			j.Release(p)
		}
		closed := make(chan error)
		go func() { closed <- j.Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for the watermark")
		default:
		}
		close(release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if m, tail := mustReadMark(t, fs), j.writer.ledger.tail(); m.segment != tail.number || m.next != j.Next() {
			t.Errorf("watermark %+v, tail %+v", m.watermark, tail.head)
		}
	})
}

func TestAWatermarkThatFailsEndsTheJournalLikeAnyOtherFailure(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		for _, delay := range []time.Duration{0, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				fs := newMemFS()
				var notices atomic.Int64
				j, _ := mustOpen(t, Config{
					Dir: "j", FS: fs, SyncDelay: delay, WriteBuffer: 4 << 10, Notify: func() { notices.Add(1) },
				})
				fs.Mu.Lock()
				fs.Fault = func(o, name string) error {
					if o == op && name == markName {
						return syscall.EIO
					}
					return nil
				}
				fs.Mu.Unlock()
				mustAppend(t, j, strings.Repeat("x", 5000))
				synctest.Wait()
				if j.Err() != nil || j.Durable() != 2 || notices.Load() != 1 {
					t.Fatalf("Err %v, durable %d, %d notices", j.Err(), j.Durable(), notices.Load())
				}
				if delay > 0 {
					mustAppend(t, j, "waits for others")
				}
				time.Sleep(markInterval)
				synctest.Wait()
				if !errors.Is(j.Err(), syscall.EIO) || !strings.Contains(j.Err().Error(), markName) || notices.Load() != 2 {
					t.Fatalf("Err %v, %d notices", j.Err(), notices.Load())
				}
				if _, err := j.Append(nil); !errors.Is(err, syscall.EIO) {
					t.Errorf("Append: %v", err)
				}
				synctest.Wait()
				if err := j.Close(); !errors.Is(err, syscall.EIO) || j.Durable() != 2 || len(fs.Locked) != 0 {
					t.Errorf("Close: %v, durable %d", err, j.Durable())
				}
				for mode := range 2 {
					next, found, err := tryOpen(fs.Crash(nil, mode))
					if err != nil || len(found) != 1 {
						t.Fatalf("opening after the failure: %d records, %v", len(found), err)
					}
					mustClose(t, next)
				}
			})
		}
	}
}

func TestAWatermarkThatFailsInCloseIsReturnedByIt(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		fs := newMemFS()
		j, _ := manualJournal(t, fs, Config{})
		mustAppend(t, j, "a")
		fs.Fault = func(o, name string) error {
			if o == op && name == markName {
				return syscall.EIO
			}
			return nil
		}
		if err := j.Close(); !errors.Is(err, syscall.EIO) || j.Durable() != 2 || len(fs.Locked) != 0 {
			t.Errorf("Close: %v, durable %d", err, j.Durable())
		}
		next, found, err := tryOpen(fs.Crash(nil, 0))
		if err != nil || len(found) != 1 {
			t.Fatalf("%d records, error %v", len(found), err)
		}
		mustClose(t, next)
	}
}

// FuzzWatermark makes a watermark file of arbitrary bytes for a sound log. With fix, its slots get
// good checksums and the log's identity.
func FuzzWatermark(f *testing.F) {
	good := newMemFS()
	j, err := Open(creating(Config{Dir: "j", FS: good, manual: true}), nil)
	if err != nil {
		f.Fatal(err)
	}
	id := j.writer.identity
	if _, err := j.Append([]byte("a")); err != nil {
		f.Fatal(err)
	}
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	end := len(segmentFile(good, 1).Data())
	mark := good.Names[filepath.Join("j", markName)].Data()
	f.Add(mark, false)
	f.Add(mark[:slotSize], true)
	f.Add(mark[:markSize-1], true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		b = slices.Clone(b)
		for slot := 0; fix && slot < 2 && slot*slotSize+markSize <= len(b); slot++ {
			s := b[slot*slotSize:][:markSize]
			copy(s, (&watermark{identity: id}).encode()[:32])
			fixHead(s)
		}
		fs := good.Crash(nil, 1)
		fs.Names[filepath.Join("j", markName)] = &inode{Versions: [][]byte{b}}
		m, err := readMark(fs, "j")
		if err != nil {
			if !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		j, found, err := tryOpen(fs)
		reached := m.sound && m.identity == id && !m.creating && m.segment == 1 && m.offset <= int64(end) && m.next <= 3
		if reached != (err == nil) {
			t.Fatalf("watermark %+v: error %v", m, err)
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if len(found) != 1 || found[2] != "a" {
			t.Fatalf("records %v", found)
		}
		mustClose(t, j)
		if m, err := readMark(fs, "j"); err != nil || m.offset != int64(end) || m.next != 3 {
			t.Fatalf("after Close: watermark %+v, error %v", m, err)
		}
	})
}
