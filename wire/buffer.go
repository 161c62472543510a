package wire

import (
	"sync"
	"sync/atomic"

	"github.com/valyala/bytebufferpool"

	"github.com/lanecast/lanecast/internal/poison"
)

// Buffer is a pooled byte buffer with one owner at a time. Passing the handle on passes the
// ownership on; the last owner calls Release, once. A handle is a value: use of a copy after the
// release is detected and panics, instead of showing the bytes of the memory's next owner. The
// result of Bytes must not be read after Release; tests of this module find such reads with package
// poison.
//
// A Buffer is not safe for use by two goroutines at once. The zero Buffer owns nothing and has no
// bytes.
type Buffer struct {
	m          *memory
	generation uint64
}

// memory is an element of the pool. generation is odd while a Buffer owns it; Release makes it
// even, so that handles of an earlier owner no longer match. Between owners it keeps its bytes if
// they are few, so that a buffer for an ack needs one access to one pool. More bytes come from
// bytebufferpool and go back to it, so that no ack occupies the memory of a body.
type memory struct {
	generation atomic.Uint64
	bytes      []byte
	small      []byte                     // at most keptCapacity bytes, kept from an earlier owner
	origin     *bytebufferpool.ByteBuffer // source of bytes if they are many; otherwise nil
	counted    bool                       // in poison.Owned; written by the owner
}

// keptCapacity is the most bytes that a memory keeps between owners: enough for any ack and for
// most nodes.
const keptCapacity = 1 << 10

var memories = sync.Pool{New: func() any { return new(memory) }}

// NewBuffer returns an empty buffer from the pool, owned by the caller.
func NewBuffer() Buffer {
	m := memories.Get().(*memory)
	m.bytes = m.small
	if poison.On() {
		m.counted = true
		poison.Count(1)
	}
	return Buffer{m: m, generation: m.generation.Add(1)}
}

// CopyBuffer returns a buffer with a copy of b, owned by the caller.
func CopyBuffer(b []byte) Buffer {
	buf := NewBuffer()
	buf.Append(b)
	return buf
}

func (b Buffer) owned() *memory {
	if b.m == nil {
		panic("wire: the zero Buffer has no memory to write to")
	}
	if b.m.generation.Load() != b.generation {
		panic("wire: buffer used after its release")
	}
	return b.m
}

// Bytes returns the contents, a view that is valid until Release or the next Append or Set.
func (b Buffer) Bytes() []byte {
	if b.m == nil {
		return nil
	}
	return b.owned().bytes
}

// Append appends p to the contents. It panics on the zero Buffer.
func (b Buffer) Append(p []byte) {
	m := b.owned()
	m.room(len(p))
	m.bytes = append(m.bytes, p...)
}

// room makes room for n more bytes, in memory of bytebufferpool if they are many.
func (m *memory) room(n int) {
	if n += len(m.bytes); n <= keptCapacity || n <= cap(m.bytes) || m.origin != nil {
		return
	}
	m.origin = bytebufferpool.Get()
	m.bytes = append(m.origin.B[:0], m.bytes...)
}

// Set calls f, an AppendTo-style function, with the emptied buffer, and makes its result the
// contents. The buffer owns the result from then on. It panics on the zero Buffer.
func (b Buffer) Set(appendTo func(dst []byte) []byte) {
	m := b.owned()
	m.bytes = appendTo(m.bytes[:0])
}

// Release gives the memory back to the pool. It panics if this ownership has ended already, and
// does nothing on the zero Buffer.
func (b Buffer) Release() {
	if b.m == nil {
		return
	}
	if !b.m.generation.CompareAndSwap(b.generation, b.generation+1) {
		panic("wire: buffer released twice")
	}
	m := b.m
	if m.counted {
		m.counted = false
		poison.Count(-1)
	}
	whole := m.bytes[:cap(m.bytes)]
	if poison.On() {
		poison.Fill(whole)
	}
	if cap(whole) <= keptCapacity {
		m.small = whole[:0]
	} else {
		if m.origin == nil { // Set or a reader made it
			m.origin = new(bytebufferpool.ByteBuffer)
		}
		m.origin.B = whole // its length tells bytebufferpool the size
		bytebufferpool.Put(m.origin)
	}
	m.origin, m.bytes = nil, nil
	memories.Put(m)
}
