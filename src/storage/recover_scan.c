#include "storage/log_priv.h"

#include <stdio.h>

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/offset_index.h"
#include "storage/segment_walk.h"
#include "storage/time_index.h"

/*
 * What an unclean stop left behind the recovery point.
 *
 *   batch is right      -> take it
 *   batch is wrong      -> is there a right one more than W bytes after it?
 *        yes: DAMAGE    -> mark [here, next right one), go on there
 *        no:  TORN TAIL -> copy it aside, drop later segments, cut, sync
 *   file ends too early -> the same question, asked of the later segments
 *
 * W is the most that was ever left unsynced: under it the kernel may have
 * written pages in any order. Every step may be cut off by another crash: the
 * copy is durable before the cut, later segments go last first, and the
 * checkpoint moves only when all is done.
 */
struct scan_state {
    struct log *log;
    struct os_dir *dir;
    struct log_recovery *recovery;
    struct report *report;
    uint8_t *window;
    int64_t window_bytes; /* W; -1: no limit */
    int64_t offset;       /* that comes next */
    int32_t epoch;        /* of the last batch */
    size_t at;            /* segment */
    int64_t from;         /* position in it where the scan began */
    bool has_gaps;        /* one was found */
};

enum { COPY_BYTES = 256 * 1024 };

/* Is there a right batch more than W bytes after `pos` of the segment at st->at? */
static enum err has_later_batch(struct scan_state *st, int64_t pos, bool *found_out)
{
    int64_t distance = 0; /* from `pos` to the begin of the segment looked at */
    enum err e;

    *found_out = false;
    if (st->window_bytes < 0)
        return E_OK;
    for (size_t i = st->at; i < log_segment_count(st->log); i++) {
        struct segment *s = log_segment_at(st->log, i);
        int64_t from = i == st->at ? pos + st->window_bytes + 1 : st->window_bytes + 1 - distance;
        struct segment_scan scan;
        int64_t found;

        e = segment_open_file(s, st->dir);
        if (e != E_OK)
            return e;
        segment_scan_init(&scan, s, s->allocated, st->window, SEGMENT_SCAN_WINDOW);
        e = segment_scan_search(&scan, from > 0 ? from : 0, st->offset, s->end_offset, &found);
        if (e == E_OK)
            *found_out = true;
        if (e != E_NOT_FOUND)
            return e;
        distance += s->allocated - (i == st->at ? pos : 0);
    }
    return E_OK;
}

/* Copy bytes [pos, end) to `<base>.log.torn-<pos>`, durably. */
static enum err copy_aside(struct scan_state *st, struct segment *s, int64_t pos, int64_t end)
{
    char name[SEGMENT_NAME_SIZE];
    struct os_file *to;
    int64_t at = pos;
    enum err e;

    snprintf(name, sizeof(name), "%020lld.log.torn-%lld", (long long)s->base_offset,
             (long long)pos);
    e = os_file_open(st->dir, name, OS_FILE_CREATE, &to);
    if (e != E_OK)
        return log_unless_full(e);
    e = os_file_truncate(to, 0);
    while (e == E_OK && at < end) {
        size_t size = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
        size_t got = 0;

        e = os_file_read(s->file, at, st->window, size, &got);
        if (e == E_OK && got > 0)
            e = os_file_write(to, at - pos, st->window, got);
        if (got < size)
            break;
        at += (int64_t)got;
    }
    if (e == E_OK)
        e = os_file_sync(to);
    os_file_unref(to);
    if (e == E_OK)
        e = os_dir_sync(st->dir);
    if (e == E_NO_SPACE) /* nobody was promised these bytes: what is in front of them counts more */
        e = os_dir_remove_file(st->dir, name);
    return e;
}

/* Put the bytes of [pos, allocated) aside unless they are zeroes. */
static enum err save_tail(struct scan_state *st, struct segment *s, int64_t pos)
{
    struct segment_scan scan;
    int64_t end;
    enum err e;

    segment_scan_init(&scan, s, s->allocated, st->window, SEGMENT_SCAN_WINDOW);
    e = segment_scan_data_end(&scan, pos, &end);
    if (e != E_OK || end == pos)
        return e;
    st->recovery->torn_bytes += end - pos;
    return copy_aside(st, s, pos, end);
}

static enum err drop_last_segment(struct scan_state *st)
{
    struct segment *s = log_active(st->log);
    char name[SEGMENT_NAME_SIZE];
    enum err e = segment_open_file(s, st->dir);

    if (e == E_OK)
        e = save_tail(st, s, 0);
    for (size_t i = 0; i < SEGMENT_SUFFIX_COUNT && e == E_OK; i++) {
        segment_name(s->base_offset, segment_suffixes[i], name);
        e = os_dir_remove_file(st->dir, name);
        if (e == E_NOT_FOUND)
            e = E_OK;
    }
    if (e == E_OK)
        e = os_dir_sync(st->dir); /* one by one: a later one never outlives an earlier one */
    if (e != E_OK)
        return e;
    vec_remove(&st->log->segments, log_segment_count(st->log) - 1);
    segment_free(s);
    return E_OK;
}

/* The log ends at `pos` of the segment at st->at. */
static enum err cut_tail(struct scan_state *st, int64_t pos)
{
    struct segment *s = log_segment_at(st->log, st->at);
    enum err e = save_tail(st, s, pos);

    while (e == E_OK && log_segment_count(st->log) > st->at + 1)
        e = drop_last_segment(st);
    if (e == E_OK)
        e = os_file_truncate(s->file, pos);
    if (e == E_OK)
        e = os_file_sync(s->file);
    s->allocated = pos;
    s->end_offset = INT64_MAX;
    return e;
}

static enum err take_batch(struct scan_state *st, struct segment *s, struct segment_scan *scan,
                           const struct batch_header *h)
{
    int64_t pos = s->size;
    enum err e = segment_note_batch(s, h, pos, st->log->options.index_interval_bytes);

    if (e == E_OK)
        e = log_apply_batch(st->log, scan, pos, h, &s->aborted);
    if (e == E_OK && h->leader_epoch > epoch_latest(&st->log->epochs))
        e = epoch_begin(&st->log->epochs, h->leader_epoch, h->base_offset);
    if (e != E_OK)
        return e;
    s->size = pos + (int64_t)batch_total_size(h);
    segment_add_verified(s, pos, s->size);
    st->has_gaps |= h->base_offset != st->offset;
    st->recovery->scanned_bytes += (int64_t)batch_total_size(h);
    st->offset = batch_next_offset(h);
    if (h->leader_epoch > st->epoch)
        st->epoch = h->leader_epoch;
    return E_OK;
}

/*
 * A file begins with what is no frame of this log: magic 0 or 1 of old Kafkas, or a right frame of
 * the other format, which means that dlog.format is not the one of these files. E_CORRUPT: neither.
 */
static enum err check_begin(const struct scan_state *st, const struct segment *s, enum err found)
{
    struct segment_scan scan;
    struct batch_header h;
    enum err e;

    if (found == E_UNSUPPORTED && st->log->is_foreign) {
        report_set(st->report, "%020lld.log holds batches of magic 0 or 1",
                   (long long)s->base_offset);
        return E_UNSUPPORTED;
    }
    segment_scan_init(&scan, s, s->allocated, st->window, SEGMENT_SCAN_WINDOW);
    scan.format = s->format == LOG_FORMAT_BATCH ? LOG_FORMAT_MESSAGE : LOG_FORMAT_BATCH;
    e = segment_scan_peek(&scan, 0, s->base_offset, &h);
    if (e == E_OK)
        e = segment_scan_check(&scan, 0, &h);
    if (e != E_OK)
        return segment_scan_is_wrong(e) ? E_CORRUPT : e;
    report_set(st->report, "%020lld.log is not of the format %s: put back the right %s",
               (long long)s->base_offset, log_format_text(s->format), LOG_FORMAT_NAME);
    return E_UNSUPPORTED;
}

/* Something is wrong at the end of what was taken. Sets *is_torn_out when the log ends here. */
static enum err take_wrong(struct scan_state *st, struct segment *s, struct segment_scan *scan,
                           bool *is_torn_out)
{
    struct segment_damage damage;
    bool is_damage;
    enum err e = has_later_batch(st, s->size, &is_damage);

    if (e != E_OK)
        return e;
    if (!is_damage) {
        *is_torn_out = true;
        return cut_tail(st, s->size);
    }
    /* has_later_batch used the same window */
    segment_scan_init(scan, s, s->allocated, st->window, SEGMENT_SCAN_WINDOW);
    e = segment_mark_damage(s, scan, s->size, st->offset, &damage);
    if (e != E_OK)
        return e;
    st->recovery->damaged_ranges++;
    s->size = damage.end;
    st->offset = damage.offset_end;
    return E_OK;
}

/*
 * A sealed segment is complete and yet more is in its file: what was written ahead, or an append
 * that was taken back, whose cutting was not durable. It belongs to nobody.
 */
static enum err cut_excess(struct scan_state *st, struct segment *s)
{
    enum err e = save_tail(st, s, s->size);

    if (e == E_OK)
        e = os_file_truncate(s->file, s->size); /* synced with the segment */
    if (e == E_OK)
        s->allocated = s->size;
    return e;
}

static enum err scan_segment(struct scan_state *st, struct segment *s, bool *is_torn_out)
{
    struct segment_scan scan;
    struct batch_header h;
    enum err e = E_OK;

    segment_scan_init(&scan, s, s->allocated, st->window, SEGMENT_SCAN_WINDOW);
    while (e == E_OK && s->size < s->allocated && !*is_torn_out) {
        if (st->offset == s->end_offset)
            return cut_excess(st, s);
        e = segment_scan_peek(&scan, s->size, st->offset, &h);
        if (e == E_OK && (!segment_expects(s, &h, st->offset) || h.leader_epoch < st->epoch))
            e = E_CORRUPT;
        if (e == E_OK)
            e = segment_scan_check(&scan, s->size, &h);
        if (e == E_OK) {
            e = take_batch(st, s, &scan, &h);
            continue;
        }
        if (segment_scan_is_wrong(e))
            e = s->size == 0 ? check_begin(st, s, e) : E_CORRUPT;
        if (e == E_CORRUPT)
            e = take_wrong(st, s, &scan, is_torn_out);
    }
    /* A roll leaves no gap, whatever else may; who knows what Kafka and its cleaner did. */
    if (e == E_OK && !*is_torn_out && s->end_offset != INT64_MAX && st->offset != s->end_offset &&
        !st->log->is_foreign)
        e = take_wrong(st, s, &scan, is_torn_out); /* the end of a sealed segment is missing */
    return e;
}

/* Get ready to scan segment `i` from `s->size` on, of which nothing is doubted. */
static enum err begin_segment(struct scan_state *st, struct segment *s)
{
    int64_t end_offset = s->end_offset;
    enum err e = segment_open_file(s, st->dir);

    if (e == E_OK && s->size == 0) {
        segment_index_reset(&s->offsets);
        segment_index_reset(&s->times);
        txn_index_reset(&s->aborted);
        s->indexed_pos = 0;
        return segment_open_anchors(s, st->dir);
    }
    if (e == E_OK)
        e = log_use_aborted(st->log, s, st->offset);
    if (e != E_OK)
        return e;
    s->end_offset = st->offset;           /* of the part that they are of */
    e = segment_load_indexes(s, st->dir); /* without the entries beyond s->size */
    s->end_offset = end_offset;
    if (e != E_OK)
        return e;
    time_index_truncate(&s->times, s->base_offset, st->offset);
    return segment_open_anchors(s, st->dir);
}

/*
 * What was read may be in the page cache only, and clean there: after a sync that failed the kernel
 * forgets that it has something to write. So it is written again; a crash on the way finds the same
 * bytes, old or new. Not for the files of others: those we take as they are.
 */
static enum err write_again(struct scan_state *st, struct segment *s)
{
    enum err e = E_OK;

    if (st->log->is_foreign)
        return E_OK;
    for (int64_t pos = st->from; pos < s->size && e == E_OK;) {
        size_t size = s->size - pos < COPY_BYTES ? (size_t)(s->size - pos) : COPY_BYTES;
        size_t got = 0;

        e = os_file_read(s->file, pos, st->window, size, &got);
        if (e == E_OK && got < size)
            e = E_CORRUPT; /* it shrinks under us */
        if (e == E_OK)
            e = os_file_write(s->file, pos, st->window, got);
        pos += (int64_t)got;
    }
    return e;
}

static enum err end_segment(struct scan_state *st, struct segment *s)
{
    enum err e = write_again(st, s);

    segment_drop_anchors(s);
    if (e == E_OK)
        e = os_file_sync(s->file);
    st->recovery->indexes_rebuilt++;
    if (s == log_active(st->log))
        return e;
    if (e == E_OK)
        e = time_index_add(&s->times, s->base_offset, s->max_timestamp, s->max_timestamp_offset);
    if (e == E_OK)
        e = segment_write_indexes(s, st->dir);
    e = log_unless_full(e); /* an index without a file stays in memory until the next checkpoint */
    if (e == E_OK)
        segment_close_files(s);
    return e;
}

/* The offset after the last frame that segment_find can reach. */
static enum err find_end(struct segment *s, int64_t *offset_out)
{
    struct segment_walk w;
    struct batch_header h;
    enum err e;

    segment_walk_init(&w, s, 0, s->base_offset);
    do {
        e = segment_walk_next(&w, &h);
    } while (e == E_OK);
    if (e != E_NOT_FOUND)
        return segment_scan_is_wrong(e) ? E_CORRUPT : e;
    *offset_out = w.offset;
    return E_OK;
}

/* Durable bytes are gone from the end of the segment with the recovery point. */
static enum err note_lost_end(struct scan_state *st, struct segment *s)
{
    struct segment_damage lost;
    enum err e = segment_open_file(s, st->dir);

    if (e != E_OK)
        return e;
    s->size = s->allocated;
    s->end_offset = st->offset;
    lost = (struct segment_damage){s->size, s->size, s->base_offset, st->offset};
    e = segment_open_anchors(s, st->dir);
    if (e == E_OK)
        e = segment_survey(s, st->log->options.index_interval_bytes);
    if (e == E_OK)
        e = find_end(s, &lost.offset);
    if (e == E_OK && lost.offset < lost.offset_end)
        e = segment_add_damage(s, &lost);
    if (e == E_OK)
        e = log_unless_full(segment_write_indexes(s, st->dir));
    st->recovery->damaged_ranges += (int32_t)s->damaged.count;
    return e;
}

/* Is the file with the recovery point gone or shorter than it was? */
static bool is_short(const struct log *log)
{
    const struct segment *s = log_active(log);

    return s->base_offset < log->recovery.segment || s->size < log->recovery.pos;
}

/* Frames that do not say their offset do not go on behind damage without end. */
static bool ends_in_damage(const struct segment *s)
{
    const struct segment_damage *last =
        s->damaged.count == 0 ? NULL : vec_at(&s->damaged, s->damaged.count - 1);

    return last != NULL && last->end == s->size && !frame_has_offset(s->format);
}

/*
 * Segment st->at begins after the offset that comes next, so between them nothing may be appended:
 * that is a gap of a compacted log, or a file below was lost or cut short, which no crash does.
 */
static enum err skip_to(struct scan_state *st, const struct segment *s)
{
    struct segment_damage lost = {.offset = st->offset, .offset_end = s->base_offset};
    struct segment *before;

    st->offset = s->base_offset;
    if (st->log->is_foreign) {
        st->has_gaps = true;
        return E_OK;
    }
    st->recovery->damaged_ranges++;
    if (st->at == 0)
        return E_OK; /* the log begins here */
    before = log_segment_at(st->log, st->at - 1);
    before->end_offset = s->base_offset;
    lost.pos = before->size;
    lost.end = before->size;
    return segment_add_damage(before, &lost);
}

static enum err scan_all(struct scan_state *st)
{
    struct log *log = st->log;
    bool is_torn = false;
    enum err e = E_OK;

    for (st->at = log_segment_index(log, log->recovery.segment);
         st->at < log_segment_count(log) && !is_torn && e == E_OK; st->at++) {
        struct segment *s = log_segment_at(log, st->at);

        if (s->base_offset < log->recovery.segment)
            continue;
        if (s->base_offset == log->recovery.segment && s->allocated < log->recovery.pos) {
            e = note_lost_end(st, s);
            continue;
        }
        if (s->base_offset > st->offset)
            e = skip_to(st, s);
        if (e == E_OK)
            e = begin_segment(st, s);
        st->from = s->size;
        if (e == E_OK)
            e = scan_segment(st, s, &is_torn);
        if (e == E_OK)
            e = end_segment(st, s);
    }
    /* The log goes on in a file that has nothing lost before it. */
    if (e == E_OK && !is_torn &&
        (ends_in_damage(log_active(log)) ||
         (log_active(log)->base_offset <= log->recovery.segment && is_short(log))))
        e = log_add_segment(log, st->dir, st->offset);
    return e;
}

/* A log whose offsets all continue was not compacted: from now on a gap would be a fault. */
static void settle_gaps(struct scan_state *st)
{
    struct log *log = st->log;

    if (!log->is_foreign || st->has_gaps)
        return;
    log->has_gaps = log->options.is_compacted;
    for (size_t i = 0; i < log_segment_count(log); i++)
        log_segment_at(log, i)->allows_gaps = log->has_gaps;
}

static enum err finish(struct scan_state *st)
{
    struct log *log = st->log;
    struct segment *s = log_active(log);
    struct log_point end;
    enum err e;

    log->end_offset = st->offset;
    settle_gaps(st);
    epoch_truncate(&log->epochs, log->end_offset + 1);
    if (log->epochs.entries.count > 0) {
        e = log_write_epochs_soon(log, st->dir);
        if (e != E_OK)
            return e;
    }
    e = log_remove_snapshots(log, st->dir, log->end_offset + 1, INT64_MAX);
    if (e != E_OK)
        return e;
    end = log_end_point(log);
    if (s->times.is_loaded) /* as at a close: perhaps there is nothing to close later */
        e = time_index_add(&s->times, s->base_offset, s->max_timestamp, s->max_timestamp_offset);
    if (e == E_OK)
        e = log_checkpoint_write(log, st->dir, &end, NULL);
    return log_unless_full(e);
}

enum err recover_scan(struct log *log, struct os_dir *dir, int64_t window_bytes,
                      struct log_recovery *recovery, struct report *report)
{
    struct scan_state st = {.log = log,
                            .dir = dir,
                            .recovery = recovery,
                            .report = report,
                            .window = mem_alloc(SEGMENT_SCAN_WINDOW),
                            .window_bytes = window_bytes,
                            .offset = log->recovery.offset,
                            .epoch = epoch_at(&log->epochs, log->recovery.offset - 1)};
    enum err e = st.window == NULL ? E_NOMEM : scan_all(&st);

    if (e == E_OK)
        e = finish(&st);
    else if (e != E_UNSUPPORTED)
        report_set(report, "recovery after offset %lld: %s", (long long)st.offset, err_text(e));
    mem_free(st.window);
    return e;
}
