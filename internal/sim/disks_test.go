package sim

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 5.10: "A validator that recovered is given verified locks. […] On that lane it
// acks only above H+2, which it can once others have certified H+2 without it. […] A sequencer that
// recovered has ended its lane." It crashes once more at any moment. The observer compares its acks
// with those from before the loss.
func TestALostJournal(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{4, 7} {
		simulate(t, 40, func(seed uint64) Config {
			return Config{Seed: seed, Scheme: KeyedSchemes[seed%3], Processes: processes, Sequencers: 4}
		}, func(n *Network) error {
			if err := n.Run(n.upTo(300 * time.Millisecond)); err != nil {
				return err
			}
			lost := n.Processes - 1
			p := n.processes[lost]
			n.LoseDisk(lost, n.upTo(20*time.Millisecond), false)
			// The seed determines the number of events before the crash: before it adopts, while
			// that is being written, and later.
			count, after := 0, int(n.Seed)*3
			n.RunUntil(time.Second, func() bool { count++; return !p.down && count > after })
			n.Crash(lost, n.upTo(5*time.Millisecond))
			if err := n.Grow(4, growLimit); err != nil {
				return err
			}
			acking := func() bool {
				for _, lane := range n.Lanes() {
					id := n.roster.ids[lane]
					if c, ok := p.observed.approved[id]; !ok || c.Height <= p.marks[id] {
						return false
					}
				}
				return true
			}
			if !n.RunUntil(growLimit, acking) || p.c.Recovering() {
				return fmt.Errorf("it does not ack: recovering %v, %w", p.c.Recovering(), n.Err())
			}
			// The others need it from now on.
			n.Crash(0, forever)
			return n.Grow(3, growLimit)
		})
	}
}

// docs/protocol.md 5.10: "Where its weight is more than f of the epoch (always for n ≤ 3) the
// others can never certify H+2: recovery is refused with an error that says so."
func TestALostJournalOfThreeIsNotReplaced(t *testing.T) {
	n, err := New(Config{Processes: 3})
	if err == nil {
		err = n.Grow(2, growLimit)
	}
	if err != nil {
		t.Fatal(err)
	}
	n.LoseDisk(0, 0, false)
	n.RunUntil(time.Second, func() bool { return !n.processes[0].down })
	lock, ok := n.processes[1].highest(n.roster.ids[1])
	if err := n.processes[0].c.Adopt(n.now, []wire.Lock{lock}); !ok || !errors.Is(err, core.ErrIndispensable) {
		t.Fatal(ok, err)
	}
}

// docs/protocol.md 5.9: "A copy of the whole folder from the past cannot be told from the present:
// it is to be treated as lost; but a process that is not recovering and is shown a valid node or
// ack of its own, or a certificate of its lane, or one naming it as signer, above its tip and its
// mark of 5.10, stops with that as the reason." The observer checks that it shows no second payload
// before it stops.
func TestAJournalFromThePast(t *testing.T) {
	t.Parallel()
	const stale = 3
	for _, shown := range []string{"node", "ack", "certificate", "certificate of its lane"} {
		simulate(t, 10, func(seed uint64) Config {
			return Config{
				Seed: seed, Scheme: []Scheme{KeyedSum, KeyedList}[seed%2], Processes: 4,
				Pace: Pace{100 * time.Microsecond, 3 * time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, time.Millisecond},
			}
		}, func(n *Network) error {
			p := n.processes[stale]
			if err := n.Grow(2, growLimit); err != nil {
				return err
			}
			old := p.disk.Copy()
			tips := make(map[wire.PublicKey]uint64)
			for _, l := range p.c.Lanes() {
				tips[l.Sequencer] = l.Tip
			}
			// Only what is more than two heights above the copy's tips is shown.
			var message []byte
			var kind messageKind
			from := n.roster.ids[1]
			n.onSend = func(sender wire.PublicKey, k messageKind, m []byte) {
				var node wire.Node
				var ack wire.Ack
				switch {
				case k == nodeMessage && node.Decode(m, formats{n.roster}) == nil:
					lane := node.Chunk.Sequencer
					switch {
					case node.Chunk.Height <= tips[lane]+2 || lane != sender:
					case shown == "node" && lane == p.id:
						message, kind = m, k
					case shown == "certificate" && lane != p.id && names(n, node.Parent, p.id):
						message, kind, from = m, k, lane
					}
				case k == ackMessage && ack.Decode(m) == nil:
					if shown == "ack" && sender == p.id && ack.Chunk.Height > tips[ack.Chunk.Sequencer]+2 {
						message, kind = m, k
					}
				}
			}
			grown := func() bool { return shown == "certificate of its lane" && n.Height(stale) > int64(tips[p.id])+2 }
			if !n.RunUntil(growLimit, func() bool { return message != nil || grown() }) {
				return fmt.Errorf("nothing to show: %w", n.Err())
			}
			n.onSend = nil
			n.RestoreDisk(stale, old, time.Millisecond)
			n.RunUntil(time.Second, func() bool { return !p.down })
			if message != nil {
				n.order++
				n.queue.push(event{at: n.now, order: n.order, to: stale, from: from, kind: kind, message: message})
			} else {
				p.adoptFrom(n.processes[0])
			}
			n.RunUntil(20*time.Millisecond, func() bool { return p.halted != nil })
			if !errors.Is(p.halted, core.ErrStaleJournal) {
				return fmt.Errorf("shown a %s it goes on: %w", shown, errors.Join(p.halted, n.Err()))
			}
			return n.Grow(2, growLimit) // of the others
		})
	}
}

// names reports whether a parent's certificate names a validator as one of its signers.
func names(n *Network, parent wire.Parent, id wire.PublicKey) bool {
	e := n.roster.epochs[parent.Epoch]
	if e == nil {
		return false
	}
	i, _ := e.scheme.Index(id)
	f := e.scheme.Format()
	signers, _, err := f.SplitCertificate(parent.Certificate)
	return err == nil && signers.Has(i)
}

// docs/protocol.md 5.9: "A copy of the whole folder from the past cannot be told from the present."
// A process whose copy is the present state goes on as after a crash.
func TestAJournalOfAMomentAgo(t *testing.T) {
	n, err := New(Config{Processes: 4})
	if err == nil {
		err = n.Grow(2, growLimit)
	}
	if err == nil {
		var now *model.Disk
		n.RunUntil(time.Second, func() bool { now = n.processes[2].disk.Copy(); return true })
		n.RestoreDisk(2, now, time.Millisecond)
		err = n.Grow(3, growLimit)
	}
	if err != nil {
		t.Fatal(err)
	}
}
