#include "storage/log_priv.h"

#include "base/mem.h"
#include "os/file.h"
#include "record/record.h"
#include "storage/time_index.h"

/*
 * By time: segments are passed over by their largest timestamp, the time index
 * says where to begin in the right one, batches are passed over by theirs, and
 * the records of the first that could have it are walked.
 */
enum { UNPACK_BYTES_MAX = 256 * 1024 * 1024 };

struct time_query {
    int64_t timestamp;
    int64_t from_offset;
    int64_t limit_offset;
    int64_t found_offset; /* -1: not yet */
    int64_t found_timestamp;
};

/* The records of one batch, whole in memory. */
static enum err search_records(struct time_query *q, struct slice batch)
{
    struct record_view view;
    struct record_iter it;
    struct buf unpack;
    enum err e = batch_check_crc(batch);

    if (e != E_OK)
        return e;
    buf_init(&unpack, UNPACK_BYTES_MAX);
    e = record_iter_init(&it, batch, &unpack);
    while (e == E_OK && q->found_offset < 0 && record_iter_next(&it, &view)) {
        if (view.timestamp_ms >= q->timestamp && view.offset >= q->from_offset &&
            view.offset < q->limit_offset) {
            q->found_offset = view.offset;
            q->found_timestamp = view.timestamp_ms;
        }
    }
    if (e == E_OK && q->found_offset < 0)
        e = record_iter_done(&it);
    buf_release(&unpack);
    return e;
}

static enum err search_batch(struct time_query *q, struct segment *s, int64_t pos,
                             const struct batch_header *h)
{
    size_t size = batch_total_size(h), got;
    uint8_t *bytes = mem_alloc(size); /* at most what the file holds: the header was checked */
    enum err e;

    if (bytes == NULL)
        return E_NOMEM;
    e = os_file_read(s->file, pos, bytes, size, &got);
    if (e == E_OK)
        e = got == size ? search_records(q, slice_of(bytes, size)) : E_CORRUPT;
    mem_free(bytes);
    return e;
}

static enum err search_segment(struct log *log, struct time_query *q, struct segment *s)
{
    uint8_t window[SEGMENT_SCAN_HOP];
    struct segment_scan scan;
    struct batch_header h;
    int64_t offset, pos;
    enum err e = log_use_indexes(log, s);

    if (e == E_OK)
        e = time_index_find(&s->times, s->base_offset, q->timestamp, &offset);
    if (e == E_OK)
        e = segment_find(s, offset > q->from_offset ? offset : q->from_offset, &pos, &h);
    if (e != E_OK)
        return e == E_NOT_FOUND ? E_OK : e;
    segment_scan_init(&scan, s->file, s->size, window, sizeof(window));
    while (e == E_OK && pos < s->size && q->found_offset < 0) {
        const struct segment_damage *damage = segment_damage_from(s, pos);

        if (damage != NULL && damage->pos <= pos) {
            pos = damage->end;
            continue;
        }
        e = segment_scan_peek(&scan, pos, &h);
        if (e != E_OK)
            return e == E_IO ? e : E_CORRUPT;
        if (h.base_offset >= q->limit_offset)
            break;
        if (h.max_timestamp >= q->timestamp)
            e = search_batch(q, s, pos, &h);
        pos += (int64_t)batch_total_size(&h);
    }
    return e;
}

enum err log_find_timestamp(struct log *log, int64_t timestamp_ms, int64_t limit_offset,
                            int64_t *offset_out, int64_t *timestamp_out)
{
    struct time_query q = {.timestamp = timestamp_ms,
                           .from_offset = log->start_offset,
                           .limit_offset = limit_offset,
                           .found_offset = -1,
                           .found_timestamp = -1};
    enum err e = E_OK;

    for (size_t i = log_segment_index(log, log->start_offset);
         i < log_segment_count(log) && e == E_OK && q.found_offset < 0; i++) {
        struct segment *s = log_segment_at(log, i);

        if (s->base_offset >= limit_offset)
            break;
        if (s->size > 0 && s->max_timestamp >= timestamp_ms)
            e = search_segment(log, &q, s);
    }
    if (e != E_OK)
        return e;
    *offset_out = q.found_offset;
    *timestamp_out = q.found_timestamp;
    return E_OK;
}
