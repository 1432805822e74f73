#include "storage/log_priv.h"

#include "os/dir.h"
#include "os/file.h"
#include "storage/segment_walk.h"

/*
 * Truncation, each step durable before the next, so that a crash leaves the
 * log longer than asked or as asked, never with a hole:
 *
 *   checkpoint back -> later segments away, last first -> indexes -> cut and sync -> epochs
 */

/* The largest timestamp before `point`: recovery begins there and looks at nothing below. */
static enum err find_max_timestamp(struct segment *s, struct log_point *point)
{
    struct segment_walk w;
    struct batch_header h;
    enum err e;

    segment_walk_init(&w, s, 0, s->base_offset);
    while ((e = segment_walk_next(&w, &h)) == E_OK && w.at < point->pos) {
        if (h.max_timestamp > point->max_timestamp) {
            point->max_timestamp = h.max_timestamp;
            point->max_timestamp_offset = batch_last_offset(&h);
        }
    }
    return e == E_NOT_FOUND || segment_scan_is_wrong(e) ? E_OK : e;
}

/* The checkpoint must not claim what will be cut. */
static enum err retreat(struct log *log, struct os_dir *dir, struct segment *s,
                        const struct log_point *point)
{
    struct log_point back = *point;
    enum err e;

    if (log->recovery.offset <= point->offset)
        return E_OK;
    e = find_max_timestamp(s, &back);
    if (e != E_OK)
        return e;
    log->recovery = back;
    if (log->clean_offset > point->offset) /* what comes there is new */
        log->clean_offset = point->offset;
    if (log->recoded_offset > point->offset)
        log->recoded_offset = point->offset;
    log->recovery_has_snapshot = true; /* of an earlier offset, or none: then it is replayed */
    return log_checkpoint_rewrite(log, dir);
}

static enum err drop_last(struct log *log, struct os_dir *dir)
{
    struct segment *s = log_active(log);
    char name[SEGMENT_NAME_SIZE];
    enum err e = E_OK;

    for (size_t i = 0; i < SEGMENT_SUFFIX_COUNT && e == E_OK; i++) {
        segment_name(s->base_offset, segment_suffixes[i], name);
        e = os_dir_remove_file(dir, name);
        if (e == E_NOT_FOUND)
            e = E_OK;
    }
    if (e == E_OK)
        e = os_dir_sync(dir);
    if (e != E_OK)
        return e;
    vec_remove(&log->segments, log_segment_count(log) - 1);
    log->size_bytes -= s->size;
    segment_free(s);
    return E_OK;
}

static enum err cut(struct log *log, struct os_dir *dir, size_t i, const struct log_point *point)
{
    struct segment *s = log_segment_at(log, i);
    enum err e = retreat(log, dir, s, point);

    while (e == E_OK && log_segment_count(log) > i + 1)
        e = drop_last(log, dir);
    if (e == E_OK)
        e = segment_load_indexes(s, dir);
    if (e == E_OK) { /* first: no entry may be left of what will not be there */
        segment_cut_indexes(s, point->pos, point->offset);
        e = segment_write_indexes(s, dir);
    }
    if (e == E_OK)
        e = log_use_aborted(log, s, s->end_offset);
    if (e == E_OK)
        e = os_file_truncate(s->file, point->pos);
    if (e != E_OK)
        return e;
    /* What is not there any more is not read either, should the sync fail. */
    log->size_bytes -= s->size - point->pos;
    s->end_offset = point->offset;
    segment_cut(s, point->pos, point->offset);
    s->allocated = s->size;
    log->end_offset = point->offset;
    if (log->start_offset > log->end_offset) /* it lay inside the batch that went */
        log->start_offset = log->end_offset;
    log->synced_offset = point->offset;
    log->synced_bytes = log->appended_bytes;
    e = os_file_sync(s->file);
    if (e != E_OK)
        return e;
    epoch_truncate(&log->epochs, point->offset + (point->offset > log->start_offset ? 0 : 1));
    return log_write_epochs(log, dir);
}

static enum err reload_producers(struct log *log, struct os_dir *dir)
{
    enum err e = log_remove_snapshots(log, dir, log->end_offset + 1, INT64_MAX);

    return e == E_OK ? log_load_producers(log, dir, log->end_offset) : e;
}

/* Where the batch that holds `offset`, or the first after it, begins. */
static enum err find_cut(struct log *log, int64_t offset, size_t *i_out, struct log_point *point)
{
    size_t i = log_segment_index(log, offset);
    struct segment *s = log_segment_at(log, i);
    struct batch_header h;
    enum err e = log_use_indexes(log, s);

    *i_out = i;
    *point = (struct log_point){.offset = offset,
                                .segment = s->base_offset,
                                .pos = s->size,
                                .max_timestamp = -1,
                                .max_timestamp_offset = -1};
    if (e == E_OK)
        e = segment_find(s, offset, &point->pos, &h);
    if (e == E_OK && h.base_offset < offset)
        point->offset = h.base_offset;
    if (e == E_CORRUPT) { /* cut the damage off with what follows */
        for (size_t d = 0; d < s->damaged.count; d++) {
            const struct segment_damage *damage = vec_at(&s->damaged, d);

            if (offset >= damage->offset && offset < damage->offset_end) {
                point->pos = damage->pos;
                point->offset = damage->offset;
                e = E_OK;
            }
        }
    }
    return e == E_NOT_FOUND ? E_OK : e;
}

/* The largest timestamp of what is left of the segment: by its headers. */
static enum err refresh_timestamps(struct log *log, struct segment *s)
{
    enum err e = segment_survey(s, log->options.index_interval_bytes);

    s->is_surveyed = false;
    log_refresh_max_timestamp(log);
    return e;
}

enum err log_truncate(struct log *log, int64_t offset)
{
    struct log_point point;
    struct os_dir *dir;
    size_t i;
    enum err e;

    if (offset < log->start_offset)
        return E_OUT_OF_RANGE;
    if (offset >= log->end_offset)
        return E_OK;
    e = log_sync(log); /* one state less to think about */
    if (e == E_OK)
        e = find_cut(log, offset, &i, &point);
    if (e != E_OK)
        return e;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    log->generation++;
    log->scrub.pos = 0; /* other batches may take the place of those below it */
    log->begun.offset = -1;
    log->sealed_unsynced = NULL;
    log_memo_clear(log);
    e = cut(log, dir, i, &point);
    if (e == E_OK)
        e = refresh_timestamps(log, log_active(log));
    if (e == E_OK)
        e = reload_producers(log, dir);
    if (e == E_OK && log->recovery.offset == log->end_offset) { /* it had to retreat */
        point = log_end_point(log);
        e = log_checkpoint_write(log, dir, &point, NULL);
    }
    if (e != E_OK) /* half cut, or the producers half known: only a restart knows what is there */
        e = log_break(log, e);
    os_dir_close(dir);
    log->open_sealed_count = 0;
    for (size_t k = 0; k + 1 < log_segment_count(log); k++)
        log->open_sealed_count += log_segment_at(log, k)->file != NULL;
    log_files_note(log);
    return e;
}
