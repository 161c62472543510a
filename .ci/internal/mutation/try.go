package mutation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// Change replaces the text of one file from one byte offset to another. The zero Change changes
// nothing.
type Change struct {
	File     string // relative to the root of the repository
	From, To int
	New      string
}

// Outcome is the outcome of a change.
type Outcome string

const (
	Survived     Outcome = "survived" // the tests passed
	Killed       Outcome = "killed"
	TimedOut     Outcome = "timed out"
	NotCompiling Outcome = "not compiling"
)

// Result is the outcome of one [Copy.Try].
type Result struct {
	Outcome Outcome
	// By is the test that failed; empty if none did, or if the binary ended without naming one, as
	// after a panic in a separate goroutine.
	By     string
	Output []byte // output of the compiler or of the tests
	Took   time.Duration
}

const (
	compileLimit = 10 * time.Minute
	grace        = 20 * time.Second // for tests that do not end at their own time limit
	// addressSpace is the limit in KiB, so that an endless loop that allocates is killed before it
	// exhausts the memory of the machine.
	addressSpace = 12 << 20
)

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// Try tests one package with a change. The tests run in short form, up to the first failure, for at
// most limit; flags are further flags of the test binary. An error means that the change has no
// outcome.
func (c *Copy) Try(ctx context.Context, change Change, pkg string, limit time.Duration, flags ...string) (Result, error) {
	began := time.Now()
	r, err := c.try(ctx, change, pkg, limit, flags)
	r.Took = time.Since(began)
	if err == nil {
		err = ctx.Err()
	}
	return r, err
}

func (c *Copy) try(ctx context.Context, change Change, pkg string, limit time.Duration, flags []string) (Result, error) {
	binary := filepath.Join(c.scratch, "test.exe")
	if err := os.RemoveAll(binary); err != nil { // a package without tests makes no binary
		return Result{}, err
	}
	// With -trimpath, unchanged packages are compiled once for all copies; -s makes linking faster.
	build := []string{"test", "-c", "-vet=off", "-trimpath", "-ldflags=-s", "-o", binary}
	if change.File != "" {
		overlay, err := c.overlay(change)
		if err != nil {
			return Result{}, err
		}
		build = append(build, "-overlay", overlay)
	}
	if slices.Contains(flags, coverFlag) {
		build = append(build, "-cover")
	}
	compiling, cancel := context.WithTimeout(ctx, compileLimit)
	defer cancel()
	compiler := exec.CommandContext(compiling, "go", append(build, "./"+pkg)...)
	compiler.Dir = c.root
	if out, err := compiler.CombinedOutput(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || compiling.Err() != nil {
			return Result{}, fmt.Errorf("compiling the tests of %s: %w", pkg, err)
		}
		return Result{Outcome: NotCompiling, Output: out}, nil
	}

	// Counterexamples left by earlier failed properties must not affect the outcome.
	if err := os.RemoveAll(c.Path(pkg + "/testdata/rapid")); err != nil {
		return Result{}, err
	}
	running, cancel := context.WithTimeout(ctx, limit+grace)
	defer cancel()
	tests := exec.CommandContext(running, "sh", append([]string{
		"-c", fmt.Sprintf(`ulimit -v %d || true; exec "$0" "$@"`, addressSpace), binary,
		"-test.short", "-test.failfast", "-test.timeout=" + limit.String(),
	}, flags...)...)
	tests.Dir = c.Path(pkg)
	tests.WaitDelay = 2 * time.Second
	out, err := tests.CombinedOutput()
	r := Result{Outcome: Survived, Output: out}
	if m := failed.FindSubmatch(out); m != nil {
		r.By = string(m[1])
	}
	switch {
	case err == nil:
	case running.Err() != nil, bytes.Contains(out, []byte("panic: test timed out after")):
		r.Outcome = TimedOut
	default:
		r.Outcome = Killed
	}
	return r, nil
}

// overlay writes the changed file, and the overlay list that makes the compiler read it instead of
// the original.
func (c *Copy) overlay(change Change) (string, error) {
	path := c.Path(change.File)
	code, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if change.From < 0 || change.To < change.From || change.To > len(code) {
		return "", fmt.Errorf("%s has %d bytes: no place %d to %d", change.File, len(code), change.From, change.To)
	}
	changed := filepath.Join(c.scratch, "changed.go")
	code = slices.Concat(code[:change.From], []byte(change.New), code[change.To:])
	if err := os.WriteFile(changed, code, 0o644); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(c.scratch, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}

const (
	coverProfile = "coverage.out"
	coverFlag    = "-test.coverprofile=" + coverProfile
)

// Cover tests an unchanged package, and returns the result with the profile of statement coverage
// in the format of cmd/cover; the profile is empty if the tests failed early.
func (c *Copy) Cover(ctx context.Context, pkg string, limit time.Duration, flags ...string) (Result, []byte, error) {
	path := c.Path(pkg + "/" + coverProfile)
	defer func() { _ = os.Remove(path) }()
	r, err := c.Try(ctx, Change{}, pkg, limit, append(flags, coverFlag)...)
	if err != nil {
		return r, nil, err
	}
	profile, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return r, profile, err
}
