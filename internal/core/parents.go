package core

import (
	"cmp"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A process that falls behind for a moment gets several nodes of a lane while one is in
// verification. Only the highest of them is verified as a node. The parent certificates of the
// others are locks that the process would lose, so they are verified as statements of their own.
// docs/protocol.md 4.2.5.

// parent is the parent certificate of a node that is not verified itself.
type parent struct {
	subject     wire.Subject
	certificate []byte // a view into message
	from        *Peer
	message     []byte // the node
}

// parents are the waiting parent certificates of one lane, ascending by height and epoch; one of
// them is in verification.
type parents struct {
	waiting   []parent
	verifying bool
}

// maxParents is the highest number of waiting parents of a lane, for any HeightBound: each keeps a
// message.
const maxParents = 64

// find returns the place of the parent for a subject, and whether it waits there.
func (q *parents) find(s wire.Subject) (at int, waits bool) {
	return slices.BinarySearchFunc(q.waiting, s, func(o parent, s wire.Subject) int {
		return cmp.Or(cmp.Compare(o.subject.Chunk.Height, s.Chunk.Height), cmp.Compare(o.subject.Epoch, s.Epoch))
	})
}

// insert inserts a parent at its place. If there are then more than room, the lowest is dropped,
// which insert reports.
func (q *parents) insert(at int, p parent, room int) (dropped bool) {
	q.waiting = slices.Insert(q.waiting, at, p)
	if len(q.waiting) <= room {
		return false
	}
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return true
}

// pop removes the highest parent. It returns false if there is none, or one is in verification.
func (q *parents) pop() (p parent, ok bool) {
	last := len(q.waiting) - 1
	if q.verifying || last < 0 {
		return p, false
	}
	p = q.waiting[last]
	q.waiting[last] = parent{}
	q.waiting = q.waiting[:last]
	return p, true
}

// passOver keeps the parent certificate of a node that will not be verified because a higher node
// replaces it.
func (c *Core) passOver(l *lane, p *pendingNode) {
	if p.from == nil || !p.node.HasParent() {
		return
	}
	s := p.node.ParentSubject()
	at, waits := l.parents.find(s)
	if waits || !c.wantsParent(l, s) {
		return
	}
	room := int(min(c.cfg.HeightBound, maxParents))
	if l.parents.insert(at, parent{s, p.node.Parent.Certificate, p.from, p.message}, room) {
		c.counts.ParentsDropped++
	}
	c.verifyParents(l)
}

// wantsParent reports whether a certificate could be news, and may be verified. It counts a
// certificate that is refused although it could be news.
func (c *Core) wantsParent(l *lane, s wire.Subject) bool {
	if l.votes.Knows(s) {
		return false
	}
	highest, _ := l.votes.Highest()
	low := s.Chunk.Height < highest && highest-s.Chunk.Height >= c.cfg.HeightBound
	if !l.bad && !low && c.epochs.within(s.Epoch) {
		if _, known := c.epochs.scheme(s.Epoch); known {
			return true
		}
	}
	c.counts.ParentsDropped++
	return false
}

// verifyParents submits the highest waiting parent, one per lane at a time.
func (c *Core) verifyParents(l *lane) {
	for p, ok := l.parents.pop(); ok; p, ok = l.parents.pop() {
		if !c.wantsParent(l, p.subject) {
			continue
		}
		scheme, _ := c.epochs.scheme(p.subject.Epoch)
		l.parents.verifying = true
		st := &verify.Statement{Scheme: scheme, Subject: p.subject, Certificate: p.certificate}
		c.jobs.submit(st, job{lane: l, parent: &p})
	}
}

// dropParents drops the waiting parents.
func (c *Core) dropParents(l *lane) {
	c.counts.ParentsDropped += uint64(len(l.parents.waiting))
	l.parents.waiting = nil
}

// parentVerdict handles the verdict on a parent certificate.
func (c *Core) parentVerdict(j job, v *verify.Verdict) {
	l := j.lane
	l.parents.verifying = false
	switch {
	case v.Err != nil: // no verdict: no peer is blamed
		c.counts.ParentsDropped++
	case v.CertificateValid:
		p := j.parent
		c.certified(l, wire.Lock{Chunk: p.subject.Chunk, Epoch: p.subject.Epoch, Certificate: slices.Clone(p.certificate)})
	default:
		c.counts.Nodes[Invalid]++
		c.blameNode(l, j.parent.from, j.parent.message)
	}
	c.verifyParents(l)
}
