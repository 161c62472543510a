package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// This file determines which epochs' sets are needed, and for which epochs the provider may be
// asked: docs/protocol.md 4.8. A node of a lane that stood still for long has a parent certificate
// of an epoch that may be below the bounds, and anybody can write any epoch into a node.

// ErrEpochLacking means that a lane needs the sets of an epoch and the providers do not have them.
var ErrEpochLacking = errors.New("the providers lack the sets of an epoch, which the host has to add")

// namedEpoch is the last epoch that a node of a lane named for its parent's certificate and that
// was unknown, or neither within bounds nor held.
type namedEpoch struct {
	epoch  uint64
	height uint64 // of the node; 0 if none was named
	warned bool   // the operator was told that its sets are lacking

	next      time.Duration // before that, no epoch out of bounds replaces it
	nextWarn  time.Duration // before that, the operator is told of no other epoch
	warnPause time.Duration // the time until then; it doubles each time
}

// mostWarnPause bounds warnPause: a sequencer that invents epochs does not fill the log.
const mostWarnPause = time.Hour

// refersTo reports whether a lane needs the sets of an epoch: it is the epoch of a certificate that
// the lane holds, of its tip's parent, or of the parent of the last node.
func (l *lane) refersTo(epoch uint64) bool {
	if t := l.tip; t != nil && t.hasParent && t.parentEpoch == epoch || l.named.height > 0 && l.named.epoch == epoch {
		return true
	}
	return slices.ContainsFunc(l.votes.All(), func(held aggregate.Certificate) bool { return held.Epoch == epoch })
}

// decodeNamed decodes a node from its lane's sequencer, of an epoch that Format does not know. The
// provider is asked for an epoch out of bounds if the lane refers to it, and for one other per lane
// and BadNodeInterval.
func (c *Core) decodeNamed(from *Peer, l *lane, n *wire.Node, message []byte) Outcome {
	epoch, named := n.Parent.Epoch, &l.named
	within := c.epochs.within(epoch)
	if n.Chunk.Height < named.height && l.base() < named.height {
		return UnknownEpoch // the higher node has named the epoch that is needed
	}
	if !within && !l.refersTo(epoch) {
		if c.now < named.next {
			return UnknownEpoch
		}
		named.next = c.now + c.cfg.BadNodeInterval
	}
	if epoch != named.epoch {
		named.warned = false
	}
	named.epoch, named.height = epoch, n.Chunk.Height
	scheme, ok := c.epochs.scheme(epoch)
	if !ok {
		if !named.warned && c.now >= named.nextWarn && epoch <= c.epochs.current {
			named.warned, named.warnPause = true, max(c.cfg.BadNodeInterval, min(2*named.warnPause, mostWarnPause))
			named.nextWarn = c.now + named.warnPause
			c.warn(&n.Chunk, fmt.Errorf("%w: epoch %d, of which the certificate of the node's parent is", ErrEpochLacking, epoch))
		}
		return UnknownEpoch
	}
	if err := n.Decode(message, wire.SameFormat(scheme.Format())); err != nil {
		c.faults.invalidNode(from, message)
		return Malformed
	}
	return Accepted
}

// warn makes the driver tell the operator of an error about a chunk.
func (c *Core) warn(chunk *wire.Chunk, about error) {
	w := c.effects.emit(Warn)
	w.Chunk, w.Err = *chunk, about
}

// EpochsNeeded returns, ascending, the epochs whose sets the providers must keep, or get again: the
// known ones within bounds, the current one, those of the certificates of lanes, including the
// parents of tips, those of certificates in verification, and those of the parents of nodes that
// are not tips yet. The provider may lack some of the last kind.
func (c *Core) EpochsNeeded() []uint64 {
	needed := []uint64{c.epochs.current}
	first, last := c.epochs.bounds()
	for n := first; ; n++ {
		if _, ok := c.epochs.scheme(n); ok {
			needed = append(needed, n)
		}
		if n == last {
			break
		}
	}
	for _, l := range c.lanes.all() {
		if l.gone {
			continue
		}
		if l.tip != nil && l.tip.hasParent {
			needed = append(needed, l.tip.parentEpoch)
		}
		for _, held := range l.votes.All() {
			needed = append(needed, held.Epoch)
		}
		// The provider cannot have dropped an epoch that has not begun.
		if l.named.height > l.base() && l.named.epoch <= c.epochs.current {
			needed = append(needed, l.named.epoch)
		}
		for _, p := range []*pendingNode{l.verifying, l.waiting} {
			if p != nil && p.node.HasParent() && p.node.Parent.Epoch <= c.epochs.current {
				needed = append(needed, p.node.Parent.Epoch)
			}
		}
	}
	for _, j := range c.jobs.open { // a certificate that is now found valid is held
		switch {
		case j.certificate != nil:
			needed = append(needed, j.certificate.lock.Epoch)
		case j.parent != nil:
			needed = append(needed, j.parent.subject.Epoch)
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}
