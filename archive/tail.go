package archive

import (
	"fmt"
	"io"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
)

// vector holds the bytes to be written next, gathered so that a group takes few writes.
type vector struct {
	at     int64    // its place in the file
	size   int64    // of all
	parts  [][]byte // in order
	buf    []byte   // holds the copied bytes
	closed int      // the end of the bytes of buf that are in parts
}

// copy adds bytes that may change afterwards.
func (v *vector) copy(b []byte) {
	v.buf = append(v.buf, b...)
	v.size += int64(len(b))
}

// add adds bytes that do not change until they are written.
func (v *vector) add(b []byte) {
	v.close()
	v.parts = append(v.parts, b)
	v.size += int64(len(b))
}

// close appends the copied bytes to the parts.
func (v *vector) close() {
	if n := len(v.buf); n > v.closed {
		v.parts = append(v.parts, v.buf[v.closed:n:n])
		v.closed = n
	}
}

// full reports whether it should be written.
func (v *vector) full() bool { return len(v.parts) >= maxParts || len(v.buf) >= maxCopied }

const (
	copyBelow = 16 << 10 // bodies shorter than that are copied
	maxParts  = 1000     // of a vector; the system takes 1,024
	maxCopied = 1 << 20  // bytes
)

// reset drops the gathered bytes. The next ones go to a place in the file.
func (v *vector) reset(at int64) {
	clear(v.parts)
	v.at, v.size, v.parts, v.buf, v.closed = at, 0, v.parts[:0], v.buf[:0], 0
	if cap(v.buf) > 4*maxCopied {
		v.buf = nil
	}
}

// write writes the gathered bytes.
func (v *vector) write(f journal.File) error {
	v.close()
	if v.size == 0 {
		return nil
	}
	var n int64
	var err error
	if vf, ok := f.(journal.VectorWriter); ok {
		n, err = vf.WriteVectorAt(v.parts, v.at)
	} else {
		n, err = writeEach(f, v.parts, v.at)
	}
	if err == nil && n != v.size {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	v.reset(v.at + v.size)
	return nil
}

// writeEach writes the parts one by one.
func writeEach(f journal.File, parts [][]byte, at int64) (written int64, err error) {
	for _, b := range parts {
		n, err := f.WriteAt(b, at+written)
		written += int64(n)
		if err != nil || n != len(b) {
			return written, err
		}
	}
	return written, nil
}

// frame gathers a frame whose payload is prefix and body, and writes the gathered bytes if there
// are enough. The body must not change until the sync. part is the checksum of the body.
func (w *writer) frame(prefix, body []byte, part segment.Part, group int64) (location, error) {
	n := len(prefix) + len(body)
	f := segment.Frame{Kind: segment.KindRecord, Position: uint64(w.tail.number), Stored: uint32(n), Raw: uint32(n)}
	var padding [8]byte
	pad := padding[:segment.Padded(n)-n]

	var head [segment.FrameHead]byte
	f.Put(head[:])
	segment.Finish(head[:], w.seed, w.at, group, segment.PartOf(prefix), part, segment.PartOf(pad))
	at := location{segment: w.tail.number, offset: uint32(w.at / 8)}
	w.at += f.Size()
	w.gathered.copy(head[:])
	w.gathered.copy(prefix)
	if len(body) < copyBelow {
		w.gathered.copy(body)
	} else {
		w.gathered.add(body)
	}
	w.gathered.copy(pad)
	if w.gathered.full() {
		return at, w.flush()
	}
	return at, nil
}

func (w *writer) failed(err error) error {
	return fmt.Errorf("archive: writing %s: %w", segmentName(w.tail.number), err)
}

// flush writes the gathered bytes.
func (w *writer) flush() error {
	if err := w.gathered.write(w.file); err != nil {
		return w.failed(err)
	}
	return nil
}

// sync makes all bytes written to the tail durable.
func (w *writer) sync() error {
	if w.beyond > 0 {
		// A page of which a part is written must be read first, if it is there on disk.
		w.gathered.copy(zeroPage[:-w.at&int64(len(zeroPage)-1)])
		w.beyond = max(w.beyond, w.gathered.at+w.gathered.size)
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return w.failed(err)
	}
	w.gathered.reset(w.at)
	w.size = w.at
	return nil
}

var zeroPage [4 << 10]byte

// grown updates the index's state after a sync. mu is held.
func (w *writer) grown() { w.tail.size, w.tail.beyond = w.size, w.beyond }
