package replica

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// body is a body in memory. Its holders share its bytes, which do not change. Its buffer goes back
// to the pool when the last holder has released it. The function that makes a body holds it.
type body struct {
	header  payload.Header
	digest  wire.Digest
	tree    *payload.Tree // nil if the body was read from the archive
	bytes   []byte
	buffer  []byte // of the pool, nil if bytes are the application's
	holders atomic.Int32
}

func newBody(h *payload.Header, digest wire.Digest, tree *payload.Tree, bytes, buffer []byte) *body {
	b := &body{header: *h, digest: digest, tree: tree, bytes: bytes, buffer: buffer}
	b.holders.Store(1)
	return b
}

func (b *body) place() message.Place {
	return message.Place{Sequencer: b.header.Sequencer, Height: b.header.Height}
}

// hold adds a holder; the caller is one, or keeps another from releasing meanwhile.
func (b *body) hold() *body {
	b.holders.Add(1)
	return b
}

func (b *body) release() {
	switch n := b.holders.Add(-1); {
	case n < 0:
		panic("replica: body released twice")
	case n == 0:
		putBuffer(b.buffer)
		b.buffer = nil
	}
}

// buffers are pools of buffers by size: four sizes to each power of two.
var buffers [4 * 40]sync.Pool

// leastBuffer is the size in bytes of the smallest buffers.
const leastBuffer = 4 << 10

// sizeClass returns the class of the buffers that hold n bytes, and their size.
func sizeClass(n int) (class, size int) {
	n = max(n, leastBuffer)
	k := bits.Len(uint(n - 1)) // 2^(k-1) < n ≤ 2^k
	step := 1 << (k - 3)       // the sizes are 5, 6, 7 and 8 steps
	steps := (n + step - 1) / step
	return 4*k + steps - 5, steps * step
}

// frameOverhead returns more bytes than the archive's framing of a body of so many bytes takes, so
// that a body can be read into a buffer with its frame.
func frameOverhead(size int) int { return 1<<10 + size>>11 }

// bufferSize returns the bytes of memory that a buffer for a body of so many bytes takes.
func bufferSize(size int) int64 {
	_, n := sizeClass(size + frameOverhead(size))
	return int64(n)
}

// getBuffer returns a buffer that holds a body of so many bytes, and its frame.
func getBuffer(size int) []byte {
	if poison.On() {
		poison.Count(1)
	}
	class, n := sizeClass(size + frameOverhead(size))
	if b, ok := buffers[class].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, n)
}

// putBuffer takes a buffer of getBuffer back. nil does nothing.
func putBuffer(b []byte) {
	if b == nil {
		return
	}
	b = b[:cap(b)]
	if poison.On() {
		poison.Fill(b)
		poison.Count(-1)
	}
	class, size := sizeClass(len(b))
	if size == len(b) {
		buffers[class].Put(&b)
	}
}
