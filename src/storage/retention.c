#include "storage/log_priv.h"

#include <stdio.h>

#include "os/dir.h"
#include "os/file.h"

/* The segment's files are renamed now; they go when readers have had their time. */
static enum err mark_deleted(struct log *log, struct os_dir *dir, int64_t base_offset)
{
    struct log_deletion d = {base_offset, log->wall_ms + log->options.file_delete_delay_ms};
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];
    enum err e = vec_push(&log->deletions, &d);

    for (int i = 0; i < SEGMENT_SUFFIX_COUNT && e == E_OK; i++) {
        char suffix[SEGMENT_NAME_SIZE / 2];

        segment_name(base_offset, segment_suffixes[i], from);
        snprintf(suffix, sizeof(suffix), "%s.deleted", segment_suffixes[i]);
        segment_name(base_offset, suffix, to);
        e = os_dir_rename(dir, from, to);
        if (e == E_NOT_FOUND)
            e = E_OK;
    }
    return e;
}

enum err retention_drop_segments(struct log *log, struct os_dir *dir)
{
    enum err e = E_OK;

    while (e == E_OK && log_segment_count(log) > 1 &&
           log_segment_at(log, 1)->base_offset <= log->start_offset &&
           log_segment_at(log, 0) != log->sealed_unsynced) {
        struct segment *s = log_segment_at(log, 0);

        e = mark_deleted(log, dir, s->base_offset);
        if (e != E_OK)
            break;
        log->size_bytes -= s->size;
        if (s->file != NULL)
            log->open_sealed_count--;
        vec_remove(&log->segments, 0);
        for (size_t i = 0; i < log->snapshots.count; i++) {
            if (*(int64_t *)vec_at(&log->snapshots, i) == s->base_offset) {
                vec_remove(&log->snapshots, i);
                break;
            }
        }
        segment_free(s);
    }
    log_files_note(log);
    log_refresh_max_timestamp(log);
    return e;
}

/* The start moves first and durably; what is below it may then vanish at any time. */
static enum err move_start(struct log *log, int64_t offset)
{
    int64_t before = log->start_offset;
    struct os_dir *dir;
    enum err e;

    if (log->synced_offset < offset) {
        e = log_sync(log);
        if (e != E_OK)
            return e;
    }
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    log->start_offset = offset;
    if (log->recovery.offset < offset) { /* never a recovery point in what will be gone */
        struct log_point end = log_end_point(log);

        e = log->synced_offset == log->end_offset ? E_OK : log_sync(log);
        if (e == E_OK)
            e = log_checkpoint_write(log, dir, &end, NULL);
    } else {
        e = log_checkpoint_rewrite(log, dir);
    }
    if (e != E_OK) {
        log->start_offset = before;
        os_dir_close(dir);
        return e;
    }
    epoch_drop_before(&log->epochs, offset);
    log_memo_clear(log);
    if (log->epochs.entries.count > 0)
        e = log_write_epochs(log, dir);
    if (e == E_OK)
        e = retention_drop_segments(log, dir);
    os_dir_close(dir);
    return e;
}

enum err log_delete_before(struct log *log, int64_t offset)
{
    if (offset > log->end_offset)
        return E_OUT_OF_RANGE;
    if (offset <= log->start_offset)
        return E_OK;
    if (log_refuses(log))
        return E_BROKEN;
    return move_start(log, offset);
}

static bool is_expired(const struct log *log, const struct segment *s)
{
    return log->options.retention_ms >= 0 && s->max_timestamp >= 0 &&
           log->wall_ms - s->max_timestamp > log->options.retention_ms;
}

/* How far retention wants to move the start. */
static int64_t retention_start(const struct log *log, int64_t limit_offset)
{
    int64_t size = log->size_bytes;
    int64_t start = log->start_offset;

    if (!log->options.is_deleted)
        return start;
    for (size_t i = 0; i + 1 < log_segment_count(log); i++) {
        const struct segment *s = log_segment_at(log, i);
        int64_t end = log_segment_end(log, i);
        bool is_over =
            log->options.retention_bytes >= 0 && size - s->size >= log->options.retention_bytes;

        if (end > limit_offset || (!is_expired(log, s) && !is_over))
            break;
        size -= s->size;
        start = end;
    }
    return start;
}

static bool must_roll_now(const struct log *log, int64_t limit_offset)
{
    const struct segment *s = log_active(log);

    if (s->size == 0)
        return false;
    if (s->first_timestamp >= 0 && log->wall_ms - s->first_timestamp > log->options.segment_ms)
        return true;
    return log->options.is_deleted && is_expired(log, s) && limit_offset >= log->end_offset;
}

/* Readers hold the files they read: the delay is a courtesy that a full disk ends. */
static bool is_due(const struct log *log, const struct log_deletion *d, int64_t wall_ms)
{
    return d->due_ms <= wall_ms || log_root_disk(log->root).level >= LOG_DISK_WARN;
}

static enum err remove_due(struct log *log, int64_t wall_ms)
{
    struct os_dir *dir;
    enum err e;

    if (log->deletions.count == 0 || !is_due(log, vec_at(&log->deletions, 0), wall_ms))
        return E_OK;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    while (e == E_OK && log->deletions.count > 0) {
        const struct log_deletion *d = vec_at(&log->deletions, 0);

        if (!is_due(log, d, wall_ms))
            break;
        for (int i = 0; i < SEGMENT_SUFFIX_COUNT && e == E_OK; i++) {
            char name[SEGMENT_NAME_SIZE], suffix[SEGMENT_NAME_SIZE / 2];

            snprintf(suffix, sizeof(suffix), "%s.deleted", segment_suffixes[i]);
            segment_name(d->base_offset, suffix, name);
            e = os_dir_remove_file(dir, name);
            if (e == E_NOT_FOUND)
                e = E_OK;
        }
        if (e == E_OK)
            vec_remove(&log->deletions, 0);
    }
    os_dir_close(dir);
    return e;
}

/* Files that nobody has read since the last time. */
static void close_idle(struct log *log)
{
    for (size_t i = 0; i < log_segment_count(log); i++) {
        struct segment *s = log_segment_at(log, i);
        bool is_active = s == log_active(log);

        if (s->used_tick > log->maintained_tick || s == log->sealed_unsynced)
            continue;
        if (!is_active)
            txn_index_close(&s->aborted);
        if (s->file == NULL)
            continue;
        if (is_active && log->synced_offset < log->end_offset)
            continue;
        if (is_active) {
            os_file_unref(s->file);
            s->file = NULL;
        } else {
            segment_close_files(s);
            log->open_sealed_count--;
        }
    }
    log->maintained_tick = log->tick;
    log_files_note(log);
}

enum err log_maintain(struct log *log, int64_t limit_offset, int64_t wall_ms)
{
    int64_t start;
    enum err e = E_OK;

    if (wall_ms > log->wall_ms)
        log->wall_ms = wall_ms;
    producer_expire(&log->producers, wall_ms, log->options.producer_id_expiration_ms);
    close_idle(log);
    (void)producer_first_unstable(&log->producers, limit_offset); /* forgets what is stable */
    if (log_refuses(log))
        return E_BROKEN;
    if (must_roll_now(log, limit_offset))
        e = log_roll(log);
    start = retention_start(log, limit_offset);
    if (e == E_OK && start > log->start_offset)
        e = move_start(log, start);
    if (e == E_OK)
        e = remove_due(log, wall_ms);
    return e;
}
