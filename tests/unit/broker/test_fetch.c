#include "rig.h"

#include <stdio.h>
#include <unistd.h>

#include "unit.h"
#include "wire/create_partitions.h"
#include "wire/delete_topics.h"
#include "wire/fetch.h"
#include "wire/list_offsets.h"

/* A fetch of some partitions of topics by name (v12) or by id (v13). */
enum { PARTS_MAX = 8, BY_NAME = 12, BY_ID = 13 };

struct ask {
    struct wire_fetch_request in;
    struct wire_fetch_request_fetch_topic topic;
    struct wire_fetch_request_fetch_partition parts[PARTS_MAX];
};

static void ask_make(struct ask *a, const char *topic, struct uuid id, int32_t count)
{
    wire_fetch_request_init(&a->in);
    wire_fetch_request_fetch_topic_init(&a->topic);
    a->topic.topic = slice_of_text(topic);
    a->topic.topic_id = id;
    a->topic.partitions = a->parts;
    a->topic.partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        wire_fetch_request_fetch_partition_init(&a->parts[i]);
        a->parts[i].partition = i;
        a->parts[i].partition_max_bytes = 1 << 20;
    }
    a->in.topics = &a->topic;
    a->in.topics_count = 1;
    a->in.max_wait_ms = 8000;
    a->in.min_bytes = 1;
    a->in.max_bytes = 50 << 20;
    a->in.session_epoch = -1;
}

static struct wire_fetch_response_partition_data *only(struct wire_fetch_response *out)
{
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->responses_count, 1);
    assert_int_equal(out->responses[0].partitions_count, 1);
    return &out->responses[0].partitions[0];
}

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

static void wakes(struct rig *r, struct client *c)
{
    struct uuid id = client_create(c, "t", 8);
    struct wire_fetch_response out;
    struct client producer;
    struct ask a;

    client_open(&producer, r);
    ask_make(&a, "t", id, 8);
    for (int round = 0; round < 8; round++) {
        SEND(c, fetch, FETCH, BY_ID, &a.in);
        assert_true(client_is_silent(c, 20));
        assert_int_equal(client_produce(&producer, "t", round, rig_batch(r, 10), NULL), 0);
        RECEIVE(c, fetch, FETCH, BY_ID, &out);
        assert_true(uuid_equal(out.responses[0].topic_id, id));
        assert_int_equal(out.responses[0].partitions_count, 8);
        assert_true(out.responses[0].partitions[round].records.size > 10);
        a.parts[round].fetch_offset = 1;
    }
    client_close(&producer);
}

static void test_a_long_poll_wakes(void **state)
{
    each(wakes, NULL);
}

static void limits(struct rig *r, struct client *c)
{
    struct uuid id = client_create(c, "t", 2);
    struct wire_fetch_response out;
    struct ask a;

    assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 5000), NULL), 0);
    assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 5000), NULL), 0);
    assert_int_equal(client_produce(c, "t", 1, rig_batch(r, 5000), NULL), 0);
    ask_make(&a, "t", id, 2);

    /* The first batch comes whole, whatever the limits; the second partition gives way. */
    a.in.max_bytes = 1;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_in_range(out.responses[0].partitions[0].records.size, 5000, 5500);
    assert_int_equal(out.responses[0].partitions[1].records.size, 0);

    /* Less than min_bytes, but cut by max_bytes: waiting would bring nothing. */
    a.in.max_bytes = 12000;
    a.in.min_bytes = 12000;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_in_range(out.responses[0].partitions[0].records.size, 10000, 11000);

    a.in.max_bytes = 50 << 20;
    a.in.min_bytes = 100 * 1000;
    a.in.max_wait_ms = 50;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(out.responses[0].partitions[0].high_watermark, 2);
    assert_in_range(out.responses[0].partitions[1].records.size, 5000, 5500);

    /* Negative limits mean nothing more than the first batch, at once. */
    a.in.max_bytes = -1;
    a.in.min_bytes = -1;
    a.in.max_wait_ms = -1;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_in_range(out.responses[0].partitions[0].records.size, 5000, 5500);
}

static void test_limits(void **state)
{
    each(limits, NULL);
}

/* What is left of a segment is an answer: the rest is in the next one already. */
static void segment_ends(struct rig *r, struct client *c)
{
    struct uuid id = client_create(c, "t", 1);
    struct wire_fetch_response out;
    int64_t began_ms = os_mono_ms(r->os);
    struct ask a;

    for (int i = 0; i < 4; i++)
        assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 700 * 1000), NULL), 0);
    ask_make(&a, "t", id, 1);
    a.parts[0].partition_max_bytes = 4 << 20;
    a.in.min_bytes = 2000 * 1000;
    for (int64_t offset = 0; offset < 3; offset++) {
        a.parts[0].fetch_offset = offset;
        CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
        assert_true(only(&out)->records.size >= 700 * 1000);
    }
    assert_true(os_mono_ms(r->os) - began_ms < 7000);
}

static void test_the_end_of_a_segment(void **state)
{
    static const char *const settings[] = {"log.segment.bytes=1048576", NULL};

    each(segment_ends, settings);
}

static void errors(struct rig *r, struct client *c)
{
    struct uuid id = client_create(c, "t", 1);
    struct uuid unknown = {{1, 2, 3}};
    struct wire_fetch_response out;
    struct ask a;

    ask_make(&a, "t", id, 1);
    a.parts[0].fetch_offset = 5;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    a.parts[0].fetch_offset = -1;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    a.parts[0].fetch_offset = 0;
    a.parts[0].current_leader_epoch = 100;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    a.parts[0].current_leader_epoch = -1;
    a.parts[0].partition = 1;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    a.parts[0].partition = -1;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ask_make(&a, "u", unknown, 1);
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(only(&out)->error_code, WIRE_ERROR_UNKNOWN_TOPIC_ID);
    a.in.topics_count = 0;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(out.responses_count, 0);
}

static void test_errors(void **state)
{
    each(errors, NULL);
}

static void sessions(struct rig *r, struct client *c)
{
    struct uuid id = client_create(c, "t", 2);
    struct wire_fetch_request_forgotten_topic forgotten;
    struct wire_fetch_response out;
    int32_t both[] = {0, 1};
    int32_t session;
    struct ask a;

    ask_make(&a, "t", id, 2);
    a.in.session_epoch = 0;
    a.in.max_wait_ms = 10;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    session = out.session_id;
    assert_true(session > 0);
    assert_int_equal(out.responses[0].partitions_count, 2);

    /* Nothing is new; then one partition is, and only it is told. */
    a.in.session_id = session;
    a.in.session_epoch = 1;
    a.in.topics_count = 0;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(out.session_id, session);
    assert_int_equal(out.responses_count, 0);
    assert_int_equal(client_produce(c, "t", 1, rig_batch(r, 10), NULL), 0);
    a.in.session_epoch = 2;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(only(&out)->partition_index, 1);
    assert_true(only(&out)->records.size > 0);

    CALL(c, fetch, FETCH, BY_ID, &a.in, &out); /* the same again */
    assert_int_equal(out.error_code, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    a.in.session_epoch = 3;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(out.error_code, WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR);

    /* Without its partitions the session ends. */
    wire_fetch_request_forgotten_topic_init(&forgotten);
    forgotten.topic_id = id;
    forgotten.partitions = both;
    forgotten.partitions_count = 1;
    a.in.forgotten_topics_data = &forgotten;
    a.in.forgotten_topics_data_count = 1;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(out.session_id, session);
    assert_int_equal(only(&out)->partition_index, 1);
    a.in.session_epoch = 4;
    forgotten.partitions_count = 2;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(out.session_id, 0);
    assert_int_equal(out.responses_count, 0);
    a.in.session_epoch = 5;
    CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
    assert_int_equal(out.error_code, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
}

static void test_sessions(void **state)
{
    each(sessions, NULL);
}

/* All slots taken by fresh sessions: served without one. */
static void slots(struct rig *r, struct client *c)
{
    struct wire_fetch_response out;
    struct ask a;
    int got = 0;

    ask_make(&a, "t", client_create(c, "t", 1), 1);
    a.in.session_epoch = 0;
    a.in.max_wait_ms = 0;
    for (int i = 0; i < 8; i++) {
        CALL(c, fetch, FETCH, BY_ID, &a.in, &out);
        got += out.session_id != 0;
    }
    assert_int_equal(got, 4 / r->shard_count);
}

static void test_slots(void **state)
{
    static const char *const settings[] = {"max.incremental.fetch.session.cache.slots=4", NULL};

    each(slots, settings);
}

/* The topic goes while fetches wait for it and produces are under way. */
static void deleted(struct rig *r, struct client *c)
{
    struct wire_delete_topics_request_delete_topic_state t;
    struct wire_delete_topics_request in;
    struct wire_delete_topics_response out;
    struct wire_fetch_response fetched;
    struct client producer, admin;
    struct ask a;
    enum wire_error error;

    ask_make(&a, "t", client_create(c, "t", 8), 8);
    client_open(&producer, r);
    client_open(&admin, r);
    SEND(c, fetch, FETCH, BY_ID, &a.in);
    assert_true(client_is_silent(c, 20));
    wire_delete_topics_request_init(&in);
    wire_delete_topics_request_delete_topic_state_init(&t);
    t.name = slice_of_text("t");
    in.topics = &t;
    in.topics_count = 1;
    SEND(&admin, delete_topics, DELETE_TOPICS, 6, &in);
    do {
        error = client_produce(&producer, "t", 3, rig_batch(r, 10), NULL);
    } while (error == WIRE_ERROR_NONE);
    assert_true(error == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
                error == WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    RECEIVE(&admin, delete_topics, DELETE_TOPICS, 6, &out);
    assert_int_equal(out.responses[0].error_code, 0);
    RECEIVE(c, fetch, FETCH, BY_ID, &fetched);
    assert_int_equal(fetched.responses[0].partitions_count, 8);
    client_close(&producer);
    client_close(&admin);
}

static void test_deleted_while_waiting(void **state)
{
    each(deleted, NULL);
}

static void offset_of(struct client *c, int64_t timestamp, int16_t version,
                      struct wire_list_offsets_response_list_offsets_partition_response *p_out)
{
    struct wire_list_offsets_request_list_offsets_partition p;
    struct wire_list_offsets_request_list_offsets_topic t;
    struct wire_list_offsets_request in;
    struct wire_list_offsets_response out;

    wire_list_offsets_request_init(&in);
    wire_list_offsets_request_list_offsets_topic_init(&t);
    wire_list_offsets_request_list_offsets_partition_init(&p);
    p.timestamp = timestamp;
    t.name = slice_of_text("t");
    t.partitions = &p;
    t.partitions_count = 1;
    in.topics = &t;
    in.topics_count = 1;
    CALL(c, list_offsets, LIST_OFFSETS, version, &in, &out);
    assert_int_equal(out.topics_count, 1);
    *p_out = out.topics[0].partitions[0];
}

static void list_offsets(struct rig *r, struct client *c)
{
    struct wire_list_offsets_response_list_offsets_partition_response p;

    client_create(c, "t", 1);
    offset_of(c, -3, 10, &p);
    assert_int_equal(p.offset, -1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_produce(c, "t", 0, rig_batch(r, 10), NULL), 0);
    offset_of(c, -1, 10, &p);
    assert_int_equal(p.offset, 3);
    offset_of(c, -2, 10, &p);
    assert_int_equal(p.offset, 0);
    offset_of(c, -3, 10, &p);
    assert_true(p.offset >= 0 && p.timestamp > 0);
    offset_of(c, -4, 10, &p);
    assert_int_equal(p.offset, 0);
    offset_of(c, -5, 10, &p);
    assert_int_equal(p.offset, -1);
    offset_of(c, 0, 10, &p);
    assert_int_equal(p.offset, 0);
    offset_of(c, os_wall_ms(r->os) + 1000, 10, &p);
    assert_int_equal(p.offset, -1);
    assert_int_equal(p.error_code, 0);
    offset_of(c, -99, 10, &p);
    assert_int_equal(p.error_code, WIRE_ERROR_UNSUPPORTED_VERSION);
    offset_of(c, -3, 6, &p);
    assert_int_equal(p.error_code, WIRE_ERROR_UNSUPPORTED_VERSION);
}

static void test_list_offsets(void **state)
{
    each(list_offsets, NULL);
}

/* "producer@first offset" of each. */
static const char *aborted_text(const struct wire_fetch_response_partition_data *p, char text[100])
{
    size_t size = 0;

    text[0] = 0;
    for (int32_t i = 0; i < p->aborted_transactions_count; i++)
        size += (size_t)snprintf(text + size, 100 - size, "%s%lld@%lld", i > 0 ? " " : "",
                                 (long long)p->aborted_transactions[i].producer_id,
                                 (long long)p->aborted_transactions[i].first_offset);
    return text;
}

/* 0 data of 1, 1 data of 2, 2 abort of 1, 3 data of 1, 4 commit of 2, 5 abort of 1, 6 data of 2 */
static void committed(struct rig *r, struct client *c)
{
    struct uuid id = client_create(c, "t", 2);
    struct wire_fetch_response_partition_data *p;
    struct wire_fetch_response out;
    struct ask a;
    char text[100];

    ask_make(&a, "t", id, 1);
    a.in.isolation_level = 1;
    a.in.max_wait_ms = 20;
    rig_append(r, id, 0, rig_batch_in_txn(r, 1, 0));
    rig_append(r, id, 0, rig_batch_in_txn(r, 2, 0));
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    p = only(&out);
    assert_int_equal(p->high_watermark, 2);
    assert_int_equal(p->last_stable_offset, 0);
    assert_int_equal(p->records.size, 0);
    assert_int_equal(p->aborted_transactions_count, 0);
    rig_append(r, id, 0, rig_marker(r, 1, false));
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_int_equal(only(&out)->last_stable_offset, 1);
    assert_string_equal(aborted_text(only(&out), text), "1@0");
    rig_append(r, id, 0, rig_batch_in_txn(r, 1, 1));
    rig_append(r, id, 0, rig_marker(r, 2, true));
    rig_append(r, id, 0, rig_marker(r, 1, false));
    rig_append(r, id, 0, rig_batch_in_txn(r, 2, 1));
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    p = only(&out);
    assert_int_equal(p->high_watermark, 7);
    assert_int_equal(p->last_stable_offset, 6);
    assert_string_equal(aborted_text(p, text), "1@0 1@3");
    a.parts[0].fetch_offset = 3;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    assert_string_equal(aborted_text(only(&out), text), "1@3");
    a.in.isolation_level = 0;
    CALL(c, fetch, FETCH, BY_NAME, &a.in, &out);
    p = only(&out);
    assert_int_equal(p->last_stable_offset, 6);
    assert_int_equal(p->aborted_transactions_count, -1); /* nobody asked */
}

static void test_committed(void **state)
{
    each(committed, NULL);
}

TESTS(test_fetch, cmocka_unit_test(test_committed), cmocka_unit_test(test_a_long_poll_wakes),
      cmocka_unit_test(test_limits), cmocka_unit_test(test_the_end_of_a_segment),
      cmocka_unit_test(test_errors), cmocka_unit_test(test_sessions), cmocka_unit_test(test_slots),
      cmocka_unit_test(test_deleted_while_waiting), cmocka_unit_test(test_list_offsets));
