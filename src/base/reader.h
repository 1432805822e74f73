#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"

/*
 * Reader: decode big-endian fields from bytes it does not own.
 *
 * The error is sticky. After the first bad read every read returns zero and
 * moves nothing, so a decoder reads all its fields and asks once at the end.
 * No macro hides a goto, and no field can be read out of bounds.
 *
 *     struct reader r = reader_init(bytes, size);
 *     h.base_offset = reader_i64(&r);
 *     h.size = reader_i32(&r);
 *     return reader_done(&r);
 */
struct reader {
    const uint8_t *at;  /* next byte; borrowed */
    const uint8_t *end; /* one past the last byte */
    enum err err;       /* first failure, or E_OK */
};

struct reader reader_init(const void *bytes, size_t size);

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

int8_t reader_i8(struct reader *r);
int16_t reader_i16(struct reader *r);
uint16_t reader_u16(struct reader *r);
int32_t reader_i32(struct reader *r);
uint32_t reader_u32(struct reader *r);
int64_t reader_i64(struct reader *r);
double reader_f64(struct reader *r);
struct uuid reader_uuid(struct reader *r);

/* Base-128, least significant group first: at most 5 or 10 bytes, else E_INVAL. */
uint32_t reader_uvarint(struct reader *r);
uint64_t reader_uvarlong(struct reader *r);

/* The same with zigzag, as in record bodies. */
int32_t reader_varint(struct reader *r);
int64_t reader_varlong(struct reader *r);

/* Borrow `size` bytes; NULL after a failure. */
const uint8_t *reader_bytes(struct reader *r, size_t size);
struct slice reader_slice(struct reader *r, size_t size);

/* Make `e` the error, unless there was one before. */
void reader_fail(struct reader *r, enum err e);

/*
 * End of decoding.
 *
 *   E_TRUNCATED  a field went past the end
 *   E_INVAL      bytes are left over, or a varint is too long
 */
NODISCARD enum err reader_done(const struct reader *r);
