package wire

import (
	"fmt"
	"io"
	"slices"
)

// readChunk is the number of bytes for which ReadBuffer makes room before the first has arrived:
// any ack and most nodes fit.
const readChunk = 4 << 10

// minRead is the least room in bytes that ReadFrom offers to a reader.
const minRead = 512

// ReadBuffer reads the next n bytes of r into a buffer, which the caller owns. If n comes from a
// peer, compare it with the longest message that you take before the call. Memory is made for bytes
// that have arrived, not for those that n promises: at most 4 KiB, and twice what is there.
//
// With an error there is no buffer: the zero Buffer is returned, and what was read is gone. If r
// ends early, the error matches [io.ErrUnexpectedEOF]; any other error of r is wrapped. A negative
// n is an error too.
func ReadBuffer(r io.Reader, n int) (Buffer, error) {
	if n < 0 {
		return Buffer{}, fmt.Errorf("wire: reading a message: its length is %d", n)
	}
	b := NewBuffer()
	m := b.m
	for len(m.bytes) < n {
		had := len(m.bytes)
		m.bytes = slices.Grow(m.bytes, min(n-had, max(readChunk, had)))
		got, err := io.ReadFull(r, m.bytes[had:min(n, cap(m.bytes))])
		m.bytes = m.bytes[:had+got]
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			b.Release()
			return Buffer{}, fmt.Errorf("wire: reading a message: %d of %d bytes arrived: %w", had+got, n, err)
		}
	}
	return b, nil
}

// ReadFrom appends what r gives until its end. It returns how many bytes that were, and the error
// of r unless that is the end. It implements [io.ReaderFrom], for messages that end where a stream
// ends. It has no bound: limit what a peer may send with an [io.LimitedReader] that gives one byte
// more than the longest message that you take. The buffer stays the caller's, also with an error,
// and holds what arrived. It panics on the zero Buffer.
func (b Buffer) ReadFrom(r io.Reader) (int64, error) {
	m := b.owned()
	before := len(m.bytes)
	for {
		m.bytes = slices.Grow(m.bytes, minRead)
		had := len(m.bytes)
		n, err := r.Read(m.bytes[had:cap(m.bytes)])
		m.bytes = m.bytes[:had+n]
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return int64(len(m.bytes) - before), err
		}
	}
}
