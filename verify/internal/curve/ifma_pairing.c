//go:build cgo

// Miller loops of eight pairs at once, and of more pairs, which share the squares.
//
// f is eight elements of Fp12. Each is the product of the loops of the pairs at its position.
// Points of G2 are projective, (x/z, y/z). Lines follow C. Costello, T. Lange, M. Naehrig: Faster
// pairing computations on curves with high-degree twists (2010), as in section 4.3 of D. Aranha and
// others: The realm of the pairings (2013), up to factors in Fp2. The tower is blst's and
// gnark-crypto's: Fp2 = Fp[i], i² = −1; Fp6 = Fp2[v], v³ = ξ = 1 + i; Fp12 = Fp6[w], w² = v.
//
// # Bounds
//
// Bounds of numbers are in ifma_fp2.h; a test simulates them. Bounds of an element of Fp2, Fp6 or
// Fp12 hold for each of its parts, in multiples of p: "−4 … 2" is −4p < x < 2p. All sums have fewer
// than 2^9 terms.

#include "ifma.h"

#if LANECAST_IFMA

#include "ifma_field.h"
#include "ifma_fp2.h"

typedef struct { fp2 part[3]; } fp6;
typedef struct { fp6 part[2]; } fp12;

// Fp6.

INLINE void add6(fp6 *r, const fp6 *a, const fp6 *b) {
	for (int k = 0; k < 3; k++) add2(&r->part[k], &a->part[k], &b->part[k]);
}

TARGET static void carry6(fp6 *r, const fp6 *a, int k) {
	for (int i = 0; i < 3; i++) carry2(&r->part[i], &a->part[i], k);
}

// va.
INLINE void mul_by_v(fp6 *r, const fp6 *a) {
	fp2 t;
	mul_by_xi(&t, &a->part[2]);
	r->part[2] = a->part[1];
	r->part[1] = a->part[0];
	r->part[0] = t;
}

// The products from which Karatsuba's method computes a product in Fp6: a₀b₀, a₁b₁, a₂b₂, and those
// of sums of two parts each. The parts of ab are
//
//	of0 + ξ(of12 − of1 − of2)
//	of01 − of0 − of1 + ξ·of2
//	of02 + of1 − of0 − of2
typedef struct { wide2 of0, of1, of2, of01, of02, of12; } products6;

TARGET static void multiply6(products6 *r, const fp6 *a, const fp6 *b) {
	const fp2 *a0 = &a->part[0], *a1 = &a->part[1], *a2 = &a->part[2];
	const fp2 *b0 = &b->part[0], *b1 = &b->part[1], *b2 = &b->part[2];
	wide_product2(&r->of0, a0, b0);
	wide_product2(&r->of1, a1, b1);
	wide_product2(&r->of2, a2, b2);
	wide_product_of_sums2(&r->of01, a0, a1, b0, b1);
	wide_product_of_sums2(&r->of02, a0, a2, b0, b2);
	wide_product_of_sums2(&r->of12, a1, a2, b1, b2);
}

// With x, y, z for the coefficients of a line, a = c₀(x + yv), b = zc₁ and s = (c₀ + c₁)(x +
// (y+z)v), the products from which Karatsuba's method computes these.
typedef struct { wide2 a0x, a1y, a01, a2x, a2y, b0, b1, b2, s0x, s1d, s01, s2x, s2d; } line_products;

// Memory for wide products, which is not on the stack.
typedef union {
	struct { products6 m, u; } of_square;
	line_products of_line;
} workspace;

// Fp12. Between the functions f: 0 … 5.

// f = f², as (c₀ + c₁w)² = (c₀ + c₁)(c₀ + vc₁) − m − vm + 2mw with m = c₀c₁.
SHARED void square12(fp12 *f, workspace *w) {
	fp6 *c0 = &f->part[0], *c1 = &f->part[1];
	fp6 s, t;
	products6 *const m = &w->of_square.m, *const u = &w->of_square.u;
	add6(&s, c0, c1);
	carry6(&s, &s, 0);             // 0 … 11
	mul_by_v(&t, c1);              // −5 … 10
	add6(&t, &t, c0);              // −5 … 15
	carry6(&t, &t, 3);             // 3 … 23
	multiply6(m, c0, c1);
	multiply6(u, &s, &t);
	reduce_sum2(&c0->part[0], &(wide_sum){
		.plus = {&u->of0}, .minus = {&m->of0},
		.xi_plus = {&u->of12, &m->of0, &m->of2, &m->of2}, .xi_minus = {&u->of1, &u->of2, &m->of02, &m->of12}});
	reduce_sum2(&c0->part[1], &(wide_sum){
		.plus = {&u->of01, &m->of1}, .minus = {&u->of0, &u->of1, &m->of01},
		.xi_plus = {&u->of2, &m->of1}, .xi_minus = {&m->of12}});
	reduce_sum2(&c0->part[2], &(wide_sum){
		.plus = {&u->of02, &u->of1, &m->of0, &m->of0, &m->of2}, .minus = {&u->of0, &u->of2, &m->of01, &m->of02},
		.xi_minus = {&m->of2}});
	reduce_sum2(&c1->part[0], &(wide_sum){.plus = {&m->of0}, .xi_plus = {&m->of12}, .xi_minus = {&m->of1, &m->of2}});
	reduce_sum2(&c1->part[1], &(wide_sum){.plus = {&m->of01}, .minus = {&m->of0, &m->of1}, .xi_plus = {&m->of2}});
	reduce_sum2(&c1->part[2], &(wide_sum){.plus = {&m->of02, &m->of1}, .minus = {&m->of0, &m->of2}});
	add6(c1, c1, c1);
	carry6(c1, c1, 0);             // 0 … 5
}

// f times the line l[0] + l[1]·v + l[2]·vw, whose parts are carried and 0 … 84, 0 … 2, 0 … 2. The
// result is a + v²b + (s − a − vb)w with the names of line_products.
TARGET static void mul_by_line(fp12 *f, const fp2 l[3], line_products *p) {
	fp6 *c0 = &f->part[0], *c1 = &f->part[1];
	fp6 c;
	fp2 d;
	wide_product2(&p->a0x, &c0->part[0], &l[0]);
	wide_product2(&p->a1y, &c0->part[1], &l[1]);
	wide_product2(&p->a2x, &c0->part[2], &l[0]);
	wide_product2(&p->a2y, &c0->part[2], &l[1]);
	wide_product_of_sums2(&p->a01, &c0->part[0], &c0->part[1], &l[0], &l[1]);
	wide_product2(&p->b0, &c1->part[0], &l[2]);
	wide_product2(&p->b1, &c1->part[1], &l[2]);
	wide_product2(&p->b2, &c1->part[2], &l[2]);
	add2(&d, &l[1], &l[2]);
	carry2(&d, &d, 0);             // 0 … 5
	add6(&c, c0, c1);
	carry6(&c, &c, 0);             // 0 … 11
	wide_product2(&p->s0x, &c.part[0], &l[0]);
	wide_product2(&p->s1d, &c.part[1], &d);
	wide_product2(&p->s2x, &c.part[2], &l[0]);
	wide_product2(&p->s2d, &c.part[2], &d);
	wide_product_of_sums2(&p->s01, &c.part[0], &c.part[1], &l[0], &d);
	reduce_sum2(&c0->part[0], &(wide_sum){.plus = {&p->a0x}, .xi_plus = {&p->a2y, &p->b1}});
	reduce_sum2(&c0->part[1], &(wide_sum){.plus = {&p->a01}, .minus = {&p->a0x, &p->a1y}, .xi_plus = {&p->b2}});
	reduce_sum2(&c0->part[2], &(wide_sum){.plus = {&p->a2x, &p->a1y, &p->b0}});
	reduce_sum2(&c1->part[0], &(wide_sum){.plus = {&p->s0x}, .minus = {&p->a0x}, .xi_plus = {&p->s2d}, .xi_minus = {&p->a2y, &p->b2}});
	reduce_sum2(&c1->part[1], &(wide_sum){.plus = {&p->s01, &p->a0x, &p->a1y}, .minus = {&p->s0x, &p->s1d, &p->a01, &p->b0}});
	reduce_sum2(&c1->part[2], &(wide_sum){.plus = {&p->s2x, &p->s1d}, .minus = {&p->a2x, &p->a1y, &p->b1}});
}

// Eight pairs: values derived from the point of G1, the point of G2 and its current multiple, and
// the positions that have a pair.
typedef struct {
	fe8 three_px, minus_px, py, minus_py;
	fp2 qx, qy, x, y, z;
	__mmask8 present;
} pairs;

// Doubles the multiple, and writes the tangent. The multiple: x and z 0 … 2, y 0 … 40.
SHARED void doubling(fp2 l[3], pairs *e) {
	fp2 xy, b, c, h, t, u, k;
	mul2(&xy, &e->x, &e->y);
	square2(&b, &e->y);            // y²
	square2(&c, &e->z);
	add2(&h, &e->y, &e->z);
	carry2(&h, &h, 0);             // 0 … 43
	square2(&h, &h);
	sub2(&h, &h, &b);
	sub2(&h, &h, &c);              // 2yz: −4 … 2
	carry2(&h, &h, 2);             // 0 … 6
	square2(&k, &e->x);
	mul_by_xi(&c, &c);                 // −2 … 4
	add2(&c, &c, &c);
	add2(&c, &c, &c);
	triple2(&c, &c);               // 12ξz², three times the twist's 4ξ: −24 … 48
	carry2(&c, &c, 5);             // 8 … 80
	triple2(&t, &c);               // 24 … 240

	sub2(&l[0], &c, &b);           // 6 … 80
	carry2(&l[0], &l[0], 0);
	scale2(&l[1], &k, &e->three_px);
	scale2(&l[2], &h, &e->minus_py);

	add2(&xy, &xy, &xy);
	carry2(&xy, &xy, 0);           // 0 … 5
	sub2(&u, &b, &t);              // −240 … −22
	carry2(&u, &u, 8);             // 16 … 234
	mul2(&e->x, &xy, &u);
	add2(&u, &b, &t);              // 24 … 242
	carry2(&u, &u, 0);
	square2(&u, &u);
	square2(&t, &c);
	add2(&t, &t, &t);
	add2(&t, &t, &t);
	triple2(&t, &t);               // 0 … 24
	sub2(&e->y, &u, &t);           // −24 … 2
	carry2(&e->y, &e->y, 5);       // 8 … 34
	add2(&b, &b, &b);
	add2(&b, &b, &b);
	carry2(&b, &b, 0);             // 0 … 9
	mul2(&e->z, &h, &b);
}

// Adds the point to the multiple, and writes the line through them.
SHARED void addition(fp2 l[3], pairs *e) {
	fp2 o, d, c, dd, f, g, h, t;
	mul2(&t, &e->qy, &e->z);
	sub2(&o, &e->y, &t);           // −2 … 40
	carry2(&o, &o, 1);
	mul2(&t, &e->qx, &e->z);
	sub2(&d, &e->x, &t);           // −2 … 2
	carry2(&d, &d, 1);

	mul2(&t, &e->qx, &o);
	mul2(&g, &e->qy, &d);
	sub2(&l[0], &t, &g);           // −2 … 2
	carry2(&l[0], &l[0], 1);
	scale2(&l[1], &o, &e->minus_px);
	scale2(&l[2], &d, &e->py);

	square2(&c, &o);
	square2(&dd, &d);
	mul2(&t, &d, &dd);
	mul2(&f, &e->z, &c);
	mul2(&g, &e->x, &dd);
	add2(&h, &t, &f);
	sub2(&h, &h, &g);
	sub2(&h, &h, &g);              // −4 … 4
	carry2(&h, &h, 2);             // 0 … 8
	mul2(&e->x, &d, &h);
	sub2(&g, &g, &h);              // −8 … 2
	carry2(&g, &g, 3);
	mul2(&g, &g, &o);
	mul2(&f, &e->y, &t);
	sub2(&e->y, &g, &f);           // −2 … 2
	carry2(&e->y, &e->y, 1);
	mul2(&e->z, &e->z, &t);
}

// f times the line, at the positions that have a pair.
SHARED void mul_by_line_where(fp12 *f, fp2 l[3], __mmask8 present, workspace *w) {
	if (present != 0xff) {
		const fe8 zero = {0}, unity = everywhere(&one);
		for (int k = 0; k < 3; k++)
			for (int c = 0; c < 2; c++)
				replace(&l[k].part[c], (__mmask8)~present, k + c == 0 ? &unity : &zero);
	}
	mul_by_line(f, l, &w->of_line);
}

// Loads up to eight pairs.
TARGET static void load_pairs(pairs *e, const uint64_t *p, const uint64_t *q, int n) {
	words in[6]; // the coordinates of p, then of q
	memset(in, 0, sizeof in);
	for (int pos = 0; pos < n; pos++)
		for (int j = 0; j < WORDS; j++) {
			for (int c = 0; c < 2; c++) in[c].word[j][pos] = p[(2 * pos + c) * WORDS + j];
			for (int c = 0; c < 4; c++) in[2 + c].word[j][pos] = q[(4 * pos + c) * WORDS + j];
		}
	const fe8 zero = {0};
	fe8 x;
	from_blst_form(&x, &in[0]);
	sub(&e->minus_px, &zero, &x);
	carry(&e->minus_px, &e->minus_px, 1);
	add(&e->three_px, &x, &x);
	add(&e->three_px, &e->three_px, &x);
	carry(&e->three_px, &e->three_px, 0);
	from_blst_form(&e->py, &in[1]);
	sub(&e->minus_py, &zero, &e->py);
	carry(&e->minus_py, &e->minus_py, 1);
	for (int c = 0; c < 2; c++) {
		from_blst_form(&e->qx.part[c], &in[2 + c]);
		from_blst_form(&e->qy.part[c], &in[4 + c]);
	}
	e->x = e->qx;
	e->y = e->qy;
	e->z.part[0] = everywhere(&one);
	e->z.part[1] = zero;
	e->present = (__mmask8)((1u << n) - 1);
}

static const uint64_t parameter = 0xd201000000010000; // −z

// The scratch memory of one call.
typedef struct {
	pairs group[LANECAST_PAIRS / WIDTH];
	workspace work;
} miller_memory;

_Static_assert(sizeof(miller_memory) <= LANECAST_PAIRS_SCRATCH, "the size of the scratch memory");

TARGET void lanecast_miller(uint64_t *out, const uint64_t *p, const uint64_t *q, size_t n, void *scratch) {
	miller_memory *const memory = scratch;
	pairs *const e = memory->group;
	workspace *const w = &memory->work;
	int groups = 0;
	for (size_t k = 0; k < n; k += WIDTH)
		load_pairs(&e[groups++], p + 2 * WORDS * k, q + 4 * WORDS * k, n - k < WIDTH ? (int)(n - k) : WIDTH);

	fp12 f;
	fp2 l[3];
	memset(&f, 0, sizeof f);
	f.part[0].part[0].part[0] = everywhere(&one);
	for (int i = 62; i >= 0; i--) {
		square12(&f, w);
		for (int g = 0; g < groups; g++) {
			doubling(l, &e[g]);
			mul_by_line_where(&f, l, e[g].present, w);
			if (parameter >> i & 1) {
				addition(l, &e[g]);
				mul_by_line_where(&f, l, e[g].present, w);
			}
		}
	}

	for (int k = 0; k < 12; k++) {
		const __mmask8 nowhere = 0;
		words coefficient;
		from_mont(&coefficient, &f.part[k / 6].part[k / 2 % 3].part[k % 2], &nowhere, 1);
		for (int pos = 0; pos < WIDTH; pos++) store(out + (12 * pos + k) * WORDS, &coefficient, pos);
	}
}

#endif
