package journal

import (
	"fmt"
	"strings"
	"testing"
)

// prose returns n bytes that compress better at higher levels.
func prose(n int) string {
	var b strings.Builder
	for i := uint32(0); b.Len() < n; i++ {
		fmt.Fprintf(&b, "lane %x height %d;", i*2654435761, i)
	}
	return b.String()[:n]
}

func TestTheCompressLevelMakesRecordsShorterAndReadingDoesNotDependOnIt(t *testing.T) {
	record := prose(50_000)
	stored := map[int]int{}
	for _, level := range []int{0, 1, 2, 3, 6, 10, 22} {
		fs := newMemFS()
		j, _ := manualJournal(t, fs, Config{CompressAbove: 64, CompressLevel: level})
		p := mustAppend(t, j, record)
		mustClose(t, j)
		_, err := Inspect("j", fs, func(r RecordInfo) error {
			if r.Position == p {
				stored[level] = r.Stored
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		j, found := manualJournal(t, fs, Config{CompressLevel: 1 + level%22})
		if found[p] != record {
			t.Errorf("level %d: the record has changed", level)
		}
		mustClose(t, j)
	}
	if stored[0] != stored[DefaultCompressLevel] || stored[1] != stored[2] || stored[10] != stored[22] ||
		stored[1] == stored[3] || stored[3] == stored[6] || stored[10] >= stored[1] || stored[1] == 0 {
		t.Errorf("bytes by level: %v", stored)
	}
}

func TestACompressLevelOutOfRangeIsRefused(t *testing.T) {
	for _, level := range []int{-1, 23, 1 << 20} {
		_, err := Open(creating(Config{Dir: "j", FS: newMemFS(), CompressLevel: level}), nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("CompressLevel is %d, want 1 to 22, or 0 for 1", level)) {
			t.Errorf("level %d: error %v", level, err)
		}
	}
}
