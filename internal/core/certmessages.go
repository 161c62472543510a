package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A certificate message may come from anybody authenticated, since it proves itself. What it costs
// to find out is bounded per peer: docs/protocol.md 4.9.

const (
	// maxCertificateMessages is how many certificate messages of one peer wait at most, one of them
	// per lane.
	maxCertificateMessages = 16
	// maxCertificateBytes bounds the memory of all that wait. Beyond it a peer may have one waiting,
	// whatever others have sent.
	maxCertificateBytes = 64 << 20
)

// certificateMessage is a certificate message that is verified or waits for it.
type certificateMessage struct {
	lock    wire.Lock // its certificate is a view into message
	message []byte
	from    *Peer
	queue   *certificateQueue
}

// certificateQueue holds the certificate messages of one peer, or of all strangers: those that wait,
// as they came, and whether one is in verification.
type certificateQueue struct {
	waiting   []*certificateMessage
	verifying bool
	strangers bool
}

// certificateMessages is what is common to all queues.
type certificateMessages struct {
	bytes     int              // of all messages that wait
	strangers certificateQueue // of peers that are no validator or sequencer of an epoch within bounds
	// limited are the queues in which only messages wait whose peers' next one is not due yet.
	limited []*certificateQueue
	// verifying counts the messages in verification, by what they certify, and blocked are the
	// queues in which messages for the same wait: who relays a certificate has nobody verify it
	// again.
	verifying map[wire.Subject]int
	blocked   []*certificateQueue
}

// CertificateMessage takes a certificate message from a peer: docs/protocol.md 4.9. The message is
// read during the call and not kept.
func (c *Core) CertificateMessage(now time.Duration, from *Peer, message []byte) Outcome {
	o := Stopped
	if c.enter(now) {
		o = c.certificateMessage(from, message)
	}
	c.counts.CertificateMessages[o]++
	return o
}

func (c *Core) certificateMessage(from *Peer, message []byte) Outcome {
	var lock wire.Lock
	if err := lock.DecodeStored(message); err != nil { // what comes before the certificate
		c.faults.invalidCertificate(from, message)
		return Malformed
	}
	if o := c.wantsCertificate(&lock); o != Accepted {
		return o
	}
	if err := lock.Decode(message, &c.epochs); err != nil {
		c.faults.invalidCertificate(from, message)
		return Malformed
	}
	q := &from.certificates
	if !c.epochs.haveValidator(from.id) && !c.epochs.haveSequencer(from.id) {
		q = &c.messages.strangers
	}
	m := &certificateMessage{from: from, queue: q}
	if o := c.messages.admit(m, &lock, len(message)); o != Accepted {
		return o
	}
	m.message = slices.Clone(message)
	m.lock = lock
	m.lock.Certificate = m.message[len(m.message)-len(lock.Certificate):]
	if c.messages.push(m) {
		c.counts.CertificateMessages[Replaced]++
	}
	c.verifyCertificates(q)
	return Accepted
}

// wantsCertificate applies the cheap rules 4.9.1 and 4.9.2.
func (c *Core) wantsCertificate(lock *wire.Lock) Outcome {
	if first, last := c.epochs.bounds(); lock.Epoch < first || lock.Epoch > last {
		return EpochOutOfBounds
	}
	e := c.inBounds(lock.Epoch)
	if e == nil {
		return UnknownEpoch
	}
	l := c.lanes.find(&lock.Chunk.Sequencer)
	if !e.admits(l, lock.Chunk.Sequencer) {
		return UnknownSequencer
	}
	if l == nil {
		return Accepted
	}
	if highest, certified := l.votes.Highest(); certified && highest > 0 && lock.Chunk.Height < highest-1 {
		return HeightTooLow
	}
	if l.votes.Held(lock.Chunk.Height, lock.Epoch) != nil {
		return Certified
	}
	return Accepted
}

// of returns the message of a queue that waits for a lane, nil if there is none.
func (q *certificateQueue) of(sequencer wire.PublicKey) *certificateMessage {
	for _, m := range q.waiting {
		if m.lock.Chunk.Sequencer == sequencer {
			return m
		}
	}
	return nil
}

// admit reports whether a message with a lock, of so many bytes, may wait: per lane one does, the
// highest, and none of a peer that once sent an invalid one keeps another peer's out.
func (s *certificateMessages) admit(m *certificateMessage, lock *wire.Lock, size int) Outcome {
	q, others := m.queue, len(m.queue.waiting)
	if former := q.of(lock.Chunk.Sequencer); former != nil {
		overrides := former.from.badCertificates && !m.from.badCertificates
		if lock.Chunk.Height < former.lock.Chunk.Height && !overrides {
			return Busy
		}
		if lock.Chunk == former.lock.Chunk && lock.Epoch == former.lock.Epoch && !overrides {
			return Duplicate
		}
		others--
		size -= len(former.message)
	}
	if others >= maxCertificateMessages || others > 0 && s.bytes+size > maxCertificateBytes {
		return NoRoom
	}
	if q.strangers && m.from.badCertificates &&
		slices.ContainsFunc(q.waiting, func(o *certificateMessage) bool { return o.from == m.from }) {
		return NoRoom
	}
	return Accepted
}

// push has a message wait that was admitted, and reports whether it took the place of another.
func (s *certificateMessages) push(m *certificateMessage) (replaced bool) {
	s.bytes += len(m.message)
	if former := m.queue.of(m.lock.Chunk.Sequencer); former != nil {
		s.bytes -= len(former.message)
		m.queue.waiting[slices.Index(m.queue.waiting, former)] = m
		return true
	}
	m.queue.waiting = append(m.queue.waiting, m)
	return false
}

// take takes out the first message of a queue whose peer's next one may be verified now and that no
// other message stands for. The sequencer's own waits for no other peer's. If there is none, due is
// when there is; never if nothing waits, or only for others' verdicts.
func (s *certificateMessages) take(q *certificateQueue, now time.Duration) (m *certificateMessage, due time.Duration) {
	due = never
	for i, m := range q.waiting {
		if s.verifying[m.lock.Subject()] > 0 && m.from.id != m.lock.Chunk.Sequencer {
			if !slices.Contains(s.blocked, q) {
				s.blocked = append(s.blocked, q)
			}
			continue
		}
		if m.from.badCertificates && now < m.from.nextCertificate {
			due = min(due, m.from.nextCertificate)
			continue
		}
		q.waiting = slices.Delete(q.waiting, i, i+1)
		s.bytes -= len(m.message)
		return m, now
	}
	return nil, due
}

// verifyCertificates has the next message of a queue verified, one at a time.
func (c *Core) verifyCertificates(q *certificateQueue) {
	for !q.verifying {
		m, due := c.messages.take(q, c.now)
		if m == nil {
			if due != never {
				c.wake(due)
				if !slices.Contains(c.messages.limited, q) {
					c.messages.limited = append(c.messages.limited, q)
				}
			}
			return
		}
		if o := c.wantsCertificate(&m.lock); o != Accepted {
			c.counts.CertificateMessages[Stale]++
			continue
		}
		e := c.inBounds(m.lock.Epoch)
		q.verifying = true
		c.messages.verifying[m.lock.Subject()]++
		if m.from.badCertificates {
			m.from.nextCertificate = c.now + c.cfg.BadNodeInterval
		}
		st := &verify.Statement{
			Scheme: e.scheme, Subject: m.lock.Subject(), Certificate: m.lock.Certificate,
			Unbatched: q.strangers || m.from.badCertificates,
		}
		c.jobs.submit(st, job{lane: c.lane(m.lock.Chunk.Sequencer), certificate: m})
	}
}

// certificateVerdict takes the verdict on a certificate message.
func (c *Core) certificateVerdict(j job, v *verify.Verdict) {
	m, s := j.certificate, j.certificate.lock.Subject()
	m.queue.verifying = false
	if c.messages.verifying[s]--; c.messages.verifying[s] == 0 {
		delete(c.messages.verifying, s)
	}
	switch {
	case v.Err != nil: // no verdict, and nobody to blame
		c.counts.CertificateMessages[Stale]++
	case v.CertificateValid:
		c.counts.CertificatesReceived++
		lock := m.lock
		lock.Certificate = slices.Clone(lock.Certificate) // without the rest of the message
		c.certified(j.lane, lock)
	default:
		c.counts.CertificateMessages[Invalid]++
		m.from.badCertificates, m.from.nextCertificate = true, c.now+c.cfg.BadNodeInterval
		c.faults.invalidCertificate(m.from, m.message)
	}
	if !c.running {
		return
	}
	if j.lane.verifying == nil {
		c.nextNode(j.lane) // it may have waited for this verdict
	}
	blocked := c.messages.blocked
	c.messages.blocked = nil
	for _, q := range append(blocked, m.queue) {
		c.verifyCertificates(q)
	}
}

// tickCertificates goes on with the queues that waited for a peer's next turn.
func (c *Core) tickCertificates() {
	limited := c.messages.limited
	c.messages.limited = nil
	for _, q := range limited {
		c.verifyCertificates(q)
	}
}
