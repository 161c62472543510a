package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// TestEachAttackAlone has two of seven do one thing and nothing else, but for acks now and then, as fast as they can. Every invariant holds and
// all honest lanes grow, with every kind of certificate.
func TestEachAttackAlone(t *testing.T) {
	t.Parallel()
	for attack := range numAttacks {
		for i, scheme := range KeyedSchemes {
			s := Settings{
				Seed: uint64(i), Scheme: scheme, Processes: 7, Sequencers: 2, Byzantine: 2,
				Attacks: []Attack{attack, attack, attack, BehaveWell}, AttackPause: 2 * time.Millisecond,
			}
			simulateOne(t, s, func(n *Network) error {
				if err := n.Run(100 * time.Millisecond); err != nil {
					return err
				}
				return n.Grow(4, patience)
			})
		}
	}
}

// TestEachAttackAloneWithRealSchemes is the same with points of the curve, on a network of four.
func TestEachAttackAloneWithRealSchemes(t *testing.T) {
	t.Parallel()
	attacks := []Attack{AckWrongly, CancelOut, SwapBits}
	if longHeights() > 0 {
		attacks = allAttacks
	}
	for _, attack := range attacks {
		for _, scheme := range realSchemes(t) {
			s := Settings{
				Scheme: scheme, Processes: 7, Sequencers: 1, Byzantine: 2,
				Attacks: []Attack{attack, BehaveWell}, AttackPause: 40 * time.Millisecond,
			}
			simulateOne(t, s, func(n *Network) error { return n.Grow(3, patience) })
		}
	}
}

// The observer itself: what it is there to find, it finds.
func TestTheObserverObjects(t *testing.T) {
	lock := func(n *Network, change func(*wire.Lock)) error {
		p := n.honest()[0]
		chunk := wire.Chunk{Sequencer: p.id}
		n.observer.shown[place{p.id, 0}] = chunk.Payload
		l := wire.Lock{Chunk: chunk, Epoch: firstEpoch}
		e := n.world.epochs[firstEpoch]
		signers := wire.NewSigners(4)
		votes := make(map[wire.Participant][]byte)
		for i := range wire.Participant(3) {
			signers.Add(i)
			votes[i], _ = e.signers[i].SignAck(t.Context(), l.Subject())
		}
		l.Certificate = wire.AppendSignersAndList(nil, signers, func(i wire.Participant) []byte { return votes[i] })
		change(&l)
		n.observer.lock(p, &l)
		return n.err
	}
	for name, change := range map[string]func(*wire.Lock){
		"a good lock":          nil,
		"a signature changed":  func(l *wire.Lock) { l.Certificate[20] ^= 1 },
		"a signer too few":     func(l *wire.Lock) { l.Certificate[8] &= 3 },
		"another epoch":        func(l *wire.Lock) { l.Epoch++ },
		"another payload":      func(l *wire.Lock) { l.Chunk.Payload[0]++ },
		"another height":       func(l *wire.Lock) { l.Chunk.Height++ },
		"an epoch there isn't": func(l *wire.Lock) { l.Epoch = 1 << 40 },
	} {
		n, err := New(Settings{Scheme: KeyedList, Processes: 4})
		if err != nil {
			t.Fatal(err)
		}
		if change == nil {
			change = func(*wire.Lock) {}
		}
		if err := lock(n, change); (err == nil) != (name == "a good lock") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLivenessFailsWhereThereIsNoQuorum(t *testing.T) {
	n, err := New(Settings{Processes: 4, Byzantine: 2, Attacks: []Attack{Withhold}})
	if err == nil {
		err = n.Grow(1, 5*time.Second)
	}
	if err == nil {
		t.Fatal("lanes grew with two of four silent")
	}
	if !strings.Contains(err.Error(), "liveness") {
		t.Fatal(err)
	}
}
