//go:build cgo

// Reading points: compressed ones, eight square roots at once, and uncompressed ones.
//
// With u = a^((3p−5)/4), c = a·u has c² = a if a is a square, else −a; and c·u is 1 or −1: see
// ifma_root.h. In Fp2, i² = −1, the root of a = a₀ + a₁i goes by the complex method, with two
// powers in Fp: see root2.
//
// All operands of products are below 16p. Bytes as they come are below 2^384 < 10p; if they are not
// below p, their point is refused. Products are below 2p, sums of them below 4p, and differences of
// two below 6p. The cubic of G2 is the largest element that is kept, below 7p; with the norm's root
// it makes 9p; and subtracting its root's square, 11p.

#include "ifma.h"

#if LANECAST_IFMA

#include "ifma_field.h"
#include "ifma_root.h"

static const uint64_t p_words[WORDS] = {0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624,
	0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a};

// Loads 48 bytes, most significant first and without these flags, to a position of to. Returns
// whether they are below p.
static int load(words *to, int pos, const uint8_t *in, uint8_t flags) {
	uint64_t w[WORDS];
	for (int j = 0; j < WORDS; j++) {
		memcpy(&w[j], in + BYTES - 8 * (j + 1), 8);
		w[j] = __builtin_bswap64(w[j]);
	}
	w[WORDS - 1] &= ~((uint64_t)flags << 56);
	int below = 0;
	for (int j = 0; j < WORDS; j++) { // the most significant that differs decides
		if (w[j] != p_words[j]) below = w[j] < p_words[j];
		to->word[j][pos] = w[j];
	}
	return below;
}

enum { FLAGS = 0xe0, SIGN = 0x20 };

static const __mmask8 nowhere[GROUPS];

// batch is the points that are processed together: their places among those to be read, whether
// they may be points so far, and whether the larger y is wanted.
typedef struct {
	int count;
	size_t which[GROUPS * WIDTH];
	uint8_t may_be[GROUPS], larger[GROUPS];
} batch;

static void add_to_batch(batch *b, size_t k, int may_be, int larger) {
	const int g = b->count / WIDTH, pos = b->count % WIDTH;
	b->which[b->count++] = k;
	b->may_be[g] |= (uint8_t)(may_be << pos);
	b->larger[g] |= (uint8_t)(larger << pos);
}

TARGET static void finish_g1(uint64_t *out, uint8_t *state, const words *in, const batch *b) {
	const int n = (b->count + WIDTH - 1) / WIDTH;
	fe8 x[GROUPS], y[GROUPS], cubic[GROUPS], t[GROUPS];
	__mmask8 good[GROUPS], negated[GROUPS];

	to_mont(x, in, n);
	square(cubic, x, 1, n);
	product(cubic, cubic, x, n);
	for (int g = 0; g < n; g++) {
		const fe8 c = everywhere(&four);
		sum(&cubic[g], &cubic[g], &c, 1);
	}
	power(t, cubic, n);
	product(y, cubic, t, n);
	square(t, y, 1, n);
	same(good, cubic, t, n);

	canonical(t, y, n);
	for (int g = 0; g < n; g++) negated[g] = is_larger(&t[g]) ^ b->larger[g];

	words wx[GROUPS], wy[GROUPS];
	from_mont(wx, x, nowhere, n);
	from_mont(wy, y, negated, n);
	for (int i = 0; i < b->count; i++) {
		const int g = i / WIDTH, pos = i % WIDTH;
		const size_t k = b->which[i];
		state[k] = (good[g] & b->may_be[g]) >> pos & 1 ? LANECAST_GOOD : LANECAST_BAD;
		store(out + 2 * WORDS * k, &wx[g], pos);
		store(out + 2 * WORDS * k + WORDS, &wy[g], pos);
	}
}

void lanecast_read_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	words in[GROUPS];
	batch b;
	memset(in, 0, sizeof in);
	memset(&b, 0, sizeof b);
	for (size_t k = 0; k < n; k++) {
		if (state[k] == LANECAST_PENDING) {
			const uint8_t *from = slab + index[k] * BYTES;
			words *to = &in[b.count / WIDTH];
			const int pos = b.count % WIDTH, below = load(to, pos, from, FLAGS);
			uint64_t any = 0;
			for (int j = 0; j < WORDS; j++) any |= to->word[j][pos];
			add_to_batch(&b, k, below && any, (from[0] & SIGN) != 0);
		}
		if (b.count == GROUPS * WIDTH || (k == n - 1 && b.count > 0)) {
			finish_g1(out, state, in, &b);
			memset(&b, 0, sizeof b);
		}
	}
}

TARGET static void finish_g2(uint64_t *out, uint8_t *state, words in[2][GROUPS], const batch *b) {
	const int n = (b->count + WIDTH - 1) / WIDTH;
	fe8 x[2][GROUPS], y[2][GROUPS], cubic[2][GROUPS], t[2][GROUPS];
	__mmask8 good[GROUPS], also[GROUPS], negated[GROUPS];

	to_mont(x[0], in[0], n);
	to_mont(x[1], in[1], n);
	square_pair(t, x, n);
	product_pair(cubic, t, x, n);
	for (int g = 0; g < n; g++) {
		const fe8 c = everywhere(&four);
		sum(&cubic[0][g], &cubic[0][g], &c, 1);
		sum(&cubic[1][g], &cubic[1][g], &c, 1);
	}
	root2(y, cubic, n);
	square_pair(t, y, n);
	same(good, cubic[0], t[0], n);
	same(also, cubic[1], t[1], n);

	canonical(t[0], y[0], n);
	canonical(t[1], y[1], n);
	for (int g = 0; g < n; g++) { // y₁ decides, unless it is 0
		const __mmask8 real = is_zero(&t[1][g]);
		negated[g] = ((is_larger(&t[0][g]) & real) | (is_larger(&t[1][g]) & ~real)) ^ b->larger[g];
	}

	words wx[2][GROUPS], wy[2][GROUPS];
	for (int c = 0; c < 2; c++) {
		from_mont(wx[c], x[c], nowhere, n);
		from_mont(wy[c], y[c], negated, n);
	}
	for (int i = 0; i < b->count; i++) {
		const int g = i / WIDTH, pos = i % WIDTH;
		const size_t k = b->which[i];
		state[k] = (good[g] & also[g] & b->may_be[g]) >> pos & 1 ? LANECAST_GOOD : LANECAST_BAD;
		for (int c = 0; c < 2; c++) {
			store(out + 4 * WORDS * k + (size_t)c * WORDS, &wx[c][g], pos);
			store(out + 4 * WORDS * k + (size_t)(2 + c) * WORDS, &wy[c][g], pos);
		}
	}
}

void lanecast_read_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	words in[2][GROUPS];
	batch b;
	memset(in, 0, sizeof in);
	memset(&b, 0, sizeof b);
	for (size_t k = 0; k < n; k++) {
		if (state[k] == LANECAST_PENDING) {
			const uint8_t *from = slab + index[k] * 2 * BYTES; // x₁, then x₀
			const int g = b.count / WIDTH, pos = b.count % WIDTH;
			const int below = load(&in[1][g], pos, from, FLAGS) & load(&in[0][g], pos, from + BYTES, 0);
			add_to_batch(&b, k, below, (from[0] & SIGN) != 0);
		}
		if (b.count == GROUPS * WIDTH || (k == n - 1 && b.count > 0)) {
			finish_g2(out, state, in, &b);
			memset(&b, 0, sizeof b);
		}
	}
}

// # Uncompressed points
//
// A coordinate is a number x, which without conversion is the element X = x/R. With y = YR,
// y² = x³ + 4 is Y² = R·X³ + 4/R². One product takes X to blst's form, x·2³⁸⁴.

// Numbers, which without conversion are elements, to blst's form.
SHARED void number_to_blst(words *to, const fe8 *a, int n) {
	fe8 b[GROUPS];
	product_with(b, a, &to_blst, n);
	subtract_p(b, n);
	pack(to, b, n);
}

TARGET static void finish_points_g1(uint64_t *out, uint8_t *state, words in[2][GROUPS], const batch *b) {
	const int n = (b->count + WIDTH - 1) / WIDTH;
	fe8 x[GROUPS], y[GROUPS], t[GROUPS];
	__mmask8 good[GROUPS];
	unpack(x, in[0], n);
	unpack(y, in[1], n);
	square(t, x, 1, n);
	product(t, t, x, n);
	product_with(t, t, &radix, n);
	for (int g = 0; g < n; g++) {
		const fe8 c = everywhere(&four_over_r2);
		sum(&t[g], &t[g], &c, 1);
	}
	words wx[GROUPS], wy[GROUPS];
	number_to_blst(wx, x, n);
	number_to_blst(wy, y, n);
	square(y, y, 1, n);
	same(good, y, t, n);
	for (int i = 0; i < b->count; i++) {
		const int g = i / WIDTH, pos = i % WIDTH;
		const size_t k = b->which[i];
		state[k] = (good[g] & b->may_be[g]) >> pos & 1 ? LANECAST_GOOD : LANECAST_BAD;
		store(out + 2 * WORDS * k, &wx[g], pos);
		store(out + 2 * WORDS * k + WORDS, &wy[g], pos);
	}
}

void lanecast_read_points_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	words in[2][GROUPS];
	batch b;
	memset(in, 0, sizeof in);
	memset(&b, 0, sizeof b);
	for (size_t k = 0; k < n; k++) {
		if (state[k] == LANECAST_PENDING) {
			const uint8_t *from = slab + index[k] * 2 * BYTES;
			const int g = b.count / WIDTH, pos = b.count % WIDTH;
			const int below = load(&in[0][g], pos, from, 0) & load(&in[1][g], pos, from + BYTES, 0);
			uint64_t any = 0;
			for (int j = 0; j < WORDS; j++) any |= in[0][g].word[j][pos];
			add_to_batch(&b, k, below && any, 0);
		}
		if (b.count == GROUPS * WIDTH || (k == n - 1 && b.count > 0)) {
			finish_points_g1(out, state, in, &b);
			memset(&b, 0, sizeof b);
		}
	}
}

TARGET static void finish_points_g2(uint64_t *out, uint8_t *state, words in[4][GROUPS], const batch *b) {
	const int n = (b->count + WIDTH - 1) / WIDTH;
	fe8 x[2][GROUPS], y[2][GROUPS], s[2][GROUPS], t[2][GROUPS];
	__mmask8 good[GROUPS], also[GROUPS];
	words w[4][GROUPS];
	for (int c = 0; c < 2; c++) {
		unpack(x[c], in[c], n);
		unpack(y[c], in[2 + c], n);
		number_to_blst(w[c], x[c], n);
		number_to_blst(w[2 + c], y[c], n);
	}
	square_pair(s, x, n);
	product_pair(t, s, x, n);
	for (int c = 0; c < 2; c++) product_with(t[c], t[c], &radix, n);
	for (int g = 0; g < n; g++) {
		const fe8 four_over = everywhere(&four_over_r2);
		for (int c = 0; c < 2; c++) sum(&t[c][g], &t[c][g], &four_over, 1);
	}
	square_pair(s, y, n);
	same(good, s[0], t[0], n);
	same(also, s[1], t[1], n);
	for (int i = 0; i < b->count; i++) {
		const int g = i / WIDTH, pos = i % WIDTH;
		const size_t k = b->which[i];
		state[k] = (good[g] & also[g] & b->may_be[g]) >> pos & 1 ? LANECAST_GOOD : LANECAST_BAD;
		for (size_t c = 0; c < 4; c++) store(out + 4 * WORDS * k + c * WORDS, &w[c][g], pos);
	}
}

void lanecast_read_points_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	static const int place[4] = {1, 0, 3, 2}; // x₁, x₀, y₁, y₀ is how they come
	words in[4][GROUPS];
	batch b;
	memset(in, 0, sizeof in);
	memset(&b, 0, sizeof b);
	for (size_t k = 0; k < n; k++) {
		if (state[k] == LANECAST_PENDING) {
			const uint8_t *from = slab + index[k] * 4 * BYTES;
			const int g = b.count / WIDTH, pos = b.count % WIDTH;
			int below = 1;
			for (int c = 0; c < 4; c++) below &= load(&in[c][g], pos, from + BYTES * place[c], 0);
			add_to_batch(&b, k, below, 0);
		}
		if (b.count == GROUPS * WIDTH || (k == n - 1 && b.count > 0)) {
			finish_points_g2(out, state, in, &b);
			memset(&b, 0, sizeof b);
		}
	}
}

TARGET void lanecast_field(int operation, uint64_t *out, const uint64_t *a, const uint64_t *b) {
	fe8 x, y, r;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	switch (operation) {
	case LANECAST_PRODUCT: product(&r, &x, &y, 1); break;
	case LANECAST_SQUARE: square(&r, &x, 1, 1); break;
	case LANECAST_TWO_PRODUCTS: two_products(&r, &x, &y, &y, &y); break;
	case LANECAST_SUM: sum(&r, &x, &y, 1); break;
	case LANECAST_DIFFERENCE: difference(&r, &x, &y, 1); break;
	case LANECAST_POWER: power(&r, &x, 1); break;
	default: canonical(&r, &x, 1);
	}
	memcpy(out, &r, sizeof r);
}

#endif
