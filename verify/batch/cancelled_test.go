package batch

import (
	"context"
	"testing"

	"github.com/lanecast/lanecast/verify"
)

// Verify drops the statements that no worker has begun when its context ends. A worker that finds
// only such statements makes no empty batch and counts none.
func TestAWorkerThatFindsOnlyCancelledStatementsMakesNoBatch(t *testing.T) {
	for _, unbatched := range []bool{false, true} {
		b := newBench(t, Config{Workers: 1, BatchSize: 2})
		f, entered, open := gated(4)
		defer open()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			eventually(t, "the worker is busy", func() bool { return entered.Load() == 1 })
			cancel()
		}()
		var statements []*verify.Statement
		for i := range 9 {
			s := f.votes(i, everyone(4))
			s.Unbatched = unbatched
			statements = append(statements, s)
		}
		if _, err := b.Verify(ctx, statements); err == nil {
			t.Fatal("its context has ended, and Verify has verdicts")
		}
		open()
		eventually(t, "nothing waits", func() bool { return b.Waiting() == 0 })
		b.Close() // returns when the worker has finished
		for _, info := range b.batches {
			if info.Statements == 0 {
				t.Error("an empty batch was counted")
			}
		}
		if len(b.batches) != 1 || len(b.panics) != 0 {
			t.Errorf("%d batches where one was begun, panics: %v", len(b.batches), b.panics)
		}
	}
}
