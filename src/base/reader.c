#include "base/reader.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

struct reader reader_init(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;

    assert(p != NULL || size == 0);
    return (struct reader){.at = p, .end = p == NULL ? NULL : p + size};
}

void reader_fail(struct reader *r, enum err e)
{
    if (r->err == E_OK)
        r->err = e;
}

const uint8_t *reader_bytes(struct reader *r, size_t size)
{
    const uint8_t *bytes = r->at;

    if (r->err != E_OK)
        return NULL;
    if (reader_left(r) < size) {
        r->err = E_TRUNCATED;
        return NULL;
    }
    if (size > 0)
        r->at += size;
    return bytes;
}

struct slice reader_slice(struct reader *r, size_t size)
{
    const uint8_t *at = reader_bytes(r, size);

    return at == NULL ? slice_of(NULL, 0) : slice_of(at, size);
}

/* Inline, so that each width becomes one load. */
static inline __attribute__((always_inline)) uint64_t read_be(struct reader *r, size_t width)
{
    uint64_t be = 0;

    if (r->err != E_OK)
        return 0;
    if (reader_left(r) < width) {
        r->err = E_TRUNCATED;
        return 0;
    }
    memcpy(&be, r->at, width);
    r->at += width;
    return be64toh(be) >> 8 * (8 - width);
}

int8_t reader_i8(struct reader *r)
{
    return (int8_t)read_be(r, 1);
}

int16_t reader_i16(struct reader *r)
{
    return (int16_t)read_be(r, 2);
}

uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)read_be(r, 2);
}

int32_t reader_i32(struct reader *r)
{
    return (int32_t)read_be(r, 4);
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)read_be(r, 4);
}

int64_t reader_i64(struct reader *r)
{
    return (int64_t)read_be(r, 8);
}

double reader_f64(struct reader *r)
{
    uint64_t bits = read_be(r, 8);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct uuid reader_uuid(struct reader *r)
{
    struct uuid id = {{0}};
    const uint8_t *p = reader_bytes(r, sizeof(id.bytes));

    if (p != NULL)
        memcpy(id.bytes, p, sizeof(id.bytes));
    return id;
}

/* A varint of at most `bits` bits; the groups past that must be zero. */
static uint64_t read_varint(struct reader *r, unsigned bits)
{
    const uint8_t *start = r->at;
    uint64_t value = 0;

    if (r->err != E_OK)
        return 0;
    if (r->at < r->end && *r->at < 0x80)
        return *r->at++;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t group;

        if (r->at == r->end) {
            r->at = start;
            r->err = E_TRUNCATED;
            return 0;
        }
        group = *r->at++;
        if (bits - shift < 7 && (group & 0x7f) >> (bits - shift) != 0)
            break;
        value |= (uint64_t)(group & 0x7f) << shift;
        if ((group & 0x80) == 0)
            return value;
    }
    r->at = start;
    r->err = E_INVAL;
    return 0;
}

uint32_t reader_uvarint(struct reader *r)
{
    return (uint32_t)read_varint(r, 32);
}

uint64_t reader_uvarlong(struct reader *r)
{
    return read_varint(r, 64);
}

int32_t reader_varint(struct reader *r)
{
    uint32_t v = (uint32_t)read_varint(r, 32);

    return (int32_t)(v >> 1 ^ (~(v & 1) + 1));
}

int64_t reader_varlong(struct reader *r)
{
    uint64_t v = read_varint(r, 64);

    return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

enum err reader_done(const struct reader *r)
{
    if (r->err != E_OK)
        return r->err;
    return r->at == r->end ? E_OK : E_INVAL;
}
