package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// automaton is the engine's application, relay and reporter: docs/protocol.md 7.2.
type automaton struct{ *Replica }

var (
	_ engine.Automaton = automaton{}
	_ engine.Relay     = automaton{}
	_ engine.Reporter  = automaton{}
)

// errUnknownParent: the header of a chunk cannot be compared with its lane.
var errUnknownParent = errors.New("replica: the chunk's parent is not known yet")

// Verify implements engine.Automaton: a chunk is good once its body is here and durable, the body
// fits the chunk, and the application has approved it.
func (a automaton) Verify(ctx context.Context, at engine.Place, digest wire.Digest) (bool, error) {
	r, l := a.Replica, a.laneOf(at.Sequencer)
	p := message.Place{Sequencer: at.Sequencer, Height: at.Height}
	known, err := l.comeTo(ctx, r.archive, at.Height, digest)
	// On a lane that has stopped, undelivered bodies would fill the archive.
	if err != nil || known == contradicted || l.stopped() != nil {
		return false, err
	}
	// A body that is held was compared before it was kept. A pushed body is compared here, before
	// it becomes a held one.
	head := r.archive.Head(p.Sequencer, p.Height)
	compared := known == proven || head.Digest == digest && head.State == archive.Held
	if head.Digest == digest && head.State == archive.PushedBody {
		if good, err := fits(&head.Header, at, compared); !good {
			return false, err
		}
	}
	b, err := r.obtain(ctx, p, digest, forVote)
	if err != nil {
		if errors.Is(err, errMisfit) {
			return false, nil
		}
		return false, err
	}
	defer b.release()
	if good, err := fits(&b.header, at, compared); !good {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	persisted := make(chan error, 1)
	b.hold()
	go func() {
		defer b.release()
		persisted <- r.store.persist(ctx, b, archive.ForVote, func(put func() error) error { return l.vote(r.archive, at.Height, digest, put) })
	}()
	if known != proven && !r.proposals.made(digest) {
		good, err := r.cfg.Application.Verify(ctx, at, b.bytes)
		if err != nil || !good {
			cancel()
			<-persisted
			return false, err
		}
	}
	err = <-persisted
	return err == nil, err
}

// comeTo returns the certainty of a chunk. For a chunk below a certified one it waits until the
// lane was walked down to the chunk; meanwhile no verdict on it is needed.
func (l *lane) comeTo(ctx context.Context, archive *archive.Archive, height uint64, digest wire.Digest) (certainty, error) {
	for {
		l.mu.Lock()
		known, changed := l.knows(archive, height, digest), l.changed
		failed := l.failure != nil
		l.mu.Unlock()
		if known != overtaken || failed {
			return known, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return known, ctx.Err()
		}
	}
}

// fits reports whether a header is that of a place, and names the parent that the place names. In a
// lane that was dormant the place names none: compared says that the two were compared before, or
// that the chunk is certified.
func fits(h *payload.Header, at engine.Place, compared bool) (bool, error) {
	switch {
	case h.Sequencer != at.Sequencer || h.Height != at.Height:
		return false, nil
	case h.Parent == at.Parent || compared && at.Parent == wire.Digest{}:
		return true, nil
	case at.Parent == wire.Digest{}:
		return false, errUnknownParent
	}
	return false, nil
}

// vote calls put for a chunk that is to be acked, unless another chunk is certified for its place:
// the body would take the certified one's place in the archive.
func (l *lane) vote(archive *archive.Archive, height uint64, digest wire.Digest, put func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.knows(archive, height, digest) {
	case contradicted, overtaken:
		return errOvertaken
	}
	return put()
}

// Broadcast implements engine.Relay. Bodies are pushed before their nodes; a body that an earlier
// run made is pushed now.
func (a automaton) Broadcast(_ context.Context, at engine.Place, digest wire.Digest, _ []wire.PublicKey, again bool) {
	if again {
		return // a peer that lacks it asks
	}
	r := a.Replica
	r.work(func() {
		if b, err := r.store.get(message.Place{Sequencer: at.Sequencer, Height: at.Height}, digest, archive.ForVote); err == nil {
			r.push(b)
			b.release()
		}
	})
}

// Report implements engine.Reporter. If a crash loses a lock that the archive had not synced, it is
// found again: the engine reports the highest lock of each lane at every start, and that lock
// proves those below.
func (a automaton) Report(ctx context.Context, activity wire.Activity) error {
	r := a.Replica
	switch about := activity.(type) {
	case *wire.Certified:
		r.learn(&about.Lock)
	case *wire.Tip:
		l := r.laneOf(about.Proposal.Chunk.Sequencer)
		l.mu.Lock()
		l.tip, l.hasTip = about.Proposal, true
		l.mu.Unlock()
	case *wire.LockConflict:
		l := r.laneOf(about.First.Chunk.Sequencer)
		l.mu.Lock()
		r.stopLane(l, contradiction{
			why:  fmt.Errorf("%w: two locks at height %d", ErrFork, about.First.Chunk.Height),
			lock: about.First, other: &about.Second, told: true,
		})
		l.mu.Unlock()
	}
	return r.report(ctx, activity)
}
