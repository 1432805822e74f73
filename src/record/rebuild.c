#include "record/rebuild.h"

#include <string.h>

#include "base/varint.h"
#include "record/parse_priv.h"

/*
 * A record's offset is relative to the batch's base offset, which stays, so its bytes
 * can be copied. Its timestamp is relative to the base timestamp, in whose place the
 * delete horizon goes: then it is the one field that changes, and the length with it.
 */
static enum err copy_moved(const struct batch_kept *record, int64_t base_timestamp, struct buf *out)
{
    const uint8_t *end = record->bytes.at + record->bytes.size;
    int32_t size;
    const uint8_t *at = parse_varint(record->bytes.at, end, &size);
    int64_t delta, old_delta;
    uint8_t attributes;
    size_t rest, body;
    enum err e;

    if (at == NULL || size < 1 || size != end - at)
        return E_CORRUPT;
    attributes = *at++;
    at = parse_varlong(at, end, &old_delta);
    if (at == NULL)
        return E_CORRUPT;
    if (__builtin_sub_overflow(record->timestamp_ms, base_timestamp, &delta))
        return E_INVAL;
    rest = (size_t)(end - at);
    body = 1 + varint_size(varint_zigzag64(delta)) + rest;
    e = buf_reserve(out, VARINT_SIZE_MAX + body);
    if (e != E_OK)
        return e;
    out->size += varint_put(out->at + out->size, varint_zigzag64((int64_t)body));
    out->at[out->size++] = attributes;
    out->size += varint_put(out->at + out->size, varint_zigzag64(delta));
    memcpy(out->at + out->size, at, rest);
    out->size += rest;
    return E_OK;
}

static const struct batch_kept *kept_at(const struct batch_rebuild *rebuild, size_t i)
{
    return vec_at(rebuild->kept, i);
}

/* The records end to end, not compressed yet. */
static enum err put_records(const struct batch_header *h, const struct batch_rebuild *rebuild,
                            struct buf *out)
{
    bool is_moved = rebuild->horizon_ms >= 0 && !batch_is_log_append_time(h);
    enum err e = E_OK;

    for (size_t i = 0; i < rebuild->kept->count && e == E_OK; i++) {
        const struct batch_kept *record = kept_at(rebuild, i);

        if (is_moved)
            e = copy_moved(record, rebuild->horizon_ms, out);
        else
            e = buf_append(out, record->bytes.at, record->bytes.size);
    }
    return e;
}

static struct batch_header header_of(const struct batch_header *h,
                                     const struct batch_rebuild *rebuild)
{
    struct batch_header to = *h;
    size_t count = rebuild->kept->count;

    to.record_count = (int32_t)count;
    to.attributes = (int16_t)(h->attributes & ~BATCH_CODEC_MASK);
    if (count == 0) {
        to.attributes = (int16_t)(to.attributes & ~BATCH_DELETE_HORIZON);
        to.base_timestamp = BATCH_NO_TIMESTAMP;
        return to;
    }
    to.attributes = (int16_t)(to.attributes | (int)rebuild->codec);
    if (rebuild->horizon_ms >= 0) {
        to.attributes = (int16_t)(to.attributes | BATCH_DELETE_HORIZON);
        to.base_timestamp = rebuild->horizon_ms;
    }
    if (!batch_is_log_append_time(h)) {
        to.max_timestamp = kept_at(rebuild, 0)->timestamp_ms;
        for (size_t i = 1; i < count; i++) {
            if (kept_at(rebuild, i)->timestamp_ms > to.max_timestamp)
                to.max_timestamp = kept_at(rebuild, i)->timestamp_ms;
        }
    }
    return to;
}

enum err batch_rebuild(const struct batch_header *h, const struct batch_rebuild *rebuild,
                       struct buf *scratch, struct buf *out)
{
    static const uint8_t room[BATCH_HEADER_SIZE];
    struct batch_header to = header_of(h, rebuild);
    size_t start = out->size;
    struct slice batch;
    enum err e = buf_append(out, room, sizeof(room));

    if (e != E_OK)
        return e;
    buf_clear(scratch);
    if (rebuild->kept->count > 0)
        e = put_records(h, rebuild, scratch);
    if (e == E_OK && rebuild->kept->count > 0)
        e = codec_compress(rebuild->codec, rebuild->level, buf_slice(scratch), out);
    if (e == E_OK && out->size - start > INT32_MAX)
        e = E_TOO_BIG;
    if (e != E_OK) {
        out->size = start;
        return e;
    }
    batch = slice_of(out->at + start, out->size - start);
    to.size = (int32_t)(batch.size - BATCH_PREFIX_SIZE);
    batch_encode_header(&to, out->at + start);
    to.crc = batch_compute_crc(batch);
    batch_encode_header(&to, out->at + start);
    return E_OK;
}
