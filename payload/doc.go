// Package payload holds payload format 1 of docs/protocol.md 7.1: the header of a chunk's body, the
// digest that the chunk carries, and the hash tree over the body's pieces. It does no I/O and keeps
// no state: callers hold all values.
//
// # From a body to a digest
//
// A body is cut into pieces of 64 KiB, the last of which may be shorter. [Build] or a [Builder]
// hashes each byte once and makes a [Tree], the tree of RFC 6962 section 2.1 over the pieces. Its
// root and the body's size go into the [Header], and the chunk carries the header's [Digest]. The
// tree keeps its inner nodes, 64 bytes for each piece, so that an audit path costs no more hashing.
//
// # From a digest to a body
//
// A receiver decodes the header, compares its digest with the chunk's, and makes an [Assembly]. The
// assembly takes pieces in any order from any peer and checks each with its audit path.
// [Assembly.Complete] returns the body once all pieces are there, without a second pass over it.
// [CheckPiece] checks one piece, and [CheckBody] a body that was received whole.
//
// The header's claims are used in this order. Decoding bounds the size. A piece's index and length
// must fit the size, whatever its proof. The audit path must have the length that index and size
// determine. Only then is anything hashed. So a wrong piece costs its receiver at most the hashing
// of one piece, and costs its sender as much to send.
//
// Hashing is crypto/sha256, which uses the processor's SHA instructions where it has them.
package payload
