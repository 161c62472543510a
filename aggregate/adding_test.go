package aggregate

import (
	"errors"
	"testing"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 4.3.5: "It is not a second ack by that validator for that (sequencer, height,
// epoch), whatever its payload: the first stands." The same holds after the first was proven
// invalid: the second is not counted and makes no statement, although there is a quorum.
func TestRule4_3_5_TheResultOfASecondVoteDependsOnTheFirst(t *testing.T) {
	r := newRig(t, 4, model.List)
	again := func(what string, i, p int, want Result) {
		t.Helper()
		before := r.v.Counts()
		expect(t, what, r.ack(i, chunk(1, 0, p)), want)
		expect(t, "votes after "+what, r.v.Counts().Votes, before.Votes)
		expect(t, "statements after "+what, r.v.Counts().Statements, before.Statements)
	}
	expect(t, "first", r.ack(0, chunk(1, 0, 1)), Counted)
	again("the same vote", 0, 1, Repeated)
	again("another payload", 0, 2, Conflicting)
	expect(t, "bad", r.badAck(1, chunk(1, 0, 1)), Counted)
	expect(t, "the third", r.ack(2, chunk(1, 0, 1)), Quorate)
	again("the same vote while all are verified", 0, 1, Repeated)
	again("another payload while all are verified", 0, 2, Conflicting)
	r.verdicts()
	again("the payload of an invalid vote", 1, 1, Spoiled)
	again("another payload than an invalid vote's", 1, 2, Spoiled)
	again("a valid vote again", 2, 1, Repeated)
}

// docs/protocol.md 3.3: «These keys do not fit each other» "is said only of votes each proven
// valid" that combine to nothing valid. A certificate shows that the keys fit; an undecided
// statement shows nothing.
func TestRule3_3_KeysThatFitAreNoFaultHoweverTheirStatementEnds(t *testing.T) {
	r := newRig(t, 4, model.Sum)
	r.acks(1, 0, 0, 1, 2)
	r.verdicts()
	expect(t, "locks", len(r.locks), 1)
	r.acks(1, 1, 0, 1, 2)
	st := r.verifies[0]
	r.verifies = nil
	r.resolve(st, &verify.Verdict{Statement: &st.Statement, Err: errors.New("cut short")})
	r.acks(2, 0, 0, 1)
	r.badAck(2, chunk(2, 0, 1))
	r.verdicts()
	expect(t, "faults of keys", r.v.Counts().KeyFaults, uint64(0))
	expect(t, "reports of keys", len(r.unfit), 0)
	expect(t, "failures, without a verdict and with an invalid vote", r.v.Counts().Failures, uint64(2))
	expect(t, "offenders", len(r.invalid), 1)
	expect(t, "the offender", r.invalid[0].Participant, wire.Participant(2))
}

// docs/protocol.md 3.3: each vote of a combination costs the reading and the addition of a point. A
// statement has exactly as many votes as a quorum needs, whichever validators have voted, and
// whichever of them is first in the rotation.
func TestAStatementHasNoMoreVotesThanAQuorum(t *testing.T) {
	for first := range wire.Participant(10) {
		s := open(t, lane(newVotes(plenty)), key{}, setOf(10, 16))
		c := vote(t, s, 1, 16, 0, 1, 2, 4, 5, 6, 8, 9) // eight; neither 3 nor 7
		chosen := c.quorum(first)
		expect(t, "signers", chosen.Count(), 7)
		expect(t, "signers that have not voted", chosen.Has(3) || chosen.Has(7), false)
		expect(t, "the first is chosen if it has voted", chosen.Has(first), first != 3 && first != 7)
		c.failures = uint16(1 + first)
		expect(t, "signers after failures", c.quorum(first).Count(), 7)
	}
}
