package output

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

func TestTheSeriesIsWrittenAsItComesOneObjectALine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "series.ndjson")
	if err := os.WriteFile(name, []byte(strings.Repeat("older and longer ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile("series", name)
	if err != nil {
		t.Fatal(err)
	}
	o := &Output{Screen: noScreen{}, series: f}
	for run, stage := range []string{"search", "run"} {
		o.BeginSeries(stage)
		for i := range 3 {
			o.Update(Frame{Point: measure.Point{T: float64(i), Acks: float64(100 * run)}})
		}
		lines := 0
		b, err := os.Open(name) // while it is being written
		if err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(b); s.Scan(); lines++ {
			var l seriesLine
			if err := json.Unmarshal(s.Bytes(), &l); err != nil || l.T != float64(lines%3) || l.Run != lines/3+1 || l.Acks != float64(100*(lines/3)) || l.Time == "" {
				t.Errorf("line %d: %q, %v", lines, s.Text(), err)
			}
		}
		_ = b.Close()
		if lines != 3*(run+1) {
			t.Errorf("%d lines after run %d", lines, run+1)
		}
	}
	f.Close()
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
	if o.failed != nil {
		t.Error(o.failed)
	}
}

func TestAFileOfASeriesWithoutPointsIsAsItWas(t *testing.T) {
	name := filepath.Join(t.TempDir(), "series.ndjson")
	f, err := OpenFile("series", name)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}
