#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/batch.h"

struct os_file;

/*
 * Segment scan: read the batches of a file through one window of memory, with
 * few large reads. A batch larger than the window is checked in pieces, so no
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
    uint8_t *window;
    size_t window_max;
    int64_t window_pos;
    size_t window_size;
};

void segment_scan_init(struct segment_scan *scan, struct os_file *file, int64_t end,
                       uint8_t *window, size_t window_max);

/*
 * The header at `pos`.
 *
 *   E_TRUNCATED    fewer bytes up to the end than a header or than the batch claims
 *   E_CORRUPT, E_UNSUPPORTED  as batch_decode_header
 *   E_IO
 */
NODISCARD enum err segment_scan_peek(struct segment_scan *scan, int64_t pos,
                                     struct batch_header *header_out);

/* The CRC of the batch at `pos`, whose header segment_scan_peek gave. E_CORRUPT, E_IO. */
NODISCARD enum err segment_scan_check(struct segment_scan *scan, int64_t pos,
                                      const struct batch_header *header);

/*
 * The first valid batch that begins in [pos, limit) and has a base offset in
 * [offset_min, offset_end): any byte may be its first.
 *
 *   E_NOT_FOUND, E_IO
 */
NODISCARD enum err segment_scan_search(struct segment_scan *scan, int64_t pos, int64_t limit,
                                       int64_t offset_min, int64_t offset_end, int64_t *pos_out);

/* One past the last byte of [pos, end) that is not zero; `pos` if there is none. */
NODISCARD enum err segment_scan_data_end(struct segment_scan *scan, int64_t pos, int64_t *end_out);
