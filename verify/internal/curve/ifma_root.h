#ifndef LANECAST_IFMA_ROOT_H
#define LANECAST_IFMA_ROOT_H

// The power from which square roots and inverses are computed, and square roots in Fp2, for the
// files that include ifma_fp2.h.
//
// Let e = (3p−5)/4, an integer because p ≡ 3 mod 4, and u = a^e. Then
//
//   - u²·a = a^((3p−3)/2) = χ(a), which is 1 if a is a square, −1 if it is none, 0 if a is 0;
//   - c = a·u has c² = χ(a)·a and c·u = χ(a), so c is a root of a if a has one, and otherwise of
//     −a;
//   - u⁴·a is the inverse of a, or 0 if a is 0.
//
// The factor 3 makes the exponent a simple expression in the curve's parameter. With X =
// 0xd201000000010000, the absolute value of the parameter, p = (X+1)²·(X⁴−X²+1)/3 − X, therefore
// 3p−1 = X·g with
//
//     g = X⁵ + 2X⁴ − 2X² − 1 = (X−1)(X⁴ + 3X³ + 3X² + X + 1)
//
// and e = (X/4)·g − 1 = (X/4)·(g−1) + (X/4 − 1). Only six bits of X are one, so powers by X are
// nearly all squares. TestThePowerForRootsOfEightAgreesWithWholeNumbers compares the function with
// the exponent.

#include "ifma_fp2.h"

// a^(X·2^(last−16)) by 47+last squares and 5 products. r must not be a.
SHARED void power_of_x(fe8 *r, const fe8 *a, int last, int n) {
	static const uint8_t squares[] = {1, 2, 3, 9, 32}; // between the bits of X that are 1
	const fe8 *from = a;
	for (size_t i = 0; i < sizeof squares; i++) {
		square(r, from, squares[i], n);
		product(r, r, a, n);
		from = r;
	}
	square(r, r, last, n);
}

// a^((3p−5)/4) by 377 squares and 42 products. r must not be a.
SHARED void power(fe8 *r, const fe8 *a, int n) {
	fe8 a2[GROUPS], a3[GROUPS], a15[GROUPS], low[GROUPS], t[GROUPS], s[GROUPS], v[GROUPS];

	square(a2, a, 1, n);
	product(a3, a2, a, n);
	square(t, a3, 2, n);
	product(t, t, a, n);           // a¹³
	product(a15, t, a2, n);
	square(t, t, 3, n);
	product(t, t, a, n);           // by 0x69
	square(t, t, 9, n);
	product(t, t, a, n);           // by 0xd201
	square(t, t, 36, n);
	product(t, t, a15, n);
	for (int i = 0; i < 2; i++) {
		square(t, t, 4, n);
		product(t, t, a15, n);
	}
	square(t, t, 2, n);
	product(low, t, a3, n);        // by X/4 − 1

	square(t, low, 2, n);          // by X − 4
	product(v, t, a2, n);          // by X − 2
	product(t, t, a3, n);          // by X − 1; below, its powers by those of X
	power_of_x(s, t, 16, n);
	product(v, v, s, n);           // X
	power_of_x(t, s, 16, n);       // X²
	power_of_x(s, t, 16, n);       // X³
	product(t, t, s, n);
	product(v, v, t, n);
	square(t, t, 1, n);
	product(v, v, t, n);           // 3X² and 3X³
	power_of_x(t, s, 16, n);       // X⁴
	product(v, v, t, n);           // by g − 1

	power_of_x(t, v, 14, n);
	product(r, t, low, n);
}

// A root of each element of a that has one, and any element for the others.
//
// With s² = a₀² + a₁² and d = (a₀ + s)/2, a root is y₀ + y₁i with y₀² = d and y₀y₁ = a₁/2. Let u =
// d^((3p−5)/4), c = d·u, h = u·a₁/2. If c² = d then 1/c = u and the root is c + hi. Otherwise c² =
// −d and 1/c = −u, and because d·(a₀ − s)/2 = −a₁²/4, −h + ci is a root: its square is h² − c² −
// 2hci = −a₁²/4d + d + a₁i = (a₀ − s)/2 + d + a₁i = a. If d is 0, then a₁ is 0 and s = −a₀: the
// other s gives d = a₀ and u = a₀^((3p−5)/4).
SHARED void root2(fp2 *r, const fp2 *a, int n) {
	fe8 s[GROUPS], d[GROUPS], u[GROUPS], t;
	const fe8 zero = {0};
	__mmask8 is_root[GROUPS];

	for (int g = 0; g < n; g++) two_products(&s[g], &a[g].part[0], &a[g].part[0], &a[g].part[1], &a[g].part[1]);
	power(u, s, n);
	product(s, s, u, n);

	for (int g = 0; g < n; g++) sum(&d[g], &a[g].part[0], &s[g], 1);
	product_with(d, d, &half, n);
	canonical(u, d, n);
	for (int g = 0; g < n; g++) replace(&d[g], is_zero(&u[g]), &a[g].part[0]);

	power(u, d, n);
	product(s, d, u, n);           // c
	for (int g = 0; g < n; g++) {
		r[g].part[0] = s[g];
		product(&r[g].part[1], &a[g].part[1], &u[g], 1);
		product_with(&r[g].part[1], &r[g].part[1], &half, 1); // h
	}
	square(u, s, 1, n);
	same(is_root, d, u, n);
	for (int g = 0; g < n; g++) {
		difference(&t, &zero, &r[g].part[1], 1); // −h
		replace(&r[g].part[1], (__mmask8)~is_root[g], &r[g].part[0]);
		replace(&r[g].part[0], (__mmask8)~is_root[g], &t);
	}
}

#endif
