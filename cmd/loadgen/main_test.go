package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), // ants starts a pool as it is loaded
		goleak.Cleanup(func(status int) {
			if program.dir != "" {
				_ = os.RemoveAll(program.dir)
			}
			os.Exit(status)
		}))
}

// outcome is what one call of the program came to.
type outcome struct {
	status         int
	stdout, stderr string
}

// loadgen runs the program in this process.
func loadgen(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	status := execute(ctx, args, &stdout, &stderr)
	return outcome{status, stdout.String(), stderr.String()}
}

// mustRun runs the program with --json - and returns the result of a run that must be good.
func mustRun(t *testing.T, args ...string) *result {
	t.Helper()
	o := loadgen(t.Context(), append(args, "--json", "-")...)
	if o.status != exitGood {
		t.Fatalf("status %d, standard error:\n%s", o.status, o.stderr)
	}
	return decode(t, []byte(o.stdout))
}

// decode reads a result, and nothing else, from b.
func decode(t *testing.T, b []byte) *result {
	t.Helper()
	var r result
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

// oneLineError demands a status and a single line on standard error that has all of the parts in it.
func oneLineError(t *testing.T, o outcome, status int, parts ...string) {
	t.Helper()
	if o.status != status || strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stderr, "loadgen: ") {
		t.Errorf("status %d, want %d; standard error:\n%s", o.status, status, o.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(o.stderr, part) {
			t.Errorf("no %q in: %s", part, o.stderr)
		}
	}
}

// program is the executable, built once for the tests that need a process to kill.
var program struct {
	once sync.Once
	dir  string
	err  error
}

func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "lanecast-loadgen-test-"); program.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(program.dir, "loadgen"), ".").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "loadgen")
}
