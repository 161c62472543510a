//go:build cgo

// Miller loops of eight pairs at once, and of more pairs that share the squares.
//
// f is eight elements of Fp12. Each is the product of the loops of the pairs at its position.
// Points of G2 are projective, (x/z, y/z), and lines go by C. Costello, T. Lange, M. Naehrig:
// Faster pairing computations on curves with high-degree twists (2010), as in section 4.3 of D.
// Aranha and others: The realm of the pairings (2013), all of them but for factors in Fp2. The
// tower is blst's and gnark-crypto's: Fp2 = Fp[i], i² = −1; Fp6 = Fp2[v], v³ = ξ = 1 + i;
// Fp12 = Fp6[w], w² = v.
//
// # Bounds
//
// Those of numbers are in ifma_fp2.h; a test simulates them. What is said of an element of Fp2, Fp6
// or Fp12 holds for each of its parts, in multiples of p: "−4 … 2" is −4p < x < 2p. No sum here has
// as many as 2^9 terms.

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

INLINE void sub6(fp6 *r, const fp6 *a, const fp6 *b) {
	for (int k = 0; k < 3; k++) sub2(&r->part[k], &a->part[k], &b->part[k]);
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

// ab, loose: −8 … 8. a: at most 2^7, b: at most 2^8 − 1. By A. Karatsuba's method; r is not where
// an operand is.
TARGET static void mul6(fp6 *r, const fp6 *a, const fp6 *b) {
	const fp2 *a0 = &a->part[0], *a1 = &a->part[1], *a2 = &a->part[2];
	const fp2 *b0 = &b->part[0], *b1 = &b->part[1], *b2 = &b->part[2];
	fp2 t0, t1, t2, s;
	mul2(&t0, a0, b0);
	mul2(&t1, a1, b1);
	mul2(&t2, a2, b2);
	mul_sums2(&s, a1, a2, b1, b2);
	sub2(&s, &s, &t1);
	sub2(&s, &s, &t2);             // −4 … 2
	mul_by_xi(&s, &s);                 // −8 … 6
	add2(&r->part[0], &s, &t0);    // −8 … 8
	mul_sums2(&s, a0, a1, b0, b1);
	sub2(&s, &s, &t0);
	sub2(&s, &s, &t1);             // −4 … 2
	mul_sums2(&r->part[2], a0, a2, b0, b2);
	sub2(&r->part[2], &r->part[2], &t0);
	sub2(&r->part[2], &r->part[2], &t2);
	add2(&r->part[2], &r->part[2], &t1); // −4 … 4
	mul_by_xi(&t2, &t2);               // −2 … 4
	add2(&r->part[1], &s, &t2);    // −6 … 6
}

// a(x + yv), loose: −4 … 6. a: at most 2^7, x and y: below 2^8. r is not where a is.
TARGET static void mul6_by_two(fp6 *r, const fp6 *a, const fp2 *x, const fp2 *y) {
	const fp2 *a0 = &a->part[0], *a1 = &a->part[1], *a2 = &a->part[2];
	fp2 t0, t1, t;
	mul2(&t0, a0, x);
	mul2(&t1, a1, y);
	mul2(&t, a2, y);
	mul_by_xi(&t, &t);                 // −2 … 4
	add2(&r->part[0], &t, &t0);    // −2 … 6
	mul2(&t, a2, x);
	add2(&r->part[2], &t, &t1);    // 0 … 4
	mul_sums2(&t, a0, a1, x, y);
	sub2(&t, &t, &t0);
	sub2(&r->part[1], &t, &t1);    // −4 … 2
}

// Fp12. Between the functions f: 0 … 56.

// f = f², as (c₀ + c₁w)² = (c₀ + c₁)(c₀ + vc₁) − c₀c₁ − vc₀c₁ + 2c₀c₁w.
SHARED void square12(fp12 *f) {
	fp6 *c0 = &f->part[0], *c1 = &f->part[1];
	fp6 s, t, m;
	add6(&s, c0, c1);
	carry6(&s, &s, 0);             // 0 … 113
	mul_by_v(&t, c1);                 // −56 … 112
	add6(&t, &t, c0);              // −56 … 168
	carry6(&t, &t, 6);             // 0 … 232
	mul6(&m, c0, c1);              // −8 … 8
	mul6(c0, &s, &t);              // −8 … 8
	add6(c1, &m, &m);              // −16 … 16
	carry6(c1, c1, 4);             // 0 … 32
	mul_by_v(&t, &m);                 // −8 … 8, because the last part of m is −4 … 4
	add6(&t, &t, &m);              // −16 … 16
	sub6(c0, c0, &t);              // −24 … 24
	carry6(c0, c0, 5);             // 8 … 56
}

// f times the line l[0] + l[1]·v + l[2]·vw, which is carried: 0 … 84, 0 … 2, 0 … 2.
TARGET static void mul_by_line(fp12 *f, const fp2 l[3]) {
	fp6 *c0 = &f->part[0], *c1 = &f->part[1];
	fp6 a, b, s, t;
	fp2 d;
	mul6_by_two(&a, c0, &l[0], &l[1]); // −4 … 6
	mul2(&b.part[1], &c1->part[0], &l[2]);
	mul2(&b.part[2], &c1->part[1], &l[2]);
	mul2(&b.part[0], &c1->part[2], &l[2]);
	mul_by_xi(&b.part[0], &b.part[0]); // −2 … 4
	add2(&d, &l[1], &l[2]);
	carry2(&d, &d, 0);             // 0 … 5
	add6(&s, c0, c1);
	carry6(&s, &s, 0);             // 0 … 113
	mul6_by_two(&t, &s, &l[0], &d); // −4 … 6
	sub6(&t, &t, &a);
	sub6(&t, &t, &b);              // −14 … 12
	carry6(c1, &t, 4);             // 2 … 28
	mul_by_v(&b, &b);                 // −2 … 4, because the last part of b was 0 … 2
	add6(&b, &b, &a);              // −6 … 10
	carry6(c0, &b, 3);             // 2 … 18
}

// Eight pairs: values derived from the point of G1, the point of G2, and its multiple so far; and
// the positions that have a pair.
typedef struct {
	fe8 three_px, minus_px, py, minus_py;
	fp2 qx, qy, x, y, z;
	__mmask8 present;
} pairs;

// Doubles the multiple, and gives the tangent. The multiple: x and z 0 … 2, y 0 … 40.
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

// Adds the point to the multiple, and gives the line through them.
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
SHARED void mul_by_line_where(fp12 *f, fp2 l[3], __mmask8 present) {
	if (present != 0xff) {
		const fe8 zero = {0}, unity = everywhere(&one);
		for (int k = 0; k < 3; k++)
			for (int c = 0; c < 2; c++)
				replace(&l[k].part[c], (__mmask8)~present, k + c == 0 ? &unity : &zero);
	}
	mul_by_line(f, l);
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

_Static_assert(sizeof(pairs) * (LANECAST_PAIRS / WIDTH) <= LANECAST_PAIRS_SCRATCH, "the size of the scratch memory");

TARGET void lanecast_miller(uint64_t *out, const uint64_t *p, const uint64_t *q, size_t n, void *scratch) {
	pairs *const e = scratch;
	int groups = 0;
	for (size_t k = 0; k < n; k += WIDTH)
		load_pairs(&e[groups++], p + 2 * WORDS * k, q + 4 * WORDS * k, n - k < WIDTH ? (int)(n - k) : WIDTH);

	fp12 f;
	fp2 l[3];
	memset(&f, 0, sizeof f);
	f.part[0].part[0].part[0] = everywhere(&one);
	for (int i = 62; i >= 0; i--) {
		square12(&f);
		for (int g = 0; g < groups; g++) {
			doubling(l, &e[g]);
			mul_by_line_where(&f, l, e[g].present);
			if (parameter >> i & 1) {
				addition(l, &e[g]);
				mul_by_line_where(&f, l, e[g].present);
			}
		}
	}

	for (int k = 0; k < 12; k++) {
		const __mmask8 nowhere = 0;
		words w;
		from_mont(&w, &f.part[k / 6].part[k / 2 % 3].part[k % 2], &nowhere, 1);
		for (int pos = 0; pos < WIDTH; pos++) store(out + (12 * pos + k) * WORDS, &w, pos);
	}
}

#endif
