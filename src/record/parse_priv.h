#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Reading one record, inline: this is where a broker spends its time on a
 * batch. A parser takes the place to read and the end, and returns the place
 * after what it read, or NULL if it is malformed or goes past the end.
 *
 *     record  = length: varint | attributes: i8 | timestamp_delta: varlong |
 *               offset_delta: varint | key | value | header_count: varint | header ...
 *     key, value  = length: varint (-1: null) | bytes
 *     header      = key | value, the key never null
 */
struct record_fields {
    int32_t offset_delta;
    int64_t timestamp_delta;
    struct slice key;
    struct slice value;
    struct slice headers;
    int32_t header_count;
};

/* In two registers: a value written through a pointer would live in memory, each time. */
struct record_number {
    const uint8_t *at; /* the place after it */
    uint64_t value;
};

/* Three bytes and more: rare in a record. */
struct record_number record_parse_long(const uint8_t *at, const uint8_t *end, unsigned bits);

/* The headers of a record, which fill [at, end) exactly. */
bool record_headers_valid(const uint8_t *at, const uint8_t *end, int32_t count);

/* Without zigzag. Most numbers in a record take one byte, nearly all others two. */
static inline struct record_number parse_unsigned(const uint8_t *at, const uint8_t *end,
                                                  unsigned bits)
{
    if (__builtin_expect(at < end && at[0] < 0x80, 1))
        return (struct record_number){.at = at + 1, .value = at[0]};
    if (__builtin_expect(end - at >= 2 && at[1] < 0x80, 1))
        return (struct record_number){.at = at + 2,
                                      .value = (at[0] & 0x7fu) | (uint64_t)at[1] << 7};
    return record_parse_long(at, end, bits);
}

static inline const uint8_t *parse_varint(const uint8_t *at, const uint8_t *end, int32_t *value_out)
{
    struct record_number n = parse_unsigned(at, end, 32);
    uint32_t v = (uint32_t)n.value;

    *value_out = (int32_t)(v >> 1 ^ (~(v & 1) + 1));
    return n.at;
}

static inline const uint8_t *parse_varlong(const uint8_t *at, const uint8_t *end,
                                           int64_t *value_out)
{
    struct record_number n = parse_unsigned(at, end, 64);

    *value_out = (int64_t)(n.value >> 1 ^ (~(n.value & 1) + 1));
    return n.at;
}

/* A length and that many bytes; -1 is the null slice. */
static inline const uint8_t *parse_bytes(const uint8_t *at, const uint8_t *end,
                                         struct slice *bytes_out)
{
    int32_t size;

    at = parse_varint(at, end, &size);
    if (__builtin_expect(at == NULL, 0))
        return NULL;
    if (size < 0) {
        *bytes_out = slice_of(NULL, 0);
        return size == -1 ? at : NULL;
    }
    if (__builtin_expect(size > end - at, 0))
        return NULL;
    *bytes_out = slice_of(at, (size_t)size);
    return at + size;
}

static inline const uint8_t *parse_record(const uint8_t *at, const uint8_t *end,
                                          struct record_fields *fields_out)
{
    int32_t size;

    at = parse_varint(at, end, &size);
    if (__builtin_expect(at == NULL || size < 1 || size > end - at, 0))
        return NULL;
    end = at + size;
    at++; /* attributes: no bit has a meaning yet */
    at = parse_varlong(at, end, &fields_out->timestamp_delta);
    if (at == NULL)
        return NULL;
    at = parse_varint(at, end, &fields_out->offset_delta);
    if (at == NULL)
        return NULL;
    at = parse_bytes(at, end, &fields_out->key);
    if (at == NULL)
        return NULL;
    at = parse_bytes(at, end, &fields_out->value);
    if (at == NULL)
        return NULL;
    at = parse_varint(at, end, &fields_out->header_count);
    if (at == NULL)
        return NULL;
    fields_out->headers = slice_of(at, (size_t)(end - at));
    if (__builtin_expect(fields_out->header_count != 0 || at != end, 0) &&
        !record_headers_valid(at, end, fields_out->header_count))
        return NULL;
    return end;
}
