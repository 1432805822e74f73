#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/batch.h"
#include "storage/log.h"

struct os_file;
struct segment;

/*
 * Segment scan: read the frames of a segment's file through one window of memory,
 * with few large reads. A frame larger than the window is checked in pieces, so no
 * length that a damaged file claims makes us allocate.
 *
 * The window is the caller's: small for a hop over headers, large for recovery.
 */
enum {
    SEGMENT_SCAN_HOP = 4096,         /* for headers */
    SEGMENT_SCAN_WINDOW = 256 * 1024 /* for everything; fits the second-level cache */
};

struct segment_scan {
    struct os_file *file; /* borrowed */
    int64_t end;          /* bytes beyond it do not count */
    enum log_format format;
    uint8_t *window;
    size_t window_max;
    int64_t window_pos;
    size_t window_size;
};

/* Of the file of `s`, which is open, up to `end`. */
void segment_scan_init(struct segment_scan *scan, const struct segment *s, int64_t end,
                       uint8_t *window, size_t window_max);

/*
 * The header at `pos`, where `offset` comes next: what a frame that does not say
 * its offset (storage/frame.h) gets. Other frames say their own. Also written for a frame that
 * is too long: a copy for every hop would be felt.
 *
 *   E_TRUNCATED    fewer bytes up to the end than a header or than the frame claims
 *   E_CORRUPT, E_UNSUPPORTED  as frame_decode
 *   E_IO
 */
NODISCARD enum err segment_scan_peek(struct segment_scan *scan, int64_t pos, int64_t offset,
                                     struct batch_header *header_out);

/* Is this what bytes got that are no right frame? Other errors say nothing about the bytes. */
static inline bool segment_scan_is_wrong(enum err e)
{
    return e == E_CORRUPT || e == E_TRUNCATED || e == E_UNSUPPORTED;
}

/* The CRC of the frame at `pos`, whose header segment_scan_peek gave. E_CORRUPT, E_IO. */
NODISCARD enum err segment_scan_check(struct segment_scan *scan, int64_t pos,
                                      const struct batch_header *header);

/*
 * The first valid frame that begins at or after `pos` and has a base offset in
 * [offset_min, offset_end), if it says one: any byte may be its first.
 *
 *   E_NOT_FOUND, E_IO
 */
NODISCARD enum err segment_scan_search(struct segment_scan *scan, int64_t pos, int64_t offset_min,
                                       int64_t offset_end, int64_t *pos_out);

/* One past the last byte of [pos, end) that is not zero; `pos` if there is none. */
NODISCARD enum err segment_scan_data_end(struct segment_scan *scan, int64_t pos, int64_t *end_out);
