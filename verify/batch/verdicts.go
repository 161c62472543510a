package batch

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/lanecast/lanecast/verify"
)

// errShutDown is the Err of statements that were not verified because of Close.
var errShutDown = fmt.Errorf("batch: verifier closed before the statement was verified: %w", context.Canceled)

// errReleased is the Err of statements that were not verified because the pool was released.
var errReleased = fmt.Errorf("statement not verified: %w", ErrPool)

// verdictList carries verdicts from many workers to one consumer. It is a stack of finished
// batches. Workers push by compare-and-swap, and the consumer takes the whole stack by one swap. No
// node is ever pushed twice or popped singly, so a compare-and-swap cannot mistake one stack for
// another.
type verdictList struct {
	top atomic.Pointer[verdictNode] // written by workers and by the consumer
}

// verdictNode is owned by its worker until it is pushed, and then by the consumer.
type verdictNode struct {
	verdicts []verify.Verdict
	below    *verdictNode // the node pushed before it
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
// it. It never blocks and takes no lock. One goroutine may call it at a time.
func (v *Verifier) Verdicts(dst []verify.Verdict) []verify.Verdict { return v.verdicts.appendTo(dst) }

// call is one running call of Verify.
type call struct {
	// verdicts[i] is written once, by the worker that decides statement i or by Close.
	verdicts []verify.Verdict
	// missing is the number of verdicts not written yet. Each writer of a verdict decrements it;
	// the writer that makes it 0 closes done.
	missing atomic.Int64
	done    chan struct{}
	// abandoned is set by the caller of Verify when it stops waiting.
	abandoned atomic.Bool
}

func (c *call) set(i int, v verify.Verdict) {
	c.verdicts[i] = v
	if c.missing.Add(-1) == 0 {
		close(c.done)
	}
}

// Verify verifies statements and returns their verdicts, in the same order. The statements use the
// same lists, batches and workers as those of Submit, behind the statements that wait already.
// Verdicts does not return their verdicts, and Notify is not called for them. Any goroutine may
// call Verify except the verifier's own workers.
//
// When ctx ends first, Verify returns its error at once. Statements that no worker has begun are
// then dropped. A worker may still read the others until their batch is done, so the caller must
// not change them or the bytes that they refer to. A closed verifier returns no error, but verdicts
// with an Err that wraps context.Canceled, or ErrPool if its pool was released.
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
	submitted := verdicts[:0] // in place: the write index never passes the read index
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

// fail delivers verdicts with err as their Err for all items.
func (v *Verifier) fail(items []item, err error) {
	verdicts := make([]verify.Verdict, len(items))
	for i := range items {
		verdicts[i] = verify.Verdict{Statement: items[i].statement, Err: err}
	}
	v.deliver(items, verdicts)
}
