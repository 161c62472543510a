package wire

// MaxForkHeaders is how many headers a [Fork] has at most.
const MaxForkHeaders = 1024

// Fork shows that what is certified of a lane is no chain (docs/protocol.md 4.6). Upper is a lock, and
// Headers are those of payload format 1 from its chunk down: the payload digest of each is that of
// the chunk, or the parent that the header above names. The fork is one of
//
//   - the last header stands one height above Lower, another lock of the lane, and names another
//     parent than its payload: there are Upper's height − Lower's headers;
//   - Lower is nil, and the last header is of another place than its chunk, which no honest
//     validator acks.
//
// With Lower and without headers it says which two locks contradict each other, and proves nothing by
// itself: they are further apart than [MaxForkHeaders], or nobody had the headers any more.
//
//	0x16 ‖ Lock ‖ 0x00, or 0x01 ‖ Lock ‖ varint u32 count ‖ count × header
type Fork struct {
	Upper   Lock
	Lower   *Lock
	Headers [][]byte // encoded, as package payload decodes them
}

// Tag returns TagFork.
func (*Fork) Tag() Tag { return TagFork }

// Size returns the length of the encoding in bytes.
func (a *Fork) Size() int {
	n := 2 + a.Upper.Size() + UvarintSize(uint64(len(a.Headers)))
	if a.Lower != nil {
		n += a.Lower.Size()
	}
	for _, h := range a.Headers {
		n += len(h)
	}
	return n
}

// AppendTo appends the encoding to dst.
func (a *Fork) AppendTo(dst []byte) []byte {
	dst = a.Upper.AppendTo(append(dst, byte(TagFork)))
	if a.Lower != nil {
		dst = a.Lower.AppendTo(append(dst, 1))
	} else {
		dst = append(dst, 0)
	}
	dst = AppendUvarint(dst, uint64(len(a.Headers)))
	for _, h := range a.Headers {
		dst = append(dst, h...)
	}
	return dst
}

func (*Fork) activity() {}

func (r *reader) fork(formats Formats) *Fork {
	a := new(Fork)
	r.lock(&a.Upper, formats)
	switch option := r.byte("fork option"); option {
	case 0:
	case 1:
		a.Lower = new(Lock)
		r.lock(a.Lower, formats)
	default:
		r.fail("fork option", ErrOption)
	}
	count := r.uvarint32("number of headers")
	if r.err == nil && !a.countFits(count) {
		r.fail("number of headers", ErrHeaderCount)
	}
	for range count {
		h := r.header()
		if r.err != nil { // before there is memory for as many as are claimed
			break
		}
		a.Headers = append(a.Headers, h)
	}
	if r.err == nil && a.Lower != nil && (a.Lower.Chunk.Sequencer != a.Upper.Chunk.Sequencer || a.Lower.Chunk.Height >= a.Upper.Chunk.Height) {
		r.fail("evidence", ErrNoConflict)
	}
	return a
}

// countFits reports whether a fork of these locks can have so many headers.
func (a *Fork) countFits(count uint32) bool {
	switch {
	case count > MaxForkHeaders:
		return false
	case a.Lower == nil:
		return count > 0
	}
	return count == 0 || uint64(count) == a.Upper.Chunk.Height-a.Lower.Chunk.Height
}

// formatOfHeaders is the first byte of a header of payload format 1.
const formatOfHeaders = 0x01

// header returns a view of a header of payload format 1 (docs/protocol.md 7.1), of which nothing is
// looked at but where it ends.
func (r *reader) header() []byte {
	whole := r.b
	if r.byte("payload format") != formatOfHeaders {
		r.fail("payload format", ErrTag)
	}
	var hash [32]byte
	r.read32(&hash, "sequencer")
	r.uvarint64("height")
	r.read32(&hash, "parent")
	r.uvarint64("size")
	r.read32(&hash, "root")
	if r.err != nil {
		return nil
	}
	n := len(whole) - len(r.b)
	return whole[:n:n]
}
