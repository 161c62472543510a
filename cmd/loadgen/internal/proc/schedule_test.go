package proc

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// told holds the schedules of members whose messages reach each other after a delay.
type told struct {
	delay time.Duration
	mu    sync.Mutex // guards all while messages are under way
	all   map[wire.PublicKey]*schedule
}

func id(i int) wire.PublicKey { return wire.PublicKey{byte(i)} }

func newTold(n int, delay time.Duration) *told {
	h := &told{delay: delay, all: make(map[wire.PublicKey]*schedule)}
	for i := range n {
		h.restart(i, n)
	}
	return h
}

// restart replaces a member by one that knows nothing.
func (h *told) restart(i, n int) *schedule {
	var order []wire.PublicKey
	for j := range n {
		order = append(order, id(j))
	}
	s := newSchedule(id(i), order)
	s.send = func(to []wire.PublicKey, message []byte) {
		for _, other := range to {
			message := slices.Clone(message)
			time.AfterFunc(h.delay, func() {
				h.mu.Lock()
				to := h.all[other]
				h.mu.Unlock()
				to.received(id(i), message)
			})
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[id(i)] = s
	return s
}

func (h *told) connect(i, j int) {
	h.all[id(i)].connected(id(j))
	h.all[id(j)].connected(id(i))
	time.Sleep(2 * h.delay) // earlier messages arrive before later ones are sent
}

func TestMembersAgreeOnATimeOnceAllAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTold(3, 20*time.Millisecond)
		for i := range 3 {
			for j := range i {
				h.connect(j, i)
			}
		}
		for i := range 3 {
			time.Sleep(time.Second)
			for _, s := range h.all {
				s.name(300*time.Millisecond, time.Minute)
				if s.agreed() != nil {
					t.Fatalf("a run was named when %d of 3 were ready", i)
				}
			}
			h.all[id(i)].ready()
		}
		time.Sleep(time.Second)
		for i := 2; i >= 0; i-- {
			h.all[id(i)].name(300*time.Millisecond, time.Minute)
			if named := h.all[id(i)].agreed() != nil; named != (i == 0) {
				t.Errorf("member %d named a run: %v", i, named)
			}
		}
		time.Sleep(time.Second)
		first := h.all[id(0)].agreed()
		for i := range 3 {
			a := h.all[id(i)].agreed()
			if a == nil || a.ID != first.ID || a.End-a.Begin != int64(time.Minute) || time.Duration(a.Begin-first.Begin).Abs() > h.delay {
				t.Errorf("member %d: %+v, and the first %+v", i, a, first)
			}
		}
	})
}

func TestAMemberThatComesBackLearnsOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTold(3, 5*time.Millisecond)
		h.connect(1, 2)
		for i := 1; i < 3; i++ {
			h.all[id(i)].ready()
		}
		time.Sleep(time.Second)
		h.all[id(1)].name(0, time.Minute) // the first of the connected members
		time.Sleep(10 * time.Second)
		s := h.restart(0, 3)
		h.connect(0, 2)
		time.Sleep(time.Second)
		s.ready()
		s.name(0, time.Minute)
		if a, first := s.agreed(), h.all[id(1)].agreed(); a == nil || a.ID != first.ID || time.Duration(a.End-first.End).Abs() > 2*h.delay {
			t.Errorf("%+v, and the others %+v", a, first)
		}
	})
}

func TestARunThatIsOverIsNoRunToJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTold(2, 5*time.Millisecond)
		h.all[id(1)].set(Agreed{ID: 7, Begin: time.Now().Add(-time.Minute).UnixNano(), End: time.Now().Add(-time.Second).UnixNano()})
		h.connect(0, 1)
		time.Sleep(time.Second)
		s := h.all[id(0)]
		s.ready()
		time.Sleep(time.Second)
		s.name(0, time.Minute)
		if a := s.agreed(); a != nil {
			t.Errorf("%+v while a member is still in a run that is over", a)
		}
		s.disconnected(id(1))
		s.name(0, time.Minute)
		if s.agreed() == nil {
			t.Error("no run although that member is gone")
		}
	})
}

func TestWhatMakesNoSenseIsNoRun(t *testing.T) {
	s := newSchedule(id(0), []wire.PublicKey{id(0), id(1)})
	s.send = func([]wire.PublicKey, []byte) {}
	s.connected(id(1))
	for _, message := range []string{
		``, `{`, `[]`, `{"ready":1}`, `{"run":-1,"ends_in_ns":1}`,
		`{"run":1,"begins_in_ns":5,"ends_in_ns":5}`, `{"run":1,"begins_in_ns":0,"ends_in_ns":9223372036854775807}`,
		`{"run":1,"begins_in_ns":-9223372036854775808,"ends_in_ns":1}`, `{"run":0,"begins_in_ns":1,"ends_in_ns":2}`,
	} {
		s.received(id(1), []byte(message))
		if a := s.agreed(); a != nil {
			t.Fatalf("%s: %+v", message, a)
		}
	}
	s.received(id(2), []byte(`{"run":1,"begins_in_ns":1,"ends_in_ns":2000000}`))
	if a := s.agreed(); a != nil {
		t.Errorf("%+v of a member that is not connected", a)
	}
	s.received(id(1), []byte(`{"run":1,"begins_in_ns":1,"ends_in_ns":2000000}`))
	if s.agreed() == nil {
		t.Error("no run")
	}
}

func TestAMemberIsDoneWhenAllThatAreThereAre(t *testing.T) {
	s := newSchedule(id(0), []wire.PublicKey{id(0), id(1), id(2)})
	s.send = func([]wire.PublicKey, []byte) {}
	for i := 1; i <= 2; i++ {
		s.connected(id(i))
	}
	s.received(id(1), []byte(`{"done":true}`))
	if done, _ := s.others(isDone); done {
		t.Error("done while member 2 is not")
	}
	s.disconnected(id(2))
	if done, _ := s.others(isDone); !done {
		t.Error("not done although member 2 is gone")
	}
}
