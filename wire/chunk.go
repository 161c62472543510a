package wire

import "bytes"

// Sizes in bytes of values with a fixed size.
const (
	DigestSize    = 32
	PublicKeySize = 32
	SignatureSize = 64 // of a chunk's Ed25519 signature
	maxChunkSize  = PublicKeySize + maxVarint64 + DigestSize
)

// Digest is the 32-byte digest of a payload. The payload itself travels outside the engine.
type Digest [DigestSize]byte

// PublicKey is an Ed25519 identity key: of a sequencer, a validator, a peer.
type PublicKey [PublicKeySize]byte

// Signature is an Ed25519 signature on a chunk, by its sequencer.
type Signature [SignatureSize]byte

// Participant is the index of a validator in its epoch's set, whose identity keys are ascending.
type Participant uint32

// Compare orders keys by their bytes, as validator sets are ordered: −1, 0 or +1.
func (k PublicKey) Compare(other PublicKey) int { return bytes.Compare(k[:], other[:]) }

// Chunk is one link of a sequencer's lane: sequencer [32] ‖ varint height ‖ payload [32].
type Chunk struct {
	Sequencer PublicKey
	Height    uint64
	Payload   Digest
}

// Size returns the length of the encoding in bytes.
func (c *Chunk) Size() int { return PublicKeySize + UvarintSize(c.Height) + DigestSize }

// AppendTo appends the encoding to dst.
func (c *Chunk) AppendTo(dst []byte) []byte {
	dst = append(dst, c.Sequencer[:]...)
	dst = AppendUvarint(dst, c.Height)
	return append(dst, c.Payload[:]...)
}

// Decode reads a chunk that is the whole of b.
func (c *Chunk) Decode(b []byte) error {
	r := reader{b: b}
	r.chunk(c)
	return r.end()
}

// Subject is a chunk in an epoch, the subject of an ack or a certificate. It is comparable and
// serves as a map key.
type Subject struct {
	Chunk Chunk
	Epoch uint64
}

// Size returns the length in bytes of AppendTo's result.
func (s *Subject) Size() int { return s.Chunk.Size() + UvarintSize(s.Epoch) }

// AppendTo appends Chunk ‖ varint epoch, the bytes that an ack signs (before the namespace).
func (s *Subject) AppendTo(dst []byte) []byte {
	return AppendUvarint(s.Chunk.AppendTo(dst), s.Epoch)
}
