package message

import (
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// MaxPath is the number of hashes in the longest audit path.
const MaxPath = 32

// PushedPiece is a piece of a body, sent without a request: digest [32] ‖ varint u32 index ‖ bytes.
type PushedPiece struct {
	Digest wire.Digest // of the body's header, which was pushed before
	Index  uint32
	Bytes  []byte // a view after decoding
}

// Size returns the length of the encoding in bytes.
func (p *PushedPiece) Size() int {
	return wire.DigestSize + wire.UvarintSize(uint64(p.Index)) + len(p.Bytes)
}

// AppendTo appends the encoding to dst.
func (p *PushedPiece) AppendTo(dst []byte) []byte {
	dst = wire.AppendUvarint(append(dst, p.Digest[:]...), uint64(p.Index))
	return append(dst, p.Bytes...)
}

// Decode reads a pushed piece that is the whole of b.
func (p *PushedPiece) Decode(b []byte) error {
	r := reader{b: b}
	r.digest((*[32]byte)(&p.Digest), "digest")
	p.Index = r.uvarint32("index")
	p.Bytes = r.piece()
	return r.end()
}

// PieceRequest asks for a piece: place ‖ digest [32] ‖ varint u32 index.
type PieceRequest struct {
	Place
	Digest wire.Digest // of the body's header
	Index  uint32
}

// Size returns the length of the encoding in bytes.
func (q *PieceRequest) Size() int {
	return q.Place.size() + wire.DigestSize + wire.UvarintSize(uint64(q.Index))
}

// AppendTo appends the encoding to dst.
func (q *PieceRequest) AppendTo(dst []byte) []byte {
	dst = append(q.Place.appendTo(dst), q.Digest[:]...)
	return wire.AppendUvarint(dst, uint64(q.Index))
}

// Decode reads a request that is the whole of b.
func (q *PieceRequest) Decode(b []byte) error {
	r := reader{b: b}
	r.place(&q.Place)
	r.digest((*[32]byte)(&q.Digest), "digest")
	q.Index = r.uvarint32("index")
	return r.end()
}

// Piece answers a PieceRequest:
// digest [32] ‖ varint u32 index ‖ varint u32 length ‖ length × hash [32] ‖ bytes.
type Piece struct {
	Digest wire.Digest // of the body's header
	Index  uint32
	Path   []byte // audit path from the leaf's sibling up; a view after decoding
	Bytes  []byte // a view after decoding
}

// Size returns the length of the encoding in bytes.
func (p *Piece) Size() int {
	return wire.DigestSize + wire.UvarintSize(uint64(p.Index)) +
		wire.UvarintSize(uint64(len(p.Path)/wire.DigestSize)) + len(p.Path) + len(p.Bytes)
}

// AppendTo appends the encoding to dst.
func (p *Piece) AppendTo(dst []byte) []byte {
	dst = wire.AppendUvarint(append(dst, p.Digest[:]...), uint64(p.Index))
	dst = wire.AppendUvarint(dst, uint64(len(p.Path)/wire.DigestSize))
	return append(append(dst, p.Path...), p.Bytes...)
}

// Decode reads a piece that is the whole of b. Its proof is for [payload.CheckPiece].
func (p *Piece) Decode(b []byte) error {
	r := reader{b: b}
	r.digest((*[32]byte)(&p.Digest), "digest")
	p.Index = r.uvarint32("index")
	n := r.count(MaxPath, wire.DigestSize, "path")
	p.Path = r.take(n*wire.DigestSize, "path")
	p.Bytes = r.piece()
	return r.end()
}

// AbsentReason says why there is no header or body.
type AbsentReason uint8

// The reasons.
const (
	NotYet AbsentReason = iota // it is being fetched
	Never
	Pruned

	reasons = 3
)

func (a AbsentReason) String() string {
	switch a {
	case NotYet:
		return "not yet"
	case Never:
		return "never had it"
	case Pruned:
		return "pruned"
	}
	return fmt.Sprintf("reason %d", uint8(a))
}

// Absent answers a HeadersRequest or a PieceRequest if the answerer has no header or body for it:
// reason ‖ varint lowest.
type Absent struct {
	Reason AbsentReason
	Lowest uint64 // lowest height of the lane whose header and body are kept
}

// Size returns the length of the encoding in bytes.
func (a *Absent) Size() int { return 1 + wire.UvarintSize(a.Lowest) }

// AppendTo appends the encoding to dst.
func (a *Absent) AppendTo(dst []byte) []byte {
	return wire.AppendUvarint(append(dst, byte(a.Reason)), a.Lowest)
}

// Decode reads an answer that is the whole of b.
func (a *Absent) Decode(b []byte) error {
	r := reader{b: b}
	a.Reason = AbsentReason(r.byte("reason"))
	if a.Reason >= reasons {
		r.fail("reason", ErrReason)
	}
	a.Lowest = r.uvarint64("lowest height")
	return r.end()
}
