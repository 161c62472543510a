// Package curve implements the arithmetic of BLS12-381 for the schemes of package verify.
//
// A [Backend] takes batches: read these points, add them, hash these messages, one multi-pairing.
// Most of the time is spent in such calls, and their shape suits a library that works on one point
// at a time as well as one that works on eight. [Default] returns the back end of the build: blst
// with cgo, gnark-crypto without. [Gnark] is there in every build. Both give the same results, byte
// for byte, as the tests and FuzzRead check.
//
// # Structure
//
// A Backend has two groups. The method of a Backend chooses the group, the method of the group
// works on the batch, and a library, products, or SIMD code works on the points. The points of both
// libraries are affine here, pairs of gnark-crypto's field elements: both libraries lay them out
// alike.
//
// # SIMD
//
// With cgo, on processors with AVX-512 IFMA, SIMD code in C works on eight field elements side by
// side (ifma_field.h, ifma_fp2.h, ifma_point.h). The compiler needs no flag for it. The program
// asks when it starts whether the processor has the instructions, and LANECAST_IFMA=off in the
// environment turns the code off (Setting). Without it blst does that work too, and it does so for a
// few points or pairs in any case. Either way gives the same points, refuses the same bytes, finds
// the same points in the subgroup and the same pairs to cancel, at each of the eight positions, as
// the tests check.
//
//   - Compressed points (ifma_read.c) take a square root in the base field, or two for G2: some 420
//     products one after another. 1.4 µs a point of G1 where blst takes 9.6, 2.8 of G2 where it
//     takes 19.5. Uncompressed ones: 0.04 and 0.09 µs, where blst takes 0.2 and 0.42.
//   - Subgroup checks (ifma_points.c): 4.5 µs a point of G1 where blst takes 29, 6.2 of G2 where it
//     takes 36.
//   - Products by weights of 128 bits (ifma_points.c): 4.4 µs in G1 and 12 in G2, where Go takes 22
//     and 51; in sums of 64, 2.7 and 7 µs where Go takes 7 and 16.
//   - Sums (ifma_points.c), one set at each position or one at several: 0.07 µs a point of G1 where
//     blst takes 0.31, 0.18 of G2 where it takes 0.66. They are exact for all points of the curve.
//   - Hashing (ifma_hash.c), from the expanded bytes on: 6 µs a message in G1 where blst takes 39,
//     20 in G2 where it takes 121.
//   - Miller loops (ifma_pairing.c), of which those of 64 pairs share the squares: 19 µs a pair
//     where blst takes 130.
//
// All of these were measured on one virtual machine, an EPYC of the fifth generation, by
// BenchmarkTogether and BenchmarkBackend.
//
// The curve's constants that the SIMD code needs are in ifma_constants.h, which the command in
// generate writes.
//
// A processor may begin one or two of the multiplications in a cycle. With one, the program lets a
// few points go one by one that would go together with two: it measures that when it starts.
//
// So the work is divided like this: the SIMD code, where it runs, does everything that Backend does
// to many points. Otherwise Go on gnark-crypto's field elements computes products and sums, and
// blst does all else. Own signatures, keys and the final exponentiation always go through blst in
// cgo builds. Of the 2.9 µs that an ack costs (minsig, compressed, 100 validators and 32 chunks in
// flight), reading is half, Miller loops and the final exponentiation 15 %, and hashing, subgroup
// checks, sums, and products by weights some 4 % each. bench/README.md has the figures.
//
// # What is checked, and what is not
//
// Read accepts the standard compressed form and the uncompressed one, canonical bytes only: flags
// that fit the form, field elements below p, a point on the curve, the identity as c0 00 … 00 and
// never uncompressed. It does not check the subgroup, because that costs more than all the rest,
// and one check on a combination covers all points that went into it. Two points are refused
// although they are on the curve: (0, ±2) of G1, of order three, which blst does not read.
//
// So code that reads points from outside checks InSubgroup, and IsIdentity where that matters,
// before it relies on a point. In particular:
//
//   - Sign and PairingsCancel are for points of the subgroup. Outside it their results have no
//     meaning, and differ between the back ends.
//   - Mul and MulSum are for points of the subgroup too, since they use the curve's endomorphism.
//     Outside it they give points of the curve that are the same in both back ends, and the sum is
//     that of the products; but they are not the scalars' multiples. See Scalar.
//   - Sum is for any points, and is exactly their sum: equal and opposite points, the identity, and
//     points of small order included, in every place. Conclusions from unproven votes rest on that.
//
// special_test.go compares every operation with plain affine arithmetic, on points of each small
// prime order, at every place, up to 300 at once; LANECAST_SPECIAL=n makes it draw n random
// batches.
//
// # Secrets
//
// With blst, Sign, PublicKey and KeyGen go through its constant-time code, and the copies of a
// secret that are made here are wiped. With gnark-crypto their time depends on the secret:
// ConstantTime reports which. Everything else works on public data in variable time.
//
// # Threads
//
// Every call runs on its caller's goroutine alone and starts none. A Backend has no state, and
// Points never change once returned, so all may be shared. blst's own parallel calls are avoided
// (its Mult, Miller loops over slices, sums and conversions of many), and its global limit of
// threads is not changed: the caller decides how many cores to use.
//
// Without SIMD, sums, products and their sums are computed in Go on gnark-crypto's field elements,
// which have the layout of blst's, for both back ends (products.go). blst's sum of many is not
// exact, and takes up to 144 KiB of a thread's stack. The libraries' own sums of products start
// goroutines, and single products through blst cost half as much again. Only the inversions are
// each library's own. Neither library keeps a pointer to anything passed to it.
//
// # Stack
//
// C runs on the stack of the thread, which no check stops from growing out of what there is: 128
// KiB with musl. No call into C takes more than 48 KiB, however many points it is given, blst's
// calls and Go's own part included: stack_test.go measures every operation, and runs it on a thread
// with 64 KiB. What depends on the number of points (the pairs of a Miller loop, the tables of
// products) is in memory of Go's.
package curve

//go:generate go run ./generate
