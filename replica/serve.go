package replica

import (
	"context"
	"sync"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// followersServed bounds the requests of peers that are no members that are worked on at once,
// however many the transport allows: docs/protocol.md 7.3.
const followersServed = 2

// Serve implements network.Handler: it answers a request. A malformed request gets no answer.
// Requests of peers that are no members wait for each other, until their answers wait to be sent.
func (r *Replica) Serve(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply func(network.Type, []byte) error) {
	if p := r.peers.get(from); p == nil || r.peers.roleOf(p) != network.Member {
		select {
		case r.followers <- struct{}{}:
		case <-ctx.Done():
			return
		}
		done := sync.OnceFunc(func() { <-r.followers })
		defer done()
		send := reply
		reply = func(t network.Type, answer []byte) error {
			done()
			return send(t, answer)
		}
	}
	switch t {
	case message.HeadersRequestType:
		var q message.HeadersRequest
		if q.Decode(request) == nil {
			r.serveHeaders(&q, reply)
		}
	case message.TipsRequestType:
		var q message.TipsRequest
		if q.Decode(request) == nil {
			if p := r.peers.get(from); p != nil {
				p.fed.Store(q.Follow)
				r.serveTips(p, &q, reply)
			}
		}
	case message.OwnChunkRequestType:
		if p := r.peers.get(from); p != nil {
			r.serveOwnChunk(p, reply)
		}
	case message.PieceRequestType:
		var q message.PieceRequest
		if q.Decode(request) == nil {
			r.servePiece(&q, reply)
		}
	}
}

// serveHeaders answers with the requested header and those below it that fit.
func (r *Replica) serveHeaders(q *message.HeadersRequest, reply func(network.Type, []byte) error) {
	var page message.Headers
	digest := q.Digest
	for height := q.Height; uint32(len(page.Headers)) < q.Count; height-- {
		head := r.archive.Head(q.Sequencer, height)
		if head.Digest != digest || head.State == archive.Absent || head.State == archive.Gone {
			break
		}
		if !page.Add(&head.Header) {
			page.More = true
			break
		}
		if digest = head.Header.Parent; height == 0 {
			break
		}
	}
	if len(page.Headers) == 0 {
		r.serveAbsent(q.Place, q.Digest, reply)
		return
	}
	answer := wire.NewBuffer()
	defer answer.Release()
	answer.Set(page.AppendTo)
	if reply(message.HeadersType, answer.Bytes()) == nil {
		r.counts.headersServed.Add(uint64(len(page.Headers)))
	}
}

// servePiece answers with a piece of a body and its proof.
func (r *Replica) servePiece(q *message.PieceRequest, reply func(network.Type, []byte) error) {
	piece := message.Piece{Digest: q.Digest, Index: q.Index}
	index := uint64(q.Index)
	if b := r.store.recall(q.Place, q.Digest); b != nil && b.tree != nil {
		defer b.release()
		length := payload.PieceLength(b.header.BodySize, index)
		if length == 0 {
			return // it has no such piece, and no honest peer asks
		}
		begin := int(index) * payload.PieceSize
		piece.Bytes, piece.Path = b.bytes[begin:begin+length], b.tree.AppendPath(nil, index)
	} else {
		if b != nil {
			b.release()
		}
		if head := r.archive.Head(q.Sequencer, q.Height); head.State != archive.Held || head.Digest != q.Digest {
			r.serveAbsent(q.Place, q.Digest, reply)
			return
		}
		h, pieces, err := r.archive.Pieces(q.Sequencer, q.Height, index, 1)
		if err != nil || payload.Digest(r.cfg.Namespace, &h) != q.Digest {
			r.serveAbsent(q.Place, q.Digest, reply)
			return
		}
		if len(pieces) == 0 {
			return
		}
		piece.Bytes, piece.Path = pieces[0].Bytes, pieces[0].Path
	}
	answer := wire.NewBuffer()
	defer answer.Release()
	answer.Set(piece.AppendTo)
	if reply(message.PieceType, answer.Bytes()) == nil {
		r.counts.piecesServed.Add(1)
	}
}

// serveAbsent answers that something is not here, and why.
func (r *Replica) serveAbsent(p message.Place, digest wire.Digest, reply func(network.Type, []byte) error) {
	absent := message.Absent{Reason: message.Never}
	head := r.archive.Head(p.Sequencer, p.Height)
	tip, _ := r.archive.Tip(p.Sequencer)
	switch {
	case head.State == archive.Gone:
		absent.Reason = message.Pruned
	case head.Digest == digest && head.State != archive.Absent, r.bodies.wants(wanted{p, digest}):
		absent.Reason = message.NotYet
	}
	absent.Lowest = tip.Floor
	_ = reply(message.AbsentType, absent.AppendTo(nil)) // the asker is gone if it fails
}
