// Package presign signs all messages of many validators and sequencers beforehand, so that a load
// generator takes hardly any CPU time while the engine under test works.
//
// A thousand acks a chunk, signed one by one, cost more than their verification. So the validators'
// secrets are an arithmetic progression, skᵢ = a + i·d, and the signatures on a message m with hash
// H are one as well:
//
//	σᵢ = skᵢ·H = σᵢ₋₁ + d·H
//
// This takes one addition each, after three multiplications a chunk. The sum of any quorum's
// signatures is a fourth multiplication. The same secrets are shares of a threshold key: f(x) = (a
// − d) + x·d is a polynomial of degree at most quorum − 1, f(i+1) = skᵢ, and a − d is the group's
// secret.
//
// Such keys are for load only. Two of them, or one and d, determine all others, so no key of this
// package may ever be in a validator set on which somebody relies. Nothing here is constant-time
// either.
//
// Ed25519 and ECDSA have no such shortcut: their acks are signed one by one.
//
// A [Set] holds the keys, [Set.Sign] makes a [Lane]: for every height the sequencer's node, with a
// parent certificate by a random quorum, and the acks of all validators. It also makes one invalid
// ack per chunk, for validators that play faulty ones: its signature is a point of the right
// subgroup, one term past the end of the progression. A certificate message carries the bytes that
// the next node has for its parent; an invalid one, those of another chunk.
package presign
