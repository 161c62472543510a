package sim

import (
	"testing"
	"time"
)

const (
	spell    = 150 * time.Millisecond
	patience = 20 * time.Second // of virtual time, for honest lanes to grow once the network is good
)

func weather(n *Network) error { return n.Weather(spell, 3, patience) }

func TestStormsOfAllKinds(t *testing.T) {
	t.Parallel()
	simulate(t, runs(t, 150), Storm, weather)
}

func TestStormsWithAsManyHostilePeersAsThereMayBe(t *testing.T) {
	t.Parallel()
	simulate(t, runs(t, 60), func(seed uint64) Config {
		s := Storm(seed)
		if seed%2 == 1 {
			s.Processes, s.Sequencers = 7, 4
		} else {
			s.Processes, s.Sequencers = 4, 4
		}
		s.Validators = s.Processes
		s.Byzantine = (s.Processes - 1) / 3
		return s
	}, weather)
}

// TestStormsOnRealJournals has each process write to a journal of package journal, whose disk loses power every few
// operations. Its goroutine runs as it likes: the seed does not tell all of the history.
func TestStormsOnRealJournals(t *testing.T) {
	t.Parallel()
	simulate(t, runs(t, 40), func(seed uint64) Config {
		s := Storm(seed)
		s.Journal = true
		return s
	}, weather)
}

// TestStormsWithSequencersThatLeave has sequencers leave the sets for more epochs than are within bounds, come back and
// leave again. Their lanes become dormant, and grow again.
func TestStormsWithSequencersThatLeave(t *testing.T) {
	t.Parallel()
	simulate(t, (runs(t, 160)+3)/4, func(seed uint64) Config {
		s := Storm(seed)
		s.Sequencers, s.Leap = s.Processes, 4
		return s
	}, func(n *Network) error {
		err := n.Weather(spell, 2, patience)
		for i := 0; i < 2 && err == nil; i++ {
			n.Enter(min(lastEpoch, n.epoch+3), 50*time.Millisecond, 0)
			if err = n.Run(50 * time.Millisecond); err == nil {
				err = n.Grow(2, patience)
			}
		}
		return err
	}, Leave)
}

func TestStormsWithOtherValidatorsInEachEpoch(t *testing.T) {
	t.Parallel()
	const validators = 4
	simulate(t, runs(t, 40), func(seed uint64) Config {
		s := Storm(seed)
		s.Processes, s.Validators, s.Sequencers, s.Byzantine = 6, validators, 6, int(seed%2)
		return s
	}, weather, Rotate(validators))
}
