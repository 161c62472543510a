//go:build unix

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a run of the built program that has printed a progress line.
type process struct {
	cmd    *exec.Cmd
	lines  chan string // of standard output; closed at its end
	stderr bytes.Buffer
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(build(t), args...), lines: make(chan string, 1000)}
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
	select {
	case line := <-p.lines:
		if !strings.Contains(line, "certificates") {
			t.Fatalf("first line %q, standard error:\n%s", line, p.stderr.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no progress for 30 s")
	}
	return p
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
		p := startProcess(t, "--data", dir, "--scheme", "ed25519", "--duration", "10m")
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.rest()
		if err := p.cmd.Wait(); err == nil {
			t.Fatal("the process survived SIGKILL")
		}
	}
	r := mustRun(t, "--data", dir, "--duration", "700ms")
	if len(r.Lanes) != 4 {
		t.Errorf("lanes %+v", r.Lanes)
	}
	for _, l := range r.Lanes {
		if l.Recovered < 1 || l.Certified <= l.Recovered {
			t.Errorf("lane %+v", l)
		}
	}
}

func TestSignalsEndARunCleanly(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "result.json")
			p := startProcess(t, "--duration", "10m", "--scheme", "ed25519", "--json", file)
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			out := p.rest()
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("%v, standard error:\n%s", err, p.stderr.String())
			}
			if !strings.Contains(out, "interrupted") || !strings.Contains(out, "certificates verified, 0 conflicts") {
				t.Errorf("no summary in:\n%s", out)
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if r := decode(t, b); !r.Interrupted || !r.OK {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestATemporaryFolderIsRemovedAfterwards(t *testing.T) {
	scratch := t.TempDir()
	cmd := exec.Command(build(t), "--duration", "300ms", "--scheme", "ed25519")
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
