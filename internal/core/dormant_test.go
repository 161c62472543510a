package core

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// absent takes the sequencers id(1) and id(2) out of the epochs [from, to].
func absent(from, to uint64) func(*rig) {
	return func(r *rig) {
		for e := from; e <= to; e++ {
			r.w.sequencers[e] = []wire.PublicKey{id(0), id(3)}
		}
	}
}

// 4.8: A lane is dormant when its sequencer is in no known epoch within bounds. Its question ends;
// it needs no epoch's sets and has no metrics.
func TestRule4_8_ALaneIsDormantOnceItsSequencerIsInNoEpochWithinBounds(t *testing.T) {
	r := newRig(t, 4, absent(6, 20))
	r.tip(r.w.node(1, 1, 1, 0, 4))
	r.certify(chunk(1, 1, 1), 5)
	r.ack(1, chunk(1, 2, 2), 5)
	r.tip(genesis(3, 1))
	r.epoch(6) // epoch 5 still has it
	expect(t, "lanes", r.c.Counts().Lanes, 2)
	r.hang = true
	r.epoch(7)
	expect(t, "cancelled", r.cancelled[0].Kind, AskVerify)
	expect(t, "dormant before the question has returned", r.c.Counts().Dormant, 0)
	r.returnLeaving()
	expect(t, "lanes", r.c.Counts().Lanes, 1)
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	expect(t, "listed", len(r.c.Lanes()), 1)
	expect(t, "votes", r.c.Counts().Votes, 0)
	if got := r.c.EpochsNeeded(); !slices.Equal(got, []uint64{6, 7, 8}) {
		t.Fatalf("needed: %v", got)
	}
	_, ok := r.c.Tip(id(1))
	expect(t, "tip", ok, false)
	expect(t, "node", r.node(r.w.node(1, 2, 2, 1, 5)), NotNow)
	expect(t, "ack", r.ack(1, chunk(1, 2, 2), 6), UnknownSequencer)
}

// 4.8: Of it stay, in the journal, the tip's Proposal and its newest certificate.
func TestRule4_8_ADormantLaneHasOneRecord(t *testing.T) {
	r := newRig(t, 4, absent(6, 20))
	r.tip(r.w.node(1, 1, 1, 0, 4))
	r.certify(chunk(1, 1, 1), 5)
	r.certify(chunk(1, 2, 2), 5)
	r.epoch(7)
	expect(t, "live records", r.disk.Live(), 1)
	expect(t, "of a dormant lane", r.kinds()[DormantRecord], 1)
	info, err := DescribeRecord(r.disk.Records[len(r.disk.Records)-1].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "sequencer", info.Sequencer, id(1))
	expect(t, "tip", *info.Tip, chunk(1, 1, 1))
	expect(t, "certified", *info.Certified, chunk(1, 2, 2))
	// A lane that had only votes leaves nothing.
	r = newRig(t, 4, absent(6, 20))
	r.ack(1, chunk(1, 2, 2), 5)
	r.epoch(7)
	expect(t, "dormant", r.c.Counts().Dormant, 0)
	expect(t, "records", r.disk.Next, 1)
}

// 4.8: A restart while it is dormant asks nothing and reports nothing.
func TestRule4_8_ARestartAsksAndReportsNothingOfADormantLane(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		r := newRig(t, 4, absent(6, 20))
		r.tip(r.w.node(1, 1, 1, 0, 5))
		r.certify(chunk(1, 1, 1), 5)
		r.epoch(7)
		r.c.reports.record() // as after some more locks
		r.drain()
		r.sync()
		for range 3 {
			r.reports = nil
			r.crash(r.disk.Durable, compacted)
			expect(t, "questions", len(r.asks), 0)
			expect(t, "reports", len(r.reports), 0)
			expect(t, "dormant", r.c.Counts().Dormant, 1)
			expect(t, "lanes", r.c.Counts().Lanes, 0)
			expect(t, "live records", r.disk.Live(), 2)
			r.sync()
		}
	}
}

// 4.8: Locks whose report has not returned are still reported.
func TestRule4_8_UnreportedLocksOfADormantLaneAreReportedStill(t *testing.T) {
	r := newRig(t, 4, slowly, absent(6, 20))
	for h := range uint64(30) { // more than a lane remembers
		r.certify(chunk(1, h, int(h)), 4)
		r.certify(chunk(1, h, int(h)), 5)
	}
	r.epoch(7)
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	expect(t, "live records", r.disk.Live(), 60+1)
	for range 3 {
		r.sync()
		r.reports = nil
		r.crash(r.disk.Durable, true)
		expect(t, "locks", len(r.locks()), 60)
		expect(t, "dormant", r.c.Counts().Dormant, 1)
	}
	r.returnReports()
	expect(t, "live records once they are reported", r.disk.Live(), 1)
	r.c.reports.record()
	r.drain()
	r.sync()
	r.reports = nil
	r.crash(r.disk.Durable, true)
	expect(t, "locks", len(r.locks()), 0)
}

// 4.8: A lane wakes when an epoch that has its sequencer becomes known: its tip is known, is shown
// to the application again, and a second payload at its height is a Conflict and never acked.
func TestRule4_8_ALaneThatWakesKnowsItsTip(t *testing.T) {
	for name, restart := range map[string]bool{"in the same run": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, absent(6, 10))
			r.tip(r.w.node(1, 4, 4, 3, 5))
			r.answer(Approved)
			r.sign(nil)
			r.epoch(8)
			if restart {
				r.sync()
				r.crash(r.disk.Durable, true)
			}
			expect(t, "dormant", r.c.Counts().Dormant, 1)
			r.epoch(10) // epoch 11 has it
			expect(t, "dormant", r.c.Counts().Dormant, 0)
			p, ok := r.c.Tip(id(1))
			expect(t, "tip", ok && p.Chunk == chunk(1, 4, 4), true)
			expectChunks(t, "questions", r.asks, chunk(1, 4, 4))
			r.epoch(11)
			r.answer(Approved)
			r.acks = nil
			r.sign(nil)
			expect(t, "acks", len(r.acks), 1)
			expect(t, "lower", r.node(r.w.node(1, 3, 9, 2, 11)), HeightTooLow)
			expect(t, "another at its height", r.node(r.w.node(1, 4, 9, 3, 11)), Accepted)
			r.verdicts()
			r.sync()
			f := fault[*wire.Conflict](r)
			expect(t, "our chunk", f.Proposal.Chunk, chunk(1, 4, 4))
			expect(t, "its signature", f.Proposal.Signature, model.SignChunk(chunk(1, 4, 4)))
			expect(t, "the chunk that came", f.Other.Chunk, chunk(1, 4, 9))
			expect(t, "questions", len(r.asks), 0)
			// The lane grows again.
			r.tip(r.w.node(1, 5, 5, 4, 11))
			expect(t, "records of dormant lanes", r.kinds()[DormantRecord], 0)
		})
	}
}

// 4.8: A tip that contradicted a certificate still does when its lane wakes: nothing is acked
// against it.
func TestRule4_8_AContradictedTipIsNotAckedWhenItsLaneWakes(t *testing.T) {
	r := newRig(t, 4, absent(7, 9), absent(12, 14), absent(17, 19), absent(22, 24), func(r *rig) {
		for e := uint64(21); e < 30; e++ {
			r.w.schemes[e] = r.w.schemes[20]
			if r.w.sequencers[e] == nil {
				r.w.sequencers[e] = ids(4)
			}
		}
	})
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(1, 0, 9), 5)
	}
	acks := r.verifies
	r.verifies = nil
	r.tip(genesis(1, 1))
	r.verifies = acks
	r.verdicts()
	for _, restart := range []bool{false, true} {
		for range 2 { // dormant once, and once more
			r.epoch(r.c.Epoch() + 3)
			expect(t, "dormant", r.c.Counts().Dormant, 1)
			if restart {
				r.sync()
				r.crash(r.disk.Durable, true)
			}
			r.epoch(r.c.Epoch() + 2)
			expect(t, "dormant", r.c.Counts().Dormant, 0)
			r.answer(Approved)
			r.node(genesis(1, 1))
			r.pass(time.Minute)
			expect(t, "acks", len(r.signAcks)+len(r.acks), 0)
		}
	}
}

// 4.8: Nothing is acked against a certificate that is held, be it only in the record of a lane that
// was dormant.
func TestRule4_8_NothingIsAckedAgainstACertificateFromBeforeALaneWasDormant(t *testing.T) {
	for name, restart := range map[string]bool{"in the same run": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, absent(6, 10))
			r.tip(genesis(1, 0))
			r.certify(chunk(1, 3, 3), 5)
			r.epoch(8)
			r.epoch(10)
			r.epoch(11)
			r.node(r.w.node(1, 2, 2, 1, 11)) // below it
			r.verdicts()
			r.sync()
			r.answer(Approved)
			expect(t, "signatures below it", len(r.signAcks), 0)
			if restart {
				r.crash(r.disk.Durable, true)
				r.answer(Approved)
				expect(t, "signatures below it", len(r.signAcks), 0)
			}
			r.node(r.w.node(1, 3, 9, 2, 11)) // against it
			r.verdicts()
			r.sync()
			tip, _ := r.c.Tip(id(1))
			expect(t, "tip", tip.Chunk.Height, 2)
			expect(t, "signatures against it", len(r.signAcks), 0)
			r.tip(r.w.node(1, 4, 4, 3, 11))
			r.answer(Approved)
			expect(t, "signatures above it", len(r.signAcks), 1)
		})
	}
}

// 4.8: … nor when it leaves again in between, its tip having moved.
func TestRule4_8_NothingIsAckedAgainstACertificateFromBeforeALaneWasDormantTwice(t *testing.T) {
	r := newRig(t, 4, absent(6, 10), absent(12, 16))
	r.tip(genesis(1, 0))
	r.certify(chunk(1, 3, 3), 5)
	r.epoch(8)
	r.epoch(11)
	r.tip(r.w.node(1, 1, 1, 0, 11))
	r.epoch(14)
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	r.sync()
	r.crash(r.disk.Durable, true)
	r.epoch(17)
	r.tip(r.w.node(1, 2, 2, 1, 17))
	r.answer(Approved)
	expect(t, "signatures below it", len(r.signAcks), 0)
	expect(t, "a node against it", r.node(r.w.node(1, 3, 9, 2, 17)), Accepted)
	r.verdicts()
	tip, _ := r.c.Tip(id(1))
	expect(t, "tip", tip.Chunk.Height, 2)
	expect(t, "signatures against it", len(r.signAcks), 0)
}

// 4.8: A lane whose sequencer comes back before its last statement is decided stays as it is.
func TestRule4_8_ALaneThatWakesWhileItLeavesGoesOn(t *testing.T) {
	for name, answered := range map[string]bool{"asked": false, "approved": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, absent(6, 8), unknownAt(9))
			r.tip(genesis(1, 1))
			if answered {
				r.answer(Approved)
			}
			r.node(r.w.node(1, 1, 2, 1, 5)) // in verification
			r.hang = true
			r.epoch(8)
			expect(t, "lanes", r.c.Counts().Lanes, 1)
			expect(t, "cancelled", len(r.cancelled), 1)
			delete(r.sets.unknown, 9)
			expect(t, "an ack in an epoch that has it", r.ack(1, chunk(1, 0, 1), 9), Accepted)
			if answered {
				r.epoch(9)
				r.pass(0)
				expect(t, "signatures asked for", len(r.signAcks), 1)
			} else {
				expectChunks(t, "questions", r.asks, chunk(1, 0, 1))
			}
			r.verdicts()
			expect(t, "lanes", r.c.Counts().Lanes, 1)
			expect(t, "dormant", r.c.Counts().Dormant, 0)
			expect(t, "records of dormant lanes", r.kinds()[DormantRecord], 0)
		})
	}
}

// 4.8: … and its ack, which was withdrawn, is wanted again at once.
func TestRule4_8_ALaneThatWakesWhileItLeavesIsAckedInTheEpochThatHasIt(t *testing.T) {
	r := newRig(t, 4, absent(6, 7), unknownAt(8), unknownAt(9))
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.node(r.w.node(1, 1, 2, 1, 5))
	r.hang = true
	r.epoch(8)
	expect(t, "cancelled", len(r.cancelled), 1)
	delete(r.sets.unknown, 8)
	r.pass(r.cfg.ProposeBackoff)
	expect(t, "signatures asked for", len(r.signAcks), 1)
	expect(t, "epoch", r.signAcks[0].Epoch, 8)
}

// 4.8: … and one that leaves again before that becomes dormant once.
func TestRule4_8_ALaneThatLeavesTwiceBeforeItIsDormantHasOneRecord(t *testing.T) {
	r := newRig(t, 4, absent(6, 20), unknownAt(9), func(r *rig) { r.w.sequencers[9] = ids(4) })
	r.tip(genesis(1, 1))
	r.node(r.w.node(1, 1, 2, 1, 5))
	r.epoch(8)
	delete(r.sets.unknown, 9)
	r.ack(1, chunk(1, 0, 1), 9)
	r.epoch(11)
	r.verdicts()
	r.sync()
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	expect(t, "records of dormant lanes", r.kinds()[DormantRecord], 1)
}

// 4.8: A tip that is not durable yet is not lost when its lane becomes dormant, and is asked about
// by nobody.
func TestRule4_8_ALaneIsDormantOnceItsTipIsDurable(t *testing.T) {
	r := newRig(t, 4, absent(6, 20))
	r.node(genesis(1, 1))
	r.verdicts()
	r.epoch(8)
	expect(t, "lanes", r.c.Counts().Lanes, 1)
	r.sync()
	expect(t, "lanes", r.c.Counts().Lanes, 0)
	expect(t, "dormant", r.c.Counts().Dormant, 1)
	expect(t, "questions", len(r.asks), 0)
}

// 4.8: A lock for a dormant lane is adopted, reported, and the lane stays dormant.
func TestRule4_8_ALockIsAdoptedForADormantLane(t *testing.T) {
	r := newRig(t, 4, absent(6, 10))
	r.tip(genesis(1, 0))
	r.epoch(8)
	if err := r.c.Adopt(r.now, []wire.Lock{r.w.lock(chunk(1, 7, 7), 5), r.w.lock(chunk(2, 1, 1), 5)}); err != nil {
		t.Fatal(err)
	}
	r.drain()
	expect(t, "locks", len(r.locks()), 2)
	expect(t, "dormant", r.c.Counts().Dormant, 2)
	expect(t, "records of dormant lanes", r.kinds()[DormantRecord], 2)
	r.epoch(10)
	for _, l := range r.c.Lanes() {
		if l.Sequencer == id(1) {
			expect(t, "certified", l.Certified, 7)
			expect(t, "tip", l.HasTip, true)
		}
	}
}

// 4.8: Our own lane never is.
func TestRule4_8_OurOwnLaneIsNeverDormant(t *testing.T) {
	r := newRig(t, 4, sequencing, func(r *rig) {
		for e := uint64(6); e < 16; e++ {
			r.w.sequencers[e] = []wire.PublicKey{id(1)}
		}
	})
	c := r.propose(1)
	r.epoch(8)
	r.epoch(12)
	r.sync()
	expect(t, "lanes", r.c.Counts().Lanes, 1)
	r.crash(r.disk.Durable, true)
	expect(t, "dormant", r.c.Counts().Dormant, 0)
	expectChunks(t, "our application is asked", r.asks, c)
	r.epoch(16)
	expect(t, "nodes, the last of them now", len(r.nodes), 2)
}

// 4.8: The host can have a lane forgotten for good.
func TestRule4_8_ADormantLaneCanBeForgotten(t *testing.T) {
	r := newRig(t, 4, absent(6, 20))
	r.tip(genesis(1, 1))
	expect(t, "one that is not dormant", r.c.Forget(id(1)), false)
	r.epoch(8)
	expect(t, "one that is", r.c.Forget(id(1)), true)
	expect(t, "once more", r.c.Forget(id(1)), false)
	r.drain()
	expect(t, "dormant", r.c.Counts().Dormant, 0)
	expect(t, "live records", r.disk.Live(), 0)
	r.sync()
	r.crash(r.disk.Durable, true)
	expect(t, "dormant", r.c.Counts().Dormant, 0)
}

// departing is the sets of a network in which each epoch has one new sequencer, which stays for
// that epoch.
type departing struct {
	scheme *model.Scheme
	me     wire.PublicKey
}

func (d departing) Scheme(uint64) (verify.Scheme, bool) { return d.scheme, true }
func (d departing) AckSigner(uint64) verify.AckSigner   { return nil }
func (d departing) Sequencers(e uint64) ([]wire.PublicKey, bool) {
	return []wire.PublicKey{sequencerOf(e)}, true
}

func sequencerOf(e uint64) wire.PublicKey {
	return wire.PublicKey{1, byte(e >> 24), byte(e >> 16), byte(e >> 8), byte(e), 0xA5}
}

// 4.8: One new sequencer each epoch: memory and work per epoch are flat. LANECAST_EPOCHS says how
// many epochs there are.
func TestRule4_8_SequencersThatLeftCostLittleAndEachTheSame(t *testing.T) {
	epochs := uint64(10_000)
	if v, err := strconv.Atoi(os.Getenv("LANECAST_EPOCHS")); err == nil {
		epochs = uint64(v)
	} else if testkit.Race {
		epochs = 2000
	}
	cfg := defaults(id(500))
	d := departing{model.New(model.List, ids(4), 1), id(500)}
	cfg.Sets = d
	c := New(cfg)
	w := &world{schemes: map[uint64]*model.Scheme{}}
	now := time.Duration(0)
	live := map[uint64]bool{}
	var reports, position uint64
	effects, appends := 0, 0
	questions := map[wire.PublicKey]uint64{}
	drain := func() {
		for len(c.Effects()) > 0 {
			var statements []*verify.Statement
			for _, e := range c.Effects() {
				effects++
				switch e.Kind {
				case Append:
					position = e.Position
					live[position] = true
					appends++
				case Release:
					if !live[e.Position] {
						t.Fatalf("released %d, which is not live", e.Position)
					}
					delete(live, e.Position)
				case Report:
					reports++
				case Verify:
					statements = append(statements, e.Statement)
				case AskVerify:
					questions[e.Chunk.Sequencer] = e.Call // it is never answered in time
				}
			}
			c.Done()
			for _, st := range statements {
				c.SignaturesVerified(now, decide(st))
			}
		}
	}
	epoch := func(e uint64) {
		c.SetEpoch(now, e)
		drain()
		s := sequencerOf(e)
		w.schemes[e] = d.scheme
		genesis := wire.Chunk{Sequencer: s, Payload: payload(1)}
		top := wire.Chunk{Sequencer: s, Height: 1, Payload: payload(2)}
		n := on(w.lock(genesis, e), 2)
		c.Node(now, NewPeer(s), n.AppendTo(nil))
		drain()
		lock := w.lock(top, e)
		if err := c.Adopt(now, []wire.Lock{lock}); err != nil {
			t.Fatal(err)
		}
		drain()
		c.Durable(now, position)
		c.Reported(now, reports)
		drain()
		if e > 3 { // the application returns at last
			c.ApplicationVerified(now, questions[sequencerOf(e-3)], Refused)
			delete(questions, sequencerOf(e-3))
			drain()
		}
		delete(w.schemes, e)
		now += time.Second
	}
	c.Start(now, 1, 1)
	drain()
	tenth := epochs / 10
	var work [10]int
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var before uint64
	e := uint64(2)
	for i := range work {
		if i == 1 {
			before = heap()
		}
		start := effects
		for range tenth {
			epoch(e)
			e++
		}
		work[i] = effects - start
	}
	after := heap()
	if each := (int64(after) - int64(before)) / int64(9*tenth); each > 400 {
		t.Errorf("%d bytes for each sequencer that left", each)
	} else {
		t.Logf("%d bytes for each sequencer that left, %d effects an epoch", each, work[9]/int(tenth))
	}
	if work[9] > work[1]+work[1]/20 {
		t.Errorf("effects in the tenths of the time: %v", work)
	}
	expect(t, "awake", c.Counts().Lanes <= 8, true) // including those for which the application has not returned
	expect(t, "dormant", c.Counts().Dormant >= int(epochs)-10, true)
	expect(t, "needed", len(c.EpochsNeeded()) <= 5, true)
	expect(t, "calls kept", len(c.calls.open) <= 8, true)
	if n := len(live); n > int(epochs)+20 {
		t.Errorf("%d live records", n)
	}
	runtime.KeepAlive(c)
}
