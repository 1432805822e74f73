#include "txn/txn.h"

#include <stdio.h>

#include "unit.h"
#include "wire/describe_transactions.h"
#include "wire/end_txn.h"
#include "wire/init_producer_id.h"

/* What does not fit into a transcript: many of everything, and memory that is out. */

enum { ARENA_MAX = 256 << 20, MANY = 250, TIMEOUT_MS = 1000 };

struct bench {
    struct txns *txns;
    struct arena arena;
    struct txn_update update;
    int64_t now_ms;
};

static void begin(struct bench *b)
{
    arena_init(&b->arena, ARENA_MAX);
    txn_update_init(&b->update, &b->arena);
}

static void end(struct bench *b)
{
    txn_update_release(&b->update);
    arena_release(&b->arena);
}

static void bench_start(struct bench *b)
{
    const struct txn_options options = {.max_timeout_ms = 100000, .id_expiration_ms = 1000};

    *b = (struct bench){.now_ms = 1};
    assert_int_equal(txns_new(&options, 7, &b->txns), E_OK);
    txns_loaded(b->txns, 1, 1);
    begin(b);
}

static void bench_stop(struct bench *b)
{
    end(b);
    txns_free(b->txns);
}

/* The host's part: records to the machine, and the next update is a fresh one. */
static void finish(struct bench *b)
{
    for (size_t i = 0; i < record_list_count(&b->update.records); i++) {
        struct record_pair pair = record_list_at(&b->update.records, i);

        assert_int_equal(txns_apply(b->txns, pair.key, pair.value), E_OK);
    }
    end(b);
    begin(b);
}

static struct txn_call call_of(const struct bench *b, int64_t free_id)
{
    return (struct txn_call){
        .now_ms = b->now_ms, .wall_ms = b->now_ms, .version = 5, .free_id = free_id};
}

static struct slice name_of(int number, char text[16])
{
    snprintf(text, 16, "t%d", number);
    return slice_of_text(text);
}

static enum err init(struct bench *b, struct slice id, int64_t free_id)
{
    struct wire_init_producer_id_request in;
    struct txn_call call = call_of(b, free_id);

    wire_init_producer_id_request_init(&in);
    in.transactional_id = id;
    in.transaction_timeout_ms = TIMEOUT_MS;
    return txn_init(b->txns, &call, &in, &b->update);
}

static enum err add(struct bench *b, struct slice id, int64_t producer_id,
                    const struct txn_topic *topic)
{
    struct txn_call call = call_of(b, -1);
    struct txn_add a = {
        .transactional_id = id, .producer_id = producer_id, .topics = topic, .topic_count = 1};

    return txn_add(b->txns, &call, &a, &b->update);
}

static const int32_t ZERO = 0;
static const struct txn_topic ONE = {{(const uint8_t *)"orders", 6}, &ZERO, 1};

static void open_many(struct bench *b)
{
    char text[16];

    for (int i = 0; i < MANY; i++) {
        assert_int_equal(init(b, name_of(i, text), i), E_OK);
        finish(b);
        assert_int_equal(add(b, name_of(i, text), i, &ONE), E_OK);
        finish(b);
    }
    assert_int_equal(txns_count(b->txns), MANY);
}

/* More are due than one step takes: it is due again at once. */
static void many_time_outs_take_several_steps(void **state)
{
    size_t ended = 0;
    int steps = 0;
    struct bench b;

    (void)state;
    bench_start(&b);
    open_many(&b);
    b.now_ms += TIMEOUT_MS;
    while (txns_deadline_ms(b.txns) <= b.now_ms) {
        struct txn_call call = call_of(&b, -1);

        assert_int_equal(txns_expire(b.txns, &call, &b.update), E_OK);
        assert_int_equal(b.update.markers.count, record_list_count(&b.update.records));
        ended += b.update.markers.count;
        steps++;
        finish(&b);
    }
    assert_int_equal(ended, MANY);
    assert_int_equal(steps, 3);
    bench_stop(&b);
}

/* Memory is out in the middle of a step: what was added before it stays whole, the rest is due. */
static void a_step_short_of_memory_is_whole(void **state)
{
    struct bench b;
    struct arena small;
    size_t ended = 0;

    (void)state;
    bench_start(&b);
    open_many(&b);
    b.now_ms += TIMEOUT_MS;
    for (size_t size = 1024; ended < MANY; size += 512) {
        struct txn_call call = call_of(&b, -1);
        struct txn_update update;

        arena_init(&small, size);
        txn_update_init(&update, &small);
        assert_true(txns_expire(b.txns, &call, &update) == E_OK ||
                    record_list_count(&update.records) == 0);
        assert_int_equal(update.markers.count, record_list_count(&update.records));
        for (size_t i = 0; i < record_list_count(&update.records); i++) {
            struct record_pair pair = record_list_at(&update.records, i);

            assert_int_equal(txns_apply(b.txns, pair.key, pair.value), E_OK);
        }
        ended += update.markers.count;
        txn_update_release(&update);
        arena_release(&small);
        b.now_ms += 1000;
    }
    assert_int_equal(ended, MANY);
    bench_stop(&b);
}

/* No step changes anything when memory is out. */
static void nothing_changes_without_memory(void **state)
{
    struct wire_describe_transactions_response_transaction_state before, after;
    struct slice id = slice_of_text("t");
    struct bench b;
    struct arena none;

    (void)state;
    bench_start(&b);
    assert_int_equal(init(&b, id, 1), E_OK);
    finish(&b);
    arena_init(&none, 0);
    end(&b);
    txn_update_init(&b.update, &none);
    assert_int_equal(add(&b, id, 1, &ONE), E_NOMEM);
    assert_int_equal(init(&b, id, -1), E_NOMEM);
    assert_int_equal(record_list_count(&b.update.records), 0);
    assert_int_equal(txn_describe(b.txns, id, &none, &after), E_NOMEM);
    txn_update_release(&b.update);
    begin(&b);
    assert_int_equal(txn_describe(b.txns, id, &b.arena, &before), E_OK);
    assert_int_equal(before.producer_epoch, 0);
    assert_true(slice_equal_text(before.transaction_state, "Empty"));
    bench_stop(&b);
}

/* A transaction has a maximum of partitions; what it has stays. */
static void too_many_partitions_are_refused(void **state)
{
    int32_t *indexes = calloc(TXN_PARTITIONS_MAX + 1, sizeof(*indexes));
    struct txn_topic topic = {slice_of_text("t"), indexes, TXN_PARTITIONS_MAX + 1};
    struct slice id = slice_of_text("t");
    struct bench b;

    (void)state;
    assert_non_null(indexes);
    for (int32_t i = 0; i <= TXN_PARTITIONS_MAX; i++)
        indexes[i] = i;
    bench_start(&b);
    assert_int_equal(init(&b, id, 1), E_OK);
    finish(&b);
    assert_int_equal(add(&b, id, 1, &topic), E_OK);
    assert_int_equal(b.update.reply.error, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(record_list_count(&b.update.records), 0);
    finish(&b);
    topic.count = TXN_PARTITIONS_MAX;
    assert_int_equal(add(&b, id, 1, &topic), E_OK);
    assert_int_equal(b.update.reply.error, WIRE_ERROR_NONE);
    finish(&b);
    assert_int_equal(add(&b, id, 1, &ONE), E_OK);
    assert_int_equal(b.update.reply.error, WIRE_ERROR_INVALID_REQUEST);
    finish(&b);
    b.now_ms += TIMEOUT_MS; /* and it can be ended */
    assert_int_equal(txns_expire(b.txns, &(struct txn_call){.now_ms = b.now_ms}, &b.update), E_OK);
    assert_int_equal(b.update.markers.count, TXN_PARTITIONS_MAX);
    bench_stop(&b);
    free(indexes);
}

/* Long names: the bytes have a maximum, too. */
static void too_long_names_are_refused(void **state)
{
    enum { NAMES = 100, NAME_SIZE = 100 * 1000 };
    static uint8_t names[NAMES][NAME_SIZE];
    struct txn_topic topics[NAMES];
    struct slice id = slice_of_text("t");
    struct txn_call call;
    struct txn_add a = {.transactional_id = id, .producer_id = 1, .topics = topics};
    struct bench b;

    (void)state;
    for (int i = 0; i < NAMES; i++) {
        names[i][0] = (uint8_t)i;
        topics[i] = (struct txn_topic){slice_of(names[i], NAME_SIZE), &ZERO, 1};
    }
    bench_start(&b);
    assert_int_equal(init(&b, id, 1), E_OK);
    finish(&b);
    call = call_of(&b, -1);
    a.topic_count = NAMES;
    assert_int_equal(txn_add(b.txns, &call, &a, &b.update), E_OK);
    assert_int_equal(b.update.reply.error, WIRE_ERROR_INVALID_REQUEST);
    bench_stop(&b);
}

/* Unused ids go a thousand a step. */
static void many_ids_expire_in_several_steps(void **state)
{
    enum { COUNT = 2500 };
    bool is_done = false;
    int steps = 0;
    struct bench b;
    char text[16];

    (void)state;
    bench_start(&b);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(init(&b, name_of(i, text), i), E_OK);
        finish(&b);
    }
    b.now_ms += 1000;
    while (!is_done) {
        struct txn_call call = call_of(&b, -1);

        assert_int_equal(txns_expire_ids(b.txns, &call, &b.update, &is_done), E_OK);
        finish(&b);
        steps++;
    }
    assert_int_equal(steps, 3);
    assert_int_equal(txns_count(b.txns), 0);
    bench_stop(&b);
}

TESTS(test_limits, cmocka_unit_test(many_time_outs_take_several_steps),
      cmocka_unit_test(a_step_short_of_memory_is_whole),
      cmocka_unit_test(nothing_changes_without_memory),
      cmocka_unit_test(too_many_partitions_are_refused),
      cmocka_unit_test(too_long_names_are_refused),
      cmocka_unit_test(many_ids_expire_in_several_steps));
