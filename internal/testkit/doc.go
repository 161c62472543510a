// Package testkit holds what the tests of several packages share, the load generator and the
// benchmarks among them:
//
//	keys.go        Set: deterministic keys and signers of a whole validator set, with its scheme
//	recorder.go    Recorder: a reporter that keeps what was reported
//	discard.go     Discard: a sender for an engine that talks to nobody
//	signer.go      AckSignerFunc: a signer made from a function, to delay or fail signatures
//	tb.go          Eventually: waits until a condition holds; MustSet
//	race.go        Race: whether the race detector is on
//
// Package layout below it reads messages of docs/protocol.md 8 by tables, as a twin of their
// decoders.
//
// A scheme that is cheap because it hashes with keys instead of pairing is model.Scheme in
// internal/sim/model, and model.Decide decides statements one by one, as a verifier does.
//
// The package imports wire and verify only. It must not import package engine, although engines take
// its types as they are: the tests inside internal/core import it, and the engine imports the core.
// It does not import package testing either, since programs link it too.
package testkit
