#include "storage/log_compact_priv.h"

#include <string.h>

#include "os/file.h"
#include "os/os.h"
#include "record/record.h"

/*
 * The walk over the inputs, and the two phases that only read. Files are opened by
 * name: what retention removed or a truncation cut since the begin shows as an
 * error or as rubbish here, and finish() throws the result away.
 */
static enum err open_input(struct log_compact *job)
{
    const struct log_compact_input *input = log_compact_input_at(job, job->at);
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    segment_name(input->base_offset, ".log", name);
    e = os_file_open(job->dir, name, OS_FILE_READ, &job->file);
    if (e == E_NOT_FOUND)
        return E_AGAIN;
    if (e == E_OK)
        job->scan = (struct segment_scan){.file = job->file,
                                          .end = input->size,
                                          .format = LOG_FORMAT_BATCH,
                                          .window = job->window,
                                          .window_max = job->phase == LOG_COMPACT_SURVEY
                                                            ? SEGMENT_SCAN_HOP
                                                            : SEGMENT_SCAN_WINDOW};
    return e;
}

static void close_input(struct log_compact *job)
{
    os_file_unref(job->file);
    job->file = NULL;
    job->pos = 0;
}

/* The header at job->pos of input job->at, opening its file. E_CORRUPT: no batch is there. */
static enum err peek(struct log_compact *job, struct batch_header *h, bool *is_end_out)
{
    const struct log_compact_input *input = log_compact_input_at(job, job->at);
    enum err e = job->file == NULL ? open_input(job) : E_OK;

    if (e != E_OK)
        return e;
    *is_end_out = job->pos >= input->size;
    if (*is_end_out)
        return E_OK;
    e = segment_scan_peek(&job->scan, job->pos, input->base_offset, h);
    if (e == E_OK &&
        (h->base_offset < input->base_offset || batch_next_offset(h) > input->end_offset))
        e = E_CORRUPT;
    return e == E_TRUNCATED || e == E_UNSUPPORTED ? E_CORRUPT : e;
}

/* The whole batch whose header was read, checked, into job->batch. */
static enum err load(struct log_compact *job, const struct batch_header *h)
{
    const struct segment_scan *scan = &job->scan;
    size_t size = batch_total_size(h), got = size;
    int64_t at = job->pos - scan->window_pos;
    enum err e;

    if (size > LOG_COMPACT_BATCH_MAX)
        return E_TOO_BIG;
    buf_clear(&job->batch);
    e = buf_reserve(&job->batch, size);
    if (e != E_OK)
        return e;
    if (at >= 0 && at + (int64_t)size <= (int64_t)scan->window_size)
        memcpy(job->batch.at, scan->window + at, size);
    else
        e = os_file_read(job->file, job->pos, job->batch.at, size, &got);
    if (e != E_OK)
        return e;
    job->batch.size = got;
    job->moved_bytes += (int64_t)size;
    return got < size ? E_CORRUPT : batch_check_crc(buf_slice(&job->batch));
}

/* Of a control batch in job->batch, or of one that is still in the file. */
static enum err read_marker(struct log_compact *job, const struct batch_header *h,
                            enum log_txns_marker *marker_out)
{
    enum err e;

    *marker_out = LOG_TXNS_NO_MARKER;
    if (!batch_is_control(h) || !batch_has_producer(h) ||
        batch_total_size(h) > LOG_COMPACT_MARKER_MAX)
        return E_OK;
    e = load(job, h);
    if (e == E_OK)
        *marker_out = log_txns_read_marker(buf_slice(&job->batch));
    return e;
}

/* Survey */

static enum err survey_batch(struct log_compact *job, const struct batch_header *h)
{
    enum log_txns_marker marker;
    enum err e = read_marker(job, h, &marker);

    if (e == E_OK)
        e = log_txns_survey(&job->txns, h, marker);
    if (job->at < job->write_count && batch_last_offset(h) >= job->first_dirty_offset)
        job->dirty_records += (uint64_t)h->record_count;
    if (!batch_is_control(h) && h->record_count > 0 && batch_codec(h) != job->options.codec)
        log_compact_input_at(job, job->at)->has_other_codec = true;
    job->moved_bytes += /* about what it cost to read */
        h->size < SEGMENT_SCAN_HOP ? (int64_t)batch_total_size(h) : SEGMENT_SCAN_HOP;
    return e;
}

/* No segment with batches of a transaction that has no end yet may be compacted. */
static void survey_end(struct log_compact *job)
{
    int64_t first = log_txns_survey_end(&job->txns);

    while (job->options.has_keys && first >= 0 && job->write_count > 0 &&
           log_compact_input_at(job, job->write_count - 1)->end_offset > first)
        job->write_count--;
    job->uncleanable_offset = job->write_count == 0
                                  ? job->start_offset
                                  : log_compact_input_at(job, job->write_count - 1)->end_offset;
}

/* Map */

static enum err map_records(struct log_compact *job)
{
    struct record_view view;
    struct record_iter it;
    enum err e = record_iter_init(&it, buf_slice(&job->batch), &job->unpack);

    if (e != E_OK)
        return e;
    while (record_iter_next(&it, &view)) {
        if (view.key.at != NULL && view.offset >= job->first_dirty_offset)
            log_keys_put(&job->keys, view.key, view.offset);
    }
    return record_iter_done(&it);
}

/* *is_full_out: the map has no room for this batch, so compaction ends before it. */
static enum err map_batch(struct log_compact *job, const struct batch_header *h, bool *is_full_out)
{
    enum log_txns_marker marker;
    bool discard;
    enum err e = read_marker(job, h, &marker);

    if (e == E_OK)
        e = log_txns_walk(&job->txns, h, marker, &discard);
    if (e != E_OK)
        return e;
    if (batch_last_offset(h) < job->first_dirty_offset)
        return E_OK;
    if (!discard && !batch_is_control(h) && h->record_count > 0) {
        *is_full_out = (size_t)h->record_count > log_keys_left(&job->keys);
        if (*is_full_out)
            return job->end_offset > job->first_dirty_offset ? E_OK : E_TOO_BIG;
        e = load(job, h);
        if (e == E_OK)
            e = map_records(job);
    }
    job->end_offset = batch_next_offset(h);
    return e;
}

static enum err begin_map(struct log_compact *job)
{
    struct hash_key key;

    job->end_offset = job->first_dirty_offset;
    log_txns_rewind(&job->txns);
    if (!job->options.has_keys) {
        job->end_offset = job->uncleanable_offset;
        return E_OK;
    }
    os_random(job->log->root->os, &key, sizeof(key));
    return log_keys_init(&job->keys, job->dirty_records, job->options.map_bytes, key);
}

/* Phases */

static enum err begin_phase(struct log_compact *job, enum log_compact_phase phase)
{
    close_input(job);
    job->phase = phase;
    job->at = 0;
    switch (phase) {
    case LOG_COMPACT_MAP:
        survey_end(job);
        if (job->first_dirty_offset < job->uncleanable_offset)
            return begin_map(job);
        job->write_count = 0;
        job->end_offset = job->first_dirty_offset;
        job->phase = LOG_COMPACT_DONE;
        return E_OK;
    case LOG_COMPACT_WRITE:
        log_txns_rewind(&job->txns);
        while (job->write_count > 0 &&
               log_compact_input_at(job, job->write_count - 1)->base_offset >= job->end_offset)
            job->write_count--;
        return job->write_count > 0 ? log_compact_write_begin(job) : E_OK;
    case LOG_COMPACT_SURVEY:
    case LOG_COMPACT_DONE:
        break;
    }
    return E_OK;
}

static bool is_phase_over(const struct log_compact *job)
{
    if (job->phase == LOG_COMPACT_SURVEY)
        return job->at == job->inputs.count;
    if (job->phase == LOG_COMPACT_MAP && !job->options.has_keys)
        return true;
    return job->at == job->write_count;
}

static enum err end_phase(struct log_compact *job)
{
    if (job->phase == LOG_COMPACT_SURVEY)
        return begin_phase(job, LOG_COMPACT_MAP);
    if (job->phase == LOG_COMPACT_MAP)
        return begin_phase(job, LOG_COMPACT_WRITE);
    close_input(job);
    job->phase = LOG_COMPACT_DONE;
    return log_compact_write_end(job);
}

static enum err next_input(struct log_compact *job)
{
    int64_t end = log_compact_input_at(job, job->at)->end_offset;

    if (job->phase == LOG_COMPACT_MAP && end > job->end_offset)
        job->end_offset = end; /* nothing comes up to the next segment */
    close_input(job);
    job->at++;
    if (job->phase == LOG_COMPACT_WRITE && job->at < job->write_count)
        return log_compact_write_begin(job);
    return E_OK;
}

static enum err step_batch(struct log_compact *job, const struct batch_header *h)
{
    enum log_txns_marker marker;
    bool is_full = false;
    enum err e = E_OK;

    switch (job->phase) {
    case LOG_COMPACT_SURVEY:
        if (h->base_offset >= job->limit_offset) {
            job->at = job->inputs.count;
            return E_OK;
        }
        e = survey_batch(job, h);
        break;
    case LOG_COMPACT_MAP:
        e = map_batch(job, h, &is_full);
        if (e == E_OK && is_full) {
            job->at = job->write_count;
            return E_OK;
        }
        break;
    case LOG_COMPACT_WRITE:
        e = load(job, h);
        marker =
            batch_is_control(h) ? log_txns_read_marker(buf_slice(&job->batch)) : LOG_TXNS_NO_MARKER;
        if (e == E_OK)
            e = log_compact_write_batch(job, h, marker);
        break;
    case LOG_COMPACT_DONE:
        break;
    }
    job->pos += (int64_t)batch_total_size(h);
    return e;
}

/* Recompression leaves alone what has the codec already. */
static bool is_skipped(const struct log_compact *job)
{
    return job->phase == LOG_COMPACT_WRITE && !job->options.has_keys &&
           !log_compact_input_at(job, job->at)->has_other_codec;
}

static enum err step(struct log_compact *job)
{
    struct batch_header h;
    bool is_end = false;
    enum err e;

    if (is_phase_over(job))
        return end_phase(job);
    if (is_skipped(job))
        return next_input(job);
    e = peek(job, &h, &is_end);
    if (e != E_OK)
        return e;
    return is_end ? next_input(job) : step_batch(job, &h);
}

bool log_compact_run(struct log_compact *job)
{
    int64_t until = job->moved_bytes + LOG_COMPACT_STEP_BYTES;

    while (job->err == E_OK && job->phase != LOG_COMPACT_DONE) {
        if (atomic_load_explicit(&job->is_stopped, memory_order_relaxed))
            return false;
        if (job->moved_bytes >= until)
            return true;
        job->err = step(job);
        if (job->err != E_OK && job->at < job->inputs.count)
            job->bad_offset = log_compact_input_at(job, job->at)->base_offset;
    }
    return false;
}

int64_t log_compact_moved_bytes(const struct log_compact *job)
{
    return job->moved_bytes;
}

void log_compact_stop(struct log_compact *job)
{
    atomic_store_explicit(&job->is_stopped, true, memory_order_relaxed);
}
