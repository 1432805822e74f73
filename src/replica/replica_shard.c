#include <assert.h>

#include "base/mem.h"
#include "os/os.h"
#include "os/thread.h"
#include "replica/partition_priv.h"
#include "trace/trace.h"

/*
 * One turn: appends were made, each touched its partition. The hook syncs what
 * must be synced, moves the high watermarks, and calls back. Callbacks run at the
 * very end and from lists of the shard, so they may append, watch, close and
 * delete whatever they like.
 *
 *     touched --one, or no pool--> synced here ----------------> advance -> done()
 *             \--several---------> pool -> task on this loop --/
 */

static void sync_failed(struct partition *p, enum err e)
{
    if (e != E_BROKEN) /* the first one only */
        trace_event(p->shard->options.trace, TRACE_ERROR, TRACE_REPLICA, "sync_failed",
                    TRACE_FIELDS(trace_topic(slice_of_text(p->topic)), trace_partition(p->id.index),
                                 trace_error(e), trace_text("root", log_root_path(p->root))));
    partition_fail(p, e);
}

static void after_sync(struct partition *p, enum err e)
{
    struct replica_stats *stats = p->shard->stats;
    size_t before = p->shard->done_count;

    if (e == E_OK) {
        partition_advance(p);
        replica_stats_synced(stats, p->sync_ns, p->shard->done_count - before);
    } else {
        counter_add(&stats->sync_failures, 1);
        sync_failed(p, e);
    }
}

static void on_stopped_task(struct loop_task *task)
{
    struct replica_shard *shard = LIST_ENTRY(task, struct replica_shard, stopped_task);

    shard->stopped(shard->stopped_ctx);
}

void replica_shard_check_stopped(struct replica_shard *shard)
{
    if (shard->stopped != NULL &&
        shard->sync_count + shard->opening_count + shard->compacting_count == 0) {
        shard->stopped_task.run = on_stopped_task;
        loop_post(shard->options.loop, &shard->stopped_task);
    }
}

static void on_sync_task(struct loop_task *task)
{
    struct partition *p = LIST_ENTRY(task, struct partition, sync_task);
    enum err e = log_sync_finish(&p->sync);

    assert(p->is_syncing);
    p->is_syncing = false;
    p->shard->sync_count--;
    replica_shard_check_stopped(p->shard);
    if (p->is_closing) {
        if (p->compact == NULL)
            e = partition_finish_close(p); /* frees it */
        (void)e; /* what a crash would leave too: the next start finishes it off */
        return;
    }
    after_sync(p, e);
    if (partition_wants_sync(p))
        partition_touch(p);
}

static void job_run(struct os_job *job)
{
    struct log_sync *sync = LIST_ENTRY(job, struct log_sync, job);
    struct partition *p = LIST_ENTRY(sync, struct partition, sync);
    struct os *os = loop_os(p->shard->options.loop);
    int64_t began_ns = replica_stats_now_ns(os);

    log_sync_run(sync);
    p->sync_ns = replica_stats_now_ns(os) - began_ns;
}

static void job_done(struct os_job *job)
{
    struct log_sync *sync = LIST_ENTRY(job, struct log_sync, job);
    struct partition *p = LIST_ENTRY(sync, struct partition, sync);

    loop_post(p->shard->options.loop, &p->sync_task);
}

static void sync_on_pool(struct partition *p)
{
    p->is_syncing = true;
    p->shard->sync_count++;
    partition_sync_begins(p);
    log_sync_begin(p->log, &p->sync);
    p->sync.job.run = job_run;
    p->sync.job.done = job_done;
    p->sync_task.run = on_sync_task;
    os_pool_submit(p->shard->options.pool, &p->sync.job);
}

static void sync_here(struct partition *p)
{
    struct os *os = loop_os(p->shard->options.loop);
    int64_t began_ns = replica_stats_now_ns(os);
    enum err e;

    partition_sync_begins(p);
    e = log_sync(p->log);
    p->sync_ns = replica_stats_now_ns(os) - began_ns;
    after_sync(p, e);
}

/* Those that need no sync advance at once; the others go to `dirty`. */
static size_t sort_touched(struct replica_shard *shard, struct list_node *dirty)
{
    struct list_node *node;
    size_t count = 0;

    while ((node = list_pop_front(&shard->touched)) != NULL) {
        struct partition *p = LIST_ENTRY(node, struct partition, node);

        if (!partition_wants_sync(p) || p->options.durability != LOG_DURABILITY_ALWAYS)
            partition_advance(p);
        if (partition_wants_sync(p) && !p->is_syncing) {
            list_push_back(dirty, node);
            count++;
        }
    }
    return count;
}

/* Call what is to be called now; what that adds is for the next round. */
static void call_back(struct replica_shard *shard)
{
    struct list_node done;
    struct list_node fired;
    struct list_node *node;

    list_init(&done);
    list_init(&fired);
    shard->done_count = 0;
    list_splice_back(&done, &shard->done);
    list_splice_back(&fired, &shard->fired);
    while ((node = list_pop_front(&done)) != NULL) {
        struct partition_append *op = LIST_ENTRY(node, struct partition_append, node);

        op->done(op);
    }
    while ((node = list_pop_front(&fired)) != NULL) {
        struct partition_watch *watch = LIST_ENTRY(node, struct partition_watch, node);

        watch->is_set = false;
        watch->moved(watch);
    }
}

static bool on_turn(struct loop_hook *hook)
{
    struct replica_shard *shard = LIST_ENTRY(hook, struct replica_shard, hook);
    struct list_node dirty;
    struct list_node *node;
    size_t count;

    list_init(&dirty);
    count = sort_touched(shard, &dirty);
    while ((node = list_pop_front(&dirty)) != NULL) {
        struct partition *p = LIST_ENTRY(node, struct partition, node);

        if (count > 1 && shard->options.pool != NULL && !shard->is_closing)
            sync_on_pool(p);
        else
            sync_here(p);
    }
    call_back(shard);
    return !list_is_empty(&shard->touched) || !list_is_empty(&shard->done) ||
           !list_is_empty(&shard->fired);
}

enum err replica_shard_open(const struct replica_options *options, struct replica_shard **shard_out)
{
    struct replica_shard *shard = mem_alloc_zero(sizeof(*shard));
    uint64_t seed;

    if (shard == NULL)
        return E_NOMEM;
    if (options->files_max > 0) {
        enum err e = log_files_open(options->files_max, &shard->files);

        if (e != E_OK) {
            mem_free(shard);
            return e;
        }
    }
    shard->options = *options;
    if (options->stats == NULL) {
        shard->unread_stats = mem_alloc_zero(sizeof(*shard->unread_stats));
        if (shard->unread_stats == NULL) {
            log_files_close(shard->files);
            mem_free(shard);
            return E_NOMEM;
        }
    }
    shard->stats = options->stats != NULL ? options->stats : shard->unread_stats;
    os_random(loop_os(options->loop), &seed, sizeof(seed));
    map_slice_init_borrowing(&shard->partitions, seed);
    list_init(&shard->touched);
    list_init(&shard->closing);
    list_init(&shard->done);
    list_init(&shard->fired);
    shard->hook.run = on_turn;
    loop_hook_add(options->loop, &shard->hook);
    *shard_out = shard;
    return E_OK;
}

struct loop *replica_shard_loop(const struct replica_shard *shard)
{
    return shard->options.loop;
}

bool replica_shard_is_idle(const struct replica_shard *shard)
{
    return shard->sync_count == 0 && list_is_empty(&shard->touched) &&
           list_is_empty(&shard->done) && list_is_empty(&shard->fired);
}

void replica_shard_stop(struct replica_shard *shard, void (*stopped)(void *ctx), void *ctx)
{
    shard->is_closing = true;
    shard->stopped = stopped;
    shard->stopped_ctx = ctx;
    replica_shard_check_stopped(shard);
}

/* Loop and pool have stopped before the results were taken: take them here. */
static void finish_syncs(struct replica_shard *shard)
{
    struct map_iter it = {0};
    struct partition *p;
    struct list_node *node;

    while ((p = map_slice_next(&shard->partitions, &it, NULL)) != NULL) {
        if (p->is_syncing)
            on_sync_task(&p->sync_task);
    }
    while ((node = list_first(&shard->closing)) != NULL) {
        p = LIST_ENTRY(node, struct partition, node);
        on_sync_task(&p->sync_task);
    }
}

/* Everything appended so far, whatever its policy, is durable and answered. */
static void settle(struct replica_shard *shard)
{
    struct map_iter it = {0};
    struct partition *p;

    while ((p = map_slice_next(&shard->partitions, &it, NULL)) != NULL) {
        p->is_sync_due = true;
        partition_touch(p);
    }
    for (int round = 0; round < LOOP_HOOK_ROUNDS_MAX && on_turn(&shard->hook); round++)
        ;
}

void replica_shard_close(struct replica_shard *shard)
{
    if (shard == NULL)
        return;
    shard->is_closing = true;
    shard->stopped = NULL;
    finish_syncs(shard);
    settle(shard);
    for (;;) {
        struct map_iter it = {0};
        struct partition *p = map_slice_next(&shard->partitions, &it, NULL);

        if (p == NULL)
            break;
        partition_close(p);
    }
    call_back(shard);
    loop_hook_remove(shard->options.loop, &shard->hook);
    map_slice_release(&shard->partitions);
    log_files_close(shard->files);
    mem_free(shard->unread_stats);
    mem_free(shard);
}
