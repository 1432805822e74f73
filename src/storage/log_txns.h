#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "record/batch.h"

/*
 * Transactions of a log, as compaction sees them. First a survey of all batches in
 * order finds which transactions were aborted; then each walk over the same
 * batches, begun anew, is told of every batch whether it may be discarded.
 *
 * Pure but for memory; one thread.
 */
enum { LOG_TXNS_ABORTED_MAX = 1 << 22 };

/* What a control batch says. */
enum log_txns_marker {
    LOG_TXNS_NO_MARKER, /* of another kind, or one that nobody can read */
    LOG_TXNS_ABORT,
    LOG_TXNS_COMMIT,
    LOG_TXNS_EMPTY /* its record was compacted away */
};

/* An aborted transaction of which batches were found. */
struct log_txns_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* of the marker */
    bool is_seen;        /* in this walk: one of its batches is there */
};

struct log_txns_open {
    int64_t first_offset;
};

struct log_txns {
    struct vec aborted;       /* of log_txns_aborted, by first_offset after the survey */
    struct map_u64 open;      /* survey: producer id to log_txns_open, owned */
    struct map_u64 ongoing;   /* walk: producer id to log_txns_aborted in the vec */
    struct map_u64 committed; /* walk: producer ids with batches of an open, not aborted one */
    size_t next;              /* walk: in aborted */
};

void log_txns_init(struct log_txns *txns);
void log_txns_release(struct log_txns *txns);

/* The kind of a control batch, which is whole. */
enum log_txns_marker log_txns_read_marker(struct slice batch);

/* Survey: the next batch; `marker` of control batches only. E_NOMEM, E_TOO_BIG */
NODISCARD enum err log_txns_survey(struct log_txns *txns, const struct batch_header *h,
                                   enum log_txns_marker marker);

/* End the survey. The first offset of a transaction that has no end yet; -1 without one. */
int64_t log_txns_survey_end(struct log_txns *txns);

/* Begin a walk over the same batches. */
void log_txns_rewind(struct log_txns *txns);

/*
 * The next batch of the walk. *discard_out: it holds data of an aborted transaction, or is
 * the marker of one without batches. E_NOMEM
 */
NODISCARD enum err log_txns_walk(struct log_txns *txns, const struct batch_header *h,
                                 enum log_txns_marker marker, bool *discard_out);
