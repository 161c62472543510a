package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/internal/testkit"
)

// asProgram is an environment variable that makes the test binary run the program instead of its
// tests.
const asProgram = "LANECAST_LOADGEN_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	// Most runs wait for their links and for their time to pass, so more of them than processors go
	// on at once.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // ants starts a pool as it is loaded
}

// brief is the duration of cluster runs that only have to certify on every lane, on a busy machine
// too. Give them some --latency, or each of them takes all processors.
var brief = lasting(700 * time.Millisecond)

// lasting returns a duration for a flag. Under the race detector, with which programs take some ten
// times as long, it is longer, and where others take most of the processors' time.
func lasting(d time.Duration) string {
	if testkit.Race {
		d *= 4
	}
	return time.Duration(float64(d) * crowding()).String()
}

// crowding returns how many times as long as its CPU time a computation takes now, at most 4.
var crowding = sync.OnceValue(func() float64 {
	began, cpuBegan := time.Now(), processCPU()
	for time.Since(began) < 100*time.Millisecond && processCPU()-cpuBegan < 10*time.Millisecond {
	}
	cpu := processCPU() - cpuBegan
	if cpu == 0 && processCPU() == 0 {
		return 1 // the system does not tell
	}
	return min(max(float64(time.Since(began))/float64(max(cpu, time.Millisecond)), 1), 4)
})

// program returns a command that runs the program in a process of its own, which can be signalled
// and killed.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// outcome is the result of one call of the program.
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

// oneLineError fails the test unless o has a status and a single line on standard error with all
// parts in it.
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
