package record

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Kind is the kind of an entry.
type Kind byte

// The kinds. All except the first five hold JSON.
const (
	Node     Kind = 'N' // the member sent its chunk: wire.Chunk
	Ack      Kind = 'A' // the member sent its ack of a chunk: wire.Chunk
	Lock     Kind = 'L' // the member's engine reported a lock: wire.Lock
	Own      Kind = 'O' // its own chunk with a body was certified: latency int64 in ns ‖ wire.Chunk
	Delivery Kind = 'D' // a chunk was delivered: time since its making, likewise, or Unknown
	Start    Kind = 'S' // a process started
	Run      Kind = 'R' // a run was agreed on
	Ready    Kind = 'P' // the process is connected to a quorum
	Moment   Kind = 'M' // counters of the process
	Fault    Kind = 'F' // something that must not happen
	End      Kind = 'E' // the process has measured to the end of the run
)

// Unknown stands for the latency of a delivery that is not known.
const Unknown = time.Duration(math.MinInt64)

// Entry is one entry.
type Entry struct {
	Kind Kind
	At   int64 // ns since 1970, by the member's clock
	Body []byte
}

const (
	headSize = 8
	fixed    = 1 + 8   // kind and time
	maxEntry = 1 << 24 // longer than a lock with the certificate of the largest set
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged is wrapped by errors about a record whose bytes have changed since they were written.
var ErrDamaged = errors.New("the record is damaged")

// Writer appends to a record. Its methods may be called from any goroutine.
type Writer struct {
	mu     sync.Mutex
	file   *os.File
	buffer []byte
	failed error
}

// Open opens a record for appending, or begins one, and calls each, if it is not nil, with every
// entry in it. It cuts off an incomplete entry that a killed process left at the end.
func Open(name string, each func(Entry) error) (*Writer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	r := NewReader(f)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err == nil && each != nil {
			err = each(e)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
		}
	}
	err = f.Truncate(r.whole)
	if err == nil {
		_, err = f.Seek(r.whole, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Writer{file: f}, nil
}

// write appends an entry; add appends its body.
func (w *Writer) write(kind Kind, add func([]byte) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return
	}
	b := append(w.buffer[:0], make([]byte, headSize)...)
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(time.Now().UnixNano()))
	b = add(b)
	binary.LittleEndian.PutUint32(b, uint32(len(b)-headSize))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[headSize:], crcTable))
	w.buffer = b
	if _, err := w.file.Write(b); err != nil {
		w.failed = fmt.Errorf("writing the record: %w", err)
	}
}

// Chunk notes that the member sends a chunk of its own, or an ack.
func (w *Writer) Chunk(kind Kind, c *wire.Chunk) { w.write(kind, c.AppendTo) }

// Timed notes a chunk and a time.
func (w *Writer) Timed(kind Kind, c *wire.Chunk, took time.Duration) {
	w.write(kind, func(b []byte) []byte { return c.AppendTo(binary.LittleEndian.AppendUint64(b, uint64(took))) })
}

// Lock notes a lock.
func (w *Writer) Lock(l *wire.Lock) { w.write(Lock, l.AppendTo) }

// JSON notes an entry of any other kind.
func (w *Writer) JSON(kind Kind, v any) {
	b, err := json.Marshal(v)
	if err != nil { // our own types always encode
		panic(err)
	}
	w.write(kind, func(dst []byte) []byte { return append(dst, b...) })
}

// Err returns the error that made the record incomplete; nil if it is complete.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Close closes the file, and returns the error that made the record incomplete, if any.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.failed, w.file.Close())
}

// Reader reads a record. The record may still be written to.
type Reader struct {
	r     *bufio.Reader
	whole int64  // bytes of the complete entries read so far
	part  []byte // bytes of the entry after them
}

// NewReader returns a reader that starts at the beginning.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 1<<16)} }

// Next returns the next entry, whose body is valid until the next call. The error is io.EOF at the
// end, io.ErrUnexpectedEOF if the record ends within an entry, or wraps ErrDamaged. After the first
// two, a later call continues if the file has grown.
func (r *Reader) Next() (e Entry, err error) {
	if err := r.fill(headSize); err != nil {
		return e, err
	}
	n := int(binary.LittleEndian.Uint32(r.part))
	if n < fixed || n > maxEntry {
		return e, fmt.Errorf("%w at byte %d: an entry of %d bytes", ErrDamaged, r.whole, n)
	}
	if err := r.fill(headSize + n); err != nil {
		return e, err
	}
	b := r.part[headSize:]
	if crc32.Checksum(b, crcTable) != binary.LittleEndian.Uint32(r.part[4:]) {
		return e, fmt.Errorf("%w at byte %d: its checksum does not match", ErrDamaged, r.whole)
	}
	r.whole += int64(len(r.part))
	r.part = r.part[:0]
	return Entry{Kind: Kind(b[0]), At: int64(binary.LittleEndian.Uint64(b[1:])), Body: b[fixed:]}, nil
}

// fill reads until part has n bytes. It allocates as bytes arrive, not by a claimed length.
func (r *Reader) fill(n int) error {
	for len(r.part) < n {
		have := len(r.part)
		step := min(n-have, 1<<16)
		r.part = append(r.part, make([]byte, step)...)
		got, err := io.ReadFull(r.r, r.part[have:])
		r.part = r.part[:have+got]
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if len(r.part) == 0 {
				return io.EOF
			}
			return io.ErrUnexpectedEOF
		default:
			return err
		}
	}
	return nil
}

// DecodeChunk returns the chunk of an entry of kind Node or Ack.
func (e *Entry) DecodeChunk() (c wire.Chunk, err error) {
	err = damaged(c.Decode(e.Body))
	return c, err
}

// DecodeTimed returns the chunk and the time of an entry of kind Own or Delivery.
func (e *Entry) DecodeTimed() (c wire.Chunk, took time.Duration, err error) {
	if len(e.Body) < 8 {
		return c, 0, fmt.Errorf("%w: an entry of %d bytes", ErrDamaged, len(e.Body))
	}
	err = damaged(c.Decode(e.Body[8:]))
	return c, time.Duration(binary.LittleEndian.Uint64(e.Body)), err
}

// DecodeLock returns the lock of an entry of kind Lock, a view of its body.
func (e *Entry) DecodeLock() (l wire.Lock, err error) {
	err = damaged(l.DecodeStored(e.Body))
	return l, err
}

// DecodeJSON reads the body of any other entry.
func (e *Entry) DecodeJSON(into any) error { return damaged(json.Unmarshal(e.Body, into)) }

func damaged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
