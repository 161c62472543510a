package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

func TestAPayloadIsGenuineInEveryRunButAtItsPlaceAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := engine.Place{
			Sequencer: wire.PublicKey(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sequencer")),
			Height:    rapid.Uint64().Draw(t, "height"),
		}
		made := payloads{seed: rapid.Uint64().Draw(t, "seed"), run: rapid.Uint64().Draw(t, "run")}
		later := payloads{seed: made.seed, run: made.run + 1}
		d := made.digest(at)
		if !made.genuine(at, d) || !later.genuine(at, d) {
			t.Fatal("a genuine payload was refused")
		}
		if later.digest(at) == d {
			t.Fatal("two runs made the same payload")
		}
		above := at
		above.Height++
		flipped := d
		flipped[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		stranger := payloads{seed: made.seed + 1, run: made.run}
		if made.genuine(above, d) || made.genuine(at, flipped) || stranger.genuine(at, d) {
			t.Fatal("a payload of another place or cluster was accepted")
		}
	})
}

func TestTheClockTimesEachChunkOnce(t *testing.T) {
	var c clock
	if _, ok := c.certified(3); ok {
		t.Error("timed a chunk that was not proposed")
	}
	c.proposed(3)
	c.proposed(4) // before the lock of 3 is reported
	time.Sleep(2 * time.Millisecond)
	if took, ok := c.certified(3); !ok || took < 2*time.Millisecond {
		t.Errorf("took %v, %v", took, ok)
	}
	if _, ok := c.certified(3); ok {
		t.Error("timed a chunk twice")
	}
	if _, ok := c.certified(4); !ok {
		t.Error("forgot the second chunk")
	}
}

func TestLatenciesCoverTheLastPeriodsAndAll(t *testing.T) {
	l := newLatencies()
	if l.turn(2) != (quantiles{}) {
		t.Error("quantiles of nothing")
	}
	for ms := range 100 {
		l.record(time.Duration(ms+1) * time.Millisecond)
	}
	first := l.turn(2)
	l.record(24 * time.Hour) // longer than what can be told apart
	both, later := l.turn(2), l.turn(2)
	all := l.all()
	near := func(got, want float64) bool { return math.Abs(got-want) <= want/100 }
	if !near(first.P50, 50) || !near(first.P90, 90) || !near(first.Max, 100) {
		t.Errorf("first %+v", first)
	}
	if !near(both.P50, 51) || !near(both.Max, 600_000) || !near(later.P50, 600_000) {
		t.Errorf("two periods %+v, the two after %+v", both, later)
	}
	if !near(all.P50, 51) || !near(all.Max, 600_000) {
		t.Errorf("all %+v", all)
	}
}

func TestAManifestIsReadStrictly(t *testing.T) {
	for name, content := range map[string]string{
		"garbage":         "no json",
		"unknown field":   `{"version":1,"namespace":"lanecast-loadgen","shards":3}`,
		"later version":   `{"version":2,"namespace":"lanecast-loadgen"}`,
		"other namespace": `{"version":1,"namespace":"elsewhere"}`,
		"impossible":      `{"version":1,"namespace":"lanecast-loadgen","validators":-4,"sequencers":1,"scheme":"multisig"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, manifestName), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			oneLineError(t, loadgen(t.Context(), "--data", dir), exitUsage, manifestName)
		})
	}
}

func TestAManifestThatWasBeingWrittenDoesNotStandInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, manifestName+".new"), []byte(`{"vers`), 0o644); err != nil {
		t.Fatal(err)
	}
	s := defaultConfig()
	s.data, s.seed = dir, 9
	if _, err := openStore(s); err != nil {
		t.Fatal(err)
	}
	m, err := readManifest(dir)
	if err != nil || m.Seed != 9 || m.Validators != 4 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := os.Stat(filepath.Join(dir, manifestName+".new")); !os.IsNotExist(err) {
		t.Errorf("the unfinished manifest is still there: %v", err)
	}
}
