#include "storage/log_compact.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "record/rebuild.h"
#include "storage/frame.h"
#include "storage/log_compact_priv.h"

/* The owner's side of a compaction: what is due, the plan, the end. */
enum { OUTPUTS_MAX = LOG_SEGMENTS_MAX, RECORDS_MAX = 1 << 26 };

struct log_compact_options log_compact_options_default(void)
{
    return (struct log_compact_options){.has_keys = true,
                                        .codec = -1,
                                        .min_dirty_ratio = 0.5,
                                        .max_lag_ms = INT64_MAX,
                                        .delete_retention_ms = 24 * 3600 * 1000,
                                        .map_bytes = 128 * 1024 * 1024};
}

/* What there is to do */

/* The first dirty offset, as far as the log still has it. */
static int64_t first_dirty(const struct log *log)
{
    int64_t offset = log->clean_offset;

    if (offset > log->end_offset)
        offset = log->end_offset;
    return offset > log->start_offset ? offset : log->start_offset;
}

/* How many segments, from the first on, may be written again. */
static size_t sealed_count(const struct log *log)
{
    size_t i = 0;

    for (; i + 1 < log_segment_count(log); i++) {
        const struct segment *s = log_segment_at(log, i);

        if (s->damaged.count > 0 || (log->bad_offset >= 0 && s->base_offset >= log->bad_offset))
            break;
    }
    return i;
}

/* Of those the ones that compaction may touch now. */
static size_t cleanable_count(struct log *log, const struct log_compact_options *options,
                              int64_t limit_offset, int64_t wall_ms)
{
    size_t count = sealed_count(log), i;
    int64_t stable = log_first_unstable_offset(log, limit_offset);

    if (stable < limit_offset)
        limit_offset = stable;
    for (i = 0; i < count && log_segment_end(log, i) <= limit_offset; i++) {
        const struct segment *s = log_segment_at(log, i);

        if (options->min_lag_ms > 0 && log_segment_end(log, i) > first_dirty(log) &&
            s->max_timestamp > wall_ms - options->min_lag_ms)
            break;
    }
    return i;
}

static bool is_over_lag(const struct segment *s, const struct log_compact_options *options,
                        int64_t wall_ms)
{
    return s->first_timestamp > 0 && options->max_lag_ms < wall_ms &&
           s->first_timestamp < wall_ms - options->max_lag_ms;
}

static int64_t recoded_offset(const struct log *log, const struct log_compact_options *options)
{
    return log->recoded_codec == options->codec ? log->recoded_offset : 0;
}

static void look_at_dirt(const struct log *log, const struct log_compact_options *options,
                         size_t count, int64_t wall_ms, struct log_compact_due *due)
{
    for (size_t i = 0; i < count; i++) {
        const struct segment *s = log_segment_at(log, i);

        if (log_segment_end(log, i) <= due->first_dirty_offset) {
            due->clean_bytes += s->size;
            continue;
        }
        due->dirty_bytes += s->size;
        due->is_forced |= is_over_lag(s, options, wall_ms);
        due->first_uncleanable_offset = log_segment_end(log, i);
    }
    if (due->dirty_bytes > 0)
        due->dirty_ratio = (double)due->dirty_bytes / (double)(due->dirty_bytes + due->clean_bytes);
}

void log_compact_look(struct log *log, const struct log_compact_options *options,
                      int64_t limit_offset, int64_t wall_ms, struct log_compact_due *due_out)
{
    struct log_compact_due due = {.first_dirty_offset = first_dirty(log)};
    size_t sealed = frame_has_offset(log->format) ? sealed_count(log) : 0;

    due.first_uncleanable_offset = due.first_dirty_offset;
    if (options->has_keys && sealed > 0)
        look_at_dirt(log, options, cleanable_count(log, options, limit_offset, wall_ms), wall_ms,
                     &due);
    for (size_t i = 0; options->codec >= 0 && i < sealed; i++) {
        if (log_segment_end(log, i) > recoded_offset(log, options))
            due.recompress_bytes += log_segment_at(log, i)->size;
    }
    due.is_due =
        due.dirty_bytes > 0 && (due.is_forced || due.dirty_ratio > options->min_dirty_ratio);
    due.is_due |= !options->has_keys && due.recompress_bytes > 0;
    *due_out = due;
}

/* Begin */

static int by_id(const void *a, const void *b)
{
    const struct log_compact_producer *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static enum err plan_producers(struct log_compact *job)
{
    struct map_iter it = {0};
    const struct producer *p;
    enum err e = vec_reserve(&job->producers, producer_count(&job->log->producers));

    while (e == E_OK && (p = map_u64_next(&job->log->producers.by_id, &it, NULL)) != NULL) {
        struct log_compact_producer known = {.id = p->id, .last_offset = -1, .epoch = p->epoch};

        if (p->batch_count > 0)
            known.last_offset = p->batches[p->batch_count - 1].last_offset;
        e = vec_push(&job->producers, &known);
    }
    if (e == E_OK && job->producers.count > 1)
        qsort(job->producers.at, job->producers.count, sizeof(struct log_compact_producer), by_id);
    return e;
}

static enum err plan_inputs(struct log_compact *job, size_t from, size_t write_end, size_t end)
{
    enum err e = E_OK;

    for (size_t i = from; i < end && e == E_OK; i++) {
        struct log_compact_input input = {.base_offset = log_segment_at(job->log, i)->base_offset,
                                          .end_offset = log_segment_end(job->log, i),
                                          .size = log_segment_at(job->log, i)->size};

        e = vec_push(&job->inputs, &input);
    }
    job->write_count = write_end - from;
    job->uncleanable_offset = log_segment_end(job->log, write_end - 1);
    return e;
}

/* Which segments? With keys all from the first on; the rest is looked at for markers. */
static enum err plan(struct log_compact *job, int64_t wall_ms)
{
    struct log *log = job->log;
    size_t from = 0, count;

    if (job->options.has_keys) {
        count = cleanable_count(log, &job->options, job->limit_offset, wall_ms);
        if (count == 0 || log_segment_end(log, count - 1) <= job->first_dirty_offset)
            return E_NOT_FOUND;
        return plan_inputs(job, 0, count, log_segment_count(log));
    }
    count = sealed_count(log);
    while (from < count && log_segment_end(log, from) <= recoded_offset(log, &job->options))
        from++;
    if (from == count || job->options.codec < 0)
        return E_NOT_FOUND;
    job->first_dirty_offset = log_segment_at(log, from)->base_offset;
    job->limit_offset = INT64_MAX;
    return plan_inputs(job, from, count, count);
}

static void job_free(struct log_compact *job)
{
    if (job == NULL)
        return;
    for (size_t i = 0; i < job->outputs.count; i++)
        segment_free(log_compact_output_at(job, i)->segment);
    os_file_unref(job->file);
    os_dir_close(job->dir);
    log_keys_release(&job->keys);
    log_txns_release(&job->txns);
    txn_index_release(&job->aborted);
    vec_release(&job->inputs);
    vec_release(&job->producers);
    vec_release(&job->kept);
    vec_release(&job->outputs);
    buf_release(&job->batch);
    buf_release(&job->unpack);
    buf_release(&job->scratch);
    buf_release(&job->rebuilt);
    buf_release(&job->written);
    mem_free(job->window);
    mem_free(job);
}

static struct log_compact *job_new(struct log *log, const struct log_compact_options *options)
{
    struct log_compact *job = mem_alloc_zero(sizeof(*job));

    if (job == NULL)
        return NULL;
    job->log = log;
    job->options = *options;
    job->bad_offset = -1;
    atomic_init(&job->is_stopped, false);
    log_txns_init(&job->txns);
    txn_index_init(&job->aborted);
    vec_init(&job->inputs, sizeof(struct log_compact_input), LOG_SEGMENTS_MAX);
    vec_init(&job->producers, sizeof(struct log_compact_producer), PRODUCER_COUNT_MAX);
    vec_init(&job->kept, sizeof(struct batch_kept), RECORDS_MAX);
    vec_init(&job->outputs, sizeof(struct log_compact_output), OUTPUTS_MAX);
    buf_init(&job->batch, LOG_COMPACT_BATCH_MAX);
    buf_init(&job->unpack, LOG_COMPACT_BATCH_MAX);
    buf_init(&job->scratch, 2 * (size_t)LOG_COMPACT_BATCH_MAX);
    buf_init(&job->rebuilt, 2 * (size_t)LOG_COMPACT_BATCH_MAX);
    buf_init(&job->written, 4 * (size_t)LOG_COMPACT_BATCH_MAX);
    job->window = mem_alloc(SEGMENT_SCAN_WINDOW);
    if (job->window == NULL) {
        job_free(job);
        return NULL;
    }
    return job;
}

/* The checkpoint describes whole segments up to the recovery point: those we may replace. */
static enum err settle(struct log_compact *job)
{
    struct log *log = job->log;
    struct log_point end;
    enum err e;

    if (log->recovery.segment >= job->uncleanable_offset)
        return E_OK;
    e = log_sync(log);
    if (e != E_OK)
        return e;
    end = log_end_point(log);
    e = log_use_indexes(log, log_active(log));
    if (e == E_OK)
        e = log_checkpoint_write(log, job->dir, &end, NULL);
    return e == E_IO ? log_break(log, e) : e;
}

enum err log_compact_begin(struct log *log, const struct log_compact_options *options,
                           int64_t limit_offset, int64_t wall_ms, struct log_compact **job_out)
{
    struct log_compact *job;
    enum err e;

    if (log_refuses(log))
        return E_BROKEN;
    if (!frame_has_offset(log->format))
        return E_UNSUPPORTED;
    if (log->is_compacting)
        return E_BUSY;
    job = job_new(log, options);
    if (job == NULL)
        return E_NOMEM;
    job->segment_bytes = log->options.segment_bytes;
    job->segment_index_bytes = log->options.segment_index_bytes;
    job->index_interval_bytes = log->options.index_interval_bytes;
    job->wall_ms = wall_ms;
    job->limit_offset = limit_offset;
    job->start_offset = log->start_offset;
    job->first_dirty_offset = first_dirty(log);
    job->generation = log->generation;
    e = plan(job, wall_ms);
    if (e == E_OK)
        e = plan_producers(job);
    if (e == E_OK)
        e = log_dir_open(log, &job->dir);
    if (e == E_OK)
        e = log_swap_settle(log, job->dir);
    if (e == E_OK)
        e = settle(job);
    if (e != E_OK) {
        job_free(job);
        return e;
    }
    log->is_compacting = true;
    *job_out = job;
    return E_OK;
}

/* Finish */

/* Are the segments that were read still what they were? */
static bool is_unchanged(const struct log_compact *job)
{
    const struct log *log = job->log;

    if (log->generation != job->generation)
        return false;
    for (size_t i = 0; i < job->write_count; i++) {
        const struct log_compact_input *input = log_compact_input_at(job, i);
        size_t at = log_segment_index(log, input->base_offset);
        const struct segment *s = log_segment_at(log, at);

        if (s->base_offset != input->base_offset || s->size != input->size ||
            s->damaged.count > 0 || log_segment_end(log, at) != input->end_offset)
            return false;
    }
    return true;
}

static enum err outcome(struct log_compact *job)
{
    if (log_refuses(job->log))
        return E_BROKEN;
    if (job->err == E_OK && job->phase != LOG_COMPACT_DONE)
        return E_CANCELLED;
    if (!is_unchanged(job))
        return E_AGAIN;
    if ((job->err == E_CORRUPT || job->err == E_TOO_BIG) && job->bad_offset >= 0 &&
        (job->log->bad_offset < 0 || job->bad_offset < job->log->bad_offset))
        job->log->bad_offset = job->bad_offset;
    return job->err;
}

static void sum_up(struct log_compact *job)
{
    struct log_compact_result *r = &job->result;
    size_t counted = 0;

    r->clean_offset = job->options.has_keys ? job->end_offset : job->log->clean_offset;
    for (size_t i = 0; i < job->outputs.count; i++) {
        const struct log_compact_output *output = log_compact_output_at(job, i);

        r->segments_after++;
        r->bytes_after += output->segment->size;
        for (size_t k = output->first_input; k < output->end_input; k++) {
            if (k < counted)
                continue; /* split: the input before has it */
            counted = k + 1;
            r->segments_before++;
            r->bytes_before += log_compact_input_at(job, k)->size;
        }
    }
}

enum err log_compact_finish(struct log_compact *job, struct log_compact_result *result_out)
{
    struct log *log = job->log;
    enum err e = outcome(job);

    assert(log->is_compacting);
    log->is_compacting = false;
    if (e == E_OK) {
        sum_up(job);
        e = log_swap(job);
    }
    if (e == E_OK)
        *result_out = job->result;
    else
        log_swap_discard(job);
    job_free(job);
    return e;
}

enum err log_compact(struct log *log, const struct log_compact_options *options,
                     int64_t limit_offset, int64_t wall_ms, struct log_compact_result *result_out)
{
    struct log_compact *job;
    enum err e = log_compact_begin(log, options, limit_offset, wall_ms, &job);

    if (e != E_OK)
        return e;
    while (log_compact_run(job))
        ;
    return log_compact_finish(job, result_out);
}
