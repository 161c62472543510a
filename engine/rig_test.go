package engine_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

var namespace = []byte("engine test")

func TestMain(m *testing.M) {
	poison.Switch(true)                              // a view that outlives its buffer becomes garbage
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), // ants starts a pool in its init
		goleak.Cleanup(func(status int) {
			if n := poison.Owned(); n != 0 && status == 0 {
				fmt.Fprintf(os.Stderr, "%d buffers have not been released\n", n)
				status = 1
			}
			os.Exit(status)
		}))
}

// patience is the time that a test waits for an event that must happen.
const patience = testkit.Patience

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testkit.Eventually(t, what, holds)
}

// newSet makes keys of four validators unless n is another number.
func newSet(t testing.TB, kind testkit.Kind, n int, seed uint64) *testkit.Set {
	t.Helper()
	return testkit.MustSet(t, kind, n, namespace, seed)
}

// demandReleased checks that the buffer's owner has released it.
func demandReleased(t testing.TB, b wire.Buffer) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("a buffer was not released")
		}
	}()
	b.Bytes()
}

func status(t testing.TB, e *engine.Engine) engine.Status {
	t.Helper()
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logged holds the output of a Logger. The test may read it meanwhile.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// hasLine reports whether a line has all parts, in any order.
func (l *logged) hasLine(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

func (l *logged) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

func (l *logged) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

// copyFolder returns a copy of a journal's folder, which may be in use: the file with the least
// length of the log is copied before the log.
func copyFolder(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return len(a.Name()) - len(b.Name()) })
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// skipUnderRaceDetector is for tests that count allocations.
func skipUnderRaceDetector(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
}
