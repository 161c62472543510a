#ifndef LANECAST_IFMA_FIELD_H
#define LANECAST_IFMA_FIELD_H

// The base field of BLS12-381, eight elements at once, with the 52-bit multiplications of AVX-512
// IFMA. Files include it under #if LANECAST_IFMA.
//
// # Representation
//
// An element of the field, p = 0x1a0111ea…aaab of 381 bits, is a number a = Σ a[j]·2^(52j), j from
// 0 to 7, which stands for a/R mod p, R = 2^416. Eight elements make one fe8: register j holds limb
// j of all of them. An element has the same position, 0 to 7, in each register. Everything but
// loading and storing is the same instruction for all eight, so special cases are masks of
// positions.
//
// An element is *carried* when every limb is below 2^52. The instructions multiply the low 52 bits
// of their operands, whatever is above, so all operands of products must be carried; all functions
// take and give carried elements.
//
// # Bounds
//
// 2^416/p > 2^35: there is room for multiples of p, and nothing is reduced until it leaves. For any
// a, b < 2^10·p:
//
//   - product: (ab + qp)/R for some q < R, so it is below 2^20·p·p/R + p < 2^20·2^-35·p + p < 2p.
//   - two products, (ab + cd)/R: below 2^21·2^-35·p + p < 2p.
//   - sum: a + b.
//   - difference: a − b + 4p, for b ≤ 4p, is not negative.
//   - canonical: the product with 1, (a + qp)/R, is at most p, because a < R: it is p only where a
//     is a multiple of p other than 0, and then p is replaced by 0. So the result is the one below
//     p.
//
// No column of limb products overflows its 64 bits. All products of limbs are added as two halves,
// of 52 bits each.
//
//   - square: before it is doubled, a column has at most 8 halves, of aᵢaⱼ with i < j: at most 4
//     pairs have i+j = k, whose low halves go to column k, and at most 4 have i+j = k−1, whose high
//     halves do. Doubled that is 16·2^52 at most; one half of a square makes it 17·2^52. Reduction
//     adds at most 16 halves, of products of q's eight limbs with p's, and one carry from the
//     column below, less than 2^12. Together less than 34·2^52 < 2^58.
//   - product: in each of eight rounds a column gets at most 4 halves and one carry: less than
//     33·2^52 < 2^58. Two products that are added: 6 halves and one carry, less than 49·2^52 <
//     2^58.
//
// # Reduction
//
// Montgomery's (Modular multiplication without trial division, 1985), limb by limb: q = −c/p mod
// 2^52 makes c + q·p vanish in its lowest 52 bits. The low half of q·p[0] need not be computed: the
// lowest column c plus it is c rounded up to a multiple of 2^52, so what it carries is
// (c + 2^52 − 1) >> 52. The power of two that is divided out is R in all.
//
// Nothing here is secret. Nevertheless all of it takes the same time for any input.

#include "ifma.h"

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512ifma")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define SHARED TARGET static __attribute__((noinline, unused))

enum {
	WIDTH = LANECAST_WIDTH,
	LIMBS = 8,
	WORDS = 6,  // of 64 bits
	BYTES = 48, // of an element as it comes
	// Groups of eight that go through a computation together: while the last instructions of one
	// product wait for each other, the other group's go ahead, which saves a tenth. A third group
	// would save nothing more.
	GROUPS = 2
};

typedef __m512i u64x8;
typedef struct { u64x8 limb[LIMBS]; } fe8;
typedef struct { uint64_t limb[LIMBS]; } constant;

#define LIMB (((uint64_t)1 << 52) - 1)

// Constants; those said to be elements stand for what they are called times R.
static const constant
	p = {{0xeffffffffaaab, 0xfeb153ffffb9f, 0x6b0f6241eabff, 0x12bf6730d2a0f,
		0x764774b84f385, 0x1ba7b6434bacd, 0x1ea397fe69a4b, 0x1a011}},
	four_p = {{0xbfffffffeaaac, 0xfac54ffffee7f, 0xac3d8907aafff, 0x4afd9cc34a83d,
		0xd91dd2e13ce14, 0x6e9ed90d2eb35, 0x7a8e5ff9a692c, 0x68044}},
	middle = {{0xf7fffffffd555, 0xff58a9ffffdcf, 0xb587b120f55ff, 0x895fb39869507, // (p−1)/2
		0xbb23ba5c279c2, 0x8dd3db21a5d66, 0x8f51cbff34d25, 0xd008}},
	radix = {{0xa5bf4cb89af51, 0x3afbba7ca31a2, 0x2646160ec71f1, 0xa84d710465903, // the element R
		0x3480a4a188311, 0x98e5907ad91f5, 0x2075d74507266, 0x8746}},
	blst_radix = {{0x900000002fffd, 0xbc40c0002760, 0x3c758baebf400, 0x57455f4898575, // the number 2³⁸⁴, the element 2⁻³²
		0xd77ce58537052, 0x71a97a256ec6, 0xec3fa80e4935c, 0x15f65}},
	one = {{0x6480ea8e9b9af, 0x65766c8fe444f, 0x8b540fea96f7d, 0x3b2ee82efd422,
		0xa6723e5f0ade5, 0xff6eb6fdd4230, 0xe06ef23c24a25, 0x14c8e}}, // the element 1
	unit = {{1}}; // the number 1

static const uint64_t minus_inverse = 0x3fffcfffcfffd; // −1/p mod 2^52

#define LOW _mm512_madd52lo_epu64  // (a, b, c): a + the low half of b·c
#define HIGH _mm512_madd52hi_epu64 // (a, b, c): a + the high half of b·c
#define ADD _mm512_add_epi64
#define SUB _mm512_sub_epi64
#define AND _mm512_and_si512
#define OR _mm512_or_si512
#define RIGHT _mm512_srli_epi64
#define LEFT _mm512_slli_epi64
#define ALL(x) _mm512_set1_epi64((long long)(x))

INLINE fe8 everywhere(const constant *c) {
	fe8 r;
	for (int j = 0; j < LIMBS; j++) r.limb[j] = ALL(c->limb[j]);
	return r;
}

// What the next two macros need.
#define PREPARE \
	const u64x8 zero = _mm512_setzero_si512(), mask = ALL(LIMB), inverse = ALL(minus_inverse), \
		p0 = ALL(p.limb[0]), p1 = ALL(p.limb[1]), p2 = ALL(p.limb[2]), p3 = ALL(p.limb[3]), \
		p4 = ALL(p.limb[4]), p5 = ALL(p.limb[5]), p6 = ALL(p.limb[6]), p7 = ALL(p.limb[7])

// One round of reduction: adds the multiple of p that makes column c0 vanish, and carries it to c1.
#define ROUND(c0, c1, c2, c3, c4, c5, c6, c7, c8) do { \
	const u64x8 q = LOW(zero, c0, inverse); \
	const u64x8 q0 = HIGH(zero, q, p0); \
	c1 = ADD(c1, RIGHT(ADD(c0, mask), 52)); \
	c1 = ADD(LOW(c1, q, p1), q0); \
	c2 = HIGH(LOW(c2, q, p2), q, p1); \
	c3 = HIGH(LOW(c3, q, p3), q, p2); \
	c4 = HIGH(LOW(c4, q, p4), q, p3); \
	c5 = HIGH(LOW(c5, q, p5), q, p4); \
	c6 = HIGH(LOW(c6, q, p6), q, p5); \
	c7 = HIGH(LOW(c7, q, p7), q, p6); \
	c8 = HIGH(c8, q, p7); \
} while (0)

// Carries columns into limbs.
#define CARRY(r, c0, c1, c2, c3, c4, c5, c6, c7) do { \
	c1 = ADD(c1, RIGHT(c0, 52)), (r)->limb[0] = AND(c0, mask); \
	c2 = ADD(c2, RIGHT(c1, 52)), (r)->limb[1] = AND(c1, mask); \
	c3 = ADD(c3, RIGHT(c2, 52)), (r)->limb[2] = AND(c2, mask); \
	c4 = ADD(c4, RIGHT(c3, 52)), (r)->limb[3] = AND(c3, mask); \
	c5 = ADD(c5, RIGHT(c4, 52)), (r)->limb[4] = AND(c4, mask); \
	c6 = ADD(c6, RIGHT(c5, 52)), (r)->limb[5] = AND(c5, mask); \
	c7 = ADD(c7, RIGHT(c6, 52)), (r)->limb[6] = AND(c6, mask); \
	(r)->limb[7] = c7; \
} while (0)

#define LIMBS_OF(a) \
	const u64x8 a0 = (a)->limb[0], a1 = (a)->limb[1], a2 = (a)->limb[2], a3 = (a)->limb[3], \
		a4 = (a)->limb[4], a5 = (a)->limb[5], a6 = (a)->limb[6], a7 = (a)->limb[7]

// Row i of the schoolbook product, reduced at once, so that nine columns are enough.
#define ROW(i) do { \
	const u64x8 bi = b->limb[i]; \
	c0 = LOW(c0, a0, bi), c1 = LOW(c1, a1, bi), c2 = LOW(c2, a2, bi), c3 = LOW(c3, a3, bi); \
	c4 = LOW(c4, a4, bi), c5 = LOW(c5, a5, bi), c6 = LOW(c6, a6, bi), c7 = LOW(c7, a7, bi); \
	c1 = HIGH(c1, a0, bi), c2 = HIGH(c2, a1, bi), c3 = HIGH(c3, a2, bi), c4 = HIGH(c4, a3, bi); \
	c5 = HIGH(c5, a4, bi), c6 = HIGH(c6, a5, bi), c7 = HIGH(c7, a6, bi); \
	u64x8 c8 = HIGH(zero, a7, bi); \
	ROUND(c0, c1, c2, c3, c4, c5, c6, c7, c8); \
	c0 = c1, c1 = c2, c2 = c3, c3 = c4, c4 = c5, c5 = c6, c6 = c7, c7 = c8; \
} while (0)

INLINE void product8(fe8 *r, const fe8 *a, const fe8 *b) {
	PREPARE;
	LIMBS_OF(a);
	u64x8 c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero;
	ROW(0);
	ROW(1);
	ROW(2);
	ROW(3);
	ROW(4);
	ROW(5);
	ROW(6);
	ROW(7);
	CARRY(r, c0, c1, c2, c3, c4, c5, c6, c7);
}

// Row i of two products that are added.
#define ROW_OF_TWO(i) do { \
	const u64x8 bi = b->limb[i], di = d->limb[i]; \
	c0 = LOW(c0, a0, bi), c1 = LOW(c1, a1, bi), c2 = LOW(c2, a2, bi), c3 = LOW(c3, a3, bi); \
	c4 = LOW(c4, a4, bi), c5 = LOW(c5, a5, bi), c6 = LOW(c6, a6, bi), c7 = LOW(c7, a7, bi); \
	c1 = HIGH(c1, a0, bi), c2 = HIGH(c2, a1, bi), c3 = HIGH(c3, a2, bi), c4 = HIGH(c4, a3, bi); \
	c5 = HIGH(c5, a4, bi), c6 = HIGH(c6, a5, bi), c7 = HIGH(c7, a6, bi); \
	u64x8 c8 = HIGH(zero, a7, bi); \
	c0 = LOW(c0, c->limb[0], di), c1 = LOW(c1, c->limb[1], di), c2 = LOW(c2, c->limb[2], di); \
	c3 = LOW(c3, c->limb[3], di), c4 = LOW(c4, c->limb[4], di), c5 = LOW(c5, c->limb[5], di); \
	c6 = LOW(c6, c->limb[6], di), c7 = LOW(c7, c->limb[7], di); \
	c1 = HIGH(c1, c->limb[0], di), c2 = HIGH(c2, c->limb[1], di), c3 = HIGH(c3, c->limb[2], di); \
	c4 = HIGH(c4, c->limb[3], di), c5 = HIGH(c5, c->limb[4], di), c6 = HIGH(c6, c->limb[5], di); \
	c7 = HIGH(c7, c->limb[6], di), c8 = HIGH(c8, c->limb[7], di); \
	ROUND(c0, c1, c2, c3, c4, c5, c6, c7, c8); \
	c0 = c1, c1 = c2, c2 = c3, c3 = c4, c4 = c5, c5 = c6, c6 = c7, c7 = c8; \
} while (0)

// (ab + cd)/R, reduced once.
SHARED void two_products(fe8 *r, const fe8 *a, const fe8 *b, const fe8 *c, const fe8 *d) {
	PREPARE;
	LIMBS_OF(a);
	u64x8 c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero;
	ROW_OF_TWO(0);
	ROW_OF_TWO(1);
	ROW_OF_TWO(2);
	ROW_OF_TWO(3);
	ROW_OF_TWO(4);
	ROW_OF_TWO(5);
	ROW_OF_TWO(6);
	ROW_OF_TWO(7);
	CARRY(r, c0, c1, c2, c3, c4, c5, c6, c7);
}

// The product of two different limbs, or of one with itself, into columns lo and hi.
#define PAIR(x, y, lo, hi) lo = LOW(lo, x, y), hi = HIGH(hi, x, y)

INLINE void square8(fe8 *r, const fe8 *a) {
	PREPARE;
	LIMBS_OF(a);
	u64x8 c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero;
	u64x8 c8 = zero, c9 = zero, c10 = zero, c11 = zero, c12 = zero, c13 = zero, c14 = zero, c15 = zero;

	PAIR(a0, a1, c1, c2), PAIR(a0, a2, c2, c3), PAIR(a0, a3, c3, c4), PAIR(a0, a4, c4, c5);
	PAIR(a0, a5, c5, c6), PAIR(a0, a6, c6, c7), PAIR(a0, a7, c7, c8);
	PAIR(a1, a2, c3, c4), PAIR(a1, a3, c4, c5), PAIR(a1, a4, c5, c6), PAIR(a1, a5, c6, c7);
	PAIR(a1, a6, c7, c8), PAIR(a1, a7, c8, c9);
	PAIR(a2, a3, c5, c6), PAIR(a2, a4, c6, c7), PAIR(a2, a5, c7, c8), PAIR(a2, a6, c8, c9), PAIR(a2, a7, c9, c10);
	PAIR(a3, a4, c7, c8), PAIR(a3, a5, c8, c9), PAIR(a3, a6, c9, c10), PAIR(a3, a7, c10, c11);
	PAIR(a4, a5, c9, c10), PAIR(a4, a6, c10, c11), PAIR(a4, a7, c11, c12);
	PAIR(a5, a6, c11, c12), PAIR(a5, a7, c12, c13);
	PAIR(a6, a7, c13, c14);

	c1 = ADD(c1, c1), c2 = ADD(c2, c2), c3 = ADD(c3, c3), c4 = ADD(c4, c4), c5 = ADD(c5, c5);
	c6 = ADD(c6, c6), c7 = ADD(c7, c7), c8 = ADD(c8, c8), c9 = ADD(c9, c9), c10 = ADD(c10, c10);
	c11 = ADD(c11, c11), c12 = ADD(c12, c12), c13 = ADD(c13, c13), c14 = ADD(c14, c14);

	PAIR(a0, a0, c0, c1);
	ROUND(c0, c1, c2, c3, c4, c5, c6, c7, c8);
	PAIR(a1, a1, c2, c3);
	ROUND(c1, c2, c3, c4, c5, c6, c7, c8, c9);
	PAIR(a2, a2, c4, c5);
	ROUND(c2, c3, c4, c5, c6, c7, c8, c9, c10);
	PAIR(a3, a3, c6, c7);
	ROUND(c3, c4, c5, c6, c7, c8, c9, c10, c11);
	PAIR(a4, a4, c8, c9);
	ROUND(c4, c5, c6, c7, c8, c9, c10, c11, c12);
	PAIR(a5, a5, c10, c11);
	ROUND(c5, c6, c7, c8, c9, c10, c11, c12, c13);
	PAIR(a6, a6, c12, c13);
	ROUND(c6, c7, c8, c9, c10, c11, c12, c13, c14);
	PAIR(a7, a7, c14, c15);
	ROUND(c7, c8, c9, c10, c11, c12, c13, c14, c15);
	CARRY(r, c8, c9, c10, c11, c12, c13, c14, c15);
}

// The functions from here on work on n groups. A result may take the place of an operand.

SHARED void product(fe8 *r, const fe8 *a, const fe8 *b, int n) {
	for (int g = 0; g < n; g++) product8(&r[g], &a[g], &b[g]);
}

SHARED void product_with(fe8 *r, const fe8 *a, const constant *c, int n) {
	const fe8 b = everywhere(c);
	for (int g = 0; g < n; g++) product8(&r[g], &a[g], &b);
}

// a squared this many times.
SHARED void square(fe8 *r, const fe8 *a, int times, int n) {
	for (; times > 0; times--, a = r)
		for (int g = 0; g < n; g++) square8(&r[g], &a[g]);
}

// Carries limbs that may be negative, of a number that is not.
INLINE void carry8(fe8 *r) {
	for (int j = 0; j < LIMBS - 1; j++) {
		r->limb[j + 1] = ADD(r->limb[j + 1], _mm512_srai_epi64(r->limb[j], 52));
		r->limb[j] = AND(r->limb[j], ALL(LIMB));
	}
}

SHARED void sum(fe8 *r, const fe8 *a, const fe8 *b, int n) {
	for (int g = 0; g < n; g++) {
		for (int j = 0; j < LIMBS; j++) r[g].limb[j] = ADD(a[g].limb[j], b[g].limb[j]);
		carry8(&r[g]);
	}
}

// a − b + 4p, for b of at most 4p.
SHARED void difference(fe8 *r, const fe8 *a, const fe8 *b, int n) {
	for (int g = 0; g < n; g++) {
		for (int j = 0; j < LIMBS; j++)
			r[g].limb[j] = ADD(SUB(a[g].limb[j], b[g].limb[j]), ALL(four_p.limb[j]));
		carry8(&r[g]);
	}
}

INLINE __mmask8 equals(const fe8 *a, const constant *c) {
	__mmask8 equal = 0xff;
	for (int j = 0; j < LIMBS; j++) equal = _mm512_mask_cmpeq_epi64_mask(equal, a->limb[j], ALL(c->limb[j]));
	return equal;
}

INLINE __mmask8 is_zero(const fe8 *canonical) {
	u64x8 any = canonical->limb[0];
	for (int j = 1; j < LIMBS; j++) any = OR(any, canonical->limb[j]);
	return _mm512_testn_epi64_mask(any, any);
}

// The number below p that the element stands for: a/R mod p.
SHARED void canonical(fe8 *r, const fe8 *a, int n) {
	product_with(r, a, &unit, n);
	for (int g = 0; g < n; g++) {
		const __mmask8 keep = (__mmask8)~equals(&r[g], &p);
		for (int j = 0; j < LIMBS; j++) r[g].limb[j] = _mm512_maskz_mov_epi64(keep, r[g].limb[j]);
	}
}

// The positions at which a and b are the same element, b of at most 4p.
SHARED void same(__mmask8 *equal, const fe8 *a, const fe8 *b, int n) {
	fe8 d[GROUPS];
	difference(d, a, b, n);
	canonical(d, d, n);
	for (int g = 0; g < n; g++) equal[g] = is_zero(&d[g]);
}

// The positions at which a canonical number is above (p−1)/2, that is above its negative.
INLINE __mmask8 is_larger(const fe8 *a) {
	u64x8 borrow = _mm512_setzero_si512();
	for (int j = 0; j < LIMBS; j++)
		borrow = _mm512_srai_epi64(ADD(SUB(ALL(middle.limb[j]), a->limb[j]), borrow), 52);
	return _mm512_cmplt_epi64_mask(borrow, _mm512_setzero_si512());
}

// Negates canonical numbers at the positions of a mask.
INLINE void negate_where(fe8 *a, __mmask8 where) {
	where &= (__mmask8)~is_zero(a);
	for (int j = 0; j < LIMBS; j++)
		a->limb[j] = _mm512_mask_sub_epi64(a->limb[j], where, ALL(p.limb[j]), a->limb[j]);
	carry8(a);
}

// r becomes b at the positions of a mask.
INLINE void replace(fe8 *r, __mmask8 where, const fe8 *b) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = _mm512_mask_mov_epi64(r->limb[j], where, b->limb[j]);
}

// Eight numbers as 64-bit words, for loading and storing: word w of number i at [w][i].
typedef struct { uint64_t word[WORDS][WIDTH]; } words;

// The limbs of numbers.
SHARED void unpack(fe8 *r, const words *from, int n) {
	for (int g = 0; g < n; g++) {
		u64x8 w[WORDS];
		for (int j = 0; j < WORDS; j++) w[j] = _mm512_loadu_si512(from[g].word[j]);
		r[g].limb[0] = w[0];
		r[g].limb[1] = OR(RIGHT(w[0], 52), LEFT(w[1], 12));
		r[g].limb[2] = OR(RIGHT(w[1], 40), LEFT(w[2], 24));
		r[g].limb[3] = OR(RIGHT(w[2], 28), LEFT(w[3], 36));
		r[g].limb[4] = OR(RIGHT(w[3], 16), LEFT(w[4], 48));
		r[g].limb[5] = RIGHT(w[4], 4);
		r[g].limb[6] = OR(RIGHT(w[4], 56), LEFT(w[5], 8));
		r[g].limb[7] = RIGHT(w[5], 44);
		for (int j = 0; j < LIMBS; j++) r[g].limb[j] = AND(r[g].limb[j], ALL(LIMB));
	}
}

// The elements in the form of this file that stand for these numbers.
SHARED void to_mont(fe8 *r, const words *from, int n) {
	unpack(r, from, n);
	product_with(r, r, &radix, n);
}

// Reduces numbers below 2p to below p.
SHARED void subtract_p(fe8 *a, int n) {
	for (int g = 0; g < n; g++) {
		fe8 t;
		for (int j = 0; j < LIMBS; j++) t.limb[j] = SUB(a[g].limb[j], ALL(p.limb[j]));
		carry8(&t);
		const __mmask8 below = _mm512_cmplt_epi64_mask(t.limb[LIMBS - 1], _mm512_setzero_si512());
		for (int j = 0; j < LIMBS; j++) a[g].limb[j] = _mm512_mask_mov_epi64(t.limb[j], below, a[g].limb[j]);
	}
}

// Numbers below 2³⁸⁴ in words.
SHARED void pack(words *to, const fe8 *a, int n) {
	for (int g = 0; g < n; g++) {
		const u64x8 *l = a[g].limb;
		_mm512_storeu_si512(to[g].word[0], OR(l[0], LEFT(l[1], 52)));
		_mm512_storeu_si512(to[g].word[1], OR(RIGHT(l[1], 12), LEFT(l[2], 40)));
		_mm512_storeu_si512(to[g].word[2], OR(RIGHT(l[2], 24), LEFT(l[3], 28)));
		_mm512_storeu_si512(to[g].word[3], OR(RIGHT(l[3], 36), LEFT(l[4], 16)));
		_mm512_storeu_si512(to[g].word[4], OR(OR(RIGHT(l[4], 48), LEFT(l[5], 4)), LEFT(l[6], 56)));
		_mm512_storeu_si512(to[g].word[5], OR(RIGHT(l[6], 8), LEFT(l[7], 44)));
	}
}

// Elements from the form of this file to that of blst and gnark-crypto: times 2³⁸⁴, canonical. They
// are negated at the positions of a mask.
SHARED void from_mont(words *to, const fe8 *a, const __mmask8 *negated, int n) {
	fe8 b[GROUPS];
	product_with(b, a, &blst_radix, n);
	subtract_p(b, n);
	for (int g = 0; g < n; g++) negate_where(&b[g], negated[g]);
	pack(to, b, n);
}

static inline void store(uint64_t *out, const words *from, int pos) {
	for (int j = 0; j < WORDS; j++) out[j] = from->word[j][pos];
}

#endif
