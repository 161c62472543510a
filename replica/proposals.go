package replica

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// proposals holds our own bodies: the next one, and the one after it, which is made while the next
// waits for its certificate. The application is called once at a time.
type proposals struct {
	turn chan struct{} // capacity 1: the goroutine that has put a value in may ask the application

	mu     sync.Mutex
	ready  map[engine.Place]wire.Digest // durable and not proposed; of the next 2 or 3 heights
	recent []wire.Digest                // made in this run, the latest ones
}

// maxMade bounds the bodies that are remembered as made in this run. The engine asks about fewer.
const maxMade = 8

func newProposals() *proposals {
	return &proposals{turn: make(chan struct{}, 1), ready: make(map[engine.Place]wire.Digest)}
}

// made reports whether this run's application made a body.
func (p *proposals) made(digest wire.Digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.recent, digest)
}

func (p *proposals) take(at engine.Place) (wire.Digest, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	digest, ok := p.ready[at]
	return digest, ok
}

func (p *proposals) put(at engine.Place, digest wire.Digest, made bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other := range p.ready {
		if other.Height < at.Height-min(at.Height, 1) || other.Height == at.Height {
			delete(p.ready, other)
		}
	}
	p.ready[at] = digest
	if made {
		if p.recent = append(p.recent, digest); len(p.recent) > maxMade {
			p.recent = p.recent[1:]
		}
	}
}

// Propose implements engine.Automaton: it returns the digest of a body that is durable, and starts
// to make the body of the next height.
func (a automaton) Propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	digest, err := a.propose(ctx, at)
	if err != nil {
		return wire.Digest{}, err
	}
	a.work(func() { a.proposeAhead(engine.Place{Sequencer: at.Sequencer, Height: at.Height + 1, Parent: digest}) })
	return digest, nil
}

// propose returns the digest of our body for a place, once it is durable; it is being pushed then.
func (r *Replica) propose(ctx context.Context, at engine.Place) (wire.Digest, error) {
	select {
	case r.proposals.turn <- struct{}{}:
	case <-ctx.Done():
		return wire.Digest{}, ctx.Err()
	}
	defer func() { <-r.proposals.turn }()
	if digest, ok := r.proposals.take(at); ok {
		return digest, nil
	}
	r.vouched.add(r, r.id) // enough if we are the only validator
	r.vouched.wait(ctx)
	if ctx.Err() != nil {
		return wire.Digest{}, ctx.Err()
	}
	if err := r.awaitDelivery(ctx, at); err != nil {
		return wire.Digest{}, err
	}
	b, made, err := r.makeBody(ctx, at)
	if err != nil {
		return wire.Digest{}, err
	}
	defer b.release()
	if err := r.store.persist(ctx, b, archive.ForVote, nil); err != nil {
		return wire.Digest{}, err
	}
	r.store.remember(b)
	r.proposals.put(at, b.digest, made)
	r.push(b)
	return b.digest, nil
}

// makeBody returns the body for a place: one that an earlier run kept, if the application still
// approves of it, or a new one.
func (r *Replica) makeBody(ctx context.Context, at engine.Place) (b *body, made bool, err error) {
	if head := r.archive.Head(at.Sequencer, at.Height); head.State == archive.Held && head.Header.Parent == at.Parent {
		if kept, err := r.store.get(message.Place{Sequencer: at.Sequencer, Height: at.Height}, head.Digest, archive.ForVote); err == nil {
			good := false
			err := r.guard("Application.Verify", func() (err error) {
				good, err = r.cfg.Application.Verify(ctx, at, kept.bytes)
				return err
			})
			if err == nil && good {
				return kept, false, nil
			}
			kept.release()
			if ctx.Err() != nil {
				return nil, false, ctx.Err()
			}
		}
	}
	var bytes []byte
	err = r.guard("Application.Propose", func() (err error) {
		bytes, err = r.cfg.Application.Propose(ctx, at)
		return err
	})
	switch {
	case err != nil:
		return nil, false, err
	case len(bytes) > r.cfg.MaxPayload:
		return nil, false, &BodyTooLargeError{Size: len(bytes), Max: r.cfg.MaxPayload}
	}
	tree := payload.Build(bytes)
	header := payload.Header{Sequencer: at.Sequencer, Height: at.Height, Parent: at.Parent, BodySize: uint64(len(bytes)), Root: tree.Root()}
	return newBody(&header, payload.Digest(r.cfg.Namespace, &header), tree, bytes, nil), true, nil
}

// proposeAhead makes the body of the height after the proposed one, if it is still needed.
func (r *Replica) proposeAhead(at engine.Place) {
	ctx, cancel := context.WithCancel(r.working)
	defer cancel()
	for {
		// When the engine asks for the same place, its call has the next turn.
		_, err := r.propose(ctx, at)
		if !errors.Is(err, engine.ErrDeclined) {
			if err != nil && ctx.Err() == nil {
				r.log.Debug("no body was made ahead of its turn", "height", at.Height, "why", err)
			}
			return
		}
		l := r.laneOf(at.Sequencer)
		l.mu.Lock()
		over := l.locked && l.lock.Chunk.Height+1 >= at.Height
		l.mu.Unlock()
		if over {
			return // the engine asks
		}
		if sleep(ctx, r.backoff, nil); ctx.Err() != nil {
			return
		}
	}
}

// awaitDelivery waits while the host is too far behind with our own lane. It returns ctx's error,
// or the reason why the lane has stopped.
func (r *Replica) awaitDelivery(ctx context.Context, at engine.Place) error {
	l := r.laneOf(at.Sequencer)
	for {
		l.mu.Lock()
		waiting, changed := at.Height >= l.next && at.Height-l.next > uint64(r.cfg.MaxUndelivered), l.changed
		failure := l.failure
		l.mu.Unlock()
		if failure != nil {
			return failure
		}
		r.held.Store(waiting)
		if !waiting {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
