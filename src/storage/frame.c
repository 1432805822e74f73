#include "storage/frame.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "record/record.h"

enum { MESSAGE_PREFIX_SIZE = MESSAGE_SIZE_MIN - MESSAGE_LENGTH_MIN };
enum { UNPACK_BYTES_MAX = 256 * 1024 * 1024 };

enum err frame_decode_message(struct slice bytes, int64_t offset, struct batch_header *header_out)
{
    const uint8_t *at = bytes.at;
    uint32_t length;
    int32_t key_size;

    if (bytes.size < MESSAGE_SIZE_MIN)
        return E_TRUNCATED;
    length = bytes_u32(at);
    if (length < MESSAGE_LENGTH_MIN || length > INT32_MAX - MESSAGE_PREFIX_SIZE)
        return E_CORRUPT; /* a segment has no room for more */
    key_size = (int32_t)bytes_u32(at + MESSAGE_POS_KEY_LENGTH);
    if (at[MESSAGE_POS_MAGIC] != MESSAGE_MAGIC || at[MESSAGE_POS_ATTRIBUTES] >= CODEC_COUNT ||
        key_size < -1 || (key_size > 0 && (uint32_t)key_size > length - MESSAGE_LENGTH_MIN))
        return E_CORRUPT;
    if (offset < 0 || offset == INT64_MAX)
        return E_CORRUPT; /* what no walk over a sound log expects */
    *header_out = (struct batch_header){
        .base_offset = offset,
        .size = (int32_t)(length + MESSAGE_PREFIX_SIZE) - BATCH_PREFIX_SIZE,
        .leader_epoch = BATCH_NO_LEADER_EPOCH,
        .magic = MESSAGE_MAGIC,
        .crc = bytes_u32(at + MESSAGE_POS_CRC),
        .attributes = at[MESSAGE_POS_ATTRIBUTES],
        .base_timestamp = (int64_t)bytes_u64(at + MESSAGE_POS_TIMESTAMP),
        .max_timestamp = (int64_t)bytes_u64(at + MESSAGE_POS_TIMESTAMP),
        .producer_id = BATCH_NO_PRODUCER_ID,
        .producer_epoch = BATCH_NO_PRODUCER_EPOCH,
        .base_sequence = BATCH_NO_SEQUENCE,
        .record_count = 1,
    };
    return E_OK;
}

struct frame_iter frame_iter_init(enum log_format format, struct slice bytes, int64_t offset)
{
    return (struct frame_iter){.it = batch_iter_init(bytes), .offset = offset, .format = format};
}

/* The whole message at the start of `bytes`. */
static enum err peek_message(struct slice bytes, int64_t offset, struct batch_header *header_out)
{
    enum err e = frame_decode_message(bytes, offset, header_out);
    size_t size, key_size, value_size;

    if (e != E_OK)
        return e;
    size = batch_total_size(header_out);
    if (bytes.size < size)
        return E_TRUNCATED;
    key_size = bytes_u32(bytes.at + MESSAGE_POS_KEY_LENGTH);
    if (key_size == UINT32_MAX)
        key_size = 0; /* null */
    value_size = bytes_u32(bytes.at + MESSAGE_POS_KEY + key_size);
    return MESSAGE_SIZE_MIN + key_size + value_size == size ? E_OK : E_CORRUPT;
}

bool frame_iter_next(struct frame_iter *f, struct batch_view *view_out)
{
    struct batch_view view = {.pos = f->it.pos};
    struct batch_iter *it = &f->it;

    if (f->format == LOG_FORMAT_BATCH)
        return batch_iter_next(it, view_out);
    if (it->err != E_OK || it->pos == it->bytes.size)
        return false;
    view.bytes = slice_of(it->bytes.at + it->pos, it->bytes.size - it->pos);
    it->err = peek_message(view.bytes, f->offset, &view.header);
    if (it->err != E_OK)
        return false;
    view.bytes.size = batch_total_size(&view.header);
    it->pos += view.bytes.size;
    f->offset++;
    *view_out = view;
    return true;
}

void frame_place(enum log_format format, uint8_t *bytes, size_t size, int64_t offset,
                 int32_t leader_epoch)
{
    struct batch_iter it = batch_iter_init(slice_of(bytes, size));
    struct batch_view view;

    if (!frame_has_offset(format))
        return;
    while (batch_iter_next(&it, &view)) {
        batch_patch_offset_epoch(bytes + view.pos, offset, leader_epoch);
        offset += view.header.last_offset_delta + 1;
    }
}

static bool is_wanted(const struct frame_query *q, int64_t timestamp, int64_t offset)
{
    return timestamp >= q->timestamp && offset >= q->from_offset && offset < q->limit_offset;
}

static enum err find_in_batch(struct slice batch, struct frame_query *q)
{
    struct record_view view;
    struct record_iter it;
    struct buf unpack;
    enum err e = batch_check_crc(batch);

    if (e != E_OK)
        return e;
    buf_init(&unpack, UNPACK_BYTES_MAX);
    e = record_iter_init(&it, batch, &unpack);
    while (e == E_OK && q->found_offset < 0 && record_iter_next(&it, &view)) {
        if (is_wanted(q, view.timestamp_ms, view.offset)) {
            q->found_offset = view.offset;
            q->found_timestamp = view.timestamp_ms;
        }
    }
    if (e == E_OK && q->found_offset < 0)
        e = record_iter_done(&it);
    buf_release(&unpack);
    return e;
}

enum err frame_find_timestamp(enum log_format format, struct slice frame,
                              const struct batch_header *header, struct frame_query *q)
{
    struct message message;
    size_t size;
    enum err e;

    if (format == LOG_FORMAT_BATCH)
        return find_in_batch(frame, q);
    e = message_decode(frame, &message, &size);
    if (e == E_OK && is_wanted(q, message.timestamp_ms, header->base_offset)) {
        q->found_offset = header->base_offset;
        q->found_timestamp = message.timestamp_ms;
    }
    return e;
}
