#include "storage/log_priv.h"

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "record/control.h"
#include "storage/segment_walk.h"

enum { SNAPSHOT_BYTES_MAX = 1 << 30, CONTROL_BATCH_MAX = 4096 };

static int64_t snapshot_at(const struct log *log, size_t i)
{
    return *(int64_t *)vec_at(&log->snapshots, i);
}

static enum err note_snapshot(struct log *log, int64_t offset)
{
    size_t i = log->snapshots.count;
    enum err e;

    while (i > 0 && snapshot_at(log, i - 1) > offset)
        i--;
    if (i > 0 && snapshot_at(log, i - 1) == offset)
        return E_OK;
    e = vec_push(&log->snapshots, &offset);
    if (e != E_OK)
        return e;
    for (size_t at = log->snapshots.count - 1; at > i; at--)
        *(int64_t *)vec_at(&log->snapshots, at) = snapshot_at(log, at - 1);
    *(int64_t *)vec_at(&log->snapshots, i) = offset;
    return E_OK;
}

void log_snapshot_init(struct log_snapshot *s)
{
    buf_init(&s->producers, SNAPSHOT_BYTES_MAX);
    buf_init(&s->window, SNAPSHOT_BYTES_MAX);
}

void log_snapshot_release(struct log_snapshot *s)
{
    buf_release(&s->producers);
    buf_release(&s->window);
}

enum err log_snapshot_encode(const struct log *log, struct log_snapshot *out)
{
    enum err e = E_OK;

    buf_clear(&out->producers);
    buf_clear(&out->window);
    if (producer_count(&log->producers) == 0)
        return E_OK;
    e = producer_encode(&log->producers, &out->producers);
    if (e == E_OK)
        e = producer_encode_window(&log->producers, buf_slice(&out->producers), &out->window);
    return e;
}

/* The window says which snapshot it belongs to, so it may come before it or outlive it. */
static enum err write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                               const struct log_snapshot *s)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e = E_OK;

    if (s->producers.size == 0)
        return E_OK;
    segment_name(offset, ".window", name); /* first: a snapshot never stands without its window */
    if (s->window.size > 0)
        e = os_dir_replace_file(dir, name, buf_slice(&s->window));
    segment_name(offset, ".snapshot", name);
    if (e == E_OK)
        e = os_dir_replace_file(dir, name, buf_slice(&s->producers));
    if (e == E_OK)
        e = note_snapshot(log, offset);
    return e;
}

enum err log_write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                            const struct log_snapshot *encoded)
{
    struct log_snapshot now;
    enum err e;

    if (encoded != NULL)
        return write_snapshot(log, dir, offset, encoded);
    log_snapshot_init(&now);
    e = log_snapshot_encode(log, &now);
    if (e == E_OK)
        e = write_snapshot(log, dir, offset, &now);
    log_snapshot_release(&now);
    return e;
}

static bool is_segment_base(const struct log *log, int64_t offset)
{
    return log_segment_count(log) > 0 &&
           log_segment_at(log, log_segment_index(log, offset))->base_offset == offset;
}

struct dropping {
    int64_t from;
    int64_t end;
};

static bool is_dropped(const struct log *log, const struct dropping *d, int64_t offset)
{
    return offset >= d->from && offset < d->end && !is_segment_base(log, offset);
}

/* Remove the files `suffix` of the snapshots that go; how many to *count_out. */
static enum err remove_files(const struct log *log, struct os_dir *dir, const struct dropping *d,
                             const char *suffix, int *count_out)
{
    int count = 0;

    for (size_t i = log->snapshots.count; i-- > 0;) {
        char name[SEGMENT_NAME_SIZE];
        enum err e;

        if (!is_dropped(log, d, snapshot_at(log, i)))
            continue;
        segment_name(snapshot_at(log, i), suffix, name);
        e = os_dir_remove_file(dir, name);
        if (e != E_OK && e != E_NOT_FOUND)
            return e;
        count++;
    }
    *count_out = count;
    return E_OK;
}

/* The windows last, so that no crash leaves a snapshot without the window it had. */
enum err log_remove_snapshots(struct log *log, struct os_dir *dir, int64_t from, int64_t end)
{
    const struct dropping d = {from, end};
    int count;
    enum err e = remove_files(log, dir, &d, ".snapshot", &count);

    if (e != E_OK || count == 0)
        return e;
    e = os_dir_sync(dir);
    if (e != E_OK)
        return log_break(log, e);
    e = remove_files(log, dir, &d, ".window", &count);
    for (size_t i = log->snapshots.count; i-- > 0 && e == E_OK;) {
        if (is_dropped(log, &d, snapshot_at(log, i)))
            vec_remove(&log->snapshots, i);
    }
    return e;
}

/* Is it the file that is wrong? Else nobody can tell: reading it may work another time. */
static bool is_bad_file(enum err e)
{
    return e == E_NOT_FOUND || e == E_CORRUPT || e == E_UNSUPPORTED || e == E_TOO_BIG;
}

static enum err read_window(struct producers *ps, struct os_dir *dir, int64_t offset,
                            struct log_snapshot *s)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    segment_name(offset, ".window", name);
    e = os_dir_read_file(dir, name, &s->window);
    if (e == E_OK)
        e = producer_decode_window(ps, buf_slice(&s->producers), buf_slice(&s->window));
    return is_bad_file(e) ? E_OK : e; /* of another snapshot, or damaged: as if there were none */
}

static enum err read_snapshot(struct producers *ps, struct os_dir *dir, int64_t offset)
{
    char name[SEGMENT_NAME_SIZE];
    struct log_snapshot s;
    enum err e;

    log_snapshot_init(&s);
    segment_name(offset, ".snapshot", name);
    e = os_dir_read_file(dir, name, &s.producers);
    if (e == E_OK)
        e = producer_decode(ps, buf_slice(&s.producers));
    if (e == E_OK)
        e = read_window(ps, dir, offset, &s);
    log_snapshot_release(&s);
    return e;
}

/* The newest good snapshot at or below `offset`; its offset, or the log start, to from_out. */
static enum err load_snapshot(struct log *log, struct producers *ps, struct os_dir *dir,
                              int64_t offset, int64_t *from_out)
{
    *from_out = log->start_offset;
    producer_clear(ps);
    for (size_t i = log->snapshots.count; i-- > 0;) {
        enum err e;

        if (snapshot_at(log, i) > offset)
            continue;
        e = read_snapshot(ps, dir, snapshot_at(log, i));
        if (e == E_OK)
            *from_out = snapshot_at(log, i);
        if (!is_bad_file(e))
            return e;
    } /* a bad one: try an older one */
    return E_OK;
}

/* What to do with the batches that are replayed. */
struct replay {
    struct producers *producers;
    struct txn_index *aborted; /* NULL: not asked */
};

static enum err apply_batch(const struct replay *replay, struct segment_scan *scan, int64_t pos,
                            const struct batch_header *h)
{
    uint8_t bytes[CONTROL_BATCH_MAX];
    size_t size = batch_total_size(h), got = 0;
    struct txn_aborted aborted;
    bool is_aborted;
    enum err e = E_OK;

    if (batch_has_producer(h) && batch_is_control(h)) {
        if (size > sizeof(bytes))
            return E_OK; /* no marker is that large */
        e = os_file_read(scan->file, pos, bytes, size, &got);
    }
    if (e != E_OK)
        return e;
    e = producer_apply(replay->producers, h, slice_of(bytes, got), &is_aborted, &aborted);
    if (e != E_OK)
        return e == E_NOMEM ? e : E_OK; /* a marker nobody can read ends nothing */
    return is_aborted && replay->aborted != NULL ? txn_index_add(replay->aborted, &aborted) : E_OK;
}

enum err log_apply_batch(struct log *log, struct segment_scan *scan, int64_t pos,
                         const struct batch_header *h, struct txn_index *aborted)
{
    return apply_batch(&(struct replay){&log->producers, aborted}, scan, pos, h);
}

/* Apply the batches of `s` in [from, to), by their headers. */
static enum err replay_segment(const struct replay *replay, struct segment *s, int64_t from,
                               int64_t to)
{
    struct segment_walk w;
    struct batch_header h;
    int64_t pos;
    enum err e = segment_find(s, from, &pos, &h);

    if (e == E_NOT_FOUND)
        return E_OK;
    if (e != E_OK && e != E_CORRUPT)
        return e;
    if (e == E_OK)
        segment_walk_init(&w, s, pos, h.base_offset);
    else
        segment_walk_init(&w, s, 0, s->base_offset); /* past what is damaged */
    while ((e = segment_walk_next(&w, &h)) == E_OK && h.base_offset < to) {
        if (batch_last_offset(&h) < from)
            continue;
        e = apply_batch(replay, &w.scan, w.at, &h);
        if (e != E_OK)
            return e;
    }
    return e == E_OK || e == E_NOT_FOUND || segment_scan_is_wrong(e) ? E_OK : e;
}

static enum err replay_log(struct log *log, const struct replay *replay, int64_t from, int64_t to)
{
    enum err e = E_OK;

    if (from >= to)
        return E_OK;
    for (size_t i = log_segment_index(log, from); i < log_segment_count(log) && e == E_OK; i++) {
        struct segment *s = log_segment_at(log, i);

        if (s->base_offset >= to)
            break;
        e = log_use_indexes(log, s);
        if (e == E_OK)
            e = replay_segment(replay, s, from, to);
    }
    return e;
}

enum err log_load_producers(struct log *log, struct os_dir *dir, int64_t offset)
{
    int64_t from;
    enum err e = load_snapshot(log, &log->producers, dir, offset, &from);

    return e == E_OK ? replay_log(log, &(struct replay){&log->producers, NULL}, from, offset) : e;
}

/* Its transaction index anew, as recovery would make it. */
static enum err rebuild_aborted(struct log *log, struct os_dir *dir, struct segment *s, int64_t end)
{
    struct producers ps;
    char name[SEGMENT_NAME_SIZE];
    struct txn_index made;
    int64_t from;
    enum err e;

    producer_init(&ps);
    txn_index_init(&made);
    txn_index_reset(&made);
    e = load_snapshot(log, &ps, dir, s->base_offset, &from);
    if (e == E_OK)
        e = replay_log(log, &(struct replay){&ps, NULL}, from, s->base_offset);
    if (e == E_OK)
        e = log_use_indexes(log, s);
    if (e == E_OK)
        e = replay_segment(&(struct replay){&ps, &made}, s, s->base_offset, end);
    if (e == E_OK) {
        txn_index_release(&s->aborted);
        s->aborted = made;
        segment_name(s->base_offset, ".txnindex", name);
        if (txn_index_write(&s->aborted, dir, name) != E_OK)
            e = E_OK; /* a read does not need it on disk */
    } else {
        txn_index_release(&made);
    }
    producer_release(&ps);
    return e;
}

enum err log_use_aborted(struct log *log, struct segment *s, int64_t end)
{
    char name[SEGMENT_NAME_SIZE];
    struct os_dir *dir;
    enum err e;

    if (s->aborted.is_loaded)
        return E_OK;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    segment_name(s->base_offset, ".txnindex", name);
    e = txn_index_load(&s->aborted, dir, name, end);
    if (e == E_CORRUPT)
        e = rebuild_aborted(log, dir, s, end);
    os_dir_close(dir);
    return e;
}

static const struct producer *find_open(const struct log *log)
{
    struct map_iter it = {0};
    const struct producer *p;

    while ((p = map_u64_next(&log->producers.by_id, &it, NULL)) != NULL) {
        if (p->txn_first_offset >= 0)
            return p;
    }
    return NULL;
}

static enum err append_abort(struct log *log, const struct producer *p, int64_t wall_ms)
{
    struct batch_end_txn marker = {.timestamp_ms = wall_ms,
                                   .producer_id = p->id,
                                   .producer_epoch = p->epoch,
                                   .coordinator_epoch = p->coordinator_epoch};
    struct log_append append = {.wall_ms = wall_ms};
    struct log_appended appended;
    struct buf bytes;
    enum err e;

    buf_init(&bytes, CONTROL_BATCH_MAX);
    e = batch_build_end_txn(&marker, &bytes);
    append.bytes = bytes.at;
    append.size = bytes.size;
    append.leader_epoch = log_latest_epoch(log) < 0 ? 0 : log_latest_epoch(log);
    if (e == E_OK)
        e = log_append(log, &append, &appended);
    buf_release(&bytes);
    return e;
}

/* Of a log that is not in use yet: the order of the two does not matter. */
static enum err remove_snapshot(struct os_dir *dir, int64_t offset)
{
    static const char *const suffixes[] = {".snapshot", ".window"};
    char name[SEGMENT_NAME_SIZE];
    enum err e = E_OK;

    for (int i = 0; i < 2 && e == E_OK; i++) {
        segment_name(offset, suffixes[i], name);
        e = os_dir_remove_file(dir, name);
        e = e == E_NOT_FOUND ? E_OK : e;
    }
    return e;
}

/* A snapshot that says "none", at the begin of a segment, where it stays: no replay goes past it.
 */
static enum err write_none(struct log *log)
{
    struct log_point end = log_end_point(log);
    struct log_snapshot none;
    struct os_dir *dir;
    enum err e = log_dir_open(log, &dir);

    if (e != E_OK)
        return e;
    log_snapshot_init(&none);
    for (size_t i = 0; i < log->snapshots.count && e == E_OK; i++)
        e = remove_snapshot(dir, snapshot_at(log, i));
    if (e == E_OK) {
        vec_clear(&log->snapshots);
        e = producer_encode(&log->producers, &none.producers);
    }
    if (e == E_OK)
        e = write_snapshot(log, dir, log->end_offset, &none);
    if (e == E_OK)
        e = log_checkpoint_write(log, dir, &end, NULL);
    log_snapshot_release(&none);
    os_dir_close(dir);
    return e;
}

enum err log_forget_producers(struct log *log, int64_t wall_ms, int32_t *aborted_out)
{
    const struct producer *open;
    int32_t aborted = 0;
    enum err e = log_refuses(log) ? E_BROKEN : E_OK;

    while (e == E_OK && (open = find_open(log)) != NULL) {
        e = append_abort(log, open, wall_ms);
        aborted++;
    }
    if (e == E_OK)
        e = log_roll(log);
    if (e == E_OK)
        e = log_sync(log);
    if (e != E_OK)
        return e;
    producer_clear(&log->producers);
    e = write_none(log);
    if (e == E_OK)
        *aborted_out = aborted;
    return e == E_IO ? log_break(log, e) : e;
}
