#include "storage/log_repair.h"

#include "base/mem.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/log_priv.h"
#include "storage/offset_index.h"

/*
 * A repair goes through a file beside the log, so that everything is known to be right and to fit
 * before the first byte of the segment changes:
 *
 *     source -> checked -> <base>.log.repair.tmp -> the segment, synced -> mark gone, durably
 *
 * While the segment is written the mark stands, durable: a crash leaves damage that is marked.
 * The file has a name that the next open removes.
 */
enum { PIECE_BYTES_MAX = 1 << 30, COPY_BYTES = 256 * 1024 };

struct repair {
    struct log *log;
    struct os_dir *dir;
    struct segment *segment;
    size_t damage; /* index in segment->damaged */
    struct segment_damage range;
    const struct log_repair_source *source;
    struct report *report;
    struct os_file *stage;
    char stage_name[SEGMENT_NAME_SIZE];
    int64_t staged_bytes;
    int64_t next_offset;
    int32_t epoch;
};

static enum err find_damage(struct repair *r, int64_t offset)
{
    size_t i = log_segment_index(r->log, offset);

    r->segment = log_segment_at(r->log, i);
    for (size_t d = 0; d < r->segment->damaged.count; d++) {
        const struct segment_damage *damage = vec_at(&r->segment->damaged, d);

        if (offset >= damage->offset && offset < damage->offset_end) {
            r->damage = d;
            r->range = *damage;
            return E_OK;
        }
    }
    report_set(r->report, "no damage is marked at offset %lld", (long long)offset);
    return E_NOT_FOUND;
}

static enum err check_batch(struct repair *r, const struct batch_view *b)
{
    const struct batch_header *h = &b->header;
    int32_t epoch = epoch_at(&r->log->epochs, h->base_offset);
    bool follows =
        r->log->has_gaps ? h->base_offset >= r->next_offset : h->base_offset == r->next_offset;

    if (batch_check_crc(b->bytes) != E_OK) {
        report_set(r->report, "the copy has a wrong checksum at offset %lld",
                   (long long)h->base_offset);
        return E_CORRUPT;
    }
    if (!follows || batch_next_offset(h) > r->range.offset_end) {
        report_set(
            r->report, "the copy has offsets %lld to %lld in one batch where %lld comes next",
            (long long)h->base_offset, (long long)batch_last_offset(h), (long long)r->next_offset);
        return E_OUT_OF_RANGE;
    }
    if ((epoch >= 0 && h->leader_epoch != epoch) || h->leader_epoch < r->epoch) {
        report_set(r->report, "the copy has leader epoch %d at offset %lld, this log %d",
                   h->leader_epoch, (long long)h->base_offset, epoch);
        return E_OUT_OF_RANGE;
    }
    return E_OK;
}

/* Check the batches in `bytes` and put them behind those that were staged. */
static enum err stage_piece(struct repair *r, const struct buf *bytes)
{
    struct batch_iter it = batch_iter_init(buf_slice(bytes));
    struct batch_view b;
    enum err e = E_OK;

    while (e == E_OK && batch_iter_next(&it, &b)) {
        e = check_batch(r, &b);
        r->next_offset = batch_next_offset(&b.header);
        r->epoch = b.header.leader_epoch;
    }
    if (e == E_OK)
        e = batch_iter_done(&it);
    if (e == E_OK)
        e = os_file_write(r->stage, r->staged_bytes, bytes->at, bytes->size);
    if (e == E_OK)
        r->staged_bytes += (int64_t)bytes->size;
    return e;
}

static enum err stage_all(struct repair *r)
{
    struct buf piece;
    enum err e = E_OK;

    buf_init(&piece, PIECE_BYTES_MAX);
    while (e == E_OK && r->next_offset < r->range.offset_end) {
        buf_clear(&piece);
        e = r->source->read(r->source->ctx, r->next_offset, r->range.offset_end, &piece);
        if (e == E_NOT_FOUND)
            report_set(r->report, "the copy does not have offset %lld either",
                       (long long)r->next_offset);
        if (e == E_OK && piece.size == 0 && r->log->has_gaps)
            break;
        if (e == E_OK)
            e = piece.size > 0 ? stage_piece(r, &piece) : E_NOT_FOUND;
    }
    buf_release(&piece);
    return e;
}

/* Damage without bytes at the end of a sealed segment: what is missing is appended. */
static bool is_at_end(const struct repair *r)
{
    return r->range.pos == r->range.end && r->range.pos == r->segment->size &&
           r->segment != log_active(r->log);
}

static enum err check_fit(struct repair *r)
{
    if (r->staged_bytes == r->range.end - r->range.pos)
        return E_OK;
    if (!is_at_end(r)) {
        report_set(r->report,
                   "the copy has %lld bytes for offsets %lld to %lld, here they had %lld",
                   (long long)r->staged_bytes, (long long)r->range.offset,
                   (long long)r->range.offset_end - 1, (long long)(r->range.end - r->range.pos));
        return E_OUT_OF_RANGE;
    }
    if (r->segment->size + r->staged_bytes > SEGMENT_SIZE_MAX ||
        r->range.offset_end - r->segment->base_offset > INT32_MAX) {
        report_set(r->report, "the segment would become too large");
        return E_TOO_BIG;
    }
    return E_OK;
}

static enum err copy_staged(struct repair *r)
{
    uint8_t *bytes = mem_alloc(COPY_BYTES);
    enum err e = bytes == NULL ? E_NOMEM : E_OK;

    for (int64_t at = 0; at < r->staged_bytes && e == E_OK;) {
        size_t got = 0;

        e = os_file_read(r->stage, at, bytes, COPY_BYTES, &got);
        if (e == E_OK && got == 0)
            e = E_IO;
        if (e == E_OK)
            e = os_file_write(r->segment->file, r->range.pos + at, bytes, got);
        at += (int64_t)got;
    }
    if (e == E_OK)
        e = os_file_sync(r->segment->file);
    mem_free(bytes);
    return e == E_IO ? log_break(r->log, e) : e;
}

/* Indexes and checkpoint of a segment without the mark. */
static enum err write_settled(struct repair *r)
{
    struct segment *s = r->segment;
    struct log *log = r->log;
    enum err e = segment_survey(s, log->options.index_interval_bytes);

    s->is_surveyed = false;
    log_refresh_max_timestamp(log);
    if (log->recovery.segment == s->base_offset) {
        log->recovery.max_timestamp = s->max_timestamp;
        log->recovery.max_timestamp_offset = s->max_timestamp_offset;
    }
    if (e == E_OK)
        e = segment_write_indexes(s, r->dir);
    return e == E_OK ? log_checkpoint_rewrite(log, r->dir) : e;
}

/* The bytes are right and durable: indexes, times and marks follow. */
static enum err settle(struct repair *r)
{
    struct segment *s = r->segment;
    struct log *log = r->log;
    struct segment_damage damage = *(struct segment_damage *)vec_at(&s->damaged, r->damage);
    int64_t size = s->size, allocated = s->allocated, size_bytes = log->size_bytes;
    enum err e;

    vec_remove(&s->damaged, r->damage);
    if (r->range.pos + r->staged_bytes > s->size) {
        log->size_bytes += r->range.pos + r->staged_bytes - s->size;
        s->size = r->range.pos + r->staged_bytes;
        s->allocated = s->allocated > s->size ? s->allocated : s->size;
    }
    log_memo_clear(log);
    e = write_settled(r);
    if (e == E_OK) {
        if (s != log_active(log))
            log_close_indexes(s);
        return E_OK;
    }
    s->size = size;
    s->allocated = allocated;
    log->size_bytes = size_bytes;
    if (s->offsets.is_loaded)
        offset_index_truncate(&s->offsets, size);
    if (segment_add_damage(s, &damage) != E_OK || e == E_IO) /* it has its place still */
        return log_break(log, e);
    return e;
}

static enum err run(struct repair *r)
{
    enum err e = log_use_segment(r->log, r->segment);

    if (e == E_OK)
        e = log_keep_damage(r->log, r->segment);
    if (e == E_OK)
        e = os_file_open(r->dir, r->stage_name, OS_FILE_CREATE, &r->stage);
    if (e == E_OK)
        e = os_file_truncate(r->stage, 0);
    if (e == E_OK)
        e = stage_all(r);
    if (e == E_OK)
        e = check_fit(r);
    if (e == E_OK) /* the log may have closed it meanwhile */
        e = log_use_segment(r->log, r->segment);
    if (e == E_OK)
        e = copy_staged(r);
    return e == E_OK ? settle(r) : e;
}

enum err log_repair(struct log *log, int64_t offset, const struct log_repair_source *source,
                    struct log_repaired *result_out, struct report *report)
{
    struct repair r = {.log = log, .source = source, .report = report, .epoch = -1};
    enum err e = find_damage(&r, offset);

    if (e != E_OK)
        return e;
    if (!frame_has_offset(log->format)) {
        report_set(report, "a log of messages cannot be repaired from a copy: put back the file of "
                           "the segment");
        return E_UNSUPPORTED;
    }
    if (log_refuses(log))
        return E_BROKEN;
    if (log->is_compacting) {
        report_set(report, "its segments are being compacted");
        return E_AGAIN;
    }
    r.next_offset = r.range.offset;
    segment_name(r.segment->base_offset, ".log.repair.tmp", r.stage_name);
    e = log_dir_open(log, &r.dir);
    if (e != E_OK)
        return e;
    e = run(&r);
    if (r.stage != NULL) {
        enum err removed = os_dir_remove_file(r.dir, r.stage_name);

        (void)removed; /* the next open does */
        os_file_unref(r.stage);
    }
    os_dir_close(r.dir);
    if (e == E_OK)
        *result_out = (struct log_repaired){r.range.offset, r.range.offset_end, r.staged_bytes};
    return e;
}

enum err log_find_damage(const struct log *log, int64_t offset, struct log_verify_range *range_out)
{
    for (size_t i = 0; i < log_segment_count(log); i++) {
        const struct segment *s = log_segment_at(log, i);

        for (size_t k = 0; k < s->damaged.count; k++) {
            const struct segment_damage *d = vec_at(&s->damaged, k);

            if (d->offset >= d->offset_end || d->offset_end <= offset)
                continue;
            *range_out =
                (struct log_verify_range){.kind = d->pos < d->end ? LOG_WALK_DAMAGE : LOG_WALK_LOST,
                                          .segment = s->base_offset,
                                          .pos = d->pos,
                                          .end = d->end,
                                          .offset = d->offset,
                                          .offset_end = d->offset_end,
                                          .why = "marked"};
            return E_OK;
        }
    }
    return E_NOT_FOUND;
}

static bool is_marked(const struct segment *s, const struct log_verify_range *range)
{
    for (size_t i = 0; i < s->damaged.count; i++) {
        const struct segment_damage *d = vec_at(&s->damaged, i);

        if (d->offset <= range->offset && d->offset_end >= range->offset_end &&
            (range->pos == range->end || (d->pos <= range->pos && d->end >= range->end)))
            return true;
    }
    return false;
}

enum err log_mark_damage(struct log *log, const struct log_verify_result *found, int *count_out)
{
    enum err e = E_OK;
    int count = 0;

    for (size_t i = 0; i < found->ranges.count && e == E_OK; i++) {
        const struct log_verify_range *range = log_verify_range_at(found, i);
        struct segment_damage damage = {range->pos, range->end, range->offset, range->offset_end};
        struct segment *s = log_segment_at(log, log_segment_index(log, range->segment));

        if ((range->kind != LOG_WALK_DAMAGE && range->kind != LOG_WALK_LOST) ||
            s->base_offset != range->segment || is_marked(s, range))
            continue;
        e = segment_add_damage(s, &damage);
        if (e != E_OK)
            break;
        segment_remove_verified(s, range->pos, range->end);
        count++;
        e = log_keep_damage(log, s);
    }
    log_memo_clear(log);
    if (e == E_OK)
        *count_out = count;
    return e;
}
