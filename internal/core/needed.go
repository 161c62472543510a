package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// Which epochs' sets are needed, and which the provider may be asked for: docs/protocol.md 4.8. A
// node of a lane that stood still for long is on a certificate of an epoch that may be below bounds,
// and anybody can write any epoch into a node.

// ErrEpochLacking is an epoch whose sets a lane needs and the providers do not have.
var ErrEpochLacking = errors.New("the providers lack the sets of an epoch, which the host has to add")

// namedEpoch is the last epoch that a node of a lane named for its parent's certificate and that
// was not known, or neither within bounds nor held.
type namedEpoch struct {
	epoch  uint64
	height uint64 // of the node; 0 if none was named
	warned bool   // the operator was told that it is lacking

	next      time.Duration // none that is out of bounds takes its place before that
	nextWarn  time.Duration // the operator is told of no other before that
	warnPause time.Duration // up to then; it doubles each time
}

// mostWarnPause bounds warnPause: a sequencer that makes up epochs does not fill the log.
const mostWarnPause = time.Hour

// refersTo reports whether a lane needs the sets of an epoch: a certificate that it holds, its tip's
// parent or the node shown last is of it.
func (l *lane) refersTo(epoch uint64) bool {
	if t := l.tip; t != nil && t.hasParent && t.parentEpoch == epoch || l.named.height > 0 && l.named.epoch == epoch {
		return true
	}
	return slices.ContainsFunc(l.votes.All(), func(held aggregate.Certificate) bool { return held.Epoch == epoch })
}

// decodeNamed decodes a node that its lane's sequencer sent, of an epoch that Format does not know.
// The provider is asked for an epoch out of bounds if the lane refers to it, and for one other per
// lane and BadNodeInterval.
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

// warn has the driver tell the operator of something about a chunk.
func (c *Core) warn(chunk *wire.Chunk, about error) {
	w := c.effects.emit(Warn)
	w.Chunk, w.Err = *chunk, about
}

// EpochsNeeded returns, ascending, the epochs whose sets the providers must keep, or get again: the
// known ones within bounds, the current one, those that a lane's certificates, its tip's parent
// among them, are of, those of certificates in verification, and those of the parents of nodes that
// are no tips yet. Among the last ones may be some that the provider does not have.
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
		// An epoch that has not begun is none that the provider has dropped.
		if l.named.height > l.base() && l.named.epoch <= c.epochs.current {
			needed = append(needed, l.named.epoch)
		}
		for _, p := range []*pendingNode{l.verifying, l.waiting} {
			if p != nil && p.node.HasParent() && p.node.Parent.Epoch <= c.epochs.current {
				needed = append(needed, p.node.Parent.Epoch)
			}
		}
	}
	for _, j := range c.jobs.open { // a certificate that is found valid now is held
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
