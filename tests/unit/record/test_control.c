#include "record/control.h"

#include "record/batch.h"
#include "record/record.h"
#include "record/validate.h"

#include "hex.h"

static void keys(void **state)
{
    uint8_t bytes[RECORD_CONTROL_KEY_SIZE];
    struct record_control_key key;

    record_control_encode_key(RECORD_CONTROL_LEADER_CHANGE, bytes);
    assert_memory_equal(bytes, "\0\0\0\2", 4);
    assert_int_equal(record_control_decode_key(slice_of(bytes, 4), &key), E_OK);
    assert_int_equal(key.version, 0);
    assert_int_equal(key.type, RECORD_CONTROL_LEADER_CHANGE);
    assert_int_equal(record_control_decode_key(slice_of(bytes, 3), &key), E_CORRUPT);
    assert_int_equal(record_control_decode_key(slice_of(NULL, 0), &key), E_CORRUPT);
    assert_int_equal(record_control_decode_key(slice_of("\xff\xff\0\0", 4), &key), E_CORRUPT);
    assert_int_equal(record_control_decode_key(slice_of("\0\1\0\x63now longer", 14), &key), E_OK);
    assert_int_equal(key.version, 1);
    assert_int_equal(key.type, 99);
}

static void end_txn_values(void **state)
{
    uint8_t bytes[RECORD_END_TXN_VALUE_SIZE];
    int32_t epoch;

    record_end_txn_encode(258, bytes);
    assert_memory_equal(bytes, "\0\0\0\0\1\2", 6);
    assert_int_equal(record_end_txn_decode(slice_of(bytes, 6), &epoch), E_OK);
    assert_int_equal(epoch, 258);
    assert_int_equal(record_end_txn_decode(slice_of(bytes, 5), &epoch), E_CORRUPT);
    bytes[0] = 0x80;
    assert_int_equal(record_end_txn_decode(slice_of(bytes, 6), &epoch), E_CORRUPT);
}

static void end_txn_batch(void **state)
{
    const struct batch_end_txn marker = {.base_offset = 1000,
                                         .leader_epoch = 3,
                                         .timestamp_ms = 1767225600000,
                                         .producer_id = 4711,
                                         .producer_epoch = 7,
                                         .coordinator_epoch = 12,
                                         .commit = true};
    struct batch_rules rules = {.batch_size_max = 1000, .transactional_allowed = true};
    struct batch_summary summary;
    struct batch_fault fault;
    struct record_control_key key;
    struct record_iter it;
    struct record_view view;
    struct buf out;
    int32_t epoch;

    buf_init(&out, 78); /* exactly: header and 17 bytes */
    assert_int_equal(batch_build_end_txn(&marker, &out), E_OK);
    assert_int_equal(out.size, 78);
    assert_int_equal(batch_validate(buf_slice(&out), &rules, NULL, &summary, &fault), E_INVAL);
    rules.control_allowed = true;
    assert_int_equal(batch_validate(buf_slice(&out), &rules, NULL, &summary, &fault), E_OK);
    assert_true(batch_is_control(&summary.header));
    assert_true(batch_is_transactional(&summary.header));
    assert_int_equal(summary.header.producer_id, 4711);
    assert_int_equal(summary.header.producer_epoch, 7);
    assert_int_equal(summary.header.base_sequence, BATCH_NO_SEQUENCE);
    assert_int_equal(summary.header.leader_epoch, 3);

    assert_int_equal(record_iter_init(&it, buf_slice(&out), NULL), E_OK);
    assert_true(record_iter_next(&it, &view));
    assert_int_equal(view.offset, 1000);
    assert_int_equal(record_control_decode_key(view.key, &key), E_OK);
    assert_int_equal(key.type, RECORD_CONTROL_COMMIT);
    assert_int_equal(record_end_txn_decode(view.value, &epoch), E_OK);
    assert_int_equal(epoch, 12);
    assert_false(record_iter_next(&it, &view));
    assert_int_equal(record_iter_done(&it), E_OK);

    assert_int_equal(batch_build_end_txn(&marker, &out), E_TOO_BIG);
    assert_int_equal(out.size, 78);
    buf_release(&out);
}

TESTS(test_control, cmocka_unit_test(keys), cmocka_unit_test(end_txn_values),
      cmocka_unit_test(end_txn_batch));
