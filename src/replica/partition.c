#include "replica/partition.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/os.h"
#include "replica/partition_priv.h"
#include "storage/log_compact.h"
#include "storage/log_guard.h"
#include "trace/trace.h"

enum { NAME_SIZE_MAX = 300 }; /* a topic of 249 and an index */

static struct slice key_of(const struct partition_id *id)
{
    static_assert(sizeof(*id) == 20, "the key is the id's bytes, so it must have no padding");
    return slice_of(id, sizeof(*id));
}

void partition_touch(struct partition *p)
{
    if (!p->is_closing && !list_is_linked(&p->node))
        list_push_back(&p->shard->touched, &p->node);
}

static void fire_watches(struct partition *p)
{
    list_splice_back(&p->shard->fired, &p->watches);
}

static int64_t stable_offset(const struct partition *p)
{
    int64_t unstable = log_first_unstable_offset(p->log, p->high_watermark);

    return unstable < p->high_watermark ? unstable : p->high_watermark;
}

/* How far the log's own policy lets us commit. */
static int64_t committed_offset(const struct partition *p)
{
    return p->options.durability == LOG_DURABILITY_ALWAYS ? log_synced_offset(p->log)
                                                          : log_end_offset(p->log);
}

void partition_advance(struct partition *p)
{
    struct list_node *node;

    bool is_broken = log_is_broken(p->log) || log_root_is_broken(p->root);

    /* What was synced before the failure is committed; what was only appended is not any more. */
    if (is_broken && p->options.durability != LOG_DURABILITY_ALWAYS) {
        partition_fail(p, E_BROKEN);
        return;
    }
    if (committed_offset(p) > p->high_watermark)
        p->high_watermark = committed_offset(p);
    while ((node = list_first(&p->waiting)) != NULL) {
        struct partition_append *op = LIST_ENTRY(node, struct partition_append, node);

        if (op->done_offset > p->high_watermark)
            break;
        list_remove(node);
        list_push_back(&p->shard->done, node);
        p->shard->done_count++;
    }
    if (is_broken)
        partition_fail(p, E_BROKEN);
    if (p->last_stable_offset != stable_offset(p)) {
        p->last_stable_offset = stable_offset(p);
        fire_watches(p);
    }
}

void partition_fail(struct partition *p, enum err e)
{
    struct list_node *node;

    while ((node = list_pop_front(&p->waiting)) != NULL) {
        struct partition_append *op = LIST_ENTRY(node, struct partition_append, node);

        if (op->err == E_OK && op->done_offset > p->high_watermark)
            op->err = e;
        list_push_back(&p->shard->done, node);
    }
}

bool partition_wants_sync(const struct partition *p)
{
    if (log_synced_offset(p->log) == log_end_offset(p->log) || log_is_broken(p->log) ||
        log_root_is_broken(p->root))
        return false;
    return p->options.durability == LOG_DURABILITY_ALWAYS || p->is_sync_due ||
           log_needs_sync(p->log);
}

void partition_sync_begins(struct partition *p)
{
    p->is_sync_due = false;
    p->synced_or_started_offset = log_end_offset(p->log);
    loop_timer_stop(p->shard->options.loop, &p->flush_timer);
}

/* Durability interval: is a sync due by count, or when by time? */
static void schedule_flush(struct partition *p)
{
    struct loop *loop = p->shard->options.loop;

    if (p->options.durability != LOG_DURABILITY_INTERVAL)
        return;
    if (log_end_offset(p->log) - p->synced_or_started_offset >= p->options.flush_messages)
        p->is_sync_due = true;
    else if (!p->flush_timer.is_started && p->options.flush_ms < INT64_MAX / 2)
        loop_timer_start(loop, &p->flush_timer, loop_now_ms(loop) + p->options.flush_ms);
}

static void on_flush_timer(struct loop_timer *timer)
{
    struct partition *p = LIST_ENTRY(timer, struct partition, flush_timer);

    p->is_sync_due = true;
    partition_touch(p);
}

void partition_append(struct partition *p, struct partition_append *op)
{
    struct log_append append = {
        .bytes = op->bytes,
        .size = op->size,
        .leader_epoch = p->leader_epoch,
        .may_use_reserve = op->may_use_reserve,
        .wall_ms = op->wall_ms,
    };

    op->appended = (struct log_appended){.first_offset = -1, .last_offset = -1};
    op->done_offset = 0;
    op->is_duplicate = false;
    op->err = log_append(p->log, &append, &op->appended);
    if (op->err == E_DUPLICATE) {
        op->is_duplicate = true;
        op->err = E_OK;
    }
    if (op->err == E_OK) {
        op->done_offset = op->appended.last_offset + 1;
        schedule_flush(p);
    }
    /* One that failed, or a duplicate of an old one, still ends after those before it. */
    if (!list_is_empty(&p->waiting)) {
        const struct partition_append *before =
            LIST_ENTRY(list_last(&p->waiting), struct partition_append, node);

        if (op->done_offset < before->done_offset)
            op->done_offset = before->done_offset;
    }
    list_push_back(&p->waiting, &op->node);
    partition_touch(p);
}

static void count_recovery(const struct partition_opening *opening)
{
    const struct log_recovery *r = &opening->recovery;
    struct replica_stats *stats = opening->partition->shard->stats;

    if (opening->err != E_OK)
        counter_add(&stats->opened_failed, 1);
    else if (r->damaged_ranges > 0)
        counter_add(&stats->opened_damaged, 1);
    else if (r->torn_bytes > 0)
        counter_add(&stats->opened_torn, 1);
    else if (!r->was_clean)
        counter_add(&stats->opened_scanned, 1);
    else
        counter_add(&stats->opened_clean, 1);
    counter_add(&stats->recovered_bytes, (uint64_t)r->scanned_bytes);
    counter_add(&stats->torn_bytes, (uint64_t)r->torn_bytes);
    counter_add(&stats->rebuilt_indexes, (uint64_t)r->indexes_rebuilt);
}

static void trace_recovery(const struct partition *p, const struct log_recovery *r)
{
    if (r->was_clean)
        return;
    trace_event(p->shard->options.trace,
                r->damaged_ranges > 0 || r->torn_bytes > 0 ? TRACE_WARN : TRACE_INFO, TRACE_REPLICA,
                "log_recovered",
                TRACE_FIELDS(trace_topic(slice_of_text(p->topic)), trace_partition(p->id.index),
                             trace_offset(log_end_offset(p->log)),
                             trace_i64("scanned_bytes", r->scanned_bytes),
                             trace_i64("torn_bytes", r->torn_bytes),
                             trace_i64("damaged_ranges", r->damaged_ranges),
                             trace_i64("indexes_rebuilt", r->indexes_rebuilt)));
}

/* Is a log of that directory still being closed by us? */
static bool is_closing(const struct replica_shard *shard, struct slice topic, int32_t index)
{
    for (struct list_node *n = shard->closing.next; n != &shard->closing; n = n->next) {
        const struct partition *p = LIST_ENTRY(n, struct partition, node);

        if (p->id.index == index && slice_equal_text(topic, p->topic))
            return true;
    }
    return false;
}

/* The directory is that topic's, or becomes it; it leads in that epoch. */
static enum err own_log(struct log *log, const struct partition_open *open, struct report *report)
{
    struct uuid found = log_topic_id(log);
    enum err e = E_OK;

    if (log_format(log) != LOG_FORMAT_BATCH) {
        report_set(report, "it is a log of the format %s, which no client can read",
                   log_format_text(log_format(log)));
        return E_UNSUPPORTED;
    }
    if (uuid_is_zero(found)) {
        e = log_set_topic_id(log, open->id.topic_id);
    } else if (!uuid_equal(found, open->id.topic_id)) {
        char text[UUID_TEXT_SIZE];

        uuid_to_text(found, text);
        report_set(report, "directory %.*s-%d belongs to another topic, of id %s",
                   (int)open->topic.size, (const char *)open->topic.at, (int)open->id.index, text);
        return E_EXISTS;
    }
    if (e == E_OK && open->leader_epoch > log_latest_epoch(log))
        e = log_begin_epoch(log, open->leader_epoch);
    if (e != E_OK)
        report_set(report, "open log %.*s-%d: %s", (int)open->topic.size,
                   (const char *)open->topic.at, (int)open->id.index, err_text(e));
    return e;
}

static void partition_free(struct partition *p)
{
    if (p == NULL)
        return;
    mem_free(p->topic);
    mem_free(p);
}

static struct partition *partition_new(struct replica_shard *shard,
                                       const struct partition_open *open)
{
    struct partition *p = mem_alloc_zero(sizeof(*p));

    if (p == NULL)
        return NULL;
    p->shard = shard;
    p->id = open->id;
    p->key = key_of(&p->id);
    p->root = open->root;
    p->options = open->log;
    p->leader_epoch = open->leader_epoch;
    p->flush_timer.fire = on_flush_timer;
    list_init(&p->waiting);
    list_init(&p->watches);
    p->topic = mem_alloc(open->topic.size + 1);
    if (p->topic == NULL) {
        partition_free(p);
        return NULL;
    }
    slice_to_text(open->topic, p->topic, open->topic.size + 1);
    return p;
}

enum err partition_open_begin(struct replica_shard *shard, struct partition_opening *opening)
{
    const struct partition_open *open = &opening->open;

    opening->report = (struct report){{0}};
    opening->recovery = (struct log_recovery){.was_clean = true};
    if (partition_find(shard, open->id) != NULL)
        return E_EXISTS;
    if (is_closing(shard, open->topic, open->id.index))
        return E_BUSY;
    opening->partition = partition_new(shard, open);
    return opening->partition == NULL ? E_NOMEM : E_OK;
}

void partition_open_run(struct partition_opening *opening)
{
    struct partition *p = opening->partition;
    char name[NAME_SIZE_MAX];
    struct log_open open = {.root = opening->open.root,
                            .name = name,
                            .options = &opening->open.log,
                            .wall_ms = os_wall_ms(loop_os(p->shard->options.loop))};

    snprintf(name, sizeof(name), "%s-%d", p->topic, (int)p->id.index);
    opening->err = log_open(&open, &p->log, &opening->recovery, &opening->report);
    if (opening->err == E_OK)
        opening->err = own_log(p->log, &opening->open, &opening->report);
}

enum err partition_open_finish(struct partition_opening *opening, struct partition **partition_out)
{
    struct partition *p = opening->partition;
    enum err e = opening->err;

    count_recovery(opening);
    opening->partition = NULL;
    if (p->log != NULL)
        trace_recovery(p, &opening->recovery);
    if (e == E_OK)
        e = map_slice_put(&p->shard->partitions, p->key, p);
    if (e != E_OK) {
        log_close(p->log);
        partition_free(p);
        return e;
    }
    log_set_files(p->log, p->shard->files);
    p->synced_or_started_offset = log_synced_offset(p->log);
    p->high_watermark = committed_offset(p);
    p->last_stable_offset = stable_offset(p);
    if (partition_wants_sync(p))
        partition_touch(p);
    *partition_out = p;
    return E_OK;
}

enum err partition_open(struct replica_shard *shard, const struct partition_open *open,
                        struct partition **partition_out, struct report *report)
{
    struct partition_opening opening = {.open = *open};
    enum err e = partition_open_begin(shard, &opening);

    if (e != E_OK)
        return e;
    partition_open_run(&opening);
    e = partition_open_finish(&opening, partition_out);
    if (e != E_OK)
        *report = opening.report;
    return e;
}

enum err partition_finish_close(struct partition *p)
{
    enum err e = E_OK;

    list_remove(&p->node);
    if (p->is_deleting)
        e = log_delete(p->log);
    else
        log_close(p->log);
    partition_free(p);
    return e;
}

static enum err close_begin(struct partition *p, bool is_deleting)
{
    struct replica_shard *shard = p->shard;

    map_slice_remove(&shard->partitions, p->key);
    loop_timer_stop(shard->options.loop, &p->flush_timer);
    partition_fail(p, E_NOT_LEADER);
    fire_watches(p);
    list_remove(&p->node);
    p->is_closing = true;
    p->is_deleting = is_deleting;
    /* Those that were told to end are called by the hook, which must run for that. */
    loop_turn_again(shard->options.loop);
    if (p->compact != NULL)
        log_compact_stop(p->compact);
    else if (!p->is_syncing)
        return partition_finish_close(p);
    list_push_back(&shard->closing, &p->node);
    return E_OK;
}

void partition_close(struct partition *p)
{
    enum err e = close_begin(p, false);

    assert(e == E_OK);
    (void)e;
}

enum err partition_delete(struct partition *p)
{
    return close_begin(p, true);
}

struct partition *partition_find(struct replica_shard *shard, struct partition_id id)
{
    return map_slice_find(&shard->partitions, key_of(&id));
}

void partition_each(struct replica_shard *shard, bool (*each)(void *ctx, struct partition *p),
                    void *ctx)
{
    struct map_iter it = {0};
    struct partition *p;

    while ((p = map_slice_next(&shard->partitions, &it, NULL)) != NULL && each(ctx, p))
        ;
}

struct partition_id partition_id(const struct partition *p)
{
    return p->id;
}

const char *partition_topic(const struct partition *p)
{
    return p->topic;
}

struct log *partition_log(struct partition *p)
{
    return p->log;
}

int32_t partition_leader_epoch(const struct partition *p)
{
    return p->leader_epoch;
}

int32_t partition_pause_ms(const struct partition *p)
{
    return log_root_pause_ms(p->root);
}

int64_t partition_sync_ns(const struct partition *p)
{
    return p->sync_ns;
}

enum err partition_lead(struct partition *p, int32_t leader_epoch)
{
    enum err e;

    if (leader_epoch <= p->leader_epoch)
        return E_OK;
    e = log_begin_epoch(p->log, leader_epoch);
    if (e == E_OK)
        p->leader_epoch = leader_epoch;
    return e;
}

void partition_set_options(struct partition *p, const struct log_options *options)
{
    enum err e = log_set_options(p->log, options);

    assert(e == E_OK); /* a log of batches takes all */
    (void)e;
    p->options = *options;
    loop_timer_stop(p->shard->options.loop, &p->flush_timer);
    p->is_sync_due = log_needs_sync(p->log); /* the old policy ends with a sync */
    partition_touch(p);
}

int64_t partition_high_watermark(const struct partition *p)
{
    return p->high_watermark;
}

int64_t partition_last_stable_offset(const struct partition *p)
{
    return p->last_stable_offset;
}

enum err partition_read(struct partition *p, int64_t offset, enum partition_isolation isolation,
                        size_t size_max, struct log_range *range_out)
{
    int64_t limit = p->high_watermark;

    if (isolation == PARTITION_READ_COMMITTED)
        limit = p->last_stable_offset;
    else if (isolation == PARTITION_READ_LOG_END)
        limit = log_end_offset(p->log);
    return log_read(p->log, offset, limit, size_max, range_out);
}

void partition_watch(struct partition *p, struct partition_watch *watch)
{
    assert(!watch->is_set);
    watch->is_set = true;
    list_push_back(&p->watches, &watch->node);
}

void partition_unwatch(struct partition_watch *watch)
{
    if (watch->is_set)
        list_remove(&watch->node);
    watch->is_set = false;
}
