#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "codec/codec.h"
#include "record/batch.h"

/*
 * Rebuild: a batch written again with some of its records, in another codec or
 * with a delete horizon. Offsets, timestamps, epochs, producer and sequence stay.
 *
 * Pure; any thread. What compaction makes of a batch, see storage/log_compact.h.
 * Format: docs/format/record-batch.md
 */

/* A record as it stands in its batch: what record_iter_next() passed over. */
struct batch_kept {
    struct slice bytes; /* with its length in front */
    int64_t timestamp_ms;
};

struct batch_rebuild {
    enum codec_id codec;
    int level;              /* codec_is_level */
    int64_t horizon_ms;     /* to be written where there is none yet (KIP-534); -1: leave it */
    const struct vec *kept; /* of struct batch_kept, in order */
};

/*
 * Append the batch with the header of `h` and the kept records to `out`. The largest
 * timestamp is that of what was kept, unless it is a log append time. Without records
 * it is an empty batch, which keeps the largest timestamp and has no codec and no horizon.
 *
 *   E_CORRUPT  a record is none
 *   E_TOO_BIG  out would pass its maximum
 *   E_INVAL    no such level, or a timestamp is too far from the horizon
 *   E_NOMEM
 */
NODISCARD enum err batch_rebuild(const struct batch_header *h, const struct batch_rebuild *rebuild,
                                 struct buf *scratch, struct buf *out);
