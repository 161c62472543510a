package replica

import (
	"sync"
	"time"
)

// A peer may have between leastAsked and mostAsked requests of ours open, as many as its answers
// allow. While they take about as long as its fastest ones, the number grows by one for each round,
// and doubles at first. Once they take longer by queueTime, requests wait for each other at the
// peer, and the number falls. So requests fill a link of long delay, and leave processor, disk or
// link to votes and new bodies where these are short.
const (
	leastAsked = 4
	mostAsked  = 32
	queueTime  = 10 * time.Millisecond
	fastTime   = time.Minute // the fastest answer counts for this time
)

// pace bounds the open requests at a peer. peers.mu guards its fields.
type pace struct {
	window  float64
	ramp    bool          // no answer has come late since begun
	fastest time.Duration // of the answers since begun
	begun   time.Time
}

func newPace() pace { return pace{window: leastAsked} }

// most returns the number of requests that may be open. A quarter is left to the next bodies of
// lanes.
func (p *pace) most(next bool) int {
	most := int(p.window)
	if !next {
		most -= most / 4
	}
	return most
}

// disk paces bodies that are fetched ahead of their turn, as if the disk were a peer that is asked
// to keep them. If others sync to the same disk, or it is slow, few such bodies are on their way to
// it.
type disk struct {
	mu       sync.Mutex
	pace     pace
	unsynced int64 // bytes that are being written
}

// diskUnit is the number of bytes that count as one request to the disk.
const diskUnit = 256 << 10

// busy reports whether no more bodies should be fetched ahead now.
func (d *disk) busy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unsynced >= int64(d.pace.most(true))*diskUnit
}

// put notes a number of bytes that are being written. The caller calls done once they are durable,
// or have failed.
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

// answered notes the time that an answer took.
func (p *pace) answered(now time.Time, took time.Duration) {
	if now.Sub(p.begun) > fastTime { // with few requests open, the peer's own speed shows
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
