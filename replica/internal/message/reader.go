package message

import (
	"math"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// reader reads the bytes of one message. After the first error it has nothing more to read, so that
// a decoder reads like the layout it decodes.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(field string, err error) {
	if r.err == nil {
		r.err = &wire.DecodeError{Field: field, Err: err}
	}
	r.b = nil
}

// take returns a view of the next n bytes, nil after an error.
func (r *reader) take(n int, field string) []byte {
	if r.err != nil || n > len(r.b) {
		r.fail(field, wire.ErrTruncated)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// part skips the next n bytes, which another package has read, unless that package found an error.
func (r *reader) part(n int, err error) {
	if r.b = r.b[n:]; err != nil {
		r.err, r.b = err, nil
	}
}

// rest returns a view of all that is left.
func (r *reader) rest() []byte {
	return r.take(len(r.b), "")
}

func (r *reader) digest(dst *[32]byte, field string) { copy(dst[:], r.take(len(dst), field)) }

func (r *reader) byte(field string) byte {
	if v := r.take(1, field); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) option(field string) bool {
	v := r.byte(field)
	if v > 1 {
		r.fail(field, wire.ErrOption)
	}
	return v == 1
}

func (r *reader) uvarint64(field string) uint64 {
	v, n, err := wire.Uvarint(r.b)
	if err != nil {
		r.fail(field, err)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uvarint32(field string) uint32 {
	v := r.uvarint64(field)
	if v > math.MaxUint32 {
		r.fail(field, wire.ErrVarint)
		return 0
	}
	return uint32(v)
}

// count reads the number of items that follow. It is at most most, and b holds at least that many
// times shortest, the bytes of the shortest item.
func (r *reader) count(most uint32, shortest int, field string) int {
	n := r.uvarint32(field)
	switch {
	case n > most:
		r.fail(field, ErrCount)
	case int64(n)*int64(shortest) > int64(len(r.b)):
		r.fail(field, wire.ErrTruncated)
	default:
		return int(n)
	}
	return 0
}

func (r *reader) place(p *Place) {
	r.digest((*[32]byte)(&p.Sequencer), "sequencer")
	p.Height = r.uvarint64("height")
}

// piece reads what is left as the bytes of a piece.
func (r *reader) piece() []byte {
	v := r.rest()
	if r.err == nil && (len(v) == 0 || len(v) > payload.PieceSize) {
		r.fail("piece", ErrPieceSize)
	}
	return v
}

// end checks that nothing is left, and returns the first error.
func (r *reader) end() error {
	if len(r.b) != 0 {
		r.fail("message", wire.ErrTrailing)
	}
	return r.err
}

func appendOption(dst []byte, is bool) []byte {
	if is {
		return append(dst, 1)
	}
	return append(dst, 0)
}
