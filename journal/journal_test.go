package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/internal/segment"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent")) // in GOOS=js
}

// waitFor polls, because the journal's goroutine has no other way to inform a test.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// firstRecord is the first record of all logs that tests create.
const firstRecord = "first of all"

func creating(c Config) Config {
	c.Create, c.First = true, []byte(firstRecord)
	return c
}

// open opens or creates the log, releases the first record, and returns the other records, also
// with an error.
func open(c Config) (j *Journal, found map[Position]string, err error) {
	found = map[Position]string{}
	j, err = Open(creating(c), func(p Position, record []byte) error {
		if _, twice := found[p]; twice {
			return fmt.Errorf("record %d comes twice", p)
		}
		if p == 1 && string(record) != firstRecord {
			return fmt.Errorf("the first record is %q", record)
		}
		found[p] = string(record)
		return nil
	})
	delete(found, 1)
	if err == nil {
		j.Release(1)
	}
	return j, found, err
}

func mustOpen(t *testing.T, c Config) (*Journal, map[Position]string) {
	t.Helper()
	j, found, err := open(c)
	if err != nil {
		t.Fatal(err)
	}
	return j, found
}

func mustAppend(t *testing.T, j *Journal, record string) Position {
	t.Helper()
	p, err := j.Append([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustClose(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsComeBackFromARealDisk(t *testing.T) {
	c := Config{Dir: filepath.Join(t.TempDir(), "a", "b"), SegmentSize: 4 << 10, CompressAbove: 100}
	j, found := mustOpen(t, c)
	if len(found) != 0 || j.Next() != 2 || j.Durable() != 1 {
		t.Fatalf("new journal: %d records, next %d, durable %d", len(found), j.Next(), j.Durable())
	}
	want := map[Position]string{}
	for i := range 200 {
		s := strings.Repeat(fmt.Sprint(i), i)
		if p := mustAppend(t, j, s); p != Position(i+2) {
			t.Fatalf("record %d got position %d", i+2, p)
		}
		want[Position(i+2)] = s
	}
	mustClose(t, j)
	if j.Durable() != 201 || j.Pending() != 0 {
		t.Fatalf("after Close: durable %d, pending %d", j.Durable(), j.Pending())
	}
	j, found = mustOpen(t, c)
	defer mustClose(t, j)
	if len(found) != len(want) {
		t.Fatalf("%d records came back, want %d", len(found), len(want))
	}
	for p, s := range want {
		if found[p] != s {
			t.Errorf("record %d is %q, want %q", p, found[p], s)
		}
	}
	r := j.Recovery()
	if r.Records != 201 || !r.Clean || r.Torn != 0 || r.Segments < 2 || r.Bytes == 0 {
		t.Errorf("recovery: %+v", r)
	}
	if j.Next() != 202 || j.Durable() != 201 {
		t.Errorf("next %d, durable %d", j.Next(), j.Durable())
	}
}

func TestRecordsThatGatherDuringASyncShareTheNextOne(t *testing.T) {
	fs := newMemFS()
	var mu sync.Mutex
	var groups []int
	notices := make(chan struct{}, 100)
	j, _ := mustOpen(t, Config{
		Dir: "j", FS: fs,
		Observe: func(s SyncInfo) { mu.Lock(); groups = append(groups, s.Records); mu.Unlock() },
		Notify:  func() { notices <- struct{}{} },
	})
	entered, release := make(chan struct{}), make(chan struct{})
	fs.Mu.Lock()
	fs.Hold = func(string) { entered <- struct{}{}; <-release }
	fs.Mu.Unlock()

	mustAppend(t, j, "first")
	<-entered
	for range 1000 {
		mustAppend(t, j, "more") // none of these waits, although a sync is running
	}
	if j.Durable() != 1 || j.Pending() == 0 || len(notices) != 0 {
		t.Fatalf("before the sync ended: durable %d, pending %d, %d notices", j.Durable(), j.Pending(), len(notices))
	}
	release <- struct{}{}
	<-notices
	if j.Durable() != 2 {
		t.Fatalf("durable %d after the first group", j.Durable())
	}
	<-entered
	release <- struct{}{}
	<-notices
	if j.Durable() != 1002 || j.Pending() != 0 {
		t.Fatalf("durable %d, pending %d after the second group", j.Durable(), j.Pending())
	}
	fs.Mu.Lock()
	fs.Hold = nil
	fs.Mu.Unlock()
	mustClose(t, j)
	if fmt.Sprint(groups) != "[1 1000]" {
		t.Errorf("groups of %v records, want [1 1000]", groups)
	}
}

func TestSyncDelayGathersRecordsUntilTheWriteBufferIsFull(t *testing.T) {
	groups := make(chan SyncInfo, 10)
	j, _ := mustOpen(t, Config{
		Dir: "j", FS: newMemFS(), SyncDelay: time.Minute, WriteBuffer: 4 << 10, Observe: func(s SyncInfo) { groups <- s },
	})
	for range 10 {
		mustAppend(t, j, strings.Repeat("x", 1000)) // 1032 bytes framed: the fourth crosses 4 KiB
	}
	if g := <-groups; g.Records < 4 {
		t.Errorf("first group has %d records", g.Records)
	}
	mustAppend(t, j, "last")
	mustClose(t, j) // does not wait for the delay
	if j.Durable() != 12 {
		t.Errorf("durable %d", j.Durable())
	}
}

func TestSyncDelayEnds(t *testing.T) {
	j, _ := mustOpen(t, Config{Dir: "j", FS: newMemFS(), SyncDelay: 2 * time.Millisecond})
	defer mustClose(t, j)
	mustAppend(t, j, "a")
	waitFor(t, "durable", func() bool { return j.Durable() == 2 })
}

func TestSyncNowEndsTheDelayOfRecordsAppendedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups := 0
		j, _ := mustOpen(t, Config{Dir: "j", FS: newMemFS(), SyncDelay: time.Minute, Observe: func(SyncInfo) { groups++ }})
		began := time.Now()
		for i := range 3 {
			j.SyncNow() // nothing is queued: this has no effect on later records
			synctest.Wait()
			mustAppend(t, j, "a")
			mustAppend(t, j, "b")
			synctest.Wait()
			if d := j.Durable(); d != Position(1+2*i) {
				t.Errorf("durable %d before SyncNow", d)
			}
			j.SyncNow()
			j.SyncNow()
			synctest.Wait()
			if d := j.Durable(); d != Position(3+2*i) || groups != i+1 || time.Since(began) != 0 {
				t.Errorf("durable %d, in %d groups, after %v", d, groups, time.Since(began))
			}
		}
		mustAppend(t, j, "c")
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := j.Durable(); d != 8 {
			t.Errorf("durable %d after the delay", d)
		}
		mustClose(t, j)
	})
}

func TestAppendDoesNotAllocateOnceItsBuffersExist(t *testing.T) {
	j, _ := mustOpen(t, Config{Dir: "j", FS: newMemFS(), manual: true})
	record := bytes.Repeat([]byte("r"), 300)
	for range 2 {
		for range 500 {
			mustAppend(t, j, string(record))
		}
		j.cycle()
	}
	if n := testing.AllocsPerRun(400, func() { _, _ = j.Append(record) }); n != 0 {
		t.Errorf("%v allocations per Append", n)
	}
	mustClose(t, j)
}

func TestARecordTooLargeIsRefused(t *testing.T) {
	fs := newMemFS()
	j, _ := mustOpen(t, Config{Dir: "j", FS: fs, MaxRecord: 5000})
	if p, err := j.Append(make([]byte, 5001)); !errors.Is(err, ErrTooLarge) || p != 0 {
		t.Errorf("position %d, error %v", p, err)
	}
	if p := mustAppend(t, j, strings.Repeat("x", 5000)); p != 2 {
		t.Errorf("the refused record used up position %d", p-1)
	}
	mustClose(t, j)

	// Under a smaller limit the same record is an error that names the limit, not a torn tail.
	for _, bound := range []int{4999, 10} {
		_, err := Open(Config{Dir: "j", FS: fs, MaxRecord: bound, ReplayBuffer: 4 << 10}, nil)
		if !errors.Is(err, ErrTooLarge) || errors.Is(err, ErrCorrupt) {
			t.Errorf("bound %d: error %v", bound, err)
		}
	}
}

func TestAfterCloseNothingIsAccepted(t *testing.T) {
	j, _ := mustOpen(t, Config{Dir: "j", FS: newMemFS()})
	p := mustAppend(t, j, "a")
	mustClose(t, j)
	mustClose(t, j)
	if _, err := j.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
	j.Release(p)
}

func TestClosingAndReopeningAnIdleJournalDoesNotMakeItGrow(t *testing.T) {
	fs := newMemFS()
	j, _ := mustOpen(t, Config{Dir: "j", FS: fs})
	mustAppend(t, j, "a")
	mustClose(t, j)
	_, before := j.Size()
	writes := fs.Calls["write"]
	for range 3 {
		j, _ = mustOpen(t, Config{Dir: "j", FS: fs})
		mustClose(t, j)
	}
	if n := fs.Calls["write"] - writes; n != 0 {
		t.Errorf("%d writes for nothing", n)
	}
	if got := len(fs.Names[filepath.Join("j", segmentName(1))].Data()); int64(got) != before+segment.FrameHead {
		t.Errorf("%d bytes, want %d and a mark", got, before)
	}
}

func TestAFolderHasOneJournalAtATime(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	j, _ := mustOpen(t, c)
	if _, err := Open(c, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("second journal: error %v", err)
	}
	mustClose(t, j)
	j, _ = mustOpen(t, c)
	mustClose(t, j)
}

func TestAReplayErrorEndsOpenAndGivesTheLockBack(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	j, _ := mustOpen(t, c)
	mustAppend(t, j, "a")
	mustClose(t, j)
	no := errors.New("no")
	if _, err := Open(c, func(Position, []byte) error { return no }); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
	j, _ = mustOpen(t, c)
	mustClose(t, j)
}

func TestABadConfigurationNamesTheFieldAndItsRange(t *testing.T) {
	for name, c := range map[string]Config{
		"Dir":           {},
		"SegmentSize":   {Dir: "d", SegmentSize: 1023},
		"MaxSegments":   {Dir: "d", MaxSegments: 1},
		"MaxRecord":     {Dir: "d", MaxRecord: -1},
		"WriteBuffer":   {Dir: "d", WriteBuffer: 1},
		"ReplayBuffer":  {Dir: "d", ReplayBuffer: 1 << 30},
		"CompressAbove": {Dir: "d", CompressAbove: 63},
		"CompressLevel": {Dir: "d", CompressLevel: 23},
		"SyncDelay":     {Dir: "d", SyncDelay: -1},
	} {
		c.FS = newMemFS()
		_, err := Open(c, nil)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), name+" is ") || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestEveryFieldTakesTheEndsOfItsRangeAndNothingBeyond(t *testing.T) {
	for name, f := range map[string]struct {
		low, high int64
		set       func(c *Config, v int64)
	}{
		"SegmentSize":   {1 << 10, 8 << 30, func(c *Config, v int64) { c.SegmentSize = v }},
		"MaxSegments":   {2, 65536, func(c *Config, v int64) { c.MaxSegments = int(v) }},
		"MaxRecord":     {1, 256 << 20, func(c *Config, v int64) { c.MaxRecord = int(v) }},
		"WriteBuffer":   {4 << 10, 256 << 20, func(c *Config, v int64) { c.WriteBuffer = int(v) }},
		"ReplayBuffer":  {4 << 10, 64 << 20, func(c *Config, v int64) { c.ReplayBuffer = int(v) }},
		"CompressAbove": {64, 256 << 20, func(c *Config, v int64) { c.CompressAbove = int(v) }},
		"CompressLevel": {1, 22, func(c *Config, v int64) { c.CompressLevel = int(v) }},
		"SyncDelay":     {0, int64(time.Minute), func(c *Config, v int64) { c.SyncDelay = time.Duration(v) }},
	} {
		for v, ok := range map[int64]bool{f.low - 1: f.low == 1, f.low: true, 0: true, f.high: true, f.high + 1: false, -1: false} {
			c := Config{Dir: "j"}
			f.set(&c, v)
			if err := c.complete(); (err == nil) != ok || err != nil && !errors.Is(err, ErrConfig) {
				t.Errorf("%s of %d: error %v", name, v, err)
			}
		}
	}
	c := Config{Dir: "j"}
	if err := c.complete(); err != nil || c.SegmentSize != 64<<20 || c.MaxSegments != 4 || c.MaxRecord != 1<<20 ||
		c.WriteBuffer != 1<<20 || c.ReplayBuffer != 256<<10 || c.CompressAbove != 0 || c.CompressLevel != 1 || c.SyncDelay != 0 {
		t.Errorf("defaults %+v, error %v", c, err)
	}
}

func TestAFolderThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	f, err := OS().Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := Open(Config{Dir: dir}, nil); err == nil {
			t.Errorf("%s: no error", dir)
		}
	}
}

func TestInspectOfADamagedLogCountsTheBytesBeforeTheDamage(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	j, _ := mustOpen(t, c)
	for range 4 {
		mustAppend(t, j, strings.Repeat("a", 96))
	}
	mustClose(t, j)
	name := filepath.Join(c.Dir, segmentName(1))
	log, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before := int64(segment.HeadSize + segment.FrameSize(len(firstRecord)) + 2*segment.FrameSize(96))
	log[before+segment.FrameHead+50] ^= 1 // in the third frame
	if err := os.WriteFile(name, log, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Inspect(c.Dir, nil, func(RecordInfo) error { return nil })
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Offset != before {
		t.Fatalf("error %v, want damage at %d", err, before)
	}
	if r.Bytes != before || r.Records != 3 || r.Segments != 1 {
		t.Errorf("%+v, want %d bytes", r, before)
	}
}

func TestInspectShowsTheLogAndChangesNothing(t *testing.T) {
	c := Config{Dir: t.TempDir(), CompressAbove: 64}
	j, _ := mustOpen(t, c)
	mustAppend(t, j, "a")
	mustAppend(t, j, strings.Repeat("b", 500))
	waitFor(t, "durable", func() bool { return j.Durable() == 3 })
	var got []string
	r, err := Inspect(c.Dir, nil, func(r RecordInfo) error {
		got = append(got, fmt.Sprintf("%d %.1s %d %v %v %s", r.Position, r.Record, len(r.Record), r.Compressed, r.Copy, r.File))
		return nil
	})
	mustClose(t, j)
	if err != nil || r.Records != 3 || r.Clean {
		t.Errorf("recovery %+v, error %v", r, err)
	}
	want := "[1 f 12 false false 0000000000000001.seg 2 a 1 false false 0000000000000001.seg " +
		"3 b 500 true false 0000000000000001.seg]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if r, err = Inspect(c.Dir, nil, func(RecordInfo) error { return nil }); err != nil || !r.Clean {
		t.Errorf("after Close: %+v, %v", r, err)
	}
	stop := errors.New("stop")
	if _, err := Inspect(c.Dir, nil, func(RecordInfo) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}
