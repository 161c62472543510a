package audit

import (
	"slices"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// certified returns a lock on a chunk, with a certificate by all validators of set.
func certified(t *testing.T, set *testkit.Set, c wire.Chunk, epoch uint64) wire.Lock {
	t.Helper()
	subject := wire.Subject{Chunk: c, Epoch: epoch}
	format := set.Scheme.Format()
	st := &verify.Statement{Scheme: set.Scheme, Subject: subject, Signers: wire.NewSigners(format.Participants)}
	for i, signer := range set.Signers {
		vote, err := signer.SignAck(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		st.Signers.Add(wire.Participant(i))
		st.Slab = append(st.Slab, vote...)
	}
	combined, unreadable := set.Scheme.Combine(st, st.Signers)
	if combined == nil || len(unreadable) > 0 {
		t.Fatalf("combining failed: %v", unreadable)
	}
	return wire.Lock{Chunk: c, Epoch: epoch, Certificate: combined.AppendCertificate(nil)}
}

func chunk(lane byte, height uint64, payload byte) wire.Chunk {
	return wire.Chunk{Sequencer: wire.PublicKey{lane}, Height: height, Payload: wire.Digest{payload}}
}

func testSet(t *testing.T) *testkit.Set {
	t.Helper()
	return testkit.MustSet(t, testkit.Multisig, 4, []byte(setup.Namespace), 1)
}

func TestTheAuditVerifiesEachCertificateOnce(t *testing.T) {
	set, found := testSet(t), new(Problems)
	a := New(set.Scheme, setup.Epoch, found)
	for height := range uint64(5) {
		l := certified(t, set, chunk(1, height, 7), setup.Epoch)
		a.Add(l)
		a.Add(l) // another member's report of the same
	}
	a.Finish()
	if n := a.Verified.Load(); n != 5 {
		t.Errorf("%d verified", n)
	}
	if c, f := found.Counts(); c != 0 || f != 0 {
		t.Errorf("%d conflicts, %d faults: %v", c, f, found.Texts)
	}
}

func TestTheAuditFindsEachInvalidCertificateAmongGoodOnes(t *testing.T) {
	set, found := testSet(t), new(Problems)
	a := New(set.Scheme, setup.Epoch, found)
	for height := range uint64(4) {
		a.Add(certified(t, set, chunk(1, height, 7), setup.Epoch))
	}
	wrong := certified(t, set, chunk(2, 0, 7), setup.Epoch)
	wrong.Chunk.Payload = wire.Digest{8} // the certificate is of another payload
	garbled := certified(t, set, chunk(3, 0, 7), setup.Epoch)
	garbled.Certificate = slices.Repeat([]byte{0xff}, len(garbled.Certificate))
	for _, l := range []wire.Lock{wrong, garbled, certified(t, set, chunk(4, 0, 7), setup.Epoch+1)} {
		a.Add(l)
	}
	a.Finish()
	if c, f := found.Counts(); c != 0 || f != 3 || a.Verified.Load() != 7 {
		t.Errorf("%d conflicts, %d faults: %q", c, f, found.Texts)
	}
}

func TestTheAuditSeesTwoPayloadsLockedAtOnePlace(t *testing.T) {
	set, found := testSet(t), new(Problems)
	a := New(set.Scheme, setup.Epoch, found)
	a.Add(certified(t, set, chunk(1, 5, 7), setup.Epoch))
	a.Add(certified(t, set, chunk(1, 6, 8), setup.Epoch))
	a.Add(certified(t, set, chunk(1, 5, 8), setup.Epoch))
	a.Finish()
	if c, f := found.Counts(); c != 1 || f != 0 {
		t.Errorf("%d conflicts, %d faults: %v", c, f, found.Texts)
	}
}

func TestALargeBacklogIsVerifiedDuringTheRun(t *testing.T) {
	set, found := testSet(t), new(Problems)
	a := New(set.Scheme, setup.Epoch, found)
	a.Backlog = 3
	a.Add(certified(t, set, chunk(1, 0, 7), setup.Epoch))
	a.VerifyBacklog()
	a.group.Wait()
	if a.Verified.Load() != 0 {
		t.Error("a small backlog was not left for later")
	}
	a.Add(certified(t, set, chunk(1, 1, 7), setup.Epoch))
	a.Add(certified(t, set, chunk(1, 2, 7), setup.Epoch))
	a.VerifyBacklog()
	a.group.Wait()
	if a.Verified.Load() != 3 || len(a.pending) != 0 {
		t.Errorf("%d verified, %d pending", a.Verified.Load(), len(a.pending))
	}
}

func TestTheAuditVerifiesACertificateOnceAndForgetsOldOnes(t *testing.T) {
	set, found := testSet(t), new(Problems)
	a := New(set.Scheme, setup.Epoch, found)
	a.Backlog = 4
	for height := range uint64(20) {
		lock := certified(t, set, chunk(1, height, 7), setup.Epoch)
		a.Add(lock)
		a.VerifyBacklog()
		a.group.Wait()
		a.Add(lock) // another member's report, before or after it was verified
	}
	a.Finish()
	if n := a.Verified.Load(); n != 20 {
		t.Errorf("%d certificates were verified, want 20", n)
	}
	if n := len(a.known) + len(a.before); n > 2*a.Backlog {
		t.Errorf("%d certificates are remembered", n)
	}
}

func TestTheAuditForgetsOldHeights(t *testing.T) {
	a := New(nil, setup.Epoch, new(Problems))
	for height := range uint64(3 * auditHeights) {
		c := chunk(1, height, 7)
		a.compare(&c)
	}
	if n := len(a.locked[wire.PublicKey{1}].at); n > 2*auditHeights {
		t.Errorf("%d heights remembered", n)
	}
	again := chunk(1, 3*auditHeights-1, 8)
	a.compare(&again)
	if c, _ := a.problems.Counts(); c != 1 {
		t.Error("a conflict at a recent height went unseen")
	}
}

func TestProblemsAreAllCountedButFewAreTold(t *testing.T) {
	var tr Problems
	for range 3 * maxProblems {
		tr.Fault("again")
	}
	if _, f := tr.Counts(); f != 3*maxProblems || len(tr.Texts) != maxProblems {
		t.Errorf("%d counted, %d told", f, len(tr.Texts))
	}
}
