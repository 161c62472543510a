#ifndef LANECAST_IFMA_TESTHOOK_H
#define LANECAST_IFMA_TESTHOOK_H

#include "ifma.h"

// lanecast_field performs one operation of the field on eight elements, for the tests. Word 8j+i is
// limb j of element i, as in ifma_field.h. Two products are ab + bb. Those of Fp2 have two results:
// SQUARE_2 of (a + bi)², PRODUCT_2 of (a + bi)(b + bi), TWO_PRODUCTS_2 of that plus (b + ai)(a +
// ai). Operations with one result write it twice.
enum {
	LANECAST_PRODUCT, LANECAST_SQUARE, LANECAST_TWO_PRODUCTS, LANECAST_SUM, LANECAST_DIFFERENCE, LANECAST_POWER,
	LANECAST_CANONICAL, LANECAST_SQUARE_2, LANECAST_PRODUCT_2, LANECAST_TWO_PRODUCTS_2
};
void lanecast_field(int operation, uint64_t *out0, uint64_t *out1, const uint64_t *a, const uint64_t *b);

#endif
