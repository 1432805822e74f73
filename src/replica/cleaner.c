#include "replica/cleaner_priv.h"

#include <assert.h>

#include "codec/codec.h"
#include "config/config.h"
#include "config/topic.h"
#include "replica/manager_priv.h"
#include "replica/partition_priv.h"

enum { WAIT_MS_MAX = 100 }; /* for the rate; then it is looked whether to go on at all */

/* Settings */

static int codec_of(unsigned choice)
{
    switch (choice) {
    case CONFIG_COMPRESSION_NONE:
        return CODEC_NONE;
    case CONFIG_COMPRESSION_ZSTD:
        return CODEC_ZSTD;
    case CONFIG_COMPRESSION_LZ4:
        return CODEC_LZ4;
    case CONFIG_COMPRESSION_SNAPPY:
        return CODEC_SNAPPY;
    case CONFIG_COMPRESSION_GZIP:
        return CODEC_GZIP;
    default:
        return -1; /* as the producer sent it */
    }
}

static int level_of(const struct config *config, const struct config_topic *t, int codec)
{
    int64_t level = CODEC_LEVEL_DEFAULT;

    if (codec == CODEC_GZIP)
        level = config_topic_i64(config, t, CONFIG_TOPIC_COMPRESSION_GZIP_LEVEL);
    else if (codec == CODEC_LZ4)
        level = config_topic_i64(config, t, CONFIG_TOPIC_COMPRESSION_LZ4_LEVEL);
    else if (codec == CODEC_ZSTD)
        level = config_topic_i64(config, t, CONFIG_TOPIC_COMPRESSION_ZSTD_LEVEL);
    if (codec < 0 || !codec_is_level((enum codec_id)codec, (int)level))
        return CODEC_LEVEL_DEFAULT;
    return (int)level;
}

struct log_compact_options replica_compact_options(const struct config *config,
                                                   const struct meta_image *image,
                                                   const struct meta_topic *topic)
{
    struct log_compact_options o = log_compact_options_default();
    struct config_topic *t = replica_topic_config(image, topic);
    unsigned policy = config_topic_choice(config, t, CONFIG_TOPIC_CLEANUP_POLICY);

    o.has_keys = (policy & CONFIG_CLEANUP_COMPACT) != 0;
    o.codec = codec_of(config_topic_choice(config, t, CONFIG_TOPIC_COMPRESSION_TYPE));
    o.level = level_of(config, t, o.codec);
    o.min_dirty_ratio = config_topic_f64(config, t, CONFIG_TOPIC_MIN_DIRTY_RATIO);
    o.min_lag_ms = config_topic_i64(config, t, CONFIG_TOPIC_MIN_COMPACTION_LAG_MS);
    o.max_lag_ms = config_topic_i64(config, t, CONFIG_TOPIC_MAX_COMPACTION_LAG_MS);
    o.delete_retention_ms = config_topic_i64(config, t, CONFIG_TOPIC_DELETE_RETENTION_MS);
    config_topic_free(t);
    return o;
}

/* What is next */

/* How much a log wants it; 0: not at all. */
static double urgency(const struct replica_manager *m, const struct replica_entry *entry)
{
    const struct log_compact_options *o = &entry->compact_options;
    struct log_compact_due due;
    struct log *log;

    if (entry->state != ENTRY_OPEN || (!o->has_keys && o->codec < 0))
        return 0;
    log = partition_log(entry->partition);
    if (log_is_broken(log))
        return 0;
    log_compact_look(log, o, partition_high_watermark(entry->partition), loop_wall_ms(m->loop),
                     &due);
    if (!due.is_due)
        return 0;
    return due.is_forced ? 3 : o->has_keys ? 1 + due.dirty_ratio : 1;
}

static struct replica_entry *most_urgent(const struct replica_manager *m)
{
    struct replica_entry *best = NULL;
    double most = 0;

    for (struct list_node *n = m->turns.next; n != &m->turns; n = n->next) {
        struct replica_entry *entry = LIST_ENTRY(n, struct replica_entry, node);
        double wants = urgency(m, entry);

        if (wants > most) {
            most = wants;
            best = entry;
        }
    }
    return best;
}

/* The job */

static void wait_until(struct replica_cleaner *c, int64_t at_ms)
{
    loop_timer_start(c->manager->loop, &c->timer, at_ms);
}

static void look_later(struct replica_cleaner *c)
{
    wait_until(c, loop_now_ms(c->manager->loop) + c->backoff_ms);
}

static void submit(struct replica_cleaner *c)
{
    os_pool_submit(c->manager->options.cleaner_pool, &c->job);
}

static void trace_failure(const struct replica_cleaner *c, const struct partition *p, enum err e)
{
    trace_event(c->manager->options.trace, TRACE_WARN, TRACE_REPLICA, "log_compaction_failed",
                TRACE_FIELDS(trace_topic(slice_of_text(partition_topic(p))),
                             trace_partition(partition_id(p).index), trace_error(e)));
}

static void begin(struct replica_cleaner *c, struct replica_entry *entry)
{
    struct partition *p = entry->partition;
    struct log_compact_options options = entry->compact_options;
    enum err e;

    options.map_bytes = c->map_bytes;
    e = log_compact_begin(partition_log(p), &options, partition_high_watermark(p),
                          loop_wall_ms(c->manager->loop), &p->compact);
    partition_touch(p); /* it may have synced */
    if (e != E_OK) {
        p->compact = NULL;
        if (e != E_NOT_FOUND)
            trace_failure(c, p, e);
        look_later(c);
        return;
    }
    c->partition = p;
    p->shard->compacting_count++;
    c->began_ms = loop_now_ms(c->manager->loop);
    submit(c);
}

static void trace_result(const struct replica_cleaner *c, const struct partition *p,
                         const struct log_compact_result *r)
{
    trace_event(c->manager->options.trace, TRACE_INFO, TRACE_REPLICA, "log_compacted",
                TRACE_FIELDS(trace_topic(slice_of_text(partition_topic(p))),
                             trace_partition(partition_id(p).index), trace_offset(r->clean_offset),
                             trace_i64("bytes_before", r->bytes_before),
                             trace_i64("bytes_after", r->bytes_after),
                             trace_i64("segments_before", r->segments_before),
                             trace_i64("segments_after", r->segments_after),
                             trace_i64("ms", loop_now_ms(c->manager->loop) - c->began_ms)));
}

static void count_result(const struct replica_cleaner *c, struct replica_stats *stats,
                         const struct log_compact_result *r)
{
    counter_add(&stats->compactions, 1);
    counter_add(&stats->compacted_bytes_before, (uint64_t)r->bytes_before);
    counter_add(&stats->compacted_bytes_after, (uint64_t)r->bytes_after);
    counter_add(&stats->compaction_ms, (uint64_t)(loop_now_ms(c->manager->loop) - c->began_ms));
}

/* The partition is free again; it may have waited for that to be closed. */
static enum err finish(struct replica_cleaner *c)
{
    struct partition *p = c->partition;
    struct replica_shard *shard = p->shard;
    struct log_compact_result result;
    enum err e = log_compact_finish(p->compact, &result), closed;

    p->compact = NULL;
    c->partition = NULL;
    shard->compacting_count--;
    if (e == E_OK) {
        count_result(c, shard->stats, &result);
        trace_result(c, p, &result);
    } else if (e != E_CANCELLED && e != E_AGAIN) {
        counter_add(&shard->stats->compaction_failures, 1);
        trace_failure(c, p, e);
    }
    if (p->is_closing && !p->is_syncing) {
        closed = partition_finish_close(p);
        (void)closed; /* as after a sync: the next start finishes it off */
    }
    replica_shard_check_stopped(shard);
    return e;
}

static bool is_given_up(const struct replica_cleaner *c)
{
    return c->partition->is_closing || c->partition->shard->is_closing;
}

/* When the rate allows the next slice. */
static int64_t next_slice_ms(const struct replica_cleaner *c)
{
    double ms = (double)log_compact_moved_bytes(c->partition->compact) * 1000 / c->bytes_per_second;

    return ms < INT32_MAX ? c->began_ms + (int64_t)ms : INT64_MAX;
}

static void go_on(struct replica_cleaner *c)
{
    int64_t now_ms = loop_now_ms(c->manager->loop), at_ms;

    if (!c->has_more || is_given_up(c)) {
        if (finish(c) == E_OK)
            wait_until(c, now_ms); /* the next one */
        else
            look_later(c);
        return;
    }
    at_ms = next_slice_ms(c);
    if (at_ms <= now_ms)
        submit(c);
    else
        wait_until(c, at_ms < now_ms + WAIT_MS_MAX ? at_ms : now_ms + WAIT_MS_MAX);
}

static void on_timer(struct loop_timer *timer)
{
    struct replica_cleaner *c = LIST_ENTRY(timer, struct replica_cleaner, timer);
    struct replica_entry *entry;

    if (c->partition != NULL) {
        go_on(c);
        return;
    }
    if (c->manager->options.shard->is_closing)
        return;
    entry = most_urgent(c->manager);
    if (entry != NULL)
        begin(c, entry);
    else
        look_later(c);
}

static void on_task(struct loop_task *task)
{
    go_on(LIST_ENTRY(task, struct replica_cleaner, task));
}

static void job_run(struct os_job *job)
{
    struct replica_cleaner *c = LIST_ENTRY(job, struct replica_cleaner, job);

    c->has_more = log_compact_run(c->partition->compact);
}

static void job_done(struct os_job *job)
{
    struct replica_cleaner *c = LIST_ENTRY(job, struct replica_cleaner, job);

    loop_post(c->manager->loop, &c->task);
}

void replica_cleaner_init(struct replica_cleaner *c, struct replica_manager *m)
{
    const struct config *config = m->options.config;
    int shards = m->options.shard_count;

    *c = (struct replica_cleaner){.manager = m};
    c->timer.fire = on_timer;
    c->task.run = on_task;
    c->job.run = job_run;
    c->job.done = job_done;
    c->backoff_ms = config_i64(config, CONFIG_CLEANER_BACKOFF_MS);
    c->bytes_per_second = config_f64(config, CONFIG_CLEANER_BYTES_PER_SECOND) / shards;
    c->map_bytes = (size_t)(config_i64(config, CONFIG_CLEANER_MAP_BYTES) / shards);
    if (m->options.cleaner_pool != NULL)
        look_later(c);
}

void replica_cleaner_hurry(struct replica_cleaner *c)
{
    if (c->partition == NULL && c->manager->options.cleaner_pool != NULL)
        wait_until(c, loop_now_ms(c->manager->loop));
}

void replica_cleaner_stop(struct replica_cleaner *c)
{
    enum err e;

    loop_timer_stop(c->manager->loop, &c->timer);
    if (c->partition == NULL)
        return;
    log_compact_stop(c->partition->compact);
    e = finish(c);
    (void)e; /* cancelled, or just done */
}
