package sim

import (
	"testing"
	"time"
)

const (
	phase     = 150 * time.Millisecond
	growLimit = 20 * time.Second // of virtual time, for honest lanes to grow once faults have ended
)

func faultPhases(n *Network) error { return n.FaultPhases(phase, 3, growLimit) }

func TestRandomFaultsOfAllKinds(t *testing.T) {
	t.Parallel()
	simulate(t, runs(t, 150), FaultRun, faultPhases)
}

func TestRandomFaultsWithAsManyHostilePeersAsThereMayBe(t *testing.T) {
	t.Parallel()
	simulate(t, runs(t, 60), func(seed uint64) Config {
		s := FaultRun(seed)
		if seed%2 == 1 {
			s.Processes, s.Sequencers = 7, 4
		} else {
			s.Processes, s.Sequencers = 4, 4
		}
		s.Byzantine = (s.Processes-1)/3 + s.Strangers
		s.Processes += s.Strangers
		s.Validators = s.Processes
		return s
	}, faultPhases)
}

// Each process writes to a journal of package journal, whose disk loses power every few operations.
// The simulator does not schedule its goroutine, so the seed alone does not determine the history.
func TestRandomFaultsOnRealJournals(t *testing.T) {
	t.Parallel()
	simulate(t, runs(t, 40), func(seed uint64) Config {
		s := FaultRun(seed)
		s.Journal = true
		return s
	}, faultPhases)
}

// Sequencers leave the sets for more epochs than are within bounds, return and leave again. Their
// lanes become dormant, and grow again.
func TestRandomFaultsWithSequencersThatLeave(t *testing.T) {
	t.Parallel()
	simulate(t, (runs(t, 160)+3)/4, func(seed uint64) Config {
		s := FaultRun(seed)
		s.Sequencers, s.Leap = s.Processes, 4
		return s
	}, func(n *Network) error {
		err := n.FaultPhases(phase, 2, growLimit)
		for i := 0; i < 2 && err == nil; i++ {
			n.Enter(min(lastEpoch, n.epoch+3), 50*time.Millisecond, 0)
			if err = n.Run(50 * time.Millisecond); err == nil {
				err = n.Grow(2, growLimit)
			}
		}
		return err
	}, Leave)
}

func TestRandomFaultsWithOtherValidatorsInEachEpoch(t *testing.T) {
	t.Parallel()
	const validators = 4
	simulate(t, runs(t, 40), func(seed uint64) Config {
		s := FaultRun(seed)
		s.Processes, s.Validators, s.Sequencers, s.Byzantine = 6, validators, 6, int(seed%2)
		s.Strangers = 0
		return s
	}, faultPhases, Rotate(validators))
}
