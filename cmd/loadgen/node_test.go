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
	"testing"
)

// small are flags for runs that take about a second.
const small = "node --validators 7 --sequencers 6 --duration 200ms --warmup 50ms --live none "

// nodeRun runs node mode with --json - and returns its result.
func nodeRun(t *testing.T, status int, args string) *nodeResult {
	t.Helper()
	o := loadgen(t.Context(), strings.Fields(small+"--json - "+args)...)
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
	for _, flags := range []string{
		"--scheme multisig", "--scheme multisig --variant minpk --signatures uncompressed", "--scheme threshold", "--scheme ed25519",
	} {
		t.Run(flags, func(t *testing.T) {
			r := nodeRun(t, exitGood, flags)
			if r.Certificates == 0 || r.Mode != "node" || r.SendsDropped != 0 || r.LatencyMS.P50 <= 0 || !r.OK || r.Crypto.PerAck <= 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestAnOpenRunSendsAtItsRate(t *testing.T) {
	r := nodeRun(t, exitGood, "--scheme ed25519 --rate 2000 --duration 1s")
	if r.Rate != 2000 || r.Schedule != "constant" || r.AcksPerSecond < 1000 || r.AcksPerSecond > 3000 {
		t.Errorf("asked for 2000 acks/s, got %v: %+v", r.AcksPerSecond, r)
	}
}

func TestAStepScheduleIsReportedByPhase(t *testing.T) {
	r := nodeRun(t, exitGood, "--scheme ed25519 --rate 500 --rate-to 1500 --schedule step --steps 3 --duration 900ms")
	if len(r.Phases) != 3 || r.Phases[0].Offered != 500 || r.Phases[2].Offered != 1500 {
		t.Errorf("%+v", r.Phases)
	}
}

func TestAttackersAreFoundOutAndNobodyElseIsBlamed(t *testing.T) {
	for _, flags := range []string{"--invalid 0.28", "--invalid 0.28 --colluding", "--invalid 0.28 --scheme threshold"} {
		r := nodeRun(t, exitGood, flags+" --validators 10 --duration 2s")
		if r.Certificates == 0 || r.AcksInvalid == 0 || r.Suspects == 0 || r.Errors != 0 {
			t.Errorf("%s: %d certificates, %d invalid, %d suspects, %v", flags, r.Certificates, r.AcksInvalid, r.Suspects, r.Problems)
		}
	}
}

func TestSilentAndLateValidatorsDoNotStopANode(t *testing.T) {
	if r := nodeRun(t, exitGood, "--silent 0.14 --late 0.14 --scheme ed25519"); r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestANodeCanBeTheOnlySequencer(t *testing.T) {
	if r := nodeRun(t, exitGood, "--sequencers 1 --scheme ed25519"); r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestSequencersMayBeNoValidators(t *testing.T) {
	if r := nodeRun(t, exitGood, "--sequencers 12 --scheme ed25519 --in-flight 3"); r.Certificates == 0 || r.InFlight != 3 {
		t.Errorf("%+v", r)
	}
}

func TestARequirementThatIsNotMetMakesTheStatus1(t *testing.T) {
	r := nodeRun(t, exitBad, "--scheme ed25519 --require acks_per_s>1e9 --require p99<1m")
	if len(r.Unmet) != 1 || !r.OK {
		t.Errorf("%v", r.Unmet)
	}
}

func TestRepeatsAreSummarized(t *testing.T) {
	r := nodeRun(t, exitGood, "--scheme ed25519 --repeat 2 --duration 200ms")
	if r.Repeats == nil || r.Repeats.N != 2 || len(r.Repeats.Of["p99"].Values) != 2 {
		t.Errorf("%+v", r.Repeats)
	}
}

func TestLoadIsAPartOfSaturation(t *testing.T) {
	r := nodeRun(t, exitGood, "--scheme ed25519 --load 30%")
	if r.Saturation <= 0 || r.Rate < 0.29*r.Saturation || r.Rate > 0.31*r.Saturation {
		t.Errorf("saturation %v, rate %v", r.Saturation, r.Rate)
	}
}

func TestMetricsAndProfilesAreServedWhileANodeRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out trigger
	pages := make(map[string]string)
	out.word = "certificates  "
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
	args := strings.Fields("node --validators 4 --sequencers 4 --scheme ed25519 --rate 300 --duration 20s --metrics :0 --pprof :0")
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

func TestAnInterruptedNodeRunStillWritesItsFiles(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &trigger{word: "certificates", fire: cancel}
	args := strings.Fields("node --validators 4 --sequencers 4 --scheme ed25519 --rate 300 --duration 20s --json " +
		filepath.Join(dir, "r.json") + " --report " + filepath.Join(dir, "r.html"))
	if status := execute(ctx, args, out, out); status != exitGood || !strings.Contains(out.String(), "interrupted") {
		t.Fatalf("status %d: %s", status, out.String())
	}
	r, err := readResult(filepath.Join(dir, "r.json"))
	if err != nil || !r.Interrupted || r.Certificates == 0 {
		t.Errorf("%v, %+v", err, r)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "r.html")); err != nil || !strings.Contains(string(b), `"interrupted":true`) {
		t.Errorf("no report: %v", err)
	}
}

func TestAWrongNodeCommandLineGetsOneLineAndStatus2(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ args, want string }{
		{"node --frobnicate", "--frobnicate"},
		{"node now", `"now"`},
		{"node --validators 1", "--validators must be from 2"},
		{"node --validators 1001", "1000"},
		{"node --rate -1", "--rate must be"},
		{"node --rate NaN", "--rate must be"},
		{"node --rate 5 --load 50%", "leave one out"},
		{"node --load most", "--load"},
		{"node --schedule step --rate 5", "--rate-to"},
		{"node --rate 10 --rate-to 5", "--schedule step or ramp"},
		{"node --schedule sine", "--schedule must be"},
		{"node --invalid 1", "--invalid must be"},
		{"node --invalid 0.3 --silent 0.3", "certifying takes 67"},
		{"node --colluding", "--colluding needs"},
		{"node --in-flight 2 --rate 5", "--in-flight goes without"},
		{"node --repeat 0", "--repeat must be"},
		{"node --find-max 20ms --rate 5", "leave --rate"},
		{"node --require p99", "neither < nor >"},
		{"node --require p98<1ms", `no "p98"`},
		{"node --require p99<1", "needs a unit"},
		{"node --require acks_per_s>1ms", "is no duration"},
		{"node --live film", "--live must be"},
		{"node --report=", "--report needs"},
		{"node --report " + dir, "--report"},
		{"node --cpuprofile " + filepath.Join(dir, "no", "x"), "no such file"},
		{"node --json " + dir, "--json"},
		{"node --pprof 127.0.0.1:99999", "--pprof"},
		{"node --pprof 127.0.0.1:0 --cpuprofile " + filepath.Join(dir, "p"), "exclude each other"},
		{"node --data " + filepath.Join(dir, "none") + " --validators 4 --sequencers 1 --duration 100ms --live none", "--data"},
		{"node --duration 1h --rate 1e8 --live none --validators 4", "signing beforehand"},
		{"sweep --workers 1,1", "twice"},
		{"sweep --workers 1,", "empty value"},
		{"sweep --workers one", "--workers"},
		{"sweep --p99 0s", "--p99"},
		{"sweep --batch-size 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17 --workers 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "289 combinations"},
		{"compare one.json", "two files"},
		{"compare none.json none.json", "none.json"},
	} {
		t.Run(c.args, func(t *testing.T) {
			oneLineError(t, loadgen(t.Context(), strings.Fields(c.args)...), exitUsage, c.want)
		})
	}
}
