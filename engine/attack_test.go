package engine_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	bls12381 "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// Networks with a third of hostile validators are compared with the same networks in which that
// third is silent: docs/protocol.md 3.3 and 5.6. With LANECAST_ATTACKS set they have 100
// validators, and the cost of an attack is measured and bounded. Without it they are small, and no
// check depends on the machine's speed.

// heavy reports whether to measure at full size, and prepares the process for that. If not, the
// test runs in parallel with others.
func heavy(t *testing.T) bool {
	if os.Getenv("LANECAST_ATTACKS") == "" {
		t.Parallel()
		return false
	}
	poison.Switch(false)
	t.Cleanup(func() { poison.Switch(true) })
	return true
}

// scenario is a network under one attack, and the cost of its certificates.
type scenario struct {
	name   string
	attack attack
	all    bool // every hostile validator must be found
	honest bool // no attack, and more acks than the other scenarios have
	rig    *attackRig

	first, least, total time.Duration // CPU time of the first round, of the cheapest later one, and of all rounds
	leastWall           time.Duration // the shortest round
	waiting             time.Duration // of all rounds, while the last acks were not delivered yet
	learned             uint64        // failed checks after the first round
}

// runScenarios measures scenarios in turns, round by round: the machine's speed drifts, and the
// drift must affect all alike. With late, the last honest ack of every chunk comes that much later
// than the others.
func runScenarios(t testing.TB, voters voterSet, lanes, rounds int, late time.Duration, scenarios []*scenario) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	for _, s := range scenarios {
		s.rig = newAttackRig(t, voters, s.attack, lanes, nil)
	}
	for round := range rounds {
		for _, s := range scenarios {
			var cpu, wall time.Duration
			if late > 0 && round > 0 {
				chunks := s.rig.nextAcks(r, honestLast)
				runtime.GC()
				cpu, wall = s.rig.lateRound(chunks, late)
				s.waiting += late + wall
			} else {
				chunks := s.rig.nextAcks(r, hostileFirst)
				runtime.GC()
				cpu, wall = s.rig.round(chunks)
			}
			s.total += cpu
			if round == 0 {
				s.first, s.learned = cpu, status(t, s.rig.engine).Counters.Splits
			} else {
				keepLeast(&s.least, cpu)
			}
			keepLeast(&s.leastWall, wall)
		}
	}
}

// checkScenarios prints the cost of each scenario relative to the first, and checks the bounds.
func checkScenarios(t *testing.T, scenarios []*scenario, lanes, rounds int, measured bool) {
	t.Helper()
	base := scenarios[0]
	for _, s := range scenarios {
		st := status(t, s.rig.engine)
		t.Logf("%-20s %8.1f µs CPU per certificate, %.2f× %s (whole run %.2f×, first round %.1f×, wall %.2f×); %d suspects, %d failed checks",
			s.name, float64(s.least.Microseconds())/float64(lanes), ratio(s.least, base.least), base.name, ratio(s.total, base.total),
			ratio(s.first, base.least), ratio(s.leastWall, base.leastWall), st.Suspects, st.Counters.Splits)
		s.rig.audit(8)
		hostile := faulty(s.rig.n())
		if s.all && s.rig.blames() != hostile || s.rig.blames() > hostile {
			t.Errorf("%s: %d of %d hostile validators were blamed", s.name, s.rig.blames(), hostile)
		}
		// Once the hostile validators are known, hardly any check fails. A validator whose errors
		// cancelled by chance may be found later.
		if more := st.Counters.Splits - s.learned; more > uint64(4*hostile) {
			t.Errorf("%s: %d checks failed after the first round", s.name, more)
		}
		if !measured || s.honest {
			continue
		}
		// While an honest validator is slower than SuspectDelay, checks of suspects use an eighth
		// of a worker's time, even if few certificates form meanwhile.
		checks := s.waiting / 8
		if s.least > 2*base.least+checks/time.Duration(max(1, rounds-1)) {
			t.Errorf("%s costs more than 2×", s.name)
		}
		// Until the hostile validators are known, each costs some checks for each statement in
		// flight, once: 3.3. A round has one statement per lane, and costs at least one check for
		// each.
		if once := 4 * time.Duration(hostile) * base.least; s.total > 2*base.total+checks+once {
			t.Errorf("%s costs more than 2× over the whole run, and %v to find %d validators out", s.name, once, hostile)
		}
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func keepLeast(least *time.Duration, d time.Duration) {
	if *least == 0 || d < *least {
		*least = d
	}
}

func TestAHostileThirdDoesNotHalveTheThroughput(t *testing.T) {
	n, lanes, rounds, measured := 10, 8, 3, heavy(t)
	if measured {
		n, lanes, rounds = 100, 64, 20
	}
	voters := newProgression(t, n)
	scenarios := []*scenario{
		{name: "silent", attack: silence},
		{name: "all honest", attack: noAttack, honest: true},
		{name: "random points", attack: randomPoints, all: true},
		{name: "every form", attack: allForms, all: true},
		{name: "replayed", attack: replays(voters), all: true},
		{name: "cancelling in pairs", attack: cancelling},
		{name: "cancelling together", attack: cancellingTogether},
		{name: "sums and keys cancel", attack: sameSum},
	}
	runScenarios(t, voters, lanes, rounds, 0, scenarios)
	checkScenarios(t, scenarios, lanes, rounds, measured)
}

// When all others are hostile, a quorum needs every honest validator. If one of them is slower than
// SuspectDelay, the engine must not verify the acks of suspects for every chunk.
func TestALateHonestValidatorDoesNotLetSuspectsIn(t *testing.T) {
	n, lanes, rounds, measured := 10, 16, 2, heavy(t)
	if measured {
		n, lanes, rounds = 100, 64, 12
	}
	voters := newProgression(t, n)
	scenarios := []*scenario{
		{name: "silent", attack: silence},
		{name: "random points", attack: randomPoints, all: true},
		{name: "every form", attack: allForms, all: true},
	}
	runScenarios(t, voters, lanes, rounds, 400*time.Millisecond, scenarios)
	checkScenarios(t, scenarios, lanes, rounds, measured)
}

// Five colluders send votes whose errors cancel. Four of them, next to each other, add up to the
// identity and to a point of order three, (0, 2), in pairs. blst's addition of many points takes
// these for opposite or equal points, since x is 0 in both. The votes' sum is valid all the same,
// and 95 honest acks are more than enough.
func TestFiveColludersOfAHundredStopNoLane(t *testing.T) {
	t.Parallel()
	colluders := []int{0, 3, 4, 5, 6}
	collude := func(_ *rand.Rand, _ wire.Subject, votes [][]byte) [][]byte {
		read := func(i int) (p bls12381.G1Affine) {
			if _, err := p.SetBytes(votes[i]); err != nil {
				t.Error(err)
			}
			return p
		}
		write := func(i int, p bls12381.G1Affine) {
			b := p.Bytes()
			votes[i] = b[:]
		}
		var torsion, sum, minusP, torsionMinusQ bls12381.G1Affine
		torsion.Y.SetUint64(2)
		sum.Neg(&torsion)
		for _, i := range colluders {
			p := read(i)
			sum.Add(&sum, &p)
		}
		p, q := read(3), read(5)
		minusP.Neg(&p)
		torsionMinusQ.Neg(&q)
		torsionMinusQ.Add(&torsionMinusQ, &torsion)
		write(0, sum)
		write(4, minusP)
		write(6, torsionMinusQ)
		return votes
	}
	// The first seven acks come first, so that all chunks have their votes.
	order := func(r *rand.Rand, n int) []int {
		order := []int{6, 5, 4, 3, 2, 1, 0}
		for _, i := range r.Perm(n - 7) {
			order = append(order, i+7)
		}
		return order
	}
	s := newAttackRig(t, newProgression(t, 100), collude, 4, nil)
	r := rand.New(rand.NewPCG(1, 1))
	for range 3 {
		s.round(s.nextAcks(r, order))
	}
	s.audit(1)
	if n := s.blames(); n > 0 {
		t.Errorf("%d validators were blamed for votes whose sum is valid", n)
	}
}

func TestAHostileThirdOfOtherSchemes(t *testing.T) {
	n, lanes, rounds, measured := 7, 4, 3, heavy(t)
	if measured {
		n, lanes, rounds = 31, 256, 10 // a round must take much longer than the clock of CPU time ticks
	}
	for _, kind := range []testkit.Kind{testkit.Threshold, testkit.Ed25519} {
		t.Run(string(kind), func(t *testing.T) {
			scenarios := []*scenario{
				{name: "silent", attack: silence},
				{name: "all honest", attack: noAttack, honest: true},
				{name: "another's", attack: replayedBytes, all: true},
			}
			if kind == testkit.Threshold {
				scenarios = append(scenarios,
					&scenario{name: "random points", attack: randomPoints, all: true},
					&scenario{name: "every form", attack: allForms, all: true},
					&scenario{name: "cancelling together", attack: cancellingTogether, all: true})
			}
			voters := setVoters{newSet(t, kind, n, 4)}
			runScenarios(t, voters, lanes, rounds, 0, scenarios)
			checkScenarios(t, scenarios, lanes, rounds, measured)
		})
	}
}
