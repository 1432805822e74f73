#include "storage/log_priv.h"

#include "os/dir.h"
#include "os/file.h"

/*
 * Group commit: log_sync_begin() notes how far the log goes, log_sync_run()
 * makes that durable on any thread, log_sync_finish() believes it. Now and
 * then a sync also moves the recovery point: begin encodes the producers as
 * they are at just that offset, finish writes them with the checkpoint.
 */
bool log_needs_sync(const struct log *log)
{
    if (log->synced_offset == log->end_offset || log_refuses(log))
        return false;
    switch (log->options.durability) {
    case LOG_DURABILITY_ALWAYS:
        return true;
    case LOG_DURABILITY_INTERVAL:
        return log->sealed_unsynced != NULL ||
               log->end_offset - log->synced_offset >= log->options.flush_messages ||
               log->wall_ms - log->unsynced_wall_ms >= log->options.flush_ms;
    case LOG_DURABILITY_OS:
        return log->sealed_unsynced != NULL;
    }
    return true;
}

/* Is it time to move the recovery point with this sync? */
static void begin_checkpoint(struct log *log)
{
    if (log->begun.offset >= 0 ||
        log->appended_bytes - log->checkpointed_bytes < LOG_CHECKPOINT_BYTES)
        return;
    if (log_snapshot_encode(log, &log->begun_snapshot) != E_OK)
        return; /* next time */
    log->begun = log_end_point(log);
}

void log_sync_begin(struct log *log, struct log_sync *sync)
{
    sync->log = log;
    sync->files[0] = NULL;
    sync->files[1] = NULL;
    sync->end_offset = log->end_offset;
    sync->end_bytes = log->appended_bytes;
    sync->generation = log->generation;
    sync->result = log_refuses(log) ? E_BROKEN : E_OK;
    if (sync->result != E_OK || log->synced_offset == log->end_offset)
        return;
    begin_checkpoint(log);
    if (log_active(log)->file != NULL && log_active(log)->size > 0)
        sync->files[0] = os_file_ref(log_active(log)->file);
    if (log->sealed_unsynced != NULL)
        sync->files[1] = os_file_ref(log->sealed_unsynced->file);
}

void log_sync_run(struct log_sync *sync)
{
    for (int i = 0; i < 2; i++) {
        if (sync->result == E_OK && sync->files[i] != NULL)
            sync->result = os_file_sync(sync->files[i]);
    }
}

/* The recovery point follows. That it could not is no harm: the next open scans more. */
static enum err finish_checkpoint(struct log *log)
{
    struct log_point point = log->begun;
    struct os_dir *dir;
    enum err e;

    if (point.offset < 0 || point.offset > log->synced_offset)
        return E_OK;
    log->begun.offset = -1;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return E_OK;
    e = log_checkpoint_write(log, dir, &point, &log->begun_snapshot);
    os_dir_close(dir);
    return e == E_IO ? log_break(log, e) : E_OK;
}

/* The segment that was sealed before this sync began is durable with it. */
static void finish_sealed(struct log *log, const struct log_sync *sync)
{
    struct segment *s = log->sealed_unsynced;

    if (s == NULL || s->file == NULL || (s->file != sync->files[0] && s->file != sync->files[1]))
        return;
    log->sealed_unsynced = NULL;
    log_close_indexes(s);
}

enum err log_sync_finish(struct log_sync *sync)
{
    struct log *log = sync->log;
    enum err e = sync->result;

    /* Another sync of it failed meanwhile: the system tells of a lost write once, so ours knew not.
     */
    if (e == E_OK && log->is_broken)
        e = E_BROKEN;
    if (e == E_OK && sync->generation == log->generation) {
        if (sync->end_offset > log->synced_offset)
            log->synced_offset = sync->end_offset;
        if (sync->end_bytes > log->synced_bytes)
            log->synced_bytes = sync->end_bytes;
        log->unsynced_wall_ms = log->wall_ms;
        if (log->sealed_unsynced != NULL &&
            sync->end_offset >=
                log_segment_end(log, log_segment_index(log, log->sealed_unsynced->base_offset)))
            finish_sealed(log, sync);
        e = finish_checkpoint(log);
    } else if (e != E_OK && e != E_BROKEN) {
        e = log_break(log, e);
    }
    for (int i = 0; i < 2; i++) {
        os_file_unref(sync->files[i]);
        sync->files[i] = NULL;
    }
    return e;
}

enum err log_sync(struct log *log)
{
    struct log_sync sync;

    if (log_refuses(log))
        return E_BROKEN;
    if (log->synced_offset == log->end_offset)
        return E_OK;
    log_sync_begin(log, &sync);
    log_sync_run(&sync);
    return log_sync_finish(&sync);
}
