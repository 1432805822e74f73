#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "record/batch.h"

/*
 * What a broker checks of a batch before it appends it: everything that
 * Kafka's LogValidator refuses, and that nothing in it is malformed.
 *
 * Pure; any thread. This is the hot path of a produce request.
 */
struct batch_rules {
    size_t batch_size_max; /* max.message.bytes: the whole batch, as sent */
    bool key_required;     /* the topic is compacted */
    bool transactional_allowed;
    bool control_allowed;         /* for our own batches, never for a client's */
    bool log_append_time_allowed; /* the same */
};

struct batch_summary {
    struct batch_header header;
    bool walked; /* false: the records of a compressed batch were not looked at */
    /* Of the records if walked, else what the header says: */
    int64_t max_timestamp;
    int32_t max_timestamp_delta; /* offset delta of the first record that has it */
    int64_t min_timestamp;
    size_t records_size; /* decompressed if walked */
};

/* For the error message and the record_errors of a produce response. */
struct batch_fault {
    int32_t record;   /* index in the batch; -1: the batch as such */
    const char *text; /* static */
};

/*
 * Check `batch`, exactly one. A compressed batch is decompressed into `unpack`
 * (cleared first; its maximum is the limit) and walked; with `unpack` NULL the
 * walk is left out, which key_required forbids.
 *
 * `fault_out` may be NULL; it is written only when the batch is refused.
 * Base offset and leader epoch may be anything valid: the leader sets them.
 * A max_timestamp that disagrees with the records is no fault, as in Kafka:
 * correct it with batch_patch_max_timestamp.
 *
 *   E_CORRUPT      the frame or the CRC is wrong: damaged on its way, may be sent again
 *   E_TRUNCATED    shorter than it claims
 *   E_INVAL        the CRC is right and the content wrong: sending it again is no use
 *   E_TOO_BIG      the batch passes its limit, or its records pass unpack->max
 *   E_UNSUPPORTED  magic 0 or 1, or a codec that nobody knows
 *   E_NOMEM
 */
NODISCARD enum err batch_validate(struct slice batch, const struct batch_rules *rules,
                                  struct buf *unpack, struct batch_summary *summary_out,
                                  struct batch_fault *fault_out);
