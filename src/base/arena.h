#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * Arena: many small allocations freed at once. One per request.
 *
 * Owner: one request, one thread. Pointers live until arena_clear/_release.
 * Invariant: the sum of all blocks never passes `max` bytes.
 */
struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* in the newest block */
    size_t total;               /* bytes in all blocks */
    size_t max;
};

void arena_init(struct arena *a, size_t max);
void arena_release(struct arena *a);

/* Forget everything; keeps one small block for the next request. */
void arena_clear(struct arena *a);

/* `size` bytes aligned for any type, zeroed; NULL past the maximum or out of memory. */
void *arena_alloc(struct arena *a, size_t size);

/* `count` items of `size` bytes, zeroed; NULL also when the product overflows. */
void *arena_alloc_array(struct arena *a, size_t count, size_t size);

/* A copy of `s` (NUL-terminated after its end); the null slice when memory is out. */
struct slice arena_copy(struct arena *a, struct slice s);
