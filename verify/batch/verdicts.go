package batch

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
)

// errShutDown is the Err of statements that Close kept from being verified.
var errShutDown = fmt.Errorf("batch: verifier closed before the statement was verified: %w", context.Canceled)

// verdictList carries verdicts from many workers to one consumer: a stack of finished batches. Workers push by
// compare-and-swap, the consumer takes the whole stack by one swap. No node is ever pushed twice or popped singly, so
// that a compare-and-swap cannot mistake one stack for another.
type verdictList struct {
	top atomic.Pointer[verdictNode] // written by workers and by the consumer
}

// verdictNode is its worker's until pushed, then the consumer's.
type verdictNode struct {
	verdicts []verify.Verdict
	below    *verdictNode // pushed earlier
}

func (l *verdictList) push(verdicts []verify.Verdict) {
	node := &verdictNode{verdicts: verdicts}
	for {
		node.below = l.top.Load()
		if l.top.CompareAndSwap(node.below, node) {
			return
		}
	}
}

// appendTo takes all verdicts, oldest batch first.
func (l *verdictList) appendTo(dst []verify.Verdict) []verify.Verdict {
	if l.top.Load() == nil {
		return dst
	}
	var oldest *verdictNode
	for node := l.top.Swap(nil); node != nil; {
		below := node.below
		node.below = oldest
		oldest, node = node, below
	}
	for node := oldest; node != nil; node = node.below {
		dst = append(dst, node.verdicts...)
	}
	return dst
}

// Verdicts appends to dst the verdicts that have become available since the last call, and returns it. It never
// blocks and takes no lock. One goroutine at a time.
func (v *Verifier) Verdicts(dst []verify.Verdict) []verify.Verdict { return v.verdicts.appendTo(dst) }

// call is one synchronous Verify under way.
type call struct {
	verdicts []verify.Verdict // place i is written by whoever decides statement i, once
	missing  atomic.Int64     // places not written yet; lowered by whoever writes one
	done     chan struct{}    // closed by whoever lowered missing to 0
	gone     atomic.Bool      // the caller gave up; set by it
}

func (c *call) set(i int, v verify.Verdict) {
	c.verdicts[i] = v
	if c.missing.Add(-1) == 0 {
		close(c.done)
	}
}

// Verify verifies statements and returns their verdicts, in the same order. They go through the same list, batches
// and workers as those of Submit, behind what waits there already; Verdicts and Notify do not get to see them. Any
// goroutine, but none of the verifier's own workers.
//
// When ctx ends first, Verify returns its error at once. Statements that no worker has begun are then dropped; those
// under way go on being read until their batch is done, so that neither they nor the bytes that they refer to may be
// changed afterwards. A verifier that is closed gives verdicts with an Err that wraps context.Canceled, not an
// error.
func (v *Verifier) Verify(ctx context.Context, statements []*verify.Statement) ([]verify.Verdict, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("batch: verifying %d statements: %w", len(statements), err)
	}
	if len(statements) == 0 {
		return nil, nil
	}
	c := &call{verdicts: make([]verify.Verdict, len(statements)), done: make(chan struct{})}
	c.missing.Store(int64(len(statements)))
	v.enqueue(c, statements)
	select {
	case <-c.done:
		return c.verdicts, nil
	case <-ctx.Done():
		c.gone.Store(true)
		return nil, fmt.Errorf("batch: verifying %d statements: %w", len(statements), ctx.Err())
	}
}

// deliver hands out the verdicts of items, in their order.
func (v *Verifier) deliver(items []item, verdicts []verify.Verdict) {
	submitted := verdicts[:0] // in place: written no further than read
	for i, it := range items {
		if it.call != nil {
			it.call.set(it.index, verdicts[i])
		} else {
			submitted = append(submitted, verdicts[i])
		}
	}
	if len(submitted) == 0 {
		return
	}
	v.verdicts.push(submitted)
	if v.options.Notify != nil {
		v.options.Notify()
	}
}

// fail gives items no verdict but err.
func (v *Verifier) fail(items []item, err error) {
	verdicts := make([]verify.Verdict, len(items))
	for i := range items {
		verdicts[i] = verify.Verdict{Statement: items[i].statement, Err: err}
	}
	v.deliver(items, verdicts)
}
