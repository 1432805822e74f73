#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * Buf: growing bytes with a maximum. Owns its memory.
 *
 * Invariant: size <= capacity <= max.
 * Growth doubles, so a buf never holds more than twice what was put into it.
 */
struct buf {
    uint8_t *at;
    size_t size;
    size_t capacity;
    size_t max;
};

/* Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);

/* Size becomes 0; the memory stays. */
void buf_clear(struct buf *b);

/*
 * Room for `size` more bytes at b->at + b->size; grow b->size yourself.
 *
 *   E_TOO_BIG  would pass the maximum
 *   E_NOMEM
 */
NODISCARD enum err buf_reserve(struct buf *b, size_t size);

/* Copy `size` bytes to the end. Errors of buf_reserve; then nothing changed. */
NODISCARD enum err buf_append(struct buf *b, const void *bytes, size_t size);

/* Drop the first `size` bytes (<= b->size) by moving the rest down. */
void buf_drop(struct buf *b, size_t size);

/* Give memory back so that capacity is at most `capacity` (and >= size). */
void buf_shrink(struct buf *b, size_t capacity);

/* Append formatted text without its NUL. Errors of buf_reserve. */
NODISCARD enum err buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->at, b->size);
}
