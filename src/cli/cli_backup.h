#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "cli/cli_log.h"

struct cli;
struct os;
struct os_dir;

/*
 * Backup: the data directories of one broker, copied while it runs or when it is stopped: topics,
 * metadata, groups and their offsets, transactions; who the node is.
 *
 *     DEST/manifest      a line a file: CRC-32C, size, path; the last one is over the lines before
 *     DEST/0/...         the first data directory, as it was
 *     DEST/1/...         the second
 *
 * A copy of a log that grows meanwhile is what a crash at that moment would have left, and the
 * broker that opens it recovers it. What is copied from one log is consistent: its sealed segments
 * must be the same after copying as before, else it is copied again. Metadata are copied first and
 * the offsets of groups before the records, so that none is ahead of its log.
 *
 * Thread: one.
 */
enum { CLI_BACKUP_DIRS_MAX = 64 };

/* The data directories of a broker, in the order of log.dirs. */
struct cli_backup_data {
    const char *dirs[CLI_BACKUP_DIRS_MAX];
    size_t count;
};

struct cli_backup_result {
    int64_t files;
    int64_t bytes;
    int64_t logs;
    int64_t again; /* logs that changed while they were copied, and were copied again */
};

/*
 * E_EXISTS     DEST is there and not empty
 * E_NOT_FOUND  a data directory is none
 * E_BUSY       a log changes faster than it can be copied
 * errors of files; the report says which
 */
NODISCARD enum err cli_backup_create(const struct cli *cli, const struct cli_backup_data *data,
                                     const char *dest, struct cli_backup_result *result_out,
                                     struct report *report);

/*
 * Is each file there, of its size and checksum? `bad_out`: how many are not, each told on standard
 * error. E_NOT_FOUND, E_CORRUPT: there is no manifest, or it is damaged.
 */
NODISCARD enum err cli_backup_verify(const struct cli *cli, const char *source, int64_t *bad_out,
                                     struct cli_backup_result *result_out, struct report *report);

/* Into directories that are not there or empty; verifies while it copies. E_EXISTS, E_CORRUPT */
NODISCARD enum err cli_backup_restore(const struct cli *cli, const char *source,
                                      const struct cli_backup_data *data,
                                      struct cli_backup_result *result_out, struct report *report);
