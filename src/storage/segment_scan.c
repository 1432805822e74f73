#include "storage/segment_scan.h"

#include <assert.h>

#include "base/crc32c.h"
#include "os/file.h"
#include "storage/frame.h"
#include "storage/segment.h"

void segment_scan_init(struct segment_scan *scan, const struct segment *s, int64_t end,
                       uint8_t *window, size_t window_max)
{
    assert(window_max >= frame_header_size(s->format));
    *scan = (struct segment_scan){.file = s->file,
                                  .end = end,
                                  .format = s->format,
                                  .window = window,
                                  .window_max = window_max};
}

/* Make the window start at `pos`, as full as the file allows. */
static enum err fill(struct segment_scan *scan, int64_t pos)
{
    int64_t left = scan->end > pos ? scan->end - pos : 0;
    size_t size = left < (int64_t)scan->window_max ? (size_t)left : scan->window_max;
    size_t got = 0;
    enum err e;

    scan->window_size = 0;
    e = size == 0 ? E_OK : os_file_read(scan->file, pos, scan->window, size, &got);
    if (e != E_OK)
        return e;
    scan->window_pos = pos;
    scan->window_size = got;
    return E_OK;
}

/* Bytes of the window from `pos` on; 0 when it lies outside. */
static size_t window_left(const struct segment_scan *scan, int64_t pos)
{
    if (pos < scan->window_pos || pos >= scan->window_pos + (int64_t)scan->window_size)
        return 0;
    return (size_t)(scan->window_pos + (int64_t)scan->window_size - pos);
}

static const uint8_t *window_at(const struct segment_scan *scan, int64_t pos)
{
    return scan->window + (pos - scan->window_pos);
}

enum err segment_scan_peek(struct segment_scan *scan, int64_t pos, int64_t offset,
                           struct batch_header *header_out)
{
    size_t left = window_left(scan, pos);
    enum err e;

    if (left < frame_header_size(scan->format)) {
        e = fill(scan, pos);
        if (e != E_OK)
            return e;
        left = window_left(scan, pos);
    }
    e = frame_decode(scan->format, slice_of(window_at(scan, pos), left), offset, header_out);
    if (e == E_OK && (int64_t)batch_total_size(header_out) > scan->end - pos)
        e = E_TRUNCATED;
    return e;
}

enum err segment_scan_check(struct segment_scan *scan, int64_t pos,
                            const struct batch_header *header)
{
    int64_t at = pos + (int64_t)frame_checked_pos(scan->format);
    int64_t end = pos + (int64_t)batch_total_size(header);
    uint32_t crc = 0;
    enum err e;

    if (window_left(scan, pos) < batch_total_size(header)) {
        e = fill(scan, pos);
        if (e != E_OK)
            return e;
    }
    while (at < end) {
        size_t size = window_left(scan, at);

        if (size == 0) {
            e = fill(scan, at);
            if (e != E_OK)
                return e;
            size = window_left(scan, at);
            if (size == 0)
                return E_CORRUPT; /* the file shrank */
        }
        if ((int64_t)size > end - at)
            size = (size_t)(end - at);
        crc = crc32c_add(crc, window_at(scan, at), size);
        at += (int64_t)size;
    }
    return crc == header->crc ? E_OK : E_CORRUPT;
}

/* Cheap tests before the CRC is computed, also on what the CRC does not cover. */
static bool is_plausible(struct segment_scan *scan, int64_t pos, int64_t offset_min,
                         int64_t offset_end, struct batch_header *header_out)
{
    struct slice bytes = slice_of(window_at(scan, pos), window_left(scan, pos));

    return frame_decode(scan->format, bytes, offset_min, header_out) == E_OK &&
           (int64_t)batch_total_size(header_out) <= scan->end - pos &&
           header_out->base_offset >= offset_min && header_out->base_offset < offset_end;
}

enum err segment_scan_search(struct segment_scan *scan, int64_t pos, int64_t offset_min,
                             int64_t offset_end, int64_t *pos_out)
{
    size_t header_size = frame_header_size(scan->format);
    struct batch_header h;
    enum err e;

    for (; pos <= scan->end - (int64_t)header_size; pos++) {
        if (window_left(scan, pos) < header_size) {
            e = fill(scan, pos);
            if (e != E_OK)
                return e;
            if (window_left(scan, pos) < header_size)
                break;
        }
        if (!is_plausible(scan, pos, offset_min, offset_end, &h))
            continue;
        e = segment_scan_check(scan, pos, &h);
        if (e == E_OK) {
            *pos_out = pos;
            return E_OK;
        }
        if (e != E_CORRUPT)
            return e;
    }
    return E_NOT_FOUND;
}

enum err segment_scan_data_end(struct segment_scan *scan, int64_t pos, int64_t *end_out)
{
    int64_t end = pos;

    while (pos < scan->end) {
        enum err e = fill(scan, pos);

        if (e != E_OK)
            return e;
        if (scan->window_size == 0)
            break;
        for (size_t i = 0; i < scan->window_size; i++) {
            if (scan->window[i] != 0)
                end = pos + (int64_t)i + 1;
        }
        pos += (int64_t)scan->window_size;
    }
    *end_out = end;
    return E_OK;
}
