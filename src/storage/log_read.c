#include "storage/log_priv.h"

#include "base/mem.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/offset_index.h"

/*
 * A read finds two positions, of its offset and of its limit, each by the memo
 * of recent ones or by index and a hop over headers, then makes sure that every
 * checksum between them was checked since the segment was opened.
 */

struct found {
    struct segment *segment;
    int64_t pos;
    int64_t end;
    int64_t base_offset;
    int64_t readable_end; /* pos: what is below the limit in this segment */
    bool is_followed;     /* the next segment has more of that */
};

static bool memo_find(const struct log *log, const struct segment *s, int64_t offset,
                      int64_t *pos_out)
{
    for (int i = 0; i < LOG_MEMO_COUNT; i++) {
        const struct log_memo *m = &log->memo[i];

        if (m->offset == offset && m->segment == s->base_offset && m->pos < s->size) {
            *pos_out = m->pos;
            return true;
        }
    }
    return false;
}

/* Where the bytes of segment `i` end that are wholly below `limit`. */
static enum err find_limit(struct log *log, size_t i, int64_t limit, int64_t *pos_out)
{
    struct segment *s = log_segment_at(log, i);
    struct batch_header h;
    enum err e;

    if (limit >= log_segment_end(log, i)) {
        *pos_out = s->size;
        return E_OK;
    }
    if (log->limit.offset == limit && log->limit.segment == s->base_offset) {
        *pos_out = log->limit.pos;
        return E_OK;
    }
    if (!memo_find(log, s, limit, pos_out)) {
        e = log_use_indexes(log, s);
        if (e == E_OK)
            e = segment_find(s, limit, pos_out, &h);
        if (e == E_NOT_FOUND)
            *pos_out = s->size;
        else if (e == E_CORRUPT)
            *pos_out = s->size; /* damage ends the range by itself */
        else if (e != E_OK)
            return e;
    }
    log->limit = (struct log_memo){.offset = limit, .pos = *pos_out, .segment = s->base_offset};
    return E_OK;
}

/* Does the header fit what is known about the log, beyond its checksum? */
static bool is_expected(const struct log *log, const struct batch_header *h, int64_t next_offset)
{
    int32_t epoch = epoch_at(&log->epochs, h->base_offset);

    if (next_offset >= 0 &&
        (log->has_gaps ? h->base_offset < next_offset : h->base_offset != next_offset))
        return false;
    return epoch < 0 || h->leader_epoch == epoch;
}

/*
 * Check the batches from `pos` on until `end` is reached or passed. What was right
 * is noted; *good_out is where the first wrong one begins, or the end.
 */
static enum err check_range(struct log *log, struct segment *s, int64_t pos, int64_t end,
                            int64_t *good_out)
{
    uint8_t *window = mem_alloc(SEGMENT_SCAN_WINDOW);
    int64_t next_offset = -1;
    int64_t from = pos;
    struct segment_scan scan;
    struct batch_header h;
    enum err e = E_OK;

    if (window == NULL)
        return E_NOMEM;
    segment_scan_init(&scan, s, s->size, window, SEGMENT_SCAN_WINDOW);
    while (pos < end) {
        e = segment_scan_peek(&scan, pos, next_offset < 0 ? s->base_offset : next_offset, &h);
        if (e == E_OK && !is_expected(log, &h, next_offset))
            e = E_CORRUPT;
        if (e == E_OK)
            e = segment_scan_check(&scan, pos, &h);
        if (e != E_OK)
            break;
        next_offset = batch_next_offset(&h);
        pos += (int64_t)batch_total_size(&h);
    }
    mem_free(window);
    segment_add_verified(s, from, pos);
    *good_out = pos;
    return segment_scan_is_wrong(e) ? E_OK : e;
}

/* What was checked too long ago is checked again, unless the scrubber did. */
static void expire_verified(const struct log *log, struct segment *s)
{
    if (log->options.scrub_interval_ms <= 0 ||
        log->wall_ms - s->verified_ms < log->options.scrub_interval_ms)
        return;
    vec_clear(&s->verified);
    s->verified_ms = log->wall_ms;
}

/* Cut [pos, *end) to what is right. E_CORRUPT: the first batch is not. */
static enum err verify(struct log *log, struct segment *s, int64_t pos, int64_t *end)
{
    const struct segment_damage *damage = segment_damage_from(s, pos);
    int64_t at = pos;

    expire_verified(log, s);
    if (damage != NULL && damage->pos < *end)
        *end = damage->pos;
    while (at < *end) {
        int64_t verified = segment_verified_end(s, at);
        int64_t next, good;
        enum err e;

        if (verified > at) {
            at = verified;
            continue;
        }
        next = segment_verified_next(s, at, *end);
        e = check_range(log, s, at, next, &good);
        if (e != E_OK)
            return e;
        if (good < next) {
            *end = good;
            break;
        }
        at = good;
    }
    return *end > pos ? E_OK : E_CORRUPT;
}

/* What was marked is marked after a restart, too. That it could not be fails no read. */
static void keep_damage(struct log *log, const struct segment *s)
{
    enum err e = log_keep_damage(log, s);

    (void)e; /* the next checkpoint has it, or the log is broken and says so */
}

/* The first batch at or after `offset` in segment `i`: memo, else index. */
static enum err find_first(struct log *log, size_t i, int64_t offset, int64_t *pos_out,
                           int64_t *base_out)
{
    struct segment *s = log_segment_at(log, i);
    size_t damaged = s->damaged.count;
    struct batch_header h;
    enum err e;

    if (memo_find(log, s, offset, pos_out)) {
        *base_out = offset;
        return log_use_segment(log, s);
    }
    e = log_use_indexes(log, s);
    if (e == E_OK)
        e = segment_find(s, offset, pos_out, &h);
    if (s->damaged.count > damaged)
        keep_damage(log, s);
    if (e == E_OK) {
        *base_out = h.base_offset;
        log_memo_add(log, s, h.base_offset, *pos_out);
    }
    return e;
}

/* A segment that lost its tail has damage without bytes: are these offsets in it? */
static bool is_lost(const struct segment *s, int64_t offset)
{
    for (size_t i = s->damaged.count; i-- > 0;) {
        const struct segment_damage *d = vec_at(&s->damaged, i);

        if (offset >= d->offset && offset < d->offset_end)
            return true;
    }
    return false;
}

/*
 * Cut the range to `size_max`, but never the first batch. In the active segment,
 * whose index is in memory, it ends with a whole batch: a reader throws away a part
 * of one and asks for it again, at a place that is known then.
 */
static enum err cut_range(struct log *log, struct found *f, size_t size_max)
{
    uint8_t window[SEGMENT_SCAN_HOP];
    struct segment *s = f->segment;
    int64_t limit = f->pos + (int64_t)size_max;
    int64_t pos = f->pos, offset = f->base_offset;
    bool is_counted = true;
    struct segment_scan scan;
    struct batch_header h;
    enum err e;

    if (s->offsets.is_loaded) {
        struct offset_index_entry entry = offset_index_find_pos(&s->offsets, s->base_offset, limit);

        if (entry.pos > pos) {
            pos = entry.pos;
            offset = entry.last_offset;
            is_counted = frame_has_offset(s->format); /* else it is the entry's word only */
        }
    }
    segment_scan_init(&scan, s, s->size, window,
                      s->offsets.is_loaded ? sizeof(window) : BATCH_HEADER_SIZE);
    for (;;) {
        e = segment_scan_peek(&scan, pos, offset, &h);
        if (e != E_OK || !s->offsets.is_loaded || pos + (int64_t)batch_total_size(&h) > limit)
            break;
        pos += (int64_t)batch_total_size(&h);
        offset = batch_next_offset(&h);
    }
    if (e != E_OK && !segment_scan_is_wrong(e))
        return e;
    if (pos > f->pos) { /* at `pos` begins what does not fit, or what is wrong */
        f->end = e == E_OK ? pos : limit;
        if (e == E_OK && is_counted && segment_verified_end(s, pos) > pos)
            log_memo_add(log, s, h.base_offset, pos);
        return E_OK;
    }
    if (e != E_OK)
        return E_CORRUPT;
    f->end = pos + (int64_t)batch_total_size(&h);
    if (f->end < limit)
        f->end = limit;
    return E_OK;
}

/* Find the range; segment and base offset of its first batch. No checksum is looked at yet. */
static enum err find_range(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max,
                           struct found *f)
{
    enum err e = E_NOT_FOUND;
    size_t i;

    f->pos = f->end = 0;
    f->is_followed = false;
    for (i = log_segment_index(log, offset); i < log_segment_count(log); i++) {
        f->segment = log_segment_at(log, i);
        if (f->segment->base_offset >= limit_offset)
            return E_OK;
        e = find_first(log, i, offset, &f->pos, &f->base_offset);
        if (e == E_NOT_FOUND && is_lost(f->segment, offset))
            return E_CORRUPT;
        if (e != E_NOT_FOUND)
            break;
    }
    if (e == E_NOT_FOUND)
        return E_OK;
    if (e == E_OK)
        e = find_limit(log, i, limit_offset, &f->end);
    f->readable_end = f->end;
    f->is_followed = limit_offset > log_segment_end(log, i);
    if (e != E_OK || f->end - f->pos <= (int64_t)size_max)
        return e;
    return cut_range(log, f, size_max);
}

/*
 * The first batch at `f` is wrong. Its header may be what is wrong and hide those
 * behind it: mark what is damaged. E_AGAIN: `offset` lies behind that.
 */
static enum err note_damage(struct log *log, const struct found *f, int64_t offset)
{
    uint8_t *window = mem_alloc(SEGMENT_SCAN_WINDOW);
    struct segment_damage damage;
    struct segment_scan scan;
    enum err e;

    if (window == NULL)
        return E_NOMEM;
    log_memo_clear(log);
    segment_scan_init(&scan, f->segment, f->segment->size, window, SEGMENT_SCAN_WINDOW);
    e = log_use_indexes(log, f->segment);
    if (e == E_OK)
        e = segment_mark_damage(f->segment, &scan, f->pos, f->base_offset, &damage);
    mem_free(window);
    if (e == E_OK)
        keep_damage(log, f->segment);
    if (e != E_OK)
        return e == E_TOO_BIG ? E_CORRUPT : e;
    return offset >= damage.offset_end ? E_AGAIN : E_CORRUPT;
}

enum err log_read(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max,
                  struct log_range *range_out)
{
    struct found f;
    enum err e;

    if (offset < log->start_offset || offset > log->end_offset)
        return E_OUT_OF_RANGE;
    if (limit_offset > log->end_offset)
        limit_offset = log->end_offset;
    if (offset >= limit_offset) {
        *range_out = (struct log_range){.base_offset = offset};
        return E_OK;
    }
    do {
        e = find_range(log, offset, limit_offset, size_max, &f);
        if (e != E_OK)
            return e;
        if (f.pos >= f.end) {
            *range_out = (struct log_range){.base_offset = offset};
            return E_OK;
        }
        e = verify(log, f.segment, f.pos, &f.end);
        if (e == E_CORRUPT)
            e = note_damage(log, &f, offset);
    } while (e == E_AGAIN);
    if (e != E_OK)
        return e;
    *range_out = (struct log_range){.file = os_file_ref(f.segment->file),
                                    .pos = f.pos,
                                    .size = (size_t)(f.end - f.pos),
                                    .base_offset = f.base_offset,
                                    .has_more = f.is_followed || f.end < f.readable_end};
    return E_OK;
}

void log_range_release(struct log_range *range)
{
    os_file_unref(range->file);
    *range = (struct log_range){0};
}
