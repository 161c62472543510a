package engine_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

func TestSequencersWithBadParentCertificatesCostOnlyThemselves(t *testing.T) {
	n, lanes, rounds, measured := 7, 10, 4, heavy(t)
	if measured {
		n, lanes, rounds = 100, 100, 15
	}
	voters := newProgression(t, n)
	hostile := lanes / 5
	r := rand.New(rand.NewPCG(5, 5))
	names := []string{"silent", "a bad node each", "ten bad nodes each"}
	bursts := []int{0, 1, 10}
	rigs := make([]*nodeRig, len(bursts))
	for i := range rigs {
		rigs[i] = newNodeRig(t, voters, lanes, hostile, nil)
	}
	least, total := make([]time.Duration, len(bursts)), make([]time.Duration, len(bursts))
	for round := range rounds {
		for i, s := range rigs {
			all := s.nodes(r, bursts[i])
			runtime.GC()
			cpu, _ := s.round(all)
			if round > 0 {
				total[i] += cpu
				if least[i] == 0 || cpu < least[i] {
					least[i] = cpu
				}
			}
		}
	}
	for i, s := range rigs {
		c := status(t, s.engine).Counters
		t.Logf("%-20s %7.1f µs CPU per node of an honest lane, %5.2f× silent (whole run %5.2f×); %d invalid nodes verified, %d splits",
			names[i], float64(least[i].Microseconds())/float64(lanes-hostile), ratio(least[i], least[0]), ratio(total[i], total[0]),
			c.NodesInvalid, c.Splits)
		if measured && ratio(total[i], total[0]) > 2 {
			t.Errorf("%s: bad parent certificates cost others %.2f×", names[i], ratio(total[i], total[0]))
		}
		s.audit(4)
		for id := range s.invalidNodes() {
			if lane := laneOf(s.lanes, id); lane >= s.hostile {
				t.Errorf("lane %d, which is honest, was blamed", lane)
			}
		}
		if bursts[i] > 0 && len(s.invalidNodes()) != hostile {
			t.Errorf("%s: %d of %d hostile lanes were blamed", names[i], len(s.invalidNodes()), hostile)
		}
	}
}
