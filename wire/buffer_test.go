package wire_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/wire"
)

// mustPanic fails the test unless f panics with a message that contains want.
func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("panic says %q, want %q", got, want)
		}
	}()
	f()
}

// reuseOf returns a released handle and a live one to the same memory. It tries more than once,
// since a pool does not guarantee reuse.
func reuseOf(t *testing.T) (stale, current wire.Buffer) {
	t.Helper()
	for range 1000 {
		b := wire.CopyBuffer([]byte("first"))
		first := &b.Bytes()[0]
		b.Release()
		c := wire.CopyBuffer([]byte("again"))
		if &c.Bytes()[0] == first {
			return b, c
		}
		c.Release()
	}
	t.Skip("the pool never gave the memory out again")
	return
}

func TestABufferHoldsTheBytesPutIntoIt(t *testing.T) {
	source := []byte("message")
	b := wire.CopyBuffer(source)
	defer b.Release()
	source[0] = 'M'
	if got := string(b.Bytes()); got != "message" {
		t.Errorf("buffer holds %q", got)
	}
	b.Append([]byte(" and more"))
	if got := string(b.Bytes()); got != "message and more" {
		t.Errorf("after Append the buffer holds %q", got)
	}
	a := wire.Ack{Chunk: chunkAt(7), Epoch: 1, Participant: 4, Signature: filled(g1, 0xA1)}
	b.Set(a.AppendTo)
	if !bytes.Equal(b.Bytes(), a.AppendTo(nil)) {
		t.Errorf("after Set the buffer holds %x", b.Bytes())
	}
}

func TestANewBufferIsEmptyWhateverTheMemoryHeld(t *testing.T) {
	for range 100 {
		b := wire.NewBuffer()
		if len(b.Bytes()) != 0 {
			t.Fatalf("a new buffer holds %q", b.Bytes())
		}
		b.Append([]byte("left behind"))
		b.Release()
	}
}

func TestTheZeroBufferOwnsNothing(t *testing.T) {
	var b wire.Buffer
	if b.Bytes() != nil {
		t.Error("the zero Buffer has bytes")
	}
	b.Release()
	b.Release()
	mustPanic(t, "zero Buffer", func() { b.Append([]byte("x")) })
	mustPanic(t, "zero Buffer", func() { b.Set(func(dst []byte) []byte { return dst }) })
}

func TestUseAfterReleasePanics(t *testing.T) {
	b := wire.CopyBuffer([]byte("x"))
	b.Release()
	mustPanic(t, "used after its release", func() { b.Bytes() })
	mustPanic(t, "used after its release", func() { b.Append(nil) })
	mustPanic(t, "used after its release", func() { b.Set(func(dst []byte) []byte { return dst }) })
}

func TestASecondReleasePanics(t *testing.T) {
	b := wire.CopyBuffer([]byte("x"))
	b.Release()
	mustPanic(t, "released twice", b.Release)
}

func TestACopyOfAHandleEndsWithTheOwnership(t *testing.T) {
	b := wire.CopyBuffer([]byte("x"))
	c := b
	if string(c.Bytes()) != "x" {
		t.Error("the copy of a handle shows other bytes")
	}
	c.Release()
	mustPanic(t, "used after its release", func() { b.Bytes() })
	mustPanic(t, "released twice", b.Release)
}

func TestReuseOfTheMemoryDoesNotReviveAnOldHandle(t *testing.T) {
	stale, current := reuseOf(t)
	mustPanic(t, "used after its release", func() { stale.Bytes() })
	mustPanic(t, "used after its release", func() { stale.Append([]byte("x")) })
	mustPanic(t, "released twice", stale.Release)
	if string(current.Bytes()) != "again" {
		t.Errorf("the new owner's buffer holds %q", current.Bytes())
	}
	current.Release()
}

func TestPoisonShowsInAViewThatOutlivedItsBuffer(t *testing.T) {
	poison.Switch(true)
	defer poison.Switch(false)
	b := wire.CopyBuffer([]byte("a message"))
	view := b.Bytes()
	b.Release()
	for i, c := range view {
		if c != poison.Byte {
			t.Fatalf("byte %d of a released buffer is still %#x", i, c)
		}
	}
}

func TestBuffersPassBetweenGoroutines(t *testing.T) {
	poison.Switch(true)
	defer poison.Switch(false)
	const producers, consumers, each = 4, 3, 2000
	queue := make(chan wire.Buffer, 16)
	var producing, consuming sync.WaitGroup
	for p := range producers {
		producing.Go(func() {
			for i := range each {
				b := wire.NewBuffer()
				b.Append(filled(1+i%200, byte(p)))
				queue <- b
			}
		})
	}
	totals := make([]int, consumers)
	for c := range consumers {
		consuming.Go(func() {
			for b := range queue {
				view := b.Bytes()
				if !bytes.Equal(view, filled(len(view), view[0])) || view[0] >= producers {
					t.Errorf("a buffer came out as %x", view)
				}
				totals[c] += len(view)
				b.Release()
			}
		})
	}
	producing.Wait()
	close(queue)
	consuming.Wait()
	got, want := 0, 0
	for _, n := range totals {
		got += n
	}
	for i := range each {
		want += producers * (1 + i%200)
	}
	if got != want {
		t.Errorf("%d bytes arrived of %d", got, want)
	}
}

// Of many goroutines that release the same ownership exactly one succeeds.
func TestOneOfManyReleasesWins(t *testing.T) {
	for range 200 {
		b := wire.CopyBuffer([]byte("x"))
		var wg sync.WaitGroup
		won := make(chan struct{}, 4)
		for range 4 {
			wg.Go(func() {
				defer func() { _ = recover() }()
				b.Release()
				won <- struct{}{}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d releases succeeded", len(won))
		}
	}
}

func TestAWarmPoolAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector on, sync.Pool drops random elements")
	}
	message := filled(200, 1)
	mustNotAllocate(t, "a buffer's life", func() {
		b := wire.CopyBuffer(message)
		if len(b.Bytes()) != len(message) {
			t.Fail()
		}
		b.Release()
	})
}

func TestSmallContentsDoNotOccupyLargeMemory(t *testing.T) {
	many, few := make([]byte, 100<<10), make([]byte, 150)
	for _, message := range [][]byte{many, few, many, few} {
		var held []wire.Buffer // held at once, so that most are new
		for range 500 {
			b := wire.CopyBuffer(message)
			if c := cap(b.Bytes()); len(message) == len(few) && c > 1<<10 {
				t.Fatalf("%d bytes lie in memory for %d", len(few), c)
			}
			held = append(held, b)
		}
		for _, b := range held {
			b.Release()
		}
	}
}
