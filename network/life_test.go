package network

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// controlOnly configures a process without bulk types.
func controlOnly(_ int, c *Config) { c.Types = testTypes[:2] }

// times returns the number in an environment variable, or the usual number.
func times(variable string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return usual
}

// Of two connections between the same instances, of two dialled by one side the newer stays, else
// the one dialled by the smaller identity. Nothing is lost. docs/protocol.md 8.
func TestWhenBothDialAtOnceExactlyOneConnectionStaysAndNothingIsLost(t *testing.T) {
	for trial := range times("LANECAST_DIALS", 150) {
		bubble(t, 2, func(t *testing.T, w *world) {
			random := rand.New(rand.NewPCG(1, uint64(trial)))
			var mu sync.Mutex
			w.net.Delay = func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(random.Int64N(int64(20 * time.Millisecond)))
			}
			w.config = controlOnly
			var p [2]*process
			for i := range p {
				p[i] = w.start(i, new(recorder))
				time.Sleep(w.net.Delay() / 2)
			}
			var sent [2][]string
			for k := range 100 {
				for i := range p {
					if slices.Contains(p[i].connected(), w.id(1-i)) {
						m := fmt.Sprintf("%d", k)
						p[i].n.Send([]wire.PublicKey{w.id(1 - i)}, typeNode, []byte(m))
						sent[i] = append(sent[i], m)
					}
				}
				time.Sleep(3 * time.Millisecond)
			}
			after(time.Second)
			for i := range p {
				if live, settled := p[i].liveConns(w.id(1 - i)); live != 1 || !settled {
					t.Fatalf("trial %d: process %d has %d live connections, settled: %v", trial, i, live, settled)
				}
				got := p[1-i].from(w.id(i))
				slices.SortFunc(got, byNumber)
				if len(sent[i]) < 50 || !slices.Equal(got, sent[i]) {
					t.Fatalf("trial %d: process %d sent %d messages, of which %d came: %q", trial, i, len(sent[i]), len(got), got)
				}
				if events := p[i].history(); len(events) != 1 {
					t.Fatalf("trial %d: process %d was told %q", trial, i, events)
				}
			}
			if w.net.Open() != 1 {
				t.Fatalf("trial %d: %d connections are open", trial, w.net.Open())
			}
			stopAll(t, p[:]...)
		})
	}
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

// Connections of another remote instance replace older ones, of both classes, once that instance
// has answered a ping. docs/protocol.md 8.
func TestARestartedPeerReplacesItsConnectionsAndIsReportedAgain(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		// The old process is stopped as by SIGSTOP; no peer is notified.
		w.net.FreezeConns(w.address(1), true)
		b.n.cfg.Listener.Close()
		again := w.start(1, nil)
		after(2 * time.Second)
		if got := a.history(); len(got) != 2 || got[0] != got[1] {
			t.Errorf("the other process was told %q, not twice that the peer is connected", got)
		}
		a.n.Send([]wire.PublicKey{w.id(1)}, typeNode, []byte("x"))
		if m, err := a.n.Request(t.Context(), w.id(1), typePieceRequest, []byte("y")); err != nil {
			t.Errorf("asking the new instance: %v", err)
		} else {
			m.Buffer.Release()
		}
		synctest.Wait()
		if got := again.from(w.id(0)); !slices.Equal(got, []string{"x"}) {
			t.Errorf("the new instance got %q", got)
		}
		w.net.FreezeConns(w.address(1), false) // SIGCONT, after another process replaced it
		after(10 * time.Second)
		stopAll(t, a, again)
		b.cancel()
		<-b.done
	})
}

func TestAPeerThatWasRestartedIsNotGoneWhenItsOldConnectionBreaksBeforeItHasAnsweredAPing(t *testing.T) {
	for name, answers := range map[string]bool{"it answers later": true, "it never answers": false} {
		bubble(t, 2, func(t *testing.T, w *world) {
			w.config = controlOnly
			a := w.start(0, nil)
			after(time.Second)
			old, again := connectRaw(t, w, 1), connectRaw(t, w, 2)
			synctest.Wait()
			closeRaw(old)
			after(time.Second)
			a.n.Send([]wire.PublicKey{w.id(1)}, typeNode, []byte("x"))
			if answers {
				got := again.listen()
				synctest.Wait()
				if f := <-got; f.typ != typeNode || string(f.body) != "x" {
					t.Errorf("%s: it got type %#x, %q", name, f.typ, f.body)
				}
			}
			after(6 * time.Second)
			events, connected := a.history(), len(a.connected())
			if answers && (connected != 1 || len(events) != 2 || events[0] != events[1]) || !answers && (connected != 0 || len(events) != 2) {
				t.Errorf("%s: told %q", name, events)
			}
			closeRaw(again)
			a.stop(t)
		})
	}
}

func TestAnotherInstanceThatAnswersNoPingReplacesNothing(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.config = controlOnly
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		raw := dialRaw(t, w, w.keys[1], 0)
		raw.hello(t, func(h *hello) { h.instance = [16]byte{9} })
		for k := range 30 {
			a.n.Send([]wire.PublicKey{b.id}, typeAck, nil)
			after(10 * time.Millisecond)
			if got := len(b.from(a.id)); got != k+1 {
				t.Fatalf("%d of %d messages came while another instance was asked", got, k+1)
			}
		}
		after(2700 * time.Millisecond)
		if events := a.history(); len(events) != 1 {
			t.Errorf("told %q", events)
		}
		if live, _ := a.liveConns(w.id(1)); live != 1 {
			t.Errorf("%d live connections", live)
		}
		after(3 * time.Second)
		if live, settled := a.liveConns(w.id(1)); live != 1 || !settled {
			t.Errorf("%d live connections, settled: %v", live, settled)
		}
		raw.tls.NetConn().Close()
		stopAll(t, a, b)
	})
}

// A connection is replaced by its dialler, the new one made first, after 2^23 records in either
// direction. docs/protocol.md 8.
func TestAConnectionIsReplacedAfterItsRecordsAndNothingIsLost(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.config = func(i int, c *Config) {
			controlOnly(i, c)
			c.MaxRecords = 100
		}
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		const messages = 2000
		var want []string
		for k := range messages {
			want = append(want, fmt.Sprint(k))
			a.n.Send([]wire.PublicKey{w.id(1)}, typeNode, []byte(want[k]))
			time.Sleep(5 * time.Millisecond)
		}
		after(10 * time.Second)
		got := b.from(w.id(0))
		slices.SortFunc(got, byNumber)
		if !slices.Equal(got, want) {
			t.Errorf("%d of %d messages came", len(got), messages)
		}
		if dials := a.n.dials.Load() + b.n.dials.Load(); dials < messages/100/2 {
			t.Errorf("only %d connections were made", dials)
		}
		if a, b := a.history(), b.history(); len(a) != 1 || len(b) != 1 {
			t.Errorf("told %q and %q", a, b)
		}
		stopAll(t, a, b)
	})
}

func TestAConnectionThatIsNotReplacedInTimeEnds(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.config = func(i int, c *Config) {
			controlOnly(i, c)
			c.MaxAge = time.Hour
		}
		a := w.start(0, nil)
		raw := dialRaw(t, w, w.keys[1], 0)
		raw.hello(t, nil)
		synctest.Wait()
		if len(a.connected()) != 1 {
			t.Fatal("not connected")
		}
		go raw.answerPings()
		after(110 * time.Minute)
		if len(a.connected()) != 1 {
			t.Error("gone before its time")
		}
		after(11 * time.Minute)
		if len(a.connected()) != 0 || !errors.Is(a.reason(w.id(1)), errWorn) {
			t.Errorf("still connected after two hours, or gone for %v", a.reason(w.id(1)))
		}
		a.stop(t)
	})
}

func TestAPeerThatFallsSilentIsGivenUpAndConnectedAgainWhenItComesBack(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		a, b, c := w.start(0, nil), w.start(1, nil), w.start(2, nil)
		after(time.Second)
		w.net.Freeze(w.address(1), true)
		after(14 * time.Second)
		if len(a.connected()) != 2 {
			t.Error("given up too early")
		}
		after(7 * time.Second)
		if len(a.connected()) != 1 || len(c.connected()) != 1 || !errors.Is(a.reason(w.id(1)), errIdle) {
			t.Errorf("still connected, or gone for %v", a.reason(w.id(1)))
		}
		w.net.Freeze(w.address(1), false)
		after(2 * time.Minute)
		if len(a.connected()) != 2 || len(b.connected()) != 2 || len(c.connected()) != 2 {
			t.Error("not connected again")
		}
		stopAll(t, a, b, c)
	})
}

func TestConnectionsThatBreakAreMadeAgain(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.start(0, nil), w.start(1, nil)
		for range 20 {
			after(20 * time.Second)
			if len(a.connected()) != 1 || len(b.connected()) != 1 {
				t.Fatal("not connected")
			}
			w.net.Break()
		}
		after(20 * time.Second)
		if m, err := b.n.Request(t.Context(), w.id(0), typePieceRequest, nil); err != nil {
			t.Error(err)
		} else {
			m.Buffer.Release()
		}
		stopAll(t, a, b)
	})
}

func TestDelaysBetweenAttemptsGrowToTheirBound(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.config = controlOnly
		a := w.start(0, nil)
		after(time.Minute)
		first := a.n.counts.dials.Load()
		if first < 8 || first > 40 {
			t.Errorf("%d attempts in the first minute", first)
		}
		after(time.Hour)
		if later := a.n.counts.dials.Load() - first; later < 3600/30 || later > 3600/7 {
			t.Errorf("%d attempts in the hour after", later)
		}
		b := w.start(1, nil)
		a.n.Recheck()
		after(100 * time.Millisecond)
		if len(a.connected()) != 1 {
			t.Error("Recheck did not dial at once")
		}
		stopAll(t, a, b)
	})
}

func TestAPeerThatCannotBeDialledIsServedOnTheConnectionThatItDialled(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		delete(w.addresses, w.id(0))
		a, b := w.start(0, nil), w.start(1, nil)
		w.addresses[w.id(0)] = w.address(0)
		b.n.Recheck()
		after(time.Second)
		if len(a.connected()) != 1 || len(b.connected()) != 1 {
			t.Error("not connected")
		}
		stopAll(t, a, b)
	})
}

func TestRecheckDisconnectsRefusedPeersAndConnectsAdmittedOnes(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		refused := true
		r := &recorder{refuse: func(wire.PublicKey) bool { return refused }}
		a, b := w.start(0, r), w.start(1, nil)
		after(5 * time.Second)
		if len(b.connected()) != 0 || len(a.history()) != 0 {
			t.Fatal("a refused peer is connected")
		}
		for range 3 {
			r.mu.Lock()
			refused = !refused
			now := refused
			r.mu.Unlock()
			a.n.Recheck()
			after(time.Second)
			if connected := len(a.connected()) == 1; connected == now {
				t.Fatalf("refused: %v, connected: %v", now, connected)
			}
		}
		if !errors.Is(b.reason(w.id(0)), ErrRefused) {
			t.Errorf("the refused peer was told %v", b.reason(w.id(0)))
		}
		stopAll(t, a, b)
	})
}

func TestARoleThatChangesIsToldAgain(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		a.mu.Lock()
		a.roleOf = func(wire.PublicKey) Role { return Follower }
		a.mu.Unlock()
		a.n.Recheck()
		after(time.Second)
		if len(a.history()) != 2 || a.n.Peers()[0].Role != Follower {
			t.Errorf("told %q, the role is %v", a.history(), a.n.Peers()[0].Role)
		}
		stopAll(t, a, b)
	})
}

func TestNoMoreFollowersAndPeersThanTheirBoundsAndMembersComeFirst(t *testing.T) {
	bubble(t, 7, func(t *testing.T, w *world) {
		w.config = func(i int, c *Config) {
			c.Addresses = func() map[wire.PublicKey]string { return map[wire.PublicKey]string{w.id(0): w.address(0)} }
			if i == 0 {
				c.MaxPeers, c.MaxFollowers = 3, 2
			}
		}
		hub := w.start(0, &recorder{roleOf: func(id wire.PublicKey) Role {
			if id == w.id(1) || id == w.id(2) || id == w.id(3) {
				return Follower
			}
			return Member
		}})
		all := []*process{hub}
		check := func(what string, want ...int) {
			t.Helper()
			var connected []int
			for i := range 7 {
				if slices.Contains(hub.connected(), w.id(i)) {
					connected = append(connected, i)
				}
			}
			if !slices.Equal(connected, want) || len(hub.n.Peers()) != len(want) {
				t.Errorf("%s: connected are %v, want %v", what, connected, want)
			}
		}
		start := func(i int) {
			all = append(all, w.start(i, nil))
			after(time.Second)
		}
		for _, i := range []int{2, 1, 3} {
			start(i)
		}
		check("three followers", 1, 2)
		start(4)
		check("a member, for whom there is room", 1, 2, 4)
		start(5)
		check("a member, for whom there is none", 2, 4, 5)
		if e := new(goodbyeError); !errors.As(hub.reason(w.id(1)), &e) || e.code != byeBusy {
			t.Errorf("a follower that left is gone for %v", hub.reason(w.id(1)))
		}
		start(6)
		after(time.Minute) // the followers try again meanwhile
		check("three members", 4, 5, 6)
		all[len(all)-1].stop(t)
		all = all[:len(all)-1]
		after(time.Minute)
		if followers := len(hub.connected()) - 2; followers != 1 {
			t.Errorf("%d followers have the place that a member left", followers)
		}
		stopAll(t, all...)
	})
}

func TestPingsMeasureRoundTripAndClockOffset(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.net.Delay = func() time.Duration { return 20 * time.Millisecond }
		a, b := w.start(0, nil), w.start(1, nil)
		after(10 * time.Second)
		if s := a.n.Peers(); len(s) != 1 || s[0].RoundTrip != 40*time.Millisecond || s[0].ClockOffset != 0 {
			t.Errorf("status %+v", s)
		}
		stopAll(t, a, b)
	})
}

func TestPingsMeasureRoundTripsLongerThanTheirInterval(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.net.Delay = func() time.Duration { return 250 * time.Millisecond }
		w.config = func(_ int, c *Config) { c.PingInterval = 100 * time.Millisecond }
		a, b := w.start(0, nil), w.start(1, nil)
		after(10 * time.Second)
		for _, p := range []*process{a, b} {
			if s := p.n.Peers(); len(s) != 1 || s[0].RoundTrip != 500*time.Millisecond {
				t.Errorf("status %+v", s)
			}
		}
		stopAll(t, a, b)
	})
}

func TestATransportKeyServesForItsIdentityUntilItExpires(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		transport := testKey(100)
		proof := &KeyProof{Identity: w.id(1), NotAfter: time.Now().Add(time.Hour).Truncate(time.Second)}
		proof.Signature = wire.Signature(ed25519.Sign(w.keys[1], TransportMessage([]byte("test"), publicKey(transport), proof.NotAfter)))
		w.config = func(i int, c *Config) {
			if i == 1 {
				c.Key, c.Proof = transport, proof
			}
		}
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Minute)
		if !slices.Equal(a.connected(), []wire.PublicKey{w.id(1)}) || len(b.connected()) != 1 {
			t.Fatal("not connected under the identity")
		}
		after(time.Hour)
		if len(a.connected()) != 0 {
			t.Error("connected with a key that has expired")
		}
		wrong := *proof
		wrong.Signature[0]++
		c := Config{Key: transport, Proof: &wrong, Types: testTypes, Settings: Settings{Namespace: []byte("test")}}
		var bad *ConfigError
		if _, err := New(c); !errors.As(err, &bad) || bad.Field != "Proof" {
			t.Errorf("a wrong proof: %v", err)
		}
		stopAll(t, a, b)
	})
}

func TestRunEndsInTimeAlsoWithPeersThatReadNothing(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		w.net.Freeze(w.address(1), true)
		for range 3000 {
			a.n.Send([]wire.PublicKey{w.id(1)}, typeNode, make([]byte, 1000))
		}
		after(time.Second)
		a.stop(t)
		b.stop(t)
		if err := a.n.Run(t.Context(), a.recorder); !errors.Is(err, ErrRun) {
			t.Errorf("running again: %v", err)
		}
	})
}

func TestRunReturnsWhenItsListenerFails(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		synctest.Wait()
		a.n.cfg.Listener.Close()
		if err := <-a.done; err == nil {
			t.Error("Run returned nil")
		}
	})
}

// Both sides send goodbye as their last frame, end their direction of TLS, and read up to the
// other's end before they close it, so that nothing is lost. docs/protocol.md 8.
func TestAConnectionThatLostIsWrittenToTheEndThoughThePeerHasEndedItsSide(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.net.Buffer = 4 << 10
		w.config = controlOnly
		a := w.start(0, nil)
		synctest.Wait()
		raw := connectRaw(t, w, 1)
		synctest.Wait()
		const messages = 50
		for range messages {
			a.n.Send([]wire.PublicKey{w.id(1)}, typeNode, make([]byte, 1000))
		}
		synctest.Wait() // the writer waits for room
		raw.send(t, frameOf(typeGoodbye, (&goodbyeError{code: byeDuplicate}).appendTo(nil)))
		if err := raw.tls.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		nodes := 0
		for {
			typ, _, err := raw.tryFrame()
			if err != nil {
				t.Fatalf("after %d messages the connection ended without a goodbye: %v", nodes, err)
			}
			if typ == typeGoodbye {
				break
			}
			nodes++
		}
		var waiting int // for the next connection
		a.peer(w.id(1), func(p *peer) { waiting, _ = p.links[Control].queue.waiting() })
		if nodes == 0 || nodes+waiting != messages {
			t.Errorf("%d of %d messages came, %d wait", nodes, messages, waiting)
		}
		raw.tls.NetConn().Close()
		a.stop(t)
	})
}

// Both sides read up to the other's end before they close it, so that nothing is lost.
// docs/protocol.md 8. It holds also when that takes long, as over a slow link.
func TestAConnectionThatLostIsReadToItsEndAsLongAsSomethingComes(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.net.Buffer = 1 << 20
		w.config = controlOnly
		var came int
		a := w.start(0, &recorder{take: func(_ wire.PublicKey, batch []Message) {
			time.Sleep(time.Second)
			for _, m := range batch {
				m.Buffer.Release()
			}
			came += len(batch)
		}})
		synctest.Wait()
		raw := connectRaw(t, w, 1)
		const messages = 30
		for range messages {
			raw.send(t, frameOf(typeNode, make([]byte, 30<<10)))
		}
		newer := dialRaw(t, w, w.keys[1], 0)
		newer.hello(t, func(h *hello) { h.instance, h.dial = [16]byte{1}, 2 })
		newer.listen()
		if e := raw.goodbye(); e == nil || e.code != byeDuplicate {
			t.Fatalf("the older connection ended with %v", e)
		}
		raw.send(t, frameOf(typeGoodbye, (&goodbyeError{code: byeDuplicate}).appendTo(nil)))
		if err := raw.tls.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		after(2 * linger)
		if a.conns(w.id(1)) != 2 {
			t.Error("the test has lost its point: the older connection was read in no time")
		}
		after(maxLinger)
		if came != messages || a.conns(w.id(1)) != 1 {
			t.Errorf("%d of %d messages came, %d connections are left", came, messages, a.conns(w.id(1)))
		}
		closeRaw(raw, newer)
		a.stop(t)
	})
}

func TestAConnectionThatLostEndsThoughItsPeerGoesOn(t *testing.T) {
	for name, most := range map[string]time.Duration{"in silence": linger, "forever": maxLinger} {
		bubble(t, 2, func(t *testing.T, w *world) {
			w.config = controlOnly
			a := w.start(0, nil)
			synctest.Wait()
			raw := connectRaw(t, w, 1)
			newer := dialRaw(t, w, w.keys[1], 0)
			newer.hello(t, func(h *hello) { h.instance, h.dial = [16]byte{1}, 2 })
			newer.listen()
			began := time.Now()
			for a.conns(w.id(1)) > 1 && time.Since(began) < time.Hour {
				if most == maxLinger {
					_, _ = raw.tls.Write(frameOf(typeAck, nil)) // until it is closed
				}
				time.Sleep(time.Second)
			}
			if took := time.Since(began); took < most || took > most+2*time.Second {
				t.Errorf("%s: it ended after %v", name, took)
			}
			closeRaw(raw, newer)
			a.stop(t)
		})
	}
}

// Between the same instances and for one class: of two dialled by one side the newer stays (the
// higher dial number of hello), else the one dialled by the smaller identity. docs/protocol.md 8.
func TestBothSidesPreferTheSameConnection(t *testing.T) {
	keys := ascendingKeys(2)
	type end struct {
		bySmaller bool
		number    uint64
	}
	// seen returns a connection from the view of one of its sides.
	seen := func(e end, smaller bool) *conn {
		own, other := publicKey(keys[1]), publicKey(keys[0])
		if smaller {
			own, other = other, own
		}
		c := &conn{n: &Network{id: own}, id: other, dialled: e.bySmaller == smaller}
		if c.dialled {
			c.local.dial = e.number
		} else {
			c.remote.dial = e.number
		}
		return c
	}
	ascending := []end{{false, 1}, {false, 7}, {true, 1}, {true, 2}}
	for i, worse := range ascending {
		for _, better := range ascending[i+1:] {
			for _, smaller := range []bool{false, true} {
				if !seen(better, smaller).beats(seen(worse, smaller)) || seen(worse, smaller).beats(seen(better, smaller)) {
					t.Errorf("%+v does not stay rather than %+v, as the smaller identity sees it: %v", better, worse, smaller)
				}
			}
		}
	}
}
