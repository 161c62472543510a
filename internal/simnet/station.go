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

// station is where messages to one identity wait. Everything in it is guarded by mu.
type station struct {
	id      wire.PublicKey
	options Config

	mu       sync.Mutex
	links    map[wire.PublicKey]*link // by sender
	session  *session                 // of the endpoint; nil while nobody has joined
	later    schedule                 // not due yet
	ready    [2]queue                 // due: those with priority, the others
	sequence uint64                   // of the next packet, to keep the order of those due together
	counts   Counts
}

// link is one direction between two identities, kept at the receiving one.
type link struct {
	conditions Conditions
	random     *rand.Rand
	waiting    int // packets in later and ready
}

// session is the life of one endpoint: from Join to Close.
type session struct {
	receive func(Message)
	wake    chan struct{} // capacity 1: something may be due earlier than thought
	stop    chan struct{} // closed by whoever takes the session off the station, under its mu
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

func newStation(id wire.PublicKey, o Config) *station {
	return &station{id: id, options: o, links: make(map[wire.PublicKey]*link)}
}

// link returns the link from a sender, making it when it is new. s.mu must be held.
func (s *station) link(from wire.PublicKey) *link {
	l := s.links[from]
	if l == nil {
		l = &link{conditions: s.options.Default, random: linkRandom(s.options.Seed, from, s.id)}
		s.links[from] = l
	}
	return l
}

// linkRandom returns the random source of a link: independent of that of any other, and of when the link is first used.
func linkRandom(seed uint64, from, to wire.PublicKey) *rand.Rand {
	b := binary.BigEndian.AppendUint64([]byte("lanecast simnet link"), seed)
	b = append(append(b, from[:]...), to[:]...)
	sum := sha256.Sum256(b)
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
}

// open starts a session, unless there is one, and returns it.
func (s *station) open(receive func(Message)) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		return nil
	}
	s.session = &session{
		receive: receive,
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go s.run(s.session)
	return s.session
}

// close ends a session, nil for whichever there is, and waits for its goroutine.
func (s *station) close(which *session) {
	s.mu.Lock()
	if which == nil {
		which = s.session
	}
	if which != nil && which == s.session {
		s.session = nil
		s.drop()
		close(which.stop)
	}
	s.mu.Unlock()
	if which != nil {
		<-which.done
	}
}

// drop forgets all packets under way. s.mu must be held.
func (s *station) drop() {
	s.counts.Absent += uint64(s.waiting())
	s.later = nil
	s.ready = [2]queue{}
	for _, l := range s.links {
		l.waiting = 0
	}
}

// waiting returns how many packets are under way. s.mu must be held.
func (s *station) waiting() int {
	return len(s.later) + s.ready[0].len() + s.ready[1].len()
}

// accept decides about a packet that is being sent, and files it.
func (s *station) accept(now time.Time, p packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link(p.from)
	lost, jitter := l.random.Float64(), l.random.Float64() // always both: see the package comment
	s.counts.Sent++
	switch c := &l.conditions; {
	case s.session == nil:
		s.counts.Absent++
		return
	case c.Cut:
		s.counts.Cut++
		return
	case lost < c.Loss:
		s.counts.Lost++
		return
	case l.waiting >= c.Queue:
		s.counts.Full++
		return
	default:
		p.due = now.Add(c.Latency + time.Duration(jitter*float64(c.Jitter)))
	}
	l.waiting++
	p.link, p.sequence = l, s.sequence
	s.sequence++
	wake := true
	if p.due.After(now) {
		heap.Push(&s.later, p)
		wake = s.later[0].sequence == p.sequence // otherwise the session wakes for an earlier one anyway
	} else {
		s.due(p)
	}
	if wake {
		select {
		case s.session.wake <- struct{}{}:
		default:
		}
	}
}

// due files a packet as ready for delivery. s.mu must be held.
func (s *station) due(p packet) {
	if p.priority {
		s.ready[0].push(p)
	} else {
		s.ready[1].push(p)
	}
}

// run is the goroutine of a session.
func (s *station) run(session *session) {
	defer close(session.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p, wait, ok := s.next(session)
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

// next takes the next packet that is due. Otherwise wait says for how long there is none, negative for ever. ok is
// false when the session is over.
func (s *station) next(session *session) (p packet, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != session {
		return packet{}, 0, false
	}
	if len(s.later) > 0 {
		for now := time.Now(); len(s.later) > 0 && !s.later[0].due.After(now); {
			s.due(heap.Pop(&s.later).(packet))
		}
	}
	for i := range s.ready {
		for s.ready[i].len() > 0 {
			p := s.ready[i].pop()
			p.link.waiting--
			if p.link.conditions.Cut {
				s.counts.Cut++
				continue
			}
			s.counts.Delivered++
			s.counts.Bytes += uint64(len(p.body))
			return p, 0, true
		}
	}
	if len(s.later) == 0 {
		return packet{}, -1, true
	}
	return packet{}, max(time.Until(s.later[0].due), 1), true
}
