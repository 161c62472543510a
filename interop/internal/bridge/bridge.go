// Package bridge carries engines' messages over plain TCP on this machine, in the frames of
// upstream's side (interop/upstream/src/net.rs): u32 big-endian length of the rest, a byte for the
// channel, the sender's identity, the message. Each process dials every other, and sends on the
// connections that it dialled. It authenticates nothing: it is for processes that trust each other.
// Package network is the transport for all other uses.
package bridge

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Channel is the kind of a message.
type Channel byte

// The channels.
const (
	Node Channel = 0
	Ack  Channel = 1
)

const (
	headSize = 1 + wire.PublicKeySize // channel and sender
	maxFrame = 1 << 20                // largest length in a frame
	waiting  = 8192                   // frames for one peer
	retry    = 50 * time.Millisecond  // between attempts to connect
)

// appendFrame appends a frame.
func appendFrame(dst []byte, c Channel, from wire.PublicKey, message []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(headSize+len(message)))
	dst = append(append(dst, byte(c)), from[:]...)
	return append(dst, message...)
}

// readFrame reads a frame. io.EOF means that the connection ended between two frames.
func readFrame(r io.Reader) (c Channel, from wire.PublicKey, message []byte, err error) {
	var head [4 + headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, from, nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < headSize || size > maxFrame {
		return 0, from, nil, fmt.Errorf("bridge: a frame of %d bytes; there must be %d to %d", size, headSize, maxFrame)
	}
	message = make([]byte, size-headSize)
	if _, err := io.ReadFull(r, message); err != nil {
		return 0, from, nil, fmt.Errorf("bridge: a truncated frame: %w", err)
	}
	return Channel(head[4]), wire.PublicKey(head[5:]), message, nil
}

// Config describes a process's place in the network.
type Config struct {
	Identity wire.PublicKey
	Listener net.Listener
	Peers    map[wire.PublicKey]string // the others' addresses
	// Loss is the probability that a message is lost, from 0 to less than 1.
	Loss float64
	// Deliver gets the messages of peers, on one goroutine for each connection. It owns them.
	Deliver func(c Channel, from wire.PublicKey, message []byte)
}

// Bridge is one process's connections. It implements engine.Sender.
type Bridge struct {
	config  Config
	out     map[wire.PublicKey]chan []byte
	dropped atomic.Uint64
}

// New returns a bridge, which Run connects.
func New(c Config) *Bridge {
	b := &Bridge{config: c, out: map[wire.PublicKey]chan []byte{}}
	for p := range c.Peers {
		b.out[p] = make(chan []byte, waiting)
	}
	return b
}

// Dropped returns the number of frames that were dropped because a queue was full.
func (b *Bridge) Dropped() uint64 { return b.dropped.Load() }

// SendNode implements engine.Sender.
func (b *Bridge) SendNode(to []wire.PublicKey, message []byte) { b.send(Node, to, message) }

// SendAck implements engine.Sender.
func (b *Bridge) SendAck(to []wire.PublicKey, message []byte) { b.send(Ack, to, message) }

// SendCertificate implements engine.Sender. Upstream has no such message.
func (b *Bridge) SendCertificate([]wire.PublicKey, []byte) {}

func (b *Bridge) send(c Channel, to []wire.PublicKey, message []byte) {
	frame := appendFrame(make([]byte, 0, 4+headSize+len(message)), c, b.config.Identity, message)
	for _, p := range to {
		queue, ok := b.out[p]
		if !ok || b.config.Loss > 0 && rand.Float64() < b.config.Loss {
			continue
		}
		select {
		case queue <- frame:
		default:
			b.dropped.Add(1)
		}
	}
}

// Run connects to the peers, and accepts their connections, until ctx ends. When it returns all
// goroutines have ended.
func (b *Bridge) Run(ctx context.Context) {
	var all sync.WaitGroup
	for p, address := range b.config.Peers {
		all.Go(func() { b.dial(ctx, address, b.out[p]) })
	}
	stop := context.AfterFunc(ctx, func() { _ = b.config.Listener.Close() })
	defer stop()
	for {
		c, err := b.config.Listener.Accept()
		if err != nil {
			break // it was closed
		}
		all.Go(func() { b.serve(ctx, c) })
	}
	all.Wait()
}

// dial writes frames to a peer, and reconnects when necessary. Meanwhile frames are lost, as on any
// network.
func (b *Bridge) dial(ctx context.Context, address string, frames <-chan []byte) {
	var dialer net.Dialer
	for ctx.Err() == nil {
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			b.write(ctx, c, frames)
			continue
		}
		for len(frames) > 0 {
			<-frames
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
		}
	}
}

// write writes frames until a write fails or ctx ends.
func (b *Bridge) write(ctx context.Context, c net.Conn, frames <-chan []byte) {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer c.Close()
	w := bufio.NewWriterSize(c, 1<<16)
	for {
		select {
		case frame := <-frames:
			if _, err := w.Write(frame); err != nil {
				return
			}
			if len(frames) == 0 && w.Flush() != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// serve delivers the messages of a connection until it ends, an invalid frame arrives, or ctx ends.
func (b *Bridge) serve(ctx context.Context, c net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer c.Close()
	r := bufio.NewReaderSize(c, 1<<16)
	for {
		channel, from, message, err := readFrame(r)
		if err != nil {
			return
		}
		if _, known := b.out[from]; known && channel <= Ack {
			b.config.Deliver(channel, from, message)
		}
	}
}
