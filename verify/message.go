package verify

import (
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Suffixes to the namespace that keep chunks and acks apart. A proof of possession is under the
// bare namespace.
const (
	ackSuffix   = "_ACK"
	chunkSuffix = "_CHUNK"
)

// prefix returns varint u32 len(namespace‖suffix) ‖ namespace ‖ suffix. All signed bytes begin with
// it. So no two namespaces, one the beginning of the other, can share signed bytes.
func prefix(namespace []byte, suffix string) []byte {
	n := len(namespace) + len(suffix)
	p := wire.AppendUvarint(make([]byte, 0, 5+n), uint64(n))
	return append(append(p, namespace...), suffix...)
}

// ackMessage returns the bytes that an ack signs: union_unique(namespace‖"_ACK", Chunk ‖ varint
// epoch).
func ackMessage(prefix []byte, subject *wire.Subject) []byte {
	return subject.AppendTo(slices.Grow(slices.Clip(prefix), subject.Chunk.Size()+10))
}

// chunkMessage returns the bytes that a sequencer signs: union_unique(namespace‖"_CHUNK", Chunk).
func chunkMessage(prefix []byte, chunk *wire.Chunk) []byte {
	return chunk.AppendTo(slices.Grow(slices.Clip(prefix), chunk.Size()))
}
