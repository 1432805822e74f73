#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "embed/embed_priv.h"
#include "os/file.h"
#include "os/os.h"
#include "record/message.h"
#include "record/record.h"

/*
 * A reader takes a range of a segment's file from the engine, with the log's lock, reads it into
 * its own buffer without, and walks the records there. Each batch is checked as it comes from the
 * file.
 *
 *   (fetch) -> bytes: batch batch batch -> (begin_batch) -> records -> dlog_reader_next
 *
 * A frame of the other format is a record; the range says the offset of the first:
 *
 *   (fetch) -> bytes: message message message -> dlog_reader_next
 */
struct dlog_reader {
    struct dlog *log;
    int64_t offset; /* the next one to give */
    bool durable_only;
    size_t buffer_bytes;
    struct buf bytes;     /* whole frames, perhaps part of another behind them */
    size_t pos;           /* in bytes: of the next frame */
    int64_t frame_offset; /* of a message at `pos` */
    struct buf unpack;    /* the records of a compressed batch, the value of such a message */
    struct record_iter it;
    bool is_in_batch;
    int64_t batch_end;  /* the offset after the batch */
    struct vec headers; /* of struct dlog_header, of the record given last */
    bool is_woken;      /* guarded by log->lock */
};

enum { UNPACK_BYTES_MAX = 256 * 1024 * 1024, READ_BYTES_MAX = INT32_MAX };

static void forget_bytes(struct dlog_reader *r)
{
    buf_clear(&r->bytes);
    r->pos = 0;
    r->is_in_batch = false;
    if (r->bytes.capacity / 4 > r->buffer_bytes)
        buf_release(&r->bytes);
}

static struct dlog_reader *reader_new(struct dlog *log, const struct dlog_reader_options *o)
{
    struct dlog_reader *r = mem_alloc_zero(sizeof(*r));

    if (r == NULL)
        return NULL;
    r->log = log;
    r->durable_only = o->durable_only;
    r->buffer_bytes = o->buffer_bytes;
    buf_init(&r->bytes, READ_BYTES_MAX);
    buf_init(&r->unpack, UNPACK_BYTES_MAX);
    vec_init(&r->headers, sizeof(struct dlog_header), INT32_MAX);
    return r;
}

static void reader_free(struct dlog_reader *r)
{
    buf_release(&r->bytes);
    buf_release(&r->unpack);
    vec_release(&r->headers);
    mem_free(r);
}

/* Where `from` is, with the log's lock. */
static enum err resolve(const struct dlog *log, int64_t from, int64_t *offset_out)
{
    int64_t start = log_start_offset(log->engine);

    if (from == DLOG_FROM_START)
        from = start;
    else if (from == DLOG_FROM_END)
        from = log->next_offset;
    if (from < start || from > log->next_offset)
        return E_OUT_OF_RANGE;
    *offset_out = from;
    return E_OK;
}

/* The first offset at or after a time, with the log's lock. */
static enum err find_time(struct dlog *log, int64_t timestamp_ms, int64_t *offset_out)
{
    int64_t offset, timestamp;
    enum err e = embed_spill(log);

    embed_use(log);
    embed_schedule(log);
    if (e == E_OK)
        e = log_find_timestamp(log->engine, timestamp_ms, INT64_MAX, &offset, &timestamp);
    if (e == E_OK)
        *offset_out = offset < 0 ? log->next_offset : offset;
    return e;
}

/* Both ways to open a reader: `find` says where with the log locked. */
static int reader_open(struct dlog *log, const struct dlog_reader_options *options,
                       struct dlog_reader **reader_out,
                       enum err (*find)(struct dlog *log, int64_t at, int64_t *offset_out),
                       int64_t at)
{
    struct dlog_reader_options o;
    struct dlog_reader *r;
    enum err e;
    int entered;

    if (reader_out == NULL)
        return DLOG_E_INVAL;
    e = embed_reader_options(options, &o);
    if (e != E_OK)
        return embed_err(e);
    r = reader_new(log, &o);
    if (r == NULL)
        return DLOG_E_NOMEM;
    entered = embed_enter(log);
    if (entered == DLOG_OK) {
        entered = embed_err(find(log, at, &r->offset));
        if (entered == DLOG_OK) {
            embed_ref(log);
            log->readers++;
        }
        embed_leave(log);
    }
    if (entered != DLOG_OK) {
        reader_free(r);
        return entered;
    }
    *reader_out = r;
    return DLOG_OK;
}

static enum err find_offset(struct dlog *log, int64_t from, int64_t *offset_out)
{
    return resolve(log, from, offset_out);
}

int dlog_reader_open(struct dlog *log, int64_t from, const struct dlog_reader_options *options,
                     struct dlog_reader **reader_out)
{
    return reader_open(log, options, reader_out, find_offset, from);
}

int dlog_reader_open_at_time(struct dlog *log, int64_t timestamp_ms,
                             const struct dlog_reader_options *options,
                             struct dlog_reader **reader_out)
{
    return reader_open(log, options, reader_out, find_time, timestamp_ms);
}

int dlog_offset_for_time(struct dlog *log, int64_t timestamp_ms, int64_t *offset_out)
{
    enum err e;
    int entered;

    if (offset_out == NULL)
        return DLOG_E_INVAL;
    entered = embed_enter(log);
    if (entered != DLOG_OK)
        return entered;
    e = find_time(log, timestamp_ms, offset_out);
    embed_leave(log);
    return embed_err(e);
}

void dlog_reader_close(struct dlog_reader *reader)
{
    struct dlog *log;

    if (reader == NULL || embed_is_forked(reader->log->env))
        return;
    log = reader->log;
    os_mutex_lock(&log->lock);
    log->readers--;
    os_mutex_unlock(&log->lock);
    reader_free(reader);
    embed_unref(log);
}

int dlog_reader_seek(struct dlog_reader *reader, int64_t offset)
{
    enum err e;
    int entered;

    if (reader == NULL)
        return DLOG_E_INVAL;
    entered = embed_enter(reader->log);
    if (entered != DLOG_OK)
        return entered;
    e = resolve(reader->log, offset, &reader->offset);
    embed_leave(reader->log);
    if (e == E_OK)
        forget_bytes(reader);
    return embed_err(e);
}

int64_t dlog_reader_offset(const struct dlog_reader *reader)
{
    return reader == NULL ? -1 : reader->offset;
}

void dlog_reader_wake(struct dlog_reader *reader)
{
    if (reader == NULL || embed_is_forked(reader->log->env))
        return;
    os_mutex_lock(&reader->log->lock);
    reader->is_woken = true;
    os_cond_broadcast(&reader->log->readable);
    os_mutex_unlock(&reader->log->lock);
}

/* What there is for this reader now; a range of size 0 when nothing is. With the log's lock. */
static enum err take_range(struct dlog_reader *r, struct log_range *range_out)
{
    struct dlog *log = r->log;
    int64_t limit = r->durable_only ? log_synced_offset(log->engine) : INT64_MAX;
    enum err e = E_OK;

    if (atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        return E_CLOSED;
    if (r->is_woken) {
        r->is_woken = false;
        return E_CANCELLED;
    }
    if (!r->durable_only && r->offset >= log_end_offset(log->engine) &&
        embed_collected_count(log) > 0)
        e = embed_spill(log);
    if (e != E_OK)
        return e;
    if (r->offset >= limit) { /* appended, and not durable */
        *range_out = (struct log_range){0};
        return r->offset < log_start_offset(log->engine) ? E_OUT_OF_RANGE : E_OK;
    }
    embed_use(log);
    return log_read(log->engine, r->offset, limit, r->buffer_bytes, range_out);
}

/* Wait for a range until `until_ms`. E_TIMEOUT, and what take_range says. */
static enum err wait_range(struct dlog_reader *r, int64_t until_ms, struct log_range *range_out)
{
    struct dlog *log = r->log;
    bool is_late = until_ms < 0;
    enum err e;

    os_mutex_lock(&log->lock);
    for (;;) {
        e = take_range(r, range_out);
        if (e != E_OK || range_out->size > 0)
            break;
        if (is_late) {
            e = E_TIMEOUT;
            break;
        }
        log->waiting_readers++;
        is_late = !os_cond_wait_until(&log->readable, &log->lock, until_ms);
        log->waiting_readers--;
    }
    if (!atomic_load_explicit(&log->is_closed, memory_order_relaxed))
        embed_schedule(log);
    os_mutex_unlock(&log->lock);
    return e;
}

/* Fill the buffer with what follows. */
static enum err fetch(struct dlog_reader *r, int64_t until_ms)
{
    struct log_range range;
    size_t got = 0;
    enum err e;

    forget_bytes(r);
    e = wait_range(r, until_ms, &range);
    if (e != E_OK)
        return e;
    e = buf_reserve(&r->bytes, range.size);
    if (e == E_OK)
        e = os_file_read(range.file, range.pos, r->bytes.at, range.size, &got);
    if (e == E_OK && got < range.size)
        e = E_CORRUPT; /* somebody cut the file */
    if (e == E_OK) {
        r->bytes.size = got;
        r->frame_offset = range.base_offset;
    }
    os_file_unref(range.file);
    return e;
}

/* Start at the next whole batch of the buffer. E_NOT_FOUND: there is none. */
static enum err begin_batch(struct dlog_reader *r)
{
    struct batch_header h;
    struct slice rest;
    enum err e;

    if (r->pos == r->bytes.size)
        return E_NOT_FOUND;
    rest = slice_of(r->bytes.at + r->pos, r->bytes.size - r->pos);
    e = batch_peek(rest, &h);
    if (e == E_TRUNCATED && r->pos > 0)
        e = E_NOT_FOUND; /* the range ended inside of it */
    if (e != E_OK)
        return e;
    rest.size = batch_total_size(&h);
    e = batch_check_crc(rest);
    if (e == E_OK && batch_is_control(&h)) {
        r->it = (struct record_iter){0}; /* no records for anybody */
    } else if (e == E_OK) {
        e = record_iter_init(&r->it, rest, &r->unpack);
    }
    if (e != E_OK)
        return e;
    r->batch_end = batch_next_offset(&h);
    r->is_in_batch = true;
    r->pos += rest.size;
    return E_OK;
}

static enum err give_headers(struct dlog_reader *r, const struct record_view *view)
{
    struct record_headers it = record_headers_init(view);
    struct record_header h;
    enum err e;

    vec_clear(&r->headers);
    e = vec_reserve(&r->headers, (size_t)view->header_count);
    while (e == E_OK && record_headers_next(&it, &h)) {
        struct dlog_header header = {.key = (const char *)h.key.at,
                                     .key_size = h.key.size,
                                     .value = h.value.at,
                                     .value_size = h.value.size};

        e = vec_push(&r->headers, &header);
    }
    return e;
}

static enum err give(struct dlog_reader *r, const struct record_view *view,
                     struct dlog_record *record_out)
{
    if (view->header_count > 0) {
        enum err e = give_headers(r, view);

        if (e != E_OK)
            return e;
    }
    *record_out = (struct dlog_record){
        .offset = view->offset,
        .timestamp_ms = view->timestamp_ms,
        .key = view->key.at,
        .key_size = view->key.size,
        .value = view->value.at,
        .value_size = view->value.size,
        .headers = view->header_count > 0 ? r->headers.at : NULL,
        .header_count = (size_t)view->header_count,
    };
    r->offset = view->offset + 1;
    return E_OK;
}

/* The next message of the buffer. E_NOT_FOUND: it has no more. */
static enum err next_message(struct dlog_reader *r, struct dlog_record *record_out)
{
    while (r->pos < r->bytes.size) {
        struct slice rest = slice_of(r->bytes.at + r->pos, r->bytes.size - r->pos);
        struct record_view view = {.offset = r->frame_offset};
        struct message message;
        size_t size;
        enum err e = message_decode(rest, &message, &size);

        if (e == E_TRUNCATED && r->pos > 0)
            return E_NOT_FOUND; /* the range ended inside of it */
        if (e == E_OK && view.offset >= r->offset)
            e = message_unpack(&message, &r->unpack, &view.value);
        if (e != E_OK)
            return e;
        r->pos += size;
        r->frame_offset++;
        if (view.offset < r->offset)
            continue;
        view.timestamp_ms = message.timestamp_ms;
        view.key = message.key;
        return give(r, &view, record_out);
    }
    return E_NOT_FOUND;
}

/* The next record of the buffer. E_NOT_FOUND: it has no more. */
static enum err next_buffered(struct dlog_reader *r, struct dlog_record *record_out)
{
    struct record_view view;
    enum err e = E_OK;

    if (r->log->format == LOG_FORMAT_MESSAGE)
        return next_message(r, record_out);
    while (e == E_OK) {
        if (r->is_in_batch && record_iter_next(&r->it, &view)) {
            if (view.offset >= r->offset)
                return give(r, &view, record_out);
            continue; /* it began in the middle of a batch */
        }
        if (r->is_in_batch) {
            e = record_iter_done(&r->it);
            r->is_in_batch = false;
            if (e == E_OK && r->batch_end > r->offset)
                r->offset = r->batch_end;
            continue;
        }
        e = begin_batch(r);
    }
    return e;
}

int dlog_reader_next(struct dlog_reader *reader, int64_t timeout_ms, struct dlog_record *record_out)
{
    int64_t until_ms = -1;
    enum err e;

    if (reader == NULL || record_out == NULL || timeout_ms < -1)
        return DLOG_E_INVAL;
    if (embed_is_forked(reader->log->env))
        return DLOG_E_FORKED;
    if (atomic_load_explicit(&reader->log->is_closed, memory_order_relaxed))
        return DLOG_E_CLOSED;
    while ((e = next_buffered(reader, record_out)) == E_NOT_FOUND) {
        if (timeout_ms != 0 && until_ms < 0)
            until_ms = timeout_ms < 0 ? INT64_MAX : os_mono_ms(reader->log->env->os) + timeout_ms;
        e = fetch(reader, until_ms);
        if (e != E_OK)
            break;
    }
    if (e != E_OK)
        forget_bytes(reader);
    return embed_err(e);
}
