package sim

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// lossesVariable is the number of journals that are lost in each run of TestLostJournals….
const lossesVariable = "LANECAST_LOSSES"

// losses returns how many journals a run loses.
func losses(normal int) int {
	if n, err := strconv.Atoi(os.Getenv(lossesVariable)); err == nil {
		return n
	}
	return normal
}

// docs/protocol.md 5.10 and 7.5: "An operator recovers no more validators at once than f, less those
// that are faulty otherwise." Journals are lost one after another, and up to f at once. Some lanes end
// and others are resumed; processes crash while they recover; epochs pass, and peers lie. The observer
// demands that nobody acks two payloads for one place, that marks are kept, and that a lane which was
// resumed has no second payload where an honest process could show the first one.
func TestLostJournalsOneAfterAnotherAndAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct{ processes, byzantine int }{{4, 0}, {7, 0}, {7, 1}, {10, 1}} {
		t.Run(fmt.Sprint(kind.processes, " ", kind.byzantine), func(t *testing.T) {
			simulate(t, runs(t, 8), func(seed uint64) Config {
				c := Config{
					Seed: seed, Scheme: KeyedSchemes[seed%3], Processes: kind.processes, Byzantine: kind.byzantine,
					Acks: Acks(seed/3) % numAcks, Connections: seed%2 == 0,
					Bounds: &EpochBounds{Back: seed % 2, Ahead: seed / 2 % 2},
				}
				c.Faults = Faults{Loss: int(seed % 4 * 5), Duplicate: 5, Compact: 50, CrashOneIn: int(seed % 3 * 3000), SlowSync: int(seed % 2 * 5)}
				return c
			}, func(n *Network) error { return n.loseJournals(losses(6)) })
		})
	}
}

// loseJournals loses journals and has the processes recover, and demands that lanes go on.
func (n *Network) loseJournals(count int) error {
	if err := n.Grow(1, growLimit); err != nil {
		return err
	}
	for lost := 0; lost < count; {
		if n.chance(25) && n.epoch < lastEpoch-1 {
			n.Enter(n.epoch+1+uint64(n.random.IntN(2)), 30*time.Millisecond, 0)
		}
		if n.chance(30) { // what a sequencer sends reaches hostile processes alone
			alone := n.honest()[n.random.IntN(len(n.honest()))].index
			n.Partition(func(p int) int {
				if p < n.Byzantine || p == alone {
					return 0
				}
				return 1
			})
		}
		if err := n.Run(n.upTo(60 * time.Millisecond)); err != nil {
			return err
		}
		var these []*process
		for _, i := range n.random.Perm(len(n.honest())) {
			p := n.honest()[i]
			resume := n.chance(80) || len(n.Lanes()) < 4
			if !p.gone && n.canSpare(append(these, p)...) && (len(these) == 0 || n.chance(50)) {
				these = append(these, p)
				n.LoseDisk(p.index, n.upTo(40*time.Millisecond), resume)
				lost++
			}
		}
		if len(these) == 0 {
			return fmt.Errorf("nobody can lose its journal: %w", n.Err())
		}
		n.Partition(nil)
		for _, p := range these {
			if n.chance(50) { // a crash before, while or after it recovers
				n.RunUntil(n.settled()+n.upTo(60*time.Millisecond), func() bool { return false })
				n.Crash(p.index, n.upTo(20*time.Millisecond))
			}
		}
		recovered := func() bool {
			for _, p := range these {
				if !p.passed() && !p.gone {
					return false
				}
			}
			return true
		}
		if !n.RunUntil(growLimit, recovered) {
			return fmt.Errorf("after %d losses one is not passed its marks: %w", lost, n.Err())
		}
		if len(n.Lanes()) < 2 {
			return n.Err() // too many have ended for good
		}
		if err := n.Grow(2, growLimit); err != nil {
			return err
		}
	}
	return nil
}

// docs/protocol.md 7.5: "Here each lane's highest lock of any epoch is asked for, dormant lanes' too; a
// lock of an epoch below bounds counts for abstaining only. If its epoch is unknown, nothing is acked on
// that lane until a lock within bounds is held, and then only above that one's mark." Sequencers leave
// and come back while a process recovers that may have lost the sets of old epochs too.
func TestALostJournalWhereLanesAreDormant(t *testing.T) {
	t.Parallel()
	for _, byzantine := range []int{0, 1} {
		simulate(t, runs(t, 10), func(seed uint64) Config {
			return Config{
				Seed: seed, Scheme: KeyedSchemes[seed%3], Processes: 7, Byzantine: byzantine, Acks: Acks(seed/3) % numAcks,
				Connections: seed%2 == 0, Bounds: &EpochBounds{Back: seed / 2 % 2, Ahead: seed % 2},
			}
		}, func(n *Network) error {
			at := firstEpoch + uint64(n.random.IntN(12))
			p := n.honest()[n.random.IntN(len(n.honest()))]
			for n.epoch < lastEpoch-2 {
				if n.epoch >= at && !p.lost {
					n.LoseDisk(p.index, n.upTo(40*time.Millisecond), n.chance(60))
					if n.chance(50) {
						for e := uint64(firstEpoch - 1); e+n.Bounds.Back < n.epoch; e++ {
							p.view.knownAt[e] = forever
						}
					}
				}
				if err := n.Grow(2, growLimit); err != nil {
					return err
				}
				n.Enter(n.epoch+1, 30*time.Millisecond, n.upTo(50*time.Millisecond))
			}
			if !p.gone && p.c.Recovering() {
				return fmt.Errorf("it is recovering still: %w", n.Err())
			}
			return n.Err()
		}, Leave)
	}
}
