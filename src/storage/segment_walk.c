#include "storage/segment_walk.h"

#include "storage/frame.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"

void segment_walk_init(struct segment_walk *w, struct segment *s, int64_t pos, int64_t offset)
{
    w->segment = s;
    w->at = pos;
    w->expected = offset;
    w->pos = pos;
    w->offset = offset;
    w->skipped = NULL;
    segment_scan_init(&w->scan, s, s->size, w->window, sizeof(w->window));
}

/* Step over the damage that contains w->pos. */
static bool skip_damage(struct segment_walk *w)
{
    const struct segment_damage *d = segment_damage_from(w->segment, w->pos);

    if (d == NULL || d->pos > w->pos)
        return false;
    w->skipped = d;
    w->pos = d->end;
    w->offset = d->offset_end;
    return true;
}

/* Is its checksum right? Only asked of frames that say nothing else to be known by. */
static enum err vouch(struct segment_walk *w, const struct batch_header *h)
{
    struct segment *s = w->segment;
    int64_t end = w->at + (int64_t)batch_total_size(h);
    enum err e;

    if (segment_verified_end(s, w->at) >= end)
        return E_OK;
    e = segment_scan_check(&w->scan, w->at, h);
    if (e == E_OK)
        segment_add_verified(s, w->at, end);
    return e;
}

static inline enum err walk_next(struct segment_walk *w, struct batch_header *header_out)
{
    enum err e;

    w->skipped = NULL;
    while (w->segment->damaged.count > 0 && w->pos < w->scan.end && skip_damage(w))
        ;
    w->at = w->pos;
    w->expected = w->offset;
    if (w->pos >= w->scan.end)
        return E_NOT_FOUND;
    e = segment_scan_peek(&w->scan, w->at, w->expected, header_out);
    if (e == E_OK && !frame_has_offset(w->segment->format))
        e = vouch(w, header_out);
    if (e != E_OK)
        return e;
    w->pos = w->at + (int64_t)batch_total_size(header_out);
    w->offset = batch_next_offset(header_out);
    return E_OK;
}

enum err segment_walk_next(struct segment_walk *w, struct batch_header *header_out)
{
    return walk_next(w, header_out);
}

enum err segment_walk_mark(struct segment_walk *w)
{
    struct segment_damage damage;
    enum err e = segment_mark_damage(w->segment, &w->scan, w->at, w->expected, &damage);

    if (e == E_OK) {
        w->pos = damage.end;
        w->offset = damage.offset_end;
    }
    return e;
}

static enum err survey(struct segment *s, int64_t interval_bytes)
{
    struct segment_walk w;
    struct batch_header h;
    enum err e = E_OK;

    segment_walk_init(&w, s, 0, s->base_offset);
    while (e == E_OK) {
        e = segment_walk_next(&w, &h);
        if (e == E_OK && segment_expects(s, &h, w.expected))
            e = segment_note_batch(s, &h, w.at, interval_bytes);
        else if (e == E_OK || segment_scan_is_wrong(e))
            e = segment_walk_mark(&w);
    }
    if (e != E_NOT_FOUND)
        return e;
    return time_index_add(&s->times, s->base_offset, s->max_timestamp, s->max_timestamp_offset);
}

enum err segment_survey(struct segment *s, int64_t interval_bytes)
{
    struct segment before;
    enum err e;

    segment_keep_anchors(s);
    before = *s;
    segment_index_init(&s->offsets, before.offsets.entry_size, before.offsets.key_size);
    segment_index_init(&s->times, before.times.entry_size, before.times.key_size);
    segment_index_reset(&s->offsets);
    segment_index_reset(&s->times);
    s->is_surveyed = true;
    s->indexed_pos = 0;
    s->max_timestamp = -1;
    s->max_timestamp_offset = -1;
    e = survey(s, interval_bytes);
    segment_drop_anchors(s);
    if (e == E_OK) {
        segment_index_release(&before.offsets);
        segment_index_release(&before.times);
        return E_OK;
    }
    segment_index_release(&s->offsets); /* half of an index is worse than the old one */
    segment_index_release(&s->times);
    s->offsets = before.offsets;
    s->times = before.times;
    s->is_surveyed = before.is_surveyed;
    s->indexed_pos = before.indexed_pos;
    s->first_timestamp = before.first_timestamp;
    s->max_timestamp = before.max_timestamp;
    s->max_timestamp_offset = before.max_timestamp_offset;
    return e;
}

/* Where a search begins, and the index entry that it must meet: the same, if frames say offsets. */
struct path {
    struct offset_index_entry from;
    struct offset_index_entry entry;
};

/*
 * An entry whose frame does not say its offset is believed when the frames from the
 * entry before it on lead to it: two would have to be wrong to fit each other.
 */
static enum err find_path(const struct segment *s, int64_t offset, struct path *path_out)
{
    enum err e = offset_index_find(&s->offsets, s->base_offset, offset, &path_out->entry);

    path_out->from = path_out->entry;
    if (e != E_OK || frame_has_offset(s->format) || path_out->entry.pos == 0)
        return e;
    return offset_index_find(&s->offsets, s->base_offset, path_out->entry.last_offset - 1,
                             &path_out->from);
}

/* The hop along a path. E_AGAIN: index and frames do not hang together. */
static enum err find_from(struct segment *s, const struct path *path, int64_t offset,
                          int64_t *pos_out, struct batch_header *header_out)
{
    bool is_met = path->entry.pos == 0;
    struct segment_walk w;
    struct batch_header h;

    segment_walk_init(&w, s, path->from.pos,
                      path->from.pos == 0 ? s->base_offset : path->from.last_offset);
    for (;;) {
        enum err e = walk_next(&w, &h);
        bool is_entry = !is_met && w.at >= path->entry.pos && w.skipped == NULL;

        if (w.skipped != NULL && offset < w.skipped->offset_end)
            return E_CORRUPT;
        if (segment_scan_is_wrong(e) || (e == E_NOT_FOUND && !is_met && w.skipped == NULL))
            return E_AGAIN;
        if (e != E_OK)
            return e;
        if (is_entry ? w.at != path->entry.pos || batch_last_offset(&h) != path->entry.last_offset
                     : !segment_expects(s, &h, w.expected))
            return E_AGAIN;
        is_met |= w.at >= path->entry.pos;
        if (is_met && batch_last_offset(&h) >= offset) {
            *pos_out = w.at;
            *header_out = h;
            return E_OK;
        }
    }
}

enum err segment_find(struct segment *s, int64_t offset, int64_t *pos_out,
                      struct batch_header *header_out)
{
    struct path path;
    enum err e = find_path(s, offset, &path);

    if (e == E_OK)
        e = find_from(s, &path, offset, pos_out, header_out);
    if (e != E_AGAIN && e != E_CORRUPT)
        return e;
    if (s->is_surveyed)
        return E_CORRUPT;
    e = segment_survey(s, SEGMENT_SCAN_HOP);
    if (e == E_OK)
        e = find_path(s, offset, &path);
    if (e == E_OK)
        e = find_from(s, &path, offset, pos_out, header_out);
    return e == E_AGAIN ? E_CORRUPT : e;
}
