#include "storage/log_view.h"

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/log_priv.h"
#include "storage/offset_index.h"

/*
 * The walk over a view. At each position one of these holds:
 *
 *     right batch                          --> BATCH
 *     wrong, below what is settled         --> DAMAGE up to the next right batch, or the next
 *                                              message whose offset is known
 *     wrong, a right one more than W later --> DAMAGE
 *     wrong, none later                    --> TORN; zeroes only: the end
 *     the segment ends before the next one begins, and offsets do not jump --> LOST
 *
 * The rules of recovery (docs/storage.md), told instead of carried out.
 */

enum err log_walk_init(struct log_walk *w, const struct log_view *view, size_t from)
{
    uint8_t *window = mem_alloc(SEGMENT_SCAN_WINDOW);

    if (window == NULL)
        return E_NOMEM;
    *w = (struct log_walk){.view = view,
                           .segment = from,
                           .segment_end = view->segments.count,
                           .window = window,
                           .offset = view->start_offset,
                           .epoch = -1};
    offset_index_init(&w->anchors);
    if (from > 0 && from < view->segments.count)
        w->offset = log_view_segment_at(view, from)->base_offset;
    return E_OK;
}

void log_walk_release(struct log_walk *w)
{
    os_file_unref(w->file);
    segment_index_release(&w->anchors);
    mem_free(w->window);
    *w = (struct log_walk){0};
}

static void begin_scan(struct log_walk *w, struct os_file *file, int64_t end)
{
    w->scan = (struct segment_scan){.file = file,
                                    .end = end,
                                    .format = w->view->format,
                                    .window = w->window,
                                    .window_max = SEGMENT_SCAN_WINDOW};
}

static void begin(struct log_walk *w, struct os_file *file)
{
    const struct log_view_segment *s = log_view_segment_at(w->view, w->segment);

    w->file = file;
    w->is_begun = true;
    w->is_missing = false;
    w->pos = 0;
    w->offset = s->base_offset;
    w->forgotten = 0;
    begin_scan(w, file, s->size);
}

void log_walk_use_file(struct log_walk *w, struct os_file *file)
{
    begin(w, os_file_ref(file));
    w->segment_end = w->segment + 1;
}

enum err log_walk_use_anchors(struct log_walk *w, struct os_dir *dir)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    if (frame_has_offset(w->view->format))
        return E_OK;
    segment_name(log_view_segment_at(w->view, w->segment)->base_offset, ".index", name);
    e = segment_index_open(&w->anchors, dir, name);
    return e == E_NOT_FOUND || e == E_CORRUPT ? E_OK : e;
}

/* A file that is gone has no bytes: what it had is lost then. */
static enum err open_segment(struct log_walk *w)
{
    char name[SEGMENT_NAME_SIZE];
    struct os_file *file = NULL;
    enum err e;

    log_view_segment_name(log_view_segment_at(w->view, w->segment), name);
    e = os_file_open(w->view->dir, name, OS_FILE_READ, &file);
    if (e != E_OK && e != E_NOT_FOUND)
        return e;
    begin(w, file);
    w->is_missing = file == NULL;
    return log_walk_use_anchors(w, w->view->dir);
}

static void close_segment(struct log_walk *w)
{
    os_file_unref(w->file);
    w->file = NULL;
    segment_index_release(&w->anchors);
    offset_index_init(&w->anchors);
    w->is_begun = false;
    w->segment++;
}

/* Where the offsets of the segment must end; its own last offset if nobody knows. */
static int64_t must_end(const struct log_walk *w, const struct log_view_segment *s)
{
    bool is_short = s->size < s->settled || w->is_missing;

    if (s->end_offset == INT64_MAX)
        return w->view->settled_end;
    return w->view->has_gaps && !is_short ? w->offset : s->end_offset;
}

static const char *check_header(const struct log_walk *w, const struct log_view_segment *s,
                                const struct batch_header *h)
{
    int32_t epoch = epoch_at(&w->view->epochs, h->base_offset);

    if (h->base_offset < w->offset || (!w->view->has_gaps && h->base_offset != w->offset))
        return "another offset than the one that comes next";
    if (batch_next_offset(h) > s->end_offset)
        return "offsets of the next segment";
    if (epoch >= 0 && h->leader_epoch != epoch)
        return "another leader epoch than leader-epoch-checkpoint says";
    if (h->leader_epoch < w->epoch)
        return "the leader epoch falls";
    return NULL;
}

/* NULL: the batch at w->pos is right; E_IO when that cannot be told. */
static enum err check_batch(struct log_walk *w, const struct log_view_segment *s,
                            struct batch_header *h, const char **why_out)
{
    enum err e = segment_scan_peek(&w->scan, w->pos, w->offset, h);

    *why_out = NULL;
    if (e == E_TRUNCATED)
        *why_out = "a batch longer than its segment";
    else if (e == E_UNSUPPORTED)
        *why_out = "a batch of magic 0 or 1";
    else if (e == E_CORRUPT)
        *why_out = "no batch";
    if (e != E_OK)
        return *why_out != NULL ? E_OK : e;
    *why_out = check_header(w, s, h);
    if (*why_out != NULL)
        return E_OK;
    e = segment_scan_check(&w->scan, w->pos, h);
    if (e != E_CORRUPT)
        return e;
    *why_out = "a wrong checksum";
    return E_OK;
}

static void item_set(const struct log_walk *w, enum log_walk_kind kind, int64_t end,
                     int64_t offset_end, struct log_walk_item *item)
{
    *item = (struct log_walk_item){.kind = kind,
                                   .segment = w->segment,
                                   .pos = w->pos,
                                   .end = end,
                                   .offset = w->offset,
                                   .offset_end = offset_end};
}

static void step(struct log_walk *w, const struct log_walk_item *item)
{
    w->pos = item->end;
    w->offset = item->offset_end;
}

/* Is there a right batch more than W bytes behind w->pos? Then no crash explains what is here. */
static enum err has_later_batch(struct log_walk *w, bool *found_out)
{
    int64_t from = w->pos + w->view->window_bytes + 1;
    int64_t found;
    enum err e = E_OK;

    *found_out = false;
    if (w->view->window_bytes < 0)
        return E_OK;
    for (size_t i = w->segment; i < w->segment_end && e == E_OK && !*found_out; i++) {
        const struct log_view_segment *s = log_view_segment_at(w->view, i);
        struct os_file *file = i == w->segment ? os_file_ref(w->file) : NULL;
        char name[SEGMENT_NAME_SIZE];

        log_view_segment_name(s, name);
        if (file == NULL)
            e = os_file_open(w->view->dir, name, OS_FILE_READ, &file);
        if (e != E_OK)
            return e;
        begin_scan(w, file, s->size);
        e = segment_scan_search(&w->scan, from > 0 ? from : 0, w->offset, s->end_offset, &found);
        os_file_unref(file);
        *found_out = e == E_OK;
        from -= s->size;
        e = e == E_NOT_FOUND ? E_OK : e;
    }
    begin_scan(w, w->file, log_view_segment_at(w->view, w->segment)->size);
    return e;
}

/* The mark of damage that begins at w->pos; NULL. Its end was known once, now perhaps not. */
static const struct segment_damage *find_mark(const struct log_walk *w,
                                              const struct log_view_segment *s)
{
    for (size_t i = 0; i < w->view->damaged.count; i++) {
        const struct log_checkpoint_damage *d = vec_at(&w->view->damaged, i);

        if (d->segment == s->base_offset && d->damage.pos == w->pos && d->damage.end > w->pos &&
            d->damage.end <= s->size && d->damage.offset == w->offset)
            return &d->damage;
    }
    return NULL;
}

/* The end of the damage at w->pos, where frames do not say their offset. */
static enum err find_anchored(struct log_walk *w, const struct log_view_segment *s,
                              struct log_walk_item *item)
{
    const struct segment_damage *mark = find_mark(w, s);
    bool is_point = w->pos < s->settled && s->settled <= s->size &&
                    (s->settled < s->size || s->end_offset == INT64_MAX);
    struct segment_anchors anchors = {
        .index = &w->anchors,
        .base_offset = s->base_offset,
        .end_offset = is_point ? w->view->settled_end : s->end_offset,
    };
    struct segment_damage d = {.pos = w->pos,
                               .end = is_point ? s->settled : s->size,
                               .offset = w->offset,
                               .offset_end = anchors.end_offset};
    enum err e = E_OK;

    if (d.offset_end == INT64_MAX) /* as segment_mark_damage */
        d.offset_end =
            w->offset + (d.end - w->pos) / (int64_t)frame_header_size(w->view->format) + 1;
    if (d.offset_end < w->offset) /* a checkpoint of another log */
        d.offset_end = w->offset;
    if (mark == NULL) {
        begin_scan(w, w->file, d.end);
        e = segment_find_anchored(&anchors, &w->scan, &d);
        begin_scan(w, w->file, s->size);
    } else {
        d = *mark;
    }
    if (e != E_OK && e != E_NOT_FOUND)
        return e;
    item_set(w, LOG_WALK_DAMAGE, d.end, d.offset_end, item);
    return E_OK;
}

/* The end of the damage at w->pos: the next right batch that fits, or the end of the segment. */
static enum err find_damage_end(struct log_walk *w, const struct log_view_segment *s,
                                struct log_walk_item *item)
{
    int64_t next;
    struct batch_header h;
    enum err e;

    if (!frame_has_offset(w->view->format))
        return find_anchored(w, s, item);
    item_set(w, LOG_WALK_DAMAGE, s->size, must_end(w, s), item);
    if (item->offset_end < w->offset)
        item->offset_end = w->offset;
    if (w->view->has_gaps && s->end_offset != INT64_MAX)
        item->offset_end = s->end_offset;
    e = segment_scan_search(&w->scan, w->pos + 1, w->offset, s->end_offset, &next);
    if (e == E_NOT_FOUND)
        return E_OK;
    if (e == E_OK)
        e = segment_scan_peek(&w->scan, next, w->offset, &h);
    if (e != E_OK)
        return e;
    item->end = next;
    item->offset_end = h.base_offset;
    return E_OK;
}

/* What is at w->pos is wrong: damage, a torn tail, or only zeroes (E_NOT_FOUND). */
static enum err take_wrong(struct log_walk *w, const struct log_view_segment *s,
                           struct log_walk_item *item)
{
    bool is_damage = w->pos < s->settled;
    int64_t data_end;
    enum err e = E_OK;

    if (!is_damage)
        e = has_later_batch(w, &is_damage);
    if (e == E_OK && is_damage)
        return find_damage_end(w, s, item);
    if (e == E_OK)
        e = segment_scan_data_end(&w->scan, w->pos, &data_end);
    if (e != E_OK)
        return e;
    w->is_torn = true; /* the next start cuts here, later segments too */
    item_set(w, LOG_WALK_TORN, data_end, w->offset, item);
    return data_end == w->pos ? E_NOT_FOUND : E_OK;
}

/* Reads go around the page cache's copy: what it holds proves nothing about the disk. */
static void forget_ahead(struct log_walk *w, int64_t size)
{
    enum { FORGET_BYTES = 4 << 20 };

    if (!w->is_uncached || w->pos + SEGMENT_SCAN_WINDOW < w->forgotten || w->forgotten >= size)
        return;
    os_file_forget(w->file, w->forgotten, FORGET_BYTES);
    w->forgotten += FORGET_BYTES;
}

static enum err next_in_segment(struct log_walk *w, const struct log_view_segment *s,
                                struct log_walk_item *item)
{
    struct batch_header h;
    const char *why;
    enum err e;

    forget_ahead(w, s->size);
    e = check_batch(w, s, &h, &why);
    if (e == E_OK && why == NULL) {
        item_set(w, LOG_WALK_BATCH, w->pos + (int64_t)batch_total_size(&h), batch_next_offset(&h),
                 item);
        item->offset = h.base_offset;
        item->header = h;
        w->epoch = h.leader_epoch;
    } else if (e == E_OK) {
        e = take_wrong(w, s, item);
        item->why = why;
    }
    if (e == E_IO) {
        item_set(w, LOG_WALK_UNREADABLE, s->size,
                 s->end_offset == INT64_MAX ? w->view->settled_end : s->end_offset, item);
        item->why = "the disk cannot read it";
        if (item->offset_end < item->offset)
            item->offset_end = item->offset;
        e = E_OK;
    }
    if (e == E_OK)
        step(w, item);
    return e;
}

/* Offsets that are between what was walked and `to` have no bytes. */
static void take_lost(struct log_walk *w, int64_t to, struct log_walk_item *item)
{
    item_set(w, LOG_WALK_LOST, w->pos, to, item);
    item->why = "a file that is missing or too short";
    step(w, item);
}

enum err log_walk_next(struct log_walk *w, struct log_walk_item *item_out)
{
    while (w->segment < w->segment_end && !w->is_torn) {
        const struct log_view_segment *s = log_view_segment_at(w->view, w->segment);
        enum err e = E_OK;

        if (!w->is_begun && w->segment == 0 && w->offset < s->base_offset) {
            take_lost(w, s->base_offset, item_out); /* the log began before its first segment */
            return E_OK;
        }
        if (!w->is_begun)
            e = open_segment(w);
        if (e != E_OK)
            return e;
        if (!w->is_missing && w->pos < s->size)
            e = next_in_segment(w, s, item_out);
        else
            e = E_NOT_FOUND;
        if (e != E_NOT_FOUND)
            return e;
        if (!w->is_torn && w->offset < must_end(w, s)) {
            take_lost(w, must_end(w, s), item_out);
            return E_OK;
        }
        close_segment(w);
    }
    return E_NOT_FOUND;
}

enum err log_walk_read(struct log_walk *w, const struct log_walk_item *item, struct buf *out)
{
    size_t size = (size_t)(item->end - item->pos), got;
    enum err e = buf_reserve(out, size);

    if (e == E_OK)
        e = os_file_read(w->file, item->pos, out->at + out->size, size, &got);
    if (e == E_OK && got < size)
        e = E_IO; /* the file shrank under us */
    if (e == E_OK)
        out->size += size;
    return e;
}
