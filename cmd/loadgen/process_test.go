//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
)

// process is a run of the program in a process of its own.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // of standard output and standard error; closed at their end
	mu     sync.Mutex
	errors strings.Builder // standard error so far
}

// startProcess starts the program and waits for a line of its output that a pattern matches.
func startProcess(t *testing.T, pattern string, args ...string) *process {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	p := &process{cmd: program(args...), lines: make(chan string, 1000)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	progress, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	var read sync.WaitGroup
	read.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	})
	read.Go(func() {
		for s := bufio.NewScanner(progress); s.Scan(); {
			p.mu.Lock()
			p.errors.WriteString(s.Text() + "\n")
			p.mu.Unlock()
			p.lines <- s.Text()
		}
	})
	go func() {
		read.Wait()
		close(p.lines)
	}()
	late := time.After(60 * time.Second)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				_ = p.cmd.Wait()
				t.Fatalf("it ended without %q, standard error:\n%s", pattern, p.stderr())
			}
			if wanted.MatchString(line) {
				return p
			}
		case <-late:
			t.Fatalf("no %q for a minute", pattern)
		}
	}
}

// stderr returns the standard error read so far.
func (p *process) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors.String()
}

// rest returns the rest of the output.
func (p *process) rest() string {
	var b strings.Builder
	for line := range p.lines {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// tenHeights matches the output of --live screen once lanes have been certified up to height 10.
const tenHeights = `^\S*lanes +height \d\d`

func TestARunContinuesAfterAKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for range 2 {
		p := startProcess(t, tenHeights, "--data", dir, "--scheme", "ed25519", "--latency", "2ms", "--duration", "10m", "--live", "screen")
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.rest()
		if err := p.cmd.Wait(); err == nil {
			t.Fatal("the process survived SIGKILL")
		}
	}
	r := clitest.MustRun[cluster.Result](t, newRootCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "2ms")
	if len(r.Lanes) != 4 {
		t.Errorf("lanes %+v", r.Lanes)
	}
	for _, l := range r.Lanes {
		if l.Recovered < 1 || l.Certified <= l.Recovered {
			t.Errorf("lane %+v", l)
		}
	}
}

func TestASignalledRunWritesWhatItMeasured(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		until  string // pattern of a line that is printed before the signal
		args   string
		status int
		said   string   // in the summary
		want   []string // in the JSON result
	}{
		{"cluster", syscall.SIGINT, tenHeights, "--duration 10m --latency 3ms --scheme multisig --live screen", cli.Good, ", interrupted", []string{`"mode": "cluster"`, `"ok": true`}},
		{"cluster whose terminal is closed", syscall.SIGHUP, tenHeights, "--duration 10m --latency 3ms --live screen", cli.Good, ", interrupted", []string{`"mode": "cluster"`, `"ok": true`}},
		{"repeated cluster", syscall.SIGTERM, "run 2 of 3", "--duration 800ms --latency 3ms --repeat 3", cli.Good, "certificates verified, 0 conflicts", []string{`"mode": "cluster"`, `"ok": true`}},
		{"node", syscall.SIGTERM, tenHeights, "node --rate 300 --duration 10s --warmup 0s --live screen", cli.Good, ", interrupted", []string{`"stage": "run"`, `"errors": 0`}},
		{"saturation", syscall.SIGINT, tenHeights, "node --load 10% --duration 1s --warmup 0s --scheme multisig --live screen", cli.Bad, "is of the saturation before it", []string{`"stage": "saturation"`, `"certificates_per_s"`}},
		{"search", syscall.SIGINT, "held", "node --find-max 30s --duration 200ms --warmup 0s", cli.Bad, "is of the search before it", []string{`"stage": "search"`, `"held"`}},
		{"sweep", syscall.SIGTERM, "defaults", "sweep --batch-size 64,8 --duration 300ms --warmup 0s --live lines", cli.Bad, "interrupted: the lines below", []string{`"mode": "sweep"`, `"best_throughput": 0`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			json, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
			args := append(strings.Fields(c.args), "--validators", "4", "--sequencers", "4", "--json", json, "--report", page)
			if !slices.Contains(args, "--scheme") {
				args = append(args, "--scheme", "ed25519")
			}
			p := startProcess(t, c.until, args...)
			if err := p.cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			out := p.rest()
			_ = p.cmd.Wait() // the status tells
			// A busy machine may not keep up with the rate.
			if status := p.cmd.ProcessState.ExitCode(); status != c.status && !strings.Contains(p.stderr(), "loadgen: overload") {
				t.Errorf("status %d, want %d, standard error:\n%s", status, c.status, p.stderr())
			}
			if !strings.Contains(out+p.stderr(), c.said) {
				t.Errorf("no %q in:\n%s%s", c.said, out, p.stderr())
			}
			b, err := os.ReadFile(json)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.want, `"interrupted": true`) {
				if !strings.Contains(string(b), want) {
					t.Errorf("no %s in:\n%s", want, b)
				}
			}
			if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), `"interrupted":true`) {
				t.Errorf("no page: %v", err)
			}
		})
	}
}

func TestARunStoppedWhileItSignsLeavesNoFiles(t *testing.T) {
	t.Parallel()
	json := filepath.Join(t.TempDir(), "r.json")
	p := startProcess(t, "signing", "node", "--rate", "1000", "--duration", "10m", "--live", "lines", "--json", json)
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.rest()
	_ = p.cmd.Wait() // the status tells
	if p.cmd.ProcessState.ExitCode() != cli.Bad || !strings.Contains(p.stderr(), "interrupted before the run had begun") {
		t.Errorf("%v, standard error:\n%s", p.cmd.ProcessState, p.stderr())
	}
	if _, err := os.Stat(json); !os.IsNotExist(err) {
		t.Errorf("a file without a result was left: %v", err)
	}
}

func TestATemporaryFolderIsRemovedAfterwards(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	cmd := program("--duration", clitest.Brief, "--latency", "3ms", "--scheme", "ed25519")
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The reader of the program's output goes away, as with loadgen 2>&1 | head -1.
func TestAClosedPipeEndsARunAsASignalDoes(t *testing.T) {
	t.Parallel()
	dir, scratch := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "r.json")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := program("--duration", "10m", "--latency", "3ms", "--scheme", "ed25519", "--live", "lines", "--json", file)
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_ = writer.Close()
	if _, err := bufio.NewReader(reader).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if r := clitest.Decode[cluster.Result](t, b); !r.OK || !r.Interrupted || r.Certificates == 0 {
		t.Errorf("%+v", r)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTheFoldersOfAKilledRunAreRemovedByTheNext(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	p := startProcess(t, tenHeights, "--duration", "10m", "--latency", "3ms", "--scheme", "ed25519", "--live", "screen")
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.rest()
	_ = p.cmd.Wait() // it was killed
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 1 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
	clitest.MustRun[cluster.Result](t, newRootCommand(), "--duration", clitest.Brief, "--latency", "3ms", "--scheme", "ed25519")
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
