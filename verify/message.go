package verify

import (
	"bytes"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

// Suffixes to the namespace that keep chunks and acks apart. A proof of possession is under the
// bare namespace.
const (
	ackSuffix   = "_ACK"
	chunkSuffix = "_CHUNK"
)

// prefix returns the first bytes of all signed messages of a namespace and kind.
func prefix(namespace []byte, suffix string) []byte {
	return wire.AppendNamespace(make([]byte, 0, 5+len(namespace)+len(suffix)), namespace, suffix)
}

// signedIn reports whether ackPrefix is the prefix of acks signed under namespace.
func signedIn(ackPrefix, namespace []byte) bool {
	return bytes.Equal(ackPrefix, prefix(namespace, ackSuffix))
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
