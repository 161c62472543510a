//go:build cgo

// Reading points: compressed ones, eight square roots at once, and uncompressed ones.
//
// With u = a^((3p−5)/4), c = a·u has c² = a if a is a square, otherwise −a; and c·u is 1 or −1: see
// ifma_root.h. In Fp2, i² = −1, the complex method computes the root of a = a₀ + a₁i, with two
// powers in Fp: see root2.
//
// All operands of products are below 16p. Encoded numbers are below 2^384 < 10p; if one is not
// below p, its point is refused. Products are below 2p. The bounds of Fp2 are in ifma_fp2.h.

#include "ifma.h"

#if LANECAST_IFMA

#include "ifma_fp2.h"
#include "ifma_root.h"

// Loads 48 bytes, most significant first and without the flags, to a position of to.
static void load(words *to, int pos, const uint8_t *in, uint8_t flags) {
	for (int j = 0; j < WORDS; j++) {
		uint64_t w;
		memcpy(&w, in + BYTES - 8 * (j + 1), 8);
		to->word[j][pos] = __builtin_bswap64(w);
	}
	to->word[WORDS - 1][pos] &= ~((uint64_t)flags << 56);
}

enum { FLAGS = 0xe0, SIGN = 0x20 };

static const __mmask8 nowhere[GROUPS];

// The points that are processed together: their places among those to be read, the numbers of their
// coordinates, x₀ first, and whether the larger y is wanted.
typedef struct {
	int count;
	size_t which[GROUPS * WIDTH];
	words coordinates[4][GROUPS];
	uint8_t larger[GROUPS];
} batch;

static int groups_of(const batch *b) { return (b->count + WIDTH - 1) / WIDTH; }

// The limbs of a coordinate. Positions at which it is not below p are no longer good.
TARGET static void unpack_canonical(fe8 *r, __mmask8 *good, const words *from, int n) {
	__mmask8 below[GROUPS];
	unpack(r, from, n);
	below_p(below, r, n);
	for (int g = 0; g < n; g++) good[g] &= below[g];
}

// Writes the states of the points, and their coordinates.
static void finish(uint64_t *out, uint8_t *state, const batch *b, const __mmask8 *good, const words coordinates[][GROUPS], size_t count) {
	for (int i = 0; i < b->count; i++) {
		const int g = i / WIDTH, pos = i % WIDTH;
		const size_t k = b->which[i];
		state[k] = good[g] >> pos & 1 ? LANECAST_GOOD : LANECAST_BAD;
		for (size_t c = 0; c < count; c++) store(out + (count * k + c) * WORDS, &coordinates[c][g], pos);
	}
}

TARGET static void read_batch_g1(uint64_t *out, uint8_t *state, const batch *b) {
	const int n = groups_of(b);
	fe8 x[GROUPS], y[GROUPS], cubic[GROUPS], t[GROUPS];
	__mmask8 good[GROUPS], is_root[GROUPS], negated[GROUPS];

	memset(good, 0xff, sizeof good);
	unpack_canonical(x, good, b->coordinates[0], n);
	for (int g = 0; g < n; g++) good[g] &= (__mmask8)~is_zero(&x[g]);
	product_with(x, x, &radix, n);
	square(cubic, x, 1, n);
	product(cubic, cubic, x, n);
	for (int g = 0; g < n; g++) {
		const fe8 c = everywhere(&four);
		sum(&cubic[g], &cubic[g], &c, 1);
	}
	power(t, cubic, n);
	product(y, cubic, t, n);
	square(t, y, 1, n);
	same(is_root, cubic, t, n);

	canonical(t, y, n);
	for (int g = 0; g < n; g++) {
		good[g] &= is_root[g];
		negated[g] = is_larger(&t[g]) ^ b->larger[g];
	}
	words w[2][GROUPS];
	from_mont(w[0], x, nowhere, n);
	from_mont(w[1], y, negated, n);
	finish(out, state, b, good, w, 2);
}

// The cubic of G2's curve in x, without its constant term.
INLINE void cube2(fp2 *r, const fp2 *x) {
	square2(r, x);
	mul2(r, r, x);
}

TARGET static void read_batch_g2(uint64_t *out, uint8_t *state, const batch *b) {
	const int n = groups_of(b);
	const fe8 c = everywhere(&four);
	fe8 part[2][GROUPS];
	fp2 x[GROUPS], y[GROUPS], cubic[GROUPS], t;
	__mmask8 good[GROUPS], negated[GROUPS];

	memset(good, 0xff, sizeof good);
	for (int k = 0; k < 2; k++) {
		unpack_canonical(part[k], good, b->coordinates[k], n);
		product_with(part[k], part[k], &radix, n);
		for (int g = 0; g < n; g++) x[g].part[k] = part[k][g];
	}
	for (int g = 0; g < n; g++) {
		cube2(&cubic[g], &x[g]);
		for (int k = 0; k < 2; k++) sum(&cubic[g].part[k], &cubic[g].part[k], &c, 1); // 0 … 3
	}
	root2(y, cubic, n);
	for (int g = 0; g < n; g++) {
		square2(&t, &y[g]);
		sub2(&t, &cubic[g], &t);     // −2 … 3
		good[g] &= vanishes2(&t);

		for (int k = 0; k < 2; k++) canonical(&t.part[k], &y[g].part[k], 1);
		const __mmask8 real = is_zero(&t.part[1]); // y₁ decides, unless it is 0
		negated[g] = ((is_larger(&t.part[0]) & real) | (is_larger(&t.part[1]) & ~real)) ^ b->larger[g];
	}
	words w[4][GROUPS];
	for (int k = 0; k < 2; k++) {
		from_mont(w[k], part[k], nowhere, n);
		for (int g = 0; g < n; g++) from_mont(&w[2 + k][g], &y[g].part[k], &negated[g], 1);
	}
	finish(out, state, b, good, w, 4);
}

// # Uncompressed points
//
// A coordinate is a number x; without conversion it is the element X = x/R. With y = YR, y² = x³ +
// 4 is Y² = R·X³ + 4/R². One product takes X to blst's form, x·2³⁸⁴.

// Numbers, which without conversion are elements, to blst's form.
SHARED void number_to_blst(words *to, const fe8 *a, int n) {
	fe8 b[GROUPS];
	product_with(b, a, &to_blst, n);
	subtract_p(b, n);
	pack(to, b, n);
}

TARGET static void read_points_batch_g1(uint64_t *out, uint8_t *state, const batch *b) {
	const int n = groups_of(b);
	fe8 x[GROUPS], y[GROUPS], t[GROUPS];
	__mmask8 good[GROUPS], on_curve[GROUPS];
	words w[2][GROUPS];
	memset(good, 0xff, sizeof good);
	unpack_canonical(x, good, b->coordinates[0], n);
	unpack_canonical(y, good, b->coordinates[1], n);
	number_to_blst(w[0], x, n);
	number_to_blst(w[1], y, n);
	square(t, x, 1, n);
	product(t, t, x, n);
	product_with(t, t, &radix, n);
	for (int g = 0; g < n; g++) {
		const fe8 c = everywhere(&four_over_r2);
		sum(&t[g], &t[g], &c, 1);
	}
	square(y, y, 1, n);
	same(on_curve, y, t, n);
	for (int g = 0; g < n; g++) good[g] &= on_curve[g] & (__mmask8)~is_zero(&x[g]);
	finish(out, state, b, good, w, 2);
}

TARGET static void read_points_batch_g2(uint64_t *out, uint8_t *state, const batch *b) {
	const int n = groups_of(b);
	const fe8 four_over = everywhere(&four_over_r2);
	fe8 part[4][GROUPS];
	__mmask8 good[GROUPS];
	words w[4][GROUPS];
	memset(good, 0xff, sizeof good);
	for (int k = 0; k < 4; k++) {
		unpack_canonical(part[k], good, b->coordinates[k], n);
		number_to_blst(w[k], part[k], n);
	}
	for (int g = 0; g < n; g++) {
		const fp2 x = {{part[0][g], part[1][g]}}, y = {{part[2][g], part[3][g]}};
		fp2 s, t;
		cube2(&t, &x);
		for (int k = 0; k < 2; k++) {
			product_with(&t.part[k], &t.part[k], &radix, 1);
			sum(&t.part[k], &t.part[k], &four_over, 1); // 0 … 3
		}
		square2(&s, &y);
		sub2(&t, &t, &s);        // −2 … 3
		good[g] &= vanishes2(&t);
	}
	finish(out, state, b, good, w, 4);
}

// Reads the pending ones of n points, of count coordinates each; coordinate i is number number[i]
// of the encoding. The first byte of a point has the flags, one of which may ask for the larger y.
static void read_all(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n,
	const int *number, int count, uint8_t flags, void (*read_batch)(uint64_t *, uint8_t *, const batch *)) {
	batch b;
	memset(&b, 0, sizeof b);
	for (size_t k = 0; k < n; k++) {
		if (state[k] == LANECAST_PENDING) {
			const uint8_t *from = slab + index[k] * count * BYTES;
			const int g = b.count / WIDTH, pos = b.count % WIDTH;
			for (int i = 0; i < count; i++) load(&b.coordinates[number[i]][g], pos, from + BYTES * i, i == 0 ? flags : 0);
			b.larger[g] |= (uint8_t)((from[0] & flags & SIGN) != 0) << pos;
			b.which[b.count++] = k;
		}
		if (b.count == GROUPS * WIDTH || (k == n - 1 && b.count > 0)) {
			read_batch(out, state, &b);
			memset(&b, 0, sizeof b);
		}
	}
}

// The order of coordinates in an encoding: in G2 it is x₁, x₀, y₁, y₀.
static const int in_order[] = {0, 1}, imaginary_first[] = {1, 0, 3, 2};

void lanecast_read_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	read_all(out, state, slab, index, n, in_order, 1, FLAGS, read_batch_g1);
}

void lanecast_read_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	read_all(out, state, slab, index, n, imaginary_first, 2, FLAGS, read_batch_g2);
}

void lanecast_read_points_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	read_all(out, state, slab, index, n, in_order, 2, 0, read_points_batch_g1);
}

void lanecast_read_points_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	read_all(out, state, slab, index, n, imaginary_first, 4, 0, read_points_batch_g2);
}

#endif
