package core

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// participationOf returns the counts of a validator of the current epoch.
func (r *rig) participationOf(i int) (p Participation) {
	for of, counts := range r.c.Participations() {
		if of == id(i) {
			p = counts
		}
	}
	return p
}

func TestAcksBeforeTheCertificateAreInTimeAndThoseAfterItLate(t *testing.T) {
	r := newRig(t, 7, observing)
	r.tip(genesis(1, 0))
	for i := range 5 {
		expect(t, "an ack in time", r.ack(i, chunk(1, 0, 0), 5), Accepted)
	}
	expect(t, "an ack once more", r.ack(1, chunk(1, 0, 0), 5), Duplicate)
	r.verdicts()
	expect(t, "an ack after the certificate", r.ack(5, chunk(1, 0, 0), 5), Certified)
	r.tip(r.w.node(1, 1, 1, 0, 5))
	expect(t, "an ack below the tip", r.ack(5, chunk(1, 0, 0), 5), HeightOutOfBounds)
	for i, want := range []Participation{{InTime: 1}, {InTime: 1}, {InTime: 1}, {InTime: 1}, {InTime: 1}, {Late: 2}, {}} {
		expect(t, "participation", r.participationOf(i), want)
	}
}

func TestNobodyMakesAnotherValidatorLookLate(t *testing.T) {
	r := newRig(t, 4, observing)
	r.tip(genesis(1, 0))
	r.tip(r.w.node(1, 1, 1, 0, 5))
	r.ackBytes(id(2), r.w.ack(3, chunk(1, 0, 0), 5))
	r.ackBytes(id(900), r.w.ack(3, chunk(1, 0, 0), 5))
	short := r.w.ack(3, chunk(1, 0, 0), 5)
	a := wire.Ack{}
	if err := a.Decode(short); err != nil {
		t.Fatal(err)
	}
	a.Signature = a.Signature[1:]
	r.ackBytes(id(3), a.AppendTo(nil))
	expect(t, "participation", r.participationOf(3), Participation{})
	expect(t, "of the sender", r.participationOf(2), Participation{})
}

func TestParticipationIsKeptWhileAValidatorIsInBounds(t *testing.T) {
	r := newRig(t, 4, observing)
	r.ack(1, chunk(1, 0, 0), 5)
	r.epoch(6)
	expect(t, "in the next epoch", r.participationOf(1), Participation{InTime: 1})
	r.epoch(40) // its sets are not known
	expect(t, "validators in an unknown epoch", r.participationOf(1), Participation{})
	expect(t, "validators kept", len(r.c.epochs.participants), 0)
}

func TestParentsOfOthersTellWhetherTheyHaveAnAckOfOurs(t *testing.T) {
	r := newRig(t, 4)
	counts := func() [2]uint64 { return [2]uint64{r.c.Counts().ParentsWithOurs, r.c.Counts().ParentsWithoutOurs} }
	r.tip(genesis(1, 0))
	r.answer(Approved)
	r.sign(nil)
	expect(t, "acks of ours", len(r.acks), 1)
	r.tip(on(r.w.lock(chunk(1, 0, 0), 5, 0, 1, 2), 1))
	expect(t, "with ours", counts(), [2]uint64{1, 0})
	r.tip(on(r.w.lock(chunk(1, 1, 1), 5, 1, 2, 3), 2))
	expect(t, "without ours", counts(), [2]uint64{1, 1})
	r.tip(genesis(2, 0))
	expect(t, "no parent", counts(), [2]uint64{1, 1})

	follower := newRig(t, 4, observing)
	follower.tip(on(follower.w.lock(chunk(1, 0, 0), 5), 1))
	expect(t, "of a follower", follower.c.Counts().ParentsWithOurs+follower.c.Counts().ParentsWithoutOurs, uint64(0))
}
