package proc

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// status is the message about itself that a member sends to the others.
type status struct {
	Ready bool `json:"ready"` // it no longer waits for the others
	Done  bool `json:"done"`  // it has measured to the end, and its own chunks are delivered to it
	Level bool `json:"level"` // all chunks are delivered to it: it needs the others no more
	// Made is one more than the height of the last body that it made, once it is done; 0 if it made
	// none.
	Made uint64 `json:"made,omitempty"`
	// The run that it knows of, 0 for none; the time until its begin and its end, negative once
	// they have passed.
	Run      uint64        `json:"run,omitempty"`
	BeginsIn time.Duration `json:"begins_in_ns,omitempty"`
	EndsIn   time.Duration `json:"ends_in_ns,omitempty"`
}

// farthest bounds the time between now and the end of a run, past or future, that a member
// believes.
const farthest = 48 * time.Hour

// schedule is a member's knowledge of the others and of the run. Its methods may be called from any
// goroutine.
type schedule struct {
	send  func(to []wire.PublicKey, message []byte) // set before the network runs
	order []wire.PublicKey                          // of all members, by number
	self  wire.PublicKey

	mu    sync.Mutex
	there map[wire.PublicKey]status // the last status of each connected member
	own   status                    // without the fields about the run
	made  map[wire.PublicKey]uint64 // status.Made of every member that was ever done
	run   *Agreed                   // nil as long as none is known
	news  chan struct{}             // closed and replaced at each change
}

func newSchedule(self wire.PublicKey, order []wire.PublicKey) *schedule {
	return &schedule{order: order, self: self, there: make(map[wire.PublicKey]status), made: make(map[wire.PublicKey]uint64), news: make(chan struct{})}
}

// changed wakes all waiting goroutines. mu must be held.
func (s *schedule) changed() {
	close(s.news)
	s.news = make(chan struct{})
}

// message returns our status as a message. mu must be held.
func (s *schedule) message() []byte {
	m := s.own
	if s.run != nil {
		now := time.Now().UnixNano()
		m.Run, m.BeginsIn, m.EndsIn = s.run.ID, time.Duration(s.run.Begin-now), time.Duration(s.run.End-now)
	}
	b, err := json.Marshal(m)
	if err != nil { // numbers and booleans always encode
		panic(err)
	}
	return b
}

// tellAll sends our status to the others. mu must be held.
func (s *schedule) tellAll() {
	s.send(slices.Collect(maps.Keys(s.there)), s.message())
}

func (s *schedule) connected(id wire.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.there[id] = status{}
	s.send([]wire.PublicKey{id}, s.message())
	s.changed()
}

func (s *schedule) disconnected(id wire.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.there, id)
	s.changed()
}

// received takes in the status of another member, and ignores an invalid one.
func (s *schedule) received(from wire.PublicKey, message []byte) {
	var m status
	if json.Unmarshal(message, &m) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.there[from]; !ok {
		return
	}
	s.there[from] = m
	if m.Done {
		s.made[from] = m.Made
	}
	if m.Run != 0 && s.run == nil && m.BeginsIn < m.EndsIn && m.BeginsIn > -farthest && m.EndsIn < farthest && m.EndsIn > 0 {
		now := time.Now().UnixNano()
		s.run = &Agreed{ID: m.Run, Begin: now + int64(m.BeginsIn), End: now + int64(m.EndsIn)}
		s.tellAll()
	}
	s.changed()
}

// peers returns the connected members, and a channel that is closed at the next change.
func (s *schedule) peers() ([]wire.PublicKey, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.there)), s.news
}

// agreed returns the run, nil if none is known.
func (s *schedule) agreed() *Agreed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

// ready tells the others that we wait no more.
func (s *schedule) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own.Ready = true
	s.tellAll()
	s.changed()
}

// set adopts a run that we know from another source, such as our record.
func (s *schedule) set(a Agreed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		s.run = &a
		s.tellAll()
		s.changed()
	}
}

// name names the time of the run if that is our task: all connected members are ready, none knows
// of a run, and we are the first of them.
func (s *schedule) name(in, duration time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil || !s.own.Ready {
		return
	}
	for _, m := range s.there {
		if !m.Ready || m.Run != 0 {
			return
		}
	}
	for _, id := range s.order {
		if id == s.self {
			break
		}
		if _, ok := s.there[id]; ok {
			return
		}
	}
	begin := time.Now().Add(in).UnixNano()
	s.run = &Agreed{ID: rand.Uint64() | 1, Begin: begin, End: begin + int64(duration)}
	s.tellAll()
	s.changed()
}

// done tells the others that we have measured to the end, with status.Made.
func (s *schedule) done(made uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own.Done, s.own.Made = true, made
	s.tellAll()
}

// level tells the others that we need them no more.
func (s *schedule) level() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own.Level = true
	s.tellAll()
}

// ends returns, by lane, one more than the height of the last body made, for the members that are
// done.
func (s *schedule) ends() map[wire.PublicKey]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.made)
}

// others reports whether told holds for the status of each connected member, and returns a channel
// that is closed at the next change.
func (s *schedule) others(told func(status) bool) (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.there {
		if !told(m) {
			return false, s.news
		}
	}
	return true, s.news
}

func isDone(m status) bool  { return m.Done }
func isLevel(m status) bool { return m.Level }
