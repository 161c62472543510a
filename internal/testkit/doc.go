// Package testkit holds helpers for the tests of several packages, the load generator and the
// benchmarks:
//
//	keys.go        Set: deterministic keys and signers of a whole validator set, with its scheme
//	recorder.go    Recorder: a reporter that keeps all activities
//	discard.go     Discard: a sender for an engine that talks to nobody
//	signer.go      AckSignerFunc: a signer made from a function, to delay or fail signatures
//	tb.go          Eventually: waits until a condition holds; MustSet
//	race.go        Race: whether the race detector is on
//
// Package layout in it reads messages of docs/protocol.md 8 by tables, as a twin of their decoders.
//
// Package internal/sim/model has model.Scheme, a cheap scheme that uses keyed hashes instead of
// pairings, and model.Decide, which decides statements one by one in place of a verifier.
//
// The package imports only wire and verify. It must not import package engine, although engines
// take its types as they are: the tests inside internal/core import it, and the engine imports the
// core. It does not import package testing either, since programs use it too.
package testkit
