package simnet

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// host holds the messages under way to one identity. mu guards all fields below it.
type host struct {
	id     wire.PublicKey
	config Config

	mu       sync.Mutex
	links    map[wire.PublicKey]*link // by sender
	session  *session                 // of the endpoint; nil if there is none
	later    schedule                 // packets that are not due yet
	ready    [2]queue                 // due packets: with priority, without
	sequence uint64                   // of the next packet; orders packets with equal due times
	counts   Counts
}

// link is one direction between two identities. The receiving host keeps it.
type link struct {
	conditions Conditions
	random     *rand.Rand
	waiting    int // number of packets in later and ready
}

// session is the state of one endpoint from Join to Close.
type session struct {
	receive func(Message)
	wake    chan struct{} // capacity 1: a message may be due earlier than expected
	stop    chan struct{} // closed when the session is removed from the host, under its mu
	done    chan struct{} // closed by the session's goroutine as its last act
}

// packet is a message under way.
type packet struct {
	from     wire.PublicKey
	kind     Kind
	priority bool
	body     []byte // shared by all receivers, never written
	link     *link
	due      time.Time
	sequence uint64
}

func newHost(id wire.PublicKey, c Config) *host {
	return &host{id: id, config: c, links: make(map[wire.PublicKey]*link)}
}

// link returns the link from a sender and makes it if necessary. h.mu must be held.
func (h *host) link(from wire.PublicKey) *link {
	l := h.links[from]
	if l == nil {
		l = &link{conditions: h.config.Default, random: linkRandom(h.config.Seed, from, h.id)}
		h.links[from] = l
	}
	return l
}

// linkRandom returns the random source of a link. It is independent of other links' sources and of
// the time of the link's first use.
func linkRandom(seed uint64, from, to wire.PublicKey) *rand.Rand {
	b := binary.BigEndian.AppendUint64([]byte("lanecast simnet link"), seed)
	b = append(append(b, from[:]...), to[:]...)
	sum := sha256.Sum256(b)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

// open starts a session and returns it, nil if there is one already.
func (h *host) open(receive func(Message)) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session != nil {
		return nil
	}
	h.session = &session{
		receive: receive,
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go h.run(h.session)
	return h.session
}

// close ends a session and waits for its goroutine; nil means the current one.
func (h *host) close(which *session) {
	h.mu.Lock()
	if which == nil {
		which = h.session
	}
	if which != nil && which == h.session {
		h.session = nil
		h.drop()
		close(which.stop)
	}
	h.mu.Unlock()
	if which != nil {
		<-which.done
	}
}

// drop drops all packets under way. h.mu must be held.
func (h *host) drop() {
	h.counts.Absent += uint64(h.waiting())
	h.later = nil
	h.ready = [2]queue{}
	for _, l := range h.links {
		l.waiting = 0
	}
}

// waiting returns the number of packets under way. h.mu must be held.
func (h *host) waiting() int {
	return len(h.later) + h.ready[0].len() + h.ready[1].len()
}

// accept decides whether a packet that is being sent is lost and when it is due, and queues it.
func (h *host) accept(now time.Time, p packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.link(p.from)
	lost, jitter := l.random.Float64(), l.random.Float64() // always draw both
	h.counts.Sent++
	switch c := &l.conditions; {
	case h.session == nil:
		h.counts.Absent++
		return
	case c.Cut:
		h.counts.Cut++
		return
	case lost < c.Loss:
		h.counts.Lost++
		return
	case l.waiting >= c.Queue:
		h.counts.Full++
		return
	default:
		p.due = now.Add(c.Latency + time.Duration(jitter*float64(c.Jitter)))
	}
	l.waiting++
	p.link, p.sequence = l, h.sequence
	h.sequence++
	wake := true
	if p.due.After(now) {
		heap.Push(&h.later, p)
		wake = h.later[0].sequence == p.sequence // otherwise the session wakes earlier anyway
	} else {
		h.due(p)
	}
	if wake {
		select {
		case h.session.wake <- struct{}{}:
		default:
		}
	}
}

// due queues a packet for delivery. h.mu must be held.
func (h *host) due(p packet) {
	if p.priority {
		h.ready[0].push(p)
	} else {
		h.ready[1].push(p)
	}
}

// run is the goroutine of a session.
func (h *host) run(session *session) {
	defer close(session.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p, wait, ok := h.next(session)
		switch {
		case !ok:
			return
		case wait == 0:
			session.receive(Message{From: p.from, Kind: p.kind, Priority: p.priority, Body: wire.CopyBuffer(p.body)})
			continue
		case wait < 0:
			timer.Stop()
		default:
			timer.Reset(wait)
		}
		select {
		case <-session.wake:
		case <-timer.C:
		case <-session.stop:
			return
		}
	}
}

// next takes the next packet that is due. If there is none, wait is the time until the next one,
// negative if none is under way. ok is false when the session is over.
func (h *host) next(session *session) (p packet, wait time.Duration, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session != session {
		return packet{}, 0, false
	}
	if len(h.later) > 0 {
		for now := time.Now(); len(h.later) > 0 && !h.later[0].due.After(now); {
			h.due(heap.Pop(&h.later).(packet))
		}
	}
	for i := range h.ready {
		for h.ready[i].len() > 0 {
			p := h.ready[i].pop()
			p.link.waiting--
			if p.link.conditions.Cut {
				h.counts.Cut++
				continue
			}
			h.counts.Delivered++
			h.counts.Bytes += uint64(len(p.body))
			return p, 0, true
		}
	}
	if len(h.later) == 0 {
		return packet{}, -1, true
	}
	return packet{}, max(time.Until(h.later[0].due), 1), true
}
