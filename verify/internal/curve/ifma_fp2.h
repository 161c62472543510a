#ifndef LANECAST_IFMA_FP2_H
#define LANECAST_IFMA_FP2_H

// Loose numbers, and the field Fp2 = Fp[i], i² = −1, eight elements at once, for the files that
// include ifma_field.h.
//
// # Bounds
//
// A number is *loose* when its limbs are signed and not carried. Sums and differences are loose,
// which saves the carrying. The function carry turns them into operands of products: it adds a
// multiple of p to a number that may be negative. As long as all sums have fewer than 2^9 terms, a
// limb stays below 2^61. All operands of products are below 2^10·p. Bounds of an element of Fp2
// hold for both of its parts, in multiples of p: "−4 … 2" is −4p < x < 2p.
//
// Products in Fp2 use A. Karatsuba's method, three products in Fp, and are reduced after they have
// been added up: wide numbers are signed and not carried either. In Fp2 a product in Fp has
// operands below 2^10·p and 2^11·p, so it is below 2^21·p². The operand of a reduction must be more
// than −2^25·p² and less than 2^25·p². The reduction adds 2^406·p > 2^25·p² to make it positive,
// which adds p/1024 to the result. With (2^25·p²)/R < p/1024 the result is below 1.25p + p/512 <
// 2p. A product adds less than 2^56 to a column, so sums of 62 products and the reduction fit.

#include "ifma_field.h"

typedef struct { fe8 part[2]; } fp2;
typedef struct { wide part[2]; } wide2;

INLINE void add(fe8 *r, const fe8 *a, const fe8 *b) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = ADD(a->limb[j], b->limb[j]);
}

INLINE void sub(fe8 *r, const fe8 *a, const fe8 *b) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = SUB(a->limb[j], b->limb[j]);
}

// a + 2^k·p, carried; a is above −2^k·p.
INLINE void carry(fe8 *r, const fe8 *a, int k) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = ADD(a->limb[j], ALL(p_doubled[k].limb[j]));
	carry8(r);
}

// Fp2. Results of add2, sub2 and mul_by_xi are loose; their operands may be loose.

INLINE void add2(fp2 *r, const fp2 *a, const fp2 *b) {
	add(&r->part[0], &a->part[0], &b->part[0]);
	add(&r->part[1], &a->part[1], &b->part[1]);
}

INLINE void sub2(fp2 *r, const fp2 *a, const fp2 *b) {
	sub(&r->part[0], &a->part[0], &b->part[0]);
	sub(&r->part[1], &a->part[1], &b->part[1]);
}

// ξa = (a₀ − a₁) + (a₀ + a₁)i.
INLINE void mul_by_xi(fp2 *r, const fp2 *a) {
	fe8 t;
	sub(&t, &a->part[0], &a->part[1]);
	add(&r->part[1], &a->part[0], &a->part[1]);
	r->part[0] = t;
}

INLINE void triple2(fp2 *r, const fp2 *a) {
	fp2 t;
	add2(&t, a, a);
	add2(r, &t, a);
}

SHARED void carry2(fp2 *r, const fp2 *a, int k) {
	carry(&r->part[0], &a->part[0], k);
	carry(&r->part[1], &a->part[1], k);
}

// ab + cd, wide.
SHARED void wide_two_products(wide *r, const fe8 *a, const fe8 *b, const fe8 *c, const fe8 *d) {
	u64x8 w[COLUMNS];
	clear_columns(w);
	add_product(w, a, b);
	add_product(w, c, d);
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) r->column[k] = w[k];
}

// a/R mod p: 0 … 2. a: −2^25 … 2^25, in multiples of p².
SHARED void reduce_wide(fe8 *r, const wide *a) {
	u64x8 w[COLUMNS];
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) w[k] = ADD(a->column[k], ALL(lift[k]));
	reduce_columns(r, w);
}

INLINE void reduce2(fp2 *r, const wide2 *a) {
	reduce_wide(&r->part[0], &a->part[0]);
	reduce_wide(&r->part[1], &a->part[1]);
}

// A sum of wide numbers: those of plus minus those of minus, and ξ times the difference of the
// others. Each array ends with a null pointer.
enum { TERMS = 7 };
typedef struct { const wide2 *plus[TERMS + 1], *minus[TERMS + 1], *xi_plus[TERMS + 1], *xi_minus[TERMS + 1]; } wide_sum;

// w += one part of the numbers, and w −= one part.

INLINE void add_terms(u64x8 w[COLUMNS], const wide2 *const *a, int part) {
	for (; *a; a++) {
		_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) w[k] = ADD(w[k], (*a)->part[part].column[k]);
	}
}

INLINE void sub_terms(u64x8 w[COLUMNS], const wide2 *const *a, int part) {
	for (; *a; a++) {
		_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) w[k] = SUB(w[k], (*a)->part[part].column[k]);
	}
}

// The sum, reduced: 0 … 2. The sum: −2^25 … 2^25, in multiples of p².
SHARED void reduce_sum2(fp2 *r, const wide_sum *s) {
	u64x8 w[COLUMNS];
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) w[k] = ALL(lift[k]);
	add_terms(w, s->plus, 0);
	sub_terms(w, s->minus, 0);
	add_terms(w, s->xi_plus, 0);
	sub_terms(w, s->xi_plus, 1);
	sub_terms(w, s->xi_minus, 0);
	add_terms(w, s->xi_minus, 1);
	reduce_columns(&r->part[0], w);
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) w[k] = ALL(lift[k]);
	add_terms(w, s->plus, 1);
	sub_terms(w, s->minus, 1);
	add_terms(w, s->xi_plus, 0);
	add_terms(w, s->xi_plus, 1);
	sub_terms(w, s->xi_minus, 0);
	sub_terms(w, s->xi_minus, 1);
	reduce_columns(&r->part[1], w);
}

// a₀ + a₁, carried.
INLINE void sum_of_parts(fe8 *r, const fp2 *a) {
	add(r, &a->part[0], &a->part[1]);
	carry8(r);
}

// The parts of ab from a₀b₀, a₁b₁ and (a₀ + a₁)(b₀ + b₁), or from sums of these.
INLINE void combine_parts(wide2 *r, const wide *low, const wide *high, const wide *of_sums) {
	for (int k = 0; k < COLUMNS; k++) {
		const u64x8 l = low->column[k], h = high->column[k];
		r->part[1].column[k] = SUB(SUB(of_sums->column[k], l), h);
		r->part[0].column[k] = SUB(l, h);
	}
}

// Makes the compiler load operands again instead of keeping them. There are not enough registers to
// keep them: the compiler would store and reload them.
#define RELOAD __asm__ volatile("" : : : "memory")

// ab, wide. a: at most 2^9, b: below 2^10.
SHARED void wide_product2(wide2 *r, const fp2 *a, const fp2 *b) {
	fe8 s, t;
	u64x8 w[COLUMNS];
	sum_of_parts(&s, a);
	sum_of_parts(&t, b);
	RELOAD;
	clear_columns(w);
	add_product(w, &a->part[0], &b->part[0]);
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) r->part[0].column[k] = w[k];
	RELOAD;
	clear_columns(w);
	add_product(w, &a->part[1], &b->part[1]);
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) {
		const u64x8 low = r->part[0].column[k];
		r->part[0].column[k] = SUB(low, w[k]);
		r->part[1].column[k] = ADD(low, w[k]);
	}
	RELOAD;
	clear_columns(w);
	add_product(w, &s, &t);
	_Pragma("GCC unroll 16") for (int k = 0; k < COLUMNS; k++) r->part[1].column[k] = SUB(w[k], r->part[1].column[k]);
}

// ab: 0 … 2. a: at most 2^9, b: below 2^10.
SHARED void mul2(fp2 *r, const fp2 *a, const fp2 *b) {
	wide2 w;
	wide_product2(&w, a, b);
	reduce2(r, &w);
}

// a²: 0 … 2. a: at most 2^8.
SHARED void square2(fp2 *r, const fp2 *a) {
	fe8 plus, minus, twice;
	add(&plus, &a->part[0], &a->part[1]);
	sub(&minus, &a->part[0], &a->part[1]);
	add(&twice, &a->part[1], &a->part[1]);
	carry(&plus, &plus, 0);
	carry(&minus, &minus, 8);
	carry(&twice, &twice, 0);
	product(&r->part[1], &a->part[0], &twice, 1);
	product(&r->part[0], &plus, &minus, 1);
}

SHARED void scale2(fp2 *r, const fp2 *a, const fe8 *s) {
	product(&r->part[0], &a->part[0], s, 1);
	product(&r->part[1], &a->part[1], s, 1);
}

// (a + b)(c + d), wide. a + b: below 2^9 − 1, c + d: below 2^10 − 1.
SHARED void wide_product_of_sums2(wide2 *r, const fp2 *a, const fp2 *b, const fp2 *c, const fp2 *d) {
	fp2 s, t;
	add2(&s, a, b);
	add2(&t, c, d);
	carry2(&s, &s, 0);
	carry2(&t, &t, 0);
	wide_product2(r, &s, &t);
}

// ab + cd: 0 … 2. a and c: at most 2^9, b and d: below 2^10.
SHARED void mul_two2(fp2 *r, const fp2 *a, const fp2 *b, const fp2 *c, const fp2 *d) {
	fe8 s, t, u, v;
	wide low, high, of_sums;
	wide2 w;
	sum_of_parts(&s, a);
	sum_of_parts(&t, b);
	sum_of_parts(&u, c);
	sum_of_parts(&v, d);
	wide_two_products(&low, &a->part[0], &b->part[0], &c->part[0], &d->part[0]);
	wide_two_products(&high, &a->part[1], &b->part[1], &c->part[1], &d->part[1]);
	wide_two_products(&of_sums, &s, &t, &u, &v);
	combine_parts(&w, &low, &high, &of_sums);
	reduce2(r, &w);
}

// The positions at which a, of −2^9 … 2^9 and loose, is 0.
SHARED __mmask8 vanishes1(const fe8 *a) {
	fe8 t;
	carry(&t, a, 9);
	canonical(&t, &t, 1);
	return is_zero(&t);
}

INLINE __mmask8 vanishes2(const fp2 *a) { return vanishes1(&a->part[0]) & vanishes1(&a->part[1]); }

// Elements from blst's form, x·2³⁸⁴, to that of ifma_field.h.
SHARED void from_blst_form(fe8 *r, const words *from) {
	unpack(r, from, 1);
	product_with(r, r, &from_blst, 1);
}

#endif
