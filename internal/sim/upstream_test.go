package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The tests of upstream's engine (consensus/src/ordered_broadcast/mod.rs of commonware-consensus
// 2026.4.0, mocks beside it), as scenarios with upstream's own numbers. All validators but those of
// run_1k are 4, epochs within bounds are one each, the height bound is 2, links take 10 ms with a
// standard deviation of 1 ms unless something else is named, and the time is virtual and counts from
// the start.
//
//	upstream                          here                                      numbers
//	test_all_online                   TestUpstreamAllOnline                     rebroadcast 5 s; height 100 in 120 s, without holes
//	test_unclean_shutdown             TestUpstreamUncleanShutdown               rebroadcast 5 s, all crash after 5 s; height 30 in 180 s, without holes
//	test_network_partition            TestUpstreamNetworkPartition              rebroadcast 1 s, no links for 30 s; 100 heights more in 60 s
//	test_slow_and_lossy_links         TestUpstreamSlowAndLossyLinks             rebroadcast 150 ms; 50 ms, deviation 40 ms, half is lost; height 40 in 40 s
//	test_determinism                  TestUpstreamDeterminism                   the same with seeds 1 to 5, twice each
//	test_invalid_signature_injection  TestUpstreamInvalidSignatureInjection     rebroadcast 5 s; height 100 in 30 s, without holes
//	test_updated_epoch                TestUpstreamUpdatedEpoch                  rebroadcast 1 s; height 100, no links for 30 s, next epoch; 100 heights more in 60 s, without holes
//	test_external_sequencer           TestUpstreamExternalSequencer             rebroadcast 5 s, one more process, the only sequencer; height 100 in 60 s, without holes
//	test_1k_…                         TestUpstreamThousandHeights               rebroadcast 150 ms; 80 ms, deviation 10 ms, 2 % is lost; 10 validators, 5 sequencers; height 1000
//
// A height counts once every process, not only one of them, has reported it for every lane. Without
// holes means that each has reported all heights below as well. At most 5 locks may be reported
// before their tip where upstream says so: in all_online, updated_epoch and external_sequencer.
// Upstream's applications, disks and signatures take no time, and so they do here.
//
// Three differences remain. Upstream has an AckInterval of nothing: a repeated node is answered at
// once, however often it comes. Here it is the engine's default. What upstream calls invalid
// signatures are payload digests of another form at every tenth height, of which its application
// approves; digests are opaque to both engines. TestUpstreamInvalidSignatureInjection adds a process
// whose signatures are in fact invalid. And upstream's run_1k has no limit in time; here it is twice
// what 1000 round trips take with a rebroadcast for each.
func upstream(rebroadcast time.Duration) Config {
	return Config{
		Processes: 4, Link: Link{Latency: 10 * time.Millisecond, Jitter: time.Millisecond, Normal: true},
		Rebroadcast: rebroadcast, AckInterval: 200 * time.Millisecond, HeightBound: 2, Pace: Pace{1, 1, 1, 1, 1},
	}
}

// goal is what upstream waits for: that every process has reported locks up to a height, on all
// lanes.
type goal struct {
	height     int64
	epoch      uint64        // the top one's is at least this
	contiguous bool          // and all below
	misses     int           // locks that a process may report before their tips; any number if negative
	within     time.Duration // since the network has started
}

const anyMisses = -1

// await lets time pass until a goal is reached. It looks every 100 ms, as upstream does.
func (n *Network) await(g goal) error {
	for !n.reached(&g) {
		if n.now >= g.within {
			return fmt.Errorf("liveness: heights known %v after %v, %d wanted everywhere", n.heightsKnown(), n.now, g.height)
		}
		if err := n.Run(min(100*time.Millisecond, g.within-n.now)); err != nil {
			return err
		}
	}
	for _, p := range n.honest() {
		if g.misses >= 0 && p.missed > g.misses {
			return fmt.Errorf("%s reported %d locks before their tips, at most %d wanted", p.name, p.missed, g.misses)
		}
	}
	return nil
}

func (n *Network) reached(g *goal) bool {
	for _, p := range n.honest() {
		for _, lane := range n.Lanes() {
			top, from := n.Known(p.index, lane), int64(0)
			if top < g.height || p.locks[place{n.roster.ids[lane], uint64(top)}] < g.epoch {
				return false
			}
			if !g.contiguous {
				from = g.height + 1
			}
			for h := from; h <= g.height; h++ {
				if _, ok := p.locks[place{n.roster.ids[lane], uint64(h)}]; !ok {
					return false
				}
			}
		}
	}
	return true
}

// heightsKnown returns the highest height that each process has reported, by process and lane.
func (n *Network) heightsKnown() (all [][]int64) {
	for _, p := range n.honest() {
		var of []int64
		for _, lane := range n.Lanes() {
			of = append(of, n.Known(p.index, lane))
		}
		all = append(all, of)
	}
	return all
}

// maxKnown returns the highest height that any process has reported on any lane.
func (n *Network) maxKnown() int64 {
	top := int64(0)
	for _, of := range n.heightsKnown() {
		top = max(top, slices.Max(of))
	}
	return top
}

// cutAllLinks keeps every process by itself for a while. No lane may grow but by what is on its way.
func (n *Network) cutAllLinks(d time.Duration) error {
	n.Partition(func(process int) int { return process })
	if err := n.Run(time.Second); err != nil {
		return err
	}
	before := heights(n)
	if err := n.Run(d - time.Second); err != nil {
		return err
	}
	if after := heights(n); !slices.Equal(before, after) {
		return fmt.Errorf("lanes grew from %v to %v without a quorum", before, after)
	}
	return nil
}

func TestUpstreamAllOnline(t *testing.T) {
	each(t, upstream(5*time.Second), func(n *Network) error {
		return n.await(goal{sized(n, 100), firstEpoch, true, 5, 120 * time.Second})
	})
}

func TestUpstreamUncleanShutdown(t *testing.T) {
	each(t, upstream(5*time.Second), func(n *Network) error {
		g := goal{sized(n, 30), firstEpoch, true, anyMisses, 180 * time.Second}
		for n.now < g.within {
			before := g
			before.within = n.now + 5*time.Second
			if err := n.await(before); err == nil || n.Err() != nil {
				return err
			}
			for i := range n.processes {
				n.Crash(i, 0)
			}
		}
		return n.await(g)
	})
}

func TestUpstreamNetworkPartition(t *testing.T) {
	each(t, upstream(time.Second), func(n *Network) error {
		if err := n.cutAllLinks(30 * time.Second); err != nil {
			return err
		}
		n.Partition(nil)
		return n.await(goal{n.maxKnown() + sized(n, 100), firstEpoch, false, anyMisses, 60 * time.Second})
	})
}

// slowAndLossy is the network of test_slow_and_lossy_links.
func slowAndLossy() Config {
	c := upstream(150 * time.Millisecond)
	c.Link.Latency, c.Link.Jitter, c.Faults.Loss = 50*time.Millisecond, 40*time.Millisecond, 50
	return c
}

func TestUpstreamSlowAndLossyLinks(t *testing.T) {
	each(t, slowAndLossy(), func(n *Network) error {
		return n.await(goal{sized(n, 40), firstEpoch, false, anyMisses, 40 * time.Second})
	})
}

func TestUpstreamDeterminism(t *testing.T) {
	t.Parallel()
	schemes := slices.Concat(KeyedSchemes, realSchemes(t))
	last := uint64(5)
	if testing.Short() {
		last = 1
	}
	for seed := uint64(1); seed <= last; seed++ {
		histories := make(map[[32]byte]Scheme)
		for _, scheme := range schemes {
			run := func() [32]byte {
				c := slowAndLossy()
				c.Seed, c.Scheme, c.Digest = seed, scheme, true
				return simulateOne(t, c, func(n *Network) error {
					height := sized(n, 40)
					if !slices.Contains(KeyedSchemes, scheme) && longHeights() == 0 {
						height = 2
					}
					return n.await(goal{height, firstEpoch, false, anyMisses, 40 * time.Second})
				})
			}
			digest := run()
			if run() != digest {
				t.Fatalf("seed %d, %s: two histories", seed, scheme)
			}
			if other, ok := histories[digest]; ok {
				t.Fatalf("seed %d: one history of %s and %s", seed, scheme, other)
			}
			histories[digest] = scheme
		}
	}
}

func TestUpstreamInvalidSignatureInjection(t *testing.T) {
	for hostile := range 2 {
		t.Run(fmt.Sprintf("%d hostile", hostile), func(t *testing.T) {
			c := upstream(5 * time.Second)
			c.Byzantine, c.Attacks = hostile, []Attack{AckWrongly, MisSign}
			each(t, c, func(n *Network) error {
				return n.await(goal{sized(n, 100), firstEpoch, true, anyMisses, 30 * time.Second})
			})
		})
	}
}

func TestUpstreamUpdatedEpoch(t *testing.T) {
	each(t, upstream(time.Second), func(n *Network) error {
		const within = 60 * time.Second
		if err := n.await(goal{sized(n, 100), firstEpoch, true, 5, within}); err != nil {
			return err
		}
		if err := n.cutAllLinks(30 * time.Second); err != nil {
			return err
		}
		top := n.maxKnown()
		n.Enter(firstEpoch+1, 0, 0)
		n.Partition(nil)
		return n.await(goal{top + sized(n, 100), firstEpoch + 1, true, 5, within})
	})
}

func TestUpstreamExternalSequencer(t *testing.T) {
	c := upstream(5 * time.Second)
	c.Processes, c.Validators, c.Sequencers = 5, 4, 1
	each(t, c, func(n *Network) error {
		return n.await(goal{sized(n, 100), firstEpoch, true, 5, 60 * time.Second})
	})
}

func TestUpstreamThousandHeights(t *testing.T) {
	c := upstream(150 * time.Millisecond)
	c.Processes, c.Sequencers, c.Faults.Loss = 10, 5, 2
	c.Link.Latency, c.Link.Jitter = 80*time.Millisecond, 10*time.Millisecond
	each(t, c, func(n *Network) error {
		height := sized(n, 1000)
		each := 2*(c.Link.Latency+2*c.Link.Jitter) + c.Rebroadcast
		return n.await(goal{height, firstEpoch, false, anyMisses, 2 * time.Duration(height) * each})
	})
}
