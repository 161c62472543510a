package main

import (
	"slices"
	"strings"
	"testing"

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
	return testkit.MustSet(t, testkit.Multisig, 4, []byte(namespace), 1)
}

func TestTheAuditVerifiesEachCertificateOnce(t *testing.T) {
	set, r := testSet(t), new(run)
	a := newAudit(set.Scheme, theEpoch, &r.problems)
	for height := range uint64(5) {
		l := certified(t, set, chunk(1, height, 7), theEpoch)
		a.add(l)
		a.add(l) // another member's report of the same
	}
	a.finish()
	if n := a.verified.Load(); n != 5 {
		t.Errorf("%d verified", n)
	}
	if c, f := r.problems.counts(); c != 0 || f != 0 {
		t.Errorf("%d conflicts, %d faults: %v", c, f, r.problems.texts)
	}
}

func TestTheAuditFindsEachInvalidCertificateAmongGoodOnes(t *testing.T) {
	set, r := testSet(t), new(run)
	a := newAudit(set.Scheme, theEpoch, &r.problems)
	for height := range uint64(4) {
		a.add(certified(t, set, chunk(1, height, 7), theEpoch))
	}
	wrong := certified(t, set, chunk(2, 0, 7), theEpoch)
	wrong.Chunk.Payload = wire.Digest{8} // the certificate is of another payload
	garbled := certified(t, set, chunk(3, 0, 7), theEpoch)
	garbled.Certificate = slices.Repeat([]byte{0xff}, len(garbled.Certificate))
	for _, l := range []wire.Lock{wrong, garbled, certified(t, set, chunk(4, 0, 7), theEpoch+1)} {
		a.add(l)
	}
	a.finish()
	if c, f := r.problems.counts(); c != 0 || f != 3 || a.verified.Load() != 7 {
		t.Errorf("%d conflicts, %d faults: %q", c, f, r.problems.texts)
	}
}

func TestTheAuditSeesTwoPayloadsLockedAtOnePlace(t *testing.T) {
	set, r := testSet(t), new(run)
	a := newAudit(set.Scheme, theEpoch, &r.problems)
	a.add(certified(t, set, chunk(1, 5, 7), theEpoch))
	a.add(certified(t, set, chunk(1, 6, 8), theEpoch))
	a.add(certified(t, set, chunk(1, 5, 8), theEpoch))
	a.finish()
	if c, f := r.problems.counts(); c != 1 || f != 0 {
		t.Errorf("%d conflicts, %d faults: %v", c, f, r.problems.texts)
	}
}

func TestALargeBacklogIsVerifiedDuringTheRun(t *testing.T) {
	set, r := testSet(t), new(run)
	a := newAudit(set.Scheme, theEpoch, &r.problems)
	a.backlog = 3
	a.add(certified(t, set, chunk(1, 0, 7), theEpoch))
	a.verifyBacklog()
	a.group.Wait()
	if a.verified.Load() != 0 {
		t.Error("a small backlog was not left for later")
	}
	a.add(certified(t, set, chunk(1, 1, 7), theEpoch))
	a.add(certified(t, set, chunk(1, 2, 7), theEpoch))
	a.verifyBacklog()
	a.group.Wait()
	if a.verified.Load() != 3 || len(a.pending) != 0 {
		t.Errorf("%d verified, %d pending", a.verified.Load(), len(a.pending))
	}
}

func TestTheAuditVerifiesACertificateOnceAndForgetsOldOnes(t *testing.T) {
	set, r := testSet(t), new(run)
	a := newAudit(set.Scheme, theEpoch, &r.problems)
	a.backlog = 4
	for height := range uint64(20) {
		lock := certified(t, set, chunk(1, height, 7), theEpoch)
		a.add(lock)
		a.verifyBacklog()
		a.group.Wait()
		a.add(lock) // another member's report, before or after it was verified
	}
	a.finish()
	if n := a.verified.Load(); n != 20 {
		t.Errorf("%d certificates were verified, want 20", n)
	}
	if n := len(a.known) + len(a.before); n > 2*a.backlog {
		t.Errorf("%d certificates are remembered", n)
	}
}

func TestTheAuditForgetsOldHeights(t *testing.T) {
	a := newAudit(nil, theEpoch, new(problems))
	for height := range uint64(3 * auditHeights) {
		c := chunk(1, height, 7)
		a.compare(&c)
	}
	if n := len(a.payloads[wire.PublicKey{1}]); n > 2*auditHeights {
		t.Errorf("%d heights remembered", n)
	}
	again := chunk(1, 3*auditHeights-1, 8)
	a.compare(&again)
	if c, _ := a.problems.counts(); c != 1 {
		t.Error("a conflict at a recent height went unseen")
	}
}

func TestMembersNoteConflictsAndBlame(t *testing.T) {
	r := new(run)
	m := &member{run: r}
	for _, a := range []wire.Activity{
		&wire.Tip{}, &wire.Conflict{}, &wire.LockConflict{}, &wire.ConflictingAcks{}, &wire.InvalidAck{}, &wire.InvalidNode{},
		&wire.InconsistentKeys{},
	} {
		if err := m.Report(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if c, f := r.problems.counts(); c != 3 || f != 3 {
		t.Errorf("%d conflicts, %d faults: %q", c, f, r.problems.texts)
	}
}

func TestProblemsAreAllCountedButFewAreTold(t *testing.T) {
	var tr problems
	for range 3 * maxProblems {
		tr.fault("again")
	}
	if _, f := tr.counts(); f != 3*maxProblems || len(tr.texts) != maxProblems {
		t.Errorf("%d counted, %d told", f, len(tr.texts))
	}
	res := &result{summary: summary{Errors: 1, Problems: []string{"the first"}}}
	var b strings.Builder
	res.print(&b, 0)
	if err := res.verdict(); err == nil || !strings.Contains(err.Error(), "the first") || !strings.Contains(b.String(), "the first") {
		t.Errorf("verdict %v, summary:\n%s", err, b.String())
	}
}
