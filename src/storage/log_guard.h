#pragma once

#include <stdint.h>

#include "storage/log.h"

/*
 * Guard: keeps a root from filling its disk to the last byte. It knows how full the file system
 * is, by asking now and then, and what that means for appends:
 *
 *   OK        as ever
 *   WARN      nothing is zero-filled ahead, deleted segments go without delay; the owner runs
 *             retention and compaction
 *   THROTTLE  the owner makes producers wait log_root_pause_ms()
 *   FULL      log_append is E_NO_SPACE and touches nothing, unless it `may_use_reserve`
 *
 * Writes that do not go by the guard, and other programs, may use the last byte all the same. For
 * that there is a *ballast*: a file that is removed when less than its own size is free, so that
 * a node can be started, deletes topics and commits. It is made again when the disk is OK.
 *
 * A level is left a little below where it is entered, so that it does not flicker. Nobody has to
 * do anything when space is back: an append at FULL asks the file system itself, a few times a
 * second.
 *
 * Owner:  the root. Thread: log_root_guard() before the first log is opened; the rest from any.
 *
 * Invariants
 *   (1) by appends without `may_use_reserve` alone, free space never gets below the reserve by
 *       more than one append of each thread and what file names and indexes take
 *   (2) between two questions to the file system lie at most LOG_GUARD_BYTES of appends and
 *       LOG_GUARD_MS of wall time in which there are appends
 */
enum { LOG_GUARD_BYTES = 8 * 1024 * 1024, LOG_GUARD_MS = 1000, LOG_GUARD_FULL_MS = 100 };

/* The longest pause, for a disk about to be full. */
enum { LOG_GUARD_PAUSE_MS = 1000 };

enum log_disk_level { LOG_DISK_OK, LOG_DISK_WARN, LOG_DISK_THROTTLE, LOG_DISK_FULL };

/* "ok", "warn", "throttle", "full" */
const char *log_disk_level_text(enum log_disk_level level);

struct log_disk_limits {
    int32_t warn_percent;     /* of the disk used; 0 and 100: never */
    int32_t throttle_percent; /* the same */
    int64_t reserve_bytes;    /* at most a quarter of the disk counts; 0: none */
    int64_t ballast_bytes;    /* at most a quarter of the reserve counts; 0: none */
};

/* Guard the root from now on. One that never was told has no limits and asks nothing. */
void log_root_guard(struct log_root *root, const struct log_disk_limits *limits, int64_t wall_ms);

struct log_disk {
    enum log_disk_level level;
    int64_t size_bytes; /* 0: was never asked, or cannot be told */
    int64_t free_bytes; /* that we may use */
};

/* What was found last. */
struct log_disk log_root_disk(const struct log_root *root);

/* Ask now. */
struct log_disk log_root_look(struct log_root *root, int64_t wall_ms);

/*
 * While the disk is OK make the ballast larger, if it is smaller than it should be: a step of
 * LOG_GUARD_BALLAST_STEP. To be called now and then, not where a millisecond matters.
 */
enum { LOG_GUARD_BALLAST_STEP = 4 * 1024 * 1024 };
void log_root_ballast(struct log_root *root);

/* How long an append of a producer should be made to wait now: 0 to LOG_GUARD_PAUSE_MS. */
int32_t log_root_pause_ms(const struct log_root *root);
