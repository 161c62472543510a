package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/wire"
)

func TestBodiesAreCertifiedAndDeliveredEverywhere(t *testing.T) {
	for _, args := range []string{
		"--payload-size 64KiB --scheme ed25519",
		"--payload-size 100kB --scheme multisig --acks sequencer",
		"--payload-size 32 --scheme ed25519 --validators 3 --sequencers 5",
		"--payload-size 1KiB --scheme ed25519 --validators 5 --sequencers 2 --weights zipf",
		"--payload-size 5MiB --scheme ed25519 --validators 4 --sequencers 1",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := clitest.MustRun[Result](t, NewCommand(), append(strings.Fields(args), "--duration", clitest.Brief)...)
			members := uint64(max(r.Validators, r.Sequencers))
			if !r.OK || r.Bodies == nil || len(r.Lanes) != r.Sequencers || r.Verified < max(r.Certificates, uint64(r.Sequencers)) {
				t.Fatalf("%+v", r)
			}
			b := r.Bodies
			// On a very busy machine the measured time may be too short for one body.
			if b.DeliveredSumMB < float64(members)*b.DeliveredMB*0.999 || (b.CPUPerMB > 0) != (b.DeliveredMB > 0) {
				t.Errorf("%+v", b)
			}
			// Every body that was made is delivered to all in the end.
			if b.Compared < members*b.Made || b.Compared < uint64(b.DeliverySamples) || b.DeliverySamples == 0 || b.Delivery.P50 <= 0 {
				t.Errorf("%+v", b)
			}
			if b.Due != 0 || b.Followers != nil || b.Away != nil || b.Repeated != 0 || b.ArchiveDisk <= 0 || r.BytesIn < float64(b.PayloadBytes) {
				t.Errorf("%+v", b)
			}
		})
	}
}

func TestAResultWithBodiesHasTheirFiguresAndOthersHaveNone(t *testing.T) {
	t.Parallel()
	keys := []string{"payload_bytes", "certified_mb_per_s", "delivered_mb_per_s", "delivery_ms", "making_cpu_s", "checking_cpu_s"}
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	o := loadgen(t.Context(), "--payload-size", "4KiB", "--scheme", "ed25519", "--duration", clitest.Brief, "--json", "-", "--report", page,
		"--live", "screen", "--require", "delivered_mb_per_s>=0", "--require", "delivery_p99<10m")
	var got map[string]any
	if err := json.Unmarshal([]byte(o.Stdout), &got); err != nil || o.Status != cli.Good {
		t.Fatalf("status %d, %v:\n%s", o.Status, err, o.Stderr)
	}
	for _, key := range keys {
		if _, ok := got[key]; !ok {
			t.Errorf("no %s", key)
		}
	}
	delivery, _ := got["delivery_ms"].(map[string]any)
	for _, key := range []string{"p50", "p90", "p99", "max"} {
		if v, ok := delivery[key].(float64); !ok || v <= 0 {
			t.Errorf("delivery_ms.%s is %v", key, delivery[key])
		}
	}
	for _, want := range []string{"throughput    ", "delivery      p50", "archives      ", "MB/s certified"} {
		if !strings.Contains(o.Stderr, want) {
			t.Errorf("no %q on standard error:\n%s", want, o.Stderr)
		}
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), `"payload_bytes":4096`) {
		t.Errorf("no page: %v", err)
	}
	o = loadgen(t.Context(), "--scheme", "ed25519", "--latency", "3ms", "--duration", clitest.Brief, "--json", "-")
	got = nil
	if err := json.Unmarshal([]byte(o.Stdout), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if v, ok := got[key]; ok {
			t.Errorf("%s is %v without bodies", key, v)
		}
	}
}

// mustEnd runs a cluster and returns its result. Lanes may not keep their rate on a busy machine:
// that is no fault.
func mustEnd(t *testing.T, args ...string) *Result {
	t.Helper()
	o := loadgen(t.Context(), append(args, "--json", "-")...)
	if o.Stdout == "" {
		t.Fatalf("status %d, standard error:\n%s", o.Status, o.Stderr)
	}
	r := clitest.Decode[Result](t, []byte(o.Stdout))
	if r.Conflicts != 0 || r.Errors != 0 || o.Status != cli.Good && r.Outcome != "overload" {
		t.Fatalf("status %d, outcome %s, standard error:\n%s", o.Status, r.Outcome, o.Stderr)
	}
	return r
}

func TestFollowersAreDeliveredEverything(t *testing.T) {
	t.Parallel()
	r := mustEnd(t, "--payload-size", "4KiB", "--scheme", "ed25519", "--follow", "2", "--rate", "10", "--duration", clitest.Lasting(1500e6))
	f := r.Bodies.Followers
	if f == nil || f.Count != 2 || f.Samples == 0 || f.Delivery.P50 <= 0 || r.Bodies.Compared < 6*r.Bodies.Made {
		t.Errorf("%+v, %+v", r.Bodies, f)
	}
	if r.Bodies.Due < 30 || r.Bodies.Made == 0 || r.Bodies.Made > r.Bodies.Due {
		t.Errorf("%d made, %d due", r.Bodies.Made, r.Bodies.Due)
	}
}

func TestAMemberThatWasAwayBecomesLevelAgain(t *testing.T) {
	t.Parallel()
	r := mustEnd(t, "--payload-size", "4KiB", "--scheme", "ed25519", "--rate", "10", "--away", "1s", "--duration", clitest.Lasting(4e9), "--weights", "zipf", "--validators", "7", "--sequencers", "7")
	a := r.Bodies.Away
	if a == nil || !a.Returned || a.Level <= 0 || a.Missed == 0 || a.Seconds < 1 || a.Left < 1 || a.Killed || a.HeapPeak != 0 {
		t.Fatalf("%+v", a)
	}
	if a.Before.P50 <= 0 || a.During.P50 <= 0 || a.After.P50 <= 0 {
		t.Errorf("%+v", a)
	}
	for _, l := range r.Lanes {
		if l.Certified < 0 {
			t.Errorf("lane %+v", l)
		}
	}
}

func TestABodyThatWaitedForItsMembersReturnHasNoLatency(t *testing.T) {
	now := time.Now()
	a := absence{lane: wire.PublicKey{1}, back: now.Add(-time.Second)}
	of := func(lane byte, took time.Duration) bodies.Delivery {
		return bodies.Delivery{Chunk: wire.Chunk{Sequencer: wire.PublicKey{lane}}, Timed: true, Took: took}
	}
	for phase := range int32(awayPhases) {
		a.phase.Store(phase)
		if a.spans(of(1, 2*time.Second), now) != (phase == afterAway) || a.spans(of(1, time.Millisecond), now) || a.spans(of(2, 2*time.Second), now) {
			t.Errorf("phase %d", phase)
		}
	}
}

func TestARunInterruptedWhileAMemberIsAwaySumsUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	stderr := &whenBehind{fire: cancel}
	status := cli.Run(ctx, NewCommand(), strings.Fields("--payload-size 1KiB --scheme ed25519 --rate 5 --away 10m --duration 602s --json -"), &stdout, stderr)
	r := clitest.Decode[Result](t, stdout.Bytes())
	if !r.Interrupted || r.Errors != 0 || r.Bodies.Away == nil || r.Bodies.Away.Returned || r.Bodies.Away.Seconds <= 0 || r.Duration > 300 {
		t.Errorf("status %d, result %+v, standard error:\n%s", status, r, stderr.String())
	}
}

// whenBehind fires once a line reports that a member is behind.
type whenBehind struct {
	bytes.Buffer
	fire func()
}

var behind = regexp.MustCompile(`[1-9]\d* behind`)

func (w *whenBehind) Write(b []byte) (int, error) {
	if behind.Match(b) {
		w.fire()
	}
	return w.Buffer.Write(b)
}

// WriteString replaces the method of bytes.Buffer, which does not call Write.
func (w *whenBehind) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func TestMoreBodiesThanLanesTakeAreOverload(t *testing.T) {
	t.Parallel()
	o := loadgen(t.Context(), "--payload-size", "1KiB", "--rate", "10000", "--duration", clitest.Brief, "--json", "-")
	r := clitest.Decode[Result](t, []byte(o.Stdout))
	if o.Status != cli.Bad || r.Outcome != "overload" || !strings.Contains(r.Shortfall, "bodies that were due") || r.Errors != 0 || r.Bodies.Made >= r.Bodies.Due {
		t.Errorf("status %d, %s: %s", o.Status, r.Outcome, r.Shortfall)
	}
}

func TestASecondRunWithBodiesContinuesEveryLane(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	run := func() *Result {
		return clitest.MustRun[Result](t, NewCommand(), "--data", dir, "--payload-size", "2KiB", "--duration", clitest.Brief, "--scheme", "ed25519", "--seed", "42", "--follow", "1")
	}
	first, second := run(), run()
	for i, l := range second.Lanes {
		before := first.Lanes[i]
		if l.Sequencer != before.Sequencer || l.Recovered < before.Certified || l.Certified <= l.Recovered {
			t.Errorf("lane went from %+v to %+v", before, l)
		}
	}
	if second.Bodies.Followers == nil || second.Bodies.Followers.Count != 1 {
		t.Errorf("%+v", second.Bodies)
	}
	for _, c := range []struct{ args, want string }{
		{"", "has bodies; say of which length"},
		{"--payload-size 2KiB --follow 2", "--follow 2 contradicts"},
	} {
		clitest.OneLineError(t, loadgen(t.Context(), append(strings.Fields(c.args), "--data", dir)...), cli.Usage, c.want)
	}
	without := filepath.Join(t.TempDir(), "without")
	clitest.MustRun[Result](t, NewCommand(), "--data", without, "--duration", clitest.Brief, "--scheme", "ed25519", "--latency", "3ms")
	clitest.OneLineError(t, loadgen(t.Context(), "--data", without, "--payload-size", "2KiB"), cli.Usage, "--payload-size contradicts")
}

func TestWhatBodiesCannotHaveInOneProcessIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"--payload-size 1KiB --latency 3ms":                                             "--latency and --loss are the simulated network's",
		"--payload-size 1KiB --loss 10%":                                                "--latency and --loss are the simulated network's",
		"--payload-size 1KiB --validators 60 --follow 5":                                "at most 64 members in one process",
		"--payload-size 64MiB --validators 64 --sequencers 1":                           "half of the memory available",
		"--payload-size 1KiB --validators 2 --rate 1 --away 1s":                         "the others are no quorum",
		"--payload-size 1MiB --rate 10000 --away 1h --duration 2h":                      "there is room for",
		fmt.Sprintf("--payload-size 1KiB --require delivery_p99<5 --duration %s", "1s"): "a latency needs a unit",
	} {
		clitest.OneLineError(t, loadgen(t.Context(), strings.Fields(args)...), cli.Usage, want)
	}
}
