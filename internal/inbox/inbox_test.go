package inbox

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newInbox[T any](t testing.TB, capacity int, quotas ...int) (*Inbox[T], []*Producer[T]) {
	t.Helper()
	in, err := New[T](capacity)
	if err != nil {
		t.Fatal(err)
	}
	var ps []*Producer[T]
	for _, q := range quotas {
		p, err := in.Producer(q)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	return in, ps
}

func TestAFloodingProducerCrowdsOutOnlyItself(t *testing.T) {
	in, ps := newInbox[int](t, 5, 2, 3)
	for i := range 100 {
		if err := ps[0].Push(i); (err == nil) != (i < 2) || i >= 2 && !errors.Is(err, ErrQuota) {
			t.Fatalf("push %d: %v", i, err)
		}
	}
	for i := range 3 {
		if err := ps[1].Push(100 + i); err != nil {
			t.Fatalf("the other producer's push %d: %v", i, err)
		}
	}
	if in.Len() != 5 || ps[0].Waiting() != 2 || ps[1].Waiting() != 3 {
		t.Fatalf("Len %d, Waiting %d and %d", in.Len(), ps[0].Waiting(), ps[1].Waiting())
	}
	var got []int
	for v, ok := in.Pop(); ok; v, ok = in.Pop() {
		got = append(got, v)
	}
	if want := []int{0, 1, 100, 101, 102}; !slices.Equal(got, want) {
		t.Fatalf("popped %v, want %v", got, want)
	}
}

func TestAPopMakesRoomForItsProducerOnly(t *testing.T) {
	in, ps := newInbox[string](t, 2, 1, 1)
	for i, p := range ps {
		if err := p.Push([]string{"a", "b"}[i]); err != nil {
			t.Fatal(err)
		}
	}
	if v, ok := in.Pop(); !ok || v != "a" {
		t.Fatal(v, ok)
	}
	if err := ps[1].Push("x"); !errors.Is(err, ErrQuota) {
		t.Fatalf("the second producer still waits, yet its push says %v", err)
	}
	if err := ps[0].Push("c"); err != nil {
		t.Fatal(err)
	}
}

func TestQuotasNeverExceedTheCapacity(t *testing.T) {
	in, ps := newInbox[int](t, 10, 6, 4)
	if _, err := in.Producer(1); !errors.Is(err, ErrCapacity) {
		t.Fatalf("an eleventh message reserved: %v", err)
	}
	for _, q := range []int{0, -1, 11} {
		if _, err := in.Producer(q); !errors.Is(err, ErrRange) {
			t.Fatalf("quota %d: %v", q, err)
		}
	}
	if err := ps[0].Push(1); err != nil {
		t.Fatal(err)
	}
	ps[0].Close()
	ps[0].Close()
	if err := ps[0].Push(2); !errors.Is(err, ErrClosed) {
		t.Fatalf("push after Close: %v", err)
	}
	if _, err := in.Producer(1); !errors.Is(err, ErrCapacity) {
		t.Fatalf("the quota came back while a message was waiting: %v", err)
	}
	if v, ok := in.Pop(); !ok || v != 1 {
		t.Fatal("the closed producer's message is lost")
	}
	if _, err := in.Producer(6); err != nil {
		t.Fatalf("the quota did not come back: %v", err)
	}
	ps[1].Close()
	if _, err := in.Producer(4); err != nil {
		t.Fatalf("the quota of an empty producer did not come back: %v", err)
	}
}

func TestAnInboxRefusesCapacitiesOutOfRange(t *testing.T) {
	for _, c := range []int{-1, 0, maxCapacity + 1} {
		if _, err := New[int](c); !errors.Is(err, ErrRange) {
			t.Errorf("capacity %d: %v", c, err)
		}
	}
}

func TestAClosedInboxDeliversItsMessagesAndTakesNoMore(t *testing.T) {
	in, ps := newInbox[int](t, 4, 4)
	for i := range 3 {
		if err := ps[0].Push(i); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
	in.Close()
	for range 3 { // one by reservation, two more when the quota is used up
		if err := ps[0].Push(9); !errors.Is(err, ErrClosed) {
			t.Fatalf("push: %v", err)
		}
	}
	if _, err := in.Producer(1); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrCapacity) {
		t.Fatalf("producer: %v", err)
	}
	select {
	case <-in.Wake():
	default:
		t.Fatal("Close did not wake the consumer")
	}
	if in.Len() != 3 {
		t.Fatalf("Len %d", in.Len())
	}
	for i := range 3 {
		if v, ok := in.Pop(); !ok || v != i {
			t.Fatalf("pop %d: %d %v", i, v, ok)
		}
	}
	if _, ok := in.Pop(); ok || in.Len() != 0 {
		t.Fatal("something left")
	}
}

func TestSleepSeesAMessageThatCameBeforeIt(t *testing.T) {
	in, ps := newInbox[int](t, 1, 1)
	if !in.Sleep() {
		t.Fatal("an empty inbox does not let its consumer sleep")
	}
	_ = ps[0].Push(1)
	select {
	case <-in.Wake():
	default:
		t.Fatal("the sleeper was not woken")
	}
	in.Pop()
	_ = ps[0].Push(2)
	select {
	case <-in.Wake():
		t.Fatal("a wake-up although the consumer did not sleep")
	default:
	}
	if in.Sleep() {
		t.Fatal("the consumer went to sleep over a message")
	}
}

// The slow twin is a list, as the doc comments describe; one goroutine, every operation in any
// order.
func TestAnInboxBehavesLikeAListWithQuotas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type message struct{ from, value int }
		type twin struct {
			quota, waiting int
			closed         bool
			p              *Producer[message]
		}
		capacity := rapid.IntRange(1, 9).Draw(t, "capacity")
		in, err := New[message](capacity)
		if err != nil {
			t.Fatal(err)
		}
		var producers []*twin
		var list []message
		reserved, next, closed := 0, 0, false
		pick := func(t *rapid.T) *twin {
			if len(producers) == 0 {
				t.Skip("no producer")
			}
			return producers[rapid.IntRange(0, len(producers)-1).Draw(t, "producer")]
		}
		t.Repeat(map[string]func(*rapid.T){
			"producer": func(t *rapid.T) {
				q := rapid.IntRange(1, capacity).Draw(t, "quota")
				p, err := in.Producer(q)
				switch {
				case closed:
					if !errors.Is(err, ErrClosed) {
						t.Fatal(err)
					}
				case reserved+q > capacity:
					if !errors.Is(err, ErrCapacity) {
						t.Fatal(err)
					}
				case err != nil:
					t.Fatal(err)
				default:
					reserved += q
					producers = append(producers, &twin{quota: q, p: p})
				}
			},
			"push": func(t *rapid.T) {
				w := pick(t)
				next++
				m := message{slices.Index(producers, w), next}
				switch err := w.p.Push(m); {
				case closed || w.closed:
					if !errors.Is(err, ErrClosed) {
						t.Fatal(err)
					}
				case w.waiting == w.quota:
					if !errors.Is(err, ErrQuota) {
						t.Fatal(err)
					}
				case err != nil:
					t.Fatal(err)
				default:
					w.waiting++
					list = append(list, m)
				}
			},
			"pop": func(t *rapid.T) {
				m, ok := in.Pop()
				if ok != (len(list) > 0) {
					t.Fatalf("pop says %v, %d are there", ok, len(list))
				}
				if !ok {
					return
				}
				if m != list[0] {
					t.Fatalf("popped %v, want %v", m, list[0])
				}
				list = list[1:]
				w := producers[m.from]
				if w.waiting--; w.closed && w.waiting == 0 {
					reserved -= w.quota
				}
			},
			"close a producer": func(t *rapid.T) {
				w := pick(t)
				w.p.Close()
				if !w.closed && w.waiting == 0 {
					reserved -= w.quota
				}
				w.closed = true
			},
			"reopen a producer": func(t *rapid.T) {
				w := pick(t)
				want := !w.closed || w.waiting > 0
				if w.p.Reopen() != want {
					t.Fatalf("Reopen with %d waiting", w.waiting)
				}
				w.closed = !want
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					in.Close()
					closed = true
				}
			},
			"sleep": func(t *rapid.T) {
				if in.Sleep() != (len(list) == 0) {
					t.Fatalf("Sleep with %d there", len(list))
				}
			},
			"": func(t *rapid.T) {
				if in.Len() != len(list) || int(in.reserved.Load()) != reserved {
					t.Fatalf("Len %d, want %d; reserved %d, want %d", in.Len(), len(list), in.reserved.Load(), reserved)
				}
				for i, w := range producers {
					if w.p.Waiting() != w.waiting {
						t.Fatalf("producer %d: Waiting %d, want %d", i, w.p.Waiting(), w.waiting)
					}
				}
			},
		})
	})
}

// stamped is a message with its sender and its number.
type stamped struct{ producer, goroutine, number int }

// Every push that succeeded is popped once, in its goroutine's order, under quotas so small that
// the ring always wraps around, with a consumer that sleeps whenever it can. After a lost wake-up
// the test hangs.
func TestUnderStressNothingIsLostDoubledOrReordered(t *testing.T) {
	const producers, goroutines = 4, 2
	each := 20_000
	if testing.Short() {
		each = 2_000
	}
	for _, quota := range []int{1, 3, 64} {
		in, ps := newInbox[stamped](t, producers*quota, slices.Repeat([]int{quota}, producers)...)
		var wg sync.WaitGroup
		for i, p := range ps {
			for g := range goroutines {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for n := 0; n < each; {
						switch err := p.Push(stamped{i, g, n}); err {
						case nil:
							n++
						case ErrQuota:
							runtime.Gosched()
						default:
							t.Error(err)
							return
						}
						if rand.IntN(64) == 0 {
							runtime.Gosched()
						}
					}
				}()
			}
		}
		var next [producers][goroutines]int
		for got := 0; got < producers*goroutines*each; {
			m, ok := in.Pop()
			if !ok {
				if in.Sleep() {
					select {
					case <-in.Wake():
					case <-time.After(20 * time.Second):
						t.Fatalf("quota %d: asleep with %d messages there", quota, in.Len())
					}
				}
				continue
			}
			if want := next[m.producer][m.goroutine]; m.number != want {
				t.Fatalf("quota %d: got number %d of %d/%d, want %d", quota, m.number, m.producer, m.goroutine, want)
			}
			next[m.producer][m.goroutine]++
			got++
		}
		wg.Wait()
		if _, ok := in.Pop(); ok || in.Len() != 0 {
			t.Fatal("more came out than went in")
		}
	}
}

// With one place and one producer that pushes as soon as it can, every push meets a consumer that
// is about to sleep, and no later push replaces a lost wake-up.
func TestNoWakeUpIsLostWhenAPushMeetsASleep(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 1_000
	}
	in, ps := newInbox[int](t, 1, 1)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for n := 0; n < rounds; {
			if ps[0].Push(n) == nil {
				n++
				continue
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for n := 0; n < rounds; {
		if _, ok := in.Pop(); ok {
			n++
		} else if in.Sleep() {
			select {
			case <-in.Wake():
			case <-timeout.C:
				t.Fatalf("asleep after %d messages, with %d there", n, in.Len())
			}
		}
	}
}

// Producers are opened, push, and are closed while others push: quotas return exactly, and no slot
// is given to two.
func TestProducersMayComeAndGoWhileOthersPush(t *testing.T) {
	in, steady := newInbox[int](t, 8, 4)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var pushed, popped [3]int
	for g := range pushed {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var last *Producer[int] // the third one is reopened if possible
			for {
				select {
				case <-stop:
					return
				default:
				}
				p := steady[0]
				if g > 0 && (g == 1 || last == nil || !last.Reopen()) {
					var err error
					if last, err = in.Producer(2); err != nil {
						last = nil
						runtime.Gosched() // the last one's messages have not all been popped
						continue
					}
				}
				if g > 0 {
					p = last
				}
				for range 3 {
					if p.Push(g) == nil {
						pushed[g]++
					}
				}
				if g > 0 {
					p.Close()
				}
			}
		}()
	}
	drain := func() {
		for v, ok := in.Pop(); ok; v, ok = in.Pop() {
			popped[v]++
		}
	}
	for deadline := time.Now().Add(20 * time.Second); slices.Min(popped[:]) < 500 && time.Now().Before(deadline); {
		drain()
		runtime.Gosched()
	}
	close(stop)
	wg.Wait()
	drain()
	if popped != pushed || slices.Min(popped[:]) < 500 {
		t.Fatalf("popped %v, pushed %v", popped, pushed)
	}
	if r := in.reserved.Load(); r != 4 {
		t.Fatalf("%d reserved, want the steady producer's 4", r)
	}
}

func TestAPushThatRacesWithCloseIsEitherRefusedOrPopped(t *testing.T) {
	for range 200 {
		in, ps := newInbox[int](t, 64, 32, 32)
		var wg sync.WaitGroup
		accepted := make([]int, len(ps))
		for i, p := range ps {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for p.Push(i) == nil {
					accepted[i]++
				}
			}()
		}
		runtime.Gosched()
		in.Close()
		popped := make([]int, len(ps))
		drain := func() {
			for v, ok := in.Pop(); ok; v, ok = in.Pop() {
				popped[v]++
			}
		}
		drain()
		wg.Wait()
		drain()
		if !slices.Equal(popped, accepted) || in.Len() != 0 {
			t.Fatalf("popped %v, accepted %v, %d left", popped, accepted, in.Len())
		}
	}
}

func TestPushAndPopAllocateNothing(t *testing.T) {
	in, ps := newInbox[*int](t, 8, 8)
	x := new(int)
	if n := testing.AllocsPerRun(1000, func() {
		_ = ps[0].Push(x)
		in.Pop()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
