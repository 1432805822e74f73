#include "base/writer.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/varint.h"

struct writer writer_init(struct buf *buf)
{
    return (struct writer){.buf = buf};
}

void writer_accept_cuts(struct writer *w, struct writer_cut *cuts, size_t max)
{
    w->cuts = cuts;
    w->cut_count = 0;
    w->cut_max = max;
}

void writer_fail(struct writer *w, enum err e)
{
    if (w->err == E_OK)
        w->err = e;
}

void writer_bytes(struct writer *w, const void *bytes, size_t size)
{
    if (w->err == E_OK)
        w->err = buf_append(w->buf, bytes, size);
}

/* Inline, so that each width becomes one store when there is room. */
static inline __attribute__((always_inline)) void write_be(struct writer *w, uint64_t v,
                                                           size_t width)
{
    uint64_t be = htobe64(v << 8 * (8 - width));

    if (w->err != E_OK)
        return;
    if (w->buf->capacity - w->buf->size < width) {
        w->err = buf_append(w->buf, &be, width);
        return;
    }
    memcpy(w->buf->at + w->buf->size, &be, width);
    w->buf->size += width;
}

void writer_i8(struct writer *w, int8_t v)
{
    write_be(w, (uint8_t)v, 1);
}

void writer_i16(struct writer *w, int16_t v)
{
    write_be(w, (uint16_t)v, 2);
}

void writer_u16(struct writer *w, uint16_t v)
{
    write_be(w, v, 2);
}

void writer_i32(struct writer *w, int32_t v)
{
    write_be(w, (uint32_t)v, 4);
}

void writer_u32(struct writer *w, uint32_t v)
{
    write_be(w, v, 4);
}

void writer_i64(struct writer *w, int64_t v)
{
    write_be(w, (uint64_t)v, 8);
}

void writer_f64(struct writer *w, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    write_be(w, bits, 8);
}

void writer_uuid(struct writer *w, struct uuid v)
{
    writer_bytes(w, v.bytes, sizeof(v.bytes));
}

void writer_uvarlong(struct writer *w, uint64_t v)
{
    uint8_t bytes[VARINT_SIZE_MAX];

    if (v < 0x80) {
        write_be(w, v, 1);
        return;
    }
    writer_bytes(w, bytes, varint_put(bytes, v));
}

void writer_uvarint(struct writer *w, uint32_t v)
{
    writer_uvarlong(w, v);
}

void writer_varint(struct writer *w, int32_t v)
{
    writer_uvarlong(w, varint_zigzag32(v));
}

void writer_varlong(struct writer *w, int64_t v)
{
    writer_uvarlong(w, varint_zigzag64(v));
}

void writer_cut(struct writer *w, size_t size, uint32_t ref)
{
    if (w->err != E_OK)
        return;
    if (w->cut_count == w->cut_max) {
        w->err = E_TOO_BIG;
        return;
    }
    w->cuts[w->cut_count++] = (struct writer_cut){.pos = w->buf->size, .size = size, .ref = ref};
}

void writer_i32_at(struct writer *w, size_t pos, int32_t v)
{
    uint32_t u = (uint32_t)v;

    if (w->err != E_OK)
        return;
    assert(w->buf->size >= 4 && pos <= w->buf->size - 4);
    for (size_t i = 0; i < 4; i++)
        w->buf->at[pos + i] = (uint8_t)(u >> (24 - 8 * i));
}

void writer_insert(struct writer *w, size_t pos, const void *bytes, size_t size)
{
    if (w->err != E_OK)
        return;
    assert(pos <= w->buf->size);
    w->err = buf_reserve(w->buf, size);
    if (w->err != E_OK || size == 0)
        return;
    memmove(w->buf->at + pos + size, w->buf->at + pos, w->buf->size - pos);
    memcpy(w->buf->at + pos, bytes, size);
    w->buf->size += size;
    for (size_t i = 0; i < w->cut_count; i++) {
        if (w->cuts[i].pos >= pos)
            w->cuts[i].pos += size;
    }
}

enum err writer_done(const struct writer *w)
{
    return w->err;
}
