#ifndef LANECAST_IFMA_GROUPS_H
#define LANECAST_IFMA_GROUPS_H

// Points of G1's curve over Fp, y² = x³ + 4, and of G2's over Fp2, y² = x³ + 4(1 + i), eight at
// once: ifma_point.h for each, with names that end in 1 or 2.

#include "ifma_field.h"
#include "ifma_fp2.h"

INLINE void mul1(fe8 *r, const fe8 *a, const fe8 *b) { product(r, a, b, 1); }
INLINE void square1(fe8 *r, const fe8 *a) { square(r, a, 1, 1); }
INLINE void add1(fe8 *r, const fe8 *a, const fe8 *b) { add(r, a, b); }
INLINE void sub1(fe8 *r, const fe8 *a, const fe8 *b) { sub(r, a, b); }
INLINE void carry1(fe8 *r, const fe8 *a, int k) { carry(r, a, k); }
INLINE void mul_two1(fe8 *r, const fe8 *a, const fe8 *b, const fe8 *c, const fe8 *d) {
	two_products(r, a, b, c, d);
}
INLINE void conditional1(fe8 *r, __mmask8 where, const fe8 *a) { replace(r, where, a); }
INLINE void times_beta1(fe8 *r, const fe8 *a) { product_with(r, a, &g1_beta, 1); }

// 12a.
INLINE void triple_b1(fe8 *r, const fe8 *a) {
	fe8 t;
	add(&t, a, a);
	add(&t, &t, &t);
	add(r, &t, &t);
	add(r, r, &t);
}

INLINE void conditional2(fp2 *r, __mmask8 where, const fp2 *a) {
	replace(&r->part[0], where, &a->part[0]);
	replace(&r->part[1], where, &a->part[1]);
}
INLINE void times_beta2(fp2 *r, const fp2 *a) {
	product_with(&r->part[0], &a->part[0], &g2_beta, 1);
	product_with(&r->part[1], &a->part[1], &g2_beta, 1);
}

// 12ξa.
INLINE void triple_b2(fp2 *r, const fp2 *a) {
	fp2 t;
	mul_by_xi(&t, a);
	triple_b1(&r->part[0], &t.part[0]);
	triple_b1(&r->part[1], &t.part[1]);
}

#define ELEMENT fe8
#define ON(name) name##1
#include "ifma_point.h"
#undef ELEMENT
#undef ON

#define ELEMENT fp2
#define ON(name) name##2
#include "ifma_point.h"
#undef ELEMENT
#undef ON

#endif
