package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
)

// small are flags of node runs that only have to certify something.
var small = "node --validators 7 --sequencers 6 --warmup 20ms --live none --duration " + clitest.Lasting(150*time.Millisecond)

// nodeRuns lets one node run at a time: a run keeps the processors busy, and a run that gets too
// little of them certifies nothing.
var nodeRuns sync.Mutex

// nodeRun runs node mode with --json - and returns its result.
func nodeRun(t *testing.T, status int, args string) *Result {
	t.Helper()
	nodeRuns.Lock()
	o := loadgen(t.Context(), strings.Fields(small+" --json - "+args)...)
	nodeRuns.Unlock()
	var r Result
	err := json.Unmarshal([]byte(o.Stdout), &r)
	if status == cli.Good && o.Status == cli.Bad && r.Outcome == "overload" {
		status = cli.Bad // the machine was too busy for the rate, which does not matter here
	}
	if o.Status != status {
		t.Fatalf("status %d, want %d; standard error:\n%s", o.Status, status, o.Stderr)
	}
	if err != nil {
		t.Fatalf("%v in:\n%s", err, o.Stdout)
	}
	return &r
}

func TestANodeUnderClosedLoadCertifiesInEveryScheme(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{
		"--scheme multisig", "--scheme multisig --variant minpk --signatures uncompressed", "--scheme threshold", "--scheme ed25519", "--scheme secp256r1",
		"--acks sequencer --weights zipf", "--acks sequencer --scheme threshold",
	} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			r := nodeRun(t, cli.Good, flags)
			if r.Certificates == 0 || r.Mode != "node" || r.SendsDropped != 0 || r.LatencyMS.P50 <= 0 || !r.OK || r.Crypto.PerAck <= 0 {
				t.Errorf("%+v", r)
			}
			if r.Assembled+r.CertificatesReceived != r.Certificates || (r.CertificatesReceived > 0) != (r.Acks == "sequencer") || r.CertificatesInvalid > 0 {
				t.Errorf("of %d certificates %d were assembled and %d received, %d invalid", r.Certificates, r.Assembled, r.CertificatesReceived, r.CertificatesInvalid)
			}
			// A lane waits for the node's ack. At the beginning and at the end, the ack of a chunk
			// of each lane may be counted and not its certificate, or the reverse.
			if sent := r.Messages.Acks * float64(r.Certificates); r.Acks == "sequencer" && sent < float64(r.CertificatesReceived)-2*6 {
				t.Errorf("%.0f acks of its own for %d certificates received", sent, r.CertificatesReceived)
			}
		})
	}
}

// The same rate means the same chunks in both settings. The number that is certified in time
// depends on the machine: it is never above the schedule, and below it only if the generator was
// late.
func TestAnOpenRunCertifiesAtItsRateForAnyRecipientsOfAcks(t *testing.T) {
	t.Parallel()
	const chunks = 2000.0 / 6 * 0.5 // due in the measured time
	for _, c := range []struct {
		acks     string
		perChunk float64
	}{{"all", 6}, {"sequencer", 1}} { // one lane of six gets acks
		r := nodeRun(t, cli.Good, "--scheme ed25519 --rate 2000 --duration 500ms --acks "+c.acks)
		due := float64(r.Phases[0].Finished + r.Unfinished)
		acks := float64(r.AcksReceived) / c.perChunk
		if due > chunks+6 || acks > chunks*1.5 {
			t.Errorf("acks to %s: %v chunks and the acks of %v, want at most %v: %+v", c.acks, due, acks, chunks, r)
		}
		// The last 50 ms are not counted.
		if behind := 0.05 + r.Behind/1000; behind < 0.1 && (due < chunks*(1-2*behind)-6 || acks < chunks/2) {
			t.Errorf("acks to %s: %v chunks and the acks of %v, want about %v: %+v", c.acks, due, acks, chunks, r)
		}
	}
}

// The node's own lane proposes a chunk when the last one is certified, so it cannot be flooded;
// chunks due in it count all the same.
func TestAnOwnLaneThatDoesNotKeepPaceIsOverload(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Bad, "--validators 4 --sequencers 1 --scheme ed25519 --rate 90000 --duration 250ms --require p99<50ms")
	if r.OK || r.Outcome != "overload" || r.Errors != 0 || !strings.HasPrefix(r.Shortfall, "reached ") || len(r.Unmet) != 1 {
		t.Errorf("outcome %q, shortfall %q, unmet %q", r.Outcome, r.Shortfall, r.Unmet)
	}
	// Offered and due chunks follow from the schedule, however much of the machine the run had.
	if r.TakenAcks > r.OfferedAcks/2 || r.OfferedAcks < 30000 || r.Due < 1000 || r.CertifiedHere+r.Learned+r.Unfinished != r.Due {
		t.Errorf("%+v", r)
	}
}

func TestPastCapacityEveryChunkThatWasDueCounts(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Bad, "--validators 4 --sequencers 4 --scheme ed25519 --rate 300000 --duration 150ms")
	if r.Outcome != "overload" || r.CertifiedHere+r.Learned+r.Unfinished != r.Due || r.Due < 8000 || r.CertifiedHere > r.Due*3/4 {
		t.Errorf("outcome %q: %d due, %d certified here, %d learned, %d unfinished", r.Outcome, r.Due, r.CertifiedHere, r.Learned, r.Unfinished)
	}
	// More than a quarter waited longer than the time that counts as under way.
	if r.LatencyMS.P90 < 50 {
		t.Errorf("%+v", r.LatencyMS)
	}
}

func TestAStepScheduleIsReportedByPhase(t *testing.T) {
	r := nodeRun(t, cli.Good, "--scheme ed25519 --rate 500 --rate-to 1500 --schedule step --steps 3 --duration 450ms")
	if len(r.Phases) != 3 || r.Phases[0].Offered != 500 || r.Phases[2].Offered != 1500 {
		t.Errorf("%+v", r.Phases)
	}
}

func TestAttackersAreFoundOutAndNobodyElseIsBlamed(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"--invalid 0.28", "--invalid 0.28 --colluding", "--invalid 0.28 --scheme threshold"} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			r := nodeRun(t, cli.Good, flags+" --sequencers 3 --duration "+clitest.Lasting(300*time.Millisecond))
			if r.Certificates == 0 || r.AcksInvalid == 0 || r.Suspects == 0 || r.Errors != 0 {
				t.Errorf("%d certificates, %d invalid, %d suspects, %v", r.Certificates, r.AcksInvalid, r.Suspects, r.Problems)
			}
		})
	}
}

func TestInvalidCertificatesAreFoundOutAndNobodyElseIsBlamed(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Good, "--acks sequencer --invalid 0.28 --scheme ed25519 --duration "+clitest.Lasting(300*time.Millisecond))
	if r.CertificatesReceived == 0 || r.CertificatesInvalid == 0 || r.Faults == 0 || r.Errors != 0 {
		t.Errorf("%d certificates received, %d invalid, %d faults, %v", r.CertificatesReceived, r.CertificatesInvalid, r.Faults, r.Problems)
	}
}

func TestSilentAndLateValidatorsDoNotStopANode(t *testing.T) {
	t.Parallel()
	if r := nodeRun(t, cli.Good, "--silent 0.14 --late 0.14 --scheme ed25519"); r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestANodeCanBeTheOnlySequencer(t *testing.T) {
	t.Parallel()
	if r := nodeRun(t, cli.Good, "--sequencers 1 --scheme ed25519"); r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestSequencersMayBeNoValidators(t *testing.T) {
	t.Parallel()
	if r := nodeRun(t, cli.Good, "--sequencers 12 --scheme ed25519 --in-flight 3"); r.Certificates == 0 || r.InFlight != 3 {
		t.Errorf("%+v", r)
	}
}

func TestARequirementThatIsNotMetMakesTheStatus1(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Bad, "--scheme ed25519 --require acks_per_s>1e9 --require p99<1m")
	if len(r.Unmet) != 1 || !r.OK {
		t.Errorf("%v", r.Unmet)
	}
}

func TestRepeatsOfANodeAreSummarized(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Good, "--scheme ed25519 --repeat 2")
	if r.Repeats == nil || r.Repeats.N != 2 || len(r.Repeats.Of["p99"].Values) != 2 {
		t.Errorf("%+v", r.Repeats)
	}
}

func TestLoadIsAPartOfSaturation(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Good, "--scheme ed25519 --acks sequencer --batch-size 4 --load 30%")
	if r.Saturation <= 0 || r.Rate < 0.29*r.Saturation || r.Rate > 0.31*r.Saturation {
		t.Errorf("saturation %v, rate %v", r.Saturation, r.Rate)
	}
}

func TestASearchThatFindsNoRateWritesTheRatesThatItTried(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, cli.Bad, "--validators 4 --sequencers 4 --duration 150ms --batch-size 4 --scheme ed25519 --find-max 1ns")
	if r.OK || r.Interrupted || r.Stage != stageSearch || len(r.Tried) != findSteps || r.Tried[0].Held || !strings.Contains(r.Problems[0], "no rate tried") {
		t.Errorf("%+v", r)
	}
}

func TestASearchSustainsTheHighestRateThatItFound(t *testing.T) {
	t.Parallel()
	nodeRuns.Lock()
	o := loadgen(t.Context(), strings.Fields("node --validators 4 --sequencers 2 --warmup 0s --duration 200ms --scheme ed25519 --find-max 30s --live none --json -")...)
	nodeRuns.Unlock()
	r := clitest.Decode[Result](t, []byte(o.Stdout))
	highest := 0.0
	for _, p := range r.Tried {
		if p.Held {
			highest = max(highest, p.Rate)
		}
		if !strings.Contains(o.Stderr, fmt.Sprintf("  tried         %s acks/s: p99 ", cli.Thousands(p.Rate))) {
			t.Errorf("%+v is not in:\n%s", p, o.Stderr)
		}
	}
	if len(r.Tried) != findSteps || r.FindMax != 30000 || r.Saturation <= 0 {
		t.Fatalf("%+v", r)
	}
	if highest == 0 { // the machine was too busy for any rate
		if o.Status != cli.Bad || r.Stage != stageSearch {
			t.Errorf("status %d, %+v", o.Status, r)
		}
		return
	}
	if highest != r.Rate || r.Stage != StageRun || !strings.Contains(strings.Join(strings.Fields(o.Stderr), " "), "is the highest rate tried with p99 within 30000 ms; saturation is ") {
		t.Errorf("%v acks/s were sustained, %v found; %s", r.Rate, highest, o.Stderr)
	}
}

func TestMetricsAndProfilesAreServedWhileANodeRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out clitest.Trigger
	pages := make(map[string]string)
	out.Word = "certificates/s"
	out.Fire = func() {
		for _, url := range regexp.MustCompile(`http://\S+`).FindAllString(out.String(), 2) {
			response, err := http.Get(url)
			if err != nil {
				t.Error(err)
				break
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			pages[url[strings.LastIndex(url, ":"):]] = string(body)
		}
		http.DefaultClient.CloseIdleConnections()
		cancel()
	}
	args := strings.Fields("node --validators 4 --sequencers 4 --scheme ed25519 --rate 300 --duration 10s --warmup 0s --live screen --metrics :0 --pprof :0")
	if status := cli.Run(ctx, clitest.Root(NewCommand()), args, &out, &out); status != cli.Good && !strings.Contains(out.String(), "overload: ") {
		t.Fatalf("status %d: %s", status, out.String())
	}
	all := fmt.Sprint(pages)
	if len(pages) != 2 || !strings.Contains(all, "lanecast_acks_total") || !strings.Contains(all, "goroutine") {
		t.Errorf("served: %.300s", all)
	}
}

func TestACPUProfileIsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.prof")
	nodeRun(t, cli.Good, "--scheme ed25519 --cpuprofile "+file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := profile.Read(b); err != nil {
		t.Error(err)
	}
}
