package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// These are the tests of upstream's engine (consensus/src/ordered_broadcast/mod.rs of
// commonware-consensus 2026.4.0, and the mocks in the same folder) as scenarios with upstream's own
// numbers. The comment of each names the test. As upstream's, each runs with six schemes.
//
// The time is virtual and counts from the start. A height is reached once every process, not only
// one, has reported it for every lane; "without holes" means all lower heights as well.
// Applications, disks and signatures take no time, as in upstream.
//
// Two differences remain. Upstream answers every repeated node at once; here AckInterval is the
// engine's default. Upstream's run_1k has no time limit; here it has one.

// upstream returns the common configuration of upstream's tests: four validators that are
// sequencers too, one epoch within bounds on each side, a height bound of 2, and links that take 10
// ms with a standard deviation of 1 ms. The tests differ in the rebroadcast timeout.
func upstream(rebroadcast time.Duration) Config {
	return Config{
		Processes: 4, Link: Link{Latency: 10 * time.Millisecond, Jitter: time.Millisecond, Normal: true},
		Rebroadcast: rebroadcast, AckInterval: 200 * time.Millisecond, HeightBound: 2, Pace: Pace{1, 1, 1, 1, 1},
	}
}

// goal is the condition that upstream waits for: every process has reported locks up to a height,
// on all lanes.
type goal struct {
	height     int64
	epoch      uint64        // minimum epoch of the top lock
	contiguous bool          // all lower heights as well
	misses     int           // maximum of locks reported before their tips; no limit if negative
	within     time.Duration // since the network has started
}

const anyMisses = -1

// await lets time pass until a goal is reached. It checks every 100 ms, as upstream does.
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

// cutAllLinks isolates every process for a while. Lanes may grow only by messages under way.
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

// test_all_online: rebroadcast after 5 s; height 100 in 120 s, without holes; at most 5 locks
// before their tips.
func TestUpstreamAllOnline(t *testing.T) {
	each(t, upstream(5*time.Second), func(n *Network) error {
		return n.await(goal{sized(n, 100), firstEpoch, true, 5, 120 * time.Second})
	})
}

// test_unclean_shutdown: rebroadcast after 5 s; all crash every 5 s; height 30 in 180 s, without
// holes. TestAllCrashAgainAndAgain crashes sooner.
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

// test_network_partition: rebroadcast after 1 s; no links from the start on, for 30 s; then 100
// heights more until 60 s.
func TestUpstreamNetworkPartition(t *testing.T) {
	each(t, upstream(time.Second), func(n *Network) error {
		if err := n.cutAllLinks(30 * time.Second); err != nil {
			return err
		}
		n.Partition(nil)
		return n.await(goal{n.maxKnown() + sized(n, 100), firstEpoch, false, anyMisses, 60 * time.Second})
	})
}

// slowAndLossy is the network of test_slow_and_lossy_links: rebroadcast after 150 ms; links take
// 50 ms with a standard deviation of 40 ms, and lose half of the messages.
func slowAndLossy() Config {
	c := upstream(150 * time.Millisecond)
	c.Link.Latency, c.Link.Jitter, c.Faults.Loss = 50*time.Millisecond, 40*time.Millisecond, 50
	return c
}

// test_slow_and_lossy_links: height 40 in 40 s. An AckInterval of 200 ms takes 22 to 29 s, one of a
// second 44 to 67 (over 30 seeds).
func TestUpstreamSlowAndLossyLinks(t *testing.T) {
	each(t, slowAndLossy(), func(n *Network) error {
		return n.await(goal{sized(n, 40), firstEpoch, false, anyMisses, 40 * time.Second})
	})
}

// test_determinism: the same with seeds 1 to 5, twice each.
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

// test_invalid_signature_injection: rebroadcast after 5 s; height 100 in 30 s, without holes.
// Upstream injects payload digests of another form at every tenth height, which its application
// accepts; digests are opaque to both engines. The scenario is run a second time with a process
// whose acks and nodes are in fact signed wrongly.
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

// test_updated_epoch: rebroadcast after 1 s; height 100, without holes; then no links for 30 s, and
// the next epoch of the same validators; 100 heights more until 60 s, without holes, the highest of
// the new epoch; at most 5 locks before their tips.
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

// test_external_sequencer: rebroadcast after 5 s; the only sequencer is a fifth process, which is
// no validator; height 100 in 60 s, without holes; at most 5 locks before their tips.
func TestUpstreamExternalSequencer(t *testing.T) {
	c := upstream(5 * time.Second)
	c.Processes, c.Validators, c.Sequencers = 5, 4, 1
	each(t, c, func(n *Network) error {
		return n.await(goal{sized(n, 100), firstEpoch, true, 5, 60 * time.Second})
	})
}

// test_1k_…: rebroadcast after 150 ms; ten validators, half of them sequencers; links take 80 ms
// with a standard deviation of 10 ms, and lose 2 % of the messages; height 1000. The time limit,
// which upstream does not have, is twice the time of a round trip and a rebroadcast for each
// height.
func TestUpstreamThousandHeights(t *testing.T) {
	c := upstream(150 * time.Millisecond)
	c.Processes, c.Sequencers, c.Faults.Loss = 10, 5, 2
	c.Link.Latency, c.Link.Jitter = 80*time.Millisecond, 10*time.Millisecond
	each(t, c, func(n *Network) error {
		height := sized(n, 1000)
		one := 2*c.Link.Latency + c.Rebroadcast
		return n.await(goal{height, firstEpoch, false, anyMisses, 2 * time.Duration(height) * one})
	})
}
