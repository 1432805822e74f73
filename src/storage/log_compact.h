#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct log;

/*
 * Log compaction: sealed segments written again, with the last record of each
 * key only, or with the same records in another codec (recompression). Three
 * steps like struct log_sync, so that the long one may run elsewhere:
 *
 *     e = log_compact_begin(log, &options, high_watermark, wall_ms, &job);   owner
 *     while (log_compact_run(job))                                           any thread
 *         wait as the throttle says, or let others have the thread
 *     e = log_compact_finish(job, &result);                                  owner
 *
 * Appends, reads, syncs and retention go on meanwhile. A truncation voids the job.
 *
 * Owner:    begin, finish and look: the log's; run and moved_bytes: one thread at a
 *           time; stop: any. At most one job a log, and none when the log is closed.
 * Format:   docs/storage.md, "Compaction"; docs/format/segment.md
 *
 * What is kept is what Apache Kafka keeps: of the dirty section, from the first
 * offset that was never compacted to the first that must not be yet, the keys are
 * put into a map; then everything up to there is written again.
 *
 *   (1) offsets, timestamps, producer ids, epochs and sequences stay; a record that
 *       is not the last of its key goes, so do records without a key and those of
 *       aborted transactions
 *   (2) a tombstone, and the marker of a transaction that has no records left, stay
 *       until delete_retention_ms after the first compaction that saw them (KIP-534:
 *       the batch says when)
 *   (3) the last batch of each known producer stays, without records if need be, and
 *       so does the last one that was compacted
 *   (4) a crash at any point leaves the log as before or as after
 */
struct log_compact;

struct log_compact_options {
    bool has_keys;          /* compact; else only recompress */
    int codec;              /* enum codec_id that batches shall have; -1: as they are */
    int level;              /* of that codec */
    double min_dirty_ratio; /* compact when more than this of the log is dirty */
    int64_t min_lag_ms;     /* leave younger segments alone */
    int64_t max_lag_ms;     /* an older dirty segment makes it due */
    int64_t delete_retention_ms;
    size_t map_bytes; /* most memory for keys; what does not fit waits for the next time */
};

/* No codec, Kafka's defaults, 128 MiB. */
struct log_compact_options log_compact_options_default(void);

/* What there is to do. */
struct log_compact_due {
    int64_t first_dirty_offset;
    int64_t first_uncleanable_offset;
    int64_t clean_bytes;
    int64_t dirty_bytes;
    int64_t recompress_bytes; /* sealed and perhaps in another codec */
    double dirty_ratio;
    bool is_forced; /* by max_lag_ms */
    bool is_due;
};

/*
 * `limit_offset` is the high watermark, which never goes back between calls; nothing at or
 * above it is compacted.
 */
void log_compact_look(struct log *log, const struct log_compact_options *options,
                      int64_t limit_offset, int64_t wall_ms, struct log_compact_due *due_out);

/*
 * Plan. Moves the recovery point first where it would be inside of what is compacted.
 *
 *   E_NOT_FOUND  nothing can be compacted, whether it is due or not
 *   E_UNSUPPORTED  a log of messages: nothing is ever due in one
 *   E_BUSY       there is a job already
 *   E_BROKEN, E_IO, E_NO_SPACE, E_TOO_MANY_FILES, E_NOMEM
 */
NODISCARD enum err log_compact_begin(struct log *log, const struct log_compact_options *options,
                                     int64_t limit_offset, int64_t wall_ms,
                                     struct log_compact **job_out);

/* Work for some megabytes. False: there is nothing left to do, call finish. */
bool log_compact_run(struct log_compact *job);

/* Bytes read and written so far, for a throttle. */
int64_t log_compact_moved_bytes(const struct log_compact *job);

/* Make the next run return false, and finish E_CANCELLED. */
void log_compact_stop(struct log_compact *job);

struct log_compact_result {
    int64_t clean_offset; /* everything below is compacted now */
    int64_t bytes_before; /* of the segments that were written again */
    int64_t bytes_after;
    int64_t records_before;
    int64_t records_after;
    int32_t segments_before;
    int32_t segments_after;
};

/*
 * Put the new segments in the place of the old ones, durably, and free the job. Also
 * when run was not called to its end: then nothing changes. On an error the log is as it
 * was, but for E_IO, which breaks it.
 *
 *   E_CANCELLED  stopped, or not run to the end
 *   E_AGAIN      the segments changed meanwhile
 *   E_CORRUPT    damage was found; it and what follows is left alone from now on
 *   E_TOO_BIG    a batch that does not fit the memory; the same
 *   E_IO, E_NO_SPACE, E_TOO_MANY_FILES, E_NOMEM, E_BROKEN
 */
NODISCARD enum err log_compact_finish(struct log_compact *job,
                                      struct log_compact_result *result_out);

/* All three steps here. Errors of begin and finish. */
NODISCARD enum err log_compact(struct log *log, const struct log_compact_options *options,
                               int64_t limit_offset, int64_t wall_ms,
                               struct log_compact_result *result_out);
