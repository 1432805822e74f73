#include "storage/log_priv.h"

#include "base/mem.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/segment_walk.h"
#include "storage/time_index.h"

/*
 * By time: segments are passed over by their largest timestamp, the time index
 * says where to begin in the right one, frames are passed over by theirs, and
 * the records of the first that could have it are walked.
 */
static enum err search_frame(struct frame_query *q, struct segment *s, int64_t pos,
                             const struct batch_header *h)
{
    size_t size = batch_total_size(h), got;
    uint8_t *bytes = mem_alloc(size); /* at most what the file holds: the header was checked */
    enum err e;

    if (bytes == NULL)
        return E_NOMEM;
    e = os_file_read(s->file, pos, bytes, size, &got);
    if (e == E_OK)
        e = got == size ? frame_find_timestamp(s->format, slice_of(bytes, size), h, q) : E_CORRUPT;
    mem_free(bytes);
    return e;
}

static enum err search_segment(struct log *log, struct frame_query *q, struct segment *s)
{
    struct segment_walk w;
    struct batch_header h;
    int64_t offset, pos;
    enum err e = log_use_indexes(log, s);

    if (e == E_OK)
        e = time_index_find(&s->times, s->base_offset, q->timestamp, &offset);
    if (e == E_OK)
        e = segment_find(s, offset > q->from_offset ? offset : q->from_offset, &pos, &h);
    if (e != E_OK)
        return e == E_NOT_FOUND ? E_OK : e;
    segment_walk_init(&w, s, pos, h.base_offset);
    while (q->found_offset < 0) {
        e = segment_walk_next(&w, &h);
        if (e == E_NOT_FOUND || (e == E_OK && h.base_offset >= q->limit_offset))
            return E_OK;
        if (e == E_OK && h.max_timestamp >= q->timestamp)
            e = search_frame(q, s, w.at, &h);
        if (segment_scan_is_wrong(e))
            e = E_CORRUPT;
        if (e != E_OK)
            return e;
    }
    return E_OK;
}

enum err log_find_timestamp(struct log *log, int64_t timestamp_ms, int64_t limit_offset,
                            int64_t *offset_out, int64_t *timestamp_out)
{
    struct frame_query q = {.timestamp = timestamp_ms,
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
