#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * Control records: what brokers write into a log for each other, in batches
 * with the control bit. The key is `version: i16 | type: i16`; the value
 * depends on the type, and all but the end of a transaction are generated
 * messages (wire/).
 */
enum record_control_type {
    RECORD_CONTROL_ABORT = 0,
    RECORD_CONTROL_COMMIT = 1,
    RECORD_CONTROL_LEADER_CHANGE = 2,
    RECORD_CONTROL_SNAPSHOT_HEADER = 3,
    RECORD_CONTROL_SNAPSHOT_FOOTER = 4,
    RECORD_CONTROL_KRAFT_VERSION = 5,
    RECORD_CONTROL_KRAFT_VOTERS = 6,
};

enum { RECORD_CONTROL_KEY_SIZE = 4, RECORD_END_TXN_VALUE_SIZE = 6 };

struct record_control_key {
    int16_t version;
    int16_t type; /* enum record_control_type, or one of a later version: to be skipped */
};

/* Version 0 of the key. */
void record_control_encode_key(enum record_control_type type,
                               uint8_t key_out[RECORD_CONTROL_KEY_SIZE]);

/* E_CORRUPT: shorter than 4 bytes, or a negative version. Later versions may be longer. */
NODISCARD enum err record_control_decode_key(struct slice key, struct record_control_key *key_out);

/* The value of a commit or abort: `version: i16 = 0 | coordinator_epoch: i32`. */
void record_end_txn_encode(int32_t coordinator_epoch, uint8_t value_out[RECORD_END_TXN_VALUE_SIZE]);

/* E_CORRUPT: shorter than 6 bytes, or a negative version. Later versions may be longer. */
NODISCARD enum err record_end_txn_decode(struct slice value, int32_t *coordinator_epoch_out);

/* The batch that ends a transaction on one partition (WriteTxnMarkers). */
struct batch_end_txn {
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    bool commit;
};

/*
 * Append it to `out`.
 *
 *   E_TOO_BIG  out would pass its maximum
 *   E_NOMEM
 */
NODISCARD enum err batch_build_end_txn(const struct batch_end_txn *marker, struct buf *out);
