package core

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// toSequencer sets acks to the sequencer only; sending sets sending certificates, with acks to all.
func toSequencer(r *rig) { r.cfg.AcksToSequencer, r.cfg.SendCertificates = true, true }
func sending(r *rig)     { r.cfg.SendCertificates = true }

// ackTip makes a genesis node of a sequencer our tip and acks it.
func (r *rig) ackTip(sequencer int) wire.Chunk {
	r.t.Helper()
	n := genesis(sequencer, 1)
	r.tip(n)
	r.answer(Approved)
	r.sign(nil)
	return n.Chunk
}

func recipients(effects []Effect) (all [][]wire.PublicKey) {
	for _, e := range effects {
		all = append(all, e.Recipients)
	}
	return all
}

func expectRecipients(t *testing.T, what string, got []Effect, want ...[]wire.PublicKey) {
	t.Helper()
	if !slices.EqualFunc(recipients(got), want, slices.Equal[[]wire.PublicKey]) {
		t.Fatalf("%s: sent to %v, want %v", what, recipients(got), want)
	}
}

func (r *rig) sentLocks() (all []wire.Lock) {
	for _, e := range r.sent {
		var l wire.Lock
		if err := l.DecodeStored(e.Bytes); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// 4.5: Where the network's setting is acks to the sequencer, the ack is sent to the sequencer
// alone.
func TestRule4_5_AnAckGoesToTheSequencerAlone(t *testing.T) {
	r := newRig(t, 4, toSequencer)
	r.ackTip(1)
	expectRecipients(t, "a validator's lane", r.acks, []wire.PublicKey{id(1)})
	r.ackTip(1000)
	expectRecipients(t, "the lane of one that is no validator", r.acks[1:], []wire.PublicKey{id(1000)})
	expect(t, "votes kept of lanes that are not ours", r.c.Counts().Votes, 0)
}

// 4.5: Other processes then drop acks on lanes that are not theirs, unread.
func TestRule4_5_AcksOnLanesOfOthersAreDroppedUnread(t *testing.T) {
	r := newRig(t, 4, toSequencer, sequencing)
	for _, message := range [][]byte{
		r.w.ack(1, chunk(2, 0, 1), 5), r.w.ack(1, chunk(1, 0, 1), 5), r.w.badAck(1, chunk(2, 0, 1), 5), {1, 2, 3}, {},
		r.w.ack(1, chunk(2, 0, 1), 5)[:40],
	} {
		expect(t, "outcome", r.ackBytes(id(1), message), OtherLane)
	}
	expect(t, "reports", len(r.reports), 0)
	expect(t, "lanes", r.c.Counts().Lanes, 1)
	c := r.propose(1)
	expect(t, "on ours", r.ack(1, c, 5), Accepted)
	// Cut off within the epoch: it concerns our lane, but is no ack.
	expect(t, "malformed", r.ackBytes(id(2), r.w.ack(2, c, 5)[:65]), Malformed)

	r = newRig(t, 4, toSequencer)
	expect(t, "without a lane of our own", r.ack(1, chunk(0, 0, 1), 5), OtherLane)
}

// 4.9: The sequencer sends each certificate of its lane, as soon as it is assembled, to the
// validators of the current epoch.
func TestRule4_9_ACertificateOfOursIsSentAsSoonAsItIsAssembled(t *testing.T) {
	for name, setting := range map[string]func(*rig){"to the sequencer": toSequencer, "to all": sending} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing, setting)
			for height := range uint64(3) {
				c := r.propose(int(height))
				expect(t, "sent before the certificate", len(r.sent), int(height))
				r.certifyOwn(c, 5)
				expect(t, "sent", len(r.sent), int(height)+1)
				expect(t, "certificate", r.sentLocks()[height].Chunk, c)
			}
			expectRecipients(t, "certificates", r.sent[:1], []wire.PublicKey{id(1), id(2), id(3)})
			if !r.cfg.AcksToSequencer {
				r.certify(chunk(1, 0, 1), 5)
				expect(t, "sent of another's lane", len(r.sent), 3)
			}
		})
	}
	r := newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 5)
	expect(t, "sent where certificates are not", len(r.sent), 0)
}

// 4.9: … and sends the last one again on starting.
func TestRule4_9_TheLastCertificateIsSentAgainOnStarting(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	r.certifyOwn(r.propose(1), 5)
	c := r.propose(2)
	r.certifyOwn(c, 5)
	r.proposeVolatile(3)
	r.sync()
	r.sent = nil
	r.crash(r.disk.Next, false)
	expect(t, "sent", len(r.sent), 1)
	expect(t, "the last one", r.sentLocks()[0].Chunk, c)

	// While the current epoch's sets are not known, there are no recipients.
	r.sent = nil
	r.sets.unknown[5] = true
	r.crash(r.disk.Next, false)
	expect(t, "sent to nobody known", len(r.sent), 0)
	r.pass(10 * time.Second)
	expect(t, "sent to nobody known", len(r.sent), 0)
	r.sets.unknown[5] = false
	r.pass(time.Second)
	expect(t, "sent", len(r.sent), 1)
	r.pass(time.Minute)
	expect(t, "sent once", len(r.sent), 1)
}

// 4.5: Where certificates are sent, in either setting, a validator that has no certificate for its
// ackable tip sends its ack again after RebroadcastTimeout.
func TestRule4_5_AnAckIsSentAgainUntilThereIsACertificate(t *testing.T) {
	for name, setting := range map[string]func(*rig){"to the sequencer": toSequencer, "to all": sending} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, setting)
			c := r.ackTip(1)
			to := r.acks[0].Recipients
			r.pass(r.cfg.RebroadcastTimeout - time.Millisecond)
			expect(t, "acks before the timeout", len(r.acks), 1)
			r.pass(time.Millisecond)
			expectRecipients(t, "acks", r.acks, to, to)
			expect(t, "the same", string(r.acks[1].Bytes), string(r.acks[0].Bytes))
			r.pass(r.cfg.RebroadcastTimeout)
			expect(t, "acks", len(r.acks), 3)
			r.lock(id(1), r.w.lock(c, 5))
			r.verdicts()
			r.pass(time.Minute)
			expect(t, "acks after the certificate", len(r.acks), 3)
		})
	}
	r := newRig(t, 4, sequencing)
	r.ackTip(1)
	r.propose(2) // sent again, so that there are timers
	r.pass(time.Minute)
	expect(t, "our node is sent again", len(r.nodes) > 2, true)
	expect(t, "acks where certificates are not sent", len(r.acks), 1)
}

// 4.5: No other ack than for an ackable tip is sent again.
func TestRule4_5_AnAckThatIsOvertakenIsNotSentAgain(t *testing.T) {
	for name, overtake := range map[string]func(*rig){
		"by a higher certificate": func(r *rig) { r.lock(id(1), r.w.lock(chunk(1, 3, 3), 5)); r.verdicts() },
		"by a certificate for another payload": func(r *rig) {
			r.mayHalt = true
			r.lock(id(1), r.w.lock(chunk(1, 0, 9), 5))
			r.verdicts()
		},
		"by a higher tip": func(r *rig) { r.tip(r.w.node(1, 1, 1, 1, 5)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, toSequencer)
			r.ackTip(1)
			overtake(r)
			r.pass(time.Minute)
			expect(t, "acks", len(r.acks), 1)
		})
	}
}

// A sequencer that is a validator counts its own vote, and needs no message for it.
func TestAcksToTheSequencerIncludeItsOwn(t *testing.T) {
	r := newRig(t, 4, toSequencer, sequencing)
	c := r.propose(1)
	r.answer(Approved)
	r.sign(nil)
	expect(t, "acks sent", len(r.acks), 0)
	expect(t, "votes", r.c.Counts().Votes, 1)
	r.ack(1, c, 5)
	r.ack(2, c, 5)
	r.verdicts()
	expect(t, "certificates", len(r.sent), 1)
}

// 4.9: Where certificates are sent, an ack for a chunk of our own lane that arrives more than
// AckInterval after its certificate was sent (read as far as 4.3.4, never verified) is answered
// with that certificate, once per validator and AckInterval.
func TestRule4_9_ALateAckIsAnsweredWithTheCertificate(t *testing.T) {
	for name, setting := range map[string]func(*rig){"to the sequencer": toSequencer, "to all": sending} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4, sequencing, setting)
			r.pass(time.Minute)
			c := r.propose(1)
			r.certifyOwn(c, 5)
			r.sent = nil
			r.ack(1, c, 5)
			r.pass(r.cfg.AckInterval)
			r.ack(1, c, 5)
			expect(t, "answers within AckInterval", len(r.sent), 0)
			r.pass(time.Millisecond)
			expect(t, "outcome", r.ack(1, c, 5), Certified)
			r.ack(1, c, 5)
			r.badAck(2, c, 5) // it is not verified
			expectRecipients(t, "answers", r.sent, []wire.PublicKey{id(1)}, []wire.PublicKey{id(2)})
			expect(t, "with the certificate", r.sentLocks()[0].Chunk, c)
			expect(t, "statements", len(r.verifies), 0)
			r.pass(r.cfg.AckInterval)
			r.ack(1, c, 5)
			expect(t, "answers after another interval", len(r.sent), 3)
			// An ack of another epoch is counted, and answered as well.
			r.ack(3, c, 6)
			expectRecipients(t, "an ack of another epoch", r.sent[3:], []wire.PublicKey{id(3)})
		})
	}
}

// 4.9: … more than AckInterval after its certificate was sent.
//
// An ack is not late if the certificate was not sent yet, because the current epoch's validators
// are not known.
func TestRule4_9_AnAckIsNotLateBeforeTheCertificateWasSent(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer, unknownAt(6))
	c := r.propose(1)
	r.epoch(6)
	r.certifyOwn(c, 5)
	r.pass(time.Minute)
	expect(t, "outcome", r.ack(1, c, 5), Certified)
	expect(t, "answers", len(r.sent), 0)
	r.sets.unknown[6] = false
	r.pass(time.Minute)
	expectRecipients(t, "certificates", r.sent, []wire.PublicKey{id(1), id(2), id(3)})
	r.ack(1, c, 5)
	expectRecipients(t, "answers", r.sent[1:], []wire.PublicKey{id(1)})
}

// 4.9: … read as far as 4.3.4.
func TestRule4_9_OnlyValidatorsAcksAreAnswered(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	r.sent = nil
	r.pass(r.cfg.AckInterval + 1)
	for name, o := range map[string]Outcome{
		"a stranger's":              r.ackBytes(id(700), r.w.ack(1, c, 5)),
		"with another's number":     r.ackBytes(id(2), r.w.ack(1, c, 5)),
		"of an epoch out of bounds": r.ackBytes(id(1), r.w.ack(1, c, 9)),
		"for another chunk":         r.ack(1, chunk(0, 0, 9), 5),
		"above the certificate":     r.ack(1, chunk(0, 1, 9), 5),
		"far above it":              r.ack(1, chunk(0, 500, 9), 5),
		"cut short":                 r.ackBytes(id(1), r.w.ack(1, c, 5)[:len(r.w.ack(1, c, 5))-1]),
	} {
		if o == Certified {
			t.Errorf("%s: %v", name, o)
		}
	}
	expect(t, "answers", len(r.sent), 0)
}

// 4.9: … read as far as 4.3.4, also below the heights of 4.3.2.
func TestRule4_9_OnlyValidatorsAcksAreAnsweredAlsoWhenTheyAreTooLow(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer, sequencersIn(6, id(1)), unknownAt(4))
	var first wire.Chunk
	for i := range 4 {
		c := r.propose(i)
		r.certifyOwn(c, 5)
		if i == 0 {
			first = c
		}
	}
	r.sent = nil
	r.pass(r.cfg.AckInterval + 1)
	good := r.w.ack(1, first, 5)
	for name, o := range map[string]Outcome{
		"a stranger's":                    r.ackBytes(id(700), good),
		"with another's number":           r.ackBytes(id(2), good),
		"cut short":                       r.ackBytes(id(1), good[:len(good)-1]),
		"too long":                        r.ackBytes(id(1), append(slices.Clone(good), 0)),
		"of an unknown epoch":             r.ack(1, first, 4),
		"of an epoch without us":          r.ack(1, first, 6),
		"on the lane of another (unread)": r.ack(1, chunk(1, 0, 0), 5),
	} {
		if o == Accepted {
			t.Errorf("%s: %v", name, o)
		}
	}
	expect(t, "answers", len(r.sent), 0)
	expect(t, "outcome of a good one", r.ackBytes(id(1), good), HeightOutOfBounds)
	expect(t, "answers to a good one", len(r.sent), 1)
}

// An ack below the held certificates shows that its sender lacks even more: it gets the highest
// certificate.
func TestALateAckBelowTheHeldCertificatesIsAnsweredWithTheHighest(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	var chunks []wire.Chunk
	for i := range 4 {
		chunks = append(chunks, r.propose(i))
		r.certifyOwn(chunks[i], 5)
	}
	r.sent = nil
	r.pass(r.cfg.AckInterval + 1)
	expect(t, "outcome", r.ack(1, chunks[0], 5), HeightOutOfBounds)
	expect(t, "one below the highest", r.ack(2, chunks[2], 5), HeightOutOfBounds)
	got := r.sentLocks()
	expect(t, "answers", len(got), 2)
	expect(t, "the highest", got[0].Chunk, chunks[3])
	expect(t, "the one that is held", got[1].Chunk, chunks[2])
	r.ackBytes(id(700), r.w.ack(1, chunks[0], 5))
	r.ackBytes(id(3), r.w.ack(1, chunks[0], 5))
	expect(t, "answers to others", len(r.sent), 2)
}

// 4.9: Where that one is no longer held, the lane's highest is sent instead.
//
// A certificate of an epoch out of bounds does not help: others refuse it.
func TestRule4_9_AnAckWhoseCertificateIsOutOfBoundsIsAnsweredWithTheHighest(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	below := r.propose(1)
	r.certifyOwn(below, 5)
	c := r.propose(2)
	r.certifyOwn(c, 5)
	r.epoch(8)
	r.certifyOwn(c, 8)
	r.pass(r.cfg.AckInterval + 1)
	r.sent = nil
	expect(t, "outcome", r.ack(1, below, 8), HeightOutOfBounds)
	got := r.sentLocks()
	expect(t, "answers", len(got), 1)
	expect(t, "the highest", got[0].Chunk, c)
	expect(t, "of the current epoch", got[0].Epoch, 8)
}

// 4.10: The engine then sends to it alone: our own tip if it is uncertified; our ack for its tip,
// if that is ackable and uncertified; and the last certificate of our lane, where certificates are
// sent. It does so once per peer and AckInterval.
func TestRule4_10_APeerThatIsConnectedGetsTheMessagesThatItMayLack(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	r.propose(2)
	acked := r.ackTip(1)
	r.nodes, r.acks, r.sent = nil, nil, nil
	r.connected(id(1))
	one := []wire.PublicKey{id(1)}
	expectRecipients(t, "nodes", r.nodes, one)
	expectRecipients(t, "acks", r.acks, one)
	expectRecipients(t, "certificates", r.sent, one)
	expect(t, "the last certificate", r.sentLocks()[0].Chunk, c)
	r.connected(id(1))
	expect(t, "again at once", len(r.nodes)+len(r.acks)+len(r.sent), 3)
	r.connected(id(2)) // its lane has no tip
	expect(t, "another peer", len(r.nodes)+len(r.acks)+len(r.sent), 5)
	r.connected(id(0)) // this process
	expect(t, "ourselves", len(r.nodes)+len(r.acks)+len(r.sent), 5)
	r.pass(r.cfg.AckInterval)
	r.nodes, r.acks, r.sent = nil, nil, nil
	r.lock(id(1), r.w.lock(acked, 5))
	r.verdicts()
	r.connected(id(1))
	expect(t, "acks for a certified chunk", len(r.acks), 0)
	expect(t, "nodes and certificates", len(r.nodes)+len(r.sent), 2)
}

func TestAPeerThatIsConnectedGetsNothingThatItHas(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.connected(id(1))
	expect(t, "from an empty process", len(r.nodes)+len(r.acks)+len(r.sent), 0)
	r.certifyOwn(r.propose(1), 5)
	r.nodes, r.acks = nil, nil
	r.pass(r.cfg.AckInterval)
	r.connected(id(1))
	expect(t, "the tip is certified, and certificates are not sent", len(r.nodes)+len(r.acks)+len(r.sent), 0)
}

// 5.9: It stops when it is shown a certificate of its lane above its tip.
func TestRule5_9_ACertificateMessageOfOurLaneAboveTheJournalStopsTheProcess(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	r.propose(1)
	r.mayHalt = true
	r.lock(id(2), r.w.lock(chunk(0, 5, 5), 5))
	r.verdicts()
	if r.halted == nil {
		t.Fatal("goes on with a journal that is older than its lane")
	}
	r.lock(id(2), r.w.lock(chunk(1, 5, 5), 5))
	r.connected(id(1))
	expect(t, "effects after that", len(r.c.Effects()), 0)
}

// The last certificate stays due while only another one could be sent.
func TestTheLastCertificateIsSentThoughAnotherComesFirst(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer, unknownAt(6))
	first := r.propose(1)
	r.certifyOwn(first, 5)
	second := r.propose(2)
	r.epoch(6)
	r.sent = nil
	r.certifyOwn(second, 5)
	expect(t, "sent while the epoch's sets are not known", len(r.sent), 0)
	r.sets.unknown[6] = false
	r.lock(id(1), r.w.lock(first, 6))
	r.verdicts()
	r.pass(time.Minute)
	got := r.sentLocks()
	expect(t, "the last one sent", got[len(got)-1].Chunk, second)
}

// Other processes refuse certificates of epochs out of bounds: none is sent, and none answers an
// ack.
func TestNoCertificateOfAnEpochOutOfBoundsIsSent(t *testing.T) {
	r := newRig(t, 4, sequencing, toSequencer)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	r.epoch(6)
	r.epoch(7)
	r.epoch(8)
	r.sent = nil
	r.pass(r.cfg.AckInterval + 1)
	r.ack(1, c, 8)
	r.connected(id(2))
	expect(t, "sent", len(r.sent), 0)
	r.ack(2, c, 8)
	r.ack(3, c, 8)
	r.verdicts()
	expect(t, "sent once it is certified anew", len(r.sent), 1)
	r.pass(r.cfg.AckInterval + 1)
	r.ack(1, c, 8)
	expectRecipients(t, "answers", r.sent[1:], []wire.PublicKey{id(1)})
}
