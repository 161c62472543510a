package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// lane is the state of one lane: its locks, its proven chunks, and the height up to which the host
// has taken it.
type lane struct {
	id wire.PublicKey

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a field below changes

	lock   wire.Lock // the highest lock that counts
	locked bool
	// revision is the replica's lock revision with which lock came.
	revision uint64
	tip      wire.Proposal // the tip that the engine reported last
	hasTip   bool
	// pending holds, by epoch, the highest lock that was not walked down yet, at most
	// maxPendingLocks of them; first is the lowest.
	pending  map[uint64]wire.Lock
	first    wire.Lock
	hasFirst bool
	// proof is the lock from which the last walk led down to the proven chunks.
	proof    wire.Lock
	hasProof bool

	next uint64 // height of the first chunk that the host has not taken
	// proven holds the digests of the chunks from next up that are known to be certified: a walk
	// from the highest lock led to them.
	proven []wire.Digest
	// below is the digest of the chunk at height next − 1, if it is known.
	below    wire.Digest
	hasBelow bool

	// work is the context of walks and deliveries. It ends with the run, and when the lane is
	// restored: results that are on their way then are not used.
	work    context.Context
	restart context.CancelFunc

	unasked [2]unasked // by height, even or odd

	walking, delivering bool
	fetching            map[uint64]bool // heights of bodies being fetched early; at most fetchAhead
	failure             error           // not nil: the lane has stopped
	behind              uint64          // one above the last height that Behind was called with
}

// end returns the height above the highest proven chunk. mu is held.
func (l *lane) end() uint64 { return l.next + uint64(len(l.proven)) }

// notify wakes the goroutines that wait for a change. mu is held.
func (l *lane) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// stopped returns the reason why the lane has stopped, nil if it has not.
func (l *lane) stopped() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// knownLane returns a lane, nil if this replica has not met it yet.
func (r *Replica) knownLane(id wire.PublicKey) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[id]
}

// laneOf returns a lane, and makes it at its first use.
func (r *Replica) laneOf(id wire.PublicKey) *lane {
	if l := r.knownLane(id); l != nil {
		return l
	}
	next := r.cfg.Next(id) // without the lock: the host may call us
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes[id]; l != nil {
		return l
	}
	l := &lane{id: id, next: next, changed: make(chan struct{}), fetching: make(map[uint64]bool), pending: make(map[uint64]wire.Lock)}
	l.work, l.restart = context.WithCancel(r.working)
	r.lanes[id] = l
	return l
}

// learn takes a lock that counts and was verified, and starts the walk up to it.
func (r *Replica) learn(k *wire.Lock) {
	l := r.laneOf(k.Chunk.Sequencer)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return
	}
	known := l.knows(r.archive, k.Chunk.Height, k.Chunk.Payload)
	if known == contradicted || known == overtaken && r.beside(l, &k.Chunk) {
		r.stopLane(l, l.against(k))
		return
	}
	// A lock of a newer epoch for the same chunk is kept too, for peers that do not know older
	// epochs.
	if err := r.keepLock(l, k, known); err != nil {
		r.fail(err)
		return
	}
	if l.locked && (k.Chunk.Height < l.lock.Chunk.Height || k.Chunk == l.lock.Chunk && k.Epoch <= l.lock.Epoch) {
		return
	}
	l.lock, l.locked, l.revision = *k, true, r.revision.Add(1)
	l.notify()
	r.advance(l)
}

// advance starts the walk and the delivery of a lane if they have work. mu is held.
func (r *Replica) advance(l *lane) {
	if l.failure != nil || r.working.Err() != nil {
		return
	}
	if !l.walking && l.locked && l.lock.Chunk.Height >= l.end() {
		l.walking = true
		r.work(func() { r.walk(l) })
	}
	if !l.delivering && len(l.proven) > 0 {
		l.delivering = true
		r.work(func() { r.deliver(l) })
	}
}

// pageOfHeaders is the number of headers in one request: docs/protocol.md 7.4.
const pageOfHeaders = 1024

// leastWindow is the number of headers of a lane that are read at once ahead of the host, unless
// more of our own chunks may wait for the host. At most twice as many are proven and not handed
// over. Higher ones wait on disk.
const leastWindow = 128

// filePause is the pause of a walk after a failed write of its file, for example on a full disk.
const filePause = time.Second

// walk follows the parents' digests from the highest lock of a lane down to the proven chunks, and
// proves the chunks on the way.
func (r *Replica) walk(l *lane) {
	for {
		l.mu.Lock()
		if l.failure != nil || r.working.Err() != nil || l.lock.Chunk.Height < l.end() {
			l.walking = false
			l.mu.Unlock()
			return
		}
		lock, end, ctx := l.target(), l.end(), l.work
		l.mu.Unlock()
		var digests []wire.Digest
		var bottom wire.Digest
		var err error
		if lock.Chunk.Height-end >= uint64(r.cfg.window) {
			if err = r.walkFar(ctx, l, &lock, end); errors.Is(err, errWalkFile) {
				r.limited.log(l.id, func() { r.log.Warn("a lane is walked down again", "sequencer", l.id, "why", err) })
				sleep(ctx, filePause, nil)
				continue
			}
		} else if err = l.awaitWindow(ctx, r.cfg.window); err == nil {
			digests, bottom, err = r.descend(ctx, l, lock.Chunk, end)
		}
		l.mu.Lock()
		switch {
		case errors.Is(err, errUncarried):
			c := contradiction{why: err, lock: lock}
			errors.As(err, &c.misplaced)
			r.stopLane(l, c)
		case err != nil && ctx.Err() == nil:
			r.fail(err)
		case len(digests) > 0:
			r.prove(l, &lock, end, digests, bottom)
		}
		l.mu.Unlock()
	}
}

// prove takes the digests of the chunks from height end up, which a walk from a lock has found.
// bottom is the parent of the lowest of them. l.mu is held.
func (r *Replica) prove(l *lane, from *wire.Lock, end uint64, digests []wire.Digest, bottom wire.Digest) {
	if ahead := l.end() - end; ahead > 0 { // the lane was restored meanwhile
		if ahead > uint64(len(digests)) {
			return
		}
		bottom, digests = digests[ahead-1], digests[ahead:]
	}
	if expected, known := l.topProven(); known && bottom != expected {
		c := contradiction{lock: *from,
			why: fmt.Errorf("%w: the chunk of height %d stands on %v, and %v was certified below it", ErrFork, l.end(), bottom, expected)}
		if l.hasProof {
			other := l.proof
			c.other = &other
		}
		r.stopLane(l, c)
		return
	}
	l.proven = append(l.proven, digests...)
	l.proof, l.hasProof = *from, true
	r.settle(l)
	l.notify()
	r.advance(l)
}

// topProven returns the digest of the highest proven chunk, or else of the last one handed over, if
// it is known. mu is held.
func (l *lane) topProven() (wire.Digest, bool) {
	if n := len(l.proven); n > 0 {
		return l.proven[n-1], true
	}
	return l.below, l.hasBelow
}

// descend returns the digests of the chunks of heights end to top, ascending, and the parent of the
// lowest of them. It requests headers that are not in the archive, and puts them there.
func (r *Replica) descend(ctx context.Context, l *lane, top wire.Chunk, end uint64) (digests []wire.Digest, bottom wire.Digest, err error) {
	digests = make([]wire.Digest, 0, min(top.Height-end+1, uint64(r.cfg.window)))
	height, digest := top.Height, top.Payload
	w := r.newWalker()
	for {
		head := r.archive.Head(l.id, height)
		var found []payload.Header
		if head.Digest == digest && hasHeader(head.State) {
			found = []payload.Header{head.Header}
		} else {
			found, err = w.page(ctx, message.Place{Sequencer: l.id, Height: height}, digest, int(min(height-end+1, pageOfHeaders)))
			if err == nil {
				err = r.keepHeaders(ctx, found)
			}
			if err != nil {
				return nil, bottom, uncarried(err, height)
			}
		}
		for i := range found {
			digests = append(digests, digest)
			digest = found[i].Parent
			if height == end {
				slices.Reverse(digests)
				return digests, digest, nil
			}
			height--
		}
	}
}

// errUncarried: a certified digest is that of a header of another place. A quorum acked it, and an
// honest validator never does.
var errUncarried = errors.New("replica: a quorum certified a chunk whose header is of another place")

// uncarried turns an error of askHeaders into one about a certified chunk.
func uncarried(err error, height uint64) error {
	if errors.Is(err, errMisfit) {
		return fmt.Errorf("%w: %w, height %d: %w", ErrFork, errUncarried, height, err)
	}
	return err
}

// keepHeaders puts headers in descending order into the archive.
func (r *Replica) keepHeaders(ctx context.Context, headers []payload.Header) error {
	ascending := slices.Clone(headers)
	slices.Reverse(ascending)
	err := r.store.retry(ctx, func() error { return r.archive.PutHeaders(ascending, nil) })
	switch {
	case err == nil, errors.Is(err, archive.ErrPruned):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("replica: keeping headers: %w", err)
}

// fetchAhead is the number of bodies of a lane that are fetched ahead of their turn.
const fetchAhead = 8

// deliver hands over the proven chunks, in order.
func (r *Replica) deliver(l *lane) {
	for {
		l.mu.Lock()
		if l.failure != nil || len(l.proven) == 0 || r.working.Err() != nil {
			l.delivering = false
			l.mu.Unlock()
			return
		}
		c := Chunk{Place: engine.Place{Sequencer: l.id, Height: l.next}, Digest: l.proven[0], Proof: l.proof}
		ctx := l.work
		r.prefetch(l)
		l.mu.Unlock()
		if err := r.handOver(ctx, &c); err != nil {
			if ctx.Err() == nil {
				r.fail(err)
			}
			continue
		}
		l.mu.Lock()
		if l.next == c.Height { // else the lane was restored meanwhile
			l.below, l.hasBelow = c.Digest, true
			l.next++
			l.proven = l.proven[1:]
			l.notify()
		}
		l.mu.Unlock()
	}
}

// handOver gets the body of a chunk, keeps it, and hands it to the application.
func (r *Replica) handOver(ctx context.Context, c *Chunk) error {
	p := message.Place{Sequencer: c.Sequencer, Height: c.Height}
	b, err := r.obtain(ctx, p, c.Digest, nextInLane)
	if err != nil {
		return err
	}
	defer b.release()
	if head := r.archive.Head(p.Sequencer, p.Height); head.State != archive.Held || head.Digest != c.Digest {
		if err := r.store.persist(ctx, b, archive.ForDelivery, nil); err != nil && !errors.Is(err, errOvertaken) {
			return fmt.Errorf("replica: keeping a body: %w", err)
		}
	}
	c.Parent, c.Body = b.header.Parent, b.bytes
	if err := r.guard("Application.Deliver", func() error { return r.cfg.Application.Deliver(ctx, *c) }); err != nil {
		return fmt.Errorf("%w: height %d of lane %v: %w", ErrApplication, c.Height, c.Sequencer, err)
	}
	r.counts.delivered.Add(1)
	r.counts.deliveredBytes.Add(uint64(len(b.bytes)))
	return nil
}

// prefetch starts to fetch the missing bodies of the next chunks, as many as the archive has room
// for: a body that it refused would be fetched again at its turn. While the disk is busy it starts
// none: a long queue there would delay votes. l.mu is held.
func (r *Replica) prefetch(l *lane) {
	if r.bodies.disk.busy() {
		return
	}
	for i := 1; i < len(l.proven) && i <= fetchAhead; i++ {
		height, digest := l.next+uint64(i), l.proven[i]
		if l.fetching[height] {
			continue
		}
		head := r.archive.Head(l.id, height)
		if head.Digest != digest || head.State == archive.Held {
			continue
		}
		bytes := archive.StoredSize(&head.Header)
		if !r.archive.HasRoom(r.bodies.ahead.Add(bytes)) {
			r.bodies.ahead.Add(-bytes)
			return
		}
		l.fetching[height] = true
		ctx := l.work
		r.work(func() {
			defer func() {
				r.bodies.ahead.Add(-bytes)
				l.mu.Lock()
				delete(l.fetching, height)
				l.mu.Unlock()
			}()
			b, err := r.obtain(ctx, message.Place{Sequencer: l.id, Height: height}, digest, certified)
			if err != nil {
				return
			}
			defer b.release()
			done := r.bodies.disk.put(bytes)
			if err := r.store.put(b, archive.ForVote, done); err != nil {
				done(err) // votes took the room meanwhile: the body is kept at its turn
			}
		})
	}
}

// certainty is a lane's knowledge of a chunk.
type certainty uint8

const (
	uncertain    certainty = iota
	proven                 // the chunk is certified
	contradicted           // another chunk is certified in its place
	overtaken              // it is below a certified chunk, and nothing more is known
)

// knows returns the lane's knowledge of a chunk. mu is held.
func (l *lane) knows(archive *archive.Archive, height uint64, digest wire.Digest) certainty {
	is := func(certified wire.Digest) certainty {
		if certified == digest {
			return proven
		}
		return contradicted
	}
	switch {
	case height >= l.next && height < l.end():
		return is(l.proven[height-l.next])
	case height+1 == l.next && l.hasBelow:
		return is(l.below)
	case height < l.next:
		// The archive holds below next only chunks that were handed over.
		if head := archive.Head(l.id, height); head.Digest == digest {
			return proven
		}
		return overtaken
	case l.locked && height == l.lock.Chunk.Height:
		return is(l.lock.Chunk.Payload)
	case l.locked && height < l.lock.Chunk.Height:
		return overtaken
	}
	return uncertain
}
