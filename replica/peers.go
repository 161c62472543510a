package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// peers holds the connected peers.
type peers struct {
	mu      sync.Mutex
	all     map[wire.PublicKey]*peer // the transport bounds them
	changed chan struct{}            // closed, and replaced, when a peer is connected
}

// peer is a connected peer. peers.mu guards all fields but id, the atomic ones and incoming.
type peer struct {
	id       wire.PublicKey
	role     network.Role
	asked    int       // our requests that are open
	pace     pace      // how many may be
	failures int       // in a row
	pausedTo time.Time // after failures
	doubtTo  time.Time // after failures and wrong answers: others are asked first
	ownChunk time.Time // when it was last answered about its own chunk
	allTips  time.Time // when it was last answered about locks of any epoch, from the first page on

	feeds  atomic.Bool // it sends us new locks, since we asked for them
	misfed atomic.Bool // one of them did not verify: it is asked for no more
	fed    atomic.Bool // we send it new locks

	incoming incoming // the body that it pushes; of the goroutine that handles its messages
}

func newPeers() *peers {
	return &peers{all: make(map[wire.PublicKey]*peer), changed: make(chan struct{})}
}

func (p *peers) connect(id wire.PublicKey, role network.Role) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.all[id]; known != nil { // restarted, or with another role
		known.role, known.failures, known.pausedTo, known.doubtTo = role, 0, time.Time{}, time.Time{}
	} else {
		p.all[id] = &peer{id: id, role: role, pace: newPace()}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *peers) disconnect(id wire.PublicKey) {
	p.mu.Lock()
	gone := p.all[id]
	delete(p.all, id)
	p.mu.Unlock()
	if gone != nil {
		gone.incoming.drop()
	}
}

func (p *peers) get(id wire.PublicKey) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[id]
}

func (p *peers) roleOf(of *peer) network.Role {
	p.mu.Lock()
	defer p.mu.Unlock()
	return of.role
}

// list returns the connected peers, and a channel that is closed when another one is connected.
func (p *peers) list() ([]*peer, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*peer, 0, len(p.all))
	for _, each := range p.all {
		list = append(list, each)
	}
	return list, p.changed
}

// ask reports whether a peer may get one more request now, and counts it. If not, it returns the
// end of the peer's pause, or zero. The next body of a lane may be asked for when nothing else may.
func (p *peers) ask(of *peer, now time.Time, next bool) (ok bool, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of.pausedTo.After(now) {
		return false, of.pausedTo
	}
	if of.asked >= of.pace.most(next) {
		return false, time.Time{}
	}
	of.asked++
	return true, time.Time{}
}

// Pauses after failures of a peer; they double.
const (
	leastPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// outcome is the end of a request.
type outcome uint8

const (
	answered outcome = iota
	unanswered
	givenUp // the request had no time for an answer
)

// ended notes the end of a request that began at some time.
func (p *peers) ended(of *peer, began, now time.Time, how outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of.asked--
	switch how {
	case givenUp:
		return
	case answered:
		of.failures = 0
		of.pace.answered(now, now.Sub(began))
		return
	}
	of.pace.window = leastAsked
	of.pausedTo = now.Add(min(leastPause<<min(of.failures, 10), mostPause))
	of.failures++
	of.doubtTo = now.Add(doubtTime)
}

// doubtTime is the time for which other peers are asked before one that gave no answer, or a wrong
// one.
const doubtTime = 10 * time.Second

// doubt notes a wrong answer.
func (p *peers) doubt(of *peer, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of.doubtTo = now.Add(doubtTime)
}

// doubts reports whether a peer has lately given no answer, or a wrong one.
func (p *peers) doubts(of *peer, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return of.doubtTo.After(now)
}

// recoveryQueryInterval is the least time between two requests of a peer for its own chunk, and
// between two for the locks of any epoch: for an answer the engine's goroutine reads every lane.
const recoveryQueryInterval = time.Second

// mayAskAgain reports whether recoveryQueryInterval has passed since last, a field of a peer, and
// sets last to now if it has.
func (p *peers) mayAskAgain(last *time.Time, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(*last) < recoveryQueryInterval {
		return false
	}
	*last = now
	return true
}
