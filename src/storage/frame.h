#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "record/batch.h"
#include "record/message.h"
#include "storage/log.h"

/*
 * Frame: the unit on disk, a record batch (magic 2) or a message (magic 1). Only
 * this file and segment_scan.c know which; for everyone else the log is frames.
 *
 * Either is described by a struct batch_header. A message is described as the
 * batch of one record that it would be: without producer, without leader epoch,
 * with a `size` for which batch_total_size() is right. It holds no offset, its
 * place says that: who walks over frames says which offset comes next, and finds
 * it as base_offset. Of a batch that is ignored, its own stands.
 *
 * Pure but for memory; any thread.
 * Format: docs/format/record-batch.md, docs/format/message.md
 */

/* Do frames say their offset, epoch and producer? */
static inline bool frame_has_offset(enum log_format format)
{
    return format == LOG_FORMAT_BATCH;
}

/* What frame_decode() must see; no frame is smaller. */
static inline size_t frame_header_size(enum log_format format)
{
    return format == LOG_FORMAT_BATCH ? (size_t)BATCH_HEADER_SIZE : (size_t)MESSAGE_SIZE_MIN;
}

/* Where in a frame the bytes begin that its checksum covers. */
static inline size_t frame_checked_pos(enum log_format format)
{
    return format == LOG_FORMAT_BATCH ? (size_t)BATCH_POS_ATTRIBUTES : (size_t)MESSAGE_POS_MAGIC;
}

/* frame_decode() of a message. */
NODISCARD enum err frame_decode_message(struct slice bytes, int64_t offset,
                                        struct batch_header *header_out);

/*
 * The header of the frame at the start of `bytes`, where `offset` comes next.
 *
 *   E_TRUNCATED    fewer bytes than a header
 *   E_CORRUPT      no frame begins like that
 *   E_UNSUPPORTED  a batch of magic 0 or 1
 */
NODISCARD static inline enum err frame_decode(enum log_format format, struct slice bytes,
                                              int64_t offset, struct batch_header *header_out)
{
    return format == LOG_FORMAT_BATCH ? batch_decode_header(bytes, header_out)
                                      : frame_decode_message(bytes, offset, header_out);
}

/*
 * Walk over whole frames end to end, the first of which has or gets `offset`:
 * as batch_iter. E_TRUNCATED, E_CORRUPT, E_UNSUPPORTED: the bytes are not whole frames.
 */
struct frame_iter {
    struct batch_iter it;
    int64_t offset; /* that comes next */
    enum log_format format;
};

struct frame_iter frame_iter_init(enum log_format format, struct slice bytes, int64_t offset);
bool frame_iter_next(struct frame_iter *it, struct batch_view *view_out);

NODISCARD static inline enum err frame_iter_done(const struct frame_iter *it)
{
    return batch_iter_done(&it->it);
}

/* Frames that hold it are told where they will be; the others need not know. Checked before. */
void frame_place(enum log_format format, uint8_t *bytes, size_t size, int64_t offset,
                 int32_t leader_epoch);

/*
 * The first record at or after `timestamp` with an offset in [from_offset, limit_offset) in one
 * whole frame; found_offset stays when there is none.
 *
 *   E_CORRUPT, E_TOO_BIG, E_NOMEM  as record_iter_init
 */
struct frame_query {
    int64_t timestamp;
    int64_t from_offset;
    int64_t limit_offset;
    int64_t found_offset; /* -1: not yet */
    int64_t found_timestamp;
};

NODISCARD enum err frame_find_timestamp(enum log_format format, struct slice frame,
                                        const struct batch_header *header,
                                        struct frame_query *query);
