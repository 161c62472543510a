package core

import (
	"testing"
	"time"
)

// 5.1: After a failed write or sync the process neither acks nor proposes again in that run.
//
// A driver that calls Tick whenever it is due must not loop forever. See docs/bugs.md.
func TestRule5_1_AFailedCoreWaitsForNothing(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	if _, ok := r.c.Deadline(); !ok {
		t.Fatal("nothing to wait for before the failure: the test shows nothing")
	}
	r.c.Fail()
	_, ok := r.c.Deadline()
	expect(t, "deadline after a failure", ok, false)
	r.c.Tick(time.Hour)
	_, ok = r.c.Deadline()
	expect(t, "deadline after a tick", ok, false)
}
