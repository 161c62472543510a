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

// Networks of which a third is hostile, against the same networks with that third silent: PROTOCOL.md 3.3 and 5.6. With
// LANECAST_ATTACKS set they have 100 validators, and what an attack costs is measured and bounded. Without it they are
// small, and what is demanded does not depend on the machine's speed.

// heavy reports whether to measure at full size, and readies the process for that.
func heavy(t testing.TB) bool {
	if os.Getenv("LANECAST_ATTACKS") == "" {
		return false
	}
	poison.Switch(false)
	t.Cleanup(func() { poison.Switch(true) })
	return true
}

// scenario is a network under one assault, and what its certificates cost.
type scenario struct {
	name    string
	assault assault
	all     bool // every hostile validator must be found out
	honest  bool // no attack, and more acks than the others have
	siege   *siege

	first, least, total time.Duration // CPU of a wave: the first, the cheapest of the others, all together
	leastWall           time.Duration // the shortest wave
	learned             uint64        // checks that had failed after the first wave
}

// campaign measures scenarios in turns, wave by wave: the machine's speed drifts, and must drift for all. With late,
// the last honest ack of every chunk comes so much later than the others.
func campaign(t testing.TB, voters electorate, lanes, waves int, late time.Duration, scenarios []*scenario) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	for _, s := range scenarios {
		s.siege = newSiege(t, voters, s.assault, lanes, nil)
	}
	for wave := range waves {
		for _, s := range scenarios {
			var cpu, wall time.Duration
			if late > 0 && wave > 0 {
				chunks := s.siege.wave(r, honestLast)
				runtime.GC()
				cpu, wall = s.siege.lateRound(chunks, late)
			} else {
				chunks := s.siege.wave(r, hostileFirst)
				runtime.GC()
				cpu, wall = s.siege.round(chunks)
			}
			s.total += cpu
			if wave == 0 {
				s.first, s.learned = cpu, status(t, s.siege.engine).Counters.Splits
			} else {
				keepLeast(&s.least, cpu)
			}
			keepLeast(&s.leastWall, wall)
		}
	}
}

// assess prints what each scenario cost in terms of the first, and demands what must hold.
func assess(t *testing.T, scenarios []*scenario, lanes int, measured bool) {
	t.Helper()
	base := scenarios[0]
	for _, s := range scenarios {
		st := status(t, s.siege.engine)
		t.Logf("%-20s %8.1f µs CPU per certificate, %.2f× %s (whole run %.2f×, first wave %.1f×, wall %.2f×); %d suspects, %d failed checks",
			s.name, float64(s.least.Microseconds())/float64(lanes), ratio(s.least, base.least), base.name, ratio(s.total, base.total),
			ratio(s.first, base.least), ratio(s.leastWall, base.leastWall), st.Suspects, st.Counters.Splits)
		s.siege.audit(8)
		hostile := faulty(s.siege.n())
		if s.all && s.siege.blames() != hostile || s.siege.blames() > hostile {
			t.Errorf("%s: %d of %d hostile validators were blamed", s.name, s.siege.blames(), hostile)
		}
		// Once they are known, hardly anything fails any more. Who cancelled out by chance may be found later.
		if more := st.Counters.Splits - s.learned; more > uint64(4*hostile) {
			t.Errorf("%s: %d checks failed after the first wave", s.name, more)
		}
		if measured && !s.honest && max(ratio(s.least, base.least), ratio(s.total, base.total)) > 2 {
			t.Errorf("%s costs more than 2×", s.name)
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
	n, lanes, waves, measured := 10, 8, 3, heavy(t)
	if measured {
		n, lanes, waves = 100, 64, 20
	}
	voters := newProgression(t, n)
	scenarios := []*scenario{
		{name: "silent", assault: silence},
		{name: "all honest", assault: loyal, honest: true},
		{name: "random points", assault: randomPoints, all: true},
		{name: "every form", assault: allForms, all: true},
		{name: "replayed", assault: replays(voters), all: true},
		{name: "cancelling in pairs", assault: cancelling},
		{name: "cancelling together", assault: cancellingTogether},
		{name: "sums and keys cancel", assault: sameSum},
	}
	campaign(t, voters, lanes, waves, 0, scenarios)
	assess(t, scenarios, lanes, measured)
}

// When the others are hostile, a quorum takes every honest validator. One that is slower than SuspectDelay must not make
// us look at suspects' acks for every chunk.
func TestALateHonestValidatorDoesNotLetSuspectsIn(t *testing.T) {
	n, lanes, waves, measured := 10, 16, 2, heavy(t)
	if measured {
		n, lanes, waves = 100, 64, 12
	}
	voters := newProgression(t, n)
	scenarios := []*scenario{
		{name: "silent", assault: silence},
		{name: "random points", assault: randomPoints, all: true},
		{name: "every form", assault: allForms, all: true},
	}
	campaign(t, voters, lanes, waves, 400*time.Millisecond, scenarios)
	assess(t, scenarios, lanes, measured)
}

// Five colluders send votes whose errors cancel, of which four, next to each other, add up to the
// identity and to a point of order three, (0, 2), in pairs. blst's addition of many takes these for
// opposite or equal points, since x is 0 in both. The votes' sum is valid all the same, and 95
// honest acks are more than enough.
func TestFiveColludersOfAHundredStopNoLane(t *testing.T) {
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
	// The first seven come first, so that all chunks have their votes.
	order := func(r *rand.Rand, n int) []int {
		order := []int{6, 5, 4, 3, 2, 1, 0}
		for _, i := range r.Perm(n - 7) {
			order = append(order, i+7)
		}
		return order
	}
	s := newSiege(t, newProgression(t, 100), collude, 4, nil)
	r := rand.New(rand.NewPCG(1, 1))
	for range 3 {
		s.round(s.wave(r, order))
	}
	s.audit(1)
	if n := s.blames(); n > 0 {
		t.Errorf("%d validators were blamed for votes whose sum is valid", n)
	}
}

func TestAHostileThirdOfOtherSchemes(t *testing.T) {
	n, lanes, waves, measured := 7, 4, 3, heavy(t)
	if measured {
		n, lanes, waves = 31, 32, 10
	}
	for _, kind := range []testkit.Kind{testkit.Threshold, testkit.Ed25519} {
		t.Run(string(kind), func(t *testing.T) {
			scenarios := []*scenario{
				{name: "silent", assault: silence},
				{name: "all honest", assault: loyal, honest: true},
				{name: "another's", assault: replayedBytes, all: true},
			}
			if kind == testkit.Threshold {
				scenarios = append(scenarios,
					&scenario{name: "random points", assault: randomPoints, all: true},
					&scenario{name: "every form", assault: allForms, all: true},
					&scenario{name: "cancelling together", assault: cancellingTogether, all: true})
			}
			voters := fixtureVoters{newSet(t, kind, n, 4)}
			campaign(t, voters, lanes, waves, 0, scenarios)
			assess(t, scenarios, lanes, measured)
		})
	}
}
