#include "storage/log_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/text_priv.h"

/*
 * Opening a log: one listing, the small files, and a look at the size of the
 * last segment. If that is what the checkpoint says nothing is scanned;
 * otherwise recover_scan() goes on from the recovery point.
 */
struct opening {
    struct log *log;
    struct os_dir *dir;
    struct log_recovery *recovery;
    struct report *report;
    struct log_checkpoint checkpoint;
    struct vec bases;     /* of int64_t, rising as the names are sorted */
    struct vec aborted;   /* of int64_t, rising: transaction indexes */
    struct vec leftovers; /* of struct leftover */
    bool has_checkpoint;
    bool has_epochs;
    bool has_metadata;
    bool has_format;
    enum err err;
};

struct leftover {
    char name[SEGMENT_NAME_SIZE];
};

enum { DIGITS = 20, FORMAT_FILE_MAX = 64 };

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);

    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

/* "00000000000000000042.log" and ".log" give 42. */
static bool parse_name(const char *name, const char *suffix, int64_t *offset_out)
{
    return strlen(name) == DIGITS + strlen(suffix) && has_suffix(name, suffix) &&
           parse_i64(slice_of(name, DIGITS), offset_out) == E_OK && *offset_out >= 0;
}

static bool is_leftover(const char *name)
{
    return strlen(name) < SEGMENT_NAME_SIZE &&
           (has_suffix(name, ".deleted") || has_suffix(name, ".tmp") ||
            has_suffix(name, ".cleaned") || has_suffix(name, ".swap"));
}

/* A window without its snapshot is of no use: a snapshot's name comes just before. */
static bool has_snapshot(const struct opening *o, int64_t offset)
{
    const struct vec *snapshots = &o->log->snapshots;

    return snapshots->count > 0 && *(int64_t *)vec_at(snapshots, snapshots->count - 1) == offset;
}

static bool see(void *ctx, const char *name, bool is_dir)
{
    struct opening *o = ctx;
    struct leftover leftover;
    int64_t offset;

    if (is_dir)
        return true;
    if (parse_name(name, ".log", &offset)) {
        o->err = vec_push(&o->bases, &offset);
    } else if (parse_name(name, ".snapshot", &offset)) {
        o->err = vec_push(&o->log->snapshots, &offset);
    } else if (parse_name(name, ".txnindex", &offset)) {
        o->err = vec_push(&o->aborted, &offset);
    } else if (is_leftover(name) ||
               (parse_name(name, ".window", &offset) && !has_snapshot(o, offset))) {
        snprintf(leftover.name, sizeof(leftover.name), "%s", name);
        o->err = vec_push(&o->leftovers, &leftover);
    } else {
        o->has_checkpoint |= strcmp(name, LOG_CHECKPOINT_NAME) == 0;
        o->has_epochs |= strcmp(name, LOG_EPOCHS_NAME) == 0;
        o->has_metadata |= strcmp(name, LOG_METADATA_NAME) == 0;
        o->has_format |= strcmp(name, LOG_FORMAT_NAME) == 0;
    }
    return o->err == E_OK;
}

static enum err read_small(struct os_dir *dir, const char *name, struct buf *bytes,
                           struct report *report)
{
    enum err e = os_dir_read_file(dir, name, bytes);

    if (e != E_OK)
        report_set(report, "read %s: %s", name, err_text(e));
    return e;
}

static enum err read_format(struct opening *o)
{
    struct buf text;
    struct slice rest;
    enum err e;

    buf_init(&text, FORMAT_FILE_MAX);
    e = read_small(o->dir, LOG_FORMAT_NAME, &text, o->report);
    rest = buf_slice(&text);
    if (e == E_OK && !log_parse_format(text_line(&rest), &o->log->format)) {
        report_set(o->report, "%s names a format that this version does not know", LOG_FORMAT_NAME);
        e = E_UNSUPPORTED;
    }
    buf_release(&text);
    return e;
}

/* The format of a log that is created is durable before anything else of it. */
static enum err write_format(struct opening *o)
{
    struct buf text;
    enum err e;

    buf_init(&text, FORMAT_FILE_MAX);
    e = buf_printf(&text, "%s\n", log_format_text(o->log->format));
    if (e == E_OK)
        e = os_dir_replace_file(o->dir, LOG_FORMAT_NAME, buf_slice(&text));
    if (e != E_OK)
        report_set(o->report, "write %s: %s", LOG_FORMAT_NAME, err_text(e));
    buf_release(&text);
    return e;
}

static bool is_new(const struct opening *o)
{
    return o->bases.count == 0 && !o->has_checkpoint;
}

static enum err find_format(struct opening *o)
{
    struct log *log = o->log;
    enum err e = E_OK;

    log->format = is_new(o) ? log->options.format : LOG_FORMAT_BATCH;
    if (o->has_format)
        e = read_format(o);
    if (e == E_OK && log->options.is_compacted && !frame_has_offset(log->format)) {
        report_set(o->report, "a log of messages cannot be compacted: leave out cleanup by key");
        e = E_UNSUPPORTED;
    }
    if (e == E_OK && !o->has_format && log->format != LOG_FORMAT_BATCH)
        e = write_format(o);
    log->has_gaps = log->options.is_compacted;
    return e;
}

static enum err read_epochs(struct log *log, struct os_dir *dir, struct report *report)
{
    struct buf text;
    enum err e;

    buf_init(&text, LOG_SMALL_FILE_MAX);
    e = read_small(dir, LOG_EPOCHS_NAME, &text, report);
    if (e == E_OK && epoch_decode(&log->epochs, buf_slice(&text)) == E_NOMEM)
        e = E_NOMEM; /* a senseless file is as good as none: batches say their epoch */
    buf_release(&text);
    return e;
}

static enum err read_metadata(struct log *log, struct os_dir *dir, struct report *report)
{
    struct buf text;
    enum err e;

    buf_init(&text, LOG_SMALL_FILE_MAX);
    e = read_small(dir, LOG_METADATA_NAME, &text, report);
    if (e == E_OK)
        log->topic_id = log_decode_topic_id(buf_slice(&text));
    buf_release(&text);
    return e;
}

/* A checkpoint that cannot be read is as good as none: everything is scanned then. */
static enum err read_checkpoint(struct opening *o)
{
    struct log_checkpoint *c = &o->checkpoint;
    struct buf text;
    enum err e;

    buf_init(&text, LOG_SMALL_FILE_MAX);
    e = read_small(o->dir, LOG_CHECKPOINT_NAME, &text, o->report);
    if (e == E_OK)
        e = log_checkpoint_decode(c, buf_slice(&text));
    buf_release(&text);
    if (e == E_UNSUPPORTED)
        report_set(o->report, "%s was written by a later version", LOG_CHECKPOINT_NAME);
    if (e == E_OK && c->format != o->log->format) {
        report_set(o->report, "%s is of a log of the format %s, %s says %s: put back the right one",
                   LOG_CHECKPOINT_NAME, log_format_text(c->format), LOG_FORMAT_NAME,
                   log_format_text(o->log->format));
        return E_UNSUPPORTED;
    }
    o->has_checkpoint = e == E_OK;
    if (e == E_CORRUPT) {
        log_checkpoint_release(c);
        log_checkpoint_init(c);
        c->window_bytes = LOG_UNSYNCED_BYTES_MAX;
        e = E_OK;
    }
    return e;
}

static enum err add_segment(struct log *log, int64_t base_offset)
{
    struct segment *s = segment_new(base_offset, log->format);
    enum err e = s == NULL ? E_NOMEM : vec_push(&log->segments, &s);

    if (e != E_OK) {
        segment_free(s);
        return e;
    }
    s->allows_gaps = log->has_gaps;
    return E_OK;
}

static struct segment *find_segment(struct log *log, int64_t base_offset)
{
    size_t i = log_segment_index(log, base_offset);
    struct segment *s = log_segment_count(log) == 0 ? NULL : log_segment_at(log, i);

    return s != NULL && s->base_offset == base_offset ? s : NULL;
}

/* Size of a file that nobody told us about. It is not opened for it: mostly nothing else is read.
 */
static enum err look_at(struct segment *s, struct os_dir *dir, struct report *report)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    segment_name(s->base_offset, ".log", name);
    e = os_dir_file_size(dir, name, &s->allocated);
    if (e == E_OK && s->allocated > SEGMENT_SIZE_MAX)
        e = E_TOO_BIG;
    if (e != E_OK)
        report_set(report, "%s: %s", name, err_text(e));
    return e;
}

/* The file of a segment that the checkpoint knows is gone: its offsets are damage without bytes. */
static enum err note_missing(struct log *log, const struct log_checkpoint *c, size_t i,
                             struct log_recovery *recovery)
{
    const struct log_checkpoint_segment *missing = vec_at(&c->segments, i);
    struct segment *s = log_segment_count(log) == 0
                            ? NULL
                            : log_segment_at(log, log_segment_index(log, missing->base_offset));
    struct segment_damage lost = {.offset = missing->base_offset, .offset_end = c->recovery_point};

    if (i + 1 < c->segments.count)
        lost.offset_end =
            ((struct log_checkpoint_segment *)vec_at(&c->segments, i + 1))->base_offset;
    if (s == NULL || s->base_offset > missing->base_offset || lost.offset_end <= c->start_offset ||
        lost.offset_end <= lost.offset)
        return E_OK;
    lost.pos = s->size;
    lost.end = s->size;
    recovery->damaged_ranges++;
    return segment_add_damage(s, &lost);
}

static enum err apply_checkpoint(struct log *log, const struct log_checkpoint *c,
                                 struct log_recovery *recovery)
{
    enum err e = E_OK;

    log->start_offset = c->start_offset;
    log->has_gaps |= c->has_gaps;
    log->clean_offset = c->clean_offset;
    log->recoded_codec = c->recoded_codec;
    log->recoded_offset = c->recoded_offset;
    log->topic_id = c->topic_id;
    log->recovery_has_snapshot = c->has_snapshot;
    log->recovery = (struct log_point){.offset = c->recovery_point, .segment = c->recovery_point};
    for (size_t i = 0; i < c->segments.count; i++) {
        const struct log_checkpoint_segment *cs = vec_at(&c->segments, i);
        struct segment *s = find_segment(log, cs->base_offset);

        if (i + 1 == c->segments.count)
            log->recovery = (struct log_point){c->recovery_point, cs->base_offset, cs->size,
                                               cs->max_timestamp, cs->max_timestamp_offset};
        if (s == NULL) {
            e = note_missing(log, c, i, recovery);
            if (e != E_OK)
                return e;
            continue;
        }
        s->size = cs->size;
        s->allocated = cs->size;
        s->max_timestamp = cs->max_timestamp;
        s->max_timestamp_offset = cs->max_timestamp_offset;
        s->first_timestamp = cs->first_timestamp;
    }
    for (size_t i = 0; i < c->damaged.count && e == E_OK; i++) {
        const struct log_checkpoint_damage *cd = vec_at(&c->damaged, i);
        struct segment *s = find_segment(log, cd->segment);

        if (s != NULL)
            e = segment_add_damage(s, &cd->damage);
    }
    return e;
}

/* Remove the files of segment `base_offset`; whatever of them there is. */
static enum err remove_segment_files(struct os_dir *dir, int64_t base_offset)
{
    char name[SEGMENT_NAME_SIZE];

    for (size_t i = 0; i < SEGMENT_SUFFIX_COUNT; i++) {
        enum err e;

        segment_name(base_offset, segment_suffixes[i], name);
        e = os_dir_remove_file(dir, name);
        if (e != E_OK && e != E_NOT_FOUND)
            return e;
    }
    return E_OK;
}

/* Segments below the start whose files a crash left, up to the recovery point. */
static enum err drop_front(struct opening *o)
{
    struct log *log = o->log;
    enum err e = E_OK;

    while (e == E_OK && log_segment_count(log) > 1 &&
           log_segment_at(log, 1)->base_offset <= log->start_offset &&
           log_segment_at(log, 1)->base_offset <= log->recovery.segment) {
        struct segment *s = log_segment_at(log, 0);

        e = remove_segment_files(o->dir, s->base_offset);
        segment_free(s);
        vec_remove(&log->segments, 0);
    }
    return e;
}

/* Deletions that a crash interrupted. What was listed may have got its right name meanwhile. */
static enum err finish_deletions(struct opening *o)
{
    enum err e = E_OK;

    for (size_t i = 0; i < o->leftovers.count && e == E_OK; i++) {
        e = os_dir_remove_file(o->dir, ((struct leftover *)vec_at(&o->leftovers, i))->name);
        if (e == E_NOT_FOUND)
            e = E_OK;
    }
    return e == E_OK ? drop_front(o) : e;
}

/* A new log, or one that lost all its segments: it goes on where it was, no offset twice. */
static enum err create(struct log *log, struct os_dir *dir)
{
    enum err e = log_add_segment(log, dir, log->recovery.offset);

    if (e != E_OK)
        return e;
    log_active(log)->allows_gaps = log->has_gaps;
    if (log->start_offset > log->recovery.offset)
        log->start_offset = log->recovery.offset;
    log->end_offset = log->recovery.offset;
    log->synced_offset = log->end_offset;
    log->recovery = log_end_point(log);
    log->recovery_has_snapshot = false;
    return log->is_fresh ? E_OK : log_checkpoint_rewrite(log, dir);
}

/* Is the log just what the checkpoint says? */
static bool is_clean(const struct opening *o)
{
    const struct log *log = o->log;
    const struct segment *s = log_active(log);

    return o->has_checkpoint && s->base_offset == log->recovery.segment &&
           s->allocated == log->recovery.pos && s->size == log->recovery.pos;
}

/* No checkpoint and no byte: a crash came between its creation and its first record. */
static bool is_empty(const struct log *log)
{
    return log_segment_count(log) == 1 && log_active(log)->allocated == 0;
}

static void go_on_fresh(struct log *log)
{
    struct segment *s = log_active(log);

    log->is_foreign = false;
    log->has_gaps = log->options.is_compacted;
    s->allows_gaps = log->has_gaps;
    s->end_offset = s->base_offset;
    log->start_offset = s->base_offset;
    log->end_offset = s->base_offset;
    log->synced_offset = s->base_offset;
    segment_index_reset(&s->offsets);
    segment_index_reset(&s->times);
    epoch_truncate(&log->epochs, log->end_offset + 1);
    log_begin_fresh(log);
}

/* Of a directory of Kafka's, too: a snapshot knows producers that the log has forgotten. */
static enum err load_producers(struct log *log, struct os_dir *dir)
{
    return log->recovery_has_snapshot || log->is_foreign
               ? log_load_producers(log, dir, log->recovery.offset)
               : E_OK;
}

/* Segments before the recovery point that the checkpoint does not know: take them as they are. */
static enum err look_at_unknown(struct opening *o)
{
    const struct log_checkpoint *c = &o->checkpoint;
    struct log *log = o->log;
    enum err e = E_OK;

    for (size_t i = 0; i < log_segment_count(log) && e == E_OK; i++) {
        struct segment *s = log_segment_at(log, i);
        bool is_known = false;

        if (i + 1 < log_segment_count(log))
            s->end_offset = log_segment_at(log, i + 1)->base_offset;
        for (size_t k = 0; k < c->segments.count && !is_known; k++)
            is_known = ((struct log_checkpoint_segment *)vec_at(&c->segments, k))->base_offset ==
                       s->base_offset;
        if (is_known && s->base_offset < log->recovery.segment)
            continue;
        e = look_at(s, o->dir, o->report);
        if (e == E_OK && s->base_offset < log->recovery.segment) {
            s->size = s->allocated;
            e = segment_open_file(s, o->dir);
            if (e == E_OK)
                e = segment_open_anchors(s, o->dir);
            if (e == E_OK)
                e = segment_survey(s, log->options.index_interval_bytes);
            if (e == E_OK)
                e = log_unless_full(segment_write_indexes(s, o->dir));
        }
        if (i + 1 < log_segment_count(log))
            segment_close_files(s);
    }
    return e;
}

/*
 * A truncate that a crash cut short may have left epochs that begin past the end. They go for good:
 * the next open would find them again, and batches of an older epoch where they say they begin.
 */
static enum err cut_epochs(struct log *log, struct os_dir *dir)
{
    size_t count = log->epochs.entries.count;

    epoch_truncate(&log->epochs, log->end_offset + 1);
    return log->epochs.entries.count < count ? log_write_epochs_soon(log, dir) : E_OK;
}

static enum err open_segments(struct opening *o)
{
    struct log *log = o->log;
    enum err e = finish_deletions(o);

    if (e == E_OK && log_segment_count(log) == 0) {
        if (!o->has_checkpoint)
            log_begin_fresh(log);
        return create(log, o->dir);
    }
    if (e == E_OK && !o->has_checkpoint)
        log->recovery = (struct log_point){.offset = log_segment_at(log, 0)->base_offset,
                                           .segment = log_segment_at(log, 0)->base_offset,
                                           .max_timestamp = -1,
                                           .max_timestamp_offset = -1};
    if (e == E_OK)
        e = look_at_unknown(o);
    if (e == E_OK && !o->has_checkpoint && is_empty(log)) {
        go_on_fresh(log);
        return E_OK;
    }
    if (e == E_OK && !o->has_checkpoint)
        e = os_dir_sync(log->root->dir); /* its name must be durable before its checkpoint is */
    if (e != E_OK)
        return e;
    log->has_loose_epochs = log->epochs.entries.count > 0 && log->recovery.pos == 0;
    if (log->start_offset < log_segment_at(log, 0)->base_offset)
        log->start_offset = log_segment_at(log, 0)->base_offset;
    log->end_offset = log->recovery.offset;
    e = load_producers(log, o->dir);
    if (e != E_OK)
        return e;
    if (!is_clean(o)) {
        o->recovery->was_clean = false;
        e = recover_scan(log, o->dir, o->checkpoint.window_bytes, o->recovery, o->report);
        if (e == E_OK)
            e = drop_front(o); /* the recovery point has moved */
    }
    if (e == E_OK)
        e = cut_epochs(log, o->dir);
    log->synced_offset = log->end_offset;
    if (log->start_offset > log->end_offset)
        log->start_offset = log->end_offset;
    log_active(log)->end_offset = log->end_offset;
    return e;
}

static enum err list(struct opening *o)
{
    enum err e;

    vec_clear(&o->bases);
    vec_clear(&o->leftovers);
    vec_clear(&o->log->snapshots);
    e = os_dir_list(o->dir, see, o);
    if (e == E_OK)
        e = o->err;
    if (e != E_OK)
        report_set(o->report, "list: %s", err_text(e));
    return e;
}

/* A compaction was putting new files in the place of old ones: it ends first. */
static enum err end_swap(struct opening *o)
{
    enum err e = log_swap_recover(o->dir, &o->checkpoint);

    if (e == E_NO_SPACE &&
        o->checkpoint.swaps.count == 0) { /* done, and told by the next checkpoint */
        o->log->is_swap_unsure = true;
        e = E_OK;
    }
    if (e != E_OK) {
        report_set(o->report, "end the swap of compacted segments: %s", err_text(e));
        return e;
    }
    return list(o);
}

static enum err read_files(struct opening *o)
{
    struct log_checkpoint *c = &o->checkpoint;
    struct log *log = o->log;
    enum err e = E_OK;

    if (o->has_checkpoint)
        e = read_checkpoint(o);
    if (e == E_OK && c->swaps.count > 0)
        e = end_swap(o);
    if (e == E_OK && !o->has_checkpoint) {
        c->window_bytes = LOG_UNSYNCED_BYTES_MAX;
        /* perhaps an Apache Kafka compacted it: the scan will tell */
        log->is_foreign = frame_has_offset(log->format);
        log->has_gaps |= log->is_foreign;
    }
    log->has_gaps |= c->has_gaps;
    for (size_t i = 0; i < o->bases.count && e == E_OK; i++)
        e = add_segment(log, *(int64_t *)vec_at(&o->bases, i));
    for (size_t i = 0; i < o->aborted.count && e == E_OK; i++) {
        struct segment *s = find_segment(log, *(int64_t *)vec_at(&o->aborted, i));

        if (s != NULL)
            txn_index_forget(&s->aborted);
    }
    if (e == E_OK && o->has_checkpoint)
        e = apply_checkpoint(log, c, o->recovery);
    if (e == E_OK && o->has_epochs && frame_has_offset(log->format))
        e = read_epochs(log, o->dir, o->report);
    if (e == E_OK && o->has_metadata && uuid_is_zero(log->topic_id))
        e = read_metadata(log, o->dir, o->report);
    return e;
}

enum err recover_log(struct log *log, struct os_dir *dir, struct log_recovery *recovery,
                     struct report *report)
{
    struct opening o = {.log = log, .dir = dir, .recovery = recovery, .report = report};
    enum err e;

    vec_init(&o.bases, sizeof(int64_t), LOG_SEGMENTS_MAX);
    vec_init(&o.aborted, sizeof(int64_t), LOG_SEGMENTS_MAX);
    vec_init(&o.leftovers, sizeof(struct leftover), LOG_SEGMENTS_MAX);
    log_checkpoint_init(&o.checkpoint);
    e = list(&o);
    if (e == E_OK)
        e = find_format(&o);
    if (e == E_OK && is_new(&o))
        o.checkpoint.window_bytes = LOG_UNSYNCED_BYTES_MAX; /* new */
    else if (e == E_OK)
        e = read_files(&o);
    if (e == E_OK)
        e = open_segments(&o);
    if (e == E_OK && !recovery->was_clean)
        e = log_restore_metadata(log, dir);
    if (e == E_OK) { /* an idle log holds no descriptor */
        os_file_unref(log_active(log)->file);
        log_active(log)->file = NULL;
    }
    vec_release(&o.bases);
    vec_release(&o.aborted);
    vec_release(&o.leftovers);
    log_checkpoint_release(&o.checkpoint);
    return e;
}
