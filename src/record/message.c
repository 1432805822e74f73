#include "record/message.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/reader.h"

enum { LENGTH_SIZE = 4 };

enum err message_peek_size(struct slice bytes, size_t *size_out)
{
    uint32_t length;

    if (bytes.size < LENGTH_SIZE)
        return E_TRUNCATED;
    length = bytes_u32(bytes.at);
    if (length < MESSAGE_LENGTH_MIN)
        return E_CORRUPT;
    *size_out = LENGTH_SIZE + (size_t)length;
    return E_OK;
}

/* The part of a frame from its key length on. */
static enum err read_key_value(struct slice bytes, struct message *m)
{
    struct reader r = reader_init(bytes.at, bytes.size);
    int32_t size = reader_i32(&r);

    if (size < -1)
        return E_CORRUPT;
    m->key = size == -1 ? slice_of(NULL, 0) : reader_slice(&r, (size_t)size);
    size = reader_i32(&r);
    if (size < 0)
        return E_CORRUPT;
    m->value = reader_slice(&r, (size_t)size);
    return reader_done(&r) == E_OK ? E_OK : E_CORRUPT;
}

enum err message_decode(struct slice bytes, struct message *message_out, size_t *size_out)
{
    const uint8_t *at = bytes.at;
    struct message m = {.level = CODEC_LEVEL_DEFAULT};
    size_t size;
    enum err e = message_peek_size(bytes, &size);

    if (e != E_OK)
        return e;
    if (bytes.size < size)
        return E_TRUNCATED;
    if (crc32c_of(at + MESSAGE_POS_MAGIC, size - MESSAGE_POS_MAGIC) !=
        bytes_u32(at + MESSAGE_POS_CRC))
        return E_CORRUPT;
    if (at[MESSAGE_POS_MAGIC] != MESSAGE_MAGIC || at[MESSAGE_POS_ATTRIBUTES] >= CODEC_COUNT)
        return E_UNSUPPORTED;
    m.codec = (enum codec_id)at[MESSAGE_POS_ATTRIBUTES];
    m.timestamp_ms = (int64_t)bytes_u64(at + MESSAGE_POS_TIMESTAMP);
    e = read_key_value(slice_of(at + MESSAGE_POS_KEY_LENGTH, size - MESSAGE_POS_KEY_LENGTH), &m);
    if (e != E_OK)
        return e;
    *message_out = m;
    *size_out = size;
    return E_OK;
}

enum err message_unpack(const struct message *message, struct buf *unpack, struct slice *value_out)
{
    enum err e;

    if (message->codec == CODEC_NONE) {
        *value_out = message->value;
        return E_OK;
    }
    buf_clear(unpack);
    e = codec_decompress(message->codec, message->value, unpack);
    if (e != E_OK)
        return e;
    /* An empty value is not a null one, also when nothing was allocated for it. */
    *value_out = unpack->at == NULL ? slice_of(message->value.at, 0) : buf_slice(unpack);
    return E_OK;
}

/* The frame's bytes up to the value's length, which is filled in later. */
static enum err put_head(const struct message *m, struct buf *out)
{
    uint8_t *at;
    enum err e = buf_reserve(out, MESSAGE_SIZE_MIN + m->key.size);

    if (e != E_OK)
        return e;
    at = out->at + out->size;
    at[MESSAGE_POS_MAGIC] = MESSAGE_MAGIC;
    at[MESSAGE_POS_ATTRIBUTES] = (uint8_t)m->codec;
    bytes_put_u64(at + MESSAGE_POS_TIMESTAMP, (uint64_t)m->timestamp_ms);
    bytes_put_u32(at + MESSAGE_POS_KEY_LENGTH,
                  m->key.at == NULL ? UINT32_MAX : (uint32_t)m->key.size);
    if (m->key.at != NULL && m->key.size > 0)
        memcpy(at + MESSAGE_POS_KEY, m->key.at, m->key.size);
    out->size += MESSAGE_SIZE_MIN + m->key.size;
    return E_OK;
}

enum err message_encode(const struct message *message, struct buf *out)
{
    size_t start = out->size;
    size_t value_start = start + MESSAGE_SIZE_MIN + message->key.size;
    size_t value_size;
    uint8_t *at;
    enum err e;

    if (message->value.at == NULL)
        return E_INVAL;
    if (codec_name((int)message->codec) == NULL)
        return E_UNSUPPORTED;
    if (message->key.size > INT32_MAX || message->value.size > INT32_MAX)
        return E_TOO_BIG;
    e = put_head(message, out);
    if (e == E_OK)
        e = codec_compress(message->codec, message->level, message->value, out);
    value_size = out->size - value_start;
    if (e == E_OK && (value_size > INT32_MAX || out->size - start - LENGTH_SIZE > UINT32_MAX))
        e = E_TOO_BIG;
    if (e != E_OK) {
        out->size = start;
        return e;
    }
    at = out->at + start;
    bytes_put_u32(out->at + value_start - LENGTH_SIZE, (uint32_t)value_size);
    bytes_put_u32(at, (uint32_t)(out->size - start - LENGTH_SIZE));
    bytes_put_u32(at + MESSAGE_POS_CRC,
                  crc32c_of(at + MESSAGE_POS_MAGIC, out->size - start - MESSAGE_POS_MAGIC));
    return E_OK;
}
