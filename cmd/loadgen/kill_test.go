//go:build unix

package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// chunkAt is a height of a lane.
type chunkAt struct {
	lane   wire.PublicKey
	height uint64
}

// kills returns the number of kills: LANECAST_KILLS, or a few.
func kills(t *testing.T) int {
	s := os.Getenv("LANECAST_KILLS")
	if s == "" {
		return 4
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("LANECAST_KILLS is %q", s)
	}
	return n
}

// The program is killed in one folder again and again, while it starts, replays and works. Every
// run makes payloads of its own, so a member that forgot what it had sent or acked before a kill
// would contradict it: after each kill the content of every journal is compared with all that was
// ever seen.
func TestEveryLaneGoesOnThroughKillsAtAnyMoment(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	seen := map[chunkAt]wire.Digest{}
	n := kills(t)
	for kill := range n {
		var stderr bytes.Buffer
		cmd := program("--data", dir, "--scheme", "ed25519", "--duration", "10m")
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(random.Int64N(int64(700 * time.Millisecond)))
		time.Sleep(after)
		_ = cmd.Process.Kill() // it may have ended by itself, which is checked next
		err := cmd.Wait()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Fatalf("run %d ended by itself within %v: %v, standard error:\n%s", kill+1, after, err, stderr.String())
		}
		if n <= 10 || kill%5 == 4 {
			compareJournals(t, dir, seen)
		}
	}
	before := len(seen)
	highest := map[string]int64{}
	for at := range seen {
		lane := at.lane.String()
		highest[lane] = max(highest[lane], int64(at.height))
	}
	r := clitest.MustRun[cluster.Result](t, newRootCommand(), "--data", dir, "--duration", clitest.Brief, "--latency", "2ms")
	if len(r.Lanes) != 4 || r.Conflicts != 0 || r.Errors != 0 {
		t.Errorf("%+v", r)
	}
	for _, l := range r.Lanes {
		known, ever := highest[l.Sequencer]
		if !ever { // all kills came before the lane's first chunk
			known = -1
		}
		// The highest chunk in a journal may be one that its sequencer had yet to sign.
		if l.Certified <= l.Recovered || l.Recovered < known-1 {
			t.Errorf("lane %+v, which had reached height %d", l, known)
		}
	}
	compareJournals(t, dir, seen)
	if o := loadgen(t.Context(), "journal", "inspect", dir); o.Status != cli.Good {
		t.Errorf("status %d, standard output:\n%s", o.Status, o.Stdout)
	}
	t.Logf("%d kills, %d chunks by then, %d in the end", n, before, len(seen))
}

// compareJournals fails the test unless all journals are sound and no chunk in any of them
// contradicts one seen before.
func compareJournals(t *testing.T, dir string, seen map[chunkAt]wire.Digest) {
	t.Helper()
	members, err := filepath.Glob(filepath.Join(dir, "member-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range members {
		if _, err := journal.Inspect(member, nil, func(r journal.RecordInfo) error {
			info, err := core.DescribeRecord(r.Record)
			if err != nil {
				return err
			}
			for _, c := range []*wire.Chunk{info.Tip, info.Certified} {
				if c == nil {
					continue
				}
				at := chunkAt{c.Sequencer, c.Height}
				if other, ok := seen[at]; ok && other != c.Payload {
					t.Fatalf("%s: lane %v height %d has payload %v, and had %v", filepath.Base(member), c.Sequencer, c.Height, c.Payload, other)
				}
				seen[at] = c.Payload
			}
			return nil
		}); err != nil && !errors.Is(err, journal.ErrNoJournal) { // the process was killed before it made one
			t.Fatalf("%s: %v", member, err)
		}
	}
}
