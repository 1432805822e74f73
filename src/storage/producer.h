#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/slice.h"
#include "base/vec.h"
#include "record/batch.h"
#include "storage/txn_index.h"

/*
 * Producer state: per producer id what is needed to find duplicates, gaps and
 * zombies (KIP-98, KIP-360), and which transactions are open.
 *
 * Pure but for memory. Owner: the log, with it one shard.
 * Format of a snapshot and of its window: docs/format/segment.md. The snapshot is Kafka's,
 * version 1: of each producer its last batch. The window holds the batches before it.
 *
 * Invariants
 *   (1) batches of an entry have one epoch and rising sequences (with wrap)
 *   (2) first_txn_offset is the smallest txn_first_offset of all, or -1
 *   (3) `ended` has rising last offsets
 */
enum {
    PRODUCER_BATCHES = 5,
    PRODUCER_STAGED_MAX = 64,
    PRODUCER_COUNT_MAX = 1 << 24,
    PRODUCER_ENDED_MAX = 4096
};

struct producer_batch {
    int64_t last_offset;
    int64_t timestamp;
    int32_t last_sequence; /* -1: none, a coordinator wrote it */
    int32_t offset_delta;  /* last - first, of offsets and of sequences */
};

struct producer {
    int64_t id;
    int64_t last_timestamp;
    int64_t txn_first_offset; /* -1: no transaction is open */
    int32_t coordinator_epoch;
    int16_t epoch; /* -1: only known by name */
    int16_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES]; /* oldest first */
};

struct producers {
    struct map_u64 by_id; /* to struct producer, owned */
    int64_t first_txn_offset;
    struct vec ended; /* of struct producer_ended: markers that may not be committed yet */
};

/* A transaction, or several, whose marker is in the log. */
struct producer_ended {
    int64_t first_offset;
    int64_t last_offset; /* of the marker */
};

void producer_init(struct producers *ps);
void producer_release(struct producers *ps);
void producer_clear(struct producers *ps);

static inline size_t producer_count(const struct producers *ps)
{
    return ps->by_id.count;
}

/* NULL: unknown. */
const struct producer *producer_find(const struct producers *ps, int64_t id);

/*
 * Check: would the batches of one append be in order? Zero it, give it each
 * header in turn, then look at what was found. Nothing is changed before
 * producer_apply(), so an append that fails leaves no trace.
 *
 * As in Kafka 4: an id that is not known, or whose batches are forgotten, may
 * begin at any sequence; a new epoch of a known id begins at 0; a batch
 * without a sequence (of a coordinator) is checked for its epoch only.
 *
 *   E_FENCED        epoch or coordinator epoch is older than what was seen
 *   E_OUT_OF_ORDER  a gap, or some but not all batches were there before
 *   E_TOO_BIG       more than PRODUCER_STAGED_MAX producers in one append
 */
struct producer_check {
    struct {
        int64_t id;
        int32_t last_sequence;
        int16_t epoch;
    } staged[PRODUCER_STAGED_MAX];
    int staged_count;
    int fresh_count;
    int duplicate_count;
    struct producer_batch first_duplicate;
    struct producer_batch last_duplicate;
};

NODISCARD enum err producer_check_batch(const struct producers *ps, struct producer_check *check,
                                        const struct batch_header *h);

/*
 * Note an appended batch. `batch` is needed of control batches only. `is_aborted_out` says that it
 * ended a transaction that had records, by an abort; then `aborted_out` is the entry of the
 * transaction index. E_NOMEM, E_CORRUPT: a control batch that cannot be read; nothing changed.
 */
NODISCARD enum err producer_apply(struct producers *ps, const struct batch_header *h,
                                  struct slice batch, bool *is_aborted_out,
                                  struct txn_aborted *aborted_out);

/*
 * The first offset of the oldest transaction that is open, or whose marker is at or after
 * `high_watermark`, which never goes back; -1 when there is none. KIP-98: the last stable offset
 * is that, or the high watermark.
 */
int64_t producer_first_unstable(struct producers *ps, int64_t high_watermark);

/* Drop who has no open transaction and was last heard of `expiration_ms` ago. */
void producer_expire(struct producers *ps, int64_t wall_ms, int64_t expiration_ms);

/* Append the snapshot file to `out`: producers in the order of their ids. E_NOMEM, E_TOO_BIG */
NODISCARD enum err producer_encode(const struct producers *ps, struct buf *out);

/*
 * Append the window that belongs to `snapshot`, just encoded of the same producers; nothing when
 * none has more than one batch. E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err producer_encode_window(const struct producers *ps, struct slice snapshot,
                                          struct buf *out);

/* Replace the state by a snapshot's. E_CORRUPT, E_UNSUPPORTED: another version; E_NOMEM */
NODISCARD enum err producer_decode(struct producers *ps, struct slice bytes);

/*
 * Add the batches of a window to what producer_decode() made of `snapshot`. E_CORRUPT: it belongs
 * to another snapshot, or is damaged; nothing changed. E_NOMEM
 */
NODISCARD enum err producer_decode_window(struct producers *ps, struct slice snapshot,
                                          struct slice bytes);
