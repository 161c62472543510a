//go:build cgo && unix

#define _GNU_SOURCE

#include "smallstack.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "_cgo_export.h"

enum { PAINT = 0xa5 };

static void *start(void *handle) {
	lanecastSmallStack((uintptr_t)handle);
	return NULL;
}

static int run(uint8_t *stack, size_t size, uintptr_t handle) {
	pthread_attr_t attributes;
	pthread_t thread;
	int err = pthread_attr_init(&attributes);
	if (err) return err;
	err = pthread_attr_setstack(&attributes, stack, size);
	if (!err) err = pthread_create(&thread, &attributes, start, (void *)handle);
	pthread_attr_destroy(&attributes);
	return err ? err : pthread_join(thread, NULL);
}

ptrdiff_t lanecast_on_small_stack(size_t size, uintptr_t handle) {
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *const memory = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (memory == MAP_FAILED) return -errno;
	uint8_t *const stack = memory + page;
	memset(stack, PAINT, size);
	const int err = mprotect(memory, page, PROT_NONE) ? errno : run(stack, size, handle);
	size_t untouched = 0;
	while (untouched < size && stack[untouched] == PAINT) untouched++;
	munmap(memory, page + size);
	return err ? -err : (ptrdiff_t)(size - untouched);
}

void lanecast_spend(size_t size) {
	volatile uint8_t spent[size];
	for (size_t i = 0; i < size; i++) spent[i] = 0;
}
