//go:build cgo

// Operations of the field only for tests: Go allows no C in test files.

#include "ifma_testhook.h"

#if LANECAST_IFMA

#include "ifma_root.h"

TARGET void lanecast_field(int operation, uint64_t *out0, uint64_t *out1, const uint64_t *a, const uint64_t *b) {
	fe8 x, y;
	fp2 r, s, t, u, v;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	s.part[0] = x, s.part[1] = y;
	t.part[0] = y, t.part[1] = y;
	u.part[0] = y, u.part[1] = x;
	v.part[0] = x, v.part[1] = x;
	switch (operation) {
	case LANECAST_PRODUCT: product(&r.part[0], &x, &y, 1); break;
	case LANECAST_SQUARE: square(&r.part[0], &x, 1, 1); break;
	case LANECAST_TWO_PRODUCTS: two_products(&r.part[0], &x, &y, &y, &y); break;
	case LANECAST_SUM: sum(&r.part[0], &x, &y, 1); break;
	case LANECAST_DIFFERENCE: difference(&r.part[0], &x, &y, 1); break;
	case LANECAST_POWER: power(&r.part[0], &x, 1); break;
	case LANECAST_CANONICAL: canonical(&r.part[0], &x, 1); break;
	case LANECAST_SQUARE_2: square2(&r, &s); break;
	case LANECAST_PRODUCT_2: mul2(&r, &s, &t); break;
	default: mul_two2(&r, &s, &t, &u, &v);
	}
	if (operation < LANECAST_SQUARE_2) r.part[1] = r.part[0];
	memcpy(out0, &r.part[0], sizeof(fe8));
	memcpy(out1, &r.part[1], sizeof(fe8));
}

#else

void lanecast_field(int operation, uint64_t *out0, uint64_t *out1, const uint64_t *a, const uint64_t *b) {
	(void)operation, (void)out0, (void)out1, (void)a, (void)b;
}

#endif
