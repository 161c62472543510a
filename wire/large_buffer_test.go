package wire_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/wire"
)

// The contract of a Buffer holds for every size: the memory of the largest messages goes back to a
// pool, empty, and no handle of a former owner reaches it.
func TestABufferOfAnySizeIsReleasedAndUsedAgain(t *testing.T) {
	poison.Switch(true)
	defer poison.Switch(false)
	owned := poison.Owned()
	for _, size := range []int{1, 1 << 10, 1<<10 + 1, 5000, 1 << 17} {
		message := filled(size, byte(size))
		for range 3 {
			b := wire.NewBuffer()
			if len(b.Bytes()) != 0 {
				t.Fatalf("a new buffer, after others of %d bytes, holds %d", size, len(b.Bytes()))
			}
			b.Append(message[:size/2])
			b.Append(message[size/2:])
			view := b.Bytes()
			if !bytes.Equal(view, message) {
				t.Fatalf("a buffer of %d bytes holds something else", size)
			}
			b.Release()
			for i, c := range view {
				if c != poison.Byte {
					t.Fatalf("byte %d of %d of a released buffer is still %#x", i, size, c)
				}
			}
			mustPanic(t, "used after its release", func() { b.Bytes() })
			mustPanic(t, "released twice", b.Release)
		}
	}
	if n := poison.Owned() - owned; n != 0 {
		t.Errorf("%d buffers are counted as owned, all are released", n)
	}
}

// However often memory has been given back, it has one owner at a time.
func TestBuffersInUseAtOnceShareNoMemory(t *testing.T) {
	for _, size := range []int{100, 5000} {
		for count := 1; count <= 64; count *= 2 {
			for range 3 {
				var buffers []wire.Buffer
				for i := range count {
					buffers = append(buffers, wire.CopyBuffer(filled(size, byte(i))))
				}
				for i, b := range buffers {
					if !bytes.Equal(b.Bytes(), filled(size, byte(i))) {
						t.Fatalf("buffer %d of %d, of %d bytes, holds bytes of another owner", i, count, size)
					}
				}
				for _, b := range buffers {
					b.Release()
				}
			}
		}
	}
}

// Memory that went back to the pool for large memory belongs to no Buffer: when there are more
// Buffers at once than before, no two of them get the same memory.
func TestLargeMemoryIsInThePoolOnce(t *testing.T) {
	const size = 3000
	runtime.GC()
	runtime.GC() // the pools are empty now
	for _, most := range []byte{1, 2, 4, 8, 16, 32} {
		var all []wire.Buffer
		for i := range most {
			b := wire.NewBuffer()
			b.Append(bytes.Repeat([]byte{i}, size))
			all = append(all, b)
		}
		for i, b := range all {
			if !bytes.Equal(b.Bytes(), bytes.Repeat([]byte{byte(i)}, size)) {
				t.Fatalf("of %d buffers in use two share memory", most)
			}
		}
		for _, b := range all {
			b.Release()
		}
	}
}
