package engine

import (
	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// signRequest asks for the signature on a chunk of ours or, with a signer, for our ack.
type signRequest struct {
	chunk  wire.Chunk
	epoch  uint64
	signer verify.AckSigner
}

// sign works off a queue of requests, one at a time: a signer is never called twice at once. One goroutine runs it for
// acks and one for chunks, so that slow acks do not hold up our lane.
func (e *Engine) sign(in string, requests *queue[signRequest]) {
	defer e.catch(in)
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-requests.wake:
		}
		for e.ctx.Err() == nil {
			r, _, ok := requests.pop()
			if !ok {
				break
			}
			e.reply(e.signOne(r))
		}
	}
}

func (e *Engine) signOne(r signRequest) answer {
	a := answer{kind: core.SignChunk, chunk: r.chunk, epoch: r.epoch}
	if r.signer == nil {
		a.chunkSig, a.err = e.cfg.Sequencer.SignChunk(e.ctx, r.chunk)
	} else {
		a.kind = core.SignAck
		a.signature, a.err = r.signer.SignAck(e.ctx, wire.Subject{Chunk: r.chunk, Epoch: r.epoch})
	}
	if a.err != nil && e.ctx.Err() == nil {
		e.log.Error("signing failed", "what", a.kind, "sequencer", r.chunk.Sequencer, "height", r.chunk.Height, "error", a.err)
	}
	return a
}
