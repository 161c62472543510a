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
// n is an error too, and so is a count of r that no reader may return. If r panics, the buffer goes
// back to the pool.
func ReadBuffer(r io.Reader, n int) (Buffer, error) {
	if n < 0 {
		return Buffer{}, fmt.Errorf("wire: reading a message: its length is %d", n)
	}
	b := NewBuffer()
	complete := false
	defer func() {
		if !complete {
			b.Release()
		}
	}()
	m := b.m
	for len(m.bytes) < n {
		had := len(m.bytes)
		more := min(n-had, max(readChunk, had))
		m.room(more)
		m.bytes = slices.Grow(m.bytes, more)
		got, err := readFull(r, m.bytes[had:min(n, cap(m.bytes))])
		m.bytes = m.bytes[:had+got]
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return Buffer{}, fmt.Errorf("wire: reading a message: %d of %d bytes arrived: %w", had+got, n, err)
		}
	}
	complete = true
	return b, nil
}

// ReadFrom appends what r gives until its end. It returns how many bytes that were, and the error
// of r unless that is the end. It implements [io.ReaderFrom], for messages that end where a stream
// ends. It has no bound: limit what a peer may send with an [io.LimitedReader] that gives one byte
// more than the longest message that you take. The buffer stays the caller's, also with an error,
// and holds what arrived. A count of r that no reader may return is an error. It panics on the zero
// Buffer.
func (b Buffer) ReadFrom(r io.Reader) (int64, error) {
	m := b.owned()
	before := len(m.bytes)
	for {
		m.bytes = slices.Grow(m.bytes, minRead)
		had := len(m.bytes)
		n, err := readSome(r, m.bytes[had:cap(m.bytes)])
		m.bytes = m.bytes[:had+n]
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return int64(len(m.bytes) - before), err
		}
	}
}

// readFull fills room. With an error, which may be io.EOF at any place, it returns how many bytes
// arrived before it. It stands in for io.ReadFull, which believes what r returns.
func readFull(r io.Reader, room []byte) (got int, err error) {
	for got < len(room) {
		n, err := readSome(r, room[got:])
		got += n
		if err != nil && got < len(room) {
			return got, err
		}
	}
	return got, nil
}

// readSome reads once. The count that it returns is between 0 and len(room), whatever r says.
func readSome(r io.Reader, room []byte) (int, error) {
	n, err := r.Read(room)
	if n < 0 || n > len(room) {
		return 0, fmt.Errorf("wire: a reader of type %T returned %d as the number of bytes that it put into %d", r, n, len(room))
	}
	return n, err
}
