#include "base/mem.h"
#include "embed/embed_priv.h"

/* The appends of dlog.h, and what makes them durable. */

static bool is_bytes(const void *at, size_t size)
{
    return at != NULL || size == 0;
}

/* What is wrong with a record whatever the log is; its size is *size_out. */
static int check_record(const struct dlog_record *r, size_t max, size_t *size_out)
{
    size_t size = r->key_size;

    if (r->flags != 0 || r->timestamp_ms < 0 || !is_bytes(r->key, r->key_size) ||
        !is_bytes(r->value, r->value_size) || !is_bytes(r->headers, r->header_count))
        return DLOG_E_INVAL;
    if (r->key_size > max || r->value_size > max || r->header_count > max)
        return DLOG_E_TOO_BIG;
    size += r->value_size + r->header_count;
    for (size_t i = 0; i < r->header_count; i++) {
        const struct dlog_header *h = &r->headers[i];

        if (h->key == NULL || !is_bytes(h->value, h->value_size))
            return DLOG_E_INVAL;
        if (h->key_size > max || h->value_size > max)
            return DLOG_E_TOO_BIG;
        size += h->key_size + h->value_size;
        if (size > max)
            return DLOG_E_TOO_BIG;
    }
    *size_out = size;
    return size > max ? DLOG_E_TOO_BIG : DLOG_OK;
}

/* Has a frame room for it? */
static bool is_message(const struct dlog_record *r)
{
    return r->value != NULL && r->header_count == 0;
}

static int check_records(const struct dlog *log, const struct dlog_record *records, size_t count,
                         size_t *size_out)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        size_t size;
        int e = check_record(&records[i], (size_t)log->options.record_bytes_max, &size);

        if (e == DLOG_OK && log->format == LOG_FORMAT_MESSAGE && !is_message(&records[i]))
            e = DLOG_E_INVAL;
        if (e != DLOG_OK)
            return e;
        total += size;
        if (total > BATCH_BUILDER_SIZE_MAX)
            return DLOG_E_TOO_BIG;
    }
    *size_out = total;
    return DLOG_OK;
}

/* After an append that nobody waits for: the flusher wants to know of the first in a batch. */
static void appended(struct dlog *log, size_t count)
{
    if ((size_t)embed_collected_count(log) == count ||
        log->options.durability == DLOG_DURABILITY_INTERVAL)
        embed_schedule(log);
}

int dlog_append_batch(struct dlog *log, const struct dlog_record *records, size_t count,
                      int64_t *first_offset_out)
{
    int64_t first;
    size_t size;
    enum err e;
    int entered;

    if (records == NULL || count == 0)
        return DLOG_E_INVAL;
    if (count > INT32_MAX)
        return DLOG_E_TOO_BIG;
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    entered = check_records(log, records, count, &size);
    if (entered == DLOG_OK)
        entered = embed_disk_pause(log);
    if (entered != DLOG_OK) {
        embed_leave(log);
        return entered;
    }
    e = embed_collect(log, records, count, size, &first);
    if (e == E_OK && log->options.durability == DLOG_DURABILITY_ALWAYS)
        e = embed_sync(log);
    else if (e == E_OK)
        appended(log, count);
    embed_leave(log);
    if (e == E_OK && first_offset_out != NULL)
        *first_offset_out = first;
    return embed_err(e);
}

int dlog_append(struct dlog *log, const struct dlog_record *record, int64_t *offset_out)
{
    return dlog_append_batch(log, record, 1, offset_out);
}

static int append_async(struct dlog *log, const struct dlog_record *record, struct embed_ticket *t)
{
    size_t size;
    int e;

    if (log->pending >= log->options.async_pending_max)
        return DLOG_E_AGAIN;
    e = check_records(log, record, 1, &size);
    if (e == DLOG_OK)
        e = embed_err(embed_collect(log, record, 1, size, &t->offset));
    if (e != DLOG_OK)
        return e;
    log->pending++;
    list_push_back(log->options.durability == DLOG_DURABILITY_OS ? &log->for_write : &log->for_sync,
                   &t->node);
    embed_schedule(log);
    return DLOG_OK;
}

int dlog_append_async(struct dlog *log, const struct dlog_record *record, dlog_appended_fn *done,
                      void *ctx, int64_t *offset_out)
{
    struct embed_ticket *t;
    int64_t offset = 0;
    int e;

    if (log == NULL || record == NULL || done == NULL)
        return DLOG_E_INVAL;
    t = mem_alloc_zero(sizeof(*t));
    if (t == NULL)
        return DLOG_E_NOMEM;
    t->done = done;
    t->ctx = ctx;
    e = embed_enter(log);
    if (e == DLOG_OK) {
        e = append_async(log, record, t);
        offset = t->offset;
        embed_leave(log);
    }
    if (e != DLOG_OK)
        mem_free(t);
    else if (offset_out != NULL)
        *offset_out = offset;
    return e;
}

int dlog_flush(struct dlog *log)
{
    enum err e;
    int entered = embed_enter(log);

    if (entered != DLOG_OK)
        return entered;
    e = embed_spill(log);
    embed_schedule(log);
    embed_leave(log);
    return embed_err(e);
}

int dlog_sync(struct dlog *log)
{
    enum err e;
    int entered = embed_enter(log);

    if (entered != DLOG_OK)
        return entered;
    e = embed_sync(log);
    embed_leave(log);
    return embed_err(e);
}
