package core

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// recovering makes a process whose journal was lost, as its first record says.
func recovering(r *rig) {
	r.disk.Append(FirstRecord(r.cfg.Identity, r.cfg.Namespace, true))
	r.disk.Durable = 1
}

func (r *rig) adopt(locks ...wire.Lock) error {
	err := r.c.Adopt(r.now, locks)
	r.drain()
	return err
}

// recoveredFrom makes a process whose journal was lost and that has adopted locks.
func recoveredFrom(t *testing.T, n int, locks func(*world) []wire.Lock, change ...func(*rig)) *rig {
	t.Helper()
	r := newRig(t, n, append(change, recovering)...)
	if err := r.adopt(locks(r.w)...); err != nil {
		t.Fatal(err)
	}
	r.sync()
	return r
}

// 5.9: Identity and namespace stand in the journal: another's is refused.
func TestRule5_9_AJournalOfAnotherIdentityOrNamespaceIsRefused(t *testing.T) {
	cfg := defaults(id(0))
	cfg.Sets = &view{world: newWorld(4, true), me: id(0)}
	cfg.Namespace = []byte("net")
	for name, test := range map[string]struct {
		rec  []byte
		want error
		says string
	}{
		"ours":                {FirstRecord(id(0), []byte("net"), false), nil, ""},
		"ours, lost":          {FirstRecord(id(0), []byte("net"), true), nil, ""},
		"another identity's":  {FirstRecord(id(1), []byte("net"), false), ErrForeign, id(1).String()},
		"another namespace's": {FirstRecord(id(0), []byte("test"), false), ErrForeign, "namespace"},
		"cut short":           {FirstRecord(id(0), []byte("net"), false)[:60], ErrRecord, "first record"},
		"with another state":  {append([]byte{recordOrigin, 9}, make([]byte, 64)...), ErrRecord, "first record"},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(cfg)
			_, known := c.Origin()
			expect(t, "first record known", known, false)
			err := c.Recover(1, test.rec)
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				return
			}
			lost, known := c.Origin()
			expect(t, "first record known", known, true)
			expect(t, "lost", lost, name == "ours, lost")
			expect(t, "recovering", c.Recovering(), name == "ours, lost")
		})
	}
}

// 5.9: While recovering nothing is signed, through all restarts and whatever the configuration
// says, until one record with all adopted locks and recovered is durable.
func TestRule5_9_NothingIsSignedWhileRecoveringThroughAllRestarts(t *testing.T) {
	r := newRig(t, 4, sequencing, recovering)
	silent := func(when string) {
		t.Helper()
		r.answer(Approved)
		r.node(r.w.node(1, 5, 5, 4, 5))
		r.verdicts()
		r.sync()
		r.answer(Approved)
		r.pass(time.Minute)
		r.epoch(r.c.Epoch() + 1)
		expect(t, "signed or asked "+when, len(r.signAcks)+len(r.signChunks)+len(r.proposes)+len(r.acks)+len(r.nodes), 0)
		expect(t, "recovering "+when, r.c.Recovering(), true)
		state, _ := r.c.OwnLane()
		expect(t, "own lane", state, OwnLaneRecovering)
	}
	silent("in the first run")
	r.crash(r.disk.Durable, false)
	silent("after a restart")
	durable := r.disk.Durable
	if err := r.adopt(r.w.lock(chunk(2, 3, 3), 5)); err != nil {
		t.Fatal(err)
	}
	r.disk.Durable = r.disk.Next - 2 // all but that record
	r.c.Durable(r.now, r.disk.Durable)
	r.drain()
	r.answer(Approved)
	r.pass(time.Minute)
	expect(t, "signed before it is durable", len(r.signAcks)+len(r.acks), 0)
	expect(t, "recovering before it is durable", r.c.Recovering(), true)
	r.crash(durable, true)
	silent("after a crash before it was durable")
	if err := r.adopt(r.w.lock(chunk(2, 3, 3), 5)); err != nil {
		t.Fatal(err)
	}
	r.sync()
	expect(t, "recovering", r.c.Recovering(), false)
	r.crash(r.disk.Durable, true)
	expect(t, "recovering after a restart", r.c.Recovering(), false)
}

// 5.9: The record counts in whatever order the journal comes back.
func TestRule5_9_ARecoveryThatEndedHasEndedInWhateverOrderTheRecordsComeBack(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(1, 4, 4), 5)} })
	for range 4 {
		r.disk.Records = append(r.disk.Records[1:], r.disk.Records[0])
		r.crash(r.disk.Durable, true)
		expect(t, "recovering", r.c.Recovering(), false)
		expect(t, "mark", r.c.lanes.bySequencer[id(1)].mark, mark{height: 6, set: true})
	}
}

// 5.9: It acks again once the record is durable, without any other event.
func TestRule5_9_WhatWasApprovedWhileRecoveringIsAckedWhenItEnds(t *testing.T) {
	r := newRig(t, 4, recovering)
	r.tip(r.w.node(1, 5, 5, 4, 5))
	r.answer(Approved)
	expect(t, "tips", len(r.tips()), 1)
	expect(t, "signatures asked for", len(r.signAcks), 0)
	if err := r.adopt(r.w.lock(chunk(1, 2, 2), 5)); err != nil {
		t.Fatal(err)
	}
	r.sync()
	expect(t, "signatures asked for", len(r.signAcks), 1)
}

// 5.10: Recover without adopted locks stays recovering; an unknown epoch is an error; where its
// weight is more than f of the epoch (always for n ≤ 3) recovery is refused, or the host accepts
// the risk by name.
func TestRule5_10_WhatCannotEndARecoveryIsRefused(t *testing.T) {
	r := newRig(t, 4, recovering)
	if err := r.adopt(); !errors.Is(err, ErrNoLocks) {
		t.Fatalf("without locks: %v", err)
	}
	lock := r.w.lock(chunk(1, 2, 2), 5)
	lock.Epoch = 99
	if err := r.adopt(r.w.lock(chunk(2, 2, 2), 5), lock); !errors.Is(err, wire.ErrUnknownEpoch) {
		t.Fatalf("an unknown epoch: %v", err)
	}
	expect(t, "locks", len(r.locks()), 0)
	expect(t, "records", r.disk.Next, 2)
	for n := 1; n <= 4; n++ {
		for _, unsafe := range []bool{false, true} {
			r := newRig(t, n, recovering, func(r *rig) { r.cfg.RecoverUnsafe = unsafe })
			err := r.adopt(r.w.lock(chunk(1000, 2, 2), 5))
			if want := n <= 3 && !unsafe; errors.Is(err, ErrIndispensable) != want || !want && err != nil {
				t.Fatalf("%d validators, unsafe %v: %v", n, unsafe, err)
			}
			r.sync()
			expect(t, "recovering", r.c.Recovering(), n <= 3 && !unsafe)
		}
	}
	// A process that is no validator now does not count for the quorum.
	r = newRig(t, 3, observing, recovering)
	if err := r.adopt(r.w.lock(chunk(1, 2, 2), 5)); err != nil {
		t.Fatal(err)
	}
	// The current epoch must be known.
	r = newRig(t, 4, recovering, unknownAt(6))
	r.epoch(6)
	if err := r.adopt(r.w.lock(chunk(1, 2, 2), 5)); !errors.Is(err, wire.ErrUnknownEpoch) {
		t.Fatalf("while the current epoch is not known: %v", err)
	}
}

// 5.10: Let H be the height of the lock adopted for a lane, −1 without one: on that lane it acks
// only above H+2.
func TestRule5_10_AfterARecoveryAcksAreAboveTheMarks(t *testing.T) {
	for name, unsafe := range map[string]bool{"": false, "unsafe": true} {
		t.Run(name, func(t *testing.T) {
			locks := func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(1, 4, 4), 5)} }
			acked := func(r *rig, n wire.Node) bool {
				t.Helper()
				r.acks = nil
				r.tip(n)
				r.answer(Approved)
				r.sign(nil)
				r.pass(time.Minute)
				r.node(n)
				r.sign(nil)
				return slices.ContainsFunc(r.acks, func(e Effect) bool {
					var a wire.Ack
					return a.Decode(e.Bytes) == nil && a.Chunk == n.Chunk
				})
			}
			r := recoveredFrom(t, 4, locks, func(r *rig) { r.cfg.RecoverUnsafe = unsafe })
			for restart := range 2 {
				for h := uint64(5); h < 9; h++ {
					if restart == 0 {
						expect(t, "ack", acked(r, r.w.node(1, h, int(h), int(h-1), 5)), unsafe || h > 6)
					}
				}
				lane := 2 + restart // without a lock; through a restart
				expect(t, "ack at 0", acked(r, genesis(lane, 0)), unsafe)
				expect(t, "ack at 1", acked(r, r.w.node(lane, 1, 1, 0, 5)), unsafe)
				expect(t, "ack at 2", acked(r, r.w.node(lane, 2, 2, 1, 5)), true)
				r.sync()
				r.crash(r.disk.Durable, restart == 0)
			}
		})
	}
}

// 5.10: These marks are fixed by the recovered record; later adoptions set none.
func TestRule5_10_LaterAdoptionsDoNotMoveTheMarks(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(1, 4, 4), 5)} })
	if err := r.adopt(r.w.lock(chunk(1, 9, 9), 5), r.w.lock(chunk(2, 9, 9), 5)); err != nil {
		t.Fatal(err)
	}
	for restart := range 2 {
		l := r.c.lanes.bySequencer[id(1)]
		expect(t, "mark", l.mark, mark{height: 6, set: true})
		expect(t, "mark of another", r.c.loss.marks[id(2)], mark{height: 1, set: true})
		if restart == 0 {
			r.sync()
			r.crash(r.disk.Durable, true)
		}
	}
	r.tip(r.w.node(1, 10, 10, 9, 5))
	r.answer(Approved)
	expect(t, "signatures asked for", len(r.signAcks), 1)
	// Without a recovery none are set at all.
	r = newRig(t, 4)
	if err := r.adopt(r.w.lock(chunk(1, 9, 9), 5)); err != nil {
		t.Fatal(err)
	}
	expect(t, "marks", len(r.c.loss.marks), 0)
	r.tip(r.w.node(1, 10, 10, 9, 5))
	r.answer(Approved)
	expect(t, "signatures asked for", len(r.signAcks), 1)
}

// 5.10: The sequencers of all known epochs up to that of the recovery have marks.
func TestRule5_10_LanesOfKnownEpochsBeforeTheRecoveryHaveMarks(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock {
		high := w.lock(wire.Chunk{Sequencer: id(3), Height: math.MaxUint64 - 1}, 5)
		return []wire.Lock{w.lock(chunk(1, 4, 4), 2), w.lock(chunk(1, 3, 3), 5), high}
	}, sequencersIn(1, id(70)), sequencersIn(6, id(71)))
	for sequencer, want := range map[wire.PublicKey]mark{
		id(0): {height: 1, set: true}, id(1): {height: 6, set: true}, id(3): {height: math.MaxUint64, set: true},
		id(70): {height: 1, set: true}, id(71): {},
	} {
		expect(t, "mark", r.c.loss.marks[sequencer], want)
	}
}

// 5.10: A metric says on how many lanes a process abstains, and up to which height.
func TestRule5_10_TheProcessSaysOnHowManyLanesItAbstains(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(1, 4, 4), 5)} })
	lanes, to := r.c.Abstaining()
	expect(t, "lanes, those of which nothing is known among them", lanes, 5)
	expect(t, "up to", to, 6)
	r.certify(chunk(1, 6, 6), 5) // past the mark: the next chunk is acked
	lanes, to = r.c.Abstaining()
	expect(t, "lanes", lanes, 4)
	expect(t, "up to", to, 1)
	for _, lane := range []int{0, 2, 3, 1000} {
		r.certify(chunk(lane, 1, 1), 5)
	}
	counts := r.c.Counts()
	expect(t, "lanes", counts.Abstaining, 0)
	expect(t, "up to", counts.AbstainingTo, 0)
}

// 5.10: It counts among the f faulty ones: of 4 with another one down, a lane stands until the
// others have passed the mark.
func TestRule5_10_OfFourWithOneDownALaneStandsUntilTheOthersHavePassedTheMark(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(1, 4, 4), 5)} })
	others := func(c wire.Chunk, who ...int) bool {
		t.Helper()
		r.answer(Approved)
		r.sign(nil)
		for _, i := range who {
			r.ack(i, c, 5)
		}
		r.verdicts()
		_, ok := r.c.Certificate(id(1), c.Height)
		return ok
	}
	r.tip(r.w.node(1, 5, 5, 4, 5))
	expect(t, "certified by two and us", others(chunk(1, 5, 5), 1, 2), false)
	expect(t, "once the third is back", others(chunk(1, 5, 5), 3), true)
	r.tip(on(r.w.lock(chunk(1, 5, 5), 5), 6))
	expect(t, "certified by two and us", others(chunk(1, 6, 6), 1, 2), false)
	expect(t, "once the third is back", others(chunk(1, 6, 6), 3), true)
	r.tip(on(r.w.lock(chunk(1, 6, 6), 5), 7))
	expect(t, "certified by two and us", others(chunk(1, 7, 7), 1, 2), true)
}

// 5.10: A sequencer that recovered has ended its lane.
func TestRule5_10_OurOwnLaneEndsWithAJournalThatWasLost(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(0, 4, 4), 5)} }, sequencing)
	for range 2 {
		r.pass(time.Minute)
		r.epoch(r.c.Epoch() + 1)
		expect(t, "questions", len(r.proposes)+len(r.signChunks), 0)
		state, _ := r.c.OwnLane()
		expect(t, "own lane", state, OwnLaneEnded)
		expect(t, "gauge", r.c.Counts().OwnLane, OwnLaneEnded)
		r.crash(r.disk.Durable, true)
	}
}

// 5.9: Messages that the lost journal may have held stop nobody; above the mark, they stop the
// process.
func TestRule5_9_MessagesThatMarksCoverStopNobody(t *testing.T) {
	r := recoveredFrom(t, 4, func(w *world) []wire.Lock { return []wire.Lock{w.lock(chunk(1, 4, 4), 5, 0, 1, 2)} }, sequencing)
	for h := uint64(5); h < 7; h++ {
		r.node(on(r.w.lock(chunk(1, h-1, int(h-1)), 5, 0, 1, 2), int(h)))
		expect(t, "our ack", r.ackBytes(id(1), r.w.ack(0, chunk(1, h, int(h)), 5)), WrongPeer)
	}
	n := r.w.node(0, 1, 1, 0, 5)
	expect(t, "our node", r.nodeBytes(id(1), n.AppendTo(nil)), WrongPeer)
	r.verdicts()
	r.mayHalt = true
	r.ackBytes(id(1), r.w.ack(0, chunk(1, 7, 7), 5))
	r.verdicts()
	expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
}

// 5.9: A process that is not recovering and is shown a valid node or ack of its own, or a
// certificate of its lane, or one naming it as signer, above its tip, stops with that as the
// reason.
func TestRule5_9_AJournalOlderThanWhatWeSignedStopsUs(t *testing.T) {
	for name, show := range map[string]func(*rig){
		"an ack of ours": func(r *rig) { r.ackBytes(id(1), r.w.ack(0, chunk(1, 3, 3), 5)) },
		"an ack of ours, of a lane without tip": func(r *rig) {
			r.ackBytes(id(1000), r.w.ack(0, chunk(3, 0, 3), 6))
		},
		"a node of ours": func(r *rig) {
			n := r.w.node(0, 1, 1, 0, 5)
			r.nodeBytes(id(2), n.AppendTo(nil))
		},
		"a certificate that names us, in a node": func(r *rig) {
			r.node(on(r.w.lock(chunk(1, 3, 3), 5, 0, 1, 2), 4))
		},
		"a certificate that names us, adopted": func(r *rig) {
			if err := r.adopt(r.w.lock(chunk(1, 3, 3), 5, 0, 1, 2)); !errors.Is(err, ErrStaleJournal) {
				r.t.Fatal(err)
			}
		},
		"a certificate of our lane": func(r *rig) {
			if err := r.adopt(r.w.lock(chunk(0, 0, 3), 5)); !errors.Is(err, ErrStaleJournal) {
				r.t.Fatal(err)
			}
		},
		"a certificate for another payload than our next chunk's": func(r *rig) {
			r.proposeVolatile(1)
			r.sync()
			if err := r.adopt(r.w.lock(chunk(0, 0, 3), 5)); !errors.Is(err, ErrStaleJournal) {
				r.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing)
			r.tip(r.w.node(1, 2, 2, 1, 5))
			r.mayHalt = true
			show(r)
			r.verdicts()
			if !errors.Is(r.halted, ErrStaleJournal) {
				t.Fatalf("halted: %v", r.halted)
			}
			expect(t, "faults", len(r.faults()), 0)
			r.sync()
			r.answer(Approved)
			r.pass(time.Hour)
			expect(t, "node", r.node(genesis(2, 1)), Stopped)
			expect(t, "acks", len(r.acks)+len(r.signAcks), 0)
			_, due := r.c.Deadline()
			expect(t, "deadline", due, false)
		})
	}
}

// 5.9: Known messages stop nobody: those of ours up to our tip, of a lane that is dormant too, and
// our next chunk, which was sent before a crash that took the record of the node.
func TestRule5_9_MessagesOfOursThatTheJournalHoldsStopNobody(t *testing.T) {
	r := newRig(t, 4, sequencing, absent(7, 20))
	r.tip(r.w.node(1, 2, 2, 1, 5))
	expect(t, "our ack", r.ackBytes(id(1), r.w.ack(0, chunk(1, 2, 2), 5)), WrongPeer)
	if err := r.adopt(r.w.lock(chunk(1, 2, 2), 5, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	c := r.propose(1)
	n := genesis(0, 1)
	expect(t, "our node", r.nodeBytes(id(1), n.AppendTo(nil)), WrongPeer)
	proposal := slices.IndexFunc(r.disk.Records, func(rec model.Record) bool { return rec.Bytes[0] == recordProposal })
	r.crash(r.disk.Records[proposal].Position, false)
	expectChunks(t, "to be signed again", r.signChunks, c)
	expect(t, "our node", r.nodeBytes(id(1), n.AppendTo(nil)), WrongPeer)
	r.certifyOwn(c, 5)
	expectChunks(t, "goes on", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
	r.propose(2) // on a certificate of a chunk that is no tip of ours
}

// 5.9: … nor does our next chunk when this process is no sequencer any more.
func TestRule5_9_WhatWasSentBeforeWeWereNoSequencerStopsNobody(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.answer(Approved)
	r.sign(nil)
	r.cfg.Sequencer = false
	r.crash(r.disk.Durable, true) // the node's own record is lost
	expect(t, "our ack", r.ackBytes(id(1), r.w.ack(0, c, 5)), WrongPeer)
	if err := r.adopt(r.w.lock(c, 5, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	expect(t, "locks", len(r.locks()), 1)
}

// 5.9: Invalid messages of ours stop nobody, are verified one at a time and at a limited rate, and
// blame nobody.
func TestRule5_9_ForgedMessagesOfOursStopNobodyAndAreRateLimited(t *testing.T) {
	r := newRig(t, 4, sequencing)
	n := r.w.node(0, 3, 3, 2, 5)
	n.Signature[0] ^= 1
	forged := []func() Outcome{
		func() Outcome { return r.ackBytes(id(1), r.w.badAck(0, chunk(1, 1, 1), 5)) },
		func() Outcome { return r.nodeBytes(id(2), n.AppendTo(nil)) },
	}
	for i, send := range forged {
		expect(t, "the first", send(), Accepted)
		for _, again := range forged {
			expect(t, "one at a time", again(), WrongPeer)
		}
		expect(t, "statements", len(r.verifies), 1)
		expect(t, "alone", r.verifies[0].EachVote || r.verifies[0].Unbatched, true)
		r.verdicts()
		r.pass(999 * time.Millisecond)
		expect(t, "the same peer within the interval", send(), WrongPeer)
		// One peer's messages do not hide another's.
		expect(t, "another peer", forged[1-i](), Accepted)
		r.verdicts()
		r.pass(time.Second)
	}
	expect(t, "faults", len(r.faults()), 0)
	expect(t, "suspects", r.c.Counts().Suspects, 0)
	// A message that cannot be verified is no proof either.
	r.ackBytes(id(1), r.w.ack(0, chunk(1, 1, 1), 5))
	r.undecided()
	// And a message that the journal has come to hold meanwhile is none.
	r.pass(time.Second)
	expect(t, "a good one", r.ackBytes(id(1), r.w.ack(0, chunk(1, 1, 1), 5)), Accepted)
	ours := r.verifies
	r.verifies = nil
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.verifies = ours
	r.verdicts()
}

// 5.9: A blocked own lane has a metric: others hold or certified a higher tip than ours.
func TestRule5_9_OurOwnLaneIsBehindOnceMoreThanFHaveAckedAboveOurTip(t *testing.T) {
	for name, above := range map[string]uint64{"no tip": 0, "a tip": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing)
			if above > 0 {
				r.propose(1)
			}
			r.ack(1, chunk(0, above, 7), 5)
			state, _ := r.c.OwnLane()
			expect(t, "after one claim", state, OwnLaneFree)
			r.ack(2, chunk(0, above, 7), 5)
			state, height := r.c.OwnLane()
			expect(t, "after two", state, OwnLaneBehind)
			expect(t, "at", height, above)
			expect(t, "gauge", r.c.Counts().OwnLane, OwnLaneBehind)
		})
	}
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.ack(1, c, 5)
	r.ack(2, c, 5)
	state, _ := r.c.OwnLane()
	expect(t, "acks of our tip", state, OwnLaneFree)
	r = newRig(t, 4)
	state, _ = r.c.OwnLane()
	expect(t, "without a lane", state, OwnLaneFree)
	for _, o := range OwnLaneBlocks() {
		expect(t, "name", o.String() == OwnLaneFree.String() || o.String() == "unknown", false)
	}
	expect(t, "name of none", OwnLane(99).String(), "unknown")
}
