package network

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func TestAPeerThatReadsNothingLosesItsNewestMessagesThenItsConnectionAndDelaysNobody(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		w.net.Buffer = 64 << 10
		w.config = func(i int, c *Config) {
			controlOnly(i, c)
			c.QueueMessages = 100
		}
		stuck := make(chan struct{})
		var taken atomic.Int64
		slow := &recorder{take: func(_ wire.PublicKey, batch []Message) {
			<-stuck
			for _, m := range batch {
				m.Buffer.Release()
			}
			taken.Add(int64(len(batch)))
		}}
		a, b, c := w.start(0, nil), w.start(1, slow), w.start(2, nil)
		after(time.Second)
		both := []wire.PublicKey{b.id, c.id}
		const messages = 400
		for k := range messages {
			a.n.Send(both, typeNode, append(fmt.Appendf(nil, "%d ", k), make([]byte, 2000)...))
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if got := c.from(a.id); len(got) != messages {
			t.Errorf("%d of %d messages came to the peer that reads", len(got), messages)
		}
		var waiting int
		a.peer(b.id, func(p *peer) { waiting, _ = p.links[Control].queue.waiting() })
		if dropped := a.n.counts.drops[dropFull].Load(); dropped == 0 || waiting != 100 {
			t.Errorf("%d messages were dropped, %d wait", dropped, waiting)
		}
		after(10 * time.Second)
		if why := a.reason(b.id); why == nil {
			t.Error("a peer that reads nothing keeps its connection")
		}
		close(stuck)
		after(30 * time.Second)
		if !slices.Contains(a.connected(), b.id) {
			t.Error("a peer that reads again is not connected again")
		}
		stopAll(t, a, b, c)
	})
}

func TestAPeerIsNotTakenForSilentAtTheEndOfAWriteThatTookLong(t *testing.T) {
	for name, answers := range map[string]bool{"it answers pings then": true, "it answers nothing": false} {
		bubble(t, 2, func(t *testing.T, w *world) {
			w.net.Buffer = 4 << 10
			w.config = func(i int, c *Config) {
				controlOnly(i, c)
				c.PingInterval, c.IdleTimeout = time.Second, 3*time.Second
			}
			a := w.start(0, nil)
			synctest.Wait()
			raw := connectRaw(t, w, 1)
			a.n.Send([]wire.PublicKey{w.id(1)}, typeNode, make([]byte, 30<<10))
			after(8 * time.Second)
			if answers {
				raw.listen()
			} else {
				go func() { _, _ = io.Copy(io.Discard, raw.tls) }()
			}
			after(10 * time.Second)
			if connected := len(a.connected()) == 1; connected != answers {
				t.Errorf("%s: connected: %v, told %q, %v", name, connected, a.history(), a.reason(w.id(1)))
			}
			closeRaw(raw)
			a.stop(t)
		})
	}
}

// Acks, certificates and frames of the transport's own go before nodes that wait on the same
// connection. docs/protocol.md 8.1.
func TestUrgentMessagesGoBeforeOthersThatWait(t *testing.T) {
	q := newQueue(100, 1<<20, new(atomic.Int64))
	types := newTypeTable(testTypes)
	for i := range 20 {
		typ := typeNode
		if i%4 == 3 {
			typ = typeAck
		}
		if !q.push(outgoing{info: &types[typ], message: fmt.Appendf(nil, "%d", i)}) {
			t.Fatal("no room")
		}
	}
	var counts typeCounts
	b, _ := q.take(nil, 1<<20, nil, &counts)
	var got []string
	for p := newFrameParser(types, Control); ; {
		f, rest, ok, err := p.next(b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, string(f.buffer.Bytes()))
		f.buffer.Release()
		b = rest
	}
	want := "3 7 11 15 19 0 1 2 4 5 6 8 9 10 12 13 14 16 17 18"
	if strings.Join(got, " ") != want {
		t.Errorf("sent in the order %q", got)
	}
}

func TestAQueueIsBoundedInMessagesAndBytes(t *testing.T) {
	types := newTypeTable(testTypes)
	for _, c := range []struct{ messages, bytes, size, room int }{{10, 1000, 1, 10}, {10, 1000, 300, 3}, {10, 1000, 0, 10}, {1, 1, 2, 0}} {
		q := newQueue(c.messages, c.bytes, new(atomic.Int64))
		room := 0
		for range 20 {
			if q.push(outgoing{info: &types[typeNode], message: make([]byte, c.size)}) {
				room++
			}
		}
		if room != c.room {
			t.Errorf("%+v: %d messages had room", c, room)
		}
		if q.close(ErrDisconnected) != c.room || q.push(outgoing{info: &types[typeNode]}) {
			t.Errorf("%+v: a closed queue takes messages, or had others", c)
		}
	}
}

func TestBulkIsPacedAndGoesToFewPeersAtATime(t *testing.T) {
	bubble(t, 9, func(t *testing.T, w *world) {
		const rate, body, piece = 1 << 20, 1 << 20, 64 << 10
		var mu sync.Mutex
		arrived := make(map[wire.PublicKey][]time.Time)
		w.config = func(i int, c *Config) {
			c.Addresses = func() map[wire.PublicKey]string { return map[wire.PublicKey]string{w.id(0): w.address(0)} }
			c.BulkRate, c.BulkPeers, c.BulkTurn = rate, 2, body
		}
		hub := w.start(0, nil)
		all := []*process{hub}
		var to []wire.PublicKey
		for i := 1; i < 9; i++ {
			id := w.id(i)
			all = append(all, w.start(i, &recorder{take: func(_ wire.PublicKey, batch []Message) {
				mu.Lock()
				defer mu.Unlock()
				for _, m := range batch {
					arrived[id] = append(arrived[id], time.Now())
					m.Buffer.Release()
				}
			}}))
			to = append(to, id)
		}
		after(time.Second)
		start := time.Now()
		for range body / piece {
			hub.n.Send(to, typeBody, make([]byte, piece))
		}
		after(20 * time.Second)
		var done []time.Duration
		for _, id := range to {
			if len(arrived[id]) != body/piece {
				t.Fatalf("%d pieces came", len(arrived[id]))
			}
			done = append(done, arrived[id][len(arrived[id])-1].Sub(start))
		}
		slices.Sort(done)
		if last := done[len(done)-1]; last < 7500*time.Millisecond || last > 8500*time.Millisecond {
			t.Errorf("8 bodies of a second each took %v", last)
		}
		// With two at a time the first two are done after two seconds, not after eight.
		if done[1] > 2200*time.Millisecond || done[3] > 4200*time.Millisecond {
			t.Errorf("bodies had arrived after %v", done)
		}
		stopAll(t, all...)
	})
}

func TestAPeerThatTakesNoBulkDoesNotKeepItsPlace(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		w.config = func(i int, c *Config) {
			c.Addresses = func() map[wire.PublicKey]string { return map[wire.PublicKey]string{w.id(0): w.address(0)} }
			c.BulkPeers = 1
		}
		hub, b := w.start(0, nil), w.start(1, nil)
		after(time.Second)
		w.net.Freeze(w.address(1), true)
		c := w.start(2, nil)
		after(time.Second)
		for _, id := range []wire.PublicKey{w.id(1), w.id(2)} {
			for range 20 {
				hub.n.Send([]wire.PublicKey{id}, typeBody, make([]byte, 100<<10))
			}
			synctest.Wait() // the writer is stuck, or done
		}
		after(200 * time.Millisecond)
		if got := len(c.from(w.id(0))); got != 20 {
			t.Errorf("%d of 20 messages came while another peer was stuck", got)
		}
		stopAll(t, hub, b, c)
	})
}

func TestEverythingThatOneReadBringsIsHandedOverInOneCall(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		raw := connectRaw(t, w, 1)
		synctest.Wait()
		w.net.FreezeConns("raw:1", true)
		for range 5 { // records
			raw.send(t, slices.Repeat(frameOf(typeAck, []byte("ack")), 40))
		}
		w.net.FreezeConns("raw:1", false)
		synctest.Wait()
		if got := a.from(w.id(1)); len(got) != 200 || a.batches != 1 {
			t.Errorf("%d messages came in %d calls", len(got), a.batches)
		}
		raw.send(t, slices.Repeat(frameOf(typeAck, nil), 1500))
		synctest.Wait()
		if got := a.from(w.id(1)); len(got) != 1700 || a.batches < 3 {
			t.Errorf("%d messages came in %d calls, none of which should have more than %d", len(got), a.batches, batchLimit)
		}
		a.stop(t)
		raw.tls.NetConn().Close()
	})
}

// loopback starts a process on a real socket, for measurements.
func loopback(t testing.TB, i int, h Handler, change func(*Config)) (*Network, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Key: testKey(i), Types: testTypes, Settings: Settings{Namespace: []byte("test")}, Listener: l,
		MaxHandshakesPerAddress: 64,
	}
	if change != nil {
		change(&c)
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return n, l.Addr().String()
}

// dialTo gives a process only the addresses of others.
func dialTo(addresses map[wire.PublicKey]string) func(*Config) {
	return func(c *Config) { c.Addresses = func() map[wire.PublicKey]string { return maps.Clone(addresses) } }
}

func TestMessagesAreSentAndReceivedWithoutAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("pools drop at random under the race detector")
	}
	var received atomic.Int64
	r := &recorder{take: func(_ wire.PublicKey, batch []Message) {
		for _, m := range batch {
			m.Buffer.Release()
		}
		received.Add(int64(len(batch)))
	}}
	a, address := loopback(t, 0, r, nil)
	b, _ := loopback(t, 1, new(recorder), dialTo(map[wire.PublicKey]string{a.Identity(): address}))
	testkit.Eventually(t, "they are connected", func() bool { return len(b.Peers()) == 1 && len(a.Peers()) == 1 })
	message, to := make([]byte, 150), []wire.PublicKey{a.Identity()}
	const burst, bursts = 1000, 100
	send := func(n int) {
		for range n {
			want := received.Load() + burst
			for range burst {
				b.Send(to, typeAck, message)
			}
			for received.Load() < want {
				runtime.Gosched()
			}
		}
	}
	send(20)
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	send(bursts)
	runtime.ReadMemStats(&now)
	// A garbage collection empties pools.
	if per := float64(now.Mallocs-before.Mallocs) / (burst * bursts); per > 0.1 {
		t.Errorf("%.3f allocations per message", per)
	}
}

// shortListener gives sockets short buffers.
type shortListener struct{ net.Listener }

func (l shortListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		shorten(c)
	}
	return c, err
}

func shorten(c net.Conn) {
	_ = c.(*net.TCPConn).SetReadBuffer(16 << 10)
	_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
}

func TestMemoryStaysWithinTheFormulaWhileAHundredPeersFlood(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector has memory of its own")
	}
	const peers, most = 100, 1.2
	release := make(chan struct{})
	defer close(release)
	r := &recorder{take: func(_ wire.PublicKey, batch []Message) {
		<-release
		for _, m := range batch {
			m.Buffer.Release()
		}
	}}
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := heap()
	var bound int64
	n, address := loopback(t, 0, r, func(c *Config) {
		c.Listener = shortListener{c.Listener}
		c.QueueBytes, c.QueueMessages = 256<<10, 1024
		c.MaxPeers, c.MaxFollowers = peers, peers
		c.PingInterval, c.WriteTimeout = time.Hour, time.Hour // these peers neither answer nor read
		bound = c.MaxMemory(peers)
	})
	var ids []wire.PublicKey
	var flood sync.WaitGroup
	for i := range peers {
		key := testKey(1000 + i)
		ids = append(ids, publicKey(key))
		config, err := newTLSConfig(key)
		if err != nil {
			t.Fatal(err)
		}
		for class := range Class(classes) {
			socket, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			shorten(socket)
			t.Cleanup(func() { socket.Close() })
			raw := tls.Client(socket, config)
			h := goodHello()
			h.class = class
			if _, err := raw.Write(frameOf(typeHello, h.appendTo(nil))); err != nil {
				t.Fatal(err)
			}
			// It reads the head of the hello, and then nothing any more.
			if _, err := io.ReadFull(raw, make([]byte, headSize)); err != nil {
				t.Fatal(err)
			}
			flood.Go(func() {
				if class == Bulk { // all but the last byte of a frame
					b := append(binary.BigEndian.AppendUint32(nil, 1+128<<10), byte(typeBody))
					_, _ = raw.Write(append(b, make([]byte, 128<<10-1)...))
					return
				}
				_ = raw.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				acks := slices.Repeat(frameOf(typeAck, make([]byte, 150)), 100)
				for {
					if _, err := raw.Write(acks); err != nil {
						return
					}
				}
			})
		}
	}
	testkit.Eventually(t, "all are connected", func() bool { return len(n.Peers()) == peers })
	flood.Wait()
	for _, id := range ids { // each message has memory of its own
		for class, typ := range []Type{Control: typeNode, Bulk: typeBody} {
			q := &n.peers[id].links[class].queue
			testkit.Eventually(t, "the queue is full and the writer is stuck", func() bool {
				for range 100 {
					n.Send([]wire.PublicKey{id}, typ, make([]byte, 5<<10))
				}
				time.Sleep(time.Millisecond) // so that a working writer can take something
				_, bytes := q.waiting()
				return bytes > n.cfg.QueueBytes-5<<10
			})
		}
	}
	used := heap() - before
	t.Logf("%d peers use %.1f MiB; the formula gives %.1f MiB", peers, float64(used)/(1<<20), float64(bound)/(1<<20))
	if float64(used) > most*float64(bound) {
		t.Errorf("%d bytes are used; the formula gives %d", used, bound)
	}
	if used < bound/8 {
		t.Errorf("%d bytes are used, far less than the %d of the formula: the test does not flood", used, bound)
	}
}
