package main

import (
	"io"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/bench"
	"github.com/lanecast/lanecast/verify"
)

func TestATableHasARowForEveryWayAndTheRatios(t *testing.T) {
	var out strings.Builder
	results := []bench.Result{{Way: "one-by-one", PerAck: 1_000_000, Acks: 16}, {Way: "compressed", PerAck: 20_000, Acks: 96}}
	if err := print(&out, bench.Case{Variant: verify.MinSig, Validators: 4, Chunks: 32}, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got := strings.Fields(lines[len(lines)-1]); len(lines) != 5 ||
		strings.Join(got, " ") != "compressed 20.00 50000 50.0 - -" {
		t.Errorf("%q", out.String())
	}
}

func TestUnmeasurableSettingsAreRefusedByFlag(t *testing.T) {
	for _, arguments := range [][]string{
		{"--n", "0"}, {"--n", "x"}, {"--variants", "rsa"}, {"--chunks", "0"}, {"--unknown"}, {"--cpuprofile", "/"},
	} {
		if err := run(arguments, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", arguments)
		}
	}
}

func TestTheMachineIsNamed(t *testing.T) {
	if m := machine(); !strings.Contains(m, "GOMAXPROCS") || !strings.Contains(m, verify.BackendName) {
		t.Error(m)
	}
}
