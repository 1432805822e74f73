#include <string.h>

#include "embed/embed_priv.h"

/* Questions about a log, and what keeps it in shape. */

int64_t dlog_start_offset(struct dlog *log)
{
    int64_t offset;

    if (embed_enter(log) != DLOG_OK)
        return -1;
    offset = log_start_offset(log->engine);
    embed_leave(log);
    return offset;
}

int64_t dlog_end_offset(struct dlog *log)
{
    int64_t offset;

    if (embed_enter(log) != DLOG_OK)
        return -1;
    offset = log->next_offset;
    embed_leave(log);
    return offset;
}

static void stats_fill(const struct dlog *log, struct dlog_stats *s)
{
    int64_t offset;

    s->format = log->format == LOG_FORMAT_MESSAGE ? DLOG_FORMAT_MESSAGE : DLOG_FORMAT_BATCH;
    s->is_broken = log_is_broken(log->engine);
    s->was_clean = log->recovery.was_clean;
    s->start_offset = log_start_offset(log->engine);
    s->durable_offset = log_synced_offset(log->engine);
    s->written_offset = log_end_offset(log->engine);
    s->end_offset = log->next_offset;
    s->size_bytes = log_size_bytes(log->engine);
    log_max_timestamp(log->engine, &s->max_timestamp_ms, &offset);
    s->appended_records = log->appended_records;
    s->appended_bytes = log->appended_bytes;
    s->written_batches = log->written_batches;
    s->syncs = log->syncs;
    s->pending_callbacks = log->pending;
    s->readers = log->readers;
    s->recovered_bytes = log->recovery.scanned_bytes;
    s->torn_bytes = log->recovery.torn_bytes;
    s->damaged_ranges = log->recovery.damaged_ranges;
}

int dlog_stats(struct dlog *log, struct dlog_stats *stats_out)
{
    struct dlog_stats s = {0};
    size_t size;
    int entered;

    if (stats_out == NULL || stats_out->size < sizeof(size))
        return DLOG_E_INVAL;
    size = stats_out->size;
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    stats_fill(log, &s);
    embed_leave(log);
    s.size = size;
    memset(stats_out, 0, size);
    memcpy(stats_out, &s, size < sizeof(s) ? size : sizeof(s));
    return DLOG_OK;
}

int dlog_trim(struct dlog *log, int64_t offset)
{
    enum err e;
    int entered = embed_enter(log);

    if (entered != DLOG_OK)
        return entered;
    e = offset > log->next_offset ? E_OUT_OF_RANGE : embed_spill(log);
    if (e == E_OK)
        e = log_delete_before(log->engine, offset);
    if (e == E_OK) /* the files go now, not in a minute */
        e = log_maintain(log->engine, log_end_offset(log->engine), 0);
    embed_settle(log);
    embed_leave(log);
    return embed_err(e);
}
