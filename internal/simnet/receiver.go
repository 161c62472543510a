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

// receiver holds the messages under way to one identity. mu guards all fields below it.
type receiver struct {
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

// link is one direction between two identities. The receiver keeps it.
type link struct {
	conditions Conditions
	random     *rand.Rand
	waiting    int // number of packets in later and ready
}

// session is the state of one endpoint from Join to Close.
type session struct {
	receive func(Message)
	wake    chan struct{} // capacity 1: a message may be due earlier than expected
	stop    chan struct{} // closed when the session is removed from the receiver, under its mu
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

func newReceiver(id wire.PublicKey, c Config) *receiver {
	return &receiver{id: id, config: c, links: make(map[wire.PublicKey]*link)}
}

// link returns the link from a sender and makes it if necessary. r.mu must be held.
func (r *receiver) link(from wire.PublicKey) *link {
	l := r.links[from]
	if l == nil {
		l = &link{conditions: r.config.Default, random: linkRandom(r.config.Seed, from, r.id)}
		r.links[from] = l
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
func (r *receiver) open(receive func(Message)) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session != nil {
		return nil
	}
	r.session = &session{
		receive: receive,
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go r.run(r.session)
	return r.session
}

// close ends a session and waits for its goroutine; nil means the current one.
func (r *receiver) close(which *session) {
	r.mu.Lock()
	if which == nil {
		which = r.session
	}
	if which != nil && which == r.session {
		r.session = nil
		r.drop()
		close(which.stop)
	}
	r.mu.Unlock()
	if which != nil {
		<-which.done
	}
}

// drop drops all packets under way. r.mu must be held.
func (r *receiver) drop() {
	r.counts.Absent += uint64(r.waiting())
	r.later = nil
	r.ready = [2]queue{}
	for _, l := range r.links {
		l.waiting = 0
	}
}

// waiting returns the number of packets under way. r.mu must be held.
func (r *receiver) waiting() int {
	return len(r.later) + r.ready[0].len() + r.ready[1].len()
}

// accept decides whether a packet that is being sent is lost and when it is due, and queues it.
func (r *receiver) accept(now time.Time, p packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.link(p.from)
	lost, jitter := l.random.Float64(), l.random.Float64() // always draw both
	r.counts.Sent++
	switch c := &l.conditions; {
	case r.session == nil:
		r.counts.Absent++
		return
	case c.Cut:
		r.counts.Cut++
		return
	case lost < c.Loss:
		r.counts.Lost++
		return
	case l.waiting >= c.Queue:
		r.counts.Full++
		return
	default:
		p.due = now.Add(c.Latency + time.Duration(jitter*float64(c.Jitter)))
	}
	l.waiting++
	p.link, p.sequence = l, r.sequence
	r.sequence++
	wake := true
	if p.due.After(now) {
		heap.Push(&r.later, p)
		wake = r.later[0].sequence == p.sequence // otherwise the session wakes earlier anyway
	} else {
		r.due(p)
	}
	if wake {
		select {
		case r.session.wake <- struct{}{}:
		default:
		}
	}
}

// due queues a packet for delivery. r.mu must be held.
func (r *receiver) due(p packet) {
	if p.priority {
		r.ready[0].push(p)
	} else {
		r.ready[1].push(p)
	}
}

// run is the goroutine of a session.
func (r *receiver) run(session *session) {
	defer close(session.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p, wait, ok := r.next(session)
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
func (r *receiver) next(session *session) (p packet, wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session != session {
		return packet{}, 0, false
	}
	if len(r.later) > 0 {
		for now := time.Now(); len(r.later) > 0 && !r.later[0].due.After(now); {
			r.due(heap.Pop(&r.later).(packet))
		}
	}
	for i := range r.ready {
		for r.ready[i].len() > 0 {
			p := r.ready[i].pop()
			p.link.waiting--
			if p.link.conditions.Cut {
				r.counts.Cut++
				continue
			}
			r.counts.Delivered++
			r.counts.Bytes += uint64(len(p.body))
			return p, 0, true
		}
	}
	if len(r.later) == 0 {
		return packet{}, -1, true
	}
	return packet{}, max(time.Until(r.later[0].due), 1), true
}
