// Points of a curve y² = x³ + b, eight at once. The file is included once for each group, after
// ifma_fp2.h, with ELEMENT, the type of a coordinate, and ON(name), the name that a function has
// for the group, defined. The includer has defined ON(mul), ON(square), ON(mul_two), ON(add),
// ON(sub), ON(carry), ON(triple_b), ON(times_beta) and ON(conditional) for coordinates.
//
// # Representation and exactness
//
// A point is homogeneous: (x/z, y/z), or the identity if z is 0; then x is 0 and y is not. Addition
// and doubling use algorithms 7 and 9 of J. Renes, C. Costello, L. Batina: Complete addition
// formulas for prime order elliptic curves (2016). They are correct for every two points of a curve
// without points of order two, and both groups' curves have odd order. The points need only be on
// the curve: equal and opposite points, the identity and points of any small order need no special
// case here.
//
// # Bounds
//
// In multiples of p, as in ifma_fp2.h. Coordinates are 0 … 8 in operands and 0 … 2 in results.
// triple_b computes 3b times its operand, loose: of −4 … 2, −96 … 72; of 0 … 2, −24 … 48.

typedef struct { ELEMENT x, y, z; } ON(point);

// r = p + q. r may be an operand.
SHARED void ON(add_points)(ON(point) *r, const ON(point) *p, const ON(point) *q) {
	ELEMENT xx, yy, zz, xy, yz, minus_yz, xz, s, t, u;
	ON(mul)(&xx, &p->x, &q->x);
	ON(mul)(&yy, &p->y, &q->y);
	ON(mul)(&zz, &p->z, &q->z);

	ON(add)(&s, &p->x, &p->y);
	ON(add)(&t, &q->x, &q->y);
	ON(carry)(&s, &s, 0);            // 1 … 17, and so below
	ON(carry)(&t, &t, 0);
	ON(mul)(&xy, &s, &t);
	ON(sub)(&xy, &xy, &xx);
	ON(sub)(&xy, &xy, &yy);          // −4 … 2
	ON(carry)(&xy, &xy, 2);          // 0 … 6

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

	ON(add)(&s, &p->x, &p->z);
	ON(add)(&t, &q->x, &q->z);
	ON(carry)(&s, &s, 0);
	ON(carry)(&t, &t, 0);
	ON(mul)(&xz, &s, &t);
	ON(sub)(&xz, &xz, &xx);
	ON(sub)(&xz, &xz, &zz);          // −4 … 2
	ON(triple_b)(&xz, &xz);          // −96 … 72
	ON(carry)(&xz, &xz, 7);          // 32 … 200

	ON(triple_b)(&zz, &zz);          // −24 … 48
	ON(sub)(&s, &yy, &zz);           // −48 … 26
	ON(carry)(&s, &s, 6);            // 16 … 90
	ON(add)(&t, &yy, &zz);           // −24 … 50
	ON(carry)(&t, &t, 5);            // 8 … 82
	ON(add)(&u, &xx, &xx);
	ON(add)(&u, &u, &xx);
	ON(carry)(&u, &u, 0);            // 1 … 7

	ON(mul_two)(&r->x, &xy, &s, &minus_yz, &xz);
	ON(mul_two)(&r->y, &s, &t, &u, &xz);
	ON(mul_two)(&r->z, &yz, &t, &u, &xy);
}

// p = 2p.
SHARED void ON(double_point)(ON(point) *p) {
	ELEMENT yy, yz, zz, xy, eight_yy, s, t;
	ON(square)(&yy, &p->y);
	ON(square)(&zz, &p->z);
	ON(mul)(&yz, &p->y, &p->z);
	ON(mul)(&xy, &p->x, &p->y);
	ON(add)(&xy, &xy, &xy);
	ON(carry)(&xy, &xy, 0);          // 1 … 5
	ON(add)(&eight_yy, &yy, &yy);
	ON(add)(&eight_yy, &eight_yy, &eight_yy);
	ON(add)(&eight_yy, &eight_yy, &eight_yy);
	ON(carry)(&eight_yy, &eight_yy, 0); // 1 … 17
	ON(triple_b)(&zz, &zz);          // −24 … 48

	ON(add)(&t, &yy, &zz);           // −24 … 50
	ON(carry)(&t, &t, 5);            // 8 … 82
	ON(sub)(&s, &yy, &zz);
	ON(sub)(&s, &s, &zz);
	ON(sub)(&s, &s, &zz);            // −144 … 74
	ON(carry)(&s, &s, 8);            // 112 … 330
	ON(carry)(&zz, &zz, 5);          // 8 … 80

	ON(mul)(&p->x, &s, &xy);
	ON(mul_two)(&p->y, &s, &t, &zz, &eight_yy);
	ON(mul)(&p->z, &yz, &eight_yy);
}

SHARED void ON(double_times)(ON(point) *p, int times) {
	for (; times > 0; times--) ON(double_point)(p);
}

INLINE void ON(replace_point)(ON(point) *r, __mmask8 where, const ON(point) *p) {
	ON(conditional)(&r->x, where, &p->x);
	ON(conditional)(&r->y, where, &p->y);
	ON(conditional)(&r->z, where, &p->z);
}

// Eight identities.
INLINE void ON(clear_point)(ON(point) *p) {
	memset(p, 0, sizeof *p);
	*(fe8 *)&p->y = everywhere(&one);
}

// Loads affine points in blst's form, (0, 0) being the identity, at the given places in words from
// p on, to the positions of a mask; the others become the identity. Returns the positions of the
// identity.
//
// In blst's form x is x·2³⁸⁴, which is the element x·2⁻³², and so with y. As homogeneous
// coordinates these need no conversion, only a z of 2⁻³². Coordinates are 0 … 1.
SHARED __mmask8 ON(gather_points)(ON(point) *p, const uint64_t *from, u64x8 places, __mmask8 some) {
	enum { PARTS = 2 * sizeof(ELEMENT) / sizeof(fe8) };
	words in[PARTS];
	u64x8 any = _mm512_setzero_si512();
	for (int c = 0; c < PARTS; c++)
		for (int j = 0; j < WORDS; j++) {
			const u64x8 w = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), some, places, from + c * WORDS + j, 8);
			_mm512_storeu_si512(in[c].word[j], w);
			any = OR(any, w);
		}
	unpack((fe8 *)p, in, PARTS); // x, then y
	memset(&p->z, 0, sizeof p->z);
	*(fe8 *)&p->z = everywhere(&blst_radix);
	const __mmask8 none = _mm512_testn_epi64_mask(any, any);
	ON(point) identity;
	ON(clear_point)(&identity);
	ON(replace_point)(p, none, &identity);
	return none;
}

// Loads the first points from p on, up to eight.
SHARED __mmask8 ON(load_points)(ON(point) *p, const uint64_t *from, int n) {
	int64_t places[WIDTH];
	for (int pos = 0; pos < WIDTH; pos++) places[pos] = pos * (int64_t)(2 * sizeof(ELEMENT) / sizeof(fe8) * WORDS);
	return ON(gather_points)(p, from, _mm512_loadu_si512(places), (__mmask8)((1u << n) - 1));
}

// Stores up to eight points as x, y, z in blst's form, canonical.
SHARED void ON(store_points)(uint64_t *out, const ON(point) *p, int n) {
	enum { PARTS = sizeof(ON(point)) / sizeof(fe8) };
	const fe8 *const from = (const fe8 *)p;
	const __mmask8 nowhere = 0;
	for (int c = 0; c < PARTS; c++) {
		words w;
		from_mont(&w, from + c, &nowhere, 1);
		for (int pos = 0; pos < n; pos++) store(out + (PARTS * pos + c) * WORDS, &w, pos);
	}
}

// r = X·p, X = 0xd201000000010000. r must not be p.
SHARED void ON(times_x)(ON(point) *r, const ON(point) *p) {
	static const uint8_t doublings[] = {1, 2, 3, 9, 32}; // between the bits of X that are 1
	*r = *p;
	for (size_t i = 0; i < sizeof doublings; i++) {
		ON(double_times)(r, doublings[i]);
		ON(add_points)(r, r, p);
	}
	ON(double_times)(r, 16);
}

// Products use digits to the base 16, signed and at most 8 in magnitude. A table has the multiples
// from 0 to 8.
typedef struct { ON(point) multiple[LANECAST_DIGIT + 1]; } ON(table);

SHARED void ON(fill_table)(ON(table) *t, const ON(point) *p) {
	ON(clear_point)(&t->multiple[0]);
	t->multiple[1] = *p;
	for (int k = 2; k <= LANECAST_DIGIT; k++) {
		if (k % 2 == 0) {
			t->multiple[k] = t->multiple[k / 2];
			ON(double_point)(&t->multiple[k]);
		} else {
			ON(add_points)(&t->multiple[k], &t->multiple[k - 1], p);
		}
	}
}

SHARED void ON(negate_where)(ON(point) *p, __mmask8 where) {
	ELEMENT zero, minus;
	memset(&zero, 0, sizeof zero);
	ON(sub)(&minus, &zero, &p->y);   // −2 … 0
	ON(carry)(&minus, &minus, 1);    // 0 … 2
	ON(conditional)(&p->y, where, &minus);
}

// r = d·p for the p of the table, or d·φ(p) with φ(x, y) = (βx, −y), by a digit d for each of the
// first positions; 0 for the others.
SHARED void ON(look_up)(ON(point) *r, const ON(table) *t, const int8_t *digits, int some, int endomorphism) {
	uint8_t negative = 0, is[LANECAST_DIGIT + 1] = {0};
	for (int pos = 0; pos < some; pos++) {
		const int d = digits[pos];
		negative |= (uint8_t)((d < 0) << pos);
		is[d < 0 ? -d : d] |= (uint8_t)(1 << pos);
	}
	*r = t->multiple[0];
	for (int k = 1; k <= LANECAST_DIGIT; k++)
		if (is[k]) ON(replace_point)(r, is[k], &t->multiple[k]);
	if (endomorphism) {
		ON(times_beta)(&r->x, &r->x);
		negative = (uint8_t)~negative;
	}
	ON(negate_where)(r, negative);
}

// r = r + r rotated by that many positions.
SHARED void ON(add_rotated)(ON(point) *r, int by) {
	enum { REGISTERS = sizeof(ON(point)) / sizeof(u64x8) };
	int64_t index[WIDTH];
	for (int pos = 0; pos < WIDTH; pos++) index[pos] = (pos + by) % WIDTH;
	const u64x8 order = _mm512_loadu_si512(index);
	ON(point) q;
	const u64x8 *const from = (const u64x8 *)r;
	u64x8 *const to = (u64x8 *)&q;
	for (int i = 0; i < REGISTERS; i++) to[i] = _mm512_permutexvar_epi64(order, from[i]);
	ON(add_points)(r, r, &q);
}

// Products point by point: see lanecast_multiply_g1.
INLINE void ON(multiply)(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch) {
	enum { IN = 2 * sizeof(ELEMENT) / sizeof(fe8) * WORDS, OUT = IN / 2 * 3 };
	ON(table) *const restrict t = scratch;
	ON(point) at, term;
	for (size_t k = 0; k < n; k += WIDTH) {
		const int some = n - k < WIDTH ? (int)(n - k) : WIDTH;
		ON(load_points)(&at, p + IN * k, some);
		ON(fill_table)(t, &at);
		ON(clear_point)(&at);
		for (size_t place = places; place-- > 0;) {
			if (place + 1 < places) ON(double_times)(&at, LANECAST_DOUBLINGS);
			for (size_t half = 0; half < 2; half++) {
				ON(look_up)(&term, t, digits + (2 * place + half) * n + k, some, half == 1);
				ON(add_points)(&at, &at, &term);
			}
		}
		ON(store_points)(out + OUT * k, &at, some);
	}
}

// A sum of products: see lanecast_multiply_sum_g1.
INLINE void ON(multiply_sum)(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch) {
	enum { IN = 2 * sizeof(ELEMENT) / sizeof(fe8) * WORDS };
	ON(table) *const restrict t = scratch;
	ON(point) at, term;
	for (size_t k = 0; k < n; k += WIDTH) {
		ON(load_points)(&at, p + IN * k, n - k < WIDTH ? (int)(n - k) : WIDTH);
		ON(fill_table)(&t[k / WIDTH], &at);
	}
	ON(clear_point)(&at);
	for (size_t place = places; place-- > 0;) {
		if (place + 1 < places) ON(double_times)(&at, LANECAST_DOUBLINGS);
		for (size_t half = 0; half < 2; half++)
			for (size_t k = 0; k < n; k += WIDTH) {
				const int some = n - k < WIDTH ? (int)(n - k) : WIDTH;
				ON(look_up)(&term, &t[k / WIDTH], digits + (2 * place + half) * n + k, some, half == 1);
				ON(add_points)(&at, &at, &term);
			}
	}
	for (int by = WIDTH / 2; by > 0; by /= 2) ON(add_rotated)(&at, by); // now all have the sum
	ON(store_points)(out, &at, 1);
}

// The sums of up to eight sets of affine points in blst's form. Set i is the points from begin[i]
// to begin[i+1]. Each set has share positions, a power of two, which add up every share-th of its
// points.
SHARED void ON(sum_sets)(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, int sets, int share) {
	enum { PARTS = 2 * sizeof(ELEMENT) / sizeof(fe8), SIZE = PARTS * WORDS, OUT = SIZE / 2 * 3 };
	ON(point) sum, term;
	int64_t next[WIDTH] = {0}, end[WIDTH] = {0};
	for (int pos = 0; pos < sets * share; pos++) {
		next[pos] = (begin[pos / share] + pos % share) * SIZE;
		end[pos] = begin[pos / share + 1] * SIZE;
	}
	u64x8 places = _mm512_loadu_si512(next);
	const u64x8 ends = _mm512_loadu_si512(end), step = ALL(share * SIZE);
	ON(clear_point)(&sum);
	for (;;) {
		const __mmask8 some = _mm512_cmplt_epi64_mask(places, ends);
		if (!some) break;
		ON(gather_points)(&term, p, places, some);
		ON(add_points)(&sum, &sum, &term);
		places = ADD(places, step);
	}
	for (int by = share / 2; by > 0; by /= 2) ON(add_rotated)(&sum, by);
	words w[3 * PARTS / 2];
	const __mmask8 nowhere = 0;
	for (int c = 0; c < 3 * PARTS / 2; c++) from_mont(&w[c], (const fe8 *)&sum + c, &nowhere, 1);
	for (int i = 0; i < sets; i++)
		for (int c = 0; c < 3 * PARTS / 2; c++) store(out + OUT * i + c * WORDS, &w[c], i * share);
}
