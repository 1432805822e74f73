#include "replica/partition.h"

#include <signal.h>
#include <sys/resource.h>

#include "os/os.h"
#include "rig.h"
#include "unit.h"

static struct partition *open_one(struct rig *r, int32_t index, const struct log_options *options)
{
    struct partition_open open = {
        .id = {.topic_id = {{1, 2, 3}}, .index = index},
        .topic = slice_of_text("t"),
        .leader_epoch = 4,
        .root = replica_roots_at(r->roots, 0),
        .log = options == NULL ? log_options_default() : *options,
    };
    struct report report = {{0}};
    struct partition *p;

    if (partition_open(r->shard, &open, &p, &report) != E_OK)
        fail_msg("%s", report.text);
    return p;
}

struct op {
    struct partition_append append;
    struct rig *rig;
    struct buf bytes;
    int order; /* in which it was done; 0: not yet */
    int *counter;
    struct op *then; /* to be appended when this is done */
    struct partition *then_to;
};

static void on_done(struct partition_append *append)
{
    struct op *op = LIST_ENTRY(append, struct op, append);

    assert_int_equal(op->order, 0);
    op->order = ++*op->counter;
    if (op->then != NULL)
        partition_append(op->then_to, &op->then->append);
    rig_event(op->rig);
}

static void op_init(struct op *op, struct rig *r, int *counter, int records)
{
    *op = (struct op){.rig = r, .counter = counter};
    rig_batch(&op->bytes, records, 100);
    op->append = (struct partition_append){.bytes = op->bytes.at,
                                           .size = op->bytes.size,
                                           .acks = -1,
                                           .done = on_done,
                                           .wall_ms = os_wall_ms(r->os)};
}

static void op_release(struct op *op)
{
    buf_release(&op->bytes);
}

static void commits_after_the_sync(void **state)
{
    struct rig r;
    struct op ops[3];
    struct partition *p;
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    p = open_one(&r, 0, NULL);
    assert_int_equal(partition_leader_epoch(p), 4);
    for (int i = 0; i < 3; i++) {
        op_init(&ops[i], &r, &counter, 10);
        partition_append(p, &ops[i].append);
        assert_int_equal(ops[i].order, 0);
    }
    assert_int_equal(partition_high_watermark(p), 0);
    rig_run(&r, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ops[i].order, i + 1);
        assert_int_equal(ops[i].append.err, E_OK);
        assert_int_equal(ops[i].append.appended.first_offset, i * 10);
        op_release(&ops[i]);
    }
    assert_int_equal(partition_high_watermark(p), 30);
    assert_int_equal(log_synced_offset(partition_log(p)), 30);
    rig_stop(&r);
    rig_start(&r, 0);
    p = open_one(&r, 0, NULL);
    assert_int_equal(partition_high_watermark(p), 30);
    rig_stop(&r);
    rig_remove(&r);
}

static void syncs_many_on_the_pool(void **state)
{
    enum { PARTITIONS = 8, ROUNDS = 5 };
    struct rig r;
    struct op ops[PARTITIONS][ROUNDS];
    struct partition *p[PARTITIONS];
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 2);
    for (int i = 0; i < PARTITIONS; i++) {
        p[i] = open_one(&r, i, NULL);
        for (int k = 0; k < ROUNDS; k++)
            op_init(&ops[i][k], &r, &counter, 1);
    }
    /* Rounds 1 and 2 are appended now, each later one when the one before is done. */
    for (int i = 0; i < PARTITIONS; i++) {
        for (int k = 1; k + 1 < ROUNDS; k++) {
            ops[i][k].then = &ops[i][k + 1];
            ops[i][k].then_to = p[i];
        }
        partition_append(p[i], &ops[i][0].append);
        partition_append(p[i], &ops[i][1].append);
    }
    rig_run(&r, PARTITIONS * ROUNDS);
    for (int i = 0; i < PARTITIONS; i++) {
        assert_int_equal(partition_high_watermark(p[i]), ROUNDS);
        for (int k = 0; k < ROUNDS; k++) {
            assert_int_equal(ops[i][k].append.err, E_OK);
            assert_int_equal(ops[i][k].append.appended.first_offset, k);
            assert_true(k == 0 || ops[i][k].order > ops[i][k - 1].order);
            op_release(&ops[i][k]);
        }
    }
    rig_stop(&r);
    rig_remove(&r);
}

static void an_error_waits_for_its_turn(void **state)
{
    struct rig r;
    struct op good;
    struct op bad;
    struct log_options options = log_options_default();
    struct partition *p;
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    options.segment_bytes = 4096;
    p = open_one(&r, 0, &options);
    op_init(&good, &r, &counter, 1);
    op_init(&bad, &r, &counter, 100);
    partition_append(p, &good.append);
    partition_append(p, &bad.append);
    assert_int_equal(bad.append.err, E_TOO_BIG);
    rig_run(&r, 2);
    assert_int_equal(good.order, 1);
    assert_int_equal(good.append.err, E_OK);
    assert_int_equal(bad.order, 2);
    op_release(&good);
    op_release(&bad);
    rig_stop(&r);
    rig_remove(&r);
}

struct watcher {
    struct partition_watch watch;
    struct rig *rig;
    int count;
};

static void on_moved(struct partition_watch *watch)
{
    struct watcher *w = LIST_ENTRY(watch, struct watcher, watch);

    w->count++;
    assert_false(watch->is_set);
    rig_event(w->rig);
}

static void watches_fire_once(void **state)
{
    struct rig r;
    struct op op;
    struct watcher w = {.rig = &r, .watch = {.moved = on_moved}};
    struct watcher off = {.rig = &r, .watch = {.moved = on_moved}};
    struct partition *p;
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    p = open_one(&r, 0, NULL);
    partition_watch(p, &w.watch);
    partition_watch(p, &off.watch);
    partition_unwatch(&off.watch);
    op_init(&op, &r, &counter, 1);
    partition_append(p, &op.append);
    rig_run(&r, 2);
    assert_int_equal(w.count, 1);
    assert_int_equal(off.count, 0);
    partition_watch(p, &w.watch);
    partition_close(p);
    rig_run(&r, 1);
    assert_int_equal(w.count, 2);
    op_release(&op);
    rig_stop(&r);
    rig_remove(&r);
}

static void closing_ends_what_waits(void **state)
{
    struct rig r;
    struct op op;
    struct partition *p;
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    p = open_one(&r, 0, NULL);
    op_init(&op, &r, &counter, 1);
    partition_append(p, &op.append);
    assert_int_equal(partition_delete(p), E_OK);
    assert_null(partition_find(r.shard, (struct partition_id){{{1, 2, 3}}, 0}));
    rig_run(&r, 1);
    assert_int_equal(op.append.err, E_NOT_LEADER);
    op_release(&op);
    p = open_one(&r, 0, NULL);
    assert_int_equal(log_end_offset(partition_log(p)), 0);
    rig_stop(&r);
    rig_remove(&r);
}

static void deletes_under_a_running_sync(void **state)
{
    struct rig r;
    struct op ops[2];
    struct partition *p[2];
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 1);
    for (int i = 0; i < 2; i++) {
        p[i] = open_one(&r, i, NULL);
        op_init(&ops[i], &r, &counter, 1);
        partition_append(p[i], &ops[i].append);
    }
    rig_turn(&r); /* both syncs are on the pool now, or even done */
    assert_int_equal(partition_delete(p[0]), E_OK);
    while (counter < 2)
        rig_turn(&r);
    assert_true(ops[0].append.err == E_OK || ops[0].append.err == E_NOT_LEADER);
    assert_int_equal(ops[1].append.err, E_OK);
    for (int i = 0; i < 2; i++)
        op_release(&ops[i]);
    rig_stop(&r);
    rig_remove(&r);
}

static void other_policies_commit_at_once(void **state)
{
    struct rig r;
    struct op op;
    struct log_options options = log_options_default();
    struct partition *p;
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    options.durability = LOG_DURABILITY_OS;
    p = open_one(&r, 0, &options);
    op_init(&op, &r, &counter, 5);
    partition_append(p, &op.append);
    rig_run(&r, 1);
    assert_int_equal(partition_high_watermark(p), 5);
    assert_int_equal(log_synced_offset(partition_log(p)), 0);
    op_release(&op);

    options.durability = LOG_DURABILITY_INTERVAL;
    options.flush_ms = 3600 * 1000; /* not in this test, however slow the disk is */
    options.flush_messages = 1000;
    p = open_one(&r, 1, &options);
    op_init(&op, &r, &counter, 5);
    partition_append(p, &op.append);
    rig_run(&r, 1);
    assert_int_equal(partition_high_watermark(p), 5);
    assert_int_equal(log_synced_offset(partition_log(p)), 0);
    op_release(&op);

    options.flush_ms = 1;
    p = open_one(&r, 2, &options);
    op_init(&op, &r, &counter, 5);
    partition_append(p, &op.append);
    rig_run(&r, 1);
    for (int64_t end = os_mono_ms(r.os) + 60 * 1000;
         os_mono_ms(r.os) < end && log_synced_offset(partition_log(p)) == 0;)
        rig_turn(&r);
    assert_int_equal(log_synced_offset(partition_log(p)), 5);
    op_release(&op);
    rig_stop(&r);
    rig_remove(&r);
}

/* The disk takes no more bytes for a while: that append is refused, those around it are not. */
static void a_full_disk_refuses_and_goes_on(void **state)
{
    struct rlimit before;
    struct rlimit none = {0};
    struct rig r;
    struct op ops[4];
    struct partition *p[2];
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    for (int i = 0; i < 2; i++)
        p[i] = open_one(&r, i, NULL);
    for (int i = 0; i < 4; i++)
        op_init(&ops[i], &r, &counter, 1);
    partition_append(p[0], &ops[0].append);
    rig_run(&r, 1);
    assert_int_equal(ops[0].append.err, E_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    partition_append(p[0], &ops[1].append); /* fails here or when it is synced */
    rig_run(&r, 1);
    assert_int_not_equal(ops[1].append.err, E_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    partition_append(p[0], &ops[2].append);
    partition_append(p[1], &ops[3].append);
    rig_run(&r, 2);
    assert_int_equal(ops[1].append.err, E_NO_SPACE);
    assert_int_equal(ops[2].append.err, E_OK);
    assert_int_equal(ops[2].append.appended.first_offset, 1);
    assert_int_equal(ops[3].append.err, E_OK);
    assert_int_equal(partition_high_watermark(p[0]), 2);
    assert_int_equal(partition_high_watermark(p[1]), 1);
    for (int i = 0; i < 4; i++)
        op_release(&ops[i]);
    rig_stop(&r);
    rig_remove(&r);
}

static void reads_up_to_what_is_committed(void **state)
{
    struct rig r;
    struct op op;
    struct log_range range;
    struct partition *p;
    int counter = 0;

    rig_make(&r);
    rig_start(&r, 0);
    p = open_one(&r, 0, NULL);
    op_init(&op, &r, &counter, 5);
    partition_append(p, &op.append);
    assert_int_equal(partition_read(p, 0, PARTITION_READ_UNCOMMITTED, 1 << 20, &range), E_OK);
    assert_int_equal(range.size, 0);
    assert_int_equal(partition_read(p, 0, PARTITION_READ_LOG_END, 1 << 20, &range), E_OK);
    assert_int_equal(range.size, op.bytes.size);
    log_range_release(&range);
    rig_run(&r, 1);
    assert_int_equal(partition_read(p, 0, PARTITION_READ_COMMITTED, 1 << 20, &range), E_OK);
    assert_int_equal(range.size, op.bytes.size);
    log_range_release(&range);
    assert_int_equal(partition_lead(p, 9), E_OK);
    assert_int_equal(partition_leader_epoch(p), 9);
    assert_int_equal(log_latest_epoch(partition_log(p)), 9);
    op_release(&op);
    rig_stop(&r);
    rig_remove(&r);
}

TESTS(test_partition, cmocka_unit_test(commits_after_the_sync),
      cmocka_unit_test(syncs_many_on_the_pool), cmocka_unit_test(an_error_waits_for_its_turn),
      cmocka_unit_test(watches_fire_once), cmocka_unit_test(closing_ends_what_waits),
      cmocka_unit_test(deletes_under_a_running_sync),
      cmocka_unit_test(other_policies_commit_at_once),
      cmocka_unit_test(a_full_disk_refuses_and_goes_on),
      cmocka_unit_test(reads_up_to_what_is_committed));
