package core

import (
	"slices"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Any authenticated peer may send a certificate message, since a certificate proves itself. The
// cost of verifying them is bounded per peer: docs/protocol.md 4.9.

const (
	// maxCertificateMessages is the highest number of waiting certificate messages of one peer, one
	// of them per lane.
	maxCertificateMessages = 16
	// maxCertificateBytes bounds the memory of all waiting messages. Beyond it each peer may still
	// have one waiting message.
	maxCertificateBytes = 64 << 20
)

// certificateMessage is a certificate message that is being verified or waits for that.
type certificateMessage struct {
	lock    wire.Lock // its certificate is a view into message
	message []byte
	from    *Peer
	queue   *certificateQueue
}

// certificateQueue holds the certificate messages of one peer, or of all strangers: those that
// wait, in order of arrival, and whether one is in verification.
type certificateQueue struct {
	waiting   []*certificateMessage
	verifying bool
	strangers bool
}

// certificateMessages is the state that all queues share.
type certificateMessages struct {
	bytes     int              // of all messages that wait
	strangers certificateQueue // of peers that are no validator or sequencer of an epoch within bounds
	// limited are the queues whose waiting messages all come from peers that may not have another
	// message verified yet.
	limited []*certificateQueue
	// verifying counts the messages in verification, by subject. blocked are the queues that have a
	// waiting message for such a subject: a relayed certificate is not verified again.
	verifying map[wire.Subject]int
	blocked   []*certificateQueue
}

// CertificateMessage handles a certificate message from a peer: docs/protocol.md 4.9. The message
// is read during the call and not kept.
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
	if err := lock.DecodeStored(message); err != nil { // the part before the certificate
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

// of returns the message of a queue that waits for a lane, or nil.
func (q *certificateQueue) of(sequencer wire.PublicKey) *certificateMessage {
	for _, m := range q.waiting {
		if m.lock.Chunk.Sequencer == sequencer {
			return m
		}
	}
	return nil
}

// admit reports whether a message with a lock, of that many bytes, may wait. Per lane one message
// waits, the highest. A message of a peer that once sent an invalid one never keeps another peer's
// message out.
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

// push queues an admitted message, and reports whether it replaced another.
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

// take removes the first message of a queue that may be verified now: its peer's limit allows it,
// and no message for the same subject is in verification. A message from the lane's own sequencer
// does not wait for messages of other peers. If there is none, due is the time at which there will
// be one; it is never if nothing waits, or if messages wait only for verdicts.
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

// verifyCertificates submits the next message of a queue, one at a time.
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

// certificateVerdict handles the verdict on a certificate message.
func (c *Core) certificateVerdict(j job, v *verify.Verdict) {
	m, s := j.certificate, j.certificate.lock.Subject()
	m.queue.verifying = false
	if c.messages.verifying[s]--; c.messages.verifying[s] == 0 {
		delete(c.messages.verifying, s)
	}
	switch {
	case v.Err != nil: // no verdict: no peer is blamed
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

// tickCertificates continues with the queues that waited for a peer's limit.
func (c *Core) tickCertificates() {
	limited := c.messages.limited
	c.messages.limited = nil
	for _, q := range limited {
		c.verifyCertificates(q)
	}
}
