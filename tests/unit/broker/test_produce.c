#include "rig.h"

#include "unit.h"
#include "wire/init_producer_id.h"
#include "wire/produce.h"

static void each(void (*run)(struct rig *r, struct client *c), const char *const *settings)
{
    for (int shards = 1; shards <= 4; shards += 3) {
        struct rig r;
        struct client c;

        rig_start(&r, shards, settings);
        client_open(&c, &r);
        run(&r, &c);
        client_close(&c);
        rig_stop(&r);
    }
}

static void offsets(struct rig *r, struct client *c)
{
    struct wire_produce_response out;
    int64_t offset;

    client_create(c, "t", 8);
    for (int round = 0; round < 3; round++) {
        for (int32_t i = 0; i < 8; i++) {
            assert_int_equal(client_produce(c, "t", i, rig_batch(r, 100), &offset), 0);
            assert_int_equal(offset, round);
        }
    }
    /* In a line: the answers and the offsets keep the order. */
    for (int i = 0; i < 64; i++)
        client_produce_send(c, "t", i % 8, rig_batch(r, 100), i % 2 == 0 ? 1 : -1);
    for (int i = 0; i < 64; i++) {
        RECEIVE(c, produce, PRODUCE, 9, &out);
        assert_int_equal(c->answered_id, c->correlation_id - 63 + i);
        assert_int_equal(out.responses[0].partition_responses[0].base_offset, 3 + i / 8);
    }
    /* acks=0 has no answer, and is appended before what follows. */
    client_produce_send(c, "t", 0, rig_batch(r, 100), 0);
    assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 100), &offset), 0);
    assert_int_equal(offset, 12);
}

static void test_offsets(void **state)
{
    each(offsets, NULL);
}

static enum wire_error produce_changed(struct rig *r, struct client *c, size_t pos, uint8_t change)
{
    struct slice batch = rig_batch(r, 100);
    uint8_t *at = (uint8_t *)(uintptr_t)batch.at;

    at[pos] ^= change;
    return client_produce(c, "t", 0, batch, NULL);
}

static void errors(struct rig *r, struct client *c)
{
    struct wire_produce_response out;
    int64_t offset;

    client_create(c, "t", 1);
    assert_int_equal(client_produce(c, "u", 0, rig_batch(r, 1), &offset),
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(offset, -1);
    assert_int_equal(client_produce(c, "t", 1, rig_batch(r, 1), NULL),
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_produce(c, "t", -1, rig_batch(r, 1), NULL),
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(client_produce(c, "t", 0, slice_of_text(""), NULL), WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(client_produce(c, "t", 0, slice_of_text("short"), NULL),
                     WIRE_ERROR_CORRUPT_MESSAGE);
    assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 2 << 20), NULL),
                     WIRE_ERROR_MESSAGE_TOO_LARGE);
    assert_int_equal(produce_changed(r, c, 70, 1), WIRE_ERROR_CORRUPT_MESSAGE);
    client_produce_send(c, "t", 0, rig_batch(r, 1), 2);
    RECEIVE(c, produce, PRODUCE, 9, &out);
    assert_int_equal(out.responses[0].partition_responses[0].error_code,
                     WIRE_ERROR_INVALID_REQUIRED_ACKS);
    assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 1), &offset), 0);
    assert_int_equal(offset, 0);
}

static void test_errors(void **state)
{
    each(errors, NULL);
}

/* A failure with acks=0 has no other way to be told. */
static void acks_0_fails(struct rig *r, struct client *c)
{
    struct client other;

    client_create(c, "t", 1);
    for (int i = 0; i < 3; i++) {
        client_open(&other, r);
        client_produce_send(&other, i == 0 ? "u" : "t", i == 1 ? 7 : 0,
                            i == 2 ? slice_of_text("") : rig_batch(r, 1), 0);
        assert_true(client_is_closed(&other));
        client_close(&other);
    }
}

static void test_acks_0_fails(void **state)
{
    each(acks_0_fails, NULL);
}

static int64_t producer_id(struct client *c)
{
    struct wire_init_producer_id_request in;
    struct wire_init_producer_id_response out;

    wire_init_producer_id_request_init(&in);
    in.transactional_id = slice_of(NULL, 0);
    CALL(c, init_producer_id, INIT_PRODUCER_ID, 4, &in, &out);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(out.producer_epoch, 0);
    return out.producer_id;
}

static void sequences(struct rig *r, struct client *c)
{
    int64_t id = producer_id(c);
    int64_t offset;

    assert_true(producer_id(c) != id);
    client_create(c, "t", 1);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(client_produce(c, "t", 0, rig_batch_of(r, id, 0, i), NULL), 0);
    assert_int_equal(client_produce(c, "t", 0, rig_batch_of(r, id, 0, 1), &offset), 0);
    assert_int_equal(offset, 1);
    assert_int_equal(client_produce(c, "t", 0, rig_batch_of(r, id, 0, 9), NULL),
                     WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(client_produce(c, "t", 0, rig_batch_of(r, id, 1, 0), &offset), 0);
    assert_int_equal(offset, 3);
    assert_int_equal(client_produce(c, "t", 0, rig_batch_of(r, id, 0, 3), NULL),
                     WIRE_ERROR_INVALID_PRODUCER_EPOCH);
}

static void test_sequences(void **state)
{
    each(sequences, NULL);
}

TESTS(test_produce, cmocka_unit_test(test_offsets), cmocka_unit_test(test_errors),
      cmocka_unit_test(test_acks_0_fails), cmocka_unit_test(test_sequences));
