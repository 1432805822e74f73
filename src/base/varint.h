#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Base-128 varints, least significant group first, with and without zigzag,
 * as in Kafka's record bodies and flexible messages.
 */
enum { VARINT_SIZE_MAX = 10 };

/* Write `v` at `out` (VARINT_SIZE_MAX bytes of room); returns the bytes used. */
size_t varint_put(uint8_t *out, uint64_t v);

/* Bytes that varint_put would use. */
size_t varint_size(uint64_t v);

static inline uint32_t varint_zigzag32(int32_t v)
{
    return (uint32_t)v << 1 ^ (uint32_t)(v >> 31);
}

static inline uint64_t varint_zigzag64(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
