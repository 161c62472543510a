package engine_test

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/internal/testkit"
)

// driverRunsVariable names the variable with the number of runs: LANECAST_DRIVER_RUNS=1000 go test
// ./engine -run RandomFaults.
const driverRunsVariable = "LANECAST_DRIVER_RUNS"

func driverRuns(t *testing.T) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(driverRunsVariable), 10, 32); err == nil {
		return n
	}
	if testing.Short() {
		return 10
	}
	return 50
}

// TestRandomFaultsOfWholeEngines runs engines with all of their goroutines, workers and journals in
// a bubble, in virtual time. Links lose and delay messages; disks, applications and reporters are
// slow; epochs pass. Engines are shut down and lose power at random moments, with any state that
// the disk may then have, and restart. The disks are in memory, so that a sync can take virtual
// time: the time of a bubble stands still while a goroutine waits for a file of the operating
// system. A bubble ends only when all its goroutines have ended.
func TestRandomFaultsOfWholeEngines(t *testing.T) {
	sets := map[int]*testkit.Set{1: newSet(t, testkit.Ed25519, 1, 1), 4: newSet(t, testkit.Ed25519, 4, 1)}
	before := goleak.IgnoreCurrent()
	var mu sync.Mutex
	var total driverCounts
	const parts = 2
	t.Run("parts", func(t *testing.T) {
		for part := range uint64(parts) {
			t.Run(strconv.FormatUint(part, 10), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < driverRuns(t) && !t.Failed(); seed += parts {
					synctest.Test(t, func(t *testing.T) {
						r := newFaultRun(t, seed, sets)
						r.run()
						mu.Lock()
						total.add(&r.counts)
						mu.Unlock()
					})
					if t.Failed() {
						t.Errorf("seed %d", seed)
					}
				}
			})
		}
	})
	if err := goleak.Find(before); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d runs, %v of virtual time: %+v", driverRuns(t), total.virtual, total.driverEvents)
	if total.shutdowns == 0 || total.powerLost == 0 || total.disksFailed == 0 || total.locks == 0 {
		t.Error("some of it never happened")
	}
}
