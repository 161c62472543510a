package archive

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// withSpares fills three segments and more, prunes all but the first, and returns when the files of
// the other two are spares.
func withSpares(t *testing.T, a *Archive, c *chain) {
	t.Helper()
	for range 4 {
		put(t, a, ForVote, c.body(sequencer(7), 15<<10))
	}
	for range 10 {
		put(t, a, ForVote, c.body(sequencer(0), 15<<10))
	}
	flush(t, a)
	prune(t, a, 0, 10)
	time.Sleep(time.Second)
	synctest.Wait()
	if len(a.spares) != 2 || a.spares[1].number != 3 {
		t.Fatalf("the spares are %+v", a.spares)
	}
}

func namesOf(fs *memFS) (names []string) {
	fs.Mu.Lock()
	defer fs.Mu.Unlock()
	for name := range fs.Names {
		if filepath.Base(filepath.Dir(name)) == dataDir {
			names = append(names, filepath.Base(name))
		}
	}
	return names
}

func TestASegmentIsMadeFromTheFileOfADeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		a := open(t, cfg)
		c := newChain()
		withSpares(t, a, c)
		fs.Mu.Lock()
		old := fs.Names[filepath.Join("a", dataDir, segmentName(3))]
		fs.Mu.Unlock()
		length := len(old.Data())
		var all []Body
		for len(a.spares) > 1 {
			b := c.body(sequencer(0), 15<<10)
			all = append(all, b)
			put(t, a, ForVote, b)
			flush(t, a)
			synctest.Wait()
		}
		number := a.writer.tail.number
		if fs.Names[filepath.Join("a", dataDir, segmentName(number))] != old || fs.Names[filepath.Join("a", dataDir, segmentName(3))] != nil {
			t.Fatalf("another file: %v", namesOf(fs))
		}
		if n := len(old.Data()); n != length {
			t.Errorf("%d bytes, want those of before, %d", n, length)
		}
		if u := a.Usage(); u.Disk < int64(length) {
			t.Errorf("%d bytes are not counted: %+v", length, u)
		}
		for range 2 {
			for i := range all {
				mustGet(t, a, &all[i])
			}
			a = reopen(t, a)
			if r := a.Recovery(); r.Bodies != 4+len(all) || r.Lost != 0 || r.Cut != 0 {
				t.Fatalf("%+v", r) // Close cut off what was left of the old segment
			}
		}
	})
}

// A crash leaves the rest of the old segment behind what was written.
func TestTheRestOfADeadSegmentIsCutOffAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		a := open(t, cfg)
		c := newChain()
		withSpares(t, a, c)
		var b Body
		for len(a.spares) > 1 {
			b = c.body(sequencer(0), 14<<10)
			put(t, a, ForVote, b)
			flush(t, a)
			synctest.Wait()
		}
		after := a.cfg
		after.FS = fs.Crash(nil, 1)
		_ = a.Close()
		a = open(t, after)
		if r := a.Recovery(); r.Cut == 0 || r.Lost != 0 {
			t.Fatalf("%+v", r)
		}
		mustGet(t, a, &b)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSpareFilesGoWhenTheDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		cfg.MinFree = 1 << 20
		free := int64(16 << 20)
		cfg.free = func(string) (int64, error) { return free, nil }
		a := open(t, cfg)
		c := newChain()
		withSpares(t, a, c)
		free = 1 << 20
		if err := a.Put(ForVote, c.body(sequencer(1), 100), nil); err == nil {
			t.Fatal("the disk has MinFree left, and is written to")
		}
		synctest.Wait()
		if u := a.Usage(); len(a.spares) > 0 || len(namesOf(fs)) != u.Segments || u.Segments != 2 {
			t.Errorf("%+v, files %v", u, namesOf(fs))
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASegmentThatCannotBeMadeFromTheSpareFileLeavesNoFile(t *testing.T) {
	for op, want := range map[string]func(name string) bool{
		"rename":  func(name string) bool { return strings.HasSuffix(name, suffix) },
		"open":    func(name string) bool { return strings.HasSuffix(name, suffix) },
		"syncdir": func(name string) bool { return name == dataDir },
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, fs := inMemory()
				a := open(t, cfg)
				c := newChain()
				withSpares(t, a, c)
				fs.Mu.Lock()
				fs.Fault = func(o, name string) error {
					if o == op && want(name) {
						return syscall.ENOSPC
					}
					return nil
				}
				fs.Mu.Unlock()
				refused := 0
				for range 10 {
					if err := a.Put(ForVote, c.body(sequencer(1), 15<<10), func(err error) {
						if err != nil {
							refused++
						}
					}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if refused == 0 || a.Err() != nil || len(a.spares) > 1 {
					t.Fatalf("%d refused, %v, spares %v", refused, a.Err(), a.spares)
				}
				fs.Mu.Lock()
				fs.Fault = nil
				fs.Mu.Unlock()
				b := c.body(sequencer(2), 15<<10)
				put(t, a, ForVote, b)
				flush(t, a)
				mustGet(t, a, &b)
				if u := a.Usage(); len(namesOf(fs)) != u.Segments {
					t.Errorf("files %v, %+v", namesOf(fs), u)
				}
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// There are only so many spare files that the archive takes no more room than compaction allows.
func TestSpareFilesGoWhenLittleLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		a := open(t, cfg)
		c := newChain()
		for range 60 { // 15 segments
			put(t, a, ForVote, c.body(sequencer(0), 15<<10))
		}
		settle := func(least, most int) {
			t.Helper()
			flush(t, a)
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := len(a.spares); n < least || n > most {
				t.Errorf("%d spares, want %d to %d", n, least, most)
			}
			u := a.Usage()
			if bound := 2*(u.Used+u.Room) + 4*cfg.SegmentSize; u.Disk > bound || u.Segments != len(namesOf(fs)) {
				t.Errorf("%d bytes, want at most %d: %+v, %v", u.Disk, bound, u, namesOf(fs))
			}
		}
		flush(t, a)
		prune(t, a, 0, 35) // at once, or compaction may come between
		settle(4, maxSpares)
		prune(t, a, 0, 59)
		settle(1, 2)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCompactionMovesLongBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := inMemory()
		cfg.MaxPayload, cfg.SegmentSize, cfg.Quota = 64<<10, 1<<20, 32<<20
		a := open(t, cfg)
		c := newChain()
		var idle []Body
		for i := range 320 {
			b := c.body(sequencer(i%20), 3*copyBelow-i)
			if i%20 < 3 { // three in each segment
				idle = append(idle, b)
			}
			put(t, a, ForVote, b)
		}
		flush(t, a)
		synctest.Wait()
		was := maps.Collect(a.state.lanes[sequencer(0)].wanted.all())
		for lane := 3; lane < 20; lane++ {
			prune(t, a, lane, 16)
		}
		for range 40 { // what is written lets as much be moved, at once
			put(t, a, ForVote, c.body(sequencer(3), copyBelow))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		moved := 0
		for height, e := range a.state.lanes[sequencer(0)].wanted.all() {
			if e.at != was[height].at {
				moved++
			}
		}
		if moved < 4 {
			t.Errorf("%d bodies were moved", moved)
		}
		for i := range idle {
			mustGet(t, a, &idle[i])
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// The index is synced once for a group, the watermarks that were moved meanwhile included.
func TestTheIndexIsSyncedOnceForAGroupAndForTheWatermarksBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		syncs := 0
		fs.Hold = func(name string) {
			if filepath.Base(filepath.Dir(name)) == indexDir && filepath.Base(name) != "WATERMARK" {
				syncs++
			}
		}
		a := open(t, cfg)
		c := newChain()
		for lane := range 3 {
			for range 2 {
				put(t, a, ForVote, c.body(sequencer(lane), 100))
			}
		}
		flush(t, a)
		synctest.Wait()
		syncs = 0
		for lane := range 3 {
			prune(t, a, lane, 1)
		}
		synctest.Wait()
		put(t, a, ForVote, c.body(sequencer(0), 100))
		flush(t, a)
		synctest.Wait()
		if syncs != 1 {
			t.Errorf("the index was synced %d times, want once", syncs)
		}
		// A put waits for nothing, and a watermark that nothing follows is durable soon too.
		began := time.Now()
		done := make(chan error, 1)
		if err := a.Put(ForVote, c.body(sequencer(0), 100), func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := a.Prune(sequencer(0), 2, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || time.Since(began) > 2*indexDelay {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// The slow twin writes the parts one by one.
func TestAVectorIsWrittenAsItsPartsAre(t *testing.T) {
	for _, sizes := range [][]int{{}, {0}, {1, 2, 3}, {copyBelow, 5, copyBelow + 1, 0, 7}, manySizes(3000)} {
		fs := newMemFS()
		f, err := fs.Create("f")
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		v.reset(5)
		want := make([]byte, 5)
		for i, n := range sizes {
			b := bytes.Repeat([]byte{byte(i + 1)}, n)
			want = append(want, b...)
			if i%2 == 0 {
				v.copy(b)
				clear(b) // it was copied
			} else {
				v.add(b)
			}
			if v.full() {
				if err := v.write(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := v.write(f); err != nil {
			t.Fatal(err)
		}
		if v.at != int64(len(want)) || v.size != 0 {
			t.Errorf("the next bytes go to %d, want %d", v.at, len(want))
		}
		if len(want) > 5 && !bytes.Equal(fs.Names["f"].Data(), want) {
			t.Errorf("parts of %v bytes: other content", fmt.Sprint(sizes)[:20])
		}
	}
}

func manySizes(n int) (sizes []int) {
	for i := range n {
		sizes = append(sizes, i%50)
	}
	return sizes
}
