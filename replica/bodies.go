package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// bodies holds the bodies that callers wait for, and the memory for fetching them.
type bodies struct {
	mu sync.Mutex
	// wanted has for each lane the two bodies of its tip, the next one and fetchAhead more, and the
	// bodies that callers of Get and Wait request.
	wanted map[wanted]*want
	// Memory of bodies that are being fetched: of those that come next in their lanes, and of
	// others.
	next, others room
	share        int64        // the size of each of the two in bytes
	pages        room         // for pages of headers, maxPagesAsked of them
	ahead        atomic.Int64 // bytes in the archive of bodies that are fetched ahead of their turn
	disk         disk         // paces those bodies
}

// room is an amount of memory that fetches take in turn.
type room struct {
	*semaphore.Weighted
	waiting atomic.Int32
}

func newRoom(size int64) room { return room{Weighted: semaphore.NewWeighted(size)} }

// acquire waits until bytes of it are free, and takes them.
func (m *room) acquire(ctx context.Context, bytes int64) error {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	return m.Acquire(ctx, bytes)
}

// wanted names a body.
type wanted struct {
	message.Place
	digest wire.Digest
}

// urgency is the purpose for which a body is wanted.
type urgency uint8

const (
	forVote   urgency = iota // of a tip: its sequencer pushes it
	certified                // it will be handed over
	nextInLane
)

// want is a body that callers wait for. bodies.mu guards waiters, urgency and body.
type want struct {
	wanted
	waiters int
	urgency urgency
	raised  chan struct{} // closed when urgency becomes nextInLane
	arrived chan *body    // capacity 1: a body that was pushed
	done    chan struct{} // closed when body or err is set
	body    *body         // held
	err     error
	cancel  context.CancelFunc
}

func newBodies(share int64) *bodies {
	return &bodies{
		wanted: make(map[wanted]*want),
		next:   newRoom(share), others: newRoom(share), share: share, pages: newRoom(maxPagesAsked), disk: disk{pace: newPace()},
	}
}

// errMisfit: the header with the chunk's digest names another place.
var errMisfit = errors.New("replica: the header is of another place than its chunk")

// obtain returns the body of a chunk, which the caller holds then. It gets the body from memory,
// from disk, from a push, or from peers by request. It goes on until ctx ends. The error is ctx's,
// ErrClosed, errMisfit, or that of a disk that fails.
func (r *Replica) obtain(ctx context.Context, p message.Place, digest wire.Digest, u urgency) (*body, error) {
	if b := r.store.recall(p, digest); b != nil {
		return b, nil
	}
	w := r.bodies.join(r, wanted{p, digest}, u)
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	b, err := r.bodies.leave(w, ctx.Err())
	if err != nil && ctx.Err() == nil && r.working.Err() != nil {
		err = ErrClosed
	}
	return b, err
}

// join adds a waiter for a body. The first one starts the search.
func (bs *bodies) join(r *Replica, name wanted, u urgency) *want {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w := bs.wanted[name]
	if w == nil {
		ctx, cancel := context.WithCancel(r.working)
		w = &want{
			wanted: name, urgency: u, cancel: cancel,
			raised: make(chan struct{}), arrived: make(chan *body, 1), done: make(chan struct{}),
		}
		if u == nextInLane {
			close(w.raised)
		}
		bs.wanted[name] = w
		if !r.work(func() {
			b, err := r.seek(ctx, w)
			bs.mu.Lock()
			w.body, w.err = b, err
			bs.mu.Unlock()
			close(w.done)
		}) {
			w.err = ErrClosed
			close(w.done)
		}
	} else if u > w.urgency {
		w.urgency = u
		if u == nextInLane {
			close(w.raised)
		}
	}
	w.waiters++
	return w
}

// leave removes a waiter, and returns the body or the error. When the last one leaves, the search
// ends.
func (bs *bodies) leave(w *want, over error) (*body, error) {
	bs.mu.Lock()
	b, err := w.body, w.err
	if b != nil {
		b.hold()
	} else if err == nil {
		err = over
	}
	w.waiters--
	last := w.waiters == 0
	if last {
		delete(bs.wanted, w.wanted)
	}
	bs.mu.Unlock()
	if last {
		w.cancel()
		go w.drop()
	}
	return b, err
}

// drop releases a body that has no waiter any more.
func (w *want) drop() {
	<-w.done
	if w.body != nil {
		w.body.release()
	}
	select {
	case b := <-w.arrived:
		b.release()
	default:
	}
}

// deliver hands a pushed body to its waiters, and reports whether there are any.
func (bs *bodies) deliver(b *body) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w := bs.wanted[wanted{b.place(), b.digest}]
	if w == nil {
		return false
	}
	select {
	case w.arrived <- b.hold():
	default:
		b.release()
	}
	return true
}

// wants reports whether a body has waiters.
func (bs *bodies) wants(name wanted) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.wanted[name] != nil
}

func (bs *bodies) urgencyOf(w *want) urgency {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return w.urgency
}

// seek looks for a body until it is found.
func (r *Replica) seek(ctx context.Context, w *want) (*body, error) {
	use := archive.ForVote
	if r.bodies.urgencyOf(w) == nextInLane {
		use = archive.ForDelivery
	}
	b, err := r.store.get(w.Place, w.digest, use)
	if !errors.Is(err, errAbsent) {
		return b, err
	}
	// A push may be on its way. Wait for it first: in the beginning no other peer has the body.
	if r.bodies.urgencyOf(w) == forVote {
		timer := time.NewTimer(r.cfg.FetchDelay)
		defer timer.Stop()
		select {
		case b := <-w.arrived:
			return b, nil
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	fetching, cancel := context.WithCancel(ctx)
	defer cancel()
	type found struct {
		*body
		error
	}
	fetched := make(chan found, 1)
	go func() {
		b, err := r.fetch(fetching, w)
		fetched <- found{b, err}
	}()
	select {
	case f := <-fetched:
		return f.body, f.error
	case b := <-w.arrived:
		cancel()
		if f := <-fetched; f.body != nil {
			f.body.release()
		}
		return b, nil
	}
}

// A fetch that has memory goes on without limit while no other fetch waits for memory. Otherwise
// its turn ends when nothing has come for Config.RequestTimeout, or when it has lasted for
// firstTurn, then for twice as long each time. So bodies that peers withhold do not keep memory
// from others for good.
const (
	firstTurn = 10 * time.Second
	mostTurns = 6                // doublings
	turnPause = time.Second      // after the first turn of an uncertified body; it doubles too
	lookAgain = time.Second / 10 // the interval of looking whether a fetch waits
)

// fetch asks peers for a body until it has it: first the header, then the pieces.
func (r *Replica) fetch(ctx context.Context, w *want) (*body, error) {
	header, err := r.fetchHeader(ctx, w)
	if err != nil {
		return nil, err
	}
	for turn := 0; ; turn = min(turn+1, mostTurns) {
		memory, release, err := r.bodies.reserve(ctx, w, bufferSize(int(header.BodySize)))
		if err != nil {
			return nil, err
		}
		b, err := r.fetchPieces(ctx, w, &header, memory, firstTurn<<turn)
		release()
		if !errors.Is(err, errTurn) {
			return b, err
		}
		if r.bodies.urgencyOf(w) != forVote {
			continue
		}
		sleep(ctx, turnPause<<turn, w.raised)
	}
}

// fetchPieces asks peers for the pieces of a body until it has all. errTurn: other fetches wait for
// memory.
func (r *Replica) fetchPieces(ctx context.Context, w *want, header *payload.Header, memory *room, turn time.Duration) (*body, error) {
	size := int(header.BodySize)
	buffer := getBuffer(size)
	assembly, err := payload.NewAssembly(header, buffer[:size])
	if err != nil {
		putBuffer(buffer)
		return nil, fmt.Errorf("%w: %w", errMisfit, err)
	}
	began := time.Now()
	s := search{
		items: int(payload.Pieces(header.BodySize)), typ: message.PieceRequestType,
		request: func(item int) []byte {
			return (&message.PieceRequest{Place: w.Place, Digest: w.digest, Index: uint32(item)}).AppendTo(nil)
		},
		accept: func(item int, answer network.Message) error { return takePiece(assembly, w.digest, item, answer) },
		rank:   r.rank(w.Place), pruned: r.prunedAt(w.Place),
		next: func() bool { return r.bodies.urgencyOf(w) == nextInLane },
		over: func(now, last time.Time) bool {
			return memory.waiting.Load() > 0 && (now.Sub(last) > r.cfg.RequestTimeout || now.Sub(began) > turn)
		},
	}
	if err := s.run(ctx, r); err != nil {
		putBuffer(buffer)
		return nil, err
	}
	bytes, tree := assembly.Complete()
	b := newBody(header, w.digest, tree, bytes, buffer)
	r.counts.fetched.Add(1)
	r.store.remember(b)
	return b, nil
}

// takePiece adds the piece of an answer to the body.
func takePiece(assembly *payload.Assembly, digest wire.Digest, item int, answer network.Message) error {
	var piece message.Piece
	if answer.Type != message.PieceType {
		return fmt.Errorf("%w: an answer of type 0x%02x to a request for a piece", errWrong, uint8(answer.Type))
	}
	if err := piece.Decode(answer.Buffer.Bytes()); err != nil {
		return err
	}
	if piece.Digest != digest || piece.Index != uint32(item) {
		return fmt.Errorf("%w: piece %d of %v", errWrong, piece.Index, piece.Digest)
	}
	_, err := assembly.Add(uint64(item), piece.Bytes, piece.Path)
	return err
}

// maxFetched is the number of bodies of each of the two kinds that are fetched at once: more
// requests than peers answer at a time, and few enough that waiting ones cost nothing.
const maxFetched = 64

// reserve waits until there is room in memory for a body. It returns the room that it took the
// memory from, and a function that gives it back. Bodies that come next in their lanes have a room
// of their own.
func (bs *bodies) reserve(ctx context.Context, w *want, bytes int64) (memory *room, release func(), err error) {
	bytes = min(max(bytes, bs.share/maxFetched), bs.share)
	if bs.urgencyOf(w) != nextInLane {
		waiting, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-w.raised:
				cancel()
			case <-waiting.Done():
			}
		}()
		err := bs.others.acquire(waiting, bytes)
		cancel()
		if err == nil {
			return &bs.others, func() { bs.others.Release(bytes) }, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
	if err := bs.next.acquire(ctx, bytes); err != nil {
		return nil, nil, err
	}
	return &bs.next, func() { bs.next.Release(bytes) }, nil
}
