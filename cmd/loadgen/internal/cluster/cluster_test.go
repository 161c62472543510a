package cluster

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
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/profile"
	"github.com/lanecast/lanecast/internal/testkit"
)

func TestEverySchemeCertifiesOnAllLanes(t *testing.T) {
	for _, args := range []string{
		"--scheme multisig --variant minsig",
		"--scheme multisig --variant minpk",
		"--scheme multisig --signatures uncompressed",
		"--scheme threshold --variant minsig --signatures uncompressed",
		"--scheme threshold --variant minpk",
		"--scheme ed25519",
		"--scheme secp256r1",
		"--acks sequencer --scheme multisig --weights zipf",
		"--acks sequencer --scheme threshold",
		"--acks sequencer --scheme ed25519",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := clitest.MustRun[Result](t, NewCommand(), append(strings.Fields(args), "--duration", clitest.Brief, "--latency", "10ms")...)
			if !r.OK || r.Certificates < 4 || r.Verified < r.Certificates || len(r.Lanes) != 4 {
				t.Errorf("%+v", r)
			}
			for _, l := range r.Lanes {
				if l.Recovered != -1 || l.Certified < 0 {
					t.Errorf("lane %+v", l)
				}
			}
			if r.AcksReceived == 0 || r.NodesReceived == 0 || r.AcksInvalid != 0 || r.LatencyMS.P50 <= 0 || r.LatencyMS.Max < r.LatencyMS.P99 {
				t.Errorf("%+v", r)
			}
			// A certified chunk was acked by three of four, including the sequencer. There may be
			// as many acks again for chunks that were not certified when the run ended.
			toSequencer := strings.Contains(args, "sequencer")
			m, least, below := r.Messages, 9.0, 24.0
			if toSequencer {
				least, below = 2, 9
			}
			if m.Acks < least || m.Acks >= below || m.Nodes < 2 || (m.Certificates > 0) != toSequencer || (r.CertificatesReceived > 0) != toSequencer {
				t.Errorf("%+v messages per certificate, %d certificates received", m, r.CertificatesReceived)
			}
			if want := map[bool]string{true: "", false: r.Variant}[strings.Contains(args, "ed25519") || strings.Contains(args, "secp256r1")]; r.Variant != want {
				t.Errorf("variant %q", r.Variant)
			}
		})
	}
}

func TestOtherShapesOfClustersWork(t *testing.T) {
	for _, c := range []struct {
		args  string
		lanes int
	}{
		{"--validators 1 --sequencers 1", 1},
		{"--validators 5 --sequencers 2 --workers 2 --batch-size 4 --batch-delay 1ms --latency 2ms", 2},
		{"--validators 3 --sequencers 5 --latency 2ms", 5},
		{"--latency 20ms --loss 0.05 --duration 2500ms", 4},
		{"--acks sequencer --validators 3 --sequencers 5 --latency 2ms", 5},
		{"--acks sequencer --latency 20ms --loss 0.05 --duration 2500ms", 4},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--duration", clitest.Brief, "--scheme", "ed25519"}, strings.Fields(c.args)...)
			r := clitest.MustRun[Result](t, NewCommand(), args...)
			if len(r.Lanes) != c.lanes || r.Certificates < uint64(c.lanes) {
				t.Errorf("%+v", r)
			}
			if r.Latency > 0 && r.LatencyMS.P50 < 2*r.Latency {
				t.Errorf("a chunk took %v ms over links of %v ms", r.LatencyMS.P50, r.Latency)
			}
		})
	}
}

func TestTheResultHasTheKeysThatOthersRelyOn(t *testing.T) {
	t.Parallel()
	o := loadgen(t.Context(), "--duration", clitest.Brief, "--latency", "2ms", "--scheme", "ed25519", "--tag", "branch=a=b", "--json", "-")
	var got map[string]any
	if err := json.Unmarshal([]byte(o.Stdout), &got); err != nil {
		t.Fatalf("%v in:\n%s", err, o.Stdout)
	}
	for key, example := range map[string]any{
		"mode": "", "scheme": "", "variant": "", "signatures": "", "validators": 0.0, "sequencers": 0.0, "workers": 0.0,
		"batch_size": 0.0, "duration_s": 0.0, "certificates": 0.0, "certificates_per_s": 0.0, "acks_received": 0.0,
		"acks_per_s": 0.0, "acks_invalid": 0.0, "nodes_received": 0.0, "latency_ms": map[string]any{}, "cpu_s": 0.0,
		"cpu_us_per_certificate": 0.0, "max_rss_bytes": 0.0, "conflicts": 0.0, "errors": 0.0,
		"acks": "", "weights": "", "messages_per_certificate": map[string]any{},
		"outcome": "", "environment": map[string]any{}, "bytes_in_per_node": 0.0, "bytes_out_per_node": 0.0, "latency_samples": 0.0,
	} {
		if v, ok := got[key]; !ok || fmt.Sprintf("%T", v) != fmt.Sprintf("%T", example) {
			t.Errorf("%s is %T, want %T", key, v, example)
		}
	}
	latency, _ := got["latency_ms"].(map[string]any)
	for _, key := range []string{"p50", "p90", "p99", "max"} {
		if v, ok := latency[key].(float64); !ok || v <= 0 {
			t.Errorf("latency_ms.%s is %v", key, latency[key])
		}
	}
	environment, _ := got["environment"].(map[string]any)
	if tags, _ := environment["tags"].(map[string]any); tags["branch"] != "a=b" || environment["version"] == "" || environment["command"] == "" || environment["hostname"] == "" {
		t.Errorf("environment %v", environment)
	}
	if disk, _ := environment["disk"].(map[string]any); disk["sync_p50_ms"].(float64) <= 0 || disk["sync_p99_ms"].(float64) < disk["sync_p50_ms"].(float64) {
		t.Errorf("disk %v", disk)
	}
	// A member sends each message to three others, and all of them receive it.
	if in, out := got["bytes_in_per_node"].(float64), got["bytes_out_per_node"].(float64); in < 1000 || out < 1000 || in > 2*out {
		t.Errorf("%v bytes in, %v out", in, out)
	}
	messages, _ := got["messages_per_certificate"].(map[string]any)
	for _, key := range []string{"nodes", "acks", "certificates"} {
		if _, ok := messages[key].(float64); !ok {
			t.Errorf("messages_per_certificate.%s is %v", key, messages[key])
		}
	}
	if got["mode"] != "cluster" || got["duration_s"].(float64) < 0.7 || got["max_rss_bytes"].(float64) < 1<<20 || got["cpu_s"].(float64) <= 0 {
		t.Errorf("result %v", got)
	}
	if !strings.Contains(o.Stderr, "latency       p50") {
		t.Errorf("no summary on standard error:\n%s", o.Stderr)
	}
}

func TestAResultFileIsReplacedWhole(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(file, []byte(strings.Repeat("older and longer ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	o := loadgen(t.Context(), "--duration", clitest.Brief, "--latency", "3ms", "--scheme", "ed25519", "--json", file)
	if o.Status != cli.Good || !strings.Contains(o.Stdout, "certificates verified") {
		t.Fatalf("%+v", o)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := clitest.Decode[Result](t, b); !r.OK {
		t.Errorf("%+v", r)
	}
	for line := range strings.Lines(o.Stdout) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > cli.Width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestASecondRunContinuesEveryLane(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	first := clitest.MustRun[Result](t, NewCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "2ms", "--scheme", "threshold", "--validators", "3", "--seed", "42")
	second := clitest.MustRun[Result](t, NewCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "2ms")
	if second.Scheme != "threshold" || second.Validators != 3 || second.Sequencers != 4 || second.Seed != 42 {
		t.Errorf("second run was of another cluster: %+v", second)
	}
	for i, l := range second.Lanes {
		before := first.Lanes[i]
		if l.Sequencer != before.Sequencer || l.Recovered < before.Certified || l.Certified <= l.Recovered {
			t.Errorf("lane went from %+v to %+v", before, l)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{manifestName, "member-0000", "member-0001", "member-0002", "member-0003"}; !slices.Equal(names, want) {
		t.Errorf("folder holds %q, want %q", names, want)
	}

	o := loadgen(t.Context(), "--data", dir, "--validators", "4")
	clitest.OneLineError(t, o, cli.Usage, "--validators 4 contradicts", "has 3")
	o = loadgen(t.Context(), "--data", dir, "--seed", "43")
	clitest.OneLineError(t, o, cli.Usage, "--seed 43 contradicts")
}

func TestAClusterKeepsItsWeightsAndMayChangeWhereAcksGo(t *testing.T) {
	t.Parallel()
	file, dir := filepath.Join(t.TempDir(), "weights"), t.TempDir()
	if err := os.WriteFile(file, []byte("1\n1\n100\n30\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Participant 2 alone is a quorum, and no set without it is.
	first := clitest.MustRun[Result](t, NewCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "3ms", "--scheme", "ed25519", "--weights", file)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	second := clitest.MustRun[Result](t, NewCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "3ms", "--acks", "sequencer")
	if first.Weights != file || second.Weights != file || second.Acks != "sequencer" || second.CertificatesReceived == 0 {
		t.Errorf("weights %q, then %q; acks to %q; %d certificates received", first.Weights, second.Weights, second.Acks, second.CertificatesReceived)
	}
	for i, l := range second.Lanes {
		if l.Recovered < first.Lanes[i].Certified || l.Certified <= l.Recovered {
			t.Errorf("lane went from %+v to %+v", first.Lanes[i], l)
		}
	}
	clitest.OneLineError(t, loadgen(t.Context(), "--data", dir, "--weights", "zipf"), cli.Usage, "--weights zipf contradicts", "has "+file)
}

func TestAnInterruptedRunStillSumsUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	stderr := &clitest.Trigger{Word: " certificates ", Fire: cancel}
	status := cli.Run(ctx, NewCommand(), strings.Fields("--duration 10m --latency 3ms --scheme ed25519 --json -"), &stdout, stderr)
	r := clitest.Decode[Result](t, stdout.Bytes())
	if status != cli.Good || !r.Interrupted || !r.OK || r.Duration > 300 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("status %d, result %+v, standard error:\n%s", status, r, stderr.String())
	}
}

func TestARunStoppedBeforeItBeganFailsInOneLine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	clitest.OneLineError(t, loadgen(ctx, "--duration", "1s"), cli.Bad, "interrupted")
}

func TestALaneWithoutProgressFailsTheRun(t *testing.T) {
	t.Parallel()
	o := loadgen(t.Context(), "--duration", "50ms", "--latency", "10s", "--scheme", "ed25519", "--json", "-")
	oneLine := o.Stderr[strings.LastIndex(strings.TrimSpace(o.Stderr), "\n")+1:]
	if r := clitest.Decode[Result](t, []byte(o.Stdout)); o.Status != cli.Bad || r.OK || r.Errors != 4 || r.Certificates != 0 || !strings.Contains(oneLine, "certified nothing") {
		t.Errorf("status %d, %+v, last line %q", o.Status, r, oneLine)
	}
}

func TestAnUnusableJournalFolderFailsInOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clitest.MustRun[Result](t, NewCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "3ms", "--scheme", "ed25519")
	if err := os.RemoveAll(filepath.Join(dir, "member-0002")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "member-0002"), []byte("no folder"), 0o644); err != nil {
		t.Fatal(err)
	}
	clitest.OneLineError(t, loadgen(t.Context(), "--data", dir, "--duration", "1s"), cli.Bad, "member 2", "journal")
}

func TestAClusterHasTheOutputsOfANode(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	o := loadgen(t.Context(), "--scheme", "ed25519", "--latency", "3ms", "--duration", "1s", "--repeat", "2", "--live", "screen", "--pprof=", "--require", "p99<1m",
		"--require", "acks_per_s>1e9", "--json", file("r.json"), "--report", file("r.html"))
	clitest.OneLineError(t, o, cli.Usage, "--pprof needs")
	o = loadgen(t.Context(), "--scheme", "ed25519", "--latency", "3ms", "--duration", "700ms", "--repeat", "2", "--live", "screen", "--cpuprofile", file("cpu"),
		"--require", "p99<1m", "--require", "acks_per_s>1e9", "--json", file("r.json"), "--report", file("r.html"))
	if !strings.HasSuffix(o.Stderr, "\n") || o.Status != cli.Bad || !strings.Contains(o.Stderr[strings.LastIndex(o.Stderr, "loadgen: "):], "required: acks_per_s>1e9 is not met") {
		t.Errorf("status %d, standard error:\n%s", o.Status, o.Stderr)
	}
	if strings.Contains(o.Stdout, "\x1b") || !strings.Contains(o.Stdout, "repeats       2;") {
		t.Errorf("standard output:\n%s", o.Stdout)
	}
	for _, want := range []string{"run 2 of 2", "\x1b[8A", "lanes           height", "s left"} {
		if !strings.Contains(o.Stderr, want) {
			t.Errorf("no %q in %q", want, o.Stderr)
		}
	}
	b, err := os.ReadFile(file("r.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := clitest.Decode[Result](t, b)
	if !r.OK || len(r.Unmet) != 1 || r.Repeats == nil || len(r.Repeats.Of["certificates_per_s"].Values) != 2 {
		t.Errorf("%+v", r)
	}
	if len(r.Series) < 2 || r.Series[1].Acks <= 0 || len(r.BatchSizes) == 0 || r.MeanBatch < 1 || len(r.Distribution) == 0 || r.Machine.Cores < 1 {
		t.Errorf("nothing to draw: %+v", r)
	}
	if b, err := os.ReadFile(file("cpu")); err != nil {
		t.Error(err)
	} else if _, err := profile.Read(b); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(file("r.html")); err != nil || !strings.Contains(string(b), `"mode":"cluster"`) {
		t.Errorf("no page: %v", err)
	}
}

func TestMetricsOfAllMembersAreServedWhileARunIsOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	finished := make(chan int)
	go func() {
		status := cli.Run(ctx, NewCommand(), strings.Fields("--duration 10m --latency 3ms --scheme ed25519 --metrics :0"), io.Discard, writer)
		_ = writer.Close()
		finished <- status
	}()
	var url string
	if _, err := fmt.Fscanf(reader, "metrics at %s\n", &url); err != nil || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("url %q, %v", url, err)
	}
	go io.Copy(io.Discard, reader)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	certified := regexp.MustCompile(`(?m)^lanecast_sequencer_certified_height\{.*\} ([2-9]|\d{2,})$`)
	testkit.Eventually(t, "metrics of all members show every lane", func() bool {
		response, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return len(certified.FindAll(body, -1)) == 4*4 && strings.Contains(string(body), `member="3"`) &&
			strings.Contains(string(body), "go_goroutines")
	})
	cancel()
	if status := <-finished; status != cli.Good {
		t.Errorf("status %d", status)
	}
}
