package message

import (
	"slices"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

const (
	// MaxHeaders bounds the headers of one request. As many fit one answer, whatever their lengths.
	MaxHeaders = 1024

	headersOverhead = 1 + 2 // more and a count of up to MaxHeaders
	shortestHeader  = 1 + wire.PublicKeySize + 1 + wire.DigestSize + 1 + wire.DigestSize
)

// Place is where a chunk is in its lane: sequencer [32] ‖ varint height.
type Place struct {
	Sequencer wire.PublicKey
	Height    uint64
}

func (p *Place) size() int { return wire.PublicKeySize + wire.UvarintSize(p.Height) }

func (p *Place) appendTo(dst []byte) []byte {
	return wire.AppendUvarint(append(dst, p.Sequencer[:]...), p.Height)
}

// HeadersRequest asks for headers of a lane, from a place downwards:
// place ‖ digest [32] ‖ varint u32 count.
type HeadersRequest struct {
	Place
	Digest wire.Digest // of the header at the place, the highest wanted
	Count  uint32      // 1 to MaxHeaders
}

// Size returns the length of the encoding in bytes.
func (q *HeadersRequest) Size() int {
	return q.Place.size() + wire.DigestSize + wire.UvarintSize(uint64(q.Count))
}

// AppendTo appends the encoding to dst.
func (q *HeadersRequest) AppendTo(dst []byte) []byte {
	dst = append(q.Place.appendTo(dst), q.Digest[:]...)
	return wire.AppendUvarint(dst, uint64(q.Count))
}

// Decode reads a request that is the whole of b.
func (q *HeadersRequest) Decode(b []byte) error {
	r := reader{b: b}
	r.place(&q.Place)
	r.digest((*[32]byte)(&q.Digest), "digest")
	q.Count = r.uvarint32("count")
	if r.err == nil && (q.Count < 1 || q.Count > MaxHeaders) {
		r.fail("count", ErrCount)
	}
	return r.end()
}

// Headers answers a HeadersRequest with the requested header and those below it, downwards: more ‖
// varint u32 count ‖ count × header. There is at least one.
type Headers struct {
	More    bool // the answerer has the one below the last, too
	Headers []payload.Header
}

// Add adds the next header below if there is room, and reports whether there was.
func (h *Headers) Add(header *payload.Header) bool {
	if len(h.Headers) == MaxHeaders {
		return false
	}
	h.Headers = append(h.Headers, *header)
	return true
}

// Size returns the length of the encoding in bytes.
func (h *Headers) Size() int {
	n := 1 + wire.UvarintSize(uint64(len(h.Headers)))
	for i := range h.Headers {
		n += h.Headers[i].Size()
	}
	return n
}

// AppendTo appends the encoding to dst.
func (h *Headers) AppendTo(dst []byte) []byte {
	dst = appendOption(dst, h.More)
	dst = wire.AppendUvarint(dst, uint64(len(h.Headers)))
	for i := range h.Headers {
		dst = h.Headers[i].AppendTo(dst)
	}
	return dst
}

// Decode reads an answer that is the whole of b, in which no body has more than maxPayload bytes.
// Each header is one height below the one before it, in the same lane. Whether it is that one's
// parent depends on their digests, which the caller compares.
func (h *Headers) Decode(b []byte, maxPayload uint64) error {
	r := reader{b: b}
	h.More = r.option("more")
	n := r.count(MaxHeaders, shortestHeader, "count")
	if n == 0 {
		r.fail("count", ErrCount)
	}
	h.Headers = slices.Grow(h.Headers[:0], n)[:n]
	for i := range h.Headers {
		r.part(h.Headers[i].DecodePrefix(r.b, maxPayload))
		if i > 0 && !isBelow(&h.Headers[i], &h.Headers[i-1]) {
			r.fail("headers", ErrOrder)
		}
		if r.err != nil {
			return r.err
		}
	}
	if r.err == nil && h.More && h.Headers[n-1].Height == 0 {
		r.fail("more", ErrMore)
	}
	return r.end()
}

// isBelow reports whether a header is at the place of the other's parent.
func isBelow(h, other *payload.Header) bool {
	return h.Sequencer == other.Sequencer && other.Height > 0 && h.Height == other.Height-1
}
