#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Vec: a growing array of items of one size, with a maximum. Owns its memory.
 *
 * Items move when the vec grows: keep indexes, not pointers, across a push.
 * Invariant: count <= capacity <= max.
 */
struct vec {
    void *at;
    size_t count;
    size_t capacity; /* items */
    size_t max;      /* items */
    size_t item_size;
};

/* Allocates nothing yet. */
void vec_init(struct vec *v, size_t item_size, size_t max);
void vec_release(struct vec *v);

/* Count becomes 0; the memory stays. */
void vec_clear(struct vec *v);

/*
 * Room for `count` more items.
 *
 *   E_TOO_BIG  would pass the maximum
 *   E_NOMEM
 */
NODISCARD enum err vec_reserve(struct vec *v, size_t count);

/* Copy `*item` to the end. Errors of vec_reserve; then nothing changed. */
NODISCARD enum err vec_push(struct vec *v, const void *item);

/* Item `index` < count. */
void *vec_at(const struct vec *v, size_t index);

/* Remove item `index` < count and keep the order of the others. */
void vec_remove(struct vec *v, size_t index);

/* Remove item `index` < count; the last item takes its place. */
void vec_remove_swap(struct vec *v, size_t index);
