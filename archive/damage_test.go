package archive

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/payload"
)

// dataFile returns the bytes of a data segment in memory.
func dataFile(fs *memFS, number uint32) []byte {
	return fs.Names[filepath.Join("a", dataDir, segmentName(number))].Data()
}

func inMemory() (Config, *memFS) {
	fs := newMemFS()
	c := small("a")
	c.FS = fs
	return c, fs
}

func TestEveryFlippedBitOfABodyIsFoundWhenItIsRead(t *testing.T) {
	cfg, fs := inMemory()
	a := open(t, cfg)
	c := newChain()
	first, b := c.body(sequencer(0), 100), c.body(sequencer(0), 200)
	put(t, a, ForVote, first)
	put(t, a, ForVote, b)
	flush(t, a)
	e, _ := a.state.lanes[sequencer(0)].wanted.get(1)
	begin, end := e.at.byte(), e.at.byte()+bodyFrame(b.Header.Size(), b.Header.BodySize)
	for i := begin; i < end; i += 3 {
		dataFile(fs, 1)[i] ^= 0x10
		_, _, err := a.Get(sequencer(0), 1, nil)
		var damage *DamageError
		if !errors.Is(err, ErrDamaged) || !errors.As(err, &damage) || damage.File != segmentName(1) || damage.Offset != begin ||
			damage.Sequencer != sequencer(0) || damage.Height != 1 {
			t.Fatalf("byte %d: %v", i-begin, err)
		}
		if h := a.Head(sequencer(0), 1); h.State != HeaderOnly {
			t.Fatalf("byte %d: %+v", i-begin, h)
		}
		dataFile(fs, 1)[i] ^= 0x10
		mustGet(t, a, &first) // nothing else is harmed
		a = reopen(t, a)      // Open does not read the body, so it finds no damage
		mustGet(t, a, &b)
	}
}

func TestADamagedBodyIsPutAgainAndStaysSo(t *testing.T) {
	cfg, fs := inMemory()
	a := open(t, cfg)
	c := newChain()
	b := c.body(sequencer(0), 5000)
	put(t, a, ForVote, b)
	flush(t, a)
	dataFile(fs, 1)[3000] ^= 1
	if _, _, err := a.Get(sequencer(0), 0, nil); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if _, _, err := a.Get(sequencer(0), 0, nil); !errors.Is(err, ErrNotHeld) {
		t.Fatal(err)
	}
	put(t, a, ForVote, b)
	flush(t, a)
	for range 2 {
		mustGet(t, a, &b)
		a = reopen(t, a)
	}
}

func TestADamagedPieceIsNotHandedOut(t *testing.T) {
	cfg, fs := inMemory()
	cfg.MaxPayload, cfg.SegmentSize, cfg.Quota = 256<<10, 1<<20, 1<<20
	a := open(t, cfg)
	c := newChain()
	b := c.body(sequencer(0), 4*payload.PieceSize)
	put(t, a, ForVote, b)
	flush(t, a)
	data := dataFile(fs, 1)
	damage := func(at int, first uint64) {
		t.Helper()
		data[at] ^= 1
		_, pieces, err := a.Pieces(sequencer(0), 0, first, 1)
		if !errors.Is(err, ErrDamaged) || pieces != nil {
			t.Fatalf("byte %d: %d pieces, %v", at, len(pieces), err)
		}
		data[at] ^= 1
		a = reopen(t, a)
		data = dataFile(fs, 1)
	}
	body := len(data) - 4*payload.PieceSize - 8
	damage(body+2*payload.PieceSize+100, 2)
	damage(body-10, 0)  // a hash of the fourth
	damage(body-180, 0) // the header
	data[body+3*payload.PieceSize+100] ^= 1
	if _, pieces, err := a.Pieces(sequencer(0), 0, 0, 3); err != nil || len(pieces) != 3 {
		t.Fatal("damage elsewhere in the body:", err)
	}
}

func TestASegmentThatIsMissingOrCutIsCountedAtOpenAndItsBodiesCanBePutAgain(t *testing.T) {
	for name, harm := range map[string]func(fs *memFS, file string){
		"missing": func(fs *memFS, file string) { delete(fs.Names, file) },
		"cut": func(fs *memFS, file string) {
			n := fs.Names[file]
			n.Versions = [][]byte{n.Data()[:200]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, fs := inMemory()
			a := open(t, cfg)
			c := newChain()
			var b []Body
			for range 3 {
				b = append(b, c.body(sequencer(0), 1000))
				put(t, a, ForVote, b[len(b)-1])
			}
			flush(t, a)
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			harm(fs, filepath.Join("a", dataDir, segmentName(1)))
			a = open(t, cfg)
			if r := a.Recovery(); r.Lost != 3 || r.Bodies != 0 || a.Head(sequencer(0), 2).State != HeaderOnly {
				t.Fatalf("%+v", r)
			}
			for i := range b {
				put(t, a, ForVote, b[i])
			}
			flush(t, a)
			a = reopen(t, a)
			for i := range b {
				mustGet(t, a, &b[i])
			}
			if r := a.Recovery(); r.Lost != 0 {
				t.Fatalf("%+v", r)
			}
		})
	}
}

func TestDamageThatCompactionFindsIsToldAndTheSegmentGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		var told atomic.Int64
		cfg.SegmentSize, cfg.MaxPayload = 8<<10, 2<<10
		cfg.Damaged = func(e *DamageError) {
			if e.Height == 0 && e.File == segmentName(1) {
				told.Add(1)
			}
		}
		a := open(t, cfg)
		c := newChain()
		idle, sound := c.body(sequencer(1), 1000), c.body(sequencer(2), 1000)
		put(t, a, ForVote, idle)
		flush(t, a)
		dataFile(fs, 1)[500] ^= 1
		for i := range 60 {
			if i == 20 {
				put(t, a, ForVote, sound)
			}
			if i%10 == 9 {
				put(t, a, ForVote, c.body(sequencer(10+i), 1000)) // other idle lanes
			}
			put(t, a, ForVote, c.body(sequencer(0), 1000))
			flush(t, a)
			prune(t, a, 0, c.next[sequencer(0)])
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if told.Load() != 1 || a.Head(sequencer(1), 0).State != HeaderOnly || a.Usage().Damaged != 1 {
			t.Fatalf("told %d times, %+v", told.Load(), a.Head(sequencer(1), 0))
		}
		if fs.Names[filepath.Join("a", dataDir, segmentName(1))] != nil {
			t.Fatal("the segment is there still")
		}
		mustGet(t, a, &sound)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFullDiskIsTheQuotaReachedAndNoFailure(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "syncdir"} {
		t.Run(op, func(t *testing.T) {
			cfg, fs := inMemory()
			var full atomic.Bool
			fs.Fault = func(o, name string) error {
				if full.Load() && o == op && (strings.HasSuffix(name, suffix) || name == dataDir) {
					return syscall.ENOSPC
				}
				return nil
			}
			fs.ShortWrite = 7
			a := open(t, cfg)
			c := newChain()
			before := c.body(sequencer(0), 1000)
			if op != "create" && op != "syncdir" {
				put(t, a, ForVote, before)
				flush(t, a)
			}
			full.Store(true)
			b := c.body(sequencer(1), 1000)
			done := make(chan error, 1)
			if err := a.Put(ForVote, b, func(err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, ErrQuota) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			flush(t, a) // work that does not depend on the failed write continues
			full.Store(false)
			if op == "create" || op == "syncdir" {
				put(t, a, ForVote, before)
			}
			put(t, a, ForVote, b)
			flush(t, a)
			a = reopen(t, a)
			mustGet(t, a, &before)
			mustGet(t, a, &b)
			if u := a.Usage(); u.Used == 0 || u.Pending != 0 {
				t.Fatalf("%+v", u)
			}
		})
	}
}

// If any operation fails, every waiting caller gets the error, and Close returns it.
func TestAfterAFailureNothingBecomesDurableAndNothingWaits(t *testing.T) {
	broken := errors.New("broken")
	for _, op := range []string{"create", "write", "sync", "syncdir"} {
		for _, where := range []string{suffix, "next.tmp"} { // next.tmp: a segment of the index
			if where == "next.tmp" && (op == "create" || op == "syncdir") {
				continue // the index has its first segment
			}
			t.Run(op+" "+where, func(t *testing.T) {
				cfg, fs := inMemory()
				var fails atomic.Bool
				fs.Fault = func(o, name string) error {
					if fails.Load() && o == op && (strings.HasSuffix(name, where) || where == suffix && name == dataDir) {
						return broken
					}
					return nil
				}
				a := open(t, cfg)
				c := newChain()
				fails.Store(true)
				done := make(chan error, 3)
				for range 3 {
					if err := a.Put(ForVote, c.body(sequencer(0), 1000), func(err error) { done <- err }); err != nil && !errors.Is(err, broken) {
						t.Fatal(err)
					} else if err != nil {
						done <- err
					}
				}
				for range 3 {
					if err := <-done; !errors.Is(err, broken) {
						t.Fatal(err)
					}
				}
				if err := a.Flush(t.Context()); !errors.Is(err, broken) {
					t.Error(err)
				}
				if err := a.Put(ForVote, c.body(sequencer(1), 10), nil); !errors.Is(err, broken) {
					t.Error(err)
				}
				if err := a.Err(); !errors.Is(err, broken) {
					t.Error(err)
				}
				if err := a.Close(); !errors.Is(err, broken) {
					t.Error(err)
				}
				fails.Store(false)
				a = open(t, cfg)
				put(t, a, ForVote, newChain().body(sequencer(0), 1000))
				flush(t, a)
			})
		}
	}
}

func TestAFailedOpenLeavesNothingOpen(t *testing.T) {
	cfg, fs := inMemory()
	a := open(t, cfg)
	put(t, a, ForVote, newChain().body(sequencer(0), 1000))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	handles := fs.Handles
	for _, op := range []string{"readdir", "open", "openread", "size", "lock", "syncdir", "read"} {
		failed := errors.New("failed")
		fs.Fault = func(o, _ string) error {
			if o == op {
				return failed
			}
			return nil
		}
		if a, err := Open(cfg); !errors.Is(err, failed) {
			t.Errorf("%s: %v", op, err)
			if a != nil {
				_ = a.Close()
			}
		}
		if fs.Handles != handles || len(fs.Locked) != 0 {
			t.Errorf("%s: %d files are open, %v locked", op, fs.Handles-handles, fs.Locked)
		}
	}
	fs.Fault = nil
	if a, err := Open(cfg); err != nil {
		t.Error(err)
	} else if err := a.Close(); err != nil {
		t.Error(err)
	}
}
