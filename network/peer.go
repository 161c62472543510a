package network

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// maxConns is the highest number of connections of one peer at once, of both classes, including
// those that lost to others.
const maxConns = 6

// peer is one identity from Connected to Disconnected. Network.mu guards all fields without another
// comment.
type peer struct {
	id       wire.PublicKey
	role     Role
	place    uint64 // in the order in which peers were connected
	instance [16]byte
	version  string
	links    [classes]link
	conns    map[*conn]struct{} // all of them, until their goroutines are done
	closing  error              // the reason why the peer is gone; set when it leaves Network.peers

	// before is closed when the previous peer of this identity was reported gone; nil: none.
	before <-chan struct{}
	gone   chan struct{} // closed when Disconnected has returned

	serves    sync.WaitGroup // calls of Serve
	serving   atomic.Int64   // the number of those calls
	calls     sync.Mutex     // held while Connected is called
	connected bool           // Connected was called; guarded by calls
	told      chan struct{}  // closed when the first call of Connected has returned

	roundTrip, offset atomic.Int64 // nanoseconds
}

// link holds the state of one peer and class that does not depend on the connection.
type link struct {
	queue    queue
	live     *conn       // the connection in use; guarded by Network.mu
	handover *time.Timer // runs while live is nil and will be replaced; guarded by Network.mu
	session  *session    // guarded by Network.mu; its contents have their own lock

	// delivery has room for one token, which it holds while Handler.Messages runs: two connections
	// may be read at once. It is no sync.Mutex, since the handler may block.
	delivery chan struct{}
}

func (n *Network) newPeer(c *conn, role Role) *peer {
	n.placed++
	p := &peer{
		id: c.id, role: role, place: n.placed, instance: c.remote.instance, version: c.remote.version,
		conns: make(map[*conn]struct{}),
		gone:  make(chan struct{}), told: make(chan struct{}),
		before: n.leaving[c.id],
	}
	for i := range p.links {
		p.links[i].queue = newQueue(n.cfg.QueueMessages, n.cfg.QueueBytes, &n.queuedForFollowers[i])
		p.links[i].session = newSession()
		p.links[i].delivery = make(chan struct{}, 1)
	}
	return p
}

// beats reports whether c, not other, stays, of two connections of one class between the same
// instances: the one dialled by the smaller identity, and of two by the same side the one dialled
// later (docs/protocol.md 8). Both sides get the same result.
func (c *conn) beats(other *conn) bool {
	if c.bySmaller() != other.bySmaller() {
		return c.bySmaller()
	}
	return c.number() > other.number()
}

func (c *conn) bySmaller() bool {
	return c.dialled == (bytes.Compare(c.n.id[:], c.id[:]) < 0)
}

// contend makes c the live connection of its link, unless the current one beats it. mu must be
// held.
func (n *Network) contend(c *conn) {
	l := c.link
	old := l.live
	if old != nil && !c.beats(old) {
		n.lose(c, &goodbyeError{code: byeDuplicate})
		return
	}
	l.live = c
	c.live.Store(true)
	c.kick()
	if l.handover != nil {
		l.handover.Stop()
		l.handover = nil
	}
	if old != nil {
		n.lose(old, &goodbyeError{code: byeDuplicate})
	}
	if c.class == Control {
		close(n.news)
		n.news = make(chan struct{})
		n.wake(c.id)
	}
}

// lose lets a connection send its goodbye and read up to the peer's. mu must be held.
func (n *Network) lose(c *conn, e *goodbyeError) {
	c.live.Store(false)
	if c.bye == nil {
		c.bye = e
		_ = c.raw.SetReadDeadline(time.Now().Add(linger))
		if e.code == byeDuplicate {
			c.lingers.Store(int64(n.clock() + maxLinger))
		}
	}
	c.kick()
}

// part ends a connection with a goodbye of ours.
func (n *Network) part(c *conn, e *goodbyeError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lose(c, e)
}

func (n *Network) byeOf(c *conn) *goodbyeError {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return c.bye
}

// lostToAnother handles a goodbye by which the peer says that another connection stays, which this
// side may not know yet.
func (n *Network) lostToAnother(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.link.live == c {
		c.link.live = nil
		n.awaitHandover(c.peer, c.class)
	}
	n.lose(c, &goodbyeError{code: byeDuplicate})
}

// awaitHandover ends the peer, or fails the requests of its bulk link, unless a connection comes in
// time. mu must be held.
func (n *Network) awaitHandover(p *peer, class Class) {
	l := &p.links[class]
	if l.handover != nil {
		l.handover.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(n.cfg.HandshakeTimeout, func() {
		n.mu.Lock()
		if n.stopping || l.handover != timer || l.live != nil {
			n.mu.Unlock()
			return
		}
		l.handover = nil
		finish := n.lost(p, class, errHandover)
		n.wake(p.id)
		n.running.Add(1) // stopping is not set, so no goroutine waits yet
		n.mu.Unlock()
		defer n.running.Done()
		n.finish(finish)
	})
	l.handover = timer
}

// lost handles a link that has lost its connection. A peer without a control connection ends. It
// returns the peer if the caller must finish it. mu must be held.
func (n *Network) lost(p *peer, class Class, why error) *peer {
	if class == Control {
		return n.closePeer(p, why)
	}
	p.links[class].newSession()
	return nil
}

// closePeer removes a peer. It returns the peer if no connection is left whose goroutine would
// finish it. mu must be held.
func (n *Network) closePeer(p *peer, why error) *peer {
	if p.closing != nil {
		return nil
	}
	p.closing = why
	delete(n.peers, p.id)
	n.leaving[p.id] = p.gone
	for i := range p.links {
		l := &p.links[i]
		if l.handover != nil {
			l.handover.Stop()
			l.handover = nil
		}
		l.session.end()
		n.counts.drop(dropDisconnected, l.queue.close(ErrDisconnected))
	}
	for c := range p.conns {
		c.live.Store(false)
		if c.bye == nil || c.bye.code == byeDuplicate { // others end when their goodbye is sent
			c.end(why)
		}
	}
	n.wake(p.id)
	if len(p.conns) == 0 {
		return p
	}
	return nil
}

// isProbing reports whether another instance has connected and has not answered a ping yet.
// Network.mu must be held.
func (p *peer) isProbing() bool {
	for c := range p.conns {
		if c.class == Control && c.probing && c.bye == nil {
			return true
		}
	}
	return false
}

// finish reports to the handler that a peer is gone. nil means none.
func (n *Network) finish(p *peer) {
	if p == nil {
		return
	}
	if p.before != nil {
		<-p.before
	}
	p.serves.Wait() // their contexts have ended
	p.calls.Lock()
	connected := p.connected
	p.calls.Unlock()
	if connected {
		n.log.Info("peer disconnected", "peer", p.id, "why", p.closing)
		n.handler.Disconnected(p.id, p.closing)
	}
	n.mu.Lock()
	if n.leaving[p.id] == p.gone {
		delete(n.leaving, p.id)
	}
	n.mu.Unlock()
	close(p.gone)
}

// drop removes a connection whose reader and writer are done.
func (n *Network) drop(c *conn, why error) {
	n.mu.Lock()
	p, l := c.peer, c.link
	delete(p.conns, c)
	var finish *peer
	if l.live == c {
		l.live = nil
		if c.class == Control && p.isProbing() {
			n.awaitHandover(p, Control) // a process that was restarted is not gone
		} else {
			finish = n.lost(p, c.class, why)
		}
	}
	switch {
	case len(p.conns) > 0:
	case p.closing != nil:
		finish = p
	case n.stopping: // no other connection is expected
		finish = n.closePeer(p, n.farewell())
	}
	n.wake(p.id)
	n.mu.Unlock()
	n.finish(finish)
}

// announce makes sure that Connected has been called before any message of a connection is handed
// over.
func (n *Network) announce(c *conn) error {
	p := c.peer
	if c.class == Bulk {
		select {
		case <-p.told:
			return nil
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
	if p.before != nil {
		select {
		case <-p.before:
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
	p.calls.Lock()
	defer p.calls.Unlock()
	if !p.connected {
		n.mu.RLock()
		role := p.role
		n.mu.RUnlock()
		p.connected = true
		n.compare(c)
		n.handler.Connected(p.id, role)
		close(p.told)
	}
	return nil
}

// announceAgain reports a restart or a new role.
func (n *Network) announceAgain(p *peer) {
	p.calls.Lock()
	defer p.calls.Unlock()
	n.mu.RLock()
	role, closing := p.role, p.closing
	n.mu.RUnlock()
	if p.connected && closing == nil {
		n.handler.Connected(p.id, role)
	}
}

// measured records the measurement of a pong, which may prove that another instance is alive.
func (n *Network) measured(c *conn, roundTrip, offset time.Duration) {
	n.counts.observe(roundTrip)
	if c.class == Control {
		c.peer.roundTrip.Store(int64(roundTrip))
		c.peer.offset.Store(int64(offset))
	}
	n.mu.Lock()
	if !c.probing {
		n.mu.Unlock()
		return
	}
	c.probing = false
	p := c.peer
	restarted := p.closing == nil && p.instance != c.remote.instance
	if restarted {
		p.instance, p.version = c.remote.instance, c.remote.version
		for class := range p.links {
			l := &p.links[class]
			l.newSession()
			if old := l.live; old != nil {
				l.live = nil
				n.lose(old, &goodbyeError{code: byeDuplicate, reason: "another instance"})
				n.awaitHandover(p, Class(class))
			}
		}
	}
	if p.closing == nil && c.bye == nil {
		n.contend(c)
	}
	link, s := c.link, c.link.session
	n.mu.Unlock()
	for _, number := range c.early {
		n.unanswered(link, s, number, unansweredBusy)
	}
	c.early = nil
	if restarted {
		n.log.Info("peer was restarted", "peer", p.id)
		n.compare(c)
		n.announceAgain(p)
	}
}

// unproven ends a connection of another instance that has not answered a ping.
func (n *Network) unproven(c *conn) {
	n.mu.RLock()
	probing := c.probing
	n.mu.RUnlock()
	if probing {
		c.end(errUnproven)
	}
}
