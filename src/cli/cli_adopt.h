#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "cli/cli.h"

struct log_root;
struct os;
struct os_dir;

/*
 * Adopt: put a log that a library or an Apache Kafka wrote into the data directory of a broker
 * that runs on this machine. The files' half of `dlog topic adopt`.
 *
 *   DIR --copy, check, recover--> DATA/.adopt/TOPIC-N --rename--> DATA/TOPIC-N --> topic created
 *
 * The source is only read. A broker does not look at a directory before its topic is created, so
 * until then everything can be taken back; what a stop half-way leaves says by the file
 * `dlog.adopting` that it is a copy, and the next try removes it.
 *
 * Thread: one. Lifetime: cli_adopt_open() .. cli_adopt_close().
 */
struct cli_adopt {
    const struct cli *cli; /* borrowed; for progress */
    const char *path;      /* of the data directory; borrowed */
    struct os *os;
    struct os_dir *data;
    struct log_root *staging;
};

/* A log that was staged. */
struct cli_adopted {
    int64_t start_offset;
    int64_t end_offset;
    int64_t bytes;
    int64_t torn_bytes; /* cut from the tail of the copy */
    int32_t aborted; /* transactions that were open: a marker at the end of the copy aborts each */
};

/*
 * E_NOT_FOUND, E_DENIED  no such directory for us
 * E_INVAL                no broker has it open
 * E_BUSY                 another adopt is at work
 */
NODISCARD enum err cli_adopt_open(const struct cli *cli, const char *path,
                                  struct cli_adopt *adopt_out, struct report *report);

/* What is staged and was not placed goes. */
void cli_adopt_close(struct cli_adopt *adopt);

/*
 * Copy the log in directory `source` to the staging directory as `name`, durably: without its
 * topic id and producers, with leader epoch 0 in every batch, opened and closed once.
 *
 *   E_NOT_FOUND    no log there
 *   E_BUSY         a process has it open
 *   E_EXISTS       the data directory has `name` already
 *   E_UNSUPPORTED  another format than batches
 *   E_CORRUPT      damage, which would be lost silently
 */
NODISCARD enum err cli_adopt_stage(struct cli_adopt *adopt, const char *source, const char *name,
                                   struct cli_adopted *adopted_out, struct report *report);

/* Move a staged log to its place, durably; and back, so that it goes with cli_adopt_close(). */
NODISCARD enum err cli_adopt_place(struct cli_adopt *adopt, const char *name,
                                   struct report *report);
void cli_adopt_take_back(struct cli_adopt *adopt, const char *name);

/* It is a broker's now: no longer a copy that may be removed. */
void cli_adopt_settle(struct cli_adopt *adopt, const char *name);
