package replica

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// pusher sends our own bodies to the validators.
type pusher struct {
	mu     sync.Mutex // held while one body is sent
	pushed [2]wire.Digest
}

// push sends a body of ours to the validators of the current epoch, once.
func (r *Replica) push(b *body) {
	r.pusher.mu.Lock()
	defer r.pusher.mu.Unlock()
	if slices.Contains(r.pusher.pushed[:], b.digest) {
		return
	}
	r.pusher.pushed[0], r.pusher.pushed[1] = r.pusher.pushed[1], b.digest
	to := r.others()
	if len(to) == 0 {
		return
	}
	r.transport.Send(to, message.PushType, b.header.AppendTo(make([]byte, 0, b.header.Size())))
	for index := range payload.Pieces(b.header.BodySize) {
		begin := index * payload.PieceSize
		piece := message.PushedPiece{Digest: b.digest, Index: uint32(index), Bytes: b.bytes[begin : begin+uint64(payload.PieceLength(b.header.BodySize, index))]}
		r.transport.Send(to, message.PushedPieceType, piece.AppendTo(make([]byte, 0, piece.Size())))
	}
	r.counts.pushes.Add(1)
}

// incoming is a body that a peer pushes. It belongs to the goroutine that handles the peer's
// messages of class bulk; mu protects it against the disconnection of the peer.
type incoming struct {
	mu      sync.Mutex
	header  payload.Header
	digest  wire.Digest
	buffer  []byte // nil if nothing is being pushed
	builder payload.Builder
	next    uint32 // index of the piece that comes next
	bytes   int64  // reserved for it
	room    *atomic.Int64
	begun   time.Time
}

// maxRepeats bounds the bodies of one height that are taken from a sequencer without a request. So
// it bounds the bytes that the sequencer can have written to disk, in any pattern of pushes and
// connections.
const maxRepeats = 4

// unasked counts the bodies of one height that were pushed without a request.
type unasked struct {
	height uint64
	bodies int
}

// takesUnasked reports whether one more body may be pushed for a height without a request. Heights
// are the two next ones of the lane, one of them odd, and only rise.
func (l *lane) takesUnasked(height uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := &l.unasked[height%2]
	if u.height != height {
		*u = unasked{height: height}
	}
	u.bodies++
	return u.bodies <= maxRepeats
}

// drop gives up the body that is being pushed.
func (in *incoming) drop() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.abandon()
}

// abandon is drop with mu held.
func (in *incoming) abandon() {
	if in.buffer != nil {
		putBuffer(in.buffer)
		in.buffer = nil
		in.room.Add(-in.bytes)
	}
}

// beginPush handles the header of a body that is being pushed.
func (r *Replica) beginPush(from *peer, encoded []byte) {
	in := &from.incoming
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.buffer != nil {
		r.counts.pushesDropped[pushBroken].Add(1)
		in.abandon()
	}
	var h payload.Header
	if h.Decode(encoded, uint64(r.cfg.MaxPayload)) != nil || h.Sequencer != from.id {
		r.counts.pushesDropped[pushInvalid].Add(1)
		return
	}
	digest := payload.Digest(r.cfg.Namespace, &h)
	name := wanted{message.Place{Sequencer: h.Sequencer, Height: h.Height}, digest}
	if !r.bodies.wants(name) {
		if !r.isSequencer(h.Sequencer) || !r.pushable(&h, digest) {
			r.counts.pushesDropped[pushUnwanted].Add(1)
			return
		}
		if !r.laneOf(h.Sequencer).takesUnasked(h.Height) {
			r.counts.pushesDropped[pushUnwanted].Add(1)
			return
		}
	}
	in.bytes = bufferSize(int(h.BodySize))
	if !r.takeRoom(in.bytes) {
		r.counts.pushesDropped[pushRoom].Add(1)
		return
	}
	in.room, in.begun = &r.incoming, time.Now()
	in.header, in.digest, in.next = h, digest, 0
	in.buffer = getBuffer(int(h.BodySize))
	in.builder.Tree() // empties it
	if h.BodySize == 0 {
		r.endPush(in)
	}
}

// pushable reports whether a body that was pushed without a request has a place: it is of one of
// the next two heights of its lane, and not held yet.
func (r *Replica) pushable(h *payload.Header, digest wire.Digest) bool {
	next := uint64(0)
	if tip, ok := r.archive.Tip(h.Sequencer); ok {
		next = tip.Watermark
		if tip.Top != nil {
			next = max(next, tip.Top.Header.Height+1)
		}
	}
	for _, k := range r.locksOf(h.Sequencer) {
		next = max(next, k.Chunk.Height+1)
	}
	if h.Height < next || h.Height-next > 1 {
		return false
	}
	head := r.archive.Head(h.Sequencer, h.Height)
	return head.State != archive.PushedBody || head.Digest != digest
}

// continuePush handles a piece of a body that is being pushed.
func (r *Replica) continuePush(from *peer, encoded []byte) {
	in := &from.incoming
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.buffer == nil {
		return // of a body that was dropped
	}
	var piece message.PushedPiece
	if piece.Decode(encoded) != nil || piece.Digest != in.digest || piece.Index != in.next ||
		len(piece.Bytes) != payload.PieceLength(in.header.BodySize, uint64(piece.Index)) {
		r.counts.pushesDropped[pushBroken].Add(1)
		in.abandon()
		return
	}
	copy(in.buffer[int(piece.Index)*payload.PieceSize:], piece.Bytes)
	_, _ = in.builder.Write(piece.Bytes)
	if in.next++; uint64(in.next) == payload.Pieces(in.header.BodySize) {
		r.endPush(in)
	}
}

// endPush handles a body that was pushed completely. in.mu is held.
func (r *Replica) endPush(in *incoming) {
	tree := in.builder.Tree()
	if tree.Root() != in.header.Root {
		r.counts.pushesDropped[pushInvalid].Add(1)
		in.abandon()
		return
	}
	b := newBody(&in.header, in.digest, tree, in.buffer[:in.header.BodySize], in.buffer)
	defer b.release()
	in.buffer = nil
	in.room.Add(-in.bytes)
	r.store.remember(b)
	r.counts.pushesReceived.Add(1)
	if !r.bodies.deliver(b) {
		if err := r.store.put(b, archive.Pushed, func(error) {}); err != nil {
			r.counts.pushesDropped[pushRoom].Add(1) // it is in memory, and can be fetched
		}
	}
}

// A push that has memory may be given up for another one once it is slower than 1 MiB/s.
const (
	pushGrace = time.Second
	pushPace  = time.Second / 16 // a piece
)

// takeRoom reserves memory for a body that is being pushed. If there is none left, it gives up slow
// pushes: a peer that begins bodies and does not continue takes no memory from others.
func (r *Replica) takeRoom(bytes int64) bool {
	if r.incoming.Add(bytes) <= r.cfg.MaxBuffered/4 {
		return true
	}
	peers, _ := r.peers.list()
	for _, p := range peers {
		in := &p.incoming
		if !in.mu.TryLock() {
			continue // it is the caller's, or handles a piece now
		}
		if in.buffer != nil && time.Since(in.begun) > pushGrace+time.Duration(in.next)*pushPace {
			r.counts.pushesDropped[pushBroken].Add(1)
			in.abandon()
		}
		in.mu.Unlock()
		if r.incoming.Load() <= r.cfg.MaxBuffered/4 {
			return true
		}
	}
	r.incoming.Add(-bytes)
	return false
}

// pushTimeout bounds the time of a push. Then its memory is given up.
const pushTimeout = 30 * time.Second

// expirePushes gives up the pushes that take too long.
func (r *Replica) expirePushes(now time.Time) {
	peers, _ := r.peers.list()
	for _, p := range peers {
		p.incoming.mu.Lock()
		if p.incoming.buffer != nil && now.Sub(p.incoming.begun) > pushTimeout {
			r.counts.pushesDropped[pushBroken].Add(1)
			p.incoming.abandon()
		}
		p.incoming.mu.Unlock()
	}
}

// received handles a message of class bulk that is no request.
func (r *Replica) received(from *peer, m network.Message) {
	switch m.Type {
	case message.PushType:
		r.beginPush(from, m.Buffer.Bytes())
	case message.PushedPieceType:
		r.continuePush(from, m.Buffer.Bytes())
	case message.NewLockType:
		r.takeNewLock(from, m)
	}
	m.Buffer.Release()
}
