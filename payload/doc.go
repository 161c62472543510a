// Package payload holds payload format 1 of docs/protocol.md 7.1: the header of a chunk's body, the
// digest that the chunk carries, and the hash tree over the body's pieces. It does no I/O, keeps no
// state but what its callers hold, and knows neither networks nor disks.
//
// # From a body to a digest
//
// A body is cut into pieces of 64 KiB, the last of which may be shorter. [Build], or a [Builder]
// that is written to, hashes each byte once and makes a [Tree], the tree of RFC 6962 section 2.1
// over the pieces. Its root and the body's size go into the [Header], and the header's [Digest] is
// what the chunk carries. The tree keeps its inner nodes, 64 bytes for each piece, so that an audit
// path costs no more hashing.
//
// # From a digest to a body
//
// A receiver decodes the header, compares its digest with the chunk's, and makes an [Assembly]. It
// takes pieces in any order from anybody, checks each with its path, and is [Assembly.Complete]
// once all are there; the body then needs no second pass. [CheckPiece] checks one piece, and
// [CheckBody] a body that came whole.
//
// What the header claims is used in this order: its size is bounded when it is decoded; a piece's
// index and length must be what the size says, whatever its proof; the path must be as long as the
// index and the size say; and only then is anything hashed. So a wrong piece costs its sender as
// much as its receiver, at most one piece.
//
// Hashing is crypto/sha256, which uses the processor's SHA instructions where it has them.
package payload
