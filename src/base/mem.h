#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * The only door to the allocator.
 *
 * mem_alloc and friends return NULL when memory is out: for sizes that input
 * chose, and for everything reachable from the public dlog_ API.
 * mem_must_alloc aborts instead: for small sizes that our own programs chose.
 */

void *mem_alloc(size_t size);
void *mem_alloc_zero(size_t size);

/* NULL on failure, and then `old` is still valid. */
void *mem_realloc(void *old, size_t size);

/* Zeroed; aborts when memory is out. */
void *mem_must_alloc(size_t size);

/* NULL is fine. */
void mem_free(void *p);
