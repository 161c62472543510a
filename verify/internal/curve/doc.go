// Package curve is the arithmetic of BLS12-381 that the schemes of package verify stand on.
//
// A Backend takes batches: read these points, add them, hash these messages, one multi-pairing. That is where the time
// goes, and a call of that shape suits a library that works on one point at a time as well as one that works on eight.
// Default gives the back end of the build: blst with cgo, gnark-crypto without. Gnark is there in every build, and
// both answer alike, byte for byte, which the tests and FuzzRead hold them to.
//
// # Eight at a time
//
// With cgo, on processors with AVX-512 IFMA, vector code of our own in C works on eight field elements side by side
// (ifma_field.h, ifma_fp2.h, ifma_point.h). The compiler needs no flag for it; whether the instructions are there is asked
// when the program starts, and LANECAST_IFMA=off in the environment does without them. Without them blst does that work
// too, and so it does for a few points or pairs. Either way gives the same points, refuses the same bytes, finds the same
// points in the subgroup and the same pairs to cancel, in every lane, which the tests hold them to.
//
//   - Compressed points (ifma_read.c) take a square root in the base field, or two for G2: some 420 products one after
//     another. 1.6 µs a point of G1 where blst takes 9.6, 3.3 of G2 where it takes 19.5. Uncompressed ones: 0.06 and 0.13
//     µs, where blst takes 0.2 and 0.42.
//   - Subgroup checks (ifma_points.c): 5 µs a point of G1 where blst takes 29, 7.5 of G2 where it takes 36.
//   - Products by weights of 128 bits (ifma_points.c): 5 µs in G1 and 15 in G2, where Go takes 22 and 51; in sums of 64, 3
//     and 9 µs where Go takes 7 and 16.
//   - Sums (ifma_points.c), one set in each lane or one in several: 0.08 µs a point of G1 where blst takes 0.31, 0.21 of G2
//     where it takes 0.66. They are exact for all points of the curve.
//   - Hashing (ifma_hash.c), from the expanded bytes on: 7 µs a message in G1 where blst takes 39, 24 in G2 where it takes
//     121.
//   - Miller loops (ifma_pairing.c), of which those of 64 pairs share the squares: 23 µs a pair where blst takes 130.
//
// All of these are of one virtual machine, an EPYC of the fifth generation, measured by BenchmarkTogether and
// BenchmarkBackend.
//
// What the vector code knows of the curve is in ifma_constants.h, which the command in generate writes.
//
// So who does what: all that Backend does to many points, C of ours if there are vectors; otherwise products and their
// sums, Go on gnark-crypto's field elements, and blst all else. Own signatures, keys and the final exponentiation always
// go through blst in cgo builds. Of the 3.4 µs that an ack costs, minsig, compressed, 100 validators and 32 chunks in
// flight, reading is half, Miller loops and the final exponentiation 15 %, and hashing, subgroup checks, sums, and products
// by weights some 4 % each. bench/README.md has the figures.
//
// # What is checked, and what is not
//
// Read accepts the standard compressed form and the uncompressed one, canonical bytes only: flags that fit the form,
// field elements below p, a point on the curve, the identity as c0 00 … 00 and never uncompressed. It does not ask for
// the subgroup, because that costs more than all the rest and one check on a combination does for all that went into
// it. Two points are refused although they are on the curve: (0, ±2) of G1, of order three, which blst does not read.
//
// Whoever reads points from outside therefore checks InSubgroup, and IsIdentity where that matters, before a point means
// anything. In particular:
//
//   - Sign and PairingsCancel are for points of the subgroup. Outside it they give answers without meaning, not the same in
//     both back ends.
//   - Mul and MulSum are for points of the subgroup too, since they go by the curve's endomorphism. Outside it they give
//     points of the curve that are the same in both back ends, and the sum is that of the products; but they are not
//     the scalars' multiples. See Scalar.
//   - Sum is for any points, and exactly their sum: equal and opposite points, the identity, and points of small order
//     included, in every place. What is concluded from votes that nobody has proven rests on that.
//
// special_test.go holds every operation against plain affine arithmetic, with points of each small
// prime order, at every place, up to 300 at once; LANECAST_SPECIAL=n has it draw n random batches.
//
// # Secrets
//
// With blst, Sign, PublicKey and KeyGen go through its constant-time code, and the copies that are made here of a secret
// are wiped. With gnark-crypto their time depends on the secret: ConstantTime reports which. Everything else works on public data in variable time.
//
// # Threads
//
// Every call runs on its caller's goroutine alone and starts none; a Backend has no state, and
// Points never change once returned, so all may be shared. blst's own parallel calls are avoided
// (its Mult, Miller loops over slices, sums and conversions of many), and its global limit of
// threads is left alone: how many cores to use is decided above.
//
// Without vectors, sums, products and their sums are ours, in Go on gnark-crypto's field elements, which have the layout
// of blst's, for both back ends (products.go): blst's sum of many is not exact, and takes up to 144 KiB of a thread's
// stack; the libraries' own sums of products start goroutines, and single products through blst cost half as much again.
// Only the inversions in them are each library's own. Neither library keeps a pointer to anything passed to it.
package curve

//go:generate go run ./generate
