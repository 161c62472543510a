package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// Heads returns the highest lock known of each lane, by ascending sequencer. Certificates must not
// be changed.
func (r *Replica) Heads() []wire.Lock {
	var heads []wire.Lock
	for _, l := range r.allLanes() {
		l.mu.Lock()
		if l.locked {
			heads = append(heads, l.lock)
		}
		l.mu.Unlock()
	}
	return heads
}

// Tips returns the last chunk of each lane that this process approved, certified or not, by
// ascending sequencer.
func (r *Replica) Tips() []wire.Proposal {
	var tips []wire.Proposal
	for _, l := range r.allLanes() {
		l.mu.Lock()
		if l.hasTip {
			tips = append(tips, l.tip)
		}
		l.mu.Unlock()
	}
	return tips
}

// allLanes returns the lanes by ascending sequencer.
func (r *Replica) allLanes() []*lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	lanes := make([]*lane, 0, len(r.lanes))
	for _, l := range r.lanes {
		lanes = append(lanes, l)
	}
	slices.SortFunc(lanes, func(a, b *lane) int { return a.id.Compare(b.id) })
	return lanes
}

// Get returns a certified chunk. It fetches the body if it is not here, until ctx ends. The chunk's
// memory is the caller's. Below the highest known lock Get waits until the lane was walked down.
// The error is ctx's, [ErrNotCertified] for a chunk above the highest known lock,
// [archive.ErrPruned] for a chunk that is not kept any more, [ErrFork] above the delivered part of
// a lane that has stopped, or [ErrClosed].
func (r *Replica) Get(ctx context.Context, sequencer wire.PublicKey, height uint64) (Chunk, error) {
	l := r.knownLane(sequencer)
	if l == nil {
		return Chunk{}, fmt.Errorf("%w: height %d of lane %v", ErrNotCertified, height, sequencer)
	}
	digest, proof, err := r.certifiedAt(ctx, l, height)
	if err != nil {
		return Chunk{}, err
	}
	b, err := r.obtain(ctx, message.Place{Sequencer: sequencer, Height: height}, digest, certified)
	if err != nil {
		return Chunk{}, err
	}
	defer b.release()
	at := engine.Place{Sequencer: sequencer, Height: height, Parent: b.header.Parent}
	return Chunk{Place: at, Digest: digest, Body: slices.Clone(b.bytes), Proof: proof}, nil
}

// certifiedAt returns the digest that is certified at a height of a lane, and the highest lock.
func (r *Replica) certifiedAt(ctx context.Context, l *lane, height uint64) (digest wire.Digest, proof wire.Lock, err error) {
	for {
		l.mu.Lock()
		proof = l.lock
		changed, known := l.changed, true
		if l.hasProof && height < l.end() && height <= l.proof.Chunk.Height {
			proof = l.proof
		}
		switch {
		case l.failure != nil && height >= l.next:
			err = l.failure
		case !l.locked || height > l.lock.Chunk.Height && height >= l.next:
			err = fmt.Errorf("%w: height %d of lane %v", ErrNotCertified, height, l.id)
		case height == l.lock.Chunk.Height:
			digest = l.lock.Chunk.Payload
		case height >= l.next && height < l.end():
			digest = l.proven[height-l.next]
		case height < l.next:
			head := r.archive.Head(l.id, height)
			if digest = head.Digest; head.State != archive.Held && head.State != archive.HeaderOnly {
				err = fmt.Errorf("%w: height %d of lane %v", archive.ErrPruned, height, l.id)
			}
		default:
			known = false
		}
		l.mu.Unlock()
		if known || err != nil {
			return digest, proof, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return digest, proof, ctx.Err()
		case <-r.working.Done():
			return digest, proof, ErrClosed
		}
	}
}

// isHead reports whether a chunk is that of the highest lock of its lane. It makes no lane: bodies
// can name as many lanes as there are keys.
func (r *Replica) isHead(c *wire.Chunk) bool {
	l := r.knownLane(c.Sequencer)
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.locked && l.lock.Chunk == *c
}

// Offer passes locks that the host got from elsewhere, for example from the body of another lane.
// They are verified, and count for any epoch whose sets are known. The error names the lock that
// does not verify; the others have been taken.
func (r *Replica) Offer(ctx context.Context, locks ...wire.Lock) error {
	unknown := make([]wire.Lock, 0, len(locks))
	for i := range locks {
		if !r.isHead(&locks[i].Chunk) {
			unknown = append(unknown, locks[i])
		}
	}
	return r.takeLocks(ctx, unknown)
}

// Wait returns once the lane of a lock, up to the lock, has been handed over or is here, durable.
// The lock is verified, as by [Replica.Offer]. An application whose body refers to chunks of other
// lanes waits for them in Verify, so that an ack for the body vouches for them too.
func (r *Replica) Wait(ctx context.Context, k wire.Lock) error {
	if err := r.Offer(ctx, k); err != nil {
		return err
	}
	l := r.laneOf(k.Chunk.Sequencer)
	held := uint64(0) // all chunks below are here
	for {
		l.mu.Lock()
		switch {
		case l.failure != nil:
			err := l.failure
			l.mu.Unlock()
			return err
		case k.Chunk.Height < l.next:
			l.mu.Unlock()
			return nil
		}
		held = max(held, l.next)
		missing := held < l.end()
		var digest wire.Digest
		if missing {
			digest = l.proven[held-l.next]
		}
		use := archive.ForVote
		if held == l.next { // the next chunk has room of its own
			use = archive.ForDelivery
		}
		changed := l.changed
		l.mu.Unlock()
		if !missing {
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			case <-r.working.Done():
				return ErrClosed
			}
			continue
		}
		if err := r.hold(ctx, message.Place{Sequencer: l.id, Height: held}, digest, use); err != nil {
			return err
		}
		if held == k.Chunk.Height {
			return nil
		}
		held++
	}
}

// hold obtains the body of a certified chunk and keeps it.
func (r *Replica) hold(ctx context.Context, p message.Place, digest wire.Digest, use archive.Use) error {
	b, err := r.obtain(ctx, p, digest, certified)
	if err != nil {
		return err
	}
	defer b.release()
	if err := r.store.persist(ctx, b, use, nil); err != nil && !errors.Is(err, errOvertaken) {
		return err
	}
	return nil
}

// Prune tells the replica that the host needs no chunk of a lane below a height any more: see
// [archive.Archive.Prune]. Chunks that were not handed over yet stay. It returns when that is
// durable.
func (r *Replica) Prune(ctx context.Context, sequencer wire.PublicKey, below uint64) error {
	l := r.laneOf(sequencer)
	l.mu.Lock()
	below = min(below, l.next)
	l.mu.Unlock()
	return r.prune(ctx, sequencer, below)
}

func (r *Replica) prune(ctx context.Context, sequencer wire.PublicKey, below uint64) error {
	durable := make(chan error, 1)
	if err := r.archive.Prune(sequencer, below, func(err error) { durable <- err }); err != nil {
		return err
	}
	r.store.roomCame()
	select {
	case err := <-durable:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Restore tells the replica that the host has got its state from elsewhere: it needs no chunk of
// the lanes of these locks up to their heights. The locks are verified, the engine adopts them, and
// delivery goes on above them. A lane that is further already stays where it is.
func (r *Replica) Restore(ctx context.Context, locks ...wire.Lock) error {
	status, err := r.engine.Status(ctx)
	if err != nil {
		return err
	}
	if status.Recovering {
		return ErrRecovering
	}
	for i := range locks {
		if err := r.laneOf(locks[i].Chunk.Sequencer).stopped(); err != nil {
			return err
		}
	}
	if err := r.engine.Adopt(ctx, locks...); err != nil {
		return err
	}
	for i := range locks {
		k := locks[i]
		k.Certificate = slices.Clone(k.Certificate)
		l := r.laneOf(k.Chunk.Sequencer)
		l.mu.Lock()
		if l.knows(r.archive, k.Chunk.Height, k.Chunk.Payload) == contradicted {
			r.stopLane(l, l.against(&k))
		}
		if next := k.Chunk.Height + 1; next > l.next && l.failure == nil {
			l.proven = l.proven[min(uint64(len(l.proven)), next-l.next):]
			l.next, l.below, l.hasBelow = next, k.Chunk.Payload, true
			if len(l.proven) == 0 { // else the old proof proves the rest
				l.proof, l.hasProof = k, true
			}
			r.settle(l)
			l.restart()
			l.work, l.restart = context.WithCancel(r.working)
			l.notify()
		}
		failure := l.failure
		l.mu.Unlock()
		if failure != nil {
			return failure
		}
		r.learn(&k)
		if err := r.prune(ctx, k.Chunk.Sequencer, k.Chunk.Height+1); err != nil {
			return err
		}
	}
	return nil
}

// Engine returns the engine, for its queries.
func (r *Replica) Engine() *engine.Engine { return r.engine }

// Usage returns the archive's usage.
func (r *Replica) Usage() archive.Usage { return r.archive.Usage() }

// Recheck tells the replica that Config.Admit or Config.Addresses may have changed their answers.
// Changes of the epochs' sets need no call.
func (r *Replica) Recheck() { r.transport.Recheck() }
