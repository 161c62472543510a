package archive

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/payload"
)

// Pruning is lazy: entries below the watermark make room for new ones, headers too.
func TestRetainedHeadersYieldToNewOnes(t *testing.T) {
	cfg, _ := inMemory()
	cfg.MaxHeaders, cfg.Retain, cfg.Quota = 1<<10, time.Hour, 64<<20
	a := open(t, cfg)
	c := newChain()
	for range 1 << 10 {
		put(t, a, ForVote, c.body(sequencer(0), 10))
	}
	flush(t, a)
	if err := a.Put(ForVote, c.body(sequencer(0), 10), nil); !errors.Is(err, ErrQuota) {
		t.Fatal(err)
	}
	c = newChain()
	prune(t, a, 0, 1<<10)
	for range 100 {
		put(t, a, ForVote, c.body(sequencer(1), 10))
		b := c.body(sequencer(1), 10)
		if err := a.PutHeaders([]payload.Header{b.Header}, nil); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, a)
	if u := a.Usage(); u.Headers > cfg.MaxHeaders || u.Headers < cfg.MaxHeaders-1 {
		t.Fatalf("%+v", u)
	}
	if a.Head(sequencer(0), 1<<10-1).State != Held {
		t.Fatal("the top went")
	}
}

// Bodies that are next to be handed over have a lane's own room beyond MaxHeaders; with many small
// ones that room is the bound.
func TestHeadersOfBodiesForDeliveryAreBoundedToo(t *testing.T) {
	cfg, _ := inMemory()
	cfg.MaxHeaders, cfg.Quota = 1<<10, 64<<20
	a := open(t, cfg)
	c := newChain()
	var err error
	for range 1 << 11 {
		if err = a.Put(ForDelivery, c.body(sequencer(0), 0), nil); err != nil {
			break
		}
	}
	flush(t, a)
	if u := a.Usage(); !errors.Is(err, ErrQuota) || u.Headers < 1<<10 || u.Room > a.cfg.maxFrame() {
		t.Fatalf("%v, %+v", err, u)
	}
	prune(t, a, 0, 1<<11) // the host goes on
	put(t, a, ForDelivery, at(sequencer(0), 1<<12, c.last[sequencer(0)], nil))
}

// A full disk, of which most segments hold an idle lane's body, is compacted below MinFree.
func TestCompactionGivesRoomBackThoughTheDiskIsAtMinFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, fs := inMemory()
		cfg.SegmentSize, cfg.MaxPayload, cfg.Quota, cfg.MinFree = 8<<10, 2<<10, 8<<20, 1<<20
		var other atomic.Int64
		cfg.free = func(string) (int64, error) {
			fs.Mu.Lock()
			defer fs.Mu.Unlock()
			free := 1<<20 + 4<<20 - other.Load()
			for name, n := range fs.Names {
				if strings.HasSuffix(name, suffix) {
					free -= int64(len(n.Data()))
				}
			}
			return free, nil
		}
		cfg.CompactRate = 64 << 10
		a := open(t, cfg)
		c := newChain()
		write := func() error {
			for i := range 1000 {
				if i%3 == 0 { // a lane that is idle then
					if err := a.Put(ForDelivery, at(sequencer(1000+i), 0, [32]byte{}, make([]byte, 100)), nil); err != nil {
						return err
					}
				}
				if err := a.Put(ForDelivery, c.body(sequencer(0), 1500), nil); err != nil {
					return err
				}
				flush(t, a)
			}
			return nil
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
		other.Store(4<<20 - a.Usage().Disk) // others write until no more than MinFree is left
		prune(t, a, 0, c.next[sequencer(0)])
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if err := a.Put(ForDelivery, c.body(sequencer(0), 1500), nil); err != nil {
			t.Fatalf("%v: %+v", err, a.Usage())
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestThatTheFreeBytesAreNotKnownIsNoFailureOfCompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := inMemory()
		var unknown atomic.Bool
		cfg.SegmentSize, cfg.MaxPayload, cfg.MinFree = 8<<10, 2<<10, 1<<20
		cfg.free = func(string) (int64, error) {
			if unknown.Load() {
				return 0, errors.New("stale handle")
			}
			return 1 << 40, nil
		}
		a := open(t, cfg)
		c := newChain()
		for i := range 100 {
			if i%5 == 0 {
				put(t, a, ForVote, c.body(sequencer(10+i), 100))
			}
			put(t, a, ForVote, c.body(sequencer(0), 1500))
		}
		flush(t, a)
		unknown.Store(true)
		prune(t, a, 0, c.next[sequencer(0)])
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := a.Err(); err != nil {
			t.Fatal(err)
		}
		before := a.Usage().Disk
		unknown.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if u := a.Usage(); u.Disk >= before {
			t.Fatalf("compaction does not go on: %+v", u)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A place of a lane has one header: the last one put, also if a body of another one is still on its
// way to the disk.
func TestABodyUnderWayDoesNotReplaceAHeaderPutAfterIt(t *testing.T) {
	cfg, fs := inMemory()
	hold := make(chan struct{})
	fs.Hold = func(name string) {
		if strings.HasSuffix(name, segmentName(1)) {
			<-hold
		}
	}
	a := open(t, cfg)
	earlier, later := at(sequencer(0), 0, [32]byte{}, []byte("earlier")), at(sequencer(0), 0, [32]byte{}, []byte("later"))
	again := at(sequencer(1), 0, [32]byte{}, []byte("again"))
	between := at(sequencer(1), 0, [32]byte{}, []byte("between"))
	done := make(chan error, 1)
	if err := a.Put(ForVote, earlier, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	put(t, a, ForVote, again)
	if err := a.PutHeaders([]payload.Header{later.Header, between.Header}, nil); err != nil {
		t.Fatal(err)
	}
	put(t, a, ForVote, again)
	close(hold)
	if err := <-done; !errors.Is(err, ErrNotHeld) {
		t.Error(err)
	}
	flush(t, a)
	if h := a.Head(sequencer(0), 0); h.State != HeaderOnly || h.Digest != digestOf(&later) {
		t.Fatalf("%+v", h)
	}
	mustGet(t, a, &again)
	if u := a.Usage(); u.Pending != 0 {
		t.Fatalf("%+v", u)
	}
}

func TestHeadersAreRefusedWhileTooMuchOfTheIndexIsUnderWay(t *testing.T) {
	cfg, fs := inMemory()
	hold := make(chan struct{})
	var held atomic.Bool
	fs.Hold = func(string) {
		if held.Load() {
			<-hold
		}
	}
	cfg.MaxPending = 64 << 10
	a := open(t, cfg)
	held.Store(true)
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ { // for one place, so that no more headers are held
		b := at(sequencer(0), 1, [32]byte{byte(n), byte(n >> 8), 1}, nil)
		err = a.PutHeaders([]payload.Header{b.Header}, nil)
	}
	if !errors.Is(err, ErrBusy) {
		t.Error(n, err)
	}
	if err := a.PutLock(lockOf(&Body{}, 1), nil); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	close(hold)
	flush(t, a)
	if err := a.PutLock(lockOf(&Body{}, 1), nil); err != nil {
		t.Error(err)
	}
}

// An index that is lost is an error of Open: nothing of the data goes.
func TestDataIsNotRemovedWhenTheIndexIsLostOrAnotherArchives(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	b := newChain().body(sequencer(0), 1000)
	for _, d := range []string{dir, elsewhere} {
		a := open(t, small(d))
		put(t, a, ForVote, b)
		flush(t, a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, dataDir, segmentName(1))
	index := filepath.Join(dir, indexDir)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.Rename(index, kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(index, 0o750); err != nil {
		t.Fatal(err)
	}
	cfg := small(dir)
	cfg.Create = false
	if _, err := Open(cfg); err == nil { // leaves the journal's LOCK
		t.Fatal("there is no index")
	}
	cfg.Create = true
	if _, err := Open(cfg); !errors.Is(err, ErrIndexLost) {
		t.Error("an index of LOCK only:", err)
	}
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	// The index of another archive, which names other segments.
	a := open(t, small(elsewhere))
	put(t, a, ForVote, at(sequencer(0), 1, digestOf(&b), []byte("in segment 2")))
	flush(t, a)
	prune(t, a, 0, 1)
	flush(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(elsewhere, indexDir), index); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !errors.Is(err, ErrFormat) {
		t.Error("another archive's index:", err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kept, index); err != nil {
		t.Fatal(err)
	}
	a = open(t, cfg)
	mustGet(t, a, &b)
}

// Another archive that was put in the folder's place is not written to.
func TestAnArchiveWhoseFolderWasMovedLeavesTheOneInItsPlaceAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	a := open(t, small(dir))
	c := newChain()
	put(t, a, ForVote, c.body(sequencer(0), 1000))
	flush(t, a)
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	other := open(t, small(dir))
	theirs := newChain()
	var bodies []Body
	for range 40 {
		b := theirs.body(sequencer(0), 10<<10)
		if b.Header.Height < 40 {
			bodies = append(bodies, b)
		}
		put(t, other, ForVote, b)
	}
	flush(t, other)
	for range 40 {
		if err := a.Put(ForVote, c.body(sequencer(0), 10<<10), nil); err != nil {
			break
		}
		_ = a.Flush(t.Context())
	}
	if err := a.Err(); err == nil {
		t.Error("the move was not noticed")
	}
	for i := range bodies {
		mustGet(t, other, &bodies[i])
	}
}

func TestTheNameOfTheDataFolderIsSyncedByEveryOpen(t *testing.T) {
	cfg, fs := inMemory()
	synced := false
	fs.Fault = func(op, name string) error {
		synced = synced || op == "syncdir" && name == "a"
		return nil
	}
	a := open(t, cfg)
	if !synced {
		t.Error("a new one")
	}
	synced = false
	reopen(t, a)
	if !synced {
		t.Error("one that was there")
	}
}
