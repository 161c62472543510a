package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Two of seven processes repeat one attack as fast as they can, and sometimes ack. Every invariant
// holds and all honest lanes grow, with every kind of certificate.
func TestEachAttackAlone(t *testing.T) {
	t.Parallel()
	for attack := range numAttacks {
		for i, scheme := range KeyedSchemes {
			s := Config{
				Seed: uint64(i), Scheme: scheme, Processes: 7, Sequencers: 2, Byzantine: 2, Batch: int(attack)%3 == i, Defer: 50,
				Attacks: []Attack{attack, attack, attack, BehaveWell}, AttackPause: 2 * time.Millisecond,
			}
			simulateOne(t, s, func(n *Network) error {
				if err := n.Run(100 * time.Millisecond); err != nil {
					return err
				}
				return n.Grow(4, growLimit)
			})
		}
	}
}

// The same with real signatures, for the attacks whose outcome depends on the schemes' arithmetic.
func TestEachAttackAloneWithRealSchemes(t *testing.T) {
	t.Parallel()
	attacks := []Attack{AckWrongly, CancelOut, SwapBits}
	if longHeights() > 0 {
		attacks = allAttacks
	}
	for _, attack := range attacks {
		for _, scheme := range realSchemes(t) {
			s := Config{
				Scheme: scheme, Processes: 7, Sequencers: 1, Byzantine: 2, Batch: true,
				Attacks: []Attack{attack, BehaveWell}, AttackPause: 40 * time.Millisecond,
			}
			simulateOne(t, s, func(n *Network) error { return n.Grow(3, growLimit) })
		}
	}
}

// Many statements with the same invalid votes are in flight at once: workers are slow, and
// suspicion lapses with every second epoch. Undecided votes stop no lane.
func TestVotesComeBackUndecided(t *testing.T) {
	t.Parallel()
	for _, inBatches := range []bool{false, true} {
		undecided := 0
		for seed := range uint64(6) {
			s := Config{
				Seed: seed, Scheme: KeyedSchemes[seed%3], Processes: 7, Byzantine: 2, Batch: inBatches, Defer: 100,
				Attacks: []Attack{AckWrongly, AckWrongly, BehaveWell, CancelOut}, AttackPause: 2 * time.Millisecond,
				Link: Link{Latency: 10 * time.Millisecond, Jitter: 9 * time.Millisecond},
				Pace: Pace{60 * time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond},
			}
			simulateOne(t, s, func(n *Network) error {
				for epoch := uint64(firstEpoch); epoch < lastEpoch; epoch += 3 {
					if err := n.Grow(1, growLimit); err != nil {
						return err
					}
					n.Enter(epoch, 20*time.Millisecond, 0)
				}
				undecided += n.Stats.Undecided
				return nil
			})
		}
		if undecided < 20 {
			t.Errorf("votes came back undecided %d times, in batches %v: nothing is shown by it", undecided, inBatches)
		}
	}
}

// The observer reports each of these violations.
func TestTheObserverObjects(t *testing.T) {
	lock := func(n *Network, change func(*wire.Lock)) error {
		p := n.honest()[0]
		chunk := wire.Chunk{Sequencer: p.id}
		n.observer.shown[place{p.id, 0}] = chunk.Payload
		l := wire.Lock{Chunk: chunk, Epoch: firstEpoch}
		e := n.roster.epochs[firstEpoch]
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
		n, err := New(Config{Scheme: KeyedList, Processes: 4})
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

func TestTheObserverObjectsToVerdicts(t *testing.T) {
	// A verdict on the votes of all four validators: 0 is hostile and its vote bad, 1 is honest. A
	// quorum is three.
	for name, c := range map[string]struct {
		good   bool
		change func(p *process, v *verify.Verdict)
	}{
		"a certificate":                 {true, func(*process, *verify.Verdict) {}},
		"an invalid vote":               {true, func(_ *process, v *verify.Verdict) { v.Invalid = []wire.Participant{0} }},
		"an honest peer's vote invalid": {false, func(_ *process, v *verify.Verdict) { v.Invalid = []wire.Participant{1} }},
		"a valid vote invalid": {false, func(p *process, v *verify.Verdict) {
			v.Invalid = []wire.Participant{0}
			copy(v.Statement.Vote(0), v.Statement.Scheme.(*model.Scheme).Sign(0, v.Statement.Subject))
		}},
		"undecided": {true, func(_ *process, v *verify.Verdict) { v.Deferred = []wire.Participant{0} }},
		"undecided where it has to be decided": {false, func(_ *process, v *verify.Verdict) {
			v.Deferred, v.Statement.MayDefer = []wire.Participant{0}, false
		}},
		"undecided with a quorum beside": {false, func(_ *process, v *verify.Verdict) {
			v.Deferred = []wire.Participant{0}
			v.Statement.Signers.Add(3)
		}},
		"undecided without any quorum": {false, func(_ *process, v *verify.Verdict) {
			v.Deferred = []wire.Participant{0}
			v.Statement.Signers.Remove(2)
		}},
		"undecided and certified": {false, func(_ *process, v *verify.Verdict) {
			v.Deferred, v.Certificate = []wire.Participant{0}, []byte{1}
		}},
		"an honest peer exposed": {false, func(p *process, v *verify.Verdict) {
			v.Deferred = []wire.Participant{1}
			p.verifier.offenders.Add(&verify.Verdict{Statement: v.Statement, Invalid: v.Deferred})
		}},
		"exposed by nothing": {false, func(p *process, v *verify.Verdict) {
			v.Deferred = []wire.Participant{0}
			clear(p.verifier.offenders)
		}},
		"exposed in another epoch": {false, func(_ *process, v *verify.Verdict) {
			v.Deferred, v.Statement.Subject.Epoch = []wire.Participant{0}, firstEpoch-1
		}},
		"a suspect that was proven": {false, func(_ *process, v *verify.Verdict) {
			v.Deferred, v.Statement.Suspects = []wire.Participant{0}, wire.NewSigners(4)
			v.Statement.Suspects.Add(0)
		}},
		"a chunk signature that is none": {false, func(_ *process, v *verify.Verdict) { v.Statement.Proposal = &wire.Proposal{} }},
		"a bad certificate taken": {false, func(_ *process, v *verify.Verdict) {
			v.Statement.Certificate, v.CertificateValid = []byte{1}, true
		}},
	} {
		n, err := New(Config{Scheme: KeyedList, Processes: 4, Byzantine: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := n.honest()[0]
		st := &verify.Statement{
			Scheme: n.roster.epochs[firstEpoch].scheme, Subject: wire.Subject{Epoch: firstEpoch}, MayDefer: true,
			Signers: wire.NewSigners(4), Slab: make([]byte, 4*model.VoteSize),
		}
		for i := range wire.Participant(3) {
			st.Signers.Add(i)
		}
		v := &verify.Verdict{Statement: st, ProposalValid: true}
		p.verifier.offenders.Add(&verify.Verdict{Statement: st, Invalid: []wire.Participant{0}})
		c.change(p, v)
		n.observer.verdict(p, v)
		if (n.err == nil) != c.good {
			t.Errorf("%s: %v", name, n.err)
		}
	}
}

func TestLivenessFailsWhereThereIsNoQuorum(t *testing.T) {
	n, err := New(Config{Processes: 4, Byzantine: 2, Attacks: []Attack{Withhold}})
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
