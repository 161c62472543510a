// Package ed25519bench compares libraries that verify Ed25519 signatures. It is a separate module,
// so that embedders of Lanecast never download the compared modules.
//
//	go test -bench Verify
//
// # Ways
//
//	lanecast           verify.ChunkVerifier: curve25519-voi with its keys expanded and remembered
//	curve25519-voi     the same library, keys as bytes
//	edwards25519       ZIP-215 on filippo.io/edwards25519, keys decompressed beforehand
//	ed25519consensus   github.com/hdevalence/ed25519consensus
//	crypto/ed25519     the standard library. Its rules are others, and it has no batches
//
// All except the last verify by the rules of ZIP-215, alone and in batches. The tests check that on
// points of small order in every encoding.
//
// # Loads
//
// Valid signatures on chunks, each of a different sequencer, one at a time and in batches of 8 to
// 64. All ways alternate; the cheapest turn of each counts.
package ed25519bench
