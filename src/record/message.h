#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/codec.h"

/*
 * Message: our own format with one frame per message (format magic 1), for
 * embedded logs. Big-endian:
 *
 *     length: u32 | crc32c: u32 | magic: u8 = 1 | attributes: u8 | timestamp_ms: i64 |
 *     key_length: i32 (-1: null) | key | value_length: i32 (never negative) | value
 *
 * The length counts the bytes after itself, at least 22. The CRC covers the
 * bytes after itself. Attribute bits 0 to 2 are the codec of the value, the
 * rest is 0. A frame holds no offset: its place in the log says that.
 *
 * Pure; any thread. Example: key "user-123", value "event" at 1767225600000:
 *
 *     00000023 5e435623 01 00 0000019b76daa800 00000008 757365722d313233 00000005 6576656e74
 */
enum {
    MESSAGE_MAGIC = 1,
    MESSAGE_POS_CRC = 4,
    MESSAGE_POS_MAGIC = 8,
    MESSAGE_POS_ATTRIBUTES = 9,
    MESSAGE_POS_TIMESTAMP = 10,
    MESSAGE_POS_KEY_LENGTH = 18,
    MESSAGE_POS_KEY = 22,
    MESSAGE_SIZE_MIN = 26, /* null key, empty value */
    MESSAGE_LENGTH_MIN = 22,
    MESSAGE_CODEC_MASK = 0x07,
};

struct message {
    int64_t timestamp_ms;
    struct slice key;    /* at NULL: null */
    struct slice value;  /* at never NULL in a decoded message */
    enum codec_id codec; /* of the value as it is in the frame */
    int level;           /* to encode with (codec_is_level); not in the frame: decoded, 0 */
};

/*
 * Bytes of the whole frame that starts here; four bytes suffice.
 *
 *   E_TRUNCATED  fewer than four bytes
 *   E_CORRUPT    length below 22
 */
NODISCARD enum err message_peek_size(struct slice bytes, size_t *size_out);

/*
 * Read the frame at the start of `bytes`; more may follow it. Key and value
 * borrow from `bytes`; the value is as stored: see message_unpack.
 *
 *   E_TRUNCATED    fewer bytes than the frame claims
 *   E_CORRUPT      length below 22, wrong CRC, or lengths that do not add up
 *   E_UNSUPPORTED  the CRC is right, but magic, an attribute bit or the codec is of a later format
 */
NODISCARD enum err message_decode(struct slice bytes, struct message *message_out,
                                  size_t *size_out);

/*
 * The value without its compression: borrowed from the frame, or from `unpack`
 * (cleared first; its maximum is the limit).
 *
 *   E_TOO_BIG  the value would pass unpack->max
 *   E_CORRUPT  it does not decompress
 *   E_NOMEM
 */
NODISCARD enum err message_unpack(const struct message *message, struct buf *unpack,
                                  struct slice *value_out);

/*
 * Append a frame to `out`, its value compressed with message->codec.
 * On an error out->size is what it was.
 *
 *   E_INVAL        the value is null: this format has no tombstones; or no such level
 *   E_TOO_BIG      key or value above 2^31-1 bytes, both together above a u32,
 *                  or out would pass its maximum
 *   E_UNSUPPORTED  unknown codec
 *   E_NOMEM
 */
NODISCARD enum err message_encode(const struct message *message, struct buf *out);
