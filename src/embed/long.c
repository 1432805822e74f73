#include <string.h>

#include "embed/embed_priv.h"
#include "os/dir.h"
#include "os/os.h"
#include "storage/log_compact.h"
#include "storage/log_verify.h"

/*
 * What takes long: it runs on the caller's thread without the lock, and dlog_close() ends it.
 * `long_calls` counts those that are under way.
 */
static void begin_long(struct dlog *log)
{
    log->long_calls++;
    os_mutex_unlock(&log->lock);
}

static void end_long(struct dlog *log)
{
    os_mutex_lock(&log->lock);
    log->long_calls--;
    if (atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        os_cond_broadcast(&log->idle);
}

/* ---- verify ---- */

static bool goes_on(void *ctx, int64_t done, int64_t total)
{
    const struct dlog *log = ctx;

    return !atomic_load_explicit(&log->is_closed, memory_order_relaxed);
}

/* Read what there is now. */
static enum err verify(struct dlog *log, struct log_verify_result *result_out)
{
    struct log_verify_options options = {.progress = goes_on, .ctx = log};
    struct log_view view;
    struct os_dir *dir;
    enum err e = embed_spill(log);

    if (e == E_OK)
        e = os_dir_open_in(log_root_dir(log->env->root), log->name, false, &dir);
    if (e != E_OK)
        return e;
    e = log_view_take(log->engine, dir, &view);
    if (e == E_OK) {
        begin_long(log);
        e = log_verify_view(&view, &options, result_out);
        end_long(log);
        log_view_release(&view);
    }
    os_dir_close(dir);
    return e;
}

/* Tell what is wrong at or above `start`: below, files may have gone meanwhile. How many. */
static int64_t tell_damage(const struct log_verify_result *result, int64_t start,
                           dlog_damage_fn *found, void *ctx)
{
    int64_t count = result->range_count - (int64_t)result->ranges.count;

    for (size_t i = 0; i < result->ranges.count; i++) {
        const struct log_verify_range *r = log_verify_range_at(result, i);
        struct dlog_damage damage = {.offset = r->offset,
                                     .end_offset = r->offset_end,
                                     .segment = r->segment,
                                     .pos = r->pos,
                                     .end_pos = r->end,
                                     .why = r->why};

        if (r->offset_end <= start)
            continue;
        count++;
        if (found != NULL)
            found(ctx, &damage);
    }
    return count;
}

int dlog_verify(struct dlog *log, dlog_damage_fn *found, void *ctx,
                struct dlog_verified *verified_out)
{
    struct log_verify_result result;
    struct dlog_verified v = {0};
    size_t size;
    int64_t start;
    enum err e;
    int entered;

    if (verified_out == NULL || verified_out->size < sizeof(size))
        return DLOG_E_INVAL;
    size = verified_out->size;
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    e = verify(log, &result);
    start = log_start_offset(log->engine);
    embed_leave(log);
    if (e != E_OK)
        return e == E_CANCELLED ? DLOG_E_CLOSED : embed_err(e);
    v.valid_end_offset = result.end_offset;
    v.valid_bytes = result.bytes;
    v.damaged_ranges = tell_damage(&result, start, found, ctx);
    v.wrong_files = result.file_count;
    log_verify_release(&result);
    v.size = size;
    memset(verified_out, 0, size);
    memcpy(verified_out, &v, size < sizeof(v) ? size : sizeof(v));
    return DLOG_OK;
}

/* ---- compact ---- */

static enum err compact(struct dlog *log, const struct log_compact_options *options,
                        struct log_compact_result *result_out)
{
    int64_t wall_ms = os_wall_ms(log->env->os);
    enum err e = log->compaction != NULL ? E_BUSY : embed_sync(log);

    if (e == E_OK && log->compaction != NULL) /* it came while we waited for the sync */
        e = E_BUSY;
    if (e == E_OK)
        e = log_compact_begin(log->engine, options, log_synced_offset(log->engine), wall_ms,
                              &log->compaction);
    if (e != E_OK)
        return e;
    begin_long(log);
    while (log_compact_run(log->compaction))
        continue;
    end_long(log);
    e = log_compact_finish(log->compaction, result_out);
    log->compaction = NULL;
    if (log_is_broken(log->engine)) {
        embed_trace(log->env, DLOG_LEVEL_ERROR, "log %s: compaction: %s: it takes no more",
                    log->name, err_text(e));
        embed_fail(log, log_synced_offset(log->engine), e);
    }
    return e;
}

int dlog_compact(struct dlog *log, const struct dlog_compact_options *options,
                 struct dlog_compacted *compacted_out)
{
    struct log_compact_options engine_options;
    struct log_compact_result result = {0};
    struct dlog_compacted c;
    size_t size = compacted_out == NULL ? 0 : compacted_out->size;
    enum err e;
    int entered;

    if (compacted_out != NULL && size < sizeof(size))
        return DLOG_E_INVAL;
    e = embed_compact_options(options, &engine_options);
    if (e != E_OK)
        return embed_err(e);
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    e = compact(log, &engine_options, &result);
    if (e == E_NOT_FOUND) { /* there is nothing to do */
        e = E_OK;
        result.clean_offset = log_start_offset(log->engine);
    }
    embed_schedule(log);
    embed_leave(log);
    if (e != E_OK)
        return e == E_CANCELLED ? DLOG_E_CLOSED : embed_err(e);
    c = (struct dlog_compacted){.size = size,
                                .compacted_offset = result.clean_offset,
                                .records_before = result.records_before,
                                .records_after = result.records_after,
                                .bytes_before = result.bytes_before,
                                .bytes_after = result.bytes_after};
    if (size > 0) {
        memset(compacted_out, 0, size);
        memcpy(compacted_out, &c, size < sizeof(c) ? size : sizeof(c));
    }
    return DLOG_OK;
}
