package archive

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/payload"
)

// fill puts bodies of a lane ForVote until there is no room, and returns them.
func fill(t *testing.T, a *Archive, c *chain, lane, size int) (all []Body) {
	t.Helper()
	for {
		b := c.body(sequencer(lane), size)
		err := a.Put(ForVote, b, nil)
		if errors.Is(err, ErrQuota) {
			c.next[sequencer(lane)]--
			c.last[sequencer(lane)] = b.Header.Parent
			flush(t, a)
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
}

func prune(t *testing.T, a *Archive, lane int, below uint64) {
	t.Helper()
	if err := a.Prune(sequencer(lane), below, nil); err != nil {
		t.Fatal(err)
	}
}

// Its quota stops acks, proposals and unasked pushes only: what is certified and next to be handed
// over has room of its own (docs/protocol.md 7.3).
func TestAFullArchiveStillTakesTheNextBodyToBeHandedOverOnEveryLane(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.Quota = 100 << 10
	a := open(t, cfg)
	c := newChain()
	const lanes, size = 3, 16 << 10
	for lane := range lanes {
		put(t, a, ForVote, c.body(sequencer(lane), size))
	}
	fill(t, a, c, 0, size)
	if err := a.Put(Pushed, at(sequencer(1), 1, c.last[sequencer(1)], make([]byte, size)), nil); !errors.Is(err, ErrQuota) {
		t.Fatal("a push:", err)
	}
	// Each host applies the bodies that it is handed and moves its watermark behind them, over and
	// over. Lane 0 keeps the bodies that fill the archive.
	more := 0
	for round := range 30 {
		for lane := 1; lane < lanes; lane++ {
			id := sequencer(lane)
			b := c.body(id, size)
			if err := a.Put(ForDelivery, b, nil); err != nil {
				t.Fatalf("round %d, lane %d: %v", round, lane, err)
			}
			flush(t, a)
			next := at(id, c.next[id], c.last[id], make([]byte, size))
			if a.Usage().Used+a.cfg.maxFrame() > cfg.Quota {
				more++
				if err := a.Put(ForDelivery, next, nil); !errors.Is(err, ErrQuota) {
					t.Fatal("one body more than the lane's own room:", err)
				}
			}
			prune(t, a, lane, b.Header.Height+1)
		}
		if round%10 == 9 {
			a = reopen(t, a)
		}
	}
	if more == 0 {
		t.Fatal("the archive was never full")
	}
	if u := a.Usage(); u.Used+u.Room > cfg.Quota+lanes*2*a.cfg.maxFrame() {
		t.Fatalf("%+v", u)
	}
}

func TestPushedBodiesTakeNoRoomFromWantedOnes(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.Quota, cfg.MaxPushed = 100<<10, 64<<10
	a := open(t, cfg)
	c := newChain()
	const size = 15 << 10
	pushed := 0
	for lane := range 8 {
		err := a.Put(Pushed, at(sequencer(lane), 0, [32]byte{}, make([]byte, size)), nil)
		if err == nil {
			pushed++
		} else if !errors.Is(err, ErrQuota) {
			t.Fatal(err)
		}
	}
	if pushed != 4 {
		t.Fatalf("%d bodies pushed, want as many as MaxPushed allows", pushed)
	}
	flush(t, a)
	if all := fill(t, a, c, 9, size); len(all) != 6 {
		t.Fatalf("%d bodies wanted, want as many as Quota allows", len(all))
	}
	if u := a.Usage(); u.Pushed > cfg.MaxPushed || u.Used > cfg.Quota {
		t.Fatalf("%+v", u)
	}
}

func TestAnArchiveWithoutPushedBodiesTakesNone(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.MaxPushed = -1
	a := open(t, cfg)
	if err := a.Put(Pushed, at(sequencer(0), 0, [32]byte{}, nil), nil); !errors.Is(err, ErrQuota) {
		t.Fatal(err)
	}
}

func TestRetainedBodiesGoWhenTheirTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small("a")
		cfg.FS, cfg.Retain = newMemFS(), 16*time.Minute
		a := open(t, cfg)
		c := newChain()
		for range 6 {
			put(t, a, ForVote, c.body(sequencer(0), 1000))
		}
		flush(t, a)
		states := func(want string) {
			t.Helper()
			synctest.Wait()
			got := ""
			for h := range uint64(6) {
				got += map[State]string{Held: "h", Gone: "-"}[a.Head(sequencer(0), h).State]
			}
			if got != want {
				t.Fatalf("%s, want %s", got, want)
			}
		}
		prune(t, a, 0, 2)
		time.Sleep(5 * time.Minute)
		prune(t, a, 0, 4)
		time.Sleep(10 * time.Minute)
		states("hhhhhh")
		time.Sleep(2*time.Minute + time.Second)
		states("--hhhh")
		// A restart does not know when the rest was passed: its time begins again.
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a = open(t, cfg)
		states("--hhhh")
		time.Sleep(17*time.Minute + time.Second)
		states("----hh")
		prune(t, a, 0, 100)
		time.Sleep(18 * time.Minute)
		states("-----h") // the top stays
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRetainedBodiesTakeAQuarterOfTheQuotaAndYield(t *testing.T) {
	cfg := small(t.TempDir())
	cfg.Quota, cfg.Retain = 160<<10, time.Hour
	a := open(t, cfg)
	c := newChain()
	for i := range uint64(9) {
		put(t, a, ForVote, c.body(sequencer(int(i%2)), 15<<10))
	}
	flush(t, a)
	for h := range uint64(4) {
		for lane := range 2 {
			prune(t, a, lane, h+1)
			if u := a.Usage(); u.Retained > cfg.Quota/4 {
				t.Fatalf("%+v", u)
			}
		}
	}
	if u := a.Usage(); u.Retained == 0 {
		t.Fatalf("nothing is retained: %+v", u)
	}
	all := fill(t, a, c, 2, 15<<10)
	if u := a.Usage(); u.Retained != 0 || len(all) != 8 {
		t.Fatalf("%d bodies more, %+v", len(all), u)
	}
}

func TestTheDiskKeepsMinFree(t *testing.T) {
	cfg := small(t.TempDir())
	free := int64(3 << 20)
	cfg.MinFree, cfg.room = 1<<20, 1<<20
	cfg.free = func(string) (int64, error) { return free, nil }
	a := open(t, cfg)
	c := newChain()
	put(t, a, ForVote, c.body(sequencer(0), 100))
	free = 2<<20 - 1 // less than MinFree and the lanes' own room
	b := c.body(sequencer(0), 100)
	if err := a.Put(ForVote, b, nil); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	if err := a.Put(Pushed, b, nil); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	put(t, a, ForDelivery, b)
	flush(t, a)
	free = 1 << 20
	if err := a.Put(ForDelivery, c.body(sequencer(0), 100), nil); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	cfg.free = func(string) (int64, error) { return 0, errors.New("no disk") }
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = open(t, cfg)
	if err := a.Put(ForVote, b, nil); err == nil {
		t.Error("the free bytes are not known, and it is taken")
	}
}

func TestHeadersAndPendingBytesAreBounded(t *testing.T) {
	cfg := small("a")
	fs := newMemFS()
	hold := make(chan struct{})
	fs.Hold = func(name string) {
		if name == fmt.Sprintf("a/data/%s", segmentName(1)) {
			<-hold
		}
	}
	cfg.FS, cfg.MaxPending, cfg.MaxHeaders = fs, 64<<10, 1<<10
	a := open(t, cfg)
	c := newChain()
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = a.Put(ForVote, c.body(sequencer(0), 10<<10), nil)
	}
	if !errors.Is(err, ErrBusy) || n != 7 {
		t.Errorf("body %d: %v", n, err)
	}
	close(hold)
	flush(t, a)
	for err = nil; err == nil; n++ {
		b := c.body(sequencer(1), 0)
		if n%100 == 0 { // the index too has at most MaxPending under way
			flush(t, a)
		}
		err = a.PutHeaders([]payload.Header{b.Header}, nil)
	}
	if u := a.Usage(); !errors.Is(err, ErrQuota) || u.Headers != 1<<10 {
		t.Errorf("%v, %+v", err, u)
	}
}

// Space on disk is at most twice what lives plus four segments, and one idle lane does not pin the
// rest.
func TestAfterRoundsOfWritingAndPruningWithAnIdleLaneLittleIsLeftOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := small("a")
		fs := newMemFS()
		cfg.FS, cfg.SegmentSize, cfg.MaxPayload, cfg.Quota = fs, 16<<10, 4<<10, 4<<20
		a := open(t, cfg)
		c := newChain()
		idle := c.body(sequencer(99), 4000)
		put(t, a, ForVote, idle)
		const lanes = 99
		for range 10 {
			for i := range 10 * lanes {
				put(t, a, ForVote, c.body(sequencer(i%lanes), 300))
				if i%16 == 0 {
					flush(t, a)
				}
			}
			for lane := range lanes {
				if lane%10 != 0 || c.next[sequencer(lane)] > 40 { // some fall behind
					prune(t, a, lane, c.next[sequencer(lane)])
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			u := a.Usage()
			if live := u.Used + u.Room + u.Pushed; u.Disk > 2*live+4*cfg.SegmentSize {
				t.Fatalf("%d bytes on disk, %d live: %+v", u.Disk, live, u)
			}
			onDisk := int64(0)
			for name, n := range fs.Names {
				if len(name) > 7 && name[:7] == "a/data/" {
					onDisk += int64(len(n.Data()))
				}
			}
			if u := a.Usage(); onDisk != u.Disk {
				t.Fatalf("%d bytes are on disk, and Usage says %d", onDisk, u.Disk)
			}
		}
		mustGet(t, a, &idle)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a = open(t, cfg)
		mustGet(t, a, &idle)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestADamagedBodyIsPutAgainIntoAFullArchive(t *testing.T) {
	cfg, fs := inMemory()
	cfg.Quota = 100 << 10
	a := open(t, cfg)
	c := newChain()
	all := fill(t, a, c, 0, 15<<10)
	dataFile(fs, 1)[5000] ^= 1
	if _, _, err := a.Get(sequencer(0), 0, nil); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	put(t, a, ForVote, all[0])
	flush(t, a)
	mustGet(t, a, &all[0])
	if u := a.Usage(); u.Used > cfg.Quota {
		t.Fatalf("%+v", u)
	}
}

func TestAHeaderThatIsHeldGetsItsBodyHoweverManyHeadersThereAre(t *testing.T) {
	cfg, _ := inMemory()
	cfg.MaxHeaders = 1 << 10
	a := open(t, cfg)
	c := newChain()
	var first Body
	for i := range 1 << 10 {
		b := c.body(sequencer(0), 10)
		if i == 0 {
			first = b
		}
		if err := a.PutHeaders([]payload.Header{b.Header}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Put(ForVote, c.body(sequencer(0), 10), nil); !errors.Is(err, ErrQuota) {
		t.Fatal(err)
	}
	put(t, a, ForVote, first)
	put(t, a, ForDelivery, c.body(sequencer(1), 10)) // the host goes on
	flush(t, a)
	mustGet(t, a, &first)
}
