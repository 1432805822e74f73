/* Decode a frame, also with its CRC made right; what decodes encodes to the same bytes. */
#include "record/message.h"

#include <string.h>

#include "base/crc32c.h"

#include "fuzz.h"

enum { LIMIT = 1 << 16 };

static void decode(struct slice bytes)
{
    struct message m;
    struct slice value;
    struct buf again, unpack;
    size_t size;

    if (message_decode(bytes, &m, &size) != E_OK)
        return;
    FUZZ_CHECK(size <= bytes.size);
    buf_init(&again, size);
    buf_init(&unpack, LIMIT);
    if (message_unpack(&m, &unpack, &value) == E_OK && m.codec == CODEC_NONE) {
        FUZZ_CHECK(message_encode(&m, &again) == E_OK);
        FUZZ_CHECK(slice_equal(buf_slice(&again), slice_of(bytes.at, size)));
    }
    buf_release(&again);
    buf_release(&unpack);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf b;
    uint32_t word;

    decode(slice_of(bytes, size));
    if (size < MESSAGE_SIZE_MIN)
        return 0;
    buf_init(&b, size);
    FUZZ_CHECK(buf_append(&b, bytes, size) == E_OK);
    word = __builtin_bswap32((uint32_t)size - 4);
    memcpy(b.at, &word, sizeof(word));
    b.at[MESSAGE_POS_MAGIC] = MESSAGE_MAGIC;
    b.at[MESSAGE_POS_ATTRIBUTES] &= MESSAGE_CODEC_MASK;
    word = __builtin_bswap32(crc32c_of(b.at + MESSAGE_POS_MAGIC, size - MESSAGE_POS_MAGIC));
    memcpy(b.at + MESSAGE_POS_CRC, &word, sizeof(word));
    decode(buf_slice(&b));
    buf_release(&b);
    return 0;
}
