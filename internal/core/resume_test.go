package core

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// endRecovery ends the recovery with the locks and chunks that others know.
func (r *rig) endRecovery(given Recovery) error {
	err := r.c.EndRecovery(r.now, &given)
	r.drain()
	return err
}

// proposal is a chunk of a lane with its sequencer's signature.
func proposal(sequencer int, height uint64, p int) wire.Proposal {
	c := chunk(sequencer, height, p)
	return wire.Proposal{Chunk: c, Signature: model.SignChunk(c)}
}

// ownProposals returns chunks of our lane, whose payloads are their heights.
func ownProposals(heights ...uint64) (all []wire.Proposal) {
	for _, h := range heights {
		all = append(all, proposal(0, h, int(h)))
	}
	return all
}

// ownLocks returns locks of our lane, of an epoch.
func ownLocks(w *world, epoch uint64, heights ...uint64) (all []wire.Lock) {
	for _, h := range heights {
		all = append(all, w.lock(chunk(0, h, int(h)), epoch))
	}
	return all
}

// resumed makes a sequencer whose journal was lost and whose lane goes on.
func resumed(t *testing.T, own []wire.Proposal, locks func(*world) []wire.Lock) *rig {
	t.Helper()
	r := newRig(t, 4, sequencing, recovering)
	if err := r.endRecovery(Recovery{Locks: locks(r.w), Own: own, Resume: true}); err != nil {
		t.Fatal(err)
	}
	return r
}

// sentOwn returns the nodes of our lane that were sent.
func (r *rig) sentOwn() (all []wire.Node) {
	for _, e := range r.nodes {
		var n wire.Node
		if err := n.DecodeStored(e.Bytes); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// 7.5: With resume its own lane goes on. The highest chunk with a valid signature of ours, whatever
// parent came with it, is sent again with the certificate adopted.
func TestRule7_5_ALaneThatIsResumedGoesOn(t *testing.T) {
	other := func(w *world) wire.Lock { return w.lock(chunk(1, 4, 4), 5) }
	for name, test := range map[string]struct {
		own   []wire.Proposal
		locks func(w *world) []wire.Lock
		tip   int64  // height of the chunk that is sent again; −1 for none
		asked uint64 // height of the next question, without tip
	}{
		"nothing was ever sent":               {nil, func(*world) []wire.Lock { return nil }, -1, 0},
		"only height 0":                       {ownProposals(0), func(*world) []wire.Lock { return nil }, 0, 0},
		"the lock is all that there is":       {nil, func(w *world) []wire.Lock { return ownLocks(w, 5, 7) }, -1, 8},
		"below the lock":                      {ownProposals(5, 3), func(w *world) []wire.Lock { return ownLocks(w, 5, 7) }, -1, 8},
		"at the lock":                         {ownProposals(7), func(w *world) []wire.Lock { return ownLocks(w, 5, 6, 7) }, -1, 8},
		"one above it":                        {ownProposals(7, 8, 2), func(w *world) []wire.Lock { return ownLocks(w, 5, 7) }, 8, 0},
		"more above the highest lock of all":  {ownProposals(8), func(w *world) []wire.Lock { return ownLocks(w, 5, 6, 7) }, 8, 0},
		"at a lock below bounds":              {ownProposals(8), func(w *world) []wire.Lock { return ownLocks(w, 2, 8) }, -1, 9},
		"one above a lock below bounds":       {ownProposals(8), func(w *world) []wire.Lock { return ownLocks(w, 2, 7) }, 8, 0},
		"height 0, certified below bounds":    {ownProposals(0), func(w *world) []wire.Lock { return ownLocks(w, 2, 0) }, -1, 1},
		"locks below bounds that we can tell": {ownProposals(8), func(w *world) []wire.Lock { return append(ownLocks(w, 2, 7, 8), ownLocks(w, 5, 3)...) }, -1, 9},
		"a lie of retired keys at our height": {ownProposals(8), func(w *world) []wire.Lock {
			return append(ownLocks(w, 5, 7), w.lock(chunk(0, 8, 99), 2))
		}, 8, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing, recovering)
			locks := append(test.locks(r.w), other(r.w))
			if err := r.endRecovery(Recovery{Locks: locks, Own: test.own, Resume: true}); err != nil {
				t.Fatal(err)
			}
			r.pass(time.Minute)
			expect(t, "sent or asked before it is durable", len(r.nodes)+len(r.proposes)+len(r.broadcasts), 0)
			r.sync()
			for _, restarted := range []bool{false, true} {
				if restarted {
					r.nodes = nil
					r.crash(r.disk.Durable, true)
				}
				state, _ := r.c.OwnLane()
				expect(t, "own lane", state, OwnLaneFree)
				if test.tip < 0 {
					expect(t, "nodes", len(r.nodes), 0)
					expect(t, "questions", len(r.proposes), 1)
					expect(t, "asked for", r.proposes[0].Height, test.asked)
					continue
				}
				expect(t, "questions", len(r.proposes), 0)
				n := r.sentOwn()[0]
				expect(t, "chunk", n.Chunk, chunk(0, uint64(test.tip), int(test.tip)))
				expect(t, "signature", n.Signature, model.SignChunk(n.Chunk))
				if n.HasParent() {
					parent := n.ParentSubject()
					lock := wire.Lock{Chunk: parent.Chunk, Epoch: parent.Epoch, Certificate: n.Parent.Certificate}
					expect(t, "parent", r.w.validLock(&lock), true)
					expect(t, "its chunk", parent.Chunk, chunk(0, uint64(test.tip)-1, int(test.tip)-1))
				}
			}
			if test.tip >= 0 { // it is sent again until it is certified; then comes the next one
				before := len(r.nodes)
				r.pass(r.cfg.RebroadcastTimeout)
				expect(t, "nodes", len(r.nodes), before+1)
				r.certifyOwn(chunk(0, uint64(test.tip), int(test.tip)), 5)
				test.asked = uint64(test.tip) + 1
			}
			c := r.propose(77)
			expect(t, "height", c.Height, test.asked)
			expect(t, "sent", r.sentOwn()[len(r.nodes)-1].Chunk, c)
		})
	}
}

// 7.5: Two payloads of ours at one height end the lane. Others can prove them.
func TestRule7_5_TwoPayloadsOfOursAtOneHeightEndTheLane(t *testing.T) {
	for name, test := range map[string]struct {
		own []wire.Proposal
		in  uint64 // epoch of the locks
	}{
		"two chunks":         {append(ownProposals(8), proposal(0, 8, 9)), 5},
		"two below the top":  {append(ownProposals(8), proposal(0, 3, 9), proposal(0, 3, 3)), 5},
		"one and the lock's": {append(ownProposals(8), proposal(0, 7, 9)), 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := resumed(t, test.own, func(w *world) []wire.Lock { return ownLocks(w, test.in, 7) })
			r.sync()
			for range 2 {
				r.pass(time.Minute)
				expect(t, "recovering", r.c.Recovering(), false)
				state, _ := r.c.OwnLane()
				expect(t, "own lane", state, OwnLaneEnded)
				expect(t, "sent or asked", len(r.nodes)+len(r.proposes), 0)
				r.crash(r.disk.Durable, true)
			}
			faults := r.faults()
			expect(t, "faults", len(faults), 1)
			expect(t, "fault", faults[0].Tag(), wire.TagConflict)
			expect(t, "warnings", len(r.warnings), 1)
			expect(t, "says", strings.Contains(r.warnings[0].Err.Error(), "has ended"), true)
		})
	}
}

// 7.5: The error names the missing part, and nothing has changed: the host asks on, or gives the
// lane up.
func TestRule7_5_ALaneIsNotResumedFromLessThanItNeeds(t *testing.T) {
	for name, test := range map[string]struct {
		given func(w *world) Recovery
		says  string
	}{
		"no certificate for the parent": {func(w *world) Recovery {
			return Recovery{Own: ownProposals(8), Locks: ownLocks(w, 5, 6)}
		}, "the certificate of height 7 is missing"},
		"no lock at all": {func(*world) Recovery { return Recovery{Own: ownProposals(1)} }, "the certificate of height 0"},
		"a lock below bounds above our signatures": {func(w *world) Recovery {
			return Recovery{Own: ownProposals(7), Locks: append(ownLocks(w, 5, 7), ownLocks(w, 2, 9)...)}
		}, "at height 9"},
		"a lock below bounds, and nothing that we have signed": {func(w *world) Recovery {
			return Recovery{Locks: ownLocks(w, 2, 7)}
		}, "at height 7"},
		"an unknown lock above our signatures": {func(w *world) Recovery {
			return Recovery{Own: ownProposals(7), Locks: ownLocks(w, 5, 7), Unknown: []wire.Subject{{Chunk: chunk(0, 8, 8), Epoch: 90}}}
		}, "said to be at height 8"},
		"two parents below bounds": {func(w *world) Recovery {
			return Recovery{Own: ownProposals(8), Locks: append(ownLocks(w, 2, 7), w.lock(chunk(0, 7, 70), 2))}
		}, "contradict"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing, recovering)
			given := test.given(r.w)
			given.Locks = append(given.Locks, r.w.lock(chunk(1, 4, 4), 5))
			given.Resume = true
			err := r.endRecovery(given)
			expect(t, "refused", errors.Is(err, ErrResume), true)
			expect(t, "says "+test.says+", not "+err.Error(), strings.Contains(err.Error(), test.says), true)
			expect(t, "records", r.disk.Next, 2)
			expect(t, "locks", len(r.locks()), 0)
			expect(t, "recovering", r.c.Recovering(), true)
			given.Resume = false
			if err := r.endRecovery(given); err != nil {
				t.Fatal(err)
			}
			r.sync()
			state, _ := r.c.OwnLane()
			expect(t, "own lane", state, OwnLaneEnded)
			if err := r.endRecovery(given); !errors.Is(err, ErrNotRecovering) {
				t.Fatal(err)
			}
		})
	}
	r := newRig(t, 4, recovering)
	err := r.endRecovery(Recovery{Locks: []wire.Lock{r.w.lock(chunk(1, 4, 4), 5)}, Resume: true})
	expect(t, "without a key", errors.Is(err, ErrResume), true)
	r = newRig(t, 4, sequencing)
	err = r.endRecovery(Recovery{Locks: []wire.Lock{r.w.lock(chunk(1, 4, 4), 5)}})
	expect(t, "nothing was lost", errors.Is(err, ErrNotRecovering), true)
}

// 5.10: Our own acks are above the marks on our own lane too, also where it was resumed.
func TestRule5_10_OnALaneThatIsResumedOurOwnAcksAreAboveTheMark(t *testing.T) {
	r := resumed(t, ownProposals(8), func(w *world) []wire.Lock { return ownLocks(w, 5, 7) })
	r.sync()
	for h := uint64(8); h < 12; h++ {
		r.answer(Approved)
		r.sign(nil)
		r.pass(time.Second)
		acked := false
		for _, e := range r.acks {
			var a wire.Ack
			acked = acked || a.Decode(e.Bytes) == nil && a.Chunk.Sequencer == id(0) && a.Chunk.Height == h
		}
		expect(t, fmt.Sprint("acked ", h), acked, h > 9)
		c, _ := r.c.Tip(id(0))
		r.certifyOwn(c.Chunk, 5)
		r.propose(int(h) + 1)
	}
}

// 7.5: A node that reached only validators that hide it cannot be found out: then another payload
// at that height is an equivocation that others can prove. Once it is shown to us, or certified, we
// stop.
func TestRule7_5_WhatEverybodyHasHiddenIsAnEquivocationThatStopsUs(t *testing.T) {
	hidden := func(w *world, height uint64) wire.Node {
		return on(w.lock(chunk(0, height-1, int(height-1)), 5), 99)
	}
	for name, show := range map[string]func(r *rig, height uint64){
		"a node": func(r *rig, height uint64) {
			n := hidden(r.w, height)
			expect(r.t, "node", r.nodeBytes(id(1), n.AppendTo(nil)), Accepted)
			r.verdicts()
		},
		"a certificate": func(r *rig, height uint64) {
			if err := r.adopt(r.w.lock(hidden(r.w, height).Chunk, 5)); !errors.Is(err, ErrStaleJournal) {
				r.t.Fatal(err)
			}
		},
	} {
		for _, height := range []uint64{8, 9} { // before we have sent any chunk above, and after
			for _, restarted := range []bool{false, true} {
				t.Run(fmt.Sprint(name, height, restarted), func(t *testing.T) {
					r := resumed(t, nil, func(w *world) []wire.Lock { return ownLocks(w, 5, 7) })
					r.sync()
					r.mayHalt = true
					expect(t, "next", r.proposes[0].Height, 8)
					if height == 9 {
						height = 8
						r.propose(8)
						r.sync()
					}
					if restarted {
						r.crash(r.disk.Durable, true)
					}
					show(r, height)
					expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)
					if len(r.nodes) == 0 {
						return
					}
					faults := r.faults()
					expect(t, "faults", len(faults), 1)
					conflict, ok := faults[0].(*wire.Conflict)
					expect(t, "conflict", ok && conflict.Proposal.Chunk == chunk(0, 8, 8), true)
				})
			}
		}
	}
}

// 7.5: Messages that agree with the resumed lane stop nobody.
func TestRule7_5_WhatWasResumedStopsNobody(t *testing.T) {
	r := resumed(t, ownProposals(8), func(w *world) []wire.Lock { return ownLocks(w, 5, 7) })
	show := func() {
		t.Helper()
		for h := uint64(6); h < 9; h++ {
			n := r.w.node(0, h, int(h), int(h-1), 5)
			expect(t, "node", r.nodeBytes(id(1), n.AppendTo(nil)), WrongPeer)
			expect(t, "ack of ours", r.ackBytes(id(1), r.w.ack(0, chunk(0, h, int(h)), 5)) == Accepted, false)
		}
		expect(t, "ack of ours, hidden", r.ackBytes(id(1), r.w.ack(0, chunk(0, 9, 99), 5)), WrongPeer)
	}
	show()
	r.sync()
	show()
	r.crash(r.disk.Durable, true)
	show()
	r.certifyOwn(chunk(0, 8, 8), 5)
	show()
	if err := r.adopt(ownLocks(r.w, 6, 8)...); err != nil {
		t.Fatal(err)
	}
	for h := uint64(6); h < 9; h++ { // retired keys prove nothing
		if err := r.adopt(r.w.lock(chunk(0, h, 99), 2)); err != nil {
			t.Fatal(err)
		}
	}
	c := r.propose(9)
	r.crash(r.disk.Durable, true) // the node's own record is lost
	n := on(r.w.lock(chunk(0, 8, 8), 5), 9)
	expect(t, "our next chunk", n.Chunk, c)
	expect(t, "node", r.nodeBytes(id(1), n.AppendTo(nil)), WrongPeer)
	if err := r.adopt(r.w.lock(c, 5)); err != nil {
		t.Fatal(err)
	}
}

// 5.9, 5.10: While recovering nothing is signed, until the record recovered, and with it all
// adopted locks, is durable: a crash after whichever record leaves the process recovering, or
// recovered with all locks and marks and its own lane.
func TestRule5_10_ACrashAfterEachRecordOfARecoveryLeavesAllOfItOrNothing(t *testing.T) {
	given := func(w *world) Recovery {
		return Recovery{
			Locks: append(ownLocks(w, 5, 7), w.lock(chunk(1, 4, 4), 5), w.lock(chunk(2, 9, 9), 6), w.lock(chunk(3, 6, 6), 2)),
			Own:   ownProposals(8), Resume: true,
			Unknown: []wire.Subject{{Chunk: chunk(1000, 3, 3), Epoch: 90}},
		}
	}
	// A lock of the lane without a height was seen before, or not.
	for _, held := range []bool{false, true} {
		for lost := uint64(0); ; lost++ {
			r := newRig(t, 4, sequencing, recovering)
			if held {
				r.tip(r.w.node(1000, 6, 6, 5, 5))
			}
			start := r.disk.Durable
			if err := r.endRecovery(given(r.w)); err != nil {
				t.Fatal(err)
			}
			written := r.disk.Next - 1
			cut := start + lost
			if cut > written {
				break
			}
			at := uint64(0) // of the record that ends it
			for _, rec := range r.disk.Records {
				if rec.Bytes[0] == recordRecovered {
					at = rec.Position
				}
			}
			again := func(ended bool) {
				t.Helper()
				r.pass(time.Minute)
				r.answer(Approved)
				expect(t, "recovering", r.c.Recovering(), !ended)
				if !ended {
					expect(t, "signed, sent or asked", len(r.signAcks)+len(r.signChunks)+len(r.proposes)+len(r.nodes)+len(r.acks), 0)
					return
				}
				for lane, want := range map[int]mark{
					0: {height: 9, set: true}, 1: {height: 6, set: true}, 2: {height: 11, set: true}, 3: {height: 8, set: true},
				} {
					expect(t, "mark", r.c.loss.of(id(lane)), want)
				}
				m := r.c.loss.of(id(1000))
				if held {
					expect(t, "mark of the lane without a height", m, mark{height: 7, set: true})
				} else {
					expect(t, "mark of the lane without a height", m, mark{height: 1, set: true, open: true})
				}
				for _, lock := range []wire.Chunk{chunk(0, 7, 7), chunk(1, 4, 4), chunk(2, 9, 9)} {
					l, ok := r.c.Certificate(lock.Sequencer, lock.Height)
					expect(t, "lock", ok && l.Chunk == lock, true)
				}
				_, below := r.c.Certificate(id(3), 6)
				expect(t, "a lock below bounds", below, false)
				expect(t, "sent again", r.sentOwn()[0].Chunk, chunk(0, 8, 8))
			}
			r.disk.Durable = cut
			r.noteDurable()
			r.c.Durable(r.now, cut)
			r.drain()
			again(cut >= at)
			r.crash(cut, lost%2 == 0)
			again(cut >= at)
			if cut < at { // the second attempt
				if err := r.endRecovery(given(r.w)); err != nil {
					t.Fatal(err)
				}
				r.sync()
				again(true)
				r.crash(r.disk.Durable, true)
				again(true)
			}
		}
	}
}

// 7.5: The records of our own lane that an attempt before a crash journaled are known to the next
// attempt, whatever answers that gets.
func TestRule7_5_ASecondAttemptKnowsWhatTheFirstHasJournaled(t *testing.T) {
	first := func(t *testing.T) *rig {
		r := resumed(t, ownProposals(8), func(w *world) []wire.Lock { return ownLocks(w, 5, 7) })
		r.crash(r.disk.Next-2, false) // all but the end of the recovery
		expect(t, "recovering", r.c.Recovering(), true)
		r.pass(time.Minute)
		expect(t, "sent", len(r.nodes), 0)
		return r
	}
	r := first(t)
	if err := r.endRecovery(Recovery{Locks: ownLocks(r.w, 5, 6), Own: ownProposals(7), Resume: true}); err != nil {
		t.Fatal(err)
	}
	r.sync()
	expect(t, "sent again", r.sentOwn()[0].Chunk, chunk(0, 8, 8))
	r = first(t)
	if err := r.endRecovery(Recovery{Locks: ownLocks(r.w, 5, 6), Own: []wire.Proposal{proposal(0, 8, 9)}, Resume: true}); err != nil {
		t.Fatal(err)
	}
	r.sync()
	state, _ := r.c.OwnLane()
	expect(t, "two payloads: own lane", state, OwnLaneEnded)
	r = first(t)
	// And without resume:
	if err := r.endRecovery(Recovery{Locks: ownLocks(r.w, 5, 6)}); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.connected(id(1))
	r.epoch(6)
	r.pass(time.Minute)
	r.crash(r.disk.Durable, true)
	expect(t, "sent of a lane that has ended", len(r.nodes)+len(r.broadcasts), 0)
}
