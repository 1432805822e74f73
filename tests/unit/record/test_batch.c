#include "record/batch.h"

#include "unit.h"

static struct batch_header example(void)
{
    return (struct batch_header){
        .base_offset = 0x0102030405060708,
        .size = 49,
        .leader_epoch = 9,
        .magic = 2,
        .attributes = BATCH_TRANSACTIONAL | 4,
        .last_offset_delta = 11,
        .base_timestamp = 1767225600000,
        .max_timestamp = 1767225600123,
        .producer_id = 4711,
        .producer_epoch = 12,
        .base_sequence = INT32_MAX - 1,
        .record_count = 10,
    };
}

static void header_round_trip(void **state)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header in = example();
    struct batch_header out;

    in.crc = 0xdeadbeef;
    batch_encode_header(&in, bytes);
    assert_int_equal(batch_peek(slice_of(bytes, sizeof(bytes)), &out), E_OK);
    assert_int_equal(out.base_offset, in.base_offset);
    assert_int_equal(out.size, in.size);
    assert_int_equal(out.leader_epoch, in.leader_epoch);
    assert_int_equal(out.magic, 2);
    assert_int_equal(out.crc, 0xdeadbeef);
    assert_int_equal(out.attributes, in.attributes);
    assert_int_equal(out.last_offset_delta, 11);
    assert_int_equal(out.base_timestamp, in.base_timestamp);
    assert_int_equal(out.max_timestamp, in.max_timestamp);
    assert_int_equal(out.producer_id, 4711);
    assert_int_equal(out.producer_epoch, 12);
    assert_int_equal(out.base_sequence, INT32_MAX - 1);
    assert_int_equal(out.record_count, 10);
    assert_int_equal(batch_total_size(&out), 61);
    assert_int_equal(batch_last_offset(&out), in.base_offset + 11);
    assert_int_equal(batch_next_offset(&out), in.base_offset + 12);
    assert_int_equal(batch_codec(&out), 4);
    assert_true(batch_is_transactional(&out));
    assert_false(batch_is_control(&out));
    assert_true(batch_has_producer(&out));
    assert_int_equal(batch_last_sequence(&out), 9); /* 0 follows 2^31-1 */
}

static enum err decode(const struct batch_header *h, size_t size)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header out;

    batch_encode_header(h, bytes);
    return batch_peek(slice_of(bytes, size), &out);
}

static void bad_headers_are_refused(void **state)
{
    struct batch_header h = example();

    assert_int_equal(decode(&h, 61), E_OK);
    for (size_t size = 0; size < BATCH_HEADER_SIZE; size++)
        assert_int_equal(decode(&h, size), E_TRUNCATED);
    h.size = 50;
    assert_int_equal(decode(&h, 61), E_TRUNCATED);
    h.size = 48;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    assert_int_equal(decode(&h, 17), E_CORRUPT);
    h.size = -1;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    assert_int_equal(decode(&h, 12), E_CORRUPT);
    h.size = 14;
    h.magic = 0;
    assert_int_equal(decode(&h, 17), E_UNSUPPORTED);
    h.magic = 1;
    assert_int_equal(decode(&h, 61), E_UNSUPPORTED);
    h.size = 49;
    h.magic = 3;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    h = example();
    h.record_count = -1;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    h = example();
    h.last_offset_delta = -1;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    h = example();
    h.base_offset = -1;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    h.base_offset = INT64_MAX - 11;
    assert_int_equal(decode(&h, 61), E_CORRUPT);
    h.base_offset = INT64_MAX - 12;
    assert_int_equal(decode(&h, 61), E_OK);
}

static void a_hole_of_zeros_is_corrupt(void **state)
{
    uint8_t zeros[100] = {0};
    struct batch_header out;

    assert_int_equal(batch_peek(slice_of(zeros, sizeof(zeros)), &out), E_CORRUPT);
    assert_int_equal(batch_peek(slice_of(zeros, 12), &out), E_CORRUPT);
}

static void header_alone_decodes(void **state)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header h = example();
    struct batch_header out;

    h.size = INT32_MAX;
    batch_encode_header(&h, bytes);
    assert_int_equal(batch_decode_header(slice_of(bytes, 61), &out), E_OK);
    assert_int_equal(batch_total_size(&out), (size_t)INT32_MAX + 12);
    assert_int_equal(batch_check_crc(slice_of(bytes, 60)), E_TRUNCATED);
    assert_int_equal(batch_check_crc(slice_of(bytes, 61)), E_CORRUPT);
}

static void crc_and_patches(void **state)
{
    uint8_t bytes[70];
    struct batch_header h = example();
    struct slice whole = slice_of(bytes, sizeof(bytes));

    memset(bytes, 7, sizeof(bytes));
    h.size = sizeof(bytes) - 12;
    batch_encode_header(&h, bytes);
    assert_int_equal(batch_check_crc(whole), E_CORRUPT);
    h.crc = batch_compute_crc(whole);
    batch_encode_header(&h, bytes);
    assert_int_equal(batch_check_crc(whole), E_OK);

    batch_patch_offset_epoch(bytes, 77, 5);
    assert_int_equal(batch_check_crc(whole), E_OK);
    batch_patch_log_append_time(bytes, 1800000000000);
    assert_int_equal(batch_check_crc(whole), E_OK);
    assert_int_equal(batch_peek(whole, &h), E_OK);
    assert_int_equal(h.base_offset, 77);
    assert_int_equal(h.leader_epoch, 5);
    assert_int_equal(h.max_timestamp, 1800000000000);
    assert_int_equal(h.base_timestamp, 1767225600000);
    assert_true(batch_is_log_append_time(&h));
    assert_true(batch_is_transactional(&h));

    batch_patch_max_timestamp(bytes, 3);
    assert_int_equal(batch_check_crc(whole), E_OK);
    bytes[69] ^= 1;
    assert_int_equal(batch_check_crc(whole), E_CORRUPT);
    batch_patch_max_timestamp(bytes, 3); /* right already: touches nothing */
    assert_int_equal(batch_check_crc(whole), E_CORRUPT);
}

static void walk_over_batches(void **state)
{
    uint8_t bytes[61 + 70 + 61];
    struct batch_header h = example();
    struct batch_view view;
    struct batch_iter it = batch_iter_init(slice_of(NULL, 0));

    assert_false(batch_iter_next(&it, &view));
    assert_int_equal(batch_iter_done(&it), E_OK);

    memset(bytes, 0, sizeof(bytes));
    h.base_offset = 0;
    batch_encode_header(&h, bytes);
    h.base_offset = 12;
    h.size = 70 - 12;
    batch_encode_header(&h, bytes + 61);
    h.base_offset = 24;
    h.size = 49;
    batch_encode_header(&h, bytes + 131);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        size_t whole = size < 61 ? 0 : size < 131 ? 61 : size < 192 ? 131 : 192;
        size_t count = 0;

        it = batch_iter_init(slice_of(bytes, size));
        while (batch_iter_next(&it, &view))
            assert_int_equal(view.header.base_offset, 12 * count++);
        assert_int_equal(it.pos, whole);
        assert_int_equal(batch_iter_done(&it), size == whole ? E_OK : E_TRUNCATED);
    }
}

TESTS(test_batch, cmocka_unit_test(header_round_trip), cmocka_unit_test(bad_headers_are_refused),
      cmocka_unit_test(a_hole_of_zeros_is_corrupt), cmocka_unit_test(header_alone_decodes),
      cmocka_unit_test(crc_and_patches), cmocka_unit_test(walk_over_batches));
