#include <assert.h>

#include "base/mem.h"
#include "codec/codec.h"
#include "embed/embed_priv.h"
#include "os/os.h"
#include "record/message.h"

/*
 * Records are collected in memory and written as one piece. In the format of batches that is one:
 *
 *   dlog_append -> builder -> (full, lingered, synced, read) -> sealed -> log_append
 *
 * `sealed` is empty but while a full disk, or memory, keeps it from being written; then its offsets
 * are promised under `interval` and `os`, and it is tried again. Messages are frames at once:
 *
 *   dlog_append -> sealed -> (full, lingered, synced, read) -> log_append
 */
enum {
    HEADERS_ON_STACK = 16,
    RECORD_OVERHEAD = 32,   /* of numbers in a record, at most */
    CODEC_SLACK_SHARE = 64, /* what compression may add to bytes that it cannot compress */
    CODEC_SLACK_MIN = 1024,
    RETRY_MS = 1000
};

/* The largest batch before compression that surely fits a segment. */
static size_t batch_size_max(const struct dlog_options *o)
{
    int64_t slack = o->segment_bytes / CODEC_SLACK_SHARE + CODEC_SLACK_MIN;
    int64_t size = o->segment_bytes - slack;

    return (size_t)(size < BATCH_BUILDER_SIZE_MAX ? size : BATCH_BUILDER_SIZE_MAX);
}

void embed_use(struct dlog *log)
{
    log->is_unused = false;
    if (log->maintain_ms == INT64_MAX)
        log->maintain_ms = os_mono_ms(log->env->os) + log->env->maintain_ms;
}

int64_t embed_collected_count(const struct dlog *log)
{
    return (int64_t)log->builder.record_count + log->sealed_count;
}

/* What would be lost if the memory for headers is short is only speed. */
static enum err add_record(struct batch_builder *b, const struct dlog_record *record,
                           int64_t now_ms)
{
    struct record_header on_stack[HEADERS_ON_STACK];
    struct record_header *headers = on_stack;
    enum err e;

    if (record->header_count > HEADERS_ON_STACK) {
        headers = mem_alloc(record->header_count * sizeof(*headers));
        if (headers == NULL)
            return E_NOMEM;
    }
    for (size_t i = 0; i < record->header_count; i++) {
        const struct dlog_header *h = &record->headers[i];

        headers[i].key = slice_of(h->key, h->key_size);
        headers[i].value = slice_of(h->value, h->value_size);
    }
    e = batch_builder_add(
        b, &(struct record_draft){
               .timestamp_ms = record->timestamp_ms == DLOG_NOW ? now_ms : record->timestamp_ms,
               .key = slice_of(record->key, record->key_size),
               .value = slice_of(record->value, record->value_size),
               .headers = headers,
               .header_count = (int32_t)record->header_count});
    if (headers != on_stack)
        mem_free(headers);
    return e;
}

/* A frame to those of `sealed`. */
static enum err add_message(struct dlog *log, const struct dlog_record *record, int64_t now_ms)
{
    struct message message = {.timestamp_ms =
                                  record->timestamp_ms == DLOG_NOW ? now_ms : record->timestamp_ms,
                              .key = slice_of(record->key, record->key_size),
                              .value = slice_of(record->value, record->value_size),
                              .codec = (enum codec_id)log->options.compression,
                              .level = log->options.compression_level};
    size_t before = log->sealed.size;
    enum err e = message_encode(&message, &log->sealed);

    if (e == E_OK && (int64_t)log->sealed.size > log->options.segment_bytes) {
        log->sealed.size = before;
        e = E_TOO_BIG;
    }
    if (e == E_OK)
        log->sealed_count++;
    return e;
}

static enum err add_one(struct dlog *log, const struct dlog_record *record, int64_t now_ms)
{
    return log->format == LOG_FORMAT_BATCH ? add_record(&log->builder, record, now_ms)
                                           : add_message(log, record, now_ms);
}

/* All of them or none. */
static enum err add_records(struct dlog *log, const struct dlog_record *records, size_t count)
{
    struct batch_builder *b = &log->builder;
    struct batch_builder before = *b;
    size_t sealed_size = log->sealed.size;
    int32_t sealed_count = log->sealed_count;
    int64_t now_ms = 0;
    enum err e = E_OK;

    if (count == 1) /* which adds itself or not */
        return add_one(log, records,
                       records->timestamp_ms == DLOG_NOW ? os_wall_ms(log->env->os) : 0);
    for (size_t i = 0; i < count && e == E_OK; i++) {
        if (records[i].timestamp_ms == DLOG_NOW && now_ms == 0)
            now_ms = os_wall_ms(log->env->os);
        e = add_one(log, &records[i], now_ms);
    }
    if (e != E_OK) {
        b->bytes.size = before.bytes.size;
        b->record_count = before.record_count;
        b->base_timestamp = before.base_timestamp;
        b->max_timestamp = before.max_timestamp;
        log->sealed.size = sealed_size;
        log->sealed_count = sealed_count;
    }
    return e;
}

/* What is collected begins: the builder takes the options of the batch. */
static void begin_collecting(struct dlog *log)
{
    struct batch_builder *b = &log->builder;

    b->options.codec = (enum codec_id)log->options.compression;
    b->options.level = log->options.compression_level;
    b->options.size_max = batch_size_max(&log->options);
    b->bytes.max = b->options.size_max;
    log->collected_ms = os_mono_ms(log->env->os);
    if (log->unsynced_ms == INT64_MAX)
        log->unsynced_ms = log->collected_ms;
    embed_use(log);
}

/* Must what is collected be written before `size` bytes in `count` records can be put to it? */
static bool is_in_the_way(const struct dlog *log, size_t size, size_t count)
{
    size_t room =
        size + count * RECORD_OVERHEAD + batch_builder_size(&log->builder) + log->sealed.size;

    return embed_collected_count(log) > 0 &&
           (log->is_full || room > (size_t)log->options.batch_bytes);
}

enum err embed_collect(struct dlog *log, const struct dlog_record *records, size_t count,
                       size_t size, int64_t *first_offset_out)
{
    enum err e = E_OK;

    if (log_is_broken(log->engine))
        return E_BROKEN;
    if (is_in_the_way(log, size, count))
        e = embed_spill(log);
    if (e != E_OK)
        return e;
    if (embed_collected_count(log) == 0)
        begin_collecting(log);
    e = add_records(log, records, count);
    if (e == E_TOO_BIG && embed_collected_count(log) > 0) { /* together, perhaps not alone */
        e = embed_spill(log);
        if (e != E_OK)
            return e;
        begin_collecting(log);
        e = add_records(log, records, count);
    }
    if (e != E_OK)
        return e;
    *first_offset_out = log->next_offset;
    log->next_offset += (int64_t)count;
    log->appended_records += (int64_t)count;
    log->appended_bytes += (int64_t)size;
    if (log->waiting_readers > 0)
        os_cond_broadcast(&log->readable);
    return E_OK;
}

/* What is collected becomes the bytes of one batch. */
static enum err seal(struct dlog *log)
{
    int32_t count = log->builder.record_count;
    enum err e = batch_builder_finish(&log->builder, &log->sealed);

    if (e == E_OK)
        log->sealed_count = count;
    return e;
}

/* After a batch of unusual size. */
static void give_memory_back(struct buf *b, int64_t batch_bytes)
{
    if (b->size == 0 && (int64_t)(b->capacity / 4) > batch_bytes)
        buf_release(b);
}

static enum err write_sealed(struct dlog *log)
{
    int32_t epoch = log_latest_epoch(log->engine);
    struct log_append append = {.bytes = log->sealed.at,
                                .size = log->sealed.size,
                                .leader_epoch = epoch < 0 ? 0 : epoch,
                                .wall_ms = os_wall_ms(log->env->os)};
    struct log_appended appended;
    enum err e = log_append(log->engine, &append, &appended);

    embed_disk_look(log);
    if (e != E_OK)
        return e;
    assert(appended.last_offset - appended.first_offset + 1 == log->sealed_count);
    log->sealed_count = 0;
    log->written_batches++;
    buf_clear(&log->sealed);
    give_memory_back(&log->sealed, log->options.batch_bytes);
    give_memory_back(&log->builder.bytes, log->options.batch_bytes);
    return E_OK;
}

/* What is collected cannot be written now. */
static void give_up(struct dlog *log, enum err e)
{
    int64_t written = log_end_offset(log->engine);

    if (log_is_broken(log->engine)) {
        embed_trace(log->env, DLOG_LEVEL_ERROR, "log %s: write: %s: it takes no more", log->name,
                    err_text(e));
        embed_fail(log, 0, e);
        return;
    }
    if (!log->is_full)
        embed_trace(log->env, DLOG_LEVEL_WARN, "log %s: write: %s", log->name, err_text(e));
    log->is_full = true;
    if (log->options.durability == DLOG_DURABILITY_ALWAYS) {
        buf_clear(&log->sealed);
        log->sealed_count = 0;
        batch_builder_clear(&log->builder);
        log->next_offset = written;
        embed_fail(log, written, e);
    } else {
        log->collected_ms = os_mono_ms(log->env->os) + RETRY_MS;
    }
}

enum err embed_spill(struct dlog *log)
{
    enum err e = E_OK;

    while (embed_collected_count(log) > 0) {
        if (log->sealed_count == 0)
            e = seal(log);
        if (e == E_OK)
            e = write_sealed(log);
        if (e != E_OK) {
            give_up(log, e);
            return e;
        }
    }
    log->is_full = false;
    embed_settle(log);
    return E_OK;
}
