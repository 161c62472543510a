// Package verify implements the cryptography of Lanecast: sequencers sign chunks, validators
// certify them, and both are verified at the lowest cost that the curve allows.
//
// # Schemes
//
// A [Scheme] is the validator set of one epoch, its keys, and the mathematics of its votes. Four
// come with Lanecast:
//
//	Multisig    BLS12-381; certificate: a bitmap of signers and one aggregate signature. Attributable.
//	Threshold   BLS12-381; certificate: one signature, the same whichever quorum made it. Not attributable.
//	Ed25519     certificate: a bitmap and the signatures, by the validators' identity keys. Attributable.
//	Secp256r1   ECDSA over P-256; certificate: a bitmap and the signatures. Attributable.
//
// The BLS schemes exist in two variants: [MinSig] has signatures of 48 bytes in G1 and keys of 96
// bytes in G2, [MinPk] the reverse. Schemes are built from public keys, which the constructors
// verify. So a constructed Scheme can be trusted as far as its validators can:
//
//	m, err := verify.NewMultisig(config, validators)               // with a proof of possession of every key
//	t, err := verify.NewThreshold(config, ids, group, shares)      // the outcome of a distributed key generation
//	e, err := verify.NewEd25519(namespace, ids)
//	p, err := verify.NewSecp256r1(namespace, validators)           // with compressed keys
//
// [Config] and [SecretKey] are for the BLS schemes only. The keys of an Ed25519 scheme are the
// validators' identity keys, those of a secp256r1 scheme are crypto/ecdsa's.
//
// A process that is a validator gets an [AckSigner] from its Scheme and its secret key, by the
// method Signer. If its key is in an HSM, the embedder implements AckSigner. Sequencers' signatures
// on chunks are Ed25519 under the rules of ZIP-215 whatever the scheme: [NewChunkSigner] and
// [ChunkVerifier].
//
// # What is signed
//
// With u(ns, m) = varint len(ns) ‖ ns ‖ m:
//
//	a chunk               u(namespace‖"_CHUNK", chunk)
//	an ack                u(namespace‖"_ACK", chunk ‖ varint epoch)
//	proof of possession   u(namespace, compressed public key), under a domain tag of its own
//
// # Statements
//
// A [Statement] is one thing to verify: votes that may make a certificate, a received certificate,
// a chunk's signature. A [Verdict] is the result. Package verify/batch takes many statements at
// once and returns their verdicts, by calling a Scheme in these steps. [VerifyNode], [VerifyLock],
// [VerifyCertificate] and [VerifyAck] verify single values, for programs without an engine. They do
// not check which sequencers may propose.
//
//	Combine or Open   read points, make the Combination that is to be verified, check its subgroup
//	Check             verify any number of Combinations in one multi-pairing
//	Isolate           after a failure: find the votes that were at fault
//	InvalidVotes      verify each vote as if alone
//
// # Why votes may be combined before they are verified
//
// Let g be a generator, H the hash of the message, and σ = s·H the vote under the key k = s·g, so
// that e(σ, g) = e(H, k).
//
// Multisig. Let S = Σ σᵢ and K = Σ kᵢ over distinct signers. A certificate is, by definition,
// signers and a point S of the subgroup, not the identity, with e(S, g) = e(H, K). If the sum of
// unverified votes satisfies that, it is a certificate, whatever each σᵢ was: if some are wrong,
// their errors cancel, and the result is the same as with the right ones. Proofs of possession
// ensure that fewer validators cannot sign for a set of signers with K = Σ kᵢ.
//
// Threshold. With f of degree quorum − 1 and vote σᵢ = f(i+1)·H, interpolation at 0 gives f(0)·H,
// the only signature that verifies against the group's key. So if the interpolated point verifies,
// it is the certificate, whatever the votes were.
//
// Several statements (Sⱼ, Kⱼ, Hⱼ), of many chunks, epochs, and both kinds of BLS scheme, are
// verified under fresh random weights wⱼ in one product of pairings:
//
//	e(Σ wⱼ·Sⱼ, −g) · Π e(Hⱼ, wⱼ·Kⱼ) = 1
//
// A wrong statement leaves an error of prime order in the target group, which the other terms
// cancel with probability 2⁻¹²⁸. Before that, each Sⱼ has been checked for subgroup and identity by
// itself: a point of order 3 vanishes from a weighted sum when 3 divides its weight. A weight is a
// + b·z², with a and b 64 random bits each and z the curve's parameter: these are 2¹²⁸
// coefficients, all different modulo r, and multiplication by them takes half the time.
//
// Statements of equal keys share a pair, e(Σ wⱼ·Hⱼ, K); under a threshold scheme all statements
// have the same key. Under a multisig scheme of n validators with keys kᵢ, Kⱼ is the sum of all
// keys less those of the validators missing from statement j. If a batch has more different quorums
// than validators, it is rewritten in terms of validators:
//
//	Π e(wⱼ·Hⱼ, Kⱼ) = e(Σ wⱼ·Hⱼ, Σ kᵢ) · Π e(Σ wⱼ·Hⱼ over j without i, −kᵢ) over all i
//
// This takes n + 1 pairs for any number of statements.
//
// # When a combination fails
//
// Multisig votes are then split, and each part is verified by its plain sum. A part that passes may
// be kept as a whole, but nothing follows for a single vote in it. A vote is called invalid only
// after it has been verified alone, with its subgroup. Colluders can choose keys that cancel within
// a part: that part is split further, without a pairing. Threshold votes are never tested by plain
// sums, since (σ₁+ε) + (σ₂−ε) passes as a sum and fails in the interpolation, which weighs the two
// differently. Each threshold vote is checked for its subgroup and given a weight of its own.
// Ed25519 signatures are verified in a batch, with random weights and cofactor, and one by one if
// that fails; ECDSA signatures always one by one.
//
// # Back ends, time and secrets
//
// The curve arithmetic is blst where cgo is on and gnark-crypto where it is off; [BackendName]
// names it. Beside blst, on processors with AVX-512 IFMA, SIMD code in C computes eight points or
// pairs at a time; [SIMD] reports whether it does, and LANECAST_IFMA=off in the environment turns
// it off; see [CheckEnvironment]. All verification is in variable time, since all its inputs are
// public. Signing is constant-time with blst. With gnark-crypto it is not, and Signer refuses
// unless [Config].AllowVariableTimeSigning is set; making keys and proofs of possession takes
// variable time there too. Ed25519 signing and all of ECDSA are the standard library's. Printing a
// [SecretKey] never shows its secret. The memory of secrets is not wiped when they are no longer
// used; the memory of intermediate copies is.
//
// This package has no I/O, no logging, no goroutines and no decisions about the protocol.
package verify
