//go:build cgo

// Subgroup checks, products and sums of points, eight at once.

#include "ifma.h"

#if LANECAST_IFMA

#include "ifma_groups.h"

// φ(x, y) = (βx, −y) is an endomorphism of G1's curve with φ² − φ + 1 = 0, on every point: P, −φ(P)
// and φ²(P) are the points of one line. In the subgroup it multiplies by z² for this β. If
// φ(P) = z²·P for some P, then (z⁴ − z² + 1)P = 0, and z⁴ − z² + 1 is r: P is in the subgroup. So
// the test is exact (M. Scott: A note on group membership tests for G1, G2 and GT on BLS
// pairing-friendly curves, 2021).
TARGET static __mmask8 in_g1(const point1 *p, __mmask8 identity) {
	point1 q, multiple;
	times_x1(&q, p);
	times_x1(&multiple, &q);
	// −z²·P = (x : −y : z) of the multiple must be −φ(P) = (β·px : py : pz).
	fe8 s, t;
	product_with(&t, &p->x, &g1_beta, 1);
	product(&t, &t, &multiple.z, 1);
	product(&s, &p->z, &multiple.x, 1);
	sub(&t, &t, &s);
	__mmask8 same = vanishes1(&t);
	product(&t, &p->y, &multiple.z, 1);
	product(&s, &p->z, &multiple.y, 1);
	add(&t, &t, &s);
	same &= vanishes1(&t);
	return same | identity; // for other points whose multiple has z = 0, its y is not 0
}

// ψ of G2's curve, from the curve to the one of which it is a twist, Frobenius' map, and back, is
// (c·x̄, d·ȳ) with x̄ the conjugate of x. In the subgroup it multiplies by z. It satisfies ψ² −
// (z+1)ψ + p = 0 on every point, so if ψ(Q) = zQ then (p − z)Q = 0; p − z = h·r, h = (z−1)²/3 the
// cofactor of G1. Q's order then divides both that and the curve's order, whose only common factor
// is r: the test is exact (Scott 2021). A test checks that h and the cofactor of G2 have no common
// factor.
TARGET static __mmask8 in_g2(const point2 *q, __mmask8 identity) {
	point2 multiple;
	times_x2(&multiple, q);
	// zQ = (x : −y : z) of the multiple must be (c·x̄ : d·ȳ : z̄).
	const fe8 zero = {0};
	fp2 s, t, z;
	z.part[0] = q->z.part[0];
	sub(&z.part[1], &zero, &q->z.part[1]);
	carry(&z.part[1], &z.part[1], 1);
	t.part[0] = q->x.part[0];
	sub(&t.part[1], &zero, &q->x.part[1]);
	carry(&t.part[1], &t.part[1], 1);
	s.part[0] = everywhere(&g2_psi_x[0]);
	s.part[1] = everywhere(&g2_psi_x[1]);
	mul2(&t, &t, &s);
	mul2(&t, &t, &multiple.z);
	mul2(&s, &z, &multiple.x);
	sub2(&t, &t, &s);
	__mmask8 same = vanishes2(&t);
	t.part[0] = q->y.part[0];
	sub(&t.part[1], &zero, &q->y.part[1]);
	carry(&t.part[1], &t.part[1], 1);
	s.part[0] = everywhere(&g2_psi_y[0]);
	s.part[1] = everywhere(&g2_psi_y[1]);
	mul2(&t, &t, &s);
	mul2(&t, &t, &multiple.z);
	mul2(&s, &z, &multiple.y);
	add2(&t, &t, &s);
	same &= vanishes2(&t);
	return same | identity;
}

enum { WORDS1 = 2 * WORDS, WORDS2 = 4 * WORDS }; // of an affine point

TARGET void lanecast_in_g1(uint8_t *inside, const uint64_t *p, size_t n) {
	for (size_t k = 0; k < n; k += WIDTH) {
		const int some = n - k < WIDTH ? (int)(n - k) : WIDTH;
		point1 at;
		const __mmask8 identity = load_points1(&at, p + WORDS1 * k, some), in = in_g1(&at, identity);
		for (int pos = 0; pos < some; pos++) inside[k + (size_t)pos] = in >> pos & 1;
	}
}

TARGET void lanecast_in_g2(uint8_t *inside, const uint64_t *p, size_t n) {
	for (size_t k = 0; k < n; k += WIDTH) {
		const int some = n - k < WIDTH ? (int)(n - k) : WIDTH;
		point2 at;
		const __mmask8 identity = load_points2(&at, p + WORDS2 * k, some), in = in_g2(&at, identity);
		for (int pos = 0; pos < some; pos++) inside[k + (size_t)pos] = in >> pos & 1;
	}
}

_Static_assert(sizeof(table1) == LANECAST_TABLE1 && sizeof(table2) == 2 * LANECAST_TABLE1, "the size of a table");

TARGET void lanecast_multiply_g1(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n,
	void *scratch) {
	multiply1(out, p, digits, places, n, scratch);
}

TARGET void lanecast_multiply_g2(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n,
	void *scratch) {
	multiply2(out, p, digits, places, n, scratch);
}

TARGET void lanecast_multiply_sum_g1(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n,
	void *scratch) {
	multiply_sum1(out, p, digits, places, n, scratch);
}

TARGET void lanecast_multiply_sum_g2(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n,
	void *scratch) {
	multiply_sum2(out, p, digits, places, n, scratch);
}

// The number of positions for each of that many sets: the largest with which all sets are processed
// at once.
static int positions_for(size_t sets) { return sets > 4 ? 1 : sets > 2 ? 2 : sets > 1 ? 4 : 8; }

TARGET void lanecast_sum_g1(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, size_t n) {
	for (size_t k = 0; k < n; k += WIDTH) {
		const size_t some = n - k < WIDTH ? n - k : WIDTH;
		sum_sets1(out + 3 * WORDS * k, p, begin + k, (int)some, positions_for(some));
	}
}

TARGET void lanecast_sum_g2(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, size_t n) {
	for (size_t k = 0; k < n; k += WIDTH) {
		const size_t some = n - k < WIDTH ? n - k : WIDTH;
		sum_sets2(out + 6 * WORDS * k, p, begin + k, (int)some, positions_for(some));
	}
}

#endif
