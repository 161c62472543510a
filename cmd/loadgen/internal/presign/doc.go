// Package presign signs, beforehand, all that a crowd of validators and sequencers will ever say:
// so that a load generator spends next to nothing while the engine under test works.
//
// A thousand acks a chunk, signed one by one, cost more than their verification. So the crowd's
// secrets are an arithmetic progression, skᵢ = a + i·d, and of a message m with hash H the
// signatures are one as well:
//
//	σᵢ = skᵢ·H = σᵢ₋₁ + d·H
//
// one addition each, after three multiplications a chunk. The sum of any quorum's signatures is a
// fourth. The same secrets are shares of a threshold key: f(x) = (a − d) + x·d is a polynomial of
// degree at most quorum − 1, f(i+1) = skᵢ, and a − d is the group's secret.
//
// Such keys are good for nothing but load. Whoever knows two of them, or one and d, knows all; no
// key of this package may ever stand in a validator set that somebody relies on. Nothing here is
// constant-time either.
//
// Ed25519 knows no such shortcut: its acks are signed one by one.
//
// A [Set] holds the keys, [Set.Sign] makes a [Lane]: for every height the sequencer's node, with a
// parent certificate by a random quorum, and the acks of all validators. Besides, one wrong ack per
// chunk, which anybody can send who plays a faulty validator: it is a point of the right subgroup,
// one term past the end of the progression.
package presign
