/* Peek, validate and iterate; as it came, and with length, magic and CRC made right. */
#include "record/batch.h"
#include "record/control.h"
#include "record/record.h"
#include "record/validate.h"

#include <string.h>

#include "fuzz.h"

enum { LIMIT = 1 << 16 };

/* Every byte that a view points to must be readable. */
static uint32_t touch(struct slice s)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < s.size; i++)
        sum = sum * 31 + s.at[i];
    return sum;
}

static uint32_t iterate(struct slice batch, struct buf *unpack, int32_t *count_out)
{
    struct record_control_key key;
    struct record_iter it;
    struct record_view view;
    uint32_t sum = 0;

    *count_out = -1;
    if (record_iter_init(&it, batch, unpack) != E_OK)
        return 0;
    for (*count_out = 0; record_iter_next(&it, &view); ++*count_out) {
        struct record_headers headers = record_headers_init(&view);
        struct record_header header;

        sum += touch(view.key) + touch(view.value);
        while (record_headers_next(&headers, &header))
            sum += touch(header.key) + touch(header.value);
        if (record_control_decode_key(view.key, &key) == E_OK)
            sum += (uint32_t)key.type;
    }
    if (record_iter_done(&it) != E_OK)
        *count_out = -1;
    return sum;
}

static void feed(struct slice bytes)
{
    const struct batch_rules rules = {.batch_size_max = LIMIT,
                                      .key_required = bytes.size % 2 == 1,
                                      .transactional_allowed = true,
                                      .control_allowed = true,
                                      .log_append_time_allowed = true};
    struct batch_summary summary;
    struct batch_fault fault = {.text = NULL};
    struct batch_iter it = batch_iter_init(bytes);
    struct batch_view view;
    struct buf unpack;
    int32_t count;

    buf_init(&unpack, LIMIT);
    while (batch_iter_next(&it, &view))
        iterate(view.bytes, &unpack, &count);
    FUZZ_CHECK(it.pos <= bytes.size);
    FUZZ_CHECK((batch_iter_done(&it) == E_OK) == (it.pos == bytes.size));
    if (batch_validate(bytes, &rules, &unpack, &summary, &fault) == E_OK) {
        FUZZ_CHECK(summary.min_timestamp <= summary.max_timestamp);
        FUZZ_CHECK(summary.max_timestamp_delta < summary.header.record_count);
        iterate(bytes, &unpack, &count); /* what is accepted can be read */
        FUZZ_CHECK(count == summary.header.record_count);
    } else {
        FUZZ_CHECK(fault.text != NULL);
    }
    buf_release(&unpack);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf b;
    uint32_t word;

    feed(slice_of(bytes, size));
    if (size < BATCH_HEADER_SIZE)
        return 0;
    buf_init(&b, size);
    FUZZ_CHECK(buf_append(&b, bytes, size) == E_OK);
    word = __builtin_bswap32((uint32_t)size - BATCH_PREFIX_SIZE);
    memcpy(b.at + BATCH_POS_SIZE, &word, sizeof(word));
    b.at[BATCH_POS_BASE_OFFSET] = 0;
    b.at[BATCH_POS_MAGIC] = BATCH_MAGIC;
    if (bytes[BATCH_POS_CRC] % 4 != 0) { /* mostly, a count that can be right */
        memset(b.at + BATCH_POS_LAST_OFFSET_DELTA, 0, 4);
        memset(b.at + BATCH_POS_RECORD_COUNT, 0, 4);
        b.at[BATCH_POS_LAST_OFFSET_DELTA + 3] = bytes[BATCH_POS_CRC + 1] % 8;
        b.at[BATCH_POS_RECORD_COUNT + 3] = bytes[BATCH_POS_CRC + 1] % 8 + 1;
    }
    word = __builtin_bswap32(batch_compute_crc(buf_slice(&b)));
    memcpy(b.at + BATCH_POS_CRC, &word, sizeof(word));
    feed(buf_slice(&b));
    buf_release(&b);
    return 0;
}
