// The curve E' that hashing maps to, y² = x³ + ax + b, and the isogeny from it to the group's
// curve. The file is included once for each group after ifma_point.h, in the same way, with
// ON(constant_at) and ON(vanishes), and the constants with the names below.
//
// Points of E' are homogeneous as in ifma_point.h. The isogenous curves have the same order, which
// is odd.

typedef ELEMENT_CONSTANT ON(coefficient);

// r = p + q on E', by algorithm 1 of Renes, Costello, Batina (see ifma_point.h), correct for every
// two points. Coordinates are 0 … 8 in operands and 0 … 2 in the result. r may be an operand.
SHARED void ON(add_on_isogenous)(ON(point) *r, const ON(point) *p, const ON(point) *q) {
	ELEMENT a, b, xx, yy, zz, xy, yz, minus_yz, xz, s, t, u, v;
	ON(constant_at)(&a, ISO(a));
	ON(constant_at)(&b, ISO(3b));
	ON(mul)(&xx, &p->x, &q->x);
	ON(mul)(&yy, &p->y, &q->y);
	ON(mul)(&zz, &p->z, &q->z);

	ON(add)(&s, &p->x, &p->y);
	ON(add)(&t, &q->x, &q->y);
	ON(carry)(&s, &s, 0);
	ON(carry)(&t, &t, 0);
	ON(mul)(&xy, &s, &t);
	ON(sub)(&xy, &xy, &xx);
	ON(sub)(&xy, &xy, &yy);          // −4 … 2
	ON(carry)(&xy, &xy, 2);          // 0 … 6

	ON(add)(&s, &p->x, &p->z);
	ON(add)(&t, &q->x, &q->z);
	ON(carry)(&s, &s, 0);
	ON(carry)(&t, &t, 0);
	ON(mul)(&xz, &s, &t);
	ON(sub)(&xz, &xz, &xx);
	ON(sub)(&xz, &xz, &zz);          // −4 … 2
	ON(carry)(&xz, &xz, 2);          // 0 … 6

	ON(add)(&s, &p->y, &p->z);
	ON(add)(&t, &q->y, &q->z);
	ON(carry)(&s, &s, 0);
	ON(carry)(&t, &t, 0);
	ON(mul)(&yz, &s, &t);
	ON(add)(&s, &yy, &zz);           // 0 … 4
	ON(sub)(&minus_yz, &s, &yz);     // −2 … 4
	ON(sub)(&yz, &yz, &s);           // −4 … 2
	ON(carry)(&minus_yz, &minus_yz, 1); // 0 … 6
	ON(carry)(&yz, &yz, 2);          // 0 … 6

	ON(mul_two)(&u, &a, &xz, &b, &zz);
	ON(sub)(&s, &yy, &u);            // −2 … 2
	ON(carry)(&s, &s, 1);            // 0 … 4
	ON(add)(&t, &yy, &u);            // 0 … 4
	ON(carry)(&t, &t, 0);            // 1 … 5
	ON(mul)(&zz, &a, &zz);
	ON(add)(&v, &xx, &xx);
	ON(add)(&v, &v, &xx);
	ON(add)(&v, &v, &zz);            // 0 … 8
	ON(carry)(&v, &v, 0);            // 1 … 9
	ON(sub)(&u, &xx, &zz);           // −2 … 2
	ON(carry)(&u, &u, 1);            // 0 … 4
	ON(mul_two)(&u, &b, &xz, &a, &u);

	ON(mul_two)(&r->x, &xy, &s, &minus_yz, &u);
	ON(mul_two)(&r->y, &s, &t, &v, &u);
	ON(mul_two)(&r->z, &yz, &t, &xy, &v);
}

// r = Σ c[i]·xⁱ·z^(m−i) over i from 0 to m, and z[k] = z^(k+1); monic: c[m] is 1, and not in c. 0 …
// 2.
SHARED void ON(evaluate)(ELEMENT *r, const ON(coefficient) *c, int m, int monic, const ELEMENT *x, const ELEMENT *z) {
	ELEMENT k, sum;
	int i = m - 1;
	if (monic) {
		ON(constant_at)(&k, c[i]);
		ON(mul)(&sum, &k, &z[0]);
		ON(add)(&sum, &sum, x);  // 0 … 4
		ON(carry)(&sum, &sum, 0); // 1 … 5
		i--;
	} else {
		ON(constant_at)(&sum, c[m]);
	}
	for (; i >= 0; i--) {
		ON(constant_at)(&k, c[i]);
		ON(mul_two)(&sum, &sum, x, &k, &z[m - i - 1]);
	}
	*r = sum;
}

// The isogeny. The first coordinate of (x/z, y/z) becomes x_over/x_under, of degrees ISO_X and
// ISO_X − 1; the second is multiplied by y_over/y_under, both of degree ISO_Y. The denominators are
// monic. Where one vanishes, as for the identity, the result is the identity. Coordinates are 0 … 2
// in the operand and the result.
SHARED void ON(isogeny)(ON(point) *p) {
	ELEMENT z[ISO_Y], x_over, x_under, y_over, y_under;
	z[0] = p->z;
	for (int i = 1; i < ISO_Y; i++) ON(mul)(&z[i], &z[i - 1], &z[0]);
	ON(evaluate)(&x_over, ISO(x_over), ISO_X, 0, &p->x, z);
	ON(evaluate)(&x_under, ISO(x_under), ISO_X - 1, 1, &p->x, z);
	ON(evaluate)(&y_over, ISO(y_over), ISO_Y, 0, &p->x, z);
	ON(evaluate)(&y_under, ISO(y_under), ISO_Y, 1, &p->x, z);
	ON(mul)(&p->x, &x_over, &y_under);
	ON(mul)(&p->y, &p->y, &y_over);
	ON(mul)(&p->y, &p->y, &x_under);
	ON(mul)(&p->z, &p->z, &x_under);
	ON(mul)(&p->z, &p->z, &y_under);
	ON(point) identity;
	ON(clear_point)(&identity);
	ON(replace_point)(p, ON(vanishes)(&p->z), &identity);
}
