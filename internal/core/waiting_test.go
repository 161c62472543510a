package core

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// nodesInVerification returns the nodes of a lane whose statements have no verdict yet.
func (r *rig) nodesInVerification(sequencer int) (all []wire.Chunk) {
	for _, st := range r.verifies {
		if st.Proposal != nil && st.Proposal.Chunk.Sequencer == id(sequencer) {
			all = append(all, st.Proposal.Chunk)
		}
	}
	return all
}

// docs/protocol.md 4.2.5: "At most one node per lane is in verification, and one more waits". Also
// when time passes for another lane's sake.
func TestRule4_2_5_TheNodeThatWaitsIsNotVerifiedBesideTheOther(t *testing.T) {
	r := newRig(t, 4)
	bad := genesis(2, 1)
	bad.Signature[0] ^= 1
	r.node(bad)
	r.verdicts()
	r.node(genesis(2, 2)) // waits for BadNodeInterval
	r.node(genesis(1, 1))
	r.node(on(r.w.lock(chunk(1, 0, 1), 5), 2))
	expectChunks(t, "lane 1", r.nodesInVerification(1), chunk(1, 0, 1))
	r.pass(2 * r.cfg.BadNodeInterval)
	expectChunks(t, "lane 2, after its pause", r.nodesInVerification(2), chunk(2, 0, 2))
	expectChunks(t, "lane 1, then", r.nodesInVerification(1), chunk(1, 0, 1))
	r.verdicts()
	expect(t, "tip", tipOf(t, r, 1), chunk(1, 1, 2))
}

// docs/protocol.md 4: "Checks come in this order: the cheapest first, signatures last." A node that
// waited is checked again against tip and epoch before its signature is verified.
func TestRule4_2_ANodeThatWasOvertakenWhileItWaitedIsNotVerified(t *testing.T) {
	r := newRig(t, 4)
	r.node(r.w.node(1, 3, 3, 2, 5))
	expect(t, "the lower one waits", r.node(r.w.node(1, 2, 2, 1, 5)), Accepted)
	first := r.verifies[0]
	r.verifies = nil
	r.c.SignaturesVerified(r.now, decide(first))
	r.drain()
	expect(t, "tip", tipOf(t, r, 1), chunk(1, 3, 3))
	expectChunks(t, "nodes verified", r.nodesInVerification(1))
	expect(t, "counted as overtaken", r.c.Counts().Nodes[Stale], uint64(1))
	r.verdicts() // its parent, which is a lock that we lack
	expect(t, "locks", len(r.locks()), 2)
}

// docs/protocol.md 4.1.2 and 4.1.3: a node against the tip is a Conflict and becomes no tip, so its
// signature is all there is to verify. A node that waited while another one of its height became
// the tip is no exception.
func TestRule4_1_2_OfANodeThatConflictsOnlyTheSignatureIsVerified(t *testing.T) {
	r := newRig(t, 4)
	r.node(on(r.w.lock(chunk(1, 0, 1), 5), 2))
	other := on(r.w.lock(chunk(1, 0, 1), 5, 0, 1, 2), 3) // other signers: bytes other than the held ones
	expect(t, "another payload of the same height", r.node(other), Accepted)
	first := r.verifies[0]
	r.verifies = nil
	r.c.SignaturesVerified(r.now, decide(first))
	r.drain()
	expectChunks(t, "nodes verified", r.nodesInVerification(1), chunk(1, 1, 3))
	expect(t, "with a certificate", r.verifies[0].Certificate != nil, false)
	r.verdicts()
	fault[*wire.Conflict](r)
	expect(t, "tip", tipOf(t, r, 1), chunk(1, 1, 2))
}

// docs/protocol.md 4.1.1: "The sequencer is in epoch e's sequencers." A lane that is known, since
// an epoch within bounds has its sequencer, is no exception.
func TestRule4_1_1_ANodeOfAKnownLaneWhoseSequencerIsNoneNowIsDropped(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, id(77)))
	r.tip(genesis(1, 1))
	r.epoch(6)
	expect(t, "outcome", r.node(on(r.w.lock(chunk(1, 0, 1), 5), 2)), NotNow)
	expect(t, "statements", len(r.verifies), 0)
	expect(t, "tip", tipOf(t, r, 1), chunk(1, 0, 1))
}
