package network

import (
	"context"
	"errors"
	"time"
)

// errNoControl means that a bulk connection came without a control connection of the same peer.
var errNoControl = errors.New("network: no control connection")

// errRecheck means that Recheck was called after the host was asked for the peer's role.
var errRecheck = errors.New("network: the role may have changed")

// adopt decides whether a connection whose hello is in becomes a connection of the peer.
func (n *Network) adopt(c *conn) error {
	deadline := time.NewTimer(time.Until(c.began.Add(n.cfg.HandshakeTimeout)))
	defer deadline.Stop()
	for {
		n.mu.RLock()
		rechecks := n.rechecks
		n.mu.RUnlock()
		role := n.handler.Admit(c.id)
		if role != Member && role != Follower {
			return &goodbyeError{code: byeRefused}
		}
		news, err := n.tryAdopt(c, role, rechecks)
		if errors.Is(err, errRecheck) {
			continue
		}
		if !errors.Is(err, errNoControl) {
			return err
		}
		select {
		case <-news:
		case <-deadline.C:
			return &goodbyeError{code: byeBusy, reason: "no control connection"}
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// tryAdopt adopts a connection of a peer whose role the host gave when Recheck had been called
// rechecks times.
func (n *Network) tryAdopt(c *conn, role Role, rechecks uint64) (news <-chan struct{}, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopping {
		return nil, n.farewell()
	}
	if n.rechecks != rechecks {
		return nil, errRecheck
	}
	p := n.peers[c.id]
	switch {
	case p == nil && c.class == Bulk:
		return n.news, errNoControl
	case p == nil:
		if !n.makeRoom(role) {
			return nil, tooMany()
		}
		p = n.newPeer(c, role)
		n.peers[c.id] = p
	case len(p.conns) >= maxConns:
		return nil, &goodbyeError{code: byeBusy, reason: "too many connections"}
	}
	p.conns[c] = struct{}{}
	c.peer, c.link = p, &p.links[c.class]
	c.raw.lastRead.Store(int64(n.clock()))
	_ = c.raw.SetDeadline(time.Time{})
	if p.instance != c.remote.instance {
		c.probing, c.pingDue = true, true // nobody else uses pingDue yet
		time.AfterFunc(n.cfg.HandshakeTimeout, func() { n.unproven(c) })
		return nil, nil
	}
	n.contend(c)
	return nil, nil
}

func tooMany() *goodbyeError { return &goodbyeError{code: byeBusy, reason: "too many peers"} }

// makeRoom reports whether one more peer may be connected. If there is no room for a member, the
// follower that was connected last leaves. mu must be held.
func (n *Network) makeRoom(role Role) bool {
	followers := 0
	var last *peer
	for _, p := range n.peers {
		if p.role == Follower {
			followers++
			if last == nil || p.place > last.place {
				last = p
			}
		}
	}
	switch {
	case role == Follower && followers >= n.cfg.MaxFollowers:
		return false
	case len(n.peers) < n.cfg.MaxPeers:
		return true
	case role == Follower || last == nil:
		return false
	}
	for c := range last.conns {
		n.lose(c, tooMany())
	}
	if finish := n.closePeer(last, tooMany()); finish != nil {
		n.running.Go(func() { n.finish(finish) })
	}
	return true
}
