package core

import (
	"cmp"
	"slices"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A process that falls behind for a moment gets several nodes of a lane while one is in verification. Only the highest
// of them is verified as a node. The parent certificates of the others are locks that the process would lose: they are
// verified as statements of their own. PROTOCOL.md 4.2.5.

// parent is the parent certificate of a node that is not verified itself.
type parent struct {
	subject     wire.Subject
	certificate []byte // a view into message
	from        *Peer
	message     []byte // the node
}

// maxParents bounds how many parents of a lane wait, whatever HeightBound says.
const maxParents = 64

// passOver takes the parent certificate of a node that will not be verified: a higher one takes its place.
func (c *Core) passOver(l *lane, p *pendingNode) {
	if p.from == nil || !p.node.HasParent() {
		return
	}
	s := p.node.ParentSubject()
	i, waits := slices.BinarySearchFunc(l.parents, s, func(o parent, s wire.Subject) int {
		return cmp.Or(cmp.Compare(o.subject.Chunk.Height, s.Chunk.Height), cmp.Compare(o.subject.Epoch, s.Epoch))
	})
	if waits || !c.wantsParent(l, s) {
		return
	}
	l.parents = slices.Insert(l.parents, i, parent{s, p.node.Parent.Certificate, p.from, p.message})
	if room := int(min(c.cfg.HeightBound, maxParents)); len(l.parents) > room {
		c.counts.ParentsDropped++
		l.parents = slices.Delete(l.parents, 0, 1) // the lowest
	}
	c.checkParents(l)
}

// wantsParent reports whether a certificate could tell anything new, and may be verified. What is refused for want of
// anything but news is counted.
func (c *Core) wantsParent(l *lane, s wire.Subject) bool {
	if l.votes.Knows(s) {
		return false
	}
	highest, _ := l.votes.Highest()
	first, last := c.epochs.bounds()
	_, known := c.epochs.scheme(s.Epoch)
	low := s.Chunk.Height < highest && highest-s.Chunk.Height >= c.cfg.HeightBound
	if l.bad || low || s.Epoch < first || s.Epoch > last || !known {
		c.counts.ParentsDropped++
		return false
	}
	return true
}

// checkParents has the highest parent that waits verified, one of a lane at a time.
func (c *Core) checkParents(l *lane) {
	for !l.checking && len(l.parents) > 0 {
		p := l.parents[len(l.parents)-1]
		l.parents[len(l.parents)-1] = parent{}
		l.parents = l.parents[:len(l.parents)-1]
		if !c.wantsParent(l, p.subject) {
			continue
		}
		scheme, _ := c.epochs.scheme(p.subject.Epoch)
		l.checking = true
		st := &verify.Statement{Scheme: scheme, Subject: p.subject, Certificate: p.certificate}
		c.submit(st, job{lane: l, parent: &p})
	}
}

// dropParents forgets the parents that wait.
func (c *Core) dropParents(l *lane) {
	c.counts.ParentsDropped += uint64(len(l.parents))
	l.parents = nil
}

// parentVerdict takes the verdict on a parent certificate.
func (c *Core) parentVerdict(j job, v *verify.Verdict) {
	l := j.lane
	l.checking = false
	switch {
	case v.Err != nil: // no verdict, and nobody to blame
		c.counts.ParentsDropped++
	case v.CertificateValid:
		p := j.parent
		c.certified(l, wire.Lock{Chunk: p.subject.Chunk, Epoch: p.subject.Epoch, Certificate: slices.Clone(p.certificate)})
	default:
		c.counts.Nodes[Invalid]++
		c.blameNode(l, j.parent.from, j.parent.message)
	}
	c.checkParents(l)
}
