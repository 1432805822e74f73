#include "record/batch.h"

#include <assert.h>

#include "base/bytes.h"
#include "base/crc32c.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "base/bytes.h swaps always");

/* The smallest message of magic 0: CRC, magic, attributes, two null lengths. */
enum { LEGACY_LENGTH_MIN = 14, BATCH_MAGIC_END = BATCH_POS_MAGIC + 1 };

static void read_fields(const uint8_t *at, struct batch_header *h)
{
    h->base_offset = (int64_t)bytes_u64(at + BATCH_POS_BASE_OFFSET);
    h->size = (int32_t)bytes_u32(at + BATCH_POS_SIZE);
    h->leader_epoch = (int32_t)bytes_u32(at + BATCH_POS_LEADER_EPOCH);
    h->magic = (int8_t)at[BATCH_POS_MAGIC];
    h->crc = bytes_u32(at + BATCH_POS_CRC);
    h->attributes = (int16_t)bytes_u16(at + BATCH_POS_ATTRIBUTES);
    h->last_offset_delta = (int32_t)bytes_u32(at + BATCH_POS_LAST_OFFSET_DELTA);
    h->base_timestamp = (int64_t)bytes_u64(at + BATCH_POS_BASE_TIMESTAMP);
    h->max_timestamp = (int64_t)bytes_u64(at + BATCH_POS_MAX_TIMESTAMP);
    h->producer_id = (int64_t)bytes_u64(at + BATCH_POS_PRODUCER_ID);
    h->producer_epoch = (int16_t)bytes_u16(at + BATCH_POS_PRODUCER_EPOCH);
    h->base_sequence = (int32_t)bytes_u32(at + BATCH_POS_BASE_SEQUENCE);
    h->record_count = (int32_t)bytes_u32(at + BATCH_POS_RECORD_COUNT);
}

/* The length and the magic, as soon as enough bytes are there to see them. */
static enum err check_length_magic(struct slice bytes)
{
    int32_t size;
    int8_t magic;

    if (bytes.size < BATCH_PREFIX_SIZE)
        return E_TRUNCATED;
    size = (int32_t)bytes_u32(bytes.at + BATCH_POS_SIZE);
    if (size < LEGACY_LENGTH_MIN)
        return E_CORRUPT;
    if (bytes.size < BATCH_MAGIC_END)
        return E_TRUNCATED;
    magic = (int8_t)bytes.at[BATCH_POS_MAGIC];
    if (magic == 0 || magic == 1)
        return E_UNSUPPORTED;
    return magic != BATCH_MAGIC || size < BATCH_LENGTH_MIN ? E_CORRUPT : E_OK;
}

enum err batch_decode_header(struct slice bytes, struct batch_header *header_out)
{
    int64_t base_offset;
    int32_t last_offset_delta;
    enum err e = check_length_magic(bytes);

    if (e != E_OK)
        return e;
    if (bytes.size < BATCH_HEADER_SIZE)
        return E_TRUNCATED;
    base_offset = (int64_t)bytes_u64(bytes.at + BATCH_POS_BASE_OFFSET);
    last_offset_delta = (int32_t)bytes_u32(bytes.at + BATCH_POS_LAST_OFFSET_DELTA);
    if (last_offset_delta < 0 || (int32_t)bytes_u32(bytes.at + BATCH_POS_RECORD_COUNT) < 0)
        return E_CORRUPT;
    if (base_offset < 0 || base_offset > INT64_MAX - 1 - last_offset_delta)
        return E_CORRUPT;
    read_fields(bytes.at, header_out);
    return E_OK;
}

enum err batch_peek(struct slice bytes, struct batch_header *header_out)
{
    struct batch_header h;
    enum err e = batch_decode_header(bytes, &h);

    if (e != E_OK)
        return e;
    if (bytes.size < batch_total_size(&h))
        return E_TRUNCATED;
    *header_out = h;
    return E_OK;
}

void batch_encode_header(const struct batch_header *h, uint8_t *out)
{
    bytes_put_u64(out + BATCH_POS_BASE_OFFSET, (uint64_t)h->base_offset);
    bytes_put_u32(out + BATCH_POS_SIZE, (uint32_t)h->size);
    bytes_put_u32(out + BATCH_POS_LEADER_EPOCH, (uint32_t)h->leader_epoch);
    out[BATCH_POS_MAGIC] = (uint8_t)h->magic;
    bytes_put_u32(out + BATCH_POS_CRC, h->crc);
    bytes_put_u16(out + BATCH_POS_ATTRIBUTES, (uint16_t)h->attributes);
    bytes_put_u32(out + BATCH_POS_LAST_OFFSET_DELTA, (uint32_t)h->last_offset_delta);
    bytes_put_u64(out + BATCH_POS_BASE_TIMESTAMP, (uint64_t)h->base_timestamp);
    bytes_put_u64(out + BATCH_POS_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
    bytes_put_u64(out + BATCH_POS_PRODUCER_ID, (uint64_t)h->producer_id);
    bytes_put_u16(out + BATCH_POS_PRODUCER_EPOCH, (uint16_t)h->producer_epoch);
    bytes_put_u32(out + BATCH_POS_BASE_SEQUENCE, (uint32_t)h->base_sequence);
    bytes_put_u32(out + BATCH_POS_RECORD_COUNT, (uint32_t)h->record_count);
}

uint32_t batch_compute_crc(struct slice batch)
{
    assert(batch.size >= BATCH_HEADER_SIZE);
    return crc32c_of(batch.at + BATCH_POS_ATTRIBUTES, batch.size - BATCH_POS_ATTRIBUTES);
}

enum err batch_check_crc(struct slice batch)
{
    if (batch.size < BATCH_HEADER_SIZE)
        return E_TRUNCATED;
    if ((uint64_t)bytes_u32(batch.at + BATCH_POS_SIZE) + BATCH_PREFIX_SIZE != batch.size)
        return E_CORRUPT;
    return batch_compute_crc(batch) == bytes_u32(batch.at + BATCH_POS_CRC) ? E_OK : E_CORRUPT;
}

void batch_patch_offset_epoch(uint8_t *at, int64_t base_offset, int32_t leader_epoch)
{
    bytes_put_u64(at + BATCH_POS_BASE_OFFSET, (uint64_t)base_offset);
    bytes_put_u32(at + BATCH_POS_LEADER_EPOCH, (uint32_t)leader_epoch);
}

static void patch_crc(uint8_t *batch)
{
    size_t size = BATCH_PREFIX_SIZE + (size_t)bytes_u32(batch + BATCH_POS_SIZE);

    bytes_put_u32(batch + BATCH_POS_CRC, batch_compute_crc(slice_of(batch, size)));
}

void batch_patch_log_append_time(uint8_t *batch, int64_t now_ms)
{
    uint16_t attributes = bytes_u16(batch + BATCH_POS_ATTRIBUTES);

    bytes_put_u16(batch + BATCH_POS_ATTRIBUTES, attributes | BATCH_LOG_APPEND_TIME);
    bytes_put_u64(batch + BATCH_POS_MAX_TIMESTAMP, (uint64_t)now_ms);
    patch_crc(batch);
}

void batch_patch_max_timestamp(uint8_t *batch, int64_t max_timestamp_ms)
{
    if ((int64_t)bytes_u64(batch + BATCH_POS_MAX_TIMESTAMP) == max_timestamp_ms)
        return;
    bytes_put_u64(batch + BATCH_POS_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
    patch_crc(batch);
}

struct batch_iter batch_iter_init(struct slice bytes)
{
    return (struct batch_iter){.bytes = bytes};
}

bool batch_iter_next(struct batch_iter *it, struct batch_view *view_out)
{
    struct batch_view view = {.pos = it->pos};

    if (it->err != E_OK || it->pos == it->bytes.size)
        return false;
    view.bytes = slice_of(it->bytes.at + it->pos, it->bytes.size - it->pos);
    it->err = batch_peek(view.bytes, &view.header);
    if (it->err != E_OK)
        return false;
    view.bytes.size = batch_total_size(&view.header);
    it->pos += view.bytes.size;
    *view_out = view;
    return true;
}

enum err batch_iter_done(const struct batch_iter *it)
{
    return it->err;
}
