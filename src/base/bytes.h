#pragma once

#include <stdint.h>
#include <string.h>

/* Big-endian fields at places that were checked before: no bounds here, and no call. */
static inline uint16_t bytes_u16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t bytes_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint64_t bytes_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return __builtin_bswap64(v);
}

static inline void bytes_put_u16(uint8_t *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, sizeof(v));
}

static inline void bytes_put_u32(uint8_t *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, sizeof(v));
}

static inline void bytes_put_u64(uint8_t *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, sizeof(v));
}
