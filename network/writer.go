package network

import (
	"encoding/binary"
	"time"
)

// writeSize is the number of bytes up to which a write gathers frames; one frame may exceed it.
const writeSize = 64 << 10

// write writes until the connection ends or its goodbye is sent.
func (c *conn) write() {
	defer close(c.written)
	defer c.link.queue.signal() // a token that it took may be for the connection that replaces it
	interval := c.n.cfg.PingInterval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	w := writer{conn: c, ticked: c.n.clock()}
	if c.class == Bulk {
		w.turn = c.n.pacer.join()
		w.granted = w.turn.granted
		defer w.turn.leave()
	}
	for {
		bye := c.n.byeOf(c)
		wrote, err := w.once(bye)
		if err == nil {
			err = c.wear(c.n.clock())
		}
		if err != nil {
			c.end(err)
			return
		}
		if wrote {
			select { // a writer that never rests pings too
			case <-timer.C:
				timer.Reset(interval)
				if err := w.tick(); err != nil {
					c.end(err)
					return
				}
			default:
			}
			continue
		}
		if bye != nil {
			if w.turn != nil {
				w.turn.leave() // the peer may not read
			}
			w.goodbye(bye)
			return
		}
		var wake <-chan struct{} // nil unless this goroutine is to be woken
		if c.live.Load() {
			wake = c.link.queue.wake
		}
		select {
		case <-c.kicks:
		case <-wake:
		case <-w.granted:
			w.waiting = false
		case <-timer.C:
			timer.Reset(interval)
			if err := w.tick(); err != nil {
				c.end(err)
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

// tick runs every PingInterval. If it is late, because the process was stopped or a write took
// long, the reader may not have run either: the peer is not given up before the next tick.
func (w *writer) tick() error {
	c := w.conn
	now, at := time.Now(), c.n.clock()
	late := at-w.ticked > 2*c.n.cfg.PingInterval && !w.late
	w.late, w.ticked = late, at
	if !late && at-time.Duration(c.raw.lastRead.Load()) > c.n.cfg.IdleTimeout {
		return errIdle
	}
	if p := c.remote.proof; p != nil && !now.Before(p.NotAfter) {
		c.n.part(c, &goodbyeError{code: byeRefused, reason: "transport key expired"})
	}
	c.mu.Lock()
	// With two pings under way, the pong of the first would not count.
	c.pingDue = c.pingDue || c.pingSent.IsZero()
	c.mu.Unlock()
	return nil
}

// writer holds the state of a connection's writer between writes.
type writer struct {
	conn    *conn
	buffer  []byte
	sent    []outgoing
	turn    *bulkTurn // nil on Control
	granted chan struct{}
	waiting bool          // for a place in the pacer
	ticked  time.Duration // when tick was called, as a time of Network.clock
	late    bool          // whether that call was late
}

// once writes all messages that wait, up to writeSize bytes. It reports whether there were any.
func (w *writer) once(bye *goodbyeError) (wrote bool, err error) {
	c := w.conn
	w.buffer = c.appendOwn(w.buffer[:0])
	own := len(w.buffer)
	w.sent = w.sent[:0]
	if bye == nil && c.live.Load() && !w.waiting {
		w.take()
	}
	if len(w.buffer) == 0 {
		return false, nil
	}
	paced := w.turn != nil && len(w.buffer) > own
	if paced {
		err = w.turn.begin(c.ctx, len(w.buffer))
	}
	if err == nil {
		_ = c.raw.SetWriteDeadline(time.Now().Add(c.n.cfg.WriteTimeout))
		_, err = c.tls.Write(w.buffer)
	}
	if paced {
		w.turn.end()
	}
	for i := range w.sent {
		w.sent[i].sent <- err
		w.sent[i] = outgoing{}
	}
	return true, err
}

// take appends messages of the queue, if the connection has its turn.
func (w *writer) take() {
	q := &w.conn.link.queue
	if w.turn != nil {
		if messages, _ := q.waiting(); messages == 0 {
			w.turn.leave()
			return
		}
		if !w.turn.ask(w.conn.isFollower()) {
			w.waiting = true
			return
		}
	}
	w.buffer, w.sent = q.take(w.buffer, writeSize, w.sent, &w.conn.n.counts.sent)
}

// isFollower reports whether the connection is a follower's.
func (c *conn) isFollower() bool {
	c.n.mu.RLock()
	defer c.n.mu.RUnlock()
	return c.peer.role == Follower
}

// goodbye writes the last frame, and tells the reader that it is the last.
func (w *writer) goodbye(e *goodbyeError) {
	c := w.conn
	message := e.appendTo(nil)
	b := append(appendHead(w.buffer[:0], typeGoodbye, Plain, 0, len(message)), message...)
	timeout := goodbyeLinger
	if e.code == byeDuplicate { // earlier messages may take as long as before
		timeout = c.n.cfg.WriteTimeout
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := c.tls.Write(b); err != nil {
		c.end(err)
		return
	}
	_ = c.tls.CloseWrite()
	if e.code != byeDuplicate {
		_ = c.raw.SetReadDeadline(time.Now().Add(goodbyeLinger))
	}
}

// appendOwn appends the transport's own frames that are due.
func (c *conn) appendOwn(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pongDue {
		c.pongDue = false
		b = appendHead(b, typePong, Plain, 0, 2*timeSize)
		b = binary.BigEndian.AppendUint64(b, c.pongEcho)
		b = binary.BigEndian.AppendUint64(b, uint64(time.Now().UnixNano()))
		c.n.counts.sent.add(&c.n.types[typePong], 2*timeSize)
	}
	if c.pingDue {
		c.pingDue = false
		c.pingSent = time.Now()
		c.pingTime = uint64(c.pingSent.UnixNano())
		b = appendHead(b, typePing, Plain, 0, timeSize)
		b = binary.BigEndian.AppendUint64(b, c.pingTime)
		c.n.counts.sent.add(&c.n.types[typePing], timeSize)
	}
	return b
}
