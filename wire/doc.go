// Package wire holds the messages of Lanecast and their bytes: chunks, nodes, acks, certificates,
// and the activities reported to an application. Engines of other implementations see only these
// bytes, which are compatible with commonware-consensus 2026.4.0 (Ed25519 identities, 32-byte
// digests).
//
// # Encoding
//
// Every type has an AppendTo method that appends its encoding to a caller's slice, and a Size
// method that returns the length of the encoding. Integers of variable length are canonical
// unsigned LEB128. Encoding never fails; a caller that encodes a value that cannot be decoded (for
// example a node above height 0 without parent) has a bug.
//
// # Decoding
//
// Decoding is strict and copies nothing of variable length: certificates and ack signatures are
// views into the input and valid as long as it is. It allocates only for an error and for the
// activity that [DecodeActivity] returns. A message ends where its encoding ends; one more byte is
// [ErrTrailing]. No memory is allocated for a length that is only claimed: certificates are bounded
// by the number of validators of their own epoch, which the caller's [Formats] looks up after the
// epoch has been read. After an error, the content of the value decoded into is undefined.
//
// Signatures are bytes here. Package verify decides whether they are points and valid.
//
// # Texts
//
// The text of a [PublicKey] and of a [Digest] is lower-case hexadecimal. String returns it,
// [ParsePublicKey] and [ParseDigest] read it, and JSON and flags contain it.
//
// # Buffers
//
// [Buffer] is a pooled buffer with one owner at a time. The owner reads it or passes it on, and the
// last owner releases it, once; use of a handle after that panics instead of showing another
// message's bytes. [ReadBuffer] fills one from a connection.
//
// This package has no cryptography, no locks and no logging. Its only I/O is reading from the
// [io.Reader] that ReadBuffer and [Buffer.ReadFrom] are given.
package wire
