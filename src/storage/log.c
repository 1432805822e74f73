#include "storage/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "os/os.h"
#include "storage/frame.h"
#include "storage/log_priv.h"
#include "storage/time_index.h"

struct log_options log_options_default(void)
{
    return (struct log_options){.durability = LOG_DURABILITY_ALWAYS,
                                .flush_messages = INT64_MAX,
                                .flush_ms = INT64_MAX,
                                .segment_bytes = 1024 * 1024 * 1024,
                                .segment_ms = 7 * 24 * 3600 * 1000ll,
                                .segment_index_bytes = 10 * 1024 * 1024,
                                .index_interval_bytes = 4096,
                                .retention_ms = 7 * 24 * 3600 * 1000ll,
                                .retention_bytes = -1,
                                .file_delete_delay_ms = 60 * 1000,
                                .producer_id_expiration_ms = 24 * 3600 * 1000ll,
                                .scrub_interval_ms = 7 * 24 * 3600 * 1000ll,
                                .is_deleted = true};
}

const char *log_format_text(enum log_format format)
{
    return format == LOG_FORMAT_BATCH ? "batch" : "message";
}

bool log_parse_format(struct slice text, enum log_format *format_out)
{
    for (int i = LOG_FORMAT_BATCH; i <= LOG_FORMAT_MESSAGE; i++) {
        if (slice_equal_text(text, log_format_text((enum log_format)i))) {
            *format_out = (enum log_format)i;
            return true;
        }
    }
    return false;
}

enum log_format log_format(const struct log *log)
{
    return log->format;
}

enum err log_dir_open(const struct log *log, struct os_dir **dir_out)
{
    return os_dir_open_in(log->root->dir, log->name, false, dir_out);
}

int64_t log_segment_end(const struct log *log, size_t i)
{
    return i + 1 < log_segment_count(log) ? log_segment_at(log, i + 1)->base_offset
                                          : log->end_offset;
}

size_t log_segment_index(const struct log *log, int64_t offset)
{
    size_t low = 0, high = log_segment_count(log);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (log_segment_at(log, middle)->base_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : low - 1;
}

enum err log_break(struct log *log, enum err e)
{
    log->is_broken = true;
    atomic_store_explicit(&log->root->is_broken, true, memory_order_relaxed);
    return e;
}

bool log_refuses(const struct log *log)
{
    return log->is_broken || log_root_is_broken(log->root);
}

void log_close_surplus(struct log *log)
{
    struct segment *oldest = NULL;

    if (log->open_sealed_count <= LOG_OPEN_SEALED_MAX)
        return;

    for (size_t i = 0; i + 1 < log_segment_count(log); i++) {
        struct segment *s = log_segment_at(log, i);

        if (s->file != NULL && s != log->sealed_unsynced &&
            (oldest == NULL || s->used_tick < oldest->used_tick))
            oldest = s;
    }
    if (oldest != NULL) {
        segment_close_files(oldest);
        log->open_sealed_count--;
    }
}

enum err log_use_segment(struct log *log, struct segment *s)
{
    struct os_dir *dir;
    enum err e;

    s->used_tick = ++log->tick;
    log_files_use(log, s->file == NULL ? LOG_FILES_MORE : 0);
    if (s->file != NULL)
        return E_OK;
    do {
        e = log_dir_open(log, &dir);
        if (e == E_OK) {
            e = segment_open_file(s, dir);
            os_dir_close(dir);
        }
    } while (e == E_TOO_MANY_FILES && log_files_give_up_one(log));
    if (e == E_NOT_FOUND)
        e = E_CORRUPT; /* somebody took it away: its offsets are not just absent */
    if (e == E_OK && s != log_active(log)) {
        log->open_sealed_count++;
        log_close_surplus(log);
    }
    log_files_note(log);
    return e;
}

enum err log_use_indexes(struct log *log, struct segment *s)
{
    struct os_dir *dir;
    enum err e = log_use_segment(log, s);

    if (e != E_OK)
        return e;
    if ((s->offsets.is_loaded && s->times.is_loaded) ||
        (s->offsets.file != NULL && s->times.file != NULL))
        return E_OK;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    e = s == log_active(log) ? segment_load_indexes(s, dir) : segment_open_indexes(s, dir);
    os_dir_close(dir);
    return e;
}

void log_memo_clear(struct log *log)
{
    for (int i = 0; i < LOG_MEMO_COUNT; i++)
        log->memo[i] = (struct log_memo){.offset = -1, .segment = -1};
    log->limit = (struct log_memo){.offset = -1, .segment = -1};
}

void log_memo_add(struct log *log, const struct segment *s, int64_t offset, int64_t pos)
{
    log->memo[log->memo_next++ % LOG_MEMO_COUNT] =
        (struct log_memo){.offset = offset, .pos = pos, .segment = s->base_offset};
}

void log_refresh_max_timestamp(struct log *log)
{
    log->max_timestamp = -1;
    log->max_timestamp_offset = -1;
    for (size_t i = 0; i < log_segment_count(log); i++) {
        const struct segment *s = log_segment_at(log, i);

        if (s->max_timestamp > log->max_timestamp) {
            log->max_timestamp = s->max_timestamp;
            log->max_timestamp_offset = s->max_timestamp_offset;
        }
    }
}

static void log_free(struct log *log)
{
    log_files_leave(log);
    for (size_t i = 0; i < log_segment_count(log); i++)
        segment_free(log_segment_at(log, i));
    vec_release(&log->segments);
    vec_release(&log->snapshots);
    vec_release(&log->deletions);
    log_snapshot_release(&log->begun_snapshot);
    epoch_release(&log->epochs);
    producer_release(&log->producers);
    os_lock_release(log->lock);
    mem_free(log->name);
    mem_free(log);
}

static struct log *log_new(const struct log_open *open)
{
    size_t name_size = strlen(open->name) + 1;
    struct log *log = mem_alloc_zero(sizeof(*log));

    if (log == NULL)
        return NULL;
    vec_init(&log->segments, sizeof(struct segment *), LOG_SEGMENTS_MAX);
    vec_init(&log->snapshots, sizeof(int64_t), 2 * LOG_SEGMENTS_MAX);
    vec_init(&log->deletions, sizeof(struct log_deletion), LOG_SEGMENTS_MAX);
    log_snapshot_init(&log->begun_snapshot);
    epoch_init(&log->epochs);
    producer_init(&log->producers);
    log_memo_clear(log);
    log->root = open->root;
    log->options = *open->options;
    log->wall_ms = open->wall_ms;
    log->begun.offset = -1;
    log->recoded_codec = -1;
    log->bad_offset = -1;
    log->max_timestamp = -1;
    log->max_timestamp_offset = -1;
    log->name = mem_alloc(name_size);
    if (log->name == NULL) {
        log_free(log);
        return NULL;
    }
    memcpy(log->name, open->name, name_size);
    return log;
}

/*
 * A log that was a root by itself, "." in it, has the lock file of one: somebody may have it open
 * in this way.
 */
static enum err lock_log(struct log *log, struct os_dir *dir, struct report *report)
{
    struct os_file *file;
    enum err e;

    if (strcmp(log->name, ".") == 0)
        return E_OK; /* the root's lock is this one */
    e = os_file_open(dir, LOG_LOCK_NAME, OS_FILE_READ, &file);
    if (e == E_NOT_FOUND)
        return E_OK;
    if (e == E_OK) {
        os_file_unref(file);
        e = os_dir_lock(dir, LOG_LOCK_NAME, &log->lock);
    }
    if (e == E_BUSY)
        report_set(report, "another process has this log alone open and holds its %s: end that one",
                   LOG_LOCK_NAME);
    else if (e != E_OK)
        report_set(report, "%s: %s", LOG_LOCK_NAME, err_text(e));
    return e;
}

enum err log_open(const struct log_open *open, struct log **log_out,
                  struct log_recovery *recovery_out, struct report *report)
{
    struct log_recovery recovery = {.was_clean = true};
    struct os_dir *dir = NULL;
    struct log *log = log_new(open);
    enum err e = log == NULL ? E_NOMEM : os_dir_open_in(open->root->dir, open->name, false, &dir);

    if (e == E_NOT_FOUND)
        e = os_dir_open_in(open->root->dir, open->name, true, &dir);
    if (e != E_OK)
        report_set(report, "%s", err_text(e));
    else
        e = lock_log(log, dir, report);
    if (e == E_OK)
        e = recover_log(log, dir, &recovery, report);
    os_dir_close(dir);
    if (e != E_OK) {
        report_prefix(report, "log %s/%s", open->root->path, open->name);
        if (log != NULL)
            log_free(log);
        return e;
    }
    producer_expire(&log->producers, open->wall_ms, open->options->producer_id_expiration_ms);
    for (size_t i = 0; i < log_segment_count(log); i++)
        log->size_bytes += log_segment_at(log, i)->size;
    log_refresh_max_timestamp(log);
    *log_out = log;
    if (recovery_out != NULL)
        *recovery_out = recovery;
    return E_OK;
}

/* Leave the log so that the next open scans nothing. Errors only cost a scan then. */
static void close_cleanly(struct log *log)
{
    struct segment *s = log_active(log);
    struct log_point end = log_end_point(log);
    struct os_dir *dir;

    if (log_sync(log) != E_OK)
        return;
    if (log->recovery.offset == end.offset && log->recovery.segment == end.segment &&
        log->recovery.pos == end.pos && s->allocated <= s->size)
        return;                   /* so it is already */
    if (s->allocated > s->size && /* idle, its file may be closed */
        (log_use_segment(log, s) != E_OK || os_file_truncate(s->file, s->size) != E_OK ||
         os_file_sync(s->file) != E_OK))
        return;
    if (log_dir_open(log, &dir) != E_OK)
        return;
    if (log_use_indexes(log, s) != E_OK ||
        time_index_add(&s->times, s->base_offset, s->max_timestamp, s->max_timestamp_offset) !=
            E_OK ||
        log_checkpoint_write(log, dir, &end, NULL) != E_OK) {
        os_dir_close(dir);
        return;
    }
    os_dir_close(dir);
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    if (!log_refuses(log))
        close_cleanly(log);
    log_free(log);
}

enum err log_delete(struct log *log)
{
    enum err e = log_root_delete(log->root, log->name);

    if (e != E_OK)
        return log_break(log, e);
    log_free(log);
    return E_OK;
}

enum err log_set_options(struct log *log, const struct log_options *options)
{
    if (options->is_compacted && !frame_has_offset(log->format))
        return E_UNSUPPORTED;
    log->options = *options;
    log->has_gaps |= options->is_compacted;
    for (size_t i = 0; i < log_segment_count(log); i++)
        log_segment_at(log, i)->allows_gaps = log->has_gaps;
    return E_OK;
}

int64_t log_start_offset(const struct log *log)
{
    return log->start_offset;
}

int64_t log_synced_offset(const struct log *log)
{
    return log->synced_offset;
}

int64_t log_end_offset(const struct log *log)
{
    return log->end_offset;
}

int64_t log_size_bytes(const struct log *log)
{
    return log->size_bytes;
}

bool log_is_broken(const struct log *log)
{
    return log_refuses(log);
}

void log_max_timestamp(const struct log *log, int64_t *timestamp_out, int64_t *offset_out)
{
    *timestamp_out = log->max_timestamp;
    *offset_out = log->max_timestamp_offset;
}

int32_t log_latest_epoch(const struct log *log)
{
    return epoch_latest(&log->epochs);
}

enum err log_begin_epoch(struct log *log, int32_t epoch)
{
    int32_t before;
    enum err e;

    if (log_refuses(log))
        return E_BROKEN;
    if (!frame_has_offset(log->format))
        return E_UNSUPPORTED;
    if (epoch <= epoch_latest(&log->epochs))
        return E_OK;
    before = epoch_latest(&log->epochs);
    e = log_sync(log); /* so that the epoch never begins past what a crash leaves */
    if (e == E_OK)
        e = epoch_begin(&log->epochs, epoch, log->end_offset);
    return e == E_OK ? log_save_epochs(log, before, log->end_offset) : e;
}

void log_epoch_end(const struct log *log, int32_t epoch, int32_t *epoch_out, int64_t *end_out)
{
    epoch_end(&log->epochs, epoch, log->end_offset, epoch_out, end_out);
}

int32_t log_epoch_at(const struct log *log, int64_t offset)
{
    return offset >= log->end_offset ? -1 : epoch_at(&log->epochs, offset);
}
