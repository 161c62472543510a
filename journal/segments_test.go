package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/internal/segment"
)

// manualJournal returns a journal that has no goroutines: it writes when a test calls cycle.
func manualJournal(t *testing.T, fs FS, c Config) (*Journal, map[Position]string) {
	c.Dir, c.FS, c.manual, c.page = "j", fs, true, 64
	if c.SegmentSize == 0 {
		c.SegmentSize = 1 << 10
	}
	return mustOpen(t, c)
}

// cycleAll runs the journal until there is nothing to write or to move.
func cycleAll(t *testing.T, j *Journal) {
	t.Helper()
	for n := 0; j.cycle(); n++ {
		if n > 10000 {
			t.Fatal("compaction does not come to an end")
		}
	}
	if err := j.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestSegmentsAreRemovedOnceNothingLivesInThem(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 50 {
		p := mustAppend(t, j, strings.Repeat("x", 200))
		cycleAll(t, j)
		if p > 2 {
			j.Release(p - 2)
		}
		if n, bytes := j.Size(); n > 3 || bytes > 3<<10 {
			t.Fatalf("%d segments of %d bytes for two live records", n, bytes)
		}
	}
	mustClose(t, j)
	j, found := manualJournal(t, fs, Config{})
	if found[50] == "" || found[51] == "" {
		t.Errorf("live records are gone: %d found", len(found))
	}
	mustClose(t, j)
}

func TestAReleaseWaitsForTheRecordsAppendedBeforeIt(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	old := mustAppend(t, j, strings.Repeat("o", 900))
	mustAppend(t, j, strings.Repeat("o", 900))
	mustAppend(t, j, strings.Repeat("o", 900))
	cycleAll(t, j)
	for p := old; p < old+3; p++ {
		mustAppend(t, j, strings.Repeat("n", 900)) // supersedes p
		j.Release(p)
	}
	fs.Fault = func(op, _ string) error {
		if op == "sync" {
			return errors.New("no more")
		}
		return nil
	}
	j.cycle()
	if n := fs.Calls["remove"]; n != 0 {
		t.Errorf("%d segments removed before their copies were durable", n)
	}
	_ = j.Close()
	j, found := manualJournal(t, fs.Crash(nil, 0), Config{})
	for p := old; p < old+3; p++ {
		if found[p] == "" {
			t.Errorf("record %d is lost", p)
		}
	}
	mustClose(t, j)
}

func TestPositionsAreNeverUsedAgain(t *testing.T) {
	fs := newMemFS()
	next := Position(2)
	for round := range 6 {
		j, found := manualJournal(t, fs, Config{})
		if j.Next() != next {
			t.Fatalf("round %d: next position %d, want %d", round, j.Next(), next)
		}
		for p := range found {
			j.Release(p)
		}
		for range 20 {
			p := mustAppend(t, j, strings.Repeat("x", 300))
			cycleAll(t, j)
			j.Release(p)
		}
		cycleAll(t, j)
		next = j.Next()
		if round%2 == 0 {
			mustClose(t, j)
		}
		fs = fs.Crash(nil, 0)
	}
}

func TestCompactionMovesTheFewLiveRecordsAndKeepsTheirPositions(t *testing.T) {
	for _, round := range []int{1, 0} { // one record per round, then all in one round
		fs := newMemFS()
		c := Config{MaxSegments: 3, moveRound: round, CompressAbove: 64}
		j, _ := manualJournal(t, fs, c)
		want := map[Position]string{}
		for i := range 300 {
			s := fmt.Sprintf("%d %x", i, make([]byte, 40))
			p := mustAppend(t, j, s)
			if i%29 == 0 {
				want[p] = s
			} else {
				j.Release(p)
			}
			cycleAll(t, j)
		}
		segments, _ := j.Size()
		if segments > 5 {
			t.Errorf("%d segments are left", segments)
		}
		if want[2] == "" || j.writer.ledger.home(2).number == 1 {
			t.Errorf("the oldest record did not move")
		}
		mustClose(t, j)

		j, found := manualJournal(t, fs, c)
		for p, s := range want {
			if found[p] != s {
				t.Errorf("record %d is %q, want %q", p, found[p], s)
			}
		}
		// A moved record can be released like any other.
		for p := range found {
			j.Release(p)
		}
		for range 30 {
			j.Release(mustAppend(t, j, strings.Repeat("y", 50)))
			cycleAll(t, j)
		}
		if n := len(j.writer.ledger.moved); n != 0 {
			t.Errorf("%d moved records are still known", n)
		}
		if n, _ := j.Size(); n > 3 {
			t.Errorf("%d segments with nothing live", n)
		}
		mustClose(t, j)
	}
}

func TestCompactionLeavesALogAloneThatIsMostlyAlive(t *testing.T) {
	moved := 0
	j, _ := manualJournal(t, newMemFS(), Config{MaxSegments: 2, Observe: func(s SyncInfo) { moved += s.Moved }})
	for i := range 100 {
		p := mustAppend(t, j, strings.Repeat("x", 200))
		if i%3 == 0 {
			j.Release(p)
		}
		cycleAll(t, j)
	}
	if moved != 0 {
		t.Errorf("%d records moved for nothing", moved)
	}
	mustClose(t, j)
}

func TestDamageFoundByCompactionIsAFailure(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{MaxSegments: 2})
	for range 12 {
		mustAppend(t, j, strings.Repeat("x", 200))
	}
	cycleAll(t, j)
	damaged := int64(segment.HeadSize + segment.FrameSize(len(firstRecord)))
	fs.Names[filepath.Join("j", segmentName(1))].Data()[damaged+segment.FrameHead+5] ^= 1
	for p := Position(3); p < 13; p++ {
		j.Release(p)
	}
	for more := true; more && j.Err() == nil; {
		more = j.cycle()
	}
	var c *CorruptError
	if !errors.As(j.Err(), &c) || c.File != segmentName(1) || c.Offset != damaged {
		t.Errorf("error %v", j.Err())
	}
	if err := j.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Close: %v", err)
	}
}

func TestALargeGroupIsSpreadOverSegments(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 100 {
		mustAppend(t, j, strings.Repeat("x", 100))
	}
	mustAppend(t, j, strings.Repeat("y", 5000)) // longer than a segment
	mustAppend(t, j, "z")
	cycleAll(t, j)
	for n := uint64(1); n <= tailNumber(fs); n++ {
		if size := len(segmentFile(fs, n).Data()); size > 1<<10+segment.FrameHead && size != segment.HeadSize+segment.FrameSize(5000)+segment.FrameHead {
			t.Errorf("segment %d has %d bytes", n, size)
		}
	}
	mustClose(t, j)
	j, found := manualJournal(t, fs, Config{})
	if len(found) != 102 {
		t.Errorf("%d records", len(found))
	}
	mustClose(t, j)
}

func TestARecordLongerThanASegmentHasOneOfItsOwn(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 5 {
		mustAppend(t, j, strings.Repeat("y", 5000))
	}
	cycleAll(t, j)
	if n, _ := j.Size(); n != 6 { // one of them holds the first record
		t.Errorf("%d segments", n)
	}
	mustClose(t, j)
}

func TestSegmentsThatDieAtOnceGoAtOnce(t *testing.T) {
	for _, most := range []int{2, 100} {
		fs := newMemFS()
		j, _ := manualJournal(t, fs, Config{MaxSegments: most})
		for range 41 {
			mustAppend(t, j, strings.Repeat("x", 400))
		}
		cycleAll(t, j)
		for p := Position(2); p < 42; p++ {
			j.Release(p)
		}
		cycleAll(t, j)
		if n, bytes := j.Size(); n != 2 || bytes > 2<<10 {
			t.Errorf("at most %d: %d segments, %d bytes", most, n, bytes)
		}
		if n := len(fs.Names); n != 4 { // including the watermark, and one file for reuse
			t.Errorf("at most %d: %d files", most, n)
		}
		mustClose(t, j)
		j, found := manualJournal(t, fs, Config{})
		if found[42] == "" {
			t.Error("the live record is gone")
		}
		mustClose(t, j)
	}
}

func TestAPositionThatIsUnknownIsNotReleasedInAdvance(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	p := j.Next()
	j.Release(0)
	j.Release(p)
	j.Release(p + 1)
	cycleAll(t, j)
	j.Release(p)
	for q := range 2 {
		if got := mustAppend(t, j, "kept"); got != p+Position(q) {
			t.Fatalf("position %d", got)
		}
	}
	for range 20 {
		j.Release(mustAppend(t, j, strings.Repeat("x", 400)))
		cycleAll(t, j)
	}
	mustClose(t, j)
	j, found := manualJournal(t, fs, Config{})
	if found[p] != "kept" || found[p+1] != "kept" {
		t.Errorf("records %v", found)
	}
	mustClose(t, j)
}

func TestTheBytesThatCompactionMovesAtATimeAreBounded(t *testing.T) {
	for size, want := range map[int64]int{1 << 10: 256, 1 << 20: 256 << 10, 8 << 30: 256 << 10} {
		c := Config{Dir: "j", SegmentSize: size}
		if err := c.complete(); err != nil || c.moveRound != want {
			t.Errorf("segments of %d bytes: rounds of %d, want %d; error %v", size, c.moveRound, want, err)
		}
	}
	fs, largest, moved := newMemFS(), int64(0), 0
	j, _ := manualJournal(t, fs, Config{SegmentSize: 4 << 10, MaxSegments: 2, Observe: func(s SyncInfo) {
		if s.Moved > 0 {
			largest, moved = max(largest, s.Bytes), moved+s.Moved
		}
	}})
	for range 200 {
		if p := mustAppend(t, j, strings.Repeat("x", 100)); p%3 != 0 {
			j.Release(p)
		}
		cycleAll(t, j)
	}
	if moved < 10 || largest > 1<<10+int64(segment.FrameSize(100)) {
		t.Errorf("%d records moved, at most %d bytes at a time", moved, largest)
	}
	mustClose(t, j)
}

func TestASegmentBegunEarlyTakesALongRecord(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 20 { // dead segments at the front make the next one begin
		j.Release(mustAppend(t, j, strings.Repeat("x", 400)))
	}
	cycleAll(t, j)
	tail := j.writer.ledger.tail().number
	if size := j.writer.ledger.tail().size; size != segment.HeadSize {
		t.Fatalf("the tail has %d bytes", size)
	}
	mustAppend(t, j, strings.Repeat("y", 5000))
	cycleAll(t, j)
	if n := j.writer.ledger.tail().number; n != tail {
		t.Errorf("segment %d was left without a record", tail)
	}
	mustClose(t, j)
}

func TestCompactionBeginsWithTheOldestLiveSegmentAlsoWhenDeadOnesWereJustDropped(t *testing.T) {
	j, _ := manualJournal(t, newMemFS(), Config{MaxSegments: 2, moveRound: 1})
	for range 31 {
		mustAppend(t, j, strings.Repeat("x", 400))
	}
	cycleAll(t, j)
	for p := Position(2); p < 32; p++ { // the front dies, and less than half of the rest lives
		if p < 12 || p%4 != 0 {
			j.Release(p)
		}
	}
	if more, source := j.cycle(), j.writer.compaction.source; !more || source.first != 12 {
		t.Errorf("more %v, source %+v", more, source)
	}
	mustClose(t, j)
}
