//go:build cgo

// Hashing to G1 and G2 after RFC 9380, section 3 (hash_to_curve), starting with the uniform bytes:
// field elements, the simplified SWU map to an isogenous curve, the isogeny, the cofactor. Eight
// messages are processed together, the first element of each in one fe8 and the second in another.
//
// # The map
//
// Section 6.6.2: with t = Zu², x = −b/a·(1 + 1/(t² + t)), or b/(aZ) if t² + t = 0, is the first
// coordinate if that is on the curve, and otherwise tx is. Here x = n/d and g(x) = x³ + ax + b =
// h/d³, h = n³ + a·n·d² + b·d³, without an inversion. If g(x) is no square, g(tx) = t³·g(x) is one,
// because Z is none. The root gets the sign of u, so the root itself is needed, not that of a
// multiple.
//
// In Fp, a root of h/v: with k = (hv³)^((3p−5)/4) and c = hvk, k²·hv³ = ±1, so c² = ±h/v
// (ifma_root.h).
//
// # Bounds
//
// As in ifma_field.h and, from the points on, in ifma_fp2.h. A test simulates both.

#include "ifma.h"

#if LANECAST_IFMA

#include "ifma_groups.h"
#include "ifma_root.h"

INLINE void constant_at1(fe8 *r, constant c) { *r = everywhere(&c); }
INLINE void constant_at2(fp2 *r, const constant c[2]) { r->part[0] = everywhere(&c[0]), r->part[1] = everywhere(&c[1]); }

#define ELEMENT fe8
#define ELEMENT_CONSTANT constant
#define ON(name) name##1
#define ISO(name) g1_iso_##name
#define ISO_X 11
#define ISO_Y 15
#include "ifma_map.h"
#undef ELEMENT
#undef ELEMENT_CONSTANT
#undef ON
#undef ISO
#undef ISO_X
#undef ISO_Y

typedef constant constant2[2];

#define ELEMENT fp2
#define ELEMENT_CONSTANT constant2
#define ON(name) name##2
#define ISO(name) g2_iso_##name
#define ISO_X 3
#define ISO_Y 3
#include "ifma_map.h"
#undef ELEMENT
#undef ELEMENT_CONSTANT
#undef ON
#undef ISO
#undef ISO_X
#undef ISO_Y

enum { UNIFORM = 64 }; // bytes per field element

// The elements of up to eight places of 64 bytes, most significant first, step bytes from one to
// the next. 0 … 4.
TARGET static void reduce(fe8 *r, const uint8_t *from, size_t step, int some) {
	words low, high;
	memset(&low, 0, sizeof low);
	memset(&high, 0, sizeof high);
	for (int pos = 0; pos < some; pos++)
		for (int j = 0; j < UNIFORM / 8; j++) {
			uint64_t w;
			memcpy(&w, from + step * (size_t)pos + UNIFORM - 8 * (j + 1), 8);
			w = __builtin_bswap64(w);
			if (j < WORDS)
				low.word[j][pos] = w;
			else
				high.word[j - WORDS][pos] = w;
		}
	fe8 t;
	to_mont(r, &low, 1);
	unpack(&t, &high, 1);
	product_with(&t, &t, &high_radix, 1);
	sum(r, r, &t, 1);
}

INLINE __mmask8 is_odd(const fe8 *canonical) {
	return _mm512_test_epi64_mask(canonical->limb[0], ALL(1));
}

// The point of E1' for every u, which is at most 4p. Coordinates are 0 … 2.
TARGET static void map_g1(point1 p[GROUPS], const fe8 *u) {
	const int n = GROUPS;
	fe8 t[GROUPS], s[GROUPS], num[GROUPS], d[GROUPS], dd[GROUPS], h[GROUPS], c[GROUPS], v[GROUPS], w[GROUPS];
	fe8 zero[GROUPS], unity[GROUPS], z[GROUPS];
	__mmask8 is_square[GROUPS];
	memset(zero, 0, sizeof zero);
	for (int g = 0; g < n; g++) unity[g] = everywhere(&one);
	for (int g = 0; g < n; g++) z[g] = everywhere(&g1_z);

	square(t, u, 1, n);
	product_with(t, t, &g1_z, n);
	square(s, t, 1, n);
	sum(s, s, t, n);                   // t² + t, 0 … 4
	sum(num, s, unity, n);
	product_with(num, num, &g1_iso_b, n); // b(t² + t + 1)
	difference(d, zero, s, n);         // 0 … 4
	canonical(v, s, n);
	for (int g = 0; g < n; g++) replace(&d[g], is_zero(&v[g]), &z[g]);
	product_with(d, d, &g1_iso_a, n);

	square(dd, d, 1, n);
	product(v, dd, d, n);
	product_with(dd, dd, &g1_iso_a, n);
	square(h, num, 1, n);
	sum(h, h, dd, n);
	product(h, h, num, n);
	product_with(dd, v, &g1_iso_b, n);
	sum(h, h, dd, n);                  // 0 … 4

	product(c, h, v, n);
	square(dd, v, 1, n);
	product(dd, dd, c, n);
	power(w, dd, n);
	product(c, c, w, n);
	square(w, c, 1, n);
	product(w, w, v, n);
	same(is_square, w, h, n);

	// Where h/v is no square, c² = −h/v, and (√−Z · t·u · c)² = −Z·t²·u²·c² = t³·h/v.
	product(v, num, t, n);
	product(w, t, u, n);
	product_with(w, w, &g1_root_of_minus_z, n);
	product(w, w, c, n);
	for (int g = 0; g < n; g++) replace(&v[g], is_square[g], &num[g]);
	for (int g = 0; g < n; g++) replace(&w[g], is_square[g], &c[g]);

	canonical(s, u, n);
	canonical(h, w, n);
	difference(c, zero, w, n);
	for (int g = 0; g < n; g++) replace(&w[g], is_odd(&s[g]) ^ is_odd(&h[g]), &c[g]);
	product(w, w, d, n);
	for (int g = 0; g < n; g++) {
		p[g].x = v[g];
		p[g].y = w[g];
		p[g].z = d[g];
	}
}

// The sign of an element of Fp2 given its canonical parts: whether x₀ is odd, or is 0 and x₁ is
// odd.
INLINE __mmask8 is_odd2(const fe8 *real, const fe8 *imaginary) {
	return is_odd(real) | (is_zero(real) & is_odd(imaginary));
}

// The state of a map to E2': g(x) or g(tx) is h/m, m in Fp.
typedef struct {
	fp2 u, t, num, d, h, y;
	fe8 m;
	__mmask8 is_square;
} map2;

// From u, whose parts are at most 4p, to h, whose norm it writes. Results are 0 … 2.
TARGET static void begin_map2(map2 *m, fe8 *norm) {
	const fp2 zero = {0};
	const fe8 unity = everywhere(&one);
	fp2 a, b, z, s, v, w;
	constant_at2(&a, g2_iso_a);
	constant_at2(&b, g2_iso_b);
	constant_at2(&z, g2_z);

	square2(&v, &m->u);
	mul2(&m->t, &z, &v);
	square2(&s, &m->t);
	add2(&s, &s, &m->t);             // t² + t, 0 … 4
	sub2(&v, &zero, &s);             // −4 … 0
	const __mmask8 none = vanishes2(&s);
	add(&s.part[0], &s.part[0], &unity);
	carry2(&s, &s, 0);               // 1 … 6
	mul2(&m->num, &b, &s);
	carry2(&v, &v, 2);               // 0 … 4
	conditional2(&v, none, &z);
	mul2(&m->d, &a, &v);

	square2(&w, &m->d);
	mul2(&v, &a, &w);
	mul2(&w, &w, &m->d);             // d³
	square2(&s, &m->num);
	add2(&s, &s, &v);                // 0 … 4
	carry2(&s, &s, 0);               // 1 … 5
	mul_two2(&m->h, &s, &m->num, &b, &w);

	// h/d³ = h·w̄/(w·w̄).
	two_products(&m->m, &w.part[0], &w.part[0], &w.part[1], &w.part[1]);
	sub(&w.part[1], &zero.part[0], &w.part[1]);
	carry(&w.part[1], &w.part[1], 1);
	mul2(&m->h, &m->h, &w);
	two_products(norm, &m->h.part[0], &m->h.part[0], &m->h.part[1], &m->h.part[1]);
}

// Decides whether h/m is a square, given the norm of h and its power of ifma_root.h: it is one if
// and only if the norm of h is one. If it is none, h becomes t³h. s becomes a root of the norm of
// h: if h/m is no square it is √(−n³)·s', where −s'² is the norm that h had and n that of t, of
// which u's is a factor and the other factor is a square. With d = (h₀ + s)/2, or h₀ if that is 0,
// base becomes d·m³, whose power gives the root of h/m.
TARGET static void decide_map2(map2 *m, fe8 *d, fe8 *base, const fe8 *norm, const fe8 *powers) {
	fe8 s, n, t;
	fp2 v;
	product(&s, norm, powers, 1);
	square(&t, &s, 1, 1);
	sub(&t, &t, norm);               // −2 … 2
	m->is_square = vanishes1(&t);

	two_products(&n, &m->u.part[0], &m->u.part[0], &m->u.part[1], &m->u.part[1]);
	square(&t, &n, 1, 1);
	product(&n, &n, &t, 1);          // the cube of the norm of u
	product_with(&n, &n, &g2_root_of_minus_n3, 1);
	product(&n, &n, &s, 1);
	replace(&s, (__mmask8)~m->is_square, &n);

	square2(&v, &m->t);
	mul2(&v, &v, &m->t);
	mul2(&v, &v, &m->h);
	conditional2(&m->h, (__mmask8)~m->is_square, &v);

	sum(d, &m->h.part[0], &s, 1);
	product_with(d, d, &half, 1);
	canonical(&t, d, 1);
	replace(d, is_zero(&t), &m->h.part[0]);
	square(&t, &m->m, 1, 1);
	product(&t, &t, &m->m, 1);
	product(base, &t, d, 1);
}

// The root of h/m as in ifma_root.h, with the power k of base: c = d·m·k has c² = ±d/m, and f =
// h₁·m·k/2 is ±(h₁/2m)/c. The root is c + fi, or −f + ci if the sign is minus. Its parts are at
// most 2p.
TARGET static void root_map2(map2 *m, const fe8 *d, const fe8 *k) {
	fe8 c, f, t;
	const fe8 zero = {0};
	product(&t, &m->m, k, 1);
	product(&c, &t, d, 1);
	product(&f, &t, &m->h.part[1], 1);
	product_with(&f, &f, &half, 1);
	square(&t, &c, 1, 1);
	product(&t, &t, &m->m, 1);
	sub(&t, &t, d);                  // −2 … 2
	const __mmask8 swapped = (__mmask8)~vanishes1(&t);
	sub(&t, &zero, &f);
	carry(&t, &t, 1);                // 0 … 2
	m->y.part[0] = c;
	m->y.part[1] = f;
	replace(&m->y.part[0], swapped, &t);
	replace(&m->y.part[1], swapped, &c);
}

// The point of E2'. Coordinates are 0 … 2.
TARGET static void end_map2(point2 *p, map2 *m) {
	const fp2 zero = {0};
	fp2 u, y, minus;
	mul2(&p->x, &m->num, &m->t);
	conditional2(&p->x, m->is_square, &m->num);

	canonical(&u.part[0], &m->u.part[0], 1);
	canonical(&u.part[1], &m->u.part[1], 1);
	canonical(&y.part[0], &m->y.part[0], 1);
	canonical(&y.part[1], &m->y.part[1], 1);
	sub2(&minus, &zero, &m->y);      // −2 … 0
	carry2(&minus, &minus, 1);       // 0 … 2
	conditional2(&m->y, is_odd2(&u.part[0], &u.part[1]) ^ is_odd2(&y.part[0], &y.part[1]), &minus);
	mul2(&p->y, &m->y, &m->d);
	p->z = m->d;
}

// The points of E2' for both elements of up to eight messages. It is not inlined, so that its stack
// memory is released before the points are added.
SHARED void map_g2(point2 p[GROUPS], const uint8_t *uniform, int some) {
	map2 m[GROUPS];
	fe8 norm[GROUPS], powers[GROUPS], base[GROUPS], d[GROUPS];
	for (int g = 0; g < GROUPS; g++)
		for (int k = 0; k < 2; k++) reduce(&m[g].u.part[k], uniform + UNIFORM * (2 * g + k), 4 * UNIFORM, some);
	for (int g = 0; g < GROUPS; g++) begin_map2(&m[g], &norm[g]);
	power(powers, norm, GROUPS);
	for (int g = 0; g < GROUPS; g++) decide_map2(&m[g], &d[g], &base[g], &norm[g], &powers[g]);
	power(powers, base, GROUPS);
	for (int g = 0; g < GROUPS; g++) {
		root_map2(&m[g], &d[g], &powers[g]);
		end_map2(&p[g], &m[g]);
	}
}

// ψ(x, y) = (c·x̄, d·ȳ): see ifma_points.c. r may be p.
TARGET static void psi(point2 *r, const point2 *p) {
	const fe8 zero = {0};
	fp2 c;
	*r = *p;
	sub(&r->x.part[1], &zero, &r->x.part[1]);
	sub(&r->y.part[1], &zero, &r->y.part[1]);
	sub(&r->z.part[1], &zero, &r->z.part[1]);
	carry(&r->x.part[1], &r->x.part[1], 1);
	carry(&r->y.part[1], &r->y.part[1], 1);
	carry(&r->z.part[1], &r->z.part[1], 1); // 0 … 2
	constant_at2(&c, g2_psi_x);
	mul2(&r->x, &r->x, &c);
	constant_at2(&c, g2_psi_y);
	mul2(&r->y, &r->y, &c);
}

TARGET static void subtract_points2(point2 *r, const point2 *p, const point2 *q) {
	point2 minus = *q;
	negate_where2(&minus, 0xff);
	add_points2(r, p, &minus);
}

// The multiple by the effective cofactor of RFC 9380, section 8.8.2, as (z² − z − 1)p + (z − 1)ψ(p)
// + ψ²(2p) = z(zp + ψ(p)) − zp − ψ(p) − p + ψ²(2p) (A. Budroni, F. Pintore: Efficient hash maps to
// G2 on BLS curves, 2017).
SHARED void clear_cofactor2(point2 *p) {
	point2 zp, s, t;
	times_x2(&zp, p);
	negate_where2(&zp, 0xff);
	psi(&s, p);
	add_points2(&t, &zp, &s);
	add_points2(&zp, &zp, &s);
	add_points2(&zp, &zp, p);        // the sum to subtract
	times_x2(&s, &t);
	add_points2(&zp, &zp, &s);  // subtracted too, since z = −X
	double_point2(p);
	psi(p, p);
	psi(p, p);
	subtract_points2(p, p, &zp);
}

TARGET static void hash_g1(uint64_t *out, const uint8_t *uniform, int some) {
	fe8 u[GROUPS];
	point1 p[GROUPS], q;
	for (int g = 0; g < GROUPS; g++) reduce(&u[g], uniform + UNIFORM * g, 2 * UNIFORM, some);
	map_g1(p, u);
	add_on_isogenous1(&p[0], &p[0], &p[1]);
	isogeny1(&p[0]);
	times_x1(&q, &p[0]);
	add_points1(&q, &q, &p[0]);      // by the effective cofactor 1 + X
	store_points1(out, &q, some);
}

TARGET static void hash_g2(uint64_t *out, const uint8_t *uniform, int some) {
	point2 p[GROUPS];
	map_g2(p, uniform, some);
	add_on_isogenous2(&p[0], &p[0], &p[1]);
	isogeny2(&p[0]);
	clear_cofactor2(&p[0]);
	store_points2(out, &p[0], some);
}

void lanecast_hash_g1(uint64_t *out, const uint8_t *uniform, size_t n) {
	for (size_t k = 0; k < n; k += WIDTH) {
		const int some = n - k < WIDTH ? (int)(n - k) : WIDTH;
		hash_g1(out + 3 * WORDS * k, uniform + 2 * UNIFORM * k, some);
	}
}

void lanecast_hash_g2(uint64_t *out, const uint8_t *uniform, size_t n) {
	for (size_t k = 0; k < n; k += WIDTH) {
		const int some = n - k < WIDTH ? (int)(n - k) : WIDTH;
		hash_g2(out + 6 * WORDS * k, uniform + 4 * UNIFORM * k, some);
	}
}

#endif
