#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "config/config.h"
#include "os/thread.h"
#include "replica/manager_priv.h"
#include "replica/partition_priv.h"

/*
 * Opening the partitions of a shard, thousands of them, while it serves.
 *
 * A new log costs some ten system calls and no sync, so it is made on the loop, but
 * only so many in a turn. A log that was there at start may have to be recovered;
 * it is opened on the pool and handed to the loop when it is ready.
 */
enum {
    OPEN_AT_ONCE = 16, /* new ones in a turn */
    RETRY_MS = 20,     /* for a directory that is still being closed */
    STARTED_WAIT_MS = 1000,
};

/* One log on the pool. */
struct entry_opening {
    struct partition_opening opening;
    struct replica_manager *manager;
    struct replica_entry *entry;
    struct loop_task task;
};

void replica_entry_name(const struct replica_entry *entry, char name_out[REPLICA_NAME_SIZE])
{
    snprintf(name_out, REPLICA_NAME_SIZE, "%s-%d", entry->topic, (int)entry->id.index);
}

static void state_set(struct replica_manager *m, struct replica_entry *entry,
                      enum entry_state state)
{
    m->offline_count += (state == ENTRY_OFFLINE) - (entry->state == ENTRY_OFFLINE);
    list_remove(&entry->queue_node);
    if (state == ENTRY_QUEUED)
        list_push_back(&m->queue, &entry->queue_node);
    entry->state = state;
}

void replica_entry_release(struct replica_manager *m, struct replica_entry *entry)
{
    list_remove(&entry->queue_node);
    m->offline_count -= entry->state == ENTRY_OFFLINE;
    replica_roots_count_out(m->options.roots, entry->root);
    mem_free(entry->topic);
    mem_free(entry);
}

static struct partition_open open_of(const struct replica_manager *m,
                                     const struct replica_entry *entry)
{
    return (struct partition_open){
        .id = entry->id,
        .topic = slice_of_text(entry->topic),
        .leader_epoch = entry->leader_epoch,
        .root = replica_roots_at(m->options.roots, entry->root),
        .log = entry->log_options,
    };
}

/* Has a partition of that name, of an earlier topic, not been opened yet only to be deleted? */
static bool is_name_taken(const struct replica_manager *m, const struct replica_entry *entry)
{
    for (struct list_node *n = m->doomed.next; n != &m->doomed; n = n->next) {
        const struct replica_entry *other = LIST_ENTRY(n, struct replica_entry, node);

        if (other->id.index == entry->id.index &&
            slice_equal_text(slice_of_text(entry->topic), other->topic))
            return true;
    }
    return false;
}

/* What became of an attempt. */
static void opened(struct replica_manager *m, struct replica_entry *entry, enum err e,
                   const struct report *report)
{
    if (e == E_OK) {
        state_set(m, entry, ENTRY_OPEN);
    } else if (e == E_BUSY) {
        state_set(m, entry, ENTRY_WAITS);
        if (!m->retry_timer.is_started)
            loop_timer_start(m->loop, &m->retry_timer, loop_now_ms(m->loop) + RETRY_MS);
    } else {
        state_set(m, entry, ENTRY_OFFLINE);
        replica_trace_entry(m, entry,
                            &(struct replica_trouble){TRACE_ERROR, "partition_offline", .err = e,
                                                      .text = report->text});
    }
}

void replica_open_now(struct replica_manager *m, struct replica_entry *entry)
{
    struct partition_open open = open_of(m, entry);
    struct report report = {{0}};
    enum err e = E_BUSY;

    if (!is_name_taken(m, entry))
        e = partition_open(m->options.shard, &open, &entry->partition, &report);
    opened(m, entry, e, &report);
}

/* It is open, and meanwhile the image has changed. */
static void catch_up(struct replica_manager *m, struct replica_entry *entry)
{
    enum err e = partition_lead(entry->partition, entry->leader_epoch);

    if (e != E_OK)
        replica_trace_entry(
            m, entry, &(struct replica_trouble){TRACE_ERROR, "leader_epoch_failed", .err = e});
    if (entry->has_new_options)
        partition_set_options(entry->partition, &entry->log_options);
    entry->has_new_options = false;
}

/* It is open, and nobody wants it any more. */
static void end(struct replica_manager *m, struct replica_entry *entry)
{
    enum err e = E_OK;

    if (entry->state == ENTRY_OPEN && entry->fate == FATE_DELETED)
        e = partition_delete(entry->partition);
    else if (entry->state == ENTRY_OPEN)
        partition_close(entry->partition);
    if (e != E_OK)
        replica_trace_entry(
            m, entry, &(struct replica_trouble){TRACE_WARN, "partition_delete_failed", .err = e});
    list_remove(&entry->node);
    replica_entry_release(m, entry);
}

static void check_started(struct replica_manager *m)
{
    void (*started)(void *ctx) = m->started;

    if (started == NULL || !list_is_empty(&m->queue) || m->opening_count > 0)
        return;
    m->started = NULL;
    loop_timer_stop(m->loop, &m->started_timer);
    started(m->started_ctx);
}

static void on_opened(struct loop_task *task)
{
    struct entry_opening *o = LIST_ENTRY(task, struct entry_opening, task);
    struct replica_manager *m = o->manager;
    struct replica_entry *entry = o->entry;
    struct replica_shard *shard = m->options.shard;

    m->opening_count--;
    shard->opening_count--;
    opened(m, entry, partition_open_finish(&o->opening, &entry->partition), &o->opening.report);
    if (entry->fate != FATE_KEPT)
        end(m, entry);
    else if (entry->state == ENTRY_OPEN)
        catch_up(m, entry);
    mem_free(o);
    replica_open_some(m);
    replica_shard_check_stopped(shard);
}

static void job_run(struct os_job *job)
{
    partition_open_run(LIST_ENTRY(job, struct partition_opening, job));
}

static void job_done(struct os_job *job)
{
    struct partition_opening *opening = LIST_ENTRY(job, struct partition_opening, job);
    struct entry_opening *o = LIST_ENTRY(opening, struct entry_opening, opening);

    loop_post(o->manager->loop, &o->task);
}

static void open_on_pool(struct replica_manager *m, struct replica_entry *entry)
{
    struct entry_opening *o = mem_alloc_zero(sizeof(*o));
    struct report none = {{0}};
    enum err e = E_NOMEM;

    if (o != NULL) {
        o->opening.open = open_of(m, entry);
        e = is_name_taken(m, entry) ? E_BUSY : partition_open_begin(m->options.shard, &o->opening);
    }
    if (e != E_OK) {
        mem_free(o);
        opened(m, entry, e, &none);
        return;
    }
    state_set(m, entry, ENTRY_OPENING);
    m->opening_count++;
    m->options.shard->opening_count++;
    o->manager = m;
    o->entry = entry;
    o->task.run = on_opened;
    o->opening.job.run = job_run;
    o->opening.job.done = job_done;
    os_pool_submit(m->options.pool, &o->opening.job);
}

void replica_open_some(struct replica_manager *m)
{
    struct list_node *node;
    int made = 0;

    while ((node = list_first(&m->queue)) != NULL && !m->options.shard->is_closing) {
        struct replica_entry *entry = LIST_ENTRY(node, struct replica_entry, queue_node);

        if (entry->is_found && m->options.pool != NULL) {
            if (m->opening_count == m->opening_max)
                break; /* goes on in on_opened */
            open_on_pool(m, entry);
        } else if (made++ < OPEN_AT_ONCE) {
            replica_open_now(m, entry);
        } else {
            if (!m->open_timer.is_started) /* in the next turn */
                loop_timer_start(m->loop, &m->open_timer, loop_now_ms(m->loop));
            break;
        }
    }
    check_started(m);
}

static void on_open_timer(struct loop_timer *timer)
{
    replica_open_some(LIST_ENTRY(timer, struct replica_manager, open_timer));
}

void replica_queue(struct replica_manager *m, struct replica_entry *entry)
{
    state_set(m, entry, ENTRY_QUEUED);
}

static void on_retry(struct loop_timer *timer)
{
    struct replica_manager *m = LIST_ENTRY(timer, struct replica_manager, retry_timer);

    for (struct list_node *n = m->turns.next; n != &m->turns; n = n->next) {
        struct replica_entry *entry = LIST_ENTRY(n, struct replica_entry, node);

        if (entry->state == ENTRY_WAITS)
            state_set(m, entry, ENTRY_QUEUED);
    }
    replica_open_some(m);
}

static void on_started_timer(struct loop_timer *timer)
{
    struct replica_manager *m = LIST_ENTRY(timer, struct replica_manager, started_timer);
    void (*started)(void *ctx) = m->started;

    m->started = NULL;
    started(m->started_ctx);
}

void replica_when_started(struct replica_manager *manager, void (*started)(void *ctx), void *ctx)
{
    assert(manager->is_started && manager->started == NULL);
    manager->started = started;
    manager->started_ctx = ctx;
    loop_timer_start(manager->loop, &manager->started_timer,
                     loop_now_ms(manager->loop) + STARTED_WAIT_MS);
    check_started(manager);
}

void replica_opening_init(struct replica_manager *m)
{
    int64_t threads = config_i64(m->options.config, CONFIG_RECOVERY_THREADS) *
                      (int64_t)replica_roots_count(m->options.roots);
    int64_t shards = m->options.shard_count;

    m->opening_max = (size_t)((threads + shards - 1) / shards);
    list_init(&m->queue);
    list_init(&m->doomed);
    m->open_timer.fire = on_open_timer;
    m->retry_timer.fire = on_retry;
    m->started_timer.fire = on_started_timer;
}

void replica_opening_stop(struct replica_manager *m)
{
    assert(m->opening_count == 0);
    loop_timer_stop(m->loop, &m->open_timer);
    loop_timer_stop(m->loop, &m->retry_timer);
    loop_timer_stop(m->loop, &m->started_timer);
}
