#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/vec.h"
#include "storage/log_compact.h"
#include "storage/log_keys.h"
#include "storage/log_priv.h"
#include "storage/log_txns.h"
#include "storage/segment_scan.h"

/*
 * The inside of a compaction. run() goes through the phases; each but the last
 * walks over the batches of `inputs`, a slice of work at a time.
 *
 *     SURVEY  headers only: aborted transactions, the number of dirty records
 *     MAP     the dirty section: the last offset of each key
 *     WRITE   everything up to `end_offset`: `<base>.log.cleaned` and its indexes
 *     DONE    or failed: `err`
 */
enum log_compact_phase { LOG_COMPACT_SURVEY, LOG_COMPACT_MAP, LOG_COMPACT_WRITE, LOG_COMPACT_DONE };

enum {
    LOG_COMPACT_STEP_BYTES = 8 * 1024 * 1024,  /* of one run() */
    LOG_COMPACT_BATCH_MAX = 256 * 1024 * 1024, /* as it stands, and unpacked */
    LOG_COMPACT_MARKER_MAX = 4096              /* no control batch is larger */
};

/* A segment as it was when the job began. */
struct log_compact_input {
    int64_t base_offset;
    int64_t end_offset; /* base of the next one */
    int64_t size;
    bool has_other_codec; /* than the one that is wanted; by the survey */
};

/* A segment that was written. */
struct log_compact_output {
    struct segment *segment; /* owned until finish() gives it to the log */
    size_t first_input;      /* it holds what is left of inputs [first, end) */
    size_t end_input;
    bool is_changed;       /* else it is what its one input is, and goes */
    bool has_aborted_file; /* the segment in whose place it goes has a .txnindex */
};

/* The last that is known of a producer: its batch is kept. */
struct log_compact_producer {
    int64_t id;
    int64_t last_offset; /* of its data; -1: none is known */
    int16_t epoch;
};

struct log_compact {
    struct log *log; /* for the owner's steps only */
    struct log_compact_options options;
    struct os_dir *dir;
    int64_t segment_bytes;
    int64_t segment_index_bytes;
    int64_t index_interval_bytes;
    int64_t wall_ms;
    int64_t limit_offset;
    int64_t start_offset;
    int64_t first_dirty_offset;
    int64_t uncleanable_offset;
    int64_t end_offset; /* compacted up to here */
    int32_t generation;
    struct vec inputs; /* of log_compact_input; those behind write_count are only surveyed */
    size_t write_count;
    struct vec producers; /* of log_compact_producer, by id */

    enum log_compact_phase phase;
    enum err err;
    int64_t bad_offset; /* base of the segment in which err lies; -1 */
    atomic_bool is_stopped;
    int64_t moved_bytes;

    size_t at; /* input */
    int64_t pos;
    struct os_file *file;
    struct segment_scan scan;
    uint8_t *window;

    uint64_t dirty_records;
    struct log_keys keys;
    struct log_txns txns;
    struct txn_index aborted; /* WRITE: that of the input */
    int64_t next_aborted;     /* of its entries, by the markers that were passed */
    struct buf batch;
    struct buf unpack;
    struct buf scratch;
    struct buf rebuilt;
    struct buf written; /* not in the output's file yet */
    struct vec kept;    /* of batch_kept */
    struct vec outputs; /* of log_compact_output; the last is being written while has_output */
    bool has_output;
    struct log_compact_result result;
};

static inline struct log_compact_input *log_compact_input_at(const struct log_compact *job,
                                                             size_t i)
{
    return vec_at(&job->inputs, i);
}

static inline struct log_compact_output *log_compact_output_at(const struct log_compact *job,
                                                               size_t i)
{
    return vec_at(&job->outputs, i);
}

/* ---- log_compact_write.c ---- */

/* The batch in job->batch, its header `h`: what is left of it goes to the output. */
NODISCARD enum err log_compact_write_batch(struct log_compact *job, const struct batch_header *h,
                                           enum log_txns_marker marker);

/* Input job->at is about to be written: it goes on in the same output or in a new one. */
NODISCARD enum err log_compact_write_begin(struct log_compact *job);

/* All inputs are written: make the last output durable, and the names of all. */
NODISCARD enum err log_compact_write_end(struct log_compact *job);

/* ---- log_swap.c ---- */

/* Put the changed outputs in the place of what they were made from. */
NODISCARD enum err log_swap(struct log_compact *job);

/* Remove the files of outputs that are not wanted. */
void log_swap_discard(struct log_compact *job);
