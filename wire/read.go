package wire

import (
	"fmt"
	"io"
	"slices"
)

// readChunk is the number of bytes for which ReadBuffer makes room before any has arrived: enough
// for any ack and most nodes.
const readChunk = 4 << 10

// minRead is the minimum room in bytes that ReadFrom offers to a reader.
const minRead = 512

// ReadBuffer reads the next n bytes of r into a buffer, which the caller owns. If n comes from a
// peer, the caller first compares it with the longest message that it accepts. Memory is allocated
// for bytes that have arrived, not for n: at most 4 KiB plus twice the bytes that are there.
//
// With an error ReadBuffer returns the zero Buffer, and the bytes read are lost. If r ends early,
// the error matches [io.ErrUnexpectedEOF]; any other error of r is wrapped. A negative n is an
// error, and so is a count from r that violates io.Reader. If r panics, the buffer goes back to the
// pool.
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

// ReadFrom appends all bytes of r until io.EOF. It returns their number, and the error of r unless
// it is io.EOF. It implements [io.ReaderFrom], for messages that end where a stream ends. It has no
// bound: to limit a peer, use an [io.LimitedReader] of one byte more than the longest message that
// you accept. The caller keeps the buffer, also with an error; it holds the bytes that arrived. A
// count from r that violates io.Reader is an error. It panics on the zero Buffer.
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
// arrived before. It replaces io.ReadFull, which trusts the counts that r returns.
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

// readSome reads once. The count that it returns is between 0 and len(room), whatever r returns.
func readSome(r io.Reader, room []byte) (int, error) {
	n, err := r.Read(room)
	if n < 0 || n > len(room) {
		return 0, fmt.Errorf("wire: a reader of type %T returned a count of %d bytes for a buffer of %d", r, n, len(room))
	}
	return n, err
}
