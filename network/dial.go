package network

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// target is an identity with an address. For each class one goroutine dials it.
type target struct {
	id     wire.PublicKey
	cancel context.CancelFunc
	wakes  [classes]chan struct{} // room for one token: something about the connection has changed
	resets [classes]chan struct{} // likewise: dial without delay

	address string // guarded by Network.mu
}

// lastedLong is the life of a connection after which the next attempt comes soon.
const lastedLong = 10 * time.Second

// retarget starts and stops dialling goroutines according to the current addresses.
func (n *Network) retarget(ctx context.Context) {
	addresses := n.cfg.Addresses()
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, t := range n.targets {
		if _, ok := addresses[id]; !ok {
			t.cancel()
			delete(n.targets, id)
		}
	}
	for id, address := range addresses {
		if id == n.id {
			continue
		}
		t := n.targets[id]
		if t == nil {
			t = &target{id: id}
			var dialling context.Context
			dialling, t.cancel = context.WithCancel(ctx)
			for class := range t.wakes {
				t.wakes[class] = make(chan struct{}, 1)
				t.resets[class] = make(chan struct{}, 1)
			}
			n.targets[id] = t
			n.running.Go(func() { n.dialLoop(dialling, t, Control) })
			if n.bulk {
				n.running.Go(func() { n.dialLoop(dialling, t, Bulk) })
			}
		}
		t.address = address
		for _, reset := range t.resets {
			select {
			case reset <- struct{}{}:
			default:
			}
		}
	}
}

// wake makes the dialling goroutines of an identity look again. mu must be held.
func (n *Network) wake(id wire.PublicKey) {
	if t := n.targets[id]; t != nil {
		for _, wake := range t.wakes {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
}

func (n *Network) wakeDialer(id wire.PublicKey) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	n.wake(id)
}

// needs reports whether a connection must be dialled, and which connection it replaces, if any.
func (n *Network) needs(t *target, class Class) (needed bool, replacing *conn) {
	n.mu.RLock()
	p := n.peers[t.id]
	needed = p == nil && class == Control
	if p != nil {
		live := p.links[class].live
		if live != nil && live.dialled && live.expiring.Load() {
			replacing = live
		}
		needed = live == nil || replacing != nil
		if class == Bulk && p.links[Control].live == nil {
			needed = false
		}
	}
	n.mu.RUnlock()
	if !needed {
		return false, nil
	}
	role := n.handler.Admit(t.id)
	return role == Member || role == Follower, replacing
}

// dialLoop keeps a connection to a target, unless the target keeps a connection to us.
func (n *Network) dialLoop(ctx context.Context, t *target, class Class) {
	var backoff time.Duration
	var up time.Time   // the time since which no connection has been needed
	var replaced *conn // the last one that was to be replaced
	for ctx.Err() == nil {
		needed, replacing := n.needs(t, class)
		if !needed {
			if up.IsZero() {
				up = time.Now()
			}
			select {
			case <-t.wakes[class]:
			case <-t.resets[class]:
			case <-ctx.Done():
			}
			continue
		}
		if !up.IsZero() && time.Since(up) >= lastedLong || replacing != nil && replacing != replaced {
			backoff = 0
		}
		replaced = replacing
		up = time.Time{}
		if backoff > 0 {
			timer := time.NewTimer(backoff/2 + rand.N(backoff))
			select {
			case <-timer.C:
			case <-t.resets[class]:
				backoff = 0
			case <-ctx.Done():
			}
			timer.Stop()
			if needed, _ := n.needs(t, class); ctx.Err() != nil || !needed {
				continue
			}
		}
		err := n.dial(ctx, t, class)
		backoff = min(max(n.cfg.MinBackoff, backoff+backoff/2), n.cfg.MaxBackoff)
		var bye *goodbyeError
		if errors.As(err, &bye) && (bye.code == byeSettings || bye.code == byeRefused) {
			backoff = n.cfg.MaxBackoff
		}
	}
}

// dial makes one attempt. It returns when the connection is adopted or has failed.
func (n *Network) dial(ctx context.Context, t *target, class Class) error {
	n.mu.RLock()
	address := t.address
	n.mu.RUnlock()
	n.counts.dials.Add(1)
	dialling, cancel := context.WithTimeout(ctx, n.cfg.HandshakeTimeout)
	raw, err := n.cfg.Dial(dialling, address)
	cancel()
	if err != nil {
		n.counts.fail(failDial)
		n.log.Debug("dialling failed", "peer", t.id, "address", address, "why", err)
		return err
	}
	c := n.newConn(raw, true)
	c.class, c.local.class = class, class
	c.local.dial = n.dials.Add(1)
	adopted := make(chan error, 1)
	n.running.Go(func() { n.runConn(ctx, c, t.id, func(err error) { adopted <- err }) })
	return <-adopted
}

// runConn is the goroutine of a connection. It calls decided, once, when the connection is adopted
// or has failed. ctx ends attempts, not connections that were adopted.
func (n *Network) runConn(ctx context.Context, c *conn, expected wire.PublicKey, decided func(error)) {
	n.mu.Lock()
	n.conns[c] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.conns, c)
		n.mu.Unlock()
	}()
	stop := context.AfterFunc(ctx, func() { c.end(context.Cause(ctx)) })
	err := c.establish(expected)
	if err == nil {
		err = n.adopt(c)
	}
	stop()
	if err != nil {
		n.handshakeFailed(c, err)
		var bye *goodbyeError
		if errors.As(err, &bye) && !bye.theirs {
			c.sayGoodbye(bye)
		}
		c.parser.close()
		c.end(err)
		decided(err)
		return
	}
	if !c.dialled {
		if err = c.sendHello(); err != nil {
			c.end(err)
		}
	}
	n.running.Go(c.write)
	decided(nil)
	err = n.announce(c)
	if err == nil {
		err = c.read()
	}
	var bye *goodbyeError
	if errors.As(err, &bye) && !bye.theirs {
		n.counts.fail(failProtocol)
		n.log.Warn("peer broke the protocol", "peer", c.id, "why", bye.reason)
		n.part(c, bye)
		select {
		case <-c.written:
			c.discard()
		case <-time.After(goodbyeLinger):
		}
	}
	if n.byeOf(c) != nil {
		// The peer has ended its side, and has not read the bytes that we may still be writing.
		select {
		case <-c.written:
		case <-c.ctx.Done():
		case <-time.After(maxLinger): // its deadlines are shorter
		}
	}
	if cause := context.Cause(c.ctx); cause != nil {
		err = cause
	}
	c.end(err)
	<-c.written
	n.drop(c, err)
}

// handshakeFailed counts and logs a failed handshake.
func (n *Network) handshakeFailed(c *conn, err error) {
	var bye *goodbyeError
	reason := failTLS
	switch {
	case errors.As(err, &bye):
		switch bye.code {
		case byeSettings:
			reason = failSettings
		case byeRefused:
			reason = failRefused
		case byeBusy:
			reason = failBusy
		case byeProtocol:
			reason = failProtocol
		default:
			reason = failOther
		}
	case errors.Is(err, errIdentity):
		reason = failIdentity
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		reason = failTimeout
	}
	n.counts.fail(reason)
	level := n.log.Debug
	switch reason {
	case failIdentity, failRefused:
		if c.dialled {
			level = n.log.Warn
		}
	case failSettings:
		// Only differences of an identity that the host admits are worth a warning.
		if c.dialled || n.handler.Admit(c.id) != Refused {
			level = n.log.Warn
		}
	}
	level("no connection", "peer", c.id, "address", addressOf(c.raw), "dialled", c.dialled, "why", err)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func addressOf(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
