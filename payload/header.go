package payload

import (
	"crypto/sha256"
	"errors"

	"github.com/lanecast/lanecast/wire"
)

const (
	// Format is the first byte of a header.
	Format = 0x01
	// DefaultMaxPayload is the length in bytes of the longest body, unless the network has another
	// limit.
	DefaultMaxPayload = 4 << 20
	// MaxHeaderSize is the length in bytes of the longest header.
	MaxHeaderSize = 1 + wire.PublicKeySize + 2*maxVarint + 2*wire.DigestSize

	maxVarint    = 10
	digestSuffix = "_PAYLOAD"
)

var (
	// ErrFormat: a header that begins with another byte than Format.
	ErrFormat = errors.New("unknown payload format")
	// ErrTooLarge: a body of more bytes than the network allows.
	ErrTooLarge = errors.New("body exceeds MaxPayload")
)

// Header describes a body and names the chunk below its chunk: 0x01 ‖ sequencer [32] ‖ varint
// height ‖ parent [32] ‖ varint size ‖ root [32].
type Header struct {
	Sequencer wire.PublicKey
	Height    uint64
	Parent    wire.Digest // payload digest of the chunk below; zero at height 0, and only there
	BodySize  uint64      // bytes
	Root      wire.Digest // of the tree over the body's pieces
}

// Size returns the length of the encoding in bytes.
func (h *Header) Size() int {
	return 1 + wire.PublicKeySize + wire.UvarintSize(h.Height) + wire.UvarintSize(h.BodySize) + 2*wire.DigestSize
}

// AppendTo appends the encoding to dst.
func (h *Header) AppendTo(dst []byte) []byte {
	dst = append(append(dst, Format), h.Sequencer[:]...)
	dst = wire.AppendUvarint(dst, h.Height)
	dst = append(dst, h.Parent[:]...)
	dst = wire.AppendUvarint(dst, h.BodySize)
	return append(dst, h.Root[:]...)
}

// Decode reads a header that is the whole of b and whose body has at most maxPayload bytes. It is
// strict: AppendTo encodes every accepted header to the same bytes. The error is a
// [*wire.DecodeError] that names the field; after an error, the content of h is undefined.
func (h *Header) Decode(b []byte, maxPayload uint64) error {
	n, err := h.DecodePrefix(b, maxPayload)
	if err == nil && n < len(b) {
		err = fail("header", wire.ErrTrailing)
	}
	return err
}

// DecodePrefix reads a header at the start of b as Decode does, and returns its length in bytes. It
// is for messages that hold more than one.
func (h *Header) DecodePrefix(b []byte, maxPayload uint64) (n int, err error) {
	if len(b) == 0 {
		return 0, fail("payload format", wire.ErrTruncated)
	}
	if b[0] != Format {
		return 0, fail("payload format", ErrFormat)
	}
	r := reader{b: b[1:]}
	r.read((*[32]byte)(&h.Sequencer), "sequencer")
	h.Height = r.uvarint("height")
	r.read((*[32]byte)(&h.Parent), "parent")
	h.BodySize = r.uvarint("size")
	r.read((*[32]byte)(&h.Root), "root")
	zero := h.Parent == wire.Digest{}
	switch {
	case r.err != nil:
		return 0, r.err
	case h.Height == 0 && !zero:
		return 0, fail("parent", wire.ErrParentAtGenesis)
	case h.Height > 0 && zero:
		return 0, fail("parent", wire.ErrParentMissing)
	case h.BodySize > maxPayload:
		return 0, fail("size", ErrTooLarge)
	}
	return len(b) - len(r.b), nil
}

// Digest returns the payload digest of the chunk that h belongs to: SHA-256 of
// union_unique(namespace‖"_PAYLOAD", header), that is, varint u32 len(namespace‖suffix) ‖ namespace
// ‖ suffix ‖ header. A header holds its parent's digest, so a digest commits to all chunks below it
// on its lane.
func Digest(namespace []byte, h *Header) wire.Digest {
	b := make([]byte, 0, 256)
	b = wire.AppendNamespace(b, namespace, digestSuffix)
	return sha256.Sum256(h.AppendTo(b))
}

func fail(field string, err error) error { return &wire.DecodeError{Field: field, Err: err} }

// reader reads fields until the first error, which it keeps.
type reader struct {
	b   []byte
	err error
}

func (r *reader) read(dst *[32]byte, field string) {
	if r.err != nil {
		return
	}
	if len(r.b) < len(dst) {
		r.err = fail(field, wire.ErrTruncated)
		return
	}
	*dst = [32]byte(r.b)
	r.b = r.b[len(dst):]
}

func (r *reader) uvarint(field string) uint64 {
	if r.err != nil {
		return 0
	}
	v, n, err := wire.Uvarint(r.b)
	if err != nil {
		r.err = fail(field, err)
		return 0
	}
	r.b = r.b[n:]
	return v
}
