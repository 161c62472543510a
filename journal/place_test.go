package journal

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// contents returns the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// fill appends records of 400 bytes, two of which fill a segment of 1 KiB, and releases most of
// them.
func fill(t *testing.T, j *Journal, records int) {
	t.Helper()
	for range records {
		p := mustAppend(t, j, strings.Repeat("x", 400))
		if p%7 != 0 {
			j.Release(p)
		}
		cycleAll(t, j)
	}
}

func TestAJournalStaysInItsFolderWhenTheWorkingDirectoryChanges(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	c := Config{Dir: "j", SegmentSize: 1 << 10, MaxSegments: 2, manual: true}
	for _, dir := range []string{there, here} { // a journal of the same name in each
		t.Chdir(dir)
		j, _ := mustOpen(t, c)
		fill(t, j, 20)
		mustClose(t, j)
	}
	before := contents(t, filepath.Join(there, "j"))
	j, _ := mustOpen(t, c)
	t.Chdir(there)
	first := j.Next()
	fill(t, j, 40) // begins, compacts and removes segments
	if after := contents(t, filepath.Join(there, "j")); !maps.Equal(before, after) {
		t.Error("the other journal has changed")
	}
	if other, err := Open(Config{Dir: "j"}, nil); err != nil {
		t.Errorf("the other journal: %v", err)
	} else {
		mustClose(t, other)
	}
	mustClose(t, j)

	t.Chdir(here)
	seen := 0
	_, err := Inspect("j", nil, func(r RecordInfo) error {
		if t.Chdir(there); r.Position >= first && r.Position%7 == 0 {
			seen++
		}
		return nil
	})
	if err != nil || seen < 5 {
		t.Errorf("Inspect: %d records, error %v", seen, err)
	}
	t.Chdir(here)
	if j, _ = mustOpen(t, c); j.Next() != first+40 {
		t.Errorf("next position %d, want %d", j.Next(), first+40)
	}
	mustClose(t, j)
}

func TestAJournalWhoseFolderIsReplacedFailsAndLeavesTheNewOneAlone(t *testing.T) {
	for _, c := range []struct {
		what string
		with func(t *testing.T, dir string)
	}{
		{"another journal", func(t *testing.T, dir string) {
			j, _ := mustOpen(t, Config{Dir: dir, SegmentSize: 1 << 10, manual: true})
			fill(t, j, 9)
			mustClose(t, j)
		}},
		{"an empty folder", func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
		}},
		{"nothing", func(t *testing.T, dir string) {}},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "j")
			config := Config{Dir: dir, SegmentSize: 1 << 10, manual: true}
			j, _ := mustOpen(t, config)
			fill(t, j, 9)
			if err := os.Rename(dir, dir+".moved"); err != nil {
				t.Fatal(err)
			}
			c.with(t, dir)
			exists := c.what != "nothing"
			before := map[string]string{}
			if exists {
				before = contents(t, dir)
			}
			for range 3 {
				if p, err := j.Append(make([]byte, 400)); err == nil {
					j.Release(p)
				}
				j.cycle()
			}
			durable := j.Durable()
			if err := j.Err(); err == nil || !strings.Contains(err.Error(), dir+" was moved, replaced or mounted over") {
				t.Errorf("error %v", err)
			}
			if err := j.Close(); err != j.Err() {
				t.Errorf("Close: %v", err)
			}
			if exists && !maps.Equal(before, contents(t, dir)) {
				t.Error("the new folder has changed")
			}
			config.Dir += ".moved"
			j, found := mustOpen(t, config)
			if j.Durable() < durable || found[7] == "" {
				t.Errorf("durable %d, want %d", j.Durable(), durable)
			}
			mustClose(t, j)
		})
	}
}

func TestTheWorkingDirectoryMayBeGone(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(gone, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Chdir(gone)
	if err := os.Remove(gone); err != nil {
		t.Skip("this system keeps it: ", err)
	}
	if _, err := Open(creating(Config{Dir: "j"}), nil); err == nil || !strings.Contains(err.Error(), "absolute path of j") {
		t.Errorf("Open: error %v", err)
	}
	if _, err := Inspect("j", nil, nil); err == nil || !strings.Contains(err.Error(), "absolute path of j") {
		t.Errorf("Inspect: error %v", err)
	}
}

type movedAway struct{ io.Closer }

func (movedAway) InPlace() error { return errors.New("moved away") }

func TestCompactionReadsNothingOfAnotherFolder(t *testing.T) {
	fs := newMemFS()
	j, _ := manualJournal(t, fs, Config{MaxSegments: 2})
	for p := Position(0); p < 14; {
		p = mustAppend(t, j, strings.Repeat("x", 200))
		cycleAll(t, j)
	}
	for p := Position(3); p < 14; p++ {
		if p%4 != 0 {
			j.Release(p)
		}
	}
	j.lock = movedAway{j.lock}
	reads := fs.Calls["openread"]
	for more := true; more && j.Err() == nil; {
		more = j.cycle()
	}
	if err := j.Err(); err == nil || !strings.Contains(err.Error(), "moved away") || fs.Calls["openread"] != reads {
		t.Errorf("error %v", err)
	}
	if err := j.Close(); err != j.Err() {
		t.Errorf("Close: %v", err)
	}
}
