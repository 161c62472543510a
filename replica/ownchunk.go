package replica

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// serveOwnChunk answers with the highest node of the asker's lane and the asker's highest ack that
// are known here (docs/protocol.md 5.9). A process that lost its own journal knows too little to
// answer.
func (r *Replica) serveOwnChunk(from *peer, reply func(network.Type, []byte) error) {
	if r.recovering.Load() || !r.peers.mayAskAgain(&from.ownChunk, time.Now()) {
		return
	}
	node, ack, err := r.engine.OwnChunk(r.working, from.id)
	if err != nil {
		return // the engine stops, or messages of the peer wait in it: the peer asks again
	}
	own := message.OwnChunk{Node: node, Ack: ack}
	if own.Size() > message.PageLimit {
		own.Node = nil // its parent's certificate is longer than a page
	}
	_ = reply(message.OwnChunkType, own.AppendTo(nil)) // the asker is gone if it fails
}

// ownChunkOf asks a peer for our own highest node and ack. Both are copies.
func (r *Replica) ownChunkOf(ctx context.Context, p *peer) (*message.OwnChunk, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.RequestTimeout)
	defer cancel()
	answer, err := r.transport.Request(ctx, p.id, message.OwnChunkRequestType, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Buffer.Release()
	if answer.Type != message.OwnChunkType {
		return nil, fmt.Errorf("%w: an answer of type 0x%02x to a request for our own chunk", errWrong, uint8(answer.Type))
	}
	own := new(message.OwnChunk)
	if err := own.DecodeAny(slices.Clone(answer.Buffer.Bytes()), anyEpoch{r}); err != nil {
		return nil, fmt.Errorf("%w: our own chunk: %w", errWrong, err)
	}
	switch {
	case own.Node != nil && own.Node.Chunk.Sequencer != r.id:
		return nil, fmt.Errorf("%w: a node of lane %v for our own chunk", errWrong, own.Node.Chunk.Sequencer)
	case own.Ack != nil && !r.isOurs(own.Ack):
		return nil, fmt.Errorf("%w: an ack of participant %d of epoch %d for our own", errWrong, own.Ack.Participant, own.Ack.Epoch)
	}
	return own, nil
}

// isOurs reports whether an ack names us as its validator.
func (r *Replica) isOurs(a *wire.Ack) bool {
	scheme, ok := r.cfg.scheme(a.Epoch)
	if !ok {
		return false
	}
	me, ok := scheme.Index(r.id)
	return ok && me == a.Participant
}

// showOwnChunk asks a peer for our own highest node and ack, and shows the engine those above our
// tips: if one is valid, our journal is stale, and the engine stops (docs/protocol.md 5.9). nothing
// is true if there were none above our tips. Otherwise the caller asks the peer again: while the
// engine verifies a message that another peer showed, it drops further ones.
func (r *Replica) showOwnChunk(ctx context.Context, p *peer) (nothing bool, err error) {
	own, err := r.ownChunkOf(ctx, p)
	if err != nil {
		return false, err
	}
	shown, err := r.showEngine(ctx, p, own)
	if err == nil && !shown {
		r.vouched.add(r, p.id)
	}
	return err == nil && !shown, err
}

// showEngine shows the engine our node and ack that a peer sent, if they are above our tips, and
// reports whether one is.
func (r *Replica) showEngine(ctx context.Context, p *peer, own *message.OwnChunk) (shown bool, err error) {
	handle, err := r.engine.Peer(p.id)
	if err != nil {
		return false, err
	}
	// Without its parent's certificate, the node is of a lane that was dormant there.
	if n := own.Node; n != nil && (!n.HasParent() || len(n.Parent.Certificate) > 0) {
		if above, err := r.aboveTip(ctx, &own.Node.Chunk); err != nil {
			return false, err
		} else if above {
			shown = true
			if err := handle.DeliverNodeBytes(own.Node.AppendTo(nil)); err != nil {
				return true, err
			}
		}
	}
	if own.Ack != nil {
		if above, err := r.aboveTip(ctx, &own.Ack.Chunk); err != nil {
			return shown, err
		} else if above {
			return true, handle.DeliverAckBytes(own.Ack.AppendTo(nil))
		}
	}
	return shown, nil
}

// aboveTip reports whether a chunk is above the engine's tip of its lane.
func (r *Replica) aboveTip(ctx context.Context, c *wire.Chunk) (bool, error) {
	tip, ok, err := r.engine.Tip(ctx, c.Sequencer)
	return err == nil && (!ok || c.Height > tip.Chunk.Height), err
}

// vouched holds the validators that know nothing of us that our journal lacks. In the first moments
// of a run no body is proposed until they are a quorum: one of them would know a chunk of ours that
// was certified, or that it received, after the journal was copied. Faulty validators may hide such
// a chunk, and others may not answer. So the wait ends Config.RequestTimeout after a quorum was
// connected; without one nothing is certified. A copy of the folder still counts as a lost journal.
type vouched struct {
	enough chan struct{} // closed when they are a quorum, or when the wait is over
	met    chan struct{} // closed when until is set

	mu    sync.Mutex
	by    map[wire.PublicKey]bool
	seen  map[wire.PublicKey]bool // validators that have been connected
	over  bool
	until time.Time // the end of the wait; zero before a quorum was connected
}

func newVouched() *vouched {
	return &vouched{
		enough: make(chan struct{}), met: make(chan struct{}), by: make(map[wire.PublicKey]bool), seen: make(map[wire.PublicKey]bool),
	}
}

// add adds a validator. Our own weight counts, too.
func (v *vouched) add(r *Replica, id wire.PublicKey) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.over && r.quorumWith(v.by, id) {
		v.end()
	}
}

// meet notes the connected peers.
func (v *vouched) meet(r *Replica, peers []*peer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over || !v.until.IsZero() {
		return
	}
	ids := make([]wire.PublicKey, len(peers))
	for i, p := range peers {
		ids[i] = p.id
	}
	if r.quorumWith(v.seen, ids...) {
		v.until = time.Now().Add(r.cfg.RequestTimeout)
		close(v.met)
	}
}

// quorumWith adds the validators of the current epoch among more to some, and reports whether some
// and we are a quorum.
func (r *Replica) quorumWith(some map[wire.PublicKey]bool, more ...wire.PublicKey) bool {
	scheme, ok := r.cfg.scheme(r.epoch.Load())
	if !ok {
		return false
	}
	for _, id := range more {
		if _, ok := scheme.Index(id); ok {
			some[id] = true
		}
	}
	weights, sum := scheme.Weights(), uint64(0)
	for i, id := range scheme.Participants() {
		if id == r.id || some[id] {
			sum += weights.Of(wire.Participant(i))
		}
	}
	return sum >= weights.Quorum()
}

// end lets proposals pass. mu is held.
func (v *vouched) end() {
	if !v.over {
		v.over = true
		v.by, v.seen = nil, nil
		close(v.enough)
	}
}

// wait returns once a quorum has vouched, when the wait is over, or when ctx ends. The end of ctx
// lets no later proposal pass.
func (v *vouched) wait(ctx context.Context) {
	select {
	case <-v.enough:
		return
	case <-v.met:
	case <-ctx.Done():
		return
	}
	v.mu.Lock()
	rest := time.Until(v.until)
	v.mu.Unlock()
	if sleep(ctx, rest, v.enough); ctx.Err() != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.end()
}
