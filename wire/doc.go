// Package wire holds the messages of Lanecast and their bytes: chunks, nodes, acks, certificates,
// and the activities reported to an application. It is the whole of the protocol that other
// implementations see, and is byte-compatible with commonware-consensus 2026.4.0 (Ed25519
// identities, 32-byte digests).
//
// # Encoding
//
// Every type has an AppendTo method that appends its encoding to a caller's slice, and a Size
// method that says how many bytes that takes. Integers of variable length are canonical unsigned
// LEB128. Encoding never fails; encoding a value that could not be decoded (a node above height 0
// without parent, say) is a bug of the caller's.
//
// # Decoding
//
// Decoding is strict and copies nothing of variable length: certificates and ack signatures come
// out as views into the bytes that went in, and live as long as those. It allocates only for an
// error and for the activity that [DecodeActivity] returns. A message ends where its encoding ends;
// a byte more is [ErrTrailing]. Nothing is ever reserved for a length that the bytes merely claim:
// certificates are bounded by the number of validators of their own epoch, which the caller's
// [Formats] looks up after the epoch has been read. After an error, what was decoded into holds
// nothing of meaning.
//
// Signatures are bytes here. Whether they are points, and whose, is for package verify to say.
//
// # Texts
//
// The text of a [PublicKey] and of a [Digest] is lower-case hexadecimal. It is what String returns,
// what [ParsePublicKey] and [ParseDigest] read, and what JSON and flags get.
//
// # Buffers
//
// [Buffer] is a pooled buffer with one owner at a time. Whoever holds it reads it or passes it on,
// and the last owner releases it, once; a handle used after that panics instead of showing another
// message's bytes. [ReadBuffer] fills one from a connection.
//
// What never happens here: cryptography, locks, logging, and I/O but for reading from the
// [io.Reader] that ReadBuffer and [Buffer.ReadFrom] are given.
package wire
