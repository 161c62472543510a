// Package message holds the messages about payloads of docs/protocol.md 8.3 and their bytes: the
// requests of processes for headers, pieces, tips and their own highest messages, and the answers.
// Two messages have their encodings elsewhere: a push is the encoding of a [payload.Header], and a
// new lock that of a [wire.Lock]. An own chunk request has no bytes.
//
// [Types] lists all for a transport, which checks the limits; the encoders here keep to them where
// items fill a page ([Tips.Add], [Headers.Add]).
//
// # Encoding
//
// AppendTo appends an encoding to the caller's slice, and Size returns its length in bytes.
// Encoding never fails. To encode a value that could not be decoded (a path that is not whole
// hashes, locks out of order) is a bug of the caller.
//
// # Decoding
//
// Decoding is strict: if Decode accepts bytes, AppendTo encodes to the same bytes, and a message
// ends where its encoding ends. Errors are [*wire.DecodeError] and name the field. Bytes of
// variable length are views into the input. Memory for items is allocated only if the input has at
// least as many bytes as that number of the shortest items. Decoding into a value again reuses its
// slices. After an error the value is undefined.
//
// The caller checks everything that needs more than the message: digests, signatures, whether an
// answer fits its request.
package message
