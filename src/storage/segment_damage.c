#include "storage/segment.h"

#include "os/dir.h"
#include "storage/frame.h"
#include "storage/offset_index.h"

/*
 * Damage: what is not served. It ends where the next frame is known to begin.
 *
 * A batch says its offset: the next right one will do. A message does not, so a
 * place counts only when the frames from it on lead, in number and in bytes, to
 * one whose offset is known: an entry of the offset index, the *anchors* here, or
 * the end of the segment. Example, a wrong checksum in frame 11, entries for the
 * frames 10 and 16: if five frames begin between the end of 11 and the place of
 * 16, only 11 is lost; if what is wrong is its length, 11 to 15 are.
 */
const struct segment_damage *segment_damage_from(const struct segment *s, int64_t pos)
{
    for (size_t i = 0; i < s->damaged.count; i++) {
        const struct segment_damage *d = vec_at(&s->damaged, i);

        if (d->end > pos || (d->pos == d->end && d->pos >= pos))
            return d;
    }
    return NULL;
}

enum err segment_add_damage(struct segment *s, const struct segment_damage *damage)
{
    size_t i = s->damaged.count;
    enum err e = vec_push(&s->damaged, damage);

    if (e != E_OK)
        return e;
    for (; i > 0; i--) {
        struct segment_damage *before = vec_at(&s->damaged, i - 1);

        if (before->pos <= damage->pos)
            break;
        *(struct segment_damage *)vec_at(&s->damaged, i) = *before;
    }
    *(struct segment_damage *)vec_at(&s->damaged, i) = *damage;
    return E_OK;
}

enum err segment_open_anchors(struct segment *s, struct os_dir *dir)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    if (frame_has_offset(s->format))
        return E_OK;
    segment_name(s->base_offset, ".index", name);
    e = segment_index_open(&s->anchors, dir, name);
    return e == E_NOT_FOUND || e == E_CORRUPT ? E_OK : e;
}

void segment_keep_anchors(struct segment *s)
{
    if (frame_has_offset(s->format) || s->anchors.count > 0)
        return;
    s->anchors = s->offsets;
    offset_index_init(&s->offsets);
}

void segment_drop_anchors(struct segment *s)
{
    segment_index_release(&s->anchors);
}

/* The first entry of a frame that begins in [pos, end). E_NOT_FOUND */
static enum err next_entry(const struct segment_anchors *a, int64_t pos, int64_t end,
                           struct offset_index_entry *entry_out)
{
    struct offset_index_entry entry;
    enum err e = offset_index_find_after(a->index, a->base_offset, pos, &entry);

    if (e != E_OK || entry.pos >= end)
        return e == E_OK ? E_NOT_FOUND : e;
    *entry_out = entry;
    return E_OK;
}

/* Hop from frame to frame up to `pos` or past it, or to one that is wrong. E_IO */
static enum err hop(struct segment_scan *scan, int64_t pos, struct offset_index_entry *at)
{
    struct batch_header h;
    enum err e = E_OK;

    while (at->pos < pos && e == E_OK) {
        e = segment_scan_peek(scan, at->pos, at->last_offset, &h);
        if (e == E_OK)
            *at = (struct offset_index_entry){.last_offset = batch_next_offset(&h),
                                              .pos = at->pos + (int64_t)batch_total_size(&h)};
    }
    return segment_scan_is_wrong(e) ? E_OK : e;
}

/* Do the frames from `from` on lead to the next known place at or after `pos`? */
static enum err leads_on(const struct segment_anchors *a, struct segment_scan *scan,
                         struct offset_index_entry from, int64_t pos, bool *leads_out)
{
    struct offset_index_entry known;
    enum err e = next_entry(a, pos, scan->end, &known);

    if (e == E_NOT_FOUND) {
        known = (struct offset_index_entry){.last_offset = a->end_offset, .pos = scan->end};
        e = E_OK;
    }
    if (e == E_OK)
        e = hop(scan, known.pos, &from);
    if (e == E_OK)
        *leads_out = from.pos == known.pos && from.last_offset == known.last_offset;
    return e;
}

/* Do the frames from the entry at or below `offset` on lead to `pos`, but to another offset there?
 */
static enum err contradicts(const struct segment_anchors *a, struct segment_scan *scan,
                            int64_t offset, struct offset_index_entry known, bool *does_out)
{
    struct offset_index_entry entry;
    enum err e = offset_index_find(a->index, a->base_offset, offset, &entry);

    if (e == E_OK && (entry.pos == 0 || entry.pos >= known.pos))
        return E_OK; /* nothing is said */
    if (e == E_OK)
        e = hop(scan, known.pos, &entry);
    if (e == E_OK && entry.pos >= known.pos)
        *does_out |= entry.pos > known.pos || entry.last_offset != known.last_offset;
    return e;
}

/*
 * An index has no checksum. If its entry before the damage, or its last one, is wrong about what
 * is known of the segment, none of them is believed.
 */
static enum err find_lie(const struct segment_anchors *a, struct segment_scan *scan,
                         const struct segment_damage *d, bool *lies_out)
{
    struct offset_index_entry end = {.last_offset = a->end_offset, .pos = scan->end};
    struct offset_index_entry here = {.last_offset = d->offset, .pos = d->pos};
    enum err e = contradicts(a, scan, d->offset - 1, here, lies_out);

    if (e == E_OK && a->end_offset != INT64_MAX)
        e = contradicts(a, scan, a->base_offset + INT32_MAX, end, lies_out);
    return e;
}

enum err segment_find_anchored(const struct segment_anchors *a, struct segment_scan *scan,
                               struct segment_damage *d)
{
    struct offset_index_entry next = {.last_offset = d->offset + 1, .pos = d->pos};
    struct batch_header h;
    bool leads = false, lies = false;
    enum err e = find_lie(a, scan, d, &lies);

    if (e != E_OK || lies)
        return e == E_OK || e == E_CORRUPT ? E_NOT_FOUND : e;
    e = segment_scan_peek(scan, d->pos, d->offset, &h);
    if (e != E_OK && !segment_scan_is_wrong(e))
        return e;
    if (e == E_OK) { /* perhaps all but its length is wrong */
        next.pos += (int64_t)batch_total_size(&h);
        e = leads_on(a, scan, next, next.pos, &leads);
        if (e != E_OK)
            return e;
    }
    for (int64_t pos = d->pos + 1; !leads; pos = next.pos + 1) {
        e = next_entry(a, pos, scan->end, &next);
        if (e == E_OK && next.last_offset > d->offset)
            e = leads_on(a, scan, next, next.pos + 1, &leads);
        if (e != E_OK)
            return e;
    }
    d->end = next.pos;
    d->offset_end = next.last_offset;
    return E_OK;
}

/* Where the frames after `d` begin that do not say their offset. E_NOT_FOUND: nobody knows. */
static enum err find_anchored(const struct segment *s, struct segment_scan *scan,
                              struct segment_damage *d)
{
    struct segment_anchors a = {.index = s->anchors.count > 0 ? &s->anchors : &s->offsets,
                                .base_offset = s->base_offset,
                                .end_offset = s->end_offset};

    return segment_find_anchored(&a, scan, d);
}

/* Where the next batch begins. E_NOT_FOUND */
static enum err find_right(const struct segment *s, struct segment_scan *scan,
                           struct segment_damage *d)
{
    struct batch_header h;
    int64_t next;
    enum err e = segment_scan_search(scan, d->pos + 1, d->offset, s->end_offset, &next);

    if (e == E_OK)
        e = segment_scan_peek(scan, next, d->offset, &h);
    if (e != E_OK)
        return e;
    d->end = next;
    d->offset_end = h.base_offset;
    return E_OK;
}

enum err segment_mark_damage(struct segment *s, struct segment_scan *scan, int64_t pos,
                             int64_t offset, struct segment_damage *damage_out)
{
    struct segment_damage d = {
        .pos = pos, .end = scan->end, .offset = offset, .offset_end = s->end_offset};
    enum err e = frame_has_offset(s->format) ? find_right(s, scan, &d) : find_anchored(s, scan, &d);

    if (e != E_OK && e != E_NOT_FOUND)
        return e;
    /* Nobody knows how many frames there were, but not how few bytes a frame has. */
    if (d.offset_end == INT64_MAX)
        d.offset_end = offset + (d.end - pos) / (int64_t)frame_header_size(s->format) + 1;
    e = segment_add_damage(s, &d);
    if (e == E_OK)
        *damage_out = d;
    return e;
}
