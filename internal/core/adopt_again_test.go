package core

import (
	"errors"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 5.10: "The recovered record holds these marks and fixes them […]. Later
// adoptions, a joiner's for instance, set no marks." That holds from the first adoption on, also
// while its record is on its way to the disk.
func TestRule5_10_ASecondAdoptionBeforeTheFirstIsDurableSetsNoMarks(t *testing.T) {
	r := newRig(t, 4, recovering)
	if err := r.adopt(r.w.lock(chunk(1, 5, 1), 5)); err != nil {
		t.Fatal(err)
	}
	if err := r.adopt(r.w.lock(chunk(1, 9, 1), 5)); err != nil {
		t.Fatal(err)
	}
	for _, restarted := range []bool{false, true} {
		if restarted {
			r.crash(r.disk.Durable, false)
		} else {
			r.sync()
		}
		expect(t, "recovering", r.c.Recovering(), false)
		expect(t, "records of the end", r.kinds()[RecoveredRecord], 1)
		expect(t, "the lane's mark", r.c.lanes.bySequencer[id(1)].mark.height, uint64(7))
		certified, ok := r.c.Certificate(id(1), 9)
		expect(t, "the second lock is held", ok && certified.Chunk == chunk(1, 9, 1), true)
	}
}

// docs/protocol.md 5.9: "a process that is not recovering stops, with that as the reason, when it
// is shown one of these above its tip […] a certificate that names it as signer". A lane of a known
// sequencer of which the journal has nothing at all is no exception.
func TestRule5_9_ACertificateThatNamesUsStopsUsWhereWeHaveNoTip(t *testing.T) {
	r := newRig(t, 4)
	r.mayHalt = true
	lock := r.w.lock(chunk(1, 3, 1), 5, 0, 1, 2)
	r.node(on(lock, 2))
	r.verdicts()
	expect(t, "stale", errors.Is(r.halted, ErrStaleJournal), true)

	r = newRig(t, 4)
	r.tip(on(r.w.lock(chunk(1, 3, 1), 5, 1, 2, 3), 2)) // others' alone
	expect(t, "halted", r.halted == nil, true)
	expect(t, "lock", r.locks()[0].Chunk, wire.Chunk{Sequencer: id(1), Height: 3, Payload: payload(1)})
}
