#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * Record: one key, value and headers inside a batch, and the walk over the
 * records of a batch.
 *
 *     e = record_iter_init(&it, batch, &unpack);
 *     while (e == E_OK && record_iter_next(&it, &view))
 *         ...
 *     e = record_iter_done(&it);
 *
 * Pure; any thread. Views borrow from the batch if it is not compressed, else
 * from `unpack`, until that is cleared, released or used for the next batch.
 * Format: docs/format/record-batch.md
 */
struct record_view {
    int64_t offset;
    int64_t timestamp_ms;
    struct slice key;     /* at NULL: null */
    struct slice value;   /* at NULL: null, a tombstone where compacted */
    struct slice headers; /* as encoded; checked, see record_headers */
    int32_t header_count;
};

struct record_iter {
    const uint8_t *at;
    const uint8_t *end;
    int64_t base_offset;
    int64_t base_timestamp;
    int64_t append_time; /* when log_append_time */
    int32_t last_offset_delta;
    int32_t next_delta; /* the smallest that may come: offsets rise */
    int32_t left;
    bool log_append_time;
    enum err err;
};

/*
 * Start at the first record of the batch at the start of `bytes` (more may
 * follow it). A compressed batch is decompressed into `unpack`, which is
 * cleared first and whose maximum is the limit. The CRC is not checked.
 *
 *   E_TOO_BIG      the records would pass unpack->max
 *   E_CORRUPT      they do not decompress, or as batch_peek
 *   E_UNSUPPORTED  unknown codec, compressed while `unpack` is NULL, or as batch_peek
 *   E_TRUNCATED    as batch_peek
 *   E_NOMEM
 */
NODISCARD enum err record_iter_init(struct record_iter *it, struct slice bytes, struct buf *unpack);

/* False at the end and after an error. */
bool record_iter_next(struct record_iter *it, struct record_view *view_out);

/*
 * Why the walk ended. Gaps between offsets are fine: compaction makes them.
 *
 *   E_CORRUPT  a record breaks the format, offsets do not rise or pass the
 *              batch's last, or bytes are left over after the last record
 */
NODISCARD enum err record_iter_done(const struct record_iter *it);

struct record_header {
    struct slice key;   /* never null */
    struct slice value; /* at NULL: null */
};

/* Walk the headers of a view; the record was checked, so nothing can fail. */
struct record_headers {
    const uint8_t *at;
    const uint8_t *end;
    int32_t left;
};

struct record_headers record_headers_init(const struct record_view *view);
bool record_headers_next(struct record_headers *it, struct record_header *header_out);
