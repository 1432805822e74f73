#include "rig.h"

#include <unistd.h>

#include "unit.h"
#include "wire/api_versions.h"
#include "wire/fetch.h"
#include "wire/metadata.h"
#include "wire/produce.h"

/* Connections and the whole broker, when they end at an unfriendly moment. */

enum { PARTS = 8 };

static void fetch_send(struct client *c, struct uuid id, int32_t wait_ms)
{
    struct wire_fetch_request_fetch_partition parts[PARTS];
    struct wire_fetch_request_fetch_topic t;
    struct wire_fetch_request in;

    wire_fetch_request_init(&in);
    wire_fetch_request_fetch_topic_init(&t);
    for (int32_t i = 0; i < PARTS; i++) {
        wire_fetch_request_fetch_partition_init(&parts[i]);
        parts[i].partition = i;
        parts[i].partition_max_bytes = 1 << 20;
    }
    t.topic_id = id;
    t.partitions = parts;
    t.partitions_count = PARTS;
    in.topics = &t;
    in.topics_count = 1;
    in.max_wait_ms = wait_ms;
    in.min_bytes = 100 << 20;
    in.max_bytes = 100 << 20;
    in.session_epoch = -1;
    SEND(c, fetch, FETCH, 13, &in);
}

/* Stop with long polls waiting and produces under way: all are answered, nobody waits long. */
static void test_stop_with_work(void **state)
{
    for (int shards = 1; shards <= 4; shards += 3) {
        struct wire_fetch_response fetched;
        struct wire_produce_response produced;
        struct client clients[PARTS];
        struct uuid id;
        int64_t began_ms;
        struct rig r;

        rig_start(&r, shards, NULL);
        for (int i = 0; i < PARTS; i++)
            client_open(&clients[i], &r);
        id = client_create(&clients[0], "t", PARTS);
        for (int i = 0; i < PARTS; i++) {
            client_produce_send(&clients[i], "t", i, rig_batch(&r, 1000), -1);
            fetch_send(&clients[i], id, 60 * 1000);
        }
        usleep(50 * 1000);
        began_ms = os_mono_ms(r.os);
        rig_stop_begin(&r);
        for (int i = 0; i < PARTS; i++) {
            RECEIVE(&clients[i], produce, PRODUCE, 9, &produced);
            assert_int_equal(produced.responses[0].partition_responses[0].error_code, 0);
            RECEIVE(&clients[i], fetch, FETCH, 13, &fetched);
            assert_int_equal(fetched.error_code, 0);
            assert_true(client_is_closed(&clients[i]));
            client_close(&clients[i]);
        }
        assert_true(os_mono_ms(r.os) - began_ms < 3000);
        rig_finish(&r);
    }
}

/* Clients that go away with everything under way; then the broker stops at once. */
static void test_clients_leave(void **state)
{
    for (int shards = 1; shards <= 4; shards += 3) {
        static const char *const settings[] = {"log.durability=interval", "log.flush.interval.ms=1",
                                               NULL};
        struct client c;
        struct uuid id;
        struct rig r;

        rig_start(&r, shards, settings);
        client_open(&c, &r);
        id = client_create(&c, "t", PARTS);
        for (int i = 0; i < 20; i++) {
            struct client leaver;

            client_open(&leaver, &r);
            for (int k = 0; k < PARTS; k++)
                client_produce_send(&leaver, "t", k, rig_batch(&r, 1000), k % 2 == 0 ? -1 : 0);
            fetch_send(&leaver, id, 60 * 1000);
            if (i % 2 == 0)
                usleep(5000);
            client_close(&leaver);
        }
        client_close(&c);
        rig_stop(&r);
    }
}

/* A line of requests behind a long poll: the answers keep their order. */
static void test_answers_in_order(void **state)
{
    for (int shards = 1; shards <= 4; shards += 3) {
        struct wire_metadata_request in;
        struct wire_metadata_response out;
        struct wire_fetch_response fetched;
        struct client c;
        struct uuid id;
        struct rig r;

        rig_start(&r, shards, NULL);
        client_open(&c, &r);
        id = client_create(&c, "t", PARTS);
        fetch_send(&c, id, 200);
        wire_metadata_request_init(&in);
        in.topics_count = -1;
        for (int i = 0; i < 100; i++)
            SEND(&c, metadata, METADATA, 12, &in);
        RECEIVE(&c, fetch, FETCH, 13, &fetched);
        assert_int_equal(c.answered_id, 2);
        for (int i = 0; i < 100; i++) {
            RECEIVE(&c, metadata, METADATA, 12, &out);
            assert_int_equal(c.answered_id, 3 + i);
            assert_int_equal(out.topics_count, 1);
        }
        client_close(&c);
        rig_stop(&r);
    }
}

/* Stop before the first client, and while one connects. */
static void test_stop_at_once(void **state)
{
    for (int shards = 1; shards <= 4; shards += 3) {
        struct client c;
        struct rig r;

        rig_start(&r, shards, NULL);
        rig_stop(&r);
        rig_start(&r, shards, NULL);
        client_open(&c, &r);
        rig_stop_begin(&r);
        rig_finish(&r);
        client_close(&c);
    }
}

/* Tens of thousands of partitions fit into one answer. */
static void test_large_metadata(void **state)
{
    static const char *const settings[] = {"log.durability=os", NULL};
    struct wire_metadata_request in;
    struct wire_metadata_response out;
    struct wire_metadata_request_metadata_request_topic topics[200];
    struct client c;
    struct rig r;

    rig_start(&r, 1, settings);
    client_open(&c, &r);
    client_create(&c, "t", 200);
    wire_metadata_request_init(&in);
    for (size_t i = 0; i < 200; i++) {
        wire_metadata_request_metadata_request_topic_init(&topics[i]);
        topics[i].name = slice_of_text("t");
    }
    in.topics = topics;
    in.topics_count = 200;
    CALL(&c, metadata, METADATA, 12, &in, &out);
    assert_int_equal(out.topics_count, 200);
    assert_int_equal(out.topics[199].partitions_count, 200);
    client_close(&c);
    rig_stop(&r);
}

TESTS(test_life, cmocka_unit_test(test_stop_with_work), cmocka_unit_test(test_clients_leave),
      cmocka_unit_test(test_answers_in_order), cmocka_unit_test(test_stop_at_once),
      cmocka_unit_test(test_large_metadata));
