//go:build cgo

#include "ifma.h"

#if LANECAST_IFMA

#include <cpuid.h>

int lanecast_ifma(void) {
	unsigned a, b, c, d;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) // OSXSAVE: xgetbv is there
		return 0;
	unsigned low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	// The system must save the state of SSE, AVX, masks, and both parts of AVX-512.
	if ((low & 0xe6) != 0xe6)
		return 0;
	// AVX512F, AVX512_IFMA
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & 1u << 16 && b & 1u << 21;
}

#else

int lanecast_ifma(void) { return 0; }

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
