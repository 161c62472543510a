// Package clitest runs commands of loadgen in tests.
package clitest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/internal/testkit"
)

// Main runs the tests of a package, whose runs wait mostly for their links and for their time
// to pass: more of them than processors go on at once.
func Main(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // ants starts a pool as it is loaded
}

// Brief is the duration of cluster runs that only have to certify on every lane, on a busy machine
// too. Give them some --latency, or each of them takes all processors.
var Brief = Lasting(700 * time.Millisecond)

// Lasting returns a duration for a flag. Under the race detector, with which programs take some ten
// times as long, it is longer, and where others take most of the processors' time.
func Lasting(d time.Duration) string {
	if testkit.Race {
		d *= 4
	}
	return time.Duration(float64(d) * crowding()).String()
}

// crowding returns how many times as long as its CPU time a computation takes now, at most 4.
var crowding = sync.OnceValue(func() float64 {
	began, cpuBegan := time.Now(), host.ProcessCPU()
	for time.Since(began) < 100*time.Millisecond && host.ProcessCPU()-cpuBegan < 10*time.Millisecond {
	}
	cpu := host.ProcessCPU() - cpuBegan
	if cpu == 0 && host.ProcessCPU() == 0 {
		return 1 // the system does not tell
	}
	return min(max(float64(time.Since(began))/float64(max(cpu, time.Millisecond)), 1), 4)
})

// Outcome is the result of one call of the program.
type Outcome struct {
	Status         int
	Stdout, Stderr string
}

// Root returns a program that has subcommands only.
func Root(subcommands ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{Use: "loadgen"}
	root.AddCommand(subcommands...)
	return root
}

// Run runs a program in this process.
func Run(ctx context.Context, root *cobra.Command, args ...string) Outcome {
	var stdout, stderr bytes.Buffer
	status := cli.Run(ctx, root, args, &stdout, &stderr)
	return Outcome{status, stdout.String(), stderr.String()}
}

// MustRun runs a program with --json - and returns the result of a run that must be good.
func MustRun[T any](t *testing.T, root *cobra.Command, args ...string) *T {
	t.Helper()
	o := Run(t.Context(), root, append(args, "--json", "-")...)
	if o.Status != cli.Good {
		t.Fatalf("status %d, standard error:\n%s", o.Status, o.Stderr)
	}
	return Decode[T](t, []byte(o.Stdout))
}

// Decode reads a result, and nothing else, from b.
func Decode[T any](t *testing.T, b []byte) *T {
	t.Helper()
	var r T
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v in:\n%s", err, b)
	}
	if d.More() {
		t.Fatalf("more than one value in:\n%s", b)
	}
	return &r
}

// OneLineError fails the test unless o has a status and a single line on standard error with all
// parts in it.
func OneLineError(t *testing.T, o Outcome, status int, parts ...string) {
	t.Helper()
	if o.Status != status || strings.Count(o.Stderr, "\n") != 1 || !strings.HasPrefix(o.Stderr, "loadgen: ") {
		t.Errorf("status %d, want %d; standard error:\n%s", o.Status, status, o.Stderr)
	}
	for _, part := range parts {
		if !strings.Contains(o.Stderr, part) {
			t.Errorf("no %q in: %s", part, o.Stderr)
		}
	}
}

// Trigger calls fire once a word is written to it.
type Trigger struct {
	bytes.Buffer
	Word string
	Fire func()
}

func (w *Trigger) Write(b []byte) (int, error) {
	if fire := w.Fire; fire != nil && bytes.Contains(b, []byte(w.Word)) {
		w.Fire = nil
		fire()
	}
	return w.Buffer.Write(b)
}

// WriteString replaces that of bytes.Buffer, which does not call Write.
func (w *Trigger) WriteString(s string) (int, error) { return w.Write([]byte(s)) }
