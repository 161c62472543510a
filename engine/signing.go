package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// sign carries out one signature after the other: a signer is never called twice at once. One
// goroutine runs it for acks and one for chunks, so that slow acks do not hold up our lane.
func (e *Engine) sign(requests *queue[func()]) {
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-requests.wake:
		}
		for e.ctx.Err() == nil {
			request, _, ok := requests.pop()
			if !ok {
				break
			}
			request()
		}
	}
}

// signChunk asks for our signature on a chunk of ours.
func (e *Engine) signChunk(call uint64, chunk wire.Chunk) {
	ctx := e.beginCall(call)
	e.chunkSigs.push(func() {
		var signature wire.Signature
		err := e.callSigner(ctx, "chunk", &chunk, func(ctx context.Context) (err error) {
			signature, err = e.cfg.Sequencer.SignChunk(ctx, chunk)
			return err
		})
		e.endCall(call, func(now time.Duration) { e.core.ChunkSigned(now, call, signature, err) })
	})
}

// signAck asks for our ack.
func (e *Engine) signAck(call uint64, subject wire.Subject, signer verify.AckSigner) {
	ctx := e.beginCall(call)
	e.ackSigs.push(func() {
		var signature []byte
		err := e.callSigner(ctx, "ack", &subject.Chunk, func(ctx context.Context) (err error) {
			signature, err = signer.SignAck(ctx, subject)
			return err
		})
		e.endCall(call, func(now time.Duration) { e.core.AckSigned(now, call, signature, err) })
	})
}

// callSigner calls a signer, unless the signature is no longer wanted. A signer that does not
// answer within SignTimeout has failed: the core asks again.
func (e *Engine) callSigner(ctx context.Context, what string, chunk *wire.Chunk, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, e.cfg.SignTimeout,
		fmt.Errorf("no signature within SignTimeout, %v", e.cfg.SignTimeout))
	defer cancel()
	err := call(limited)
	if err != nil && ctx.Err() == nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		e.log.Error("signing failed", "what", what, "sequencer", chunk.Sequencer, "height", chunk.Height, "error", err)
	}
	return err
}
