#include "record/record.h"

#include "codec/codec.h"
#include "record/batch.h"
#include "record/parse_priv.h"

struct record_number record_parse_long(const uint8_t *at, const uint8_t *end, unsigned bits)
{
    const struct record_number bad = {.at = NULL};
    uint64_t value = 0;

    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t group;

        if (at >= end)
            return bad;
        group = *at++;
        if (bits - shift < 7 && (group & 0x7f) >> (bits - shift) != 0)
            return bad;
        value |= (uint64_t)(group & 0x7f) << shift;
        if (group < 0x80)
            return (struct record_number){.at = at, .value = value};
    }
    return bad;
}

static const uint8_t *parse_header(const uint8_t *at, const uint8_t *end,
                                   struct record_header *header_out)
{
    at = parse_bytes(at, end, &header_out->key);
    if (at == NULL || header_out->key.at == NULL)
        return NULL;
    return parse_bytes(at, end, &header_out->value);
}

bool record_headers_valid(const uint8_t *at, const uint8_t *end, int32_t count)
{
    struct record_header header;

    if (count < 0)
        return false;
    for (; at != NULL && count > 0; count--)
        at = parse_header(at, end, &header);
    return at == end;
}

enum err record_iter_init(struct record_iter *it, struct slice bytes, struct buf *unpack)
{
    struct batch_header h;
    struct slice records;
    enum err e = batch_peek(bytes, &h);

    if (e != E_OK)
        return e;
    records = slice_of(bytes.at + BATCH_HEADER_SIZE, batch_total_size(&h) - BATCH_HEADER_SIZE);
    if (batch_codec(&h) != CODEC_NONE) {
        if (unpack == NULL)
            return E_UNSUPPORTED;
        buf_clear(unpack);
        e = codec_decompress(batch_codec(&h), records, unpack);
        if (e != E_OK)
            return e;
        records = buf_slice(unpack);
    }
    *it = (struct record_iter){
        .at = records.at,
        .end = records.size == 0 ? records.at : records.at + records.size,
        .base_offset = h.base_offset,
        .base_timestamp = h.base_timestamp,
        .append_time = h.max_timestamp,
        .last_offset_delta = h.last_offset_delta,
        .left = h.record_count,
        .log_append_time = batch_is_log_append_time(&h),
    };
    return E_OK;
}

/* The record is well-formed; does it fit its batch? */
static bool accept(struct record_iter *it, const struct record_fields *f, int64_t *timestamp_out)
{
    if (f->offset_delta < it->next_delta || f->offset_delta > it->last_offset_delta)
        return false;
    it->next_delta = f->offset_delta == INT32_MAX ? INT32_MAX : f->offset_delta + 1;
    if (__builtin_add_overflow(it->base_timestamp, f->timestamp_delta, timestamp_out))
        return false;
    if (it->log_append_time)
        *timestamp_out = it->append_time;
    return true;
}

bool record_iter_next(struct record_iter *it, struct record_view *view_out)
{
    struct record_fields f;
    int64_t timestamp;

    if (it->err != E_OK)
        return false;
    if (it->left == 0) {
        if (it->at != it->end)
            it->err = E_CORRUPT;
        return false;
    }
    it->at = parse_record(it->at, it->end, &f);
    if (it->at == NULL || !accept(it, &f, &timestamp)) {
        it->err = E_CORRUPT;
        return false;
    }
    it->left--;
    *view_out = (struct record_view){
        .offset = it->base_offset + f.offset_delta,
        .timestamp_ms = timestamp,
        .key = f.key,
        .value = f.value,
        .headers = f.headers,
        .header_count = f.header_count,
    };
    return true;
}

enum err record_iter_done(const struct record_iter *it)
{
    return it->err;
}

struct record_headers record_headers_init(const struct record_view *view)
{
    struct record_headers it = {.at = view->headers.at, .left = view->header_count};

    if (it.at != NULL) /* a view of a message has none */
        it.end = it.at + view->headers.size;
    return it;
}

bool record_headers_next(struct record_headers *it, struct record_header *header_out)
{
    if (it->left == 0)
        return false;
    it->at = parse_header(it->at, it->end, header_out);
    it->left--;
    return true;
}
