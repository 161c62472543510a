package main

import (
	"bytes"
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
)

// small are flags of node runs that only have to certify something.
var small = "node --validators 7 --sequencers 6 --warmup 20ms --live none --duration " + lasting(150*time.Millisecond)

// nodeRuns lets one node run at a time go on: it keeps the processors busy, and a run that gets too
// little of them certifies nothing.
var nodeRuns sync.Mutex

// nodeRun runs node mode with --json - and returns its result.
func nodeRun(t *testing.T, status int, args string) *nodeResult {
	t.Helper()
	nodeRuns.Lock()
	o := loadgen(t.Context(), strings.Fields(small+" --json - "+args)...)
	nodeRuns.Unlock()
	if o.status != status {
		t.Fatalf("status %d, want %d; standard error:\n%s", o.status, status, o.stderr)
	}
	var r nodeResult
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("%v in:\n%s", err, o.stdout)
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
			r := nodeRun(t, exitGood, flags)
			if r.Certificates == 0 || r.Mode != "node" || r.SendsDropped != 0 || r.LatencyMS.P50 <= 0 || !r.OK || r.Crypto.PerAck <= 0 {
				t.Errorf("%+v", r)
			}
			if r.Assembled+r.CertificatesReceived != r.Certificates || (r.CertificatesReceived > 0) != (r.Acks == "sequencer") || r.CertificatesInvalid > 0 {
				t.Errorf("of %d certificates %d were assembled and %d received, %d invalid", r.Certificates, r.Assembled, r.CertificatesReceived, r.CertificatesInvalid)
			}
			// A lane waits for the node's ack. At the begin and at the end, that of a chunk of each lane
			// may be counted and not its certificate, or the other way round.
			if sent := r.Messages.Acks * float64(r.Certificates); r.Acks == "sequencer" && sent < float64(r.CertificatesReceived)-2*6 {
				t.Errorf("%.0f acks of its own for %d certificates received", sent, r.CertificatesReceived)
			}
		})
	}
}

// The same rate stands for the same chunks in both settings. How many come in the time depends on the
// machine: never more than the schedule says, and fewer only if the generator was behind it.
func TestAnOpenRunCertifiesAtItsRateWhereverAcksGo(t *testing.T) {
	t.Parallel()
	const chunks = 2000.0 / 6 * 0.5 // due in the measured time
	for _, c := range []struct {
		acks     string
		perChunk float64
	}{{"all", 6}, {"sequencer", 1}} { // one lane of six gets acks
		r := nodeRun(t, exitGood, "--scheme ed25519 --rate 2000 --duration 500ms --acks "+c.acks)
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

func TestAStepScheduleIsReportedByPhase(t *testing.T) {
	r := nodeRun(t, exitGood, "--scheme ed25519 --rate 500 --rate-to 1500 --schedule step --steps 3 --duration 450ms")
	if len(r.Phases) != 3 || r.Phases[0].Offered != 500 || r.Phases[2].Offered != 1500 {
		t.Errorf("%+v", r.Phases)
	}
}

func TestAttackersAreFoundOutAndNobodyElseIsBlamed(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"--invalid 0.28", "--invalid 0.28 --colluding", "--invalid 0.28 --scheme threshold"} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			r := nodeRun(t, exitGood, flags+" --sequencers 3 --duration "+lasting(300*time.Millisecond))
			if r.Certificates == 0 || r.AcksInvalid == 0 || r.Suspects == 0 || r.Errors != 0 {
				t.Errorf("%d certificates, %d invalid, %d suspects, %v", r.Certificates, r.AcksInvalid, r.Suspects, r.Problems)
			}
		})
	}
}

func TestInvalidCertificatesAreFoundOutAndNobodyElseIsBlamed(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, exitGood, "--acks sequencer --invalid 0.28 --scheme ed25519 --duration "+lasting(300*time.Millisecond))
	if r.CertificatesReceived == 0 || r.CertificatesInvalid == 0 || r.Faults == 0 || r.Errors != 0 {
		t.Errorf("%d certificates received, %d invalid, %d faults, %v", r.CertificatesReceived, r.CertificatesInvalid, r.Faults, r.Problems)
	}
}

func TestSilentAndLateValidatorsDoNotStopANode(t *testing.T) {
	t.Parallel()
	if r := nodeRun(t, exitGood, "--silent 0.14 --late 0.14 --scheme ed25519"); r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestANodeCanBeTheOnlySequencer(t *testing.T) {
	t.Parallel()
	if r := nodeRun(t, exitGood, "--sequencers 1 --scheme ed25519"); r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestSequencersMayBeNoValidators(t *testing.T) {
	t.Parallel()
	if r := nodeRun(t, exitGood, "--sequencers 12 --scheme ed25519 --in-flight 3"); r.Certificates == 0 || r.InFlight != 3 {
		t.Errorf("%+v", r)
	}
}

func TestARequirementThatIsNotMetMakesTheStatus1(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, exitBad, "--scheme ed25519 --require acks_per_s>1e9 --require p99<1m")
	if len(r.Unmet) != 1 || !r.OK {
		t.Errorf("%v", r.Unmet)
	}
}

func TestRepeatsOfANodeAreSummarized(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, exitGood, "--scheme ed25519 --repeat 2")
	if r.Repeats == nil || r.Repeats.N != 2 || len(r.Repeats.Of["p99"].Values) != 2 {
		t.Errorf("%+v", r.Repeats)
	}
}

func TestLoadIsAPartOfSaturation(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, exitGood, "--scheme ed25519 --acks sequencer --load 30%")
	if r.Saturation <= 0 || r.Rate < 0.29*r.Saturation || r.Rate > 0.31*r.Saturation {
		t.Errorf("saturation %v, rate %v", r.Saturation, r.Rate)
	}
}

func TestASearchThatFindsNoRateWritesWhatItTried(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, exitBad, "--validators 4 --sequencers 4 --duration 250ms --scheme ed25519 --find-max 1ns")
	if r.OK || r.Interrupted || r.Stage != stageSearch || len(r.Tried) != findSteps || r.Tried[0].Held || !strings.Contains(r.Problems[0], "no rate tried") {
		t.Errorf("%+v", r)
	}
}

func TestASearchSustainsTheHighestRateThatItFound(t *testing.T) {
	t.Parallel()
	r := nodeRun(t, exitGood, "--validators 4 --sequencers 2 --duration 100ms --scheme ed25519 --find-max 30s")
	if r.Stage != stageRun || len(r.Tried) != findSteps || r.FindMax != 30000 || r.Saturation <= 0 {
		t.Fatalf("%+v", r)
	}
	highest := 0.0
	for _, p := range r.Tried {
		if p.Held {
			highest = max(highest, p.Rate)
		}
	}
	if highest != r.Rate {
		t.Errorf("%v acks/s were sustained, %v found", r.Rate, highest)
	}
}

func TestMetricsAndProfilesAreServedWhileANodeRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out trigger
	pages := make(map[string]string)
	out.word = "certificates/s"
	out.fire = func() {
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
	if status := execute(ctx, args, &out, &out); status != exitGood {
		t.Fatalf("status %d: %s", status, out.String())
	}
	all := fmt.Sprint(pages)
	if len(pages) != 2 || !strings.Contains(all, "lanecast_acks_total") || !strings.Contains(all, "goroutine") {
		t.Errorf("served: %.300s", all)
	}
}

func TestACPUProfileIsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.prof")
	nodeRun(t, exitGood, "--scheme ed25519 --cpuprofile "+file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readParts(b); err != nil {
		t.Error(err)
	}
}

// trigger calls fire once a word is written to it.
type trigger struct {
	bytes.Buffer
	word string
	fire func()
}

func (w *trigger) Write(b []byte) (int, error) {
	if fire := w.fire; fire != nil && bytes.Contains(b, []byte(w.word)) {
		w.fire = nil
		fire()
	}
	return w.Buffer.Write(b)
}

// WriteString replaces that of bytes.Buffer, which does not call Write.
func (w *trigger) WriteString(s string) (int, error) { return w.Write([]byte(s)) }
