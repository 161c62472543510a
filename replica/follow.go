package replica

import (
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// Docs/protocol.md 7.4: a peer that asked for new locks is sent the newest lock of a lane at most
// once per followInterval.
const followInterval = 50 * time.Millisecond

// maxFeeds is the number of peers that a process without weight asks for new locks.
const maxFeeds = 3

// maxFed bounds the locks of feeds that wait to be verified. More are dropped, and tips bring them.
const maxFed = 1024

// feed holds the locks that peers send because we asked for new ones.
type feed struct {
	mu      sync.Mutex
	waiting map[wire.PublicKey]fed // the highest by lane; at most maxFed
	wake    chan struct{}          // capacity 1
}

// fed is a lock and its sender.
type fed struct {
	lock wire.Lock
	from wire.PublicKey
}

func newFeed() *feed {
	return &feed{waiting: make(map[wire.PublicKey]fed), wake: make(chan struct{}, 1)}
}

// follows reports whether we ask a peer for new locks: validators get them from the engine.
func (r *Replica) follows(feeds map[*peer]bool, p *peer) bool {
	if scheme, ok := r.cfg.scheme(r.epoch.Load()); ok {
		if _, validator := scheme.Index(r.id); validator {
			clear(feeds)
			return false
		}
	}
	if !feeds[p] && len(feeds) < maxFeeds {
		feeds[p] = true
	}
	return feeds[p]
}

// takeNewLock queues a lock of a feed to be verified. A lock below the highest known one is dropped
// first.
func (r *Replica) takeNewLock(from *peer, m network.Message) {
	var k wire.Lock
	if !from.feeds.Load() || k.Decode(m.Buffer.Bytes(), withinBounds{r}) != nil {
		return
	}
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting, ok := f.waiting[k.Chunk.Sequencer]
	if ok && waiting.lock.Chunk.Height >= k.Chunk.Height || !ok && len(f.waiting) >= maxFed {
		return
	}
	k.Certificate = slices.Clone(k.Certificate)
	f.waiting[k.Chunk.Sequencer] = fed{k, from.id}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// takeFed verifies the locks that wait, all at once. A peer that sends an invalid one is not asked
// for new locks any more.
func (r *Replica) takeFed() {
	for {
		select {
		case <-r.working.Done():
			return
		case <-r.feed.wake:
		}
		r.feed.mu.Lock()
		waiting := r.feed.waiting
		r.feed.waiting = make(map[wire.PublicKey]fed)
		r.feed.mu.Unlock()
		by := make(map[wire.PublicKey][]wire.Lock)
		for _, f := range waiting {
			by[f.from] = append(by[f.from], f.lock)
		}
		for from, locks := range by {
			if err := r.offerAll(locks); err != nil && r.working.Err() == nil {
				r.counts.wrongAnswers.Add(1)
				r.limited.log(from, func() { r.log.Warn("a peer sent a lock that does not verify", "peer", from, "why", err) })
				if p := r.peers.get(from); p != nil {
					p.misfed.Store(true)
					p.feeds.Store(false)
				}
			}
		}
	}
}

// feedFollowers sends new locks to the peers that asked for them.
func (r *Replica) feedFollowers() {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	sent := r.revision.Load()
	for {
		select {
		case <-r.working.Done():
			return
		case <-ticker.C:
		}
		now := r.revision.Load()
		if now == sent {
			continue
		}
		var to, followers []wire.PublicKey
		peers, _ := r.peers.list()
		for _, p := range peers {
			switch {
			case !p.fed.Load():
			case r.peers.roleOf(p) == network.Member:
				to = append(to, p.id)
			default:
				followers = append(followers, p.id)
			}
		}
		to = append(to, followers...) // members first
		if len(to) > 0 {
			for _, l := range r.allLanes() {
				l.mu.Lock()
				k, fresh := l.lock, l.locked && l.revision > sent
				l.mu.Unlock()
				if fresh {
					r.transport.Send(to, message.NewLockType, k.AppendTo(make([]byte, 0, k.Size())))
				}
			}
		}
		sent = now
	}
}
