package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"
)

// sized returns a scenario's number of heights: upstream's, or fewer for the real schemes, which
// are slow.
func sized(s Scheme, upstream, real int64) int64 {
	if slices.Contains(KeyedSchemes, s) {
		return upstream
	}
	if long := longHeights(); long > 0 {
		return min(long, upstream)
	}
	return real
}

// realSchemes returns the real schemes that a scenario runs with: all in the long form, otherwise
// Ed25519 and one pairing scheme, which depends on the scenario's name.
func realSchemes(t *testing.T) []Scheme {
	switch {
	case longHeights() > 0:
		return RealSchemes
	case testing.Short():
		return nil
	}
	h := fnv.New32()
	h.Write([]byte(t.Name()))
	return []Scheme{Ed25519, RealSchemes[h.Sum32()%4]}
}

// each runs a scenario with all keyed and some real schemes.
func each(t *testing.T, config Config, scenario func(n *Network) error, sets ...func(*Roster)) {
	t.Parallel()
	for _, scheme := range slices.Concat(KeyedSchemes, realSchemes(t)) {
		t.Run(string(scheme), func(t *testing.T) {
			simulate(t, 1, func(seed uint64) Config {
				s := config
				s.Scheme, s.Seed = scheme, seed
				s.Batch = !slices.Contains(KeyedSchemes, scheme)
				return s
			}, scenario, sets...)
		})
	}
}

// reach lets time pass until every honest lane is at a height, with every height below it locked.
func reach(n *Network, height int64, limit time.Duration) error {
	done := func() bool {
		for _, lane := range n.Lanes() {
			if n.Height(lane) < height {
				return false
			}
		}
		return true
	}
	if !n.RunUntil(limit, done) {
		if n.Err() != nil {
			return n.Err()
		}
		return fmt.Errorf("liveness: heights %v after %v, %d wanted", heights(n), limit, height)
	}
	for _, lane := range n.Lanes() {
		if err := n.Contiguous(lane); err != nil {
			return err
		}
	}
	return nil
}

func heights(n *Network) (all []int64) {
	for _, lane := range n.Lanes() {
		all = append(all, n.Height(lane))
	}
	return all
}

func TestUpstreamAllOnline(t *testing.T) {
	each(t, Config{Processes: 4}, func(n *Network) error {
		top := sized(n.Scheme, 100, 10)
		if err := reach(n, top, time.Duration(top)*200*time.Millisecond); err != nil {
			return err
		}
		// Every validator knows every lane, but for the last locks, which come with the next nodes.
		for at := range 4 {
			for lane := range 4 {
				if n.Known(at, lane) < top-1 {
					return fmt.Errorf("process %d knows lane %d up to %d, of %d", at, lane, n.Known(at, lane), top)
				}
			}
		}
		return nil
	})
}

func TestUpstreamUncleanShutdownInALoop(t *testing.T) {
	each(t, Config{Processes: 4, Faults: Faults{Compact: 50}}, func(n *Network) error {
		top := sized(n.Scheme, 30, 6)
		for range 1000 {
			ended := n.RunUntil(50*time.Millisecond+n.upTo(300*time.Millisecond), func() bool { return n.Height(3) >= top })
			if ended || n.Err() != nil {
				return reach(n, top, time.Minute)
			}
			for i := range 4 {
				n.Crash(i, n.upTo(20*time.Millisecond))
			}
		}
		return errors.New("no end")
	})
}

func TestUpstreamNetworkPartition(t *testing.T) {
	each(t, Config{Processes: 4}, func(n *Network) error {
		if err := reach(n, sized(n.Scheme, 20, 3), 10*time.Second); err != nil {
			return err
		}
		n.Partition(func(p int) int { return p }) // every process alone
		if err := n.Run(time.Second); err != nil {
			return err
		}
		before := heights(n)
		if err := n.Run(10 * time.Second); err != nil {
			return err
		}
		for i, h := range heights(n) {
			if h != before[i] {
				return fmt.Errorf("lane %d grew from %d to %d without a quorum", i, before[i], h)
			}
		}
		n.Partition(nil)
		return n.Grow(sized(n.Scheme, 100, 5), 30*time.Second)
	})
}

func TestUpstreamSlowAndLossyLinks(t *testing.T) {
	s := Config{Processes: 4, Link: Link{50 * time.Millisecond, 40 * time.Millisecond}, Faults: Faults{Loss: 50}}
	each(t, s, func(n *Network) error { return reach(n, sized(n.Scheme, 40, 4), 10*time.Minute) })
}

func TestUpstreamInvalidSignaturesInjected(t *testing.T) {
	each(t, Config{Processes: 4, Byzantine: 1, Attacks: []Attack{AckWrongly, MisSign}}, func(n *Network) error {
		return reach(n, sized(n.Scheme, 50, 5), time.Minute)
	})
}

func TestUpstreamEpochUpdatedUnderPartition(t *testing.T) {
	each(t, Config{Processes: 4}, func(n *Network) error {
		if err := reach(n, sized(n.Scheme, 20, 2), 10*time.Second); err != nil {
			return err
		}
		n.Partition(func(p int) int { return p })
		if err := n.Run(time.Second); err != nil {
			return err
		}
		n.Enter(firstEpoch+1, 100*time.Millisecond, 0)
		if err := n.Run(time.Second); err != nil {
			return err
		}
		n.Partition(nil)
		return n.Grow(sized(n.Scheme, 100, 3), 30*time.Second)
	})
}

func TestUpstreamExternalSequencer(t *testing.T) {
	each(t, Config{Processes: 5, Validators: 4, Sequencers: 1}, func(n *Network) error {
		return reach(n, sized(n.Scheme, 100, 10), time.Minute)
	})
}

func TestUpstreamThousandHeightsOfTenValidators(t *testing.T) {
	t.Parallel()
	schemes := []Scheme{KeyedSum}
	if longHeights() > 0 {
		schemes = append(schemes, RealSchemes...)
	}
	for _, scheme := range schemes {
		t.Run(string(scheme), func(t *testing.T) {
			height := sized(scheme, 1000, 50)
			if testing.Short() {
				height = 20
			}
			simulate(t, 1, func(seed uint64) Config {
				return Config{Seed: seed, Scheme: scheme, Processes: 10, Sequencers: 1, Batch: scheme != KeyedSum,
					Link: Link{80 * time.Millisecond, 10 * time.Millisecond}, Faults: Faults{Loss: 2}}
			}, func(n *Network) error { return reach(n, height, time.Hour) })
		})
	}
}

func TestUpstreamStaleNodeAfterARestart(t *testing.T) {
	each(t, Config{Processes: 4, Faults: Faults{Compact: 100}}, func(n *Network) error {
		if err := reach(n, 2, 10*time.Second); err != nil {
			return err
		}
		var old [][]byte // nodes of lane 1, on their way when process 0 goes down
		for _, e := range n.queue {
			if e.do == nil && e.kind == nodeMessage && e.from == n.roster.ids[1] && e.to == 0 {
				old = append(old, e.message)
			}
		}
		if err := n.Grow(3, 10*time.Second); err != nil {
			return err
		}
		n.Crash(0, 0)
		for _, m := range old { // the first messages that it gets
			n.order++
			n.queue.push(event{at: n.now + 1, order: n.order, to: 0, from: n.roster.ids[1], kind: nodeMessage, message: m})
		}
		return n.Grow(3, 10*time.Second)
	})
}

func TestUpstreamDeterminism(t *testing.T) {
	t.Parallel()
	var digests [][32]byte
	for seed := range uint64(6) {
		run := func() [32]byte {
			s := FaultRun(seed)
			s.Digest, s.Batch = true, seed%2 == 0
			return simulateOne(t, s, func(n *Network) error { return n.FaultPhases(100*time.Millisecond, 1, time.Minute) })
		}
		digests = append(digests, run())
		if run() != digests[seed] {
			t.Fatalf("seed %d: two histories", seed)
		}
		for _, other := range digests[:seed] {
			if other == digests[seed] {
				t.Fatal("two seeds, one history")
			}
		}
	}
}

func TestAHundredAndThreeHundredValidators(t *testing.T) {
	t.Parallel()
	top := int64(1)
	if longHeights() > 0 {
		top = 20
	}
	for _, validators := range []int{100, 300} {
		simulate(t, 1, func(seed uint64) Config {
			return Config{Seed: seed, Processes: validators, Sequencers: 1, Faults: Faults{Loss: 2}}
		}, func(n *Network) error { return reach(n, top, time.Minute) })
	}
}
