package batch

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
)

// errShutDown is the Err of statements that were not verified because of Close.
var errShutDown = fmt.Errorf("batch: verifier closed before the statement was verified: %w", context.Canceled)

// errReleased is the Err of statements that were not verified because the pool is gone.
var errReleased = fmt.Errorf("statement not verified: %w", ErrPool)

// verdictList carries verdicts from many workers to one consumer. It is a stack of finished
// batches. Workers push by compare-and-swap, and the consumer takes the whole stack by one swap. No
// node is ever pushed twice or popped singly, so a compare-and-swap cannot mistake one stack for
// another.
type verdictList struct {
	top atomic.Pointer[verdictNode] // written by workers and by the consumer
}

// verdictNode belongs to its worker until it is pushed, and then to the consumer.
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

// Verdicts appends to dst the verdicts that have become available since the last call, and returns
// it. It never blocks and takes no lock. One goroutine at a time.
func (v *Verifier) Verdicts(dst []verify.Verdict) []verify.Verdict { return v.verdicts.appendTo(dst) }

// call is one synchronous Verify under way.
type call struct {
	// verdicts[i] is written once, by the worker that decides statement i or by Close.
	verdicts []verify.Verdict
	// missing counts verdicts not written yet. The writer of one lowers it, and the one that makes
	// it 0 closes done.
	missing atomic.Int64
	done    chan struct{}
	// abandoned is set by the caller when it stops waiting.
	abandoned atomic.Bool
}

func (c *call) set(i int, v verify.Verdict) {
	c.verdicts[i] = v
	if c.missing.Add(-1) == 0 {
		close(c.done)
	}
}

// Verify verifies statements and returns their verdicts, in the same order. The statements go
// through the same lists, batches and workers as those of Submit, behind what waits there already.
// Their verdicts do not come out of Verdicts, and Notify is not called for them. Any goroutine, but
// none of the verifier's own workers.
//
// When ctx ends first, Verify returns its error at once. Statements that no worker has begun are
// then dropped. Those under way are still being read until their batch is done, so neither they nor
// the bytes that they refer to may be changed afterwards. A verifier that is closed gives verdicts
// with an Err that wraps context.Canceled, not an error; one whose pool was released, ErrPool.
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
		c.abandoned.Store(true)
		return nil, fmt.Errorf("batch: verifying %d statements: %w", len(statements), ctx.Err())
	}
}

// deliver returns the verdicts of items to their calls, or through Verdicts, in their order.
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
	if v.config.Notify != nil {
		v.config.Notify()
	}
}

// fail delivers err as the verdict on each of items.
func (v *Verifier) fail(items []item, err error) {
	verdicts := make([]verify.Verdict, len(items))
	for i := range items {
		verdicts[i] = verify.Verdict{Statement: items[i].statement, Err: err}
	}
	v.deliver(items, verdicts)
}
