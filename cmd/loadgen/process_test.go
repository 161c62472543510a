//go:build unix

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a run of the built program.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // of standard output; closed at its end
	stderr bytes.Buffer
}

// startProcess starts the program and waits for a line with a text in it on standard output.
func startProcess(t *testing.T, text string, args ...string) *process {
	t.Helper()
	p := &process{cmd: program(args...), lines: make(chan string, 1000)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	late := time.After(60 * time.Second)
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				_ = p.cmd.Wait()
				t.Fatalf("it ended without %q, standard error:\n%s", text, p.stderr.String())
			}
			if strings.Contains(line, text) {
				return p
			}
		case <-late:
			t.Fatalf("no %q for a minute", text)
		}
	}
}

// rest returns what is left of standard output, to its end.
func (p *process) rest() string {
	var b strings.Builder
	for line := range p.lines {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func TestARunContinuesAfterAKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for range 2 {
		p := startProcess(t, "certificates", "--data", dir, "--scheme", "ed25519", "--duration", "10m")
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.rest()
		if err := p.cmd.Wait(); err == nil {
			t.Fatal("the process survived SIGKILL")
		}
	}
	r := mustRun(t, "--data", dir, "--duration", "1s")
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
		until  string // a line with it is printed
		args   string
		status int
		said   string   // in the summary
		want   []string // in the JSON result
	}{
		{"cluster", syscall.SIGINT, "certificates ", "--duration 10m --latency 3ms --scheme multisig", exitGood, ", interrupted", []string{`"mode": "cluster"`, `"ok": true`}},
		{"repeated cluster", syscall.SIGTERM, "run 2 of 3", "--duration 1500ms --latency 3ms --repeat 3", exitGood, "certificates verified, 0 conflicts", []string{`"mode": "cluster"`, `"ok": true`}},
		{"node", syscall.SIGTERM, "certificates ", "node --rate 300 --duration 30s --warmup 0s", exitGood, ", interrupted", []string{`"stage": "run"`, `"ok": true`}},
		{"saturation", syscall.SIGINT, "certificates ", "node --load 10% --duration 2s --warmup 0s --scheme multisig", exitBad, "is of the saturation before it", []string{`"stage": "saturation"`, `"certificates_per_s"`}},
		{"search", syscall.SIGINT, "held", "node --find-max 30s --duration 300ms --warmup 0s", exitBad, "is of the search before it", []string{`"stage": "search"`, `"held"`}},
		{"sweep", syscall.SIGTERM, "defaults", "sweep --batch-size 64,8 --rate 300 --duration 600ms --warmup 0s --live lines", exitBad, "interrupted: what follows", []string{`"mode": "sweep"`, `"best_throughput": 0`}},
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
			if status := p.cmd.ProcessState.ExitCode(); status != c.status {
				t.Errorf("status %d, want %d, standard error:\n%s", status, c.status, p.stderr.String())
			}
			if !strings.Contains(out+p.stderr.String(), c.said) {
				t.Errorf("no %q in:\n%s%s", c.said, out, p.stderr.String())
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
	if p.cmd.ProcessState.ExitCode() != exitBad || !strings.Contains(p.stderr.String(), "interrupted before the run had begun") {
		t.Errorf("%v, standard error:\n%s", p.cmd.ProcessState, p.stderr.String())
	}
	if _, err := os.Stat(json); !os.IsNotExist(err) {
		t.Errorf("a file without a result was left: %v", err)
	}
}

func TestATemporaryFolderIsRemovedAfterwards(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	cmd := program("--duration", "1s", "--latency", "3ms", "--scheme", "ed25519")
	cmd.Env = append(cmd.Env, "TMPDIR="+scratch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
