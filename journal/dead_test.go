package journal

import (
	"fmt"
	"strings"
	"testing"
)

// replayed opens a log in which each record except the last few supersedes the one before it. It
// releases superseded records during the replay, each time they are replayed, and returns how often
// each was replayed.
func replayed(t *testing.T, c Config, keep Position) (j *Journal, came map[Position]int) {
	t.Helper()
	came = map[Position]int{}
	var last Position
	c.Dead = func() []Position {
		if last <= keep {
			return []Position{last, last - 1, 0}
		}
		return nil
	}
	j, err := Open(creating(c), func(p Position, _ []byte) error {
		last = p
		came[p]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j, came
}

// Config.Dead: the owner of a long log need not remember dead records until it can call Release.
func TestRecordsFoundDeadInTheReplayNeedNoReleaseAfterwards(t *testing.T) {
	fs := newMemFS()
	c := Config{Dir: "j", FS: fs, manual: true, page: 64, SegmentSize: 1 << 10}
	j, _ := manualJournal(t, fs, Config{})
	for i := range 50 {
		mustAppend(t, j, strings.Repeat("x", 200)+fmt.Sprint(i))
		cycleAll(t, j)
	}
	before, _ := j.Size()
	mustClose(t, j)

	const keep = 49
	j, came := replayed(t, c, keep)
	if len(came) != 51 {
		t.Fatalf("%d records were replayed", len(came))
	}
	cycleAll(t, j)
	if after, _ := j.Size(); after > 3 || before < 10 {
		t.Errorf("of %d segments %d are left for two live records", before, after)
	}
	mustClose(t, j)
	j, found := manualJournal(t, fs, Config{})
	if found[50] == "" || found[51] == "" || found[20] != "" {
		t.Errorf("left are %v", found)
	}
	mustClose(t, j)
}

// A record that was released during the replay is replayed again if a copy of it follows, and is
// released again.
func TestTheCopyOfARecordReleasedInTheReplayIsReplayedAgain(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{MaxSegments: 2, moveRound: 100})
	for i := range 20 {
		mustAppend(t, j, strings.Repeat("x", 200)+fmt.Sprint(i))
		cycleAll(t, j)
	}
	for p := Position(4); p < 19; p++ {
		j.Release(p)
	}
	again := map[Position]bool{}
	for range 100 {
		j.cycle()
		_, err := Inspect("j", fs, func(r RecordInfo) error {
			if r.Again {
				again[r.Position] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > 0 {
			break
		}
	}
	if len(again) == 0 {
		t.Fatal("no record is there twice: the test shows nothing")
	}
	crashed := fs.Crash(nil, 1)
	mustClose(t, j)

	j, came := replayed(t, Config{Dir: "j", FS: crashed, manual: true, page: 64, SegmentSize: 1 << 10, MaxSegments: 2}, 18)
	for p, n := range came {
		if want := 1 + map[bool]int{true: 1}[again[p]]; n != want {
			t.Errorf("record %d came %d times, want %d", p, n, want)
		}
	}
	cycleAll(t, j)
	if n, _ := j.Size(); n > 3 {
		t.Errorf("%d segments are left", n)
	}
	mustClose(t, j)
}

// After Open a log contains only the records that releases during the replay have left, whether or
// not anything is appended.
func TestReleasesInTheReplayWakeTheJournal(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{})
	for range 50 {
		mustAppend(t, j, strings.Repeat("x", 200))
		cycleAll(t, j)
	}
	mustClose(t, j)
	j, _ = replayed(t, Config{Dir: "j", FS: fs, SegmentSize: 1 << 10}, 49)
	waitFor(t, "dead segments go", func() bool { n, _ := j.Size(); return n <= 3 })
	mustClose(t, j)
}
