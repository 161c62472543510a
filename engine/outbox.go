package engine

import (
	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// post queues a message for the network, or a payload for the relay. When the outbox is full the
// message is dropped, as a network may drop it too.
func (e *Engine) post(f core.Effect) {
	if f.Kind != core.Broadcast && len(f.Recipients) == 0 {
		return
	}
	// A node is sent only after the relay has been told of it.
	if f.Kind == core.SendNode && e.untold {
		e.drops.outbox.Add(1)
		return
	}
	posted := true
	select {
	case e.outbox <- f:
	default:
		e.drops.outbox.Add(1)
		posted = false
	}
	if f.Kind == core.Broadcast {
		e.untold, e.again = !posted, f.Again
	}
	if !posted && (f.Kind == core.Broadcast || f.Kind == core.SendNode && !f.Alone) {
		e.notSent()
	}
}

// notSent counts a chunk of ours that was not sent, to the relay or to the sender. It logs the
// first time, the second, the fourth and so on.
func (e *Engine) notSent() {
	e.unsent++
	if e.again {
		e.unsentAgain++
	}
	if e.unsent&(e.unsent-1) == 0 {
		e.log.Warn("our chunk was not sent: Sender or Relay is behind, and the outbox is full", "MaxOutbox", e.cfg.MaxOutbox,
			"times", e.unsent)
	}
}

// send calls the Sender and the Relay for the messages in the outbox, in order.
func (e *Engine) send() {
	var told *wire.Chunk // the last chunk that the relay was told of
	for e.ctx.Err() == nil {
		select {
		case <-e.ctx.Done():
		case f := <-e.outbox:
			switch f.Kind {
			case core.SendNode:
				e.cfg.Sender.SendNode(f.Recipients, f.Bytes)
			case core.SendAck:
				e.cfg.Sender.SendAck(f.Recipients, f.Bytes)
			case core.SendCertificate:
				e.cfg.Sender.SendCertificate(f.Recipients, f.Bytes)
			case core.Broadcast:
				again := told != nil && *told == f.Chunk
				told = &f.Chunk
				e.cfg.Relay.Broadcast(e.ctx, placeOf(&f), f.Chunk.Payload, f.Recipients, again)
			}
		}
	}
}
