#include "record/builder.h"

#include <assert.h>
#include <string.h>

#include "base/varint.h"

struct batch_options batch_options_init(int64_t base_offset)
{
    return (struct batch_options){
        .base_offset = base_offset,
        .leader_epoch = BATCH_NO_LEADER_EPOCH,
        .codec = CODEC_NONE,
        .level = CODEC_LEVEL_DEFAULT,
        .producer_id = BATCH_NO_PRODUCER_ID,
        .producer_epoch = BATCH_NO_PRODUCER_EPOCH,
        .base_sequence = BATCH_NO_SEQUENCE,
        .size_max = BATCH_BUILDER_SIZE_MAX,
    };
}

void batch_builder_init(struct batch_builder *b, const struct batch_options *options)
{
    assert(options->base_offset >= 0);
    *b = (struct batch_builder){.options = *options};
    if (b->options.size_max > BATCH_BUILDER_SIZE_MAX)
        b->options.size_max = BATCH_BUILDER_SIZE_MAX;
    buf_init(&b->bytes, b->options.size_max);
}

void batch_builder_release(struct batch_builder *b)
{
    if (b != NULL)
        buf_release(&b->bytes);
}

void batch_builder_clear(struct batch_builder *b)
{
    buf_clear(&b->bytes);
    b->record_count = 0;
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return b->bytes.size;
}

enum { VARINT_ONE_BYTE = 0x80 }; /* numbers below take one: nearly all of them */

static size_t number_size(int64_t v)
{
    uint64_t u = varint_zigzag64(v);

    return u < VARINT_ONE_BYTE ? 1 : varint_size(u);
}

static size_t bytes_size(struct slice s)
{
    return s.at == NULL ? 1 : number_size((int64_t)s.size) + s.size;
}

/* Where a record's numbers go before they are bytes. */
struct plan {
    int64_t timestamp_delta;
    size_t body_size; /* after the length */
    size_t size;
};

static enum err plan_record(const struct batch_builder *b, const struct record_draft *draft,
                            struct plan *plan_out)
{
    int64_t delta = 0;
    size_t size = 1; /* attributes */

    if (b->record_count > 0 &&
        __builtin_sub_overflow(draft->timestamp_ms, b->base_timestamp, &delta))
        return E_INVAL;
    if (draft->key.size > b->options.size_max || draft->value.size > b->options.size_max)
        return E_TOO_BIG;
    size += number_size(delta) + number_size(b->record_count);
    size += bytes_size(draft->key) + bytes_size(draft->value);
    size += number_size(draft->header_count);
    for (int32_t i = 0; i < draft->header_count; i++) {
        const struct record_header *header = &draft->headers[i];

        if (header->key.at == NULL)
            return E_INVAL;
        if (header->key.size > b->options.size_max || header->value.size > b->options.size_max)
            return E_TOO_BIG;
        size += bytes_size(header->key) + bytes_size(header->value);
        if (size > b->options.size_max)
            return E_TOO_BIG;
    }
    plan_out->timestamp_delta = delta;
    plan_out->body_size = size;
    plan_out->size = size + number_size((int64_t)size);
    return E_OK;
}

static uint8_t *put_number(uint8_t *at, int64_t v)
{
    uint64_t u = varint_zigzag64(v);

    if (u >= VARINT_ONE_BYTE)
        return at + varint_put(at, u);
    *at = (uint8_t)u;
    return at + 1;
}

static uint8_t *put_bytes(uint8_t *at, struct slice s)
{
    if (s.at == NULL)
        return put_number(at, -1);
    at = put_number(at, (int64_t)s.size);
    memcpy(at, s.at, s.size);
    return at + s.size;
}

static void put_record(uint8_t *at, int32_t delta, const struct record_draft *draft,
                       const struct plan *plan)
{
    const uint8_t *start = at;

    at = put_number(at, (int64_t)plan->body_size);
    *at++ = 0; /* attributes */
    at = put_number(at, plan->timestamp_delta);
    at = put_number(at, delta);
    at = put_bytes(at, draft->key);
    at = put_bytes(at, draft->value);
    at = put_number(at, draft->header_count);
    for (int32_t i = 0; i < draft->header_count; i++) {
        at = put_bytes(at, draft->headers[i].key);
        at = put_bytes(at, draft->headers[i].value);
    }
    assert((size_t)(at - start) == plan->size);
}

enum err batch_builder_add(struct batch_builder *b, const struct record_draft *draft)
{
    size_t header = b->record_count == 0 ? BATCH_HEADER_SIZE : 0;
    struct plan plan;
    enum err e = plan_record(b, draft, &plan);

    assert(draft->header_count >= 0);
    if (e != E_OK)
        return e;
    e = buf_reserve(&b->bytes, header + plan.size);
    if (e != E_OK)
        return e;
    b->bytes.size += header;
    put_record(b->bytes.at + b->bytes.size, b->record_count, draft, &plan);
    b->bytes.size += plan.size;
    if (b->record_count == 0) {
        b->base_timestamp = draft->timestamp_ms;
        b->max_timestamp = draft->timestamp_ms;
    }
    if (draft->timestamp_ms > b->max_timestamp)
        b->max_timestamp = draft->timestamp_ms;
    b->record_count++;
    return E_OK;
}

static struct batch_header header_of(const struct batch_builder *b, size_t size)
{
    const struct batch_options *o = &b->options;

    return (struct batch_header){
        .base_offset = o->base_offset,
        .size = (int32_t)(size - BATCH_PREFIX_SIZE),
        .leader_epoch = o->leader_epoch,
        .magic = BATCH_MAGIC,
        .attributes = (int16_t)((int)o->codec | (o->transactional ? BATCH_TRANSACTIONAL : 0) |
                                (o->control ? BATCH_CONTROL : 0)),
        .last_offset_delta = b->record_count - 1,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .producer_id = o->producer_id,
        .producer_epoch = o->producer_epoch,
        .base_sequence = o->base_sequence,
        .record_count = b->record_count,
    };
}

enum err batch_builder_finish(struct batch_builder *b, struct buf *out)
{
    size_t start = out->size;
    struct batch_header h;
    struct slice batch;
    enum err e;

    if (b->record_count == 0)
        return E_INVAL;
    memset(b->bytes.at, 0, BATCH_HEADER_SIZE);
    e = buf_append(out, b->bytes.at, BATCH_HEADER_SIZE);
    if (e != E_OK)
        return e;
    e = codec_compress(b->options.codec, b->options.level,
                       slice_of(b->bytes.at + BATCH_HEADER_SIZE, b->bytes.size - BATCH_HEADER_SIZE),
                       out);
    if (e == E_OK && out->size - start > INT32_MAX)
        e = E_TOO_BIG; /* bytes that compression made larger */
    if (e != E_OK) {
        out->size = start;
        return e;
    }
    batch = slice_of(out->at + start, out->size - start);
    h = header_of(b, batch.size);
    batch_encode_header(&h, out->at + start);
    h.crc = batch_compute_crc(batch);
    batch_encode_header(&h, out->at + start);

    b->options.base_offset += b->record_count;
    if (b->options.base_sequence >= 0)
        b->options.base_sequence = batch_sequence_add(b->options.base_sequence, b->record_count);
    batch_builder_clear(b);
    return E_OK;
}
