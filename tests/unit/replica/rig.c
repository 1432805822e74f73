#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/folder.h"
#include "os/os.h"
#include "os/thread.h"
#include "record/builder.h"
#include "unit.h"

enum { ALARM_MS = 5000, BATCH_SIZE_MAX = 1 << 20 };

void rig_make(struct rig *r)
{
    *r = (struct rig){.wanted = 0};
    for (int i = 0; i < RIG_ROOTS; i++) {
        assert_true(test_folder_make("replica", r->path[i], sizeof(r->path[i])));
    }
}

void rig_start(struct rig *r, int pool_threads)
{
    const char *paths[RIG_ROOTS] = {r->path[0], r->path[1]};
    struct report report = {{0}};
    struct replica_options options = {0};

    assert_int_equal(os_open(&r->os), E_OK);
    assert_int_equal(loop_open(r->os, &r->loop), E_OK);
    r->pool = NULL;
    if (pool_threads > 0)
        assert_int_equal(os_pool_open(r->os, pool_threads, &r->pool), E_OK);
    assert_int_equal(replica_roots_open(r->os, paths, RIG_ROOTS, &r->roots, &report), E_OK);
    options.loop = r->loop;
    options.pool = r->pool;
    assert_int_equal(replica_shard_open(&options, &r->shard), E_OK);
}

static void on_stopped(void *ctx)
{
    rig_event(ctx);
}

void rig_stop(struct rig *r)
{
    replica_shard_stop(r->shard, on_stopped, r);
    rig_run(r, 1);
    replica_shard_close(r->shard);
    replica_roots_close(r->roots);
    os_pool_close(r->pool);
    loop_close(r->loop);
    os_close(r->os);
}

void rig_remove(struct rig *r)
{
    for (int i = 0; i < RIG_ROOTS; i++)
        assert_true(test_folder_remove(r->path[i]));
}

void rig_event(struct rig *r)
{
    if (--r->wanted == 0)
        loop_stop(r->loop);
}

static void on_alarm(struct loop_timer *timer)
{
    fail_msg("nothing happened for five seconds");
}

void rig_run(struct rig *r, int events)
{
    r->wanted = events;
    r->alarm.fire = on_alarm;
    loop_timer_start(r->loop, &r->alarm, os_mono_ms(r->os) + ALARM_MS);
    loop_turn_again(r->loop);
    loop_run(r->loop);
    loop_timer_stop(r->loop, &r->alarm);
    assert_true(r->wanted <= 0);
}

static void on_stop_task(struct loop_task *task)
{
    rig_event(LIST_ENTRY(task, struct rig, stop_task));
}

void rig_turn(struct rig *r)
{
    r->stop_task.run = on_stop_task;
    loop_post(r->loop, &r->stop_task);
    rig_run(r, 1);
}

void rig_batch(struct buf *out, int count, size_t size)
{
    static const uint8_t zeros[4096];
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;

    assert_true(size <= sizeof(zeros));
    buf_init(out, BATCH_SIZE_MAX);
    batch_builder_init(&builder, &options);
    for (int i = 0; i < count; i++)
        assert_int_equal(
            batch_builder_add(&builder, &(struct record_draft){.timestamp_ms = 1000 + i,
                                                               .value = slice_of(zeros, size)}),
            E_OK);
    assert_int_equal(batch_builder_finish(&builder, out), E_OK);
    batch_builder_release(&builder);
}
