package kv

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// Puts are the pairs that clients of this process put. They gather while a chunk is under way, and
// together are the body of the next one.
type Puts struct {
	mu       sync.Mutex
	open     *batch            // collects pairs
	proposed map[uint64]*batch // by height
	some     chan struct{}     // holds a token if there may be pairs
}

// batch is the pairs of one body.
type batch struct {
	body   []byte
	closed chan struct{} // closed when the batch takes no more pairs
	done   chan struct{} // closed when the batch was applied or given up
	err    error
}

func newBatch() *batch { return &batch{closed: make(chan struct{}), done: make(chan struct{})} }

// NewPuts returns empty Puts.
func NewPuts() *Puts {
	return &Puts{open: newBatch(), proposed: make(map[uint64]*batch), some: make(chan struct{}, 1)}
}

// ErrReplaced: another body was certified at the height for which a pair was proposed. The client
// may try again.
var ErrReplaced = errors.New("kv: not put: another body took its place")

// Put returns once a pair, which must be allowed, is certified and applied here. If ctx ends
// before, the pair may be applied later.
func (p *Puts) Put(ctx context.Context, pair Pair) error {
	encoded := pair.AppendTo(nil)
	for {
		p.mu.Lock()
		b := p.open
		room := len(b.body)+len(encoded) <= MaxPairs
		if room {
			b.body = append(b.body, encoded...)
		}
		p.mu.Unlock()
		select {
		case p.some <- struct{}{}:
		default:
		}
		wait := b.done
		if !room {
			wait = b.closed
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
		if room {
			return b.err
		}
	}
}

// Some returns a channel that delivers a token when there are pairs to take.
func (p *Puts) Some() <-chan struct{} { return p.some }

// Take returns the pairs for the body of a height, nil if there are none.
func (p *Puts) Take(height uint64) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.open
	if len(b.body) == 0 {
		return nil
	}
	p.drop(height) // a second call for the height: the first body was not proposed
	p.open, p.proposed[height] = newBatch(), b
	close(b.closed)
	return b.body
}

// Applied notes that a chunk of our own lane was applied, with these pairs.
func (p *Puts) Applied(height uint64, pairs []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.proposed[height]; b != nil && bytes.Equal(b.body, pairs) {
		delete(p.proposed, height)
		close(b.done)
	}
	p.drop(height)
}

// drop gives up the pairs that were proposed for a height. mu must be held.
func (p *Puts) drop(height uint64) {
	if b := p.proposed[height]; b != nil {
		delete(p.proposed, height)
		b.err = ErrReplaced
		close(b.done)
	}
}
