//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/spawn"
	"github.com/lanecast/lanecast/internal/testkit"
)

// Tests of this file do not run in parallel: each has as many processes as members.

// runProcesses runs a cluster of processes by a program of its own, and returns its result.
func runProcesses(t *testing.T, args ...string) (*cluster.Result, *exec.Cmd) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "result.json")
	cmd := program(append([]string{"--processes", "--json", name, "--live", "none"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return clitest.Decode[cluster.Result](t, b), cmd
}

func TestMembersInProcessesOfTheirOwnCertifyOnAllLanes(t *testing.T) {
	for _, args := range []string{
		"--scheme multisig --latency 2ms --jitter 1ms --bandwidth 100",
		"--scheme threshold --variant minpk --acks sequencer --validators 3 --sequencers 4 --latency 5ms",
		"--scheme ed25519 --loss 0.05 --weights zipf --latency 5ms --duration 3s",
		"--scheme secp256r1 --validators 1 --sequencers 1",
	} {
		t.Run(args, func(t *testing.T) {
			r, _ := runProcesses(t, append([]string{"--duration", clitest.Lasting(1500 * time.Millisecond)}, strings.Fields(args)...)...)
			members := max(r.Validators, r.Sequencers)
			if !r.OK || r.Processes == nil || r.Count != members || len(r.Members) != members || len(r.Lanes) != r.Sequencers || r.Verified < r.Certificates {
				t.Fatalf("%+v", r)
			}
			var sum uint64
			for i, m := range r.Members {
				sum += m.Certificates
				if m.Number != i+1 || m.Starts != 1 || m.CPU <= 0 || m.MaxRSS < 1<<20 || m.Host == "" || m.SentBytes == 0 && members > 1 {
					t.Errorf("%+v", m)
				}
			}
			if sum != r.Certificates || r.Samples != int64(r.Certificates) || r.CPU <= 0 || r.Hosts != 1 || r.NetworkBytes == 0 && members > 1 || r.LeftOut != 0 {
				t.Errorf("%+v, %+v", r.Summary, r.Processes)
			}
			if r.Latency > 0 && (r.LatencyMS.P50 < 2*r.Latency || r.Others.P50 < 2*r.Latency || r.OthersSamples == 0) {
				t.Errorf("a chunk took %v ms, and %v ms elsewhere, over links of %v ms", r.LatencyMS.P50, r.Others.P50, r.Latency)
			}
		})
	}
}

func TestTheResultOfProcessesHasTheKeysThatOthersRelyOn(t *testing.T) {
	dir := t.TempDir()
	file, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	cmd := program("--processes", "--duration", clitest.Lasting(2*time.Second), "--scheme", "ed25519", "--latency", "3ms", "--json", file, "--report", page, "--live", "lines")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "certificates verified, 0 conflicts") || !strings.Contains(string(out), "   1s ") {
		t.Fatalf("%v:\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"processes", "network_bytes", "cpu_s", "cpu_us_per_certificate", "max_rss_bytes", "certificates_per_s", "duration_s"} {
		if v, ok := got[key].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	for _, key := range []string{"series", "batch_sizes", "cpu_parts", "members", "lock_elsewhere", "latency_distribution"} {
		if v, ok := got[key].([]any); !ok || len(v) == 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	if got["mode"] != "cluster" || got["outcome"] != "good" {
		t.Errorf("mode %v, outcome %v", got["mode"], got["outcome"])
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), `"network_bytes"`) {
		t.Errorf("no page: %v", err)
	}
}

func TestLanesGoOnWhileMembersAreKilled(t *testing.T) {
	r, _ := runProcesses(t, "--scheme", "ed25519", "--latency", "2ms", "--kill-every", "300ms", "--duration", clitest.Lasting(7*time.Second))
	if !r.OK || r.Kills < 2 || r.RestartMS.P50 <= 0 || r.Conflicts != 0 {
		t.Errorf("%+v, %+v", r.Summary, r.Processes)
	}
	starts := 0
	for _, m := range r.Members {
		starts += m.Starts
	}
	if starts != r.Count+r.Kills {
		t.Errorf("%d processes of %d members that were killed %d times", starts, r.Count, r.Kills)
	}
}

func TestProcessesCarryBodiesToAllAndToOneThatWasAway(t *testing.T) {
	r, _ := runProcesses(t, "--scheme", "ed25519", "--payload-size", "8KiB", "--rate", "10", "--follow", "1", "--away", clitest.Lasting(time.Second),
		"--duration", clitest.Lasting(4*time.Second), "--latency", "2ms")
	b := r.Bodies
	if !r.OK || b == nil || r.Count != 5 || b.PayloadBytes != 8<<10 || b.Made == 0 || b.DeliveredMB <= 0 || b.Delivery.P50 < r.Latency || b.Compared == 0 {
		t.Fatalf("%+v, %+v", r.Summary, b)
	}
	if f := b.Followers; f == nil || f.Count != 1 || f.Samples == 0 || f.DeliveredMB <= 0 {
		t.Errorf("followers %+v", f)
	}
	if a := b.Away; a == nil || !a.Killed || !a.Returned || a.Level <= 0 || a.Missed == 0 || a.HeapPeak == 0 || r.Members[a.Member-1].Starts != 2 {
		t.Errorf("away %+v", a)
	}
	if m := r.Members[4]; m.Certificates != 0 || m.Received < 8<<10 {
		t.Errorf("the follower: %+v", m)
	}
}

func TestInterruptedProcessesSumUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	p := startProcess(t, "^ +2s ", "--processes", "--duration", "10m", "--scheme", "ed25519", "--latency", "3ms", "--live", "lines", "--json", file)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	out := p.rest()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s%s", err, out, p.stderr())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := clitest.Decode[cluster.Result](t, b); !r.OK || !r.Interrupted || r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
}

func TestMembersDoNotOutliveTheProgramThatRunsThem(t *testing.T) {
	scratch := t.TempDir()
	cmd := program("--processes", "--duration", "10m", "--scheme", "ed25519", "--latency", "3ms", "--live", "none")
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var addresses []string
	testkit.Eventually(t, "all members listen", func() bool {
		files, _ := filepath.Glob(filepath.Join(scratch, "*", "*", "network.json"))
		if len(files) == 0 {
			return false
		}
		b, err := os.ReadFile(files[0])
		var n struct{ Members []struct{ Address string } }
		if err != nil || json.Unmarshal(b, &n) != nil {
			return false
		}
		addresses = nil
		for _, m := range n.Members {
			addresses = append(addresses, m.Address)
		}
		return listening(addresses) == 4
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	testkit.Eventually(t, "no member listens any more", func() bool { return listening(addresses) == 0 })
}

// listening returns the number of addresses that accept connections.
func listening(addresses []string) (n int) {
	for _, a := range addresses {
		if c, err := net.DialTimeout("tcp", a, time.Second); err == nil {
			n++
			_ = c.Close()
		}
	}
	return n
}

func TestProcessesRefuseWhatTheyCannotDo(t *testing.T) {
	for args, want := range map[string]string{
		"--processes --data x":                      "loadgen init",
		"--processes --metrics :0":                  "--metrics is not for --processes",
		"--processes --kill-every 1s --duration 2s": "--duration of at least 5s",
		"--processes --kill-every 1ms":              "at least 10ms",
		"--processes --bandwidth 0.1":               "--bandwidth must be",
		"--processes --jitter 2m":                   "--jitter must be",
		"--processes --payload-size 8KiB --rate 1 --away 1s --duration 9s --kill-every 1s": "exclude each other",
		"--processes --payload-size 8KiB --rate 1 --away 1s --validators 3":                "no quorum",
		"--kill-every 1s": "needs --processes",
		"--jitter 1ms":    "needs --processes",
		"--bandwidth 5":   "needs --processes",
		"--processes --kill-every 1s --validators 3 --sequencers 3":                  "4 validators",
		"--processes --kill-every 1s --validators 1 --scheme ed25519 --sequencers 1": "4 validators",
	} {
		clitest.OneLineError(t, loadgen(t.Context(), strings.Fields(args)...), cli.Usage, want)
	}
}

// hosts are members that run as on separate machines: by init, member and merge.
type hosts struct {
	dir   string
	ended []chan error
	cmds  []*exec.Cmd
}

func newHosts(t *testing.T, args ...string) *hosts {
	t.Helper()
	h := &hosts{dir: filepath.Join(t.TempDir(), "network"), ended: make([]chan error, 4), cmds: make([]*exec.Cmd, 4)}
	addresses, err := spawn.FreeAddresses(4)
	if err != nil {
		t.Fatal(err)
	}
	o := loadgen(t.Context(), append([]string{"init", h.dir, "--address", strings.Join(addresses, ","), "--scheme", "ed25519", "--latency", "3ms"}, args...)...)
	if o.Status != cli.Good {
		t.Fatalf("%+v", o)
	}
	return h
}

func (h *hosts) member(i int) string { return filepath.Join(h.dir, fmt.Sprintf("member-%04d", i+1)) }

func (h *hosts) start(t *testing.T, i int, args ...string) {
	t.Helper()
	cmd := program(append([]string{"member", h.member(i), "--live", "none"}, args...)...)
	log, err := os.OpenFile(filepath.Join(h.member(i), "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	h.cmds[i], h.ended[i] = cmd, ended
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
}

func (h *hosts) await(t *testing.T, which ...int) {
	t.Helper()
	for _, i := range which {
		if err := <-h.ended[i]; err != nil {
			b, _ := os.ReadFile(filepath.Join(h.member(i), "log"))
			t.Fatalf("member %d: %v:\n%s", i+1, err, b)
		}
	}
}

func TestMembersOfHostsGoOnAfterAKillAndInALaterRun(t *testing.T) {
	h := newHosts(t, "--duration", clitest.Lasting(4*time.Second))
	for i := range 4 {
		h.start(t, i)
	}
	record := filepath.Join(h.member(2), "record")
	size := func() int64 {
		info, err := os.Stat(record)
		if errors.Is(err, os.ErrNotExist) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	testkit.Eventually(t, "the third member is in the run", func() bool { return size() > 20_000 })
	if err := h.cmds[2].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-h.ended[2]
	h.start(t, 2)
	h.await(t, 0, 1, 2, 3)
	first := clitest.MustRun[cluster.Result](t, newRootCommand(), "merge", h.dir)
	if !first.OK || first.Count != 4 || first.Members[2].Starts != 2 || first.Members[1].Starts != 1 || first.Certificates == 0 || first.OthersSamples == 0 {
		t.Errorf("%+v, %+v", first.Summary, first.Processes)
	}

	for i := range 4 {
		h.start(t, i)
	}
	h.await(t, 0, 1, 2, 3)
	second := clitest.MustRun[cluster.Result](t, newRootCommand(), "merge", h.dir)
	for i, l := range second.Lanes {
		if before := first.Lanes[i]; l.Sequencer != before.Sequencer || l.Recovered < before.Certified || l.Certified <= l.Recovered {
			t.Errorf("lane went from %+v to %+v", before, l)
		}
	}
}

func TestAMemberWaitsForTheOthersAndGoesOnWithAQuorum(t *testing.T) {
	h := newHosts(t, "--duration", clitest.Lasting(time.Second), "--wait", clitest.Lasting(1500*time.Millisecond))
	for i := range 3 {
		h.start(t, i)
	}
	h.await(t, 0, 1, 2)
	o := loadgen(t.Context(), "merge", h.dir)
	if o.Status != cli.Bad || !strings.Contains(o.Stderr, "member 4: its result is missing") {
		t.Errorf("%+v", o)
	}
}

func TestAMemberBeginsAtTheTimeThatWasAgreedOn(t *testing.T) {
	h := newHosts(t, "--duration", clitest.Lasting(2*time.Second))
	wait, err := time.ParseDuration(clitest.Lasting(3 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(wait + time.Second).UTC().Truncate(time.Second).Format(time.RFC3339)
	for i := range 4 {
		h.start(t, i, "--start", at)
	}
	h.await(t, 0, 1, 2, 3)
	r := clitest.MustRun[cluster.Result](t, newRootCommand(), "merge", h.dir)
	if r.Time != at {
		t.Errorf("began at %s, not at %s", r.Time, at)
	}
}

// The others have ended before this member is started again.
func TestAMemberThatComesBackAfterTheEndConcludesItsRun(t *testing.T) {
	h := newHosts(t, "--duration", clitest.Lasting(2*time.Second))
	for i := range 4 {
		h.start(t, i)
	}
	record := filepath.Join(h.member(3), "record")
	testkit.Eventually(t, "the last member is in the run", func() bool {
		info, err := os.Stat(record)
		return err == nil && info.Size() > 20_000
	})
	if err := h.cmds[3].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-h.ended[3]
	h.await(t, 0, 1, 2)
	h.start(t, 3)
	h.await(t, 3)
	if r := clitest.MustRun[cluster.Result](t, newRootCommand(), "merge", h.dir); r.Members[3].Starts != 2 {
		t.Errorf("%+v", r.Members)
	}
}
