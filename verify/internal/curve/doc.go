// Package curve implements the arithmetic of BLS12-381 for the schemes of package verify.
//
// The methods of a [Backend] take batches: read points, add them up, hash messages, one
// multi-pairing. Most of the time is spent in such calls, and batches suit a library that works on
// one point at a time as well as one that works on eight. [Default] returns the back end of the
// build: blst with cgo, gnark-crypto without. [Gnark] exists in every build. Both give the same
// results, byte for byte, as the tests and FuzzRead check.
//
// # Structure
//
// A Backend has two groups. The method of a Backend selects the group, the method of the group
// works on the batch, and a library, products, or SIMD code works on the points. The points of both
// libraries are affine here, pairs of gnark-crypto's field elements: both libraries have the same
// layout.
//
// # SIMD
//
// With cgo, on processors with AVX-512 IFMA, SIMD code in C works on eight field elements side by
// side (ifma_field.h, ifma_fp2.h, ifma_point.h). The compiler needs no flag for it. When it starts,
// the program checks whether the processor has the instructions; LANECAST_IFMA=off in the
// environment turns the code off (Setting). Without the SIMD code, and for small numbers of points
// or pairs, blst does that work. Both compute the same points, refuse the same bytes, find the same
// points in the subgroup and the same pairs to cancel, at each of the eight positions, as the tests
// check.
//
//   - Compressed points (ifma_read.c) take a square root in the base field, or two for G2: some 420
//     products one after another. A point of G1 takes 1.4 µs (blst: 9.6), one of G2 2.8 (blst:
//     19.5). Uncompressed points take 0.04 and 0.09 µs (blst: 0.2 and 0.42).
//   - Subgroup checks (ifma_points.c): 4.5 µs a point of G1 (blst: 29), 6.2 of G2 (blst: 36).
//   - Products by weights of 128 bits (ifma_points.c): 4.4 µs in G1 and 12 in G2 (Go: 22 and 51);
//     in sums of 64, 2.7 and 7 µs (Go: 7 and 16).
//   - Sums (ifma_points.c), one set at each position or one at several: 0.07 µs a point of G1
//     (blst: 0.31), 0.18 of G2 (blst: 0.66). They are exact for all points of the curve.
//   - Hashing (ifma_hash.c), without the expansion to bytes: 6 µs a message in G1 (blst: 39), 20 in
//     G2 (blst: 121).
//   - Miller loops (ifma_pairing.c), where up to 64 pairs share the squares: 19 µs a pair (blst:
//     130).
//
// All of these were measured on one virtual machine, an EPYC of the fifth generation, by
// BenchmarkTogether and BenchmarkBackend.
//
// ifma_constants.h holds the curve's constants for the SIMD code; the command in generate writes
// it.
//
// A processor begins one or two of these multiplications in a cycle; the program measures that when
// it starts. With one, some small numbers of points are processed one by one that would be
// processed together with two.
//
// The work is divided as follows. Where the SIMD code runs, it performs all operations of Backend
// on many points. Otherwise Go code on gnark-crypto's field elements computes products and sums,
// and blst everything else. In cgo builds blst always computes own signatures, keys and the final
// exponentiation. Of the 2.9 µs that an ack costs (minsig, compressed, 100 validators and 32 chunks
// in flight), reading is half, Miller loops and the final exponentiation 15 %, and hashing,
// subgroup checks, sums, and products by weights some 4 % each. bench/README.md has the figures.
//
// # Checks
//
// Read accepts the standard compressed form and the uncompressed one, canonical bytes only: flags
// that fit the form, field elements below p, a point on the curve, the identity as c0 00 … 00 and
// never uncompressed. It does not check the subgroup, because that costs more than all other checks
// together, and one check of a combination covers all its points. Two points are refused although
// they are on the curve: (0, ±2) of G1, of order three, which blst does not read.
//
// So code that reads points from others calls InSubgroup, and IsIdentity if that matters, before it
// relies on a point. In particular:
//
//   - Sign and PairingsCancel are for points of the subgroup. Outside it their results have no
//     meaning, and differ between the back ends.
//   - Mul and MulSum are for points of the subgroup too, since they use the curve's endomorphism.
//     Outside it their results are points of the curve, the same in both back ends, and MulSum's is
//     the sum of Mul's; but they are not the scalars' multiples. See Scalar.
//   - Sum is exact for all points: equal and opposite points, the identity, and points of small
//     order, at every position. Conclusions from unproven votes depend on that.
//
// special_test.go compares every operation with plain affine arithmetic, on points of each small
// prime order, at every position, up to 300 at once; LANECAST_SPECIAL=n makes it try n random
// batches.
//
// # Secrets
//
// With blst, Sign, PublicKey and KeyGen use its constant-time code, and this package wipes its
// copies of a secret. With gnark-crypto their time depends on the secret. ConstantTime reports
// which case applies. Everything else works on public data in variable time.
//
// # Threads
//
// Every call runs only on its caller's goroutine and starts none. A Backend has no state, and
// Points never change once returned, so all may be shared. blst's own parallel calls are not used
// (its Mult, Miller loops over slices, sums and conversions of many), and its global limit of
// threads is not changed: the caller decides how many cores to use.
//
// Without SIMD, sums, products and their sums are computed in Go on gnark-crypto's field elements,
// which have the layout of blst's, for both back ends (products.go). blst's sum of many is not
// exact, and takes up to 144 KiB of a thread's stack. The libraries' own sums of products start
// goroutines, and single products through blst cost 50 % more. Only the inversions are each
// library's own. Neither library keeps a pointer to its arguments.
//
// # Stack
//
// C runs on the stack of the thread, and nothing checks its limit: 128 KiB with musl. No call into
// C takes more than 48 KiB for any number of points, including blst's calls and Go's own part:
// stack_test.go measures every operation, and runs it on a thread with 64 KiB. Memory whose size
// depends on the number of points (the pairs of a Miller loop, the tables of products) is Go's.
package curve

//go:generate go run ./generate
