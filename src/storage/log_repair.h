#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"
#include "storage/log_verify.h"

struct log;

/*
 * Repair: put good batches in the place of damage. They come from who calls, who has another copy
 * of the log: a replica, a backup. Everything about them is checked: checksum, that their offsets
 * are those that are missing, epochs that fit.
 *
 * Thread: the log's owner. A crash at any point leaves the damage marked or mended, never served
 * half; what was done already is done again without harm.
 */
struct log_repair_source {
    /*
     * Append whole batches to `out`, in order, the first one from `offset` on, all below `end`:
     * some, at least one. None, and E_OK: there are no more, the log was compacted.
     * E_NOT_FOUND: this copy does not have them, or they are damaged there, too.
     */
    enum err (*read)(void *ctx, int64_t offset, int64_t end, struct buf *out);
    void *ctx;
};

struct log_repaired {
    int64_t offset; /* offsets [offset, offset_end) are whole again */
    int64_t offset_end;
    int64_t bytes;
};

/*
 * Mend the damage that holds `offset`.
 *
 *   E_NOT_FOUND     there is no damage marked at `offset`, or the source does not have it
 *   E_CORRUPT       what the source gave is wrong
 *   E_OUT_OF_RANGE  what it gave does not fit: other batch boundaries or offsets
 *   E_TOO_BIG       the segment would become too large
 *   E_AGAIN         a compaction runs
 *   E_UNSUPPORTED   a log of messages
 *   E_BROKEN, E_IO, E_NO_SPACE, E_NOMEM
 * The report says which. After an error the damage is marked as before.
 */
NODISCARD enum err log_repair(struct log *log, int64_t offset,
                              const struct log_repair_source *source,
                              struct log_repaired *result_out, struct report *report);

/*
 * The first range marked as damage that has offsets from `offset` on. Marks are what to repair: the
 * bytes under one may be right already, when a crash came between them and the end of a repair.
 * E_NOT_FOUND
 */
NODISCARD enum err log_find_damage(const struct log *log, int64_t offset,
                                   struct log_verify_range *range_out);

/*
 * Mark what log_verify() found as damage, durably, so that it is not served and can be repaired.
 * How many ranges were new goes to `count_out`. E_BROKEN, E_IO, E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err log_mark_damage(struct log *log, const struct log_verify_result *found,
                                   int *count_out);
