#ifndef LANECAST_IFMA_H
#define LANECAST_IFMA_H

#include <stddef.h>
#include <stdint.h>

// Whether the compiler supports the instructions. GCC for Windows does not align the stack for
// registers of 64 bytes (its bug 54412).
#if defined(__x86_64__) && !defined(_WIN32)
#if defined(__clang__) ? __clang_major__ >= 8 : __GNUC__ >= 8
#define LANECAST_IFMA 1
#endif
#endif

// The number of elements that are processed side by side; the maximum number of pairs in a call of
// lanecast_miller, which then takes about two milliseconds; and the size in bytes of its scratch
// memory, whose address is a multiple of 64.
enum {
	LANECAST_WIDTH = 8,
	LANECAST_PAIRS = 64,
	LANECAST_PAIRS_SCRATCH = (LANECAST_PAIRS / LANECAST_WIDTH * 15 + 13 * 4) * 8 * 64
};

// The states of a place to read.
enum { LANECAST_BAD = 0, LANECAST_PENDING = 1, LANECAST_GOOD = 2 };

// No function takes more than 48 KiB of stack, whatever n is: see stack_test.go. Larger data is in
// scratch memory of the caller.

// lanecast_ifma returns whether this processor, its operating system and the compiler support
// AVX-512 IFMA. If it returns 0, no other function of this file may be called.
int lanecast_ifma(void);

// lanecast_ifma_ports returns the number of multiplications of eight numbers that the processor
// begins in a cycle, 1 or 2. The measurement takes about 30 µs.
int lanecast_ifma_ports(void);

// lanecast_read_g1 and lanecast_read_g2 read compressed points. Point k, for each k below n with
// state pending, is at place index[k] of slab. Its flags must be those of a point other than the
// identity. If it is canonical and on the curve, and not (0, ±2), it is written to place k of out,
// as x and y (of G2: x₀, x₁, y₀, y₁) in Montgomery's form with the constant 2³⁸⁴, six words each,
// and the state becomes good; otherwise the state becomes bad.
void lanecast_read_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n);
void lanecast_read_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n);

// lanecast_read_points_g1 and lanecast_read_points_g2 do the same for uncompressed points. They
// must have no flags.
void lanecast_read_points_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n);
void lanecast_read_points_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n);

// lanecast_miller computes the Miller loops of n pairs, p in G1 and q in G2, laid out as above. No
// point may be the identity. It writes eight elements of Fp12, six times two coordinates in blst's
// order. Their product is the conjugate of the product of the loops, up to factors in Fp2, which
// the final exponentiation maps to 1. n is at most LANECAST_PAIRS.
void lanecast_miller(uint64_t *out, const uint64_t *p, const uint64_t *q, size_t n, void *scratch);

// lanecast_in_g1 and lanecast_in_g2 write, for each of n points of the curve, 1 if it is in the
// subgroup of order r, and 0 if it is not. Points are laid out as above, (0, 0) being the identity.
// The identity is in the subgroup.
void lanecast_in_g1(uint8_t *inside, const uint64_t *p, size_t n);
void lanecast_in_g2(uint8_t *inside, const uint64_t *p, size_t n);

// Products are computed from digits to the base 2^LANECAST_DOUBLINGS, at most LANECAST_DIGIT in
// magnitude. LANECAST_TABLE1 is the size in bytes of the table of eight points of G1; that of G2 is
// twice as large.
enum { LANECAST_DIGIT = 8, LANECAST_DOUBLINGS = 4, LANECAST_TABLE1 = (LANECAST_DIGIT + 1) * 3 * 8 * 64 };

// lanecast_multiply_g1 and lanecast_multiply_g2 multiply n points of the curve, laid out as above,
// (0, 0) being the identity. Scalar i is low + high·φ with φ(x, y) = (βx, −y): the digits of low,
// lowest first, are at digits[2kn + i], those of high at digits[(2k+1)n + i], for k below places.
// Product i is written to place i of out as x, y, z in Montgomery's form with the constant 2³⁸⁴:
// (x/z, y/z), or the identity if z is 0. scratch is a table, whose address is a multiple of 64.
void lanecast_multiply_g1(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch);
void lanecast_multiply_g2(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch);

// lanecast_multiply_sum_g1 and lanecast_multiply_sum_g2 write the sum of the same products, one
// point. scratch is a table for each eight points; its address is a multiple of 64.
void lanecast_multiply_sum_g1(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch);
void lanecast_multiply_sum_g2(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch);

// lanecast_sum_g1 and lanecast_sum_g2 write the sums of n sets of points of the curve, in the
// format of products. Set i is the points from begin[i] to begin[i+1] of p, laid out as above; it
// may be empty. The sums are exact for all points.
void lanecast_sum_g1(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, size_t n);
void lanecast_sum_g2(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, size_t n);

// lanecast_hash_g1 and lanecast_hash_g2 hash n messages, given as the expanded uniform bytes of RFC
// 9380: 128 for each message, or 256. They write points in the format of products.
void lanecast_hash_g1(uint64_t *out, const uint8_t *uniform, size_t n);
void lanecast_hash_g2(uint64_t *out, const uint8_t *uniform, size_t n);

#endif
