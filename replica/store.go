package replica

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// store keeps bodies: in the archive, and the latest in memory too.
type store struct {
	archive   *archive.Archive
	maxCached int64
	full      atomic.Bool // a body that was to be kept found no room, and waits

	mu     sync.Mutex
	cached map[message.Place]*list.Element // of *body; each counts for leastBuffer bytes or more
	latest *list.List                      // the least recently used in front
	bytes  int64
	room   chan struct{} // closed, and replaced, when room may have come
}

func newStore(a *archive.Archive, maxCached int64) *store {
	return &store{archive: a, maxCached: maxCached, cached: make(map[message.Place]*list.Element), latest: list.New(), room: make(chan struct{})}
}

// remember keeps a body in memory, in place of another of its place.
func (s *store) remember(b *body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.cached[b.place()]; e != nil {
		if e.Value.(*body).digest == b.digest {
			s.latest.MoveToBack(e)
			return
		}
		s.forget(e)
	}
	s.cached[b.place()] = s.latest.PushBack(b.hold())
	s.bytes += memoryOf(b)
	for s.bytes > s.maxCached {
		s.forget(s.latest.Front())
	}
}

// memoryOf returns the bytes of memory that a body counts for.
func memoryOf(b *body) int64 { return int64(max(cap(b.buffer), len(b.bytes), leastBuffer)) }

// forget drops an element. mu is held.
func (s *store) forget(e *list.Element) {
	b := s.latest.Remove(e).(*body)
	delete(s.cached, b.place())
	s.bytes -= memoryOf(b)
	b.release()
}

// recall returns a body that is in memory, held for the caller; nil if it is not.
func (s *store) recall(p message.Place, digest wire.Digest) *body {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.cached[p]
	if e == nil || e.Value.(*body).digest != digest {
		return nil
	}
	s.latest.MoveToBack(e)
	return e.Value.(*body).hold()
}

// clear forgets all bodies in memory.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.latest.Len() > 0 {
		s.forget(s.latest.Front())
	}
}

// errAbsent: the body is not here.
var errAbsent = errors.New("replica: the body is not here")

// get returns a body from memory or from the archive, held for the caller. use is for a body that
// was pushed. The error is errAbsent, or that of the archive.
func (s *store) get(p message.Place, digest wire.Digest, use archive.Use) (*body, error) {
	if b := s.recall(p, digest); b != nil {
		return b, nil
	}
	head := s.archive.Head(p.Sequencer, p.Height)
	if head.Digest != digest || head.State == archive.HeaderOnly {
		return nil, errAbsent
	}
	if head.State == archive.PushedBody {
		if err := s.archive.Want(use, p.Sequencer, p.Height, digest, nil); err != nil {
			return nil, errAbsent // overtaken, or no room: a caller that needs it asks again
		}
	}
	buffer := getBuffer(int(head.Header.BodySize))
	h, bytes, err := s.archive.Get(p.Sequencer, p.Height, buffer)
	if err == nil && h == head.Header {
		b := newBody(&h, digest, nil, bytes, buffer)
		s.remember(b)
		return b, nil
	}
	putBuffer(buffer)
	if err == nil || errors.Is(err, archive.ErrNotHeld) || errors.Is(err, archive.ErrPruned) || errors.Is(err, archive.ErrDamaged) {
		return nil, errAbsent
	}
	return nil, fmt.Errorf("replica: reading a body: %w", err)
}

// Pauses before a body that found no room is offered again, unless room comes earlier.
const (
	busyPause  = 5 * time.Millisecond
	quotaPause = 250 * time.Millisecond
)

// errOvertaken: a body that was to be kept is not wanted any more.
var errOvertaken = errors.New("replica: overtaken")

// persist makes a body durable, and returns when it is; the caller holds the body meanwhile. It
// waits while there is no room. allowed, which may be nil, is called before each put: its error is
// returned. It returns errOvertaken for a body below the kept heights, or if another body was put
// in its place; ctx's error; or that of an archive that has failed.
func (s *store) persist(ctx context.Context, b *body, use archive.Use, allowed func(put func() error) error) error {
	if allowed == nil {
		allowed = func(put func() error) error { return put() }
	}
	err := s.retry(ctx, func() error {
		durable := make(chan error, 1)
		err := allowed(func() error { return s.put(b, use, func(err error) { durable <- err }) })
		if err != nil {
			return err
		}
		select {
		case err := <-durable:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if errors.Is(err, archive.ErrPruned) || errors.Is(err, archive.ErrNotHeld) || errors.Is(err, archive.ErrWindow) {
		return errOvertaken
	}
	return err
}

// retry calls put until the archive has room, and returns put's result, or ctx's error.
func (s *store) retry(ctx context.Context, put func() error) error {
	for {
		room := s.awaitRoom()
		err := put()
		pause := busyPause
		switch {
		case err == nil:
			s.full.Store(false)
			return nil
		case errors.Is(err, archive.ErrBusy):
		case errors.Is(err, archive.ErrQuota):
			s.full.Store(true)
			pause = quotaPause
		default:
			return err
		}
		if sleep(ctx, pause, room); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// sleep returns after a while, when wake is closed, or when ctx ends. wake may be nil.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// put hands a body to the archive, which owns it until done has been called.
func (s *store) put(b *body, use archive.Use, done func(error)) error {
	if use != archive.Pushed { // for a body that is there already this costs less than Put
		err := s.archive.Want(use, b.header.Sequencer, b.header.Height, b.digest, done)
		if !errors.Is(err, archive.ErrNotHeld) || b.tree == nil {
			return err
		}
	}
	b.hold()
	err := s.archive.Put(use, archive.Body{Header: b.header, Tree: b.tree, Bytes: b.bytes}, func(err error) {
		b.release()
		done(err)
	})
	if err != nil {
		b.release()
	}
	return err
}

// awaitRoom returns a channel that is closed when room may have come.
func (s *store) awaitRoom() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room
}

// roomCame wakes the goroutines that wait for room.
func (s *store) roomCame() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.room)
	s.room = make(chan struct{})
}
