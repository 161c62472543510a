#ifndef LANECAST_SMALL_STACK_H
#define LANECAST_SMALL_STACK_H

#include <stddef.h>
#include <stdint.h>

// lanecast_on_small_stack calls lanecastSmallStack(handle) on a thread of its own, whose stack has
// size bytes, a multiple of the page size, above a page that cannot be accessed. It returns the
// number of bytes written at the upper end, or the negative of an error number.
ptrdiff_t lanecast_on_small_stack(size_t size, uintptr_t handle);

// lanecast_spend writes size bytes of stack, at least one.
void lanecast_spend(size_t size);

#endif
