#include "storage/segment.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/offset_index.h"
#include "storage/segment_walk.h"
#include "storage/time_index.h"

const char *const segment_suffixes[SEGMENT_SUFFIX_COUNT] = {".index",  ".timeindex", ".txnindex",
                                                            ".window", ".snapshot",  ".log"};

void segment_name(int64_t base_offset, const char *suffix, char name_out[SEGMENT_NAME_SIZE])
{
    snprintf(name_out, SEGMENT_NAME_SIZE, "%020lld%s", (long long)base_offset, suffix);
}

struct segment *segment_new(int64_t base_offset, enum log_format format)
{
    struct segment *s = mem_alloc_zero(sizeof(*s));

    if (s == NULL)
        return NULL;
    s->base_offset = base_offset;
    s->format = format;
    s->max_timestamp = -1;
    s->max_timestamp_offset = -1;
    s->first_timestamp = -1;
    s->end_offset = INT64_MAX;
    offset_index_init(&s->offsets);
    offset_index_init(&s->anchors);
    time_index_init(&s->times);
    txn_index_init(&s->aborted);
    vec_init(&s->verified, sizeof(struct segment_range), SEGMENT_VERIFIED_MAX);
    vec_init(&s->damaged, sizeof(struct segment_damage), SEGMENT_DAMAGE_MAX);
    return s;
}

void segment_free(struct segment *s)
{
    if (s == NULL)
        return;
    os_file_unref(s->file);
    segment_index_release(&s->offsets);
    segment_index_release(&s->anchors);
    segment_index_release(&s->times);
    txn_index_release(&s->aborted);
    vec_release(&s->verified);
    vec_release(&s->damaged);
    mem_free(s);
}

void segment_close_files(struct segment *s)
{
    os_file_unref(s->file);
    s->file = NULL;
    segment_index_close(&s->offsets);
    segment_index_close(&s->times);
    txn_index_close(&s->aborted);
}

enum err segment_open_file(struct segment *s, struct os_dir *dir)
{
    char name[SEGMENT_NAME_SIZE];

    if (s->file != NULL)
        return E_OK;
    segment_name(s->base_offset, ".log", name);
    return os_file_open(dir, name, OS_FILE_WRITE, &s->file);
}

/*
 * Frames that do not say their offset: those from the last entry on must lead to the end. An index
 * that is wrong by the same number all over is told from a right one only there.
 */
static enum err check_end(struct segment *s, const struct offset_index_entry *last)
{
    struct segment_walk w;
    struct batch_header h;
    enum err e;

    if (frame_has_offset(s->format) || s->end_offset == INT64_MAX)
        return E_OK;
    segment_walk_init(&w, s, last->pos, last->last_offset);
    do {
        e = segment_walk_next(&w, &h);
    } while (e == E_OK);
    if (e != E_NOT_FOUND)
        return segment_scan_is_wrong(e) ? E_OK : e; /* damage, about which nothing is said here */
    return w.offset == s->end_offset || segment_damage_from(s, s->size) != NULL ? E_OK : E_CORRUPT;
}

/* Does the entry at the end of the offset index name a frame of this log? */
static enum err check_offsets(struct segment *s)
{
    uint8_t window[BATCH_HEADER_SIZE];
    struct offset_index_entry entry;
    struct segment_scan scan;
    struct batch_header h;
    enum err e = offset_index_find(&s->offsets, s->base_offset, INT32_MAX + s->base_offset, &entry);

    if (e != E_OK || s->offsets.count == 0)
        return e;
    segment_scan_init(&scan, s, s->size, window, sizeof(window));
    e = segment_scan_peek(&scan, entry.pos, entry.last_offset, &h);
    if (e == E_TRUNCATED || e == E_UNSUPPORTED)
        return E_CORRUPT;
    if (e == E_OK && batch_last_offset(&h) != entry.last_offset)
        return E_CORRUPT;
    return e == E_OK ? check_end(s, &entry) : e;
}

enum err segment_open_indexes(struct segment *s, struct os_dir *dir)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    segment_name(s->base_offset, ".index", name);
    e = segment_index_open(&s->offsets, dir, name);
    if (e == E_OK && !s->is_index_checked)
        e = check_offsets(s);
    if (e == E_OK) {
        segment_name(s->base_offset, ".timeindex", name);
        e = segment_index_open(&s->times, dir, name);
    }
    if (e == E_NOT_FOUND || e == E_CORRUPT) {
        e = segment_survey(s, SEGMENT_SCAN_HOP);
        if (e == E_OK && segment_write_indexes(s, dir) != E_OK)
            e = E_OK; /* a read does not need them on disk */
    }
    if (e == E_OK)
        s->is_index_checked = true;
    return e;
}

enum err segment_load_indexes(struct segment *s, struct os_dir *dir)
{
    char name[SEGMENT_NAME_SIZE];
    struct offset_index_entry last;
    enum err e;

    if (s->offsets.is_loaded && s->times.is_loaded)
        return E_OK;
    segment_name(s->base_offset, ".index", name);
    e = segment_index_load(&s->offsets, dir, name);
    if (e == E_OK)
        offset_index_truncate(&s->offsets, s->size);
    if (e == E_OK)
        e = check_offsets(s);
    if (e == E_OK) {
        segment_name(s->base_offset, ".timeindex", name);
        e = segment_index_load(&s->times, dir, name);
    }
    if (e == E_NOT_FOUND || e == E_CORRUPT)
        return segment_survey(s, SEGMENT_SCAN_HOP);
    if (e == E_OK)
        e = offset_index_find(&s->offsets, s->base_offset, INT32_MAX + s->base_offset, &last);
    if (e == E_OK)
        s->indexed_pos = last.pos;
    return e;
}

enum err segment_write_indexes(struct segment *s, struct os_dir *dir)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    segment_name(s->base_offset, ".txnindex", name);
    e = txn_index_write(&s->aborted, dir, name);
    if (e != E_OK || !s->offsets.is_loaded || !s->times.is_loaded)
        return e;
    segment_name(s->base_offset, ".index", name);
    e = segment_index_write(&s->offsets, dir, name);
    if (e != E_OK)
        return e;
    segment_name(s->base_offset, ".timeindex", name);
    return segment_index_write(&s->times, dir, name);
}

enum err segment_note_batch(struct segment *s, const struct batch_header *h, int64_t pos,
                            int64_t interval_bytes)
{
    int64_t last = batch_last_offset(h);
    enum err e = E_OK;

    if (pos == 0)
        s->first_timestamp = h->max_timestamp;
    if (h->max_timestamp > s->max_timestamp) {
        s->max_timestamp = h->max_timestamp;
        s->max_timestamp_offset = last;
    }
    if (pos - s->indexed_pos > interval_bytes) {
        e = offset_index_add(&s->offsets, s->base_offset, last, pos);
        if (e == E_OK)
            e = time_index_add(&s->times, s->base_offset, s->max_timestamp,
                               s->max_timestamp_offset);
        s->indexed_pos = pos;
    }
    return e;
}

bool segment_expects(const struct segment *s, const struct batch_header *h, int64_t offset)
{
    if (batch_next_offset(h) > s->end_offset)
        return false;
    return s->allows_gaps ? h->base_offset >= offset : h->base_offset == offset;
}

/* Index of the first verified range that ends after `pos`. */
static size_t verified_index(const struct segment *s, int64_t pos)
{
    const struct segment_range *r = s->verified.count == 0 ? NULL : vec_at(&s->verified, 0);
    size_t i = 0;

    while (i < s->verified.count && r[i].end <= pos)
        i++;
    return i;
}

static struct segment_range *verified_at(const struct segment *s, size_t i)
{
    return vec_at(&s->verified, i);
}

void segment_add_verified(struct segment *s, int64_t pos, int64_t end)
{
    struct segment_range r = {pos, end};
    size_t i;

    if (pos >= end)
        return;
    if (s->verified.count > 0) { /* by far the most common: the range grows at its end */
        struct segment_range *last = verified_at(s, s->verified.count - 1);

        if (last->pos <= pos && last->end >= pos) {
            last->end = end > last->end ? end : last->end;
            return;
        }
    }
    i = verified_index(s, pos - 1);
    while (i < s->verified.count && verified_at(s, i)->pos <= r.end) { /* touches: swallow it */
        if (verified_at(s, i)->pos < r.pos)
            r.pos = verified_at(s, i)->pos;
        if (verified_at(s, i)->end > r.end)
            r.end = verified_at(s, i)->end;
        vec_remove(&s->verified, i);
    }
    if (s->verified.count == SEGMENT_VERIFIED_MAX) { /* forget one: it is checked again */
        vec_remove(&s->verified, 0);
        i = i > 0 ? i - 1 : 0;
    }
    if (vec_push(&s->verified, &r) != E_OK)
        return;
    if (i + 1 < s->verified.count)
        memmove(verified_at(s, i + 1), verified_at(s, i),
                (s->verified.count - 1 - i) * sizeof(struct segment_range));
    *verified_at(s, i) = r;
}

void segment_remove_verified(struct segment *s, int64_t pos, int64_t end)
{
    for (size_t i = s->verified.count; i-- > 0;) {
        struct segment_range r = *verified_at(s, i);

        if (r.end <= pos || r.pos >= end)
            continue;
        vec_remove(&s->verified, i);
        segment_add_verified(s, r.pos, pos);
        segment_add_verified(s, end, r.end);
    }
}

int64_t segment_verified_end(const struct segment *s, int64_t pos)
{
    size_t i = verified_index(s, pos);

    return i < s->verified.count && verified_at(s, i)->pos <= pos ? verified_at(s, i)->end : pos;
}

int64_t segment_verified_next(const struct segment *s, int64_t pos, int64_t limit)
{
    size_t i = verified_index(s, pos);

    return i < s->verified.count && verified_at(s, i)->pos < limit ? verified_at(s, i)->pos : limit;
}

void segment_cut_indexes(struct segment *s, int64_t pos, int64_t offset)
{
    if (s->offsets.is_loaded)
        offset_index_truncate(&s->offsets, pos);
    if (s->times.is_loaded)
        time_index_truncate(&s->times, s->base_offset, offset);
    if (s->aborted.is_loaded)
        txn_index_truncate(&s->aborted, offset);
}

void segment_cut(struct segment *s, int64_t pos, int64_t offset)
{
    s->size = pos;
    while (s->verified.count > 0 && verified_at(s, s->verified.count - 1)->pos >= pos)
        vec_remove(&s->verified, s->verified.count - 1);
    if (s->verified.count > 0 && verified_at(s, s->verified.count - 1)->end > pos)
        verified_at(s, s->verified.count - 1)->end = pos;
    while (s->damaged.count > 0) {
        struct segment_damage *d = vec_at(&s->damaged, s->damaged.count - 1);

        if (d->pos < pos)
            break;
        vec_remove(&s->damaged, s->damaged.count - 1);
    }
    segment_cut_indexes(s, pos, offset);
}
