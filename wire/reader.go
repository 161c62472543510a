package wire

// reader walks over the bytes of one message. It keeps the first error and drops the rest of the
// bytes, so that every later read fails and changes nothing. So a decoder reads field after field
// without checks in between, and end returns the first error.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(field string, err error) {
	if r.err == nil {
		r.err = fail(field, err)
	}
	r.b = nil
}

func (r *reader) truncated(field string) { r.fail(field, ErrTruncated) }

// take returns a view of the next n bytes, nil after an error. A negative size, which an invalid
// Format of the caller can cause, fails as a size that is too large.
func (r *reader) take(n int, field string) []byte {
	if r.err != nil || uint(n) > uint(len(r.b)) {
		r.truncated(field)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// read32 and read64 read values of fixed size. They do not use take, because copying a size that
// the compiler knows takes a third of the time.
func (r *reader) read32(dst *[32]byte, field string) {
	if len(r.b) < 32 {
		r.truncated(field)
		return
	}
	*dst = [32]byte(r.b)
	r.b = r.b[32:]
}

func (r *reader) read64(dst *[64]byte, field string) {
	if len(r.b) < 64 {
		r.truncated(field)
		return
	}
	*dst = [64]byte(r.b)
	r.b = r.b[64:]
}

func (r *reader) byte(field string) byte {
	if len(r.b) == 0 {
		r.truncated(field)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uvarint64(field string) uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	return r.longUvarint(maxVarint64, lastByte64, field)
}

func (r *reader) uvarint32(field string) uint32 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint32(v)
	}
	return uint32(r.longUvarint(maxVarint32, lastByte32, field))
}

func (r *reader) longUvarint(longest int, last byte, field string) uint64 {
	v, n, err := uvarint(r.b, longest, last)
	if err != nil {
		r.fail(field, err)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) chunk(c *Chunk) {
	r.read32((*[32]byte)(&c.Sequencer), "sequencer")
	c.Height = r.uvarint64("height")
	r.read32((*[32]byte)(&c.Payload), "payload")
}

// rest returns a view of the remaining bytes.
func (r *reader) rest() []byte {
	v := r.b[:len(r.b):len(r.b)]
	r.b = nil
	return v
}

// end returns the first error, or ErrTrailing if bytes remain.
func (r *reader) end() error {
	if len(r.b) != 0 {
		r.fail("message", ErrTrailing)
	}
	return r.err
}
