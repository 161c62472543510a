package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// TestMain makes the test's program the sender when a measurement starts it as one.
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
	for _, arguments := range [][]string{nil, {"nothing"}, {"acks", "--unknown"}, {"sender"}, {"sender", "x", "y"}} {
		if err := run(arguments, io.Discard); err == nil {
			t.Errorf("%q: no error", arguments)
		}
	}
}
