package core

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// badLock returns a lock whose certificate does not verify.
func (w *world) badLock(c wire.Chunk, epoch uint64) wire.Lock {
	l := w.lock(c, epoch)
	l.Certificate[len(l.Certificate)-1] ^= 1
	return l
}

// 4.9: A certificate message may come from anybody authenticated, since it proves itself. Then 4.4
// applies.
func TestRule4_9_ACertificateFromAnybodyIsVerifiedAndReported(t *testing.T) {
	for name, from := range map[string]wire.PublicKey{"sequencer": id(1), "validator": id(2), "stranger": id(700)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			want := r.w.lock(chunk(1, 7, 7), 5)
			expect(t, "outcome", r.lock(from, want), Accepted)
			expect(t, "locks before the verdict", len(r.locks()), 0)
			r.verdicts()
			expectHeights(t, "locks", r.heights(), 7)
			held, ok := r.c.Certificate(id(1), 7)
			expect(t, "held", ok && string(held.Certificate) == string(want.Certificate), true)
			expect(t, "received", r.c.Counts().CertificatesReceived, 1)
			expect(t, "record", r.lockRecord(want.Chunk) != 0, true)
			expect(t, "again", r.lock(from, want), Certified)
			expect(t, "statements", len(r.verifies), 0)
		})
	}
}

// 4.9.1: Its epoch lies within [now − back, now + ahead], and its sequencer is one of that epoch.
func TestRule4_9_1_EpochAndSequencerOfACertificateMessage(t *testing.T) {
	r := newRig(t, 4, sequencersIn(6, ids(4)...), unknownAt(4))
	for _, c := range []struct {
		lock wire.Lock
		want Outcome
	}{
		{r.w.lock(chunk(1, 0, 0), 3), EpochOutOfBounds},
		{r.w.lock(chunk(1, 0, 0), 7), EpochOutOfBounds},
		{r.w.lock(chunk(1, 0, 0), 4), UnknownEpoch},
		{r.w.lock(chunk(600, 0, 0), 5), UnknownSequencer},
		{r.w.lock(chunk(1000, 0, 0), 6), UnknownSequencer},
		{r.w.lock(chunk(1000, 0, 0), 5), Accepted},
		{r.w.lock(chunk(1, 0, 0), 6), Accepted},
	} {
		name := fmt.Sprintf("lane %d, epoch %d", c.lock.Chunk.Sequencer[1], c.lock.Epoch)
		expect(t, name, r.lock(id(2), c.lock), c.want)
	}
	r.verdicts()
	expect(t, "locks", len(r.locks()), 2)
	expect(t, "faults", len(r.faults()), 0)
}

// 4.9.2: Its height is at least the lane's highest certified − 1, and no certificate for that
// (sequencer, height, epoch) is held. It may be above the tip.
func TestRule4_9_2_HeightOfACertificateMessage(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 0))
	r.lock(id(1), r.w.lock(chunk(1, 100, 1), 5))
	r.verdicts()
	expectHeights(t, "far above the tip", r.heights(), 100)
	expect(t, "two below", r.lock(id(1), r.w.lock(chunk(1, 98, 1), 5)), HeightTooLow)
	expect(t, "one below", r.lock(id(1), r.w.lock(chunk(1, 99, 1), 5)), Accepted)
	r.verdicts()
	expect(t, "held", r.lock(id(1), r.w.lock(chunk(1, 99, 1), 5)), Certified)
	expect(t, "held with other signers", r.lock(id(1), r.w.lock(chunk(1, 100, 1), 5, 0, 1, 2)), Certified)
	expect(t, "in another epoch", r.lock(id(1), r.w.lock(chunk(1, 100, 1), 6)), Accepted)
	r.verdicts()
	expectHeights(t, "locks", r.heights(), 100, 99, 100)
	// On a new lane a certificate at height 0 has none below.
	expect(t, "height 0", r.lock(id(2), r.w.lock(chunk(2, 0, 0), 5)), Accepted)
	expect(t, "height 1", r.lock(id(3), r.w.lock(chunk(2, 1, 0), 5)), Accepted)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 5)
}

// 4.9.3: Per peer at most one is in verification and 16 wait, whatever the lanes, one of them per
// lane (the highest).
func TestRule4_9_3_OneOfAPeerIsVerifiedAndSixteenWaitOnePerLane(t *testing.T) {
	many := make([]wire.PublicKey, 30)
	for i := range many {
		many[i] = id(i)
	}
	r := newRig(t, 4, sequencersIn(5, many...))
	from := id(2)
	for lane := range 20 {
		want := Accepted
		if lane > 16 {
			want = NoRoom
		}
		expect(t, fmt.Sprint("lane ", lane), r.lock(from, r.w.lock(chunk(lane, 5, 1), 5)), want)
	}
	expect(t, "in verification", len(r.verifies), 1)
	expect(t, "of another peer", r.lock(id(3), r.w.lock(chunk(25, 5, 1), 5)), Accepted)
	expect(t, "in verification", len(r.verifies), 2)
	expect(t, "the same again", r.lock(from, r.w.lock(chunk(3, 5, 1), 5)), Duplicate)
	expect(t, "lower", r.lock(from, r.w.lock(chunk(3, 4, 1), 5)), Busy)
	expect(t, "higher", r.lock(from, r.w.lock(chunk(3, 6, 1), 5)), Accepted)
	expect(t, "replaced", r.c.Counts().CertificateMessages[Replaced], 1)
	first := r.one().Subject.Chunk
	expect(t, "the first that came", first, chunk(0, 5, 1))
	expect(t, "in verification", len(r.verifies), 2)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 18)
	if _, ok := r.c.Certificate(id(3), 6); !ok {
		t.Fatal("the highest of the lane was not verified")
	}
	expect(t, "memory of those that wait", r.c.messages.bytes, 0)
}

// 4.9.3: Peers that are no validator or sequencer of an epoch within bounds share one such
// allowance, and theirs are verified outside batches.
func TestRule4_9_3_StrangersShareOneAllowance(t *testing.T) {
	many := make([]wire.PublicKey, 30)
	for i := range many {
		many[i] = id(i)
	}
	r := newRig(t, 4, sequencersIn(5, many...))
	for i := range 25 {
		want := Accepted
		if i > 16 {
			want = NoRoom
		}
		expect(t, fmt.Sprint("stranger ", i), r.lock(id(600+i), r.w.lock(chunk(i, 5, 1), 5)), want)
	}
	expect(t, "in verification", len(r.verifies), 1)
	expect(t, "outside batches", r.verifies[0].Unbatched, true)
	expect(t, "a validator's", r.lock(id(1), r.w.lock(chunk(20, 5, 1), 5)), Accepted)
	expect(t, "in a batch", r.verifies[1].Unbatched, false)
	expect(t, "a sequencer's", r.lock(id(28), r.w.lock(chunk(21, 5, 1), 5)), Accepted)
	expect(t, "in a batch", r.verifies[2].Unbatched, false)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 19)
}

// 4.9.3: After an invalid one, that identity's certificates are verified outside batches and at a
// limited rate. 4.9.4: Invalid: reported as InvalidCertificate.
func TestRule4_9_3_AfterAnInvalidOneAPeersAreLimited(t *testing.T) {
	for name, from := range map[string]wire.PublicKey{"validator": id(2), "stranger": id(700)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			bad := r.w.badLock(chunk(1, 5, 1), 5)
			r.lock(from, bad)
			r.verdicts()
			f := fault[*wire.InvalidCertificate](r)
			expect(t, "peer", f.Peer, from)
			expect(t, "message", string(f.Message), string(bad.AppendTo(nil)))
			expect(t, "invalid", r.c.Counts().CertificateMessages[Invalid], 1)
			expect(t, "locks", len(r.locks()), 0)

			expect(t, "the next", r.lock(from, r.w.lock(chunk(1, 5, 1), 5)), Accepted)
			expect(t, "statements at once", len(r.verifies), 0)
			other := id(3)
			if from == id(700) {
				other = id(701) // shares the queue, but not the blame
			}
			expect(t, "another peer's", r.lock(other, r.w.lock(chunk(3, 5, 1), 5)), Accepted)
			expect(t, "statements of another peer", len(r.verifies), 1)
			r.verdicts()
			r.pass(r.cfg.BadNodeInterval - time.Millisecond)
			expect(t, "statements before the interval has passed", len(r.verifies), 0)
			r.pass(time.Millisecond)
			expect(t, "statements after it", len(r.verifies), 1)
			expect(t, "outside batches", r.verifies[0].Unbatched, true)
			r.verdicts()
			expect(t, "locks", len(r.locks()), 2)
			r.lock(from, r.w.lock(chunk(1, 6, 1), 5))
			expect(t, "statements at once", len(r.verifies), 0)
			r.pass(r.cfg.BadNodeInterval)
			r.verdicts()
			expect(t, "locks", len(r.locks()), 3)
		})
	}
}

func TestACertificateMessageThatIsNoneIsReported(t *testing.T) {
	r := newRig(t, 4)
	message := r.w.lock(chunk(1, 5, 1), 5)
	whole := message.AppendTo(nil)
	for _, b := range [][]byte{{}, whole[:20], whole[:len(whole)-1], append(whole[:len(whole):len(whole)], 0)} {
		expect(t, fmt.Sprint(len(b), " bytes"), r.lockBytes(id(2), b), Malformed)
		r.pass(r.cfg.BadNodeInterval)
	}
	expect(t, "reports", len(r.faults()), 4)
	for range 3 {
		r.lockBytes(id(2), nil)
	}
	expect(t, "reports in one interval", len(r.faults()), 5)
}

// A waiting message is checked again when its turn comes. A message that is no longer wanted does
// not delay those behind it.
func TestACertificateThatWasOvertakenIsNotVerified(t *testing.T) {
	r := newRig(t, 4)
	r.lock(id(2), r.w.lock(chunk(3, 5, 1), 5))
	r.lock(id(2), r.w.lock(chunk(1, 5, 1), 5)) // waits
	r.lock(id(2), r.w.lock(chunk(2, 5, 1), 5)) // waits behind it
	for i := 1; i < 4; i++ {
		r.ack(i, chunk(1, 5, 1), 5)
	}
	first := r.verifies[0]
	r.verifies = r.verifies[1:]
	r.verdicts() // the acks'
	r.verifies = append(r.verifies, first)
	r.one()
	expect(t, "stale", r.c.Counts().CertificateMessages[Stale], 1)
	expect(t, "statements", len(r.verifies), 1)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 3)
}

func TestACertificateWithoutAVerdictBlamesNobody(t *testing.T) {
	r := newRig(t, 4)
	r.lock(id(2), r.w.lock(chunk(1, 5, 1), 5))
	st := r.verifies[0]
	r.verifies = nil
	r.c.SignaturesVerified(r.now, &verify.Verdict{Statement: st, Err: errors.New("shut down")})
	r.drain()
	expect(t, "faults", len(r.faults()), 0)
	expect(t, "again", r.lock(id(2), r.w.lock(chunk(1, 5, 1), 5)), Accepted)
	expect(t, "statements", len(r.verifies), 1)
}

// The waiting messages are bounded in bytes too: beyond that bound, each peer may have one waiting
// message.
func TestTheMemoryOfCertificateMessagesIsBounded(t *testing.T) {
	r := newRig(t, 4)
	r.c.messages.bytes = maxCertificateBytes
	r.lock(id(2), r.w.lock(chunk(0, 5, 1), 5))
	expect(t, "the first that waits", r.lock(id(2), r.w.lock(chunk(1, 5, 1), 5)), Accepted)
	expect(t, "the second", r.lock(id(2), r.w.lock(chunk(3, 5, 1), 5)), NoRoom)
	expect(t, "another peer's first", r.lock(id(3), r.w.lock(chunk(1, 6, 1), 5)), Accepted)
}

// 4.6: LockConflict: two Locks, same sequencer and height, different payloads.
func TestACertificateMessageCanContradictALock(t *testing.T) {
	r := newRig(t, 4)
	r.lock(id(2), r.w.lock(chunk(1, 5, 1), 5))
	r.verdicts()
	r.lock(id(2), r.w.lock(chunk(1, 5, 2), 6))
	r.verdicts()
	fault[*wire.LockConflict](r)
	expect(t, "locks", len(r.locks()), 1)
}

// 5.6: A hostile peer can cause no more than the extra work stated.
func TestAFloodOfInvalidCertificatesIsVerifiedOncePerPeerAndInterval(t *testing.T) {
	many := make([]wire.PublicKey, 30)
	for i := range many {
		many[i] = id(i)
	}
	r := newRig(t, 4, sequencersIn(5, many...))
	const seconds = 5
	peers := []wire.PublicKey{id(1), id(20), id(700), id(701), id(702)}
	verified := 0
	for range seconds * 10 {
		for _, from := range peers {
			for lane := range 20 {
				r.lock(from, r.w.badLock(chunk(lane, 5, 1), 5))
			}
		}
		for len(r.verifies) > 0 {
			verified++
			r.one()
		}
		r.pass(r.cfg.BadNodeInterval / 10)
	}
	if most := len(peers) * (1 + seconds); verified > most || verified < len(peers) {
		t.Errorf("%d statements for %d peers in %d intervals", verified, len(peers), seconds)
	}
	expect(t, "a good one of another peer", r.lock(id(3), r.w.lock(chunk(3, 5, 1), 5)), Accepted)
	r.verdicts()
	expect(t, "locks", len(r.locks()), 1)
}

// 4.9, 5.6: A relayed certificate is not verified again: while one for a subject is in
// verification, those of other peers wait, except the sequencer's own.
func TestACertificateThatManyRelayIsVerifiedOnce(t *testing.T) {
	r := newRig(t, 10)
	for height := range uint64(5) {
		l := r.w.lock(chunk(9, height, 1), 5)
		for _, i := range []int{1, 2, 3, 9} {
			expect(t, "outcome", r.lock(id(i), l), Accepted)
		}
		expect(t, "statements: a relayed one, and the sequencer's own", len(r.verifies), 2)
		r.verdicts()
		expect(t, "locks", len(r.locks()), int(height)+1)
	}
	expect(t, "received", r.c.Counts().CertificatesReceived, 10)
	expect(t, "stale", r.c.Counts().CertificateMessages[Stale], 10)
	expect(t, "subjects in verification", len(r.c.messages.verifying), 0)
}

// A relayed certificate that is invalid does not stand in for a valid one.
func TestACertificateThatWaitsForAnInvalidOneIsVerifiedAfterIt(t *testing.T) {
	r := newRig(t, 4)
	good := r.w.lock(chunk(3, 5, 1), 5)
	r.lock(id(1), r.w.badLock(chunk(3, 5, 1), 5))
	r.lock(id(2), good)
	expect(t, "statements", len(r.verifies), 1)
	r.verdicts()
	fault[*wire.InvalidCertificate](r)
	expectHeights(t, "locks", r.heights(), 5)
}

// 4.2.6: If a valid certificate for exactly that (chunk, epoch) is held, the parent's need not be
// verified. While one is in verification by itself, the node waits for that.
func TestANodeWaitsForTheCertificateOfItsParentThatIsInVerification(t *testing.T) {
	for name, valid := range map[string]bool{"valid": true, "invalid": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4)
			r.tip(genesis(1, 1))
			l := r.w.lock(chunk(1, 0, 1), 5)
			n := on(l, 2)
			if valid {
				r.lock(id(1), l)
			} else {
				r.lock(id(2), r.w.badLock(chunk(1, 0, 1), 5))
			}
			expect(t, "outcome", r.node(n), Accepted)
			expect(t, "statements", len(r.verifies), 1)
			r.one()
			expect(t, "statements", len(r.verifies), 1)
			expect(t, "with the parent's certificate", r.verifies[0].Certificate != nil, !valid)
			r.verdicts()
			expect(t, "tip", tipOf(t, r, 1), n.Chunk)
		})
	}
}

// 4.9.3: While all that wait take 64 MiB, one of a peer waits. One that takes the place of another
// is no exception.
func TestACertificateThatReplacesAnotherCountsByItsLength(t *testing.T) {
	r := newRig(t, 4)
	r.lock(id(2), r.w.lock(chunk(0, 5, 1), 5))
	r.lock(id(2), r.w.lock(chunk(1, 5, 1), 5))
	r.lock(id(2), r.w.lock(chunk(3, 5, 1), 5))
	r.c.messages.bytes = maxCertificateBytes
	expect(t, "longer", r.lock(id(2), r.w.lock(chunk(3, 1<<40, 1), 5)), NoRoom)
	expect(t, "as long", r.lock(id(2), r.w.lock(chunk(3, 6, 1), 5)), Accepted)
}

// A stranger that once sent an invalid certificate has one waiting message, and keeps no other
// peer's message of a lane out: neither with a higher one, nor with another one for the same chunk.
func TestAStrangerThatWasInvalidKeepsNoOtherOut(t *testing.T) {
	many := make([]wire.PublicKey, 30)
	for i := range many {
		many[i] = id(i)
	}
	for _, height := range []uint64{5, 1 << 50} {
		r := newRig(t, 4, sequencersIn(5, many...))
		r.lock(id(700), r.w.badLock(chunk(1, 5, 1), 5))
		r.verdicts()
		expect(t, "the next", r.lock(id(700), r.w.badLock(chunk(1, height, 1), 5)), Accepted)
		for lane := 2; lane < 20; lane++ {
			expect(t, "one more", r.lock(id(700), r.w.lock(chunk(lane, 5, 1), 5)), NoRoom)
		}
		expect(t, "another stranger's, on the lane", r.lock(id(701), r.w.lock(chunk(1, 5, 1), 5)), Accepted)
		r.verdicts()
		expectHeights(t, "locks", r.heights(), 5)
	}
}
