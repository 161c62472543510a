package sim

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// To investigate a failure: go test ./internal/sim -run '^TestName$' -args -seed N -trace.
var (
	seedFlag  = flag.Int64("seed", -1, "run simulations with this seed only")
	traceFlag = flag.Bool("trace", false, "print the history of simulations")
)

// The long form: LANECAST_SIM_RUNS is the number of fault runs of each kind. LANECAST_SIM_HEIGHTS
// runs upstream's scenarios with all six real schemes up to that many heights; otherwise each runs
// with two of them, and with fewer heights if pairings are computed.
const (
	runsVariable    = "LANECAST_SIM_RUNS"
	heightsVariable = "LANECAST_SIM_HEIGHTS"
)

// longHeights returns LANECAST_SIM_HEIGHTS, 0 if it is not set.
func longHeights() int64 {
	n, err := strconv.ParseInt(os.Getenv(heightsVariable), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// runs returns the number of seeds that a test tries.
func runs(t testing.TB, normal int) int {
	if n, err := strconv.Atoi(os.Getenv(runsVariable)); err == nil {
		return n
	}
	if testing.Short() {
		return max(1, normal/10)
	}
	return normal
}

// total sums up all simulations of this test binary.
var total struct {
	sync.Mutex
	runs    int
	virtual time.Duration
	stats   Stats
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if testing.Verbose() {
		s := &total.stats
		fmt.Printf("%d statements decided by the model, %d in batches; votes came back undecided %d times\n", s.Modelled, s.Batched, s.Undecided)
		fmt.Printf("%d runs, %d events, %d messages, %v of virtual time, %d chunks certified, %d certificates verified independently, %d restarts\n",
			total.runs, s.Events, s.Messages, total.virtual.Round(time.Second), s.Locks, s.Certificates, s.Restarts)
		for f, n := range s.Faults {
			fmt.Printf("  %9d %v\n", n, Fault(f))
		}
		for a, n := range s.Attacks {
			fmt.Printf("  %9d attacks: %v\n", n, Attack(a))
		}
	}
	os.Exit(code)
}

// simulate runs a scenario once for each seed, or only for the seed of the command line. A failure
// names the command that repeats it.
func simulate(t *testing.T, count int, config func(seed uint64) Config, scenario func(n *Network) error, sets ...func(*Roster)) {
	t.Helper()
	from, to := uint64(0), uint64(count)
	if *seedFlag >= 0 {
		from, to = uint64(*seedFlag), uint64(*seedFlag)+1
	}
	for seed := from; seed < to; seed++ {
		simulateOne(t, config(seed), scenario, sets...)
	}
}

func simulateOne(t *testing.T, s Config, scenario func(n *Network) error, sets ...func(*Roster)) (digest [32]byte) {
	t.Helper()
	if *traceFlag {
		s.Trace = os.Stdout
	}
	n, err := New(s, sets...)
	if err == nil {
		err = scenario(n)
	}
	if n != nil {
		digest = n.Close()
		total.Lock()
		total.runs++
		total.virtual += n.Now()
		total.stats.Add(&n.Stats)
		total.Unlock()
	}
	if err != nil {
		t.Fatalf("seed %d: %v\nagain: go test ./internal/sim -run '^%s$' -args -seed %d -trace", s.Seed, err, t.Name(), s.Seed)
	}
	return digest
}
