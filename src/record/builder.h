#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/codec.h"
#include "record/batch.h"
#include "record/record.h"

/*
 * Batch builder: records in, one batch out.
 *
 *     struct batch_options options = batch_options_init(next_offset);
 *     batch_builder_init(&b, &options);
 *     e = batch_builder_add(&b, &(struct record_draft){.timestamp_ms = now, .value = v});
 *     e = batch_builder_finish(&b, &out);       appends the batch to `out`
 *     batch_builder_release(&b);
 *
 * Owner: one thread. Nothing is allocated before the first record, and every
 * error leaves the builder as it was.
 */
struct batch_options {
    int64_t base_offset;
    int32_t leader_epoch;
    enum codec_id codec;
    int level; /* codec_is_level */
    bool transactional;
    bool control;
    int64_t producer_id; /* with epoch and sequence, or all -1 */
    int16_t producer_epoch;
    int32_t base_sequence;
    size_t size_max; /* of the batch before compression */
};

enum { BATCH_BUILDER_SIZE_MAX = 1 << 30 }; /* the default, and the most */

/* No producer, no compression, leader epoch -1. */
struct batch_options batch_options_init(int64_t base_offset);

struct record_draft {
    int64_t timestamp_ms;
    struct slice key;                    /* at NULL: null */
    struct slice value;                  /* at NULL: null */
    const struct record_header *headers; /* borrowed for the call; keys not null */
    int32_t header_count;
};

struct batch_builder {
    struct batch_options options; /* base offset and sequence are of the next batch */
    struct buf bytes;             /* room for a header, then records, not compressed */
    int32_t record_count;
    int64_t base_timestamp; /* of the first record */
    int64_t max_timestamp;
};

void batch_builder_init(struct batch_builder *b, const struct batch_options *options);
void batch_builder_release(struct batch_builder *b);

/* Forget the records; the memory stays. */
void batch_builder_clear(struct batch_builder *b);

/*
 * Add a record; its bytes are copied.
 *
 *   E_TOO_BIG  the batch would pass size_max: finish it first (a record that
 *              fits no empty batch fits nowhere)
 *   E_INVAL    a header key is null, or the timestamp is too far from the first one's
 *   E_NOMEM
 */
NODISCARD enum err batch_builder_add(struct batch_builder *b, const struct record_draft *draft);

/* Bytes of the batch so far, before compression; 0 when empty. */
size_t batch_builder_size(const struct batch_builder *b);

/*
 * Append the batch to `out`, its CRC computed. Then the builder is empty, and
 * its base offset and sequence are those that follow.
 *
 *   E_INVAL    there is no record, or no such compression level
 *   E_TOO_BIG  out would pass its maximum
 *   E_NOMEM
 */
NODISCARD enum err batch_builder_finish(struct batch_builder *b, struct buf *out);
