#include "txn/txn.h"

#include "base/writer.h"
#include "unit.h"
#include "wire/describe_transactions.h"
#include "wire/init_producer_id.h"
#include "wire/transaction_log_key.h"
#include "wire/transaction_log_value.h"

/* Records of __transaction_state: Kafka's, and bad ones. */

enum { BYTES_MAX = 4096, ARENA_MAX = 1 << 20 };

struct bench {
    struct txns *txns;
    struct buf key;
    struct buf value;
};

static void bench_start(struct bench *b)
{
    const struct txn_options options = {.max_timeout_ms = 1000, .id_expiration_ms = 1000};

    assert_int_equal(txns_new(&options, 7, &b->txns), E_OK);
    buf_init(&b->key, BYTES_MAX);
    buf_init(&b->value, BYTES_MAX);
}

static void bench_stop(struct bench *b)
{
    buf_release(&b->key);
    buf_release(&b->value);
    txns_free(b->txns);
}

static void set_key(struct bench *b, int16_t kind, const char *id)
{
    struct wire_transaction_log_key key = {.transactional_id = slice_of_text(id)};
    struct writer w;

    buf_clear(&b->key);
    w = writer_init(&b->key);
    writer_i16(&w, kind);
    wire_transaction_log_key_encode(&w, 0, &key);
    assert_int_equal(writer_done(&w), E_OK);
}

static void set_value(struct bench *b, int16_t version, const struct wire_transaction_log_value *v)
{
    struct writer w;

    buf_clear(&b->value);
    w = writer_init(&b->value);
    writer_i16(&w, version);
    wire_transaction_log_value_encode(&w, version == 0 ? 0 : 1, v);
    assert_int_equal(writer_done(&w), E_OK);
}

static enum err apply(struct bench *b)
{
    return txns_apply(b->txns, buf_slice(&b->key), buf_slice(&b->value));
}

static struct wire_transaction_log_value value_of(int8_t state)
{
    struct wire_transaction_log_value v;

    wire_transaction_log_value_init(&v);
    v.producer_id = 9;
    v.producer_epoch = 3;
    v.transaction_timeout_ms = 1000;
    v.transaction_status = state;
    return v;
}

static void describe(const struct bench *b, struct arena *arena,
                     struct wire_describe_transactions_response_transaction_state *out)
{
    arena_init(arena, ARENA_MAX);
    assert_int_equal(txn_describe(b->txns, slice_of_text("t"), arena, out), E_OK);
    assert_int_equal(out->error_code, 0);
}

/* The bytes that Apache Kafka 4.2 wrote for a commit of a client of version 2. */
static void a_record_of_kafka_is_read(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                    0x00, 0x01, 0x00, 0x00, 0xea, 0x60, 0x02, 0x02, 0x05, 0x64,
                                    0x65, 0x6d, 0x6f, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
                                    0x00, 0x01, 0xa2, 0x2c, 0x9f, 0x70, 0xb7, 0x00, 0x00, 0x01,
                                    0xa2, 0x2c, 0x9f, 0x70, 0xae, 0x01, 0x02, 0x02, 0x00, 0x02};
    struct wire_describe_transactions_response_transaction_state out;
    struct arena arena;
    struct bench b;

    (void)state;
    bench_start(&b);
    set_key(&b, 0, "t");
    assert_int_equal(txns_apply(b.txns, buf_slice(&b.key), slice_of(bytes, sizeof(bytes))), E_OK);
    describe(&b, &arena, &out);
    assert_true(slice_equal_text(out.transaction_state, "PrepareCommit"));
    assert_int_equal(out.producer_id, 0);
    assert_int_equal(out.producer_epoch, 1);
    assert_int_equal(out.transaction_timeout_ms, 60000);
    assert_int_equal(out.transaction_start_time_ms, 1796044976302);
    assert_int_equal(out.topics_count, 1);
    assert_true(slice_equal_text(out.topics[0].topic, "demo"));
    assert_int_equal(out.topics[0].partitions_count, 1);
    assert_int_equal(out.topics[0].partitions[0], 2);
    arena_release(&arena);
    bench_stop(&b);
}

/* Version 0, without tagged fields, of Kafka before transaction.version 1. */
static void the_old_version_is_read(void **state)
{
    static const int32_t indexes[] = {3, 1, 3}; /* in any order, and twice */
    struct wire_transaction_log_value_partitions_schema topic = {slice_of_text("a"), indexes, 3};
    struct wire_transaction_log_value v = value_of(1);
    struct wire_describe_transactions_response_transaction_state out;
    struct arena arena;
    struct bench b;

    (void)state;
    v.transaction_partitions = &topic;
    v.transaction_partitions_count = 1;
    bench_start(&b);
    set_key(&b, 0, "t");
    set_value(&b, 0, &v);
    assert_int_equal(apply(&b), E_OK);
    describe(&b, &arena, &out);
    assert_int_equal(out.producer_id, 9);
    assert_int_equal(out.topics[0].partitions_count, 2);
    assert_int_equal(out.topics[0].partitions[0], 1);
    assert_int_equal(out.topics[0].partitions[1], 3);
    arena_release(&arena);
    bench_stop(&b);
}

static void unknown_kinds_are_skipped(void **state)
{
    struct wire_transaction_log_value v = value_of(0);
    struct bench b;

    (void)state;
    bench_start(&b);
    set_key(&b, 1, "t");
    set_value(&b, 1, &v);
    assert_int_equal(apply(&b), E_OK);
    assert_int_equal(txns_count(b.txns), 0);
    bench_stop(&b);
}

static void bad_records_change_nothing(void **state)
{
    static const int32_t negative = -1;
    struct wire_transaction_log_value_partitions_schema topic = {slice_of_text("a"), &negative, 1};
    struct wire_transaction_log_value bad[6];
    struct wire_transaction_log_value good = value_of(0);
    struct bench b;

    (void)state;
    for (int i = 0; i < 6; i++)
        bad[i] = value_of(1);
    bad[0].transaction_status = 6; /* Dead: never written */
    bad[1].transaction_status = -1;
    bad[2].producer_id = -1;
    bad[3].producer_epoch = -1;
    bad[4].transaction_timeout_ms = -1;
    bad[5].transaction_partitions = &topic;
    bad[5].transaction_partitions_count = 1;
    bench_start(&b);
    set_key(&b, 0, "t");
    for (int i = 0; i < 6; i++) {
        set_value(&b, 1, &bad[i]);
        assert_int_equal(apply(&b), E_CORRUPT);
    }
    set_value(&b, 2, &good); /* a version to come */
    assert_int_equal(apply(&b), E_CORRUPT);
    set_value(&b, 1, &good);
    b.value.size = 1;
    assert_int_equal(apply(&b), E_CORRUPT);
    set_value(&b, 1, &good);
    b.value.size -= 3;
    assert_int_equal(apply(&b), E_CORRUPT);
    set_value(&b, 1, &good);
    set_key(&b, 0, "");
    assert_int_equal(apply(&b), E_CORRUPT);
    b.key.size = 1;
    assert_int_equal(apply(&b), E_CORRUPT);
    assert_int_equal(txns_apply(b.txns, (struct slice){0}, buf_slice(&b.value)), E_CORRUPT);
    assert_int_equal(txns_count(b.txns), 0);
    bench_stop(&b);
}

static void a_tombstone_of_nothing_is_fine(void **state)
{
    struct wire_transaction_log_value v = value_of(0);
    struct bench b;

    (void)state;
    bench_start(&b);
    set_key(&b, 0, "t");
    assert_int_equal(txns_apply(b.txns, buf_slice(&b.key), (struct slice){0}), E_OK);
    set_value(&b, 1, &v);
    assert_int_equal(apply(&b), E_OK);
    assert_int_equal(txns_count(b.txns), 1);
    assert_int_equal(txns_apply(b.txns, buf_slice(&b.key), (struct slice){0}), E_OK);
    assert_int_equal(txns_count(b.txns), 0);
    bench_stop(&b);
}

TESTS(test_records, cmocka_unit_test(a_record_of_kafka_is_read),
      cmocka_unit_test(the_old_version_is_read), cmocka_unit_test(unknown_kinds_are_skipped),
      cmocka_unit_test(bad_records_change_nothing),
      cmocka_unit_test(a_tombstone_of_nothing_is_fine));
