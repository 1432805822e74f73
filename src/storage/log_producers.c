#include "storage/log_priv.h"

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"

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

enum err log_write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                            const struct buf *encoded)
{
    char name[SEGMENT_NAME_SIZE];
    struct buf bytes;
    enum err e = E_OK;

    if (encoded != NULL && encoded->size == 0)
        return E_OK;
    if (encoded == NULL && producer_count(&log->producers) == 0)
        return E_OK;
    buf_init(&bytes, SNAPSHOT_BYTES_MAX);
    if (encoded == NULL)
        e = producer_encode(&log->producers, &bytes);
    segment_name(offset, ".snapshot", name);
    if (e == E_OK)
        e = os_dir_replace_file(dir, name, buf_slice(encoded != NULL ? encoded : &bytes));
    if (e == E_OK)
        e = note_snapshot(log, offset);
    buf_release(&bytes);
    return e;
}

static bool is_segment_base(const struct log *log, int64_t offset)
{
    return log_segment_count(log) > 0 &&
           log_segment_at(log, log_segment_index(log, offset))->base_offset == offset;
}

enum err log_remove_snapshots(struct log *log, struct os_dir *dir, int64_t from, int64_t end)
{
    char name[SEGMENT_NAME_SIZE];

    for (size_t i = log->snapshots.count; i-- > 0;) {
        int64_t offset = snapshot_at(log, i);
        enum err e;

        if (offset < from || offset >= end || is_segment_base(log, offset))
            continue;
        segment_name(offset, ".snapshot", name);
        e = os_dir_remove_file(dir, name);
        if (e != E_OK && e != E_NOT_FOUND)
            return e;
        vec_remove(&log->snapshots, i);
    }
    return E_OK;
}

enum err log_load_snapshot(struct log *log, struct os_dir *dir, int64_t offset, int64_t *from_out)
{
    char name[SEGMENT_NAME_SIZE];
    struct buf bytes;
    enum err e = E_NOT_FOUND;

    producer_clear(&log->producers);
    buf_init(&bytes, SNAPSHOT_BYTES_MAX);
    for (size_t i = log->snapshots.count; i-- > 0;) {
        if (snapshot_at(log, i) > offset)
            continue;
        segment_name(snapshot_at(log, i), ".snapshot", name);
        buf_clear(&bytes);
        e = os_dir_read_file(dir, name, &bytes);
        if (e == E_OK)
            e = producer_decode(&log->producers, buf_slice(&bytes));
        if (e == E_OK)
            *from_out = snapshot_at(log, i);
        if (e == E_OK || e == E_NOMEM || e == E_IO)
            break;
        e = E_NOT_FOUND; /* a bad one: try an older one */
    }
    buf_release(&bytes);
    if (e != E_NOT_FOUND)
        return e;
    *from_out = log->start_offset;
    return E_OK;
}

enum err log_apply_batch(struct log *log, struct segment_scan *scan, int64_t pos,
                         const struct batch_header *h)
{
    uint8_t bytes[CONTROL_BATCH_MAX];
    size_t size = batch_total_size(h), got;
    enum err e;

    if (!batch_has_producer(h) || !batch_is_control(h))
        return producer_apply(&log->producers, h, (struct slice){0});
    if (size > sizeof(bytes))
        return E_OK; /* no marker is that large */
    e = os_file_read(scan->file, pos, bytes, size, &got);
    if (e != E_OK)
        return e;
    e = producer_apply(&log->producers, h, slice_of(bytes, got));
    return e == E_NOMEM ? e : E_OK; /* a marker nobody can read ends nothing */
}

static enum err replay_segment(struct log *log, struct segment *s, int64_t from, int64_t to)
{
    uint8_t window[SEGMENT_SCAN_HOP];
    struct segment_scan scan;
    struct batch_header h;
    int64_t pos;
    enum err e = segment_find(s, from, &pos, &h);

    if (e == E_NOT_FOUND)
        return E_OK;
    if (e == E_CORRUPT)
        pos = 0; /* skip what is damaged, header by header */
    else if (e != E_OK)
        return e;
    segment_scan_init(&scan, s->file, s->size, window, sizeof(window));
    while (pos < s->size) {
        const struct segment_damage *damage = segment_damage_from(s, pos);

        if (damage != NULL && damage->pos <= pos) {
            pos = damage->end;
            continue;
        }
        e = segment_scan_peek(&scan, pos, &h);
        if (e != E_OK)
            return e == E_IO ? e : E_OK;
        if (h.base_offset >= to)
            break;
        if (batch_last_offset(&h) >= from) {
            e = log_apply_batch(log, &scan, pos, &h);
            if (e != E_OK)
                return e;
        }
        pos += (int64_t)batch_total_size(&h);
    }
    return E_OK;
}

enum err log_replay_producers(struct log *log, int64_t from, int64_t to)
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
            e = replay_segment(log, s, from, to);
    }
    return e;
}
