// Package message holds the messages about payloads of docs/protocol.md 8.3 and their bytes: what
// processes ask each other for headers, pieces, tips and what is known of a lane, and the answers.
// Two of them have their encodings elsewhere: a push is the encoding of a [payload.Header], and a
// new lock that of a [wire.Lock]. An own chunk request has no bytes.
//
// [Types] lists all for a transport. It checks the limits; the encoders here keep to them where
// items fill a page ([Tips.Add], [Headers.Add]).
//
// # Encoding
//
// AppendTo appends an encoding to the caller's slice, and Size says how many bytes that takes.
// Encoding never fails; encoding a value that could not be decoded (a path that is not whole hashes,
// locks out of order) is a bug of the caller's.
//
// # Decoding
//
// Decoding is strict: what Decode accepts, AppendTo encodes to the same bytes, and a message ends
// where its encoding ends. Errors are [*wire.DecodeError] and name the field. Bytes of variable
// length come out as views into the bytes that went in. Memory is made for items only if as many
// bytes have arrived as the shortest of so many items take. Slices of a value that is decoded into
// again are used again. After an error, what was decoded into holds nothing of meaning.
//
// What needs more than the message is the caller's to check: digests, signatures, whether an answer
// is about what was asked.
package message
