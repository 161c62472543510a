#ifndef LANECAST_IFMA_FIELD_H
#define LANECAST_IFMA_FIELD_H

// The base field of BLS12-381, eight elements at once, with the 52-bit multiplications of AVX-512
// IFMA. Files include it under #if LANECAST_IFMA.
//
// # Representation
//
// An element of the field, p = 0x1a0111ea…aaab of 381 bits, is a number a = Σ a[j]·2^(52j), j from
// 0 to 7, which stands for a/R mod p, R = 2^416. Eight elements make one fe8: register j holds limb
// j of all of them. An element has the same position, 0 to 7, in each register. Except for loading
// and storing, all eight are processed by the same instruction, so special cases are masks of
// positions.
//
// An element is *carried* when every limb is below 2^52. The instructions multiply the low 52 bits
// of their operands and ignore the upper bits, so all operands of products must be carried; all
// functions take and return carried elements.
//
// # Bounds
//
// 2^416/p > 2^35: there is room for multiples of p, and elements are reduced only when they are
// stored. For any a, b < 2^10·p:
//
//   - product: (ab + Qp)/R for some Q < 1.25·R (see below), so it is below 2^20·p·p/R + 1.25p <
//     2^20·2^-35·p + 1.25p < 2p.
//   - two products, (ab + cd)/R: below 2^21·2^-35·p + 1.25p < 2p.
//   - sum: a + b.
//   - difference: a − b + 4p, for b ≤ 4p, is not negative.
//   - canonical: the product with 1, (a + Qp)/R, is below 1 + 1.25p, because a < R. p is subtracted
//     if it is not below p.
//
// Products of two limbs are added to columns as two halves, of 52 bits each; column k counts
// 2^(52k). A product of elements adds at most 16 halves to a column: at most 8 pairs of limbs i and
// j have i+j = k, and at most 8 have i+j = k−1. Reduction adds at most 17 halves and one carry.
// Columns are signed, so they can hold sums and differences of hundreds of products: ifma_fp2.h.
//
// # Reduction
//
// P. L. Montgomery's (Modular multiplication without trial division, 1985), limb by limb: a
// multiple of p makes the lowest column c vanish in its lowest 52 bits. Usually that multiple is
// q·p with q = −c/p mod 2^52. Here all rounds but the last use a multiple of N = kp instead, with k
// = −1/p mod 2^52, which has 50 bits. N is −1 mod 2^52, so q is c mod 2^52 itself, and with N =
// 2^52·m − 1
//
//     c + q·N = 2^52·(floor(c/2^52) + q·m)
//
// A round waits for one multiplication, Montgomery's for two, and takes as many multiplications,
// since m has eight limbs like p. The last round takes q·p, so that the result is small: the sum of
// all additions is Qp with
//
//     Q < k·2^(7·52) + 2^52·2^(7·52) < (1/4 + 1)·R
//
// In the last round, the low half of q·p[0] need not be computed: its sum with c is c rounded up to
// a multiple of 2^52, so the carry is floor((c + 2^52 − 1)/2^52). In total R is divided out.
//
// All inputs are public. Nevertheless all functions take the same time for any input.

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
	BYTES = 48, // of an encoded element
	// Groups of eight that are processed together: while the last instructions of one product wait
	// for each other, those of the other group run, which saves a tenth of the time. A third group
	// would save no more.
	GROUPS = 2
};

typedef __m512i u64x8;
typedef struct { u64x8 limb[LIMBS]; } fe8;
typedef struct { uint64_t limb[LIMBS]; } constant;

#define LIMB (((uint64_t)1 << 52) - 1)

#include "ifma_constants.h"

#define LOW _mm512_madd52lo_epu64  // (a, b, c): a + the low half of b·c
#define HIGH _mm512_madd52hi_epu64 // (a, b, c): a + the high half of b·c
#define ADD _mm512_add_epi64
#define SUB _mm512_sub_epi64
#define AND _mm512_and_si512
#define OR _mm512_or_si512
#define RIGHT _mm512_srli_epi64
#define SIGNED_RIGHT _mm512_srai_epi64
#define LEFT _mm512_slli_epi64
#define ALL(x) _mm512_set1_epi64((long long)(x))

INLINE fe8 everywhere(const constant *c) {
	fe8 r;
	for (int j = 0; j < LIMBS; j++) r.limb[j] = ALL(c->limb[j]);
	return r;
}

// A number with twice as many limbs, not carried: Σ column[k]·2^(52k), columns signed.
enum { COLUMNS = 2 * LIMBS };
typedef struct { u64x8 column[COLUMNS]; } wide;

// The low half of the product of two limbs goes to column k, the high half to the next one.
#define LOW_TO(k, x, y) w[k] = LOW(w[k], x, y)
#define HIGH_TO(k, x, y) w[(k) + 1] = HIGH(w[(k) + 1], x, y)

#define LIMBS_OF(a) \
	const u64x8 a0 = (a)->limb[0], a1 = (a)->limb[1], a2 = (a)->limb[2], a3 = (a)->limb[3], \
		a4 = (a)->limb[4], a5 = (a)->limb[5], a6 = (a)->limb[6], a7 = (a)->limb[7]

// Row i of the schoolbook product.
#define ROW(i) do { \
	const u64x8 bi = b->limb[i]; \
	LOW_TO(i, a0, bi), LOW_TO(i + 1, a1, bi), LOW_TO(i + 2, a2, bi), LOW_TO(i + 3, a3, bi); \
	LOW_TO(i + 4, a4, bi), LOW_TO(i + 5, a5, bi), LOW_TO(i + 6, a6, bi), LOW_TO(i + 7, a7, bi); \
	HIGH_TO(i, a0, bi), HIGH_TO(i + 1, a1, bi), HIGH_TO(i + 2, a2, bi), HIGH_TO(i + 3, a3, bi); \
	HIGH_TO(i + 4, a4, bi), HIGH_TO(i + 5, a5, bi), HIGH_TO(i + 6, a6, bi), HIGH_TO(i + 7, a7, bi); \
} while (0)

INLINE void clear_columns(u64x8 w[COLUMNS]) {
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) w[k] = _mm512_setzero_si512();
}

// w += ab.
INLINE void add_product(u64x8 w[COLUMNS], const fe8 *a, const fe8 *b) {
	LIMBS_OF(a);
	ROW(0);
	ROW(1);
	ROW(2);
	ROW(3);
	ROW(4);
	ROW(5);
	ROW(6);
	ROW(7);
}

// One round of reduction, which makes column i vanish and carries it to the next: see above. It
// adds the product of q with a number of eight limbs n, its low halves from column low on.
#define ADD_MULTIPLE(low, q, n) \
	LOW_TO((low) + 1, q, ALL(n.limb[1])), HIGH_TO(low, q, ALL(n.limb[0])); \
	LOW_TO((low) + 2, q, ALL(n.limb[2])), HIGH_TO((low) + 1, q, ALL(n.limb[1])); \
	LOW_TO((low) + 3, q, ALL(n.limb[3])), HIGH_TO((low) + 2, q, ALL(n.limb[2])); \
	LOW_TO((low) + 4, q, ALL(n.limb[4])), HIGH_TO((low) + 3, q, ALL(n.limb[3])); \
	LOW_TO((low) + 5, q, ALL(n.limb[5])), HIGH_TO((low) + 4, q, ALL(n.limb[4])); \
	LOW_TO((low) + 6, q, ALL(n.limb[6])), HIGH_TO((low) + 5, q, ALL(n.limb[5])); \
	LOW_TO((low) + 7, q, ALL(n.limb[7])), HIGH_TO((low) + 6, q, ALL(n.limb[6])); \
	HIGH_TO((low) + 7, q, ALL(n.limb[7]))

#define ROUND(i) do { \
	const u64x8 q = w[i]; \
	w[(i) + 1] = ADD(LOW(w[(i) + 1], q, ALL(reduction.limb[0])), SIGNED_RIGHT(q, 52)); \
	ADD_MULTIPLE((i) + 1, q, reduction); \
} while (0)

#define LAST_ROUND(i) do { \
	const u64x8 q = LOW(_mm512_setzero_si512(), w[i], ALL(minus_inverse)); \
	w[(i) + 1] = ADD(w[(i) + 1], SIGNED_RIGHT(ADD(w[i], ALL(LIMB)), 52)); \
	ADD_MULTIPLE(i, q, p_doubled[0]); \
} while (0)

// Carries the upper columns, the result of the rounds, into limbs. Their number is not negative.
INLINE void carry_columns(fe8 *r, u64x8 w[COLUMNS]) {
	_Pragma("GCC unroll 8") for (int j = 0; j < LIMBS - 1; j++) {
		w[LIMBS + j + 1] = ADD(w[LIMBS + j + 1], SIGNED_RIGHT(w[LIMBS + j], 52));
		r->limb[j] = AND(w[LIMBS + j], ALL(LIMB));
	}
	r->limb[LIMBS - 1] = w[COLUMNS - 1];
}

// r = w/R mod p.
INLINE void reduce_columns(fe8 *r, u64x8 w[COLUMNS]) {
	ROUND(0);
	ROUND(1);
	ROUND(2);
	ROUND(3);
	ROUND(4);
	ROUND(5);
	ROUND(6);
	LAST_ROUND(7);
	carry_columns(r, w);
}

INLINE void product8(fe8 *r, const fe8 *a, const fe8 *b) {
	u64x8 w[COLUMNS];
	clear_columns(w);
	add_product(w, a, b);
	reduce_columns(r, w);
}

// (ab + cd)/R, reduced once.
SHARED void two_products(fe8 *r, const fe8 *a, const fe8 *b, const fe8 *c, const fe8 *d) {
	u64x8 w[COLUMNS];
	clear_columns(w);
	add_product(w, a, b);
	add_product(w, c, d);
	reduce_columns(r, w);
}

// The product of limbs i and j.
#define PAIR(i, j) LOW_TO(i + j, a##i, a##j), HIGH_TO(i + j, a##i, a##j)

INLINE void square8(fe8 *r, const fe8 *a) {
	u64x8 w[COLUMNS];
	clear_columns(w);
	LIMBS_OF(a);
	PAIR(0, 1), PAIR(0, 2), PAIR(0, 3), PAIR(0, 4), PAIR(0, 5), PAIR(0, 6), PAIR(0, 7);
	PAIR(1, 2), PAIR(1, 3), PAIR(1, 4), PAIR(1, 5), PAIR(1, 6), PAIR(1, 7);
	PAIR(2, 3), PAIR(2, 4), PAIR(2, 5), PAIR(2, 6), PAIR(2, 7);
	PAIR(3, 4), PAIR(3, 5), PAIR(3, 6), PAIR(3, 7);
	PAIR(4, 5), PAIR(4, 6), PAIR(4, 7);
	PAIR(5, 6), PAIR(5, 7);
	PAIR(6, 7);
	_Pragma("GCC unroll 16") for (int k = 1; k < COLUMNS - 1; k++) w[k] = ADD(w[k], w[k]);
	PAIR(0, 0);
	ROUND(0);
	PAIR(1, 1);
	ROUND(1);
	PAIR(2, 2);
	ROUND(2);
	PAIR(3, 3);
	ROUND(3);
	PAIR(4, 4);
	ROUND(4);
	PAIR(5, 5);
	ROUND(5);
	PAIR(6, 6);
	ROUND(6);
	PAIR(7, 7);
	LAST_ROUND(7);
	carry_columns(r, w);
}

// The functions from here on work on n groups. A result may overwrite an operand.

SHARED void product(fe8 *r, const fe8 *a, const fe8 *b, int n) {
	for (int g = 0; g < n; g++) product8(&r[g], &a[g], &b[g]);
}

SHARED void product_with(fe8 *r, const fe8 *a, const constant *c, int n) {
	const fe8 b = everywhere(c);
	for (int g = 0; g < n; g++) product8(&r[g], &a[g], &b);
}

// r = a^(2^times).
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
			r[g].limb[j] = ADD(SUB(a[g].limb[j], b[g].limb[j]), ALL(p_doubled[2].limb[j]));
		carry8(&r[g]);
	}
}

INLINE __mmask8 is_zero(const fe8 *canonical) {
	u64x8 any = canonical->limb[0];
	for (int j = 1; j < LIMBS; j++) any = OR(any, canonical->limb[j]);
	return _mm512_testn_epi64_mask(any, any);
}

// r = a − p at positions where a, which is carried, is not below p, and a elsewhere. Returns the
// positions where a is below p.
INLINE __mmask8 subtract_p8(fe8 *r, const fe8 *a) {
	fe8 t;
	for (int j = 0; j < LIMBS; j++) t.limb[j] = SUB(a->limb[j], ALL(p_doubled[0].limb[j]));
	carry8(&t);
	const __mmask8 below = _mm512_cmplt_epi64_mask(t.limb[LIMBS - 1], _mm512_setzero_si512());
	for (int j = 0; j < LIMBS; j++) r->limb[j] = _mm512_mask_mov_epi64(t.limb[j], below, a->limb[j]);
	return below;
}

// Reduces numbers below 2p to below p.
SHARED void subtract_p(fe8 *a, int n) {
	for (int g = 0; g < n; g++) subtract_p8(&a[g], &a[g]);
}

// The positions at which a is below p.
SHARED void below_p(__mmask8 *below, const fe8 *a, int n) {
	fe8 t;
	for (int g = 0; g < n; g++) below[g] = subtract_p8(&t, &a[g]);
}

// The number below p that the element stands for: a/R mod p.
SHARED void canonical(fe8 *r, const fe8 *a, int n) {
	product_with(r, a, &unit, n);
	subtract_p(r, n);
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
		a->limb[j] = _mm512_mask_sub_epi64(a->limb[j], where, ALL(p_doubled[0].limb[j]), a->limb[j]);
	carry8(a);
}

// r becomes b at the positions of a mask.
INLINE void replace(fe8 *r, __mmask8 where, const fe8 *b) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = _mm512_mask_mov_epi64(r->limb[j], where, b->limb[j]);
}

// Eight numbers as 64-bit words, for loading and storing: word w of number i at [w][i].
typedef struct { uint64_t word[WORDS][WIDTH]; } words;

// From words to limbs.
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

// From numbers to elements in the form of this file.
SHARED void to_mont(fe8 *r, const words *from, int n) {
	unpack(r, from, n);
	product_with(r, r, &radix, n);
}

// From limbs to words, for numbers below 2³⁸⁴.
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

// Elements from the form of this file to that of blst and gnark-crypto: times 2³⁸⁴, canonical.
// Those at the positions of a mask are negated.
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
