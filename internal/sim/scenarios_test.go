package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"testing"
	"time"
)

// sized returns a scenario's number of heights: upstream's, or fewer if that would be slow.
func sized(n *Network, upstream int64) int64 {
	long := longHeights()
	switch {
	case testing.Short():
		return min(20, upstream)
	case n.Scheme == KeyedSum:
		return upstream
	case long > 0:
		return min(long, upstream)
	case slices.Contains(KeyedSchemes, n.Scheme), n.Scheme == Ed25519, n.Scheme == Secp256r1:
		return min(100, upstream)
	}
	return min(10, upstream/10)
}

// realSchemes returns the real schemes of a scenario: all in the long form, otherwise one with
// pairings and one without, selected by the scenario's name.
func realSchemes(t *testing.T) []Scheme {
	switch {
	case longHeights() > 0:
		return RealSchemes
	case testing.Short():
		return nil
	}
	h := fnv.New32()
	h.Write([]byte(t.Name()))
	return []Scheme{RealSchemes[4+h.Sum32()/4%2], RealSchemes[h.Sum32()%4]}
}

// each runs a scenario with all keyed and some real schemes, and under one of them with the other
// settings of acks.
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
	for _, acks := range []Acks{AcksAndCertificatesToAll, AcksToSequencer, AcksMoving} {
		t.Run("acks "+acks.String(), func(t *testing.T) {
			simulate(t, 1, func(seed uint64) Config {
				s := config
				s.Scheme, s.Seed, s.Acks, s.Connections = KeyedSum, seed, acks, true
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

func TestAllCrashAgainAndAgain(t *testing.T) {
	each(t, Config{Processes: 4, Faults: Faults{Compact: 50}}, func(n *Network) error {
		top := sized(n, 30)
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

func TestUpstreamStaleNodeAfterARestart(t *testing.T) {
	each(t, Config{Processes: 4, Faults: Faults{Compact: 100}}, func(n *Network) error {
		if err := reach(n, 2, 10*time.Second); err != nil {
			return err
		}
		var old [][]byte // nodes of lane 1, under way when process 0 stops
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

func TestASeedGivesOneHistory(t *testing.T) {
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
