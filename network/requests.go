package network

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/lanecast/lanecast/wire"
)

// session holds the requests under way on one link, in both directions, until its connection is
// lost.
type session struct {
	ctx    context.Context // of requests that we serve, and of callers that wait for answers
	cancel context.CancelFunc

	mu      sync.Mutex
	calls   map[uint64]chan<- Message // ours, by number; each has room for one answer
	last    uint64
	serving int
}

func newSession() *session {
	s := &session{calls: make(map[uint64]chan<- Message)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *session) end() { s.cancel() }

// newSession ends the session of a link, drops its queued messages, and begins another session.
// Numbers are not reused, since frames of the previous session may still come in. Network.mu must
// be held.
func (l *link) newSession() {
	old := l.session
	old.end()
	l.session = newSession()
	old.mu.Lock()
	l.session.last = old.last
	old.mu.Unlock()
	l.queue.remove(func(m *outgoing) bool { return m.info.Kind != Plain }, ErrDisconnected)
}

// enqueue adds a message of a session to the queue of its link. current is false if another session
// has begun: its connection may lead to another instance, which has other numbers.
func (n *Network) enqueue(l *link, s *session, add func(outgoing) bool, m outgoing) (current, added bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	current = l.session == s
	return current, current && add(m)
}

// open registers a request of ours.
func (s *session) open(answer chan<- Message) (number uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) >= MaxRequests {
		return 0, false
	}
	s.last++
	s.calls[s.last] = answer
	return s.last, true
}

// close removes a request of ours. It returns nil if the request was removed before.
func (s *session) close(number uint64) chan<- Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.calls[number]
	delete(s.calls, number)
	return answer
}

// Request implements [Transport].
func (n *Network) Request(ctx context.Context, to wire.PublicKey, t Type, message []byte) (Message, error) {
	info := &n.types[t]
	switch {
	case !info.known || info.Kind != Request:
		return Message{}, ErrType
	case len(message) > info.Limit:
		return Message{}, ErrTooLong
	}
	n.mu.RLock()
	p := n.peers[to]
	if p == nil {
		n.mu.RUnlock()
		return Message{}, ErrNotConnected
	}
	l := &p.links[info.Class]
	s := l.session
	n.mu.RUnlock()

	answer := make(chan Message, 1)
	number, ok := s.open(answer)
	if !ok {
		return Message{}, ErrTooManyRequests
	}
	current, added := n.enqueue(l, s, l.queue.push, outgoing{info: info, number: number, message: message})
	if !added {
		s.close(number)
		if !current || s.ctx.Err() != nil {
			return Message{}, ErrDisconnected
		}
		return Message{}, ErrTooManyRequests
	}
	var err error
	select {
	case m := <-answer:
		return m.orUnanswered()
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.ctx.Done():
		err = ErrDisconnected
	}
	if s.close(number) == nil { // the answer came meanwhile
		m := <-answer
		return m.orUnanswered()
	}
	l.queue.remove(func(m *outgoing) bool { return m.info.Kind == Request && m.number == number }, err)
	return Message{}, err
}

// orUnanswered returns the answer, or ErrUnanswered if the message stands for a missing answer.
func (m Message) orUnanswered() (Message, error) {
	if m.Type == typeUnanswered {
		m.Buffer.Release()
		return Message{}, ErrUnanswered
	}
	return m, nil
}

// session returns the session of the connection's link, and whether that session is with the
// instance at the other end. It is not while that instance is unproven, or after another instance
// was proven.
func (c *conn) session() (s *session, current bool) {
	c.n.mu.RLock()
	defer c.n.mu.RUnlock()
	return c.link.session, c.peer.instance == c.remote.instance
}

// answered hands an answer to the caller that waits for it. It owns the buffer.
func (c *conn) answered(f frame) {
	if s, current := c.session(); current {
		if answer := s.close(f.number); answer != nil {
			answer <- Message{Type: f.info.Type, Buffer: f.buffer}
			return
		}
	}
	f.buffer.Release()
	c.n.counts.late.Add(1)
}

// serve starts to serve a request. It owns the buffer.
func (c *conn) serve(f frame) {
	n := c.n
	s, current := c.session()
	l := c.link
	if !current {
		// The link's queue leads to another instance. If this one is proven later, it is told then.
		f.buffer.Release()
		n.counts.busy.Add(1)
		if len(c.early) < MaxRequests {
			c.early = append(c.early, f.number)
		}
		return
	}
	s.mu.Lock()
	busy := s.serving >= MaxRequests
	if !busy {
		s.serving++
	}
	s.mu.Unlock()
	var places *atomic.Int64
	if !busy {
		if places = n.mayServe(c.peer); places == nil {
			s.served()
			busy = true
		}
	}
	if busy {
		f.buffer.Release()
		n.counts.busy.Add(1)
		n.unanswered(l, s, f.number, unansweredBusy)
		return
	}
	c.peer.serves.Add(1)
	n.running.Go(func() {
		defer c.peer.serves.Done()
		r := &reply{n: n, session: s, link: l, request: f}
		defer func() {
			f.buffer.Release()
			s.served()
			c.peer.serving.Add(-1)
			places.Add(-1)
		}()
		n.handler.Serve(s.ctx, c.id, f.info.Type, f.buffer.Bytes(), r.send)
		if r.claim() {
			n.unanswered(l, s, f.number, unansweredFailed)
		}
	})
}

// servingFollowers returns how many requests of all followers are served at once, besides those of
// members.
func (c *Config) servingFollowers() int { return max(1, c.MaxServing/followersPart) }

// mayServe takes a place among the requests being served, if the peer may have one more. The first
// half of the places goes to any peer that asks. Of the second half a peer gets no more than an
// equal share, its places of the first half included, so that peers whose requests take long leave
// room for all others.
func (n *Network) mayServe(p *peer) (places *atomic.Int64) {
	n.mu.RLock()
	role := p.role
	n.mu.RUnlock()
	places, most := &n.serving, n.cfg.MaxServing
	if role == Follower {
		places, most = &n.servingFollowers, n.cfg.servingFollowers()
	}
	all, own := int(places.Add(1)), int(p.serving.Add(1))
	if all <= (most+1)/2 || all <= most && own <= max(1, most/(2*max(1, n.peersOf(role)))) {
		return places
	}
	places.Add(-1)
	p.serving.Add(-1)
	return nil
}

// peersOf returns how many peers have a role.
func (n *Network) peersOf(role Role) (count int) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, p := range n.peers {
		if p.role == role {
			count++
		}
	}
	return count
}

func (s *session) served() {
	s.mu.Lock()
	s.serving--
	s.mu.Unlock()
}

var unansweredCodes = [...][]byte{unansweredBusy: {unansweredBusy}, unansweredFailed: {unansweredFailed}}

func (n *Network) unanswered(l *link, s *session, number uint64, code int) {
	m := outgoing{info: &n.types[typeUnanswered], number: number, message: unansweredCodes[code]}
	if current, added := n.enqueue(l, s, l.queue.push, m); current && !added {
		n.counts.drop(dropFull, 1)
	}
}

// reply is the answer to one request.
type reply struct {
	n       *Network
	session *session
	link    *link
	request frame

	mu   sync.Mutex
	done bool
}

// claim reports whether this is the first answer.
func (r *reply) claim() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.done
	r.done = true
	return first
}

func (r *reply) send(t Type, answer []byte) error {
	info := &r.n.types[t]
	switch {
	case !info.known || info.Kind != Answer || t < firstType || info.Class != r.request.info.Class:
		return ErrType
	case len(answer) > info.Limit:
		return ErrTooLong
	case !r.claim():
		return ErrReplied
	}
	sent := make(chan error, 1)
	m := outgoing{info: info, number: r.request.number, message: answer, sent: sent}
	if _, added := r.n.enqueue(r.link, r.session, r.link.queue.force, m); !added {
		return ErrDisconnected
	}
	select {
	case err := <-sent:
		return err
	case <-r.session.ctx.Done():
		// The queue must not keep the bytes. A writer that has taken them has copied them.
		r.link.queue.remove(func(m *outgoing) bool { return m.sent == sent }, ErrDisconnected)
		return ErrDisconnected
	}
}
