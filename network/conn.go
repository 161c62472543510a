package network

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/wire"
)

const (
	plainSize  = 16 << 10  // a record: what crypto/tls returns at once
	batchLimit = 512       // messages handed over at once
	batchBytes = 128 << 10 // of their buffers; the last message may exceed it
	// linger is the time for which a connection that lost to another is still read without anything
	// coming in, and maxLinger the time in all. goodbyeLinger is that time for any other
	// connection, so that the peer gets our goodbye.
	linger        = 5 * time.Second
	maxLinger     = time.Minute
	goodbyeLinger = 250 * time.Millisecond
)

var (
	errIdle     = errors.New("network: nothing came in although the peer was pinged")
	errUnproven = errors.New("network: another instance of the peer did not answer a ping")
	errHandover = errors.New("network: the connection that should replace another did not come")
	errWorn     = errors.New("network: the connection was not replaced in time")
	errIdentity = errors.New("network: another identity answers at this address")
	errClosed   = errors.New("network: the peer closed the connection")
)

// conn is one connection, from its handshake on. One goroutine reads; another writes once the hello
// is in.
type conn struct {
	n       *Network
	raw     *recordConn
	tls     *tls.Conn
	dialled bool
	began   time.Time

	class  Class
	local  hello
	remote hello
	id     wire.PublicKey // known with the hello

	ctx    context.Context
	cancel context.CancelCauseFunc // see end

	// Used by the reader only.
	parser  frameParser
	plain   []byte
	rest    []byte // the bytes of plain that came with the hello
	batch   []Message
	held    int      // capacity of the batch's buffers
	early   []uint64 // numbers of requests that came before the instance was proven
	counted uint64   // records that rate has taken in
	rate    readRate
	resume  chan struct{} // room for one token: a pause has ended

	// Guarded by Network.mu.
	peer    *peer
	link    *link
	probing bool          // another instance's, which has not answered a ping yet
	bye     *goodbyeError // to be sent as the last frame

	live     atomic.Bool   // the writer empties the link's queue; written under Network.mu
	expiring atomic.Bool   // its dialler should replace it
	lingers  atomic.Int64  // when reading ends after it lost, by Network.clock; 0: it has not lost
	kicks    chan struct{} // room for one token: the writer must look again
	written  chan struct{} // closed when the writer is done

	mu       sync.Mutex // guards the fields below
	pongDue  bool
	pongEcho uint64
	pingDue  bool
	pingSent time.Time // of the ping under way, zero for none
	pingTime uint64    // the time in it
}

func (n *Network) newConn(raw net.Conn, dialled bool) *conn {
	c := &conn{
		n: n, raw: newRecordConn(raw, n.clock), dialled: dialled, began: time.Now(),
		kicks: make(chan struct{}, 1), written: make(chan struct{}), resume: make(chan struct{}, 1),
	}
	if dialled {
		c.tls = tls.Client(c.raw, n.tls)
	} else {
		c.tls = tls.Server(c.raw, n.tls)
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.local = n.hello()
	return c
}

// end closes the connection at once. Only the first reason is kept.
func (c *conn) end(why error) {
	c.cancel(why)
	c.raw.Close()
}

func (c *conn) kick() {
	select {
	case c.kicks <- struct{}{}:
	default:
	}
}

// number is the dial number of the connection.
func (c *conn) number() uint64 {
	if c.dialled {
		return c.local.dial
	}
	return c.remote.dial
}

// establish makes the handshake and reads the peer's hello. The side that dialled has sent its own
// hello before. The side that accepted sends its hello when the connection is adopted, and
// otherwise at most a goodbye: so a peer is never connected on one side only. The error is nil when
// the connection may be adopted.
func (c *conn) establish(expected wire.PublicKey) error {
	deadline := c.began.Add(c.n.cfg.HandshakeTimeout)
	ctx, cancel := context.WithDeadline(c.ctx, deadline)
	defer cancel()
	_ = c.raw.SetDeadline(deadline)
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return err
	}
	c.raw.shaken = true
	state := c.tls.ConnectionState()
	key, err := peerKey(&state)
	if err != nil {
		return err
	}
	c.plain = make([]byte, plainSize)
	if c.dialled {
		if err := c.sendHello(); err != nil {
			return err
		}
	}
	c.parser = newFrameParser(c.n.types, c.class)
	if err := c.readHello(); err != nil {
		return err
	}
	if !c.dialled {
		c.class, c.local.class = c.remote.class, c.remote.class
		c.parser.class = c.class
	}
	return c.checkHello(key, expected)
}

func (c *conn) sendHello() error {
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.n.cfg.HandshakeTimeout))
	message := c.local.appendTo(nil)
	_, err := c.tls.Write(append(appendHead(nil, typeHello, Plain, 0, len(message)), message...))
	return err
}

func (c *conn) readHello() error {
	for {
		n, err := c.tls.Read(c.plain)
		f, rest, ok, bad := c.parser.next(c.plain[:n])
		switch {
		case bad != nil:
			return bad
		case !ok && err == nil:
			continue
		case !ok && errors.Is(err, io.EOF):
			return errClosed
		case !ok:
			return err
		}
		defer f.buffer.Release()
		switch f.info.Type {
		case typeHello:
			c.rest = rest
			if c.remote, err = decodeHello(f.buffer.Bytes()); err != nil {
				return protocolError("malformed hello")
			}
			return nil
		case typeGoodbye:
			e, err := decodeGoodbye(f.buffer.Bytes())
			if err != nil {
				return protocolError("malformed goodbye")
			}
			return e
		}
		return protocolError("%s before hello", f.info.Name)
	}
}

// checkHello checks the peer's identity and whether both processes may talk to each other.
func (c *conn) checkHello(key, expected wire.PublicKey) error {
	if hasSmallOrder(key) {
		return &goodbyeError{code: byeRefused, reason: "key of small order"}
	}
	c.id = key
	if p := c.remote.proof; p != nil {
		if !p.valid(c.n.cfg.Settings.Namespace, key, time.Now()) {
			return &goodbyeError{code: byeRefused, reason: "transport key not signed by the identity, or no longer"}
		}
		c.id = p.Identity
	}
	switch {
	case c.id == c.n.id:
		return &goodbyeError{code: byeRefused, reason: "own identity"}
	case c.dialled && c.id != expected:
		return errIdentity
	case c.remote.lowest > protocolVersion:
		return protocolError("no common version")
	case c.remote.class != c.class || c.class == Bulk && !c.n.bulk:
		return protocolError("class %s", c.remote.class)
	case c.dialled == (c.remote.dial != 0):
		return protocolError("dial number")
	}
	if name := c.local.difference(&c.remote); name != "" {
		return &goodbyeError{code: byeSettings, reason: name}
	}
	return nil
}

// sayGoodbye sends a goodbye on a connection that was not adopted, and makes sure that the peer can
// read the goodbye.
func (c *conn) sayGoodbye(e *goodbyeError) {
	_ = c.raw.SetDeadline(time.Now().Add(goodbyeLinger))
	message := e.appendTo(nil)
	if _, err := c.tls.Write(append(appendHead(nil, typeGoodbye, Plain, 0, len(message)), message...)); err == nil {
		_ = c.tls.CloseWrite()
		c.discard()
	}
}

// discard reads until the peer ends the connection or a deadline passes.
func (c *conn) discard() {
	for {
		if _, err := c.tls.Read(c.plain); err != nil {
			return
		}
	}
}

// read reads until the connection ends, and returns the reason.
func (c *conn) read() error {
	defer c.parser.close()
	if err := c.frames(c.rest); err != nil {
		return err
	}
	c.rest = nil
	c.raw.before = c.beforeRead
	for {
		n, err := c.tls.Read(c.plain)
		if bad := c.frames(c.plain[:n]); bad != nil {
			return bad
		}
		if err != nil {
			c.deliver()
			if errors.Is(err, io.EOF) {
				err = errClosed
			}
			return err
		}
		if bad := c.wear(time.Duration(c.raw.lastRead.Load())); bad != nil {
			return bad
		}
	}
}

// beforeRead is called when everything that was read is used up and the next read of the connection
// may block. It hands over the messages that have come in. If small records come at a high rate on
// a control connection, it pauses. Bulk connections never pause: their messages are large, and
// their requests are answered one by one.
func (c *conn) beforeRead() (paused bool) {
	c.deliver()
	if until := time.Duration(c.lingers.Load()); until != 0 {
		_ = c.raw.SetReadDeadline(time.Now().Add(min(linger, until-c.n.clock())))
		return false
	}
	r := &c.n.coalescer
	if r.pause <= 0 || c.class != Control {
		return false
	}
	now, read := time.Duration(c.raw.lastRead.Load()), c.raw.read.Load()
	records := int(read - c.counted)
	c.counted = read
	c.rate.add(now, records)
	if busy := r.count(now, records); !busy || c.raw.filled >= minRead || c.rate.in(r.pause) < pauseGain {
		return false
	}
	c.n.counts.pauses.Add(1)
	if c.raw.lowWater != nil {
		c.raw.lowWater.raise(minRead)
	}
	r.wait(c.resume)
	return true
}

// frames handles the bytes that were read.
func (c *conn) frames(p []byte) error {
	defer func() {
		if c.parser.skipped > 0 {
			c.n.counts.skipped.Add(c.parser.skipped)
			c.parser.skipped = 0
		}
	}()
	for {
		f, rest, ok, err := c.parser.next(p)
		if err != nil {
			c.deliver()
			return err
		}
		if !ok {
			return nil
		}
		p = rest
		c.n.counts.received.add(f.info, len(f.buffer.Bytes()))
		if f.info.Type >= firstType && f.info.Kind == Plain {
			c.batch = append(c.batch, Message{Type: f.info.Type, Buffer: f.buffer})
			c.held += cap(f.buffer.Bytes())
			if len(c.batch) >= batchLimit || c.held >= batchBytes {
				c.deliver()
			}
			continue
		}
		if err := c.handle(f); err != nil {
			c.deliver()
			return err
		}
	}
}

func (c *conn) deliver() {
	if len(c.batch) > 0 {
		c.link.delivery <- struct{}{}
		c.n.handler.Messages(c.id, c.batch)
		<-c.link.delivery
		clear(c.batch)
		c.batch, c.held = c.batch[:0], 0
	}
}

// handle handles a frame other than a plain message of the host. It owns the buffer.
func (c *conn) handle(f frame) error {
	b := f.buffer.Bytes()
	switch {
	case f.info.Kind == Request:
		c.serve(f)
		return nil
	case f.info.Kind == Answer:
		c.answered(f)
		return nil
	}
	defer f.buffer.Release()
	switch f.info.Type {
	case typePing:
		if len(b) != timeSize {
			return protocolError("malformed ping")
		}
		c.mu.Lock()
		c.pongDue, c.pongEcho = true, binary.BigEndian.Uint64(b)
		c.mu.Unlock()
		c.kick()
	case typePong:
		if len(b) != 2*timeSize {
			return protocolError("malformed pong")
		}
		c.pong(binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[timeSize:]))
	case typeGoodbye:
		e, err := decodeGoodbye(b)
		if err != nil {
			return protocolError("malformed goodbye")
		}
		if e.code != byeDuplicate {
			return e
		}
		c.n.lostToAnother(c)
	default:
		return protocolError("%s in the middle", f.info.Name)
	}
	return nil
}

func (c *conn) pong(echo, theirs uint64) {
	now := time.Now()
	c.mu.Lock()
	sent := c.pingSent
	known := !sent.IsZero() && echo == c.pingTime
	if known {
		c.pingSent = time.Time{}
	}
	c.mu.Unlock()
	if !known {
		return
	}
	c.n.measured(c, now.Sub(sent), time.Duration(int64(theirs)-sent.UnixNano())-now.Sub(sent)/2)
}

// wear asks for the replacement of a connection that has carried enough, and ends one that has
// carried twice that. now is a time of Network.clock.
func (c *conn) wear(now time.Duration) error {
	records := max(c.raw.read.Load(), c.raw.written.Load())
	age := now - c.began.Sub(c.n.made)
	if records < c.n.cfg.MaxRecords && age < c.n.cfg.MaxAge {
		return nil
	}
	if c.dialled && !c.expiring.Swap(true) {
		c.n.wakeDialer(c.id)
	}
	if records >= 2*c.n.cfg.MaxRecords || age >= 2*c.n.cfg.MaxAge {
		return errWorn
	}
	return nil
}
