package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test's program the sender if a measurement has started it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "sender" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestEachMeasurementEndsWithItsFigure(t *testing.T) {
	for mode, want := range map[string]string{
		"acks": "best:", "many": "best:", "votes": "bulk on the same connection", "stuck": "while it reads nothing",
	} {
		var out bytes.Buffer
		if err := run([]string{mode, "--slices", "1", "--duration", "200ms"}, &out); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s printed\n%s", mode, out.String())
		}
	}
}

func TestAnUnknownMeasurementIsRefused(t *testing.T) {
	for _, arguments := range [][]string{nil, {"nothing"}, {"acks", "--unknown"}, {"sender"}, {"sender", "x", "y"}, {"sender", "many", "x", "y", "1"}, {"many", "--pause", "1h"}} {
		if err := run(arguments, io.Discard); err == nil {
			t.Errorf("%q: no error", arguments)
		}
	}
}

func TestAProfileIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "profile")
	if err := run([]string{"many", "--slices", "1", "--duration", "50ms", "--connections", "2", "--profile", path}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("the profile: %v, %v", info, err)
	}
}

func TestAHistogramMeasuresDurationsToAHundredth(t *testing.T) {
	var h histogram
	if h.at(0.5) != 0 {
		t.Errorf("the median of nothing is %v", h.at(0.5))
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := h.at(q); got < want*98/100 || got > want*102/100 {
			t.Errorf("the duration at %v is %v, want %v", q, got, want)
		}
	}
	h.reset()
	h.add(-time.Second) // from clocks that differ
	h.add(time.Hour * 1e4)
	if h.at(0) > 2*time.Microsecond || h.at(0.9) < time.Minute {
		t.Errorf("the extremes are %v and %v", h.at(0), h.at(0.9))
	}
}
