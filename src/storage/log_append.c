#include "storage/log_priv.h"

#include <assert.h>

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "storage/frame.h"
#include "storage/time_index.h"

/*
 * An append: look at every frame and change nothing but the caller's bytes,
 * roll if it must, write all with one call, then note what was written.
 *
 *   prepare -> (roll) -> (sync) -> write -> note
 *
 * Before the write every refusal leaves the log as it was. A write that fails
 * for want of space is cut off again; any other failure breaks the log.
 */
struct pending {
    struct slice bytes;
    int64_t first_offset;
    int64_t end_offset;
    int64_t max_timestamp;
    int32_t epoch; /* for the frames, of a leader */
    int32_t last_epoch;
    struct producer_check check;
};

struct log_point log_end_point(const struct log *log)
{
    const struct segment *s = log_active(log);

    return (struct log_point){.offset = log->end_offset,
                              .segment = s->base_offset,
                              .pos = s->size,
                              .max_timestamp = s->max_timestamp,
                              .max_timestamp_offset = s->max_timestamp_offset};
}

enum err log_add_segment(struct log *log, struct os_dir *dir, int64_t base_offset)
{
    char name[SEGMENT_NAME_SIZE];
    struct segment *s = segment_new(base_offset, log->format);
    enum err e = s == NULL ? E_NOMEM : vec_reserve(&log->segments, 1);

    if (e != E_OK)
        goto out;
    s->allows_gaps = log->has_gaps;
    s->end_offset = base_offset;
    s->verified_ms = log->wall_ms;
    segment_index_reset(&s->offsets);
    segment_index_reset(&s->times);
    segment_name(base_offset, ".log", name);
    e = os_file_open(dir, name, OS_FILE_CREATE, &s->file);
    if (e == E_OK)
        e = os_file_truncate(s->file, 0);
    if (e == E_OK && !log->is_fresh) {
        e = os_dir_sync(dir);
        if (e != E_OK)
            e = log_break(log, e);
    }
    if (e == E_OK)
        e = vec_push(&log->segments, &s);
    if (e == E_OK && log_segment_count(log) > 1)
        log_segment_at(log, log_segment_count(log) - 2)->end_offset = base_offset;
out:
    if (e != E_OK)
        segment_free(s);
    return e;
}

/* The active segment takes no more: what is in memory of it goes to its files. */
static enum err seal(struct log *log, struct os_dir *dir, struct segment *s)
{
    enum err e = E_OK;

    if (log->sealed_unsynced != NULL) { /* one may wait for its sync, not two */
        e = log_sync(log);
        if (e != E_OK)
            return e;
    }
    if (s->allocated > s->size) {
        e = os_file_truncate(s->file, s->size);
        if (e == E_OK) /* the zeroes must not come back in front of what follows */
            e = os_file_sync(s->file);
        if (e != E_OK)
            return log_break(log, e);
        s->allocated = s->size;
    }
    e = time_index_add(&s->times, s->base_offset, s->max_timestamp, s->max_timestamp_offset);
    if (e == E_OK)
        e = segment_write_indexes(s, dir);
    if (e == E_OK)
        e = log_write_snapshot(log, dir, log->end_offset, NULL);
    return e == E_IO ? log_break(log, e) : e; /* a sync failed: nothing may be tried again */
}

enum err log_roll(struct log *log)
{
    struct segment *old = log_active(log);
    struct os_dir *dir;
    enum err e;

    if (old->size == 0 && old->base_offset == log->end_offset)
        return E_OK;
    e = log_use_indexes(log, old);
    if (e != E_OK)
        return e;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    e = seal(log, dir, old);
    if (e == E_OK)
        e = log_add_segment(log, dir, log->end_offset);
    os_dir_close(dir);
    if (e != E_OK)
        return e;
    log->open_sealed_count++;
    log_files_note(log);
    if (log->synced_offset < log->end_offset)
        log->sealed_unsynced = old;
    else
        log_close_indexes(old);
    log_close_surplus(log);
    return E_OK;
}

/* An empty log begins at `offset`: a replica of a log whose start was deleted. */
static enum err begin_at(struct log *log, int64_t offset)
{
    struct segment *old = log_active(log);
    char name[SEGMENT_NAME_SIZE];
    struct os_dir *dir;
    enum err e = log_settle(log);

    if (e == E_OK)
        e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    e = log_add_segment(log, dir, offset);
    if (e == E_OK) {
        log->start_offset = offset;
        log->synced_offset = offset;
        log->end_offset = offset;
        log->recovery = log_end_point(log);
        vec_remove(&log->segments, log_segment_count(log) - 2);
        segment_name(old->base_offset, ".log", name);
        segment_free(old);
        e = log_checkpoint_rewrite(log, dir);
        if (e == E_OK)
            e = os_dir_remove_file(dir, name);
        if (e != E_OK)
            e = log_break(log, e);
    }
    os_dir_close(dir);
    return e;
}

/* May this batch come next, and what does it make of the log's end? */
static enum err prepare_batch(struct log *log, const struct log_append *append, struct pending *p,
                              struct batch_view *view)
{
    struct batch_header *h = &view->header;
    enum err e = E_OK;

    if (!append->is_replica) {
        h->base_offset = p->end_offset;
        h->leader_epoch = p->epoch;
        if (batch_has_producer(h))
            e = producer_check_batch(&log->producers, &p->check, h);
    } else if (h->base_offset != p->end_offset) {
        bool is_first = p->end_offset == log->start_offset && log->size_bytes == 0;

        if (h->base_offset < p->end_offset || (!log->has_gaps && !is_first))
            return E_OUT_OF_RANGE;
    }
    if (e != E_OK)
        return e;
    if (h->leader_epoch < p->last_epoch)
        return append->is_replica ? E_OUT_OF_RANGE : E_FENCED;
    if (INT64_MAX - h->base_offset <= h->last_offset_delta)
        return E_OUT_OF_RANGE;
    p->last_epoch = h->leader_epoch;
    p->end_offset = batch_next_offset(h);
    if (h->max_timestamp > p->max_timestamp)
        p->max_timestamp = h->max_timestamp;
    return E_OK;
}

static enum err prepare(struct log *log, const struct log_append *append, struct pending *p,
                        struct log_appended *result_out)
{
    struct frame_iter it = frame_iter_init(log->format, p->bytes, p->end_offset);
    struct batch_view view;
    enum err e = E_OK;
    bool is_first = true;

    while (e == E_OK && frame_iter_next(&it, &view)) {
        e = prepare_batch(log, append, p, &view);
        if (is_first)
            p->first_offset = view.header.base_offset;
        is_first = false;
    }
    if (e == E_OK)
        e = frame_iter_done(&it);
    if (e == E_OK && is_first)
        e = E_INVAL;
    if (e == E_OK && p->check.duplicate_count > 0) {
        const struct producer_batch *first = &p->check.first_duplicate;
        const struct producer_batch *last = &p->check.last_duplicate;

        *result_out =
            (struct log_appended){.first_offset = first->last_offset - first->offset_delta,
                                  .last_offset = last->last_offset,
                                  .max_timestamp = last->timestamp};
        e = E_DUPLICATE;
    }
    return e;
}

/* Age as in Kafka: by the timestamps of the records, else by the clock. */
static bool is_too_old(const struct log *log, const struct segment *s, const struct pending *p)
{
    if (s->first_timestamp < 0)
        return false;
    return p->max_timestamp >= 0 ? p->max_timestamp - s->first_timestamp > log->options.segment_ms
                                 : log->wall_ms - s->first_timestamp > log->options.segment_ms;
}

static bool must_roll(const struct log *log, const struct pending *p)
{
    const struct segment *s = log_active(log);
    int64_t size = (int64_t)p->bytes.size;
    int64_t index_max = log->options.segment_index_bytes;

    if (p->end_offset - 1 - s->base_offset > INT32_MAX)
        return true;
    if (s->size == 0)
        return false;
    return s->size > log->options.segment_bytes - size || s->size > SEGMENT_SIZE_MAX - size ||
           is_too_old(log, s, p) ||
           (int64_t)s->offsets.entries.size + s->offsets.entry_size > index_max ||
           (int64_t)s->times.entries.size + s->times.entry_size > index_max;
}

/* Zero-fill ahead, so that a sync need not allocate. Only a hint: a full disk ends it. */
static void allocate_ahead(struct log *log, struct segment *s, int64_t size)
{
    int64_t want = s->size + size;

    if (!log->options.preallocate || want <= s->allocated ||
        log_root_disk(log->root).level >= LOG_DISK_WARN)
        return;
    if (s->allocated < s->size)
        s->allocated = s->size;
    want += LOG_ZERO_FILL_BYTES;
    if (want > log->options.segment_bytes)
        want = log->options.segment_bytes;
    if (want <= s->allocated)
        return;
    if (os_file_zero_fill(s->file, s->allocated, want - s->allocated) == E_OK)
        s->allocated = want;
}

static enum err write_bytes(struct log *log, struct segment *s, struct slice bytes)
{
    enum err e;

    allocate_ahead(log, s, (int64_t)bytes.size);
    e = os_file_write(s->file, s->size, bytes.at, bytes.size);
    if (e == E_OK)
        return E_OK;
    if (e == E_NO_SPACE && os_file_truncate(s->file, s->size) == E_OK) {
        s->allocated = s->size;
        return e;
    }
    return log_break(log, e);
}

/* The bytes are in the file. Memory running out here would leave the log half told of them. */
static enum err note(struct log *log, struct segment *s, const struct pending *p)
{
    struct frame_iter it = frame_iter_init(log->format, p->bytes, p->first_offset);
    struct batch_view view;
    int64_t base = s->size;
    struct txn_aborted aborted;
    bool is_aborted = false;
    enum err e = E_OK;

    while (e == E_OK && frame_iter_next(&it, &view)) {
        e = segment_note_batch(s, &view.header, base + (int64_t)view.pos,
                               log->options.index_interval_bytes);
        if (e == E_OK)
            e = producer_apply(&log->producers, &view.header, view.bytes, &is_aborted, &aborted);
        if (e == E_CORRUPT)
            e = E_OK; /* a marker nobody can read ends nothing */
        if (e == E_OK && is_aborted)
            e = txn_index_add(&s->aborted, &aborted);
    }
    if (e != E_OK)
        return log_break(log, e);
    segment_add_verified(s, base, base + (int64_t)p->bytes.size);
    log_memo_add(log, s, p->first_offset, base);
    s->size += (int64_t)p->bytes.size;
    log->size_bytes += (int64_t)p->bytes.size;
    if (log->synced_offset == log->end_offset)
        log->unsynced_wall_ms = log->wall_ms;
    log->appended_bytes += (int64_t)p->bytes.size;
    log->end_offset = p->end_offset;
    s->end_offset = p->end_offset;
    if (s->max_timestamp > log->max_timestamp) {
        log->max_timestamp = s->max_timestamp;
        log->max_timestamp_offset = s->max_timestamp_offset;
    }
    return E_OK;
}

/* New epochs in the batches begin at their first batch, durably before the batch is. */
static enum err note_epochs(struct log *log, const struct pending *p)
{
    struct frame_iter it = frame_iter_init(log->format, p->bytes, p->first_offset);
    int32_t before = epoch_latest(&log->epochs);
    struct batch_view view;
    enum err e = E_OK;

    if (p->last_epoch <= before && !log->has_wrong_epochs)
        return E_OK;
    while (e == E_OK && frame_iter_next(&it, &view))
        e = epoch_begin(&log->epochs, view.header.leader_epoch, view.header.base_offset);
    return e == E_OK ? log_save_epochs(log, before, p->first_offset) : e;
}

static enum err make_room(struct log *log, const struct pending *p)
{
    int64_t unsynced = log->appended_bytes - log->synced_bytes;
    enum err e = E_OK;

    if (log->options.durability == LOG_DURABILITY_ALWAYS && unsynced > 0 &&
        unsynced + (int64_t)p->bytes.size > LOG_UNSYNCED_BYTES_MAX)
        e = log_sync(log);
    if (e != E_OK)
        return e;
    if (log->size_bytes == 0 && log_segment_count(log) == 1 && p->first_offset > log->end_offset)
        return begin_at(log, p->first_offset);
    return must_roll(log, p) ? log_roll(log) : E_OK;
}

enum err log_append(struct log *log, const struct log_append *append,
                    struct log_appended *result_out)
{
    struct pending p = {.bytes = slice_of(append->bytes, append->size),
                        .end_offset = log->end_offset,
                        .max_timestamp = -1,
                        .epoch = frame_has_offset(log->format) ? append->leader_epoch
                                                               : BATCH_NO_LEADER_EPOCH,
                        .last_epoch = epoch_latest(&log->epochs)};
    enum err e;

    if (log_refuses(log))
        return E_BROKEN;
    if (append->is_replica && !frame_has_offset(log->format))
        return E_UNSUPPORTED;
    if (append->wall_ms > log->wall_ms)
        log->wall_ms = append->wall_ms;
    e = append->size > SEGMENT_SIZE_MAX ? E_TOO_BIG : prepare(log, append, &p, result_out);
    if (e != E_OK)
        return e;
    if (!append->is_replica && (int64_t)append->size > log->options.segment_bytes)
        return E_TOO_BIG;
    if (!append->may_use_reserve &&
        !log_guard_admits(log->root, (int64_t)append->size, append->wall_ms))
        return E_NO_SPACE;
    e = log_use_indexes(log, log_active(log));
    if (e == E_OK)
        e = log_use_aborted(log, log_active(log), log->end_offset);
    if (e == E_OK)
        e = make_room(log, &p);
    if (e != E_OK)
        return e;
    if (!append->is_replica)
        frame_place(log->format, append->bytes, append->size, p.first_offset, p.epoch);
    e = note_epochs(log, &p);
    if (e == E_OK)
        e = log_settle(log);
    if (e == E_OK)
        e = write_bytes(log, log_active(log), p.bytes);
    if (e == E_OK)
        e = note(log, log_active(log), &p);
    if (e != E_OK)
        return e;
    *result_out = (struct log_appended){.first_offset = p.first_offset,
                                        .last_offset = p.end_offset - 1,
                                        .max_timestamp = p.max_timestamp};
    return E_OK;
}
