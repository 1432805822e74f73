#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "os/thread.h"
#include "storage/log_view.h"

struct log;
struct os_file;

/*
 * Scrub: read what is sealed again and again, so that damage is found while there is still a good
 * copy somewhere. A round goes over all sealed segments; what is found wrong is marked as the read
 * path marks it, durably, and never served. Rounds begin log_options.scrub_interval_ms apart; how
 * far one got is in `dlog.scrub`, so a restart goes on there.
 *
 * A round is walked in steps of so many bytes, each in three parts like struct log_sync:
 *
 *     e = log_scrub_begin(&scrub, log, size_max, wall_ms);    owner; E_NOT_FOUND: nothing is due
 *     log_scrub_run(&scrub);                                  any thread; reads
 *     e = log_scrub_finish(&scrub, log, &result);             owner
 *
 * Between begin and finish the log may do anything, also be closed: then log_scrub_drop().
 * A step that the log overtook (it was truncated, compacted, closed its files) is done again.
 *
 * Reads ask the disk: the page cache's copy of the bytes is dropped first.
 */
struct log_scrub {
    struct os_job job; /* for the owner's use with a pool */
    struct log_view view;
    struct log_walk walk;
    struct vec wrong; /* of struct log_walk_item */
    struct os_file *file;
    int64_t segment; /* base offset */
    int64_t from;
    int64_t size_max;
    int64_t wall_ms;
    int32_t generation;
    int32_t replaced_count;
    bool is_at_end; /* of the segment */
    enum err result;
};

struct log_scrubbed {
    int64_t bytes;
    int32_t damaged_ranges; /* new ones, marked now */
    int32_t unreadable;     /* places that the disk refused to read; left unmarked */
    bool is_round_done;
};

NODISCARD enum err log_scrub_begin(struct log_scrub *scrub, struct log *log, int64_t size_max,
                                   int64_t wall_ms);
void log_scrub_run(struct log_scrub *scrub);

/* Always releases the step. E_AGAIN: it was overtaken; E_IO: what was found is not durable. */
NODISCARD enum err log_scrub_finish(struct log_scrub *scrub, struct log *log,
                                    struct log_scrubbed *result_out);
void log_scrub_drop(struct log_scrub *scrub);

/* Could a step begin now? Cheap; false while a round is complete and the next one not yet due. */
bool log_scrub_is_due(const struct log *log, int64_t wall_ms);
