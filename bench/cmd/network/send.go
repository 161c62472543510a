package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/wire"
)

const (
	bulkRate = 25 << 20 // bytes per second
	linkRate = 32 << 20 // bytes per second of the link that both classes share: somewhat more
	pieces   = 64 << 10
	voteRate = 200 // per second
)

// votes measures the delay of votes over a link of linkRate: alone, beside bulk on a separate,
// paced connection, and beside the same bulk on the same connection.
func votes(o options, out io.Writer) error {
	fmt.Fprintln(out, "                               p50 ms   p99 ms   max ms   bulk MB/s")
	for _, way := range []struct {
		name   string
		bulk   bool
		bodies network.Class
	}{{"no bulk", false, network.Bulk}, {"bulk on its own connection", true, network.Bulk}, {"bulk on the same connection", true, network.Control}} {
		delays, sent, took, err := votesBeside(o, way.bulk, way.bodies)
		if err != nil {
			return err
		}
		slices.Sort(delays)
		at := func(q float64) float64 { return delays[int(q*float64(len(delays)-1))].Seconds() * 1000 }
		fmt.Fprintf(out, "%-30s %-8.2f %-8.2f %-8.2f %.1f\n", way.name, at(0.5), at(0.99), at(1), float64(sent)/took.Seconds()/1e6)
	}
	return nil
}

func votesBeside(o options, bulk bool, bodies network.Class) (delays []time.Duration, sent int64, took time.Duration, err error) {
	var mu sync.Mutex
	var received atomic.Int64
	taken := handler{connected: make(chan wire.PublicKey, 10), take: func(_ wire.PublicKey, batch []network.Message) {
		now := time.Now().UnixNano()
		for _, m := range batch {
			if m.Type == typeBody {
				received.Add(int64(len(m.Buffer.Bytes())))
			} else {
				mu.Lock()
				delays = append(delays, time.Duration(now-int64(binary.BigEndian.Uint64(m.Buffer.Bytes()))))
				mu.Unlock()
			}
			m.Buffer.Release()
		}
	}}
	l := &link{rate: linkRate}
	to := identity(receiver)
	a, address, err := transport(receiver, nil, func(c *network.Config) { c.Types = types(bodies) })
	if err != nil {
		return nil, 0, 0, err
	}
	b, _, err := transport(key("sender", 0), map[wire.PublicKey]string{to: address}, func(c *network.Config) {
		c.Types, c.Dial, c.BulkRate = types(bodies), l.dial, bulkRate
	})
	if err != nil {
		return nil, 0, 0, err
	}
	connected := make(chan wire.PublicKey, 10)
	finish := start(a, taken)
	defer finish()
	defer start(b, handler{connected: connected})()
	<-connected
	done := make(chan struct{})
	var sending sync.WaitGroup
	if bulk {
		sending.Go(func() {
			body := make([]byte, pieces)
			for {
				select {
				case <-done:
					return
				default:
				}
				if b.Waiting() < 32 {
					b.Send([]wire.PublicKey{to}, typeBody, body)
				} else {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	time.Sleep(o.duration / 4)
	mu.Lock()
	delays = nil
	mu.Unlock()
	before, began := received.Load(), time.Now()
	for k := range int(float64(o.slices) * o.duration.Seconds() * voteRate) {
		time.Sleep(time.Until(began.Add(time.Duration(k) * time.Second / voteRate)))
		vote := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))
		b.Send([]wire.PublicKey{to}, bridge.Ack, append(vote, make([]byte, ackSize)...))
	}
	took, sent = time.Since(began), received.Load()-before
	close(done)
	sending.Wait()
	time.Sleep(o.duration / 4)
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(delays), sent, took, nil
}

// start runs a network; the function that it returns ends it.
func start(n *network.Network, h network.Handler) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Run(ctx, h); err != nil {
			panic(err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// link is a link of limited rate, shared by the connections that are dialled over it: bytes leave
// it in the order in which they were written.
type link struct {
	rate int
	mu   sync.Mutex
	due  time.Time // when the last byte written so far leaves the link
}

// socketBuffer is the number of bytes of a connection that may wait for the link.
const socketBuffer = 64 << 10

func (l *link) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	lc := &linkConn{Conn: c, link: l, waiting: make(chan packet, 1024), room: make(chan struct{}, 1), done: make(chan struct{})}
	go lc.forward()
	return lc, nil
}

// linkConn is one end of a connection over a link. Written bytes leave the link at their computed
// times, however late the goroutines wake up: if each write slept until its time, it would sleep
// too long and waste half of the rate.
type linkConn struct {
	net.Conn
	link    *link
	waiting chan packet
	held    atomic.Int64 // number of waiting bytes
	room    chan struct{}
	closing sync.Once
	done    chan struct{} // closed with the connection
}

// packet is bytes with the time at which they have left the link.
type packet struct {
	bytes []byte
	due   time.Time
}

// forward passes on the bytes that have left the link, until the connection is closed.
func (c *linkConn) forward() {
	for {
		select {
		case p := <-c.waiting:
			time.Sleep(time.Until(p.due))
			if _, err := c.Conn.Write(p.bytes); err != nil {
				c.Close()
				return
			}
			c.held.Add(-int64(len(p.bytes)))
			select {
			case c.room <- struct{}{}:
			default:
			}
		case <-c.done:
			return
		}
	}
}

func (c *linkConn) Close() error {
	c.closing.Do(func() { close(c.done) })
	return c.Conn.Close()
}

// Write waits for room in the connection's buffer.
func (c *linkConn) Write(p []byte) (int, error) {
	for c.held.Load() >= socketBuffer {
		select {
		case <-c.room:
		case <-c.done:
			return 0, net.ErrClosed
		}
	}
	l := c.link
	l.mu.Lock()
	if now := time.Now(); l.due.Before(now) {
		l.due = now
	}
	l.due = l.due.Add(time.Duration(len(p)) * time.Second / time.Duration(l.rate))
	due := l.due
	l.mu.Unlock()
	c.held.Add(int64(len(p)))
	select {
	case c.waiting <- packet{bytes.Clone(p), due}:
		return len(p), nil
	case <-c.done:
		return 0, net.ErrClosed
	}
}

// stuck measures the throughput of four peers while a fifth reads, and while it does not.
func stuck(o options, out io.Writer) error {
	const others = 4
	var count atomic.Int64
	hub, address, err := transport(receiver, nil, func(c *network.Config) { c.WriteTimeout = time.Hour })
	if err != nil {
		return err
	}
	connected := make(chan wire.PublicKey, 100)
	defer start(hub, handler{connected: connected})()
	var to []wire.PublicKey
	gate := make(chan struct{}, 1) // a token in it stops the fifth peer
	for i := range others + 1 {
		n, _, err := transport(key("peer", i), map[wire.PublicKey]string{identity(receiver): address}, func(c *network.Config) { c.IdleTimeout = time.Hour })
		if err != nil {
			return err
		}
		to = append(to, n.Identity())
		last := i == others
		defer start(n, handler{take: func(_ wire.PublicKey, batch []network.Message) {
			if last {
				gate <- struct{}{}
				<-gate
			} else {
				count.Add(int64(len(batch)))
			}
			for _, m := range batch {
				m.Buffer.Release()
			}
		}})()
	}
	for range to {
		<-connected
	}
	done := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		message := ack()
		for {
			select {
			case <-done:
				return
			default:
			}
			before := count.Load()
			for range 256 {
				hub.Send(to, bridge.Ack, message)
			}
			for count.Load() < before+others*128 {
				time.Sleep(20 * time.Microsecond)
			}
		}
	})
	rate := func() float64 {
		before, began := count.Load(), time.Now()
		time.Sleep(o.duration)
		return float64(count.Load()-before) / time.Since(began).Seconds()
	}
	time.Sleep(o.duration / 2)
	var with, without float64
	for range o.slices {
		with = max(with, rate())
		gate <- struct{}{}
		time.Sleep(o.duration / 2)
		without = max(without, rate())
		<-gate
		time.Sleep(o.duration / 2)
	}
	close(done)
	sending.Wait()
	fmt.Fprintf(out, "to four others: %.0f messages/s while a fifth peer reads, %.0f while it reads nothing: %.3f\n", with, without, without/with)
	return nil
}
