//go:build cgo

#include "ifma.h"

#if LANECAST_IFMA

#include "ifma_field.h"

#include <cpuid.h>
#include <x86intrin.h>

int lanecast_ifma(void) {
	unsigned a, b, c, d;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) // OSXSAVE: xgetbv exists
		return 0;
	unsigned low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	// The system must save the state of SSE, AVX, masks, and both parts of AVX-512.
	if ((low & 0xe6) != 0xe6)
		return 0;
	// AVX512F, AVX512_IFMA
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & 1u << 16 && b & 1u << 21;
}

enum { ROUNDS = 256, TRIES = 12 };

static inline uint64_t clock_ticks(void) {
	_mm_lfence();
	const uint64_t now = __rdtsc();
	_mm_lfence();
	return now;
}

// The ticks of 8·ROUNDS independent multiplications, and of as many dependent ones, each of which
// waits at least four cycles for the one before.

#define MULTIPLY(r) "vpmadd52luq %%zmm8, %%zmm8, %%zmm" #r "\n\t"

TARGET static uint64_t independent_ticks(void) {
	const uint64_t begin = clock_ticks();
	for (int k = 0; k < ROUNDS; k++)
		__asm__ volatile(MULTIPLY(0) MULTIPLY(1) MULTIPLY(2) MULTIPLY(3) MULTIPLY(4) MULTIPLY(5) MULTIPLY(6) MULTIPLY(7)
			: : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
	return clock_ticks() - begin;
}

TARGET static uint64_t dependent_ticks(void) {
	const uint64_t begin = clock_ticks();
	for (int k = 0; k < ROUNDS; k++)
		__asm__ volatile(MULTIPLY(0) MULTIPLY(0) MULTIPLY(0) MULTIPLY(0) MULTIPLY(0) MULTIPLY(0) MULTIPLY(0) MULTIPLY(0)
			: : : "xmm0");
	return clock_ticks() - begin;
}

// With two ports dependent multiplications take eight times as long as independent ones, with one
// port four times; the threshold is 5.5. The minimum of several tries counts.
int lanecast_ifma_ports(void) {
	uint64_t independent = UINT64_MAX, dependent = UINT64_MAX;
	for (int i = 0; i < TRIES; i++) {
		const uint64_t a = independent_ticks(), b = dependent_ticks();
		if (a < independent) independent = a;
		if (b < dependent) dependent = b;
	}
	return 11 * independent < 2 * dependent ? 2 : 1;
}

#else

int lanecast_ifma(void) { return 0; }

int lanecast_ifma_ports(void) { return 0; }

void lanecast_read_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	(void)out, (void)state, (void)slab, (void)index, (void)n;
}

void lanecast_read_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	(void)out, (void)state, (void)slab, (void)index, (void)n;
}

void lanecast_read_points_g1(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	(void)out, (void)state, (void)slab, (void)index, (void)n;
}

void lanecast_read_points_g2(uint64_t *out, uint8_t *state, const uint8_t *slab, const ptrdiff_t *index, size_t n) {
	(void)out, (void)state, (void)slab, (void)index, (void)n;
}

void lanecast_miller(uint64_t *out, const uint64_t *p, const uint64_t *q, size_t n, void *scratch) {
	(void)out, (void)p, (void)q, (void)n, (void)scratch;
}

void lanecast_in_g1(uint8_t *inside, const uint64_t *p, size_t n) { (void)inside, (void)p, (void)n; }

void lanecast_in_g2(uint8_t *inside, const uint64_t *p, size_t n) { (void)inside, (void)p, (void)n; }

void lanecast_multiply_g1(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch) {
	(void)out, (void)p, (void)digits, (void)places, (void)n, (void)scratch;
}

void lanecast_multiply_g2(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch) {
	(void)out, (void)p, (void)digits, (void)places, (void)n, (void)scratch;
}

void lanecast_multiply_sum_g1(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch) {
	(void)out, (void)p, (void)digits, (void)places, (void)n, (void)scratch;
}

void lanecast_multiply_sum_g2(uint64_t *out, const uint64_t *p, const int8_t *digits, size_t places, size_t n, void *scratch) {
	(void)out, (void)p, (void)digits, (void)places, (void)n, (void)scratch;
}

void lanecast_sum_g1(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, size_t n) {
	(void)out, (void)p, (void)begin, (void)n;
}

void lanecast_sum_g2(uint64_t *out, const uint64_t *p, const ptrdiff_t *begin, size_t n) {
	(void)out, (void)p, (void)begin, (void)n;
}

void lanecast_hash_g1(uint64_t *out, const uint8_t *uniform, size_t n) { (void)out, (void)uniform, (void)n; }

void lanecast_hash_g2(uint64_t *out, const uint8_t *uniform, size_t n) { (void)out, (void)uniform, (void)n; }

#endif
