package replica

import (
	"sync"
	"time"
)

// A peer may have between leastAsked and mostAsked requests of ours open. How many is what its answers
// say: as long as they come about as fast as its fastest ones, there is one more for each round, and at
// first twice as many; once they come later by queueTime, requests wait for each other there, and there are
// fewer. So what is fetched
// fills a long line, and gets out of the way of votes and new bodies where processor, disk or line are
// what is short.
const (
	leastAsked = 4
	mostAsked  = 32
	queueTime  = 10 * time.Millisecond
	fastTime   = time.Minute // for how long the fastest answer counts
)

// pace is how many requests a peer may have open. Its fields are guarded by peers.mu.
type pace struct {
	window  float64
	ramp    bool          // no answer has come late since begun
	fastest time.Duration // of the answers since begun
	begun   time.Time
}

func newPace() pace { return pace{window: leastAsked} }

// most returns how many requests may be open: a quarter is left to what is next in its lane.
func (p *pace) most(next bool) int {
	most := int(p.window)
	if !next {
		most -= most / 4
	}
	return most
}

// disk paces what is fetched ahead of its turn as if the disk were a peer that is asked to keep it: where
// others sync to the same disk, or it is slow, little of it is under way there.
type disk struct {
	mu       sync.Mutex
	pace     pace
	unsynced int64 // bytes under way
}

// diskUnit is what counts as one request to the disk.
const diskUnit = 256 << 10

// busy reports whether nothing more should be fetched ahead now.
func (d *disk) busy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unsynced >= int64(d.pace.most(true))*diskUnit
}

// put takes note of so many bytes on their way, and returns what is to be called once they are durable, or
// are not to become that.
func (d *disk) put(bytes int64) (done func(error)) {
	began := time.Now()
	d.mu.Lock()
	d.unsynced += bytes
	d.mu.Unlock()
	return func(err error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.unsynced -= bytes
		if now := time.Now(); err == nil {
			d.pace.answered(now, now.Sub(began))
		}
	}
}

// answered takes note of how long an answer took.
func (p *pace) answered(now time.Time, took time.Duration) {
	if now.Sub(p.begun) > fastTime { // with few requests open it is seen how fast the peer can be
		p.fastest, p.begun, p.window, p.ramp = took, now, leastAsked, true
	}
	p.fastest = min(p.fastest, took)
	switch {
	case took > p.fastest+p.fastest/4+queueTime:
		p.window, p.ramp = max(p.window-0.5, leastAsked), false
	case p.ramp:
		p.window = min(p.window+1, mostAsked)
	default:
		p.window = min(p.window+1/p.window, mostAsked)
	}
}
