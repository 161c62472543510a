#ifndef LANECAST_IFMA_FP2_H
#define LANECAST_IFMA_FP2_H

// Loose numbers, and the field Fp2 = Fp[i], i² = −1, eight elements at once, for the files that
// include ifma_field.h.
//
// # Bounds
//
// A number is *loose* when its limbs are signed and not carried. Sums and differences are loose,
// which saves the carrying. The function carry makes operands of products of them: it adds a
// multiple of p to a number that may be negative. As long as no sum has as many as 2^9 terms, a
// limb stays below 2^61. All operands of products are below 2^10·p. What is said of an element of
// Fp2 holds for both of its parts, in multiples of p: "−4 … 2" is −4p < x < 2p.

#include "ifma_field.h"

typedef struct { fe8 part[2]; } fp2;

// p·2^k.
static const constant multiples[] = {
	{{0xeffffffffaaab, 0xfeb153ffffb9f, 0x6b0f6241eabff, 0x12bf6730d2a0f,
		0x764774b84f385, 0x1ba7b6434bacd, 0x1ea397fe69a4b, 0x1a011}},
	{{0xdffffffff5556, 0xfd62a7ffff73f, 0xd61ec483d57ff, 0x257ece61a541e,
		0xec8ee9709e70a, 0x374f6c869759a, 0x3d472ffcd3496, 0x34022}},
	{{0xbfffffffeaaac, 0xfac54ffffee7f, 0xac3d8907aafff, 0x4afd9cc34a83d,
		0xd91dd2e13ce14, 0x6e9ed90d2eb35, 0x7a8e5ff9a692c, 0x68044}},
	{{0x7fffffffd5558, 0xf58a9ffffdcff, 0x587b120f55fff, 0x95fb39869507b,
		0xb23ba5c279c28, 0xdd3db21a5d66b, 0xf51cbff34d258, 0xd0088}},
	{{0xffffffffaaab0, 0xeb153ffffb9fe, 0xb0f6241eabfff, 0x2bf6730d2a0f6,
		0x64774b84f3851, 0xba7b6434bacd7, 0xea397fe69a4b1, 0x1a0111}},
	{{0xffffffff55560, 0xd62a7ffff73fd, 0x61ec483d57fff, 0x57ece61a541ed,
		0xc8ee9709e70a2, 0x74f6c869759ae, 0xd472ffcd34963, 0x340223}},
	{{0xfffffffeaaac0, 0xac54ffffee7fb, 0xc3d8907aaffff, 0xafd9cc34a83da,
		0x91dd2e13ce144, 0xe9ed90d2eb35d, 0xa8e5ff9a692c6, 0x680447}},
	{{0xfffffffd55580, 0x58a9ffffdcff7, 0x87b120f55ffff, 0x5fb39869507b5,
		0x23ba5c279c289, 0xd3db21a5d66bb, 0x51cbff34d258d, 0xd0088f}},
	{{0xfffffffaaab00, 0xb153ffffb9fef, 0xf6241eabfffe, 0xbf6730d2a0f6b,
		0x4774b84f38512, 0xa7b6434bacd76, 0xa397fe69a4b1b, 0x1a0111e}},
	{{0xfffffff555600, 0x62a7ffff73fdf, 0x1ec483d57fffd, 0x7ece61a541ed6,
		0x8ee9709e70a25, 0x4f6c869759aec, 0x472ffcd349637, 0x340223d}},
};

// The factor that takes x·2³⁸⁴ to the element x: 2^448 mod p.
static const constant from_blst = {{0x7fde37dba9366, 0x4e27525bc342b, 0x1f5b1e9778489, 0xb872b2b91b9dc,
	0xb206f497dfcaf, 0x4137cc89a9b0b, 0xd9d20d7e39959, 0x411c}};

// Row i of a further product that is added.
#define ROW_OF_ANOTHER(c, di) do { \
	c0 = LOW(c0, (c)->limb[0], di), c1 = LOW(c1, (c)->limb[1], di), c2 = LOW(c2, (c)->limb[2], di); \
	c3 = LOW(c3, (c)->limb[3], di), c4 = LOW(c4, (c)->limb[4], di), c5 = LOW(c5, (c)->limb[5], di); \
	c6 = LOW(c6, (c)->limb[6], di), c7 = LOW(c7, (c)->limb[7], di); \
	c1 = HIGH(c1, (c)->limb[0], di), c2 = HIGH(c2, (c)->limb[1], di), c3 = HIGH(c3, (c)->limb[2], di); \
	c4 = HIGH(c4, (c)->limb[3], di), c5 = HIGH(c5, (c)->limb[4], di), c6 = HIGH(c6, (c)->limb[5], di); \
	c7 = HIGH(c7, (c)->limb[6], di), c8 = HIGH(c8, (c)->limb[7], di); \
} while (0)

// Row i of four products that are added.
#define ROW_OF_FOUR(i) do { \
	const u64x8 bi = b->limb[i], di = d->limb[i], fi = f->limb[i], hi = h->limb[i]; \
	c0 = LOW(c0, a0, bi), c1 = LOW(c1, a1, bi), c2 = LOW(c2, a2, bi), c3 = LOW(c3, a3, bi); \
	c4 = LOW(c4, a4, bi), c5 = LOW(c5, a5, bi), c6 = LOW(c6, a6, bi), c7 = LOW(c7, a7, bi); \
	c1 = HIGH(c1, a0, bi), c2 = HIGH(c2, a1, bi), c3 = HIGH(c3, a2, bi), c4 = HIGH(c4, a3, bi); \
	c5 = HIGH(c5, a4, bi), c6 = HIGH(c6, a5, bi), c7 = HIGH(c7, a6, bi); \
	u64x8 c8 = HIGH(zero, a7, bi); \
	ROW_OF_ANOTHER(c, di); \
	ROW_OF_ANOTHER(e, fi); \
	ROW_OF_ANOTHER(g, hi); \
	ROUND(c0, c1, c2, c3, c4, c5, c6, c7, c8); \
	c0 = c1, c1 = c2, c2 = c3, c3 = c4, c4 = c5, c5 = c6, c6 = c7, c7 = c8; \
} while (0)

// (ab + cd + ef + gh)/R, reduced once: (4·2^20·2^-35 + 1)p < 2p. A column gets at most 10 halves
// and one carry in each of eight rounds: less than 81·2^52 < 2^59.
SHARED void four_products(fe8 *r, const fe8 *a, const fe8 *b, const fe8 *c, const fe8 *d,
	const fe8 *e, const fe8 *f, const fe8 *g, const fe8 *h) {
	PREPARE;
	LIMBS_OF(a);
	u64x8 c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero;
	ROW_OF_FOUR(0);
	ROW_OF_FOUR(1);
	ROW_OF_FOUR(2);
	ROW_OF_FOUR(3);
	ROW_OF_FOUR(4);
	ROW_OF_FOUR(5);
	ROW_OF_FOUR(6);
	ROW_OF_FOUR(7);
	CARRY(r, c0, c1, c2, c3, c4, c5, c6, c7);
}

INLINE void add(fe8 *r, const fe8 *a, const fe8 *b) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = ADD(a->limb[j], b->limb[j]);
}

INLINE void sub(fe8 *r, const fe8 *a, const fe8 *b) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = SUB(a->limb[j], b->limb[j]);
}

// a + 2^k·p, carried; a is above −2^k·p.
INLINE void carry(fe8 *r, const fe8 *a, int k) {
	for (int j = 0; j < LIMBS; j++) r->limb[j] = ADD(a->limb[j], ALL(multiples[k].limb[j]));
	carry8(r);
}

// Fp2. Results of add2, sub2 and mul_by_xi are loose, and so may be their operands.

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

// ab: 0 … 2. a: at most 2^9, b: below 2^10.
SHARED void mul2(fp2 *r, const fp2 *a, const fp2 *b) {
	fe8 t = {0};
	sub(&t, &t, &a->part[1]);
	carry(&t, &t, 9);
	two_products(&t, &a->part[0], &b->part[0], &t, &b->part[1]);
	two_products(&r->part[1], &a->part[0], &b->part[1], &a->part[1], &b->part[0]);
	r->part[0] = t;
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

// (a + b)(c + d): 0 … 2. a + b: below 2^9 − 1, c + d: below 2^10 − 1.
SHARED void mul_sums2(fp2 *r, const fp2 *a, const fp2 *b, const fp2 *c, const fp2 *d) {
	fp2 s, t;
	add2(&s, a, b);
	add2(&t, c, d);
	carry2(&s, &s, 0);
	carry2(&t, &t, 0);
	mul2(r, &s, &t);
}

// ab + cd: 0 … 2. a and c: at most 2^9, b and d: below 2^10.
SHARED void mul_two2(fp2 *r, const fp2 *a, const fp2 *b, const fp2 *c, const fp2 *d) {
	fe8 s = {0}, t = {0};
	sub(&s, &s, &a->part[1]);
	carry(&s, &s, 9);
	sub(&t, &t, &c->part[1]);
	carry(&t, &t, 9);
	four_products(&s, &a->part[0], &b->part[0], &s, &b->part[1], &c->part[0], &d->part[0], &t, &d->part[1]);
	four_products(&r->part[1], &a->part[0], &b->part[1], &a->part[1], &b->part[0],
		&c->part[0], &d->part[1], &c->part[1], &d->part[0]);
	r->part[0] = s;
}

// Elements from blst's form, x·2³⁸⁴, to that of ifma_field.h.
SHARED void from_blst_form(fe8 *r, const words *from) {
	unpack(r, from, 1);
	product_with(r, r, &from_blst, 1);
}

#endif
