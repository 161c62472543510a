package sim

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 4.5: "At most two calls per lane are outstanding: the newest tip is asked at
// once if fewer are, else when one returns. […] (Else one payload lost on its way to a validator
// silences it on that lane for good.)" Process 0 never gets the payload of one chunk of each lane.
// Once the others have certified those, process 1 stops for good: every further certificate needs
// process 0.
func TestALostPayloadSilencesNoValidator(t *testing.T) {
	each(t, Config{Processes: 4}, func(n *Network) error {
		n.holds = func(p int, c *wire.Chunk) bool { return p == 0 && c.Height == 1 }
		if err := reach(n, 2, 5*time.Second); err != nil {
			return err
		}
		n.Crash(1, forever)
		return n.Grow(5, 5*time.Second)
	})
}

// docs/protocol.md 4.5: "When the tip moves on, or the sequencer leaves the sets, all calls about
// older chunks are cancelled (their contexts end). […] The same holds for proposals." And 4.7:
// "When the signer fails, does not answer in time, […] the same chunk is signed again." Signers
// hang until their contexts end, and applications propose only when cancelled or very late.
func TestCallsThatHang(t *testing.T) {
	t.Parallel()
	simulate(t, 20, func(seed uint64) Config {
		return Config{Seed: seed, Processes: 4, Faults: Faults{HangPropose: 30, HangSigner: 10, LosePayload: 5}}
	}, func(n *Network) error {
		if err := n.Run(2 * time.Second); err != nil {
			return err
		}
		n.EndFaults()
		return n.Grow(5, growLimit)
	})
}

// docs/protocol.md 4.8: "On entering an epoch, a validator of it signs and sends its ack in the new
// epoch, at once, for every ackable tip for which it holds no certificate of an epoch in bounds.
// […] (Else acks of a chunk in flight split between two epochs, and the lane stands until the next
// rebroadcast.)" Validators enter an epoch some milliseconds apart, and some have acked a chunk in
// the one before. The chunk is certified two network delays after the last validator has entered,
// long before the sequencer sends it again.
func TestAnEpochThatComesAtDifferentTimesStallsNoLane(t *testing.T) {
	const held = 5
	each(t, Config{Processes: 4, Sequencers: 1, Rebroadcast: 5 * time.Second}, func(n *Network) error {
		n.holds = func(p int, c *wire.Chunk) bool { return p >= 2 && c.Height == held }
		at := place{n.roster.ids[3], held}
		acked := func(p int) bool { _, ok := n.processes[p].acked[at]; return ok }
		if !n.RunUntil(5*time.Second, func() bool { return acked(0) && acked(1) }) {
			return fmt.Errorf("no acks: %w", n.Err())
		}
		if err := n.Run(50 * time.Millisecond); err != nil {
			return err
		}
		n.epoch++
		n.processes[2].enter(n.epoch)
		n.processes[3].enter(n.epoch)
		n.holds = nil
		n.processes[2].returnWaiting()
		n.processes[3].returnWaiting()
		if err := n.Run(50 * time.Millisecond); err != nil {
			return err
		}
		if n.Height(3) != held-1 {
			return fmt.Errorf("height %d", n.Height(3))
		}
		n.processes[0].enter(n.epoch)
		n.processes[1].enter(n.epoch)
		limit := 2*(n.Link.Latency+n.Link.Jitter) + n.Pace.Sign + n.Pace.Verify
		if !n.RunUntil(limit, func() bool { return n.Height(3) >= held }) {
			return fmt.Errorf("height %d is not certified %v after all have entered the epoch: %w", held, limit, n.Err())
		}
		return nil
	})
}

// The same from any state: after each change all lanes grow within the time that one chunk takes
// from the request for its payload to its certificate.
func TestEpochsThatComeAtDifferentTimesStallNoLane(t *testing.T) {
	t.Parallel()
	simulate(t, 20, func(seed uint64) Config {
		return Config{Seed: seed, Processes: 4 + int(seed%4), Rebroadcast: 5 * time.Second, Scheme: KeyedSchemes[seed%3]}
	}, func(n *Network) error {
		p := n.Pace
		chunk := 2*(n.Link.Latency+n.Link.Jitter) + 2*p.Application + 3*p.Verify + 3*p.Sign + 4*p.Sync
		for range 6 {
			if err := n.Run(100*time.Millisecond + n.upTo(50*time.Millisecond)); err != nil {
				return err
			}
			spread := n.upTo(60 * time.Millisecond)
			n.Enter(n.epoch+1, spread, 0)
			if err := n.Run(spread); err != nil {
				return err
			}
			if err := n.Grow(1, chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

// docs/protocol.md 4.2.5: "When a waiting node is replaced by a higher one, its parent certificate
// goes on as a statement of its own, so that a process that falls behind for a moment loses no lock
// that reached it." The intake, or the verification, of a process stops for a while; then many
// nodes arrive in order. All locks in them are reported, within HeightBound.
func TestAProcessThatFallsBehindLosesNoLock(t *testing.T) {
	for _, what := range []string{"intake", "verification"} {
		t.Run(what, func(t *testing.T) {
			each(t, Config{Processes: 4, Sequencers: 2}, func(n *Network) error {
				if err := reach(n, 2, 10*time.Second); err != nil {
					return err
				}
				p := n.processes[0]
				var first, last [2]int64
				for i := range first {
					first[i] = n.Known(0, 2+i) + 1
				}
				if what == "intake" {
					p.intake.closed = true
				} else {
					p.verifier.paused = true
				}
				behind := func() bool { return n.Height(2)-first[0] >= 5 || n.Height(3)-first[1] >= 5 }
				if !n.RunUntil(10*time.Second, behind) {
					return fmt.Errorf("the others stand: %w", n.Err())
				}
				for i := range last { // the locks in nodes that are under way or have arrived
					last[i] = n.Height(2+i) - 1
				}
				if what == "intake" {
					// Keep only nodes: otherwise acks make the certificates.
					nodes := p.intake.waiting[:0]
					for _, e := range p.intake.waiting {
						if e.kind == nodeMessage {
							nodes = append(nodes, e)
						}
					}
					p.intake.waiting, p.intake.closed = nodes, false
					p.resume()
				} else {
					p.verifier.resume()
				}
				if err := n.Run(200 * time.Millisecond); err != nil {
					return err
				}
				for i := range first {
					for h := first[i]; h <= last[i]; h++ {
						if _, ok := p.observed.payloads[place{n.roster.ids[2+i], uint64(h)}]; !ok {
							return fmt.Errorf("the lock at height %d of lane %d, from %d to %d, is lost", h, 2+i, first[i], last[i])
						}
					}
				}
				return nil
			})
		})
	}
}

// docs/protocol.md 5.7: "When the reporter's queue or the bytes not yet durable reach their limit,
// the loop stops taking messages in and asks for no proposal, while verdicts and timers go on;
// locks and evidence are never dropped." Also with a single validator. The locks are reported once
// the reporter continues, or after a crash.
func TestAReporterThatStandsStill(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{1, 4} {
		simulate(t, 5, func(seed uint64) Config {
			return Config{Seed: seed, Processes: processes, MaxPending: 16, Faults: Faults{Compact: 100}}
		}, func(n *Network) error {
			for range 3 {
				if err := n.Grow(3, growLimit); err != nil {
					return err
				}
				stuck := n.now + 3*time.Second
				for _, p := range n.honest() {
					p.reporter.stuckUntil = stuck
				}
				if err := n.Run(2 * time.Second); err != nil {
					return err
				}
				before := heights(n)
				if err := n.Run(900 * time.Millisecond); err != nil {
					return err
				}
				for i, h := range heights(n) {
					if h != before[i] {
						return fmt.Errorf("lane %d grew from %d to %d while nothing is reported", i, before[i], h)
					}
				}
				for _, p := range n.honest() {
					if most := n.MaxPending + 8*processes; int(p.reporter.pending()) > most || p.c.Unreported() > most {
						return fmt.Errorf("%d reports and %d locks wait, at most %d should", p.reporter.pending(), p.c.Unreported(), most)
					}
				}
				if n.chance(50) {
					n.Crash(n.random.IntN(processes), 0)
				}
			}
			return n.Grow(3, growLimit)
		})
	}
}

// docs/protocol.md 4.4: "It is reported once in a run; after a restart every lock whose report had
// not returned, and each lane's top ones, are reported again." The journal still has all locks, and
// few are reported again after a restart.
func TestFewLocksAreReportedAgain(t *testing.T) {
	t.Parallel()
	simulate(t, 2, func(seed uint64) Config {
		return Config{Seed: seed, Processes: 4}
	}, func(n *Network) error {
		if err := n.Grow(80, growLimit); err != nil {
			return err
		}
		return n.restart(n.processes[0])
	})
}

// docs/protocol.md 4.8: "A lane is dormant when its sequencer is in no known epoch within bounds,
// and wakes when one that has it becomes known. […] Of it stay, in the journal, the tip's Proposal
// and its newest certificate; in memory a digest of its place." One sequencer leaves for more
// epochs than are within bounds; it and others crash. When it returns its lane continues at the
// same height. Meanwhile the lane takes one record at each process.
func TestASequencerThatComesBack(t *testing.T) {
	const away = 6
	leaves := func(r *Roster) {
		for e := uint64(firstEpoch + 1); e <= firstEpoch+away; e++ {
			r.Define(e, span(0, r.config.Validators), span(0, r.config.Processes-1))
		}
	}
	t.Parallel()
	for back := range uint64(3) {
		for ahead := range uint64(3) {
			simulate(t, 3, func(seed uint64) Config {
				return Config{
					Seed: seed, Scheme: KeyedSchemes[seed%3], Processes: 4, Bounds: &EpochBounds{back, ahead}, Faults: Faults{Compact: 50},
				}
			}, func(n *Network) error {
				if err := n.Grow(20, growLimit); err != nil {
					return err
				}
				before := n.Height(3)
				for range away {
					n.Enter(n.epoch+1, 20*time.Millisecond, 0)
					if err := n.Run(100 * time.Millisecond); err != nil {
						return err
					}
					if n.chance(50) {
						n.Crash(n.random.IntN(4), n.upTo(20*time.Millisecond))
					}
					if err := n.Grow(8, growLimit); err != nil {
						return err
					}
				}
				if err := n.Run(50 * time.Millisecond); err != nil {
					return err
				}
				if back+ahead < away-1 && n.processes[0].c.Counts().Dormant+n.processes[1].c.Counts().Dormant == 0 && ahead == 0 {
					return errors.New("its lane is not dormant")
				}
				n.Enter(n.epoch+1, 20*time.Millisecond, 0)
				if err := n.Run(50 * time.Millisecond); err != nil {
					return err
				}
				if err := n.Grow(2, growLimit); err != nil {
					return err
				}
				if n.Height(3) < before+2 {
					return fmt.Errorf("lane 3 was at height %d, and is at %d", before, n.Height(3))
				}
				return n.Contiguous(3)
			}, leaves)
		}
	}
}
