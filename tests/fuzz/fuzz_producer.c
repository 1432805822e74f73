/*
 * Producer snapshots: any bytes, and with version and CRC made right. What is accepted is written
 * again as a snapshot that is accepted and holds the same producers.
 */
#include "storage/producer.h"

#include <string.h>

#include "base/crc32c.h"

#include "fuzz.h"

enum { VERSION_POS = 0, CRC_POS = 2, BODY_POS = 6, LIMIT = 1 << 22 };

static void decode(struct slice bytes)
{
    struct producers ps, again;
    struct buf out, out_again;

    producer_init(&ps);
    producer_init(&again);
    buf_init(&out, LIMIT);
    buf_init(&out_again, LIMIT);
    if (producer_decode(&ps, bytes) == E_OK) {
        FUZZ_CHECK(producer_count(&ps) <= bytes.size);
        FUZZ_CHECK(producer_encode(&ps, &out) == E_OK);
        FUZZ_CHECK(producer_decode(&again, buf_slice(&out)) == E_OK);
        FUZZ_CHECK(producer_count(&again) == producer_count(&ps));
        FUZZ_CHECK(again.first_txn_offset == ps.first_txn_offset);
        FUZZ_CHECK(producer_encode(&again, &out_again) == E_OK && out_again.size == out.size);
    } else {
        FUZZ_CHECK(producer_count(&ps) == 0);
    }
    buf_release(&out);
    buf_release(&out_again);
    producer_release(&ps);
    producer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf b;
    uint32_t crc;

    decode(slice_of(bytes, size));
    if (size < BODY_POS)
        return 0;
    buf_init(&b, size);
    FUZZ_CHECK(buf_append(&b, bytes, size) == E_OK);
    memcpy(b.at + VERSION_POS, "\0\1", 2);
    crc = __builtin_bswap32(crc32c_of(b.at + BODY_POS, size - BODY_POS));
    memcpy(b.at + CRC_POS, &crc, sizeof(crc));
    decode(buf_slice(&b));
    buf_release(&b);
    return 0;
}
