package core

import (
	"testing"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// 4.8: A lane that wakes remembers what was certified highest, though the certificate is in the
// journal alone: no other chunk of that height becomes its tip, is shown to the application or
// acked.
func TestRule4_8_ALaneThatWakesTakesNoTipAgainstItsHighestCertificate(t *testing.T) {
	for name, restart := range map[string]bool{"in the same run": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, absent(7, 9))
			r.certify(chunk(1, 0, 1), 5) // there is no tip
			r.epoch(8)
			expect(t, "dormant", r.c.Counts().Dormant, 1)
			r.epoch(10)
			if restart {
				r.sync()
				r.crash(r.disk.Durable, true)
			}
			expect(t, "a node against it", r.node(genesis(1, 2)), Accepted)
			r.verdicts()
			r.sync()
			_, ok := r.c.Tip(id(1))
			expect(t, "tip", ok, false)
			expect(t, "questions", len(r.asks), 0)
			r.tip(genesis(1, 1))
			r.answer(Approved)
			expect(t, "signatures asked for", len(r.signAcks), 1)
		})
	}
}

// 4.8: The application is told the parent of a tip whose lane woke, if the journal holds it: what
// was certified highest, where that is of the height below.
func TestRule4_8_ALaneThatWakesNamesTheParentOfItsTipIfThatIsCertifiedHighest(t *testing.T) {
	for _, c := range []struct {
		name      string
		tip       uint64
		certified []uint64 // after the tip came
		parent    wire.Digest
	}{
		{"the parent is certified highest", 4, nil, payload(3)},
		{"the parent is of height 0", 1, nil, payload(0)},
		{"the tip itself is certified", 4, []uint64{4}, wire.Digest{}},
		{"a chunk above the tip is certified", 4, []uint64{5}, wire.Digest{}},
		{"the tip has no parent", 0, nil, wire.Digest{}},
	} {
		for run, restart := range map[string]bool{"in the same run": false, "after a restart": true} {
			t.Run(c.name+", "+run, func(t *testing.T) {
				r := newRig(t, 4, absent(6, 10))
				if c.tip == 0 {
					r.tip(genesis(1, 0))
				} else {
					r.tip(r.w.node(1, c.tip, int(c.tip), int(c.tip)-1, 5))
				}
				for _, height := range c.certified {
					r.certify(chunk(1, height, int(height)), 5)
				}
				r.answer(Approved)
				r.epoch(8)
				if restart {
					r.sync()
					r.crash(r.disk.Durable, true)
				}
				expect(t, "dormant", r.c.Counts().Dormant, 1)
				asked := 0
				r.trace = func(e *Effect) {
					if e.Kind == AskVerify {
						asked++
						expect(t, "parent", e.Parent, c.parent)
					}
				}
				r.epoch(10) // 11 has it
				expect(t, "questions", asked, 1)
			})
		}
	}
}

// 4.8: A certificate that contradicts one that is in the journal alone cannot be proven to: it is
// counted as a fault. The first stands.
func TestRule4_8_ACertificateAgainstThatOfALaneThatWasDormantIsCountedAndNotTaken(t *testing.T) {
	for name, known := range map[string]func(r *rig){
		"by acks":    func(r *rig) { r.certify(chunk(1, 3, 9), 10) },
		"adopted":    func(r *rig) { expect(r.t, "error", r.adopt(r.w.lock(chunk(1, 3, 9), 10)), error(nil)) },
		"in a node":  func(r *rig) { r.tip(r.w.node(1, 4, 4, 9, 10)) },
		"of another": func(r *rig) { expect(r.t, "error", r.adopt(r.w.lock(chunk(1, 3, 9), 11)), error(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, absent(7, 9))
			r.certify(chunk(1, 3, 3), 5)
			r.epoch(8)
			r.epoch(10)
			r.sync()
			locks := len(r.locks())
			known(r)
			expect(t, "counted", r.c.Counts().Faults, 1)
			expect(t, "locks", len(r.locks()), locks)
			_, held := r.c.Certificate(id(1), 3)
			expect(t, "held", held, false)
			// Another certificate for the same chunk is accepted.
			if err := r.adopt(r.w.lock(chunk(1, 3, 3), 10)); err != nil {
				t.Fatal(err)
			}
			l, held := r.c.Certificate(id(1), 3)
			expect(t, "held", held && l.Chunk == chunk(1, 3, 3), true)
			expect(t, "counted", r.c.Counts().Faults, 1)
		})
	}
}

// 4.8: … and is a Conflict if it contradicts the tip, which is known as it was.
func TestRule4_8_ACertificateAgainstTheTipOfALaneThatWasDormantIsAConflict(t *testing.T) {
	r := newRig(t, 4, absent(7, 9))
	r.tip(r.w.node(1, 3, 3, 2, 5))
	r.certify(chunk(1, 3, 3), 5)
	r.epoch(8)
	r.epoch(10)
	for range 3 {
		if err := r.adopt(r.w.lock(chunk(1, 3, 9), 10)); err != nil {
			t.Fatal(err)
		}
	}
	f := fault[*wire.Conflict](r)
	expect(t, "our chunk", f.Proposal.Chunk, chunk(1, 3, 3))
	expect(t, "the chunk that the network locked", f.Lock.Chunk, chunk(1, 3, 9))
	r.answer(Approved)
	expect(t, "the tip, which was certified first, is acked", len(r.signAcks), 1)
}

// 4.8: Lanes that leave together cost work in proportion to their number: the list of lanes is gone
// over a few times in all, not each time that one of them has become dormant.
func TestRule4_8_LanesThatLeaveTogetherCostEachTheSame(t *testing.T) {
	const n = 10_000
	sequencers := make([]wire.PublicKey, n)
	for i := range sequencers {
		sequencers[i] = id(2000 + i)
	}
	r := newRig(t, 4, observing, sequencersIn(4, sequencers...), sequencersIn(5, sequencers...), sequencersIn(6, sequencers...),
		func(r *rig) { r.cfg.MaxVoteBytes = 1 << 30 })
	for i := range sequencers {
		n := genesis(2000+i, 1)
		r.nodeBytes(sequencers[i], n.AppendTo(nil))
	}
	expect(t, "in verification", len(r.verifies), n)
	r.epoch(8)
	expect(t, "dormant", r.c.Counts().Dormant, 0)
	walked := 0
	for _, st := range r.verifies {
		before := len(r.c.lanes.order)
		r.c.SignaturesVerified(r.now, decide(st)) // its sequencer is no sequencer any more
		r.c.Done()
		if len(r.c.lanes.order) != before {
			walked += before
		}
	}
	expect(t, "lanes", r.c.Counts().Lanes, 0)
	expect(t, "listed", len(r.c.Lanes()), 0)
	expect(t, "lanes gone over, at most twice each", walked <= 2*n, true)
}

// counting counts the lookups of the sequencers of each epoch.
type counting struct {
	Sets
	asked map[uint64]int
}

func (c counting) Sequencers(epoch uint64) ([]wire.PublicKey, bool) {
	c.asked[epoch]++
	return c.Sets.Sequencers(epoch)
}

// 5.10: The end of a recovery is one event of the loop's: it looks at a bounded number of epochs,
// however many are known, and at each once.
func TestRule5_10_ARecoveryLooksAtABoundedNumberOfEpochs(t *testing.T) {
	const now = 100_000
	scheme := model.New(model.List, ids(4), now)
	sets := counting{departing{scheme, id(0)}, map[uint64]int{}}
	cfg := defaults(id(0))
	cfg.Sets = sets
	c := New(cfg)
	if err := c.Recover(1, FirstRecord(cfg.Identity, cfg.Namespace, true)); err != nil {
		t.Fatal(err)
	}
	c.Start(0, now, 2)
	clear(sets.asked)
	w := &world{schemes: map[uint64]*model.Scheme{now: scheme}}
	lane := sequencerOf(now)
	if err := c.Adopt(0, []wire.Lock{w.lock(wire.Chunk{Sequencer: lane, Height: 4}, now)}); err != nil {
		t.Fatal(err)
	}
	expect(t, "epochs looked at", len(sets.asked), maxPastEpochs+1)
	for epoch, times := range sets.asked {
		expect(t, "times that one is looked at", times, 1)
		expect(t, "it lies behind", epoch <= now, true)
	}
	expect(t, "marks", len(c.loss.marks), maxPastEpochs+1)
	expect(t, "mark", c.loss.marks[lane], mark{height: 6, set: true})
}
