#include "quorum/quorum.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/folder.h"
#include "os/os.h"
#include "replica/manager.h"
#include "unit.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"

/*
 * A node of one thread: the controller and an observer on the same loop. Every
 * life opens all, runs a few steps, closes all; the directory stays.
 */
struct node {
    char path[64];
    struct os *os;
    struct loop *loop;
    struct replica_roots *roots;
    struct quorum *quorum;
    struct quorum_observer observer;
    struct meta_image *image;
    struct arena arena;
    struct report report;
    struct loop_timer alarm;
    int64_t last_offset;
    int wanted; /* events until the loop stops */
    bool is_caught_up;
};

static void event(struct node *n)
{
    if (--n->wanted == 0)
        loop_stop(n->loop);
}

static void on_records(void *ctx, const struct quorum_batch *batch)
{
    struct node *n = ctx;

    for (size_t i = 0; i < meta_records_count(batch->records); i++)
        assert_int_equal(
            meta_image_apply(n->image, meta_records_at(batch->records, i), NULL, &n->report), E_OK);
    assert_true(batch->last_offset > n->last_offset);
    n->last_offset = batch->last_offset;
}

static void on_caught_up(void *ctx)
{
    struct node *n = ctx;

    n->is_caught_up = true;
    event(n);
}

static void on_gone(void *ctx)
{
    event(ctx);
}

static void on_alarm(struct loop_timer *timer)
{
    fail_msg("nothing happened for five seconds");
}

static void run_until(struct node *n, int events)
{
    n->wanted = events;
    n->alarm.fire = on_alarm;
    loop_timer_start(n->loop, &n->alarm, os_mono_ms(n->os) + 5000);
    loop_run(n->loop);
    loop_timer_stop(n->loop, &n->alarm);
    assert_true(n->wanted <= 0);
}

static enum err try_open(struct node *n, int32_t node_id)
{
    static const struct meta_endpoint endpoint = {
        .name = {(const uint8_t *)"PLAINTEXT", 9},
        .host = {(const uint8_t *)"localhost", 9},
        .port = 9092,
    };
    const char *paths[] = {n->path};
    struct quorum_options options = {
        .node_id = node_id,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .default_partitions = 2,
        .default_replication = 3,
    };
    enum err e;

    assert_int_equal(os_open(&n->os), E_OK);
    assert_int_equal(loop_open(n->os, &n->loop), E_OK);
    assert_int_equal(replica_roots_open(n->os, paths, 1, &n->roots, &n->report), E_OK);
    options.loop = n->loop;
    options.roots = n->roots;
    e = quorum_open(&options, &n->quorum, &n->report);
    if (e != E_OK)
        n->quorum = NULL;
    return e;
}

static void start(struct node *n)
{
    if (try_open(n, -1) != E_OK)
        fail_msg("%s", n->report.text);
    arena_init(&n->arena, 1 << 20);
    n->image = meta_image_new(7);
    n->last_offset = -1;
    n->is_caught_up = false;
    n->observer = (struct quorum_observer){
        .loop = n->loop,
        .ctx = n,
        .on_records = on_records,
        .on_caught_up = on_caught_up,
        .on_gone = on_gone,
    };
    quorum_observe(n->quorum, &n->observer);
    run_until(n, 1);
    assert_true(n->is_caught_up);
}

static void close_all(struct node *n)
{
    quorum_close(n->quorum);
    replica_roots_close(n->roots);
    loop_close(n->loop);
    os_close(n->os);
}

static void stop(struct node *n)
{
    quorum_unobserve(&n->observer);
    run_until(n, 1);
    arena_release(&n->arena);
    meta_image_free(n->image);
    close_all(n);
}

static void begin(struct node *n)
{
    *n = (struct node){0};
    assert_true(test_folder_make("quorum", n->path, sizeof(n->path)));
}

static void end(struct node *n)
{
    assert_true(test_folder_remove(n->path));
}

static void on_op_done(struct quorum_op *op)
{
    event(op->ctx);
}

static void submit(struct node *n, struct quorum_op *op)
{
    op->loop = n->loop;
    op->done = on_op_done;
    op->ctx = n;
    op->arena = &n->arena;
    quorum_submit(n->quorum, op);
}

static struct wire_create_topics_request_creatable_topic topic(const char *name, int32_t partitions)
{
    return (struct wire_create_topics_request_creatable_topic){
        .name = slice_of_text(name),
        .num_partitions = partitions,
        .replication_factor = -1,
    };
}

static struct meta_topic_result create(struct node *n, const char *name, int32_t partitions)
{
    struct wire_create_topics_request_creatable_topic t = topic(name, partitions);
    struct wire_create_topics_request request = {.topics = &t, .topics_count = 1};
    struct quorum_op op = {.kind = QUORUM_CREATE_TOPICS, .request.create_topics = &request};

    submit(n, &op);
    run_until(n, 1);
    assert_int_equal(op.error, 0);
    return op.result.topics[0];
}

static void starts_with_itself(void **state)
{
    const struct meta_broker *broker;
    struct node n;

    begin(&n);
    start(&n);
    assert_int_equal(quorum_node_id(n.quorum), 1);
    assert_int_equal(strlen(quorum_cluster_id(n.quorum)), 22);
    broker = meta_image_broker(n.image, 1);
    assert_non_null(broker);
    assert_false(broker->is_fenced);
    assert_int_equal(broker->epoch, quorum_broker_epoch(n.quorum));
    assert_int_equal(broker->endpoint_count, 1);
    assert_true(slice_equal_text(broker->endpoints[0].host, "localhost"));
    assert_int_equal(broker->endpoints[0].port, 9092);
    assert_int_equal(meta_image_feature_level(n.image, slice_of_text("transaction.version")), 2);
    stop(&n);
    end(&n);
}

static void answers_after_the_image_has_it(void **state)
{
    struct meta_topic_result r;
    const struct meta_topic *t;
    struct node n;

    begin(&n);
    start(&n);
    r = create(&n, "orders", -1);
    assert_int_equal(r.result.error, 0);
    assert_int_equal(r.partition_count, 2);
    assert_int_equal(r.replication_factor, 1);
    t = meta_image_topic(n.image, slice_of_text("orders"));
    assert_non_null(t);
    assert_true(uuid_equal(t->id, r.topic_id));
    assert_int_equal(t->partition_count, 2);
    assert_int_equal(meta_topic_partition(t, 1)->leader, 1);
    assert_int_equal(create(&n, "orders", 1).result.error, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    stop(&n);
    end(&n);
}

/* The second op must see what the first one did, though nothing of it is committed yet. */
static void decisions_see_what_is_appended(void **state)
{
    struct wire_create_topics_request_creatable_topic t = topic("a", 1);
    struct wire_create_topics_request request = {.topics = &t, .topics_count = 1};
    struct wire_create_partitions_request_create_partitions_topic more = {
        .name = slice_of_text("a"), .count = 5, .assignments_count = -1};
    struct wire_create_partitions_request grow = {.topics = &more, .topics_count = 1};
    struct quorum_op ops[4] = {
        {.kind = QUORUM_CREATE_TOPICS, .request.create_topics = &request},
        {.kind = QUORUM_CREATE_TOPICS, .request.create_topics = &request},
        {.kind = QUORUM_CREATE_PARTITIONS, .request.create_partitions = &grow},
        {.kind = QUORUM_PRODUCER_IDS},
    };
    struct node n;

    begin(&n);
    start(&n);
    for (int i = 0; i < 4; i++)
        submit(&n, &ops[i]);
    run_until(&n, 4);
    assert_int_equal(ops[0].result.topics[0].result.error, 0);
    assert_int_equal(ops[1].result.topics[0].result.error, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(ops[2].result.topics[0].result.error, 0);
    assert_int_equal(ops[3].result.first_producer_id, 0);
    assert_int_equal(meta_image_topic(n.image, slice_of_text("a"))->partition_count, 5);
    stop(&n);
    end(&n);
}

static void keeps_everything_over_restarts(void **state)
{
    struct quorum_op ids = {.kind = QUORUM_PRODUCER_IDS};
    char cluster_id[64];
    struct uuid id;
    int64_t epoch;
    struct node n;

    begin(&n);
    start(&n);
    snprintf(cluster_id, sizeof(cluster_id), "%s", quorum_cluster_id(n.quorum));
    epoch = quorum_broker_epoch(n.quorum);
    id = create(&n, "kept", 3).topic_id;
    submit(&n, &ids);
    run_until(&n, 1);
    stop(&n);
    for (int life = 0; life < 3; life++) {
        const struct meta_topic *t;

        start(&n);
        assert_string_equal(quorum_cluster_id(n.quorum), cluster_id);
        assert_true(quorum_broker_epoch(n.quorum) > epoch);
        epoch = quorum_broker_epoch(n.quorum);
        t = meta_image_topic(n.image, slice_of_text("kept"));
        assert_non_null(t);
        assert_true(uuid_equal(t->id, id));
        assert_int_equal(t->partition_count, 3);
        assert_int_equal(meta_image_broker(n.image, 1)->epoch, epoch);
        submit(&n, &ids);
        run_until(&n, 1);
        assert_int_equal(ids.result.first_producer_id, 1000 * (life + 1));
        stop(&n);
    }
    end(&n);
}

static void deletes_by_name_and_by_id(void **state)
{
    struct wire_delete_topics_request_delete_topic_state states[2] = {{.name = {0}}};
    struct wire_delete_topics_request request = {.topics = states, .topics_count = 2};
    struct quorum_op op = {.kind = QUORUM_DELETE_TOPICS, .request.delete_topics = &request};
    struct uuid first;
    struct node n;

    begin(&n);
    start(&n);
    first = create(&n, "x", 1).topic_id;
    create(&n, "y", 1);
    states[0].topic_id = first;
    states[1].name = slice_of_text("y");
    submit(&n, &op);
    run_until(&n, 1);
    assert_int_equal(op.result.topics[0].result.error, 0);
    assert_true(slice_equal_text(op.result.topics[0].name, "x"));
    assert_int_equal(op.result.topics[1].result.error, 0);
    assert_int_equal(meta_image_topic_count(n.image), 0);
    assert_true(meta_image_was_deleted(n.image, first));
    assert_false(uuid_equal(create(&n, "x", 1).topic_id, first));
    stop(&n);
    end(&n);
}

/* More than one chunk of the log, so that catching up takes several steps. */
static void a_late_observer_sees_all(void **state)
{
    enum { TOPICS = 40, PARTITIONS = 200 };
    char names[TOPICS][16];
    struct node n;

    begin(&n);
    start(&n);
    for (int i = 0; i < TOPICS; i++) {
        snprintf(names[i], sizeof(names[i]), "topic-%d", i);
        assert_int_equal(create(&n, names[i], PARTITIONS).result.error, 0);
        arena_clear(&n.arena);
    }
    quorum_unobserve(&n.observer);
    run_until(&n, 1);
    meta_image_free(n.image);
    n.image = meta_image_new(9);
    n.last_offset = -1;
    n.observer.is_leaving = false;
    quorum_observe(n.quorum, &n.observer);
    run_until(&n, 1);
    assert_int_equal(meta_image_topic_count(n.image), TOPICS);
    assert_int_equal(meta_image_partition_count(n.image), TOPICS * PARTITIONS);
    stop(&n);
    end(&n);
}

static void another_node_is_refused(void **state)
{
    struct node n;

    begin(&n);
    start(&n);
    stop(&n);
    assert_int_equal(try_open(&n, 5), E_INVAL);
    assert_non_null(strstr(n.report.text, "node.id is 1, expected 5"));
    close_all(&n);
    end(&n);
}

TESTS(test_quorum, cmocka_unit_test(starts_with_itself),
      cmocka_unit_test(answers_after_the_image_has_it),
      cmocka_unit_test(decisions_see_what_is_appended),
      cmocka_unit_test(keeps_everything_over_restarts), cmocka_unit_test(deletes_by_name_and_by_id),
      cmocka_unit_test(a_late_observer_sees_all), cmocka_unit_test(another_node_is_refused));
