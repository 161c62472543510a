package simnet

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func id(b byte) (k wire.PublicKey) {
	k[0] = b
	return k
}

// inbox collects the messages that an endpoint receives.
type inbox struct {
	mu       sync.Mutex
	received []receipt
}

type receipt struct {
	from     wire.PublicKey
	kind     Kind
	priority bool
	body     string
	at       time.Time
}

func (in *inbox) receive(m Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received = append(in.received, receipt{m.From, m.Kind, m.Priority, string(m.Body.Bytes()), time.Now()})
	m.Body.Release()
}

func (in *inbox) all() []receipt {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.received)
}

func (in *inbox) bodies() (bodies []string) {
	for _, r := range in.all() {
		bodies = append(bodies, r.body)
	}
	return bodies
}

func newNetwork(t testing.TB, o Config) *Network {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func join(t testing.TB, n *Network, b byte) (*Endpoint, *inbox) {
	t.Helper()
	in := new(inbox)
	e, err := n.Join(id(b), in.receive)
	if err != nil {
		t.Fatal(err)
	}
	return e, in
}

func TestAMessageReachesEachReceiverOnceAsACopyOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		a, _ := join(t, n, 1)
		_, b := join(t, n, 2)
		_, c := join(t, n, 3)
		a.Send([]wire.PublicKey{id(2), id(3)}, Node, []byte("node"), false)
		a.Send([]wire.PublicKey{id(3)}, Ack, []byte("ack"), true)
		synctest.Wait()
		if got := b.bodies(); !slices.Equal(got, []string{"node"}) {
			t.Errorf("second received %q", got)
		}
		if got := c.bodies(); len(got) != 2 {
			t.Errorf("third received %q", got)
		}
		for _, r := range c.all() {
			if r.from != id(1) || (r.body == "ack") != (r.kind == Ack) || (r.body == "ack") != r.priority {
				t.Errorf("received %+v", r)
			}
		}
		if got, want := n.Counts(), (Counts{Sent: 3, Delivered: 3, Bytes: 11}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

func TestLatencyPassesBeforeDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Default: Conditions{Latency: 50 * time.Millisecond}})
		a, _ := join(t, n, 1)
		_, b := join(t, n, 2)
		start := time.Now()
		a.Send([]wire.PublicKey{id(2)}, Ack, []byte("x"), false)
		time.Sleep(49 * time.Millisecond)
		synctest.Wait()
		if len(b.all()) != 0 {
			t.Fatal("arrived early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := b.all(); len(got) != 1 || got[0].at.Sub(start) != 50*time.Millisecond {
			t.Errorf("received %+v, sent at %v", got, start)
		}
	})
}

func TestAnEarlierMessageOvertakesOneThatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		slow, _ := join(t, n, 1)
		fast, _ := join(t, n, 2)
		_, in := join(t, n, 3)
		set(t, n, 1, 3, Conditions{Latency: time.Second})
		set(t, n, 2, 3, Conditions{Latency: time.Millisecond})
		slow.Send([]wire.PublicKey{id(3)}, Ack, []byte("slow"), false)
		synctest.Wait() // now the receiver sleeps for a second
		fast.Send([]wire.PublicKey{id(3)}, Ack, []byte("fast"), false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := in.bodies(); !slices.Equal(got, []string{"fast", "slow"}) {
			t.Errorf("received %q", got)
		}
	})
}

func set(t testing.TB, n *Network, from, to byte, c Conditions) {
	t.Helper()
	if err := n.SetLink(id(from), id(to), c); err != nil {
		t.Fatal(err)
	}
}

func TestALinkWithoutJitterKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		latency := time.Duration(rapid.IntRange(0, 3).Draw(r, "latency")) * time.Millisecond
		gaps := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 100).Draw(r, "gaps")
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, Config{Default: Conditions{Latency: latency}})
			a, _ := join(t, n, 1)
			_, b := join(t, n, 2)
			var want []string
			for i, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Millisecond)
				want = append(want, string(rune('0'+i)))
				a.Send([]wire.PublicKey{id(2)}, Node, []byte(want[i]), false)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := b.bodies(); !slices.Equal(got, want) {
				t.Errorf("received %q, want %q", got, want)
			}
		})
	})
}

func TestPriorityGoesFirstAmongDueMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		a, _ := join(t, n, 1)
		entered, proceed := make(chan struct{}, 8), make(chan struct{})
		var got []string
		if _, err := n.Join(id(2), func(m Message) {
			got = append(got, string(m.Body.Bytes()))
			m.Body.Release()
			entered <- struct{}{}
			<-proceed
		}); err != nil {
			t.Fatal(err)
		}
		to := []wire.PublicKey{id(2)}
		a.Send(to, Ack, []byte("first"), false)
		<-entered // the receiver is busy; later messages are queued
		a.Send(to, Ack, []byte("ordinary"), false)
		a.Send(to, Ack, []byte("urgent"), true)
		close(proceed)
		synctest.Wait()
		if want := []string{"first", "urgent", "ordinary"}; !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	})
}

func TestJitterStaysWithinItsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Conditions{Latency: 10 * time.Millisecond, Jitter: 20 * time.Millisecond}
		n := newNetwork(t, Config{Seed: 3, Default: c})
		a, _ := join(t, n, 1)
		_, b := join(t, n, 2)
		start := time.Now()
		for range 500 {
			a.Send([]wire.PublicKey{id(2)}, Ack, []byte("x"), false)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var early, late bool
		for _, r := range b.all() {
			took := r.at.Sub(start)
			if took < c.Latency || took > c.Latency+c.Jitter {
				t.Fatalf("took %v", took)
			}
			early = early || took < c.Latency+c.Jitter/10
			late = late || took > c.Latency+c.Jitter*9/10
		}
		if len(b.all()) != 500 || !early || !late {
			t.Errorf("%d received, some early: %v, some late: %v", len(b.all()), early, late)
		}
	})
}

func TestLossIsDecidedByTheSeed(t *testing.T) {
	run := func(seed uint64, pause time.Duration) (got []string) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, Config{Seed: seed, Default: Conditions{Loss: 0.3}})
			a, _ := join(t, n, 1)
			_, b := join(t, n, 2)
			for i := range 300 {
				a.Send([]wire.PublicKey{id(2)}, Ack, []byte{byte(i), byte(i >> 8)}, false)
				time.Sleep(pause)
			}
			synctest.Wait()
			if c := n.Counts(); c.Lost+c.Delivered != 300 || c.Lost < 50 || c.Lost > 130 {
				t.Errorf("counts %+v", c)
			}
			got = b.bodies()
		})
		return got
	}
	first := run(1, 0)
	if !slices.Equal(first, run(1, time.Millisecond)) {
		t.Error("the same seed lost other messages when the timing changed")
	}
	if slices.Equal(first, run(2, 0)) {
		t.Error("another seed lost the same messages")
	}
}

func TestACutLinkLosesMessagesUnderWayToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Default: Conditions{Latency: time.Second}})
		a, inA := join(t, n, 1)
		b, inB := join(t, n, 2)
		a.Send([]wire.PublicKey{id(2)}, Node, []byte("under way"), false)
		n.Cut(id(1), id(2))
		a.Send([]wire.PublicKey{id(2)}, Node, []byte("while cut"), false)
		b.Send([]wire.PublicKey{id(1)}, Node, []byte("back"), false)
		time.Sleep(2 * time.Second)
		n.Heal(id(1), id(2))
		if c := n.Link(id(1), id(2)); c.Cut || c.Latency != time.Second {
			t.Errorf("healed link has %+v", c)
		}
		a.Send([]wire.PublicKey{id(2)}, Node, []byte("healed"), false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := inB.bodies(); !slices.Equal(got, []string{"healed"}) || len(inA.bodies()) != 0 {
			t.Errorf("received %q and %q", got, inA.bodies())
		}
		if c := n.Counts(); c.Cut != 3 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestAFullLinkDropsTheNewestAndOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Default: Conditions{Latency: time.Second, Queue: 3}})
		flood, _ := join(t, n, 1)
		quiet, _ := join(t, n, 2)
		_, in := join(t, n, 3)
		for i := range 10 {
			flood.Send([]wire.PublicKey{id(3)}, Ack, []byte{byte('0' + i)}, false)
		}
		quiet.Send([]wire.PublicKey{id(3)}, Ack, []byte("quiet"), false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := in.bodies(); !slices.Equal(got, []string{"0", "1", "2", "quiet"}) {
			t.Errorf("received %q", got)
		}
		if c := n.Counts(); c.Full != 7 {
			t.Errorf("counts %+v", c)
		}
		flood.Send([]wire.PublicKey{id(3)}, Ack, []byte("again"), false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := in.bodies(); got[len(got)-1] != "again" {
			t.Errorf("the queue did not empty: received %q", got)
		}
	})
}

func TestAnEndpointThatRejoinsFindsNoOldMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Default: Conditions{Latency: time.Second}})
		a, _ := join(t, n, 1)
		b, in := join(t, n, 2)
		a.Send([]wire.PublicKey{id(2)}, Ack, []byte("old"), false)
		b.Close()
		a.Send([]wire.PublicKey{id(2)}, Ack, []byte("nobody there"), false)
		again, _ := join(t, n, 2)
		b.Close() // b is the earlier endpoint: this must not close the new one
		a.Send([]wire.PublicKey{id(2)}, Ack, []byte("new"), false)
		if again.Waiting() != 1 {
			t.Errorf("%d waiting", again.Waiting())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if c := n.Counts(); c.Absent != 2 || c.Delivered != 1 || len(in.bodies()) != 0 {
			t.Errorf("counts %+v, first endpoint received %q", c, in.bodies())
		}
	})
}

func TestMessagesToStrangersAreCounted(t *testing.T) {
	n := newNetwork(t, Config{})
	a, _ := join(t, n, 1)
	a.Send([]wire.PublicKey{id(9)}, Ack, []byte("x"), false)
	if c := n.Counts(); c.Absent != 1 || c.Sent != 1 {
		t.Errorf("counts %+v", c)
	}
	if c := n.Link(id(7), id(8)); c.Queue != DefaultQueue || c.Cut {
		t.Errorf("an unknown link has %+v", c)
	}
}

func TestBadConditionsAreRefusedByName(t *testing.T) {
	for name, c := range map[string]Conditions{
		"Latency": {Latency: -1},
		"Jitter":  {Jitter: -1},
		"Loss":    {Loss: 1.5},
		"NaN":     {Loss: math.NaN()},
		"Queue":   {Queue: -1},
	} {
		if _, err := New(Config{Default: c}); !errors.Is(err, ErrConditions) {
			t.Errorf("%s: New returned %v", name, err)
		}
		if err := newNetwork(t, Config{}).SetLink(id(1), id(2), c); !errors.Is(err, ErrConditions) {
			t.Errorf("%s: SetLink returned %v", name, err)
		}
	}
}

func TestJoiningTwiceOrAfterTheEndIsRefused(t *testing.T) {
	n := newNetwork(t, Config{})
	join(t, n, 1)
	if _, err := n.Join(id(1), func(Message) {}); !errors.Is(err, ErrJoined) {
		t.Errorf("joining twice: %v", err)
	}
	n.Close()
	n.Close()
	if _, err := n.Join(id(2), func(Message) {}); !errors.Is(err, ErrClosed) {
		t.Errorf("joining a closed network: %v", err)
	}
}

func TestCloseWaitsForTheReceiver(t *testing.T) {
	n := newNetwork(t, Config{})
	a, _ := join(t, n, 1)
	entered, finished := make(chan struct{}), false
	if _, err := n.Join(id(2), func(m Message) {
		close(entered)
		time.Sleep(20 * time.Millisecond)
		finished = true
		m.Body.Release()
	}); err != nil {
		t.Fatal(err)
	}
	a.Send([]wire.PublicKey{id(2)}, Ack, []byte("x"), false)
	<-entered
	n.Close()
	if !finished {
		t.Error("Close returned while the receiver was running")
	}
}
