#include "replica/scrub_priv.h"

#include <assert.h>

#include "base/mem.h"
#include "config/config.h"
#include "os/thread.h"
#include "replica/partition_priv.h"
#include "trace/trace.h"

/*
 * One step at a time, of one partition until its round is done:
 *
 *     timer --due--> begin --pool--> run --task--> finish --> timer, as the throttle says
 *           \--nothing due--> timer, much later
 */
enum {
    STEP_BYTES = 2 << 20,          /* a fraction of a second on the slowest disk */
    STEP_BYTES_INLINE = 256 << 10, /* without a pool the loop itself reads */
    IDLE_MS = 30 * 1000,
    WAIT_MS_MIN = 1,
};

struct replica_scrub {
    struct replica_shard *shard;
    int64_t bytes_per_second;
    int64_t idle_ms;
    struct loop_timer timer;
    struct loop_task task;
    struct log_scrub step;
    struct partition_id id;     /* of the step, or of the last one */
    struct partition_id failed; /* comes last: others wait, too */
    bool is_running;            /* a step is on the pool */
    bool has_failed;
};

static void wait(struct replica_scrub *scrub, int64_t ms)
{
    struct loop *loop = scrub->shard->options.loop;

    loop_timer_start(loop, &scrub->timer,
                     loop_now_ms(loop) + (ms < WAIT_MS_MIN ? WAIT_MS_MIN : ms));
}

static void tell(struct replica_scrub *scrub, const struct partition *p, enum err e,
                 const struct log_scrubbed *result)
{
    struct trace *trace = scrub->shard->options.trace;
    struct slice topic = slice_of_text(p->topic);

    if (e != E_OK && e != E_AGAIN)
        trace_event(trace, TRACE_WARN, TRACE_REPLICA, "scrub_failed",
                    TRACE_FIELDS(trace_topic(topic), trace_partition(p->id.index), trace_error(e)));
    if (e == E_OK && result->damaged_ranges > 0)
        trace_event(trace, TRACE_ERROR, TRACE_REPLICA, "damage_found",
                    TRACE_FIELDS(trace_topic(topic), trace_partition(p->id.index),
                                 trace_i64("ranges", result->damaged_ranges),
                                 trace_text("root", log_root_path(p->root)),
                                 trace_text("text", "marked, not served; dlog log verify says "
                                                    "where, dlog log repair mends it")));
    if (e == E_OK && result->unreadable > 0)
        trace_event(trace, TRACE_ERROR, TRACE_REPLICA, "disk_cannot_read",
                    TRACE_FIELDS(trace_topic(topic), trace_partition(p->id.index),
                                 trace_text("root", log_root_path(p->root))));
    if (e == E_OK && result->is_round_done)
        trace_event(trace, TRACE_DEBUG, TRACE_REPLICA, "scrubbed",
                    TRACE_FIELDS(trace_topic(topic), trace_partition(p->id.index)));
}

static void finish(struct replica_scrub *scrub)
{
    struct replica_stats *stats = scrub->shard->stats;
    struct partition *p = partition_find(scrub->shard, scrub->id);
    struct log_scrubbed result = {0};
    enum err e;

    if (p == NULL) { /* closed or deleted meanwhile */
        log_scrub_drop(&scrub->step);
        wait(scrub, WAIT_MS_MIN);
        return;
    }
    e = log_scrub_finish(&scrub->step, p->log, &result);
    counter_add(&stats->scrubbed_bytes, (uint64_t)result.bytes);
    counter_add(&stats->damaged_ranges, (uint64_t)result.damaged_ranges);
    tell(scrub, p, e, &result);
    scrub->has_failed = e != E_OK;
    scrub->failed = scrub->id;
    wait(scrub, e != E_OK && e != E_AGAIN ? scrub->idle_ms
                                          : result.bytes * 1000 / scrub->bytes_per_second);
}

static void on_task(struct loop_task *task)
{
    struct replica_scrub *scrub = LIST_ENTRY(task, struct replica_scrub, task);

    scrub->is_running = false;
    scrub->shard->sync_count--;
    replica_shard_check_stopped(scrub->shard);
    finish(scrub);
}

static void job_run(struct os_job *job)
{
    log_scrub_run(LIST_ENTRY(job, struct log_scrub, job));
}

static void job_done(struct os_job *job)
{
    struct log_scrub *step = LIST_ENTRY(job, struct log_scrub, job);
    struct replica_scrub *scrub = LIST_ENTRY(step, struct replica_scrub, step);

    loop_post(scrub->shard->options.loop, &scrub->task);
}

static bool is_same(struct partition_id a, struct partition_id b)
{
    return a.index == b.index && uuid_equal(a.topic_id, b.topic_id);
}

struct choice {
    const struct replica_scrub *scrub;
    int64_t wall_ms;
    struct partition *found;
    struct partition *last; /* failed before */
};

static bool choose(void *ctx, struct partition *p)
{
    struct choice *c = ctx;

    if (!log_scrub_is_due(p->log, c->wall_ms))
        return true;
    if (c->scrub->has_failed && is_same(p->id, c->scrub->failed)) {
        c->last = p;
        return true;
    }
    c->found = p;
    return false;
}

/* The partition of the last step until its round is done, then any that is due. */
static struct partition *next_partition(struct replica_scrub *scrub, int64_t wall_ms)
{
    struct choice c = {.scrub = scrub, .wall_ms = wall_ms};
    struct partition *p = partition_find(scrub->shard, scrub->id);

    if (p != NULL && !scrub->has_failed && log_scrub_is_due(p->log, wall_ms))
        return p;
    partition_each(scrub->shard, choose, &c);
    return c.found != NULL ? c.found : c.last;
}

static void on_timer(struct loop_timer *timer)
{
    struct replica_scrub *scrub = LIST_ENTRY(timer, struct replica_scrub, timer);
    struct replica_shard *shard = scrub->shard;
    int64_t wall_ms = loop_wall_ms(shard->options.loop);
    bool has_pool = shard->options.pool != NULL;
    struct partition *p;
    enum err e;

    if (shard->is_closing)
        return;
    p = next_partition(scrub, wall_ms);
    if (p == NULL) {
        wait(scrub, scrub->idle_ms);
        return;
    }
    scrub->id = p->id;
    e = log_scrub_begin(&scrub->step, p->log, has_pool ? STEP_BYTES : STEP_BYTES_INLINE, wall_ms);
    if (e != E_OK) {
        if (e != E_NOT_FOUND)
            tell(scrub, p, e, NULL);
        scrub->has_failed = e != E_NOT_FOUND;
        scrub->failed = p->id;
        wait(scrub, e == E_NOT_FOUND ? WAIT_MS_MIN : scrub->idle_ms);
        return;
    }
    if (!has_pool) {
        log_scrub_run(&scrub->step);
        finish(scrub);
        return;
    }
    scrub->is_running = true;
    shard->sync_count++;
    scrub->step.job.run = job_run;
    scrub->step.job.done = job_done;
    os_pool_submit(shard->options.pool, &scrub->step.job);
}

enum err replica_scrub_open(struct replica_shard *shard, const struct config *config,
                            struct replica_scrub **scrub_out)
{
    struct replica_scrub *scrub = mem_alloc_zero(sizeof(*scrub));

    if (scrub == NULL)
        return E_NOMEM;
    scrub->shard = shard;
    scrub->bytes_per_second = config_i64(config, CONFIG_LOG_SCRUB_RATE);
    scrub->timer.fire = on_timer;
    scrub->task.run = on_task;
    scrub->idle_ms = config_i64(config, CONFIG_LOG_SCRUB_MS);
    if (scrub->idle_ms > IDLE_MS)
        scrub->idle_ms = IDLE_MS;
    if (scrub->idle_ms > 0) /* and not at once: starting has other things to read */
        wait(scrub, scrub->idle_ms);
    *scrub_out = scrub;
    return E_OK;
}

void replica_scrub_close(struct replica_scrub *scrub)
{
    if (scrub == NULL)
        return;
    loop_timer_stop(scrub->shard->options.loop, &scrub->timer);
    if (scrub->is_running) { /* loop and pool have stopped before the result was taken */
        scrub->shard->sync_count--;
        log_scrub_drop(&scrub->step);
    }
    mem_free(scrub);
}
