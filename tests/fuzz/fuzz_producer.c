/*
 * Producer snapshots: any bytes, and with version and CRC made right. What is accepted is written
 * again as a snapshot that is accepted and holds the same producers. The same bytes as a window of
 * a snapshot, too.
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

/* Two producers, each with a last batch at an offset that a window can come before. */
static void make_two(struct producers *ps)
{
    for (int i = 0; i < 2; i++) {
        struct batch_header h = {.base_offset = 1 << 20,
                                 .last_offset_delta = 1,
                                 .producer_id = i,
                                 .record_count = 2,
                                 .base_sequence = 0};
        struct txn_aborted aborted;
        bool is_aborted;

        FUZZ_CHECK(producer_apply(ps, &h, (struct slice){0}, &is_aborted, &aborted) == E_OK);
    }
}

static void decode_window(const uint8_t *bytes, size_t size)
{
    struct producers ps;
    struct buf snapshot, window, again;
    uint32_t crc;

    producer_init(&ps);
    buf_init(&snapshot, LIMIT);
    buf_init(&window, LIMIT);
    buf_init(&again, LIMIT);
    make_two(&ps);
    FUZZ_CHECK(producer_encode(&ps, &snapshot) == E_OK);
    FUZZ_CHECK(buf_append(&window, bytes, size) == E_OK);
    memcpy(window.at + VERSION_POS, "\0\1", 2);
    memcpy(window.at + BODY_POS, snapshot.at + CRC_POS, 4);
    crc = __builtin_bswap32(crc32c_of(window.at + BODY_POS, size - BODY_POS));
    memcpy(window.at + CRC_POS, &crc, sizeof(crc));
    if (producer_decode_window(&ps, buf_slice(&snapshot), buf_slice(&window)) == E_OK) {
        FUZZ_CHECK(producer_encode_window(&ps, buf_slice(&snapshot), &again) == E_OK);
        FUZZ_CHECK(again.size == window.size || (again.size == 0 && size == 14));
    } else {
        FUZZ_CHECK(producer_find(&ps, 0)->batch_count == 1);
    }
    FUZZ_CHECK(producer_find(&ps, 0)->batch_count <= PRODUCER_BATCHES);
    buf_release(&snapshot);
    buf_release(&window);
    buf_release(&again);
    producer_release(&ps);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf b;
    uint32_t crc;

    decode(slice_of(bytes, size));
    if (size >= BODY_POS + 4)
        decode_window(bytes, size);
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
